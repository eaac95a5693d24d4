"""Many seeds: the statistics, and studies that survive whatever happens to them."""

import contextlib
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
import time
from pathlib import Path

import numpy as np
import pytest

import ppo
from lab.pictures import LIGHT, drawing
from lab.runs import judging, read_json
from lab.study import columns, picture
from lab.study import folder as study
from lab.study import statistics as stats
from lab.study.folder import StudyFolder, Variant, parse_seeds, run_study, train_one
from lab.study.workers import Cores, run_jobs
from training import Trainer, evaluate

ROOT = Path(__file__).parent.parent
NAN = float("nan")
TINY = {"total_steps": 1_500, "num_steps": 16, "num_envs": 8, "minibatch_size": 64}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


HAS_DASK = importlib.util.find_spec("distributed") is not None
needs_dask = pytest.mark.skipif(
    not HAS_DASK and os.environ.get("REQUIRE_DASK") != "1",
    reason="distributed is not installed (requirements/dask.txt)",
)
on_posix = pytest.mark.skipif(not hasattr(os, "killpg"), reason="POSIX signals")


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
    assert slow["greedy_return_mean"]["mean"] == pytest.approx(1370 / 3)
    assert slow["greedy_return_mean"]["lowest"] == 400
    assert slow["solved_at_step"] == {"seeds": 2, "median": 850, "median_interval": [750, None]}
    good = slow["solved_for_good_at_step"]
    assert good == {"seeds": 2, "median": 900, "median_interval": [800, None]}
    assert fast["solved_for_good_at_step"]["seeds"] == 3
    assert fast["solved_at_second"]["median"] == 0.2
    # of a curve (None, g/2, None, g) the area is that of g/2, g/2, 3g/4, g
    assert slow["area"]["mean"] == pytest.approx(1370 / 3 * 2.75 / 4)
    assert fast["curve"] == [246.7, 246.7, 370, 493.3]  # of three, the middle half is all
    (comparison,) = summary["comparisons"]
    assert (comparison["better"], comparison["than"]) == ("fast", "slow")
    # of the 9 pairs fast wins 8 and ties (480, 480) ... loses (480, 490): 7 + 1/2
    assert comparison["greedy_return_mean"]["probability"] == pytest.approx(7.5 / 9)
    for name in ("solved_at_step", "solved_for_good_at_step", "solved_at_second"):
        assert comparison[name]["probability"] == 1  # fewer steps are better
    json.dumps(summary, allow_nan=False)
    text = columns.report(summary)
    assert max(map(len, text.splitlines())) <= 80
    assert "slow: 1 of 4 seeds failed" in text
    assert re.search(r"slow +2/3 +900 \(800 to never\) +850 \(750 to never\)", text)
    assert re.search(r"slow +456.7 \(400.0 to 490.0\) +400.0", text)
    assert re.search(r"fast +0.83 \(0.44-1.00\) +0.83 .* 1.00 \(1.00-1.00\)\n", text)
    assert "processors" not in text
    results[0]["processor"] = "that one"
    summary = stats.summarize(settings_of("slow"), results, [])
    assert "different processors" in columns.report(summary)


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
    report = columns.report(summary)
    assert "solve" not in report and "for good" not in report


def test_table_of_wide_numbers_and_no_numbers():
    results = [a_result("a-long-name-of-a-variant", s, -1234.56, 987_654) for s in range(3)]
    settings = settings_of("a-long-name-of-a-variant")
    settings["variants"][0]["config"]["total_steps"] = 10**6
    lines = columns.report(stats.summarize(settings, results, [])).splitlines()
    assert max(map(len, lines)) <= 80
    failures = [{"label": "a", "seed": 0, "error": "x"}]
    summary = stats.summarize(settings_of("a"), [], failures)
    assert columns.report(summary).startswith("a: 1 of 1")


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


def hexes(numbers):
    return [None if number is None else float(number).hex() for number in numbers]


def test_train_one_is_a_trainer_bit_for_bit():
    result = train_one("ppo", "CartPole-v1", TINY, 5, 3)
    trainer = Trainer(ppo, "CartPole-v1", ppo.Config(**TINY), 5)
    episodes = [episode for _ in trainer for episode in trainer.rollout.episodes]
    longest = max(episode.length for episode in episodes)
    width, curve = trainer.config.total_steps / 100, []
    for k in range(100):
        own = [e.total for e in episodes if k * width <= e.began < (k + 1) * width]
        settled = (k + 1) * width <= trainer.config.total_steps - longest * trainer.config.num_envs
        curve.append(np.mean(own) if own and settled else None)
    assert hexes(result["curve"]) == hexes(curve) and any(curve)
    assert result["parameters_sha256"] == study.digest(trainer)
    for kind, greedy in (("greedy", True), ("sampled", False)):
        returns = evaluate(trainer.policy, "CartPole-v1", 3, 5, greedy)
        assert result[f"{kind}_return_mean"].hex() == float(returns.mean()).hex()
        assert result[f"{kind}_return_min"] == returns.min()
    json.dumps(result, allow_nan=False)


def test_train_one_notes_when_it_was_solved(monkeypatch):
    """Judged as a single run is: solved at a look; for good, if all later ones hold."""
    looks = []

    def fake(policy, env_id, episodes, seed, greedy=True):
        if isinstance(seed, tuple):  # a look in training
            looks.append(episodes)
            return np.full(episodes, {2: 475.0, 4: 500.0, 5: 500.0}.get(len(looks), 474.9))
        return np.full(episodes, 480.0 if greedy else 3.0)

    monkeypatch.setattr(judging, "evaluate", fake)
    config = {**TINY, "total_steps": 1_000}
    result = train_one("ppo", "CartPole-v1", config, 0, 12, evaluations=5)
    steps = [s["env_steps"] for s in Trainer(ppo, "CartPole-v1", ppo.Config(**config), 0)]
    due = [next(s for s in steps if s * 5 // 1000 >= n) for n in range(1, 6)]
    assert looks == [12] * 5
    assert result["solved_at_step"] == due[1] and result["solved_for_good_at_step"] == due[3]
    assert 0 < result["solved_at_second"] < result["train_seconds"]
    assert (result["greedy_return_mean"], result["sampled_return_mean"]) == (480, 3)


def test_a_change_is_made_to_its_own_seed_only():
    plain, changed, again = (
        train_one("ppo", "CartPole-v1", TINY, 0, 1, 5, change)
        for change in (None, "bootstrap_through_the_fall", None)
    )
    assert plain["parameters_sha256"] == again["parameters_sha256"] != changed["parameters_sha256"]


# ---------------------------------------------------------------- a folder


def open_study(runs_dir, seeds=(0, 1), algorithms=("ppo",), **settings):
    variants = [Variant(a, a, {"total_steps": 600, **settings}) for a in algorithms]
    return StudyFolder.claim(runs_dir, "CartPole-v1", variants, list(seeds), 2, 4)


def left(folder):
    """The path of a folder that its process no longer holds."""
    folder._lock.release()
    return folder.path


def test_the_same_study_goes_on_and_another_does_not(tmp_path):
    first = left(open_study(tmp_path))
    assert first.name == "study-CartPole-v1-ppo-seeds0-1"
    assert left(open_study(tmp_path)) == first
    other = left(open_study(tmp_path, gamma=0.9))
    assert other.name == "study-CartPole-v1-ppo-seeds0-1-2"
    assert left(open_study(tmp_path, gamma=0.9)) == other
    (first / "study.json").write_text("{", encoding="utf-8")  # damaged
    assert left(open_study(tmp_path)).name.endswith("-3")


def test_studies_at_work_never_share_a_folder(tmp_path):
    same = [open_study(tmp_path) for _ in range(3)]
    assert len({folder.path for folder in same}) == 3
    left(same[1])
    assert open_study(tmp_path).path == same[1].path  # interrupted: it goes on


def claim_in_a_process(runs_dir, gamma, number):
    """Claim a study's folder, and hold it until all four have theirs."""
    folder = open_study(runs_dir, gamma=gamma)
    Path(runs_dir, f"{number}.claimed").touch()
    deadline = time.monotonic() + 60
    while len(list(Path(runs_dir).glob("*.claimed"))) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return folder.path.name, read_json(folder / "study.json")["settings"] == folder.settings


@pytest.mark.slow
def test_studies_that_start_together_have_folders_of_their_own(tmp_path):
    jobs = [(str(tmp_path), (0.99, 0.5)[number % 2], number) for number in range(4)]
    with Cores(4) as workers:
        outcomes = [outcome for _, outcome in run_jobs(claim_in_a_process, jobs, workers)]
    names, own = zip(*outcomes, strict=True)
    assert len(set(names)) == 4 and all(own)


def test_a_seed_is_taken_only_if_it_is_this_very_training(tmp_path):
    folder = open_study(tmp_path)
    job = folder.jobs()[0]
    folder.save(job, dict.fromkeys(study.NUMBERS, 3.0))
    assert folder.load(job)["greedy_return_mean"] == 3
    path = folder.seed_file(job)
    kept = read_json(path)
    others = {"seed": 1, "env_id": "Acrobot-v1", "change": "uniform_weights", "label": "x",
              "algorithm": "vpg", "eval_episodes": 3, "evaluations": 5, "code_sha256": "",
              "format": 1, "config": {**kept["config"], "gamma": 0.5},
              "greedy_return_mean": "abc", "sampled_return_mean": NAN,
              "train_seconds": None}  # fmt: skip
    for name, other in others.items():
        path.write_text(json.dumps({**kept, name: other}), encoding="utf-8")
        assert folder.load(job) is None, name
    for damaged in ("", "{", "[]", "null", '{"format":3}', "\x00"):
        path.write_text(damaged, encoding="utf-8")
        assert folder.load(job) is None, damaged


def test_a_study_of_changed_code_is_another(tmp_path, monkeypatch):
    copy = tmp_path / "project"
    copy.mkdir()
    for path in ROOT.glob("*.py"):
        shutil.copy(path, copy)
    shutil.copytree(ROOT / "lab", copy / "lab", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(study, "PROJECT", copy)
    first = left(open_study(tmp_path))

    def then(name, text):
        with open(copy / name, "a", encoding="utf-8") as file:
            file.write(text)
        return left(open_study(tmp_path))

    assert then("ppo.py", "\n# a comment\n") == first
    assert then("mine.py", "not Python") == first
    shutil.rmtree(first / "seeds")
    assert left(open_study(tmp_path)) == first and (first / "seeds").is_dir()
    assert then("lab/study/presets.py", "\nPRESETS = {}\n") == first  # settings are in study.json
    second = then("ppo.py", "\nclipped_surrogate = None\n")
    assert second != first
    assert then("lab/runs/judging.py", "\nsolved_steps = None\n") not in (first, second)


def test_a_study_refuses_what_no_trainer_takes(tmp_path):
    with pytest.raises(ValueError, match="gamma"):
        open_study(tmp_path, gamma=2.0)
    with pytest.raises(ValueError, match="labels"):
        open_study(tmp_path, algorithms=("ppo", "ppo"))
    assert not list(tmp_path.iterdir())


def test_finished_seeds_are_not_trained_again(tmp_path):
    with Cores(2) as workers:
        folder = open_study(tmp_path, range(4), ("vpg", "ppo"))
        results, failures = run_study(folder, workers)
        assert (len(results), failures) == (8, [])
        # in another process, the same bits as in this one
        for job, result in zip(folder.jobs(), results, strict=True):
            here = train_one(*job)
            for times in ("train_seconds", "solved_at_second"):
                del here[times], result[times]
            assert result == here

        files = sorted(folder.path.glob("seeds/*.json"))
        assert len(files) == 8
        before = {path: path.stat().st_mtime_ns for path in files}
        files[0].unlink()
        files[1].write_bytes(files[1].read_bytes()[:100])  # damaged
        left(folder)
        results, failures = run_study(open_study(tmp_path, range(4), ("vpg", "ppo")), workers)
        assert (len(results), failures) == (8, [])
        changed = [path for path in files if path.stat().st_mtime_ns != before[path]]
        assert changed == files[:2]


def test_a_seed_that_fails_stops_no_other(tmp_path, capsys):
    good = Variant("good", "vpg", {"total_steps": 600})
    bad = Variant("bad", "vpg", {"total_steps": 600, "learning_rate": 1e38})
    folder = StudyFolder.claim(tmp_path, "CartPole-v1", [good, bad], [0, 1], 2, 4, name="mixed")
    assert not study.conduct(folder, Cores(1), study.conclude)
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


def test_the_picture_shows_when_seeds_were_solved_for_good_and_first():
    times = [(9_000, 9_000), (10_000, 30_000), (5_000, None), (None, None)]
    results = [{"solved_at_step": a, "solved_for_good_at_step": b} for a, b in times]
    variant = {"label": "ppo", "config": {"total_steps": 40_000}}
    with drawing(4, 4) as figure:
        axes = figure.subplots()
        picture.draw_solving(axes, results, variant, LIGHT.ppo, 0, LIGHT)
        good, first, *_ = axes.lines
    assert good.get_label() == "ppo: half of the seeds never"
    assert good.get_xydata().tolist() == [[0, 0], [9_000, 25], [30_000, 50], [44_000, 50]]
    assert first.get_xydata()[1:-1].tolist() == [[5_000, 25], [9_000, 50], [10_000, 75]]


# -------------------------------------------------------- workers that die


def perish(number, marker, always):
    """A job: number 1 kills its worker, the first time or always."""
    if number == 1 and (always or not os.path.exists(marker)):
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)
    return number * 10, os.getpid()


@on_posix
@pytest.mark.slow
def test_a_killed_worker_costs_no_job(tmp_path):
    jobs = [(n, str(tmp_path / "marker"), False) for n in range(6)]
    with Cores(2) as workers:
        outcomes = {job[0]: outcome for job, outcome in run_jobs(perish, jobs, workers)}
    assert [outcomes[n][0] for n in range(6)] == [0, 10, 20, 30, 40, 50]
    assert len({pid for _, pid in outcomes.values()}) <= 3  # a worker does many jobs


@on_posix
@pytest.mark.slow
def test_a_job_that_kills_every_worker_fails_alone(tmp_path):
    jobs = [(n, str(tmp_path / "marker"), True) for n in range(4)]
    with Cores(2) as workers:
        outcomes = {job[0]: outcome for job, outcome in run_jobs(perish, jobs, workers)}
    assert "3 workers died" in str(outcomes.pop(1))
    assert {n: outcome[0] for n, outcome in outcomes.items()} == {0: 0, 2: 20, 3: 30}


@on_posix
def test_a_worker_that_dies_between_two_jobs_costs_nothing():
    with Cores(1) as workers:
        assert [outcome for _, outcome in run_jobs(os.getpid, [()], workers)]
        (child,) = set(multiprocessing.active_children()) - workers.others
        child.kill()
        child.join()
        time.sleep(0.2)  # until the pool has noticed
        outcomes = [outcome for _, outcome in run_jobs(abs, [(-1,), (-2,)], workers)]
    assert outcomes == [1, 2]


def start_study(runs_dir, *options, cwd=ROOT):
    """The real program, in a process group of its own, as a terminal would have it."""
    command = [
        sys.executable,
        str(ROOT / "run.py"),
        "study",
        "--algo",
        "ppo",
        "--runs-dir",
        str(runs_dir),
    ]
    command += ["--eval-episodes", "3", "--total-steps", "12000", *options]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd,
        env=ENVIRONMENT, start_new_session=True,
    )  # fmt: skip


def wait_for_seeds(runs_dir, count, process):
    deadline = time.monotonic() + 60
    while len(list(Path(runs_dir).glob("*/seeds/*.json"))) < count:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def group_members(group):
    """The processes of a process group that are not zombies (Linux)."""
    members = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(fields[2]) == group and fields[0] != "Z":
                members.append(int(path.parent.name))
    return members


def wait_until_gone(group):
    deadline = time.monotonic() + 20
    while group_members(group):
        assert time.monotonic() < deadline, group_members(group)
        time.sleep(0.05)


def pool_workers(group):
    return [
        pid
        for pid in group_members(group)
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def results_of(runs_dir):
    """What the seeds of the only study gave, without times: {file name: dict}."""
    found = {}
    for path in Path(runs_dir).glob("*/seeds/*.json"):
        found[path.name] = json.loads(path.read_text(encoding="utf-8"))
        for times in ("train_seconds", "solved_at_second"):
            del found[path.name][times]
    return found


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The results of seeds 0 to 5 when nothing goes wrong."""
    runs_dir = tmp_path_factory.mktemp("undisturbed")
    process = start_study(runs_dir, "--seeds", "0-5")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert max(len(line) for line in output.splitlines() if str(runs_dir) not in line) <= 80
    assert "6 of 6 seeds" in output
    return results_of(runs_dir)


@linux
@pytest.mark.slow
def test_an_interrupted_study_goes_on_where_it_stopped(tmp_path, undisturbed):
    process = start_study(tmp_path, "--seeds", "0-5", "--jobs", "2")
    wait_for_seeds(tmp_path, 2, process)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert "interrupted" in output and "Traceback" not in output
    wait_until_gone(process.pid)
    before = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("*/seeds/*.json")}
    assert 2 <= len(before) < 6

    process = start_study(tmp_path, "--seeds", "0-5", "--jobs", "1")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert f"{6 - len(before)} of 6 seeds to train" in output
    after = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("*/seeds/*.json")}
    assert {name: after[name] for name in before} == before
    assert results_of(tmp_path) == undisturbed


@linux
@pytest.mark.slow
def test_kill_9_of_the_program_leaves_its_seeds_and_no_process(tmp_path):
    process = start_study(tmp_path, "--seeds", "0-5", "--jobs", "2")
    wait_for_seeds(tmp_path, 1, process)
    assert len(pool_workers(process.pid)) == 2
    process.kill()
    process.communicate()
    wait_until_gone(process.pid)
    for path in tmp_path.glob("*/seeds/*.json"):
        assert read_json(path)["format"] == study.FORMAT


@linux
@pytest.mark.slow
def test_kill_9_of_a_worker_in_mid_study_costs_no_seed(tmp_path, undisturbed):
    process = start_study(tmp_path, "--seeds", "0-5", "--jobs", "2")
    wait_for_seeds(tmp_path, 1, process)
    os.kill(pool_workers(process.pid)[0], signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "failed" not in output
    assert results_of(tmp_path) == undisturbed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "5-1"], "argument --seeds"),
        (["--seeds", "0-1", "--seed", "3"], "unrecognized arguments: --seed 3"),
        (["--seeds", "0-1", "--env", "CartPole-v7"], "CartPole-v1"),
        (["--seeds", "0-1", "--gamma", "2"], "--gamma"),
        (["--seeds", "0-1", "--value-steps", "3"], "--value-steps"),
        (["--seeds", "0-1", "--max-episodes", "3"], "--max-episodes"),
        (["--seeds", "0-1", "--jobs", "2", "--dask", "tcp://127.0.0.1:9"], "--jobs"),
        (["--jobs", "2"], "--seeds"),
        (["--algo", "vpg,ppo"], "--seeds"),
        (["--algo", "vpg,sac", "--seeds", "0-1"], "'sac'"),
        (["--algo", "vpg,vpg", "--seeds", "0-1"], "twice"),
    ],
)
def test_bad_options_are_refused_in_one_line(tmp_path, capsys, options, message):
    import run

    with pytest.raises(SystemExit) as exit:
        run.main(["study", "--algo", "ppo", "--runs-dir", str(tmp_path), *options])
    assert exit.value.code == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_option_of_one_algorithm_goes_to_that_one(tmp_path):
    import run

    options = [
        "study",
        "--algo",
        "vpg,ppo",
        "--clip-range",
        "0.3",
        "--gamma",
        "0.9",
        "--seeds",
        "4",
    ]
    options += ["--total-steps", "300", "--eval-episodes", "1", "--runs-dir", str(tmp_path)]
    assert run.main(options) == 0
    about = json.loads(
        (tmp_path / "study-CartPole-v1-vpg-ppo-seeds4-4/study.json").read_text(encoding="utf-8")
    )
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
        deadline = time.monotonic() + 30
        while not about.exists() or not about.read_text(encoding="utf-8"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.address = json.loads(about.read_text(encoding="utf-8"))["address"]

    def start(self, kind, *options):
        command = [sys.executable, "-m", "distributed.cli.dask_" + kind, "--host", "127.0.0.1"]
        log = open(self.folder / f"{len(self.processes)}.log", "w", encoding="utf-8")  # noqa: SIM115
        process = subprocess.Popen(
            [*command, "--no-dashboard", *options], stdout=log, stderr=log,
            cwd=self.folder, env=ENVIRONMENT, start_new_session=True,
        )  # fmt: skip
        log.close()
        self.processes.append(process)
        return process

    def start_worker(self):
        # no nanny: the process that is killed is the one that trains, and nobody replaces it
        return self.start(
            "worker", self.address, "--nthreads", "1", "--no-nanny",
            "--local-directory", str(self.folder),
        )  # fmt: skip

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
def test_dask_gives_the_same_bits_and_outlives_a_killed_worker(tmp_path, cluster, undisturbed):
    first, _ = cluster.start_worker(), cluster.start_worker()
    process = start_study(tmp_path, "--seeds", "0-5", "--dask", cluster.address)
    wait_for_seeds(tmp_path, 2, process)
    first.kill()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "failed" not in output and "6 of 6 seeds" in output
    assert results_of(tmp_path) == undisturbed


@needs_dask
@linux
@pytest.mark.slow
def test_dask_sends_the_code_of_this_folder_each_time(tmp_path, cluster):
    """A worker that has run one version of the project runs the next one it is sent."""
    cluster.start_worker()
    copy = tmp_path / "project"
    shutil.copytree(ROOT / "lab", copy / "lab")
    for path in ROOT.glob("*.py"):
        shutil.copy(path, copy)
    digests = []
    for change in ("", "\n\ndef normalize(advantages):\n    return advantages\n"):
        with open(copy / "advantages.py", "a", encoding="utf-8") as file:
            file.write(change)
        runs_dir = tmp_path / f"runs{len(change)}"
        command = [sys.executable, "run.py", "study", "--algo", "vpg", "--seeds", "0"]
        command += ["--eval-episodes", "1", "--total-steps", "2000", "--runs-dir", str(runs_dir)]
        ended = subprocess.run(
            [*command, "--dask", cluster.address], cwd=copy, env=ENVIRONMENT, timeout=60,
            capture_output=True, text=True,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr
        (result,) = results_of(runs_dir).values()
        digests.append(result["parameters_sha256"])
    assert (
        digests[0]
        == train_one("vpg", "CartPole-v1", {"total_steps": 2000}, 0, 1)["parameters_sha256"]
    )
    assert digests[0] != digests[1]


@needs_dask
@linux
@pytest.mark.slow
def test_dask_scheduler_that_dies_is_told_in_one_line(tmp_path, cluster):
    cluster.start_worker()
    process = start_study(tmp_path, "--seeds", "0-5", "--dask", cluster.address)
    wait_for_seeds(tmp_path, 1, process)
    cluster.processes[0].kill()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    assert "is gone" in output and "Traceback" not in output


@needs_dask
@linux
@pytest.mark.slow
def test_dask_scheduler_that_is_not_there_is_told_in_one_line(tmp_path):
    process = start_study(tmp_path, "--seeds", "0-5", "--dask", "tcp://127.0.0.1:9")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 2, output
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in output
    assert output.count("\n") == 1
    assert not list(tmp_path.iterdir())
