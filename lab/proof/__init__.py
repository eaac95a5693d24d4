"""Every equation held against the shipped code, by something independent of it.

numbering  an equation's key and its number
checks     runs the checks and prints them; evidence is what a check collects
equations  the checks, a file a chapter
mdp        a process of two states in which every expectation is a finite sum
faults     what can be wrong in a line: read by tests, grader, ablation and page
gradient_check   a gradient of one's own, held against the complex step
trace      one minibatch by hand, forward and back
autograd   six losses, two batches and stair 10 by torch.autograd, beside ours
"""
