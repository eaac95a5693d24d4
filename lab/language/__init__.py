"""Chapter H's exact world: a language in which every expectation is a finite sum.

tokens  15 responses, their policy and every objective's gradient
groups  a policy learns that language, once for each way of giving credit
"""

from lab.language.groups import learn_tokens
