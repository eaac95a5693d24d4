"""argparse as all that can be called here uses it: bad input gets one line and exit status 2."""

import argparse
import contextlib
import sys
import textwrap

from lab.kit import files

FAILED, USAGE, INTERRUPTED = 1, 2, 130  # exit statuses


class Help(argparse.RawDescriptionHelpFormatter):
    """Help whose lines do not break inside an option's name."""

    def __init__(self, prog):
        super().__init__(prog, max_help_position=27, width=79)

    def _split_lines(self, text, width):
        return textwrap.wrap(text, width, break_on_hyphens=False)


class Parser(argparse.ArgumentParser):
    """argparse that answers bad input with one line."""

    def __init__(self, prog, **options):
        super().__init__(prog, formatter_class=Help, allow_abbrev=False, **options)

    def error(self, message):  # argparse calls it
        self.refuse(f"{message} ({self.prog} -h lists all options)")

    def refuse(self, message):
        """Say in one line what is wrong with the input, and exit."""
        self.exit(USAGE, f"{self.prog}: error: {message}\n")

    @contextlib.contextmanager
    def refusing(self, path=None, phrase=str):
        """Refuse what turns out to be bad input: a ValueError, too large, a `path` not written.

        phrase  from the ValueError to what is said
        """
        try:
            yield
        except ValueError as error:
            self.refuse(phrase(error))
        except MemoryError:
            self.refuse("there is not enough memory for it")
        except OSError as error:
            if path is None:
                raise
            self.refuse(f"{path} cannot be written: {error.strerror}")

    def ready(self, path, *endings):
        """Refuse a file that is to be written, before the work, unless it ends so and can be."""
        if endings and not str(path).lower().endswith(endings):
            self.refuse(f"{path} must end in {' or '.join(endings)}")
        with self.refusing(path):
            files.ready(path)


def option(parser, name, metavar, help, default=None, **more):
    """An argument whose help ends in its default, if it has one."""
    shown = help if default is None else f"{help} [{default}]"
    parser.add_argument(name, metavar=metavar, help=shown, default=default, **more)


def whole_number(low, high=None):
    """An argparse type: whole numbers from `low`, to `high` if it is given."""

    def parse(text):
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or number < low or (high is not None and number > high):
            valid = f"from {low}" if high is None else f"from {low} to {high:,}"
            raise argparse.ArgumentTypeError(f"must be a whole number {valid}, not {text!r}")
        return number

    return parse


def fail(message):
    """Say in one line what went wrong -> the exit status."""
    print(f"run.py: {message}", file=sys.stderr)
    return FAILED
