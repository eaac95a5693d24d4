"""`run.py practice`, `grade` and `hint`: derive every gradient, write it, be graded."""

import contextlib
import glob
import json
import os
import sys
import textwrap
import time

from lab import practice as room
from lab.commands.lesson import script
from lab.kit import write_whole
from lab.kit.command_line import FAILED
from lab.proof.numbering import numbers

LOOK_SECONDS = 0.5  # between two looks at the files, with --watch


def practice(parser, args):
    with parser.refusing(args.folder):
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
    print(f"\nwrite them in {args.folder}, with the chapters beside you; then")
    print(f"  python run.py grade {args.folder}")
    print("  python run.py hint N      for the equation N")
    return 0


def grade(parser, args):
    number = args.folder.isdecimal() and len(args.folder) < 10
    if (number or args.folder in numbers()) and not os.path.exists(args.folder):  # grade N
        args.equations, args.folder = [args.folder, *args.equations], "practice"
    if args.json:
        parser.ready(args.json)
    while True:
        seen = saved(args.folder)
        with parser.refusing():
            grades = room.grade(args.folder, args.equations)
        print(room.grade_table(grades), flush=True)
        if args.json:
            text = json.dumps([grade._asdict() for grade in grades], indent=2, ensure_ascii=False)
            with parser.refusing(args.json):
                write_whole(args.json, (text + "\n").encode())
        if not args.watch:
            break
        while saved(args.folder) == seen:
            time.sleep(LOOK_SECONDS)
    if all(grade.status == "right" for grade in grades):
        if not args.equations:
            train = script(args.folder, grades) or f"run.py --algo ppo --lesson {args.folder}"
            print(f"now train with it: python {train}")
        return 0
    return FAILED


def saved(folder):
    """When each file of a workbook was last saved, as far as they are there."""
    times = {}
    for name in glob.glob("*.py", root_dir=folder):
        with contextlib.suppress(OSError):
            times[name] = os.stat(os.path.join(folder, name)).st_mtime_ns
    return times


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
