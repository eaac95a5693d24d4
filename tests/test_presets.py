"""The presets: valid, taken, announced, overridden, and without a warning from any library.

LunarLander is skipped where Box2D is not installed, unless REQUIRE_BOX2D=1.
"""

import importlib.util
import os
import warnings

import pytest
from programs import call, succeeded

import ppo
import vpg
from lab.kit import read_json
from lab.study.presets import PRESETS, preset
from training import Trainer, evaluate

ALGORITHMS = {"ppo": ppo, "vpg": vpg}
ENTRIES = [(env_id, algo) for env_id, entry in PRESETS.items() for algo in entry]
SHORT = ["--total-steps", "300", "--eval-episodes", "1", "--evaluations", "1", "--no-media"]


def trained(tmp_path, env_id, algo, *options):
    """What a short training prints, any warning an error, and its settings."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Box2D's own SWIG types warn when they are imported; no other warning is let through.
        warnings.filterwarnings("ignore", "builtin type", DeprecationWarning)
        output = succeeded(call("--algo", algo, "--env", env_id, *SHORT, *options, cwd=tmp_path))
    folder = tmp_path / "runs" / f"{env_id}-{algo}-seed0"
    return output, read_json(folder / "config.json")["config"]


def test_the_promised_environments_are_there():
    promised = ["CartPole-v1", "Acrobot-v1", "Pendulum-v1", "MountainCar-v0"]
    promised += ["MountainCarContinuous-v0", "LunarLander-v3"]
    for env_id in promised:
        assert preset("ppo", env_id) is not None


@pytest.mark.parametrize("env_id, algo", ENTRIES)
def test_entries_are_valid_and_change_something(env_id, algo):
    Config = ALGORITHMS[algo].Config
    config = Config(**preset(algo, env_id))
    for name, value in preset(algo, env_id).items():
        assert getattr(config, name) == value != Config.__dataclass_fields__[name].default, name


def test_original_gym_gets_the_same_and_strangers_nothing():
    assert preset("ppo", "gym/Pendulum-v1") == preset("ppo", "Pendulum-v1") != {}
    assert preset("ppo", "Unheard-v0") is None
    assert preset("sarsa", "Pendulum-v1") is None


@pytest.mark.slow
@pytest.mark.parametrize("env_id, algo", ENTRIES)
def test_trains_without_a_warning(env_id, algo, tmp_path):
    missing = importlib.util.find_spec("Box2D") is None and os.environ.get("REQUIRE_BOX2D") != "1"
    if env_id.startswith("LunarLander") and missing:
        pytest.skip("Box2D is not installed (pip install -r requirements/box2d.txt)")
    tuned = preset(algo, env_id)
    output, config = trained(tmp_path, env_id, algo)
    assert all(len(line) <= 80 for line in output.splitlines())
    assert (f"settings tuned for {env_id} (presets.py)" in output) == bool(tuned)
    for name, value in {**tuned, "total_steps": 300}.items():
        assert config[name] == (list(value) if isinstance(value, tuple) else value)


def test_options_go_first(tmp_path):
    options = ["--gamma", "0.5", "--kl-target", "0.02"]
    output, config = trained(tmp_path, "Pendulum-v1", "ppo-penalty", *options)
    assert "without --gamma, --total-steps" in output
    assert (config["gamma"], config["gae_lambda"], config["kl_target"]) == (0.5, 0.9, 0.02)


def test_an_untuned_environment_is_announced(tmp_path):
    output, _ = trained(tmp_path, "MountainCar-v0", "vpg")
    assert "vpg has not been tuned for MountainCar-v0" in output


@pytest.mark.slow
def test_mountain_car_continuous_reaches_its_goal():
    config = ppo.Config(**preset("ppo", "MountainCarContinuous-v0"))
    trainer = Trainer(ppo, "MountainCarContinuous-v0", config, seed=0)
    list(trainer)
    assert evaluate(trainer.policy, trainer.env_id, 20, 0).mean() > 90
