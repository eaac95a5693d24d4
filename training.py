"""The loop that both algorithms share, and how a policy is judged.

Nothing here knows which algorithm it runs; nothing prints or writes a file.

    collect a rollout → values → advantages and value targets → update → statistics

Shapes: T steps, N environments, B = valid rows of a rollout, P parameters.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from gymnasium.spaces import Discrete

from advantages import gae, normalize
from nn import MLP, Adam
from normalization import RunningNormalizer
from policies import CategoricalPolicy, GaussianPolicy
from rollout import Sampler, fit_actions, make_envs, reset

# Streams of random numbers besides a Trainer's own four, which have the keys 0 to 3.
RESUMED, EVALUATION = 1_000, 1_001


class Batch(NamedTuple):
    """The valid rows of a rollout, time and environments flattened into one axis B."""

    obs: np.ndarray  # (B, D) float
    actions: np.ndarray  # (B,) int or (B, A) float
    log_probs: np.ndarray  # (B,) of the policy that acted
    values: np.ndarray  # (B,) of the value function before the update
    advantages: np.ndarray  # (B,)
    targets: np.ndarray  # (B,) what the value function should have said


@dataclass
class Learner:
    """What is learned, and what learning needs to remember."""

    policy: CategoricalPolicy | GaussianPolicy
    value: MLP
    policy_adam: Adam
    value_adam: Adam
    normalizer: RunningNormalizer | None = None  # of what both networks see
    memory: dict = field(default_factory=dict)  # whatever the algorithm carries along, as numbers


def make_learner(envs, config, rng, dtype=np.float32):
    """A fresh policy and value function for these environments; rng np.random.Generator.

    Discrete actions get a softmax policy, Box actions a Gaussian one.
    Raises ValueError for an initial_log_std that no Gaussian policy is there to use.
    """
    obs_dim, actions = envs.single_observation_space.shape[0], envs.single_action_space
    network = config.hidden_sizes, rng, config.activation, dtype
    if isinstance(actions, Discrete):
        if config.initial_log_std != 0:
            raise ValueError("initial_log_std is for Box actions; these are Discrete")
        policy = CategoricalPolicy(obs_dim, int(actions.n), *network)
    else:
        policy = GaussianPolicy(obs_dim, actions.shape[0], *network, config.initial_log_std)
    value = MLP((obs_dim, *config.hidden_sizes, 1), rng, config.activation, dtype=dtype)
    normalizer = RunningNormalizer(obs_dim) if config.normalize_observations else None
    policy.network.normalizer = value.normalizer = normalizer
    return Learner(
        policy,
        value,
        Adam(policy.parameters.size, config.learning_rate, dtype=dtype),
        Adam(value.parameters.size, config.value_learning_rate, dtype=dtype),
        normalizer,
    )


def make_batch(rollout, value, config):
    """Credit every valid step of a rollout: its advantage and its value target.

    rollout  a rollout.Rollout of T steps and N environments
    value    the value network, (rows,D) -> (rows,1)

    Returns a Batch of the B valid rows. Rows of reset calls go through `gae`
    too: the end of the row before keeps them away from every other, and
    `valid` drops them here.
    """
    T, N = rollout.rewards.shape
    values = value(rollout.obs.reshape((T + 1) * N, -1)).reshape(T + 1, N)
    ended = rollout.terminated | rollout.truncated
    advantages = gae(
        config.reward_scale * rollout.rewards,
        values[:-1],
        values[1:],
        rollout.terminated,
        ended,
        config.gamma,
        config.gae_lambda,
    )
    targets = advantages + values[:-1]  # Eq. 18: yₜ = Âₜ + V(sₜ)
    advantages = advantages[rollout.valid]
    if config.normalize_advantages:
        advantages = normalize(advantages)
    return Batch(
        rollout.obs[:-1][rollout.valid],
        rollout.actions[rollout.valid],
        rollout.log_probs[rollout.valid],
        values[:-1][rollout.valid],
        advantages,
        targets[rollout.valid],
    )


def explained_variance(values, targets):
    """1 − Var(targets − values) / Var(targets): (B,) (B,) -> float.

    1 is a perfect value function, 0 no better than a constant; nan if the
    targets are all equal and there is nothing to explain.
    """
    variance = np.var(targets)
    return float(1 - np.var(targets - values) / variance) if variance > 0 else float("nan")


class Trainer:
    """Trains; iterate over it to make it go.

        for statistics in Trainer(ppo, "CartPole-v1", ppo.Config(), seed=0):
            print(statistics["env_steps"], statistics["mean_return"])

    algorithm  the module vpg or ppo (its `update`)
    env_id     a Gymnasium id; rollout.make_envs says which are supported
    config     the algorithm's Config
    seed       int, at least 0; on one machine the same seed gives the same bits

    `policy` and `value` are what it learns. Whatever shall happen between two
    iterations (logging, saving, evaluating) is the caller's.
    Raises ValueError for an unsupported environment, and FloatingPointError
    when a loss or a parameter stops being finite.
    """

    def __init__(self, algorithm, env_id, config, seed):
        self.algorithm, self.env_id, self.config, self.seed = algorithm, env_id, config, seed
        # Independent streams, so that a change to one part leaves the others' luck alone.
        weights, acting, shuffling, envs = np.random.SeedSequence(seed).spawn(4)
        self.envs = make_envs(env_id, config.num_envs)
        self.sampler = Sampler(self.envs, envs)
        self.learner = make_learner(self.envs, config, np.random.default_rng(weights))
        self.acting_rng = np.random.default_rng(acting)
        self.shuffling_rng = np.random.default_rng(shuffling)
        self.iteration = self.env_steps = self.episodes = 0
        self.train_seconds = 0.0
        self.recent_returns = deque(maxlen=100)

    @property
    def policy(self):
        return self.learner.policy

    @property
    def value(self):
        return self.learner.value

    def __iter__(self):
        """Yield one dict of statistics an iteration, until config.total_steps are done."""
        while self.env_steps < self.config.total_steps:
            yield self.iterate()

    @np.errstate(over="ignore", invalid="ignore")  # _check_finite says it better
    def iterate(self):
        """One iteration: collect one rollout, update once. Returns its statistics, a dict."""
        start = time.perf_counter()
        learner, config = self.learner, self.config
        progress = self.env_steps / config.total_steps
        remaining = 1 - progress if config.anneal_learning_rate else 1.0
        learner.policy_adam.learning_rate = config.learning_rate * remaining
        learner.value_adam.learning_rate = config.value_learning_rate * remaining

        rollout = self.sampler.collect(learner.policy, config.num_steps, self.acting_rng)
        batch = make_batch(rollout, learner.value, config)
        statistics = self.algorithm.update(learner, batch, config, progress, self.shuffling_rng)
        if learner.normalizer is not None:
            # Only now: through other glasses than it acted with, no ratio would begin at 1.
            learner.normalizer.update(batch.obs)

        self.iteration += 1
        self._check_finite(statistics)
        self.env_steps += len(batch.obs)
        self.episodes += len(self.sampler.episodes)
        self.recent_returns.extend(total for total, length in self.sampler.episodes)
        seconds = time.perf_counter() - start
        self.train_seconds += seconds
        return {
            "iteration": self.iteration,
            "env_steps": self.env_steps,
            "episodes": self.episodes,
            "mean_return": np.mean(self.recent_returns) if self.recent_returns else float("nan"),
            **statistics,
            "explained_variance": explained_variance(batch.values, batch.targets),
            "learning_rate": learner.policy_adam.learning_rate,
            "steps_per_second": len(batch.obs) / seconds,
        }

    def state(self):
        """All that is needed to go on from here: (arrays, numbers).

        arrays   dict of np.ndarray: parameters and Adam's moments, the live ones
        numbers  dict of plain numbers, lists and dicts, fit for JSON: counters,
                 generators, the last returns, what the algorithm remembers
        """
        learner = self.learner
        arrays = {
            "policy": learner.policy.parameters,
            "policy_m": learner.policy_adam.m,
            "policy_v": learner.policy_adam.v,
            "value": learner.value.parameters,
            "value_m": learner.value_adam.m,
            "value_v": learner.value_adam.v,
        }
        if learner.normalizer is not None:
            arrays["obs_mean"] = learner.normalizer.mean
            arrays["obs_variance"] = learner.normalizer.variance
            arrays["obs_count"] = learner.normalizer.count
        numbers = {
            "policy_t": learner.policy_adam.t,
            "value_t": learner.value_adam.t,
            "memory": learner.memory,
            "acting_rng": self.acting_rng.bit_generator.state,
            "shuffling_rng": self.shuffling_rng.bit_generator.state,
            "recent_returns": list(self.recent_returns),
            "iteration": self.iteration,
            "env_steps": self.env_steps,
            "episodes": self.episodes,
            "train_seconds": self.train_seconds,
        }
        return arrays, numbers

    def restore(self, arrays, numbers):
        """Go on from what `state` gave, with newly begun episodes.

        The environments' inner state is theirs, so every environment starts a
        new episode; the same state always goes on in the same way.
        Raises ValueError when the arrays belong to another network.
        """
        live_arrays, _ = self.state()
        for name, live in live_arrays.items():
            if name not in arrays or arrays[name].shape != live.shape:
                raise ValueError(f"the saved array {name!r} doesn't fit this network")
        for name, live in live_arrays.items():
            live[:] = arrays[name]
        learner = self.learner
        learner.policy_adam.t, learner.value_adam.t = numbers["policy_t"], numbers["value_t"]
        learner.memory = dict(numbers["memory"])
        self.acting_rng.bit_generator.state = numbers["acting_rng"]
        self.shuffling_rng.bit_generator.state = numbers["shuffling_rng"]
        self.recent_returns = deque(numbers["recent_returns"], maxlen=100)
        for counter in ("iteration", "env_steps", "episodes", "train_seconds"):
            setattr(self, counter, numbers[counter])
        episodes = np.random.SeedSequence(self.seed, spawn_key=(RESUMED, self.iteration))
        self.sampler = Sampler(self.envs, episodes)

    def _check_finite(self, statistics):
        finite = np.isfinite([statistics["policy_loss"], statistics["value_loss"]]).all()
        for network in (self.policy, self.value):
            finite = finite and np.isfinite(network.parameters).all()
        if not finite:
            raise FloatingPointError(
                f"iteration {self.iteration}: a loss or a parameter is no longer finite; "
                "a smaller learning rate may help"
            )


def evaluate(policy, env_id, episodes, seed, greedy=True):
    """Returns of fresh episodes, undiscounted: float array (episodes,).

    Runs `episodes` environments side by side and counts the first episode of
    each, so that short episodes are not over-represented. `greedy` takes the
    likeliest action, otherwise actions are sampled. The seed's streams are
    independent of a Trainer's with the same seed.
    """
    env_stream, action_stream = np.random.SeedSequence(seed, spawn_key=(EVALUATION,)).spawn(2)
    rng = np.random.default_rng(action_stream)
    envs = make_envs(env_id, episodes)
    obs = reset(envs, env_stream)
    returns, running = np.zeros(episodes), np.ones(episodes, bool)
    while running.any():
        obs = obs.astype(policy.parameters.dtype, copy=False)
        actions = policy.greedy(obs) if greedy else policy.sample(obs, rng)[0]
        fitted = fit_actions(actions, envs.single_action_space)
        obs, rewards, terminated, truncated, _ = envs.step(fitted)
        returns += rewards * running
        running &= ~(terminated | truncated)
    envs.close()
    return returns
