import io
import os
import re
import sys
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
from programs import run

from lab.kit import Progress, progress, sparkline
from lab.runs import judging, runner
from lab.runs.runner import print_returns, progress_texts, shown
from lab.watch import Session
from lab.watch.recorder import record
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


class Terminal(io.StringIO):
    def isatty(self):
        return True


def terminal_for(monkeypatch):
    """Standard error as a terminal, that keeps what stands on it."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    return sys.stderr


@pytest.mark.parametrize("columns, width", [("120", 79), ("50", 49)])
def test_a_terminal_has_one_line_that_fits(monkeypatch, columns, width):
    terminal = terminal_for(monkeypatch)
    monkeypatch.setenv("COLUMNS", columns)
    progress = Progress("{n} of {total} seeds", 7)
    for done in (3, 9):
        progress.show(done, "note", "line")
        progress.bar.refresh()
    lines = [line for line in terminal.getvalue().split("\r") if "note" in line]
    assert "3 of 7 seeds" in lines[0] and "7 of 7 seeds" in lines[-1]
    assert max(map(len, lines)) <= width and lines[-1].rstrip("\x1b[A\n").endswith("note")
    progress.close()


def train(monkeypatch, evaluations=10, greedy=lambda step: step / 2, mean=lambda step: step / 8):
    """Go through run_training with a training of 20 iterations of 50 steps, on its own clock.

    An iteration takes a second, an evaluation three more: 50 seconds in all. The returns of the
    evaluation after `step` steps are greedy(step).
    """
    now = [1_000.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    config = SimpleNamespace(total_steps=1_000)
    trainer = MagicMock(config=config, env_steps=0, train_seconds=0.0, episodes=0)
    trainer.rollout.episodes = []

    def iterate():
        trainer.env_steps += 50
        trainer.train_seconds += 1
        now[0] += 1
        return {"mean_return": mean(trainer.env_steps)}

    def evaluate(*_):
        now[0] += 3
        return np.full(4, greedy(trainer.env_steps))

    trainer.iterate = iterate
    monkeypatch.setattr(judging, "evaluate", evaluate)
    monkeypatch.setattr(runner, "time", clock)
    monkeypatch.setattr(progress, "time", clock)
    folder = MagicMock(best_return=lambda: -np.inf, owed=lambda: None)
    runner.run_training(trainer, folder, evaluations, 4)


def test_elsewhere_each_line_has_its_greedy_evaluation(monkeypatch, capsys):
    train(monkeypatch, mean=lambda step: step / 8 if step > 100 else np.nan)
    lines = """\
        100 steps        50 steps/s   greedy   50.0
        200 steps        50 steps/s   greedy  100.0   last 100 episodes   25.0
        300 steps        50 steps/s   greedy  150.0   last 100 episodes   37.5
        400 steps        50 steps/s   greedy  200.0   last 100 episodes   50.0
        500 steps        50 steps/s   greedy  250.0   last 100 episodes   62.5
        600 steps        50 steps/s   greedy  300.0   last 100 episodes   75.0
        700 steps        50 steps/s   greedy  350.0   last 100 episodes   87.5
        800 steps        50 steps/s   greedy  400.0   last 100 episodes  100.0
        900 steps        50 steps/s   greedy  450.0   last 100 episodes  112.5
      1,000 steps        50 steps/s   greedy  500.0   last 100 episodes  125.0
"""
    assert capsys.readouterr().out == lines


def test_elsewhere_the_latest_of_few_evaluations_stands(monkeypatch, capsys):
    train(monkeypatch, evaluations=2, mean=lambda step: np.nan)
    ends = [line.split("steps/s")[1].strip() for line in capsys.readouterr().out.splitlines()]
    early = ["no episode has ended yet"] * 4
    assert ends == early + ["greedy  250.0"] * 5 + ["greedy  500.0"]


@pytest.mark.parametrize("evaluations", [0, 1, 4, 10])
def test_the_time_left_runs_down_and_never_jumps(monkeypatch, evaluations):
    terminal = terminal_for(monkeypatch)
    train(monkeypatch, evaluations)
    whole = 20 + 3 * max(evaluations, 1)
    lines = [line for line in re.split(r"[\r\n]", terminal.getvalue()) if "ETA" in line]
    said = re.findall(r"([\d,]+) steps ETA (\S+?)[, ]", "\n".join(lines))
    for steps, left in said:
        iterations = int(steps.replace(",", "")) // 50
        judged = iterations * evaluations // 20 if iterations < 20 else max(evaluations, 1)
        if judged == 0 and evaluations:
            assert left == "?"
        else:
            passed, left = iterations + 3 * judged, int(left.split(":")[1])
            # without evaluations nobody knows of the last one's three seconds
            assert passed + left in ({whole, whole - 3} if evaluations == 0 else {whole})
    # each evaluation is shown as it comes
    for count in range(1, evaluations + 1):
        assert f"greedy {500 * count / evaluations:.1f}, last" in terminal.getvalue()
    assert max(map(len, lines)) <= 79


def test_the_live_line_has_room_for_long_numbers(monkeypatch):
    terminal = terminal_for(monkeypatch)
    train(monkeypatch, greedy=lambda step: -123456.7, mean=lambda step: -123456.7)
    lines = [line for line in re.split(r"[\r\n]", terminal.getvalue()) if "greedy" in line]
    (end,) = {line[line.index("greedy") :] for line in lines}
    assert end == "greedy -123456.7, last 100 episodes -123456.7"
    assert max(map(len, lines)) <= 79


def test_a_sparkline_goes_as_its_values_do():
    values = [0.0, 1.0, np.nan, 3.5, 7.99, 8.0]
    assert sparkline(values, "utf-8") == "▁▂ ▄██"
    assert sparkline(values, "cp1252") == sparkline(values, "ascii") == "_. ~##"
    assert sparkline([5.0, 5.0], "utf-8") == "▁▁"


@pytest.mark.slow
def test_a_run_leaves_its_returns_on_the_screen(tmp_path):
    done = run(
        *("--algo", "vpg", "--num-envs", "4", "--num-steps", "50", "--total-steps", "2000"),
        *("--eval-episodes", "2", "--evaluations", "1", "--runs-dir", str(tmp_path)),
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        encoding="ascii",
    )
    assert done.returncode == 0, done.stderr
    (line,) = re.findall(r"returns (.{40}) (\d+) to (\d+)\n", done.stdout)
    bars = "_.-~=+*#"
    assert set(line[0]) <= set(bars + " ") and bars[0] in line[0] and bars[-1] in line[0]
    assert int(line[1]) < int(line[2])
    own = [row for row in done.stdout.splitlines() if str(tmp_path) not in row]
    assert max(map(len, own)) <= 80
    assert done.stderr == ""  # no bars where there is no terminal
    for command in ("run.py play", "run.py trace", "run.py check"):
        assert command in done.stdout


def test_a_recording_has_a_bar_on_a_terminal(monkeypatch, rng, tmp_path):
    terminal = terminal_for(monkeypatch)
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


def test_a_return_is_shown_with_digits_that_say_something():
    trainer = SimpleNamespace(env_steps=2_048, train_seconds=0.5)
    numbers = 500.0, 9.36, 0, -651.04, 2.1345e-5, -3e-9, 0.7249, 16777217.25, 1e30
    texts = ["500.0", "9.4", "0.0", "-651.0", "2.13e-05", "-3e-09", "0.725", "16777217.2", "1e+30"]
    assert [shown(number) for number in numbers] == texts
    for number, text in zip(numbers, texts, strict=True):
        live, line = progress_texts(trainer, number, number)
        assert live == f"greedy {text}, last 100 episodes {text}"
        assert line.endswith(f" greedy {text:>6}   last 100 episodes {text:>6}")


@pytest.mark.parametrize("scale, words", [(1.0, "9 to 500"), (1e-5, "9e-05 to 0.005")])
def test_the_course_of_small_returns_is_no_row_of_zeros(capsys, scale, words):
    trainer = SimpleNamespace(env_steps=40, config=SimpleNamespace(num_envs=1))
    returns = scale * np.linspace(9, 500, 40)
    print_returns(trainer, {"began": np.arange(40), "return": returns, "length": np.zeros(40)})
    assert capsys.readouterr().out.endswith(f" {words}\n")
