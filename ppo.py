"""Proximal policy optimization: several epochs on one rollout, held near the policy that made it.

Nothing here knows about environments, files or printing.

In the order of the file:
    Eq. 37–40  the clipped surrogate
    Eq. 42     the surrogate with a KL penalty
    Eq. 44     the penalty's weight, adapted
    Eq. 35     the clipped value loss
    Eq. 46     how much the clip did: clip fraction, dead fraction
    the update: epochs of minibatches, each a step for policy and value function

Eq. 45, the sum of the losses, is not a line of code: the two networks share no
weight, so each gets its own part's gradient and its own step.

Shapes: B rows of a batch, D observation size.
Source: Schulman et al. (2017), https://arxiv.org/abs/1707.06347.
"""

from dataclasses import dataclass

import numpy as np

from config import AT_LEAST_ONE, POSITIVE, CommonConfig, OneOf, setting
from nn import descend
from policies import kl_estimates
from vpg import value_loss


@dataclass(frozen=True)
class Config(CommonConfig):
    """PPO's settings; the defaults solve CartPole-v1."""

    epochs: int = setting(6, "passes over each rollout", AT_LEAST_ONE)
    minibatch_size: int = setting(256, "rows of one gradient step, at most", AT_LEAST_ONE)
    objective: str = setting("clip", "what holds the policy back", OneOf(("clip", "penalty")))
    clip_range: float = setting(
        0.2, "how far the ratio may leave 1, ε of Eq. 38", POSITIVE, ("objective", "clip")
    )
    anneal_clip_range: bool = setting(
        True, "lower the clip range linearly to 0", needs=("objective", "clip")
    )
    value_clip_range: float | None = setting(
        None, "clip the value loss too, ε_v of Eq. 35", POSITIVE
    )
    kl_coefficient: float = setting(
        1.0, "first weight β of the KL penalty (Eq. 42)", POSITIVE, ("objective", "penalty")
    )
    kl_target: float = setting(
        0.01, "KL that an adapting β aims at (Eq. 44)", POSITIVE, ("objective", "penalty")
    )
    max_kl: float | None = setting(
        None, "end the epochs early once approx_kl exceeds this", POSITIVE
    )

    def __post_init__(self):
        super().__post_init__()
        rows = self.num_envs * self.num_steps
        if self.minibatch_size > rows:
            raise ValueError(
                f"minibatch_size must be at most num_envs × num_steps = {rows}, "
                f"not {self.minibatch_size}"
            )


def clipped_surrogate(log_probs, old_log_probs, advantages, clip_range):
    """PPO's clipped loss, Eq. 37–39: three (B,), a float  ->  loss, dlog_probs (B,).

    The clip takes a row's gradient away only where the ratio has already moved
    the way the advantage asks for, beyond 1 ± clip_range.
    """
    # Eq. 37: ρᵢ = exp(log π(aᵢ|sᵢ) − log πᵒˡᵈ(aᵢ|sᵢ))
    ratios = np.exp(log_probs - old_log_probs)
    plain = ratios * advantages
    clipped = np.clip(ratios, 1 - clip_range, 1 + clip_range) * advantages
    # Eq. 38: L = −(1/N) Σ min(ρᵢ Âᵢ, clip(ρᵢ, 1 − ε, 1 + ε) Âᵢ)
    loss = -np.mean(np.minimum(plain, clipped))
    # Eq. 39: cᵢ = 1 wherever the plain branch is the smaller one *or they tie*, as they do
    # all through the band. With `<` every gradient at ρ = 1 would be zero, forever.
    alive = plain <= clipped
    # Eq. 37, 39, 40: ∂ρ/∂log π = ρ, so ∂L/∂log πᵢ = −cᵢ ρᵢ Âᵢ / N
    return loss, alive * -plain / len(plain)


def penalized_surrogate(log_probs, old_log_probs, advantages, kls, kl_coefficient):
    """PPO's other loss, a KL penalty, Eq. 42: four (B,), a float  ->  loss, dlog_probs, dkls.

    dlog_probs and dkls are (B,).
    """
    # Eq. 42: L = −(1/N) Σ (ρᵢ Âᵢ − β KLᵢ)
    plain = np.exp(log_probs - old_log_probs) * advantages
    loss = -np.mean(plain - kl_coefficient * kls)
    return loss, -plain / len(plain), np.full_like(kls, kl_coefficient / len(kls))


def adapt_kl_coefficient(kl_coefficient, kl, kl_target):
    """The next penalty weight β, given the mean KL that the last one led to, Eq. 44."""
    # Eq. 44: KL < target/1.5: β ← β/2    KL > 1.5 target: β ← 2β
    if kl < kl_target / 1.5:
        return kl_coefficient / 2
    if kl > kl_target * 1.5:
        return kl_coefficient * 2
    return kl_coefficient


def clipped_value_loss(values, old_values, targets, clip_range):
    """PPO's clipped value loss, Eq. 35: three (B,), a float  ->  loss, dvalues (B,).

    Of the plain and the clipped squared error, the larger one counts.
    """
    # Eq. 35: vᶜ = vᵒˡᵈ + clip(v − vᵒˡᵈ, −ε, ε), written so that vᶜ *is* v inside the band.
    # Subtracting and adding vᵒˡᵈ rounds, and a vᶜ off by one bit can cost a row its slope.
    clipped = np.clip(values, old_values - clip_range, old_values + clip_range)
    squares, clipped_squares = (values - targets) ** 2, (clipped - targets) ** 2
    # Eq. 35: L = (1/2N) Σ max((vᵢ − yᵢ)², (vᵢᶜ − yᵢ)²)
    loss = 0.5 * np.mean(np.maximum(squares, clipped_squares))
    # Eq. 35: beyond the band vᶜ is constant, so where its error is the larger the slope is 0
    alive = squares >= clipped_squares
    return loss, alive * (values - targets) / len(values)


def clip_statistics(log_probs, old_log_probs, advantages, clip_range):
    """(B,) (B,) (B,), a float  ->  clip_fraction, dead_fraction, both in [0, 1]; Eq. 46.

    clip_fraction counts rows whose ratio left the band, dead_fraction those
    among them whose gradient the clip took away (c = 0 in Eq. 39). About half
    of the rows outside the band still pull the policy back.
    """
    ratios = np.exp(log_probs - old_log_probs)
    above, below = ratios > 1 + clip_range, ratios < 1 - clip_range
    dead = (above & (advantages > 0)) | (below & (advantages < 0))
    return np.mean(above | below), np.mean(dead)


def minibatches(num_rows, size, rng):
    """Shuffle the row numbers 0 … num_rows − 1 and deal them into parts of at most `size`.

    Yields int arrays. Each row comes once; the parts differ by one row at most,
    so that no step rests on a handful of left-over rows.
    """
    yield from np.array_split(rng.permutation(num_rows), -(-num_rows // size))


def update(learner, batch, config, progress, rng):
    """Improve the policy and the value function from one rollout.

    learner   has policy, value, the optimisers policy_adam, value_adam, and a
              dict `memory` in which the penalty's β lives between rollouts
    batch     has obs (B,D), actions (B,...), log_probs, values, advantages, targets (B,)
    config    a Config
    progress  share of the training that is done, in [0, 1); anneals the clip
    rng       np.random.Generator; shuffles the minibatches

    In each epoch, for each minibatch:
    1. Evaluate how likely the policy *now* finds the actions that the old one took.
    2. Take the gradient of the loss and of the entropy bonus there, and back through
       the network.
    3. Take one step.
    4. Fit the value function to its targets, in one step.
    `max_kl` may end the epochs early; a KL penalty's β adapts after the last one.

    Returns this iteration's statistics, a dict.
    """
    policy, value = learner.policy, learner.value
    clip_range = config.clip_range * (1 - progress if config.anneal_clip_range else 1)
    penalty = config.objective == "penalty"
    beta = learner.memory.get("kl_coefficient", config.kl_coefficient) if penalty else 0.0
    old_distribution = policy.distribution(batch.obs) if penalty else None

    steps = []
    for _ in range(config.epochs):
        for rows in minibatches(len(batch.obs), config.minibatch_size, rng):
            part = batch._make(array[rows] for array in batch)
            # step 1
            log_probs, entropies, cache = policy.evaluate(part.obs, part.actions)
            # step 2
            # the entropy bonus of Eq. 45: −c_H/N for each row; Eq. 23 takes it to the logits
            dentropies = np.full_like(entropies, -config.entropy_coefficient / len(entropies))
            if penalty:
                old = old_distribution[rows]
                loss, dlog_probs, dkls = penalized_surrogate(
                    log_probs, part.log_probs, part.advantages, policy.kl(old, cache), beta
                )
                gradient = policy.backward(dlog_probs, dentropies, cache)
                gradient += policy.kl_backward(dkls, old, cache)
            else:
                loss, dlog_probs = clipped_surrogate(
                    log_probs, part.log_probs, part.advantages, clip_range
                )
                gradient = policy.backward(dlog_probs, dentropies, cache)
            # step 3
            norm = descend(policy.parameters, gradient, learner.policy_adam, config.max_grad_norm)
            # step 4, with a loss and an Adam of its own: no weight is shared, so Eq. 45 splits
            values, cache = value.forward(part.obs)
            if config.value_clip_range is None:
                fit, dvalues = value_loss(values[:, 0], part.targets)
            else:
                fit, dvalues = clipped_value_loss(
                    values[:, 0], part.values, part.targets, config.value_clip_range
                )
            gradient = value.backward(dvalues[:, None], cache)
            value_norm = descend(
                value.parameters, gradient, learner.value_adam, config.max_grad_norm
            )
            steps.append((loss, fit, norm, value_norm))

        if config.max_kl is not None:
            log_probs, _, _ = policy.evaluate(batch.obs, batch.actions)
            if kl_estimates(log_probs - batch.log_probs)[1].mean() > config.max_kl:
                break

    log_probs, entropies, cache = policy.evaluate(batch.obs, batch.actions)
    _, k3 = kl_estimates(log_probs - batch.log_probs)
    clip_fraction = dead_fraction = 0.0
    if not penalty:
        clip_fraction, dead_fraction = clip_statistics(
            log_probs, batch.log_probs, batch.advantages, clip_range
        )
    loss, fit, norm, value_norm = np.mean(steps, axis=0)
    statistics = {
        "policy_loss": loss,
        "value_loss": fit,
        "entropy": entropies.mean(),
        "approx_kl": k3.mean(),
        "clip_fraction": clip_fraction,
        "dead_fraction": dead_fraction,
        "policy_grad_norm": norm,
        "value_grad_norm": value_norm,
    }
    if penalty:
        kl = float(policy.kl(old_distribution, cache).mean())
        statistics.update(kl=kl, kl_coefficient=beta)
        learner.memory["kl_coefficient"] = adapt_kl_coefficient(beta, kl, config.kl_target)
    return statistics
