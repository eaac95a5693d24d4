"""`run.py check`, `trace`, `tokens`: the equations against the code, a minibatch, a language."""

from lab import proof
from lab.commands import FAILED, whole_number


def check_options(parser, argv):
    parser.add_argument(
        "equations",
        type=whole_number(1),
        nargs="*",
        metavar="N",
        help="one for its numbers, several for a table [all of them]",
    )


def check(parser, args):
    try:
        passed = proof.report(args.equations or None)
    except ValueError as error:
        parser.refuse(str(error))
    return 0 if passed else FAILED


def trace_options(parser, argv):
    parser.add_argument(
        "algorithm", choices=proof.TRACED, nargs="?", default="ppo", help="whose objective [ppo]"
    )


def trace(parser, args):
    proof.trace(args.algorithm)
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
