"""Docstrings as contracts: the right number, or one line of ValueError; never a wrong number.

FUNCTIONS is a table: what a function takes, and what it promises, computed again in plain Python
from lists of floats. FORMS is another: what numpy would take for such an argument. Every function
meets every form. What follows them are promises of other kinds.
"""

import copy
from fractions import Fraction
from math import exp, expm1, fsum, inf, log, pi, sqrt, tanh
from operator import mul

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as drawn
from oracles import brute_force_advantage, brute_force_return

import advantages
import distributions
import nn
import policies
import ppo
import ppo_penalty
import training
import vpg
from arrays import flags, floats
from normalization import LARGEST, RunningNormalizer
from rollout import fit_actions

# ------------------------------------------------- in plain Python: lists of floats


def mean(xs):
    return fsum(xs) / len(xs)


def each(function, *columns):
    """A function of the numbers of one row -> a function of lists of rows."""
    return [function(*row) for row in zip(*columns, strict=True)]


def log_softmax(row):
    top = max(row)
    return [z - top - log(fsum(exp(y - top) for y in row)) for z in row]


def kl(p, q):
    return fsum(exp(a) * (a - b) for a, b in zip(p, q, strict=True))


def gaussian(a, mu, spread):
    return fsum(
        -((x - m) ** 2) / (2 * exp(2 * s)) - s - log(2 * pi) / 2
        for x, m, s in zip(a, mu, spread, strict=True)
    )


def gaussian_slopes(weights, a, mu, spread):
    columns = range(len(spread))
    z = each(lambda x, m: [(x[j] - m[j]) / exp(spread[j]) for j in columns], a, mu)
    dmeans = each(lambda w, r: [w * r[j] / exp(spread[j]) for j in columns], weights, z)
    return dmeans, [fsum(each(lambda w, r, j=j: w * (r[j] ** 2 - 1), weights, z)) for j in columns]


def gaussian_kl(m0, s0, m, s):
    return fsum(
        t - t0 + (exp(2 * t0) + (x0 - x) ** 2) / (2 * exp(2 * t)) - 0.5
        for x0, t0, x, t in zip(m0, s0, m, s, strict=True)
    )


def gaussian_kl_slopes(weights, m0, s0, m, s):
    columns = range(len(s))
    dmeans = each(
        lambda w, x0, x: [w * (x[j] - x0[j]) / exp(2 * s[j]) for j in columns], weights, m0, m
    )

    def slope(j):
        def row(w, x0, x):
            return w * (1 - (exp(2 * s0[j]) + (x[j] - x0[j]) ** 2) / exp(2 * s[j]))

        return fsum(each(row, weights, m0, m))

    return dmeans, [slope(j) for j in columns]


def surrogate(new, old, A, eps=0.2):
    ratios = each(lambda a, b: exp(a - b), new, old)
    bids = each(lambda r, a: (r * a, min(max(r, 1 - eps), 1 + eps) * a), ratios, A)
    return -mean([min(b) for b in bids]), [-b[0] * (b[0] <= b[1]) / len(A) for b in bids]


def value_clip(v, old, y, eps=0.25):
    held = each(lambda a, b: min(max(a, b - eps), b + eps), v, old)
    errors = each(lambda a, c, t: ((a - t) ** 2, (c - t) ** 2), v, held, y)
    slopes = each(lambda a, t, e: (a - t) * (e[0] >= e[1]) / len(v), v, y, errors)
    return mean([max(e) for e in errors]) / 2, slopes


def clip_statistics(new, old, A, eps=0.2):
    moved = each(lambda a, b: exp(a - b) - 1, new, old)
    dead = each(lambda m, a: abs(m) > eps and m * a > 0, moved, A)
    return mean([abs(m) > eps for m in moved]), mean(dead)


def normalized(xs, eps=1e-8):
    """In rational numbers but for the root."""
    if len(xs) < 2:
        return xs
    exact = [Fraction(x) for x in xs]
    m = sum(exact) / len(xs)
    squares = sum((x - m) ** 2 for x in exact) / len(xs)
    unit = max(map(abs, exact)) or 1
    deviation = Fraction(sqrt(squares / unit**2)) * unit
    return [float((x - m) / (deviation + Fraction(eps))) for x in exact]


def leave_one_out(group):
    exact = [Fraction(x) for x in group]
    return [float(x - (sum(exact) - x) / (len(exact) - 1)) for x in exact]


def streams(function, arrays, *fractions):
    """A brute force of oracles.py at each time of each stream."""
    T, N = np.shape(arrays[0])
    columns = [[list(column) for column in zip(*array, strict=True)] for array in arrays]
    return [[function(t, *(c[n] for c in columns), *fractions) for n in range(N)] for t in range(T)]


def explained(v, y):
    def variance(xs):
        return mean([(x - mean(xs)) ** 2 for x in xs])

    if len(set(y)) == 1:
        return np.nan
    return 1 - variance(each(lambda a, b: b - a, v, y)) / variance(y)


# ------------------------------------------------------------------- the table

# The function; its arguments: an axis a letter (N: at least one), "<K" whole numbers below K,
# "?" flags, "=" a number; the oracle.
FUNCTIONS = [
    (advantages.returns_to_go, "TM TM TM? TM? =0.9", lambda *a: streams(brute_force_return, a[:-1], a[-1])),
    (advantages.gae, "TM TM TM TM? TM? =0.9 =0.8", lambda *a: streams(brute_force_advantage, a[:-2], *a[-2:])),
    (advantages.normalize, "B", normalized),
    (advantages.group_advantages, "MG =0", lambda r, _: each(leave_one_out, r)),
    (advantages.group_advantages, "MG =1", lambda r, _: each(normalized, r)),
    (distributions.log_softmax, "BK", lambda z: each(log_softmax, z)),
    (distributions.log_softmax_backward, "BK BK", lambda u, p: each(lambda a, b: [x - exp(y) * fsum(a) for x, y in zip(a, b, strict=True)], u, p)),
    (distributions.categorical_log_prob, "BK B<K", lambda p, a: each(lambda r, k: r[k], p, a)),
    (distributions.categorical_log_prob_backward, "B B<K BK", lambda u, a, p: each(lambda w, k, r: [w * ((j == k) - x) for j, x in enumerate(r)], u, a, p)),
    (distributions.categorical_entropy, "BK", lambda p: each(lambda r: -fsum(exp(x) * x for x in r), p)),
    (distributions.categorical_entropy_backward, "B B BK", lambda u, h, p: each(lambda w, e, r: [-w * exp(x) * (x + e) for x in r], u, h, p)),
    (distributions.categorical_kl, "BK BK", lambda p, q: each(kl, p, q)),
    (distributions.categorical_kl_backward, "B BK BK", lambda u, p, q: each(lambda w, a, b: [w * (exp(y) - exp(x)) for x, y in zip(a, b, strict=True)], u, p, q)),
    (distributions.gaussian_log_prob, "BA BA A", lambda a, m, s: each(lambda x, y: gaussian(x, y, s), a, m)),
    (distributions.gaussian_log_prob_backward, "B BA BA A", gaussian_slopes),
    (distributions.gaussian_entropy, "A", lambda s: fsum(x + 0.5 * log(2 * pi) + 0.5 for x in s)),
    (distributions.gaussian_kl, "BA A BA A", lambda m0, s0, m, s: each(lambda x, y: gaussian_kl(x, s0, y, s), m0, m)),
    (distributions.gaussian_kl, "BA BA BA BA", lambda *a: each(gaussian_kl, *a)),
    (distributions.gaussian_kl_backward, "B BA A BA A", gaussian_kl_slopes),
    (distributions.kl_estimates, "B", lambda r: ([-x for x in r], [expm1(x) - x for x in r])),
    (nn.linear_forward, "BI IO O", lambda x, W, b: each(lambda r: [fsum(r[i] * W[i][o] for i in range(len(W))) + b[o] for o in range(len(b))], x)),
    (nn.linear_backward, "BO BI IO", lambda dy, x, W: (
        each(lambda r: [fsum(map(mul, r, w)) for w in W], dy),
        [[fsum(each(lambda a, d, i=i, o=o: a[i] * d[o], x, dy)) for o in range(len(W[0]))] for i in range(len(W))],
        [fsum(column) for column in zip(*dy, strict=True)])),
    (nn.tanh_forward, "BI", lambda z: each(lambda r: [tanh(x) for x in r], z)),
    (nn.tanh_backward, "BI BI", lambda d, h: each(lambda a, b: [x * (1 - y * y) for x, y in zip(a, b, strict=True)], d, h)),
    (nn.relu_forward, "BI", lambda z: each(lambda r: [max(x, 0.0) for x in r], z)),
    (nn.relu_backward, "BI BI", lambda d, h: each(lambda a, b: [x * (y > 0) for x, y in zip(a, b, strict=True)], d, h)),
    (vpg.policy_loss, "N N", lambda p, a: (-mean(each(lambda x, y: x * y, p, a)), [-y / len(a) for y in a])),
    (vpg.value_loss, "N N", lambda v, y: (mean(each(lambda a, b: (a - b) ** 2, v, y)) / 2, each(lambda a, b: (a - b) / len(v), v, y))),
    (ppo.clipped_surrogate, "N N N =0.2", surrogate),
    (ppo.clipped_value_loss, "N N N =0.25", value_clip),
    (ppo_penalty.penalized_surrogate, "N N N N =0.7", lambda p, q, a, k, b: (
        -mean(each(lambda x, y, z, w: exp(x - y) * z - b * w, p, q, a, k)),
        each(lambda x, y, z: -exp(x - y) * z / len(a), p, q, a),
        [b / len(a)] * len(a))),
    (ppo.clip_statistics, "N N N =0.2", clip_statistics),
    (training.explained_variance, "N N", explained),
]  # fmt: skip
NAMES = [f"{function.__name__} {takes}" for function, takes, _ in FUNCTIONS]
every_function = pytest.mark.parametrize("function, takes, oracle", FUNCTIONS, ids=NAMES)

# What may stand where floats are said, holding the same numbers; whole ones from 0 to 3.
FORMS = {
    "list": np.ndarray.tolist,
    "bool": lambda x: x > 1,
    "int8": lambda x: 40 * x.astype(np.int8),  # sums and squares of these are beyond int8
    "uint8": lambda x: x.astype(np.uint8),  # differences of these are beyond uint8
    "int64": lambda x: x.astype(np.int64),
    **{name: lambda x, n=name: x.astype(n) for name in ("float16", "float32", "float64", ">f4")},
    "longdouble": lambda x: x.astype(np.longdouble),
    "columns first": np.asfortranarray,
    "every other": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "backwards": lambda x: np.flip(np.flip(x).copy()),
}
ANY_SHAPE = (  # and the number of the argument
    (distributions.kl_estimates, 0),
    (nn.tanh_forward, 0),
    (nn.relu_forward, 0),
    (nn.linear_forward, 0),
    (nn.linear_backward, 1),
    (nn.linear_backward, 2),
)
NARROW = "bool", "int8", "uint8", "float16", "float32", ">f4"  # these become float32


def arguments(rng, takes):
    """One set of arguments, of random sizes; where floats are, whole ones from 0 to 3."""
    sizes = dict(zip("TMNBKAGIO", rng.permutation(9) % 4 + 2, strict=True))
    made = []
    for one in takes.split():
        shape = [sizes[axis] for axis in one.split("<")[0].strip("?") if axis in sizes]
        if one[0] == "=":
            made.append(float(one[1:]) if "." in one else bool(int(one[1:])))
        elif "<" in one:
            made.append(rng.integers(sizes[one[-1]], size=shape))
        elif "?" in one:
            flag = rng.random(shape) < 0.3
            made.append(flag | made[-1] if made[-1].dtype == bool else flag)  # ended: or terminated
        else:
            made.append(rng.integers(0, 4, shape).astype(float))
    return made


def parts(result):
    return result if isinstance(result, tuple) else (result,)


def plain(argument):
    return argument.tolist() if isinstance(argument, np.ndarray) else argument


@every_function
@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**32))
def test_in_any_form_the_right_numbers_in_floats_and_arguments_left_alone(
    function, takes, oracle, seed
):
    rng = np.random.default_rng(seed)
    for name, form in FORMS.items():
        linear = function.__module__ in ("advantages", "nn") or "loss" in function.__name__
        if (name == "int8" and not linear) or (name == "list" and function.__module__ == "nn"):
            continue  # exp(120); layers take arrays
        given_ = arguments(rng, takes)
        for i, one in enumerate(takes.split()):
            if one.isalpha():
                given_[i] = form(given_[i])
                if isinstance(given_[i], np.ndarray):
                    given_[i].flags.writeable = False
        before = copy.deepcopy(given_)
        found = parts(function(*given_))
        exact = [
            np.asarray(a, float).tolist() if one.isalpha() else plain(a)
            for one, a in zip(takes.split(), given_, strict=True)
        ]
        for mine, right in zip(found, parts(oracle(*exact)), strict=True):
            where = f"{function.__name__}, {name}"
            mine, right = np.asarray(mine), np.asarray(right, float)
            assert mine.dtype.kind == "f" and mine.dtype.itemsize >= 4, where
            assert mine.shape == right.shape, where
            scale = max(1.0, np.abs(right[np.isfinite(right)]).max(initial=0))
            bound = (4e-6 if name in NARROW else 1e-12) * scale
            np.testing.assert_allclose(mine, right, rtol=0, atol=bound, err_msg=where)
        for argument, copied in zip(given_, before, strict=True):
            np.testing.assert_array_equal(argument, copied)
            if isinstance(argument, np.ndarray):
                assert not any(np.shares_memory(part, argument) for part in found)


@every_function
def test_what_numpy_would_stretch_is_refused_in_one_line(function, takes, oracle, rng):
    for i, one in enumerate(takes.split()):
        if one[0] == "=":
            continue
        right = arguments(rng, takes)
        bad = {
            "a column": right[i][..., None],
            "a row": right[i][None],
            "one number": right[i].ravel()[0],
            "a list of one": right[i][:1] if right[i].ndim == 1 else right[i][:, :1],
            "too many": np.concatenate([right[i], right[i]], axis=-1),
            "words": np.full(right[i].shape, "1"),
            "nothing": None,
            "objects": right[i].astype(object) + Fraction(1, 3),
        }
        alone = sum(one.split("<")[0].strip("?")[-1] in o.split("<")[0] for o in takes.split()) == 1
        for kind, wrong in bad.items():
            if alone and kind in ("a list of one", "too many"):
                continue  # another size, and a right one
            if (function, i) in ANY_SHAPE and kind in ("a column", "a row", "one number"):
                continue
            if function is nn.linear_backward and kind in ("a list of one", "too many"):
                continue  # some of these multiply
            if function.__module__ == "nn" and kind in ("nothing", "words", "objects"):
                continue  # layers take arrays of numbers; these are Python's and numpy's to refuse
            with pytest.raises(ValueError) as refusal:
                function(*right[:i], wrong, *right[i + 1 :])
                raise AssertionError(f"{function.__name__}, argument {i}: {kind}")
            assert "\n" not in str(refusal.value)


@every_function
def test_no_rows_and_one_row(function, takes, oracle, rng):
    for rows in (0, 1):
        given_ = arguments(rng, takes)
        for i, one in enumerate(takes.split()):
            if one[0] in "TNBM":
                given_[i] = given_[i][:rows]
        if rows == 0 and "N" in takes:
            with pytest.raises(ValueError, match="not \\(0,\\)"):
                function(*given_)
            continue
        found = parts(function(*given_))
        if rows:
            for mine, right in zip(found, parts(oracle(*map(plain, given_))), strict=True):
                np.testing.assert_allclose(mine, np.asarray(right, float), atol=1e-12)
        else:
            assert all(len(part) == 0 or not np.any(part) for part in found if np.ndim(part))


# ------------------------------------------------------------------ advantages


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint8, np.int64, np.float32, float, list])
def test_flags_are_flags_in_any_dress(kind, rng):
    """~1 is −2, and ~1.0 no number at all."""
    rewards, values, next_values, terminated, ended = arguments(rng, "TM TM TM TM? TM?")
    dressed = [a.tolist() if kind is list else a.astype(kind) for a in (terminated, ended)]
    fractions = 0.9, 0.8
    for function, numbers in (
        (advantages.gae, (rewards, values, next_values)),
        (advantages.returns_to_go, (rewards, next_values)),
    ):
        fractions = fractions[: len(numbers) - 1]
        right = function(*numbers, terminated, ended, *fractions)
        np.testing.assert_array_equal(function(*numbers, *dressed, *fractions), right)


@pytest.mark.parametrize("flag", [2, -1, 0.5, np.nan, "yes"])
def test_what_is_neither_true_nor_false_is_no_flag(flag):
    with pytest.raises(ValueError, match="True or False"):
        flags((2,), [flag, 1])


@pytest.mark.parametrize(
    "gamma, lam", [(1.1, 0.5), (-0.1, 0.5), (0.5, 2), (np.nan, 0.5), (0.5, inf)]
)
def test_credit_refuses_what_contradicts_itself(gamma, lam):
    ones, no = np.ones(3), np.zeros(3, bool)
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        advantages.gae(ones, ones, ones, no, no, gamma, lam)
    with pytest.raises(ValueError, match="ended = terminated or truncated"):
        advantages.gae(ones, ones, ones, ~no, no, 0.5, 0.5)
    with pytest.raises(ValueError, match="ended = terminated or truncated"):
        advantages.returns_to_go(ones, ones, ~no, no, 0.5)


def test_whole_rewards_are_not_truncated():
    half = advantages.returns_to_go([1, 1], [0, 0], [0, 1], [0, 1], 0.5)
    np.testing.assert_array_equal(half, [1.5, 1.0])
    many = np.full(400, 100, np.int8)
    no = np.zeros(400, bool)
    assert advantages.returns_to_go(many, 0 * many, no, no, 1.0)[0] == 40_000
    assert advantages.group_advantages(np.array([[0, 1, 1]]), scale=False)[0, 0] == -1.0


numbers = st.floats(-1e3, 1e3, width=32)
OFFSETS = [0.0, 0.1, 1e-30, 1000.1, -1e7, 3e30]


@settings(deadline=None, max_examples=150)
@given(
    rows=st.one_of(
        drawn(np.float32, st.integers(2, 40), elements=numbers),
        st.builds(np.full, st.integers(2, 40), st.floats(-(2.0**99), 2.0**99, width=32)),
        st.builds(
            lambda n, at, by, seed: at + by * np.random.default_rng(seed).standard_normal(n),
            st.integers(2, 40),
            st.sampled_from(OFFSETS),
            st.sampled_from([0.0, 1e-40, 1e-30, 1e-9, 1e-3, 1.0, 1e6, 1e18, 1e30, 1e37]),
            st.integers(0, 99),
        ),
    ),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_normalised_is_normalised_whatever_the_size(rows, dtype):
    rows = rows.astype(dtype)
    right = np.array(normalized(rows.tolist()))
    bound = 1e-3 if dtype == np.float32 else 1e-8
    np.testing.assert_allclose(advantages.normalize(rows), right, rtol=0, atol=bound)
    if np.ptp(rows) == 0:
        assert not advantages.normalize(rows).any()
    with np.errstate(over="ignore"):
        group = np.stack([rows, np.roll(rows, 1)])
    np.testing.assert_allclose(
        advantages.group_advantages(group, scale=True)[0], right, rtol=0, atol=bound
    )
    others = np.array(leave_one_out(rows.tolist()))
    if np.abs(others).max() < np.finfo(dtype).max:
        found = advantages.group_advantages(group, scale=False)[0]
        size, tiny = np.abs(rows).max(), np.finfo(dtype).smallest_subnormal
        np.testing.assert_allclose(
            found, others, rtol=0, atol=4 * (np.finfo(dtype).eps * size + tiny)
        )
        assert np.ptp(rows) > 0 or not found.any()


@pytest.mark.parametrize("bad", [np.nan, inf, 1e200])
def test_groups_refuse_what_has_no_deviation(bad):
    with pytest.raises(ValueError, match="finite"):
        advantages.group_advantages([[1.0, bad]], scale=True)
    for function in (advantages.normalize, lambda x, eps: advantages.group_advantages([x], 1, eps)):
        with pytest.raises(ValueError, match="eps must be greater than"):
            function([1.0, 2.0], 0.0)


def test_one_row_comes_back_unchanged_and_as_a_copy():
    row = np.array([3.0])
    assert advantages.normalize(row) == row and not np.shares_memory(advantages.normalize(row), row)
    assert advantages.normalize([7]).dtype == np.float64


# --------------------------------------------------------------- distributions


@settings(deadline=None)
@given(drawn(np.float32, (3, 4), elements=st.floats(-(2.0**126), 2.0**126, width=32)))
def test_log_probabilities_are_finite_for_logits_of_any_size(logits):
    for z in (logits, logits.astype(np.float64) * 1e260):
        found = distributions.log_softmax(z)
        assert np.isfinite(found).all() and (found <= 0).all()
        with np.errstate(under="ignore"):
            np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    "actions",
    [
        *([-1, 0], [0, 2], [0.0, 0.5], [1.0, 0.0], [1 + 0j, 0j], [[0], [1]], [0]),
        *([True, False], [0, 10**12], ["1", "0"]),
    ],
)
def test_an_action_that_is_none(actions):
    log_probs = np.log(np.full((2, 2), 0.5))
    with pytest.raises(ValueError) as refusal:
        distributions.categorical_log_prob(log_probs, np.array(actions))
    assert "\n" not in str(refusal.value)
    with pytest.raises(ValueError) as refusal:
        distributions.categorical_log_prob_backward(np.ones(2), np.array(actions), log_probs)
    assert "\n" not in str(refusal.value)


@given(drawn(st.sampled_from([np.float32, np.float64]), 20, elements=st.floats(-50, 50, width=32)))
def test_k3_is_never_negative(log_ratios):
    for scale in (1, 1e-4, 1e-9, 1e-30):
        assert (
            distributions.kl_estimates((scale * log_ratios).astype(log_ratios.dtype))[1] >= 0
        ).all()


# ------------------------------------------------------------ network, optimiser


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0.0, 1e-300, 1e-42, 1e-30, 1e-12, 1.0, 1e18, 1e25, 1e38, 1e300])
def test_a_norm_of_any_size(dtype, size, rng):
    with np.errstate(over="ignore"):
        gradient = (size * rng.uniform(-1, 1, 50)).astype(dtype)
    if not np.isfinite(gradient).all():
        return
    before = gradient.astype(np.longdouble)
    with np.errstate(over="ignore"):  # numpy warns of what is mended in the next line
        norm = nn.clip_global_norm(gradient, 0.5)
    right = np.sqrt((before**2).sum())
    assert type(norm) is float and norm == pytest.approx(float(right), rel=1e-5)
    expected = before * min(1, 0.5 / (right + 1e-6))
    tiny = np.finfo(dtype).smallest_subnormal
    np.testing.assert_allclose(gradient, expected.astype(dtype), rtol=1e-5, atol=2 * tiny)


@pytest.mark.parametrize("dtype", [int, bool, np.float16, np.int64, str])
def test_networks_are_of_floats(dtype, rng):
    with pytest.raises(ValueError, match="dtype must be"):
        nn.MLP((2, 1), rng, dtype=dtype)
    with pytest.raises(ValueError, match="dtype must be"):
        nn.Adam(3, 0.1, dtype=dtype)
    with pytest.raises(ValueError, match="dtype must be"):
        nn.orthogonal((3, 2), 1.0, rng, dtype)


@pytest.mark.parametrize("shape", [(1,), (3, 1), (4,), ()])
def test_adam_stretches_nothing(shape):
    adam = nn.Adam(3, 0.1)
    with pytest.raises(ValueError, match=r"must be \(3,\)"):
        adam.step(np.zeros(3), np.ones(shape))
    assert adam.t == 0 and not adam.m.any()


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (1, 4), (4, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_orthogonal_is_orthogonal(shape, dtype, rng):
    W = nn.orthogonal(shape, 1.7, rng, dtype)
    product = W.T @ W if shape[0] >= shape[1] else W @ W.T
    assert W.dtype == dtype
    np.testing.assert_allclose(product, 1.7**2 * np.eye(min(shape)), atol=1e-5)


@pytest.mark.parametrize("kind", [policies.CategoricalPolicy, policies.GaussianPolicy])
@pytest.mark.parametrize("dtype", [list, bool, np.uint8, np.int64, np.float16, np.float64])
def test_a_policy_takes_observations_of_any_dtype(kind, dtype, rng):
    policy = kind(3, 2, (4,), rng)
    obs = rng.integers(0, 2, (5, 3)).astype(np.float32)
    other = obs.tolist() if dtype is list else obs.astype(dtype)
    for act in (
        policy.greedy,
        policy.distribution,
        lambda o: policy.sample(o, np.random.default_rng(0))[0],
        lambda o: policy.sample(o, np.random.default_rng(0))[1],
    ):
        np.testing.assert_array_equal(act(other), act(obs))
        assert act(other).dtype == act(obs).dtype


# ---------------------------------------------------------------- the algorithms


@given(st.integers(1, 300), st.integers(1, 400), st.integers(0, 9))
def test_each_row_comes_once(num_rows, size, seed):
    found = list(ppo.minibatches(num_rows, size, np.random.default_rng(seed)))
    assert sorted(np.concatenate(found)) == list(range(num_rows))
    lengths = [len(part) for part in found]
    assert max(lengths) <= size and max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("num_rows, size", [(0, 4), (4, 0), (4, -1), (-4, 2)])
def test_rows_that_cannot_be_dealt(num_rows, size, rng):
    with pytest.raises(ValueError, match="cannot be dealt"):
        list(ppo.minibatches(num_rows, size, rng))


@given(st.floats(ppo_penalty.SMALLEST, ppo_penalty.LARGEST), st.floats(0, 1e9), st.floats(1e-9, 10))
def test_the_penalty_s_weight_never_leaves_its_range(beta, divergence, target):
    found = ppo_penalty.adapt_kl_coefficient(beta, divergence, target)
    assert ppo_penalty.SMALLEST <= found <= ppo_penalty.LARGEST


@pytest.mark.parametrize("beta", [1e-7, 1e7, 1e308, 0.0, -1.0])
def test_a_weight_from_outside_the_range(beta):
    for refuse in (
        lambda: ppo_penalty.Config(kl_coefficient=beta),
        lambda: ppo_penalty.adapt_kl_coefficient(beta, 0.01, 0.01),
    ):
        with pytest.raises(ValueError, match=r"kl_coefficient must be in \[1e-06, 1e\+06\]"):
            refuse()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", [0.0, 0.1, 1e-30, 1e30, -1e6 / 3])
def test_equal_targets_leave_nothing_to_explain(target, dtype, rng):
    targets = np.full(7, target, dtype)
    assert np.isnan(training.explained_variance(rng.random(7).astype(dtype), targets))


# ---------------------------------------------------------------- normalisation


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.float16, np.float32, np.float64])
def test_deviations_are_no_whole_numbers(dtype, rng):
    rows = rng.integers(0, 2, (50, 3)).astype(dtype)
    normalizer = RunningNormalizer(3)
    clipped = normalizer(rows)
    np.testing.assert_allclose(clipped, rows.astype(float), atol=1e-7)
    for part in (rows[:20], rows[:0], rows[20:21], rows[21:]):
        normalizer.update(part)
    wide = rows.astype(float)
    assert normalizer.count == 50
    np.testing.assert_allclose(normalizer.mean, wide.mean(axis=0), atol=1e-12)
    right = (wide - wide.mean(axis=0)) / wide.std(axis=0)
    assert normalizer(rows).dtype.kind == "f"
    np.testing.assert_allclose(normalizer(rows), right, atol=1e-2 if dtype == np.float16 else 1e-6)


@pytest.mark.parametrize("offset", [0.0, 1.7e9, -1e12])
def test_a_small_change_beside_a_large_number(offset, rng):
    rows = offset + rng.integers(-50, 50, (400, 1)) / 4
    normalizer = RunningNormalizer(1)
    for part in np.split(rows, 8):
        normalizer.update(part)
    right = (rows - offset) - (rows - offset).mean()
    np.testing.assert_allclose(normalizer(rows), right / right.std(), atol=1e-4)


def test_an_empty_update_and_a_constant_column():
    normalizer = RunningNormalizer(2)
    normalizer.update(np.empty((0, 2), np.float32))
    assert normalizer.count == 0 and (normalizer.variance == 1).all() and not normalizer.mean.any()
    normalizer.update(np.full((3, 2), 1e9))
    np.testing.assert_array_equal(normalizer(np.array([[1e9, 2e9]])), [[0, LARGEST]])


@pytest.mark.parametrize("shape", [(3,), (3, 1), (4, 2), (2, 3, 3), ()])
def test_rows_of_another_size_are_refused(shape):
    normalizer = RunningNormalizer(3)
    for function in (normalizer, normalizer.update):
        with pytest.raises(ValueError, match="shapes must be"):
            function(np.ones(shape))


def test_nothing_that_is_right_already_is_copied(rng):
    """Asking costs a formula nothing but the question."""
    for dtype in (np.float32, np.float64, np.longdouble, np.complex128):
        array = rng.normal(size=(3, 2)).astype(dtype)
        assert floats("BK", array) is array


def test_a_mask_is_not_dropped_without_a_word():
    with pytest.raises(ValueError, match="mask"):
        advantages.normalize(np.ma.masked_greater([1.0, 2.0, 9.0], 5))


@pytest.mark.parametrize("number", [np.float64(0.9), np.float32(0.5), np.int64(1), Fraction(1, 2)])
def test_a_setting_is_a_plain_number(number):
    config = ppo.Config(gamma=number, hidden_sizes=(np.int64(8),), epochs=np.int32(3))
    assert type(config.gamma) is float and config.gamma == number
    assert type(config.hidden_sizes[0]) is type(config.epochs) is int


# ---------------------------------------------------- at the edges, and what does not belong

f32 = np.float32
ROWS = f32([0.3, -0.1, 0.7])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0.0, 1e-300, 1e-170, 1e-40, 1e-25, 1e-16, 1.0, 1e14, 1e30])
@pytest.mark.parametrize("eps", [1e-320, 1e-300, 1e-50, 1e-30, 1e-8, np.float64(1e-12)])
def test_a_small_eps_and_tiny_rows(dtype, size, eps):
    for rows in ([1, -1, 0.5], [1, 1, 1], [1, 1 + 1e-6, 1]):
        rows = (size * np.array(rows)).astype(dtype)
        found, right = advantages.normalize(rows, eps), np.array(normalized(rows.tolist(), eps))
        assert found.dtype == dtype
        np.testing.assert_allclose(found, right, atol=1e-5)
        if eps > 1e-150:
            found = advantages.group_advantages([rows], True, eps)[0]
            np.testing.assert_allclose(found, right, atol=1e-5)
        else:
            with pytest.raises(ValueError, match="eps must be greater than 1e-150"):
                advantages.group_advantages([rows], True, eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("log_std", [-80.0, -45.0, -30.0, 0.0, 30.0, 45.0, 80.0])
def test_the_kl_of_equal_gaussians_is_zero(log_std, dtype):
    means, spread = np.ones((2, 1), dtype), np.full(1, log_std, dtype)
    one = means, spread, means, spread
    assert not distributions.gaussian_kl(*one).any()
    for slopes in distributions.gaussian_kl_backward(np.ones(2, dtype), *one):
        assert not slopes.any()


@pytest.mark.parametrize("dtype, edge", [(np.float32, 43), (np.float64, 350)])
def test_log_deviations_to_the_edge_of_what_is_promised(dtype, edge):
    for log_std in (-edge, edge):
        one, spread = np.ones((1, 1), dtype), np.full(1, log_std, dtype)
        right = -log_std - log(2 * pi) / 2
        assert distributions.gaussian_log_prob(one, one, spread)[0] == pytest.approx(right, 1e-6)
        found = distributions.gaussian_log_prob_backward(np.ones(1, dtype), one, one, spread)
        assert found[0] == 0 and found[1] == -1


def test_a_variance_that_the_dtype_does_not_hold_explains_nothing():
    for dtype, size in ((f32, 1e-22), (float, 3e-162), (float, 1e-160), (f32, 1e-44), (f32, 0)):
        targets = (size * np.array([1, -2, 3])).astype(dtype)
        assert np.isnan(training.explained_variance(targets / 2, targets))
    assert np.isnan(
        training.explained_variance(*floats("N N", f32([1e18, -1e18]), f32([0, 1e-22])))
    )
    with np.errstate(over="ignore"):
        assert np.isnan(training.explained_variance(f32([1e30, -1e30]), f32([1, 2])))
    assert training.explained_variance(f32([1e-15, 0]), f32([2e-15, 0])) == pytest.approx(0.75)


@pytest.mark.parametrize("bad", [1e200, -1e151, inf, np.nan])
def test_a_normaliser_refuses_what_has_no_square(bad):
    normalizer = RunningNormalizer(1)
    with pytest.raises(ValueError, match="at most 1e150"):
        normalizer.update(np.array([[1.0], [bad]]))
    assert normalizer.count == 0 and normalizer.variance == 1


@pytest.mark.parametrize("number", [np.float64, np.float32, np.longdouble])
def test_a_fraction_of_numpy_s_does_not_decide_the_dtype(number):
    no, part = np.zeros(3, bool), number(0.5)
    for found in (
        advantages.returns_to_go(ROWS, ROWS, no, no, part),
        advantages.gae(ROWS, ROWS, ROWS, no, no, part, part),
        advantages.normalize(ROWS, part),
        advantages.group_advantages(ROWS[None], True, part),
        *ppo.clipped_surrogate(ROWS, ROWS, ROWS, part),
        *ppo.clipped_value_loss(ROWS, ROWS, ROWS, part),
        *ppo_penalty.penalized_surrogate(ROWS, ROWS, ROWS, ROWS, part),
    ):
        # a sum over a count is numpy's own affair: a float64 before numpy 2
        assert np.ndim(found) == 0 or found.dtype == np.float32


BOX, TWO = gym.spaces.Box(-1, 1, (2,)), gym.spaces.Discrete(2, start=5)
MASKED = np.ma.masked_equal([0, 1], 1)
ONES, NET = np.ones((2, 2)), nn.MLP((3, 2), np.random.default_rng(0))
REFUSED = {  # what is called, and words of what it says
    "a row for two dimensions": (lambda: fit_actions(np.array([[0.5]]), BOX), "shapes must be"),
    "actions in a row": (lambda: fit_actions(np.ones(2), BOX), "shapes must be"),
    "a stack of actions": (lambda: fit_actions(np.ones((1, 1, 2)), BOX), "shapes must be"),
    "no such action": (lambda: fit_actions(np.array([0, 2]), TWO), "from 0 to 1"),
    "half an action": (lambda: fit_actions(np.array([0.5]), TWO), "whole numbers"),
    "one action": (lambda: fit_actions(1, TWO), "whole numbers"),
    "masked actions to fit": (lambda: fit_actions(MASKED, TWO), "mask"),
    "masked means to fit": (lambda: fit_actions(np.ma.masked_equal(ONES, 1), BOX), "mask"),
    "masked flags": (lambda: flags((2,), MASKED), "mask"),
    "masked actions": (lambda: distributions.categorical_log_prob(ONES, MASKED), "mask"),
    "masked, backward": (
        lambda: distributions.categorical_log_prob_backward(np.ones(2), MASKED, ONES),
        "mask",
    ),
    "masked observations": (lambda: NET(np.ma.masked_equal(np.ones((1, 3)), 1)), "mask"),
    "no logits": (lambda: distributions.log_softmax(np.zeros((3, 0))), "K at least 1"),
    "no choice": (lambda: distributions.categorical_entropy(np.zeros((3, 0))), "K at least 1"),
    "a matrix to shorten": (lambda: nn.clip_global_norm(np.ones((2, 2)), 1.0), r"\(P,\) float"),
    "a complex gradient": (lambda: nn.clip_global_norm(np.ones(2, complex), 1.0), "complex"),
    "half a unit": (lambda: nn.MLP((4.0, 2), np.random), "whole numbers"),
    "a list's activation": (lambda: nn.MLP((4, 2), np.random, []), "activation must be"),
    "no rows to deal": (lambda: ppo.minibatches(0, 5, np.random), "cannot be dealt"),
    "a seed below 0": (
        lambda: training.Trainer(vpg, "CartPole-v1", vpg.Config(), seed=-1),
        "seed must be a whole number, at least 0, not -1",
    ),
    **{
        f"{episodes} episodes": (
            lambda episodes=episodes: training.evaluate(NET, "Acrobot-v1", episodes, 0),
            "episodes must be a whole number, at least 1",
        )
        for episodes in (0, -1, 1.5, "2", True)
    },
    **{
        f"a learning rate of {name}": (
            lambda number=number: ppo.Config(learning_rate=number),
            "learning_rate must be greater than 0",
        )
        for name, number in {
            "a longdouble": np.longdouble("1e-400"),
            "a Fraction": Fraction(1, 10**400),
        }.items()
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_belong_is_refused_in_one_line(name):
    call, words = REFUSED[name]
    with pytest.raises(ValueError, match=words) as refusal:
        call()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("kind", [policies.CategoricalPolicy, policies.GaussianPolicy])
@pytest.mark.parametrize("shape", [(3,), (5, 4), (2, 5, 3), (1, 1, 3), (), (0,)])
def test_a_policy_refuses_observations_of_another_shape(kind, shape, rng):
    policy = kind(3, 2, (4,), rng)
    for act in (policy.greedy, policy.distribution, lambda obs: policy.sample(obs, rng)):
        with pytest.raises(ValueError, match=r"\(B, (3\)|…\))") as refusal:
            act(np.ones(shape))
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
@pytest.mark.parametrize("greedy", [True, False])
def test_a_policy_of_another_environment_is_refused(env_id, greedy, rng):
    obs_dim = {"CartPole-v1": 4, "Pendulum-v1": 3}[env_id]
    for policy in (
        policies.CategoricalPolicy(6, 2, (4,), rng),
        policies.GaussianPolicy(6, 1, (4,), rng),
        policies.GaussianPolicy(obs_dim, 2, (4,), rng),
        *[policies.CategoricalPolicy(obs_dim, 1, (4,), rng)] * (env_id == "Pendulum-v1"),
    ):
        with pytest.raises(ValueError) as refusal:
            training.evaluate(policy, env_id, 2, 0, greedy)
        assert "\n" not in str(refusal.value) and "environment" not in str(refusal.value)


def test_no_rows_have_no_actions():
    assert distributions.categorical_log_prob(np.zeros((0, 3)), []).shape == (0,)
    assert distributions.categorical_log_prob_backward([], [], np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    "parameters, gradient", [((2, 3), (3,)), ((4,), (3,)), ((), (3,)), ((3,), (1,))]
)
def test_adam_moves_nothing_for_parameters_of_another_shape(parameters, gradient):
    adam, moved = nn.Adam(3, 0.1), np.zeros(parameters)
    with pytest.raises(ValueError, match=r"must be \(3,\)"):
        adam.step(moved, np.ones(gradient))
    assert adam.t == 0 and not (adam.m.any() or adam.v.any() or moved.any())


class Ends(gym.vector.VectorWrapper):
    def step(self, actions):
        obs, rewards, terminated, truncated, infos = self.env.step(actions)
        return obs, rewards, terminated | True, truncated, infos


@pytest.mark.parametrize("num_steps", [1, 2, 16])
def test_an_environment_that_only_ends_is_refused(num_steps):
    trainer = training.Trainer(vpg, "CartPole-v1", vpg.Config(num_steps=num_steps), seed=0)
    trainer.sampler.envs = Ends(trainer.envs)
    trainer.iterate()
    with pytest.raises(ValueError, match="CartPole-v1 reports an end on every call") as refusal:
        trainer.iterate()
    assert "\n" not in str(refusal.value)
