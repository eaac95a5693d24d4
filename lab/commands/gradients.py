"""`run.py check`, `trace`, `tokens`: the equations against the code, a minibatch, a language."""

from lab import proof
from lab.commands import FAILED, fail, option, refused, whole_number


def check_options(parser, argv):
    help = "16 or gae; one for its numbers, several for a table [all of them]"
    option(parser, "equations", "N", help, nargs="*")
    parser.add_argument(
        "--torch", action="store_true", help="whole gradients, beside those of torch.autograd"
    )


def check(parser, args):
    if args.torch and args.equations:
        parser.refuse("--torch compares whole gradients; leave the equations' numbers out")
    if args.torch:
        try:
            return 0 if proof.compare_with_torch() else FAILED
        except ImportError as error:
            return fail(f"no PyTorch ({error}): pip install -r requirements/torch.txt")
    with refused(parser):
        return 0 if proof.report(args.equations or None) else FAILED


def trace_options(parser, argv):
    known = {"choices": proof.trace.TRACED, "nargs": "?"}
    option(parser, "algorithm", None, "whose objective", "ppo", **known)


def trace(parser, args):
    proof.trace.trace(args.algorithm)
    return 0


def tokens_options(parser, argv):
    help = "trainings in each way, of which the means are shown"
    option(parser, "--seeds", "N", help, 50, type=whole_number(2))


def tokens(parser, args):
    proof.learn_tokens(args.seeds)
    return 0
