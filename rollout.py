"""Environments in, arrays out: one rollout of T steps in each of N environments.

Nothing here knows about value functions, discounting or losses.

A rollout is a piece of the trajectories whose density is Eq. 1. Gymnasium's
vector environments begin a new episode by themselves, one call *after* the
episode has ended ("NEXT_STEP" autoreset), which gives every array a plain
meaning:

    obs[t+1]       the true successor of obs[t] if step t was a real one, also
                   at the end of an episode
    terminated[t]  step t led to a state without a future
    truncated[t]   a time limit cut the episode off after step t
    valid[t]       False where the call only fetched the next episode's first
                   observation: its action was ignored and its reward is no
                   reward. These rows belong in no loss and no statistic.

Observations are stored as the policy saw them, actions as it meant them. Only on
their way into the environment are actions fitted to its space, by `fit_actions`.

Shapes: T steps, N environments, D observation size, A action dimensions.
"""

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from arrays import floats, indices
from environments import EnvironmentFailed, reset


class Episode(NamedTuple):
    """One whole episode; `began` and `ended` count the sampler's steps, all environments' together.

    `total` is its undiscounted return, `length` its number of steps.
    """

    began: int
    ended: int
    total: float
    length: int


class Rollout(NamedTuple):
    """T steps of N environments side by side."""

    obs: np.ndarray  # (T+1, N, D) float, as the policy saw them
    actions: np.ndarray  # (T, N) int or (T, N, A) float
    rewards: np.ndarray  # (T, N) float
    terminated: np.ndarray  # (T, N) bool
    truncated: np.ndarray  # (T, N) bool
    log_probs: np.ndarray  # (T, N) float, of the actions when they were taken
    valid: np.ndarray  # (T, N) bool
    episodes: list  # of Episode: those that ended in it


def fit_actions(actions, action_space):
    """A policy's actions as one environment's action space takes them.

    Discrete: (N,) int, counted from 0  ->  counted from the space's own start.
    Box: (N,A) float, any real numbers  ->  clipped to its bounds, in its dtype.
    Raises ValueError for other shapes, and for an action that a Discrete space has not.
    """
    if isinstance(action_space, gym.spaces.Discrete):
        return indices(actions, np.size(actions), action_space.n) + action_space.start
    bounded = floats("NA A A", actions, action_space.low, action_space.high)
    return np.clip(*bounded).astype(action_space.dtype)


class Actor:
    """A policy as an environment meets it: its observations in, actions of its space out.

    `greedy`, `sample` and `distribution` are the policy's (policies.py), but actions come as
    `fit_actions` gives them. An Actor of an Actor is one of its policy.
    """

    def __init__(self, policy, action_space):
        self.policy: Any = policy.policy if isinstance(policy, Actor) else policy
        self.action_space = action_space

    @property
    def parameters(self):
        return self.policy.parameters

    def greedy(self, obs):
        return fit_actions(self.policy.greedy(obs), self.action_space)

    def sample(self, obs, rng):
        actions, log_probs = self.policy.sample(obs, rng)
        return fit_actions(actions, self.action_space), log_probs

    def distribution(self, obs):
        return self.policy.distribution(obs)


class Sampler:
    """Runs a policy in environments; owns their state from one rollout to the next.

    envs        gymnasium.vector.VectorEnv with NEXT_STEP autoreset
    seed        int or np.random.SeedSequence; the environments are seeded once, here
    normalizer  a normalization.RunningNormalizer for what the policy sees, or None
    steps       how many were taken before, where a training goes on

    Raises ValueError for another kind of autoreset.
    """

    def __init__(self, envs, seed, normalizer=None, steps=0):
        mode = envs.metadata.get("autoreset_mode")
        if mode != gym.vector.AutoresetMode.NEXT_STEP:
            raise ValueError(f"envs must have NEXT_STEP autoreset, not {mode}")
        self.envs, self.normalizer, self.steps = envs, normalizer, steps
        self.obs = reset(envs, seed)  # as the environments gave them
        self.ended = np.zeros(envs.num_envs, bool)  # does the next call only reset?
        # of the running episodes, so far:
        self.began = np.full(envs.num_envs, steps)
        self.totals, self.lengths = np.zeros(envs.num_envs), np.zeros(envs.num_envs, int)

    def collect(self, policy, num_steps, rng):
        """Act for `num_steps` steps in every environment; rng np.random.Generator -> Rollout.

        Floats are of the policy's dtype, but observations are normalised and
        returns summed before they are made so: in the environments' own.
        """
        dtype, shape = policy.parameters.dtype, (num_steps, self.envs.num_envs)
        raw = np.empty((num_steps + 1, *self.obs.shape), self.obs.dtype)
        obs = np.empty(raw.shape, dtype)
        rewards, log_probs = np.empty(shape, dtype), np.empty(shape, dtype)
        terminated, truncated, valid = (np.empty(shape, bool) for _ in range(3))
        actions, episodes = [], []
        raw[0] = self.obs
        obs[0] = self._seen(raw[0])
        for t in range(num_steps):
            action, log_probs[t] = policy.sample(obs[t], rng)
            actions.append(action)
            valid[t] = ~self.ended
            fitted = fit_actions(action, self.envs.single_action_space)
            self.obs, reward, terminated[t], truncated[t], _ = self.envs.step(fitted)
            rewards[t] = reward
            raw[t + 1] = self.obs
            obs[t + 1] = self._seen(raw[t + 1])
            episodes += self._count(reward, terminated[t] | truncated[t])
        if self.normalizer is not None:
            # Only now: a whole rollout is seen through the same glasses.
            try:
                self.normalizer.update(raw[:-1][valid])
            except ValueError as error:
                raise EnvironmentFailed(f"observations cannot be normalised: {error}") from None
        return Rollout(
            obs, np.array(actions), rewards, terminated, truncated, log_probs, valid, episodes
        )

    def _seen(self, obs):
        """What the policy is shown of observations (N,D)."""
        return obs if self.normalizer is None else self.normalizer(obs)

    def _count(self, rewards, ended):
        """Add one call's rewards to the running episodes -> those that ended with it, a list."""
        self.steps += len(ended) - np.count_nonzero(self.ended)
        self.totals += rewards * ~self.ended  # what a reset call pays is no episode's
        self.lengths += ~self.ended
        episodes = []
        for i in ended.nonzero()[0]:
            total, length = float(self.totals[i]), int(self.lengths[i])
            episodes.append(Episode(int(self.began[i]), self.steps, total, length))
            self.began[i], self.totals[i], self.lengths[i] = self.steps, 0, 0
        self.ended = ended
        return episodes
