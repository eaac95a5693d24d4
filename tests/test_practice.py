"""The workbook: what is blank, what is right however it is written, what is wrong and why."""

import ast
import errno
import importlib
import io
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from programs import PPO, SHORT, VPG, call, run

import vpg
from lab.commands import main, workbook
from lab.kit import PROJECT as LESSON
from lab.practice import (
    BLANKS,
    grade,
    grade_table,
    grading,
    hint,
    stand_in,
    write_workbook,
)
from lab.practice.blanks import (
    CHAPTERS,
    COURSE,
    LADDER,
    MODULES,
    PAGE,
    STAIRS,
    find,
    lesson_file,
    lesson_module,
    place,
    refuses,
)
from lab.practice.hints import HINTS
from lab.proof.numbering import number_of, numbers
from lab.proof.text import woven
from lab.watch import Session, session
from training import Trainer

LESSON_BLANKS = [blank for blank in BLANKS if blank.chapter in COURSE]
BY_PATH = {blank.path: blank for blank in BLANKS}


@pytest.fixture(autouse=True)
def no_haste(monkeypatch):
    """What is not about time does not depend on it."""
    monkeypatch.setattr(grading, "SECONDS", 600)
    monkeypatch.setattr(grading, "PATIENCE", 600)


@pytest.fixture
def solved(tmp_path):
    return fill(tmp_path)


def fill(folder, modules=MODULES):
    """A workbook in which every function is the lesson's own."""
    for module in modules:
        shutil.copy(lesson_file(module), folder)
    return folder


def put(folder, path, code):
    """Write code in the place of a function of the workbook."""
    blank = BY_PATH[path]
    file = folder / f"{blank.module}.py"
    source = file.read_text("utf-8")
    old = find(ast.parse(source), blank.name)
    lines = source.splitlines(keepends=True)
    indent = " " * old.col_offset
    lines[old.lineno - 1 : old.end_lineno] = [textwrap.indent(textwrap.dedent(code), indent) + "\n"]
    file.write_text("".join(lines), "utf-8")


# --------------------------------------------------------------- the blanks


@pytest.mark.slow
@pytest.mark.parametrize("chapters", [tuple(COURSE), PAGE], ids=["lesson", "page"])
def test_a_workbook_is_the_lesson_without_its_gradients(tmp_path, chapters):
    """Its functions alone: what else a file of the lesson has is imported."""
    folder, blanks = tmp_path / "book", [b for b in BLANKS if b.chapter in chapters]
    assert write_workbook(folder, chapters) == blanks
    assert len(blanks) == len(LESSON_BLANKS) >= 24 or len(blanks) == 5
    modules = ["one_page"] if chapters == PAGE else MODULES
    assert {path.stem for path in folder.glob("*.py")} == set(modules)
    for blank in (blank for blank in blanks if not blank.lines):
        ours = find(ast.parse(lesson_file(blank.module).read_text("utf-8")), blank.name)
        theirs = find(ast.parse((folder / f"{blank.module}.py").read_text("utf-8")), blank.name)
        assert ast.dump(ours.args) == ast.dump(theirs.args)
        assert ast.get_docstring(ours) == ast.get_docstring(theirs)
        assert not any(code in ast.get_docstring(ours) for code in ("@", "Σ", "np.", ".sum("))
        *kept, task = map(ast.unparse, theirs.body[1:])
        assert kept == [ast.unparse(line) for line in ours.body[1 : 1 + len(kept)]]
        assert not any(map(refuses, ours.body[1 + len(kept) :]))
        assert task == f"raise NotImplementedError('Eq. {blank.equation} is yours to write')"
    grades = grade(folder)
    assert [g.status for g in grades] == ["blank"] * len(blanks)
    assert grade_table(grades).endswith(f"0 of {len(blanks)} right")
    if chapters != PAGE:
        for module in MODULES:
            theirs = ast.parse((folder / f"{module}.py").read_text("utf-8"))
            defined = {node.name for node in theirs.body if hasattr(node, "name")}
            assert defined == {b.name.split(".")[0] for b in blanks if b.module == module}


def test_each_chapter_ends_with_its_blanks():
    text = woven()
    for letter in CHAPTERS:
        start = text.index(f"\n### {letter}. ")
        chapter = text[start : text.index("\n### ", start + 1)]
        names = ", ".join(f"`{blank.name}`" for blank in BLANKS if blank.chapter == letter)
        line = f"**Now write it:** `python run.py practice --chapters {letter}` blanks {names}."
        assert chapter.count(line) == 1, line


@pytest.mark.slow
def test_the_guide_walks_through_the_first_two_blanks(tmp_path, monkeypatch, capsys):
    """Its blanks are the workbook's, and its wrong answer gets the words that it prints."""
    monkeypatch.chdir(tmp_path)
    guide = (LESSON / "docs" / "guide.md").read_text("utf-8")
    section = guide[guide.index("\n## The workbook") : guide.index("\n## The page that trains")]
    card, blanks, wrong, table = re.findall(r"```(?:python|text)\n(.*?)```", section, re.S)
    assert main(["practice"]) == 0
    assert capsys.readouterr().out.endswith(
        "\n\n" + card.removeprefix("$ python run.py practice\n")
    )
    assert main(["practice"]) == 0
    assert "$ python run.py practice\n" + capsys.readouterr().out == card
    file = tmp_path / "practice" / "nn.py"
    source = file.read_text("utf-8")
    assert blanks in source and f"{len(LESSON_BLANKS)} functions,\nblank" in section
    task = '    raise NotImplementedError("Eq. 27 is yours to write")\n'
    source = source.replace(task, "    return x @ W + b\n", 1).replace(task, wrong, 1)
    file.write_text(source, encoding="utf-8")
    capsys.readouterr()
    assert main(["grade", "linear", "--seed", "1"]) == 1
    assert "$ python run.py grade 27 --seed 1\n" + capsys.readouterr().out == table
    file.write_text(source.replace("mean", "sum"), encoding="utf-8")
    assert main(["grade", "linear"]) == 0


# ------------------------------------------------------------------ the ladder

SOLVED = {  # what stands in a stair's file for the blank's first line, and what is written there
    "1_bandit": ("gradient", "reward * (onehot - softmax(logits))"),
    "2_reinforce": ("gradient", "(weight[:, None] * (onehot - softmax(x @ W))).T @ x"),
    "3_reward_to_go": ("weight", "reward.cumsum(axis=0)"),
    "4_baseline": ("weight", "weight - weight.sum(axis=1)[:, None] / valid.sum(axis=1)[:, None]"),
    "7_many_carts": ("dlogits", "advantage * (softmax(logits) - onehot)"),
    "8_epochs": ("ratio", "old[i] / (onehot[i] * probs).sum(axis=1)[:, None]"),
}


def climb(folder, stair, name, written):
    """Write an expression where a line of a stair is blank."""
    file = folder / f"{stair}.py"
    task, source = rf"(?<= {name} = )sys\.exit\(.*\)(?=\n)", file.read_text("utf-8")
    source, count = re.subn(task, lambda _: written, source)
    assert count == 1
    file.write_text(source, "utf-8")


@pytest.fixture
def ladder(tmp_path):
    write_workbook(tmp_path / "ladder", LADDER)
    return tmp_path / "ladder"


def test_the_ladder_is_its_stairs_without_their_gradients(ladder, monkeypatch):
    """What else a stair has stays; by itself it ends with a line that names what to write."""
    blanks = [blank for blank in BLANKS if blank.chapter == LADDER]
    assert {path.stem for path in ladder.glob("*.py")} == set(STAIRS) and len(STAIRS) == 8
    for blank in blanks:
        ours = lesson_file(blank.module).read_text("utf-8").splitlines()
        theirs = (ladder / f"{blank.module}.py").read_text("utf-8").splitlines()
        gone = [line for line in ours if line not in theirs]
        new = [line.strip() for line in theirs if line not in ours]
        if blank.lines:
            tree = ast.parse("\n".join(map(str.strip, gone)))
            assert list(map(ast.dump, tree.body)) == list(map(ast.dump, place(blank)[-1]))
        assert 1 <= len(gone) <= 8 and 1 <= len(new) <= 4
        assert all("sys.exit(" in line or line.startswith("# Eq. ") for line in new)
        assert not any(code in "".join(new) for code in ("@", ".sum", " - ", "np."))
        monkeypatch.setattr(sys, "argv", [blank.module])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(ladder / f"{blank.module}.py"), run_name="__main__")
        name = blank.lines.asked[0][0].split()[0] if blank.lines else blank.name
        said = f"{blank.module}.py: {name}, Eq. {blank.equation}, is yours to write"
        assert stop.value.code == said
    assert [g.status for g in grade(ladder)] == ["blank"] * 8
    with pytest.raises(ValueError, match=r"no blank for Eq. \d+; there are blanks for 5, 7, 8, 13"):
        grade(ladder, ["linear"])


@pytest.mark.slow
def test_what_is_said_of_a_half_climbed_ladder(ladder, capsys):
    assert main(["practice", str(ladder / "new"), "--ladder"]) == 0
    assert capsys.readouterr().out.startswith(
        f"""\
1_bandit.py: gradient
2_reinforce.py: gradient
3_reward_to_go.py: weight, gradient
4_baseline.py: weight, gradient
5_network.py: Network.backward
6_critic.py: credit
7_many_carts.py: dlogits
8_epochs.py: ratio, dlogits

from the first up: each stair shows what the one below it asks for

write them in {ladder / "new"}, with the chapters beside you; then
  python run.py grade {ladder / "new"}
                               the first that is open; --watch goes on by itself
  python run.py hint N         for the equation N

L. The ladder
  Eq. 5   1_bandit.gradient                                    blank
"""
    )
    for stair, (name, code) in SOLVED.items():
        climb(ladder, stair, name, code)
    code = "x.T @ (weight[:, None] * (onehot - softmax(x @ W)))"
    climb(ladder, "3_reward_to_go", "gradient", code)
    climb(ladder, "8_epochs", "dlogits", "-ratio * advantage[i] * (onehot[i] - prob) / len(i)")
    (ladder / "5_network.py").rename(ladder / "five.py")
    rounded = "return np.round(reward + GAMMA * v[1:] * ~terminated - v[:-1])"
    put(ladder, "6_critic.credit", written("6_critic.credit", rounded))
    assert main(["grade", str(ladder), "--all", "--seed", "3"]) == 1
    said = re.sub("line [0-9]+", "line N", capsys.readouterr().out)
    assert (
        re.sub("advantages: for .*?hint\\s+13", "advantages: a case", said, flags=re.S)
        == """\
L. The ladder
  Eq. 5   1_bandit.gradient                                    right
  Eq. 5   2_reinforce.gradient                                 wrong
          the gradient is transposed: W is (4,2), a row an observation.
          Read Eq. 5 again, or: python run.py hint 5
  Eq. 7   3_reward_to_go.gradient                              wrong
          sums what was paid *until* each step; the reward-to-go is what
          is paid from it on. Read Eq. 7 again, or: python run.py hint 7
  Eq. 8   4_baseline.gradient                                  blank
          open: line N of 4_baseline.py
  Eq. 29  5_network.Network.backward                           error
          5_network.py is missing
  Eq. 13  6_critic.credit                                      wrong
          advantages: a case
  Eq. 20  7_many_carts.dlogits                                 wrong
          the loss's 1/N is missing in the gradient. Read Eq. 20 again,
          or: python run.py hint 20
  Eq. 35  8_epochs.dlogits                                     error
          8_epochs.py, line N: NameError: name 'prob' is not defined

1 of 8 right (seed 3)
"""
    )


@pytest.mark.slow
def test_a_stair_that_was_damaged_gets_one_line(ladder):
    """Of the first, its beginning; the line around which one was changed; where it fails."""
    for stair, old, new, _ in STAIR_DAMAGES:
        source = (ladder / f"{stair}.py").read_text("utf-8")
        assert source.count(old) == 1, old
        (ladder / f"{stair}.py").write_text(source.replace(old, new), "utf-8")
    for (stair, *_, said), bad in zip(STAIR_DAMAGES, grade(ladder), strict=True):
        # Python 3.10 puts parentheses around a tuple
        assert re.sub(r"`\((.*?)\) =", r"`\1 =", bad.diagnosis).startswith(f"{stair}.py{said}")
        assert bad.status == "error" and bad.diagnosis.isprintable() and len(bad.diagnosis) <= 200


STAIR_DAMAGES = [
    ("1_bandit", "def train(", "def learn(", ": `onehot = np.eye(ACTIONS)[action]` is not in"),
    ("2_reinforce", "W += STEP_SIZE", "W += 2 * STEP_SIZE", ": `W += STEP_SIZE * gradient / (n"),
    ("3_reward_to_go", "play(N, W, rng)", "play(N)", ": `obs, action, reward, valid = play(N"),
    ("4_baseline", "weight = sys.exit(", "break; print(", ", line 43: 'break' outside loop"),
    ("5_network", "    def backward", "    def back", " has no Network.backward"),
    ("6_critic", 'sys.exit("6', 'sys.exit(0, "6', ", line 60: TypeError: exit expected at mos"),
    ("7_many_carts", "dlogits = sys.exit", "dlogits = (", ", line 88: '(' was never closed"),
    ("8_epochs", "ratio = sys.exit(", "ratio = 1 / (", ", line 93: TypeError: unsupported operand"),
]


def test_a_filled_stair_trains_as_the_shipped_one(ladder):
    """Other algebra, the same parameters."""
    code = "np.einsum('bi,b,bk->ik', x, weight, onehot - softmax(x @ W))"
    climb(ladder, "2_reinforce", "gradient", code)
    theirs = runpy.run_path(str(ladder / "2_reinforce.py"))["train"](3)
    for _, mine, ours in zip(range(3), theirs, lesson_module("2_reinforce").train(3), strict=False):
        assert mine[0] == ours[0]
        np.testing.assert_allclose(mine[1], ours[1], rtol=1e-9, atol=1e-12)


def test_the_ladder_is_no_lesson(tmp_path):
    done = call("--algo", "ppo", "--lesson", fill(tmp_path, STAIRS))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.endswith(f"this trains by itself: python {tmp_path / '8_epochs.py'}\n")


def test_unknown_chapters_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no equation 'X'"):
        write_workbook(tmp_path / "other", ["X"])
    done = call("practice", tmp_path / "other", "--chapters", "A,X")
    assert done.returncode == 2 and "chapter 'X' has no blanks; A, B, C" in done.stderr
    assert not (tmp_path / "other").exists()


# ------------------------------------------------------- right, and wrong


@pytest.mark.slow
@pytest.mark.parametrize(
    "modules, chapters, train",
    [
        (MODULES, {letter: CHAPTERS[letter] for letter in COURSE}, "run.py --algo ppo --lesson {}"),
        (["one_page"], {PAGE: "PPO on one page"}, "{}/one_page.py"),
        (STAIRS, {LADDER: "The ladder"}, "{}/8_epochs.py"),
    ],
)
def test_the_lesson_itself_is_right(tmp_path, capsys, modules, chapters, train):
    """And what is printed then, to the letter."""
    lines, count = [], 0
    for chapter, title in chapters.items():
        own = [blank for blank in BLANKS if blank.chapter == chapter]
        lines += ["", f"{chapter}. {title}"]
        lines += [f"  Eq. {blank.equation:<3} {blank.path}".ljust(63) + "right" for blank in own]
        count += len(own)
    lines += ["", f"{count} of {count} right (seed 7)", f"now train with it: python {train}\n"]
    assert main(["grade", str(fill(tmp_path, modules)), "--all", "--seed", "7"]) == 0
    assert capsys.readouterr().out == "\n".join(lines[1:]).format(tmp_path)


def test_what_is_printed_of_wrong_blank_and_broken_functions(solved, capsys):
    put(solved, "nn.tanh_backward", "def tanh_backward(dh, h):\n    return dh - h * h")
    put(solved, "nn.relu_backward", "def relu_backward(dh, h): ...")
    put(solved, "advantages.normalize", "def normalize(advantages, eps=1e-8): return x")
    assert main(["grade", str(solved), "normalize", "activation", "--seed", "0"]) == 1
    assert (
        re.sub("line [0-9]+", "line N", capsys.readouterr().out)
        == """\
B. Advantages
  Eq. 16  advantages.normalize                                 error
          advantages.py, line N: NameError: name 'x' is not defined

D. Network and optimiser
  Eq. 28  nn.tanh_backward                                     wrong
          dz: for h [[-0.2]], dh 0: yours [[-0.04]], expected [[0.]].
          Read Eq. 28 again, or: python run.py hint 28
  Eq. 28  nn.relu_backward                                     blank

0 of 3 right (seed 0)
"""
    )


def written(path, body):
    """A function with the shipped signature and another body, as source."""
    blank = BY_PATH[path]
    source = lesson_file(blank.module).read_text("utf-8")
    definition = find(ast.parse(source), blank.name)
    head = f"def {definition.name}({ast.unparse(definition.args)}):\n"
    return head + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")


# ------------------------------------------------------------ hostile code

ENDS = "ends the whole process"
# A function, what the reader wrote, the line of it that is named (0: its def; None: no line is),
# and the status or what is said. All of it in one workbook.
ODD = [
    ("nn.linear_forward", "import ctypes\nctypes.string_at(0)", 2, f"{ENDS} (exit status "),
    ("nn.linear_backward", "import os\nos._exit(3)", None, f"{ENDS} (exit status 3)"),
    ("nn.tanh_backward", "return undefined", 1, "NameError: name 'undefined' is not defined"),
    ("nn.relu_backward", "return relu_backward(dh, h)", 1, "RecursionError: maximum recursion d"),
    ("nn.MLP.backward", "cache.pop()\nreturn dy", 0, "it changes `cache`; work on a copy"),
    ("nn.clip_global_norm", "x = 1", 0, "it returns nothing"),
    ("nn.Adam.step", "raise SystemExit('bye')", 1, "SystemExit: bye"),
    ("distributions.log_softmax", "import no_such_module", 1, "ModuleNotFoundError: No module na"),
    (
        "distributions.log_softmax_backward", "log_probs *= 2\nreturn dlog_probs", 1,
        "it changes `log_probs`; work on a copy",
    ),
    ("distributions.categorical_log_prob_backward", "from os import abort\nabort()", 2, ENDS),
    ("distributions.categorical_entropy", "return 1 / 0", 1, "ZeroDivisionError: division by zero"),
    (
        "distributions.categorical_entropy_backward", "global calls\ncalls += 1\nreturn dentropies",
        2, "NameError: name 'calls' is not defined",
    ),
    (  # a terminal's own language
        "distributions.categorical_kl",
        r"raise ValueError('\x1b]0;mine\x07\x1b[31mred \x9b2J\r\u202e\0 \ud800 é')", 1,
        r"ValueError: \x1b]0;mine\x07\x1b[31mred \x9b2J",
    ),
    (
        "distributions.categorical_kl_backward",
        r"raise type('\x1b[1m', (Exception,), {})('\u202e\0\ud800 é\u2066')", 1,
        r"\x1b[1m: \u202e\x00\ud800 é\u2066",
    ),
    ("distributions.gaussian_log_prob", "raise ValueError('long' * 10**6)", 1, "ValueError: long"),
    (
        "distributions.gaussian_log_prob_backward",
        r"return np.zeros(2, [('\x1b[1m' * 99, int)]), log_stds", 0,
        r"what it returns as dmeans is no number: [('\x1b[1m\x1b[1m",
    ),
    (
        "distributions.gaussian_entropy",
        "class Odd(Exception):\n    def __str__(self):\n        raise self\nraise Odd", 4, "Odd",
    ),
    (
        "distributions.gaussian_kl_backward", "exec(compile('1 / 0', '\\x1b[1m.py', 'exec'))", 1,
        "ZeroDivisionError: division by zero",
    ),
    ("advantages.returns_to_go", "return eval('1 +')", 1, "SyntaxError: invalid syntax (<str"),
    ("advantages.gae", "print(input())", 1, "EOFError: EOF when reading a line"),
    ("advantages.normalize", "return eps", None, "wrong"),
    ("vpg.policy_loss", "yield 1", 0, "it returns 1 thing, not (loss, dlog_probs)"),
    ("vpg.value_loss", "return None, values", 0, "what it returns as loss is no number: object"),
    (  # what it prints, and what it writes wherever it can, is nobody's message
        "ppo.clipped_surrogate",
        """
        import os, sys
        print("seen?", flush=True)
        print("seen?", file=sys.stderr, flush=True)
        for stream in range(64):
            try:
                os.write(stream, b'\\n[]\\n{}\\n[1, 2, 3]\\n["ppo", "fine", ""]\\n\\xff')
            except OSError:
                pass
        sys.exit()
        """, 9, "SystemExit",
    ),
    ("ppo.clipped_value_loss", "import os\nos.kill(os.getpid(), 9)", None, ENDS),
    (
        "ppo.clip_statistics",
        """
        import threading
        threading.Thread(target=threading.Event().wait).start()
        return 0, 0
        """, None, "wrong",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def oddities(tmp_path_factory):
    """-> folder, {function: (status, diagnosis)}."""
    folder = fill(tmp_path_factory.mktemp("odd"))
    for path, body, *_ in ODD:
        put(folder, path, written(path, body))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grading, "SECONDS", 600)
        return folder, {g.function: g[2:4] for g in grade(folder)}


@pytest.mark.slow
def test_bad_code_ends_its_own_turn_only(oddities):
    """One printable line says what is wrong, and in which line of the reader's file."""
    folder, grades = oddities[0], dict(oddities[1])
    for path, body, line, said in ODD:
        status, diagnosis = grades.pop(path)
        assert status == ("wrong" if said == "wrong" else "error"), (path, diagnosis)
        if said == "wrong":
            continue
        assert diagnosis.isprintable() and len(diagnosis) <= 200, path
        if line is not None:
            file, head = f"{BY_PATH[path].module}.py", written(path, body).splitlines()[0]
            lines = map(str.strip, (folder / file).read_text("utf-8").splitlines())
            said = f"{file}, line {1 + list(lines).index(head) + line}: {said}"
        assert diagnosis.startswith(said), (path, diagnosis)
    assert {status for status, _ in grades.values()} == {"right"}


@pytest.mark.slow
def test_hostile_text_is_printed_and_written_harmlessly(oddities, tmp_path, monkeypatch, capsys):
    folder, grades, file = *oddities, tmp_path / "grades.json"
    some = [grading.Grade(43, path, *grades[path]) for path, *_ in ODD[12:15]]
    monkeypatch.setattr(workbook.room, "grade", lambda *_, **__: some)
    assert main(["grade", str(folder), "--json", str(file)]) == 1
    printed = capsys.readouterr().out
    assert all(len(line) <= 80 and line.isprintable() for line in printed.split("\n"))
    assert "\\x1b[31mred" in printed
    rows = json.loads(file.read_bytes())
    assert [(row["status"], row["diagnosis"]) for row in rows] == [one[2:4] for one in some]


UNICODE = sys.getfilesystemencoding() == "utf-8"  # LC_ALL=C names files in ASCII


@pytest.mark.slow
def test_a_loop_without_end_ends_with_its_function_s_time(solved, monkeypatch):
    """And the line in which it was is told, also where a folder has a name of its own."""
    monkeypatch.setattr(grading, "SECONDS", 2)
    folder = solved.rename(solved.parent / "mein Übungsheft № 'π' \\1") if UNICODE else solved
    put(folder, "nn.tanh_backward", "def tanh_backward(dh, h):\n    while True:\n        pass")
    lines = (folder / "nn.py").read_text("utf-8").splitlines()
    loop = 1 + lines.index("    while True:")
    bad, relu = grade(folder, ["activation"])
    words = "does not end within 2 s: an endless loop?"
    assert bad.diagnosis in (f"nn.py, line {line}: {words}" for line in (loop, loop + 1))
    assert (bad.status, relu.status) == ("error", "right")


@pytest.mark.slow
def test_a_file_that_never_ends_costs_one_wait(solved, monkeypatch):
    """All functions of its file are told so, after one wait."""
    monkeypatch.setattr(grading, "SECONDS", 0.1)  # none of these is ever graded, on any machine
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(1) or popen(*a, **k))
    with open(solved / "advantages.py", "a", encoding="utf-8") as file:
        file.write("\nwhile True:\n    pass\n")
    grades = grade(solved, ["returns", "gae", "normalize", "group-deviation"])
    assert [g.status for g in grades] == ["error"] * 4 and len(started) == 1
    assert len({g.diagnosis for g in grades}) == 1
    assert re.fullmatch(r"advantages\.py, line \d+: .*: an endless loop\?", grades[0].diagnosis)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows does not stop processes")
def test_a_worker_that_falls_silent_is_lost(solved, monkeypatch):
    monkeypatch.setattr(grading, "PATIENCE", 0.1)
    stop = "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"
    for path in ("nn.tanh_backward", "nn.relu_backward"):
        put(solved, path, written(path, stop))
    for g in grade(solved, ["activation"]):
        assert (g.status, g.diagnosis) == ("error", "does not answer for 0.1 s")


NO_MESSAGES = [
    "", "[", "null", "5", "NaN", '"abc"', "[" * 10**5, "9" * 10**5, "\0", "\ud800", "[]", "{}",
    '["nn.tanh_backward", "right"]', '["nn.tanh_backward", "right", "", ""]',
    '["nn.tanh_backward", "splendid", ""]', '["nn.tanh_backward", "right", 5]',
    '["nn.tanh_backward", "right", null]', '["nn.tanh_backward", true, ""]',
    '["nn.tanh_backward", ["right"], ""]', '["nn.linear_forward", "right", ""]',
    '[["nn.tanh_backward"], "right", ""]', '[{}, null, null]', '[null, null, null]',
    '["vpg", null, null]', '["n", null, null]', '["", null, null]', '["nn", "right", ""]',
    '{"nn": 1, "right": 2, "": 3}', "cos\nsystem\n(S'true'\ntR.", "\x80\x04\x95K\x01.",
]  # fmt: skip


def test_what_is_a_message_of_a_worker():
    tanh, relu = paths = ["nn.tanh_backward", "nn.relu_backward"]
    assert not [line for line in NO_MESSAGES if grading.understood(line, paths) is not None]
    for message in (["nn", None, None], [relu, None, None], [tanh, "wrong", "words"]):
        assert grading.understood(json.dumps(message), paths) == message


@pytest.mark.slow
@pytest.mark.parametrize(
    "program, lost",
    [
        ("pass", "ends the whole process (exit status 0)"),
        ("raise MemoryError", "cannot be graded here: MemoryError"),
        ("import no_such", "cannot be graded here: ModuleNotFoundError: No module named 'no_such'"),
        ("print('[[[', flush=True)\nraise SystemExit(7)", "cannot be graded here: [[["),
        ("print('[\"nn\", null, null]')", "ends the whole process (exit status 0)"),
        ("print('\\x1b[31m\\0' * 999)", "cannot be graded here: \\x1b[31m\\x00\\x1b[31m"),
        ("print('[\"nn.tanh_backward\", \"error\", \"' + '\\\\u001b[2J' * 999 + '\"]')", ""),
        ("while True: print('x' * 10**4)", "cannot be graded here: xxx"),
        ("while True: print('[\"nn.tanh_backward\", null, null]')", ""),
    ],
)  # fmt: skip
def test_a_worker_gone_wrong_is_told_and_grading_ends(solved, monkeypatch, program, lost):
    """Whatever comes instead of messages, also without end."""
    monkeypatch.setattr(grading, "BEGIN", program)
    for g in grade(solved, ["activation"]):
        assert g.status == "error" and g.diagnosis.startswith(lost)
        assert len(g.diagnosis) <= 1000 and g.diagnosis.isprintable()


# -------------------------------------------------- what it starts, ends with it

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no sessions")
# A process of the reader's that locks a file as long as it lives, and says if that is a minute.
LIVE = """
import fcntl, os, time
file = open({folder!r} + "/unborn-" + {name!r}, "w")
fcntl.flock(file, fcntl.LOCK_EX)
os.rename({folder!r} + "/unborn-" + {name!r}, {folder!r} + "/born-" + {name!r})
time.sleep(60)
open({folder!r} + "/outlived-" + {name!r}, "w").close()
os.kill(os.getpid(), 9)
"""
BREEDERS = {
    "nn.tanh_backward": """
        import os, time
        if os.fork() == 0:
            exec(LIVE)
        WAIT
        return dh * (1 - h * h)
        """,
    "nn.relu_backward": """
        import subprocess, sys, time
        subprocess.Popen([sys.executable, "-c", LIVE])
        WAIT
        return dh * (h > 0)
        """,
    "advantages.normalize": """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                exec(LIVE)
            os.kill(os.getpid(), 9)
        WAIT
        return 0 * advantages
        """,
    "vpg.value_loss": """
        import subprocess, sys, time
        subprocess.Popen([sys.executable, "-c", LIVE], start_new_session=True)
        WAIT
        return 0
        """,
}


def breed(folder, marks, until=None):
    """Write the BREEDERS into a workbook, each waiting for its child to live -> equations."""
    for path, body in BREEDERS.items():
        live = LIVE.format(folder=str(marks), name=path)
        lives = until or f"not os.path.exists({str(marks / f'born-{path}')!r})"
        body = textwrap.dedent(body).replace("LIVE", repr(live))
        body = body.replace("WAIT", f"while {lives}: time.sleep(0.01)")
        put(folder, path, written(path, "import os\n" + body))
    return ["activation", "normalize", "value-loss"]


def gone(marks):
    """Wait until all that was bred is gone, which nothing of it outlives -> whose it was."""
    import fcntl

    born = list(marks.glob("born-*"))
    for path in born:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
    assert not list(marks.glob("outlived-*"))
    return {path.name.removeprefix("born-") for path in born}


@pytest.mark.slow
@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_grader_is_ended(solved, tmp_path_factory, number):
    """Killed, or with its terminal closed, it still takes the worker's session with it."""
    marks = tmp_path_factory.mktemp("marks")
    breed(solved, marks, until="True")
    leaves = number == signal.SIGTERM and Path("/proc").exists()  # a child that left the session
    path = "vpg.value_loss" if leaves else "nn.tanh_backward"
    command = [sys.executable, LESSON / "run.py", "grade", solved, str(BY_PATH[path].equation)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as grader:
        try:
            while not (marks / f"born-{path}").exists():
                assert grader.poll() is None
                time.sleep(0.01)
            grader.send_signal(number)
        finally:
            grader.terminate()
    assert path in gone(marks)


@pytest.mark.slow
@posix
def test_what_a_function_starts_is_neither_waited_for_nor_left(solved, tmp_path_factory):
    """Forked, started, twice forked and in a session of its own: all are ended."""
    marks = tmp_path_factory.mktemp("marks")
    back = """
        import os
        child = os.fork()
        if child:  # the other one comes back from here, too, and has another opinion
            os.waitpid(child, 0)
        A = advantages if child else 0 * advantages
        return -np.mean(A * log_probs), -A / len(A)
        """
    put(solved, "vpg.policy_loss", written("vpg.policy_loss", back))
    grades = {g.function: g.status for g in grade(solved, ["vpg", *breed(solved, marks)])}
    expected = set(BREEDERS)
    if not Path("/proc").exists():  # what leaves the session cannot be found
        expected -= {"advantages.normalize", "vpg.value_loss"}
    assert gone(marks) >= expected
    for path in ("nn.tanh_backward", "nn.relu_backward", "vpg.policy_loss"):
        assert grades[path] == "right"


@pytest.mark.slow
def test_grades_as_json_and_at_every_save(solved, tmp_path_factory, monkeypatch, capsys):
    file = tmp_path_factory.mktemp("grades") / "grades.json"
    put(solved, "nn.relu_backward", "def relu_backward(dh, h):\n    return dh * (dh > 0)")
    saves = iter(["def relu_backward(dh, h):\n    return dh * (h > 0)"])

    def sleep(seconds):  # a reader, at work between two looks
        code = next(saves, None)
        if code is None:
            raise KeyboardInterrupt
        put(solved, "nn.relu_backward", code)

    monkeypatch.setattr(workbook, "time", SimpleNamespace(sleep=sleep))
    assert main(["grade", str(solved), "activation", "--json", str(file), "--watch"]) == 130
    out = capsys.readouterr().out
    assert out.index("1 of 2 right") < out.index("2 of 2 right")
    assert json.loads(file.read_text("utf-8")) == [
        {
            "equation": number_of("activation"),
            "function": f"nn.{name}_backward",
            "status": "right",
            "diagnosis": "",
            "chapter": "D",
            "blank": f"{name}_backward",
            "asked": True,
        }
        for name in ("tanh", "relu")
    ]


OWN_KINDS = {  # right, and no plain function that needs nothing else
    "nn.tanh_backward": "import mine\ntanh_backward = lambda dh, h: dh * mine.slope(h)",
    "nn.relu_backward": """
        from functools import partial, wraps
        def _gate(dh, h, edge): return dh * (h > edge)
        relu_backward = partial(_gate, edge=0)
    """,
    "nn.clip_global_norm": """
        TINY = 1e-6
        def seen(function):
            @wraps(function)
            def wrapper(*args, **more):
                return function(*args, **more)
            return wrapper

        @seen
        def clip_global_norm(gradient, max_norm):
            if gradient.ndim != 1 or gradient.dtype.kind != "f" or max_norm <= 0:
                raise ValueError("a gradient (P,) float, a limit above 0")
            norm = np.sqrt(np.sum(gradient**2))
            gradient *= min(1, max_norm / (norm + TINY))
            return norm
    """,
    "nn.MLP.backward": """
        def walk(self, dy, cache):
            for layer in range(len(self.layers) - 1, -1, -1):
                dx, *own = linear_backward(dy, cache[layer], self.layers[layer][0])
                yield [array.ravel() for array in own]
                dy = ACTIVATIONS[self.activation][1](dx, cache[layer])

        def backward(self, dy, cache):
            parts = list(self.walk(dy, cache))
            return np.concatenate([part for own in parts[::-1] for part in own])
    """,
}


def test_functions_of_other_kinds_beside_blanks(tmp_path):
    """A lambda, a partial, a decorated function, a helper's file, a method that calls another one
    of its class; and linear_backward is still blank, which is not their fault."""
    write_workbook(tmp_path / "book")
    for path, code in OWN_KINDS.items():
        put(tmp_path / "book", path, code)
    (tmp_path / "book" / "mine.py").write_text("def slope(h):\n    return 1 - h * h\n", "utf-8")
    grades = {
        g.function: g.status
        for g in grade(tmp_path / "book", ["linear", "activation", "backprop", "norm-clip"])
    }
    blank = dict.fromkeys(("nn.linear_forward", "nn.linear_backward"), "blank")
    assert grades == {**blank, **dict.fromkeys(OWN_KINDS, "right")}


def test_folders_that_are_no_workbook(tmp_path, solved, monkeypatch, capsys):
    place = tmp_path / "place"
    (place / "empty").mkdir(parents=True)
    (place / "file").touch()
    names = ["nothing", "empty", "file", "9" * 300, "9" * 5000, "a" * 300, "\udcff", ""]
    names += ["x/\u202e"] if UNICODE else []
    monkeypatch.chdir(place)
    if os.name == "posix":
        (place / "loop").symlink_to("loop")
        (place / "locked").mkdir(mode=0)
        os.mkfifo("pipe")
        names += ["loop", "locked", "pipe"]
    for name in names:
        with pytest.raises(SystemExit) as stopped:
            main(["grade", name])
        said = capsys.readouterr().err
        assert stopped.value.code == 2 and said.count("\n") == 1, name[:20]
        no_path = "there is no folder, blank or equation "
        assert "`python run.py practice DIR` writes one" in said or no_path in said, said
    with pytest.raises(ValueError, match=r"no blank for Eq\. 2; there are blanks for \d+, "):
        grade(solved, ["objective"])


def test_where_no_process_can_be_started_it_says_so(solved, monkeypatch, capsys):
    def popen(*_, **__):
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", popen)
    with pytest.raises(SystemExit, match="2"):
        main(["grade", str(solved)])
    said = "run.py grade: error: no process can be started to grade in: Resource temporarily un"
    assert capsys.readouterr().err.startswith(said)


# A file of the workbook, what is done to it, and the status or the start of what is said of it.
LATIN = "# -*- coding: latin-1 -*-\nname = 'Größe'\n".encode("latin-1")
DAMAGES = [
    {
        "nn": (
            lambda data: b"import os\nos._exit(1)\n" + data,
            "ends the whole process (exit status",
        ),
        "vpg": (lambda data: data + b"\ndef broken(:\n", "vpg.py, line "),
        "ppo": (
            lambda data: b"import no_such_module\n" + data,
            "ppo.py, line 1: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        "advantages": (lambda data: data, "right"),
    },
    {
        "nn": ("loop", "nn.py cannot be read: Too many levels of symbolic links"),
        "distributions": (lambda data: b"", "distributions.py has no "),
        "advantages": ("folder", "advantages.py is no file of at most 1,000,000 bytes"),
        "vpg": ("fifo", "vpg.py is no file of at most 1,000,000 bytes"),
        "ppo": (lambda data: b"x = '\xff'\n" + data, "ppo.py"),
        "ppo_penalty": (lambda data: b"# coding: odd\n" + data, "ppo_penalty.py"),
    },
    {
        "nn": ("huge", "nn.py is no file of at most 1,000,000 bytes"),
        "distributions": ("dangling", "distributions.py is missing"),
        "advantages": (lambda data: data.decode().encode("utf-16"), "advantages.py has NUL bytes"),
        "vpg": (lambda data: b"return\n", "vpg.py, line 1: 'return' outside function"),
        "ppo": (lambda data: b"(" * 10**5, ""),
        "ppo_penalty": (
            lambda data: b"if 1:\n\tx = 1\n        y = 2\n",
            "ppo_penalty.py, line 3: ",
        ),
    },
    {
        "nn": (lambda data: b"\xef\xbb\xbf" + data, "right"),
        "distributions": (lambda data: data.replace(b"\n", b"\r\n"), "right"),
        "advantages": (lambda data: LATIN + data.decode().encode("latin-1", "replace"), "right"),
        "vpg": ("link", "right"),
        "ppo": (lambda data: data + b"\nimport colorsys\n\x0c\n# \xc3\xa9", "right"),
        "ppo_penalty": (lambda data: data.replace(b"\n", b"\r"), "right"),
    },
]


def damage(file, way):
    data = file.read_bytes()
    file.unlink()
    if way in ("loop", "dangling", "link"):
        file.symlink_to({"loop": file.name, "dangling": "nowhere", "link": "elsewhere"}[way])
        (file.parent / "elsewhere").write_bytes(data)
    elif way == "folder":
        file.mkdir()
    elif way == "fifo":
        os.mkfifo(file)
    elif way == "huge":
        file.write_bytes(data)
        os.truncate(file, 10**12)  # which takes no room
    elif way != "missing":
        file.write_bytes(way(data))


@pytest.mark.slow
@posix
@pytest.mark.parametrize("ways", DAMAGES, ids=["broken", "no text", "no file", "odd but whole"])
def test_files_of_every_kind_are_graded_or_told_in_a_line(solved, capsys, ways):
    for module, (way, _) in ways.items():
        damage(solved / f"{module}.py", way)
    for name in ("gymnasium", "numpy", "colorsys", "config", "lab"):  # hides no library
        (solved / f"{name}.py").write_text("raise ImportError('not me')", encoding="utf-8")
    workbook.saved(solved)  # what --watch looks at
    file = solved / "grades.json"
    assert main(["grade", str(solved), "--json", str(file)]) == (ways is not DAMAGES[-1])
    grades = json.loads(file.read_bytes())
    for module, (_, said) in ways.items():
        own = [g for g in grades if g["function"].startswith(f"{module}.")]
        assert {g["status"] for g in own} == {"right" if said == "right" else "error"}, own
        assert said == "right" or all(g["diagnosis"].startswith(said) for g in own), own


def test_a_workbook_that_stands_in_hides_no_library(solved, monkeypatch):
    """As in the worker, what is not the lesson's comes after everything else."""
    for name in ("mine", "this", "numpy", "lab", "config"):
        (solved / f"{name}.py").touch()
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:])
    monkeypatch.setattr(sys, "path", sys.path[:])
    stand_in(solved)
    for name in MODULES:
        assert sys.meta_path[0].find_spec(name).origin == str(solved / f"{name}.py")
    origins = {name: importlib.util.find_spec(name).origin for name in ("mine", "this")}
    assert origins["mine"] == str(solved / "mine.py") and origins["this"] != str(solved / "this.py")
    assert not any(sys.meta_path[0].find_spec(name) for name in ("numpy", "lab", "config", "nn.x"))


# ------------------------------------------------------------------- hints


def test_every_equation_has_a_hint_and_no_hint_is_code():
    assert set(HINTS) == set(numbers()) and len(HINTS) == 64
    for number in HINTS:
        steps = hint(number)
        assert [step.split(":")[0] for step in steps] == ["ask yourself", "look at", "in words"]
        assert not any(c in "".join(steps) for c in ("np.", "()", "[", "def "))


def test_in_a_terminal_a_hint_goes_one_step_at_a_time(monkeypatch, capsys):
    """Each Enter tells the next step; whoever leaves before has not seen it."""
    terminal = io.StringIO("\n")  # one Enter, then the end
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", terminal)
    assert main(["hint", "backprop"]) == 0
    shown = capsys.readouterr().out
    assert "ask yourself:" in shown and "look at:" in shown and "in words:" not in shown
    terminal.isatty = lambda: False
    assert main(["hint", "backprop"]) == 0
    shown = capsys.readouterr().out
    assert "in words:" in shown and max(map(len, shown.splitlines())) < 80


# -------------------------------------------------- training with a workbook


@pytest.mark.slow
def test_the_reader_s_files_train(tmp_path):
    """One file of theirs makes the gradient twice as long: so are the run's norms."""
    (tmp_path / "my book").mkdir()
    book = fill(tmp_path / "my book")
    train = [*PPO, *SHORT[:-1], "--max-grad-norm", "1e9", "--max-episodes", "1"]
    assert call(*train, "--no-media", cwd=tmp_path).returncode == 0
    source = (
        (book / "ppo.py").read_text("utf-8").replace("alive * -plain", "mine.two * alive * -plain")
    )
    (book / "ppo.py").write_text("import mine\n" + source, encoding="utf-8")
    (book / "mine.py").write_text("two = 2\n", encoding="utf-8")
    for name in ("gymnasium", "json", "config"):  # no library, and no file of ours without blanks
        (book / f"{name}.py").write_text("raise ImportError('not me')\n", encoding="utf-8")
    done = run(*train, f"--lesson={book.name}", cwd=tmp_path)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert f"with my book: {len(LESSON_BLANKS) - 1} of {len(LESSON_BLANKS)} right" in done.stdout
    assert f"trained with the gradients in {book}/" in done.stdout
    own, mine = (tmp_path / f"runs/CartPole-v1-ppo-seed0{end}" for end in ("", "-2"))
    for name in ("summary.json", "config.json"):
        assert json.loads((mine / name).read_text("utf-8"))["lesson"] == str(book)
        assert "lesson" not in json.loads((own / name).read_text("utf-8"))
    first, second = (
        float(rows[1].split(",")[rows[0].split(",").index("policy_grad_norm")])
        for rows in ((folder / "progress.csv").read_text("utf-8").split() for folder in (own, mine))
    )
    assert 1.5 < second / first < 3  # the first minibatch's is 2; later ones differ a little
    # A run goes on with the files that began it, and with no others.
    for refused, words in (
        (call("resume", mine), "was trained with --lesson"),
        (run("resume", own, "--lesson", book), "without --lesson"),
    ):
        assert refused.returncode == 2 and refused.stderr.count("\n") == 1
        assert words in refused.stderr
    more = ["--lesson", book, "--no-media", "--max-episodes", "30"]
    done = run("resume", mine, *more, cwd=tmp_path)
    assert done.returncode == 0 and f"play {mine} --lesson '{book}'" in done.stdout


@pytest.mark.slow
def test_what_cannot_train_says_so_in_one_line(tmp_path):
    book = tmp_path / "book"
    write_workbook(book, ["A", "E"])
    train = [*VPG, *SHORT, "--lesson"]
    for folder, words in ((book, "vpg.policy_loss (Eq. 10) is blank and 2 more"),
                          (tmp_path / "nowhere", "is no workbook")):  # fmt: skip
        done = call(*train, folder)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and words in done.stderr
    (book / "training.py").write_text("def clip_statistics(): ...", encoding="utf-8")
    for words in ([*train, book], ["grade", book]):
        done = call(*words)
        assert done.returncode == 2 and done.stderr.count("\n") == 1
        assert "is of an earlier version; `python run.py practice NEW`, then copy" in done.stderr
    fill(book)
    # right in every case that is asked, and a crash in training
    put(book, "vpg.value_loss", """
        def value_loss(values, targets):
            errors = values - targets
            if len(errors) > 20:
                raise RuntimeError("too many")
            return 0.5 * np.mean(errors * errors), errors / len(errors)
    """)  # fmt: skip
    line = 1 + (book / "vpg.py").read_text("utf-8").splitlines().index(
        '        raise RuntimeError("too many")'
    )
    done = run(*train, book, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"run.py: vpg.py, line {line}: RuntimeError: too many\n"


def test_the_recording_says_whose_gradients_they_are(monkeypatch):
    trainer = Trainer(vpg, "CartPole-v1", vpg.Config(num_envs=1, hidden_sizes=(4,)), 0)
    assert Session.of(trainer, 0).caption is None
    monkeypatch.setattr(session, "lesson", lambda: "somewhere/practice")
    assert Session.of(trainer, 0).caption == "trained with the gradients in practice/"
