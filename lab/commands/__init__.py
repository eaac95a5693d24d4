"""What run.py can do: a file a group of commands, an option belongs to one command.

A command NAME of a module here is two functions: NAME_options(parser) declares its
arguments, NAME(parser, args) does it and returns the exit status. To add one, write
these two and its line in COMMANDS. Modules are imported when they are asked for.
"""

import argparse
import contextlib
import difflib
import errno
import importlib
import os
import sys

FAILED, USAGE, INTERRUPTED = 1, 2, 130  # exit statuses

# Command -> its module, and what it does. Without a command, run.py trains.
COMMANDS = {
    "resume": ("train", "go on with a run, or finish one that was interrupted"),
    "play": ("watch", "watch a run's best policy in a window"),
    "record": ("watch", "one episode of it as a GIF or MP4"),
    "compare": ("watch", "several runs' learning curves in one picture"),
    "study": ("study", "many seeds, trained on all cores and judged together"),
    "ablation": ("study", "PPO without each of its parts, 30 seeds each"),
    "check": ("gradients", "every equation against the code"),
    "trace": ("gradients", "one minibatch by hand, forward and back"),
    "tokens": ("gradients", "a tiny language, learned with RLOO, GRPO and GSPO"),
    "practice": ("workbook", "the lesson with its gradients blank, for you to write"),
    "grade": ("workbook", "what you wrote: right, or which mistake it is"),
    "hint": ("workbook", "three steps towards an equation"),
    "settings": ("train", "every setting of an algorithm, for --NAME VALUE"),
    "figures": ("pages", "draw the README's pictures"),
    "explorer": ("pages", "write the data of docs/explorer.html"),
    "book": ("book", "the derivations, their code and numbers, in one page"),
}
TAKE_LESSON = ("train", "resume", "play", "record")  # what can be done with a reader's own files
# How the first edition spelled what is a command now.
MOVED = {
    **{f"--{name}": name for name in ("resume", "play", "record", "compare", "ablation")},
    **{f"--{name}": name for name in ("check", "trace", "figures", "explorer")},
    "--seeds": "study --seeds",
    "--dask": "study --dask",
    "--jobs": "study --jobs",
}


class Parser(argparse.ArgumentParser):
    """argparse that answers bad input with one line."""

    def __init__(self, prog, **options):
        super().__init__(prog, formatter_class=Help, allow_abbrev=False, **options)

    def refuse(self, message):
        self.exit(USAGE, f"{self.prog}: error: {message}\n")

    def error(self, message):  # argparse calls it
        self.refuse(f"{message} ({self.prog} -h lists all options)")


class Help(argparse.RawDescriptionHelpFormatter):
    """Help whose lines do not break inside an option's name."""

    def __init__(self, prog):
        super().__init__(prog, max_help_position=27, width=79)

    def _split_lines(self, text, width):
        import textwrap

        return textwrap.wrap(text, width, break_on_hyphens=False)


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


def option(parser, name, metavar, help, default=None, **more):
    """An argument whose help ends in its default, if it has one."""
    shown = help if default is None else f"{help} [{default}]"
    parser.add_argument(name, metavar=metavar, help=shown, default=default, **more)


@contextlib.contextmanager
def refused(parser, path=None, told=str):
    """What turns out to be bad input, a ValueError, too large or a `path` not written: one line.

    told  from the ValueError to what is said
    """
    try:
        yield
    except ValueError as error:
        parser.refuse(told(error))
    except MemoryError:
        parser.refuse("there is not enough memory for it")
    except OSError as error:
        if path is None:
            raise
        parser.refuse(f"{path} cannot be written: {error.strerror}")


def ready(parser, path, *endings):
    """Refuse a file that is to be written, before the work, unless it ends so and can be."""
    from lab import runs

    if endings and not str(path).lower().endswith(endings):
        parser.refuse(f"{path} must end in {' or '.join(endings)}")
    with refused(parser, path):
        runs.ready(path)


def env_option(parser):
    """The one way to let a run's own environment be imported: the user names it."""
    help = "the run's environment: needed where it is of your own, module:Id-v0"
    option(parser, "--env", "ID", help)


def fail(message):
    print(f"run.py: {message}", file=sys.stderr)
    return FAILED


def dispatch(argv):
    """Find the command, parse what is its own, do it. Returns the exit status."""
    name = argv[0] if argv and not argv[0].startswith("-") else "train"
    if name != "train" and name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else "-h lists them"
        Parser("run.py").refuse(f"no command {name!r}; {hint}")
    folder = lesson_in(argv) if name in TAKE_LESSON else None
    if folder is not None:
        from lab.commands.workbook import take_lesson

        take_lesson(Parser("run.py"), folder)
    module_name = "train" if name == "train" else COMMANDS[name][0]
    module = importlib.import_module(f"lab.commands.{module_name}")
    if name == "train":
        parser = Parser("run.py", **module.HELP)
        for word in argv:
            if word.split("=")[0] in MOVED:
                parser.refuse(f"{word} is a command now: python run.py {MOVED[word.split('=')[0]]}")
    else:
        parser, argv = Parser(f"run.py {name}", description=COMMANDS[name][1]), argv[1:]
    getattr(module, f"{name}_options")(parser, argv)
    try:
        return getattr(module, name)(parser, parser.parse_args(argv))
    except Exception as error:
        from lab.practice import line_of

        line = folder and line_of(error, folder)
        if not line:
            raise
        return fail(line)


def lesson_in(argv):
    """The folder that --lesson names, which must be known before any of the lesson is imported."""
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    lesson_option(finder, nargs="?")
    return finder.parse_known_args(argv)[0].lesson


def lesson_option(parser, **more):
    option(parser, "--lesson", "DIR", "a workbook, whose files stand for the lesson's", **more)


def main(argv=None):
    """Run the command line; returns the exit status."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed, or pythonw
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # Greek letters where they are not known
    from lab.runs import CannotWrite, interrupts_raise

    interrupts_raise()
    try:
        status = dispatch(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return status
    except ModuleNotFoundError as error:
        return fail(f"{error.name} is missing: pip install -r requirements.txt")
    except CannotWrite as error:
        return fail(f"{error.filename} cannot be written: {error.strerror}")
    except BrokenPipeError:  # whoever read our output (head, less) has left
        silence()
        return FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        silence()  # our output has no room: /dev/full
        return fail(f"the output cannot be written: {error.strerror}")


def silence():
    """Let the interpreter's last flush of stdout go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
