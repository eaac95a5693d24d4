"""Observations brought to a common scale, by the mean and variance of those seen so far.

Nothing here knows about environments or learning: rows in, rows out.

A network learns slowly when one input is a thousandth of another, as a mountain
car's speed is of its position. The moments are kept in float64, whatever the
networks compute in: they accumulate over millions of rows.

Shapes: B rows, D observation size.
"""

import numpy as np

from arrays import floats

LARGEST = 10.0  # deviations; an input that has hardly varied yet could come out as huge


class RunningNormalizer:
    """Shifts and scales rows by running moments, which only `update` changes.

    `mean`, `variance` (D,) and `count` (1,) are float64. Before the first row
    they are 0, 1 and 0: rows are only clipped (to eight digits). Rows (B,D) may have any dtype; it
    is theirs that says how much of a small change beside a large number is left,
    so they come as the source gave them. Raises ValueError for other shapes.
    """

    def __init__(self, size):
        self.mean, self.variance, self.count = np.zeros(size), np.ones(size), np.zeros(1)

    def __call__(self, rows):
        """rows (B,D) -> (B,D): deviations from the mean, at most LARGEST either way.

        A deviation counts as no less than 1e-4. What comes back has the dtype of
        rows; whole numbers count as floats (arrays.floats).
        """
        rows, mean = floats("BD D", rows, self.mean)
        scaled = (rows - mean) / np.sqrt(self.variance + 1e-8)
        return np.clip(scaled, -LARGEST, LARGEST).astype(rows.dtype)

    def update(self, rows):
        """Take rows (B,D) into the moments, which become those of all rows ever seen; B may be 0.

        Raises ValueError for numbers beyond 1e150, whose squares float64 may not hold.
        Source: Chan, Golub & LeVeque (1983), https://doi.org/10.2307/2683386.
        """
        rows = floats("BD D", rows, self.mean)[0].astype(np.float64)
        if len(rows) == 0:
            return
        if not (np.abs(rows) <= 1e150).all():
            raise ValueError("rows must be finite, and at most 1e150 for their squares' sake")
        total = self.count + len(rows)
        difference, share = rows.mean(axis=0) - self.mean, len(rows) / total
        # Spread within the old rows, within the new ones, and between their two means.
        self.variance[:] = (
            (1 - share) * self.variance
            + share * rows.var(axis=0)
            + share * (1 - share) * difference**2
        )
        self.mean += share * difference
        self.count[:] = total


class Normalized:
    """A policy that is shown an environment's own observations, through a normaliser.

    `sample`, `greedy`, `distribution` and `parameters` are the policy's. A value
    network can be shown them in the same way: it is called.
    """

    def __init__(self, policy, normalizer):
        self.policy, self.normalizer = policy, normalizer

    @property
    def parameters(self):
        return self.policy.parameters

    def __call__(self, obs):
        return self.policy(self.normalizer(obs))

    def sample(self, obs, rng):
        return self.policy.sample(self.normalizer(obs), rng)

    def greedy(self, obs):
        return self.policy.greedy(self.normalizer(obs))

    def distribution(self, obs):
        return self.policy.distribution(self.normalizer(obs))
