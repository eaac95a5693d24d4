"""docs/teaching.md: its tables are the workbook's, its commands are known, its script grades."""

import re
import subprocess
import sys

import pytest
from programs import ROOT

from lab.commands import command_in, parser_of
from lab.practice import BLANKS, CHAPTERS, write_workbook
from lab.proof.numbering import number_of

PAGES = {path.stem: path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md")}
TEXT, README = PAGES["teaching"], (ROOT / "README.md").read_text("utf-8")
ROWS = [[cell.strip("` ") for cell in line.split("|")[1:-1]] for line in TEXT.splitlines()]
ONES = [row for row in ROWS if len(row) == 6 and row[0] in CHAPTERS]  # a blank each
LINK = re.compile(r"\[(.*)\]\((?:\.\./)?(\w+)\.md")
PARTS = {LINK.match(row[0]).groups(): row[1:] for row in ROWS if row and LINK.match(row[0])}


def sums(chapters):
    own = [row for row in ONES if row[0] in chapters]
    return [str(len(own)), *(str(sum(int(row[i]) for row in own)) for i in (3, 4))]


def test_blanks_chapters_sets_and_exercises_are_all_there():
    blanks = [[blank.chapter, blank.key, blank.name] for blank in BLANKS]
    assert sorted(row[:3] for row in ONES) == sorted(row for row in blanks if row[0] in CHAPTERS)
    assert all(int(row[4]) == 5 + 2 * int(row[3]) for row in ONES)
    assert {n[0]: row[1:4] for n, row in PARTS.items() if row[1]} == {c: sums(c) for c in CHAPTERS}
    sets = re.findall(r"--chapters (\S+)` \| (\d+) \| (\d+) \| (\d+) \|", TEXT)
    assert len(sets) == 3 and all(numbers == sums(chapters) for chapters, *numbers in sets)
    given = re.findall(r"(?m)^\*\*(E\d+)\.", README + PAGES.get("exercises", ""))
    assert sorted(re.findall(r"E\d+", str(PARTS))) == sorted(given)


def test_reading_takes_what_its_rule_says():
    for (name, page), row in PARTS.items():
        text = PAGES.get(page) or re.split(rf"(?m)^### {name}[.:]", README)[1].split("\n### ")[0]
        text, formulas = re.subn(r"(?ms)^```math$.*?^```$", "", text)
        text = re.sub(r"(?ms)^```.*?^```$|<picture>.*?</picture>|<.*?>|\]\(.*?\)", "", text)
        words = re.findall(r"\w[\w'’-]*", re.sub(r"\$`.*?`\$", "x", text))
        assert abs(len(words) / 100 + 2 * formulas - int(row[0])) < 7, name


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the script is a shell's")
def test_commands_and_keys_are_known_and_the_script_grades(tmp_path):
    for words in map(str.split, re.findall(r"`python run\.py ([^`]*)`", TEXT)):
        name = command_in(words)
        parser_of(name, words).parse_args(words[name != "train" :])
    week = " ".join(row[5] for row in ROWS if row and row[0].isdecimal())
    assert len([number_of(key) for key in re.findall(r"[a-z-]+", week)]) == 6
    write_workbook(tmp_path / "ada", [])  # all solved
    write_workbook(tmp_path / "b c", ["B"])
    script = re.search(r"(?ms)^```sh\n(.*?)^```$", TEXT)[1].replace("python", f"'{sys.executable}'")
    keys = re.search(r"grade_all\.sh submissions ([^`]*)`", TEXT)[1].split()
    command = ["sh", "-c", script, "sh", tmp_path, *keys]
    assert subprocess.check_output(command, cwd=ROOT, text=True) == "ada,4,4\nb c,1,4\n"
