"""`run.py practice`, `grade` and `hint`: derive every gradient, write it, be graded."""

import contextlib
import glob
import json
import os
import random
import sys
import textwrap
import time
from xml.etree import ElementTree

from lab import practice as room
from lab.commands.lesson import script
from lab.kit import write_whole
from lab.kit.command_line import FAILED
from lab.practice.hints import OF_BLANKS

LOOK_SECONDS = 0.5  # between two looks at the files, with --watch
HOME = "practice"  # the folder where none is named
SEEDS = 10**6
PATIENT = 3  # wrong answers, from which on a hint comes unasked


# ------------------------------------------------------------------- practice


def practice(parser, args):
    words = args.chapters
    if words and args.assignment:
        parser.refuse(
            "--assignment lists what is blank; leave --chapters, --one-page, --ladder out"
        )
    with parser.refusing(args.folder):
        if args.assignment:
            words = room.assignment(args.assignment)
        there, blanks = room.asked(args.folder) if has(args.folder) else [], []
        if words or not there:
            blanks = room.write_workbook(args.folder, words or tuple(room.COURSE))
            tell(args.folder, [blank for blank in blanks if blank not in there])
        paths = [blank.path for blank in blanks]
        grades = room.grade(args.folder)
        show_next(args.folder, sorted(grades, key=lambda graded: graded.function not in paths))
    return 0


def has(folder):
    """Is there a workbook's file in it?"""
    return any(os.path.exists(os.path.join(folder, f"{b.module}.py")) for b in room.BLANKS)


def tell(folder, blanks):
    """Which functions are blank now, and what to do with them."""
    if not blanks:
        return
    lines = []
    for blank in blanks:
        lesson = blank.chapter in room.CHAPTERS
        head = f"{blank.chapter}. {room.TITLES[blank.chapter]}" if lesson else f"{blank.module}.py"
        if not lines or lines[-1][0] != head:
            lines.append((head, []))
        stops = [start.split()[0] for start, _ in blank.lines.asked] if blank.lines else ()
        lines[-1][1].extend(stops if blank.chapter == room.LADDER and stops else [blank.name])
    for head, names in lines:
        print(textwrap.fill(f"{head}: {', '.join(names)}", 79, subsequent_indent="   "))
    if blanks[-1].chapter == room.LADDER:
        print("\nfrom the first up: each stair shows what the one below it asks for")
    print(f"\nwrite them in {folder}, with the chapters beside you; then")
    for start, said in (
        (command("grade", folder), "the first that is open; --watch goes on by itself"),
        ("python run.py hint N", "for the equation N"),
    ):
        gap = f"\n{' ' * 31}" if len(start) > 27 else " " * (29 - len(start))
        print(f"  {start}{gap}{said}")
    print()


def command(name, folder):
    return f"python run.py {name}" + (f" {folder}" if folder != HOME else "")


# ---------------------------------------------------------------------- grade


def grade(parser, args):
    if room.is_name(args.folder) and not os.path.exists(args.folder):  # grade N
        args.equations, args.folder = [args.folder, *args.equations], HOME
    elif args.folder != HOME and os.sep not in args.folder and not os.path.exists(args.folder):
        parser.refuse(f"there is no folder, blank or equation {args.folder[:30]!r}")
    for file in (args.json, args.junit):
        if file:
            parser.ready(file)
    with parser.refusing():
        if args.assignment:
            args.equations += room.assignment(args.assignment)
        if args.debug:
            return debugged(args)
    whole = args.all or args.equations or args.json or args.junit
    while True:
        seen, seed = saved(args.folder), args.seed
        if seed is None:
            seed = random.randrange(SEEDS)
        with parser.refusing():
            grades = room.grade(args.folder, args.equations, seed=seed)
        before = room.kept(args.folder)["right"]
        hints = {} if args.json or args.junit else remember(args.folder, grades)
        if whole:
            print(f"{room.grade_table(grades, hints)} (seed {seed})", flush=True)
            export(parser, args, grades)
        else:
            show_new(grades, before)
            show_next(args.folder, grades, hints, seed)
        done = all(grade.status == "right" for grade in grades)
        if not args.watch or (done and not whole):
            break
        while saved(args.folder) == seen:
            time.sleep(LOOK_SECONDS)
    if done and whole and not args.equations:
        farewell(args.folder, grades)
    return 0 if done else FAILED


def debugged(args):
    """Grade one function in this process, where its breakpoint() stops -> the exit status."""
    names = args.equations
    if not names:
        left = [g.function for g in room.grade(args.folder) if g.status != "right"]
        names = left or [room.asked(args.folder)[0].path]
    seed = random.randrange(SEEDS) if args.seed is None else args.seed
    graded = room.debug(args.folder, names[0], seed)
    print(f"{room.grade_table([graded])} (seed {seed})")
    return 0 if graded.status == "right" else FAILED


def show_next(folder, grades, hints=(), seed=None):
    """The first function that is not right, with its equation; and how far one is."""
    left = [graded for graded in grades if graded.status != "right"]
    done = len(grades) - len(left)
    if left:
        first = left[0]
        blank = next(blank for blank in room.BLANKS if blank.path == first.function)
        formula, place = room.card(blank.path, blank.key)
        print(room.grade_table([first], hints).rpartition("\n\n")[0])
        time_needed = f"; about {blank.minutes} minutes" if blank.minutes else ""
        about = [f"{os.path.join(folder, blank.module)}.py, {blank.name}{time_needed}", place]
        for line in (*about, *formula.splitlines()):
            print(textwrap.fill(line, 79, initial_indent=" " * 10, subsequent_indent=" " * 12))
    repeat = f" (seed {seed})" if left and left[0].status == "wrong" and seed is not None else ""
    if left:
        print()
    print(f"{bar(done, len(grades))} {done} of {len(grades)}{repeat}")
    if not left:
        farewell(folder, grades)
    sys.stdout.flush()


def show_new(grades, before):
    """What has become right since the last time."""
    new = [g for g in grades if g.status == "right" and g.function not in before]
    if new:
        said = ", ".join(f"{g.function} (Eq.\xa0{g.equation})" for g in new[:4])
        said += f" and {len(new) - 4} more" if len(new) > 4 else ""
        said = textwrap.fill(f"right: {said}", 79, subsequent_indent="  ")
        print(said.replace("\xa0", " ") + "\n")


def bar(done, total, width=30):
    full, empty = "█░"
    try:
        (full + empty).encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        full, empty = "#."
    filled = width * done // total
    return full * filled + empty * (width - filled)


def farewell(folder, grades):
    """What comes after the last blank."""
    paths = {graded.function for graded in grades}
    open_chapters = [
        blank.chapter
        for blank in room.BLANKS
        if blank.chapter in room.COURSE and blank.path not in paths
    ]
    train = script(folder, grades)
    if open_chapters and not train:
        print(f"more to write: {command('practice', folder)} --chapters {open_chapters[0]}")
    vpg = "vpg.policy_loss" in paths and "ppo.clipped_surrogate" not in paths
    train = train or f"run.py --algo {'vpg' if vpg else 'ppo'} --lesson {folder}"
    print(f"now train with it: python {train}")


def remember(folder, grades):
    """Count the wrong answers to each blank -> {function: a step of its hint}, where it is due."""
    memory, hints = room.kept(folder), {}
    graded_now = {graded.function for graded in grades}
    memory["right"] = [path for path in memory["right"] if path not in graded_now]
    memory["right"] += [graded.function for graded in grades if graded.status == "right"]
    for graded in grades:
        if graded.status != "wrong" or graded.diagnosis.startswith("its numbers are right; but"):
            continue
        try:
            written = room.answer(folder, graded.function)
        except (OSError, SyntaxError, ValueError):  # it was saved just now
            continue
        answers = memory["wrong"].setdefault(graded.function, [])
        answers += [written] * (written not in answers)
        if len(answers) >= PATIENT:
            steps = room.hint(graded.function if graded.function in OF_BLANKS else graded.equation)
            hints[graded.function] = steps[min(len(answers) - PATIENT, len(steps) - 1)]
    if memory != room.kept(folder):
        with contextlib.suppress(OSError):  # a folder of somebody else's
            room.keep(folder, memory)
    return hints


def export(parser, args, grades):
    """The grades for programs: --json, --junit."""
    blanks = {blank.path: blank for blank in room.BLANKS}
    asked = {blank.path for blank in room.asked(args.folder)}
    if args.json:
        rows = [
            {
                **{name: value for name, value in graded._asdict().items() if name != "printed"},
                "chapter": blanks[graded.function].chapter,
                "blank": blanks[graded.function].name,
                "asked": graded.function in asked,
            }
            for graded in grades
        ]
        text = json.dumps(rows, indent=2, ensure_ascii=False)
        with parser.refusing(args.json):
            write_whole(args.json, (text + "\n").encode())
    if args.junit:
        with parser.refusing(args.junit):
            write_whole(args.junit, junit(args.folder, grades, blanks))


def junit(folder, grades, blanks):
    """The grades as the XML that autograders read: a test case each -> bytes."""
    counts = {
        status: str(sum(g.status in status.split() for g in grades))
        for status in ("wrong blank", "error")
    }
    suite = ElementTree.Element(
        "testsuite",
        name=os.path.basename(os.path.abspath(folder)),
        tests=str(len(grades)),
        failures=counts["wrong blank"],
        errors=counts["error"],
    )
    for graded in grades:
        chapter = blanks[graded.function].chapter
        names = {"classname": f"{chapter}. {room.TITLES[chapter]}", "name": graded.function}
        case = ElementTree.SubElement(suite, "testcase", names)
        if graded.status != "right":
            kind = "error" if graded.status == "error" else "failure"
            ElementTree.SubElement(case, kind, message=graded.diagnosis or graded.status)
        elif graded.diagnosis:
            ElementTree.SubElement(case, "system-out").text = graded.diagnosis
    return ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)


def saved(folder):
    """When each file of a workbook was last saved, as far as they are there."""
    times = {}
    for name in glob.glob("*.py", root_dir=folder):
        with contextlib.suppress(OSError):
            times[name] = os.stat(os.path.join(folder, name)).st_mtime_ns
    return times


# ----------------------------------------------------------------------- hint


def hint(parser, args):
    """All three steps; in a terminal one at a time, the next when it is asked for."""
    try:
        *steps, last = room.hint(args.equation)
        names = [blank.path for blank in room.holders(args.equation)]
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
    if names:
        print(textwrap.fill(f"in a workbook of the lesson you write it in {', '.join(names)}", 79))
    return 0
