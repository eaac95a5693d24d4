"""A run folder is written, read back, taken up again, and whole after a crash."""

import io
import json
import math
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import ppo
import vpg
from lab.kit import files, safe_name, write_whole
from lab.runs import judging, load_policy, run_training, runner
from lab.runs.records import BEST, CHECKPOINT, CURVE, RECORDING, RunFolder, number_text, unpack
from lab.watch import Session
from rollout import fit_actions
from training import Trainer


def small_trainer(seed=0, iterations=3, algorithm=vpg, env_id="CartPole-v1", **settings):
    config = algorithm.Config(num_envs=2, num_steps=8, hidden_sizes=(4,), **settings)
    trainer = Trainer(algorithm, env_id, config, seed)
    for _ in range(iterations):
        trainer.iterate()
    return trainer


class Still(gym.Env):
    """An environment in which nothing moves, and every step gives a reward of 1."""

    observation_space, action_space = gym.spaces.Box(-1, 1, (2,)), gym.spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 1.0, False, False, {}


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path, small_trainer())


@pytest.fixture
def fresh(tmp_path):
    """A run of 320 steps that has not begun."""
    return RunFolder.create(tmp_path, small_trainer(iterations=0, total_steps=320))


def finish(run, returns=(), evaluations=10, media=False, **settings):
    """Take a run up and train to its end; its evaluations give `returns` one after another."""
    trainer = run.resume(media, **settings)
    with pytest.MonkeyPatch.context() as patch:
        if returns:
            scripted = iter(returns)
            patch.setattr(judging, "evaluate", lambda *_: np.full(3, next(scripted, 0.0)))
        assert not run_training(trainer, run, evaluations, 3, media=media)
    return trainer


def change(run, **changes):
    """Change values in config.json."""
    about = json.loads((run / "config.json").read_text("utf-8"))
    (run / "config.json").write_text(json.dumps({**about, **changes}), "utf-8")


def saved_arrays(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


# ------------------------------------------------------------------- a folder of its own


def test_a_new_folder_is_complete_and_earlier_ones_stay(tmp_path):
    first = RunFolder.create(tmp_path, small_trainer())
    content = {path.name: path.read_bytes() for path in first.path.iterdir()}
    others = [RunFolder.create(tmp_path, small_trainer()) for _ in range(2)]
    names = [f"CartPole-v1-vpg-seed0{suffix}" for suffix in ("", "-2", "-3")]
    assert [folder.path.name for folder in (first, *others)] == names
    assert {path.name: path.read_bytes() for path in first.path.iterdir()} == content
    assert content.keys() == {"config.json", CHECKPOINT}
    assert sorted(path.name for path in tmp_path.iterdir()) == names  # no leftovers


def test_many_writers_at_once_do_not_disturb_each_other(tmp_path):
    contents = [bytes([number]) * 50_000 for number in range(8)]

    def make(number):
        return files.new_folder(tmp_path, "a:b", lambda path: (path / str(number)).touch())

    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            list(pool.map(lambda data: write_whole(tmp_path / "file", data), contents))
            assert (tmp_path / "file").read_bytes() in contents
        paths = list(pool.map(make, range(8)))
    assert {path.name for path in paths} == {"a-b", *(f"a-b-{n}" for n in range(2, 9))}
    assert all((path / str(number)).exists() for number, path in enumerate(paths))
    assert len(list(tmp_path.iterdir())) == 9


def test_what_a_killed_process_left_is_cleaned_up(run):
    """And nothing else, be it named almost so: a folder of runs, and a run's, may hold anything."""
    runs_dir, long_ago = run.path.parent, (0, time.time() - 2 * files.ABANDONED_SECONDS)
    old, new = (files._unfinished(runs_dir) for _ in range(2))
    stay = [runs_dir / name for name in (".new-photos", ".photos.new", f".{'0f' * 16}.new-2")]
    for path in (old, new, *stay):
        path.mkdir()
        (path / "config.json").touch()
        os.utime(path, None if path == new else long_ago)
    for name in ("mine", "seeds"):
        (run / name).mkdir()
    left = [files._unfinished(run.path), files._unfinished(run / "seeds")]
    drafts = [run / name for name in (".draft.new", "mine/.draft.new", "seeds/.draft.new")]
    drafts.append(files._unfinished(run / "mine"))
    for path in (*drafts, *left):
        path.touch()
    folder = files._unfinished(run.path)
    folder.mkdir()
    RunFolder.create(runs_dir, small_trainer())
    run.lock()
    assert all(path.exists() for path in (new, *stay, *drafts, folder))
    assert not any(path.exists() for path in (old, *left))


def test_what_is_not_finished_has_a_name_that_is_recognised(tmp_path):
    seen = []
    files.new_folder(tmp_path / "runs", "name", seen.append)
    with files._beside(tmp_path / "name") as beside:
        seen.append(beside)
    assert len(seen) == 2 and all(files.OURS.fullmatch(path.name) for path in seen)


def test_a_file_that_cannot_be_replaced_keeps_what_it_held(tmp_path, monkeypatch):
    """Windows refuses it for as long as a viewer looks at the file, a full disk always."""
    really, refusals = os.replace, [2]

    def replace(source, target):
        refusals[0] -= 1
        if refusals[0] >= 0:
            raise PermissionError(13, "Access is denied")
        really(source, target)

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", replace)
    monkeypatch.setattr(files, "RETRY_SECONDS", (0, 0))
    write_whole(tmp_path / "file", b"new")  # a little later
    assert (tmp_path / "file").read_bytes() == b"new"
    refusals[0] = 100
    with pytest.raises(files.CannotWrite, match="Access is denied"):
        write_whole(tmp_path / "file", b"newer")
    monkeypatch.setattr(files.os, "fsync", no_space)
    with pytest.raises(files.CannotWrite, match="No space"):
        write_whole(tmp_path / "file", b"newer")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_names_that_every_file_system_takes():
    for text, name in (
        ("gym/CartPole-v1", "gym-CartPole-v1"),
        ('a<b>"c|d?e*f\\g\n', "a-b--c-d-e-f-g-"),
        ("γ=0.9 (a)", "γ=0.9--a-"),
    ):
        assert safe_name(text) == name


# --------------------------------------------------------------------- taken up again


def test_a_checkpoint_brings_everything_back_and_goes_on_with_the_same_bits(run):
    trainer = small_trainer(iterations=5)
    trainer.learner.memory["kl_coefficient"] = 0.25
    run.save(BEST, trainer)
    one, other = run.load_trainer(BEST), run.load_trainer(BEST)
    for name, array in trainer.state()[0].items():
        np.testing.assert_array_equal(one.state()[0][name], array)
    assert one.state()[1] == trainer.state()[1]
    assert one.config == trainer.config and one.algorithm is vpg and one.seed == 0
    one.iterate(), other.iterate()
    np.testing.assert_array_equal(one.policy.parameters, other.policy.parameters)


def test_best_is_the_best_of_all_sessions(fresh):
    """Rows without an evaluation are no reason to keep what an earlier session thought best."""
    finish(fresh, [1.0, 50.0, 7.0, 7.0], evaluations=3)
    first = unpack(fresh / BEST)[1]
    assert first["greedy_return"] == 50
    finish(fresh, [40.0, 60.0, 3.0], evaluations=6, total_steps=640)
    arrays, second = unpack(fresh / BEST)
    assert second["greedy_return"] == 60 and second["env_steps"] > 320 > first["env_steps"]
    assert fresh.shown() == BEST
    np.testing.assert_array_equal(load_policy(fresh.path).parameters, arrays["policy"])


def test_best_survives_a_crash_that_lost_its_row(run):
    """best.npz is written before the row that names its return; the row may be trimmed."""
    run.save(BEST, small_trainer(iterations=9), greedy_return=60.0)
    finish(run, [40.0, 50.0], total_steps=200)
    assert unpack(run / BEST)[1]["greedy_return"] == 60


@pytest.mark.slow
def test_what_is_missing_at_its_end_is_made_by_resume(fresh, monkeypatch, capsys):
    """A judgement that was interrupted, a picture that could not be drawn, one that is older."""

    def interrupt(*_):
        raise KeyboardInterrupt

    def not_shown(trainer, seed):
        raise ValueError("it shows\nnothing")

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(runner, "final_judgement", interrupt)
        finish(fresh)
    assert fresh.load_trainer().env_steps >= 320 and not (fresh / "summary.json").exists()
    before = (fresh / "progress.csv").read_bytes()
    monkeypatch.setattr(Session, "of", not_shown)
    trainer = finish(fresh, media=True)
    assert (fresh / "progress.csv").read_bytes() == before
    assert json.loads((fresh / "summary.json").read_text("utf-8"))["env_steps"] == trainer.env_steps
    assert capsys.readouterr().out.endswith(f"\nno {RECORDING}: it shows\n")
    assert (fresh / CURVE).exists() and fresh.missing(trainer, media=False) == []
    os.utime(fresh / CURVE, ns=(0, 0))
    assert fresh.missing(trainer) == [CURVE, RECORDING]
    for name in (CURVE, RECORDING):
        (fresh / name).write_bytes(b"drawn")
    with pytest.raises(ValueError, match=r"is at step 3\d\d of 320 and complete; --total-steps"):
        fresh.resume()
    trainer.env_steps += 1
    assert fresh.missing(trainer) == ["summary.json", CURVE, RECORDING]


def test_the_folder_is_locked_before_it_is_read(run, monkeypatch):
    """What another process wrote just before it let go is where the run goes on."""
    lock = RunFolder.lock

    def other_process_ends(folder):
        folder.save(CHECKPOINT, small_trainer(iterations=7))
        lock(folder)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "lock", other_process_ends)
        assert run.resume().iteration == 7
    with pytest.raises(ValueError, match="is in use by another process"):
        RunFolder(run.path).resume()


def test_what_cannot_go_on_is_refused_before_anything_is_written(run, monkeypatch):
    steps = run.load_trainer().env_steps
    before = (run / "config.json").read_bytes()
    for total_steps in (1, steps):
        with pytest.raises(ValueError, match=f"is at step {steps} already; --total-steps N must"):
            run.resume(total_steps=total_steps)
    (run / BEST).write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"best\.npz"):
        run.resume(total_steps=10_000)
    (run / BEST).unlink()
    with monkeypatch.context() as patch, pytest.raises(ValueError, match="no environment 'CartP"):
        patch.delitem(gym.registry, "CartPole-v1")
        run.resume()
    assert (run / "config.json").read_bytes() == before
    assert RunFolder(run.path).resume(total_steps=steps + 1).env_steps == steps


def test_every_session_is_kept(run):
    begun = run.load_trainer().env_steps
    ended = [finish(run, total_steps=steps).env_steps for steps in (100, 200)]
    about = run.about()
    assert [session["at_step"] for session in about["sessions"]] == [begun, begun, ended[0]]
    for session in about["sessions"]:
        assert session["versions"]["numpy"] == np.__version__ and session["processor"]
    assert about["config"]["total_steps"] == 200


def test_a_run_is_judged_and_ends_as_it_was_begun(tmp_path):
    run = RunFolder.create(tmp_path, small_trainer(iterations=0, total_steps=640), max_episodes=5)
    trainer = run.resume(False, **run.about()["judging"])
    assert not run_training(trainer, run, 1, 2, max_episodes=5, media=False)
    assert trainer.episodes >= 5 and trainer.env_steps < 640
    assert np.isfinite(run.read("progress.csv")["greedy_return"][-1])
    with pytest.raises(ValueError, match="and complete; --max-episodes N goes further"):
        run.resume(False, max_episodes=5)
    (run / "summary.json").unlink()
    before = trainer.env_steps
    trainer = run.resume(False, max_episodes=5)
    assert not run_training(trainer, run, 1, 2, max_episodes=5, media=False)  # judged, no step more
    assert trainer.env_steps == before and (run / "summary.json").exists()


@pytest.mark.slow
def test_after_a_power_cut_no_row_before_the_checkpoint_is_missing(fresh, tmp_path, monkeypatch):
    """A disk that keeps what was flushed and nothing else, cut off after any flush."""
    disk, flushes, cuts, fsync = tmp_path / "disk", [], [], os.fsync
    shutil.copytree(fresh.path, disk)

    def keep(descriptor):
        fsync(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.is_file():
            shutil.copyfile(path, disk / path.name)  # also under its name beside the target
        else:
            for whole in (CHECKPOINT, BEST, "config.json", "summary.json"):
                if (path / whole).exists():
                    shutil.copyfile(path / whole, disk / whole)
        flushes.append(descriptor)
        if len(flushes) % 7 == 1:
            cuts.append(RunFolder(shutil.copytree(disk, tmp_path / f"cut {len(cuts)}")))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", keep)
        patch.setattr(runner, "CHECKPOINT_SECONDS", 0)
        finish(fresh, evaluations=5)
    assert len(cuts) > 12
    for cut in cuts:
        with open(cut / "progress.csv", "ab") as file:
            file.write(b"\0\0\0")  # what some file systems leave behind
        trainer = cut.resume(total_steps=400)
        iterations = cut.read("progress.csv").get("iteration", [])
        np.testing.assert_array_equal(iterations, np.arange(1, trainer.iteration + 1))
        assert not list(cut.path.glob(".*.new"))
    assert trainer.env_steps >= 320 > finish(cuts[3]).iteration > 0


# --------------------------------------------------------------------- a run's policy


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
    for name in ("make_vec", "make"):
        monkeypatch.setattr(gym, name, lambda *arguments, **options: pytest.fail("not needed"))
    policy = load_policy(str(run.path))
    np.testing.assert_array_equal(policy.greedy(obs), trainer.policy.greedy(obs))
    one, other = (p.sample(obs, np.random.default_rng(1)) for p in (policy, trainer.policy))
    np.testing.assert_array_equal(one[0], fit_actions(other[0], space))
    assert space.contains(policy.greedy(obs)[0])


def test_load_policy_refuses_weights_of_another_network(run):
    change(run, obs_dim=5)
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


# ------------------------------------------------------------------------- CSV files

ROW = {"iteration": 1, "env_steps": 8, "greedy_return": 0.5}


def test_csv_files_grow_by_rows_and_read_back(run):
    assert run.read("progress.csv") == {}
    (run / "progress.csv").write_bytes(b"")  # it gets its first line all the same
    run.append("progress.csv", [{**ROW, "greedy_return": float("nan"), "x": 0.1}])
    run.append("progress.csv", [{**ROW, "iteration": 2, "x": np.float32(1 / 3)}])
    lines = (run / "progress.csv").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["iteration,env_steps,greedy_return,x", "1,8,,0.1"]
    columns = run.read("progress.csv")
    np.testing.assert_array_equal(columns["iteration"], [1, 2])
    np.testing.assert_array_equal(columns["greedy_return"], [np.nan, 0.5])
    assert np.float32(columns["x"][1]) == np.float32(1 / 3)  # nine digits carry every bit


def test_trim_drops_what_came_after_the_checkpoint(run):
    trainer = run.load_trainer()
    for iteration in range(1, 6):
        run.append("progress.csv", [{**ROW, "iteration": iteration}])
    for steps in (16, trainer.env_steps, trainer.env_steps + 1):
        run.append("episodes.csv", [{"began": 0, "ended": steps, "return": 9.0, "length": 9}])
    with open(run / "progress.csv", "a", encoding="utf-8") as file:
        file.write("6,8,0.")
    run.trim(trainer)
    np.testing.assert_array_equal(run.read("progress.csv")["iteration"], [1, 2, 3])
    np.testing.assert_array_equal(run.read("episodes.csv")["ended"], [16, trainer.env_steps])
    assert (run / "progress.csv").read_text(encoding="utf-8").endswith("\n")


HEAD = b"iteration,env_steps,greedy_return\n"


@pytest.mark.parametrize(
    "content, where",
    [
        (b"1,16,0.5\n2,32,0.5\n", "its first line names no column iteration"),
        (b"iteration,env_steps\n1,16\n", "its first line names no column greedy_return"),
        (HEAD + b"1,16,0.5\n\n3,48,0.5\n", "in line 3"),
        (HEAD + b"1,16,0.5\n2,32\n3,48,0.5\n", "in line 3"),
        (HEAD + b"1,16,0.5\n2,32,1,1\n3,48,0.5\n", "in line 3"),
        (HEAD + b"1,sixteen,0.5\n", "in line 2"),
        (HEAD + b"1,\xff\xfe,0.5\n", "in line 2"),
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
    (run / "progress.csv").write_bytes(HEAD + b"1,16,0.5\r\n2,32,\r\n" + end)
    columns = run.read("progress.csv")
    np.testing.assert_array_equal(columns["iteration"], [1, 2])
    np.testing.assert_array_equal(columns["greedy_return"], [0.5, np.nan])


def test_rows_go_only_under_their_own_columns(run):
    """A column that was renamed or cut by hand: nothing is written beside it."""
    content = b"iteration,env_steps,greedy_return,kl\r\n1,16,0.5,0\r\n"
    (run / "progress.csv").write_bytes(content)
    with pytest.raises(files.CannotWrite) as caught:
        run.append("progress.csv", [{**ROW, "entropy": 0.5}])
    assert "its first line is not iteration,env_steps,greedy_return,entropy" in str(caught.value)
    assert (run / "progress.csv").read_bytes() == content
    run.append("progress.csv", [{**ROW, "kl": 0.5}])
    np.testing.assert_array_equal(run.read("progress.csv")["kl"], [0, 0.5])


@pytest.mark.parametrize(
    "number, text",
    [
        (500.0, "500"),
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
