import numpy as np
import pytest
from oracles import complex_step, network_complex_step

import vpg
from learner import Batch, Learner
from nn import MLP, Adam
from policies import CategoricalPolicy
from training import measure

TIGHT = {"rtol": 1e-12, "atol": 1e-13}


def make_batch(rng, policy, rows=12):
    """A batch as if `policy` had just acted; advantages and targets are random."""
    obs = rng.standard_normal((rows, 4))
    actions, log_probs = policy.sample(obs, rng)
    values, advantages, targets = rng.standard_normal((3, rows))
    return Batch(obs, actions, log_probs, values, advantages, targets)


def make_learner(rng, learning_rate=1e-3):
    policy = CategoricalPolicy(4, 2, (8,), rng, dtype=np.float64)
    value = MLP((4, 8, 1), rng, dtype=np.float64)
    return Learner(
        policy,
        value,
        Adam(policy.parameters.size, learning_rate, dtype=np.float64),
        Adam(value.parameters.size, learning_rate, dtype=np.float64),
    )


def test_policy_loss(rng):
    log_probs, advantages = rng.standard_normal((2, 9))
    loss, dlog_probs = vpg.policy_loss(log_probs, advantages)
    assert loss == pytest.approx(
        -sum(a * p for a, p in zip(advantages, log_probs, strict=True)) / 9
    )
    expected = complex_step(lambda p: vpg.policy_loss(p, advantages)[0], log_probs)
    np.testing.assert_allclose(dlog_probs, expected, **TIGHT)


def test_value_loss(rng):
    values, targets = rng.standard_normal((2, 9))
    loss, dvalues = vpg.value_loss(values, targets)
    assert loss == pytest.approx(
        sum((v - y) ** 2 for v, y in zip(values, targets, strict=True)) / 18
    )
    expected = complex_step(lambda v: vpg.value_loss(v, targets)[0], values)
    np.testing.assert_allclose(dvalues, expected, **TIGHT)


def test_one_policy_step_and_several_value_steps(rng):
    """Repeat the update with gradients from complex steps: the same parameters must come out."""
    learner = make_learner(rng)
    batch = make_batch(rng, learner.policy)
    config = vpg.Config(value_steps=3, entropy_coefficient=0.1, max_grad_norm=0.05)
    policy_parameters = learner.policy.parameters.copy()
    value_parameters = learner.value.parameters.copy()
    statistics = vpg.update(learner, batch, config, 0.0, rng)

    def policy_objective(policy):
        log_probs, entropies, _ = policy.forward(batch.obs, batch.actions)
        return -np.mean(batch.advantages * log_probs) - 0.1 * np.mean(entropies)

    def value_objective(value):
        return 0.5 * np.mean((value(batch.obs)[:, 0] - batch.targets) ** 2)

    def descend(parameters, adam, objective, make):
        gradient = network_complex_step(objective, make, parameters)
        norm = np.linalg.norm(gradient)
        adam.step(parameters, gradient * min(1, 0.05 / (norm + 1e-6)))
        return norm

    adam = Adam(policy_parameters.size, 1e-3, dtype=np.float64)
    norm = descend(
        policy_parameters,
        adam,
        policy_objective,
        lambda: CategoricalPolicy(4, 2, (8,), rng, dtype=np.complex128),
    )
    assert statistics["policy_grad_norm"] == pytest.approx(norm)
    adam = Adam(value_parameters.size, 1e-3, dtype=np.float64)
    for _ in range(3):
        descend(
            value_parameters,
            adam,
            value_objective,
            lambda: MLP((4, 8, 1), rng, dtype=np.complex128),
        )
    np.testing.assert_allclose(learner.policy.parameters, policy_parameters, rtol=1e-8)
    np.testing.assert_allclose(learner.value.parameters, value_parameters, rtol=1e-8)


def test_a_step_raises_what_went_well(rng):
    learner = make_learner(rng)
    batch = make_batch(rng, learner.policy)
    batch = batch._replace(obs=np.tile(batch.obs[:1], (12, 1)), advantages=batch.actions - 0.5)
    before = learner.policy.distribution(batch.obs[:1])[0, 1]
    vpg.update(learner, batch, vpg.Config(), 0.0, rng)
    assert learner.policy.distribution(batch.obs[:1])[0, 1] > before


def test_entropy_bonus_spreads_the_policy(rng):
    learner = make_learner(rng, learning_rate=1e-2)
    learner.policy.parameters += rng.standard_normal(learner.policy.parameters.size)
    batch = make_batch(rng, learner.policy)._replace(advantages=np.zeros(12))
    config = vpg.Config(entropy_coefficient=1.0)
    entropies = []
    for _ in range(5):
        vpg.update(learner, batch, config, 0.0, rng)
        entropies.append(measure(learner, batch)["entropy"])
    assert (np.diff(entropies) > 0).all()
