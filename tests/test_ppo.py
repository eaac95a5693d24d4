import numpy as np
import pytest
from oracles import complex_step, network_complex_step
from test_vpg import make_batch, make_learner

import ppo
import ppo_penalty
import training
import vpg
from nn import MLP, Adam, descend
from policies import CategoricalPolicy

TIGHT = {"rtol": 1e-12, "atol": 1e-13}


@pytest.fixture
def rows(rng):
    """40 rows of log-probs, old log-probs, advantages; every clip case among them."""
    old = rng.standard_normal(40)
    log_probs = old + 0.4 * rng.standard_normal(40)
    return log_probs, old, rng.standard_normal(40)


def test_clipped_surrogate(rows):
    log_probs, old, advantages = rows
    loss, dlog_probs = ppo.clipped_surrogate(log_probs, old, advantages, 0.2)
    terms = []
    for new, before, advantage in zip(*rows, strict=True):
        ratio = np.exp(new - before)
        terms.append(min(ratio * advantage, min(max(ratio, 0.8), 1.2) * advantage))
    assert loss == pytest.approx(-sum(terms) / 40)
    expected = complex_step(lambda p: ppo.clipped_surrogate(p, old, advantages, 0.2)[0], log_probs)
    np.testing.assert_allclose(dlog_probs, expected, **TIGHT)
    assert 0 < np.count_nonzero(dlog_probs == 0) < 40


@pytest.mark.parametrize(
    "ratio, advantage, objective, slope",
    [
        *[(1.3, 1, 1.2, 0), (1.3, -1, -1.3, -1), (0.7, 1, 0.7, 1), (0.7, -1, -0.8, 0)],
        *[(1.0, 1, 1.0, 1), (1.0, -1, -1.0, -1), (1.1, 2, 2.2, 2), (0.9, -2, -1.8, -2)],
    ],
)
def test_the_cases_of_the_clip(ratio, advantage, objective, slope):
    """Exercise 6, and the band in the middle. slope is that of the objective in the ratio."""
    loss, dlog_probs = ppo.clipped_surrogate(
        np.log([ratio]), np.zeros(1), np.array([float(advantage)]), 0.2
    )
    assert -loss == pytest.approx(objective)
    assert -dlog_probs[0] == pytest.approx(slope * ratio)


def test_the_kinks_take_the_inner_slope():
    """At ρ = 1 ± ε exactly, Eq. 40 chooses Â: the row is still alive."""
    ratios = np.array([1.25, 0.75])  # exact in binary, like ε = 0.25
    advantages = np.array([1.0, -1.0])
    log_probs = np.log(ratios)
    assert (np.exp(log_probs) == ratios).all()
    _, dlog_probs = ppo.clipped_surrogate(log_probs, np.zeros(2), advantages, 0.25)
    np.testing.assert_allclose(dlog_probs, -ratios * advantages / 2)


def test_at_ratio_one_it_is_the_policy_gradient(rng):
    """The first minibatch's gradient is VPG's (Eq. 41 and 23). A mask with `<` would give 0."""
    policy = CategoricalPolicy(4, 2, (8,), rng, dtype=np.float64)
    batch = make_batch(rng, policy)
    log_probs, entropies, cache = policy.forward(batch.obs, batch.actions)
    none = np.zeros_like(entropies)
    _, dlog_probs = ppo.clipped_surrogate(log_probs, log_probs, batch.advantages, 0.2)
    _, vpg_dlog_probs = vpg.policy_loss(log_probs, batch.advantages)
    np.testing.assert_allclose(dlog_probs, vpg_dlog_probs, **TIGHT)
    gradient = policy.backward(dlog_probs, none, cache)
    np.testing.assert_allclose(gradient, policy.backward(vpg_dlog_probs, none, cache), **TIGHT)
    assert np.linalg.norm(gradient) > 0.01


def test_penalized_surrogate(rows, rng):
    log_probs, old, advantages = rows
    kls = rng.random(40)
    loss, dlog_probs, dkls = ppo_penalty.penalized_surrogate(log_probs, old, advantages, kls, 0.7)
    terms = [np.exp(p - o) * a - 0.7 * k for p, o, a, k in zip(*rows, kls, strict=True)]
    assert loss == pytest.approx(-sum(terms) / 40)

    def in_log_probs(p):
        return ppo_penalty.penalized_surrogate(p, old, advantages, kls, 0.7)[0]

    def in_kls(k):
        return ppo_penalty.penalized_surrogate(log_probs, old, advantages, k, 0.7)[0]

    np.testing.assert_allclose(dlog_probs, complex_step(in_log_probs, log_probs), **TIGHT)
    np.testing.assert_allclose(dkls, complex_step(in_kls, kls), **TIGHT)


@pytest.mark.parametrize(
    "kl, expected",
    [(0.001, 0.5), (0.0066, 0.5), (0.0067, 1), (0.01, 1), (0.0149, 1), (0.0151, 2), (1.0, 2)],
)
def test_adapt_kl_coefficient(kl, expected):
    assert ppo_penalty.adapt_kl_coefficient(1.0, kl, 0.01) == expected


def test_clipped_value_loss(rng):
    values, old, targets = rng.standard_normal((3, 60))
    loss, dvalues = ppo.clipped_value_loss(values, old, targets, 0.5)
    terms = []
    for v, before, y in zip(values, old, targets, strict=True):
        clipped = before + min(max(v - before, -0.5), 0.5)
        terms.append(max((v - y) ** 2, (clipped - y) ** 2))
    assert loss == pytest.approx(sum(terms) / 120)
    expected = complex_step(lambda v: ppo.clipped_value_loss(v, old, targets, 0.5)[0], values)
    np.testing.assert_allclose(dvalues, expected, **TIGHT)
    assert 0 < np.count_nonzero(dvalues == 0) < 60


@pytest.mark.parametrize(
    "target, slope", [(1.0, 0.0), (0.3, 0.2), (0.0, 0.5), (0.349, 0.151), (0.351, 0)]
)
def test_exercise_7(target, slope):
    _, dvalues = ppo.clipped_value_loss(np.array([0.5]), np.zeros(1), np.array([target]), 0.2)
    assert dvalues[0] == pytest.approx(slope)


def test_inside_the_band_the_value_loss_is_the_plain_one(rng):
    values, targets = rng.standard_normal((2, 10))
    plain = vpg.value_loss(values, targets)
    clipped = ppo.clipped_value_loss(values, values + 0.1, targets, 0.2)
    assert clipped[0] == pytest.approx(plain[0])
    np.testing.assert_allclose(clipped[1], plain[1], **TIGHT)


def test_clip_statistics():
    """Of six rows, four left the band; the gradient of two of those is gone."""
    ratios = np.array([1.3, 1.3, 0.7, 0.7, 1.1, 0.9])
    advantages = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    clip_fraction, dead_fraction = ppo.clip_statistics(np.log(ratios), np.zeros(6), advantages, 0.2)
    # An advantage of 0 has no gradient that the clip could take away.
    assert ppo.clip_statistics(np.log([1.3, 0.7]), np.zeros(2), np.zeros(2), 0.2) == (1, 0)
    assert (clip_fraction, dead_fraction) == (pytest.approx(4 / 6), pytest.approx(2 / 6))
    _, dlog_probs = ppo.clipped_surrogate(np.log(ratios), np.zeros(6), advantages, 0.2)
    assert np.mean(dlog_probs == 0) == pytest.approx(dead_fraction)


@pytest.mark.parametrize(
    "num_rows, size, parts", [(10, 3, 4), (1024, 256, 4), (1000, 256, 4), (5, 9, 1)]
)
def test_minibatches_deal_every_row_once(rng, num_rows, size, parts):
    dealt = list(ppo.minibatches(num_rows, size, rng))
    assert len(dealt) == parts
    assert max(map(len, dealt)) <= size
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1
    np.testing.assert_array_equal(np.sort(np.concatenate(dealt)), np.arange(num_rows))
    assert not np.array_equal(np.concatenate(dealt), np.arange(num_rows))


@pytest.mark.parametrize(
    "objective, value_clip_range", [("clip", None), ("clip", 0.05), ("penalty", None)]
)
def test_update_against_complex_steps(rng, objective, value_clip_range):
    """Repeat a whole update with gradients by complex step of the losses as defined."""
    learner = make_learner(rng, learning_rate=0.02)
    batch = make_batch(rng, learner.policy)
    common = {"epochs": 3, "minibatch_size": 6, "entropy_coefficient": 0.1, "max_grad_norm": 10.0}
    if objective == "clip":
        config = ppo.Config(**common, clip_range=0.2, value_clip_range=value_clip_range)
    else:
        config = ppo_penalty.Config(**common, kl_coefficient=0.5)
    algorithm = ppo if objective == "clip" else ppo_penalty
    old_parameters = learner.policy.parameters.copy()
    policy_parameters, value_parameters = old_parameters.copy(), learner.value.parameters.copy()
    algorithm.update(learner, batch, config, 0.25, np.random.default_rng(7))

    old_policy = CategoricalPolicy(4, 2, (8,), rng, dtype=np.float64)
    old_policy.parameters[:] = old_parameters
    shuffling = np.random.default_rng(7)
    policy_adam, value_adam = (
        Adam(size, 0.02, dtype=np.float64)
        for size in (policy_parameters.size, value_parameters.size)
    )
    epsilon = 0.2 * 0.75  # a quarter of the training is done
    for _ in range(3):
        for part in ppo.minibatches(12, 6, shuffling):
            obs, actions, old_log_probs, old_values, advantages, targets = (
                array[part] for array in batch
            )
            old_all = old_policy.distribution(obs)

            def policy_objective(policy):
                log_probs, entropies, _ = policy.forward(obs, actions)
                ratios = np.exp(log_probs - old_log_probs)
                surrogate = ratios * advantages
                if objective == "clip":
                    clipped = np.clip(ratios, 1 - epsilon, 1 + epsilon) * advantages
                    surrogate = np.minimum(surrogate, clipped)
                else:
                    new_all = policy.distribution(obs)
                    kl = np.sum(np.exp(old_all) * (old_all - new_all), axis=1)
                    surrogate = surrogate - 0.5 * kl
                return -np.mean(surrogate) - 0.1 * np.mean(entropies)

            def value_objective(value):
                values = value(obs)[:, 0]
                squares = (values - targets) ** 2
                if value_clip_range is not None:
                    moved = np.clip(values - old_values, -0.05, 0.05)
                    squares = np.maximum(squares, (old_values + moved - targets) ** 2)
                return 0.5 * np.mean(squares)

            for parameters, adam, loss, make in (
                (
                    policy_parameters,
                    policy_adam,
                    policy_objective,
                    lambda: CategoricalPolicy(4, 2, (8,), rng, dtype=np.complex128),
                ),
                (
                    value_parameters,
                    value_adam,
                    value_objective,
                    lambda: MLP((4, 8, 1), rng, dtype=np.complex128),
                ),
            ):
                descend(parameters, network_complex_step(loss, make, parameters), adam, 10.0)
    np.testing.assert_allclose(learner.policy.parameters, policy_parameters, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(learner.value.parameters, value_parameters, rtol=1e-7, atol=1e-12)


def test_max_kl_ends_the_epochs(rng):
    def kl_after(max_kl):
        learner = make_learner(np.random.default_rng(1), learning_rate=0.05)
        batch = make_batch(np.random.default_rng(2), learner.policy)
        config = ppo.Config(num_envs=1, num_steps=12, epochs=20, minibatch_size=12, max_kl=max_kl)
        ppo.update(learner, batch, config, 0.0, rng)
        return training.measure(learner, batch), learner.policy_adam.t

    free, free_steps = kl_after(None)
    held, held_steps = kl_after(0.01)
    assert free_steps == 20 > held_steps >= 1
    assert free["approx_kl"] > held["approx_kl"]


def test_annealing_narrows_the_clip(rng):
    """Late in training the band is narrow: more rows die and the policy moves less."""

    def dead_fraction(progress, anneal):
        learner = make_learner(np.random.default_rng(1), learning_rate=0.02)
        batch = make_batch(np.random.default_rng(2), learner.policy, rows=200)
        config = ppo.Config(num_envs=1, num_steps=200, minibatch_size=50, anneal_clip_range=anneal)
        statistics = ppo.update(learner, batch, config, progress, np.random.default_rng(3))
        return statistics["dead_fraction"]

    assert dead_fraction(0.9, True) > dead_fraction(0.0, True)
    assert dead_fraction(0.9, False) == dead_fraction(0.0, True)
