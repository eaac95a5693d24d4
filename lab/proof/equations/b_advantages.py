"""B. Returns, GAE and what is done to advantages: Eq. 11–16."""

from statistics import fmean, pstdev
from typing import NamedTuple

import numpy as np

import advantages
import nn
import ppo
import rollout
import training
import vpg
from lab.proof.equations.cases import categorical_case
from lab.proof.evidence import check, segment_errors


class Segments(NamedTuple):
    """What advantages.gae takes, in its order, each (T,N)."""

    rewards: np.ndarray
    values: np.ndarray
    next_values: np.ndarray
    terminated: np.ndarray
    ended: np.ndarray


def segments(rng, steps=24, envs=3):
    """Random Segments with every kind of end."""
    rewards, values, next_values = rng.normal(size=(3, steps, envs))
    terminated, truncated = rng.random((2, steps, envs)) < 0.12
    ended = terminated | truncated
    # Within an episode the successor's value is the next row's; at its end it is another number.
    next_values[:-1] = np.where(ended[:-1], next_values[:-1], values[1:])
    return Segments(rewards, values, next_values, terminated, ended)


def errors_from(given, t, i):
    """One-step errors from step t of stream i to its segment's end, gamma 0.9."""
    return segment_errors(t, *(array[:, i] for array in given), 0.9)


@check("returns", "rewards-to-go", "advantages.returns_to_go", "brute force")
def returns_to_go(evidence, rng):
    """Termination ends the sum; truncation and the rollout's end put gamma V in the rest's
    place. By hand, and summed forward from every step of random segments."""
    ones, V, no = np.ones(3), np.array([5.0, 6.0, 0.8]), np.zeros(3, bool)
    last = np.array([False, False, True])
    for name, terminated, ended, by_hand in (
        ("terminated", last, last, [2.71, 1.9, 1.0]),
        ("truncated", no, last, [3.2932, 2.548, 1.72]),
        ("cut off by the rollout's end", no, no, [3.2932, 2.548, 1.72]),
    ):
        actual = advantages.returns_to_go(ones, V, terminated, ended, 0.9)
        evidence.close(name, actual, by_hand)
        evidence.show(f"{name}: r = 1, 1, 1, V = 0.8", actual)
    rewards, _, next_values, terminated, ended = segments(rng)
    actual = advantages.returns_to_go(rewards, next_values, terminated, ended, 0.9)
    expected = np.zeros_like(rewards)
    for t, i in np.ndindex(rewards.shape):
        for k in range(t, len(rewards)):
            expected[t, i] += 0.9 ** (k - t) * rewards[k, i]
            if ended[k, i] or k == len(rewards) - 1:
                if not terminated[k, i]:
                    expected[t, i] += 0.9 ** (k - t + 1) * next_values[k, i]
                break
    evidence.close("random segments", actual, expected)


@check("td-error", "one-step error", "advantages.gae", "brute force")
def one_step_error(evidence, rng):
    """With lambda 0 the advantage is the one-step error; termination removes V of the
    successor, truncation does not."""
    given = segments(rng)
    actual = advantages.gae(*given, 0.9, 0.0)
    steps, envs = given.rewards.shape
    expected = [[errors_from(given, t, i)[0] for i in range(envs)] for t in range(steps)]
    evidence.close("random segments", actual, expected)
    r, V, next_V = np.ones((3, 1)), np.array([[0.5], [0.6], [0.7]]), np.array([[0.6], [0.7], [0.8]])
    no, last = np.zeros((3, 1), bool), np.array([[False], [False], [True]])
    for name, terminated, end in (("terminated", last, 0.3), ("truncated", no, 1.02)):
        actual = advantages.gae(r, V, next_V, terminated, last, 0.9, 0.0)[:, 0]
        evidence.close(f"by hand, {name}", actual, [1.04, 1.03, end])
        evidence.show(f"by hand, {name}", actual)


@check("gae", "GAE", "advantages.gae", "brute force")
def gae(evidence, rng):
    """The recursion sums the errors to the segment's end, discounted by gamma lambda; either
    kind of end cuts it. Lambda 1 is reward-to-go less V."""
    # README's "Four rows by hand": the second terminates, the rollout's end cuts off the fourth.
    r, V, next_V = np.ones((4, 1)), np.array([[2, 1.5, 3, 2.5]]).T, np.array([[1.5, 0.7, 2.5, 2]]).T
    fell, end = np.arange(4)[:, None] == 1, np.arange(4)[:, None] % 2 == 1
    actual = advantages.gae(r, V, next_V, fell, end, 0.9, 0.5)[:, 0]
    evidence.close("four rows by hand", actual, [0.125, -0.5, 0.385, 0.3])
    r, V, next_V = np.ones((3, 1)), np.array([[0.5], [0.6], [0.7]]), np.array([[0.6], [0.7], [0.8]])
    no, last = np.zeros((3, 1), bool), np.array([[False], [False], [True]])
    for name, terminated, by_hand in (
        ("terminated", last, [1.56425, 1.165, 0.3]),
        ("truncated", no, [1.71005, 1.489, 1.02]),
    ):
        actual = advantages.gae(r, V, next_V, terminated, last, 0.9, 0.5)[:, 0]
        evidence.close(f"by hand, {name}", actual, by_hand)
        evidence.show(f"by hand, {name}", actual)
    given = segments(rng)
    for lam in (0.0, 0.5, 0.95, 1.0):
        expected = np.zeros(given.rewards.shape)
        for t, i in np.ndindex(expected.shape):
            errors = errors_from(given, t, i)
            expected[t, i] = sum((0.9 * lam) ** k * error for k, error in enumerate(errors))
        evidence.close(f"lambda {lam}", advantages.gae(*given, 0.9, lam), expected)
    rewards, values, next_values, terminated, ended = given
    to_go = advantages.returns_to_go(rewards, next_values, terminated, ended, 0.9)
    evidence.close("lambda 1 + V", advantages.gae(*given, 0.9, 1.0) + values, to_go)


@check("n-step", "GAE mixes n-step", "advantages.gae", "brute force")
def n_step_mixture(evidence, rng):
    """With n steps left, GAE is the mean of the k-step estimates with weights
    (1 - lambda) lambda^(k-1), what is left of them for k = n."""
    # Exercise E5's three steps, from the first: delta = 1.04, 1.03, 0.3, of which k are summed.
    r, V, next_V = np.ones((3, 1)), np.array([[0.5], [0.6], [0.7]]), np.array([[0.6], [0.7], [0.8]])
    last = np.array([[False], [False], [True]])
    weights, k_step = np.array([0.5, 0.25, 0.25]), np.cumsum([1.04, 0.9 * 1.03, 0.81 * 0.3])
    actual = advantages.gae(r, V, next_V, last, last, 0.9, 0.5)[0]
    evidence.close("three steps by hand", actual, [weights @ k_step])
    evidence.show("lambda 0.5, three steps left: weights", weights)
    evidence.show("the k-step estimates, gamma 0.9", k_step)
    evidence.show("their mean, the first step's advantage", actual)
    given = segments(rng)
    for lam in (0.0, 0.5, 0.95, 1.0):
        expected = np.zeros(given.rewards.shape)
        for t, i in np.ndindex(expected.shape):
            errors = errors_from(given, t, i)
            n = len(errors)
            k_step = [sum(0.9**j * errors[j] for j in range(k)) for k in range(1, n + 1)]
            mix = [(1 - lam) * lam ** (k - 1) for k in range(1, n)] + [lam ** (n - 1)]
            expected[t, i] = sum(w * a for w, a in zip(mix, k_step, strict=True))
        evidence.close(f"lambda {lam}", advantages.gae(*given, 0.9, lam), expected)


def rollout_case(rng, steps=20, envs=3):
    """A random Rollout with resets after its ends, and a value network -> rollout, value."""
    obs = rng.normal(size=(steps + 1, envs, 4))
    terminated, truncated = rng.random((2, steps, envs)) < 0.12
    valid = np.ones((steps, envs), bool)
    for t in range(1, steps):
        valid[t] = ~(valid[t - 1] & (terminated | truncated)[t - 1])
    arrays = rng.integers(3, size=(steps, envs)), rng.normal(size=(steps, envs)) * valid
    log_probs = rng.normal(size=(steps, envs))
    value = nn.MLP((4, 6, 1), rng, dtype=np.float64)
    ends = terminated & valid, truncated & valid
    return rollout.Rollout(obs, *arrays, *ends, log_probs, valid, []), value


@check("value-target", "value target A + V", "training.make_batch", "brute force")
def value_target(evidence, rng):
    """The targets are the lambda-returns, mixed from V and the return step by step; they keep
    their units, and rows of a reset are left out."""
    made, value = rollout_case(rng)
    V = np.array([[value(row[None])[0, 0] for row in step] for step in made.obs])
    config = ppo.Config(gamma=0.9, gae_lambda=0.7)
    expected = np.zeros(made.rewards.shape)
    for t in reversed(range(len(expected))):
        for i in range(expected.shape[1]):
            future = V[t + 1, i]
            ended = made.terminated[t, i] or made.truncated[t, i]
            if not ended and t + 1 < len(expected):
                future = 0.3 * V[t + 1, i] + 0.7 * expected[t + 1, i]
            expected[t, i] = made.rewards[t, i] + (0 if made.terminated[t, i] else 0.9 * future)
    batch = training.make_batch(made, value, config)
    evidence.close("targets", batch.targets, expected[made.valid])
    evidence.close("values", batch.values, V[:-1][made.valid])
    credit = (expected - V[:-1])[made.valid]
    normalised = (credit - fmean(credit)) / (pstdev(credit) + 1e-8)
    evidence.close("advantages: targets - values", batch.advantages, normalised)
    evidence.close("obs", batch.obs, made.obs[:-1][made.valid])
    evidence.true("some rows were resets", not made.valid.all())
    evidence.show("first targets", batch.targets[:5])
    evidence.show("first values", batch.values[:5])


@check("normalize", "normalised advantages", "advantages.normalize", "direct sum")
def normalized(evidence, rng):
    """Normalising is a baseline m, the same for all rows, and a step 1/(sigma + eps) times as
    long: g becomes (g - m s)/(sigma + eps), s the mean score."""
    made, value = rollout_case(rng)
    raw = training.make_batch(made, value, ppo.Config(normalize_advantages=False))
    batch = training.make_batch(made, value, ppo.Config())
    m, sigma = fmean(raw.advantages), pstdev(raw.advantages)
    expected = [(a - m) / (sigma + 1e-8) for a in raw.advantages]
    evidence.close("advantages.normalize", advantages.normalize(raw.advantages), expected)
    evidence.close("make_batch", batch.advantages, expected)
    evidence.close("targets keep their units", batch.targets, raw.targets)
    evidence.close("one row stays", advantages.normalize(np.array([3.0])), [3.0])

    policy, _, _ = categorical_case(rng)

    def gradient(weights):
        """(1/N) Σ weight ∇log π of the batch's rows"""
        log_probs, entropies, cache = policy.forward(batch.obs, batch.actions)
        return -policy.backward(vpg.policy_loss(log_probs, weights)[1], 0 * entropies, cache)

    g, mean_score = gradient(raw.advantages), gradient(np.ones(len(raw.advantages)))
    for eps in (1e-8, 0.5):
        actual = gradient(advantages.normalize(raw.advantages, eps))
        evidence.close(f"gradient, eps {eps:g}", actual, (g - m * mean_score) / (sigma + eps))
    evidence.show("m, sigma", np.array([m, sigma]))
