"""What a training prints for people: whole outputs, with every number that is not of the clock."""

import re
import signal

import numpy as np
import pytest
from test_records import small_trainer

from lab.commands import main
from lab.kit import read_json
from lab.runs import judging, run_training, runner
from lab.runs.records import RunFolder
from lab.runs.runner import verdict

pytestmark = pytest.mark.usefixtures("signals_as_before")


def scripted(*means):
    """An `evaluate` that gives returns of these means, each one less and one more, in turn."""
    left = iter(means)
    return lambda *arguments: next(left) + np.array([0.0, -1.0, 1.0])


OPTIONS = ["--num-envs", "2", "--num-steps", "16", "--hidden-sizes", "4", "--total-steps", "320"]
OPTIONS += ["--evaluations", "4", "--eval-episodes", "3", "--no-media"]


def test_all_that_a_training_prints(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(judging, "evaluate", scripted(480, 3, 490, 475, 499, 123.4))
    assert main(["--algo", "vpg", *OPTIONS]) == 0
    run = RunFolder("runs/CartPole-v1-vpg-seed0")
    progress, episodes = run.read("progress.csv"), run.read("episodes.csv")
    judged = progress["env_steps"][np.isfinite(progress["greedy_return"])].astype(int)
    tenths = [np.argmax(progress["env_steps"] >= 32 * k) for k in range(1, 11)]
    _, means = judging.returns_when_begun(
        episodes["began"], episodes["return"], episodes["length"], 2, progress["env_steps"][-1], 40
    )

    def greedy(k):
        known = progress["greedy_return"][: k + 1]
        known = known[np.isfinite(known)]
        return f"greedy {known[-1]:6.1f}   " if known.size else ""

    lines = [
        "vpg on CartPole-v1, seed 0: runs/CartPole-v1-vpg-seed0",
        *(
            f"{progress['env_steps'][k]:>11,.0f} steps {'N steps/s':>17}   "
            f"{greedy(k)}last 100 episodes {progress['mean_return'][k]:6.1f}"
            for k in dict.fromkeys(tenths)
        ),
        f"trained {progress['env_steps'][-1]:.0f} steps, {len(episodes['ended'])} episodes "
        "in N s (N steps/s)",
        f"returns {runner.sparkline(means)} {np.nanmin(means):.0f} to {np.nanmax(means):.0f}",
        "3 fresh episodes each, mean (lowest) return:",
        "  greedy     499.0 (498.0)",
        "  sampled    123.4 (122.4)",
        f"  solved (475) for good from step {judged[2]} on, first at {judged[0]} (4 evaluations)",
        "saved in runs/CartPole-v1-vpg-seed0:",
        "  best.npz, checkpoint.npz, config.json, episodes.csv, progress.csv,",
        "  summary.json",
        "watch it:          python run.py play runs/CartPole-v1-vpg-seed0",
        "one step by hand:  python run.py trace      every equation: python run.py check",
    ]
    printed = re.sub(r" +[\d,]+ steps/s   ", f" {'N steps/s':>17}   ", capsys.readouterr().out)
    printed = re.sub(r"in [\d.e-]+ s \([\d,]+ steps", "in N s (N steps", printed)
    assert printed.splitlines() == lines


def test_all_that_a_resumed_run_prints(tmp_path, monkeypatch, capsys):
    """One whose steps are done, and whose progress was lost: nothing is known but its end."""
    run = RunFolder.create(tmp_path, small_trainer(iterations=3, total_steps=40), evaluations=2)
    monkeypatch.chdir(tmp_path)
    trainer = run.load_trainer()
    monkeypatch.setattr(judging, "evaluate", scripted(475, 9))
    assert main(["resume", run.path.name, "--eval-episodes", "3", "--no-media"]) == 0
    printed = re.sub(r"in [\d.e-]+ s \([\d,]+ steps", "in N s (N steps", capsys.readouterr().out)
    assert printed.splitlines()[:-4] == [
        f"{run.path.name} ended at step {trainer.env_steps}",
        f"trained {trainer.env_steps} steps, {trainer.episodes} episodes in N s (N steps/s)",
        "3 fresh episodes each, mean (lowest) return:",
        "  greedy     475.0 (474.0)",
        "  sampled      9.0 (8.0)",
        f"  solved (475) for good from step {trainer.env_steps} on (0 evaluations)",
    ]
    summary = read_json(run / "summary.json")
    assert summary["solved_at_step"] == summary["solved_for_good_at_step"] == trainer.env_steps


def test_all_that_an_interrupted_run_prints(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(judging, "evaluate", lambda *_: signal.raise_signal(signal.SIGTERM))
    options = [*OPTIONS, "--evaluations", "1", "--runs-dir", "runs of mine"]
    assert main(["--algo", "vpg", *options]) == 130
    printed = capsys.readouterr().out.splitlines()
    steps = RunFolder("runs of mine/CartPole-v1-vpg-seed0").load_trainer().env_steps
    assert printed[-2:] == [
        f"interrupted at step {steps}; go on with:",
        "  python run.py resume 'runs of mine/CartPole-v1-vpg-seed0'",
    ]


@pytest.mark.parametrize(
    "first, for_good, evaluations, text",
    [
        (1200, 1200, 10, "solved (475) for good from step 1,200 on (10 evaluations)"),
        (800, 1200, 10, "solved (475) for good from step 1,200 on, first at 800 (10 evaluations)"),
        (800, None, 2, "not solved (475), though at step 800 (2 evaluations)"),
        (None, None, 1, "not solved (475) (1 evaluation)"),
        (0, 0, 0, "solved (475) for good from step 0 on (0 evaluations)"),
    ],
)
def test_the_verdict(first, for_good, evaluations, text):
    summary = {"solved_at_step": first, "solved_for_good_at_step": for_good}
    assert verdict({**summary, "reward_threshold": 475.0}, evaluations) == text


def test_without_a_threshold_or_an_episode_less_is_printed(tmp_path, monkeypatch, capsys):
    run = RunFolder.create(
        tmp_path, small_trainer(iterations=0, env_id="Pendulum-v1", total_steps=32)
    )
    monkeypatch.setattr(judging, "evaluate", scripted(1, 2, 3))
    assert not run_training(run.resume(media=False), run, 1, 3, media=False)
    printed = re.sub(r"[\d,]+ steps/s|[\d.e-]+ s ", "N", capsys.readouterr().out).splitlines()
    assert [line.split("   ")[-1].strip() for line in printed] == [
        "no episode has ended yet",
        "1.0",  # greedy
        "trained 32 steps, 0 episodes in N(N)",
        "3 fresh episodes each, mean (lowest) return:",
        "2.0 (1.0)",
        "3.0 (2.0)",
    ]
