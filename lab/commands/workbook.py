"""`run.py practice`, `grade` and `hint`: derive every gradient, write it, be graded."""

import contextlib
import glob
import json
import os
import sys
import textwrap
import time
from pathlib import Path

from lab import practice as room
from lab.commands import FAILED, ready, refused
from lab.proof import numbers
from lab.runs import write_whole

LOOK_SECONDS = 0.5  # between two looks at the files, with --watch


def practice_options(parser, argv):
    parser.add_argument(
        "folder", nargs="?", default="practice", metavar="DIR", help="a new folder [practice]"
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--chapters",
        type=lambda text: text.upper().split(","),
        default=list(room.CHAPTERS),
        metavar="C,D",
        help=f"blank these alone [{','.join(room.CHAPTERS)}]",
    )
    either.add_argument(
        "--one-page",
        dest="chapters",
        action="store_const",
        const=room.PAGE,
        help="one file instead, for one evening: one_page.py with its gradients blank",
    )
    either.add_argument(
        "--ladder",
        dest="chapters",
        action="store_const",
        const=room.LADDER,
        help="the ladder's eight stairs instead, for an hour: a gradient each",
    )


def practice(parser, args):
    with refused(parser, args.folder):
        blanks = room.write_workbook(args.folder, args.chapters)
    lines = []
    for chapter, title in room.CHAPTERS.items():
        own = [blank for blank in blanks if blank.chapter == chapter]
        if own:
            lines.append(f"{chapter}. {title}: {', '.join(blank.name for blank in own)}")
    if not lines:  # the page, or the ladder
        for module in dict.fromkeys(blank.module for blank in blanks):
            own = [blank.name for blank in blanks if blank.module == module]
            lines.append(f"{module}.py: {', '.join(own)}")
    print("\n".join(textwrap.fill(line, 79, subsequent_indent="   ") for line in lines))
    if args.chapters == room.LADDER:
        print("\nfrom the first up: each stair shows what the one below it asks for")
    print(f"\nwrite them in {args.folder}, with the README's chapters beside you; then")
    print(f"  python run.py grade {args.folder}")
    print("  python run.py hint N      for the equation N")
    return 0


def grade_options(parser, argv):
    parser.add_argument(
        "folder", nargs="?", default="practice", metavar="DIR", help="a workbook [practice]"
    )
    parser.add_argument("equations", nargs="*", metavar="N", help="equations, 16 or gae [all]")
    parser.add_argument("--watch", action="store_true", help="grade again at every save")
    parser.add_argument("--json", metavar="FILE", help="write the grades there, too")


def grade(parser, args):
    number = args.folder.isdecimal() and len(args.folder) < 10
    if (number or args.folder in numbers()) and not os.path.exists(args.folder):  # grade N
        args.equations, args.folder = [args.folder, *args.equations], "practice"
    if args.json:
        ready(parser, args.json)
    while True:
        seen = saved(args.folder)
        with refused(parser):
            grades = room.grade(args.folder, args.equations)
        print(room.grade_table(grades), flush=True)
        if args.json:
            text = json.dumps([one._asdict() for one in grades], indent=2, ensure_ascii=False)
            with refused(parser, args.json):
                write_whole(args.json, (text + "\n").encode())
        if not args.watch:
            break
        while saved(args.folder) == seen:
            time.sleep(LOOK_SECONDS)
    if all(one.status == "right" for one in grades):
        if not args.equations:
            train = script(args.folder, grades) or f"run.py --algo ppo --lesson {args.folder}"
            print(f"now train with it: python {train}")
        return 0
    return FAILED


def script(folder, grades):
    """The file that trains by itself, of a workbook that is the page or the ladder; else None."""
    module = grades[-1].function.split(".")[0]
    return None if module in room.MODULES else Path(folder) / f"{module}.py"


def take_lesson(parser, folder):
    """Let a workbook's files stand for the lesson's, from now on, unless one is blank or broken.

    What is only wrong may train: see where it leads.
    """
    try:
        grades = room.grade(folder)
    except ValueError as error:
        parser.refuse(f"--lesson {error}")
    alone = script(folder, grades)
    if alone:
        parser.refuse(f"--lesson is for the whole lesson; this trains by itself: python {alone}")
    left = [one for one in grades if one.status in ("blank", "error")]
    if left:
        what = f"{left[0].function} (Eq. {left[0].equation}) is {left[0].status}"
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        parser.refuse(f"--lesson {folder}: {what}{more}; python run.py grade {folder}")
    print(f"with {folder}: {sum(one.status == 'right' for one in grades)} of {len(grades)} right")
    room.stand_in(folder)


def saved(folder):
    """When each file of a workbook was last saved, as far as they are there."""
    found = {}
    for name in glob.glob("*.py", root_dir=folder):
        with contextlib.suppress(OSError):
            found[name] = os.stat(os.path.join(folder, name)).st_mtime_ns
    return found


def hint_options(parser, argv):
    parser.add_argument("equation", metavar="N", help="an equation, 16 or gae")


def hint(parser, args):
    """All three steps; in a terminal one at a time, the next when it is asked for."""
    try:
        *steps, last = room.hint(args.equation)
    except ValueError as error:
        parser.refuse(str(error))
    for step in steps:
        print(textwrap.fill(step, 79))
        if sys.stdin is not None and sys.stdin.isatty():
            try:
                input("(Enter for the next step) ")
            except EOFError:
                return 0
    print(textwrap.fill(last, 79))
    return 0
