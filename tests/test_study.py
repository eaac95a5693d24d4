"""Many seeds: the statistics, and studies that survive whatever happens to them."""

import contextlib
import errno
import importlib.util
import itertools
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import gymnasium as gym
import held
import numpy as np
import pytest
from programs import ENOUGH, ROOT, call, command, wait_until

import ppo
from lab import study as room
from lab.kit import LIGHT, CannotWrite, drawing, read_json
from lab.runs import judging
from lab.study import columns, deciding, picture
from lab.study import folder as study
from lab.study import statistics as stats
from lab.study.folder import StudyFolder, Variant, parse_seeds, train_seeds
from lab.study.seed import RESULT, check_result, digest, train_one
from lab.study.workers import CannotStart, Cluster, Cores, JobFailed, Worker, WorkersLost, run_jobs
from training import Trainer, evaluate

NAN, INFINITY = float("nan"), float("inf")
TINY = {"total_steps": 1_500, "num_steps": 16, "num_envs": 8, "minibatch_size": 64}
# Of the environment Held-v0: hundredths of a second.
LEAST = {"total_steps": 120, "num_steps": 20, "num_envs": 2, "hidden_sizes": (4,)}
HELD = {**LEAST, "epochs": 1, "minibatch_size": 40}
TIMES = "train_seconds", "solved_at_second"
LITTLE = ["--eval-episodes", "2", "--evaluations", "2", "--no-media"]
OPTIONS = (
    "study --algo ppo --seeds 0-1 --env Held-v0 --total-steps 120 --num-envs 2 --num-steps 20 "
    "--minibatch-size 40 --epochs 1 --hidden-sizes 4"
)
OPTIONS = [*OPTIONS.split(), *LITTLE]
ALONE = [*OPTIONS, "--jobs", "1", "--runs-dir"]

HAS_DASK = importlib.util.find_spec("distributed") is not None
needs_dask = pytest.mark.skipif(
    not HAS_DASK and os.environ.get("REQUIRE_DASK") != "1",
    reason="distributed is not installed (requirements/dask.txt)",
)
on_posix = pytest.mark.skipif(not hasattr(os, "killpg"), reason="POSIX signals and pipes")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def refusal(done, status=2):
    """The one line that is said of what goes wrong."""
    assert done.returncode == status and done.stderr.count("\n") == 1, done
    return done.stderr


@pytest.fixture(autouse=True)
def few_resamples(request, monkeypatch):
    """Intervals are rough, and soon there, except where it is they that are tested."""
    if "interval" not in request.node.name:
        monkeypatch.setattr(stats, "RESAMPLES", 999)


# -------------------------------------------------------------- statistics


def test_iqm_is_the_mean_of_the_middle_half():
    assert stats.iqm([100, 1, 2, 3, 4, 5, 6, -50]) == (2 + 3 + 4 + 5) / 4
    assert stats.iqm([[9, 1], [2, 5], [3, 6], [0, 8]], axis=0) == pytest.approx([2.5, 5.5])
    values = np.random.default_rng(0).normal(size=23)
    assert stats.iqm(values) == pytest.approx(np.sort(values)[5:18].mean())


def test_improvement_counts_pairs_and_half_of_the_ties():
    x, y = [1, 2, 3], [2, 2]
    assert stats.improvement(x, y) == (0 + 0 + 0.5 + 0.5 + 1 + 1) / 6
    assert stats.improvement([7, 7], [7, 7, 7]) == 0.5
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 6, 13), rng.integers(1, 7, 9)
    pairs = [(a > b) + (a == b) / 2 for a in x for b in y]
    assert stats.improvement(x, y) == pytest.approx(np.mean(pairs))
    both = stats.improvement(np.array([x, x + 9]), np.array([y, y]))
    assert both == pytest.approx([np.mean(pairs), 1])


def resamples(values):
    """Every way to draw len(values) of them with replacement, each as likely as the others."""
    return np.array(list(itertools.product(values, repeat=len(values))))


@pytest.mark.parametrize("statistic", [np.mean, np.median, stats.iqm])
def test_interval_is_that_of_all_resamples(statistic):
    values = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    exact = np.percentile(statistic(resamples(values), axis=-1), [2.5, 97.5])
    assert stats.interval(statistic, values) == pytest.approx(exact, rel=0.05)


def test_interval_of_an_improvement_draws_each_sample_by_itself():
    x, y = np.array([3.0, 5.0, 8.0, 9.0]), np.array([2.0, 4.0, 6.0, 7.0])
    draws_of_x, draws_of_y = resamples(x)[:, None, :, None], resamples(y)[None, :, None, :]
    exact = (draws_of_x > draws_of_y).mean(axis=(2, 3))  # no ties among these
    bounds = np.percentile(exact, [2.5, 97.5])
    assert stats.interval(stats.improvement, x, y) == pytest.approx(bounds, abs=0.03)


def test_interval_of_equal_values_is_a_point_and_of_one_value_unknown():
    assert stats.interval(stats.iqm, [500.0] * 6) == [500, 500]
    assert stats.interval(stats.improvement, [5.0] * 3, [5.0] * 4) == [0.5, 0.5]
    assert stats.interval(np.mean, [1.0]) is None


def a_result(label, seed, greedy, step, threshold=475.0):
    return {
        "label": label,
        "seed": seed,
        "greedy_return_mean": greedy,
        "sampled_return_mean": greedy - 1,
        "solved_at_step": step and step - 50,
        "solved_for_good_at_step": step,
        "solved_at_second": step and step / 1000,
        "curve": [None, greedy / 2, None, greedy],
        "train_seconds": 1.0,
        "reward_threshold": threshold,
        "versions": {"numpy": "2"},
        "processor": "this one",
    }


def settings_of(*labels):
    variants = [{"label": label, "config": {"total_steps": 1000}} for label in labels]
    return {"env_id": "CartPole-v1", "variants": variants, "eval_episodes": 10}


def test_summary_by_hand():
    results = [
        a_result("slow", 0, 400, None),
        a_result("slow", 1, 480, 900),
        a_result("slow", 2, 490, 800),
        a_result("fast", 0, 500, 100),
        a_result("fast", 1, 500, 300),
        a_result("fast", 2, 480, 200),
    ]
    failures = [{"label": "slow", "seed": 3, "error": "x"}]
    summary = stats.summarize(settings_of("slow", "fast"), results, failures)
    slow, fast = summary["variants"]["slow"], summary["variants"]["fast"]
    assert (slow["seeds"], slow["failed_seeds"]) == (3, [3])
    for middle in ("mean", "iqm"):  # of three, the middle half is all
        assert slow["greedy_return_mean"][middle] == pytest.approx(1370 / 3)
        assert slow["greedy_return_mean"][f"{middle}_interval"] == [400, 490]
    assert slow["greedy_return_mean"]["lowest"] == 400
    assert slow["solved_at_step"] == {"seeds": 2, "median": 850, "median_interval": [750, None]}
    good = slow["solved_for_good_at_step"]
    assert good == {"seeds": 2, "median": 900, "median_interval": [800, None]}
    assert fast["solved_for_good_at_step"]["seeds"] == 3
    assert fast["solved_at_second"]["median"] == 0.2
    # of a curve (None, g/2, None, g) the area is that of g/2, g/2, 3g/4, g
    assert slow["area"]["mean"] == pytest.approx(1370 / 3 * 2.75 / 4)
    # in the first quarter nothing was measured
    assert fast["curve"] == [None, 246.7, 370, 493.3]
    assert [row[:2] for row in fast["curve_interval"]] == [[None, 240], [None, 250]]
    (comparison,) = summary["comparisons"]
    assert (comparison["better"], comparison["than"]) == ("fast", "slow")
    # of the 9 pairs fast wins 8 and ties (480, 480) ... loses (480, 490): 7 + 1/2
    assert comparison["greedy_return_mean"]["probability"] == pytest.approx(7.5 / 9)
    for name in ("solved_at_step", "solved_for_good_at_step", "solved_at_second"):
        assert comparison[name]["probability"] == 1  # fewer steps are better
    json.dumps(summary, allow_nan=False)
    text = columns.summary_text(summary)
    assert max(map(len, text.splitlines())) <= 80
    assert "slow: 1 of 4 seeds failed" in text
    assert re.search(r"slow +2/3 +900 \(800 to never\) +850 \(750 to never\)", text)
    assert re.search(r"slow +456.7 \(400.0 to 490.0\) +400.0", text)
    assert re.search(r"fast +0.83 \(0.44-1.00\) +0.83 .* 1.00 \(1.00-1.00\)\n", text)
    assert "processors" not in text
    results[0]["processor"] = "that one"
    summary = stats.summarize(settings_of("slow"), results, [])
    assert "different processors" in columns.summary_text(summary)


def test_the_order_in_which_seeds_ended_changes_no_bit():
    noise = np.random.default_rng(0).normal(size=9)
    results = [a_result("a", seed, x, int(500 + 100 * x)) for seed, x in enumerate(noise)]
    backwards = stats.summarize(settings_of("a"), results[::-1], [])
    assert stats.summarize(settings_of("a"), results, []) == backwards


def test_summary_when_most_were_never_solved_and_without_a_threshold():
    results = [a_result("a", 0, 1, None), a_result("a", 1, 1, 500), a_result("a", 2, 1, None)]
    entry = stats.summarize(settings_of("a"), results, [])["variants"]["a"]
    good = entry["solved_for_good_at_step"]
    assert good == {"seeds": 1, "median": None, "median_interval": [500, None]}
    # half of an even number: the median lies between a step and never, which is never
    half = [a_result("a", seed, 1, step) for seed, step in enumerate((None, 500))]
    entry = stats.summarize(settings_of("a"), half, [])["variants"]["a"]
    assert entry["solved_for_good_at_step"]["median"] is None
    results = [a_result(label, s, -1, None, None) for label in "ab" for s in range(2)]
    summary = stats.summarize(settings_of("a", "b"), results, [])
    assert "solved_for_good_at_step" not in summary["variants"]["a"]
    assert "solved_at_step" not in summary["comparisons"][0]
    report = columns.summary_text(summary)
    assert "solve" not in report and "for good" not in report


def test_table_of_wide_numbers_and_no_numbers():
    label = "a-long-name-of-a-variant"
    results = [a_result(label, seed, -1234.56, 987_654) for seed in range(3)]
    text = columns.summary_text(stats.summarize(settings_of(label), results, []))
    assert max(map(len, text.splitlines())) <= 80
    failures = [{"label": "a", "seed": 0, "error": "x"}]
    summary = stats.summarize(settings_of("a"), [], failures)
    assert columns.summary_text(summary).startswith("a: 1 of 1")


# ------------------------------------------------------------------- seeds


def test_parse_seeds():
    assert parse_seeds("0-4,7,9") == [0, 1, 2, 3, 4, 7, 9]
    assert parse_seeds("3") == [3]
    assert parse_seeds("9,1-2") == [1, 2, 9]


@pytest.mark.parametrize("text", ["", "4-1", "a", "1-", "-3", "0-3,2", "1,,2", "0-1e3", "0-999999"])
def test_parse_seeds_refuses(text):
    with pytest.raises(ValueError):
        parse_seeds(text)


# ---------------------------------------------------------------- one seed


@pytest.mark.slow
def test_train_one_is_a_trainer_bit_for_bit():
    result = train_one("ppo", "CartPole-v1", TINY, 5, 3)
    trainer = Trainer(ppo, "CartPole-v1", ppo.Config(**TINY), 5)
    episodes = [episode for _ in trainer for episode in trainer.rollout.episodes]
    began, _, totals, lengths = zip(*episodes, strict=True)
    sizes = TINY["num_envs"], TINY["total_steps"]
    _, curve = judging.returns_when_begun(began, totals, lengths, *sizes)
    measured = np.array(result["curve"], float)  # None becomes nan
    np.testing.assert_array_equal(measured, curve)
    assert np.isfinite(measured).any() and np.isnan(measured).any()
    assert result["parameters_sha256"] == digest(trainer)
    for kind, greedy in (("greedy", True), ("sampled", False)):
        returns = evaluate(trainer.policy, "CartPole-v1", 3, 5, greedy)
        assert result[f"{kind}_return_mean"].hex() == float(returns.mean()).hex()
        assert result[f"{kind}_return_min"] == returns.min()
    json.dumps(result, allow_nan=False)


def test_train_one_notes_when_it_was_solved(monkeypatch):
    """As a single run is: solved at an evaluation; for good, if all later ones hold."""
    judged = []

    def fake(policy, env_id, episodes, seed, greedy=True):
        if isinstance(seed, tuple):  # on the way
            judged.append(episodes)
            return np.full(episodes, {2: 475.0, 4: 500.0, 5: 500.0}.get(len(judged), 474.9))
        return np.full(episodes, 480.0 if greedy else 3.0)

    monkeypatch.setattr(judging, "evaluate", fake)
    config = {**TINY, "total_steps": 1_000}
    result = train_one("ppo", "CartPole-v1", config, 0, 12, evaluations=5)
    steps = [s["env_steps"] for s in Trainer(ppo, "CartPole-v1", ppo.Config(**config), 0)]
    due = [next(s for s in steps if s * 5 // 1000 >= n) for n in range(1, 6)]
    assert judged == [12] * 5
    assert result["solved_at_step"] == due[1] and result["solved_for_good_at_step"] == due[3]
    assert 0 < result["solved_at_second"] < result["train_seconds"]
    assert (result["greedy_return_mean"], result["sampled_return_mean"]) == (480, 3)


def test_a_change_is_made_to_its_own_seed_only():
    plain, changed, again = (
        train_one("ppo", "CartPole-v1", TINY, 0, 1, 5, change)
        for change in (None, "bootstrap_through_the_fall", None)
    )
    assert plain["parameters_sha256"] == again["parameters_sha256"] != changed["parameters_sha256"]


def test_an_infinite_return_is_no_result(monkeypatch):
    def final(trainer, *arguments):
        return {**judging.final_judgement(trainer, *arguments), "greedy_return_mean": INFINITY}

    monkeypatch.setattr("lab.study.seed.final_judgement", final)
    with pytest.raises(ValueError, match="greedy_return_mean is inf; it must be a number"):
        train_one("vpg", "Held-v0", LEAST, 0, 2, 1)


@pytest.mark.parametrize("misdeed", ["ValueError", "KeyboardInterrupt", "SystemExit"])
@pytest.mark.parametrize("method", ["__init__", "reset", "step"])
@pytest.mark.parametrize("number", [2, 5, 7])  # one that trains, judges on the way, in the end
def test_environments_are_closed_however_a_seed_ends(monkeypatch, number, method, misdeed):
    """Each may have started a process, and wait for it as long as it runs."""
    monkeypatch.setattr(held.Open, "now_open", [])
    monkeypatch.setattr(held.Open, "made", 0)
    job = "ppo", "Open-v0", HELD, 0, 2, 1
    if (number, method) == (2, "step"):  # once, with nothing amiss
        train_one(*job)
        assert held.Open.made >= 7 and not held.Open.now_open
        monkeypatch.setattr(held.Open, "made", 0)
    monkeypatch.setattr(held.Open, "misdeed", (method, number, misdeed))
    with pytest.raises(BaseException) as error:
        train_one(*job)
    message = {"KeyboardInterrupt": "", "SystemExit": "3", "ValueError": "one"}[misdeed]
    if (number, method) in [(2, "reset"), (2, "step")]:  # that closing fails too hides nothing
        assert message in str(error.value) and "failed already" not in str(error.value)
        assert (error.type is KeyboardInterrupt) == (misdeed == "KeyboardInterrupt")
    assert held.Open.made >= number and not held.Open.now_open


# ---------------------------------------------------------------- a folder


def variants_of(*algorithms, **settings):
    return [Variant(a, a, {"total_steps": 600, **settings}) for a in algorithms]


def open_study(runs_dir, seeds=(0, 1), algorithms=("ppo",), env_id="CartPole-v1", **settings):
    variants = variants_of(*algorithms, **settings)
    return StudyFolder.claim(runs_dir, env_id, variants, list(seeds), 2, 4)


def left(folder):
    """The path of a folder that its process no longer holds."""
    folder._lock.release()
    return folder.path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished study of two algorithms with four seeds each, to be copied."""
    runs_dir = tmp_path_factory.mktemp("finished")
    folder = open_again(runs_dir)
    results, failures = train_seeds(folder, Cores(1))
    assert (len(results), failures) == (8, [])
    left(folder)
    return runs_dir


@pytest.fixture
def runs_dir(finished, tmp_path):
    """A folder of runs, with a finished study in it."""
    return shutil.copytree(finished, tmp_path / "runs")


def open_again(runs_dir):
    """The study of `finished`."""
    return open_study(runs_dir, range(4), ("vpg", "ppo"))


def test_the_same_study_goes_on_and_another_does_not(tmp_path):
    first = left(open_study(tmp_path))
    assert first.name == "study-CartPole-v1-ppo-seeds0-1"
    assert left(open_study(tmp_path)) == first
    other = left(open_study(tmp_path, gamma=0.9))
    assert other.name == "study-CartPole-v1-ppo-seeds0-1-2"
    assert left(open_study(tmp_path, gamma=0.9)) == other
    (first / "study.json").write_text("{", encoding="utf-8")  # damaged
    third = open_study(tmp_path)
    assert left(third).name.endswith("-3")
    (remark,) = third.remarks
    assert remark.startswith(f"passed over: {first / 'study.json'} cannot be read")


def test_studies_at_work_never_share_a_folder(tmp_path):
    same = [open_study(tmp_path) for _ in range(3)]
    assert len({folder.path for folder in same}) == 3
    assert [len(folder.remarks) for folder in same] == [0, 1, 2]  # in use by another
    left(same[1])
    assert open_study(tmp_path).path == same[1].path  # interrupted: it goes on


@pytest.mark.slow
def test_studies_that_start_together_have_folders_of_their_own(tmp_path):
    jobs = [(str(tmp_path), (0.99, 0.5)[number % 2], number, 3) for number in range(3)]
    with Cores(3) as workers:
        outcomes = [outcome for _, outcome in run_jobs(held.claim, jobs, workers)]
    names, own = zip(*outcomes, strict=True)
    assert len(set(names)) == 3 and all(own)


def test_a_seed_is_taken_only_if_it_is_this_very_training(runs_dir):
    folder = open_again(runs_dir)
    job = folder.jobs()[0]
    path = folder.seed_file(job)
    kept = read_json(path)
    assert folder.load(job) == kept and not folder.remarks
    others = {
        **{"seed": 1, "env_id": "Acrobot-v1", "algorithm": "ppo", "label": "x", "code_sha256": ""},
        **{"eval_episodes": 3, "evaluations": 5, "change": "uniform_weights", "format": 1},
        "config": {**kept["config"], "gamma": 0.5},
    }
    for name, other in others.items():
        path.write_text(json.dumps({**kept, name: other}), encoding="utf-8")
        assert folder.load(job) is None, name
        with pytest.raises(ValueError, match=f"of another training: its {name} differs"):
            folder.read(job)
    for damaged in ("", "{", "[]", "null", '{"format":3}', "\x00", "[" * 100_000):
        path.write_text(damaged, encoding="utf-8")
        assert folder.load(job) is None, damaged


NUMBERS = [True, NAN, INFINITY, -INFINITY, 10**400, 1e305, -1e302, 1e150]
WRONG = [*NUMBERS, "soon", "\x1b[31m", "x" * 999, [1.0], {"x": 1}]


def flaw(result):
    """What is wrong with a seed's result; None if nothing is."""
    try:
        check_result(result)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("name", RESULT)
def test_every_number_of_a_seed_is_what_it_must_be(finished, name):
    """Text, bools, nan, lists and what is too large to be added up are no use, in any place."""
    good = read_json(next(finished.glob("*/seeds/vpg-0.json")))
    assert flaw(good) is None
    name, wrong = name.rstrip("?"), list(WRONG)
    if "return" not in name and name != "reward_threshold":
        wrong.append(-1.0)
    if name == "curve":
        whole = good["curve"]
        wrong += [whole[1:], [*whole, 1.0]] + [[*whole[1:], number] for number in WRONG]
    if name == "versions":
        wrong += [{"numpy": 2}, {"numpy": "x" * 999}, {"\x1b[31m": "2"}]
    if name in ("processor", "parameters_sha256"):
        wrong.remove("soon")
    for value in wrong:
        line = flaw({**good, name: value})
        assert line.startswith(f"{name} is ") and "; it must be a" in line, value
        assert "\n" not in line and len(line) < 160 and line.isprintable()
    assert flaw({key: good[key] for key in good if key != name}) == f"{name} is missing"
    assert flaw({**good, name: None}) == (None if f"{name}?" in RESULT else f"it has no {name}")


def test_when_it_was_solved_makes_sense(finished):
    good = read_json(next(finished.glob("*/seeds/vpg-0.json")))
    names = "reward_threshold", "solved_at_step", "solved_for_good_at_step", "solved_at_second"
    end, seconds = good["env_steps"], good["train_seconds"]
    cases = {
        (475.0, 3, 5, 0.0): True,
        (475.0, 3, None, seconds): True,
        (-1.5, end, end, seconds): True,
        (475.0, None, None, None): True,
        (None, None, None, None): True,
        (475.0, 5, 3, 0.0): False,
        (475.0, None, 5, 0.0): False,
        (475.0, None, None, 0.0): False,
        (475.0, 3, 5, None): False,
        (475.0, 3, 5, seconds + 1): False,
        (475.0, 3, end + 1, 0.0): False,
        (475.0, end + 1, None, 0.0): False,
        (None, 3, 5, 0.0): False,
    }
    for values, right in cases.items():
        wrong = flaw({**good, **dict(zip(names, values, strict=True))})
        assert wrong is None if right else "cannot be of one training" in wrong, values


@pytest.mark.filterwarnings("error")
def test_the_largest_returns_that_are_taken_make_a_table(finished):
    results = [read_json(path) for path in finished.glob("*/seeds/*-[01].json")]
    settings = read_json(next(finished.glob("*/study.json")))["settings"]
    for sign, result in zip((1, -1, 1, -1), results, strict=True):
        most = sign * 9.9e149
        result |= {"greedy_return_mean": most, "sampled_return_mean": most, "curve": [most] * 100}
        check_result(result)
    text = columns.summary_text(stats.summarize(settings, results, []))
    assert max(map(len, text.splitlines())) <= 120


# The command that goes on with the study of `finished`.
AGAIN = "study --algo vpg,ppo --seeds 0-3 --total-steps 600 --eval-episodes 2 --evaluations 4"
AGAIN = [*AGAIN.split(), "--no-media", "--jobs", "1", "--runs-dir"]


def without_times(result):
    return {name: value for name, value in result.items() if name not in TIMES}


def test_what_is_damaged_is_said_in_a_line_and_trained_again(runs_dir):
    (folder,) = runs_dir.iterdir()
    before = {path: path.read_bytes() for path in folder.glob("seeds/*.json")}
    damaged = {"ppo-1.json": {"curve": ["high"] * 100}, "vpg-2.json": {"solved_at_step": "soon"}}
    for name, wrong in damaged.items():
        path = folder / "seeds" / name
        path.write_text(json.dumps({**read_json(path), **wrong}), "utf-8")
    done = call(*AGAIN, runs_dir)
    assert (done.returncode, done.stderr) == (0, "")
    first, second, *_ = done.stdout.splitlines()
    where = folder / "seeds" / "ppo-1.json"
    assert first.startswith(f"{where} is damaged: curve is ['high', 'high', ")
    assert first.endswith(" (and 1 more); trained again")
    assert second == f"{folder}: 2 of 8 seeds to train with 1 process"
    for path, content in before.items():
        assert (path.read_bytes() == content) == (path.name not in damaged)
        assert without_times(read_json(path)) == without_times(json.loads(content))


KINDS = {
    "pipe": lambda path: os.mkfifo(path),
    "folder": lambda path: (path / "x").mkdir(parents=True),
    "link": lambda path: path.symlink_to("nowhere"),
}


@pytest.mark.slow
@on_posix
@pytest.mark.parametrize(
    "name, kind",
    [
        *itertools.product(["study.json", "seeds/ppo-1.json"], KINDS),
        *itertools.product(["seeds"], ["pipe", "link"]),
    ],
)
def test_what_is_no_file_is_refused_in_a_line(runs_dir, name, kind):
    (folder,) = runs_dir.iterdir()
    (folder / name).rename(runs_dir / "aside")
    KINDS[kind](folder / name)
    before = sorted(runs_dir.rglob("*"))
    done = call(*AGAIN, runs_dir)
    what = "folder" if name == "seeds" else "regular file"
    line = f"run.py study: error: {folder / name} is no {what}; move it away\n"
    assert refusal(done) == line and done.stdout == ""
    assert sorted(runs_dir.rglob("*")) == before


PAYLOAD = 'open({!r}, "a").write("x")\n'


@pytest.mark.slow
def test_nothing_in_a_study_s_folder_is_imported(runs_dir, tmp_path, monkeypatch):
    """Not the module that an id in a file names, nor what lies where Python looks first."""
    (folder,) = runs_dir.iterdir()
    ran = tmp_path / "ran"
    for name in ("payload", "pickle", "socket", "signal", "struct", "multiprocessing", "numpy"):
        for place in (folder, folder / "seeds"):
            (place / f"{name}.py").write_text(PAYLOAD.format(str(ran)), "utf-8")
    monkeypatch.chdir(folder)
    about = read_json(folder / "study.json")
    for env_id in ("payload:CartPole-v1", f"runs.{folder.name}.payload:CartPole-v1"):
        about["settings"]["env_id"] = env_id
        about["settings"]["variants"][0]["algorithm"] = "payload"
        (folder / "study.json").write_text(json.dumps(about), "utf-8")
        for path in folder.glob("seeds/*.json"):
            changed = {**read_json(path), "env_id": env_id, "algorithm": "payload"}
            path.write_text(json.dumps(changed), "utf-8")
        assert left(open_again(runs_dir)) != folder
        with pytest.raises(ValueError, match="does not describe a study of vpg, ppo"):
            room.tables.keep(folder)
    with Cores(2) as workers:
        assert results_in_order(abs, [(-1,), (-2,)], workers) == [1, 2]
    assert not ran.exists() and "payload" not in sys.modules


# ------------------------------------------------------- what decides a seed


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the project, whose files decide."""
    copy = tmp_path / "project"
    shutil.copytree(ROOT / "lab", copy / "lab", ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.glob("*.py"):
        shutil.copy(path, copy)
    monkeypatch.setattr(deciding, "PROJECT", copy)
    return copy


def edits(digest, copy):
    """edit(file, text) -> does it change the digest? Each is put back."""
    before = digest()

    def edit(name, text="\nmore = 1\n"):
        path = copy / name
        was = path.read_bytes() if path.exists() else None
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((was or b"") + text.encode())
        after = digest()
        path.unlink() if was is None else path.write_bytes(was)
        return after != before

    return edit


@pytest.mark.slow
def test_what_decides_a_seed_is_followed_by_imports(copy):
    def names(*variants):
        files = deciding.deciding_files("CartPole-v1", variants)
        return {path.relative_to(copy).as_posix().removesuffix(".py") for path in files}

    (ppo_itself,) = variants_of("ppo")
    loop = "nn arrays distributions policies advantages rollout training config environments"
    always = {*loop.split(), "learner", "promises", "normalization", "vpg"}
    always |= {"lab/runs/judging", "lab/study/seed"}
    assert names(*variants_of("vpg")) == always
    assert names(ppo_itself) == {*always, "ppo"}
    assert names(ppo_itself._replace(change="uphill")) == {
        *always,
        "ppo",
        "lab/study/changes",
        "lab/proof/faults",
    }
    assert names(*variants_of("ppo", "ppo-penalty")) == {*always, "ppo", "ppo_penalty"}

    edit = edits(lambda: deciding.code_digest("CartPole-v1", [ppo_itself]), copy)
    assert edit("nn.py") and edit("ppo.py") and edit("ppo.py", "\nnot Python")
    others = (
        "README.md",
        "mine.py",
        "ppo_penalty.py",
        "lab/kit/looks.py",
        "lab/pictures/gradients.py",
    )
    assert not any(edit(name, "\nnot Python") for name in others)
    assert not edit("ppo.py", "\n# a comment\n")


def test_an_algorithm_that_was_added_decides_too(copy, monkeypatch):
    """A row in ALGORITHMS is enough: the module, with all that it imports, wherever."""
    written = {
        "mine": "import vpg\nfrom vpg import Config, update\ndef later():\n"
        "    from own.losses import loss\n    import helper, own.sub.deep as deep\n",
        "own/losses": "from . import other\nloss = 1\n",
    }
    (copy / "own" / "sub").mkdir(parents=True)
    names = "mine", "helper", "own/__init__", "own/losses", "own/other", "own/sub/deep", "stranger"
    for name in names:
        (copy / f"{name}.py").write_text(written.get(name, "x = 1\n"), "utf-8")
    monkeypatch.setitem(deciding.ALGORITHMS, "mine", SimpleNamespace(__name__="mine"))
    decide = deciding.deciding_files("CartPole-v1", [Variant("mine", "mine", {})])
    decide = {path.relative_to(copy).as_posix().removesuffix(".py") for path in decide}
    assert {*names[:-1], "vpg", "nn", "lab/runs/judging"} <= decide
    assert not decide & {"stranger", "ppo", "lab/pictures/gradients", "lab/runs/curves"}


@pytest.mark.slow
def test_an_environment_of_one_s_own_decides_too(copy, tmp_path, monkeypatch):
    own = tmp_path / "elsewhere"
    (own / "worlds").mkdir(parents=True)
    registered = "gym.register('Flat-v0', entry_point='worlds_made:Flat')\n"
    written = {
        "worlds/__init__.py": f"import gymnasium as gym\nimport numpy\n{registered}",
        "worlds_made.py": "from held import Held as Flat\nimport physics\n",
        "physics.py": "g = 9.81\n",
    }
    for name, text in written.items():
        (own / name).write_text(text, "utf-8")
    monkeypatch.syspath_prepend(str(own))
    folder = open_study(tmp_path / "runs", env_id="worlds:Flat-v0", num_envs=2)

    def digest():
        return deciding.code_digest("worlds:Flat-v0", variants_of("ppo"))

    assert folder.settings["code_sha256"] == digest()
    edit = edits(digest, own)
    assert all(edit(name) for name in written)
    assert not edit("another.py") and not edit("numpy.txt", "x")
    files = deciding.deciding_files("CartPole-v1", variants_of("ppo"))
    assert all(copy in path.parents for path in files)  # none of gymnasium's own


def test_a_study_of_changed_code_is_another(copy, tmp_path):
    first = left(open_study(tmp_path))
    with open(copy / "ppo.py", "a", encoding="utf-8") as file:
        file.write("\nclipped_surrogate = None\n")
    assert left(open_study(tmp_path)) != first


def test_a_study_refuses_what_no_trainer_takes(tmp_path):
    with pytest.raises(ValueError, match="gamma"):
        open_study(tmp_path, gamma=2.0)
    with pytest.raises(ValueError, match="labels"):
        open_study(tmp_path, algorithms=("ppo", "ppo"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("threshold", [INFINITY, 1e200, np.float32(5), None], ids=repr)
def test_a_threshold_that_no_result_can_have_is_refused_before_the_training(tmp_path, threshold):
    held.gym.register("Odd-v0", entry_point=held.Held, reward_threshold=threshold)
    try:
        done = call(*ALONE, tmp_path, "--env", "Odd-v0")
    finally:
        del held.gym.registry["Odd-v0"]
    if threshold in (5, None):
        assert done.returncode == 0 and "failed" not in done.stdout
        assert len(list(tmp_path.glob("*/seeds/*.json"))) == 2
    else:
        assert "reward_threshold" in refusal(done) and done.stdout == ""
        assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- its seeds


def test_finished_seeds_are_not_trained_again(runs_dir):
    folder = open_again(runs_dir)
    files = sorted(folder.path.glob("seeds/*.json"))
    before = {path: path.stat().st_mtime_ns for path in files}
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:100])  # damaged
    results, failures = train_seeds(folder, Cores(1))
    assert (len(results), failures) == (8, [])
    assert [path for path in files if path.stat().st_mtime_ns != before[path]] == files[:2]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_a_seed_that_fails_stops_no_other(tmp_path, capsys):
    good = Variant("good", "vpg", LEAST)
    bad = Variant("bad", "vpg", {**LEAST, "learning_rate": 1e38})
    folder = StudyFolder.claim(tmp_path, "Held-v0", [good, bad], [0, 1], 2, 4, name="mixed")
    assert not study.run_study(folder, Cores(1), study.report)
    summary = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert summary["variants"]["good"]["seeds"] == 2
    assert summary["variants"]["bad"]["failed_seeds"] == [0, 1]
    assert "FloatingPointError" in summary["failures"][0]["error"]
    assert "Traceback" in summary["failures"][0]["traceback"]
    output = capsys.readouterr().out
    assert "bad seed 1 failed: FloatingPointError" in output
    assert "bad: 2 of 2 seeds failed" in output
    for name in ("study.svg", "study-dark.svg"):
        assert "solved their environment" in (folder / name).read_text("utf-8")


@pytest.mark.parametrize("misdeed", held.MISDEEDS)
def test_an_environment_that_raises_anything_ends_its_seed(tmp_path, capsys, monkeypatch, misdeed):
    folder = open_study(tmp_path, env_id="Rude-v0", **HELD)
    monkeypatch.setenv("RUDE", misdeed)
    assert not study.run_study(folder, Cores(1), study.report)
    lines = capsys.readouterr().out.splitlines()
    failed = [line for line in lines if " failed: " in line]
    assert [line.split(" failed: ")[0] for line in failed] == ["ppo seed 0", "ppo seed 1"]
    assert all(len(line) < 600 and line.isprintable() for line in lines)
    assert "ppo: 2 of 2 seeds failed; there is nothing to say" in lines


@pytest.mark.parametrize("misdeed", ["SystemExit", "Own", "GeneratorExit"])
def test_an_environment_that_cannot_even_begin_is_refused(tmp_path, monkeypatch, misdeed):
    monkeypatch.setattr(held.Rude, "reset", lambda self, **options: held.MISDEEDS[misdeed]())
    done = call(*ALONE, tmp_path, "--env", "Rude-v0")
    assert "Rude-v0" in refusal(done)


def test_the_picture_shows_when_seeds_were_solved_for_good_and_first():
    times = [(9_000, 9_000), (10_000, 30_000), (5_000, None), (None, None)]
    results = [
        {"solved_at_step": a, "solved_for_good_at_step": b, "env_steps": 40_100} for a, b in times
    ]
    variant = {"label": "ppo", "config": {"total_steps": 40_000}}
    with drawing(4, 4) as figure:
        axes = figure.subplots()
        picture.draw_solving(axes, results, variant, LIGHT.ppo, 0, LIGHT)
        good, first, *_ = axes.lines
    assert good.get_label() == "ppo: half of the seeds never"
    # to where the training ended, and no further
    assert good.get_xydata().tolist() == [[0, 0], [9_000, 25], [30_000, 50], [40_100, 50]]
    assert first.get_xydata()[1:-1].tolist() == [[5_000, 25], [9_000, 50], [10_000, 75]]


def drawn(seeds, curve, step=None):
    """A study's figure as it is drawn, of two algorithms whose seeds have this curve."""
    whole = {"env_steps": 1_010, "curve": curve}
    results = [
        {**a_result(label, seed, 500, step), **whole} for label in ("vpg", "ppo") for seed in seeds
    ]
    settings = settings_of("vpg", "ppo")
    for variant in settings["variants"]:
        variant["algorithm"] = variant["label"]
    summary = stats.summarize(settings, results, [])
    with drawing(8.6, 4.9) as figure:
        picture.draw_panels(figure, LIGHT, settings, results, summary)
        figure.draw_without_rendering()
        boxes = [axes.get_tightbbox() for axes in figure.axes]
        return figure, [box.overlaps(figure.legends[0].get_window_extent()) for box in boxes]


def test_a_curve_ends_where_its_data_end_and_the_legend_covers_nothing():
    figure, overlaps = drawn(range(2), [1.0, None, 3.0, 4.0, 5.0] + 5 * [None], 700)
    solving, learning = figure.axes
    for line in learning.lines[:2]:
        x, y = line.get_xydata().T
        assert x[np.isfinite(y)].tolist() == [50, 150, 250, 350, 450]
    for band in learning.collections:
        assert band.get_paths()[0].vertices[:, 0].max() <= 450
    for line in solving.lines:
        assert len(line.get_xdata()) < 3 or line.get_xdata().max() <= 1_010
    assert overlaps == [False, False]
    assert not any(axes.get_legend() for axes in figure.axes)


def test_measured_is_where_every_seed_was():
    curves = [[None, 1, None, 3, None, None], [0, 1, 2, 3, 4, None], 6 * [None]]
    assert stats.measured([{"curve": c} for c in curves]).tolist() == [0, 1, 1, 1, 0, 0]
    assert stats.measured([{"curve": curves[1]}]).tolist() == [1, 1, 1, 1, 1, 0]


def test_a_picture_that_cannot_be_drawn_is_told_in_a_line(tmp_path, capsys, monkeypatch):
    def fails(*arguments):
        raise OSError(errno.EROFS, "matplotlib finds\nno folder")

    monkeypatch.setattr(picture, "draw_study", fails)
    folder = open_study(tmp_path, [0], env_id="Held-v0", **HELD)
    assert study.run_study(folder, Cores(1), study.report)
    assert "no picture: OSError: [Errno 30] matplotlib finds\nsaved: " in capsys.readouterr().out


# ----------------------------------------------------------------- workers


@pytest.fixture(scope="module")
def two():
    with Cores(2) as workers:
        yield workers


def results_in_order(function, jobs, workers):
    return sorted(result for _, result in run_jobs(function, jobs, workers))


def kill(worker):
    worker.process.kill()
    worker.process.join()


# At once: the other worker reads and writes the same file, too.
MY_OWN = """
import os
from pathlib import Path
read = Path("a").read_text
def write():
    Path(str(os.getpid())).write_text("theirs")
    os.replace(str(os.getpid()), "a")
"""


@pytest.mark.slow
def test_workers_work_in_the_user_s_folder(tmp_path, monkeypatch):
    """Also one that starts later, and wherever the folder is; its modules are found as here."""
    (tmp_path / "my_own.py").write_text(MY_OWN, "utf-8")
    for name in ("json", "pickle", "random", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n", "utf-8")
    (tmp_path / "a").write_text("mine", "utf-8")
    monkeypatch.chdir(tmp_path)
    forks = multiprocessing.get_start_method() == "fork"
    read = "theirs" if forks else "mine"  # where none forks, a module of the folder is not found
    with Cores(2) as workers:
        for _ in range(2):
            jobs = [("my_own",), ("my_own",)]
            assert results_in_order(held.read_here, jobs, workers) == [(str(tmp_path), read)] * 2
            kill(workers.workers[0])
    assert os.getcwd() == str(tmp_path)


@pytest.fixture
def no_my_env():
    """Another test imports a module of this name, too."""

    def forget():
        sys.modules.pop("my_env", None)
        gym.registry.pop("Aim-v0", None)

    forget()
    yield
    forget()


@pytest.mark.slow
def test_the_guide_s_environment_gives_the_same_on_two_cores(no_my_env, tmp_path):
    """In a folder that holds nothing else, and is not the project's."""
    guide = (ROOT / "docs" / "guide.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", guide, re.S)
    (example,) = (block for block in blocks if 'gym.register("Aim-v0"' in block)
    (tmp_path / "my_env.py").write_text(example, "utf-8")
    for jobs in ("2", "1"):
        options = ["--env", "my_env:Aim-v0", "--jobs", jobs, "--runs-dir", jobs]
        done = call(*OPTIONS, *options, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "") and "failed" not in done.stdout
    alone, together = (results_of(tmp_path / jobs) for jobs in ("1", "2"))
    assert alone == together and len(alone) == 2


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("misdeed", held.MISDEEDS)
def test_a_job_fails_alone_whatever_it_raises(two, cores, misdeed):
    workers = two if cores == 2 else Cores(1)
    jobs = [(0, misdeed), (1, misdeed), (2, misdeed)]
    outcomes = {job[0]: outcome for job, outcome in run_jobs(held.ten_times, jobs, workers)}
    failed = outcomes.pop(1)
    assert isinstance(failed, JobFailed) and str(failed).startswith(misdeed)
    assert str(failed).isprintable() and len(str(failed)) < 600
    assert "held.py" in failed.trace
    assert {n: tens for n, (tens, _) in outcomes.items()} == {0: 0, 2: 20}
    assert len(multiprocessing.active_children()) >= (cores == 2)


def test_one_core_starts_nothing(monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    for name in ("Process", "Pipe", "Lock"):
        monkeypatch.setattr(type(multiprocessing.get_context("spawn")), name, refuse)
    outcomes = dict(run_jobs(held.ten_times, [(0,), (1,)], Cores(1)))
    assert outcomes == {(0,): (0, os.getpid()), (1,): (10, os.getpid())}


def test_workers_need_no_semaphore_and_no_thread(monkeypatch):
    """A read-only /dev/shm has none, a small `ulimit -v` no stack for another thread."""
    import _multiprocessing

    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    if hasattr(_multiprocessing, "SemLock"):
        monkeypatch.setattr(_multiprocessing, "SemLock", refuse)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with Cores(2) as workers:
        assert sorted(outcome for _, outcome in run_jobs(abs, [(-1,), (-2,)], workers)) == [1, 2]


@on_posix
@pytest.mark.parametrize("swallow", [False, True])
def test_ctrl_c_during_a_job_of_this_process_is_ours(swallow):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        list(run_jobs(held.press_ctrl_c, [(0, swallow), (1, swallow)], Cores(1)))
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.slow
@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EMFILE, errno.ENOMEM])
def test_no_process_to_be_had_is_told_in_a_line_and_one_job_needs_none(tmp_path, monkeypatch, code):
    def refuse(self):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(multiprocessing.context.SpawnProcess, "start", refuse)
    assert refusal(call(*OPTIONS, "--jobs", "2", "--runs-dir", tmp_path)) == (
        "run.py study: error: 2 processes: no process can be started: "
        f"{os.strerror(code)}; --jobs 1 starts none\n"
    )
    done = call(*ALONE, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


SHORTAGES = [  # of memory and descriptors in the end, or of the disk with the second seed
    ("results.json", MemoryError()),
    ("results.json", ImportError("libx.so: failed to map segment\nfrom shared object")),
    ("results.json", OSError(errno.EMFILE, "Too many open files", "x.so")),
    ("ppo-1.json", CannotWrite(errno.ENOSPC, "No space left on device", "ppo-1.json")),
]


@pytest.mark.parametrize("file, error", SHORTAGES, ids=repr)
def test_what_runs_short_midway_is_told_in_a_line(tmp_path, monkeypatch, file, error):
    write = study.write_json

    def writes(path, data):
        if path.name == file:
            raise error
        write(path, data)

    monkeypatch.setattr(study, "write_json", writes)
    line = refusal(call(*ALONE, tmp_path), status=1)
    goes_on = "Saved seeds are kept; the same command goes on from there"
    full = "ppo-1.json cannot be written: No space left on device"
    assert (goes_on if file == "results.json" else full) in line
    names = {path.name for path in tmp_path.glob("*/seeds/*")}
    assert names == {"ppo-0.json", "ppo-1.json"} - {file}


@pytest.mark.slow
@on_posix
@pytest.mark.parametrize("always", [False, True])
def test_a_killed_worker_costs_no_job_but_one_that_kills_every_worker(two, tmp_path, always):
    jobs = [(n, str(tmp_path / "marker"), always) for n in range(5)]
    outcomes = {job[0]: outcome for job, outcome in run_jobs(held.perish, jobs, two)}
    if always:
        assert "3 workers died" in str(outcomes.pop(1))
    assert {n: tens for n, (tens, _) in outcomes.items()} == {n: 10 * n for n in outcomes}
    assert len(outcomes) == 5 - always
    assert always or len({pid for _, pid in outcomes.values()}) <= 3  # a worker does many jobs


@pytest.mark.slow
@on_posix
def test_workers_that_die_between_two_jobs_cost_nothing(two):
    for _ in range(2):
        assert results_in_order(abs, [(-1,), (-2,)], two) == [1, 2]
        for worker in two.workers:
            kill(worker)


@on_posix
def test_without_another_worker_the_others_go_on_until_none_is_left(tmp_path, monkeypatch):
    def refuse(self):
        raise CannotStart("no process can be started: out of memory")

    with Cores(2) as workers:
        assert len(list(run_jobs(abs, [(1,), (2,)], workers))) == 2
        monkeypatch.setattr(Worker, "__init__", refuse)
        jobs = [(n, str(tmp_path / "marker"), False) for n in range(4)]
        assert len(list(run_jobs(held.perish, jobs, workers))) == 4
        assert len(workers.workers) == 1
        with pytest.raises(WorkersLost, match="out of memory"):
            list(run_jobs(held.perish, [(1, "", True)], workers))


@pytest.mark.slow
def test_workers_that_do_not_end_are_ended(monkeypatch):
    """An environment may leave a thread running, which Python would wait for."""
    monkeypatch.setattr("lab.study.workers.PATIENCE_SECONDS", 0.1)
    with Cores(2) as workers:
        assert len(list(run_jobs(held.stay, [(1,), (2,)], workers))) == 2
        processes = [worker.process for worker in workers.workers]
    assert not any(process.is_alive() for process in processes)


@pytest.mark.slow
@on_posix
@pytest.mark.parametrize("stubborn", [False, True])
def test_workers_that_are_asked_to_end_close_first_or_are_killed(tmp_path, monkeypatch, stubborn):
    wait = multiprocessing.connection.wait

    def interrupted(*arguments):
        wait_until(lambda: len(list(tmp_path.glob("*.open"))) == 2)
        monkeypatch.setattr(multiprocessing.connection, "wait", wait)
        raise KeyboardInterrupt

    monkeypatch.setattr(multiprocessing.connection, "wait", interrupted)
    monkeypatch.setattr("lab.study.workers.PATIENCE_SECONDS", 0.1 if stubborn else ENOUGH)
    with pytest.raises(KeyboardInterrupt), Cores(2) as workers:
        jobs = [(number, str(tmp_path), stubborn) for number in range(2)]
        list(run_jobs(held.keep_open, jobs, workers))
    assert not any(worker.process.is_alive() for worker in workers.workers)
    assert len(list(tmp_path.glob("*.closed"))) == (0 if stubborn else 2)


@pytest.mark.slow
@on_posix
def test_workers_whose_parent_was_killed_close_first(tmp_path):
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=held.keep_two_open, args=(str(tmp_path),))
    process.start()
    try:
        wait_until(lambda: len(list(tmp_path.glob("*.open"))) == 2)
    finally:
        process.kill()
        process.join()
    wait_until(lambda: len(list(tmp_path.glob("*.closed"))) == 2)


# ------------------------------------------------- whatever happens to a study


def group_members(group):
    """The processes of a process group that are not zombies (Linux)."""
    members = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(fields[2]) == group and fields[0] != "Z":
                members.append(int(path.parent.name))
    return members


def results_of(runs_dir):
    """What the seeds of the only study gave, without times: {file name: dict}."""
    paths = Path(runs_dir).glob("*/seeds/*.json")
    return {path.name: without_times(read_json(path)) for path in paths}


SIX = [*OPTIONS, "--env", "held:Held-v0", "--seeds", "0-5"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The results of seeds 0 to 5 when nothing goes wrong."""
    runs_dir = tmp_path_factory.mktemp("undisturbed")
    done = call(*SIX, "--jobs", "1", "--runs-dir", runs_dir)
    assert (done.returncode, done.stderr) == (0, "")
    output = done.stdout.splitlines()
    assert max(len(line) for line in output if str(runs_dir) not in line) <= 80
    assert "6 of 6 seeds" in done.stdout
    return results_of(runs_dir)


def workers_at_rest(runs_dir):
    """Both of two workers wait for the word to go on."""
    return len([*Path(runs_dir).glob("*.held")]) == 2


@linux
@pytest.mark.slow
def test_a_study_goes_on_where_it_was_ended(tmp_path, undisturbed, start):
    """By kill -9 and by Ctrl-C: no process is left, no seed is lost, none is trained twice."""
    around = {**os.environ, "HELD": str(tmp_path), "PYTHONPATH": str(ROOT / "tests")}
    saved = {}
    for end in (signal.SIGKILL, signal.SIGINT):
        process = start(
            command(*SIX, "--jobs", "2", "--runs-dir", tmp_path), env=around, start_new_session=True
        )
        wait_until(lambda: workers_at_rest(tmp_path), process)
        assert len(group_members(process.pid)) >= 3
        process.send_signal(end) if end == signal.SIGKILL else os.killpg(process.pid, end)
        output, errors = process.communicate(timeout=ENOUGH)
        assert process.returncode == (130 if end == signal.SIGINT else -end), output + errors
        assert errors == ("interrupted\n" if end == signal.SIGINT else "")
        wait_until(lambda group=process.pid: not group_members(group))
        for path in tmp_path.glob("*.held"):
            path.unlink()
        for path, changed in saved.items():
            assert path.stat().st_mtime_ns == changed
        saved = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/seeds/*.json")}
        assert 2 <= len(saved) < 6
    done = call(*SIX, "--jobs", "1", "--runs-dir", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{6 - len(saved)} of 6 seeds to train" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in saved} == saved
    assert results_of(tmp_path) == undisturbed


@on_posix
@pytest.mark.slow
def test_kill_9_of_a_worker_in_mid_study_costs_no_seed(tmp_path, undisturbed, monkeypatch):
    """One of the two that are at work, as the kernel does it when there is no memory left."""
    monkeypatch.setenv("HELD", str(tmp_path))
    variant = Variant("ppo", "ppo", asdict(ppo.Config(**HELD)))
    folder = StudyFolder.claim(tmp_path, "held:Held-v0", [variant], range(6), 2, 2)
    killed = []

    def disturb():
        wait_until(lambda: workers_at_rest(tmp_path))
        killed.extend(int(path.stem) for path in sorted(tmp_path.glob("*.held"))[:1])
        os.kill(killed[0], signal.SIGKILL)
        (tmp_path / "go").touch()

    thread = threading.Thread(target=disturb)
    thread.start()
    with Cores(2) as workers:
        results, failures = train_seeds(folder, workers)
    thread.join()
    assert killed and (len(results), failures) == (6, [])
    assert results_of(tmp_path) == undisturbed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--seeds 5-1", "argument --seeds"),
        ("--seeds 0-1 --seed 3", "unrecognized arguments: --seed 3"),
        ("--seeds 0-1 --env CartPole-v7", "CartPole-v1"),
        ("--seeds 0-1 --gamma 2", "--gamma"),
        ("--seeds 0-1 --value-steps 3", "--value-steps"),
        ("--seeds 0-1 --max-episodes 3", "--max-episodes"),
        ("--seeds 0-1 --jobs 2 --dask tcp://127.0.0.1:9", "--jobs"),
        ("--jobs 2", "--seeds"),
        ("--algo vpg,ppo", "--seeds"),
        ("--algo vpg,sac --seeds 0-1", "'sac'"),
        ("--algo vpg,vpg --seeds 0-1", "twice"),
    ],
)
def test_bad_options_are_refused_in_one_line(tmp_path, options, message):
    done = call("study", "--algo", "ppo", "--runs-dir", tmp_path, *options.split())
    assert message in refusal(done) and not list(tmp_path.iterdir())


def test_an_option_of_one_algorithm_goes_to_that_one(tmp_path):
    options = "--algo vpg,ppo --clip-range 0.3 --gamma 0.9 --seeds 4 --total-steps 300"
    done = call("study", *options.split(), *LITTLE, *ALONE[-3:], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    about = read_json(tmp_path / "study-CartPole-v1-vpg-ppo-seeds4-4" / "study.json")
    vpg_config, ppo_config = (variant["config"] for variant in about["settings"]["variants"])
    assert "clip_range" not in vpg_config and ppo_config["clip_range"] == 0.3
    assert vpg_config["gamma"] == ppo_config["gamma"] == 0.9


# -------------------------------------------------------------------- Dask


class DaskCluster:
    """A real scheduler and real workers on 127.0.0.1, in processes of their own."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []
        about = folder / "scheduler.json"
        self.start("scheduler", "--port", "0", "--scheduler-file", str(about))
        wait_until(lambda: about.exists() and about.read_text("utf-8"), self.processes[0])
        self.address = read_json(about)["address"]

    def start(self, kind, *options, **more):
        command = [sys.executable, "-m", "distributed.cli.dask_" + kind, "--host", "127.0.0.1"]
        around = {"cwd": self.folder, "env": {**os.environ, **more}, "start_new_session": True}
        with open(self.folder / f"{len(self.processes)}.log", "w", encoding="utf-8") as log:
            command += ["--no-dashboard", *options]
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, **around))

    def start_worker(self, **more):
        # no nanny: the process that is killed is the one that trains, and nobody replaces it
        options = "--nthreads", "1", "--no-nanny", "--local-directory", str(self.folder)
        self.start("worker", self.address, *options, **more)

    def stop(self):
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def cluster(tmp_path_factory):
    # the workers run in another folder than the project's
    cluster = DaskCluster(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.stop()


@needs_dask
@linux
@pytest.mark.slow
def test_dask_gives_the_same_bits_outlives_a_worker_and_tells_of_its_end(
    tmp_path, cluster, undisturbed, start
):
    around = {"HELD": str(tmp_path), "PYTHONPATH": str(ROOT / "tests")}
    for _ in range(2):
        cluster.start_worker(**around)
    options = [*SIX, "--dask", cluster.address, "--runs-dir"]
    env = {**os.environ, "PYTHONPATH": around["PYTHONPATH"]}
    process = start(command(*options, tmp_path), env=env)
    wait_until(lambda: workers_at_rest(tmp_path), process)
    os.kill(int(next(tmp_path.glob("*.held")).stem), signal.SIGKILL)
    (tmp_path / "go").touch()
    output, errors = process.communicate(timeout=ENOUGH)
    assert process.returncode == 0, output + errors
    assert "failed" not in output and "6 of 6 seeds" in output
    assert results_of(tmp_path) == undisturbed

    # once more, and the scheduler dies
    gone = [tmp_path / "go", *tmp_path.glob("*.held"), *sorted(tmp_path.glob("*/seeds/*"))[3:]]
    for path in gone:
        path.unlink()
    process = start(command(*options, tmp_path), env=env)
    wait_until(lambda: [*tmp_path.glob("*.held")], process)
    cluster.processes[0].kill()
    output, errors = process.communicate(timeout=ENOUGH)
    assert process.returncode == 1, output + errors
    assert "the scheduler is gone; 3 of 6 seeds are saved" in errors
    assert errors.count("\n") == 1


@needs_dask
@linux
@pytest.mark.slow
def test_dask_sends_the_code_of_this_folder_each_time(cluster, copy, monkeypatch):
    """A worker that has run one version of the project runs the next one it is sent."""
    cluster.start_worker()
    monkeypatch.setattr("lab.study.workers.PROJECT", copy)
    job, digests = ("vpg", "CartPole-v1", {"total_steps": 600}, 0, 1, 1), []
    for change in ("", "\n\ndef normalize(advantages):\n    return advantages\n"):
        with open(copy / "advantages.py", "a", encoding="utf-8") as file:
            file.write(change)
        with Cluster(cluster.address) as workers:
            ((_, result),) = run_jobs(train_one, [job], workers)
        digests.append(result["parameters_sha256"])
    assert digests[0] == train_one(*job)["parameters_sha256"] != digests[1]


@needs_dask
@pytest.mark.slow
def test_dask_scheduler_that_is_not_there_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("lab.study.workers.CONNECT_SECONDS", 0.1)
    with pytest.raises(ConnectionError) as error:
        Cluster("tcp://127.0.0.1:9")
    assert str(error.value) == "no Dask scheduler answers at tcp://127.0.0.1:9"
    options = "--algo ppo --seeds 0-5 --dask tcp://127.0.0.1:9 --runs-dir"
    assert str(error.value) in refusal(call("study", *options.split(), tmp_path))
    assert not list(tmp_path.iterdir())


# --------------------------------------------------- what docs/studies.md says


@pytest.mark.skipif(
    importlib.util.find_spec("shimmy") is None and os.environ.get("REQUIRE_GYM") != "1",
    reason="the original gym is not installed (pip install -r requirements/gym.txt)",
)
def test_where_the_original_gym_gives_the_same_bits():
    """Where both step their environments one after another, as the text says; no sooner."""
    text = (ROOT / "docs" / "studies.md").read_text("utf-8")
    named = re.search(r"`resume` need no special case\. ([\w, ]+)\sare stepped one after", text)[1]
    same = re.findall(r"[A-Z]\w+", named)
    assert len(same) == 4

    def bits(env_id, num_envs):
        least = {"num_envs": num_envs, "num_steps": 90, "total_steps": 180, "hidden_sizes": (4,)}
        trainer = Trainer(ppo, env_id, ppo.Config(**least, epochs=1, minibatch_size=500), 0)
        for _ in trainer:
            pass
        return digest(trainer)

    versions = {"MountainCar": 0, "MountainCarContinuous": 0}
    for env_id in ["CartPole-v1", *(f"{name}-v{versions.get(name, 1)}" for name in same)]:
        for num_envs in (1, 2):
            alike = bits(env_id, num_envs) == bits(f"gym/{env_id}", num_envs)
            assert alike == (env_id != "CartPole-v1" or num_envs == 1), (env_id, num_envs)


def test_moments_move_when_a_rollout_has_ended_and_its_update_sees_the_old_scale(monkeypatch):
    config = ppo.Config(num_envs=2, num_steps=20, minibatch_size=40, normalize_observations=True)
    trainer, seen = Trainer(ppo, "CartPole-v1", config, 0), []
    update = ppo.update

    def watched(learner, batch, *rest):
        seen.append((float(trainer.normalizer.count[0]), len(batch.obs)))
        log_probs, _, _ = learner.policy.forward(batch.obs, batch.actions)
        np.testing.assert_allclose(np.exp(log_probs - batch.log_probs), 1, rtol=1e-5)
        return update(learner, batch, *rest)

    monkeypatch.setattr(ppo, "update", watched)
    trainer.iterate()
    trainer.iterate()
    counts, rows = zip(*seen, strict=True)
    assert counts == (rows[0], rows[0] + rows[1])  # this rollout's rows are in it already
