"""A. From the decision process to the policy gradient: Eq. 1–10, 46–48."""

from statistics import fmean

import numpy as np

import advantages
import distributions
import policies
import rollout
import vpg
from lab.proof import mdp
from lab.proof.equations.cases import (
    LONG,
    ONE_HOT,
    PROCESS,
    SAMPLES,
    SLIPPERY,
    SOFTMAXES,
    THETA,
    UNIFORM,
    TwoStateEnvs,
    tabular_policy,
)
from lab.proof.evidence import check, complex_step


@check("density", "trajectory density", "rollout.Sampler.collect", "enumeration")
def trajectory_density(evidence, rng):
    """The probabilities of all trajectories sum to 1, and what Sampler collects from the
    shipped policy occurs that often; its stored log_probs add up to the density's log."""
    pi = mdp.policy(THETA, mdp.TABULAR)
    for name, process in (("fixed", PROCESS), ("random", SLIPPERY)):
        total = sum(mdp.density(process, pi, tau) for tau in mdp.trajectories(process, 6))
        evidence.close(f"sum of p, {name} dynamics", total, 1)

    steps = 6
    sampler = rollout.Sampler(TwoStateEnvs(PROCESS, SAMPLES), seed=0)
    stored = sampler.collect(tabular_policy(THETA), steps, rng)
    counts, chances = [], []
    for tau in mdp.trajectories(PROCESS, steps):
        T = len(tau.actions)
        # Each environment's first episode alone: it starts at t = 0.
        rows = (stored.actions[:T] == tau.actions[:, None]).all(axis=0)
        counts.append(rows.sum())
        chances.append(mdp.density(PROCESS, pi, tau))
        first = rollout.Rollout(*(array[:T, rows] for array in stored[:-1]), [])
        logs = first.log_probs.sum(axis=0)
        evidence.close(f"p from log_probs, T={T}", np.exp(logs), np.full_like(logs, chances[-1]))
        same = (first.obs == ONE_HOT[tau.states][:, None]).all()
        same = same and (first.rewards == tau.rewards[:, None]).all()
        evidence.true(f"its obs and rewards, T={T}", same)
        ends = np.full(T, False)
        ends[-1] = tau.finished
        flags = (first.terminated == ends[:, None]).all() and not first.truncated.any()
        flags = flags and first.valid.all()
        if tau.finished and steps > T:
            flags = flags and not stored.valid[T, rows].any()
        evidence.true(f"terminated at its end, valid up to there, T={T}", flags)
    chances = np.array(chances)
    errors = np.sqrt(chances * (1 - chances) / SAMPLES)
    evidence.normal("frequencies", np.array(counts) / SAMPLES, chances, errors)
    evidence.show("p of each trajectory", chances)
    evidence.show(f"its frequency in {SAMPLES} episodes", np.array(counts) / SAMPLES)


@check("objective", "return and objective J", "mdp.objective", "enumeration")
def objective(evidence, rng):
    """G sums discounted rewards, and J is its mean: over all trajectories of six steps as by
    six sweeps of dynamic programming, over all of them as by a linear solve."""
    pi = mdp.policy(THETA, mdp.TABULAR)
    for tau in mdp.trajectories(PROCESS, 6):
        T, gamma = len(tau.rewards), PROCESS.gamma
        direct = [sum(gamma ** (k - t) * tau.rewards[k] for k in range(t, T)) for t in range(T)]
        G = mdp.returns(tau.rewards, gamma)
        evidence.close(f"G, T={T}", G, direct)
        last = np.arange(T) == T - 1
        shipped = advantages.returns_to_go(tau.rewards, np.zeros(T), last, last, gamma)
        evidence.close(f"advantages.returns_to_go, T={T}", shipped, direct)

    def enumerated(horizon):
        every = mdp.trajectories(PROCESS, horizon)
        return sum(
            mdp.density(PROCESS, pi, tau) * mdp.returns(tau.rewards, PROCESS.gamma)[0]
            for tau in every
        )

    within = PROCESS.start @ mdp.values_within(PROCESS, pi, 6)
    evidence.close("J, cut off after 6 steps", within, enumerated(6))
    evidence.close("J", mdp.objective(PROCESS, pi), enumerated(LONG))
    evidence.show("J, cut off after 6 steps", within)
    evidence.show("J", mdp.objective(PROCESS, pi))
    evidence.show("J, uniform", mdp.objective(PROCESS, np.full((2, 2), 0.5)))


@check("log-derivative", "log-derivative trick", "mdp.trajectory_score", "complex step")
def log_derivative(evidence, rng):
    """The gradient of a trajectory's probability is that probability times its score."""
    for name, (theta, features) in SOFTMAXES.items():
        pi = mdp.policy(theta, features)
        step_scores = mdp.scores(pi, features)
        for tau in mdp.trajectories(SLIPPERY, 4):
            actual = mdp.density(SLIPPERY, pi, tau) * mdp.trajectory_score(tau, step_scores)
            oracle = complex_step(
                lambda th, f=features, tau=tau: mdp.density(SLIPPERY, mdp.policy(th, f), tau), theta
            )
            evidence.close(f"{name}, T={len(tau.actions)}", actual, oracle)
    evidence.show("the last one's gradient of p", oracle)


@check("dynamics", "dynamics cancel", "policies.CategoricalPolicy", "complex step")
def dynamics_cancel(evidence, rng):
    """The score of a whole trajectory, random dynamics and all, is the sum of what the shipped
    policy's backward says of its steps."""
    policy, pi = tabular_policy(THETA), mdp.policy(THETA, mdp.TABULAR)
    for tau in mdp.trajectories(SLIPPERY, 4):
        T = len(tau.actions)
        oracle = complex_step(
            lambda th, tau=tau: np.log(mdp.density(SLIPPERY, mdp.policy(th, mdp.TABULAR), tau)),
            THETA,
        )
        _, _, cache = policy.forward(ONE_HOT[tau.states], tau.actions)
        evidence.close(f"T={T}", policy.backward(np.ones(T), np.zeros(T), cache)[:4], oracle)
        step_scores = mdp.scores(pi, mdp.TABULAR)
        evidence.close(f"mdp, T={T}", mdp.trajectory_score(tau, step_scores), oracle)
    evidence.show("the last one's score", oracle)


def check_estimator(evidence, label, weigh):
    """An estimator's exact mean is the gradient of J, with six steps and with no limit."""
    for name, (theta, features) in SOFTMAXES.items():

        def within(th, features=features):
            return PROCESS.start @ mdp.values_within(PROCESS, mdp.policy(th, features), 6)

        def without(th, features=features):
            return mdp.objective(PROCESS, mdp.policy(th, features))

        for horizon, J in ((6, within), (LONG, without)):
            mean, _ = mdp.moments(*mdp.estimates(PROCESS, theta, features, horizon, weigh))
            evidence.close(f"{label}, {name}, T<={horizon}", mean, complex_step(J, theta))
    evidence.show(f"{label}: mean, {name}", mean)


@check("policy-gradient", "policy gradient", "mdp.whole_return", "complex step")
def policy_gradient(evidence, rng):
    """The mean of G times the trajectory's score is the gradient of J; so is the mean of what
    the shipped policy's backward makes of it."""
    check_estimator(evidence, "G x score", mdp.whole_return)
    policy, pi = tabular_policy(THETA), mdp.policy(THETA, mdp.TABULAR)
    total = np.zeros(6)
    for tau in mdp.trajectories(PROCESS, LONG):
        _, _, cache = policy.forward(ONE_HOT[tau.states], tau.actions)
        weights = np.full(len(tau.actions), mdp.returns(tau.rewards, PROCESS.gamma)[0])
        gradient = policy.backward(weights, np.zeros(len(weights)), cache)
        total += mdp.density(PROCESS, pi, tau) * gradient
    oracle = complex_step(lambda th: mdp.objective(PROCESS, mdp.policy(th, mdp.TABULAR)), THETA)
    evidence.close("CategoricalPolicy.backward", total[:4], oracle)


@check(
    "mean-score", "the mean score is 0", "distributions.categorical_log_prob_backward", "exact sum"
)
def mean_score(evidence, rng):
    """Averaged over the policy's own actions, the score vanishes: summed exactly for the
    softmax, sampled for the Gaussian."""
    log_probs = distributions.log_softmax(rng.normal(0, 2, (5, 3)))
    probs = np.exp(log_probs)
    each = [
        probs[:, [a]]
        * distributions.categorical_log_prob_backward(np.ones(5), np.full(5, a), probs)
        for a in range(3)
    ]
    evidence.true("scores are not all 0", np.abs(each).max() > 0.1)
    evidence.close("softmax, sum of pi x score", sum(each), np.zeros((5, 3)))
    for name, (theta, features) in SOFTMAXES.items():
        pi = mdp.policy(theta, features)
        mean = np.einsum("sa,sap->sp", pi, mdp.scores(pi, features))
        evidence.close(f"mdp, {name}", mean, np.zeros_like(mean))

    policy = policies.GaussianPolicy(3, 2, (4,), rng, dtype=np.float64)
    policy.log_stds[:] = [-0.4, 0.5]
    obs = np.repeat(rng.normal(size=(1, 3)), SAMPLES, axis=0)
    actions, _ = policy.sample(obs, rng)
    dmeans, dlog_stds = distributions.gaussian_log_prob_backward(
        np.full(SAMPLES, 1 / SAMPLES), actions, policy.network(obs), policy.log_stds
    )
    sigmas = np.exp(policy.log_stds)
    evidence.normal("Gaussian means", dmeans.sum(axis=0), 0, 1 / sigmas / np.sqrt(SAMPLES))
    evidence.normal("Gaussian log-deviations", dlog_stds, 0, np.sqrt(2 / SAMPLES))


def check_variance(evidence, label, weigh, published):
    """tr Var of an estimator (uniform policy, T <= 6): against pairs, and as published."""
    chances, points = mdp.estimates(PROCESS, UNIFORM, mdp.TABULAR, 6, weigh)
    _, variance = mdp.moments(chances, points)
    # Half the mean squared distance of two independent draws: no mean is subtracted.
    squares = ((points[:, None] - points) ** 2).sum(axis=2)
    evidence.close(f"{label}: tr Var", variance, chances @ squares @ chances / 2)
    evidence.true(f"{label}: tr Var rounds to {published}", round(variance, 3) == published)
    return variance


@check("reward-to-go", "reward-to-go", "mdp.reward_to_go", "complex step")
def reward_to_go(evidence, rng):
    """Leaving out the rewards before an action leaves the mean as it is, and here *raises* the
    variance: uniform policy, T <= 6."""
    check_estimator(evidence, "reward-to-go", mdp.reward_to_go)

    def past(process, tau):
        return mdp.whole_return(process, tau) - mdp.reward_to_go(process, tau)

    for name, (theta, features) in SOFTMAXES.items():
        mean, _ = mdp.moments(*mdp.estimates(PROCESS, theta, features, LONG, past))
        evidence.close(f"past rewards add nothing, {name}", mean, np.zeros_like(mean))
    whole = check_variance(evidence, "whole return", mdp.whole_return, 1.757)
    to_go = check_variance(evidence, "reward-to-go", mdp.reward_to_go, 1.780)
    evidence.show("tr Var, whole return", whole)
    evidence.show("tr Var, reward-to-go", to_go)


@check("baseline", "a baseline adds no bias", "mdp.less_baseline", "complex step")
def baseline(evidence, rng):
    """Subtracting any number that depends on the state alone leaves the mean as it is; V as the
    baseline lowers the variance here: uniform policy, T <= 6."""
    check_estimator(evidence, "any b", mdp.less_baseline(np.array([2.0, -3.0])))
    V = mdp.values(PROCESS, mdp.policy(UNIFORM, mdp.TABULAR))
    variance = check_variance(evidence, "baseline V", mdp.less_baseline(V), 1.118)
    evidence.show("tr Var, baseline V", variance)


@check("action-values", "Q, V and A", "mdp.action_values", "enumeration")
def action_values(evidence, rng):
    """Q is the mean return after a state and an action, V its mean over actions, A their
    difference; Q or A may stand in G's place."""
    pi = mdp.policy(THETA, mdp.TABULAR)
    Q = np.zeros((2, 2))
    for s, a in np.ndindex(2, 2):
        process = PROCESS._replace(start=ONE_HOT[s])
        every = [tau for tau in mdp.trajectories(process, LONG) if tau.actions[0] == a]
        chances = np.array([mdp.density(process, pi, tau) for tau in every])
        G = np.array([mdp.returns(tau.rewards, process.gamma)[0] for tau in every])
        Q[s, a] = chances @ G / chances.sum()
    V = np.array([pi[0] @ Q[0], pi[1] @ Q[1]])
    evidence.close("Q", mdp.action_values(PROCESS, pi), Q)
    evidence.close("V", mdp.values(PROCESS, pi), V)
    evidence.close("A", mdp.advantages(PROCESS, pi), np.array([Q[0] - V[0], Q[1] - V[1]]))
    oracle = complex_step(lambda th: mdp.objective(PROCESS, mdp.policy(th, mdp.TABULAR)), THETA)
    for name, credit in (("Q", mdp.action_values), ("A", mdp.advantages)):
        known = credit(PROCESS, pi)

        def weigh(process, tau, known=known):
            return process.gamma ** np.arange(len(tau.states)) * known[tau.states, tau.actions]

        mean, _ = mdp.moments(*mdp.estimates(PROCESS, THETA, mdp.TABULAR, LONG, weigh))
        evidence.close(f"{name} for G", mean, oracle)
    evidence.show("Q", Q)
    evidence.show("V", V)


@check("visitation", "visitation form", "mdp.gradient", "complex step")
def visitation_form(evidence, rng):
    """eta counts discounted visits; weighing each state's sum of Q grad pi by it gives the
    gradient of J. Unrolled once: grad V(s) is that sum plus gamma times the next grad V."""
    for name, (theta, features) in SOFTMAXES.items():
        pi = mdp.policy(theta, features)
        counted = np.zeros(2)
        for tau in mdp.trajectories(PROCESS, LONG):
            discounts = PROCESS.gamma ** np.arange(len(tau.states))
            visits = np.bincount(tau.states, discounts, minlength=2)
            counted += mdp.density(PROCESS, pi, tau) * visits
        evidence.close(f"eta, {name}", mdp.visitation(PROCESS, pi), counted)
        oracle = complex_step(
            lambda th, f=features: mdp.objective(PROCESS, mdp.policy(th, f)), theta
        )
        evidence.close(f"grad J, {name}", mdp.gradient(PROCESS, theta, features), oracle)
        dV = complex_step(lambda th, f=features: mdp.values(PROCESS, mdp.policy(th, f)), theta).T
        dpi = np.einsum("sa,sap->sap", pi, mdp.scores(pi, features))
        here = np.einsum("sap,sa->sp", dpi, mdp.action_values(PROCESS, pi))
        onward = PROCESS.gamma * mdp.state_transitions(PROCESS, pi) @ dV
        evidence.close(f"grad V, {name}", here + onward, dV)
        evidence.show(f"eta, {name}", counted)
        evidence.show(f"grad J, {name}", oracle)


@check("tabular-gradient", "V, eta, grad J: solves", "mdp.softmax_gradient", "complex step")
def linear_solves(evidence, rng):
    """V and eta solve linear equations, and the tabular softmax collapses the gradient to
    eta(s) pi(b|s) A(s,b)."""
    for name, theta in (("uniform", UNIFORM), ("skewed", THETA)):
        pi = mdp.policy(theta, mdp.TABULAR)
        V = mdp.values_within(PROCESS, pi, 400)
        evidence.close(f"V, {name}: 400 sweeps", mdp.values(PROCESS, pi), V)
        spread, eta = PROCESS.start, np.zeros(2)
        for _ in range(400):
            eta = eta + spread
            spread = PROCESS.gamma * spread @ mdp.state_transitions(PROCESS, pi)
        evidence.close(f"eta, {name}: 400 steps", mdp.visitation(PROCESS, pi), eta)
        oracle = complex_step(
            lambda th: mdp.objective(PROCESS, mdp.policy(th, mdp.TABULAR)), theta
        ).reshape(2, 2)
        evidence.close(f"grad J, {name}", mdp.softmax_gradient(PROCESS, theta), oracle)
        evidence.show(f"V, {name}", V)
        evidence.show(f"eta, {name}", eta)
        evidence.show(f"grad J, {name}", oracle)


@check("best-baseline", "the best baseline", "mdp.best_baseline", "scan over b")
def best_baseline(evidence, rng):
    """b* weighs returns by the squared scores; no other b gives one decision's estimate less
    variance. The variance is a parabola in b: three points fix its vertex."""
    cases = {}
    for name, (theta, features) in SOFTMAXES.items():
        pi = mdp.policy(theta, features)
        Q, step_scores = mdp.action_values(PROCESS, pi), mdp.scores(pi, features)
        for s in range(2):
            cases[f"{name}, state {s}"] = pi[s], step_scores[s], Q[s]
    # With two actions b* leaves no variance at all; with three some remains.
    pi = np.exp(distributions.log_softmax(rng.normal(size=(1, 3))))[0]
    cases["three actions"] = pi, np.eye(3) - pi, rng.normal(size=3)
    for name, case in cases.items():
        low, middle, high = (mdp.one_step_variance(*case, b) for b in (-4, 0, 4))
        vertex = 2 * (low - high) / (high - 2 * middle + low)
        best = mdp.best_baseline(*case)
        evidence.close(f"{name}: vertex", best, vertex)
        scan = [mdp.one_step_variance(*case, b) for b in np.linspace(best - 3, best + 3, 61)]
        least = mdp.one_step_variance(*case, best)
        evidence.true(f"{name}: less variance than 61 others", least <= min(scan) + 1e-15)
        probabilities, _, returns = case
        mean = probabilities @ returns
        evidence.show(f"{name}: b* and the mean", np.array([best, mean]))
        variances = [least, mdp.one_step_variance(*case, mean)]
        evidence.show(f"{name}: tr Var with either", np.array(variances))


@check("vpg", "VPG's loss", "vpg.policy_loss", "enumeration")
def vpg_loss(evidence, rng):
    """Its gradient over all trajectories is, exactly, the mean that dropping gamma^t leads to
    (last reward 2.18: with the wrong sign); and 1/steps is 1/episodes, randomly rescaled."""
    log_probs, weights = rng.normal(size=(2, 7))
    loss, dlog_probs = vpg.policy_loss(log_probs, weights)
    evidence.close("loss", loss, -fmean(weights * log_probs))
    oracle = complex_step(lambda x: vpg.policy_loss(x, weights)[0], log_probs)
    evidence.close("slope", dlog_probs, oracle)

    process, policy = mdp.two_states(last_reward=2.18), tabular_policy(UNIFORM)
    pi = mdp.policy(UNIFORM, mdp.TABULAR)

    def ascent(*episodes):
        """The shipped gradient of −loss over some trajectories' steps, joined -> (6,)"""
        joined = [np.concatenate(arrays) for arrays in zip(*(e[:3] for e in episodes), strict=True)]
        states, actions, rewards = joined
        ended = np.concatenate([np.arange(len(e.states)) == len(e.states) - 1 for e in episodes])
        credit = advantages.returns_to_go(
            rewards, np.zeros(len(rewards)), ended, ended, process.gamma
        )
        log_probs, entropies, cache = policy.forward(ONE_HOT[states], actions)
        dlog_probs = vpg.policy_loss(log_probs, credit)[1]
        return -policy.backward(dlog_probs, np.zeros_like(entropies), cache)

    mean = sum(
        mdp.density(process, pi, tau) * len(tau.states) * ascent(tau)
        for tau in mdp.trajectories(process, LONG)
    )
    tabular = mdp.practical_gradient(process, UNIFORM, mdp.TABULAR)
    evidence.close("mean, tabular", mean[:4], tabular)
    shared, one_logit = np.zeros(1), mdp.SHARED
    practical = mdp.practical_gradient(process, shared, one_logit)
    true = mdp.gradient(process, shared, one_logit)
    evidence.close("mean, shared logit", mean[5:], practical)
    oracle = complex_step(lambda th: mdp.objective(process, mdp.policy(th, one_logit)), shared)
    evidence.close("true gradient, shared logit", true, oracle)
    evidence.true("their signs differ", practical[0] * true[0] < 0)
    evidence.show("true gradient, shared logit", true)
    evidence.show("with gamma^t dropped", practical)

    every = mdp.trajectories(process, 6)
    chances, points = mdp.estimates(process, shared, one_logit, 6, mdp.discount_dropped)
    lengths = [len(tau.states) for tau in every]
    for i, j in ((0, 1), (2, 5), (6, 3)):
        factor = (lengths[i] + lengths[j]) / 2
        label = f"{factor:g} x average over steps"
        evidence.close(label, factor * ascent(every[i], every[j])[5:], (points[i] + points[j]) / 2)
    for episodes in (1, 2, 4):
        probabilities, sums, steps = mdp.batches(chances, points, lengths, episodes)
        per_episode = probabilities @ sums / episodes
        per_step = probabilities @ (sums / steps[:, None]) * (probabilities @ steps) / episodes
        evidence.close(f"1/episodes, {episodes}: mean", per_episode, chances @ points)
        evidence.true(f"1/steps, {episodes}: another mean", abs(per_step - per_episode) > 1e-3)
        evidence.show(f"mean of 1/steps, {episodes} episodes, rescaled", per_step)
