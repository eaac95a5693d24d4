"""`run.py check`, `trace`, `tokens`: the equations against the code, a minibatch, a language."""

import os
import subprocess
import sys

from lab.kit import PROJECT
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
    own = None
    if args.lesson:  # in this process the reader's files are the lesson
        command = [sys.executable, PROJECT / "run.py", "trace", args.algorithm]
        utf8 = {**os.environ, "PYTHONIOENCODING": "utf-8"}
        own = subprocess.run(command, env=utf8, check=True, capture_output=True).stdout.decode()
    walkthrough.trace(args.algorithm, beside=own)
    return 0


def tokens(parser, args):
    learn_tokens(args.seeds)
    return 0
