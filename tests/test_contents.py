"""A run folder that somebody hands you: nothing in it is executed, nothing makes us stumble."""

import io
import json
import math
import os
import pickle
import re
import shlex
import struct
import sys
import zipfile
from pathlib import Path
from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest
from test_records import Still, saved_arrays, small_trainer

import ppo_penalty
import vpg
from environments import closed
from lab.commands import COMMANDS, main, parser_of
from lab.runs import load_policy, run_training
from lab.runs.contents import ARRAYS
from lab.runs.records import BEST, CHECKPOINT, LOGS, RunFolder, unpack
from training import Trainer

pytestmark = pytest.mark.usefixtures("signals_as_before")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run that was trained to its end, judged, without pictures."""
    settings = {"minibatch_size": 16, "total_steps": 200, "normalize_observations": True}
    trainer = small_trainer(algorithm=ppo_penalty, iterations=0, **settings)
    run = RunFolder.create(tmp_path_factory.mktemp("runs"), trainer, eval_episodes=2)
    assert not run_training(trainer, run, 3, 2, media=False)
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
    places = [action for action in parser_of(name, [])._actions if not action.option_strings]
    if "RUN" not in [action.metavar for action in places]:
        return None
    return [f"{action.dest}.gif" for action in places if action.metavar != "RUN"]


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
def test_nothing_imports_what_a_run_names(poisoned, env_id, capsys):
    for file in ("config.json", CHECKPOINT, BEST):
        forge(poisoned, file, "env_id", env_id)
    place = str(poisoned.path)
    unnamed = "its module is only imported if you name it"
    for name in ON_RUNS.keys() - {"compare"}:
        words = [name, place, *ON_RUNS[name]]
        said = refusal(capsys, *words)
        assert said.endswith(f"shared is of {env_id}; {unnamed}: --env {shlex.quote(env_id)}\n")
        said = refusal(capsys, *words, "--env", "CartPole-v1")
        assert said.endswith(f"shared is of {env_id}, not of CartPole-v1\n")
    load_policy(place)  # makes no environment, and compare neither
    for read in (poisoned.load_trainer, poisoned.resume):
        with pytest.raises(ValueError, match=unnamed):
            read()
    if env_id == HIDDEN[0]:
        assert main(["compare", place, "--out", "comparison.png"]) == 0


def test_neither_the_lesson_that_it_names(poisoned, capsys):
    (poisoned / "ppo.py").write_text("import shared.payload\n", "utf-8")
    forge(poisoned, "config.json", "lesson", "shared")
    for command in ("resume", "play"):
        assert "was trained with --lesson shared" in refusal(capsys, command, poisoned.path)


def test_an_own_environment_goes_on_by_the_printed_command(tmp_path, monkeypatch, capsys):
    """Trained with --env, taken up, recorded and compared by what it says."""
    own = "import gymnasium, test_records\n"
    own += "gymnasium.register('Own-v0', test_records.Still, 7.0, max_episode_steps=5)\n"
    (tmp_path / "my_own.py").write_text(own, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    options = ["--num-envs", "2", "--num-steps", "8", "--eval-episodes", "2", "--no-media"]
    assert main(["--algo", "vpg", "--env", "my_own:Own-v0", "--total-steps", "64", *options]) == 0
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


# --------------------------------------- whatever a file holds: fine, or refused in one line

HUGE = 10**400
NASTY = [..., None, "x", "", True, False, -1, 0, 1.5, float("nan"), float("inf"), HUGE, -HUGE,
         [], [1], [None], {}, {"a": 1}, {"a": None}, "a\nb", "\x1b[2J", 2**53 + 1, 1e308,
]  # fmt: skip
FINE = {  # by where it is: which of them are as good as any other
    "config.json": {
        "format": [], "algorithm": [], "env_id": [], "seed": [0], "obs_dim": [], "num_actions": [],
        "action_dim": [None], "reward_threshold": [..., None, -1, 0, 1.5, 2**53 + 1, 1e308],
        "action_space": [], "action_space.start": [-1, 0],
        "config": [], "config.hidden_sizes": [], "config.activation": [...], "config.x": [],
        "config.learning_rate": [..., 1.5, 2**53 + 1, 1e308], "config.gamma": [..., 0],
        "config.total_steps": [..., HUGE, 2**53 + 1], "config.num_envs": [...],
        "judging": [..., None, {}], "judging.evaluations": [None, HUGE, 2**53 + 1],
        "judging.eval_episodes": [..., None], "judging.max_episodes": [None, HUGE, 2**53 + 1],
        "judging.x": [], "lesson": [None, "x"], "sessions": [[]],
    },
    CHECKPOINT: {
        "format": [], "algorithm": [], "env_id": [], "seed": [0], "iteration": [0],
        "env_steps": [0], "episodes": [0], "policy_t": [0], "value_t": [0],
        "train_seconds": [1.5, 2**53 + 1, 1e308], "recent_returns": [[], [1]],
        "memory": [{}, {"a": 1}], "memory.kl_coefficient": [..., -1, 0, 1.5, 2**53 + 1, 1e308],
        "acting_rng": [], "acting_rng.state": [], "acting_rng.has_uint32": [0],
        "shuffling_rng.state.inc": [0, 2**53 + 1], "shuffling_rng.bit_generator": [],
        "columns": [..., None, {}], "columns.x": ["x"], "owed": [..., None],
        "owed.mean_return": [-1, 0, 1.5, float("nan"), 2**53 + 1, 1e308],
    },
    BEST: {
        "greedy_return": [..., None, -1, 0, 1.5, 2**53 + 1, 1e308], "policy_t": [0], "seed": [0],
    },
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name, place", [(name, place) for name in FINE for place in FINE[name]])
def test_no_value_makes_it_stumble(run, name, place):
    if place.startswith("owed."):
        forge(run, name, "owed", {})
    whole, taken = (run / name).read_bytes(), []
    for value in NASTY:
        (run / name).write_bytes(whole)
        try:
            forge(run, name, place, value)
        except KeyError:
            continue  # it was not there
        try:
            run.about()
            run.unpack(name if name != "config.json" else CHECKPOINT)
            if place.startswith(("config", "action_space")):
                load_policy(run.path)
            taken.append(value)
        except ValueError as error:
            said = str(error)
            assert str(run.path) in said and said.isprintable() and len(said) < 900, said
    assert repr(taken) == repr([v for v in NASTY if repr(v) in map(repr, FINE[name][place])])


@pytest.mark.parametrize("place", ["judging", "greedy_return", "policy_t"])
def test_what_is_refused_is_so_by_the_commands(run, place, capsys):
    """Whole ways through, for the three that were reported."""
    name = {"judging": "config.json", "greedy_return": BEST}.get(place, CHECKPOINT)
    values = [True, {"x": 1}, {"eval_episodes": 10**7}] if place == "judging" else ["x", HUGE]
    whole = (run / name).read_bytes()
    for value in values:
        (run / name).write_bytes(whole)
        forge(run, name, place, value)
        refusal(capsys, "resume", run.path, "--total-steps", "400", "--no-media")
    if place == "judging":
        forge(run, name, place, {"eval_episodes": 10**7})
        assert "must be a whole number from 1 to 10,000" in refusal(capsys, "play", run.path)


def arrays_of(run, name):
    with np.load(run / name) as saved:
        return {**saved}


ODD = {  # what an array may be instead
    "complex": lambda array: array.astype(complex),
    "text": lambda array: array.astype(str),
    "bytes": lambda array: array.astype("S8"),
    "whole": lambda array: array.astype(int),
    "bool": lambda array: array.astype(bool),
    "half": lambda array: array.astype(np.float16),
    "time": lambda array: np.zeros(len(array), "datetime64[s]"),
    "record": lambda array: np.zeros(len(array), [("a", "f4")]),
    "column": lambda array: array[:, None],
    "single": lambda array: array[:1] if len(array) > 1 else array[:0],
    "scalar": lambda array: array[0],
    "empty": lambda array: array[:0],
    "longer": lambda array: np.append(array, array[:1]),
    "nan": lambda array: array * np.nan,
    "double": lambda array: array.astype(float) * 0 + 1e300,  # too large for float32
    "negative": lambda array: -array - 1,
    "missing": None,
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.filterwarnings("ignore")  # a refusal, not a warning
def test_no_array_makes_it_stumble(run, odd):
    arrays = arrays_of(run, BEST)
    for name, low in ARRAYS.items():
        changed = {**arrays}
        array = changed.pop(name)
        if ODD[odd] is not None:
            changed[name] = ODD[odd](array)
        (run / BEST).write_bytes(saved_arrays(**changed))
        if (odd == "double" and name.startswith("obs_")) or (odd == "negative" and low < 0):
            run.load_trainer(BEST)  # float64 itself, a number like any other
            continue
        with pytest.raises(ValueError) as caught:
            run.load_trainer(BEST)
        assert "handed over" in str(caught.value) and str(caught.value).isprintable()
        if odd == "negative":
            assert f"{name} is not finite and at least 0" in str(caught.value)
        if name in ("policy", "obs_mean", "obs_variance"):
            with pytest.raises(ValueError):
                load_policy(run.path)


def archive(*entries):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name, content in entries:
            file.writestr(name, content)
    return data.getvalue()


class Bomb:
    """What an attacker would pickle."""

    def __reduce__(self):
        return (open, ("exploded", "w"))


def pickled():
    data = io.BytesIO()
    np.save(data, np.array([Bomb()], object), allow_pickle=True)
    return data.getvalue()


def lying():
    """A header that promises more numbers than any memory holds."""
    data = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**15,)}
    np.lib.format.write_array_header_1_0(data, header)
    return data.getvalue()


def flipped(whole):
    """One byte in it is another."""
    at = len(whole) // 3
    return whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]


def compressed(whole):
    """Small on the disk, of any size in memory."""
    data = io.BytesIO()
    with np.load(io.BytesIO(whole)) as saved:
        np.savez_compressed(data, **saved)
    return data.getvalue()


def encrypted(whole):
    """Every entry of its directory says so."""
    return re.sub(rb"(PK\x01\x02.{4})\x00", b"\\1\x01", whole, flags=re.DOTALL)


PYTHON_2 = b"\x93NUMPY\x01\x00" + struct.pack("<H", 40)
PYTHON_2 += b"{'descr': '<f4', 'shape': (3L,) 'x\n".ljust(40)
ARCHIVES = {  # what a checkpoint may be instead
    "nothing": lambda whole: b"",
    "text": lambda whole: b"not a checkpoint",
    "half": lambda whole: whole[: len(whole) // 2],
    "flipped": flipped,
    "encrypted": encrypted,
    "foreign": lambda whole: saved_arrays(weights=np.ones(3)),
    "no JSON": lambda whole: saved_arrays(numbers="{"),
    "nested": lambda whole: saved_arrays(numbers="[" * 100_000),
    "a pickle": lambda whole: pickle.dumps(Bomb()),
    "a pickle in it": lambda whole: archive(("numbers.npy", pickled())),
    "a lie in it": lambda whole: archive(("numbers.npy", lying())),
    "no array in it": lambda whole: archive(("numbers.npy", b"no array")),
    "Python 2's": lambda whole: archive(("numbers.npy", PYTHON_2)),
    "no .npy": lambda whole: archive(("numbers", b"{}")),
    "compressed": compressed,
    "elsewhere": lambda whole: archive(("../numbers.npy", b"")),
    "empty": lambda whole: archive(),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_no_archive_makes_it_stumble(run, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = (run / CHECKPOINT).read_bytes()
    content = ARCHIVES[kind](whole)
    assert content != whole
    (run / CHECKPOINT).write_bytes(content)
    with pytest.raises(ValueError, match=r"checkpoint\.npz is no checkpoint of") as caught:
        run.load_trainer()
    assert str(caught.value).isprintable()
    assert not (tmp_path / "exploded").exists()  # nothing was executed


@pytest.mark.parametrize(
    "content", [None, b"", b"[]", b"\xff\xfe", b'{"format": 1}', b"[" * 99_999]
)
def test_what_is_no_config_is_refused(run, content):
    (run / "config.json").unlink() if content is None else None
    (run / "config.json").write_bytes(content) if content is not None else None
    with pytest.raises(ValueError, match=r"config\.json"):
        run.load_trainer()


def test_a_bomb_of_one_array_many_times_is_not_read(run, monkeypatch):
    """Entries of a zip may lie over each other: a small file that unfolds without compression."""
    arrays = arrays_of(run, CHECKPOINT)
    extra = {f"x{k}": np.zeros(1000) for k in range(50)}
    (run / CHECKPOINT).write_bytes(saved_arrays(**arrays, **extra))
    read, lib = [], np.lib.format.read_array
    monkeypatch.setattr(np.lib.format, "read_array", lambda *a, **k: read.append(a) or lib(*a, **k))
    unpack(run / CHECKPOINT)
    assert len(read) <= len(arrays)


@pytest.mark.skipif(os.name == "nt", reason="POSIX's pipes and links")
@pytest.mark.parametrize("name", ["config.json", CHECKPOINT, BEST, "summary.json", *LOGS])
def test_what_is_no_file_is_not_read(run, tmp_path, name, capsys):
    """Neither a pipe is waited for, nor does a link to nothing make a file elsewhere."""

    def link(path):
        path.symlink_to(tmp_path / "new")

    kinds = [(os.mkfifo, Path.unlink), (os.mkdir, os.rmdir), (link, Path.unlink)]
    commands = [["resume", "--no-media", "--total-steps", "900"]]
    commands += [["play"]] * (name in ("config.json", BEST))  # it shows the best
    commands += [["compare", "--out", run / "x.png"]] * (name in ("config.json", *LOGS))
    for make, remove in kinds:
        (run / name).unlink(missing_ok=True)
        make(run / name)
        for command, *more in commands:
            if make is not link or command == "resume":
                assert f"{name} is no regular file" in refusal(capsys, command, run.path, *more)
        remove(run / name)
    assert not (tmp_path / "new").exists()


CELLS = {
    "progress.csv": {
        "iteration": ["", "x", "nan", "inf", "-1", "1.5", "1e300"],
        "env_steps": ["", "x", "nan", "inf", "-1", "1.5", "1e300"],
        "greedy_return": ["x", "inf", "-inf", "1e200"],
    },
    "episodes.csv": {
        "ended": ["", "x", "nan", "inf", "-1", "1.5", "1e300"],
        "began": ["", "x", "-1", "1e300"],
        "return": ["", "x", "inf", "1e200", "=1+1"],
        "length": ["", "x", "inf", "-1", "0.5"],
    },
}


@pytest.mark.parametrize("name, column", [(n, c) for n in CELLS for c in CELLS[n]])
def test_no_cell_makes_it_stumble(run, name, column, capsys):
    head, first, second, *rest = (run / name).read_text("utf-8").splitlines()
    place = head.split(",").index(column)
    for cell in CELLS[name][column]:
        cells = second.split(",")
        cells[place] = cell
        (run / name).write_text("\n".join([head, first, ",".join(cells), *rest, ""]), "utf-8")
        for read in (lambda: run.read(name), run.resume):
            with pytest.raises(ValueError, match=f"{name} is damaged in line 3"):
                read()
    assert "is damaged in line 3" in refusal(capsys, "compare", run.path, "--out", run / "x.png")


@pytest.mark.parametrize("name", LOGS)
def test_changed_columns_are_told_before_the_training(run, name, capsys):
    """Renamed, dropped, added, exchanged, twice: damaged, and nothing is trained or written."""
    content = (run / name).read_bytes()
    head, *rows = content.decode().splitlines()
    names = head.split(",")
    wrong = [
        ",".join([*names[:-1], "other"]),
        ",".join(names[:-1]),
        f"{head},more",
        ",".join(names[::-1]),
        ",".join([names[0], *names]),
        "\ufeff" + head,
    ]
    for line in wrong:
        (run / name).write_text("\n".join([line, *rows, ""]), "utf-8")
        before = {path.name: path.read_bytes() for path in run.path.glob("[!.]*")}
        said = refusal(capsys, "resume", run.path, "--total-steps", "900", "--no-media")
        assert f"{name} is damaged" in said
        assert {path.name: path.read_bytes() for path in run.path.glob("[!.]*")} == before
    (run / name).write_bytes(content)
    assert run.resume(media=False, total_steps=900).iteration > 0


# ------------------------------------------------------------------ what is no run folder


def test_what_is_no_run_s_folder_is_told_what_would_be(run, tmp_path, capsys):
    (tmp_path / "model.zip").write_bytes(archive())
    file = "is a file; what is meant is a run's folder,"
    for command in ("play", "resume"):
        said = refusal(capsys, command, run / BEST)
        assert said.endswith(f"best.npz {file} {run.path}\n")
        said = refusal(capsys, command, tmp_path / "model.zip")
        assert said.endswith(f"model.zip {file} such as runs/CartPole-v1-ppo-seed0\n")
    assert "config.json does not exist" in refusal(capsys, "play", tmp_path)


def test_what_cannot_be_written_is_said_before_the_work(run, tmp_path, capsys, monkeypatch):
    def work(*arguments, **options):
        pytest.fail("it began to work")

    monkeypatch.setattr("lab.watch.recorder.gif", work)
    monkeypatch.setattr("lab.watch.recorder.KINDS", {".gif": work})
    monkeypatch.setattr("lab.runs.compare", work)
    monkeypatch.setattr("lab.practice.grade", work)
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "x.gif").mkdir()
    (tmp_path / "x.png").mkdir()
    for bad in ("file/x", "x"):
        refusal(capsys, "record", run.path, tmp_path / f"{bad}.gif")
        refusal(capsys, "compare", run.path, "--out", tmp_path / f"{bad}.png")
        refusal(capsys, "grade", "nowhere", "--json", tmp_path / f"{bad}.gif")
    for wrong in ("x.svg", "x.pdf", "x", "png"):
        said = refusal(capsys, "compare", run.path, "--out", tmp_path / wrong)
        assert said.endswith(f"{tmp_path / wrong} must end in .png\n")
    assert "must end in .gif or .mp4" not in refusal(capsys, "record", run.path, tmp_path / "x.txt")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="links take rights there")
def test_no_link_in_a_run_folder_leads_what_is_written_elsewhere(run, tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    (tmp_path / "precious").write_bytes(b"precious")
    names = ["learning_curve.png", "episode.gif", "watch.gif", "summary.json"]
    for name in names:
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(tmp_path / "precious")
    assert main(["resume", str(run.path), "--total-steps", "300"]) == 0
    assert main(["play", str(run.path)]) == 0
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert not any((run / name).is_symlink() for name in names)


# ------------------------------------------------ what a command has begun, it ends


class Counted(Still):
    """It counts those that are open: each might have started a process."""

    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 30}
    open: ClassVar = []
    resets = math.inf  # how many go well

    def __init__(self, render_mode=None):
        self.render_mode = render_mode
        self.open.append(self)

    def reset(self, *, seed=None, options=None):
        Counted.resets -= 1
        if Counted.resets < 0:
            raise OSError("no level")
        return super().reset()

    def render(self):
        return np.zeros((4, 6, 3), np.uint8)

    def close(self):
        if self in self.open:
            self.open.remove(self)


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """The folder of a run in Counted-v0, at step 48 of its end."""
    monkeypatch.setattr(Counted, "resets", math.inf)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.chdir(tmp_path)
    gym.register("Counted-v0", entry_point=Counted, max_episode_steps=5)
    trainer = small_trainer(env_id="Counted-v0")
    with closed(trainer.envs):
        yield RunFolder.create(tmp_path, trainer)
        trainer.envs.close()
        assert not Counted.open
    gym.registry.pop("Counted-v0")


BRIEF = "--total-steps 64 --num-envs 2 --num-steps 8 --eval-episodes 2 --no-media --render"
WELL, WEIGHTS = math.inf, None


@pytest.mark.parametrize(
    "words, resets, status",
    [
        ("resume RUN --total-steps 10", WELL, 2),
        ("record RUN x.txt", WELL, 2),
        ("record RUN file/x.gif", WELL, 2),
        ("record RUN fine.gif", WELL, 0),
        ("play RUN", WELL, 0),
        ("--algo ppo --env Counted-v0 --initial-log-std 1", WELL, 2),
        (f"--algo vpg --env Counted-v0 {BRIEF}", WELL, 0),
        *(
            (f"{command} RUN {option}", resets, 2)
            for command, option in (("resume", "--no-media"), ("record", "x.gif"), ("play", ""))
            for resets in (WEIGHTS, 0, 2, 3)
        ),
        ("record RUN x.gif", 4, 2),
        ("resume RUN --no-media", 5, 1),
    ],
)
def test_every_command_closes_its_environments(counted, words, resets, status, capsys):
    """Also one that fails: the first or later resets raise, or weights are of another network."""
    Path("file").touch()
    before = len(Counted.open)
    if resets is WEIGHTS:
        arrays = {**arrays_of(counted, CHECKPOINT), "policy": np.zeros(3, np.float32)}
        (counted / CHECKPOINT).write_bytes(saved_arrays(**arrays))
    else:
        Counted.resets = resets
    try:
        ended = main(words.replace("RUN", str(counted.path)).split())
    except SystemExit as end:
        ended = end.code
    said = capsys.readouterr().err
    assert (ended, said.count("\n")) == (status, min(status, 1)), said
    if resets != WELL:
        assert ("fit this network" if resets is WEIGHTS else "no level") in said
    assert len(Counted.open) == before


def test_so_does_a_trainer_that_cannot_be_made(counted):
    before = len(Counted.open)
    for resets, settings in ((1, {}), (math.inf, {"initial_log_std": 1.0})):
        Counted.resets = resets
        with pytest.raises((OSError, ValueError)):
            Trainer(vpg, "Counted-v0", vpg.Config(num_envs=3, **settings), seed=0)
        assert len(Counted.open) == before


# ----------------------------------------------------------------- what is left out, or too large


def test_a_setting_that_is_left_out_has_its_default(run, capsys):
    forge(run, "config.json", "config.num_envs", ...)
    forge(run, "config.json", "config.gamma", ...)
    settings = run.about()["config"]
    assert (settings["num_envs"], settings["gamma"]) == (32, 0.99)
    assert main(["compare", str(run.path), "--out", str(run / "x.png")]) == 0
    capsys.readouterr()
    forge(run, "config.json", "config.\x1b[2J", 1)
    assert "config.json is damaged" in refusal(capsys, "compare", run.path, "--out", run / "x.png")


@pytest.mark.parametrize("name", LOGS)
def test_a_file_too_large_to_read_is_refused_unread(run, name, capsys):
    """It has holes: on the disk it takes next to nothing."""
    size = (run / name).stat().st_size
    os.truncate(run / name, 40 * 2**30)
    for words in (["compare", "--out", run / "x.png"], ["resume", "--total-steps", "900"]):
        assert f"{name} has more than 1,000,000,000 bytes" in refusal(
            capsys, words[0], run.path, *words[1:]
        )
    os.truncate(run / name, size)
    assert run.read(name)


def test_too_little_memory_is_said_in_one_line(run, monkeypatch, capsys):
    def lines(self, name):
        raise MemoryError

    monkeypatch.setattr(RunFolder, "lines", lines)
    assert "not enough memory" in refusal(capsys, "compare", run.path, "--out", run / "x.png")
    assert "not enough memory" in refusal(capsys, "resume", run.path, "--total-steps", "900")
