"""What a check is made of: what it claims, what it collects, and oracles that many of them use.

Nothing here knows an equation. lab/proof/equations/ holds the checks, lab/proof/checks.py
runs and prints them.
"""

import math
from functools import partial
from typing import NamedTuple

import numpy as np

EXACT = 1e-12  # bound on a relative error that is rounding and nothing else
Z_BOUND = 4  # bound on a sample mean's distance from its expectation, in standard errors


class Check(NamedTuple):
    """One equation's check: what is claimed of which code, and who says so."""

    key: str  # the equation's: numbering says which number it has
    claim: str
    code: str
    oracle: str
    function: object


class Comparison(NamedTuple):
    """What the code says and what the oracle says, as texts; `error` is at most `bound`, or not."""

    label: str
    code: str
    oracle: str
    error: float
    bound: float


class Evidence:
    """What a check collects: comparisons, which can fail, and numbers to look at."""

    def __init__(self):
        self.comparisons, self.numbers = [], []  # of Comparison; of (label, value)

    def compare(self, label, error, bound, code="", oracle=""):
        """One comparison; it holds if `error` is at most `bound`. NaN never is."""
        error = math.inf if np.isnan(error) else float(error)
        self.comparisons.append(Comparison(label, code, oracle, error, bound))

    def close(self, label, actual, expected, bound=EXACT):
        """Two arrays agree: largest difference, relative to the largest expected entry."""
        actual, expected = np.asarray(actual), np.asarray(expected)
        if actual.shape != expected.shape:
            self.compare(f"{label}: shape {actual.shape}, not {expected.shape}", math.inf, bound)
            return
        scale = np.abs(expected).max(initial=0) or 1
        error = np.abs(actual - expected).max(initial=0) / scale
        size = np.abs(expected) if error <= bound else np.abs(actual - expected)
        self.compare(label, error, bound, *shown(actual, expected, size))

    def normal(self, label, mean, expected, standard_error):
        """Sample means lie within 4 standard errors of what is expected."""
        mean, expected = np.broadcast_arrays(mean, expected)
        z = np.abs((mean - expected) / standard_error)
        self.compare(label, np.max(z), Z_BOUND, *shown(mean, expected, z))

    def true(self, label, condition):
        """Something holds or does not."""
        self.compare(label, 0.0 if condition else math.inf, EXACT, "yes" if condition else "no")

    def show(self, label, value):
        """A number worth seeing that decides nothing."""
        self.numbers.append((label, value))


def shown(actual, expected, size):
    """Of two arrays, the entries at which `size` is largest: texts."""
    if not actual.size:
        return "", ""
    at = np.unravel_index(np.argmax(size), actual.shape)
    return tuple(short(array[at]) for array in (actual, expected))


def short(number):
    """A number in at most twelve characters."""
    if isinstance(number, complex) and number.imag == 0:
        number = number.real
    return f"{number:.4g}" if isinstance(number, complex) else f"{number + 0.0:.6g}"


def check(key, claim, code, oracle):
    """Make the decorated function(evidence, rng) the Check of the equation with this key."""
    return partial(Check, key, claim, code, oracle)


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


def segment_errors(t, rewards, values, next_values, terminated, ended, gamma):
    """One-step errors of one stream from step t to its segment's end, one `if` at a time.

    Arrays (T,). The advantage of GAE at t is their sum, each weighted with another γλ.
    """
    errors = []
    for k in range(t, len(rewards)):
        future = 0.0 if terminated[k] else gamma * next_values[k]
        errors.append(rewards[k] + future - values[k])
        if ended[k]:
            break
    return errors
