"""A run folder that somebody hands you: nothing in it is executed, and it cannot make us stumble."""

import importlib
import io
import json
import os
import re
import shlex
import signal
import struct
import sys
import zipfile

import numpy as np
import pytest
from test_environments import MINE
from test_records import saved_arrays, small_trainer

import ppo
import ppo_penalty
from lab.commands import COMMANDS, Parser, main
from lab.runs import carry_out, load_policy
from lab.runs.contents import ARRAYS
from lab.runs.records import BEST, CHECKPOINT, LOGS, RunFolder, unpack


@pytest.fixture(autouse=True)
def signals_as_before():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run that was trained to its end, judged, without pictures."""
    settings = {"minibatch_size": 16, "total_steps": 200, "normalize_observations": True}
    trainer = small_trainer(algorithm=ppo_penalty, iterations=0, **settings)
    run = RunFolder.create(tmp_path_factory.mktemp("runs"), trainer, eval_episodes=2)
    assert not carry_out(trainer, run, 3, 2, media=False)
    return run


@pytest.fixture
def run(trained, tmp_path):
    """A copy of it, to be damaged."""
    (tmp_path / "handed over").mkdir()
    for path in trained.path.glob("[!.]*"):
        (tmp_path / "handed over" / path.name).write_bytes(path.read_bytes())
    return RunFolder(tmp_path / "handed over")


def put(content, path, value):
    """Set or (with ...) take away what lies at "judging.evaluations" in nested dicts."""
    *outer, last = path.split(".")
    for name in outer:
        content = content[name]
    if value is ...:
        del content[last]
    else:
        content[last] = value


def forge(run, name, path, value):
    """Change one value in config.json, or among the numbers of a checkpoint."""
    if name.endswith(".json"):
        content = json.loads((run / name).read_text("utf-8"))
        put(content, path, value)
        (run / name).write_text(json.dumps(content), "utf-8")
        return
    with np.load(run / name) as saved:
        arrays = {**saved}
    numbers = json.loads(str(arrays.pop("numbers")))
    put(numbers, path, value)
    (run / name).write_bytes(saved_arrays(**arrays, numbers=json.dumps(numbers)))


def refusal(capsys, *words):
    """Run a command that must refuse -> what it says, one line without a traceback."""
    try:
        status = main([str(word) for word in words])
    except SystemExit as end:
        status = end.code
    said = capsys.readouterr()
    assert status == 2, (words, said)
    assert re.fullmatch(r"run\.py \w+: error: [^\n]+\n", said.err), said.err
    assert said.out == "" and len(said.err) < 600
    return said.err


# ------------------------------------------------------- nothing is executed


def takes_a_run(name):
    """The words of a command on a run, but for the run's folder; None if it takes none."""
    parser = Parser(f"run.py {name}")
    module = importlib.import_module(f"lab.commands.{COMMANDS[name][0]}")
    getattr(module, f"{name}_options")(parser, [])
    places = [one for one in parser._actions if not one.option_strings]
    if "RUN" not in [one.metavar for one in places]:
        return None
    return [f"{one.dest}.gif" for one in places if one.metavar != "RUN"]


ON_RUNS = {name: words for name in COMMANDS if (words := takes_a_run(name)) is not None}


def test_the_commands_that_take_a_run_are_found():
    assert {"resume", "play", "record", "compare"} <= ON_RUNS.keys()


@pytest.fixture
def poisoned(run, tmp_path, monkeypatch):
    """A run folder in a place that Python imports from, as runs/ beside run.py is one."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "handed over").rename(tmp_path / "shared")
    payload = f"open({str(tmp_path / 'PWNED')!r}, 'a').write('x')\n"
    (tmp_path / "shared" / "payload.py").write_text(payload, "utf-8")
    yield RunFolder(tmp_path / "shared")
    assert not (tmp_path / "PWNED").exists() and "shared.payload" not in sys.modules


HIDDEN = ["shared.payload:CartPole-v1", "gym/shared.payload:CartPole-v1",
          " shared.payload:CartPole-v1", "shared.payload :CartPole-v1", "shared.payload::x",
          "a:shared.payload:CartPole-v1", "shared/payload:CartPole-v1"]  # fmt: skip


@pytest.mark.parametrize("env_id", HIDDEN)
@pytest.mark.parametrize("name", ON_RUNS)
def test_no_command_imports_what_a_run_names(poisoned, name, env_id, capsys):
    for file in ("config.json", CHECKPOINT, BEST):
        forge(poisoned, file, "env_id", env_id)
    words = [name, str(poisoned.path), *ON_RUNS[name]]
    if name == "compare":
        assert main([*words, "--out", "comparison.png"]) == 0
        return
    said = refusal(capsys, *words)
    assert said.endswith(
        f"shared is of {env_id}; its module is only imported if you name it: "
        f"--env {shlex.quote(env_id)}\n"
    )
    said = refusal(capsys, *words, "--env", "CartPole-v1")
    assert said.endswith(f"shared is of {env_id}, not of CartPole-v1\n")


def test_from_python_neither(poisoned):
    for file in ("config.json", CHECKPOINT, BEST):
        forge(poisoned, file, "env_id", HIDDEN[0])
    load_policy(poisoned.path)  # makes no environment
    for read in (poisoned.load_trainer, poisoned.resume):
        with pytest.raises(ValueError, match="its module is only imported if you name it"):
            read()


@pytest.mark.parametrize(
    "name, value", [("lesson", "shared"), ("algorithm", "shared.payload"), ("config", "payload")]
)
def test_neither_what_else_it_names(poisoned, name, value, capsys):
    (poisoned / "ppo.py").write_text("import shared.payload\n", "utf-8")
    forge(poisoned, "config.json", name, value)
    for command in ("resume", "play"):
        refusal(capsys, command, poisoned.path)


def test_an_own_environment_goes_on_by_the_printed_command(tmp_path, monkeypatch, capsys):
    """Trained with --env, taken up, recorded and compared by what it says."""
    (tmp_path / "my_own.py").write_text(MINE.replace("Mine-v0", "Own-v0"), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    options = "--num-envs 2 --num-steps 8 --eval-episodes 2 --total-steps 64 --no-media".split()
    assert main(["--algo", "vpg", "--env", "my_own:Own-v0", *options]) == 0
    out = capsys.readouterr().out
    (again,) = re.findall(r"watch it: +python run\.py play (.*)", out)
    assert again == "runs/my_own-Own-v0-vpg-seed0 --env my_own:Own-v0"
    place = shlex.split(again)
    goes_on = ["resume", *place, "--total-steps", "128", "--no-media"]
    assert main(goes_on) == 0
    assert f"play {again}\n" in capsys.readouterr().out
    assert "only imported if you name it" in refusal(capsys, *goes_on[:2], "--no-media")
    assert main(["compare", place[0], "--out", "compared.png"]) == 0
    assert RunFolder(place[0]).about()["reward_threshold"] == 7
