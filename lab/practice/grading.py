"""A reader's functions against the cases, in a process of its own, with words for what is wrong.

The reader's code may hang, crash, print or leave; that ends its own function's turn (if a
file does so as it is read, that of the file's functions) and nothing else. One worker
grades all functions in turn; if it is lost, another one goes on with the next.

Nothing of the lesson is imported but in the worker: `--lesson` grades a folder before its
files take the lesson's place.
"""

import ast
import contextlib
import faulthandler
import importlib
import importlib.util
import itertools
import multiprocessing
import os
import re
import sys
import tempfile
import textwrap
import traceback
import types
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lab.practice.blanks import BLANKS, CHAPTERS, PAGE, find, is_empty
from lab.practice.mistakes import MISTAKES, by_numbers, by_shape, close, edited

SECONDS = 3  # that one function, or reading one file, may take
PATIENCE = 30  # seconds without a word until a worker counts as lost
RIGHT, WRONG, BLANK, ERROR = "right", "wrong", "blank", "error"


class Grade(NamedTuple):
    equation: int
    function: str
    status: str
    diagnosis: str


# ------------------------------------------------------------ in the worker


def work(connection, directory, paths, trail):
    """Grade these functions in turn and send each one's (path, status, diagnosis).

    trail  a file for the line where a process was stopped
    """
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # whatever the reader's code prints
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    sys.dont_write_bytecode = True
    sys.path.append(str(directory))  # files of the reader's own, after everything else
    os._exit = os.abort = leave
    with open(trail, "w", encoding="utf-8") as file:
        faulthandler.enable(file)
        loaded = {}
        for blank in (b for b in BLANKS if b.path in paths):
            importlib.import_module(blank.module)  # the lesson's own: not in the reader's time
            connection.send((blank.path, None, None))  # its turn begins
            faulthandler.dump_traceback_later(SECONDS, file=file, exit=True)
            try:
                grade = grade_one(blank, directory, loaded, connection.send)
            except BaseException as error:  # the reader's code may raise anything, SystemExit too
                grade = ERROR, where(error, directory)
            faulthandler.cancel_dump_traceback_later()  # if it was an error that ended the turn
            connection.send((blank.path, *grade))
        faulthandler.disable()
    connection.close()


def leave(*_):
    """What stands for os._exit and os.abort in the worker, so that a line can be told."""
    raise SystemExit("ends the whole process")


def grade_one(blank, directory, loaded, say):
    """-> status, diagnosis.

    loaded  the reader's modules read so far, by name
    say     is told the module's name before it is read
    """
    file = directory / f"{blank.module}.py"
    if not file.exists():
        return ERROR, f"{file.name} is missing"
    definition = find(ast.parse(file.read_bytes(), str(file)), blank.name)
    if definition is not None and is_empty(definition):
        return BLANK, ""
    if blank.module not in loaded:
        say((blank.module, None, None))
        spec = importlib.util.spec_from_file_location(f"the_reader_s_{blank.module}", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        loaded[blank.module] = module
        say((blank.path, None, None))
    theirs = transplanted(blank, loaded[blank.module])
    if theirs is None:
        return ERROR, f"{file.name} has no {blank.name}"
    try:
        return verdict(blank, theirs, directory, faulthandler.cancel_dump_traceback_later)
    except NotImplementedError:
        return BLANK, ""


def shipped(blank):
    """The lesson's own function."""
    thing = importlib.import_module(blank.module)
    for name in blank.name.split("."):
        thing = getattr(thing, name)
    return thing


def transplanted(blank, module):
    """The reader's function among the lesson's others: another blank is not its fault."""
    thing = module
    for name in blank.name.split("."):
        thing = getattr(thing, name, None)
    if not isinstance(thing, types.FunctionType):  # np.vectorize(…), functools.partial(…)
        return thing
    lesson = vars(importlib.import_module(blank.module))
    own = {name: value for name, value in lesson.items() if name != blank.name}
    names = {**vars(module), **own}
    moved = types.FunctionType(
        thing.__code__, names, thing.__name__, thing.__defaults__, thing.__closure__
    )
    moved.__kwdefaults__ = thing.__kwdefaults__
    if "." in blank.name:  # for methods of their own that it calls
        moved.owner = getattr(module, blank.name.split(".")[0])
    return moved


@np.errstate(all="ignore")
def outcomes(blank, function):
    """What a function makes of each case: its outputs, or what it raised."""
    from lab.practice.cases import ask, cases

    found = []
    for case in cases(blank):
        try:
            found.append(ask(blank, function, case))
        except NotImplementedError:
            raise
        except Exception as error:
            found.append(error)
    return found


def verdict(blank, theirs, directory, answered=lambda: None):
    """-> status, diagnosis; answered is called when their function has been for the last time."""
    from lab.practice.cases import cases

    right, answers = outcomes(blank, shipped(blank)), outcomes(blank, theirs)
    answered()
    if same(answers, right):
        return RIGHT, ""
    words = known_mistake(blank, answers)
    if words:
        return WRONG, words
    if same(answers, right, single=True):  # float32 inside, and a float handed back
        return RIGHT, ""
    for answer in answers:
        if isinstance(answer, Exception):
            return ERROR, where(answer, directory, getattr(theirs, "__code__", None))
    made = cases(blank)
    sizes = [rows(case) for case in made]
    outputs = [([a[k] for a in answers], [r[k] for r in right]) for k in range(len(blank.returns))]
    for name, pair in zip(blank.returns, outputs, strict=True):
        words = by_shape(name, *pair)
        if words:
            return WRONG, words
    for name, (mine, wanted) in zip(blank.returns, outputs, strict=True):
        if not all(close(m, w, single=True) for m, w in zip(mine, wanted, strict=True)):
            words = by_numbers(name, sizes, mine, wanted)
            return WRONG, words or small_case(name, made, mine, wanted)
    raise AssertionError("unreachable")


def known_mistake(blank, answers):
    """The words of the mistake, or of the two at a time, that gives these answers; or None."""
    function, own = shipped(blank), [mistake for mistake in MISTAKES if mistake[0] == blank.path]
    for made in (*((one,) for one in own), *itertools.combinations(own, 2)):
        try:
            wrong = edited(function, *(text for _, old, new, _ in made for text in (old, new)))
        except ValueError:  # they exchange the same piece
            continue
        if same(answers, outcomes(blank, wrong)):
            return "; and ".join(dict.fromkeys(words for *_, words in made))
    return None


def same(answers, others, single=False):
    """Do two functions make the same of all cases, in their precision or a single one?"""
    for mine, other in zip(answers, others, strict=True):
        if isinstance(mine, Exception) or isinstance(other, Exception):
            if type(mine) is not type(other) or str(mine) != str(other):
                return False
        elif not all(close(m, o, single) for m, o in zip(mine, other, strict=True)):
            return False
    return True


def rows(case):
    """N, the number of rows of a case."""
    arrays = [value for value in case.values() if isinstance(value, np.ndarray) and value.ndim]
    return len(arrays[0]) if arrays else 1


def small_case(name, made, mine, wanted):
    """The first case that is visibly wrong: input, theirs, expected."""
    triples = list(zip(made, mine, wanted, strict=True))
    for digits, (case, m, w) in itertools.product((4, 8, 16), triples):
        yours, expected = number(m, digits), number(w, digits)
        if not close(m, w, single=True) and yours != expected:
            shown = [f"{key} {number(value, 4)}" for key, value in plain(case)]
            return f"{name}: for {', '.join(shown)}: yours {yours}, expected {expected}"
    raise AssertionError("two arrays that are not close look alike")


def plain(case):
    """What there is to show of a case: its numbers, and those of its objects."""
    for key, value in case.items():
        if isinstance(value, (int, float, tuple, np.ndarray)):
            yield key, value
        elif isinstance(value, list):
            yield from ((f"{key}[{k}]", item) for k, item in enumerate(value))
        elif isinstance(value, str):
            continue
        else:
            yield from plain({k: v for k, v in vars(value).items() if k != "layers"})


def number(value, digits):
    text = np.array2string(np.asarray(value), precision=digits, suppress_small=True, separator=" ")
    return " ".join(text.split())


def line_of(error, directory):
    """An exception that a workbook's own line raised, in one line; None for any other."""
    directory = Path(directory).resolve()
    if Path(traceback.extract_tb(error.__traceback__)[-1].filename).parent == directory:
        return where(error, directory)
    return None


def where(error, directory, code=None):
    """An exception in one line, with the line of the reader's file in which it arose.

    code  of the function whose first line stands for it when it arose in none of theirs
    """
    text = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, SyntaxError):
        return f"{Path(error.filename or '').name}, line {error.lineno}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parent == directory]
    if own:
        if "read-only" in text:
            text = "it changes one of its arguments; work on a copy"
        elif not text.startswith("ends the whole process"):
            text = f"{type(error).__name__}: {text}".removesuffix(": ")
        return f"{Path(own[-1].filename).name}, line {own[-1].lineno}: {text}"
    if code is not None and Path(code.co_filename).parent == directory:
        return f"{Path(code.co_filename).name}, line {code.co_firstlineno}: {text}"
    return text or type(error).__name__


# ------------------------------------------------------------ in the grader


def grade(directory, numbers=None):
    """Grade a workbook -> a list of Grade, one a blank that was asked for, in their order.

    numbers  equations; None: all

    Raises ValueError for a folder that is no workbook or an equation without a blank.
    """
    directory = Path(directory).resolve()
    if not any((directory / f"{blank.module}.py").exists() for blank in BLANKS):
        raise ValueError(f"{directory} is no workbook; `python run.py practice DIR` writes one")
    is_page = (directory / "one_page.py").exists()
    own = [blank for blank in BLANKS if (blank.chapter == PAGE) == is_page]
    asked = [blank for blank in own if not numbers or blank.equation in numbers]
    for wanted in numbers or []:
        if wanted not in {blank.equation for blank in asked}:
            known = ", ".join(map(str, sorted({blank.equation for blank in own})))
            raise ValueError(f"no blank for Eq. {wanted}; there are blanks for {known}")
    found = {}
    while len(found) < len(asked):
        run_worker(directory, [b.path for b in asked if b.path not in found], found)
    return [Grade(blank.equation, blank.path, *found[blank.path]) for blank in asked]


def run_worker(directory, paths, found):
    """Let a worker grade these functions, until it is done or lost; results go into `found`."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    current = None  # the function or module whose turn it is
    with tempfile.TemporaryDirectory() as scratch, contextlib.closing(mine):
        trail = Path(scratch) / "trail"
        worker = context.Process(target=work, args=(its, directory, paths, trail), daemon=True)
        worker.start()
        its.close()
        try:
            while mine.poll(PATIENCE):
                name, status, diagnosis = mine.recv()
                current = name if status is None else None
                if status is not None:
                    found[name] = status, diagnosis
        except (EOFError, ConnectionResetError):
            worker.join(SECONDS)  # a thread of the reader's may never end
        finally:
            worker.kill()
            worker.join()
        lost = last_words(trail, directory, worker.exitcode)
    left = [path for path in paths if path not in found]
    for path in left:
        if current is None or path == current or path.startswith(f"{current}."):
            found[path] = ERROR, lost
        if current is None:
            break


def last_words(trail, directory, status):
    """Why a worker was lost, in one line, from what faulthandler wrote into `trail`."""
    text = trail.read_text("utf-8", "replace") if trail.exists() else ""
    reason = f"ends the whole process (exit status {status})"
    if "Timeout" in text:
        reason = f"does not end within {SECONDS} s: an endless loop?"
    for file, line in re.findall(r'File "(.*)", line (\d+)', text):
        if Path(file).parent == directory:
            return f"{Path(file).name}, line {line}: {reason}"
    return reason


def grade_table(grades):
    """A list of Grade -> text of at most 80 columns, by chapter."""
    lines = []
    by_path = {blank.path: blank for blank in BLANKS}
    for chapter, title in {**CHAPTERS, PAGE: "PPO on one page"}.items():
        own = [g for g in grades if by_path[g.function].chapter == chapter]
        if own:
            lines += ["", f"{chapter}. {title}"]
        for one in own:
            lines.append(f"  Eq. {one.equation:<3} {one.function:<52} {one.status}")
            if one.diagnosis:
                text = one.diagnosis
                if one.status == WRONG:
                    text += (
                        f". Read Eq. {one.equation} again, or: python run.py hint {one.equation}"
                    )
                lines += textwrap.wrap(
                    text, 72, initial_indent=" " * 10, subsequent_indent=" " * 10
                )
    done = sum(g.status == RIGHT for g in grades)
    return "\n".join([*lines[1:], "", f"{done} of {len(grades)} right"])
