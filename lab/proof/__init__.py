"""Every equation held against the shipped code, by something independent of it.

numbering  an equation's key and its number
checks     runs the checks and prints them; evidence is what a check collects
equations  the checks, a file a chapter
mdp        a process of two states in which every expectation is a finite sum
tokens     a language of 15 responses in which every expectation is one, too; groups learn it
faults     what can be wrong in a line: read by tests, grader, ablation and page
trace      one minibatch by hand, forward and back
autograd   one minibatch by torch.autograd, beside ours
"""

from lab import doors

__getattr__ = doors(
    __name__,
    autograd="compare_with_torch",
    checks="CHECKS report run_check",
    numbering="key_of number_of numbers",
    trace="",
    faults="",
    evidence="Z_BOUND complex_step",
    mdp="",
    tokens="",
    groups="learn_tokens",
)
