"""Docstrings as contracts: the right number, or one line of ValueError; never a wrong number.

FUNCTIONS is a table: what a function takes. FORMS is another: what numpy would take for such an
argument. Every function meets every form, and gives what it gives for float64 arrays, of which
the checks of lab/proof say that it is right. What follows are promises of other kinds.
"""

import copy
import itertools
from fractions import Fraction
from math import inf, log, pi, sqrt

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as drawn

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

# The function; its arguments: an axis a letter (N: at least one), "<K" whole numbers below K,
# "?" flags, "=" a number.
FUNCTIONS = [
    (advantages.returns_to_go, "TM TM TM? TM? =0.9"),
    (advantages.gae, "TM TM TM TM? TM? =0.9 =0.8"),
    (advantages.normalize, "B"),
    (advantages.group_advantages, "MG =0"),
    (advantages.group_advantages, "MG =1"),
    (distributions.log_softmax, "BK"),
    (distributions.log_softmax_backward, "BK BK"),
    (distributions.categorical_log_prob, "BK B<K"),
    (distributions.categorical_log_prob_backward, "B B<K BK"),
    (distributions.categorical_entropy, "BK"),
    (distributions.categorical_entropy_backward, "B B BK"),
    (distributions.categorical_kl, "BK BK"),
    (distributions.categorical_kl_backward, "B BK BK"),
    (distributions.gaussian_log_prob, "BA BA A"),
    (distributions.gaussian_log_prob_backward, "B BA BA A"),
    (distributions.gaussian_entropy, "A"),
    (distributions.gaussian_kl, "BA A BA A"),
    (distributions.gaussian_kl, "BA BA BA BA"),
    (distributions.gaussian_kl_backward, "B BA A BA A"),
    (distributions.kl_estimates, "B"),
    (nn.linear_forward, "BI IO O"),
    (nn.linear_backward, "BO BI IO"),
    (nn.tanh_forward, "BI"),
    (nn.tanh_backward, "BI BI"),
    (nn.relu_forward, "BI"),
    (nn.relu_backward, "BI BI"),
    (vpg.policy_loss, "N N"),
    (vpg.value_loss, "N N"),
    (ppo.clipped_surrogate, "N N N =0.2"),
    (ppo.clipped_value_loss, "N N N =0.25"),
    (ppo_penalty.penalized_surrogate, "N N N N =0.7"),
    (ppo.clip_statistics, "N N N =0.2"),
    (training.explained_variance, "N N"),
]
NAMES = [f"{function.__name__} {takes}" for function, takes in FUNCTIONS]
every_function = pytest.mark.parametrize("function, takes", FUNCTIONS, ids=NAMES)

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
    for part in takes.split():
        shape = [sizes[axis] for axis in part.split("<")[0].strip("?") if axis in sizes]
        if part[0] == "=":
            made.append(float(part[1:]) if "." in part else bool(int(part[1:])))
        elif "<" in part:
            made.append(rng.integers(sizes[part[-1]], size=shape))
        elif "?" in part:
            flag = rng.random(shape) < 0.3
            made.append(flag | made[-1] if made[-1].dtype == bool else flag)  # ended: or terminated
        else:
            made.append(rng.integers(0, 4, shape).astype(float))
    return made


def parts(result):
    return result if isinstance(result, tuple) else (result,)


@every_function
def test_in_any_form_the_right_numbers_in_floats_and_arguments_left_alone(function, takes):
    linear = function.__module__ in ("advantages", "nn") or "loss" in function.__name__
    for (name, form), seed in itertools.product(FORMS.items(), range(4)):
        if (name == "int8" and not linear) or (name == "list" and function.__module__ == "nn"):
            continue  # exp(120); layers take arrays
        made = arguments(np.random.default_rng(seed), takes)
        for i, part in enumerate(takes.split()):
            if part.isalpha():
                made[i] = form(made[i])
            if isinstance(made[i], np.ndarray):
                made[i].flags.writeable = False
        before = copy.deepcopy(made)
        results = parts(function(*made))
        wide = [
            np.array(a, np.float64) if part.isalpha() else a
            for part, a in zip(takes.split(), made, strict=True)
        ]
        for mine, right in zip(results, parts(function(*wide)), strict=True):
            mine, right = np.asarray(mine), np.asarray(right)
            assert mine.dtype.kind == "f" and mine.dtype.itemsize >= 4, name
            assert mine.shape == right.shape, name
            scale = max(1.0, np.abs(right[np.isfinite(right)]).max(initial=0))
            bound = (4e-6 if name in NARROW else 1e-12) * scale
            np.testing.assert_allclose(mine, right, rtol=0, atol=bound, err_msg=name)
        for argument, copied in zip(made, before, strict=True):
            np.testing.assert_array_equal(argument, copied)
            if isinstance(argument, np.ndarray):
                assert not any(np.shares_memory(part, argument) for part in results), name


@every_function
def test_what_numpy_would_stretch_is_refused_in_one_line(function, takes, rng):
    for i, part in enumerate(takes.split()):
        if part[0] == "=":
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
        alone = (
            sum(part.split("<")[0].strip("?")[-1] in p.split("<")[0] for p in takes.split()) == 1
        )
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
def test_no_rows_and_one_row(function, takes, rng):
    for rows in (0, 1):
        made = arguments(rng, takes)
        for i, part in enumerate(takes.split()):
            if part[0] in "TNBM":
                made[i] = made[i][:rows]
        if rows == 0 and "N" in takes:
            with pytest.raises(ValueError, match="not \\(0,\\)"):
                function(*made)
            continue
        results = [part for part in parts(function(*made)) if np.ndim(part)]
        if rows:
            assert all(np.isfinite(part).all() and np.size(part) for part in results)
        else:
            assert all(len(part) == 0 or not np.any(part) for part in results)


def normalized(xs, eps=1e-8):
    """Eq. 16 in rational numbers but for the root."""
    if len(xs) < 2:
        return xs
    exact = [Fraction(x) for x in xs]
    m = sum(exact) / len(xs)
    squares = sum((x - m) ** 2 for x in exact) / len(xs)
    unit = max(map(abs, exact)) or 1
    deviation = Fraction(sqrt(squares / unit**2)) * unit
    return [float((x - m) / (deviation + Fraction(eps))) for x in exact]


def leave_one_out(group):
    """Eq. 50 in rational numbers."""
    exact = [Fraction(x) for x in group]
    return [float(x - (sum(exact) - x) / (len(exact) - 1)) for x in exact]


# ------------------------------------------------------------------ advantages


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint8, np.int64, np.float32, float, list])
def test_flags_are_flags_in_any_dress(kind, rng):
    """~1 is −2, and ~1.0 no number at all."""
    for function, takes in FUNCTIONS[:2]:
        made = arguments(rng, takes)
        dressed = [
            (a.tolist() if kind is list else a.astype(kind)) if "?" in part else a
            for part, a in zip(takes.split(), made, strict=True)
        ]
        np.testing.assert_array_equal(function(*dressed), function(*made))


numbers = st.floats(-1e3, 1e3, width=32)
OFFSETS = [0.0, 0.1, 1e-30, 1000.1, -1e7, 3e30]


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
        credit = advantages.group_advantages(group, scale=False)[0]
        size, tiny = np.abs(rows).max(), np.finfo(dtype).smallest_subnormal
        np.testing.assert_allclose(
            credit, others, rtol=0, atol=4 * (np.finfo(dtype).eps * size + tiny)
        )
        assert np.ptp(rows) > 0 or not credit.any()


def test_one_row_comes_back_unchanged_and_as_a_copy():
    row = np.array([3.0])
    assert advantages.normalize(row) == row and not np.shares_memory(advantages.normalize(row), row)
    assert advantages.normalize([7]).dtype == np.float64


# --------------------------------------------------------------- distributions


@given(drawn(np.float32, (3, 4), elements=st.floats(-(2.0**126), 2.0**126, width=32)))
def test_log_probabilities_are_finite_for_logits_of_any_size(logits):
    for z in (logits, logits.astype(np.float64) * 1e260):
        log_probs = distributions.log_softmax(z)
        assert np.isfinite(log_probs).all() and (log_probs <= 0).all()
        with np.errstate(under="ignore"):
            np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1, rtol=1e-6)


@given(drawn(st.sampled_from([np.float32, np.float64]), 20, elements=st.floats(-50, 50, width=32)))
def test_k3_is_never_negative(log_ratios):
    for scale in (1, 1e-4, 1e-9, 1e-30):
        assert (
            distributions.kl_estimates((scale * log_ratios).astype(log_ratios.dtype))[1] >= 0
        ).all()


def test_rows_may_have_log_deviations_of_their_own(rng):
    old_means, means, old_log_stds, log_stds = rng.normal(size=(4, 3, 2))
    of_rows = [
        distributions.gaussian_kl(old_means[i : i + 1], old_log_stds[i], means[i : i + 1], row)[0]
        for i, row in enumerate(log_stds)
    ]
    together = distributions.gaussian_kl(old_means, old_log_stds, means, log_stds)
    np.testing.assert_allclose(together, of_rows, rtol=1e-14)


# ------------------------------------------------------------ network, optimiser


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0.0, 1e-300, 1e-42, 1e-30, 1e-12, 1.0, 1e18, 1e25, 1e38, 1e300])
def test_a_norm_of_any_size(dtype, size, rng):
    with np.errstate(over="ignore"):
        gradient = (size * rng.uniform(-1, 1, 50)).astype(dtype)
    if not np.isfinite(gradient).all():
        return
    before = gradient.astype(np.longdouble)
    norm = nn.clip_global_norm(gradient, 0.5)
    right = np.sqrt((before**2).sum())
    assert type(norm) is float and norm == pytest.approx(float(right), rel=1e-5)
    expected = before * min(1, 0.5 / (right + 1e-6))
    tiny = np.finfo(dtype).smallest_subnormal
    np.testing.assert_allclose(gradient, expected.astype(dtype), rtol=1e-5, atol=2 * tiny)


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
    dressed = obs.tolist() if dtype is list else obs.astype(dtype)
    for act in (
        policy.greedy,
        policy.distribution,
        lambda o: policy.sample(o, np.random.default_rng(0))[0],
        lambda o: policy.sample(o, np.random.default_rng(0))[1],
    ):
        np.testing.assert_array_equal(act(dressed), act(obs))
        assert act(dressed).dtype == act(obs).dtype


# ---------------------------------------------------------------- the algorithms


@given(st.integers(1, 300), st.integers(1, 400), st.integers(0, 9))
def test_each_row_comes_once(num_rows, size, seed):
    minibatches = list(ppo.minibatches(num_rows, size, np.random.default_rng(seed)))
    assert sorted(np.concatenate(minibatches)) == list(range(num_rows))
    lengths = [len(part) for part in minibatches]
    assert max(lengths) <= size and max(lengths) - min(lengths) <= 1


@given(st.floats(ppo_penalty.SMALLEST, ppo_penalty.LARGEST), st.floats(0, 1e9), st.floats(1e-9, 10))
def test_the_penalty_s_weight_never_leaves_its_range(beta, divergence, target):
    next_beta = ppo_penalty.adapt_kl_coefficient(beta, divergence, target)
    assert ppo_penalty.SMALLEST <= next_beta <= ppo_penalty.LARGEST


def test_the_explained_variance_is_a_share_of_the_variance(rng):
    values, targets = rng.normal(size=(2, 9))
    right = 1 - np.var(targets - values) / np.var(targets)
    assert training.explained_variance(values, targets) == pytest.approx(right)


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


def test_nothing_that_is_right_already_is_copied(rng):
    """Asking costs a formula nothing but the question."""
    for dtype in (np.float32, np.float64, np.longdouble, np.complex128):
        array = rng.normal(size=(3, 2)).astype(dtype)
        assert floats("BK", array) is array


@pytest.mark.parametrize("number", [np.float64(0.9), np.float32(0.5), np.int64(1), Fraction(1, 2)])
def test_a_setting_is_a_plain_number(number):
    config = ppo.Config(gamma=number, hidden_sizes=(np.int64(8),), epochs=np.int32(3))
    assert type(config.gamma) is float and config.gamma == number
    assert type(config.hidden_sizes[0]) is type(config.epochs) is int


# ---------------------------------------------------- at the edges, and what does not belong

f32 = np.float32
ROWS = f32([0.3, -0.1, 0.7])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("eps", [1e-320, 1e-300, 1e-50, 1e-30, 1e-8, np.float64(1e-12)])
def test_a_small_eps_and_tiny_rows(dtype, eps):
    sizes = 0.0, 1e-300, 1e-170, 1e-40, 1e-25, 1e-16, 1.0, 1e14, 1e30
    for size, shares in itertools.product(sizes, ([1, -1, 0.5], [1, 1, 1], [1, 1 + 1e-6, 1])):
        rows = (size * np.array(shares)).astype(dtype)
        result, right = advantages.normalize(rows, eps), normalized(rows.tolist(), eps)
        assert result.dtype == dtype
        np.testing.assert_allclose(result, right, atol=1e-5)
        if eps > 1e-150:
            result = advantages.group_advantages([rows], True, eps)[0]
            np.testing.assert_allclose(result, right, atol=1e-5)
        else:
            with pytest.raises(ValueError, match="eps must be greater than 1e-150"):
                advantages.group_advantages([rows], True, eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("log_std", [-80.0, -45.0, -30.0, 0.0, 30.0, 45.0, 80.0])
def test_the_kl_of_equal_gaussians_is_zero(log_std, dtype):
    means, spread = np.ones((2, 1), dtype), np.full(1, log_std, dtype)
    twice = means, spread, means, spread
    assert not distributions.gaussian_kl(*twice).any()
    for slopes in distributions.gaussian_kl_backward(np.ones(2, dtype), *twice):
        assert not slopes.any()


@pytest.mark.parametrize("dtype, edge", [(np.float32, 43), (np.float64, 350)])
def test_log_deviations_to_the_edge_of_what_is_promised(dtype, edge):
    for log_std in (-edge, edge):
        point, spread = np.ones((1, 1), dtype), np.full(1, log_std, dtype)
        right = -log_std - log(2 * pi) / 2
        assert distributions.gaussian_log_prob(point, point, spread)[0] == pytest.approx(
            right, 1e-6
        )
        slopes = distributions.gaussian_log_prob_backward(np.ones(1, dtype), point, point, spread)
        assert slopes[0] == 0 and slopes[1] == -1


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
    for result in (
        advantages.returns_to_go(ROWS, ROWS, no, no, part),
        advantages.gae(ROWS, ROWS, ROWS, no, no, part, part),
        advantages.normalize(ROWS, part),
        advantages.group_advantages(ROWS[None], True, part),
        *ppo.clipped_surrogate(ROWS, ROWS, ROWS, part),
        *ppo.clipped_value_loss(ROWS, ROWS, ROWS, part),
        *ppo_penalty.penalized_surrogate(ROWS, ROWS, ROWS, ROWS, part),
    ):
        # a sum over a count is numpy's own affair: a float64 before numpy 2
        assert np.ndim(result) == 0 or result.dtype == np.float32


BOX, TWO = gym.spaces.Box(-1, 1, (2,)), gym.spaces.Discrete(2, start=5)
MASKED, ONES = np.ma.masked_equal([0, 1], 1), np.ones((2, 2))
NET, NO, THREE = nn.MLP((3, 2), np.random.default_rng(0)), np.zeros(3, bool), np.ones(3)
NO_ACTIONS = [
    [-1, 0],
    [0, 2],
    [0.0, 0.5],
    [1.0, 0.0],
    [1 + 0j, 0j],
    [[0], [1]],
    [0],
    [True, False],
    [0, 10**12],
    ["1", "0"],
]
WRONG_ACTION = "whole numbers are needed|there is no"
BETA = r"kl_coefficient must be in \[1e-06, 1e\+06\]"
REFUSED = [  # words of what is said, what is called, and with what
    *[("True or False", flags, (2,), [flag, 1]) for flag in (2, -1, 0.5, np.nan, "yes")],
    ("mask", flags, (2,), MASKED),
    *[(r"in \[0, 1\]", advantages.gae, *[THREE] * 3, NO, NO, *fractions) for fractions in ((1.1, 0.5), (-0.1, 0.5), (0.5, 2), (np.nan, 0.5), (0.5, inf))],
    ("ended = terminated or truncated", advantages.gae, *[THREE] * 3, ~NO, NO, 0.5, 0.5),
    ("ended = terminated or truncated", advantages.returns_to_go, THREE, THREE, ~NO, NO, 0.5),
    *[("finite", advantages.group_advantages, [[1.0, bad]], True) for bad in (np.nan, inf, 1e200)],
    ("eps must be greater than", advantages.normalize, [1.0, 2.0], 0.0),
    ("eps must be greater than", advantages.group_advantages, [[1.0, 2.0]], True, 0.0),
    ("mask", advantages.normalize, np.ma.masked_greater([1.0, 2.0, 9.0], 5)),
    *[(WRONG_ACTION, distributions.categorical_log_prob, -ONES, np.array(actions)) for actions in NO_ACTIONS],
    *[(WRONG_ACTION, distributions.categorical_log_prob_backward, THREE[:2], np.array(actions), ONES) for actions in NO_ACTIONS],
    ("mask", distributions.categorical_log_prob, ONES, MASKED),
    ("mask", distributions.categorical_log_prob_backward, THREE[:2], MASKED, ONES),
    ("K at least 1", distributions.log_softmax, np.zeros((3, 0))),
    ("K at least 1", distributions.categorical_entropy, np.zeros((3, 0))),
    *[("dtype must be", make, *given) for dtype in (int, bool, np.float16, np.int64, str) for make, *given in (
        (nn.MLP, (2, 1), np.random.default_rng(0), "tanh", 1.0, dtype), (nn.Adam, 3, 0.1, (0.9, 0.999), 1e-8, dtype), (nn.orthogonal, (3, 2), 1.0, np.random.default_rng(0), dtype))],
    ("mask", NET, np.ma.masked_equal(np.ones((1, 3)), 1)),
    ("whole numbers", nn.MLP, (4.0, 2), np.random),
    ("activation must be", nn.MLP, (4, 2), np.random, []),
    ("shapes must be", nn.linear_forward, np.ones((2, 3, 4)), np.ones((4, 5)), np.ones(5)),
    ("shapes must be", nn.linear_backward, np.ones((2, 3)), np.ones((2, 5)), np.ones((4, 3))),
    (r"\(P,\) float", nn.clip_global_norm, ONES, 1.0),
    ("complex", nn.clip_global_norm, np.ones(2, complex), 1.0),
    *[("cannot be dealt", lambda *given: list(ppo.minibatches(*given)), rows, size, np.random) for rows, size in ((0, 4), (0, 5), (4, 0), (4, -1), (-4, 2))],
    *[(BETA, ppo_penalty.adapt_kl_coefficient, beta, 0.01, 0.01) for beta in (1e-7, 1e7, 1e308, 0.0, -1.0)],
    *[(BETA, lambda beta: ppo_penalty.Config(kl_coefficient=beta), beta) for beta in (1e-7, 1e7, 1e308, 0.0, -1.0)],
    *[("learning_rate must be greater than 0", lambda rate: ppo.Config(learning_rate=rate), rate) for rate in (np.longdouble("1e-400"), Fraction(1, 10**400))],
    *[("shapes must be", function, np.ones(shape)) for shape in ((3,), (3, 1), (4, 2), (2, 3, 3), ()) for function in (RunningNormalizer(3), RunningNormalizer(3).update)],
    ("shapes must be", fit_actions, np.array([[0.5]]), BOX),
    ("shapes must be", fit_actions, np.ones(2), BOX),
    ("shapes must be", fit_actions, np.ones((1, 1, 2)), BOX),
    ("from 0 to 1", fit_actions, np.array([0, 2]), TWO),
    ("whole numbers", fit_actions, np.array([0.5]), TWO),
    ("whole numbers", fit_actions, 1, TWO),
    ("mask", fit_actions, MASKED, TWO),
    ("mask", fit_actions, np.ma.masked_equal(ONES, 1), BOX),
    ("seed must be a whole number, at least 0, not -1", training.Trainer, vpg, "CartPole-v1", vpg.Config(), -1),
    *[("episodes must be a whole number, at least 1", training.evaluate, NET, "Acrobot-v1", episodes, 0) for episodes in (0, -1, 1.5, "2", True)],
]  # fmt: skip


@pytest.mark.parametrize("words, function, arguments", [(w, f, given) for w, f, *given in REFUSED])
def test_what_does_not_belong_is_refused_in_one_line(words, function, arguments):
    with pytest.raises(ValueError, match=words) as refusal:
        function(*arguments)
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
    "parameters, gradient",
    [((3,), shape) for shape in [(1,), (3, 1), (4,), ()]] + [((2, 3), 3), (4, 3), ((), 3)],
)
def test_adam_stretches_nothing(parameters, gradient):
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
