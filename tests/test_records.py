import io
import json
import pickle
import zipfile

import numpy as np
import pytest

import vpg
from lab.runs import files, records, write_whole
from lab.runs.records import BEST, CHECKPOINT, RunFolder, unpack
from training import Trainer


def small_trainer(seed=0, iterations=3, **settings):
    config = vpg.Config(num_envs=2, num_steps=8, hidden_sizes=(4,), **settings)
    trainer = Trainer(vpg, "CartPole-v1", config, seed)
    for _ in range(iterations):
        trainer.iterate()
    return trainer


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path, small_trainer())


def test_a_new_folder_is_complete_and_earlier_ones_stay(tmp_path):
    first = RunFolder.create(tmp_path, small_trainer())
    content = {path.name: path.read_bytes() for path in first.path.iterdir()}
    second = RunFolder.create(tmp_path, small_trainer())
    third = RunFolder.create(tmp_path, small_trainer())
    names = [folder.path.name for folder in (first, second, third)]
    assert names == [f"CartPole-v1-vpg-seed0{suffix}" for suffix in ("", "-2", "-3")]
    assert {path.name: path.read_bytes() for path in first.path.iterdir()} == content
    assert content.keys() == {"config.json", CHECKPOINT}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)  # no leftovers


def test_a_checkpoint_brings_everything_back(run):
    trainer = small_trainer(iterations=5)
    trainer.learner.memory["kl_coefficient"] = 0.25
    run.save(BEST, trainer)
    loaded = run.load_trainer(BEST)
    for name, array in trainer.state()[0].items():
        np.testing.assert_array_equal(loaded.state()[0][name], array)
    assert loaded.state()[1] == trainer.state()[1]
    assert loaded.config == trainer.config and loaded.algorithm is vpg and loaded.seed == 0


def test_loading_twice_goes_on_with_the_same_bits(run):
    one, other = run.load_trainer(), run.load_trainer()
    for _ in range(3):
        one.iterate(), other.iterate()
    np.testing.assert_array_equal(one.policy.parameters, other.policy.parameters)


def test_write_whole_keeps_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_whole(path, b"old")

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"


class Bomb:
    """What an attacker would pickle."""

    def __reduce__(self):
        return (open, ("exploded", "w"))


def saved_arrays(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def foreign(path):
    return saved_arrays(weights=np.ones(3))


def truncated(path):
    return path.read_bytes()[: path.stat().st_size // 2]


def empty(path):
    return b""


def text(path):
    return b"not a checkpoint"


def flipped(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    return bytes(data)


def pickled(path):
    return pickle.dumps(Bomb())


def pickled_inside(path):
    data = io.BytesIO()
    np.save(data, np.array([Bomb()], object), allow_pickle=True)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("numbers.npy", data.getvalue())
    return archive.getvalue()


def not_json(path):
    return saved_arrays(numbers="{")


def newer(path):
    arrays, numbers = unpack(path)
    return saved_arrays(**arrays, numbers=json.dumps({**numbers, "format": records.FORMAT + 1}))


def other_network(path):
    arrays, numbers = unpack(path)
    arrays["policy"] = np.zeros(3)
    return saved_arrays(**arrays, numbers=json.dumps(numbers))


def missing_counter(path):
    arrays, numbers = unpack(path)
    del numbers["env_steps"]
    return saved_arrays(**arrays, numbers=json.dumps(numbers))


BROKEN = [
    *(foreign, truncated, empty, text, flipped, pickled, pickled_inside, not_json, newer),
    *(other_network, missing_counter),
]


@pytest.mark.parametrize("breakage", BROKEN, ids=lambda breakage: breakage.__name__)
def test_unusable_checkpoints_are_refused(run, breakage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = run / CHECKPOINT
    path.write_bytes(breakage(path))
    with pytest.raises(ValueError) as caught:
        run.load_trainer()
    assert str(run.path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "exploded").exists()  # nothing was executed


@pytest.mark.parametrize(
    "change",
    [
        {"format": 99},
        {"algorithm": "os"},
        {"algorithm": 3},
        {"config": {"gamma": 7}},
        {"config": {"unheard_of": 1}},
        {"config": 5},
        {"env_id": "Nowhere-v0"},
        {"seed": -1},
        {"seed": "zero"},
    ],
    ids=str,
)
def test_unusable_configs_are_refused(run, change):
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ValueError) as caught:
        run.load_trainer()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"[]", b"\xff\xfe", b'{"format": 1}'])
def test_unreadable_configs_are_refused(run, content):
    path = run / "config.json"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ValueError):
        run.load_trainer()


def test_csv_files_grow_by_rows_and_read_back(run):
    run.append("progress.csv", [{"iteration": 1, "x": 0.1, "y": float("nan")}])
    run.append("progress.csv", [{"iteration": 2, "x": np.float32(1 / 3), "y": 2}])
    assert (run / "progress.csv").read_text().splitlines()[0] == "iteration,x,y"
    columns = run.read("progress.csv")
    np.testing.assert_array_equal(columns["iteration"], [1, 2])
    np.testing.assert_array_equal(columns["y"], [np.nan, 2])
    assert np.float32(columns["x"][1]) == np.float32(1 / 3)  # nine digits carry every bit


def test_a_half_written_row_is_left_out(run):
    run.append("progress.csv", [{"iteration": 1, "x": 0.5}])
    with open(run / "progress.csv", "a") as file:
        file.write("2,0.")
    np.testing.assert_array_equal(run.read("progress.csv")["iteration"], [1])


def test_missing_files_read_as_nothing(run):
    assert run.read("progress.csv") == {}


def test_trim_drops_what_came_after_the_checkpoint(run):
    trainer = run.load_trainer()
    for iteration in range(1, 6):
        run.append("progress.csv", [{"iteration": iteration, "x": 0.5}])
    for steps in (16, trainer.env_steps, trainer.env_steps + 1):
        run.append("episodes.csv", [{"began": 0, "ended": steps, "return": 9.0}])
    with open(run / "progress.csv", "a") as file:
        file.write("6,0.")
    run.trim(trainer)
    np.testing.assert_array_equal(run.read("progress.csv")["iteration"], [1, 2, 3])
    np.testing.assert_array_equal(run.read("episodes.csv")["ended"], [16, trainer.env_steps])
    assert (run / "progress.csv").read_text().endswith("\n")
