"""`run.py check`, `trace`, `tokens`: the equations against the code, a minibatch, a language."""

from lab import proof
from lab.commands import FAILED, fail, whole_number


def check_options(parser, argv):
    parser.add_argument(
        "equations",
        type=whole_number(1),
        nargs="*",
        metavar="N",
        help="one for its numbers, several for a table [all of them]",
    )
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
    try:
        passed = proof.report(args.equations or None)
    except ValueError as error:
        parser.refuse(str(error))
    return 0 if passed else FAILED


def trace_options(parser, argv):
    parser.add_argument(
        "algorithm",
        choices=proof.trace.TRACED,
        nargs="?",
        default="ppo",
        help="whose objective [ppo]",
    )


def trace(parser, args):
    proof.trace.trace(args.algorithm)
    return 0


def tokens_options(parser, argv):
    parser.add_argument(
        "--seeds",
        type=whole_number(2),
        default=50,
        metavar="N",
        help="trainings in each way, of which the means are shown [50]",
    )


def tokens(parser, args):
    proof.learn_tokens(args.seeds)
    return 0
