"""A reader's functions against the cases, in a process of its own, with words for what is wrong.

The reader's code may hang, crash, print or leave; that ends its own function's turn and
nothing else. One worker grades all functions in turn; if it is lost, another one goes on
with the next.
"""

import ast
import contextlib
import importlib
import importlib.util
import multiprocessing
import os
import sys
import textwrap
import traceback
import types
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lab.practice.blanks import BLANKS, CHAPTERS, find, is_empty
from lab.practice.cases import ask, cases
from lab.practice.mistakes import MISTAKES, by_numbers, close, edited

SECONDS = 3  # that one function may take
RIGHT, WRONG, BLANK, ERROR = "right", "wrong", "blank", "error"


class Grade(NamedTuple):
    equation: int
    function: str
    status: str
    diagnosis: str


# ------------------------------------------------------------ in the worker


def work(connection, directory, paths):
    """Grade these functions in turn and send each one's (path, status, diagnosis)."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # whatever the reader's code prints
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    sys.dont_write_bytecode = True
    np.seterr(all="ignore")
    loaded = {}
    for blank in (b for b in BLANKS if b.path in paths):
        connection.send((blank.path, None, None))  # its turn begins
        try:
            connection.send((blank.path, *grade_one(blank, directory, loaded)))
        except BaseException as error:  # the reader's code may raise anything, SystemExit too
            connection.send((blank.path, ERROR, where(error, directory)))
    connection.close()


def grade_one(blank, directory, loaded):
    """-> status, diagnosis."""
    file = directory / f"{blank.module}.py"
    if not file.exists():
        return ERROR, f"{file.name} is missing"
    definition = find(ast.parse(file.read_text("utf-8"), str(file)), blank.name)
    if definition is None:
        return ERROR, f"{file.name} has no {blank.name}"
    if is_empty(definition):
        return BLANK, ""
    if blank.module not in loaded:
        spec = importlib.util.spec_from_file_location(f"the_reader_s_{blank.module}", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        loaded[blank.module] = module
    theirs = transplanted(blank, loaded[blank.module])
    try:
        return verdict(blank, theirs, directory)
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
        thing = getattr(thing, name)
    lesson = vars(importlib.import_module(blank.module))
    own = {name: value for name, value in lesson.items() if name != blank.name}
    names = {**vars(module), **own}
    moved = types.FunctionType(
        thing.__code__, names, thing.__name__, thing.__defaults__, thing.__closure__
    )
    moved.__kwdefaults__ = thing.__kwdefaults__
    return moved


def outcomes(blank, function):
    """What a function makes of each case: its outputs, or what it raised."""
    found = []
    for case in cases(blank):
        try:
            found.append(ask(blank, function, case))
        except NotImplementedError:
            raise
        except Exception as error:
            found.append(error)
    return found


def verdict(blank, theirs, directory):
    right, answers = outcomes(blank, shipped(blank)), outcomes(blank, theirs)
    if same(answers, right):
        return RIGHT, ""
    for path, old, new, words in MISTAKES:
        if path == blank.path and same(answers, outcomes(blank, edited(shipped(blank), old, new))):
            return WRONG, words
    for answer in answers:
        if isinstance(answer, Exception):
            return ERROR, where(answer, directory)
    made = cases(blank)
    sizes = [rows(case) for case in made]
    for k, name in enumerate(blank.returns):
        mine, wanted = [a[k] for a in answers], [r[k] for r in right]
        if not all(close(m, w) for m, w in zip(mine, wanted, strict=True)):
            words = by_numbers(name, sizes, mine, wanted)
            return WRONG, words or small_case(name, made, mine, wanted)
    raise AssertionError("unreachable")


def same(answers, others):
    """Do two functions make the same of all cases?"""
    for mine, other in zip(answers, others, strict=True):
        if isinstance(mine, Exception) or isinstance(other, Exception):
            if type(mine) is not type(other) or str(mine) != str(other):
                return False
        elif not all(close(m, o) for m, o in zip(mine, other, strict=True)):
            return False
    return True


def rows(case):
    """N, the number of rows of a case."""
    arrays = [value for value in case.values() if isinstance(value, np.ndarray) and value.ndim]
    return len(arrays[0]) if arrays else 1


def small_case(name, made, mine, wanted):
    """The first case that is wrong: input, theirs, expected."""
    index = next(i for i, (m, w) in enumerate(zip(mine, wanted, strict=True)) if not close(m, w))
    shown = [f"{key} {number(value)}" for key, value in made[index].items() if plain(value)]
    return f"{name}: for {', '.join(shown)}: yours {number(mine[index])}, expected " + number(
        wanted[index]
    )


def plain(value):
    return isinstance(value, (int, float, np.ndarray))


def number(value):
    text = np.array2string(np.asarray(value), precision=4, suppress_small=True, separator=" ")
    return " ".join(text.split())


def where(error, directory):
    """An exception in one line, with the line of the reader's file in which it arose."""
    text = str(error).strip().splitlines()
    message = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{Path(error.filename or '').name}, line {error.lineno}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parent == directory]
    if not own:
        return text[0] if text else message
    return f"{Path(own[-1].filename).name}, line {own[-1].lineno}: {message}"


# ------------------------------------------------------------ in the grader


def grade(directory, numbers=None):
    """Grade a workbook -> a list of Grade, one a blank that was asked for, in their order.

    numbers  equations; None: all

    Raises ValueError for a folder that is no workbook or an equation without a blank.
    """
    directory = Path(directory).resolve()
    if not any((directory / f"{blank.module}.py").exists() for blank in BLANKS):
        raise ValueError(f"{directory} is no workbook; `python run.py practice DIR` writes one")
    asked = [blank for blank in BLANKS if not numbers or blank.equation in numbers]
    for wanted in numbers or []:
        if wanted not in {blank.equation for blank in asked}:
            known = ", ".join(map(str, sorted({blank.equation for blank in BLANKS})))
            raise ValueError(f"no blank for Eq. {wanted}; there are blanks for {known}")
    found = {}
    while len(found) < len(asked):
        run_worker(directory, [b.path for b in asked if b.path not in found], found)
    return [Grade(blank.equation, blank.path, *found[blank.path]) for blank in asked]


def run_worker(directory, paths, found):
    """Let a worker grade these functions, until it is done or lost; results go into `found`."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    worker = context.Process(target=work, args=(its, directory, paths), daemon=True)
    worker.start()
    its.close()
    current, patience = None, 10 * SECONDS  # the first message waits for imports
    with contextlib.closing(mine):
        try:
            while mine.poll(patience):
                current, status, diagnosis = mine.recv()
                patience = SECONDS
                if status is not None:
                    found[current] = status, diagnosis
                    current = None
            lost = f"does not end within {SECONDS} s: an endless loop?"
        except (EOFError, ConnectionResetError):
            worker.join()
            lost = f"ends the whole process (exit status {worker.exitcode})"
        finally:
            worker.kill()
            worker.join()
    left = [path for path in paths if path not in found]
    if left:
        found[current or left[0]] = ERROR, lost


def grade_table(grades):
    """A list of Grade -> text of at most 80 columns, by chapter."""
    lines = []
    by_path = {blank.path: blank for blank in BLANKS}
    for chapter, title in CHAPTERS.items():
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
