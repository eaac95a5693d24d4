"""The program as people start it: in this process where that shows the same, else in its own.

No test is about speed: what takes time is waited for as an event (a file, a line, an
ending), and ENOUGH only ends a test that would hang.
"""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import run as program

ROOT = Path(__file__).resolve().parent.parent
ENOUGH = 1_200  # seconds: more than the slowest machine needs for anything here
QUICK = ["--num-envs", "4", "--num-steps", "16", "--hidden-sizes", "8", "--eval-episodes", "3"]
SHORT = [*QUICK, "--total-steps", "1500", "--no-media"]
PPO, VPG = ["--algo", "ppo"], ["--algo", "vpg"]


class Done(NamedTuple):
    """How a command ended; as subprocess.CompletedProcess says it."""

    returncode: int
    stdout: str
    stderr: str


def call(*options, cwd=ROOT):
    """`python run.py OPTIONS` in this process -> Done."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    here, out, err = os.getcwd(), io.StringIO(), io.StringIO()
    os.chdir(cwd)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = program.main([str(option) for option in options])
            except SystemExit as leaving:
                status = leaving.code
    finally:
        os.chdir(here)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Done(status, out.getvalue(), err.getvalue())


def command(*options):
    return [sys.executable, "-W", "error", str(ROOT / "run.py"), *map(str, options)]


def run(*options, cwd=ROOT, **settings):
    """`python run.py OPTIONS` in a process of its own."""
    return subprocess.run(
        command(*options), cwd=cwd, capture_output=True, text=True, timeout=ENOUGH, **settings
    )


def succeeded(done):
    """The standard output of a command that ended well and without a word on standard error."""
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def succeed(*options, **settings):
    return succeeded(run(*options, **settings))


def wait_until(condition, process=None):
    """Wait until condition() holds -> what it gave; it may also be `process` that ends the wait."""
    until = time.monotonic() + ENOUGH
    while not (value := condition()):
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    return value
