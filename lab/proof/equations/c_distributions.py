"""C. Softmax and Gaussian: densities, entropies, gradients: Eq. 17–26."""

import math
from decimal import Decimal, localcontext
from statistics import NormalDist

import numpy as np

import distributions
import policies
import ppo
import vpg
from lab.proof import mdp
from lab.proof.equations.cases import (
    PROCESS,
    SAMPLES,
    THETA,
    categorical_case,
    clip_case,
    gaussian_case,
    grid,
)
from lab.proof.evidence import check, complex_step, network_step


@check("log-softmax", "log-softmax", "distributions.log_softmax", "60 digits")
def log_softmax(evidence, rng):
    """It equals the plain definition computed with 60 decimal digits, and stays finite and
    exact for logits of plus or minus 10,000."""
    logits = np.vstack([rng.normal(0, 3, (4, 3)), [[1e4, -1e4, 0], [-1e4, -1e4, -1e4 + 2]]])
    with localcontext() as context:
        context.prec = 60
        expected = []
        for row in logits:
            powers = [Decimal(float(z)).exp() for z in row]
            expected.append([float((power / sum(powers)).ln()) for power in powers])
    actual = distributions.log_softmax(logits)
    evidence.true("finite", np.isfinite(actual).all())
    for name, rows in (("ordinary", slice(0, 4)), ("huge", slice(4, 5)), ("low", slice(5, 6))):
        evidence.close(f"{name} logits", actual[rows], np.array(expected)[rows])
    evidence.show("logits", logits[-2:])
    evidence.show("log-probabilities", actual[-2:])


@check("softmax-jacobian", "softmax Jacobian", "distributions.log_softmax_backward", "complex step")
def softmax_jacobian(evidence, rng):
    """Any dLoss/dlog_probs U becomes U - P (U 1) at the logits; the Jacobian is 1[j=k] - pi_j."""
    logits, U = rng.normal(0, 1.5, (2, 5, 3))
    log_probs = distributions.log_softmax(logits)
    actual = distributions.log_softmax_backward(U, log_probs)
    oracle = complex_step(lambda z: (distributions.log_softmax(z) * U).sum(), logits)
    evidence.close("U at the logits", actual, oracle)
    jacobian = complex_step(lambda z: distributions.log_softmax(z[None])[0], logits[0])
    unit = [distributions.log_softmax_backward(e[None], log_probs[:1])[0] for e in np.eye(3)]
    evidence.close("Jacobian", np.transpose(unit), jacobian)
    # A loss of the probabilities: dLoss/dlog P = P times dLoss/dP.
    P = np.exp(log_probs)
    actual = distributions.log_softmax_backward(P * U, log_probs)
    oracle = complex_step(lambda z: (np.exp(distributions.log_softmax(z)) * U).sum(), logits)
    evidence.close("dLoss/dP at the logits", actual, oracle)
    evidence.show("Jacobian, row j, column k", jacobian)


@check(
    "softmax-backward",
    "wish less mean wish",
    "distributions.categorical_entropy_backward",
    "complex step",
)
def wishes(evidence, rng):
    """A loss of the probabilities has P (W - mean W) at the logits, where W = dLoss/dP: for any
    W, and for the entropy's, whose W is -log pi - 1."""
    logits, W = rng.normal(0, 1.5, (2, 5, 3))
    log_probs = distributions.log_softmax(logits)
    P = np.exp(log_probs)
    oracle = complex_step(lambda z: (np.exp(distributions.log_softmax(z)) * W).sum(), logits)
    means = [
        math.fsum(p * w for p, w in zip(*rows, strict=True)) for rows in zip(P, W, strict=True)
    ]
    evidence.close("P (W - mean W)", P * (W - np.transpose([means])), oracle)
    evidence.close(
        "Eq. 18 with U = P W", distributions.log_softmax_backward(P * W, log_probs), oracle
    )
    W = -log_probs - 1
    actual = distributions.categorical_entropy_backward(
        np.ones(5), distributions.categorical_entropy(log_probs), log_probs
    )
    means = [
        math.fsum(p * w for p, w in zip(*rows, strict=True)) for rows in zip(P, W, strict=True)
    ]
    evidence.close("the entropy's", actual, P * (W - np.transpose([means])))
    evidence.show("the entropy's wishes, less their mean", (W - np.transpose([means]))[0])


@check("score", "a row's rule", "distributions.categorical_log_prob_backward", "complex step")
def row_rule(evidence, rng):
    """Whatever a loss does with the chosen log-probabilities, its gradient at the logits is its
    slope in each, times e_a - pi; here for three losses, two of which are in no paper."""
    logits, actions, A = rng.normal(size=(6, 3)), rng.integers(3, size=6), rng.normal(size=6)
    log_probs = distributions.log_softmax(logits)
    chosen = distributions.categorical_log_prob(log_probs, actions)
    losses = {
        "VPG's": (lambda x: vpg.policy_loss(x, A)[0], vpg.policy_loss(chosen, A)[1]),
        "a sum of cubes": (lambda x: (x**3).sum(), 3 * chosen**2),
        "rows that mix": (lambda x: np.exp(x.sum()), np.full(6, np.exp(chosen.sum()))),
    }
    for name, (loss, slopes) in losses.items():
        actual = distributions.categorical_log_prob_backward(slopes, actions, np.exp(log_probs))
        oracle = complex_step(
            lambda z, loss=loss: loss(
                distributions.categorical_log_prob(distributions.log_softmax(z), actions)
            ),
            logits,
        )
        evidence.close(f"{name} gradient", actual, oracle)
        evidence.close(f"{name} rows sum to 0", 1 + actual.sum(axis=1), np.ones(6))
    pi = np.array([[0.25, 0.75]])
    by_hand = distributions.categorical_log_prob_backward(np.array([-0.5]), np.array([0]), pi)
    evidence.close("by hand: pi = .25, .75, a = 0, slope -0.5", by_hand, [[-0.375, 0.375]])
    evidence.show("dlogits by hand", by_hand)


@check(
    "vpg-logits", "VPG at the logits", "distributions.categorical_log_prob_backward", "complex step"
)
def vpg_logits(evidence, rng):
    """VPG's loss has the gradient A (pi - e_a)/N at the logits: its rows sum to 0."""
    logits, actions, A = rng.normal(size=(6, 3)), rng.integers(3, size=6), rng.normal(size=6)

    def loss(z):
        chosen = distributions.categorical_log_prob(distributions.log_softmax(z), actions)
        return vpg.policy_loss(chosen, A)[0]

    log_probs = distributions.log_softmax(logits)
    chosen = distributions.categorical_log_prob(log_probs, actions)
    evidence.close("chosen", chosen, [row[a] for row, a in zip(log_probs, actions, strict=True)])
    _, dlog_probs = vpg.policy_loss(chosen, A)
    actual = distributions.categorical_log_prob_backward(dlog_probs, actions, np.exp(log_probs))
    evidence.close("dlogits", actual, complex_step(loss, logits))
    evidence.close("rows sum to 0", actual.sum(axis=1), np.zeros(6))
    by_hand = distributions.categorical_log_prob_backward(
        np.array([3.0]), np.array([2]), np.array([[1, 2, 3]]) / 6
    )
    evidence.close("by hand: z = 0, ln 2, ln 3, a = 2, A = -3", by_hand, [[-0.5, -1, 1.5]])
    evidence.show("dlogits by hand", by_hand)


@check(
    "entropy", "entropy at the logits", "distributions.categorical_entropy_backward", "complex step"
)
def entropy_logits(evidence, rng):
    """The entropy has the gradient -pi (log pi + H) at the logits, 0 where pi is uniform. As a
    bonus it holds the visits still; paid as a reward besides, it is that of J + c E[sum H]."""
    logits, weights = rng.normal(size=(6, 3)), rng.normal(size=6)
    log_probs = distributions.log_softmax(logits)
    H = distributions.categorical_entropy(log_probs)
    direct = [-math.fsum(math.exp(x) * x for x in row) for row in log_probs]
    evidence.close("H", H, direct)
    actual = distributions.categorical_entropy_backward(weights, H, log_probs)
    oracle = complex_step(
        lambda z: distributions.categorical_entropy(distributions.log_softmax(z)) @ weights, logits
    )
    evidence.close("dlogits", actual, oracle)
    flat = distributions.log_softmax(np.zeros((1, 3)))
    at_uniform = distributions.categorical_entropy_backward(np.ones(1), np.log([3.0]), flat)
    evidence.close("0 at uniform", at_uniform, np.zeros((1, 3)))
    policy, obs, actions = categorical_case(rng)
    _, _, cache = policy.forward(obs, actions)
    actual = policy.backward(np.zeros(len(obs)), np.full(len(obs), -0.01 / len(obs)), cache)
    oracle = network_step(policy, lambda: -0.01 * policy.forward(obs, actions)[1].mean())
    evidence.close("-c_H mean H, every weight", actual, oracle)

    def entropies_of(theta):
        return distributions.categorical_entropy(np.log(mdp.policy(theta, mdp.TABULAR)))

    pi = mdp.policy(THETA, mdp.TABULAR)
    H, visits = entropies_of(THETA), mdp.visitation(PROCESS, pi)
    bonus = distributions.categorical_entropy_backward(0.3 * visits, H, np.log(pi))

    def goal(theta, visits=None):  # J + c E[sum of gamma^t H(s_t)]
        pi = mdp.policy(theta, mdp.TABULAR)
        visits = mdp.visitation(PROCESS, pi) if visits is None else visits
        return mdp.objective(PROCESS, pi) + 0.3 * visits @ entropies_of(theta)

    held = complex_step(lambda th: goal(th, visits), THETA).reshape(2, 2)
    evidence.close("bonus: visits held still", mdp.softmax_gradient(PROCESS, THETA) + bonus, held)
    paid = PROCESS._replace(rewards=PROCESS.rewards + 0.3 * H[:, None])
    whole = complex_step(goal, THETA).reshape(2, 2)
    evidence.close("H paid too: J + c E[sum H]", mdp.softmax_gradient(paid, THETA) + bonus, whole)
    evidence.true("the bonus alone is not that", np.abs(whole - held).max() > 0.01)
    by_hand = np.log(np.array([[1, 2, 3]]) / 6)
    H = distributions.categorical_entropy(by_hand)
    evidence.show("pi = 1/6, 2/6, 3/6: H", H)
    evidence.show(
        "its gradient", distributions.categorical_entropy_backward(np.ones(1), H, by_hand)
    )


@check("gaussian", "Gaussian density", "distributions.gaussian_log_prob", "quadrature")
def gaussian_density(evidence, rng):
    """It integrates to 1 and equals the product of its dimensions' densities; what the policy
    samples has its mean and deviation."""
    mean, log_stds = np.array([0.3, -1.2]), np.array([-0.5, 0.4])
    (x, dx), (y, dy) = (grid(m, np.exp(ell), 301) for m, ell in zip(mean, log_stds, strict=True))
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    logs = distributions.gaussian_log_prob(points, np.broadcast_to(mean, points.shape), log_stds)
    evidence.close("integral, A = 2", np.exp(logs).sum() * dx * dy, 1)
    known = [NormalDist(m, math.exp(ell)) for m, ell in zip(mean, log_stds, strict=True)]
    some = mean + rng.normal(size=(5, 2))
    expected = [
        math.fsum(math.log(n.pdf(a)) for n, a in zip(known, row, strict=True)) for row in some
    ]
    actual = distributions.gaussian_log_prob(some, np.broadcast_to(mean, some.shape), log_stds)
    evidence.close("statistics.NormalDist", actual, expected)

    policy = policies.GaussianPolicy(3, 2, (), rng, dtype=np.float64)
    policy.log_stds[:] = log_stds
    obs = np.repeat(rng.normal(size=(1, 3)), SAMPLES, axis=0)
    actions, stored = policy.sample(obs, rng)
    z = (actions - policy.network(obs)) / np.exp(log_stds)
    evidence.normal("sampled means", z.mean(axis=0), 0, 1 / np.sqrt(SAMPLES))
    evidence.normal("sampled squares", (z * z).mean(axis=0), 1, np.sqrt(2 / SAMPLES))
    evidence.close("stored log_probs", stored, policy.forward(obs, actions)[0])


@check(
    "gaussian-score", "Gaussian scores", "distributions.gaussian_log_prob_backward", "complex step"
)
def gaussian_scores(evidence, rng):
    """The slopes are (a - mu)/sigma^2 and (a - mu)^2/sigma^2 - 1; over the policy's actions
    both have mean 0, and second moments 1/sigma^2 and 2."""
    for _ in range(4):
        action, mean = rng.normal(size=(2, 1, 2))
        log_stds = rng.normal(0, 0.5, 2)
        dmeans, dlog_stds = distributions.gaussian_log_prob_backward(
            np.ones(1), action, mean, log_stds
        )
        log_prob = distributions.gaussian_log_prob
        by_mean = complex_step(lambda m: log_prob(action, m, log_stds)[0], mean)  # noqa: B023
        by_log_std = complex_step(lambda ell: log_prob(action, mean, ell)[0], log_stds)  # noqa: B023
        evidence.close("by mu", dmeans, by_mean)
        evidence.close("by log sigma", dlog_stds, by_log_std)
    evidence.show("slopes by mu", dmeans)
    evidence.show("slopes by log sigma", dlog_stds)

    # One row with a dimension for every sample, so that each keeps its own slope.
    sigma = 0.6
    samples = rng.normal(0.3, sigma, (1, SAMPLES))
    dmeans, dlog_stds = distributions.gaussian_log_prob_backward(
        np.ones(1), samples, np.full_like(samples, 0.3), np.full(SAMPLES, np.log(sigma))
    )
    root = np.sqrt(SAMPLES)
    evidence.normal("mean by mu", dmeans.mean(), 0, 1 / sigma / root)
    evidence.normal("mean by log sigma", dlog_stds.mean(), 0, np.sqrt(2) / root)
    # The standard errors are those of a normal's 4th and 8th moments.
    squares = (dmeans**2).mean()
    evidence.normal("square by mu", squares, 1 / sigma**2, np.sqrt(2) / sigma**2 / root)
    evidence.normal("square by log sigma", (dlog_stds**2).mean(), 2, np.sqrt(56) / root)


@check(
    "gaussian-gradient", "Gaussian gradients", "policies.GaussianPolicy.backward", "complex step"
)
def gaussian_gradients(evidence, rng):
    """Through the network and into the shared log-deviations, with VPG's weights and with
    PPO's: every parameter."""
    policy, obs, actions = gaussian_case(rng)
    old_log_probs, A = clip_case(rng, policy, obs, actions, 0.2)
    losses = {
        "VPG": lambda log_probs: vpg.policy_loss(log_probs, A),
        "PPO": lambda log_probs: ppo.clipped_surrogate(log_probs, old_log_probs, A, 0.2),
    }
    for name, loss in losses.items():
        log_probs, entropies, cache = policy.forward(obs, actions)
        actual = policy.backward(loss(log_probs)[1], 0 * entropies, cache)
        oracle = network_step(policy, lambda f=loss: f(policy.forward(obs, actions)[0])[0])
        evidence.close(f"{name}, every parameter", actual, oracle)
        evidence.show(f"{name}: log-deviations' gradient", actual[-2:].real)


@check("gaussian-entropy", "Gaussian entropy", "distributions.gaussian_entropy", "quadrature")
def gaussian_entropy(evidence, rng):
    """It is the integral of -p log p; its slope is 1 for each log-deviation, 0 for the means."""
    log_stds = np.array([-0.5, 0.4])
    integral = 0.0
    for ell in log_stds:
        x, dx = grid(0, np.exp(ell))
        logs = distributions.gaussian_log_prob(x[:, None], np.zeros((len(x), 1)), np.array([ell]))
        integral -= (np.exp(logs) * logs).sum() * dx
    evidence.close("H", distributions.gaussian_entropy(log_stds), integral)
    evidence.show("H", integral)
    policy, obs, actions = gaussian_case(rng)
    _, entropies, cache = policy.forward(obs, actions)
    evidence.close("the same in every row", entropies, np.full(len(obs), entropies[0]))
    actual = policy.backward(np.zeros(len(obs)), np.full(len(obs), -0.01 / len(obs)), cache)
    oracle = network_step(policy, lambda: -0.01 * policy.forward(obs, actions)[1].mean())
    evidence.close("-c_H mean H, every parameter", actual, oracle)
    evidence.show("log-deviations' gradient, c_H = 0.01", actual[-2:].real)
