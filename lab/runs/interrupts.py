"""Ctrl-C, and SIGTERM (Slurm, Docker, kill) which is meant the same way."""

import contextlib
import os
import signal
import sys


def heeded():
    """The signals that ask this program to stop; what its parent ignores stays ignored."""
    asking = signal.SIGINT, signal.SIGTERM
    return [number for number in asking if signal.getsignal(number) != signal.SIG_IGN]


def raise_interrupt(signum, frame):
    raise KeyboardInterrupt


def interrupts_raise():
    """From now on, either signal raises KeyboardInterrupt; a forked child it simply ends.

    A child that inherits the handler notes SIGTERM and goes on, and an environment that
    ends its helper processes waits for ever.
    """
    for number in heeded():
        signal.signal(number, raise_interrupt)
    if hasattr(os, "register_at_fork"):  # not on Windows
        masks = []

        def hold():  # a signal that comes before the child has let go of the handler waits
            masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, heeded()))

        def release():
            signal.pthread_sigmask(signal.SIG_SETMASK, masks.pop())

        def let_go():
            for number in heeded():
                signal.signal(number, signal.SIG_DFL)
            release()

        os.register_at_fork(before=hold, after_in_parent=release, after_in_child=let_go)


@contextlib.contextmanager
def first_interrupt_waits():
    """The first signal asks to stop at the iteration's end; a second one stops at once.

    Yields a list that is no longer empty once there was one.
    """
    asked = []

    def note(signum, frame):
        if asked:
            raise KeyboardInterrupt
        asked.append(signum)
        if sys.stderr.isatty():  # print must not be called here
            os.write(2, b"\nstopping at the end of this iteration; once more stops at once\n")

    before = {number: signal.signal(number, note) for number in heeded()}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
