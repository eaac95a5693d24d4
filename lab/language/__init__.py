"""What Chapters H and I are about: a language in which every expectation is a sum, a transformer.

tokens       15 responses, their policy and every objective's gradient
groups       a policy learns that language, once for each way of giving credit
transformer  the functions of ladder/10_language.py, at any size
"""

from lab.language.groups import learn_tokens
