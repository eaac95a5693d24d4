"""What run.py can do: a file a group of commands, all options in options.py.

A command NAME is two functions: NAME_options(parser, argv) in options.py declares its
arguments, NAME(parser, args) in its module does it and returns the exit status. To add one,
write these two and its line in COMMANDS. A module is imported when its command is given.
"""

import contextlib
import difflib
import errno
import importlib
import os
import sys

from lab.commands import lesson, options
from lab.kit import CannotWrite, interrupts_raise
from lab.kit.command_line import FAILED, INTERRUPTED, Parser, fail

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
}
HELP = {
    "usage": f"run.py --algo {{{','.join(options.NAMES)}}} [options]\n       run.py COMMAND …",
    "description": "Policy gradients by hand, in numpy alone. To begin: python run.py --algo ppo",
    "epilog": "commands (run.py COMMAND -h explains one):\n"
    + "\n".join(f"  {name:<24} {text}" for name, (_, text) in COMMANDS.items()),
}


def command_in(argv):
    """The command that a command line begins with; `train` if it names none."""
    name = argv[0] if argv and not argv[0].startswith("-") else "train"
    if name != "train" and name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else "-h lists them"
        if name in ("figures", "explorer", "book"):
            hint = f"it is a target: make {name}"
        Parser("run.py").refuse(f"no command {name!r}; {hint}")
    return name


def parser_of(name, argv):
    """The parser of a command, for the words that follow its name."""
    if name == "train":
        parser = Parser("run.py", **HELP)
    else:
        parser = Parser(f"run.py {name}", description=COMMANDS[name][1])
    getattr(options, f"{name}_options")(parser, argv)
    return parser


def main(argv=None):
    """Run the command line; returns the exit status."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed, or pythonw
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # Greek letters where they are not known
    interrupts_raise()
    argv = sys.argv[1:] if argv is None else argv
    folder = None  # of --lesson
    try:
        name = command_in(argv)
        argv = argv if name == "train" else argv[1:]
        folder = lesson.take(name, argv)
        parser = parser_of(name, argv)
        args = parser.parse_args(argv)
        module = importlib.import_module(f"lab.commands.{COMMANDS.get(name, [name])[0]}")
        status = getattr(module, name)(parser, args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read our output (head, less) has left
        silence()
        return FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        line = lesson.line_of(error, folder) or reason(error)
        if line is None:
            raise
        return fail(line)


def reason(error):
    """What an exception is that lies outside this program, in one line; None: it is ours."""
    if isinstance(error, ModuleNotFoundError):
        hint = "pip install -r requirements.txt, or activate .venv after make train"
        return f"{error.name} is missing: {hint}"
    if isinstance(error, CannotWrite):
        return f"{error.filename} cannot be written: {error.strerror}"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
        silence()  # our output has no room: /dev/full
        return f"the output cannot be written: {error.strerror}"
    return None


def silence():
    """Let the interpreter's last flush of stdout go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
