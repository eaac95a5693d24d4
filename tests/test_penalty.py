"""PPO with a KL penalty in the whole training: β adapts, is logged, and is remembered."""

import pytest

import ppo_penalty
from training import Trainer


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_weight_follows_the_logged_kl(env_id):
    config = ppo_penalty.Config(total_steps=6_000, kl_coefficient=0.4, kl_target=0.003)
    trainer = Trainer(ppo_penalty, env_id, config, seed=0)
    expected, factors = 0.4, set()
    for statistics in trainer:
        assert statistics["kl_coefficient"] == expected
        assert statistics["clip_fraction"] == statistics["dead_fraction"] == 0
        factor = 0.5 if statistics["kl"] < 0.002 else 2 if statistics["kl"] > 0.0045 else 1
        factors.add(factor)
        expected *= factor
        assert trainer.learner.memory == {"kl_coefficient": expected}
    assert len(factors) > 1


def test_logged_kl_is_the_rollout_s_true_mean():
    """The sampled estimate k3 and the exact KL agree within the estimate's own error."""
    config = ppo_penalty.Config(num_steps=512)
    statistics = Trainer(ppo_penalty, "CartPole-v1", config, seed=0).iterate()
    assert statistics["approx_kl"] == pytest.approx(statistics["kl"], rel=0.1)


def test_the_defaults_are_the_paper_s():
    config = ppo_penalty.Config()
    assert (config.kl_coefficient, config.kl_target) == (1, 0.01)
