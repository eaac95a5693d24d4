"""docs/teaching.md: its tables are the workbook's, its commands are known, its script grades."""

import json
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from programs import ROOT

from lab.commands import command_in, parser_of
from lab.practice import BLANKS, CHAPTERS, assignment, write_workbook
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
        page, level = (PAGES[page], 1) if page in PAGES else (README, 3)
        start, end = rf"(?m)^{'#' * level} {name}[.:]", f"\n{'#' * level} "
        text = re.split(start, page)[1].split(end)[0] if level == 3 or name in "HI" else page
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
    (tmp_path / "set1.txt").write_text("A  # one\n\nB\n", encoding="utf-8")
    hand_in(tmp_path / "in")
    script = re.search(r"(?ms)^```sh\n(.*?)^```$", TEXT)[1].replace("python", f"'{sys.executable}'")
    command = ["sh", "-c", script, "sh", tmp_path / "in", tmp_path / "set1.txt"]
    assert subprocess.check_output(command, cwd=ROOT, text=True) == "ada,5,5,0\nb c,1,5,1\n"


def hand_in(folder):
    """Two students: all solved; nothing but one function, and that imported."""
    for name in ("ada", "b c"):
        write_workbook(folder / name, ["A", "B"])
    for module in ("vpg", "advantages", "training"):
        shutil.copy(ROOT / f"{module}.py", folder / "ada")
    (folder / "b c" / "vpg.py").write_text("from vpg import policy_loss\n", encoding="utf-8")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the workflow's lines are a shell's")
def test_the_workflow_grades_at_a_push(tmp_path):
    """Its lines as a shell script: green when all is right, else red; files either way."""
    workflow = re.search(r"(?ms)^```yaml\n(.*?)^```$", TEXT)[1]
    install, *lines = re.findall(r"(?m)^ +- run: (.*)$", workflow)
    assert install == "pip install -r requirements.txt" and (ROOT / "requirements.txt").exists()
    script = "\n".join(["set -e", *lines]).replace(
        "python run.py", f"'{sys.executable}' '{ROOT}/run.py'"
    )
    (tmp_path / "set1.txt").write_text("vpg\nadvantages.gae\n", encoding="utf-8")
    hand_in(tmp_path)
    for name, status, said in (("ada", 0, ["right"] * 2), ("b c", 1, ["right", "blank"])):
        (tmp_path / name).rename(tmp_path / "set1")
        assert subprocess.run(["sh", "-c", script], cwd=tmp_path).returncode == status
        (tmp_path / "set1").rename(tmp_path / name)
        rows = json.loads((tmp_path / "grades.json").read_text("utf-8"))
        assert [row["status"] for row in rows] == said
        suite = ElementTree.parse(tmp_path / "grades.xml").getroot()
        assert (suite.get("tests"), suite.get("failures")) == ("2", str(said.count("blank")))


def test_the_assignment_s_lines_are_known(tmp_path):
    listed = re.search(r"(?ms)^```text\n(# week3.*?)^```$", TEXT)[1]
    (tmp_path / "week3.txt").write_text(listed, encoding="utf-8")
    assert assignment(tmp_path / "week3.txt") == ["score", "gae", "nn.MLP.backward"]
