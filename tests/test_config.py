import dataclasses

import pytest

import ppo
import vpg


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("gamma", 1.5, r"gamma must be in \[0, 1\], not 1.5"),
        ("gamma", -0.1, r"gamma must be in \[0, 1\]"),
        ("gamma", float("nan"), "gamma must be a finite number, not nan"),
        ("gae_lambda", 2, r"gae_lambda must be in \[0, 1\]"),
        ("total_steps", 0, "total_steps must be at least 1, not 0"),
        ("num_envs", -1, "num_envs must be at least 1"),
        ("num_steps", 2.5, "num_steps must be a whole number, not 2.5"),
        ("hidden_sizes", (64, 0), "hidden_sizes must be at least 1"),
        ("hidden_sizes", (1.5,), "hidden_sizes must be a tuple of whole numbers"),
        ("hidden_sizes", 64, "hidden_sizes must be a tuple of whole numbers, not 64"),
        ("hidden_sizes", [64, 64], "hidden_sizes must be a tuple of whole numbers"),
        ("hidden_sizes", (), "hidden_sizes must be a tuple of whole numbers"),
        ("total_steps", True, "total_steps must be a whole number, not True"),
        ("normalize_advantages", "no", "normalize_advantages must be True or False, not 'no'"),
        ("gamma", [0.9], "gamma must be a finite number"),
        ("activation", "sigmoid", "activation must be one of tanh, relu"),
        ("learning_rate", 0.0, "learning_rate must be greater than 0"),
        ("learning_rate", float("inf"), "learning_rate must be a finite number, not inf"),
        ("learning_rate", 10**400, "learning_rate must be a finite number, not 1000"),
        ("hidden_sizes", (60_000, 60_000), "hidden_sizes asks for 3,600,000,000 numbers at once"),
        ("num_envs", 2 * 10**9, "num_envs × num_steps × hidden_sizes asks for"),
        ("num_steps", 10**23, "num_envs × num_steps × hidden_sizes asks for"),
        ("hidden_sizes", (10**400,), "hidden_sizes asks for"),
        ("entropy_coefficient", -1.0, "entropy_coefficient must be at least 0"),
        ("max_grad_norm", 0, "max_grad_norm must be greater than 0"),
        ("epochs", 0, "epochs must be at least 1"),
        ("epochs", True, "epochs must be a whole number"),
        ("clip_range", 0.0, "clip_range must be greater than 0"),
        ("max_kl", 0.0, "max_kl must be greater than 0"),
        ("value_steps", 0, "value_steps must be at least 1"),
    ],
)
def test_a_setting_is_checked(name, value, message):
    Config = vpg.Config if name == "value_steps" else ppo.Config
    with pytest.raises(ValueError, match=message):
        Config(**{name: value})


def test_optional_settings_may_be_off():
    assert ppo.Config(value_clip_range=None, max_kl=None).max_kl is None


@pytest.mark.parametrize("Config", [vpg.Config, ppo.Config])
def test_every_setting_has_help(Config):
    for field in dataclasses.fields(Config):
        assert field.metadata["help"]
