"""--lesson DIR: a workbook's files stand for the lesson's. All that commands know of it.

Whose files they are is decided here, before any of the lesson is imported; from then on
they are simply the lesson. (lab/kit/places.py tells whose it is.)
"""

import argparse
import textwrap
from pathlib import Path

from lab.kit.command_line import Parser, option

TAKEN_BY = ("train", "resume", "play", "record", "trace")


def lesson_option(parser, **more):
    option(parser, "--lesson", "DIR", "a workbook, whose files stand for the lesson's", **more)


def take(name, argv):
    """Let the files that a command line names stand for the lesson's -> their folder, or None.

    Unless one is blank or broken: that is refused. What is only wrong may train: see where it
    leads. A trace has the lesson's own in the place of a blank.
    """
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    lesson_option(finder, nargs="?")
    folder = finder.parse_known_args(argv)[0].lesson if name in TAKEN_BY else None
    if folder is None:
        return None
    from lab.practice import grade, is_elsewhere, stand_in

    parser = Parser("run.py")
    try:
        grades = grade(folder)
    except ValueError as error:
        parser.refuse(f"--lesson {error}")
    alone = script(folder, grades)
    if alone:
        parser.refuse(f"--lesson is for the whole lesson; this trains by itself: python {alone}")
    open_ones = [graded for graded in grades if graded.status in ("blank", "error")]
    left = [graded for graded in open_ones if not is_elsewhere(graded.function)]
    if left and name != "trace":
        what = f"{left[0].function} (Eq. {left[0].equation}) is {left[0].status}"
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        parser.refuse(f"--lesson {folder}: {what}{more}; python run.py grade {folder}")
    right = sum(graded.status == "right" for graded in grades)
    print(f"with {folder}: {right} of {len(grades)} right", flush=True)
    blank = [graded.function for graded in left if graded.status == "blank"]
    if blank:
        print(textwrap.fill(f"the lesson's own stands in for {', '.join(blank)}", 79))
    stand_in(folder, blank)
    return folder


def script(folder, grades):
    """The file that trains by itself, of the page, the ladder or Chapter I alone; else None."""
    from lab.practice import MODULES

    *_, last = modules = [graded.function.split(".")[0] for graded in grades]
    return None if {*modules} & {*MODULES} else Path(folder) / f"{last}.py"


def line_of(error, folder):
    """An exception that a workbook's own line raised, in one line; None for any other."""
    if folder is None:
        return None
    from lab.practice import line_of

    return line_of(error, folder)
