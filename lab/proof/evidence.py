"""What a check is made of: the registry, what it collects, and the complex step.

Nothing here knows an equation. lab/proof/equations/ registers the checks, lab/proof/checks.py
runs and prints them.
"""

import math
from typing import NamedTuple

import numpy as np

EXACT = 1e-12  # bound on a relative error that is rounding and nothing else
Z_BOUND = 4  # bound on a sample mean's distance from its expectation, in standard errors


class Check(NamedTuple):
    """One equation's check: what is claimed of which code, and who says so."""

    number: int
    claim: str
    code: str
    oracle: str
    function: object


class Evidence:
    """What a check collects: comparisons, which can fail, and numbers to look at."""

    def __init__(self):
        self.comparisons, self.numbers = [], []

    def compare(self, label, error, bound):
        """One comparison; it holds if `error` is at most `bound`. NaN never is."""
        error = math.inf if np.isnan(error) else float(error)
        self.comparisons.append((error, bound))
        size = f"|z| {error:.1f}" if bound == Z_BOUND else f"error {error:.1e}"
        verdict = "<=" if error <= bound else "FAIL: >"
        self.numbers.append((label, f"{size} {verdict} {bound:g}"))

    def close(self, label, actual, expected, bound=EXACT):
        """Two arrays agree: largest difference, relative to the largest expected entry."""
        actual, expected = np.asarray(actual), np.asarray(expected)
        if actual.shape != expected.shape:
            self.compare(f"{label}: shape {actual.shape}, not {expected.shape}", math.inf, bound)
            return
        scale = np.abs(expected).max(initial=0) or 1
        self.compare(label, np.abs(actual - expected).max(initial=0) / scale, bound)

    def normal(self, label, mean, expected, standard_error):
        """Sample means lie within 4 standard errors of what is expected."""
        z = np.max(np.abs((np.asarray(mean) - expected) / standard_error))
        self.compare(label, z, Z_BOUND)

    def true(self, label, condition):
        """Something holds or does not."""
        self.comparisons.append((0.0 if condition else math.inf, EXACT))
        self.numbers.append((label, "yes" if condition else "FAIL: no"))

    def show(self, label, value):
        """A number worth seeing that decides nothing."""
        self.numbers.append((label, value))


CHECKS = {}


def check(number, claim, code, oracle):
    """Register the decorated function(evidence, rng) as the check of equation `number`."""

    def register(function):
        if number in CHECKS:
            raise ValueError(f"Eq. {number} has two checks")
        CHECKS[number] = Check(number, claim, code, oracle, function)
        return function

    return register


def complex_step(function, x):
    """Derivative of function(x) by every entry of x -> shape of x + shape of function(x)."""
    columns = []
    for i in np.ndindex(np.shape(x)):
        nudged = np.array(x, complex)
        nudged[i] += 1e-30j
        columns.append(np.imag(function(nudged)) / 1e-30)
    return np.reshape(columns, np.shape(x) + np.shape(columns[0]))


def network_step(network, loss):
    """Derivative of loss() by every parameter of a complex128 network or policy -> (P,)."""
    start = network.parameters.copy()

    def at(parameters):
        network.parameters[:] = parameters
        return loss()

    gradient = complex_step(at, start.real)
    network.parameters[:] = start
    return gradient
