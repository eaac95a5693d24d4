"""The process of two states, where it is asked for more than its checks are (Eq. 1–10, 46–48)."""

import numpy as np
import pytest

from lab.proof import mdp

PROCESS = mdp.two_states()
THETA = np.array([0.3, -0.2, -0.5, 0.4])


def test_trajectories_are_all_there_and_none_twice():
    found = {(tuple(one.actions), one.finished) for one in mdp.trajectories(PROCESS, 3)}
    # State 0 goes on with action 1, state 1 with action 0; the other action ends it.
    assert found == {
        ((0,), True),
        ((1, 1), True),
        ((1, 0, 0), True),
        ((1, 0, 1), False),
    }
    assert len(mdp.trajectories(PROCESS, 3)) == 4


def test_trajectories_of_random_dynamics():
    slippery = PROCESS._replace(transitions=0.9 * PROCESS.transitions)
    pi = mdp.policy(THETA, mdp.TABULAR)
    every = mdp.trajectories(slippery, 2)
    chances = {(tuple(one.actions), one.finished): mdp.density(slippery, pi, one) for one in every}
    left, right = pi[0]
    stay, go = pi[1]
    assert chances == pytest.approx(
        {
            ((0,), True): left,
            ((1,), True): right * 0.1,
            ((1, 0), True): right * 0.9 * stay * 0.1,
            ((1, 0), False): right * 0.9 * stay * 0.9,
            ((1, 1), True): right * 0.9 * go,
        }
    )


def test_random_starts():
    pi = mdp.policy(THETA, mdp.TABULAR)
    process = PROCESS._replace(start=np.array([0.25, 0.75]))
    total = sum(mdp.density(process, pi, one) for one in mdp.trajectories(process, 5))
    assert total == pytest.approx(1)
    J = 0.25 * mdp.values(PROCESS, pi)[0] + 0.75 * mdp.values(PROCESS, pi)[1]
    assert mdp.objective(process, pi) == pytest.approx(J)


def test_averaging_over_steps_is_averaging_over_episodes_in_large_batches_only():
    theta = np.zeros(1)
    chances, points = mdp.estimates(PROCESS, theta, mdp.SHARED, 4, mdp.discount_dropped)
    lengths = [len(one.states) for one in mdp.trajectories(PROCESS, 4)]
    distances = []
    for episodes in (1, 2, 4, 6):
        p, sums, steps = mdp.batches(chances, points, lengths, episodes)
        assert p.sum() == pytest.approx(1)
        np.testing.assert_allclose(p @ sums / episodes, chances @ points)
        per_step = p @ (sums / steps[:, None]) * (p @ steps) / episodes
        distances.append(abs(per_step - chances @ points)[0])
    assert distances[0] > 2 * distances[2] > 2.5 * distances[3] > 0


def test_a_discount_alone_does_not_make_the_whole_return_s_mean_exist():
    """Each step pays 1, two actions make no difference, P(T >= t) = t^(-1/2), gamma = 0.9."""
    t = np.arange(1, 4001)
    chances, G0 = t**-0.5 - (t + 1.0) ** -0.5, (1 - 0.9**t) / 0.1
    # E|a sum of t signs|, exactly: 1, 1, 3/2, 3/2, 15/8, ...; a score is half a sign
    steps = np.cumprod(np.where(t % 2, t / np.maximum(t - 1, 1), 1.0))
    partial = np.cumsum(chances * G0 * steps / 2)
    np.testing.assert_allclose(partial[[9, 99, 999, 3999]], [1.36, 5.39, 9.96, 12.73], atol=5e-3)
    # Eq. 5's mean grows like a logarithm; Eq. 7's is at most the sum of gamma^t P(T > t) 10/2.
    assert np.sum(0.9**t / 0.9 * t**-0.5 * 5) == pytest.approx(22.34, abs=5e-3)
