"""What several checks start from: policies, rows and the two-state process of lab/proof/mdp.py."""

from dataclasses import replace

import gymnasium as gym
import numpy as np

import nn
import policies
from lab.proof import mdp
from learner import Batch, Learner

SAMPLES = 100_000  # of a Monte Carlo comparison
LONG = 60  # steps after which what remains of an episode of lab.proof.mdp is below rounding

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
    """N copies of mdp.py's process: a state is observed as a one-hot row, the end as zeros."""

    def __init__(self, process, num_envs):
        self.metadata = {"autoreset_mode": gym.vector.AutoresetMode.NEXT_STEP}
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
    """Old log-probs and advantages that meet every case of Eq. 37, none of them at a kink."""
    log_probs = policy.forward(obs, actions)[0].real
    inside = np.array([1 - 0.6 * clip_range, 1 + 0.6 * clip_range])
    ratios = np.resize([0.5, inside[0], inside[1], 1.6], len(obs))
    signs = np.resize([1, 1, 1, 1, -1, -1, -1, -1], len(obs))
    return log_probs - np.log(ratios), signs * rng.uniform(0.3, 2, len(obs))


def grid(mean, sigma, points=801):
    """A grid of 20 deviations and its spacing. Sums over it are exact: the density is smooth."""
    x = np.linspace(mean - 10 * sigma, mean + 10 * sigma, points)
    return x, x[1] - x[0]


def update_case(rng):
    """Two float64 networks and a Batch that their policy has just collected."""
    policy = policies.CategoricalPolicy(4, 3, (5,), rng, dtype=np.float64)
    policy.parameters[:] = rng.normal(0, 0.6, policy.parameters.size)
    value = nn.MLP((4, 5, 1), rng, dtype=np.float64)
    obs = rng.normal(size=(16, 4))
    actions, log_probs = policy.sample(obs, rng)
    credit, targets = rng.normal(size=(2, 16))
    batch = Batch(obs, actions, log_probs, value(obs)[:, 0], credit, targets)
    return policy, value, batch


def one_update(algorithm, config, policy, value, batch):
    """Run a shipped update on fresh optimisers -> the Learner it leaves."""
    adams = (nn.Adam(n.parameters.size, 0.05, dtype=np.float64) for n in (policy, value))
    learner = Learner(policy, value, *adams)
    algorithm.update(learner, batch, config, 0.0, np.random.default_rng(0))
    return learner


def first_gradients(algorithm, config, policy, value, batch):
    """Run a shipped update of one step -> the gradients of its policy and of its value."""
    learner = one_update(algorithm, config, policy, value, batch)
    # After its first step Adam's first moment is (1 − β₁) g.
    return learner.policy_adam.m / (1 - 0.9), learner.value_adam.m / (1 - 0.9)


def second_gradients(algorithm, config, policy, value, batch):
    """The second step of an update, in which the whole batch is one minibatch.

    -> gradients of its policy and of its value, and both as complex128 networks
    with the parameters at which these were taken
    """
    start = policy.parameters.copy(), value.parameters.copy()
    once = one_update(algorithm, replace(config, epochs=1), policy, value, batch)
    rng = np.random.default_rng(0)
    moved = policies.CategoricalPolicy(4, 3, (5,), rng, dtype=np.complex128)
    moved_value = nn.MLP((4, 5, 1), rng, dtype=np.complex128)
    moved.parameters[:], moved_value.parameters[:] = policy.parameters, value.parameters
    policy.parameters[:], value.parameters[:] = start
    twice = one_update(algorithm, replace(config, epochs=2), policy, value, batch)
    # Adam's first moment is m₂ = β₁ m₁ + (1 − β₁) g₂.
    gradients = [
        (after.m - 0.9 * before.m) / (1 - 0.9)
        for before, after in (
            (once.policy_adam, twice.policy_adam),
            (once.value_adam, twice.value_adam),
        )
    ]
    return *gradients, moved, moved_value
