"""The tables and numbers in README.md and docs/*.md are those of the committed result files."""

import json
import re
from dataclasses import asdict
from functools import cache

import numpy as np
import pytest

import ppo
from lab.runs import ALGORITHMS, as_settings
from lab.study import StudyFolder, columns, parse_seeds, preset, statistics, tables

pytestmark = pytest.mark.xdist_group("tables")  # each file's statistics are worked out once
OTHERS = ["ladder.json", "language_stair.json", "language_credit.json"]  # no studies
OTHERS = [tables.SPEED, *(tables.RESULTS / name for name in OTHERS)]
STUDIES = sorted(path for path in tables.RESULTS.glob("*.json") if path not in OTHERS)
TEXT = "\n".join(path.read_text("utf-8") for path in tables.texts())


@pytest.mark.slow
@pytest.mark.parametrize("path", tables.texts(), ids=lambda path: path.name)
def test_the_text_is_what_the_files_say(path):
    text = path.read_text("utf-8")
    assert tables.filled(text) == text, "`make tables` writes it anew"


def test_every_marker_is_closed():
    assert TEXT.count("<!-- table: ") == len(tables.MARKED.findall(TEXT))


def test_every_table_is_shown_once():
    assert sorted(name for _, name, *_ in tables.MARKED.findall(TEXT)) == sorted(tables.TABLES)


@pytest.mark.slow
@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_result_file_is_of_these_settings_and_seeds_that_nobody_tuned_on(path):
    assert path.stat().st_size < 200_000
    file = tables.study_of(*re.fullmatch(r"(.*-v\d+)-(.*)", path.stem).groups())
    about = file.about
    module = ALGORITHMS[about["algorithm"]]
    now = module.Config(**preset(about["algorithm"], about["env_id"]))
    assert as_settings(about["config"]) == asdict(now)
    assert f"--env {about['env_id']} " in about["command"]
    asked = parse_seeds(about["command"].split("--seeds ")[1].split()[0])
    assert file.column("seed").tolist() == asked and asked[0] >= 20_000


def test_the_study_that_the_text_prints_is_of_the_first_seeds_in_the_files():
    text = (tables.PROJECT / "docs" / "studies.md").read_text("utf-8")
    relapses = {}
    for name in ("vpg", "ppo"):
        file = tables.study_of("CartPole-v1", name)
        own = file.column("seed") < 20_020
        names = "solved_for_good_at_step", "solved_at_step"
        columns = [file.column(name)[own] for name in names]
        steps = []
        for column in columns:
            steps += [np.median(column), *statistics.interval(np.median, column)]
        printed = re.search(rf"^{name} +20/20 +([\d, to()]+)$", text, re.MULTILINE)
        assert re.findall(r"[\d,]+", printed[1]) == [f"{step:,.0f}" for step in steps]
        relapses[name] = np.sum(columns[0] > columns[1])
    assert "{vpg} of its 20 seeds, and {ppo} of PPO's".format(**relapses) in text


def test_what_the_ladder_s_text_says_is_what_its_file_says():
    """Some of its numbers anew, from the file's rows, and the comparisons that the words make."""
    kept = json.loads((tables.RESULTS / "ladder.json").read_text("utf-8"))
    text = (tables.PROJECT / "docs" / "ladder.md").read_text("utf-8")
    assert len(text.encode()) <= 5_000

    def first(n, stays):
        solved_at = []
        for *_, curve in kept["runs"]["CartPole-v1"][str(n)]:
            seen = list(zip(curve[::2], curve[1::2], strict=True))
            there = [s for s, _ in seen if not stays or min(r for t, r in seen if t >= s) >= 475]
            solved = [s for s, r in seen if r >= 475 and s in there]
            solved_at.append(min(solved, default=np.inf))
        return np.median(solved_at), np.isfinite(solved_at).sum()

    firsts = {n: first(n, False)[0] for n in range(2, 10)}
    goods = {n: first(n, True) for n in range(2, 10)}
    for n, (step, seeds) in goods.items():
        row = re.search(rf"^\| {n} .*$", text, re.MULTILINE)[0]
        steps = "never" if step == np.inf else f"{step:,.0f}"
        assert f"| {seeds}/20 | {firsts[n]:,.0f} | {steps} |" in row
    assert firsts[4] == min(firsts.values()) and 2 * firsts[4] < firsts[5]  # the straight line
    assert abs(firsts[3] - firsts[4]) < 0.1 * firsts[4] and goods[5][0] < goods[4][0]
    assert goods[8][1] < goods[7][1] and goods[9][1] == 20 and firsts[8] <= firsts[7]
    noise = [variance for variance, _ in kept["noise"]["1000"].values()]
    assert noise == sorted(noise, reverse=True)
    largest = {n: max(kept["updates"][n]["largest_kl_of_seeds"]) for n in "789"}
    assert largest["8"] > 100 * max(largest["7"], largest["9"])
    assert f"one ratio was {max(kept['updates']['8']['ratio_max']):,.0f}." in text


def made_up(path, env_id, greedy):
    """A study's folder with these greedy returns, solved in its first half where they are 500."""
    config = asdict(ppo.Config(**preset("ppo", env_id)))
    variant = {"label": "ppo", "algorithm": "ppo", "config": config, "change": None}
    settings = {
        "env_id": env_id,
        "variants": [variant],
        "seeds": list(range(7, 7 + len(greedy))),
        "eval_episodes": 100,
        "evaluations": 50,
        "code_sha256": "0",
    }
    (path / "seeds").mkdir(parents=True)
    about = {"settings": json.loads(json.dumps(settings)), "started": "2026-11-25T03:00:00+0000"}
    (path / "study.json").write_text(json.dumps(about), "utf-8")
    folder = StudyFolder(path, about["settings"], None)
    for job, mean in zip(folder.jobs(), greedy, strict=True):
        result = {
            "greedy_return_mean": mean,
            "greedy_return_min": mean,
            "sampled_return_mean": mean - 10,
            "sampled_return_min": mean - 10,
            "solved_at_step": 1024 * job.seed,
            "solved_for_good_at_step": 2048 * job.seed if mean == 500 else None,
            "solved_at_second": 0.5,
            "env_steps": 100_000,
            "episodes": 400,
            "iterations": 100,
            "train_seconds": 1.0,
            "curve": [None] * 100,
            "parameters_sha256": "0",
            "reward_threshold": 475.0,
            "processor": "a processor",
            "versions": {"python": "3.11.7", "numpy": "2.4.6"},
        }
        folder.save(job, result)
    return path


def test_a_study_becomes_a_file_and_a_table(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(tables, "study_of", cache(tables.study_of.__wrapped__))
    folder = made_up(tmp_path / "study", "CartPole-v1", [500.0, 500.0, 213.625, 500.0])
    tables.keep(folder)
    file = tables.study_of("CartPole-v1", "ppo")
    assert file.column("greedy_return_mean").tolist() == [500, 500, 213.62, 500]
    assert file.about["command"] == (
        "python run.py study --algo ppo --env CartPole-v1 --seeds 7-10"
    )
    table = tables.table(columns.RETURNS + columns.SOLVED, {"PPO": file}, "what")
    head, rule, row, *rest = table.splitlines()
    assert head.startswith("| what | greedy return | worst seed |") and set(rule) == set("|-")
    cells = row.split(" | ")
    assert cells[:1] == ["| PPO"] and cells[2] == "213.6"
    assert cells[1].startswith("428.4 (285.2 to ") and cells[3].startswith("418.4 (")
    # solved at 7, 8, 9, 10 times 1,024 steps; for good at 7, 8, never, 10 times 2,048
    assert cells[5] == "3/4" and cells[6].startswith("18,432 (") and cells[7].startswith("8,704 (")
    assert rest[2] == file.about["command"]
    assert tables.of_column("solved_for_good_at_step", np.max)(file.entry) == "never"
    monkeypatch.setitem(tables.TABLES, "three", lambda: "3")
    text = "of <!-- table: three -->2<!-- end --> seeds"
    assert tables.filled(text) == "of <!-- table: three -->3<!-- end --> seeds"
    (folder / "seeds" / "ppo-8.json").unlink()
    tables.keep(folder)
    tables.study_of.cache_clear()
    file = tables.study_of("CartPole-v1", "ppo")
    assert file.about["command"].endswith("--seeds 7,9-10")
    assert file.column("seed").tolist() == [7, 9, 10]


def test_a_page_has_real_minus_signs_and_hyphens():
    entry = {"x": {"mean": -77.0, "mean_interval": None}}
    table = columns.markdown([("a", columns.bounded("x", "mean"))], {"Car-v0": entry})
    assert table.splitlines()[2] == "| Car-v0 | −77.0 (one seed) |"


def test_speed_takes_medians_of_the_seeds_ratios():
    def runs(*seconds, work=1):
        keys = ("seconds_to_solve", "steps_to_solve", "gradient_steps", "rows", "parameters")
        return [{"seconds": s, **dict.fromkeys(keys, work)} for s in seconds]

    result = {
        "command": "make benchmark",
        "date": "2026-11-25",
        "processor": "a processor",
        "versions": {"python": "3.11.7"},
        "seeds": 3,
        "steps": 100_000,
        "runs": {
            "ppo": runs(1, 2, 4, work=2000),
            "vpg": runs(1, 1, 1),
            "ppo_zoo": runs(5, 10, 12, work=7820),
            "sb3": runs(20, 60, 60),
            "bare": runs(0.25, 0.5, 0.5),
            "bare_zoo": runs(1, 1, 1),
        },
    }
    text = tables.speed(result)
    # of 20, 30 and 15; of 4, 6 and 5; of 5, 5 and 3; of 4, 4 and 8
    assert "PPO here is 20.0 times as fast as" in text and "PPO here is 5.0 times as fast:" in text
    assert "other factor, 5.0, is less work asked for: 2,000 gradient steps" in text
    assert "PPO takes 4.0 times as long as its environments alone (0.500 s)" in text


STRANGE = {"label": "ppo", "algorithm": "os:system", "config": {}, "change": None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"env_id": "../../../tmp/x y"}, "does not describe a study of vpg, ppo"),
        ({"env_id": None}, "does not describe a study"),
        ({"variants": "none"}, "does not describe a study"),
        ({"variants": [STRANGE]}, "does not describe a study"),
        ({"seeds": [70]}, "holds no finished seed of ppo"),
        ({"code_sha256": "1"}, "its code_sha256 differs"),
    ],
)
def test_what_is_no_study_is_refused_in_a_line(tmp_path, monkeypatch, capsys, change, message):
    monkeypatch.setattr(tables, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(tables, "texts", list)
    path = made_up(tmp_path / "study", "CartPole-v1", [500.0]) / "study.json"
    about = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**about, "settings": {**about["settings"], **change}}), "utf-8")
    assert tables.main([tmp_path / "study"]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_returns_are_never_called_never():
    """Only steps and seconds can be so; a return may be as large as it likes."""
    same = {"train_seconds": 1.0, "reward_threshold": None}
    results = [{"greedy_return_mean": x, "sampled_return_mean": x, **same} for x in (1e13, 3e13)]
    entry = {**statistics.describe(results), "seeds": 2}
    rows = columns.cells(columns.RETURNS, [entry])
    assert rows[1][1] == "1e+13" and "never" not in "".join(rows[1])
    assert columns.number(None) == "never"
