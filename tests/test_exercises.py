"""The answers to docs/exercises.md, E1 to E24, computed by the shipped functions.

The numbers on the right-hand sides are those that it prints. What is
not a shipped function here is an exercise's own wrong or new code.
"""

from itertools import product

import numpy as np
import pytest

import advantages
import distributions
import nn
import ppo
import vpg
from lab.language import tokens
from lab.proof import mdp
from lab.proof.evidence import complex_step

PRINTED = 6e-6  # half a unit in the fifth decimal, and a little


def close(actual, printed, tolerance=PRINTED):
    np.testing.assert_allclose(actual, printed, rtol=0, atol=tolerance)


def row(*numbers):
    return np.array([numbers], float)


def test_e1_vpg_logits():
    log_probs = distributions.log_softmax(row(0, np.log(2), np.log(3)))
    chosen = distributions.categorical_log_prob(log_probs, np.array([2]))
    _, dlog_probs = vpg.policy_loss(chosen, np.array([-3.0]))
    dlogits = distributions.categorical_log_prob_backward(
        dlog_probs, np.array([2]), np.exp(log_probs)
    )
    close(np.exp(log_probs), row(1 / 6, 1 / 3, 1 / 2), 1e-15)
    close(dlogits, row(-0.5, -1, 1.5), 1e-14)
    assert abs(dlogits.sum()) < 1e-14


def test_e2_entropy():
    log_probs = distributions.log_softmax(row(0, np.log(2), np.log(3)))
    entropies = distributions.categorical_entropy(log_probs)
    slopes = distributions.categorical_entropy_backward(np.ones(1), entropies, log_probs)
    close(entropies, [1.01140])
    close(slopes, row(0.13006, 0.02907, -0.15913))
    close(-log_probs[0, 1], 1.0986, 6e-5)  # just above the mean surprise


def test_e3_two_states():
    world, pi = mdp.two_states(), np.full((2, 2), 0.5)
    close(mdp.values(world, pi), [0.84639, 1.88088])
    close(mdp.visitation(world, pi), [1.25392, 0.56426])
    close(mdp.advantages(world, pi)[:, 1], [-0.15361, 1.11912])
    close(mdp.softmax_gradient(world, np.zeros(4))[:, 1], [-0.09630, 0.31574])
    # Always choosing action 1 in state 1 makes action 1 the better one in state 0.
    assert mdp.advantages(world, np.array([[0.5, 0.5], [0, 1]]))[0, 1] > 0


def test_e4_dropping_the_discount():
    def gradients(reward):
        world, theta = mdp.two_states(reward), np.zeros(1)
        true = mdp.gradient(world, theta, mdp.SHARED)
        return true[0], mdp.practical_gradient(world, theta, mdp.SHARED)[0]

    undiscounted = mdp.two_states()._replace(gamma=1.0)
    close(mdp.visitation(undiscounted, np.full((2, 2), 0.5)), [4 / 3, 2 / 3], 1e-14)
    close(gradients(2.18), (-0.01191, 0.01444))
    # Both are linear in the reward, so two points give the zero.
    low, high = np.array(gradients(2.0)), np.array(gradients(3.0))
    close(2 - low / (high - low), (2.2222, 2.1338), 6e-5)


@pytest.mark.parametrize(
    ("terminated", "printed"),
    [(True, (1.56425, 1.165, 0.3)), (False, (1.71005, 1.489, 1.02))],
)
def test_e5_gae(terminated, printed):
    ends, ended = np.array([False, False, terminated]), np.array([False, False, True])
    rewards, values = np.ones(3), np.array([0.5, 0.6, 0.7])
    result = advantages.gae(
        rewards, values, np.array([0.6, 0.7, 0.8]), ends, ended, gamma=0.9, gae_lambda=0.5
    )
    close(result, printed, 1e-14)


def test_e6_clip():
    ratios, advantage = np.array([1.3, 1.3, 0.7, 0.7]), np.array([1.0, -1, 1, -1])
    for ratio, a, value, slope in zip(
        ratios, advantage, (1.2, -1.3, 0.7, -0.8), (0, -1, 1, 0), strict=True
    ):
        loss, dlog_prob = ppo.clipped_surrogate(
            np.log([ratio]), np.zeros(1), np.array([a]), clip_range=0.2
        )
        close((-loss, -dlog_prob[0] / ratio), (value, slope), 1e-14)
    statistics = ppo.clip_statistics(np.log(ratios), np.zeros(4), advantage, 0.2)
    assert statistics == (1.0, 0.5)


@pytest.mark.parametrize(
    ("target", "slope"), [(1, 0), (0.3, 0.2), (0, 0.5), (0.35 + 1e-9, 0), (0.35 - 1e-9, 0.15)]
)
def test_e7_clipped_value(target, slope):
    _, dvalues = ppo.clipped_value_loss(
        np.array([0.5]), np.zeros(1), np.array([float(target)]), clip_range=0.2
    )
    close(dvalues, [slope], 1e-8)


def test_e8_gae_through_the_fall():
    rng = np.random.default_rng(0)
    rewards, values, next_values = np.ones(7), rng.normal(size=7), rng.normal(size=7)
    next_values[:-1] = values[1:]
    fell = np.array([False, False, True, False, False, False, True])
    next_values[2] = 5.0
    returns = advantages.returns_to_go(rewards, next_values, fell, fell, 0.9)

    def error(terminated):
        estimate = advantages.gae(rewards, values, next_values, terminated, fell, 0.9, 1.0)
        return np.abs(estimate - (returns - values)).max()

    assert error(fell) < 1e-14
    assert error(np.zeros(7, bool)) > 1  # the bug: nothing ever terminates

    def bugged(value):
        constant = np.full(7, value)
        last, nothing = np.arange(7) == 6, np.zeros(7, bool)
        return advantages.gae(np.ones(7), constant, constant, nothing, last, 0.99, 0.95)

    # Below 1/(1 - gamma) the steps that are farther from the fall collect more; there, none does.
    assert np.all(np.diff(bugged(50.0)) < 0) and bugged(50.0)[-1] > 0
    close(bugged(100.0), np.zeros(7), 1e-12)


def test_e9_strict_comparison():
    def strict(ratios, advantage, clip_range=0.2):
        plain = ratios * advantage
        clipped = np.clip(ratios, 1 - clip_range, 1 + clip_range) * advantage
        return (plain < clipped) * -plain / len(plain)

    advantage = np.array([1.0, -1, 2])
    shipped = ppo.clipped_surrogate(np.zeros(3), np.zeros(3), advantage, 0.2)[1]
    close(shipped, vpg.policy_loss(np.zeros(3), advantage)[1], 0)
    close(strict(np.ones(3), advantage), np.zeros(3), 0)
    assert (strict(np.array([1.1, 1.5, 0.9]), advantage) != 0).tolist() == [False, True, False]


def test_e10_reverse_kl():
    rng = np.random.default_rng(1)
    logits, old = rng.normal(size=(1, 4)), distributions.log_softmax(rng.normal(size=(1, 4)))
    log_probs = distributions.log_softmax(logits)
    kl = distributions.categorical_kl(log_probs, old)  # (new‖old)
    answer = np.exp(log_probs) * (log_probs - old - kl[:, None])
    for j in range(4):
        stepped = logits.astype(complex)
        stepped[0, j] += 1e-30j
        stepped_kl = distributions.categorical_kl(distributions.log_softmax(stepped), old)
        close(answer[0, j], stepped_kl[0].imag / 1e-30, 1e-15)
    entropies = distributions.categorical_entropy(log_probs)
    uniform = np.log(np.full((1, 4), 0.25))
    kl = distributions.categorical_kl(log_probs, uniform)
    close(kl, np.log(4) - entropies, 1e-15)
    slopes = distributions.categorical_entropy_backward(np.ones(1), entropies, log_probs)
    close(np.exp(log_probs) * (log_probs - uniform - kl[:, None]), -slopes, 1e-15)


@pytest.mark.parametrize("rows", [2, 3, 5])
def test_e11_centring_shrinks_the_mean(rows):
    log_probs = distributions.log_softmax(row(0.3, -0.7, 0.2))
    probs, advantage = np.exp(log_probs[0]), np.array([2.0, -1.0, 0.5])
    plain, centred = np.zeros(3), np.zeros(3)
    for batch in product(range(3), repeat=rows):
        actions = np.array(batch)
        chance = probs[actions].prod()
        estimate = advantage[actions]
        every = np.tile(probs, (rows, 1))
        for total, weights in ((plain, estimate), (centred, estimate - estimate.mean())):
            _, dlog_probs = vpg.policy_loss(np.log(probs[actions]), weights)
            total -= chance * distributions.categorical_log_prob_backward(
                dlog_probs, actions, every
            ).sum(axis=0)
    close(centred, (1 - 1 / rows) * plain, 1e-14)
    assert np.abs(plain).min() > 0.01


def test_e12_value_is_not_the_best_baseline():
    probs, returns = np.array([0.8, 0.2]), np.array([1.0, 0.0])
    scores = distributions.categorical_log_prob_backward(
        np.ones(2), np.arange(2), np.tile(probs, (2, 1))
    )
    close((scores**2).sum(axis=1), (0.08, 1.28), 1e-14)
    best = mdp.best_baseline(probs, scores, returns)
    close((probs @ returns, best), (0.8, 0.2), 1e-14)
    for baseline, variance in ((0, 0.0128), (0.8, 0.1152), (best, 0)):
        close(mdp.one_step_variance(probs, scores, returns, baseline), variance, 1e-14)


def test_e13_adam():
    adam, parameters = nn.Adam(1, 0.1, eps=1e-300, dtype=np.float64), np.zeros(1)
    for gradient, position in ((1.0, -0.1), (-1.0, -0.094737)):
        adam.step(parameters, np.array([gradient]))
        close(parameters, [position], 6e-7)


def test_e14_gaussian():
    def wishes(action):
        actions, means, log_stds = row(action), row(0), np.log([0.5])
        log_probs = distributions.gaussian_log_prob(actions, means, log_stds)
        _, dlog_probs = vpg.policy_loss(log_probs, np.array([2.0]))
        return distributions.gaussian_log_prob_backward(dlog_probs, actions, means, log_stds)

    dmeans, dlog_stds = wishes(1.0)
    close((dmeans[0, 0], dlog_stds[0]), (-8, -6), 1e-14)
    close([wishes(0.5)[1], wishes(-0.5)[1]], 0, 1e-14)


def test_e15_kl_estimates():
    old, new = np.log(row(0.5, 0.5)), np.log(row(0.6, 0.4))
    close(distributions.categorical_kl(old, new), [0.020411], 6e-7)
    k1, k3 = distributions.kl_estimates((new - old)[0])
    close(k1, (-0.182322, 0.223144), 6e-7)
    close(k3, (0.017678, 0.023144), 6e-7)
    close((k1.mean(), k3.mean()), distributions.categorical_kl(old, new)[0], 1e-15)
    close((k1.std(), k3.std()), (0.2027, 0.0027), 6e-5)


def test_e16_time_limit():
    steps, last = 11, np.arange(11) == 10

    def advantage(terminated):
        values = np.full(steps, 80.0)
        return advantages.gae(np.ones(steps), values, values, terminated, last, 0.99, 0.95)

    truncated, mistaken = advantage(np.zeros(steps, bool)), advantage(last)
    close((truncated[-1], mistaken[-1]), (0.2, -79), 1e-12)
    close((0.99 * 0.95) ** 10, 0.5415, 6e-5)
    close(mistaken[0] - truncated[0], -42.9, 0.06)


def test_e17_count():
    sizes = (4, 64, 64, 2)
    network = nn.MLP(sizes, np.random.default_rng(0))
    assert network.parameters.size == 4610
    logits, cache = network.forward(np.ones((256, 4), np.float32))
    assert cache[1].shape == (256, 64)  # H₁, and so Ȳ₁
    assert network.layers[1][0].shape == (64, 64)  # W₂, and so W̄₂
    for rows in (1, 256):
        logits, cache = network.forward(np.ones((rows, 4), np.float32))
        assert network.backward(np.ones_like(logits), cache).shape == (4610,)


def test_e18_an_end_in_the_middle():
    rewards, values, next_values = np.ones(3), np.array([2, 1.5, 3]), np.array([1.5, 1, 2])
    ended, nothing = np.array([False, True, True]), np.zeros(3, bool)
    close(advantages.gae(rewards, values, next_values, nothing, ended, 0.9, 0.0), (0.35, 0.4, -0.2))
    close(advantages.gae(rewards, values, next_values, nothing, ended, 0.9, 0.5), (0.53, 0.4, -0.2))
    done = np.array([False, True, False])
    close(advantages.gae(rewards, values, next_values, done, ended, 0.9, 0.5), (0.125, -0.5, -0.2))


def test_e19_silent_and_still_moving():
    log_probs, actions = np.log(row(0.2, 0.8)), np.array([1])
    chosen = distributions.categorical_log_prob(log_probs, actions)
    _, slopes = ppo.clipped_surrogate(chosen, chosen - np.log(1.5), np.ones(1), 0.2)
    assert slopes == 0
    entropies = distributions.categorical_entropy(log_probs)
    close(entropies, [0.50040])
    bonus = distributions.categorical_entropy_backward(np.array([-0.1]), entropies, log_probs)
    close(bonus, row(-0.02218, 0.02218))


def test_e20_a_group_of_four():
    rewards, lengths = row(1, 0, 0, 0), row(2, 1, 3, 3)
    close(advantages.group_advantages(rewards, scale=False), row(1, -1 / 3, -1 / 3, -1 / 3), 1e-14)
    scaled = advantages.group_advantages(rewards, scale=True)
    close(scaled, row(1.73205, -0.57735, -0.57735, -0.57735))
    close((scaled / lengths)[0, 1:], (-0.57735, -0.19245, -0.19245))


def test_e21_small_groups_hardly_tilt():
    p = np.linspace(0.01, 0.99, 9)
    close(tokens.deviation_weight(p, 3), np.full(9, np.sqrt(2)), 1e-13)
    four = np.sqrt(3) * (p**2 + (1 - p) ** 2) + 3 * p * (1 - p)
    close(tokens.deviation_weight(p, 4), four, 1e-13)
    close(tokens.deviation_weight(np.array([0.5, 1e-9]), 4), (1.61603, 1.73205))


@pytest.mark.parametrize(
    ("pi", "k2", "k3"), [((0.8, 0.2), 0.22181, 0.3), ((0.999, 0.001), 0.00690, 0.499)]
)
def test_e22_three_estimates_three_slopes(pi, k2, k3):
    log_probs, reference = np.log(row(*pi)), np.log(row(0.5, 0.5))
    every = np.eye(2) - np.array(pi)  # the score of each of the two tokens
    slopes = tokens.kl_slopes((reference - log_probs)[0])
    means = [np.array(pi) * slope @ every for slope in slopes]
    close(means, [(0, 0), (k2, -k2), (k3, -k3)])
    close(distributions.categorical_kl_backward(np.ones(1), reference, log_probs)[0], (k3, -k3))
    if pi[0] == 0.8:
        close(distributions.categorical_kl(log_probs, reference), [0.19274])


def test_e23_where_two_responses_part(rng):
    pair = [tokens.RESPONSES.index(response) for response in ("ab.", "abb")]
    for logits in (np.zeros((7, 3)), rng.normal(size=(7, 3))):
        log_probs = tokens.log_probs(logits)[None, pair]
        _, slopes = tokens.dpo_loss(log_probs, log_probs, beta=0.1)
        expected = np.zeros((7, 3))
        expected[tokens.PREFIXES.index("ab")] = 0, 0.05, -0.05
        close(np.tensordot(slopes[0], tokens.scores(logits)[pair], axes=1), expected, 1e-14)


def test_e24_a_layer_that_couples_its_row(rng):
    def layer(x):
        return x / np.sqrt((x**2).mean(axis=1, keepdims=True))

    def answer(dy, x):
        y, r = layer(x), np.sqrt((x**2).mean(axis=1, keepdims=True))
        return (dy - (dy * y).mean(axis=1, keepdims=True) * y) / r

    close(layer(row(1, 7)), row(0.2, 1.4), 1e-15)
    close(answer(row(1, 0), row(1, 7)), row(0.196, -0.028), 1e-15)
    x, dy = rng.normal(size=(2, 3, 5))
    close(answer(dy, x), complex_step(lambda x: (dy * layer(x)).sum(), x), 1e-14)
    close((answer(dy, x) * x).sum(axis=1), np.zeros(3), 1e-14)
