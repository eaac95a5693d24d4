from statistics import fmean, pstdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import brute_force_advantage, brute_force_return

from advantages import gae, group_advantages, normalize, returns_to_go


@st.composite
def streams(draw):
    """Random rollouts (T, N) in which episodes end in every way and place."""
    T, N = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rewards, values, next_values = rng.standard_normal((3, T, N))
    chance = draw(st.sampled_from([0.0, 0.2, 0.6]))
    terminated, truncated = rng.random((2, T, N)) < chance
    return rewards, values, next_values, terminated, terminated | truncated


fractions = st.floats(0, 1)


@given(streams(), fractions, fractions)
@settings(deadline=None)
def test_gae_against_brute_force(stream, gamma, lam):
    advantages = gae(*stream, gamma, lam)
    for t, n in np.ndindex(advantages.shape):
        expected = brute_force_advantage(t, *(array[:, n] for array in stream), gamma, lam)
        assert advantages[t, n] == pytest.approx(expected, abs=1e-10)


@given(streams(), fractions)
@settings(deadline=None)
def test_returns_against_brute_force(stream, gamma):
    rewards, _, next_values, terminated, ended = stream
    returns = returns_to_go(rewards, next_values, terminated, ended, gamma)
    for t, n in np.ndindex(returns.shape):
        columns = (array[:, n] for array in (rewards, next_values, terminated, ended))
        assert returns[t, n] == pytest.approx(brute_force_return(t, *columns, gamma), abs=1e-10)


@given(streams(), fractions)
@settings(deadline=None)
def test_lambda_zero_and_one(stream, gamma):
    rewards, values, next_values, terminated, ended = stream
    one_step = rewards + gamma * np.where(terminated, 0, next_values) - values
    np.testing.assert_allclose(gae(*stream, gamma, 0.0), one_step, atol=1e-12)
    # λ = 1 is Monte Carlo, if successive states of one episode agree on V
    consistent = next_values.copy()
    inside = ~ended[:-1]
    consistent[:-1][inside] = values[1:][inside]
    monte_carlo = returns_to_go(rewards, consistent, terminated, ended, gamma) - values
    advantages = gae(rewards, values, consistent, terminated, ended, gamma, 1.0)
    np.testing.assert_allclose(advantages, monte_carlo, atol=1e-10)


@given(streams(), fractions, fractions)
@settings(deadline=None)
def test_gae_is_a_mean_of_n_step_estimates(stream, gamma, lam):
    """Eq. 17, in the first stream, from its first row."""
    rewards, values, next_values, terminated, ended = (array[:, 0] for array in stream)
    n = int(np.argmax(ended)) + 1 if ended.any() else len(rewards)
    deltas = rewards + gamma * np.where(terminated, 0, next_values) - values
    k_step = np.cumsum(gamma ** np.arange(n) * deltas[:n])  # Â^(1), Â^(2), …
    mixed = (1 - lam) * np.sum(lam ** np.arange(n - 1) * k_step[:-1]) + lam ** (n - 1) * k_step[-1]
    assert gae(*stream, gamma, lam)[0, 0] == pytest.approx(mixed, abs=1e-10)


@pytest.mark.parametrize(
    "end, expected",
    [("terminated", (1.56425, 1.165, 0.3)), ("truncated", (1.71005, 1.489, 1.02))],
)
def test_exercise_5(end, expected):
    ended = np.array([False, False, True])
    advantages = gae(
        np.ones(3),
        np.array([0.5, 0.6, 0.7]),
        np.array([0.6, 0.7, 0.8]),
        ended & (end == "terminated"),
        ended,
        0.9,
        0.5,
    )
    np.testing.assert_allclose(advantages, expected, atol=1e-12)


def test_constant_critic_with_matching_rewards():
    """A critic that says 1/(1−γ) where every reward is 1 is right: nothing to gain (SB3's test)."""
    T, gamma = 20, 0.9
    value = np.full(T, 1 / (1 - gamma))
    never = np.zeros(T, bool)
    np.testing.assert_allclose(
        gae(np.ones(T), value, value, never, never, gamma, 0.95), 0, atol=1e-12
    )


def test_the_earlier_tutorials_bug_stays_out(rng):
    """It bootstrapped through terminations. Put the bug into a copy: only those episodes change."""
    T = 30
    rewards, values, next_values = rng.standard_normal((3, T))
    terminated, truncated = np.zeros((2, T), bool)
    terminated[9], truncated[19] = True, True
    ended = terminated | truncated

    def buggy(gamma, lam):
        advantages = rewards + gamma * next_values - values  # (1 − dₜ) is missing
        for t in reversed(range(T - 1)):
            advantages[t] += gamma * lam * advantages[t + 1] * ~ended[t]
        return advantages

    shipped = gae(rewards, values, next_values, terminated, ended, 0.9, 0.8)
    difference = buggy(0.9, 0.8) - shipped
    # exactly γ V(s') at the termination, fading by γλ towards the episode's start, nowhere else
    expected = np.zeros(T)
    expected[:10] = 0.9 * next_values[9] * (0.9 * 0.8) ** np.arange(9, -1, -1)
    np.testing.assert_allclose(difference, expected, atol=1e-12)
    assert abs(difference[9]) > 0.1


def test_dtype_is_kept(rng):
    rewards = rng.standard_normal((4, 2)).astype(np.float32)
    flags = np.zeros((4, 2), bool)
    assert gae(rewards, rewards, rewards, flags, flags, 0.99, 0.95).dtype == np.float32
    assert returns_to_go(rewards, rewards, flags, flags, 0.99).dtype == np.float32
    assert normalize(rewards[:, 0]).dtype == np.float32


def test_inputs_are_left_alone(rng):
    arrays = list(rng.standard_normal((3, 5))) + [rng.random(5) < 0.5] * 2
    copies = [array.copy() for array in arrays]
    gae(*arrays, 0.9, 0.9)
    returns_to_go(arrays[0], *arrays[2:], 0.9)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_shapes_must_agree():
    column, row = np.zeros((4, 1)), np.zeros(4)
    with pytest.raises(ValueError, match="shapes must be"):
        gae(row, column, row, row > 0, row > 0, 0.9, 0.9)
    with pytest.raises(ValueError, match="one shape"):
        returns_to_go(row, row, row[:3] > 0, row > 0, 0.9)


def test_normalize(rng):
    advantages = 5 + 3 * rng.standard_normal(1_000)
    normalized = normalize(advantages)
    assert normalized.mean() == pytest.approx(0, abs=1e-12)
    assert normalized.std() == pytest.approx(1)
    # Eq. 19: a baseline that is the same for all rows, and a rescaled step
    np.testing.assert_allclose(
        normalized, (advantages - advantages.mean()) / (advantages.std() + 1e-8), rtol=1e-12
    )


@pytest.mark.parametrize("advantages", [[], [3.0], [2.0, 2.0]])
def test_normalize_small_or_flat(advantages):
    normalized = normalize(np.array(advantages))
    expected = advantages if len(advantages) < 2 else [0.0, 0.0]
    np.testing.assert_array_equal(normalized, expected)


@pytest.mark.parametrize("scale", [False, True])
def test_groups_are_compared_among_themselves(rng, scale):
    rewards = rng.normal(size=(4, 3))
    before = rewards.copy()
    for row, found in zip(rewards, group_advantages(rewards, scale), strict=True):
        for i, reward in enumerate(row):
            others = [other for j, other in enumerate(row) if j != i]
            mean = fmean(row) if scale else fmean(others)
            size = pstdev(row) + 1e-8 if scale else 1
            assert found[i] == pytest.approx((reward - mean) / size, rel=1e-12)
    np.testing.assert_array_equal(rewards, before)
    assert group_advantages(rewards.astype(np.float32), scale).dtype == np.float32
    np.testing.assert_array_equal(group_advantages(np.ones((2, 3)), scale), np.zeros((2, 3)))


def test_a_group_of_one_has_nothing_to_compare():
    with pytest.raises(ValueError, match="at least two"):
        group_advantages(np.ones((3, 1)), scale=False)
