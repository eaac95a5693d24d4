"""PPO held back by a KL penalty instead of a clip; `diff ppo.py ppo_penalty.py` is the difference.

Nothing here knows about environments, files or printing.

In the order of the file:
    Eq. 41  the surrogate with a KL penalty
    Eq. 43  the penalty's weight β, adapted after each rollout
    the update: as in ppo.py

Shapes: B rows of a batch, at least one.
Source: Schulman et al. (2017), section 4, https://arxiv.org/abs/1707.06347.
"""

from dataclasses import dataclass

import numpy as np

from arrays import floats
from config import AT_LEAST_ONE, POSITIVE, CommonConfig, Within, setting
from learner import entropy_bonus, means, minibatches, value_step
from nn import descend
from vpg import value_loss

SMALLEST, LARGEST = 1e-6, 1e6  # β stays between: from 0 or inf no factor of two leads back
BETAS = Within(SMALLEST, LARGEST)


@dataclass(frozen=True)
class Config(CommonConfig):
    """Settings of PPO with a KL penalty; the defaults solve CartPole-v1."""

    epochs: int = setting(6, "passes over each rollout", AT_LEAST_ONE)
    minibatch_size: int = setting(256, "rows of one gradient step, at most", AT_LEAST_ONE)
    kl_coefficient: float = setting(1.0, "first weight β of the KL penalty (Eq. 41)", BETAS)
    kl_target: float = setting(0.01, "KL that an adapting β aims at (Eq. 43)", POSITIVE)


def penalized_surrogate(log_probs, old_log_probs, advantages, kls, kl_coefficient):
    """PPO's loss with a KL penalty, Eq. 41: four (B,), a float  ->  loss, dlog_probs, dkls.

    dlog_probs and dkls are (B,). Raises ValueError for other shapes.
    """
    log_probs, old_log_probs, advantages, kls = floats(
        "N N N N", log_probs, old_log_probs, advantages, kls
    )
    kl_coefficient = float(kl_coefficient)  # numpy's own would decide the dtype
    # Eq. 41: L = −(1/N) Σ (ρᵢ Âᵢ − β KLᵢ)
    plain = np.exp(log_probs - old_log_probs) * advantages
    loss = -np.mean(plain - kl_coefficient * kls)
    return loss, -plain / len(plain), np.full_like(kls, kl_coefficient / len(kls))


def adapt_kl_coefficient(kl_coefficient, kl, kl_target):
    """The next penalty weight β, given the mean KL that the last one led to, Eq. 43.

    Between the two edges it stays; it never leaves SMALLEST to LARGEST, where it
    begins. Raises ValueError for one from outside.
    """
    if kl_coefficient not in BETAS:
        raise ValueError(f"kl_coefficient must be {BETAS}, not {kl_coefficient}")
    # Eq. 43: KL < target/1.5: β ← β/2    KL > 1.5 target: β ← 2β
    if kl < kl_target / 1.5:
        return max(kl_coefficient / 2, SMALLEST)
    if kl > kl_target * 1.5:
        return min(kl_coefficient * 2, LARGEST)
    return kl_coefficient


def penalized_step(learner, batch, config, old_distribution, beta):
    """One step for the policy, as learner.policy_step, through log π and KL."""
    policy = learner.policy
    log_probs, entropies, cache = policy.forward(batch.obs, batch.actions)
    loss, dlog_probs, dkls = penalized_surrogate(
        log_probs, batch.log_probs, batch.advantages, policy.kl(old_distribution, cache), beta
    )
    gradient = policy.backward(dlog_probs, entropy_bonus(entropies, config), cache)
    gradient += policy.kl_backward(dkls, old_distribution, cache)
    norm = descend(policy.parameters, gradient, learner.policy_adam, config.max_grad_norm)
    return {"policy_loss": loss, "policy_grad_norm": norm}


def update(learner, batch, config, progress, rng):
    """Improve the policy and the value function from one rollout.

    learner   learner.Learner: policy, value function, their optimisers
    batch     learner.Batch of B rows
    config    a Config
    progress  share of the training that is done, in [0, 1)
    rng       np.random.Generator

    In each epoch, for each minibatch:
    1. Take one step along the penalised surrogate's gradient.
    2. Fit the value function to its targets, in one step.
    After the last epoch β adapts; it lives in the learner's memory.

    Returns losses and gradient norms, means over the steps, the KL and the β used, a dict.
    """

    def loss_of_value(values, part):
        return value_loss(values, part.targets)

    policy = learner.policy
    beta = learner.memory.get("kl_coefficient", config.kl_coefficient)
    old_distribution = policy.distribution(batch.obs)
    steps = []
    for _ in range(config.epochs):
        for rows in minibatches(len(batch.obs), config.minibatch_size, rng):
            minibatch = batch._make(array.take(rows, axis=0) for array in batch)
            # step 1
            statistics = penalized_step(learner, minibatch, config, old_distribution[rows], beta)
            # step 2
            statistics |= value_step(learner, minibatch, config, loss_of_value)
            steps.append(statistics)
    _, _, cache = policy.forward(batch.obs, batch.actions)
    kl = float(policy.kl(old_distribution, cache).mean())
    learner.memory["kl_coefficient"] = adapt_kl_coefficient(beta, kl, config.kl_target)
    none = {"clip_fraction": 0.0, "dead_fraction": 0.0}  # there is no clip
    return {**means(steps), **none, "kl": kl, "kl_coefficient": beta}
