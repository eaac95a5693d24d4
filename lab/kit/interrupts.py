"""Ctrl-C, and SIGTERM (Slurm, Docker, kill) which is meant the same way."""

import contextlib
import functools
import os
import signal
import sys


def stop_signals():
    """The signals that ask this program to stop; what its parent ignores stays ignored."""
    asking = signal.SIGINT, signal.SIGTERM
    return [number for number in asking if signal.getsignal(number) != signal.SIG_IGN]


def raise_interrupt(signum, frame):
    raise KeyboardInterrupt


def interrupts_raise():
    """From now on, either signal raises KeyboardInterrupt; a forked child it simply ends."""
    for number in stop_signals():
        signal.signal(number, raise_interrupt)
    if hasattr(os, "register_at_fork"):  # not on Windows
        forked_children_end()


@functools.cache  # what is registered cannot be taken back
def forked_children_end():
    """Give forked children the system's own handlers of both signals.

    A child that inherits ours notes SIGTERM and goes on, and an environment that ends its
    helper processes waits for ever.
    """
    masks = []

    def hold():  # a signal that comes before the child has let go of the handler waits
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals()))

    def release():
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.pop())

    def let_go():
        for number in stop_signals():
            signal.signal(number, signal.SIG_DFL)
        release()

    os.register_at_fork(before=hold, after_in_parent=release, after_in_child=let_go)


class Interrupts(list):
    """The signals that have come, as first_interrupt_waits yields them."""

    waiting, broke_off = True, False

    def unless(self, function, *arguments):
        """function(*arguments); or None, and `broke_off`, if the first signal is there or comes.

        What is long, and can be done again, is not waited for.
        """
        try:
            try:
                self.waiting = False
                if not self:
                    return function(*arguments)
            finally:
                self.waiting = True
        except BaseException:  # or whatever helpers that Ctrl-C has ended make of it
            if len(self) != 1:
                raise
        self.broke_off = True
        return None


@contextlib.contextmanager
def first_interrupt_waits():
    """The first signal asks to stop at the iteration's end; a second one stops at once.

    Yields the signals so far, an Interrupts: a list that is no longer empty once there was one.
    """
    interrupts = Interrupts()

    def note(signum, frame):
        interrupts.append(signum)
        if len(interrupts) > 1 or not interrupts.waiting:
            raise KeyboardInterrupt
        if sys.stderr.isatty():  # print must not be called here
            os.write(2, b"\nstopping at the end of this iteration; once more stops at once\n")

    before = {number: signal.signal(number, note) for number in stop_signals()}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
