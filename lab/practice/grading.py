"""A reader's functions against the cases, in a process of its own, with words for what is wrong.

The reader's code may hang, crash, print, leave or start what it likes; that ends its own
function's turn (if a file does so as it is read, that of the file's functions) and nothing else.
One worker grades all functions in turn; if it is lost, another one goes on with the next.
What a worker says is JSON, a line a message, which the grader takes for no more than text.

Nothing of the lesson is imported but in the worker: `--lesson` grades a folder before its
files take the lesson's place.
"""

import ast
import bdb
import contextlib
import cProfile
import faulthandler
import functools
import importlib
import importlib.util
import io
import json
import os
import re
import secrets
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import traceback
import types
from pathlib import Path
from typing import NamedTuple

from lab.kit import PROJECT
from lab.practice.asking import Raised, Told
from lab.practice.blanks import (
    BLANKS,
    MODULES,
    TITLES,
    YOURS,
    as_function,
    asked,
    find,
    is_empty,
    lesson_file,
    lesson_module,
    lines_in,
)

SECONDS = 10  # that one function, or reading one file, may take
PATIENCE = 30  # seconds without a word until a worker counts as lost
LARGEST = 1_000_000  # bytes of a workbook's file, and of all that a worker says
LONG, LONGEST = 200, 1000  # characters of an exception's message, and of a diagnosis
PRINTED = 2000  # characters of what a function prints
RIGHT, WRONG, BLANK, ERROR = "right", "wrong", "blank", "error"
BEGIN = "import sys; sys.path[:] = {!a}; from lab.practice.grading import work; work(*sys.argv[1:])"
MARK = "POLICYGRADIENTS_WORKER"  # in the environment of a worker and of all that it starts


class Grade(NamedTuple):
    equation: int
    function: str
    status: str
    diagnosis: str
    printed: str = ""


# ------------------------------------------------------------ in the worker


def work(directory, seconds, seed, *paths):
    """Grade these functions in turn; say each one's [path, status, diagnosis] on stdout, and end.

    seconds  that each may take
    seed     of the cases
    A turn, and the reading of a file, begins with [its name, None, None]. What a function prints
    is said as it comes: [path, None, text].
    """
    blanks = [blank for blank in BLANKS if blank.path in paths]
    from lab.practice.verdict import Judge

    for name in (blank.module for blank in blanks):
        lesson_module(name)  # the lesson's own: not in the reader's time
    directory, own, end = Path(directory), os.getpid(), os._exit
    lifeline, said = os.dup(0), os.dup(1)
    with open(os.devnull, "r+b") as nowhere:  # whatever the reader's code reads or prints
        for stream in range(3):
            os.dup2(nowhere.fileno(), stream)

    def say(name, status=None, diagnosis=None):
        if os.getpid() != own:  # a fork in the reader's code comes back from it
            end(1)
        os.write(said, f"\n{json.dumps([name, status, diagnosis])}\n".encode())

    def follow():
        os.read(lifeline, 1)  # nothing comes: it returns when the grader is gone
        kill_session(own)
        end(1)

    threading.Thread(target=follow, daemon=True).start()
    sys.dont_write_bytecode = True
    sys.path.append(str(directory))  # files of the reader's own, after everything else
    sys.breakpointhook = no_terminal
    faulthandler.enable(said)
    loaded = {}
    try:
        for blank in blanks:
            say(blank.path)
            judge = Judge(blank, int(seed))
            faulthandler.dump_traceback_later(float(seconds), file=said, exit=True)
            sys.stdout = Heard(blank.path, lambda *words: os.getpid() == own and say(*words))
            try:
                grade = grade_blank(blank, directory, loaded, say, judge)
            except BaseException as error:  # the reader's code may raise anything, SystemExit too
                grade = ERROR, where(error, directory)
            say(blank.path, *grade)
            faulthandler.cancel_dump_traceback_later()  # if it was an error that ended the turn
    finally:
        end(1)  # whatever threads may still run


class Heard(io.TextIOBase):
    """The stdout of one function: its first words are said, the rest is not."""

    def __init__(self, path, say):
        self.path, self.say, self.left = path, say, PRINTED

    def write(self, text):
        if self.left > 0 and text:
            self.say(self.path, None, text[: self.left])
            self.left -= len(text) + 9  # a message of its own
        return len(text)


def no_terminal(*_, **__):
    raise RuntimeError("breakpoint() stops with --debug: python run.py grade FOLDER NAME --debug")


def grade_blank(blank, directory, loaded, say, judge=None):
    """-> status, diagnosis.

    loaded  of the reader's modules read so far: their names now, and as they were read
    say     gets the module's name before it is read; the function's after that, and after its turn
    judge   a verdict.Judge of the blank; None: one with a fresh seed
    """
    file = directory / f"{blank.module}.py"
    say(blank.module)
    tree = ast.parse(contents(file), str(file))
    if blank.lines:
        compile(tree, str(file), "exec")  # what is wrong with the file, before what is not in it
        written = lines_in(tree, blank)
    else:
        written = getattr(find(tree, blank.name), "body", None)
    if written is not None and is_empty(written):
        return BLANK, ""
    if blank.module not in loaded:
        module = types.ModuleType(f"the_reader_s_{blank.module}")
        module.__file__ = str(file)
        exec(compile(tree, str(file), "exec"), vars(module))
        loaded[blank.module] = vars(module), dict(vars(module))
    say(blank.path)
    names, own = loaded[blank.module]
    # Beside it stand the lesson's own functions: another blank is not this one's fault.
    lesson = vars(lesson_module(blank.module))
    names |= own | {name: value for name, value in lesson.items() if name != blank.name}
    owner = None
    if blank.lines:
        theirs = as_function(blank, written, names, str(file))
    elif "." in blank.name:
        owner, name = blank.name.split(".")
        owner = own.get(owner)
        theirs = getattr(owner, name, None)
    else:
        theirs = own.get(blank.name)
    if theirs is None:
        return ERROR, f"{file.name} has no {blank.name}"

    if judge is None:
        from lab.practice.verdict import Judge

        judge = Judge(blank, fresh_seed())

    calls = cProfile.Profile(builtins=False)  # is it the lesson's own that answers?

    def answered():  # the rest is not in the reader's time
        calls.disable()
        faulthandler.cancel_dump_traceback_later()
        say(blank.path)

    def tell(error):
        code = getattr(theirs, "__code__", None)
        text = f"{type(error).__name__}: {message(error)}"
        return Raised(text, where(error, directory, code))

    try:
        calls.enable()
        status, words = judge.verdict(alone(theirs), owner, tell, answered)
    except NotImplementedError:
        return BLANK, left_open(blank, written)
    except SystemExit as error:
        if not message(error).endswith(YOURS):
            raise
        return BLANK, left_open(blank, written)
    finally:
        calls.disable()
    if status == RIGHT and any(call.code is judge.ours.__code__ for call in calls.getstats()):
        words = f"it is the repository's own {blank.name}, imported, not written"
    elif status == RIGHT:
        words = judge.remark
    return status, words


def left_open(blank, written):
    """Which of several lines are not written, where some are."""
    if not blank.lines:
        return ""
    left = [node.lineno for node in written if YOURS in ast.unparse(node)]
    if not 0 < len(left) < len(blank.lines.asked):
        return ""
    return f"open: line{'s' * (len(left) > 1)} {', '.join(map(str, left))} of {blank.module}.py"


def alone(function):
    """The function, from which a fork of this process does not come back to ask for more."""
    own, end = os.getpid(), os._exit

    @functools.wraps(function)
    def called(*args, **named):
        try:
            return function(*args, **named)
        finally:
            if os.getpid() != own:
                end(1)

    return called


def contents(file):
    """The bytes of a workbook's file. Raises ValueError, in one line, if it is none to read."""
    try:
        state = os.stat(file)
        if not stat.S_ISREG(state.st_mode) or state.st_size > LARGEST:
            raise ValueError(f"{file.name} is no file of at most {LARGEST:,} bytes")
        data = file.read_bytes()
    except FileNotFoundError:
        raise ValueError(f"{file.name} is missing") from None
    except OSError as error:
        raise ValueError(f"{file.name} cannot be read: {error.strerror}") from None
    if b"\0" in data:
        raise ValueError(f"{file.name} has NUL bytes in it; save it as text, in UTF-8")
    return data


def line_of(error, directory):
    """An exception that a workbook's own line raised, in one line; None for any other."""
    directory = Path(directory).resolve()
    file = traceback.extract_tb(error.__traceback__)[-1].filename
    if isinstance(error, SyntaxError):
        file = str(error.filename)
    return where(error, directory) if Path(file).parent == directory else None


def where(error, directory, code=None):
    """An exception in one line, with the line of the reader's file in which it arose.

    code  of the function whose first line stands for it when it arose in none of theirs
    """
    text = message(error)
    if isinstance(error, SyntaxError) and Path(str(error.filename)).parent == directory:
        line = f", line {error.lineno}" if error.lineno else ""
        return tame(f"{Path(error.filename).name}{line}: {error.msg}", LONG)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parent == directory]
    if own:
        if not isinstance(error, Told):
            text = f"{type(error).__name__}: {text}".removesuffix(": ")
        return tame(f"{Path(own[-1].filename).name}, line {own[-1].lineno}: {text}", LONG)
    if code is not None and Path(code.co_filename).parent == directory:
        return tame(f"{Path(code.co_filename).name}, line {code.co_firstlineno}: {text}", LONG)
    return tame(text or type(error).__name__, LONG)


def message(error):
    """The first line of what an exception says, which may be nothing."""
    try:
        return (str(error).strip().splitlines() or [""])[0]
    except Exception:  # its own __str__ is the reader's
        return ""


def tame(text, most):
    """A text that may go to a terminal: escapes for what cannot be printed, `most` characters."""
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: most + 1])
    return text if len(text) <= most else text[: most - 1] + "…"


# ------------------------------------------------------------ in the grader


def grade(directory, names=None, seed=None):
    """Grade a workbook -> a list of Grade, one a blank that was asked for, in their order.

    names  chapters, equations by key or number, functions; None: what the folder asks for
    seed   of the cases, a whole number of at least 0; None: a fresh one

    Raises ValueError for a folder that is no workbook of this version or a name without a blank.
    """
    wanted, directory = asked(directory, names), Path(os.path.realpath(directory))
    grades, seed = {}, fresh_seed() if seed is None else seed
    try:
        while len(grades) < len(wanted):
            left = [blank.path for blank in wanted if blank.path not in grades]
            grades |= run_worker(directory, left, seed)
    except OSError as error:
        raise ValueError(f"no process can be started to grade in: {error.strerror}") from None
    return [Grade(blank.equation, blank.path, *grades[blank.path]) for blank in wanted]


def debug(directory, name, seed=None):
    """Grade one function in this process, so that its breakpoint() stops in this terminal -> Grade.

    Raises ValueError as grade does.
    """
    (blank, *_), directory = asked(directory, [name]), Path(os.path.realpath(directory))
    sys.dont_write_bytecode = True
    sys.path.append(str(directory))
    try:
        from lab.practice.verdict import Judge

        judge = Judge(blank, fresh_seed() if seed is None else seed)
        said = grade_blank(blank, directory, {}, lambda *_: None, judge)
    except bdb.BdbQuit:
        said = ERROR, "stopped"
    except (Exception, SystemExit) as error:
        said = ERROR, where(error, directory)
    return Grade(blank.equation, blank.path, *said)


def fresh_seed():
    """A seed for the cases of one grading; below a million, to be typed again."""
    return secrets.randbelow(1_000_000)


def run_worker(directory, paths, seed):
    """Let a worker grade these functions until it is done or lost.

    -> {path: (status, diagnosis, what it printed)}

    Of one function at least.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        said, quiet = Path(scratch) / "said", False
        program = BEGIN.format([str(path) for path in (PROJECT, *sys.path)])
        with open(said, "wb") as channel:  # a file, which no process can keep the grader waiting at
            worker = subprocess.Popen(
                [sys.executable, "-c", program, str(directory), str(SECONDS), str(seed), *paths],
                env={**os.environ, MARK: scratch},
                stdin=subprocess.PIPE,
                stdout=channel,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            size, since = 0, time.monotonic()
            while worker.poll() is None and size <= LARGEST and not quiet:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    worker.wait(0.1)
                before, size = size, said.stat().st_size
                since = time.monotonic() if size > before else since
                quiet = time.monotonic() - since > PATIENCE
        finally:
            end(worker, f"{MARK}={scratch}")
        with open(said, encoding="utf-8", errors="replace") as file:
            lines = [line for line in file.read(LARGEST).split("\n") if line.strip()]
    grades, turn, trail = {}, "", []  # turn: whose it is, a function's or a file's
    printed = dict.fromkeys(paths, "")
    for line in lines:
        message = understood(line, paths)
        if message is None:  # faulthandler's, or that of an exception before the first turn
            trail.append(line)
            continue
        name, status, diagnosis = message
        if status is None and diagnosis is not None:
            printed[name] += diagnosis
            continue
        turn = name if status is None else None
        if status is not None:
            grades.setdefault(name, (status, tame(diagnosis, LONGEST)))
    left = [path for path in paths if path not in grades]
    if left:
        reason = f"ends the whole process (exit status {worker.returncode})"
        if quiet:
            reason = f"does not answer for {PATIENCE} s"
        elif trail and turn == "":
            reason = f"cannot be graded here: {trail[-1]}"
        lost = ERROR, tame(last_words(trail, directory, reason), LONGEST)
        own = [path for path in left if turn and f"{path}.".startswith(f"{turn}.")]
        grades |= dict.fromkeys(own or left, lost)
    for path, text in printed.items():
        lines = [tame(line, LONG) for line in text[:PRINTED].splitlines()]
        if path in grades:
            grades[path] = *grades[path], "\n".join(lines)
    return grades


def understood(line, paths):
    """A worker's message: [name, status, diagnosis]; None if a line is anything else."""
    try:
        name, status, diagnosis = message = json.loads(line)
    except (ValueError, TypeError, RecursionError):
        return None
    if status is None and diagnosis is None:
        return message if name in [*paths, *(path.split(".")[0] for path in paths)] else None
    known = name in paths and status in (RIGHT, WRONG, BLANK, ERROR, None)
    return message if known and isinstance(diagnosis, str) else None


def last_words(trail, directory, reason):
    """Why a worker was lost, in one line, from what faulthandler wrote: a list of lines.

    reason  if that says nothing else
    """
    if any(line.startswith("Timeout (") for line in trail):
        reason = f"does not end within {SECONDS} s: an endless loop?"
    written = str(directory).encode("ascii", "backslashreplace").decode()  # as faulthandler does
    for file, line in re.findall(r'File "(.*)", line (\d+)', "\n".join(trail)):
        if Path(file).parent == Path(written):
            return f"{Path(file).name}, line {line}: {reason}"
    return reason


def end(worker, mark):
    """End a worker and all that the reader's code started in it.

    On POSIX that is its session; on Linux also what left the session, as long as the
    worker's environment still marks it. On Windows it is the worker alone.
    """
    kill_session(worker.pid)
    worker.kill()
    worker.wait()
    worker.stdin.close()
    for _ in range(100):  # what is being killed may still start another
        left = list(marked(mark))
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not left:
            break


def kill_session(leader):
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            os.killpg(leader, signal.SIGKILL)


def marked(mark):
    """The processes that have this in their environment, where there is a /proc."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if os.fsencode(mark) in path.read_bytes().split(b"\0"):
                yield int(path.parent.name)


def stand_in(directory, without=()):
    """From now on, the files of a workbook that has been graded stand for the lesson's.

    without  functions in whose place the lesson's own stay

    A module is the lesson's, and in it all that the reader's file defines. As in the worker, a
    file of the reader's own is found after everything else.
    """
    directory = Path(directory).resolve()

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name in MODULES:
                file = directory / f"{name}.py"
                return importlib.util.spec_from_file_location(name, file, loader=Finder)

        @staticmethod
        def create_module(spec):
            return None

        @staticmethod
        def exec_module(module):
            name, names, file = module.__name__, vars(module), Path(module.__file__)
            source = lesson_file(name)
            ours = ast.parse(source.read_bytes(), str(source))
            exec(compile(ours, str(source), "exec"), names)
            if file.exists():
                theirs = ast.parse(contents(file), str(file))
                for path in without:
                    home, _, function = path.partition(".")
                    if home == name and (blank := find(theirs, function)):
                        blank.body = find(ours, function).body
                exec(compile(theirs, str(file), "exec"), names)

    sys.meta_path.insert(0, Finder)
    sys.path.append(str(directory))


def read_again(path, number, diagnosis):
    """Where to look for what is wrong."""
    if diagnosis.startswith("its numbers are right; but"):
        return "Read its docstring again"
    if path.startswith("gradient_check."):  # no equation of its own
        return "Read docs/objectives.md, G, again, or: python run.py hint largest_error"
    if path == "vpg.update":  # nor this: Eq. 44 is of a shared trunk
        return "Read the end of Chapter E again, or: python run.py hint vpg.update"
    return f"Read Eq. {number} again, or: python run.py hint {number}"


def grade_table(grades, hints=()):
    """A list of Grade -> text of at most 80 columns, by chapter.

    hints  {function: what is said below its diagnosis}
    """
    lines, chapter = [], None
    chapters = {blank.path: blank.chapter for blank in BLANKS}
    for number, path, status, diagnosis, printed in grades:
        if chapters[path] != chapter:
            chapter = chapters[path]
            lines += ["", f"{chapter}. {TITLES[chapter]}"]
        lines.append(f"  Eq. {number:<3} {path:<52} {status}")
        if status == WRONG:
            diagnosis += f". {read_again(path, number, diagnosis)}"
        lines += [" " * 10 + line for line in textwrap.wrap(diagnosis, 62)]
        if path in hints:
            lines += [" " * 10 + line for line in textwrap.wrap(hints[path], 62)]
        lines += [f"        > {line}"[:80] for line in printed.splitlines()]
    done = sum(g.status == RIGHT for g in grades)
    return "\n".join([*lines[1:], "", f"{done} of {len(grades)} right"])
