"""The command line: in this process where that shows the same, else in one of its own."""

import contextlib
import io
import re
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest
from programs import ENOUGH, PPO, QUICK, ROOT, SHORT, VPG, call, command, succeed, succeeded

import nn
import run as program
from lab.commands import COMMANDS
from lab.kit import read_json
from lab.runs import ALGORITHMS, RunFolder

pytestmark = pytest.mark.slow


def test_help_fits_a_screen():
    text = succeeded(call("-h"))
    assert max(map(len, text.splitlines())) <= 80 and text.count("\n") <= 40
    assert text.startswith(f"usage: run.py --algo {{{','.join(ALGORITHMS)}}} ")
    for word in ("--algo", "--seed", *COMMANDS):
        assert word in text
    assert f"{{{','.join(ALGORITHMS)}}}" in succeeded(call("settings", "-h"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    text = succeeded(call(name, "-h"))
    assert text.startswith(f"usage: run.py {name} ") and COMMANDS[name][1] in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    "encoding, words",
    [("ascii", ["-h", "settings ppo", "hint 16", "check 40"]), ("cp932", ["study -h", "check 40"])],
)
@pytest.mark.usefixtures("signals_as_before")
def test_help_and_tables_come_in_any_encoding(encoding, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for options in (*words, " ".join([*PPO, "--env Acrobot-v1 --evaluations 1", *SHORT])):
        screen = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        with contextlib.redirect_stdout(screen), contextlib.suppress(SystemExit):
            assert program.main(options.split()) == 0
        screen.flush()
        assert len(screen.buffer.getvalue().decode(encoding)) > 200, options


def test_an_output_without_room():
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            command("settings"), cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "the output cannot be written: No space left on device" in done.stderr


def test_without_any_output(tmp_path):
    """`2>&- >&-`, or pythonw: it trains all the same."""
    line = " ".join(["exec", *command("--algo", "vpg", *SHORT), "2>&-", ">&-"])
    assert subprocess.run(line, shell=True, cwd=tmp_path, timeout=ENOUGH).returncode == 0
    assert (tmp_path / "runs/CartPole-v1-vpg-seed0/summary.json").exists()


def test_without_packages_there_is_help():
    words = [sys.executable, "-S", str(ROOT / "run.py")]
    helped, trained = (
        subprocess.run(
            [*words, *more], capture_output=True, text=True, errors="replace", timeout=ENOUGH
        )
        for more in (["-h"], PPO)
    )
    assert helped.returncode == 0 and helped.stdout.startswith("usage: run.py ")
    assert trained.returncode == 1
    assert re.fullmatch(r"run\.py: \w+ is missing: pip install -r [^\n]+\n", trained.stderr)


def test_other_ways_to_start_python():
    words = [sys.executable, "-I", "-OO", str(ROOT / "run.py"), "check", "3"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=ENOUGH)
    assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.mark.parametrize("algo", ["ppo", "vpg"])
def test_a_run_leaves_what_it_promises(tmp_path, algo):
    options = [*QUICK, "--total-steps", "1500"]
    if algo == "ppo":
        options += ["--minibatch-size", "32"]
    text = succeeded(call("--algo", algo, *options, "--seed", "3", cwd=tmp_path))
    assert max(map(len, text.splitlines())) <= 80
    folder = tmp_path / "runs" / f"CartPole-v1-{algo}-seed3"
    assert {path.name for path in folder.glob("[!.]*")} == {
        *("config.json", "progress.csv", "episodes.csv", "checkpoint.npz", "best.npz"),
        *("summary.json", "learning_curve.png", "episode.gif"),
    }
    config = read_json(folder / "config.json")
    assert (config["algorithm"], config["seed"]) == (algo, 3)
    assert config["config"]["total_steps"] == 1500
    summary = read_json(folder / "summary.json")
    assert summary["env_steps"] >= 1500
    assert 0 < summary["greedy_return_min"] <= summary["greedy_return_mean"] <= 500
    assert summary["train_seconds"] > 0
    rows = (folder / "progress.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == summary["iterations"] + 1
    assert (folder / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "episode.gif").read_bytes().startswith(b"GIF89a")


def test_every_setting_reaches_the_config_and_matters(tmp_path):
    """Change each setting alone: config.json shows it, and the learned numbers differ."""
    changes = {
        "ppo": [
            "--gamma 0.9", "--gae-lambda 0.5", "--no-normalize-advantages",
            "--hidden-sizes 8 8", "--activation relu", "--learning-rate 0.002",
            "--value-learning-rate 0.002", "--no-anneal-learning-rate",
            "--entropy-coefficient 0.1", "--max-grad-norm 0.05", "--epochs 2",
            "--minibatch-size 16", "--clip-range 0.01",
            "--no-anneal-clip-range", "--value-clip-range 0.01", "--max-kl 1e-9",
            "--num-envs 3", "--num-steps 20", "--total-steps 900",
            "--normalize-observations", "--reward-scale 0.5",
        ],
        "ppo-penalty": ["--kl-coefficient 3", "--kl-target 0.0001"],
        "ppo --env Pendulum-v1": ["--initial-log-std -1"],
        "vpg": ["--value-steps 3", "--gamma 0.9", "--num-steps 20", "--learning-rate 0.002"],
    }  # fmt: skip
    base = {
        "ppo": "--num-envs 4 --num-steps 16 --minibatch-size 32 --clip-range 0.05",
        "vpg": "--num-envs 4 --num-steps 16",
        "ppo-penalty": "--num-envs 4 --num-steps 16 --minibatch-size 32",
        "ppo --env Pendulum-v1": "--num-envs 4 --num-steps 16 --minibatch-size 32",
    }

    def learned(algo, options):
        words = f"--algo {algo} --total-steps 130 {base[algo]} {options} --no-media".split()
        words += ["--evaluations", "1", "--eval-episodes", "1", "--runs-dir", tmp_path]
        folder = Path(re.search(r": (.*)", succeeded(call(*words)))[1])
        with np.load(folder / "checkpoint.npz") as saved:
            parameters = (saved["policy"].tobytes(), saved["value"].tobytes())
        return read_json(folder / "config.json")["config"], parameters

    for algo, options in changes.items():
        base_config, base_parameters = learned(algo, "")
        for option in options:
            config, parameters = learned(algo, option)
            name = option.split()[0].removeprefix("--").removeprefix("no-").replace("-", "_")
            assert config[name] != base_config[name], option
            assert parameters != base_parameters, option


def test_every_setting_has_an_option():
    for algorithm, module in ALGORITHMS.items():
        text = succeeded(call("settings", algorithm))
        assert max(map(len, text.splitlines())) <= 80
        for name, field in module.Config.__dataclass_fields__.items():
            option = name.replace("_", "-")
            assert (f"--[no-]{option}" if field.type is bool else f"--{option}") in text


@pytest.mark.parametrize(
    "options, message",
    [
        ([], "the following arguments are required: --algo"),
        (["plya", "x"], "no command 'plya'; did you mean play?"),
        (["book"], "no command 'book'; it is a target: make book"),
        (["--algo", "vpg,ppo"], "several algorithms are a study: run.py study"),
        (["--algo", "a2c"], "invalid choice"),
        (["--al", "ppo"], "--al"),
        ([*PPO, "--unheard-of"], "unrecognized arguments: --unheard-of"),
        ([*PPO, "--env", "Cartpole-v1"], "did you mean CartPole-v1?\n"),
        ([*PPO, "--env", "CartPole-v99"], "did you mean CartPole-v1?\n"),
        ([*PPO, "--env", "Nowhere-v1"], "your own is module:Id, see"),
        ([*PPO, "--env", "no_module:X-v1"], "No module named 'no_module' in this folder or on"),
        ([*PPO, "--gamma", "1.5"], "--gamma must be in [0, 1], not 1.5"),
        ([*PPO, "--gamma", "x"], "argument --gamma: must be a number, not 'x'"),
        ([*PPO, "--gamma", "nan"], "--gamma must be a finite number"),
        (
            [*PPO, "--total-steps", "0"],
            "--total-steps: must be a whole number from 1, not '0'",
        ),
        ([*PPO, "--total-steps", "1e5"], "must be a whole number from 1, not '1e5'"),
        ([*PPO, "--eval-episodes", "9" * 23], "must be a whole number from 1 to 10,000, not"),
        ([*PPO, "--num-envs", "-1"], "argument --num-envs: must be a whole number from 1"),
        ([*PPO, "--num-steps", "1.5"], "must be a whole number from 1, not '1.5'"),
        (
            [*PPO, "--hidden-sizes", "64", "0"],
            "--hidden-sizes: must be a whole number from 1",
        ),
        ([*PPO, "--learning-rate", "0"], "--learning-rate must be greater than 0"),
        ([*PPO, "--learning-rate", "inf"], "--learning-rate must be a finite number, not inf"),
        ([*PPO, "--activation", "gelu"], "invalid choice: 'gelu'"),
        ([*PPO, "--epochs", "0"], "argument --epochs: must be a whole number from 1"),
        ([*PPO, "--max-kl", "-1"], "--max-kl must be greater than 0"),
        ([*PPO, "--seed", "-1"], "must be a whole number from 0"),
        ([*PPO, "--seed", "x"], "must be a whole number from 0"),
        ([*PPO, "--max-episodes", "0"], "must be a whole number from 1"),
        ([*PPO, "--evaluations", "0"], "must be a whole number from 1"),
        ([*PPO, "--value-steps", "3"], "--value-steps is a setting of vpg alone"),
        ([*VPG, "--clip-range", "0.1"], "--clip-range is a setting of ppo alone"),
        ([*VPG, "--no-anneal-clip-range"], "--no-anneal-clip-range is a setting of ppo alone"),
        ([*VPG, "--epochs", "3"], "--epochs is a setting of ppo and ppo-penalty alone"),
        (["--algo", "ppo-penalty", "--clip-range", "0.1"], "--clip-range is a setting of ppo"),
        ([*PPO, "--runs-dir", str(ROOT / "run.py")], "cannot be written"),
        (
            ["study", *VPG, "--seeds", "0-1", "--runs-dir", str(ROOT / "run.py" / "runs")],
            "cannot be written: Not a directory",
        ),
        (["resume", "nowhere"], str(Path("nowhere/config.json")) + " does not exist"),
        (["resume", "nowhere", "--gamma", "0.9"], "unrecognized arguments: --gamma 0.9"),
        (["resume", "nowhere", "--seed", "7"], "unrecognized arguments: --seed 7"),
        (["resume", "nowhere", "--env", "Acrobot-v1"], "config.json does not exist"),
        (["play", "nowhere", "--gamma", ".1"], "unrecognized arguments: --gamma .1"),
        (["compare", "nowhere", "--algo", "ppo"], "unrecognized arguments: --algo ppo"),
        (["check", "3", "--algo", "vpg"], "unrecognized arguments: --algo vpg"),
        (["check", "99"], "no equation 99"),
        (["trace", "vpg", "--gamma", "0.5"], "unrecognized arguments: --gamma 0.5"),
        (["grade", "nowhere"], "there is no folder, blank or equation"),
        (["hint", "99"], "no equation 99"),
        (["practice", ".", "--chapters", "Q"], "chapter 'Q' has no blanks"),
        (["practice", "--one-page", "--chapters", "C"], "not allowed with argument --one-page"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_gets_one_line(options, message, tmp_path):
    done = call(*options, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert re.match(r"run\.py( \w+)?: error: ", done.stderr) and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_ten_frames_lead_to_the_first_gradient(tmp_path, monkeypatch):
    """From run.py's own, no two of the lab's of one name."""
    stacks, shipped = [], nn.linear_backward

    def linear_backward(*arguments):
        stacks.append(traceback.extract_stack())
        return shipped(*arguments)

    monkeypatch.setattr(nn, "linear_backward", linear_backward)
    succeeded(call(*PPO, *SHORT, cwd=tmp_path))
    places = [(Path(frame.filename), frame.name) for frame in stacks[0]]
    ours = [(path, name) for path, name in places if path.parent in {ROOT, *ROOT.glob("lab/*")}]
    names = [name for path, name in ours if path.parent != ROOT]
    assert len(ours) <= 9, ours  # and run.py's
    assert len(set(names)) == len(names), names


def test_numbers_that_are_not_finite(tmp_path):
    done = call(*VPG, *SHORT, "--learning-rate", "1e38", cwd=tmp_path)
    assert done.returncode == 1
    said = r"run\.py: iteration \d+: .* is no longer finite; a smaller --learning-rate may help\."
    assert re.match(said, done.stderr)
    assert done.stderr.count("\n") == 1
    with np.load(tmp_path / "runs/CartPole-v1-vpg-seed0/checkpoint.npz") as saved:
        assert np.isfinite(saved["policy"]).all()


def test_same_seed_same_files(tmp_path):
    """In this process and in another one."""
    succeeded(call(*VPG, *SHORT, "--runs-dir", "a", cwd=tmp_path))
    succeed(*VPG, *SHORT, "--runs-dir", "b", cwd=tmp_path)
    one, other = (tmp_path / name / "CartPole-v1-vpg-seed0" for name in ("a", "b"))
    rows, others = (
        [line.rsplit(",", 2) for line in (folder / "progress.csv").read_text("utf-8").splitlines()]
        for folder in (one, other)
    )
    assert rows[0][1] == "steps_per_second"
    assert [row[::2] for row in rows] == [row[::2] for row in others]
    assert (one / "episodes.csv").read_bytes() == (other / "episodes.csv").read_bytes()
    with np.load(one / "checkpoint.npz") as a, np.load(other / "checkpoint.npz") as b:
        for key in ("policy", "value", "policy_m", "value_v"):
            np.testing.assert_array_equal(a[key], b[key])


def test_a_resumed_run_is_judged_as_it_was_begun(tmp_path):
    place = "runs of mine/CartPole-v1-vpg-seed0"
    begun = ["--max-episodes", "10", "--eval-episodes", "4", "--evaluations", "3", "--no-media"]
    out = succeeded(call(*VPG, *SHORT, *begun, "--runs-dir", "runs of mine", cwd=tmp_path))
    assert f"python run.py play '{place}'" in out
    summary = read_json(tmp_path / place / "summary.json")
    assert 10 <= summary["episodes"] < 20 and summary["env_steps"] < 1500
    done = call("resume", place, "--no-media", cwd=tmp_path)
    assert done.returncode == 2 and "and complete; --max-episodes N goes further" in done.stderr
    succeeded(call("resume", place, "--no-media", "--max-episodes", "30", cwd=tmp_path))
    summary = read_json(tmp_path / place / "summary.json")
    assert summary["episodes"] >= 30 and summary["eval_episodes"] == 4


def test_resuming_a_finished_run(tmp_path):
    succeeded(call(*VPG, *SHORT, cwd=tmp_path))
    folder = tmp_path / "runs" / "CartPole-v1-vpg-seed0"
    done = call("resume", str(folder), "--no-media")
    assert done.returncode == 2 and "--total-steps N goes further" in done.stderr
    succeeded(call("resume", folder, "--total-steps", 2500, "--eval-episodes", 3, "--no-media"))
    steps = RunFolder(folder).read("progress.csv")["env_steps"]
    assert steps[-1] >= 2500 and (np.diff(steps) > 0).all()
    assert RunFolder(folder).about()["config"]["total_steps"] == 2500
