"""The workbook as a course: one blank at a time, chapter by chapter, for a class, and trained."""

import ast
import json
import os
import re
import shutil
import sys
import unicodedata
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from programs import ROOT, call, run

from lab.commands import main, workbook
from lab.commands.lesson import take
from lab.practice import (
    BLANKS,
    CHAPTERS,
    COURSE,
    MODULES,
    answer,
    asked,
    card,
    grade,
    grading,
    holders,
    in_the_text,
    kept,
    write_workbook,
)
from lab.practice.blanks import EARLIER, find, last_kept, lesson_file
from lab.practice.hints import HINTS
from lab.proof.numbering import cited, number_of, numbers
from lab.proof.text import PAGES, page

LESSON = [blank for blank in BLANKS if blank.chapter in COURSE]
WRITTEN = [blank for blank in BLANKS if blank.chapter in CHAPTERS]
FUNCTIONS = [blank for blank in WRITTEN if blank.lines is None]  # not lines of one
TASK = re.compile(r'raise NotImplementedError\("Eq. \d+ is yours to write"\)')
LOSS = "A = advantages; return -(A * log_probs).mean(), -A / len(A)"


@pytest.fixture(autouse=True)
def no_haste(monkeypatch):
    monkeypatch.setattr(grading, "SECONDS", 600)
    monkeypatch.setattr(grading, "PATIENCE", 600)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(file, name, body):
    """Write a blank of a workbook's file."""
    source = file.read_text("utf-8")
    start = source.index(f"def {name}(")
    place = TASK.search(source, start)
    file.write_text(source[: place.start()] + body + source[place.end() :], encoding="utf-8")


# --------------------------------------------------------------------- the folder


def test_the_order_is_the_book_s():
    """Chapters A to I, in each its equations; the divergences where Chapter F has them."""
    chapters = [blank.chapter for blank in WRITTEN]
    assert chapters == sorted(chapters) and list(CHAPTERS) == sorted(CHAPTERS)
    functions = [blank for blank in FUNCTIONS if blank.chapter != "G"]
    places = [(blank.chapter, blank.equation) for blank in functions]
    assert places == sorted(places)
    for blank in functions:
        _, place = in_the_text(blank.key)
        assert f" > {blank.chapter}. " in place, blank


@pytest.mark.slow
def test_a_chapter_s_folder_holds_no_other_s_solution(tmp_path):
    """Not one statement of another blank's body; and grading it has only its own."""
    for chapter in CHAPTERS:
        folder = tmp_path / chapter
        own = write_workbook(folder, [chapter])
        assert {file.stem for file in folder.glob("*.py")} == {blank.module for blank in own}
        text = "".join(file.read_text("utf-8") for file in folder.glob("*.py"))
        for blank in FUNCTIONS:
            if "I" in {chapter, blank.chapter} and blank.chapter != chapter:
                continue  # Chapter I's is a script, whole but for its own blanks
            ours = find(ast.parse(lesson_file(blank.module).read_text("utf-8")), blank.name)
            for statement in (line for line in ours.body if line.lineno > last_kept(ours)):
                last = ast.unparse(statement).splitlines()[-1]
                assert last not in text or last.strip().startswith("raise "), (chapter, last)
        assert [(g.function, g.status) for g in grade(folder)] == [(b.path, "blank") for b in own]


def test_chapters_are_added_one_after_the_other(home, capsys):
    """As their ends print it; what was written stays, and so does what it imports."""
    assert main(["practice", "--chapters", "A"]) == 0
    file = home / "practice" / "vpg.py"
    assert "0 of 1\n" in capsys.readouterr().out
    write(file, "policy_loss", LOSS)
    before = file.read_text("utf-8")
    assert main(["practice", "--chapters", "B"]) == 0
    out = capsys.readouterr().out
    count = sum(blank.chapter in "AB" for blank in LESSON)
    assert out.startswith("B. Advantages: returns_to_go, gae, ") and f"1 of {count}\n" in out
    assert "Eq. 11  advantages.returns_to_go" in out and file.read_text("utf-8") == before
    assert main(["practice", "--chapters", "E,A"]) == 0
    after = file.read_text("utf-8")
    assert after.startswith(before) and after.count("def policy_loss") == 1
    assert not re.search("import.*policy_loss", after)  # it stays the reader's
    assert [b.path for b in asked("practice")] == [b.path for b in LESSON if b.chapter in "ABE"]
    capsys.readouterr()
    assert main(["practice"]) == 0
    count = sum(blank.chapter in "ABE" for blank in LESSON)
    full = 30 // count
    assert capsys.readouterr().out.endswith(f"\n\n{'█' * full}{'░' * (30 - full)} 1 of {count}\n")
    with pytest.raises(SystemExit, match="2"):
        main(["grade", "C"])
    assert "no blanks of chapter C are asked for; python run.py practice" in capsys.readouterr().err


def test_an_addition_brings_what_it_needs(tmp_path):
    """Some of nn.py first, the rest later: the file runs, and its table has the reader's own."""
    write_workbook(tmp_path, ["relu_backward"])
    write_workbook(tmp_path, ["D"])
    names = {}
    exec((tmp_path / "nn.py").read_text("utf-8"), names)
    for blank in LESSON:
        if blank.module == "nn":
            head, *method = blank.name.split(".")
            thing = getattr(names[head], *method) if method else names[head]
            assert "NotImplementedError" in thing.__code__.co_names
    own = (names["tanh_backward"], names["relu_backward"])
    assert tuple(pair[1] for pair in names["ACTIVATIONS"].values()) == own


def test_a_folder_of_other_things_is_joined_or_refused_in_a_line(home, capsys):
    (home / "mine.txt").write_text("mine", encoding="utf-8")
    (home / "file").touch()
    assert call("practice", home, "--chapters", "E").returncode == 0
    assert (home / "mine.txt").read_text("utf-8") == "mine"
    (home / "vpg.py").write_text("def (:", encoding="utf-8")
    for words, said in (
        (["practice", "."], None),
        (["practice", ".", "--chapters", "A"], "vpg.py cannot be added to: "),
        (["practice", ".", "--ladder"], "holds another kind of workbook; name another folder"),
        (["practice", "file"], "file is a file; name a folder"),
        (["practice", "file/x"], "file/x cannot be written: Not a directory"),
    ):
        done = call(*words, cwd=home)
        assert done.returncode == (2 if said else 0), done
        assert not said or (said in done.stderr and done.stderr.count("\n") == 1), done.stderr


def test_a_folder_made_before_asks_for_all_it_has(tmp_path, capsys):
    """Whole files, without what the workbook remembers; adding to it changes nothing."""
    for module in MODULES:
        shutil.copy(lesson_file(module), tmp_path)
    assert asked(tmp_path) == LESSON and main(["practice", str(tmp_path), "--chapters", "A"]) == 0
    assert not (tmp_path / "workbook.json").exists()
    assert main(["grade", str(tmp_path)]) == 0
    end = f" {len(LESSON)} of {len(LESSON)}\nnow train with it: python run.py --algo ppo"
    assert end in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[]", "{", '{"asked": 3, "wrong": 1}', '{"wrong": []}', "\0"])
def test_what_a_folder_remembers_may_be_anything(tmp_path, text):
    write_workbook(tmp_path, ["A"])
    (tmp_path / "workbook.json").write_text(text, encoding="utf-8")
    assert kept(tmp_path) == {"asked": [], "wrong": {}, "right": []}
    assert asked(tmp_path) == [blank for blank in LESSON if blank.module in EARLIER]


# ----------------------------------------------------------------- one at a time


def test_watching_goes_on_when_a_blank_is_right(home, monkeypatch, capsys):
    """From the first open one to the last, which ends it."""
    write_workbook("practice", ["policy_loss", "value_loss"])
    file = home / "practice" / "vpg.py"
    steps = iter([
        ("policy_loss", LOSS),
        ("value_loss", "e = values - targets; return (e * e).mean() / 2, e / len(e)"),
    ])  # fmt: skip
    monkeypatch.setattr(
        workbook, "time", SimpleNamespace(sleep=lambda _: write(file, *next(steps)))
    )
    capsys.readouterr()
    assert main(["grade", "--watch"]) == 0
    first, second, last, end = re.split(r"\d of 2\n", capsys.readouterr().out)
    assert "vpg.policy_loss  " in first and "vpg.value_loss" not in first
    assert "vpg.value_loss  " in second and second.count("vpg.policy_loss") == 1
    assert second.startswith("right: vpg.policy_loss (Eq. 10)\n\n")
    assert last == f"right: vpg.value_loss (Eq. 33)\n\n{'█' * 30} "
    assert end.endswith("now train with it: python run.py --algo vpg --lesson practice\n")


def test_the_card_says_what_where_and_how_long(home, capsys):
    assert main(["practice", "--chapters", "H"]) == 0
    capsys.readouterr()
    assert main(["grade"]) == 1
    minutes = re.search(r"`group_advantages` \| \d+ \| (\d+)", page_of("docs/teaching.md"))[1]
    head, *rest = capsys.readouterr().out.splitlines()
    assert head == "H. Groups of responses"
    assert rest[1].strip() == f"practice/advantages.py, group_advantages; about {minutes} minutes"
    assert rest[2].strip().startswith("docs/language.md > H. The same gradient in a language model")
    assert rest[4].strip().startswith(unicodedata.normalize("NFC", "Â_i=(R_i-R̄)/(σ+ε)"))
    assert rest[-1] == "░" * 30 + " 0 of 1" and max(map(len, rest)) < 80
    write(home / "practice" / "advantages.py", "group_advantages", "return rewards")
    assert main(["grade", "--seed", "8"]) == 1
    assert capsys.readouterr().out.endswith("░ 0 of 1 (seed 8)\n")


def page_of(path):
    return (ROOT / path).read_text("utf-8")


def test_the_checker_has_a_chapter_of_its_own_and_a_training_does_without(
    home, monkeypatch, capsys
):
    assert main(["practice", "--chapters", "G"]) == 0
    page, _, chapter = "docs/objectives.md > G. Your own objective".partition(" > ")
    assert f"# {chapter}\n" in page_of(page)
    assert capsys.readouterr().out.endswith(
        f"\n          {page} > {chapter}\n\n{'░' * 30} 0 of 1\n"
    )
    monkeypatch.setattr("lab.practice.stand_in", lambda folder, without: None)
    assert take("train", ["--lesson", "practice"]) == "practice"
    write_workbook("practice", ["A"])
    with pytest.raises(SystemExit):
        take("train", ["--lesson", "practice"])
    assert "vpg.policy_loss (Eq. 10) is blank; python" in capsys.readouterr().err


def test_each_minute_stands_in_one_place():
    for blank in WRITTEN:
        assert WRITTEN.count(blank) == 1
        row = rf"\| {blank.chapter} \| `{blank.key}` \| `{blank.name}` \| \d+ \| (\d+) \|"
        assert int(re.search(row, page_of("docs/teaching.md"))[1]) == blank.minutes


@pytest.mark.slow
def test_from_the_third_wrong_answer_on_a_hint_comes_unasked(home, capsys):
    """The same answer counts once, and a program's question not at all."""
    write_workbook("practice", ["A"])
    file, shown = home / "practice" / "vpg.py", []
    blank = file.read_text("utf-8")
    for factor in (-1, -2, -3, 2, 3, 3, 4, 5, 6, 7):
        file.write_text(blank, encoding="utf-8")
        write(file, "policy_loss", f"return {factor} * log_probs.mean(), advantages")
        if factor < 0:
            assert main(["grade", "--json", str(home / "x.json")]) == 1
            continue
        capsys.readouterr()
        assert main(["grade", *(["vpg"] if factor % 2 else [])]) == 1
        out = " ".join(capsys.readouterr().out.split())
        shown.append([step in out for step in HINTS["vpg"]])
    no, first, then, last = (
        [False] * 3,
        [True, False, False],
        [False, True, False],
        [False, False, True],
    )
    assert shown == [no, no, no, first, then, last, last]
    assert len(kept("practice")["wrong"]["vpg.policy_loss"]) == 6
    assert answer("practice", "vpg.policy_loss") in kept("practice")["wrong"]["vpg.policy_loss"]


# ------------------------------------------------------------- print and breakpoint


@pytest.mark.slow
def test_what_a_blank_prints_stands_under_its_line(home, monkeypatch, capsys):
    """Also of one that breaks or ends the process; tamed, and not without end."""
    write_workbook("practice", ["A", "E", "F"])
    write(
        home / "practice" / "vpg.py",
        "policy_loss",
        "print('A', advantages.shape, '\\x1b[31m')\n    " + LOSS,
    )
    write(home / "practice" / "vpg.py", "value_loss", "print('two'); import os; os._exit(3)")
    write(home / "practice" / "ppo.py", "clipped_surrogate", "\n    while True: print('x' * 99)")
    write(home / "practice" / "ppo.py", "clip_statistics", "breakpoint()")
    monkeypatch.setattr(grading, "SECONDS", 2)
    grades = {g.function: g for g in grade("practice")}
    assert (
        grades["vpg.policy_loss"].printed.startswith("A (")
        and grades["vpg.policy_loss"][2] == "right"
    )
    assert "\\x1b[31m" in grades["vpg.policy_loss"].printed
    assert grades["vpg.value_loss"].printed == "two" and grades["vpg.value_loss"][2] == "error"
    loop = grades["ppo.clipped_surrogate"]
    assert loop.printed.startswith("xxx") and len(loop.printed) <= grading.PRINTED
    assert loop.diagnosis.endswith("an endless loop?")
    assert "--debug" in grades["ppo.clip_statistics"].diagnosis
    main(["grade", "policy_loss"])
    assert "\n        > A (" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="Windows has no pty")
def test_breakpoint_stops_in_a_terminal(home, start):
    """pdb answers there with the reader's own variables, and grading goes on."""
    import pty

    write_workbook("practice", ["A"])
    write(home / "practice" / "vpg.py", "policy_loss", "breakpoint()\n    " + LOSS)
    ours, theirs = pty.openpty()
    command = [sys.executable, ROOT / "run.py", "grade", "vpg", "--debug"]
    process = start(command, stdin=theirs, stdout=theirs, stderr=theirs, text=False)
    os.close(theirs)
    said = ""

    def heard(words):
        nonlocal said
        while words not in said:
            said += os.read(ours, 4096).decode("utf-8", "replace")
        said = said.partition(words)[2]

    heard("(Pdb)")
    os.write(ours, b"p 6 * len(advantages)\n")
    heard("18")
    os.write(ours, b"import sys; sys.breakpointhook = lambda: None\nc\n")  # at no further case
    heard("vpg.policy_loss")
    heard("right")
    assert process.wait() == 0
    os.close(ours)


def test_who_leaves_the_debugger_has_left(home, capsys):
    """At once, not case by case; what ends the program otherwise is told as always."""
    write_workbook("practice", ["A", "E"])
    file = home / "practice" / "vpg.py"
    write(file, "policy_loss", "print('once'); import bdb; raise bdb.BdbQuit")
    write(file, "value_loss", "raise SystemExit('bye')")
    assert main(["grade", "--debug"]) == 1
    out = capsys.readouterr().out
    assert out.count("once") == 1 and "\n          stopped\n" in out
    assert main(["grade", "value_loss", "--debug"]) == 1
    assert re.search(r"vpg\.py, line \d+: SystemExit: bye", capsys.readouterr().out)


# ---------------------------------------------------------------- the text's formulas


def test_every_formula_is_readable_and_every_place_is_there():
    for key, number in numbers().items():
        formula, place = in_the_text(key)
        assert formula and not re.search(r"[\\&{}\1-\3](?!0)", formula.replace("{0,1}", "")), (
            formula
        )
        path, *names = place.split(" > ")
        assert path in PAGES and names, place
        assert all(f"# {name}\n" in page(path) for name in names), place
        assert formula.count("(") == formula.count(")"), (number, formula)
    for key, formula in (
        ("gae", "Â_t=δ_t+γλ(1-u_t)Â_(t+1)"),
        ("vpg", "L^VPG(θ)=-1/N Σ_(i=1)^N Â_i log π_θ(a_i | s_i)"),
        ("linear", "Y=XW+𝟏b   ⟹\nW̄=XᵀȲ,\nb̄=𝟏ᵀȲ,\nX̄=ȲWᵀ"),
        ("value-loss", "L_V=1/(2N) Σ_(i=1)^N (v_i-y_i)^2,   v̄_i=(v_i-y_i)/N"),
    ):
        assert in_the_text(key)[0] == unicodedata.normalize("NFC", formula)


def test_a_hint_names_the_blank_that_holds_an_equation(capsys):
    assert [blank.path for blank in holders("td-error")] == ["advantages.gae"]
    assert [blank.path for blank in holders(36)] == ["ppo.clipped_surrogate"]
    assert holders("gae") == holders("density") == []
    for key in list(numbers())[::5]:
        files = [lesson_file(blank.module).read_text("utf-8") for blank in holders(key)]
        assert all(number_of(key) in cited(source) for source in files)
    assert main(["hint", "clipped-objective"]) == 0
    assert capsys.readouterr().out.endswith(
        "\nin a workbook of the lesson you write it in ppo.clipped_surrogate\n"
    )
    assert main(["hint", "largest_error"]) == main(["hint", "35"]) == 0
    checker, ratio = capsys.readouterr().out.split("ask yourself:")[1:]
    assert "imaginary" in checker and "imaginary" not in ratio and "The ratio" in ratio


def test_the_card_shows_what_is_the_blank_s():
    """Its formulas and no other's, and the place where it is told."""
    for path, has, has_not in (
        ("vpg.update", "", "X̄"), ("ppo.update", "", "Z̄"),
        ("gradient_check.largest_error", "", "ρ"), ("ppo.clipped_surrogate", "L^CLIP", "Z̄"),
        ("advantages.normalize", "Ã_i=(Â_i-m)/(σ_A+ε)", "g̃"),
        ("distributions.categorical_entropy", "ℋ=", "∂"),
        ("distributions.gaussian_log_prob_backward", "Σ_(i=1)^N w_i", "Z̄"),
        ("advantages.group_advantages", "G/(G-1)", "𝔼"), ("advantages.gae", "δ_t", "V"),
    ):  # fmt: skip
        blank = next(blank for blank in BLANKS if blank.path == path)
        formula, place = card(path, blank.key)
        normal = unicodedata.normalize("NFC", formula)
        assert unicodedata.normalize("NFC", has) in normal, (path, formula)
        assert unicodedata.normalize("NFC", has_not) not in normal, (path, formula)
        assert place.startswith(("README.md > ", "docs/"))
    assert card("vpg.update", "joint-loss") == ("", "README.md > E. The value function")


# ------------------------------------------------------------------------- a class


def test_an_assignment_blanks_what_it_lists(home, capsys):
    (home / "a.txt").write_text(
        "# week 3\nscore\n\nnn.MLP.backward # long\n33\n", encoding="utf-8-sig"
    )
    assert main(["practice", "week3", "--assignment", "a.txt"]) == 0
    paths = ["distributions.categorical_log_prob_backward", "nn.MLP.backward", "vpg.value_loss"]
    assert [blank.path for blank in asked("week3")] == paths
    text = "".join(file.read_text("utf-8") for file in (home / "week3").glob("*.py"))
    assert len(TASK.findall(text)) == 3
    for words, said in (
        ("gaee", "a.txt, line 2: no equation 'gaee'; did you mean gae?"),
        ("99", "a.txt, line 2: no equation 99; there are 1 to 64"),
        ("2", "a.txt, line 2: no blank for Eq. 2; there are blanks for "),
        (
            "vpg.policy_los",
            "a.txt, line 2: no blank 'vpg.policy_los'; did you mean vpg.policy_loss?",
        ),
        ("# nothing", "a.txt lists no blank"),
    ):
        (home / "a.txt").write_text(f"\n{words}\n", encoding="utf-8")
        for command in (["practice", "new"], ["grade", "week3"]):
            done = call(*command, "--assignment", "a.txt", cwd=home)
            assert done.returncode == 2 and done.stderr.count("\n") == 1 and said in done.stderr
    for name, said in (("none.txt", "No such file"), (".", "Is a directory")):
        done = call("practice", "new", "--assignment", name, cwd=home)
        assert done.returncode == 2 and f"{name} cannot be read: {said}" in done.stderr
    done = call("practice", "new", "--assignment", "a.txt", "--chapters", "A", cwd=home)
    assert done.returncode == 2 and "leave --chapters, --one-page, --ladder out" in done.stderr
    assert not (home / "new").exists()


@pytest.mark.slow
def test_what_programs_read(home):
    """JSON and JUnit agree; the statuses; what was asked for; a seed that repeats."""
    write_workbook("practice", ["A", "E", "F"])
    write(
        home / "practice" / "vpg.py",
        "policy_loss",
        "import vpg as v; return v.policy_loss(log_probs, advantages)",
    )
    write(home / "practice" / "vpg.py", "value_loss", "return 1 / 0")
    write(home / "practice" / "ppo.py", "clip_statistics", "return 0.0, '<&>' and 0.0")
    files = ["--json", "g.json", "--junit", "g.xml"]
    assert call("grade", *files, cwd=home).returncode == 1
    rows = json.loads((home / "g.json").read_text("utf-8"))
    assert [row["function"] for row in rows] == [b.path for b in LESSON if b.chapter in "AEF"]
    assert list(rows[0])[:4] == ["equation", "function", "status", "diagnosis"]
    status = {row["function"]: row["status"] for row in rows}
    assert (status["vpg.value_loss"], status["ppo.clip_statistics"]) == ("error", "wrong")
    assert rows[0]["diagnosis"] == "it is the repository's own policy_loss, imported, not written"
    assert rows[0] | {"diagnosis": ""} == {
        **{"equation": number_of("vpg"), "function": "vpg.policy_loss", "status": "right"},
        **{"diagnosis": "", "chapter": "A", "blank": "policy_loss", "asked": True},
    }
    suite = ElementTree.parse(home / "g.xml").getroot()
    counts = [int(suite.get(name)) for name in ("tests", "failures", "errors")]
    assert counts == [len(rows), len(rows) - 2, 1]
    for row, case in zip(rows, suite, strict=True):
        assert case.get("name") == row["function"] and case.get("classname")[0] == row["chapter"]
        kinds = {"right": "system-out", "error": "error"}
        assert [part.tag for part in case] == [kinds.get(row["status"], "failure")]
    assert call("grade", "practice", "vpg", *files, cwd=home).returncode == 0
    assert len(ElementTree.parse(home / "g.xml").getroot()) == 1
    # of another chapter: graded when it is named, and not asked for
    assert call("grade", "practice", "gae", "--json", "g.json", cwd=home).returncode == 1
    (row,) = json.loads((home / "g.json").read_text("utf-8"))
    assert not row["asked"] and row["diagnosis"] == "advantages.py is missing"
    assert call("grade", "nowhere", "--junit", "g.xml", cwd=home).returncode == 2
    assert call("grade", "--junit", "no/such/../x.xml", cwd=home).returncode in (1, 2)


def test_a_solution_that_is_imported_is_noted(tmp_path):
    """However it comes; what only looks alike is the reader's."""
    write_workbook(tmp_path, ["A", "linear_forward", "backprop"])
    (tmp_path / "vpg.py").write_text("from vpg import policy_loss\n", encoding="utf-8")
    write(tmp_path / "nn.py", "linear_forward", "return x @ W + b")
    write(
        tmp_path / "nn.py",
        "backward",
        "import nn as ours; return ours.MLP.backward(self, dy, cache)",
    )
    notes = {
        g.function: (g.status, "imported, not written" in g.diagnosis) for g in grade(tmp_path)
    }
    imported = dict.fromkeys(("vpg.policy_loss", "nn.MLP.backward"), ("right", True))
    assert notes == {**imported, "nn.linear_forward": ("right", False)}


# ---------------------------------------------------------- with one's own gradients


@pytest.mark.slow
def test_a_trace_shows_where_the_numbers_part(home):
    # its signs, on a system that has them
    utf8 = {"encoding": "utf-8", "env": os.environ | {"PYTHONIOENCODING": "utf-8"}}
    write_workbook("practice", ["D"])
    done = run("trace", "--lesson", "practice", cwd=home, **utf8)
    assert done.returncode == 0, done.stderr
    head, page = done.stdout.split("PPO by hand", 1)
    page, last = ("PPO by hand" + page).rsplit("\n\n", 1)
    blank = ", ".join(b.path for b in WRITTEN if b.chapter == "D")
    said = f"with practice: 0 of 7 right the lesson's own stands in for {blank}"
    assert " ".join(head.split()) == said and max(map(len, head.splitlines())) < 80
    assert last == "No line differs from the lesson's.\n"
    assert page + "\n" == run("trace", **utf8).stdout
    write(home / "practice" / "nn.py", "tanh_backward", "return dh * (1 - h)")
    done = run("trace", "vpg", "--lesson", "practice", cwd=home, **utf8)
    ours = run("trace", "vpg", **utf8).stdout.splitlines()
    theirs = done.stdout.splitlines()[-3 - len(ours) : -3]
    for mine, lesson in zip(theirs, ours, strict=True):
        assert mine.startswith("≠") == (mine != lesson)
        assert len(mine) <= 82
    headings = [line for line in ours if line.endswith("─")]
    first = next(k for k, line in enumerate(theirs) if line.startswith("≠"))
    above = [line for line in ours[:first] if line in headings][-1].strip(" ─")
    marked = sum(line.startswith("≠") for line in theirs)
    assert "tanh" in above and done.stdout.splitlines()[-2:] == [
        f"{marked} lines (≠) differ from the lesson's, the first under",
        f"{above!r}.",
    ]
    write(home / "practice" / "nn.py", "linear_backward", "return dy @ W")
    done = run("trace", "--lesson", "practice", cwd=home, **utf8)
    assert done.returncode == 1 and re.match(r"run.py: nn\.py, line \d+: ValueError", done.stderr)


@pytest.mark.slow
def test_a_workbook_that_is_written_trains_to_the_bit_as_the_lesson(home):
    """Every blank filled with the lesson's own lines, in files that import all else."""
    for blank in write_workbook("practice"):
        file = home / "practice" / f"{blank.module}.py"
        texts = [path.read_text("utf-8") for path in (file, lesson_file(blank.module))]
        mine, ours = (
            ast.get_source_segment(text, find(ast.parse(text), blank.name)) for text in texts
        )
        file.write_text(texts[0].replace(mine, ours), encoding="utf-8")
    assert main(["grade"]) == 0
    train = ["--algo", "ppo", "--total-steps", "3000", "--no-media", "--eval-episodes", "2"]
    for more in ([], ["--lesson", "practice"]):
        done = run(*train, *more, cwd=home)
        assert done.returncode == 0, done.stderr
    assert f"with practice: {len(LESSON)} of {len(LESSON)} right\n" in done.stdout
    own, mine = (
        [line.split(",") for line in file.read_text("utf-8").splitlines()]
        for file in home.glob("runs/*/progress.csv")
    )
    speed = own[0].index("steps_per_second")
    assert len(own) > 2 and [r[:speed] + r[speed + 1 :] for r in own] == [
        r[:speed] + r[speed + 1 :] for r in mine
    ]


@pytest.mark.slow
def test_a_chapter_s_folder_trains(home):
    """Its functions stand where the lesson's did, for all who use them; the rest is as it was."""
    write_workbook("practice", ["A", "relu_backward"])
    train = ["--algo", "vpg", "--num-envs", "2", "--num-steps", "8", "--hidden-sizes", "4"]
    train += ["--activation", "relu", "--total-steps", "16", "--no-media", "--eval-episodes", "1"]
    train += ["--max-grad-norm", "1e9", "--learning-rate", "1e-12", "--value-steps", "1"]
    done = call(*train, "--lesson", "practice", cwd=home)
    assert done.returncode == 2 and "vpg.policy_loss (Eq. 10) is blank and 1 more" in done.stderr
    write(home / "practice" / "vpg.py", "policy_loss", LOSS.replace("-A /", "-2 * A /"))
    write(home / "practice" / "nn.py", "relu_backward", "return 3 * dh * (h > 0)")
    for more in ([], ["--lesson", "practice"]):
        done = run(*train, *more, cwd=home)
        assert done.returncode == 0, done.stderr
    assert "with practice: 0 of 2 right" in done.stdout
    own, mine = (
        dict(zip(*[line.split(",") for line in file.read_text("utf-8").split()[:2]], strict=True))
        for file in sorted(home.glob("runs/*/progress.csv"), key=lambda path: len(str(path)))
    )
    assert own["policy_loss"] == mine["policy_loss"]
    ratio = float(mine["policy_grad_norm"]) / float(own["policy_grad_norm"])
    assert 2 <= ratio <= 6  # the last layer twice as long, the first one six times
    value = float(mine["value_grad_norm"]) / float(own["value_grad_norm"])
    assert 1 < value <= 3
    assert f"trained with the gradients in {home / 'practice'}/" in done.stdout


def test_the_caption_is_drawn(monkeypatch):
    from lab.watch import scene

    class Canvas:
        width, height, said = 720, 405, []

        def text(self, x, y, text, *_, **__):
            self.said.append(text)

        def __getattr__(self, name):
            return lambda *_, **__: None

    for name in ("header", "cartpole", "trace", "readouts"):
        monkeypatch.setattr(scene, name, lambda *_, **__: None)
    session = SimpleNamespace(is_cartpole=True, ended="", caption=None, angles=[], values=[])
    scene.paint(Canvas(), session)
    assert Canvas.said == []
    session.caption = "trained with the gradients in practice/"
    scene.paint(Canvas(), session)
    assert Canvas.said == [session.caption]
