import io
import json
import math
import os
import pickle
import shutil
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import ppo
import vpg
from lab.kit import files, safe_name, write_whole
from lab.runs import carry_out, judging, load_policy, records, runner
from lab.runs.records import BEST, CHECKPOINT, RunFolder, number_text, unpack
from rollout import fit_actions
from training import Trainer


def small_trainer(seed=0, iterations=3, algorithm=vpg, env_id="CartPole-v1", **settings):
    config = algorithm.Config(num_envs=2, num_steps=8, hidden_sizes=(4,), **settings)
    trainer = Trainer(algorithm, env_id, config, seed)
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


def finish(run, returns=(), evaluations=10, **settings):
    """Carry a run out without pictures, its evaluations giving `returns` one after another."""
    trainer = run.resume(media=False, **settings)
    with pytest.MonkeyPatch.context() as patch:
        if returns:
            scripted = iter(returns)
            patch.setattr(judging, "evaluate", lambda *_: np.full(3, next(scripted, 0.0)))
        carry_out(trainer, run, evaluations, 3, media=False)
    return trainer


def test_best_is_the_best_of_all_sessions(tmp_path):
    """Rows without an evaluation are no reason to keep what an earlier session thought best."""
    run = RunFolder.create(tmp_path, small_trainer(iterations=0, total_steps=320))
    finish(run, [1.0, 50.0, 7.0, 7.0], evaluations=3)
    first = unpack(run / BEST)[1]
    assert first["greedy_return"] == 50
    finish(run, [40.0, 60.0, 3.0], evaluations=6, total_steps=640)
    arrays, second = unpack(run / BEST)
    assert second["greedy_return"] == 60 and second["env_steps"] > 320 > first["env_steps"]
    assert run.shown() == BEST
    np.testing.assert_array_equal(load_policy(run.path).parameters, arrays["policy"])


def test_best_survives_a_crash_that_lost_its_row(run):
    """best.npz is written before the row that names its return; the row may be trimmed."""
    run.save(BEST, small_trainer(iterations=9), greedy_return=60.0)
    finish(run, [40.0, 50.0], total_steps=200)
    assert unpack(run / BEST)[1]["greedy_return"] == 60


def test_what_was_interrupted_at_its_end_is_judged_and_drawn_by_resume(tmp_path, monkeypatch):
    run = RunFolder.create(tmp_path, small_trainer(iterations=0, total_steps=320))

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "final_judgement", interrupt)
    with pytest.raises(KeyboardInterrupt):
        finish(run)
    assert run.load_trainer().env_steps >= 320 and not (run / "summary.json").exists()
    monkeypatch.undo()
    before = (run / "progress.csv").read_bytes()
    trainer = run.resume()
    assert not carry_out(trainer, run, 10, 3)
    assert (run / "progress.csv").read_bytes() == before
    assert (
        json.loads((run / "summary.json").read_text(encoding="utf-8"))["env_steps"]
        == trainer.env_steps
    )
    assert {"learning_curve.png", "episode.gif"} <= {path.name for path in run.path.iterdir()}
    with pytest.raises(ValueError, match=r"is at step 3\d\d of 320 and complete; --total-steps"):
        run.resume()


def test_a_summary_or_picture_of_an_earlier_end_is_made_again(run):
    trainer = finish(run, total_steps=200)
    (run / "learning_curve.png").write_bytes(b"old")
    os.utime(run / "learning_curve.png", ns=(0, 0))
    assert run.missing(trainer, media=False) == []
    assert run.missing(trainer) == ["learning_curve.png", "episode.gif"]
    trainer.env_steps += 1
    assert run.missing(trainer, media=False) == ["summary.json"]


def test_a_picture_that_cannot_be_drawn_fails_no_run(tmp_path, capsys):
    class Blind(gym.Env):
        """Neither takes a render_mode nor renders."""

        observation_space = gym.spaces.Box(-1, 1, (2,))
        action_space = gym.spaces.Discrete(2)

        def reset(self, seed=None, options=None):
            return np.zeros(2, np.float32), {}

        def step(self, action):
            return np.zeros(2, np.float32), 1.0, False, False, {}

    gym.register("Blind-v0", Blind, max_episode_steps=5)
    try:
        trainer = small_trainer(iterations=0, env_id="Blind-v0", total_steps=32)
        run = RunFolder.create(tmp_path, trainer)
        assert not carry_out(trainer, run, 1, 3)
        assert (run / "learning_curve.png").exists()
        assert capsys.readouterr().out.splitlines()[-1].startswith("no episode.gif: ")
        assert run.missing(trainer) == ["episode.gif"]  # so that resume tries it again
    finally:
        del gym.registry["Blind-v0"]


def test_the_folder_is_locked_before_it_is_read(run, monkeypatch):
    """What another process wrote just before it let go is where the run goes on."""
    lock = RunFolder.lock

    def other_process_ends(folder):
        folder.save(CHECKPOINT, small_trainer(iterations=7))
        lock(folder)

    monkeypatch.setattr(RunFolder, "lock", other_process_ends)
    assert run.resume().iteration == 7
    monkeypatch.undo()
    with pytest.raises(ValueError, match="is in use by another process"):
        RunFolder(run.path).resume()


def test_steps_that_are_done_are_no_goal(run):
    steps = run.load_trainer().env_steps
    before = (run / "config.json").read_bytes()
    for total_steps in (1, steps):
        with pytest.raises(ValueError, match=f"is at step {steps} already; --total-steps N must"):
            run.resume(total_steps=total_steps)
    assert (run / "config.json").read_bytes() == before
    assert run.resume(total_steps=steps + 1).env_steps == steps


def test_a_damaged_best_checkpoint_is_told_before_the_training(run):
    (run / BEST).write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"best\.npz"):
        run.resume(total_steps=10_000)


def test_every_session_is_kept(run):
    begun = run.load_trainer().env_steps
    ended = [finish(run, total_steps=steps).env_steps for steps in (100, 200)]
    about = run.about()
    assert [session["at_step"] for session in about["sessions"]] == [begun, begun, ended[0]]
    for session in about["sessions"]:
        assert session["versions"]["numpy"] == np.__version__ and session["processor"]
    assert about["config"]["total_steps"] == 200


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_after_a_power_cut_no_row_before_the_checkpoint_is_missing(tmp_path, monkeypatch, cut):
    """A disk that keeps what was flushed and nothing else, cut off after the n-th flush."""
    run = RunFolder.create(tmp_path / "real", small_trainer(iterations=0, total_steps=600))
    disk, flushes, fsync = tmp_path / "disk", [], os.fsync
    shutil.copytree(run.path, disk)

    def keep(descriptor):
        fsync(descriptor)
        flushes.append(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if len(flushes) <= cut:
            if path.is_file():
                shutil.copyfile(path, disk / path.name)  # also under its name beside the target
            else:
                for whole in (CHECKPOINT, BEST, "config.json", "summary.json"):
                    if (path / whole).exists():
                        shutil.copyfile(path / whole, disk / whole)

    monkeypatch.setattr(os, "fsync", keep)
    monkeypatch.setattr(runner, "CHECKPOINT_SECONDS", 0)
    finish(run)
    assert len(flushes) > 45
    monkeypatch.undo()
    with open(disk / "progress.csv", "ab") as file:
        file.write(b"\0\0\0")  # what some file systems leave behind
    cut_off = RunFolder(disk)
    trainer = finish(cut_off)
    assert trainer.env_steps >= 600
    iterations = cut_off.read("progress.csv")["iteration"]
    np.testing.assert_array_equal(iterations, np.arange(1, trainer.iteration + 1))
    assert not list(disk.glob(".*.new"))


def test_an_empty_csv_file_gets_its_header(run):
    (run / "progress.csv").write_bytes(b"")
    finish(run, total_steps=200)
    assert run.read("progress.csv")["iteration"][0] == 4


def test_many_writers_of_one_file_do_not_disturb_each_other(tmp_path):
    contents = [bytes([number]) * 50_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            list(pool.map(lambda data: write_whole(tmp_path / "file", data), contents))
            assert (tmp_path / "file").read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_new_folders_asked_for_at_once_are_different(tmp_path):
    def make(number):
        return files.new_folder(
            tmp_path, "a:b", lambda path: (path / "n").write_text(str(number), encoding="utf-8")
        )

    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(make, range(8)))
    assert {path.name for path in paths} == {"a-b", *(f"a-b-{n}" for n in range(2, 9))}
    assert [(path / "n").read_text(encoding="utf-8") for path in paths] == list("01234567")
    assert len(list(tmp_path.iterdir())) == 8


def test_what_a_killed_process_left_is_cleaned_up(run):
    """And nothing else, be it named almost so: a folder of runs, and a run's, may hold anything."""
    runs_dir, long_ago = run.path.parent, (0, time.time() - 2 * files.ABANDONED_SECONDS)
    old, new = (files._unfinished(runs_dir) for _ in range(2))
    foreign = [runs_dir / name for name in (".new-photos", ".photos.new", f".{'0f' * 16}.new-2")]
    for path in (old, new, *foreign):
        path.mkdir()
        (path / "config.json").touch()
        os.utime(path, None if path == new else long_ago)
    (run / "mine").mkdir()
    (run / "seeds").mkdir()
    drafts = [run / name for name in (".draft.new", "mine/.draft.new", "seeds/.draft.new")]
    drafts.append(files._unfinished(run / "mine"))
    left = [files._unfinished(run.path), files._unfinished(run / "seeds")]
    for path in (*drafts, *left):
        path.touch()
    folder = files._unfinished(run.path)
    folder.mkdir()
    RunFolder.create(runs_dir, small_trainer())
    run.lock()
    assert new.exists() and not old.exists()
    assert all(path.exists() for path in (*foreign, *drafts, folder))
    assert not any(path.exists() for path in left)


def test_what_is_not_finished_has_a_name_that_is_recognised(tmp_path):
    seen = []
    files.new_folder(tmp_path / "runs", "name", seen.append)
    with files._beside(tmp_path / "name") as beside:
        seen.append(beside)
    assert len(seen) == 2 and all(files.OURS.fullmatch(path.name) for path in seen)


def test_a_file_that_somebody_has_open_is_replaced_a_little_later(tmp_path, monkeypatch):
    """Windows refuses it for as long as a viewer or a virus scanner looks at the file."""
    really, refusals = os.replace, [2]

    def replace(source, target):
        if refusals[0]:
            refusals[0] -= 1
            raise PermissionError(13, "Access is denied")
        really(source, target)

    monkeypatch.setattr(files.os, "replace", replace)
    write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    refusals[0] = 100
    monkeypatch.setattr(files, "RETRY_SECONDS", (0, 0))
    with pytest.raises(files.CannotWrite, match="Access is denied"):
        write_whole(tmp_path / "file", b"newer")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "text, name",
    [
        ("gym/CartPole-v1", "gym-CartPole-v1"),
        ("module:Mine-v0", "module-Mine-v0"),
        ('a<b>"c|d?e*f\\g\n', "a-b--c-d-e-f-g-"),
        ("γ=0.9 (a)", "γ=0.9--a-"),
    ],
)
def test_names_that_every_file_system_takes(text, name):
    assert safe_name(text) == name


@pytest.mark.parametrize(
    "algorithm, env_id, settings",
    [
        (vpg, "CartPole-v1", {}),
        (ppo, "Pendulum-v1", {"activation": "relu", "minibatch_size": 16}),
        (ppo, "MountainCar-v0", {"normalize_observations": True, "minibatch_size": 16}),
    ],
)
def test_load_policy_needs_no_environment(tmp_path, monkeypatch, algorithm, env_id, settings):
    trainer = small_trainer(algorithm=algorithm, env_id=env_id, **settings)
    run = RunFolder.create(tmp_path, trainer)
    space = trainer.envs.single_action_space
    obs = trainer.envs.single_observation_space.sample()[None].repeat(5, axis=0)

    def forbidden(*arguments, **settings):
        raise AssertionError("no environment is needed")

    monkeypatch.setattr(gym, "make_vec", forbidden)
    monkeypatch.setattr(gym, "make", forbidden)
    policy = load_policy(str(run.path))
    np.testing.assert_array_equal(policy.greedy(obs), trainer.policy.greedy(obs))
    one, other = (p.sample(obs, np.random.default_rng(1)) for p in (policy, trainer.policy))
    np.testing.assert_array_equal(one[0], fit_actions(other[0], space))
    assert space.contains(policy.greedy(obs)[0])


@pytest.mark.parametrize(
    "space", [None, 3, {}, {"start": "x"}, {"start": None}, {"low": [0], "high": [1], "dtype": "x"}]
)
def test_load_policy_and_what_is_saved_of_the_action_space(run, space):
    """A folder of an earlier version tells nothing of it: there the policy's own actions come."""
    about = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert about["action_space"] == {"start": 0}
    (run / "config.json").write_text(json.dumps({**about, "action_space": space}), "utf-8")
    if space is None:
        assert load_policy(run.path).greedy(np.zeros((2, 4), np.float32)).shape == (2,)
        return
    with pytest.raises(ValueError, match=r"cannot be used: |is damaged: ") as raised:
        load_policy(run.path)
    assert "\n" not in str(raised.value)


def test_load_policy_refuses_weights_of_another_network(run):
    about = json.loads((run / "config.json").read_text(encoding="utf-8"))
    (run / "config.json").write_text(json.dumps({**about, "obs_dim": 5}), encoding="utf-8")
    with pytest.raises(ValueError, match="don't fit its network"):
        load_policy(run.path)


@pytest.mark.parametrize(
    "settings, culprit",
    [({"algorithm": ppo, "minibatch_size": 16}, "algorithm"), ({"seed": 1}, "seed"),
     ({"env_id": "Acrobot-v1"}, "env_id")],
)  # fmt: skip
def test_another_run_s_checkpoint_is_refused(run, settings, culprit):
    run.save(CHECKPOINT, small_trainer(**settings))
    for read in (run.load_trainer, run.resume, lambda: load_policy(run.path)):
        with pytest.raises(ValueError, match=f"is of another run: its {culprit} is"):
            read()


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


def changed(name, value):
    """A breakage: this number of the checkpoint is something else."""

    def change(path):
        arrays, numbers = unpack(path)
        return saved_arrays(**arrays, numbers=json.dumps({**numbers, name: value}))

    change.__name__ = f"{name}={value}"
    return change


def compressed(path):
    (arrays, numbers), data = unpack(path), io.BytesIO()
    np.savez_compressed(data, **arrays, numbers=json.dumps(numbers))
    return data.getvalue()


def not_finite(path):
    arrays, numbers = unpack(path)
    arrays["value"][0] = np.nan
    return saved_arrays(**arrays, numbers=json.dumps(numbers))


def nested(path):
    return saved_arrays(numbers="[" * 100_000)


def lying(path):
    """A header that promises more numbers than any memory holds."""
    data = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**15,)}
    np.lib.format.write_array_header_1_0(data, header)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("numbers.npy", data.getvalue())
    return archive.getvalue()


BROKEN = [
    *(compressed, not_finite, nested, lying),
    *(changed("env_steps", "12"), changed("episodes", None), changed("train_seconds", "x")),
    *(changed("policy_t", None), changed("policy_t", -1), changed("recent_returns", ["a"])),
    *(changed("memory", {"kl_coefficient": "x"}), changed("memory", 5)),
    *(changed("acting_rng", {}), changed("shuffling_rng", None), changed("recent_returns", 3)),
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
        {"seed": None},
        {"env_id": None},
        {"config": {"gamma": [0.9]}},
        {"config": {"hidden_sizes": [1e9]}},
        {"config": {"normalize_advantages": "no"}},
        {"sessions": None},
        {"obs_dim": "four"},
    ],
    ids=str,
)
def test_unusable_configs_are_refused(run, change):
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    (run / "config.json").write_text(json.dumps({**config, **change}), encoding="utf-8")
    with pytest.raises(ValueError) as caught:
        run.load_trainer()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [None, b"", b"[]", b"\xff\xfe", b'{"format": 1}', b"[" * 99_999]
)
def test_unreadable_configs_are_refused(run, content):
    path = run / "config.json"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ValueError):
        run.load_trainer()


def test_csv_files_grow_by_rows_and_read_back(run):
    names = "iteration", "env_steps", "greedy_return", "x"
    run.append("progress.csv", [dict(zip(names, (1, 8, float("nan"), 0.1), strict=True))])
    run.append("progress.csv", [dict(zip(names, (2, 16, 2, np.float32(1 / 3)), strict=True))])
    first_line = (run / "progress.csv").read_text(encoding="utf-8").splitlines()[0]
    assert first_line == "iteration,env_steps,greedy_return,x"
    columns = run.read("progress.csv")
    np.testing.assert_array_equal(columns["iteration"], [1, 2])
    np.testing.assert_array_equal(columns["greedy_return"], [np.nan, 2])
    assert np.float32(columns["x"][1]) == np.float32(1 / 3)  # nine digits carry every bit


def test_a_half_written_row_is_left_out(run):
    run.append("progress.csv", [{"iteration": 1, "env_steps": 8, "greedy_return": 0.5}])
    with open(run / "progress.csv", "a", encoding="utf-8") as file:
        file.write("2,8,0.")
    np.testing.assert_array_equal(run.read("progress.csv")["iteration"], [1])


def test_missing_files_read_as_nothing(run):
    assert run.read("progress.csv") == {}


def test_trim_drops_what_came_after_the_checkpoint(run):
    trainer = run.load_trainer()
    row = {"iteration": 0, "env_steps": 8, "greedy_return": 0.5}
    for iteration in range(1, 6):
        run.append("progress.csv", [{**row, "iteration": iteration}])
    for steps in (16, trainer.env_steps, trainer.env_steps + 1):
        run.append("episodes.csv", [{"began": 0, "ended": steps, "return": 9.0, "length": 9}])
    with open(run / "progress.csv", "a", encoding="utf-8") as file:
        file.write("6,8,0.")
    run.trim(trainer)
    np.testing.assert_array_equal(run.read("progress.csv")["iteration"], [1, 2, 3])
    np.testing.assert_array_equal(run.read("episodes.csv")["ended"], [16, trainer.env_steps])
    assert (run / "progress.csv").read_text(encoding="utf-8").endswith("\n")


@pytest.mark.parametrize(
    "content, where",
    [
        (b"1,16,0.5\n2,32,0.5\n", "its first line names no column iteration"),
        (b"iteration,env_steps\n1,16\n", "its first line names no column greedy_return"),
        (b"iteration,env_steps,greedy_return\n1,16,0.5\n\n3,48,0.5\n", "in line 3"),
        (b"iteration,env_steps,greedy_return\n1,16,0.5\n2,32\n3,48,0.5\n", "in line 3"),
        (b"iteration,env_steps,greedy_return\n1,16,0.5\n2,32,1,1\n3,48,0.5\n", "in line 3"),
        (b"iteration,env_steps,greedy_return\n1,sixteen,0.5\n", "in line 2"),
        (b"iteration,env_steps,greedy_return\n1,\xff\xfe,0.5\n", "in line 2"),
    ],
)
def test_a_damaged_csv_file_is_refused_in_one_line(run, content, where):
    (run / "progress.csv").write_bytes(content)
    for read in (run.resume, lambda: run.read("progress.csv")):
        with pytest.raises(ValueError) as caught:
            read()
        assert where in str(caught.value) and "progress.csv is damaged" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert (run / "progress.csv").read_bytes() == content


@pytest.mark.parametrize("end", [b"", b"\0\0\0", b"3,4", b"3,48,0.5\0"])
def test_what_a_crash_leaves_at_the_end_is_no_damage(run, end):
    head = b"iteration,env_steps,greedy_return\r\n"
    (run / "progress.csv").write_bytes(head + b"1,16,0.5\r\n2,32,\r\n" + end)
    columns = run.read("progress.csv")
    np.testing.assert_array_equal(columns["iteration"], [1, 2])
    np.testing.assert_array_equal(columns["greedy_return"], [0.5, np.nan])


def test_rows_go_only_under_their_own_columns(run):
    """A column that was renamed or cut by hand: nothing is written beside it."""
    content = b"iteration,env_steps,greedy_return,kl\r\n1,16,0.5,0\r\n"
    (run / "progress.csv").write_bytes(content)
    row = {"iteration": 2, "env_steps": 32, "greedy_return": 1.0}
    with pytest.raises(files.CannotWrite) as caught:
        run.append("progress.csv", [{**row, "entropy": 0.5}])
    assert "its first line is not iteration,env_steps,greedy_return,entropy" in str(caught.value)
    assert (run / "progress.csv").read_bytes() == content
    run.append("progress.csv", [{**row, "kl": 0.5}])
    np.testing.assert_array_equal(run.read("progress.csv")["kl"], [0, 0.5])


def test_a_run_is_judged_and_ends_as_it_was_begun(tmp_path):
    run = RunFolder.create(tmp_path, small_trainer(iterations=0, total_steps=640), max_episodes=5)
    trainer = run.resume(media=False, **run.about()["judging"])
    assert not carry_out(trainer, run, 1, 2, max_episodes=5, media=False)
    assert trainer.episodes >= 5 and trainer.env_steps < 640
    with pytest.raises(ValueError, match="and complete; --max-episodes N goes further"):
        run.resume(media=False, max_episodes=5)
    (run / "summary.json").unlink()
    before = trainer.env_steps
    trainer = run.resume(media=False, max_episodes=5)
    assert not carry_out(trainer, run, 1, 2, max_episodes=5, media=False)  # judged, no step more
    assert trainer.env_steps == before and (run / "summary.json").exists()


@pytest.mark.parametrize(
    "number, text",
    [
        (500.0, "500"),
        (0.1, "0.1"),
        (2.0**24 + 1, "16777217"),
        (3 * (2.0**40 + 1), "3298534883331.0"),
        (1 / 3, "0.3333333333333333"),
        (-1e-30 / 3, "-3.3333333333333338e-31"),
        (12, "12"),
        (math.nan, ""),
        (None, ""),
        (math.inf, "inf"),
    ],
)
def test_a_number_s_text_gives_it_back(number, text):
    assert number_text(number) == text
    if text:
        assert type(number)(text) == number
