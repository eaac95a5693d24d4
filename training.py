"""The loop that all algorithms share, and how a policy is judged. It stands above them.

Nothing here knows which algorithm it runs; nothing prints or writes a file.

    collect a rollout → values → advantages and value targets → update → statistics

In the order of the file:
    who learns
    Eq. 15  credit: a rollout becomes a batch
    what the update did
    the loop
    evaluation

Shapes: T steps, N environments, B = valid rows of a rollout, P parameters.
"""

import time
from collections import deque

import numpy as np
from gymnasium.spaces import Discrete

from advantages import gae, normalize
from arrays import check_whole, floats, level
from environments import EnvironmentFailed, closed, closed_if_it_fails, make_envs, reset
from learner import Batch, Learner, approx_kl, overwrite
from nn import MLP, Adam
from normalization import Normalized, RunningNormalizer
from policies import CategoricalPolicy, GaussianPolicy
from rollout import Actor, Sampler

# Streams of random numbers besides a Trainer's own four, which have the keys 0 to 3.
RESUMED, EVALUATION = 1_000, 1_001
COUNTERS = "iteration", "env_steps", "episodes", "train_seconds"  # of a Trainer
LONGEST_EPISODE = 10_000  # steps; an evaluation ends there if the environment has no time limit


def make_learner(envs, config, rng, dtype=np.float32):
    """A fresh policy and value function for these environments; rng np.random.Generator.

    Discrete actions get a softmax policy, Box actions a Gaussian one.
    Raises ValueError for an initial_log_std that no Gaussian policy is there to use.
    """
    obs_dim, actions = envs.single_observation_space.shape[0], envs.single_action_space
    hidden, activation, log_std = config.hidden_sizes, config.activation, config.initial_log_std
    policy: CategoricalPolicy | GaussianPolicy
    if isinstance(actions, Discrete):
        if log_std != 0:
            raise ValueError("initial_log_std is for Box actions; these are Discrete")
        policy = CategoricalPolicy(obs_dim, int(actions.n), hidden, rng, activation, dtype)
    else:
        policy = GaussianPolicy(obs_dim, actions.shape[0], hidden, rng, activation, dtype, log_std)
    value = MLP((obs_dim, *hidden, 1), rng, activation, dtype=dtype)
    return Learner(
        policy,
        value,
        Adam(policy.parameters.size, config.learning_rate, dtype=dtype),
        Adam(value.parameters.size, config.value_learning_rate, dtype=dtype),
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
    targets = advantages + values[:-1]  # Eq. 15: yₜ = Âₜ + V(sₜ)
    advantages = advantages[rollout.valid]
    if config.normalize_advantages:
        advantages = normalize(advantages)
    return Batch(
        rollout.obs[:-1].reshape(T * N, -1).compress(rollout.valid.ravel(), axis=0),
        rollout.actions[rollout.valid],
        rollout.log_probs[rollout.valid],
        values[:-1][rollout.valid],
        advantages,
        targets[rollout.valid],
    )


def measure(learner, batch):
    """What an update did to the policy, and how good the value function was: a dict of floats."""
    log_probs, entropies, _ = learner.policy.forward(batch.obs, batch.actions)
    return {
        "entropy": float(entropies.mean()),
        "approx_kl": approx_kl(log_probs, batch.log_probs),
        "explained_variance": explained_variance(batch.values, batch.targets),
    }


def explained_variance(values, targets):
    """1 − Var(targets − values) / Var(targets): (B,) (B,) -> float.

    1 is a perfect value function, 0 no better than a constant; nan if the
    targets are all equal and there is nothing to explain, and where a variance is
    below or beyond what the dtype holds in full. Raises ValueError
    for other shapes.
    """
    values, targets = floats("N N", values, targets)
    variance, unexplained = np.var(level(np.stack([targets, targets - values])), axis=1)
    held = np.finfo(variance.dtype).tiny <= variance < np.inf and unexplained < np.inf
    return float(1 - unexplained / variance) if held else np.nan


class Trainer:
    """Trains; iterate over it to make it go.

        for statistics in Trainer(ppo, "CartPole-v1", ppo.Config(), seed=0):
            print(statistics["env_steps"], statistics["mean_return"])

    algorithm  the module vpg, ppo or ppo_penalty (its `update` and `Config`)
    env_id     a Gymnasium id; environments.make_envs says which are supported
    config     the algorithm's Config
    seed       int, at least 0; on one machine the same seed gives the same bits

    `policy` is what it learned, as it acts on an environment's own observations;
    `rollout` is the latest one. Whatever shall happen between two iterations
    (logging, saving, evaluating) is the caller's.
    Raises ValueError for an unsupported environment, another algorithm's Config or a seed
    that is none, EnvironmentFailed for an environment that ends without having begun,
    and FloatingPointError when a loss, a gradient or a parameter stops being finite.
    """

    def __init__(self, algorithm, env_id, config, seed):
        if not isinstance(config, algorithm.Config):
            kind = f"{type(config).__module__}.{type(config).__name__}"
            raise ValueError(
                f"{algorithm.__name__} needs a {algorithm.__name__}.Config, not {kind}"
            )
        check_whole("seed", seed, 0)
        self.algorithm, self.env_id, self.config, self.seed = algorithm, env_id, config, seed
        # Independent streams, so that a change to one part leaves the others' luck alone.
        weights, acting, shuffling, envs = np.random.SeedSequence(seed).spawn(4)
        with closed_if_it_fails(make_envs(env_id, config.num_envs)) as self.envs:
            obs_dim = self.envs.single_observation_space.shape[0]
            self.normalizer = RunningNormalizer(obs_dim) if config.normalize_observations else None
            self.sampler, self.rollout = Sampler(self.envs, envs, self.normalizer), None
            self.learner = make_learner(self.envs, config, np.random.default_rng(weights))
        self.acting_rng = np.random.default_rng(acting)
        self.shuffling_rng = np.random.default_rng(shuffling)
        self.iteration = self.env_steps = self.episodes = 0
        self.train_seconds = 0.0
        self.recent_returns: deque = deque(maxlen=100)

    @property
    def policy(self):
        policy = self.learner.policy
        return policy if self.normalizer is None else Normalized(policy, self.normalizer)

    @property
    def value(self):
        return self.learner.value

    def __iter__(self):
        """Yield one dict of statistics an iteration, until config.total_steps are done."""
        while self.env_steps < self.config.total_steps:
            yield self.iterate()

    @np.errstate(over="ignore", invalid="ignore")  # _check_finite says it better
    def iterate(self):
        """One iteration: collect one rollout, update once.

        Returns its statistics: a dict of plain Python numbers.
        """
        start = time.perf_counter()
        learner, config = self.learner, self.config
        progress = min(1.0, self.env_steps / config.total_steps)
        remaining = 1 - progress if config.anneal_learning_rate else 1.0
        learner.policy_adam.learning_rate = config.learning_rate * remaining
        learner.value_adam.learning_rate = config.value_learning_rate * remaining

        rollout = self._collect()
        batch = make_batch(rollout, learner.value, config)
        done = self.algorithm.update(learner, batch, config, progress, self.shuffling_rng)
        statistics = {name: float(number) for name, number in done.items()}
        statistics.update(measure(learner, batch))

        self.iteration += 1
        self._check_finite(statistics, rollout, batch)
        self.rollout = rollout
        self.env_steps += len(batch.obs)
        self.episodes += len(rollout.episodes)
        self.recent_returns.extend(episode.total for episode in rollout.episodes)
        seconds = time.perf_counter() - start
        self.train_seconds += seconds
        recent = self.recent_returns
        return {
            "iteration": self.iteration,
            "env_steps": self.env_steps,
            "episodes": self.episodes,
            "mean_return": float(np.mean(recent)) if recent else float("nan"),
            **statistics,
            "learning_rate": learner.policy_adam.learning_rate,
            "steps_per_second": len(batch.obs) / seconds,
        }

    def _collect(self):
        """The next rollout with a valid row; a short one may hold nothing but reset calls."""
        for _ in range(2):
            rollout = self.sampler.collect(
                self.learner.policy, self.config.num_steps, self.acting_rng
            )
            if rollout.valid.any():
                return rollout
        raise EnvironmentFailed(
            f"{self.env_id} reports an end on every call; the call after an end only begins the "
            "next episode, and must report none"
        )

    def state(self):
        """All that is needed to go on from here: (arrays, numbers).

        arrays   dict of np.ndarray: parameters and Adam's moments, the live ones
        numbers  dict of plain numbers, lists and dicts, fit for JSON: counters,
                 generators, the last returns, what the algorithm carries along
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
        if self.normalizer is not None:
            arrays["obs_mean"] = self.normalizer.mean
            arrays["obs_variance"] = self.normalizer.variance
            arrays["obs_count"] = self.normalizer.count
        numbers = {
            "policy_t": learner.policy_adam.t,
            "value_t": learner.value_adam.t,
            "memory": learner.memory,
            "acting_rng": self.acting_rng.bit_generator.state,
            "shuffling_rng": self.shuffling_rng.bit_generator.state,
            "recent_returns": list(self.recent_returns),
            **{counter: getattr(self, counter) for counter in COUNTERS},
        }
        return arrays, numbers

    def restore(self, arrays, numbers):
        """Go on from what `state` gave, with newly begun episodes.

        The environments' inner state is theirs, so every environment starts a
        new episode; the same state always goes on in the same way.
        Raises ValueError when the arrays belong to another network.
        """
        live_arrays, _ = self.state()
        overwrite(live_arrays, arrays)
        learner = self.learner
        learner.policy_adam.t, learner.value_adam.t = numbers["policy_t"], numbers["value_t"]
        learner.memory = dict(numbers["memory"])
        self.acting_rng.bit_generator.state = numbers["acting_rng"]
        self.shuffling_rng.bit_generator.state = numbers["shuffling_rng"]
        self.recent_returns = deque(numbers["recent_returns"], maxlen=100)
        for counter in COUNTERS:
            setattr(self, counter, numbers[counter])
        episodes = np.random.SeedSequence(self.seed, spawn_key=(RESUMED, self.iteration))
        self.sampler = Sampler(self.envs, episodes, self.normalizer, self.env_steps)

    def _check_finite(self, statistics, rollout, batch):
        """Raise FloatingPointError when something stopped being finite: what did first, and why."""
        numbers = {  # in the loop's order
            "an observation": rollout.obs,
            "a reward": rollout.rewards,
            "a value target": batch.targets,
            "an advantage": batch.advantages,
            **{name: statistics[name] for name in ("policy_loss", "policy_grad_norm")},
            **{name: statistics[name] for name in ("value_loss", "value_grad_norm")},
            "a parameter of the policy": self.learner.policy.parameters,
            "a parameter of the value function": self.learner.value.parameters,
        }
        lost = [name for name, values in numbers.items() if not np.isfinite(values).all()]
        if not lost:
            return
        if lost[0] in ("an observation", "a reward"):
            tip = "its environment must stay within float32, 3.4e38"
        else:
            tip = f"{self._outsized(rollout)} may help"
        raise FloatingPointError(
            f"iteration {self.iteration}: {lost[0]} is no longer finite; {tip}"
        )

    def _outsized(self, rollout):
        """The remedy for what went in that was the most times as large as is usual."""
        config = self.config
        rewards, obs = (float(abs(array).max()) for array in (rollout.rewards, rollout.obs))
        times = {
            "a smaller learning_rate": config.learning_rate / 1e-2,
            "a smaller value_learning_rate": config.value_learning_rate / 1e-2,
            "a smaller reward_scale": config.reward_scale * max(rewards, 1e-30) / 1e2,
            "normalize_observations": obs / 1e2,
        }
        for name, value in vars(config).items():  # an algorithm's own, too
            if name.endswith("_coefficient"):
                times[f"a smaller {name}"] = value / 1e2
        return max(times, key=lambda remedy: times[remedy])


def evaluate(policy, env_id, episodes, seed, greedy=True):
    """Returns of fresh episodes, undiscounted: float array (episodes,).

    Runs `episodes` environments side by side and counts the first episode of
    each, so that short episodes are not over-represented. `greedy` takes the
    likeliest action, otherwise actions are sampled. The seed's streams are
    independent of a Trainer's with the same seed. An episode that is still
    running after LONGEST_EPISODE steps, where the environment has no time limit,
    counts with what it has collected. Raises ValueError unless `episodes` is a whole
    number, at least 1, and for a policy of another size of observations or kind of actions.
    """
    check_whole("episodes", episodes, 1)
    env_stream, action_stream = np.random.SeedSequence(seed, spawn_key=(EVALUATION,)).spawn(2)
    rng = np.random.default_rng(action_stream)
    with closed(make_envs(env_id, episodes)) as envs:
        actor, obs = Actor(policy, envs.single_action_space), reset(envs, env_stream)
        returns, running = np.zeros(episodes), np.ones(episodes, bool)
        time_limit = envs.spec.max_episode_steps if envs.spec is not None else None
        for _ in range(time_limit or LONGEST_EPISODE):
            actions = actor.greedy(obs) if greedy else actor.sample(obs, rng)[0]
            obs, rewards, terminated, truncated, _ = envs.step(actions)
            returns += rewards * running
            running &= ~(terminated | truncated)
            if not running.any():
                break
    return returns
