"""A whole update of each algorithm, repeated from its losses as defined, gradients by complex step.

The losses themselves, and their slopes, are held by the checks (run.py check 10 33 35-42 44 47).
"""

import numpy as np
import pytest

import ppo
import ppo_penalty
import vpg
from lab.proof.evidence import network_step
from learner import Batch, Learner
from nn import MLP, Adam, descend
from policies import CategoricalPolicy
from training import measure

ROWS, PROGRESS = 12, 0.25
SEVERAL = {"epochs": 3, "minibatch_size": 6}
UPDATES = {
    "vpg": vpg.Config(value_steps=3),
    "ppo": ppo.Config(**SEVERAL),
    "ppo, not annealed": ppo.Config(**SEVERAL, anneal_clip_range=False),
    "ppo, values clipped": ppo.Config(**SEVERAL, value_clip_range=0.05),
    "penalty": ppo_penalty.Config(**SEVERAL, kl_coefficient=0.5),
}


def make_learner(rng, learning_rate=0.02, dtype=np.float64):
    policy = CategoricalPolicy(4, 2, (8,), rng, dtype=dtype)
    value = MLP((4, 8, 1), rng, dtype=dtype)
    adams = (
        Adam(part.parameters.size, learning_rate, dtype=np.float64) for part in (policy, value)
    )
    return Learner(policy, value, *adams)


def make_batch(rng, policy):
    """A batch as if `policy` had just acted; advantages and targets are random."""
    obs = rng.standard_normal((ROWS, 4))
    actions, log_probs = policy.sample(obs, rng)
    values, advantages, targets = rng.standard_normal((3, ROWS))
    return Batch(obs, actions, log_probs, values, advantages, targets)


def policy_loss(config, policy, rows, old_distribution):
    """The policy's loss as defined, with its entropy bonus."""
    log_probs, entropies, cache = policy.forward(rows.obs, rows.actions)
    if isinstance(config, vpg.Config):
        gain = log_probs * rows.advantages
    else:
        ratios = np.exp(log_probs - rows.log_probs)
        gain = ratios * rows.advantages
    if isinstance(config, ppo.Config):
        clip_range = config.clip_range * (1 - PROGRESS if config.anneal_clip_range else 1)
        clipped = np.clip(ratios, 1 - clip_range, 1 + clip_range) * rows.advantages
        gain = np.minimum(gain, clipped)
    if isinstance(config, ppo_penalty.Config):
        gain = gain - config.kl_coefficient * policy.kl(old_distribution, cache)
    return -np.mean(gain) - config.entropy_coefficient * np.mean(entropies)


def value_loss(config, value, rows):
    """The value function's loss as defined."""
    values = value.forward(rows.obs)[0][:, 0]
    squares = (values - rows.targets) ** 2
    band = getattr(config, "value_clip_range", None)
    if band is not None:
        moved = np.clip(values - rows.values, -band, band)
        squares = np.maximum(squares, (rows.values + moved - rows.targets) ** 2)
    return 0.5 * np.mean(squares)


def step(network, adam, config, loss):
    """One step of a complex128 network down the gradient of loss()."""
    parameters, gradient = network.parameters.real.copy(), network_step(network, loss)
    descend(parameters, gradient, adam, config.max_grad_norm)
    network.parameters[:] = parameters


@pytest.mark.parametrize("max_grad_norm", [0.05, 10.0])
@pytest.mark.parametrize("name", UPDATES)
def test_an_update_takes_the_steps_that_its_losses_ask_for(rng, name, max_grad_norm):
    settings = vars(UPDATES[name]) | {"entropy_coefficient": 0.1, "max_grad_norm": max_grad_norm}
    config = type(UPDATES[name])(**settings)
    learner, twin = make_learner(rng), make_learner(rng, dtype=np.complex128)
    twin.policy.parameters[:] = learner.policy.parameters
    twin.value.parameters[:] = learner.value.parameters
    batch = make_batch(rng, learner.policy)
    old_distribution = learner.policy.distribution(batch.obs)
    algorithm = {vpg.Config: vpg, ppo.Config: ppo, ppo_penalty.Config: ppo_penalty}[type(config)]
    algorithm.update(learner, batch, config, PROGRESS, np.random.default_rng(7))

    def policy_step(rows):
        part, old = batch._make(array[rows] for array in batch), old_distribution[rows]
        step(
            twin.policy,
            twin.policy_adam,
            config,
            lambda: policy_loss(config, twin.policy, part, old),
        )

    def value_step(rows):
        part = batch._make(array[rows] for array in batch)
        step(twin.value, twin.value_adam, config, lambda: value_loss(config, twin.value, part))

    if algorithm is vpg:
        policy_step(np.arange(ROWS))
        for _ in range(config.value_steps):
            value_step(np.arange(ROWS))
    else:
        shuffling = np.random.default_rng(7)
        for _ in range(config.epochs):
            for rows in np.split(shuffling.permutation(ROWS), 2):
                policy_step(rows)
                value_step(rows)
    for network, expected in ((learner.policy, twin.policy), (learner.value, twin.value)):
        np.testing.assert_allclose(network.parameters, expected.parameters.real, rtol=1e-8)


def test_max_kl_ends_the_epochs():
    def after(max_kl):
        learner = make_learner(np.random.default_rng(1), learning_rate=0.05)
        batch = make_batch(np.random.default_rng(2), learner.policy)
        config = ppo.Config(epochs=20, minibatch_size=ROWS, max_kl=max_kl)
        ppo.update(learner, batch, config, 0.0, np.random.default_rng(3))
        return learner.policy_adam.t, measure(learner, batch)["approx_kl"]

    steps, kl = after(0.01)
    assert 1 <= steps < 20 == after(None)[0]
    assert 0.01 < kl < after(None)[1]


def test_no_advantage_has_no_gradient_that_the_clip_could_take_away():
    assert ppo.clip_statistics(np.log([1.3, 0.7]), np.zeros(2), np.zeros(2), 0.2) == (1, 0)
