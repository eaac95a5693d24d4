import io
import os
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from test_run import run

from lab.runs import Progress
from lab.runs.progress import sparkline
from lab.runs.runner import print_returns, progress_texts, shown
from lab.watch import Session, record
from nn import MLP
from policies import CategoricalPolicy


def test_elsewhere_than_in_a_terminal_one_line_a_tenth(capsys):
    progress = Progress("{n} steps", 100, done=20)
    for done in range(21, 104, 3):
        progress.show(done, "", str(done))
    progress.say("remark")
    progress.close()
    lines = capsys.readouterr().out.split()
    # after 28, 36, 44, … of the 80 that were left, each at the first occasion
    assert lines == ["30", "36", "45", "54", "60", "69", "78", "84", "93", "102", "remark"]


@pytest.mark.parametrize("columns, width", [("120", 79), ("50", 49)])
def test_a_terminal_has_one_line_that_fits(monkeypatch, columns, width):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", columns)
    progress = Progress("{n} of {total} seeds", 7)
    for done in (3, 9):
        progress.show(done, "note", "line")
        progress.bar.refresh()
    lines = [line for line in terminal.getvalue().split("\r") if "note" in line]
    assert "3 of 7 seeds" in lines[0] and "7 of 7 seeds" in lines[-1]
    assert max(map(len, lines)) <= width and lines[-1].rstrip("\x1b[A\n").endswith("note")
    progress.close()


def test_a_sparkline_goes_as_its_values_do():
    values = [0.0, 1.0, np.nan, 3.5, 7.99, 8.0]
    assert sparkline(values, "utf-8") == "▁▂ ▄██"
    assert sparkline(values, "cp1252") == sparkline(values, "ascii") == "_. ~##"
    assert sparkline([5.0, 5.0], "utf-8") == "▁▁"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_run_leaves_its_returns_on_the_screen(tmp_path, encoding):
    done = run(
        *("--algo", "vpg", "--num-envs", "4", "--num-steps", "50", "--total-steps", "2000"),
        *("--eval-episodes", "2", "--evaluations", "1", "--runs-dir", str(tmp_path)),
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        encoding=encoding,
    )
    assert done.returncode == 0, done.stderr
    (line,) = re.findall(r"returns (.{40}) (\d+) to (\d+)\n", done.stdout)
    bars = "▁▂▃▄▅▆▇█" if encoding == "utf-8" else "_.-~=+*#"
    assert set(line[0]) <= set(bars + " ") and bars[0] in line[0] and bars[-1] in line[0]
    assert int(line[1]) < int(line[2])
    own = [row for row in done.stdout.splitlines() if str(tmp_path) not in row]
    assert max(map(len, own)) <= 80
    assert done.stderr == ""  # no bars where there is no terminal
    for command in ("run.py play", "run.py trace", "run.py check"):
        assert command in done.stdout


def test_a_recording_has_a_bar_on_a_terminal(monkeypatch, rng, tmp_path):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    policy, value = CategoricalPolicy(4, 2, (8,), rng), MLP((4, 8, 1), rng)
    record(Session(policy, value, "CartPole-v1", seed=0), tmp_path / "a.gif")
    assert "recording" in terminal.getvalue() and "/500 [" in terminal.getvalue()
    assert max(map(len, re.split(r"[\r\n]", terminal.getvalue()))) <= 79


def test_without_a_standard_error_it_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)  # pythonw, or 2>&-
    progress = Progress("{n} steps", 10)
    progress.show(10, "", "all")
    progress.close()
    assert capsys.readouterr().out == "all\n"


@pytest.mark.parametrize(
    "number, text",
    [
        (500.0, "500.0"),
        (9.36, "9.4"),
        (0, "0.0"),
        (-651.04, "-651.0"),
        (2.1345e-5, "2.13e-05"),
        (-3e-9, "-3e-09"),
        (0.7249, "0.725"),
        (16777217.25, "16777217.2"),
        (1e30, "1e+30"),
    ],
)
def test_a_return_is_shown_with_digits_that_say_something(number, text):
    assert shown(number) == text
    trainer = SimpleNamespace(env_steps=2_048, train_seconds=0.5)
    short, long = progress_texts(trainer, number)
    assert short == f"4,096 steps/s, return {text}" and long.endswith(f" {text:>7}")


@pytest.mark.parametrize("scale, words", [(1.0, "9 to 500"), (1e-5, "9e-05 to 0.005")])
def test_the_course_of_small_returns_is_no_row_of_zeros(capsys, scale, words):
    trainer = SimpleNamespace(env_steps=40, config=SimpleNamespace(num_envs=1))
    returns = scale * np.linspace(9, 500, 40)
    print_returns(trainer, {"began": np.arange(40), "return": returns, "length": np.zeros(40)})
    assert capsys.readouterr().out.endswith(f" {words}\n")
