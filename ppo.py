"""Proximal policy optimization: several epochs on one rollout, held near the policy that made it.

Nothing here knows about environments, files or printing.

In the order of the file:
    Eq. 35–38  the clipped surrogate
    Eq. 39     the clipped value loss
    Eq. 45     what the clip did
    the update: epochs of minibatches, each a step for policy and value function

Shapes: B rows of a batch, at least one. What takes arrays takes floats
(arrays.floats), changes nothing in place and raises ValueError for other shapes.
Source: Schulman et al. (2017), https://arxiv.org/abs/1707.06347.
"""

from dataclasses import dataclass

import numpy as np

from arrays import floats
from config import AT_LEAST_ONE, POSITIVE, CommonConfig, setting
from learner import approx_kl, means, minibatches, policy_step, value_step
from vpg import value_loss


@dataclass(frozen=True)
class Config(CommonConfig):
    """The settings; the defaults solve CartPole-v1."""

    epochs: int = setting(6, "passes over each rollout", AT_LEAST_ONE)
    minibatch_size: int = setting(256, "rows of one gradient step, at most", AT_LEAST_ONE)
    clip_range: float = setting(0.2, "how far the ratio may leave 1, ε of Eq. 36", POSITIVE)
    anneal_clip_range: bool = setting(True, "lower the clip range linearly to 0")
    value_clip_range: float | None = setting(
        None, "clip the value loss too, ε_v of Eq. 39", POSITIVE
    )
    max_kl: float | None = setting(
        None, "end the epochs early once approx_kl exceeds this", POSITIVE
    )


def clipped_surrogate(log_probs, old_log_probs, advantages, clip_range):
    """PPO's clipped loss, Eq. 35–37: three (B,), a float  ->  loss, dlog_probs (B,).

    The clip takes a row's gradient away only where the ratio has already moved
    the way the advantage asks for, beyond 1 ± clip_range. A ratio that the dtype
    cannot hold (in float32 above e⁸⁸) leaves a loss or a slope that is not finite.
    """
    log_probs, old_log_probs, advantages = floats("N N N", log_probs, old_log_probs, advantages)
    clip_range = float(clip_range)  # numpy's own would decide the dtype
    # Eq. 35: ρᵢ = exp(log π(aᵢ|sᵢ) − log πᵒˡᵈ(aᵢ|sᵢ))
    ratios = np.exp(log_probs - old_log_probs)
    plain = ratios * advantages
    clipped = ratios.clip(1 - clip_range, 1 + clip_range) * advantages
    # Eq. 36: L = −(1/N) Σ min(ρᵢ Âᵢ, clip(ρᵢ, 1 − ε, 1 + ε) Âᵢ)
    loss = -np.minimum(plain, clipped).sum() / len(plain)
    # Eq. 37: cᵢ = 1 wherever the plain branch is the smaller one *or they tie*, as they do
    # all through the band. With `<` every gradient at ρ = 1 would be zero, forever.
    alive = plain <= clipped
    # Eq. 35, 37, 38: ∂ρ/∂log π = ρ, so ∂L/∂log π(aᵢ) = −cᵢ ρᵢ Âᵢ / N
    return loss, alive * -plain / len(plain)


def clipped_value_loss(values, old_values, targets, clip_range):
    """PPO's clipped value loss, Eq. 39: three (B,), a float  ->  loss, dvalues (B,).

    Of the plain and the clipped squared error, the larger one counts.
    """
    values, old_values, targets = floats("N N N", values, old_values, targets)
    clip_range = float(clip_range)
    # Eq. 39: vᶜ = vᵒˡᵈ + clip(v − vᵒˡᵈ, −ε, ε), written so that vᶜ *is* v inside the band.
    # Subtracting and adding vᵒˡᵈ rounds, and a vᶜ off by one bit can cost a row its slope.
    clipped = np.clip(values, old_values - clip_range, old_values + clip_range)
    squares, clipped_squares = (values - targets) ** 2, (clipped - targets) ** 2
    # Eq. 39: L = (1/2N) Σ max((vᵢ − yᵢ)², (vᵢᶜ − yᵢ)²)
    loss = 0.5 * np.mean(np.maximum(squares, clipped_squares))
    # Eq. 39: beyond the band vᶜ is constant, so where its error is the larger the slope is 0
    alive = squares >= clipped_squares
    return loss, alive * (values - targets) / len(values)


def clip_statistics(log_probs, old_log_probs, advantages, clip_range):
    """(B,) (B,) (B,), a float  ->  clip_fraction, dead_fraction, both in [0, 1]; Eq. 45.

    clip_fraction counts rows whose ratio left the band, dead_fraction those
    among them whose gradient the clip took away (c = 0 in Eq. 37). About half
    of the rows outside the band still pull the policy back.
    """
    log_probs, old_log_probs, advantages = floats("N N N", log_probs, old_log_probs, advantages)
    ratios, clip_range = np.exp(log_probs - old_log_probs), float(clip_range)
    above, below = ratios > 1 + clip_range, ratios < 1 - clip_range
    dead = (above & (advantages > 0)) | (below & (advantages < 0))
    return np.mean(above | below), np.mean(dead)


def update(learner, batch, config, progress, rng):
    """Improve the policy and the value function from one rollout.

    learner   learner.Learner: policy, value function, their optimisers
    batch     learner.Batch of B rows
    config    a Config
    progress  share of the training that is done, in [0, 1)
    rng       np.random.Generator

    In each epoch, for each minibatch:
    1. Take one step along the clipped surrogate's gradient.
    2. Fit the value function to its targets, in one step.

    Returns the update's statistics, a dict.
    """
    clip_range = config.clip_range * (1 - progress if config.anneal_clip_range else 1)

    def loss_of_policy(log_probs, part):
        return clipped_surrogate(log_probs, part.log_probs, part.advantages, clip_range)

    def loss_of_value(values, part):
        if config.value_clip_range is not None:
            return clipped_value_loss(values, part.values, part.targets, config.value_clip_range)
        return value_loss(values, part.targets)

    steps = []
    for _ in range(config.epochs):
        for rows in minibatches(len(batch.obs), config.minibatch_size, rng):
            minibatch = batch._make(array.take(rows, axis=0) for array in batch)
            # step 1
            statistics = policy_step(learner, minibatch, config, loss_of_policy)
            # step 2, with a loss and an Adam of its own: no weight is shared, so Eq. 44 splits
            statistics |= value_step(learner, minibatch, config, loss_of_value)
            steps.append(statistics)
        if config.max_kl is not None:
            log_probs, _, _ = learner.policy.forward(batch.obs, batch.actions)
            if approx_kl(log_probs, batch.log_probs) > config.max_kl:
                break
    log_probs, _, _ = learner.policy.forward(batch.obs, batch.actions)
    out, dead = clip_statistics(log_probs, batch.log_probs, batch.advantages, clip_range)
    return means(steps) | {"clip_range": clip_range, "clip_fraction": out, "dead_fraction": dead}
