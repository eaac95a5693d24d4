"""Who learns, and one step downhill for each of its two networks. The algorithms stand on this.

Nothing here knows which algorithm uses it, or about environments.

In the order of the file:
    the batch, and who learns from it
    a batch dealt into minibatches
    Eq. 44  one step for the policy, one for the value function
    what was saved, brought back
    Eq. 45  how far the policy has moved

Shapes: B rows of a batch, D observation size, A action dimensions.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from distributions import kl_estimates
from nn import MLP, Adam, descend
from policies import CategoricalPolicy, GaussianPolicy


class Batch(NamedTuple):
    """The valid rows of a rollout, time and environments flattened into one axis B."""

    obs: np.ndarray  # (B, D) float
    actions: np.ndarray  # (B,) int or (B, A) float
    log_probs: np.ndarray  # (B,) of the policy that acted
    values: np.ndarray  # (B,) of the value function before the update
    advantages: np.ndarray  # (B,)
    targets: np.ndarray  # (B,) what the value function should have said


@dataclass
class Learner:
    """What is learned, and what learning needs to remember."""

    policy: CategoricalPolicy | GaussianPolicy
    value: MLP
    policy_adam: Adam
    value_adam: Adam
    memory: dict = field(default_factory=dict)  # numbers that an update leaves for the next one


def minibatches(num_rows, size, rng):
    """Shuffle the row numbers 0 … num_rows − 1 and deal them into parts of at most `size`.

    Returns a list of int arrays. Each row comes once; the parts differ by one row at most,
    so that no step rests on a handful of left-over rows. Raises ValueError unless
    both numbers are at least 1.
    """
    if num_rows < 1 or size < 1:
        raise ValueError(f"{num_rows} rows cannot be dealt into parts of at most {size}")
    return np.array_split(rng.permutation(num_rows), -(-num_rows // size))


def policy_step(learner, batch, config, loss_function):
    """One step for the policy: forward, the loss, back through the network, downhill.

    loss_function  log_probs (B,), batch -> loss, dlog_probs (B,)

    Returns the loss and the gradient's norm before clipping, a dict.
    """
    policy = learner.policy
    log_probs, entropies, cache = policy.forward(batch.obs, batch.actions)
    loss, dlog_probs = loss_function(log_probs, batch)
    gradient = policy.backward(dlog_probs, entropy_bonus(entropies, config), cache)
    norm = descend(policy.parameters, gradient, learner.policy_adam, config.max_grad_norm)
    return {"policy_loss": loss, "policy_grad_norm": norm}


def entropy_bonus(entropies, config):
    """dLoss/dentropies of the bonus in Eq. 44: (B,) float -> (B,) of its dtype."""
    # Eq. 44: L = … − c_H (1/N) Σ Hᵢ, so each row's slope is −c_H/N; Eq. 22 takes it to the logits
    return np.full_like(entropies, -config.entropy_coefficient / len(entropies))


def value_step(learner, batch, config, loss_function):
    """One step for the value function, as policy_step.

    loss_function  values (B,), batch -> loss, dvalues (B,)

    Eq. 44, the sum of the losses, is no line of code: the two networks share no
    weight, so each gets its own part's gradient and its own step.
    """
    value = learner.value
    values, cache = value.forward(batch.obs)
    loss, dvalues = loss_function(values[:, 0], batch)
    gradient = value.backward(dvalues[:, None], cache)
    norm = descend(value.parameters, gradient, learner.value_adam, config.max_grad_norm)
    return {"value_loss": loss, "value_grad_norm": norm}


def means(steps):
    """The mean of each statistic over an update's steps: a list of dicts -> a dict of floats."""
    return {name: float(np.mean([step[name] for step in steps])) for name in steps[0]}


def overwrite(live, saved):
    """Set live arrays to saved ones, two dicts of np.ndarray by name; all of them or none.

    Raises ValueError when one is missing, or of another shape: it is another network's.
    """
    for name, array in live.items():
        if name not in saved or saved[name].shape != array.shape:
            raise ValueError(f"the saved array {name!r} doesn't fit this network")
    for name, array in live.items():
        array[:] = saved[name]


def approx_kl(log_probs, old_log_probs):
    """How far a policy has moved from the one that acted: (B,) (B,) -> mean k3, a float; Eq. 45."""
    _, k3 = kl_estimates(log_probs - old_log_probs)
    return float(k3.mean())
