"""`run.py check`, `trace`, `tokens`: the equations against the code, a minibatch, a language."""

from lab.kit.command_line import FAILED, fail
from lab.language import learn_tokens
from lab.proof import autograd, checks
from lab.proof import trace as walkthrough


def check(parser, args):
    if args.torch and args.equations:
        parser.refuse("--torch compares losses and gradients; leave the equations' numbers out")
    if args.torch:
        try:
            return 0 if autograd.compare_with_torch() else FAILED
        except ImportError as error:
            return fail(f"no PyTorch ({error}): pip install -r requirements/torch.txt")
    with parser.refusing():
        return 0 if checks.report(args.equations or None) else FAILED


def trace(parser, args):
    walkthrough.trace(args.algorithm)
    return 0


def tokens(parser, args):
    learn_tokens(args.seeds)
    return 0
