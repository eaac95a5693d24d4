"""PPO with a KL penalty in the whole training: β adapts, is logged, and keeps its own options."""

from pathlib import Path

import pytest

import ppo
import ppo_penalty
from training import Trainer

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "beta, kl, after",
    [
        (1.0, 0.0, 0.5),
        (1.0, 0.0066, 0.5),
        (1.0, 0.0067, 1.0),
        (1.0, 0.01, 1.0),
        (1.0, 0.0149, 1.0),
        (1.0, 0.0151, 2.0),
        (1.0, 0.01 / 1.5, 1.0),  # at either edge nothing moves
        (1.0, 0.01 * 1.5, 1.0),
        (4.0, 9.0, 8.0),
        (1e-6, 0.0, 1e-6),  # from 0 or inf no factor of two would lead back
        (1e6, 1.0, 1e6),
    ],
)
def test_the_weight_halves_below_the_target_and_doubles_above(beta, kl, after):
    assert ppo_penalty.adapt_kl_coefficient(beta, kl, 0.01) == after


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_weight_follows_the_logged_kl(env_id):
    config = ppo_penalty.Config(total_steps=20_000, kl_coefficient=0.4, kl_target=0.003)
    trainer = Trainer(ppo_penalty, env_id, config, seed=0)
    expected, moves = 0.4, set()
    for statistics in trainer:
        assert statistics["kl_coefficient"] == expected
        assert statistics["kl"] > 0
        assert statistics["clip_fraction"] == statistics["dead_fraction"] == 0
        before = expected
        if statistics["kl"] < 0.002:
            expected /= 2
        elif statistics["kl"] > 0.0045:
            expected *= 2
        moves.add(expected / before)
        assert trainer.learner.memory == {"kl_coefficient": expected}
    assert len(moves) > 1


def test_the_weight_begins_as_the_paper_s_and_moves_from_there():
    config = ppo_penalty.Config(total_steps=1)
    (statistics,) = Trainer(ppo_penalty, "CartPole-v1", config, seed=0)
    assert statistics["kl_coefficient"] == 1 and config.kl_target == 0.01


def test_logged_kl_is_the_rollout_s_true_mean():
    """The sampled estimate k3 and the exact KL agree within the estimate's own error."""
    config = ppo_penalty.Config(total_steps=10**6, num_steps=1024)
    trainer = Trainer(ppo_penalty, "CartPole-v1", config, seed=0)
    for _ in range(3):
        statistics = trainer.iterate()
        assert statistics["approx_kl"] == pytest.approx(statistics["kl"], rel=0.1)


def test_a_large_weight_holds_the_policy_back():
    kls = []
    for beta in (0.01, 100.0):
        config = ppo_penalty.Config(kl_coefficient=beta)
        kls.append(Trainer(ppo_penalty, "CartPole-v1", config, seed=0).iterate()["kl"])
    assert kls[1] < 0.3 * kls[0]


def test_every_row_of_a_run_has_the_same_columns():
    own = {"kl", "kl_coefficient", "clip_range"}
    for module, extra in ((ppo, {"clip_range"}), (ppo_penalty, {"kl", "kl_coefficient"})):
        config = module.Config(total_steps=5_000)
        rows = [set(row) for row in Trainer(module, "CartPole-v1", config, seed=0)]
        assert all(row == rows[0] for row in rows)
        assert rows[0] & own == extra
