"""What sets an answer apart from the right one, in words, when no fault of the table gives it.

A sign, a factor, a transposed matrix, a shape: these need no list. The list is
lab/proof/faults.py: whoever computes what one of its rows computes, in whatever way it is
written, has made that mistake: on all cases the numbers agree.
"""

import re

import numpy as np


def by_shape(name, theirs, right):
    """What is wrong with one output's shape, in words, or None; arguments as of by_numbers."""
    if all(t.shape == r.T.shape and r.ndim == 2 and close(t, r.T) for t, r in pairs(theirs, right)):
        return f"{name} is transposed"
    for t, r in pairs(theirs, right):
        if t.shape != r.shape:
            square = r.ndim == 1 and t.shape == (len(r), len(r))
            hint = ": (N,1) beside (N,) broadcasts to (N,N)" if square else ""
            return f"{name} has the shape {t.shape}, not {r.shape}{hint}"
    return None


def by_numbers(name, sizes, theirs, right):
    """What sets one output apart from the right one, in words, or None.

    name   of the output; N is spoken of for a loss and for gradients alone
    sizes  rows of each case
    theirs, right  arrays, one a case, in pairs
    """
    factors = [factor(t, r) for t, r in pairs(theirs, right)]
    if any(f is None for f in factors):
        return None
    for wanted, words in (
        ([-1.0] * len(sizes), "−1 times the right one: a sign"),
        ([2.0] * len(sizes), "2 times the right one"),
        ([0.5] * len(sizes), "half the right one"),
        ([0.0] * len(sizes), "zero everywhere"),
        *(by_rows(sizes) if name == "loss" or re.match("d(?!ead)", name) else ()),
    ):
        if np.allclose(factors, wanted, rtol=1e-6, atol=1e-12):
            return f"{name} is {words}"
    if np.allclose(factors, factors[0], rtol=1e-6):
        return f"{name} is {factors[0]:.4g} times the right one"
    return None


def by_rows(sizes):
    """Factors that grow with the number of rows, and what they say."""
    yield [float(n) for n in sizes], "N times too large: the 1/N is missing"
    yield [1.0 / n for n in sizes], "N times too small: the 1/N enters once, in the loss"
    yield [-float(n) for n in sizes], "−N times the right one: a sign, and the 1/N is missing"


def pairs(theirs, right):
    return zip(theirs, right, strict=True)


def factor(theirs, right):
    """The one number with which right, multiplied, is theirs; None if there is none."""
    if not np.isfinite(theirs).all() or not np.any(right):
        return None
    ratio = float(np.sum(theirs * right) / np.sum(right * right))
    return ratio if close(theirs, ratio * right) else None


def close(theirs, right, single=False):
    """Are two arrays the same but for rounding, in theirs' precision or in single precision?"""
    theirs, right = np.asarray(theirs), np.asarray(right)
    if theirs.shape != right.shape:
        return False
    single = single or theirs.dtype in (np.float32, np.float16)
    finite = np.abs(right[np.isfinite(right)])
    scale = max(1.0, float(finite.max())) if finite.size else 1.0
    return np.allclose(
        theirs, right, rtol=0, atol=(2e-6 if single else 1e-10) * scale, equal_nan=True
    )
