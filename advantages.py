"""How much better than expected was each action? Arrays in, arrays out.

Nothing here knows about networks or environments. All arrays are (T, ...): axis 0
is time, every other axis is an independent stream (an environment). But `normalize`
takes flat rows, and `group_advantages` groups of them.

Two different ends, never one "done":
    terminated[t]  the task itself ended: the pole fell. There is no future.
    ended[t]       terminated, or cut off by a time limit (truncated). The
                   future exists, but the rows after t belong to another episode.

In the order of the file:
    Eq. 11      rewards-to-go, with a bootstrap where the future is cut off
    Eq. 12, 13  generalized advantage estimates (GAE)
    Eq. 16      normalisation
    Eq. 50, 51  credit from a group of responses to one prompt

Eq. 14, GAE as a mean of n-step estimates, and Eq. 15, the value target
A + V, are read off these; the README derives both.
"""

import math

import numpy as np

from arrays import flags, floats, level


def returns_to_go(rewards, next_values, terminated, ended, gamma):
    """Discounted rewards from each step to its episode's end, Eq. 11.

    rewards      (T, ...) float, finite
    next_values  (T, ...) float, finite; V of the *true* successor of step t,
                 never of the state after a reset
    terminated   (T, ...) bool
    ended        (T, ...) bool; terminated or truncated
    gamma        discount factor in [0, 1]

    Returns (T, ...) in the common dtype of the numbers; whole numbers count as
    floats (arrays.floats). The last row is the rollout's end: the sum stops
    there and next_values stands for the rest. Training uses `gae`, which with
    λ = 1 gives this less the values, where those of one episode agree:
    next_values[t] = values[t + 1].
    Raises ValueError when the shapes differ, when a flag is neither true nor
    false, when a step terminated that didn't end, or gamma is outside [0, 1].
    """
    rewards, next_values = floats("T... T...", rewards, next_values)
    terminated, ended, gamma = _ends(rewards.shape, terminated, ended, gamma)
    # Eq. 11: Ĝₜ = rₜ + γ (1 − dₜ) [uₜ V(s'ₜ) + (1 − uₜ) Ĝₜ₊₁]
    returns = rewards + gamma * next_values * ~terminated
    for t in reversed(range(len(rewards) - 1)):
        returns[t] = np.where(ended[t], returns[t], rewards[t] + gamma * returns[t + 1])
    return returns


def gae(rewards, values, next_values, terminated, ended, gamma, gae_lambda):
    """Generalized advantage estimates, Eq. 12 and 13.

    rewards, values, next_values  (T, ...) float, finite; values[t] is V of the
                                  state that step t acts in, next_values[t] V of
                                  its *true* successor, never of the reset state
    terminated, ended             (T, ...) bool; ended = terminated or truncated
    gamma, gae_lambda             discount γ and trace decay λ, both in [0, 1]

    Returns advantages (T, ...) in the common dtype of the numbers, as
    returns_to_go. The last row is the rollout's end: the trace stops there and
    next_values stands for the rest. λ = 0 is the one-step error δ; λ = 1 is
    returns_to_go − values (Monte Carlo), where next_values[t] = values[t + 1]
    inside an episode; in between it is a mean of n-step estimates (Eq. 14).
    Raises ValueError as returns_to_go, for gae_lambda too.
    Source: Schulman et al. (2016), Eq. 16, https://arxiv.org/abs/1506.02438.
    """
    rewards, values, next_values = floats("T... T... T...", rewards, values, next_values)
    terminated, ended, gamma, gae_lambda = _ends(
        rewards.shape, terminated, ended, gamma, gae_lambda
    )
    # Eq. 12: δₜ = rₜ + γ (1 − dₜ) V(s'ₜ) − V(sₜ). Termination alone removes V(s'ₜ).
    advantages = rewards + gamma * next_values * ~terminated - values
    # Eq. 13: Âₜ = δₜ + γλ (1 − uₜ) Âₜ₊₁. Either kind of end cuts the trace.
    for t in reversed(range(len(rewards) - 1)):
        advantages[t] += gamma * gae_lambda * advantages[t + 1] * ~ended[t]
    return advantages


def normalize(advantages, eps=1e-8):
    """Shift to mean 0 and scale to standard deviation 1, Eq. 16.

    advantages (B,) float, eps > 0 -> (B,) in its dtype, a new array; whole
    numbers count as floats (arrays.floats). The deviation becomes σ/(σ + ε), so a
    spread far below ε all but vanishes. Equal rows give zeros. Fewer than two
    rows have no spread and come back unchanged. Subtracting the mean is a
    baseline that is the same for every row; dividing by the deviation rescales
    the step. Only ever for advantages: the value function's targets keep their
    units. Raises ValueError for another shape, or eps <= 0.
    """
    advantages = floats("B", advantages)
    _positive(eps)
    if len(advantages) < 2:
        return advantages.copy()
    # In a unit near the largest one, squares stay in range; a power of two rounds nothing.
    unit = 2.0 ** (math.frexp(np.abs(advantages).max())[1] - 1)
    eps = min(max(float(eps) / unit, 1e-30), 1e30)
    advantages = level(advantages / unit)
    # Eq. 16: Ãᵢ = (Âᵢ − m) / (σ + ε)
    return (advantages - advantages.mean()) / (advantages.std() + eps)


def group_advantages(rewards, scale, eps=1e-8):
    """How much better was each response than the others to the same prompt? Eq. 50 and 51.

    rewards  (M, G) float; M prompts, G responses to each, at least two
    scale    False: less the mean of the *other* responses, leave-one-out (RLOO);
             True: less the group's mean, over its standard deviation plus eps > 1e-150 (GRPO)

    Returns (M, G) in the dtype of rewards; whole numbers, as 0 and 1, count as
    floats (arrays.floats). A group of equal rewards says nothing: it gets zeros.
    Raises ValueError for groups of one, another shape, a smaller eps, and rewards
    that are not finite or above 1e150.
    Sources: Ahmadian et al. (2024), https://arxiv.org/abs/2402.14740; Shao et al.
    (2024), https://arxiv.org/abs/2402.03300.
    """
    rewards = floats("MG", rewards)
    _positive(eps, 1e-150)
    size, dtype = rewards.shape[1], rewards.dtype
    rewards = rewards.astype(np.result_type(dtype, np.float64))
    if size < 2:
        raise ValueError("a group needs at least two responses, or there is nothing to compare")
    if not (np.abs(rewards) <= 1e150).all():
        raise ValueError("rewards must be finite, and at most 1e150 for their squares' sake")
    rewards = level(rewards)
    centred = rewards - rewards.mean(axis=1, keepdims=True)
    if scale:
        # Eq. 51: Âᵢ = (Rᵢ − R̄) / (σ + ε)
        return (centred / (rewards.std(axis=1, keepdims=True) + eps)).astype(dtype)
    # Eq. 50: Âᵢ = Rᵢ − the mean of the others = G/(G − 1) (Rᵢ − R̄)
    return (centred * size / (size - 1)).astype(dtype)


def _ends(shape, terminated, ended, *fractions):
    """The flags as bools of this shape, the fractions as Python's floats, a list.

    A numpy float64 would make float64 of what it multiplies. Raises ValueError as
    returns_to_go says.
    """
    terminated, ended = flags(shape, terminated, ended)
    if (terminated & ~ended).any():
        raise ValueError("a step that terminated has ended, too: ended = terminated or truncated")
    for fraction in fractions:
        if not 0 <= fraction <= 1:
            raise ValueError(f"gamma and gae_lambda must be in [0, 1], not {fraction}")
    return [terminated, ended, *map(float, fractions)]


def _positive(eps, least=0):
    if not eps > least:
        raise ValueError(f"eps must be greater than {least}, not {eps}")
