"""Environments: users own ids, and the original gym through Shimmy: same numbers, and it trains.

What needs the original gym is skipped where it is not installed, unless REQUIRE_GYM=1.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from programs import ENOUGH

import ppo
from environments import make_envs, reset, reward_threshold
from lab.runs.records import RunFolder
from rollout import Sampler
from training import Trainer, evaluate

ROOT = Path(__file__).parents[1]
MISSING = importlib.util.find_spec("gym") is None or importlib.util.find_spec("shimmy") is None
needs_gym = pytest.mark.skipif(
    MISSING and os.environ.get("REQUIRE_GYM") != "1",
    reason="the original gym is not installed (pip install -r requirements/gym.txt)",
)


def run(*options, **settings):
    command = [sys.executable, "-W", "error", str(ROOT / "run.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=ENOUGH, **settings)


@needs_gym
@pytest.mark.parametrize("env_id", ["CartPole-v1", "MountainCarContinuous-v0"])
def test_same_seeds_same_bits_as_gymnasium(env_id):
    original = make_envs("gym/" + env_id, 3)
    modern = gymnasium.make_vec(env_id, num_envs=3, vectorization_mode="sync")
    np.testing.assert_array_equal(reset(original, 5), reset(modern, 5))
    rng, ends, discrete = np.random.default_rng(0), 0, env_id == "CartPole-v1"
    for _ in range(1_500):
        actions = rng.integers(0, 2, 3) if discrete else rng.uniform(-1, 1, (3, 1))
        steps = original.step(actions)[:4], modern.step(actions)[:4]
        for one, other in zip(*steps, strict=True):
            np.testing.assert_array_equal(one, other)
        ends += np.sum(steps[0][2] | steps[0][3])
    assert ends > 0
    original.close()
    modern.close()


@needs_gym
def test_training_gives_the_same_bits(monkeypatch):
    config = ppo.Config(total_steps=3_000, num_envs=4, num_steps=64)
    original = Trainer(ppo, "gym/CartPole-v1", config, seed=1)

    def make_sync(env_id, count):
        return gymnasium.make_vec(env_id, num_envs=count, vectorization_mode="sync")

    monkeypatch.setattr("training.make_envs", make_sync)
    modern = Trainer(ppo, "CartPole-v1", config, seed=1)
    for one, other in zip(original, modern, strict=True):
        for key in one.keys() - {"steps_per_second"}:
            np.testing.assert_equal(one[key], other[key])
    np.testing.assert_array_equal(original.policy.parameters, modern.policy.parameters)


@needs_gym
def test_gym_s_time_limit_truncates():
    envs = make_envs("gym/MountainCar-v0", 1)
    assert reward_threshold("gym/MountainCar-v0") == -110
    still = type("Still", (), {})()
    still.parameters = np.zeros(1, np.float32)
    still.sample = lambda obs, rng: (np.ones(len(obs), int), np.zeros(len(obs)))
    rollout = Sampler(envs, 0).collect(still, 402, None)
    assert np.flatnonzero(rollout.truncated).tolist() == [199, 400]
    assert np.flatnonzero(~rollout.valid).tolist() == [200, 401]
    assert not rollout.terminated.any()


@needs_gym
def test_a_run_keeps_to_its_api(tmp_path):
    options = ["--algo", "ppo", "--env-api", "gym", "--total-steps", "1500", "--num-envs", "4"]
    done = run(*options, "--num-steps", "64", "--eval-episodes", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # not even gym's own notice
    folder = RunFolder(tmp_path / "runs" / "gym-CartPole-v1-ppo-seed0")
    about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert about["env_id"] == "gym/CartPole-v1"
    versions = about["sessions"][0]["versions"]
    assert versions["gym"].startswith("0.26") and versions["shimmy"]
    assert (
        json.loads((folder / "summary.json").read_text(encoding="utf-8"))["reward_threshold"] == 475
    )
    assert (folder / "episode.gif").read_bytes().startswith(b"GIF89a")
    assert (folder / "learning_curve.png").exists()
    trainer = folder.load_trainer()
    assert trainer.env_id == "gym/CartPole-v1"
    assert "gym" in type(trainer.envs.envs[0].unwrapped.gym_env).__module__.split(".")
    assert len(evaluate(trainer.policy, trainer.env_id, 2, 0)) == 2


@needs_gym
@pytest.mark.parametrize(
    "env_id, message",
    [
        ("Cartpole-v1", "did you mean gym/CartPole-v1"),
        ("FrozenLake-v1", "supported: a flat Box"),
    ],
)
def test_bad_ids_get_one_line(env_id, message, tmp_path):
    done = run("--algo", "vpg", "--env-api", "gym", "--env", env_id, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_without_gym_it_says_what_to_install(tmp_path):
    (tmp_path / "gym_notices").mkdir()
    (tmp_path / "gym_notices" / "__init__.py").write_text(
        "raise ImportError('not here')", encoding="utf-8"
    )
    done = run(
        "--algo", "vpg", "--env-api", "gym", cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert "pip install -r requirements/gym.txt" in done.stderr and done.stderr.count("\n") == 1


MINE = """
import gymnasium as gym
import numpy as np


class Mine(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (2,))
    action_space = gym.spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 1.0, False, False, {}


gym.register("Mine-v0", Mine, reward_threshold=7.0, max_episode_steps=5)
"""


def test_a_user_s_own_environment_is_found_by_its_module(tmp_path, monkeypatch):
    (tmp_path / "its_module.py").write_text(MINE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    envs = make_envs("its_module:Mine-v0", 3)
    assert envs.num_envs == 3 and envs.single_action_space.n == 2
    assert reward_threshold("its_module:Mine-v0") == 7.0
    with pytest.raises(ValueError, match="no environment 'no_module:Mine-v0'; No module named"):
        make_envs("no_module:Mine-v0", 1)
    (tmp_path / "wordless.py").write_text("raise ImportError", encoding="utf-8")
    with pytest.raises(ValueError, match=r"^no environment 'wordless:Mine-v0'; ImportError$"):
        make_envs("wordless:Mine-v0", 1)


@pytest.mark.parametrize("error", [KeyError, AttributeError, OSError("no such level\nat all")])
def test_an_environment_that_fails_as_it_is_made_gets_one_line(error, monkeypatch):
    def fail(**options):
        raise error

    spec = gymnasium.envs.registration.EnvSpec("Unmade-v0", fail)
    monkeypatch.setitem(gymnasium.registry, "Unmade-v0", spec)
    with pytest.raises(ValueError, match=r"^Unmade-v0 cannot be made: [\w ]+$"):
        make_envs("Unmade-v0", 2)
