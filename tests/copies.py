"""The program in a copy of a process that has imported it: a start costs a fork, not imports.

What a test does to a copy (signals, limits, disks) is real. How run.py itself begins is not
seen here: for that programs.py starts it. POSIX alone.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import warnings
from functools import cache
from multiprocessing import forkserver

from programs import ROOT

import lab.commands.train  # what the program reads when it is to train
import lab.runs.runner
import run as program


@cache
def server():
    """The context whose processes are forked from a server that has read this file."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["copies"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    try:
        forkserver.ensure_running()
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before
    return context


def hurry():
    """From now on a checkpoint is written after each iteration."""
    assert lab.runs.runner.CHECKPOINT_SECONDS > 0
    lab.runs.runner.CHECKPOINT_SECONDS = 0


def begin(options, cwd, streams, prepare):
    """What a copy does: `python -W error run.py OPTIONS`, after the calls in `prepare`."""
    sys.stdout, sys.stderr = (path.open("w", encoding="utf-8") for path in streams)
    for number, stream in enumerate((sys.stdout, sys.stderr), 1):
        os.dup2(stream.fileno(), number)
    os.chdir(cwd)
    warnings.simplefilter("error")
    for function in prepare:
        function()
    sys.exit(program.main(list(map(str, options))))


class Copy:
    """A running copy, with as much of subprocess.Popen as tests need.

    streams    paths of its standard output and error: files, or a terminal
    prepare    functions to call in it first, which pickle takes
    """

    def __init__(self, *options, cwd, streams, prepare=()):
        self.streams = streams
        arguments = options, cwd, streams, prepare
        self.process = server().Process(target=begin, args=arguments, daemon=True)
        self.process.start()

    @property
    def returncode(self):
        return self.process.exitcode

    def poll(self):
        return self.process.exitcode

    def send_signal(self, number):
        if self.process.is_alive():
            os.kill(self.process.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout=None):
        self.process.join(timeout)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired("run.py", timeout)
        return self.process.exitcode

    def communicate(self, timeout=None):
        """-> what it wrote to standard output and to standard error, when it has ended."""
        self.wait(timeout)
        return tuple(path.read_text("utf-8") for path in self.streams)
