"""Every equation held against the shipped code, by something independent of it.

checks     runs the checks and prints them; evidence is what a check collects
equations  the checks, a file a chapter
mdp        a process of two states in which every expectation is a finite sum
trace      one minibatch by hand, forward and back
autograd   one minibatch by torch.autograd, beside ours
"""
