"""What Eq. 11–16's checks and test_contracts.py leave to say of credit."""

import numpy as np
import pytest

from advantages import gae, group_advantages


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


def test_a_group_of_one_has_nothing_to_compare():
    with pytest.raises(ValueError, match="at least two"):
        group_advantages(np.ones((3, 1)), scale=False)
