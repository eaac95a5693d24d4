"""Every numbered equation held against the shipped code.

    report()         all of them, as a table
    report(39)       one, with its numbers
    run_check(39)    one, as a Result
    CHECKS           number -> Check

A check calls the function that training uses and compares what it says with an
oracle that gets there another way: a complex step, an enumeration of every
trajectory, a quadrature, a sum written out, samples. No check repeats the
formula that it is checking.

The oracles' bounds:
    complex step   f'(x) = imag(f(x + ih))/h with h = 1e-30 subtracts nothing, so
                   it is exact to rounding: 1e-12, relative to the largest entry
    Monte Carlo    |z| < 4 standard errors, from at least 100,000 samples, seeded
    otherwise      as stated where it is not 1e-12

Functions are looked up through their modules (`ppo.clipped_surrogate`), so that
a test can put a faulty one in their place and see that its check fails.
"""

import math
import sys
from decimal import Decimal, localcontext
from statistics import NormalDist, fmean, pstdev
from typing import NamedTuple

import gymnasium as gym
import numpy as np

import advantages
import nn
import policies
import ppo
import rollout
import training
import vpg
from lab import mdp

EXACT = 1e-12  # bound on a relative error that is rounding and nothing else
SAMPLES = 200_000
LONG = 60  # steps after which what remains of an episode of lab.mdp is below rounding

# ------------------------------------------------------------------ the harness


class Check(NamedTuple):
    """One equation's check: what is claimed of which code, and who says so."""

    number: int
    claim: str
    code: str
    oracle: str
    function: object


class Result(NamedTuple):
    """What a check found. `error` and `bound` are those of its tightest comparison."""

    number: int
    claim: str
    code: str
    oracle: str
    error: float
    bound: float
    passed: bool
    numbers: list  # of (label, value): what `report` prints for a single check


class Evidence:
    """What a check collects: comparisons, which can fail, and numbers to look at."""

    def __init__(self):
        self.comparisons, self.numbers = [], []

    def compare(self, label, error, bound):
        """One comparison; it holds if `error` is at most `bound`. NaN never is."""
        error = float(error)
        self.comparisons.append((error if error == error else math.inf, bound))
        self.numbers.append((label, f"error {error:.1e}, bound {bound:.0e}"))

    def close(self, label, actual, expected, bound=EXACT):
        """Two arrays agree: largest difference, relative to the largest expected entry."""
        actual, expected = np.asarray(actual), np.asarray(expected)
        if actual.shape != expected.shape:
            self.compare(f"{label}: shape {actual.shape}, not {expected.shape}", math.inf, bound)
            return
        scale = np.abs(expected).max(initial=0) or 1
        self.compare(label, np.abs(actual - expected).max(initial=0) / scale, bound)

    def normal(self, label, mean, expected, standard_error):
        """Sample means lie within 4 standard errors of what is expected."""
        z = np.max(np.abs((np.asarray(mean) - expected) / standard_error))
        self.compare(f"{label}, |z|", z, 4)

    def true(self, label, condition):
        """Something holds or does not."""
        self.compare(label, 0.0 if condition else math.inf, EXACT)

    def show(self, label, value):
        """A number worth seeing that decides nothing."""
        self.numbers.append((label, value))


CHECKS = {}


def check(number, claim, code, oracle):
    """Register the decorated function(evidence, rng) as the check of equation `number`."""

    def register(function):
        if number in CHECKS:
            raise ValueError(f"Eq. {number} has two checks")
        CHECKS[number] = Check(number, claim, code, oracle, function)
        return function

    return register


def run_check(number):
    """Run one check -> Result. Raises ValueError for a number that has none."""
    if number not in CHECKS:
        raise ValueError(f"no equation {number}; there are {min(CHECKS)} to {max(CHECKS)}")
    _, claim, code, oracle, function = CHECKS[number]
    evidence = Evidence()
    try:
        function(evidence, np.random.default_rng(number))
    except Exception as error:  # faulty code may raise anything; that is a verdict, too
        evidence.compare(f"raised {type(error).__name__}: {error}", math.inf, EXACT)
    error, bound = max(evidence.comparisons, key=lambda pair: pair[0] / pair[1])
    passed = all(error <= bound for error, bound in evidence.comparisons)
    return Result(number, claim, code, oracle, error, bound, passed, evidence.numbers)


def report(numbers=None, stream=None):
    """Run checks and print them, 80 columns wide -> True if all passed.

    numbers  None for all of them; an int, or a list of one, for the details of
             one; a list for a table of these
    stream   file to print to, by default sys.stdout

    Raises ValueError for a number that has no check, before any is run.
    """
    from tqdm import tqdm

    stream = stream or sys.stdout
    numbers = sorted(CHECKS) if numbers is None else np.atleast_1d(numbers).tolist()
    for number in numbers:
        if number not in CHECKS:
            run_check(number)  # raises, saying which numbers there are
    if len(numbers) == 1:
        result = run_check(numbers[0])
        print(details(result), file=stream)
        return result.passed

    # disable=None: no bar unless stderr is a terminal
    bar = tqdm(numbers, "checking", unit="eq", ncols=80, leave=False, disable=None)
    results = [run_check(number) for number in bar]
    print(table(results), file=stream)
    return all(result.passed for result in results)


def table(results):
    """A list of Result -> text, one line each and a last one that counts."""
    row = "{:>2} {:<23} {:<29} {:<12} {:>5} {}"
    lines = [row.format("Eq", "claim", "code", "oracle", "error", ""), "-" * 80]
    for result in results:
        error, verdict = f"{result.error:.0e}", "ok" if result.passed else "FAIL"
        lines.append(row.format(*result[:4], error, verdict))
    failed = [str(result.number) for result in results if not result.passed]
    lines.append("-" * 80)
    if failed:
        lines.append(f"{len(failed)} of {len(results)} equations FAIL: {', '.join(failed)}")
    else:
        lines.append(f"all {len(results)} equations hold")
    return "\n".join(line.rstrip() for line in lines)


def details(result):
    """One Result -> text: the claim in full and every number the check looked at."""
    statement = " ".join(CHECKS[result.number].function.__doc__.split())
    lines = [f"Eq. {result.number}  {result.claim}", *wrapped(statement, 80), ""]
    lines += [f"code    {result.code}", f"oracle  {result.oracle}", ""]
    for label, value in result.numbers:
        if isinstance(value, np.ndarray) or not isinstance(value, str):
            value = np.array2string(
                np.asarray(value), precision=5, suppress_small=True, max_line_width=74
            )
        if "\n" not in value and len(label) + len(value) <= 77:
            lines.append(f"{label}{value:>{80 - len(label)}}")
        else:
            lines += [*wrapped(label, 80), *(f"      {line}" for line in value.splitlines())]
    lines += ["", f"largest error {result.error:.1e}, bound {result.bound:.0e}: "]
    lines[-1] += "ok" if result.passed else "FAIL"
    return "\n".join(lines)


def wrapped(text, width):
    """Text -> lines of at most `width` characters."""
    from textwrap import wrap

    return wrap(text, width)


# ------------------------------------------------------------------ the oracles


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


def categorical_case(rng, activation="tanh", hidden_sizes=(5, 3), rows=12):
    """A softmax policy of complex numbers with rows to evaluate -> policy, obs, actions."""
    policy = policies.CategoricalPolicy(4, 3, hidden_sizes, rng, activation, np.complex128)
    policy.parameters[:] = rng.normal(0, 0.6, policy.parameters.size)
    return policy, rng.normal(size=(rows, 4)), rng.integers(3, size=rows)


def gaussian_case(rng, rows=12):
    """A Gaussian policy of complex numbers with rows to evaluate -> policy, obs, actions."""
    policy = policies.GaussianPolicy(4, 2, (5,), rng, dtype=np.complex128)
    policy.parameters[:] = rng.normal(0, 0.6, policy.parameters.size)
    return policy, rng.normal(size=(rows, 4)), rng.normal(size=(rows, 2))


def clip_case(rng, policy, obs, actions, clip_range):
    """Old log-probs and advantages that meet every case of Eq. 39, none of them at a kink."""
    log_probs = policy.evaluate(obs, actions)[0].real
    inside = np.array([1 - 0.6 * clip_range, 1 + 0.6 * clip_range])
    ratios = np.resize([0.5, inside[0], inside[1], 1.6], len(obs))
    signs = np.resize([1, 1, 1, 1, -1, -1, -1, -1], len(obs))
    return log_probs - np.log(ratios), signs * rng.uniform(0.3, 2, len(obs))


def segments(rng, steps=24, envs=3):
    """Random arrays (T,N) with every kind of end -> rewards, values, next_values, d, u."""
    rewards, values, next_values = rng.normal(size=(3, steps, envs))
    terminated, truncated = rng.random((2, steps, envs)) < 0.12
    return rewards, values, next_values, terminated, terminated | truncated


def segment_errors(rewards, values, next_values, terminated, ended, gamma, t, i):
    """One-step errors from step t of stream i to its segment's end, one `if` at a time."""
    errors = []
    for k in range(t, len(rewards)):
        future = 0.0 if terminated[k, i] else gamma * next_values[k, i]
        errors.append(rewards[k, i] + future - values[k, i])
        if ended[k, i]:
            break
    return errors


# ------------------------------------------- A. From the process to its gradient

PROCESS = mdp.two_states()
# Here every onward move may also end the episode, so that the dynamics carry a probability.
SLIPPERY = PROCESS._replace(transitions=0.9 * PROCESS.transitions)
UNIFORM = np.zeros(4)
THETA = np.array([0.3, -0.2, -0.5, 0.4])
SOFTMAXES = {"tabular": (THETA, mdp.TABULAR), "shared logit": (np.array([0.35]), mdp.SHARED)}
ONE_HOT = np.eye(2)


def tabular_policy(theta, dtype=np.float64):
    """The shipped policy without a hidden layer: on one-hot states, W (2,2) is tabular theta.

    Its gradient's entries are those of W, row by row, then of b; the entry of
    b's action 1 belongs to the logit that both states share.
    """
    policy = policies.CategoricalPolicy(2, 2, (), np.random.default_rng(0), dtype=dtype)
    policy.parameters[:] = [*theta, 0, 0]
    return policy


class TwoStateEnvs(gym.vector.VectorEnv):
    """N copies of lab.mdp's process: a state is observed as a one-hot row, the end as zeros."""

    metadata = {"autoreset_mode": gym.vector.AutoresetMode.NEXT_STEP}

    def __init__(self, process, num_envs):
        self.process, self.num_envs = process, num_envs
        self.single_observation_space = gym.spaces.Box(0, 1, (2,))
        self.single_action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.states, self.over = np.zeros(self.num_envs, int), np.zeros(self.num_envs, bool)
        return ONE_HOT[self.states], {}

    def step(self, actions):
        rewards = np.where(self.over, 0, self.process.rewards[self.states, actions])
        onward = self.process.transitions[self.states, actions]
        ends = ~self.over & ~onward.any(axis=1)
        self.states = np.where(self.over, 0, onward.argmax(axis=1))
        self.over = ends
        return ONE_HOT[self.states] * ~ends[:, None], rewards, ends, np.zeros_like(ends), {}


@check(1, "trajectory density", "rollout.Sampler", "enumeration")
def trajectory_density(evidence, rng):
    """The probabilities of all trajectories sum to 1, and what Sampler collects from the
    shipped policy occurs that often; its stored log_probs add up to the density's log."""
    pi = mdp.policy(THETA, mdp.TABULAR)
    for name, process in (("fixed", PROCESS), ("random", SLIPPERY)):
        total = sum(mdp.density(process, pi, one) for one in mdp.trajectories(process, 6))
        evidence.close(f"sum of p, {name} dynamics", total, 1)

    steps = 6
    sampler = rollout.Sampler(TwoStateEnvs(PROCESS, SAMPLES), seed=0)
    stored = sampler.collect(tabular_policy(THETA), steps, rng)
    counts, chances = [], []
    for one in mdp.trajectories(PROCESS, steps):
        T = len(one.actions)
        # Each environment's first episode alone: it starts at t = 0.
        rows = (stored.actions[:T] == one.actions[:, None]).all(axis=0)
        counts.append(rows.sum())
        chances.append(mdp.density(PROCESS, pi, one))
        first = stored._replace(obs=stored.obs[:T])
        first = type(first)(*(array[:T, rows] for array in first))
        logs = first.log_probs.sum(axis=0)
        evidence.close(f"p from log_probs, T={T}", np.exp(logs), np.full_like(logs, chances[-1]))
        evidence.true(f"obs, T={T}", (first.obs == ONE_HOT[one.states][:, None]).all())
        evidence.true(f"rewards, T={T}", (first.rewards == one.rewards[:, None]).all())
        evidence.true(f"all T={T} steps are valid", first.valid.all())
        evidence.true(f"terminated, T={T}", (first.terminated[-1] == one.finished).all())
        evidence.true(f"nothing ended before T={T}", not first.terminated[:-1].any())
        if one.finished and T < steps:
            evidence.true(f"the reset after T={T} is not", not stored.valid[T, rows].any())
    chances = np.array(chances)
    errors = np.sqrt(chances * (1 - chances) / SAMPLES)
    evidence.normal("frequencies", np.array(counts) / SAMPLES, chances, errors)
    evidence.show("p of each trajectory", chances)
    evidence.show(f"its frequency in {SAMPLES} episodes", np.array(counts) / SAMPLES)


@check(2, "return and objective J", "mdp.objective", "enumeration")
def objective(evidence, rng):
    """G sums discounted rewards, and J is its mean: over all trajectories of six steps as by
    six sweeps of dynamic programming, over all of them as by a linear solve."""
    pi = mdp.policy(THETA, mdp.TABULAR)
    for one in mdp.trajectories(PROCESS, 6):
        T, gamma = len(one.rewards), PROCESS.gamma
        direct = [sum(gamma ** (k - t) * one.rewards[k] for k in range(t, T)) for t in range(T)]
        G = mdp.returns(one.rewards, gamma)
        evidence.close(f"G, T={T}", G, direct)
        last = np.arange(T) == T - 1
        shipped = advantages.returns_to_go(one.rewards, np.zeros(T), last, last, gamma)
        evidence.close(f"advantages.returns_to_go, T={T}", shipped, direct)

    def enumerated(horizon):
        every = mdp.trajectories(PROCESS, horizon)
        return sum(
            mdp.density(PROCESS, pi, one) * mdp.returns(one.rewards, PROCESS.gamma)[0]
            for one in every
        )

    within = PROCESS.start @ mdp.values_within(PROCESS, pi, 6)
    evidence.close("J, cut off after 6 steps", within, enumerated(6))
    evidence.close("J", mdp.objective(PROCESS, pi), enumerated(LONG))
    evidence.show("J, cut off after 6 steps", within)
    evidence.show("J", mdp.objective(PROCESS, pi))


@check(3, "log-derivative trick", "mdp.trajectory_score", "complex step")
def log_derivative(evidence, rng):
    """The gradient of a trajectory's probability is that probability times its score."""
    for name, (theta, features) in SOFTMAXES.items():
        pi = mdp.policy(theta, features)
        for one in mdp.trajectories(SLIPPERY, 4):
            actual = mdp.density(SLIPPERY, pi, one) * mdp.trajectory_score(
                one, mdp.scores(pi, features)
            )
            oracle = complex_step(
                lambda th, f=features, o=one: mdp.density(SLIPPERY, mdp.policy(th, f), o), theta
            )
            evidence.close(f"{name}, T={len(one.actions)}", actual, oracle)
    evidence.show("the last one's gradient of p", oracle)


@check(4, "dynamics cancel", "policies.CategoricalPolicy", "complex step")
def dynamics_cancel(evidence, rng):
    """The score of a whole trajectory, random dynamics and all, is the sum of what the shipped
    policy's backward says of its steps."""
    policy, pi = tabular_policy(THETA), mdp.policy(THETA, mdp.TABULAR)
    for one in mdp.trajectories(SLIPPERY, 4):
        T = len(one.actions)
        oracle = complex_step(
            lambda th, o=one: np.log(mdp.density(SLIPPERY, mdp.policy(th, mdp.TABULAR), o)), THETA
        )
        _, _, cache = policy.evaluate(ONE_HOT[one.states], one.actions)
        evidence.close(f"T={T}", policy.backward(np.ones(T), np.zeros(T), cache)[:4], oracle)
        step_scores = mdp.scores(pi, mdp.TABULAR)
        evidence.close(f"mdp, T={T}", mdp.trajectory_score(one, step_scores), oracle)
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


@check(5, "policy gradient", "mdp.whole_return", "complex step")
def policy_gradient(evidence, rng):
    """The mean of G times the trajectory's score is the gradient of J; so is the mean of what
    the shipped policy's backward makes of it."""
    check_estimator(evidence, "G x score", mdp.whole_return)
    policy, pi = tabular_policy(THETA), mdp.policy(THETA, mdp.TABULAR)
    total = np.zeros(6)
    for one in mdp.trajectories(PROCESS, LONG):
        _, _, cache = policy.evaluate(ONE_HOT[one.states], one.actions)
        weights = np.full(len(one.actions), mdp.returns(one.rewards, PROCESS.gamma)[0])
        gradient = policy.backward(weights, np.zeros(len(weights)), cache)
        total += mdp.density(PROCESS, pi, one) * gradient
    oracle = complex_step(lambda th: mdp.objective(PROCESS, mdp.policy(th, mdp.TABULAR)), THETA)
    evidence.close("CategoricalPolicy.backward", total[:4], oracle)


@check(6, "the mean score is 0", "policies.categorical_log_prob", "exact sum")
def mean_score(evidence, rng):
    """Averaged over the policy's own actions, the score vanishes: summed exactly for the
    softmax, sampled for the Gaussian."""
    log_probs = policies.log_softmax(rng.normal(0, 2, (5, 3)))
    probs = np.exp(log_probs)
    each = [
        probs[:, [a]] * policies.categorical_log_prob_backward(np.ones(5), np.full(5, a), probs)
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
    dmeans, dlog_stds = policies.gaussian_log_prob_backward(
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
    evidence.close(f"{label}: tr Var is {published}", variance, published, bound=5e-4)
    return variance


@check(7, "reward-to-go", "mdp.reward_to_go", "complex step")
def reward_to_go(evidence, rng):
    """Leaving out the rewards before an action leaves the mean as it is, and here *raises* the
    variance: uniform policy, T <= 6."""
    check_estimator(evidence, "reward-to-go", mdp.reward_to_go)

    def past(process, one):
        return mdp.whole_return(process, one) - mdp.reward_to_go(process, one)

    for name, (theta, features) in SOFTMAXES.items():
        mean, _ = mdp.moments(*mdp.estimates(PROCESS, theta, features, LONG, past))
        evidence.close(f"past rewards add nothing, {name}", mean, np.zeros_like(mean))
    whole = check_variance(evidence, "whole return", mdp.whole_return, 1.757)
    to_go = check_variance(evidence, "reward-to-go", mdp.reward_to_go, 1.780)
    evidence.show("tr Var, whole return", whole)
    evidence.show("tr Var, reward-to-go", to_go)


@check(8, "a baseline adds no bias", "mdp.less_baseline", "complex step")
def baseline(evidence, rng):
    """Subtracting any number that depends on the state alone leaves the mean as it is; V as the
    baseline lowers the variance here: uniform policy, T <= 6."""
    check_estimator(evidence, "any b", mdp.less_baseline(np.array([2.0, -3.0])))
    V = mdp.values(PROCESS, mdp.policy(UNIFORM, mdp.TABULAR))
    variance = check_variance(evidence, "baseline V", mdp.less_baseline(V), 1.118)
    evidence.show("tr Var, baseline V", variance)


@check(9, "Q, V and A", "mdp.action_values", "enumeration")
def action_values(evidence, rng):
    """Q is the mean return after a state and an action, V its mean over actions, A their
    difference; Q or A may stand in G's place."""
    pi = mdp.policy(THETA, mdp.TABULAR)
    Q = np.zeros((2, 2))
    for s, a in np.ndindex(2, 2):
        process = PROCESS._replace(start=ONE_HOT[s])
        every = [one for one in mdp.trajectories(process, LONG) if one.actions[0] == a]
        chances = np.array([mdp.density(process, pi, one) for one in every])
        G = np.array([mdp.returns(one.rewards, process.gamma)[0] for one in every])
        Q[s, a] = chances @ G / chances.sum()
    V = np.array([pi[0] @ Q[0], pi[1] @ Q[1]])
    evidence.close("Q", mdp.action_values(PROCESS, pi), Q)
    evidence.close("V", mdp.values(PROCESS, pi), V)
    evidence.close("A", mdp.advantages(PROCESS, pi), np.array([Q[0] - V[0], Q[1] - V[1]]))
    oracle = complex_step(lambda th: mdp.objective(PROCESS, mdp.policy(th, mdp.TABULAR)), THETA)
    for name, credit in (("Q", mdp.action_values), ("A", mdp.advantages)):
        known = credit(PROCESS, pi)

        def weigh(process, one, known=known):
            return process.gamma ** np.arange(len(one.states)) * known[one.states, one.actions]

        mean, _ = mdp.moments(*mdp.estimates(PROCESS, THETA, mdp.TABULAR, LONG, weigh))
        evidence.close(f"{name} for G", mean, oracle)
    evidence.show("Q", Q)
    evidence.show("V", V)


@check(10, "visitation form", "mdp.gradient", "complex step")
def visitation_form(evidence, rng):
    """eta counts discounted visits; weighing each state's sum of Q grad pi by it gives the
    gradient of J. Unrolled once: grad V(s) is that sum plus gamma times the next grad V."""
    for name, (theta, features) in SOFTMAXES.items():
        pi = mdp.policy(theta, features)
        counted = np.zeros(2)
        for one in mdp.trajectories(PROCESS, LONG):
            discounts = PROCESS.gamma ** np.arange(len(one.states))
            visits = np.bincount(one.states, discounts, minlength=2)
            counted += mdp.density(PROCESS, pi, one) * visits
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


@check(11, "V, eta, grad J: solves", "mdp.softmax_gradient", "complex step")
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


@check(12, "the best baseline", "mdp.best_baseline", "scan over b")
def best_baseline(evidence, rng):
    """b* weighs returns by the squared scores; no other b gives one decision's estimate less
    variance. The variance is a parabola in b: three points fix its vertex."""
    for name, (theta, features) in SOFTMAXES.items():
        pi = mdp.policy(theta, features)
        Q, step_scores = mdp.action_values(PROCESS, pi), mdp.scores(pi, features)
        for s in range(2):
            case = pi[s], step_scores[s], Q[s]
            low, middle, high = (mdp.one_step_variance(*case, b) for b in (-4, 0, 4))
            vertex = 2 * (low - high) / (high - 2 * middle + low)
            best = mdp.best_baseline(*case)
            evidence.close(f"{name}, state {s}: vertex", best, vertex)
            # Two actions and one score direction leave nothing to the best baseline's variance.
            scan = [mdp.one_step_variance(*case, b) for b in np.linspace(best - 3, best + 3, 61)]
            least = mdp.one_step_variance(*case, best)
            evidence.true(f"{name}, state {s}: least of 61", least <= min(scan) + 1e-15)
            evidence.show(f"{name}, state {s}: b*, and V", np.array([best, pi[s] @ Q[s]]))


@check(13, "VPG's loss", "vpg.policy_loss", "enumeration")
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
        log_probs, entropies, cache = policy.evaluate(ONE_HOT[states], actions)
        dlog_probs = vpg.policy_loss(log_probs, credit)[1]
        return -policy.backward(dlog_probs, np.zeros_like(entropies), cache)

    mean = sum(
        mdp.density(process, pi, one) * len(one.states) * ascent(one)
        for one in mdp.trajectories(process, LONG)
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
    lengths = [len(one.states) for one in every]
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


# ---------------------------------------------------------------- B. Advantages


@check(14, "rewards-to-go", "advantages.returns_to_go", "brute force")
def returns_to_go(evidence, rng):
    """Termination ends the sum; truncation and the rollout's end put gamma V in the rest's
    place. By hand, and summed forward from every step of random segments."""
    ones, V, no = np.ones(3), np.array([5.0, 6.0, 0.8]), np.zeros(3, bool)
    last = np.array([False, False, True])
    for name, terminated, ended, by_hand in (
        ("terminated", last, last, [2.71, 1.9, 1.0]),
        ("truncated", no, last, [3.2932, 2.548, 1.72]),
        ("cut off by the rollout's end", no, no, [3.2932, 2.548, 1.72]),
    ):
        actual = advantages.returns_to_go(ones, V, terminated, ended, 0.9)
        evidence.close(name, actual, by_hand)
        evidence.show(f"{name}: r = 1, 1, 1, V = 0.8", actual)
    rewards, values, next_values, terminated, ended = segments(rng)
    actual = advantages.returns_to_go(rewards, next_values, terminated, ended, 0.9)
    expected = np.zeros_like(rewards)
    for t, i in np.ndindex(rewards.shape):
        for k in range(t, len(rewards)):
            expected[t, i] += 0.9 ** (k - t) * rewards[k, i]
            if ended[k, i] or k == len(rewards) - 1:
                if not terminated[k, i]:
                    expected[t, i] += 0.9 ** (k - t + 1) * next_values[k, i]
                break
    evidence.close("random segments", actual, expected)


@check(15, "one-step error", "advantages.gae", "brute force")
def one_step_error(evidence, rng):
    """With lambda 0 the advantage is the one-step error; termination removes V of the
    successor, truncation does not."""
    rewards, values, next_values, terminated, ended = arrays = segments(rng)
    actual = advantages.gae(*arrays, 0.9, 0.0)
    expected = [
        [segment_errors(*arrays, 0.9, t, i)[0] for i in range(rewards.shape[1])]
        for t in range(len(rewards))
    ]
    evidence.close("random segments", actual, expected)
    r, V, next_V = np.ones((3, 1)), np.array([[0.5], [0.6], [0.7]]), np.array([[0.6], [0.7], [0.8]])
    no, last = np.zeros((3, 1), bool), np.array([[False], [False], [True]])
    for name, terminated, end in (("terminated", last, 0.3), ("truncated", no, 1.02)):
        actual = advantages.gae(r, V, next_V, terminated, last, 0.9, 0.0)[:, 0]
        evidence.close(f"by hand, {name}", actual, [1.04, 1.03, end])
        evidence.show(f"by hand, {name}", actual)


@check(16, "GAE", "advantages.gae", "brute force")
def gae(evidence, rng):
    """The recursion sums the errors to the segment's end, discounted by gamma lambda; either
    kind of end cuts it. Lambda 1 is reward-to-go less V."""
    rewards, values, next_values, terminated, ended = arrays = segments(rng)
    for lam in (0.0, 0.5, 0.95, 1.0):
        expected = np.zeros_like(rewards)
        for t, i in np.ndindex(rewards.shape):
            errors = segment_errors(*arrays, 0.9, t, i)
            expected[t, i] = sum((0.9 * lam) ** k * error for k, error in enumerate(errors))
        evidence.close(f"lambda {lam}", advantages.gae(*arrays, 0.9, lam), expected)
    to_go = advantages.returns_to_go(rewards, next_values, terminated, ended, 0.9)
    evidence.close("lambda 1 + V", advantages.gae(*arrays, 0.9, 1.0) + values, to_go)
    r, V, next_V = np.ones((3, 1)), np.array([[0.5], [0.6], [0.7]]), np.array([[0.6], [0.7], [0.8]])
    no, last = np.zeros((3, 1), bool), np.array([[False], [False], [True]])
    for name, terminated, by_hand in (
        ("terminated", last, [1.56425, 1.165, 0.3]),
        ("truncated", no, [1.71005, 1.489, 1.02]),
    ):
        actual = advantages.gae(r, V, next_V, terminated, last, 0.9, 0.5)[:, 0]
        evidence.close(f"by hand, {name}", actual, by_hand)
        evidence.show(f"by hand, {name}", actual)


@check(17, "GAE mixes n-step", "advantages.gae", "brute force")
def n_step_mixture(evidence, rng):
    """With n steps left, GAE is the mean of the k-step estimates with weights
    (1 - lambda) lambda^(k-1), what is left of them for k = n."""
    rewards, values, next_values, terminated, ended = arrays = segments(rng)
    for lam in (0.0, 0.5, 0.95, 1.0):
        expected = np.zeros_like(rewards)
        for t, i in np.ndindex(rewards.shape):
            errors = segment_errors(*arrays, 0.9, t, i)
            n = len(errors)
            k_step = [sum(0.9**j * errors[j] for j in range(k)) for k in range(1, n + 1)]
            mix = [(1 - lam) * lam ** (k - 1) for k in range(1, n)] + [lam ** (n - 1)]
            expected[t, i] = sum(w * a for w, a in zip(mix, k_step, strict=True))
        evidence.close(f"lambda {lam}", advantages.gae(*arrays, 0.9, lam), expected)
    evidence.show("weights of the last segment's steps, lambda 1", np.array(mix))


def rollout_case(rng, steps=20, envs=3):
    """A random Rollout with resets after its ends, and a value network -> rollout, value."""
    obs = rng.normal(size=(steps + 1, envs, 4))
    terminated, truncated = rng.random((2, steps, envs)) < 0.12
    valid = np.ones((steps, envs), bool)
    for t in range(1, steps):
        valid[t] = ~(valid[t - 1] & (terminated | truncated)[t - 1])
    arrays = rng.integers(3, size=(steps, envs)), rng.normal(size=(steps, envs)) * valid
    log_probs = rng.normal(size=(steps, envs))
    value = nn.MLP((4, 6, 1), rng, dtype=np.float64)
    made = rollout.Rollout(
        obs, *arrays, terminated & valid, truncated & valid, log_probs, valid
    )
    return made, value


@check(18, "value target A + V", "training.make_batch", "brute force")
def value_target(evidence, rng):
    """The targets are the lambda-returns, mixed from V and the return step by step; they keep
    their units, and rows of a reset are left out."""
    made, value = rollout_case(rng)
    V = np.array([[value(row[None])[0, 0] for row in step] for step in made.obs])
    config = ppo.Config(gamma=0.9, gae_lambda=0.7)
    expected = np.zeros(made.rewards.shape)
    for t in reversed(range(len(expected))):
        for i in range(expected.shape[1]):
            future = V[t + 1, i]
            ended = made.terminated[t, i] or made.truncated[t, i]
            if not ended and t + 1 < len(expected):
                future = 0.3 * V[t + 1, i] + 0.7 * expected[t + 1, i]
            expected[t, i] = made.rewards[t, i] + (0 if made.terminated[t, i] else 0.9 * future)
    batch = training.make_batch(made, value, config)
    evidence.close("targets", batch.targets, expected[made.valid])
    evidence.close("values", batch.values, V[:-1][made.valid])
    evidence.close("obs", batch.obs, made.obs[:-1][made.valid])
    evidence.true("some rows were resets", not made.valid.all())
    evidence.show("first targets", batch.targets[:5])
    evidence.show("first values", batch.values[:5])


@check(19, "normalised advantages", "advantages.normalize", "direct sum")
def normalized(evidence, rng):
    """Normalising is a baseline m, the same for all rows, and a step 1/(sigma + eps) times as
    long: g becomes (g - m s)/(sigma + eps), s the mean score."""
    made, value = rollout_case(rng)
    raw = training.make_batch(made, value, ppo.Config(normalize_advantages=False))
    batch = training.make_batch(made, value, ppo.Config())
    m, sigma = fmean(raw.advantages), pstdev(raw.advantages)
    expected = [(a - m) / (sigma + 1e-8) for a in raw.advantages]
    evidence.close("advantages.normalize", advantages.normalize(raw.advantages), expected)
    evidence.close("make_batch", batch.advantages, expected)
    evidence.close("targets keep their units", batch.targets, raw.targets)
    evidence.close("one row stays", advantages.normalize(np.array([3.0])), [3.0])

    policy, _, _ = categorical_case(rng)

    def gradient(weights):
        """(1/N) Σ weight ∇log π of the batch's rows"""
        log_probs, entropies, cache = policy.evaluate(batch.obs, batch.actions)
        return -policy.backward(vpg.policy_loss(log_probs, weights)[1], 0 * entropies, cache)

    g, mean_score = gradient(raw.advantages), gradient(np.ones(len(raw.advantages)))
    for eps in (1e-8, 0.5):
        actual = gradient(advantages.normalize(raw.advantages, eps))
        evidence.close(f"gradient, eps {eps:g}", actual, (g - m * mean_score) / (sigma + eps))
    evidence.show("m, sigma", np.array([m, sigma]))


# ------------------------------------------------------------- C. Distributions


@check(20, "log-softmax", "policies.log_softmax", "60 digits")
def log_softmax(evidence, rng):
    """It equals the plain definition computed with 60 decimal digits, and stays finite and
    exact for logits of plus or minus 10,000."""
    logits = np.vstack([rng.normal(0, 3, (4, 3)), [[1e4, -1e4, 0], [-1e4, -1e4, -1e4 + 2]]])
    with localcontext(prec=60):
        expected = []
        for row in logits:
            powers = [Decimal(float(z)).exp() for z in row]
            expected.append([float((power / sum(powers)).ln()) for power in powers])
    actual = policies.log_softmax(logits)
    evidence.true("finite", np.isfinite(actual).all())
    for name, rows in (("ordinary", slice(0, 4)), ("huge", slice(4, 5)), ("low", slice(5, 6))):
        evidence.close(f"{name} logits", actual[rows], np.array(expected)[rows])
    evidence.show("logits", logits[-2:])
    evidence.show("log-probabilities", actual[-2:])


@check(21, "softmax Jacobian", "policies.log_softmax_backward", "complex step")
def softmax_jacobian(evidence, rng):
    """Any dLoss/dlog_probs U becomes U - P (U 1) at the logits; the Jacobian is 1[j=k] - pi_j."""
    logits, U = rng.normal(0, 1.5, (2, 5, 3))
    log_probs = policies.log_softmax(logits)
    actual = policies.log_softmax_backward(U, log_probs)
    oracle = complex_step(lambda z: (policies.log_softmax(z) * U).sum(), logits)
    evidence.close("U at the logits", actual, oracle)
    jacobian = complex_step(lambda z: policies.log_softmax(z[None])[0], logits[0])
    unit = [policies.log_softmax_backward(e[None], log_probs[:1])[0] for e in np.eye(3)]
    evidence.close("Jacobian", np.transpose(unit), jacobian)
    # A loss of the probabilities: dLoss/dlog P = P times dLoss/dP.
    P = np.exp(log_probs)
    actual = policies.log_softmax_backward(P * U, log_probs)
    oracle = complex_step(lambda z: (np.exp(policies.log_softmax(z)) * U).sum(), logits)
    evidence.close("dLoss/dP at the logits", actual, oracle)
    evidence.show("Jacobian, row j, column k", jacobian)


@check(22, "VPG at the logits", "policies.categorical_log_prob", "complex step")
def vpg_logits(evidence, rng):
    """VPG's loss has the gradient A (pi - e_a)/N at the logits: its rows sum to 0."""
    logits, actions, A = rng.normal(size=(6, 3)), rng.integers(3, size=6), rng.normal(size=6)

    def loss(z):
        chosen = policies.categorical_log_prob(policies.log_softmax(z), actions)
        return vpg.policy_loss(chosen, A)[0]

    log_probs = policies.log_softmax(logits)
    chosen = policies.categorical_log_prob(log_probs, actions)
    evidence.close("chosen", chosen, [row[a] for row, a in zip(log_probs, actions, strict=True)])
    _, dlog_probs = vpg.policy_loss(chosen, A)
    actual = policies.categorical_log_prob_backward(dlog_probs, actions, np.exp(log_probs))
    evidence.close("dlogits", actual, complex_step(loss, logits))
    evidence.close("rows sum to 0", actual.sum(axis=1), np.zeros(6))
    by_hand = policies.categorical_log_prob_backward(
        np.array([3.0]), np.array([2]), np.array([[1, 2, 3]]) / 6
    )
    evidence.close("by hand: z = 0, ln 2, ln 3, a = 2, A = -3", by_hand, [[-0.5, -1, 1.5]])
    evidence.show("dlogits by hand", by_hand)


@check(23, "entropy at the logits", "policies.categorical_entropy", "complex step")
def entropy_logits(evidence, rng):
    """The entropy has the gradient -pi (log pi + H) at the logits, 0 where pi is uniform."""
    logits, weights = rng.normal(size=(6, 3)), rng.normal(size=6)
    log_probs = policies.log_softmax(logits)
    H = policies.categorical_entropy(log_probs)
    direct = [-math.fsum(math.exp(x) * x for x in row) for row in log_probs]
    evidence.close("H", H, direct)
    actual = policies.categorical_entropy_backward(weights, H, log_probs)
    oracle = complex_step(
        lambda z: policies.categorical_entropy(policies.log_softmax(z)) @ weights, logits
    )
    evidence.close("dlogits", actual, oracle)
    flat = policies.log_softmax(np.zeros((1, 3)))
    at_uniform = policies.categorical_entropy_backward(np.ones(1), np.log([3.0]), flat)
    evidence.close("0 at uniform", at_uniform, np.zeros((1, 3)))
    policy, obs, actions = categorical_case(rng)
    _, entropies, cache = policy.evaluate(obs, actions)
    actual = policy.backward(np.zeros(len(obs)), np.full(len(obs), -0.01 / len(obs)), cache)
    oracle = network_step(policy, lambda: -0.01 * policy.evaluate(obs, actions)[1].mean())
    evidence.close("-c_H mean H, every weight", actual, oracle)
    by_hand = np.log(np.array([[1, 2, 3]]) / 6)
    H = policies.categorical_entropy(by_hand)
    evidence.show("pi = 1/6, 2/6, 3/6: H", H)
    evidence.show("its gradient", policies.categorical_entropy_backward(np.ones(1), H, by_hand))


def grid(mean, sigma, points=801):
    """A grid of 20 deviations and its spacing. Sums over it are exact: the density is smooth."""
    x = np.linspace(mean - 10 * sigma, mean + 10 * sigma, points)
    return x, x[1] - x[0]


@check(24, "Gaussian density", "policies.gaussian_log_prob", "quadrature")
def gaussian_density(evidence, rng):
    """It integrates to 1 and equals the product of its dimensions' densities; what the policy
    samples has its mean and deviation."""
    mean, log_stds = np.array([0.3, -1.2]), np.array([-0.5, 0.4])
    (x, dx), (y, dy) = (grid(m, np.exp(ell), 301) for m, ell in zip(mean, log_stds, strict=True))
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    logs = policies.gaussian_log_prob(points, np.broadcast_to(mean, points.shape), log_stds)
    evidence.close("integral, A = 2", np.exp(logs).sum() * dx * dy, 1)
    known = [NormalDist(m, math.exp(ell)) for m, ell in zip(mean, log_stds, strict=True)]
    some = mean + rng.normal(size=(5, 2))
    expected = [
        math.fsum(math.log(n.pdf(a)) for n, a in zip(known, row, strict=True)) for row in some
    ]
    actual = policies.gaussian_log_prob(some, np.broadcast_to(mean, some.shape), log_stds)
    evidence.close("statistics.NormalDist", actual, expected)

    policy = policies.GaussianPolicy(3, 2, (), rng, dtype=np.float64)
    policy.log_stds[:] = log_stds
    obs = np.repeat(rng.normal(size=(1, 3)), SAMPLES, axis=0)
    actions, stored = policy.sample(obs, rng)
    z = (actions - policy.network(obs)) / np.exp(log_stds)
    evidence.normal("sampled means", z.mean(axis=0), 0, 1 / np.sqrt(SAMPLES))
    evidence.normal("sampled squares", (z * z).mean(axis=0), 1, np.sqrt(2 / SAMPLES))
    evidence.close("stored log_probs", stored, policy.evaluate(obs, actions)[0])


@check(25, "Gaussian scores", "policies.gaussian_log_prob", "complex step")
def gaussian_scores(evidence, rng):
    """The slopes are (a - mu)/sigma^2 and (a - mu)^2/sigma^2 - 1; over the policy's actions
    both have mean 0, and second moments 1/sigma^2 and 2."""
    for _ in range(4):
        action, mean = rng.normal(size=(2, 1, 2))
        log_stds = rng.normal(0, 0.5, 2)
        dmeans, dlog_stds = policies.gaussian_log_prob_backward(
            np.ones(1), action, mean, log_stds
        )
        log_prob = policies.gaussian_log_prob
        by_mean = complex_step(lambda m: log_prob(action, m, log_stds)[0], mean)  # noqa: B023
        by_log_std = complex_step(lambda ell: log_prob(action, mean, ell)[0], log_stds)  # noqa: B023
        evidence.close("by mu", dmeans, by_mean)
        evidence.close("by log sigma", dlog_stds, by_log_std)
    evidence.show("slopes by mu", dmeans)
    evidence.show("slopes by log sigma", dlog_stds)

    # One row with a dimension for every sample, so that each keeps its own slope.
    sigma = 0.6
    samples = rng.normal(0.3, sigma, (1, SAMPLES))
    dmeans, dlog_stds = policies.gaussian_log_prob_backward(
        np.ones(1), samples, np.full_like(samples, 0.3), np.full(SAMPLES, np.log(sigma))
    )
    root = np.sqrt(SAMPLES)
    evidence.normal("mean by mu", dmeans.mean(), 0, 1 / sigma / root)
    evidence.normal("mean by log sigma", dlog_stds.mean(), 0, np.sqrt(2) / root)
    # The standard errors are those of a normal's 4th and 8th moments.
    squares = (dmeans**2).mean()
    evidence.normal("square by mu", squares, 1 / sigma**2, np.sqrt(2) / sigma**2 / root)
    evidence.normal("square by log sigma", (dlog_stds**2).mean(), 2, np.sqrt(56) / root)


@check(26, "Gaussian gradients", "policies.GaussianPolicy", "complex step")
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
        log_probs, entropies, cache = policy.evaluate(obs, actions)
        actual = policy.backward(loss(log_probs)[1], 0 * entropies, cache)
        oracle = network_step(policy, lambda f=loss: f(policy.evaluate(obs, actions)[0])[0])
        evidence.close(f"{name}, every parameter", actual, oracle)
        evidence.show(f"{name}: log-deviations' gradient", actual[-2:].real)


@check(27, "Gaussian entropy", "policies.gaussian_entropy", "quadrature")
def gaussian_entropy(evidence, rng):
    """It is the integral of -p log p; its slope is 1 for each log-deviation, 0 for the means."""
    log_stds = np.array([-0.5, 0.4])
    integral = 0.0
    for ell in log_stds:
        x, dx = grid(0, np.exp(ell))
        logs = policies.gaussian_log_prob(x[:, None], np.zeros((len(x), 1)), np.array([ell]))
        integral -= (np.exp(logs) * logs).sum() * dx
    evidence.close("H", policies.gaussian_entropy(log_stds), integral)
    evidence.show("H", integral)
    policy, obs, actions = gaussian_case(rng)
    _, entropies, cache = policy.evaluate(obs, actions)
    evidence.close("the same in every row", entropies, np.full(len(obs), entropies[0]))
    actual = policy.backward(np.zeros(len(obs)), np.full(len(obs), -0.01 / len(obs)), cache)
    oracle = network_step(policy, lambda: -0.01 * policy.evaluate(obs, actions)[1].mean())
    evidence.close("-c_H mean H, every parameter", actual, oracle)
    evidence.show("log-deviations' gradient, c_H = 0.01", actual[-2:].real)


# ---------------------------------------------------- D. Network and optimiser


@check(28, "linear layer", "nn.linear_backward", "complex step")
def linear_layer(evidence, rng):
    """Three gradients, each of its array's shape; a batch repeated twice leaves the mean
    loss's gradient as it was."""
    x, W, b, dy = (rng.normal(size=shape) for shape in ((5, 4), (4, 3), (3,), (5, 3)))
    direct = [
        [math.fsum(x[n] * W[:, k]) + b[k] for k in range(3)] for n in range(5)
    ]  # sums written out
    evidence.close("y", nn.linear_forward(x, W, b), direct)

    def loss(x, W, b):
        return (nn.linear_forward(x, W, b) * dy).sum()

    oracles = (
        complex_step(lambda v: loss(v, W, b), x),
        complex_step(lambda v: loss(x, v, b), W),
        complex_step(lambda v: loss(x, W, v), b),
    )
    gradients = nn.linear_backward(dy, x, W)
    for name, actual, oracle in zip(("dx", "dW", "db"), gradients, oracles, strict=True):
        evidence.close(name, actual, oracle)
        evidence.show(name, actual)
    _, dW, db = nn.linear_backward(np.vstack([dy, dy]) / 2, np.vstack([x, x]), W)
    evidence.close("dW, batch repeated", dW, oracles[1])
    evidence.close("db, batch repeated", db, oracles[2])


@check(29, "tanh and ReLU", "nn.tanh_backward", "complex step")
def activations(evidence, rng):
    """tanh's slope is 1 - h^2; ReLU's is 1 above 0 and 0 elsewhere, 0 included."""
    z, dh = rng.normal(size=(2, 4, 3))
    twins = {
        "tanh": (nn.tanh_forward, nn.tanh_backward),
        "relu": (nn.relu_forward, nn.relu_backward),
    }
    for name, (forward, backward) in twins.items():
        oracle = complex_step(lambda v, f=forward: (f(v) * dh).sum(), z)
        evidence.close(name, backward(dh, forward(z)), oracle)
        h = 1e-6  # central differences, off the kink
        central = dh * (forward(z + h) - forward(z - h)) / (2 * h)
        evidence.close(f"{name}, differences", backward(dh, forward(z)), central, bound=1e-8)
    evidence.close("tanh", nn.tanh_forward(z), [[math.tanh(v) for v in row] for row in z])
    evidence.close("relu", nn.relu_forward(z), [[max(v, 0.0) for v in row] for row in z])
    at_zero = nn.relu_backward(np.ones(1), nn.relu_forward(np.zeros(1)))
    evidence.close("relu at 0", at_zero, [0.0])


@check(30, "backprop, every weight", "nn.MLP", "complex step")
def backprop(evidence, rng):
    """From the softmax policy's loss, VPG and entropy together, back to every weight and bias
    of three layers; and from a bare network's outputs."""
    for activation in ("tanh", "relu"):
        policy, obs, actions = categorical_case(rng, activation)
        A = rng.normal(size=len(obs))

        def loss(policy=policy, obs=obs, actions=actions, A=A):
            log_probs, entropies, _ = policy.evaluate(obs, actions)
            return vpg.policy_loss(log_probs, A)[0] - 0.01 * entropies.mean()

        log_probs, entropies, cache = policy.evaluate(obs, actions)
        dentropies = np.full(len(obs), -0.01 / len(obs))
        actual = policy.backward(vpg.policy_loss(log_probs, A)[1], dentropies, cache)
        evidence.close(
            f"{activation}, {actual.size} parameters", actual, network_step(policy, loss)
        )
        network, dy = policy.network, rng.normal(size=(len(obs), 3))
        oracle = network_step(network, lambda n=network, x=obs, d=dy: (n(x) * d).sum())
        actual = network.backward(dy, network.forward(obs)[1])
        evidence.close(f"{activation}, outputs", actual, oracle)
    evidence.show("dW of the first layer (4,5)", actual[:20].real.reshape(4, 5))


@check(31, "orthogonal weights", "nn.orthogonal", "Gram-Schmidt")
def orthogonal(evidence, rng):
    """The columns (or rows) are the Gram-Schmidt basis of the drawn normals, which fixes every
    sign, times the gain: sqrt 2 in hidden layers, .01 for a policy's output, 1 for a value's."""
    for shape in ((7, 4), (4, 7), (5, 5)):
        W = nn.orthogonal(shape, 1.7, np.random.default_rng(5), np.float64)
        drawn = np.random.default_rng(5).standard_normal((max(shape), min(shape)))
        basis = []
        for column in drawn.T:
            for _ in range(2):  # the second pass removes what rounding left
                for unit in basis:
                    column = column - (unit @ column) * unit
            basis.append(column / np.sqrt(column @ column))
        tall = shape[0] >= shape[1]
        evidence.close(f"{shape}: basis", W, 1.7 * (np.transpose(basis) if tall else basis))
        square = W.T @ W if tall else W @ W.T
        evidence.close(f"{shape}: W'W = gain^2 I", square, 1.7**2 * np.eye(min(shape)))
    learner = training.make_learner(
        TwoStateEnvs(PROCESS, 1), ppo.Config(hidden_sizes=(6, 6)), rng, np.float64
    )
    for name, network, last in (
        ("policy", learner.policy.network, 0.01),
        ("value", learner.value, 1.0),
    ):
        for layer, gain in enumerate((np.sqrt(2), np.sqrt(2), last)):
            stretches = np.linalg.svd(network.weights[layer], compute_uv=False)
            evidence.close(f"{name}, layer {layer}", stretches, np.full(len(stretches), gain))
        evidence.true(f"{name}: biases start at 0", not any(b.any() for b in network.biases))


@check(32, "Adam", "nn.Adam", "closed sums")
def adam(evidence, rng):
    """After any number of steps the parameters are what the moments, written out as sums over
    all past gradients, make of them; the first step has length alpha."""
    gradients = rng.normal(0, 1, (12, 5)) * [1, 1e-3, 10, 1, 1e-6]
    b1, b2 = 0.8, 0.95
    for name, optimiser, eps, (b1, b2) in (
        ("own settings", nn.Adam(5, 0.1, (0.8, 0.95), 1e-3, np.float64), 1e-3, (0.8, 0.95)),
        ("defaults", nn.Adam(5, 0.1, dtype=np.float64), 1e-8, (0.9, 0.999)),
    ):
        theta, expected = np.ones(5), np.ones(5)
        for t in range(1, len(gradients) + 1):
            age = t - np.arange(1, t + 1)[:, None]
            m_hat = ((1 - b1) * b1**age * gradients[:t]).sum(axis=0) / (1 - b1**t)
            v_hat = ((1 - b2) * b2**age * gradients[:t] ** 2).sum(axis=0) / (1 - b2**t)
            expected = expected - 0.1 * m_hat / (np.sqrt(v_hat) + eps)
            optimiser.step(theta, gradients[t - 1])
            evidence.close(f"{name}, step {t}", theta, expected)
    optimiser, theta, g = nn.Adam(3, 0.1, dtype=np.float64), np.zeros(3), np.array([3, -0.2, 1e-2])
    optimiser.step(theta, g)
    evidence.close("first step", theta, -0.1 * np.sign(g), bound=2e-6)
    evidence.show("first step, alpha = 0.1, g = 3, -0.2, 0.01", theta.copy())
    for _ in range(20):
        optimiser.step(theta, g)
    evidence.close("constant g: m / (1 - beta^t) = g", optimiser.m / (1 - 0.9**optimiser.t), g)


@check(33, "global-norm clip", "nn.clip_global_norm", "direct sum")
def global_norm(evidence, rng):
    """The norm is that of all arrays together; too long a gradient keeps its direction and
    gets the length c, a short one stays."""
    parts = [rng.normal(size=shape) for shape in ((4, 5), (5,), (5, 3), (3,))]
    whole = np.concatenate([part.ravel() for part in parts])
    norm = math.sqrt(math.fsum(v * v for part in parts for v in part.ravel()))
    for max_norm in (0.5, norm / 2, norm * 0.999, norm * 1.001, 100.0):
        gradient = whole.copy()
        returned = nn.clip_global_norm(gradient, max_norm)
        factor = min(1, max_norm / (norm + 1e-6))
        evidence.close(f"norm, c = {max_norm:.3g}", returned, norm)
        evidence.close(f"gradient, c = {max_norm:.3g}", gradient, whole * factor)
        length = math.sqrt(math.fsum(gradient**2))
        evidence.true(f"at most c = {max_norm:.3g}", length <= max_norm)
    evidence.show("norm before", norm)


# --------------------------------------------------------------------- E. Value


@check(34, "value loss", "vpg.value_loss", "complex step")
def value_loss(evidence, rng):
    """Half the mean squared error; its slope is (v - y)/N, and so back to every weight."""
    values, targets = rng.normal(size=(2, 7))
    loss, dvalues = vpg.value_loss(values, targets)
    direct = fmean((v - y) ** 2 for v, y in zip(values, targets, strict=True)) / 2
    evidence.close("loss", loss, direct)
    evidence.close("slope", dvalues, complex_step(lambda v: vpg.value_loss(v, targets)[0], values))
    network, obs = nn.MLP((4, 5, 1), rng, dtype=np.complex128), rng.normal(size=(7, 4))
    values, cache = network.forward(obs)
    actual = network.backward(vpg.value_loss(values[:, 0], targets)[1][:, None], cache)
    oracle = network_step(network, lambda: vpg.value_loss(network(obs)[:, 0], targets)[0])
    evidence.close("every weight", actual, oracle)
    evidence.show("slope", dvalues)


@check(35, "clipped value loss", "ppo.clipped_value_loss", "complex step")
def clipped_value_loss(evidence, rng):
    """The larger of two squares; where the clipped one is the larger beyond the band the slope
    is 0, elsewhere (v - y)/N, ties included."""
    old, targets = rng.normal(size=(2, 60))
    values = old + rng.uniform(-0.6, 0.6, 60)
    clip_range = 0.2
    loss, dvalues = ppo.clipped_value_loss(values, old, targets, clip_range)
    larger = []
    for v, o, y in zip(values, old, targets, strict=True):
        clipped = o + max(-clip_range, min(clip_range, v - o))
        larger.append(max((v - y) ** 2, (clipped - y) ** 2) / 2)
    evidence.close("loss", loss, fmean(larger))
    oracle = complex_step(
        lambda v: ppo.clipped_value_loss(v, old, targets, clip_range)[0], values
    )
    evidence.close("slope", dvalues, oracle)
    outside = np.abs(values - old) > clip_range
    evidence.true("rows with slope 0", (dvalues == 0).any())
    evidence.true("rows outside the band with a slope", (outside & (dvalues != 0)).any())
    # Every row inside the band has its slope, whatever rounding does to old + (v - old).
    values = old + rng.uniform(-0.19, 0.19, 60)
    _, dvalues = ppo.clipped_value_loss(values, old, targets, clip_range)
    evidence.close("inside the band", dvalues, (values - targets) / 60)
    for y, slope in ((1.0, 0.0), (0.3, 0.2), (0.0, 0.5), (0.35, 0.15)):
        arrays = np.array([0.5]), np.array([0.0]), np.array([y])
        by_hand = ppo.clipped_value_loss(*arrays, clip_range)[1]
        if y != 0.35:  # the threshold itself is a tie that rounding decides
            evidence.close(f"v = 0.5, old 0, y = {y}", by_hand, [slope])
        evidence.show(f"v = 0.5, old 0, y = {y}: slope", by_hand)


# ----------------------------------------------------------------------- F. PPO


@check(36, "performance difference", "mdp.performance_difference", "linear solve")
def performance_difference(evidence, rng):
    """J(new) - J(old) is the mean, over the new policy's trajectories, of the old policy's
    discounted advantages."""
    for name, old_theta in (("uniform", UNIFORM), ("skewed", -2 * THETA)):
        pi, old_pi = mdp.policy(THETA, mdp.TABULAR), mdp.policy(old_theta, mdp.TABULAR)
        actual = mdp.performance_difference(PROCESS, pi, old_pi, LONG)
        direct = mdp.objective(PROCESS, pi) - mdp.objective(PROCESS, old_pi)
        evidence.close(f"old policy {name}", actual, direct)
        evidence.show(f"J(new) - J(old), old policy {name}", direct)


@check(37, "ratio and surrogate", "ppo.clipped_surrogate", "complex step")
def surrogate(evidence, rng):
    """Without a clip the loss is -mean(ratio A), and its gradient ratio A grad log pi; over the
    old policy's actions ratio A has the mean of A under the new one."""
    policy, obs, actions = categorical_case(rng)
    old_log_probs, A = clip_case(rng, policy, obs, actions, 0.2)
    log_probs, entropies, cache = policy.evaluate(obs, actions)
    ratios = [math.exp(new) / math.exp(old) for new, old in zip(log_probs.real, old_log_probs)]
    unclipped = 1e9
    loss, dlog_probs = ppo.clipped_surrogate(log_probs, old_log_probs, A, unclipped)
    evidence.close("loss", loss, -fmean(np.array(ratios) * A))
    penalized = ppo.penalized_surrogate(log_probs, old_log_probs, A, np.zeros(len(A)), 0.0)
    evidence.close("penalized, beta = 0: loss", penalized[0], -fmean(np.array(ratios) * A))
    oracle = network_step(
        policy,
        lambda: ppo.clipped_surrogate(
            policy.evaluate(obs, actions)[0], old_log_probs, A, unclipped
        )[0],
    )
    evidence.close("every weight", policy.backward(dlog_probs, 0 * entropies, cache), oracle)
    evidence.close(
        "penalized: every weight", policy.backward(penalized[1], 0 * entropies, cache), oracle
    )
    # An expectation under old: K rows, one an action, each as often as the old policy takes it.
    new, old = policies.log_softmax(rng.normal(size=(2, 3)))
    worth = rng.normal(size=3)
    weighted = 3 * np.exp(old) * worth
    mean, _ = ppo.clipped_surrogate(new, old, weighted, unclipped)
    evidence.close("E_old[ratio A] = E_new[A]", -mean, math.fsum(np.exp(new) * worth))
    evidence.show("ratios", np.array(ratios))


# Every case of the clip at clip_range 0.2: ratio, advantage, objective, slope in the ratio.
CLIP_CASES = (
    (1.3, 1.0, 1.2, 0.0),
    (1.3, -1.0, -1.3, -1.0),
    (1.1, 1.0, 1.1, 1.0),
    (1.1, -1.0, -1.1, -1.0),
    (0.7, 1.0, 0.7, 1.0),
    (0.7, -1.0, -0.8, 0.0),
    (1.0, 2.0, 2.0, 2.0),
    (1.0, -2.0, -2.0, -2.0),
)


@check(38, "clipped objective", "ppo.clipped_surrogate", "hand cases")
def clipped_objective(evidence, rng):
    """The smaller of ratio A and clipped ratio A, row by row, then the mean, then the sign."""
    for ratio, A, value, _ in CLIP_CASES:
        loss, _ = ppo.clipped_surrogate(np.log([ratio]), np.zeros(1), np.array([A]), 0.2)
        evidence.close(f"ratio {ratio}, A {A:+}", -loss, value)
    log_ratios, A = rng.normal(0, 0.3, 50), rng.normal(size=50)
    smaller = []
    for log_ratio, a in zip(log_ratios, A, strict=True):
        ratio = math.exp(log_ratio)
        if ratio > 1.2 and a > 0:
            ratio = 1.2
        if ratio < 0.8 and a < 0:
            ratio = 0.8
        smaller.append(ratio * a)
    old = rng.normal(size=50)
    loss, _ = ppo.clipped_surrogate(old + log_ratios, old, A, 0.2)
    evidence.close("50 random rows", loss, -fmean(smaller))
    evidence.show("ratio, A, objective", np.array(CLIP_CASES)[:, :3])


@check(39, "the clip's slopes", "ppo.clipped_surrogate", "differences")
def clip_slopes(evidence, rng):
    """c = 0 for A > 0 above 1 + eps and A < 0 below 1 - eps, else 1; at the kinks c = 1, and at
    ratio 1, where the branches tie, too. The objective is linear between its kinks, so that
    one-sided differences are exact to rounding."""

    def objective(ratio, A, clip_range):
        return -ppo.clipped_surrogate(np.log([ratio]), np.zeros(1), np.array([A]), clip_range)[0]

    def slope(log_ratio, A, clip_range):
        """∂min/∂ρ from ∂L/∂log π: the loss's sign and the ratio divided out."""
        _, d = ppo.clipped_surrogate(np.array([log_ratio]), np.zeros(1), np.array([A]), clip_range)
        return -d[0] / np.exp(log_ratio)

    h, seen = 1e-3, []
    for ratio, A, _, by_hand in CLIP_CASES:
        right = (objective(ratio + h, A, 0.2) - objective(ratio, A, 0.2)) / h
        left = (objective(ratio, A, 0.2) - objective(ratio - h, A, 0.2)) / h
        actual = slope(np.log(ratio), A, 0.2)
        evidence.close(f"ratio {ratio}, A {A:+}: differences", [actual] * 2, [left, right], 1e-11)
        evidence.close(f"ratio {ratio}, A {A:+}: by hand", actual, by_hand)
        seen.append([ratio, A, actual])
    for log_ratio, A in ((0.4, 1.5), (-0.4, -1.5)):
        ratio = np.exp(log_ratio)
        clip_range = abs(ratio - 1)  # exact, so that the ratio is the kink and not beside it
        step = h if A > 0 else -h
        inward = (objective(ratio, A, clip_range) - objective(ratio - step, A, clip_range)) / step
        outward = (objective(ratio + step, A, clip_range) - objective(ratio, A, clip_range)) / step
        label = f"kink at ratio {ratio:.3f}, A {A:+}"
        evidence.close(f"{label}: outward 0", outward, 0.0, 1e-11)
        evidence.close(f"{label}: ours is the inward one", slope(log_ratio, A, clip_range), inward, 1e-11)
    evidence.show("ratio, A, slope", np.array(seen))


def one_update(algorithm, config, policy, value, batch, rng):
    """Run a shipped update of one step -> the gradients that its two Adams were given."""
    size = policy.parameters.size
    learner = training.Learner(
        policy,
        value,
        nn.Adam(size, 1e-3, dtype=np.float64),
        nn.Adam(value.parameters.size, 1e-3, dtype=np.float64),
    )
    algorithm.update(learner, batch, config, 0.0, rng)
    # After its first step Adam's first moment is (1 − β₁) g.
    return learner.policy_adam.m / (1 - 0.9), learner.value_adam.m / (1 - 0.9)


def update_case(rng):
    """Two float64 networks and a Batch that their policy has just collected."""
    policy = policies.CategoricalPolicy(4, 3, (5,), rng, dtype=np.float64)
    policy.parameters[:] = rng.normal(0, 0.6, policy.parameters.size)
    value = nn.MLP((4, 5, 1), rng, dtype=np.float64)
    obs = rng.normal(size=(16, 4))
    actions, log_probs = policy.sample(obs, rng)
    credit, targets = rng.normal(size=(2, 16))
    batch = training.Batch(obs, actions, log_probs, value(obs)[:, 0], credit, targets)
    return policy, value, batch


@check(40, "PPO, every weight", "ppo.clipped_surrogate", "complex step")
def ppo_logits(evidence, rng):
    """The clipped loss's gradient, through the policy, at every weight. The first minibatch's,
    at ratio 1, is VPG's; a later one's is not."""
    policy, obs, actions = categorical_case(rng)
    old_log_probs, A = clip_case(rng, policy, obs, actions, 0.2)

    def loss():
        return ppo.clipped_surrogate(policy.evaluate(obs, actions)[0], old_log_probs, A, 0.2)[0]

    log_probs, entropies, cache = policy.evaluate(obs, actions)
    _, dlog_probs = ppo.clipped_surrogate(log_probs, old_log_probs, A, 0.2)
    actual = policy.backward(dlog_probs, 0 * entropies, cache)
    evidence.close("every weight", actual, network_step(policy, loss))
    dead = dlog_probs == 0
    evidence.true("dead rows and live ones", dead.any() and not dead.all())

    policy, value, batch = update_case(rng)
    start = policy.parameters.copy(), value.parameters.copy()
    settings = {"max_grad_norm": 1e9, "entropy_coefficient": 0.01}
    gradients = {}
    for algorithm, config in (
        (vpg, vpg.Config(value_steps=1, **settings)),
        (ppo, ppo.Config(epochs=1, **settings)),
    ):
        policy.parameters[:], value.parameters[:] = start
        gradients[algorithm] = one_update(algorithm, config, policy, value, batch, rng)
    evidence.close("first minibatch: ppo.update = vpg.update", gradients[ppo][0], gradients[vpg][0])
    # The policy has moved by one step: now the ratios differ from 1, and the gradients too.
    log_probs, entropies, cache = policy.evaluate(batch.obs, batch.actions)
    _, late = ppo.clipped_surrogate(log_probs, batch.log_probs, batch.advantages, 0.2)
    _, plain = vpg.policy_loss(log_probs, batch.advantages)
    evidence.true("a later minibatch: not VPG's", np.abs(late - plain).max() > 1e-6)
    evidence.show("ratios after one step", np.exp(log_probs - batch.log_probs)[:5])


@check(41, "KL, softmax", "policies.categorical_kl", "complex step")
def categorical_kl(evidence, rng):
    """KL(old||new) is the old policy's mean log-ratio; its gradient is pi - pi_old at the
    logits, and 0 where they agree."""
    new, old = rng.normal(size=(2, 5, 3))
    old_log_probs, weights = policies.log_softmax(old), rng.normal(size=5)
    log_probs = policies.log_softmax(new)
    direct = [
        math.fsum(math.exp(o) * (o - n) for o, n in zip(*rows, strict=True))
        for rows in zip(old_log_probs, log_probs, strict=True)
    ]
    evidence.close("KL", policies.categorical_kl(old_log_probs, log_probs), direct)
    actual = policies.categorical_kl_backward(weights, old_log_probs, log_probs)
    oracle = complex_step(
        lambda z: policies.categorical_kl(old_log_probs, policies.log_softmax(z)) @ weights, new
    )
    evidence.close("dlogits", actual, oracle)
    same = policies.categorical_kl_backward(weights, log_probs, log_probs)
    evidence.close("0 where they agree", same, np.zeros_like(same))
    policy, obs, actions = categorical_case(rng)
    other, _, _ = categorical_case(rng)
    check_policy_kl(evidence, policy, other.distribution(obs).real, obs, actions)
    evidence.show("KL of five rows", np.array(direct))


def check_policy_kl(evidence, policy, old_distribution, obs, actions):
    """A policy's kl_backward holds at every parameter."""
    _, _, cache = policy.evaluate(obs, actions)
    dkls = np.linspace(0.1, 1, len(obs))
    oracle = network_step(
        policy, lambda: policy.kl(old_distribution, policy.evaluate(obs, actions)[2]) @ dkls
    )
    actual = policy.kl_backward(dkls, old_distribution, cache)
    evidence.close("every parameter", actual, oracle)


@check(42, "KL penalty", "ppo.penalized_surrogate", "complex step")
def kl_penalty(evidence, rng):
    """The penalized loss's gradient, ratio and KL together, at the logits and at every weight."""
    policy, obs, actions = categorical_case(rng)
    other, _, _ = categorical_case(rng)
    old, beta = other.distribution(obs).real, 0.7
    old_log_probs, A = other.evaluate(obs, actions)[0].real, rng.normal(size=len(obs))

    def loss():
        log_probs, _, cache = policy.evaluate(obs, actions)
        return ppo.penalized_surrogate(
            log_probs, old_log_probs, A, policy.kl(old, cache), beta
        )[0]

    log_probs, entropies, cache = policy.evaluate(obs, actions)
    kls = policy.kl(old, cache)
    value, dlog_probs, dkls = ppo.penalized_surrogate(log_probs, old_log_probs, A, kls, beta)
    ratios = [math.exp(n) / math.exp(o) for n, o in zip(log_probs.real, old_log_probs, strict=True)]
    rows = zip(ratios, A, kls.real, strict=True)
    evidence.close("loss", value, -fmean(ratio * a - beta * kl for ratio, a, kl in rows))
    actual = policy.backward(dlog_probs, 0 * entropies, cache)
    actual = actual + policy.kl_backward(dkls, old, cache)
    evidence.close("every weight", actual, network_step(policy, loss))
    probs = np.exp(policy.distribution(obs))
    dlogits = policies.categorical_log_prob_backward(dlog_probs, actions, probs)
    dlogits = dlogits + policies.categorical_kl_backward(dkls, old, np.log(probs))
    rows = len(obs)
    by_hand = np.zeros((rows, 3))
    for i, k in np.ndindex(rows, 3):
        push = ratios[i] * A[i] * (probs[i, k].real - (k == actions[i]))
        pull = beta * (probs[i, k].real - math.exp(old[i, k]))
        by_hand[i, k] = (push + pull) / rows
    evidence.close("dlogits, entry by entry", dlogits, by_hand)
    evidence.show("dlogits of three rows", by_hand[:3])


@check(43, "KL, Gaussian", "policies.gaussian_kl", "quadrature")
def gaussian_kl(evidence, rng):
    """KL(old||new) is the integral of p_old (log p_old - log p_new); its gradients by complex
    step, down to every parameter."""
    old_means, means = rng.normal(size=(2, 4, 2))
    old_log_stds, log_stds = rng.normal(0, 0.3, (2, 2))
    integrals = np.zeros(4)
    for i, j in np.ndindex(4, 2):
        x, dx = grid(old_means[i, j], np.exp(old_log_stds[j]))
        x = x[:, None]
        p_old, p_new = (
            policies.gaussian_log_prob(x, np.full_like(x, mean[i, j]), ell[[j]])
            for mean, ell in ((old_means, old_log_stds), (means, log_stds))
        )
        integrals[i] += (np.exp(p_old) * (p_old - p_new)).sum() * dx
    old = old_means, old_log_stds
    evidence.close("KL", policies.gaussian_kl(*old, means, log_stds), integrals)
    weights = rng.normal(size=4)
    dmeans, dlog_stds = policies.gaussian_kl_backward(weights, *old, means, log_stds)
    by_mean = complex_step(lambda m: policies.gaussian_kl(*old, m, log_stds) @ weights, means)
    by_log_std = complex_step(
        lambda ell: policies.gaussian_kl(*old, means, ell) @ weights, log_stds
    )
    evidence.close("by mu", dmeans, by_mean)
    evidence.close("by log sigma", dlog_stds, by_log_std)
    policy, obs, actions = gaussian_case(rng)
    other, _, _ = gaussian_case(rng)
    check_policy_kl(evidence, policy, other.distribution(obs).real, obs, actions)
    evidence.show("KL of four rows", integrals)


@check(44, "adaptive penalty", "ppo.adapt_kl_coefficient", "table")
def adaptive_penalty(evidence, rng):
    """Below target/1.5 the weight is halved, above 1.5 target doubled, between them kept."""
    rows = []
    for kl, factor in ((0, 0.5), (0.0066, 0.5), (0.0067, 1), (0.01, 1), (0.0149, 1), (0.0151, 2)):
        actual = ppo.adapt_kl_coefficient(0.8, kl, 0.01)
        evidence.close(f"KL {kl}", actual, 0.8 * factor)
        rows.append([kl, actual])
    for kl in (0.015, 0.01 / 1.5):
        actual = ppo.adapt_kl_coefficient(0.8, kl, 0.01)
        evidence.close(f"KL {kl:.4g}, a bound itself", actual, 0.8)
    evidence.show("KL, next beta (0.8 before, target 0.01)", np.array(rows))


@check(45, "joint loss", "ppo.update", "complex step")
def joint_loss(evidence, rng):
    """Two networks that share no weight: the joint loss's gradient is the two shipped ones, side
    by side, as ppo.update takes them. With a shared trunk, the heads' gradients add there."""
    policy, value, batch = update_case(rng)
    config = ppo.Config(epochs=1, entropy_coefficient=0.02, max_grad_norm=1e9)
    twin = policies.CategoricalPolicy(4, 3, (5,), rng, dtype=np.complex128)
    value_twin = nn.MLP((4, 5, 1), rng, dtype=np.complex128)
    twin.parameters[:], value_twin.parameters[:] = policy.parameters, value.parameters

    def joint():
        log_probs, entropies, _ = twin.evaluate(batch.obs, batch.actions)
        clip, _ = ppo.clipped_surrogate(log_probs, batch.log_probs, batch.advantages, 0.2)
        fit, _ = vpg.value_loss(value_twin(batch.obs)[:, 0], batch.targets)
        return clip + fit - 0.02 * entropies.mean()

    oracle = np.concatenate([network_step(twin, joint), network_step(value_twin, joint)])
    actual = np.concatenate(one_update(ppo, config, policy, value, batch, rng))
    evidence.close("ppo.update, both networks", actual, oracle)

    x, dy = rng.normal(size=(6, 4)), rng.normal(size=(6, 3))
    targets = rng.normal(size=6)
    W, W_pi, W_v = rng.normal(size=(4, 5)), rng.normal(size=(5, 3)), rng.normal(size=(5, 1))
    b, b_pi, b_v = np.zeros(5), np.zeros(3), np.zeros(1)

    def shared(W):
        h = nn.tanh_forward(nn.linear_forward(x, W, b))
        logits = nn.linear_forward(h, W_pi, b_pi)
        fit, _ = vpg.value_loss(nn.linear_forward(h, W_v, b_v)[:, 0], targets)
        return (logits * dy).sum() + 0.5 * fit

    h = nn.tanh_forward(nn.linear_forward(x, W, b))
    dvalues = vpg.value_loss(nn.linear_forward(h, W_v, b_v)[:, 0], targets)[1]
    dh = nn.linear_backward(dy, h, W_pi)[0]
    dh = dh + nn.linear_backward(0.5 * dvalues[:, None], h, W_v)[0]
    dW = nn.linear_backward(nn.tanh_backward(dh, h), x, W)[1]
    evidence.close("shared trunk, c_V = 0.5", dW, complex_step(shared, W))
    evidence.show("dH of three rows", dh[:3])


@check(46, "k1, k3, dead fraction", "policies.kl_estimates", "exact sum")
def diagnostics(evidence, rng):
    """Over the old policy's actions k1 and k3 both have the KL as their mean, and their gradients
    its gradient; k3 is never negative. The dead rows are those whose gradient is 0."""
    logits, old_logits = rng.normal(size=(2, 4, 3))
    old = policies.log_softmax(old_logits)
    log_ratios = policies.log_softmax(logits) - old
    direct = (np.exp(old) * -log_ratios).sum(axis=1)
    exact = policies.categorical_kl_backward(np.ones(4), old, policies.log_softmax(logits))
    for which, name in enumerate(("k1", "k3")):

        def mean(z, which=which):
            log_ratios = policies.log_softmax(z) - old
            return (np.exp(old) * policies.kl_estimates(log_ratios)[which]).sum(axis=1)

        evidence.close(f"mean of {name} = KL", mean(logits), direct)
        oracle = complex_step(lambda z, f=mean: f(z).sum(), logits)
        evidence.close(f"mean gradient of {name}", oracle, exact)
    k1, k3 = policies.kl_estimates(log_ratios)
    evidence.true("k1 is negative somewhere", (k1 < 0).any())
    evidence.true("k3 nowhere", (k3 >= 0).all())
    tiny = policies.kl_estimates(np.array([1e-9]))[1]
    evidence.close("k3 near ratio 1: x^2/2", tiny, [5e-19], bound=0.3)

    log_probs, A = rng.normal(0, 0.4, 400), rng.normal(size=400)
    _, dlog_probs = ppo.clipped_surrogate(log_probs, np.zeros(400), A, 0.2)
    clip_fraction, dead_fraction = ppo.clip_statistics(log_probs, np.zeros(400), A, 0.2)
    ratios = [math.exp(value) for value in log_probs]
    outside = sum(ratio > 1.2 or ratio < 0.8 for ratio in ratios)
    evidence.close("clip fraction", clip_fraction, outside / 400)
    evidence.close("dead fraction: gradient 0", dead_fraction, np.mean(dlog_probs == 0))
    evidence.true("fewer are dead than clipped", dead_fraction < clip_fraction)
    evidence.show("clip fraction, dead fraction", np.array([clip_fraction, dead_fraction]))
    evidence.show("k1 of one row's actions", k1[0])
    evidence.show("k3 of one row's actions", k3[0])
