"""Vanilla policy gradient: one step per rollout, towards what went better than expected.

Nothing here knows about environments, files or printing.

In the order of the file:
    Eq. 10  the policy's loss; Eq. 20 carries its gradient to the logits
    Eq. 33  the value function's loss
    the update: one step for the policy, several for the value function

Shapes: B rows of a batch, at least one. What takes arrays takes floats
(arrays.floats), changes nothing in place and raises ValueError for other shapes.
"""

from dataclasses import dataclass

import numpy as np

from arrays import floats
from config import AT_LEAST_ONE, CommonConfig, override, setting
from learner import policy_step, value_step


@dataclass(frozen=True)
class Config(CommonConfig):
    """The settings; the defaults solve CartPole-v1."""

    total_steps: int = override("total_steps", 150_000)
    num_envs: int = override("num_envs", 16)
    # A cart that drifts is off the track 150 steps later. With a shorter trace, or less entropy,
    # a few seeds in a hundred settle on letting it drift, and some of them stay there.
    gae_lambda: float = override("gae_lambda", 0.99)
    entropy_coefficient: float = override("entropy_coefficient", 0.01)
    value_steps: int = setting(10, "value-network steps on each rollout", AT_LEAST_ONE)


def policy_loss(log_probs, advantages):
    """The policy gradient's "loss", Eq. 10: (B,) (B,)  ->  loss, dlog_probs (B,).

    Its gradient estimates that of −J. Its value means nothing: it does not fall
    as the policy gets better.
    """
    log_probs, advantages = floats("N N", log_probs, advantages)
    # Eq. 10: L = −(1/N) Σ Âᵢ log π(aᵢ|sᵢ), so ∂L/∂log π(aᵢ) = −Âᵢ/N
    return -np.mean(advantages * log_probs), -advantages / len(advantages)


def value_loss(values, targets):
    """Half the mean squared error, Eq. 33: (B,) (B,)  ->  loss, dvalues (B,)."""
    values, targets = floats("N N", values, targets)
    # Eq. 33: L = (1/2N) Σ (vᵢ − yᵢ)², so ∂L/∂vᵢ = (vᵢ − yᵢ)/N
    errors = values - targets
    return 0.5 * (errors @ errors) / len(errors), errors / len(errors)


def update(learner, batch, config, progress, rng):
    """Improve the policy and the value function from one rollout.

    learner   learner.Learner: policy, value function, their optimisers
    batch     learner.Batch of B rows
    config    a Config
    progress  share of the training that is done, in [0, 1)
    rng       np.random.Generator

    1. Take one step along the policy gradient.
    2. Fit the value function to its targets, in several steps.

    Returns the update's statistics, a dict.
    """

    def loss_of_policy(log_probs, part):
        return policy_loss(log_probs, part.advantages)

    def loss_of_value(values, part):
        return value_loss(values, part.targets)

    # step 1
    statistics = policy_step(learner, batch, config, loss_of_policy)
    # step 2
    for _ in range(config.value_steps):
        statistics |= value_step(learner, batch, config, loss_of_value)
    return {**statistics, "clip_fraction": 0.0, "dead_fraction": 0.0}  # there is no clip
