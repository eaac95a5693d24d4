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

Actions are stored as the policy meant them. Only on their way into the
environment are they fitted to its action space, by `fit_actions`.

Shapes: T steps, N environments, D observation size, A action dimensions.
"""

import difflib
from typing import NamedTuple

import gymnasium as gym
import numpy as np

import gym_api


class Rollout(NamedTuple):
    """T steps of N environments side by side."""

    obs: np.ndarray  # (T+1, N, D) float
    actions: np.ndarray  # (T, N) int or (T, N, A) float
    rewards: np.ndarray  # (T, N) float
    terminated: np.ndarray  # (T, N) bool
    truncated: np.ndarray  # (T, N) bool
    log_probs: np.ndarray  # (T, N) float, of the actions when they were taken
    valid: np.ndarray  # (T, N) bool


def make_envs(env_id, num_envs):
    """N environments as one gymnasium.vector.VectorEnv.

    CartPole brings its own vectorised implementation; others run one after
    another in a SyncVectorEnv. "gym/ID" is the original gym's ID (gym_api.py).
    Raises ValueError for an id that Gymnasium doesn't know (naming the nearest
    ones), an environment whose extra packages are missing, or spaces other
    than a flat Box of observations and Discrete or flat Box actions.
    """
    if env_id.startswith(gym_api.NAMESPACE):
        gym_api.register_gym_envs()
    try:
        gym.spec(env_id)  # unlike make_vec, it wants the whole id, version and all
        envs = gym.make_vec(env_id, num_envs=num_envs)
    except gym.error.DependencyNotInstalled as error:
        file = "pip install -r requirements/box2d.txt" if "ox2d" in str(error) else str(error)
        raise ValueError(f"{env_id} needs a package that is missing: {file}") from None
    except (gym.error.Error, ImportError) as error:
        nearest = [] if env_id in gym.registry else nearest_ids(env_id)
        hint = f"did you mean {' or '.join(nearest)}?" if nearest else str(error).splitlines()[0]
        raise ValueError(f"no environment {env_id!r}; {hint}") from None
    try:
        check_spaces(env_id, envs.single_observation_space, envs.single_action_space)
    except ValueError:
        envs.close()
        raise
    return envs


def nearest_ids(env_id):
    """Up to three ids that Gymnasium knows and that are spelled alike, newest versions only."""
    newest = {}
    for known in gym.registry:
        name, _, version = known.rpartition("-v")
        if ("/" in env_id or "/" not in known) and version.isdecimal():
            newest[name] = max(newest.get(name, 0), int(version))
    alike = difflib.get_close_matches(env_id.rpartition("-v")[0] or env_id, newest, cutoff=0.7)
    return [f"{name}-v{newest[name]}" for name in alike]


def reward_threshold(env_id):
    """The mean return from which on the environment counts as solved, a float, or None."""
    if env_id.startswith(gym_api.NAMESPACE):
        gym_api.register_gym_envs()
    return gym.spec(env_id).reward_threshold


def check_spaces(env_id, obs_space, action_space):
    """Raise ValueError, saying what is supported, unless the spaces are."""
    flat = isinstance(obs_space, gym.spaces.Box) and len(obs_space.shape) == 1
    if not flat:
        raise ValueError(f"{env_id} observes {obs_space}; supported: a flat Box, shape (D,)")
    flat = isinstance(action_space, gym.spaces.Box) and len(action_space.shape) == 1
    continuous = flat and np.issubdtype(action_space.dtype, np.floating)
    if not (continuous or isinstance(action_space, gym.spaces.Discrete)):
        raise ValueError(
            f"{env_id} acts in {action_space}; "
            "supported: Discrete, or a flat Box of real numbers, shape (A,)"
        )


def fit_actions(actions, action_space):
    """A policy's actions as one environment's action space takes them.

    Discrete: (N,) int, counted from 0  ->  counted from the space's own start.
    Box: (N,A) float, any real numbers  ->  clipped to its bounds, in its dtype.
    """
    if isinstance(action_space, gym.spaces.Discrete):
        return actions + action_space.start
    return np.clip(actions, action_space.low, action_space.high).astype(action_space.dtype)


def spawn_seeds(seed, count):
    """seed: int or np.random.SeedSequence -> `count` ints that no other seed shares.

    Gymnasium by itself seeds environment i with seed + i, so that seeds 0 and 1
    would train on almost the same episodes.
    """
    if not isinstance(seed, np.random.SeedSequence):
        seed = np.random.SeedSequence(seed)
    return [int(state) for state in seed.generate_state(count, np.uint64)]


def reset(envs, seed):
    """Start every environment anew: seed (int or SeedSequence) -> first observations (N,D)."""
    if isinstance(envs, (gym.vector.SyncVectorEnv, gym.vector.AsyncVectorEnv)):
        return envs.reset(seed=spawn_seeds(seed, envs.num_envs))[0]
    # CartPole's own vector environment draws all N from one generator.
    return envs.reset(seed=spawn_seeds(seed, 1)[0])[0]


class Sampler:
    """Runs a policy in environments; owns their state from one rollout to the next.

    envs  gymnasium.vector.VectorEnv with NEXT_STEP autoreset
    seed  int or np.random.SeedSequence; the environments are seeded once, here

    After each `collect`, `episodes` lists (return, length) of the episodes that
    ended in it. Raises ValueError for another kind of autoreset.
    """

    def __init__(self, envs, seed):
        mode = envs.metadata.get("autoreset_mode")
        if mode != gym.vector.AutoresetMode.NEXT_STEP:
            raise ValueError(f"envs must have NEXT_STEP autoreset, not {mode}")
        self.envs = envs
        self.obs = reset(envs, seed)
        self.ended = np.zeros(envs.num_envs, bool)  # does the next call only reset?
        self.returns = np.zeros(envs.num_envs)  # of the running episodes, so far
        self.lengths = np.zeros(envs.num_envs, int)
        self.episodes = []

    def collect(self, policy, num_steps, rng):
        """Act for `num_steps` steps in every environment; rng np.random.Generator -> Rollout.

        Floats are of the policy's dtype. Actions are sampled, and stored as the
        policy meant them.
        """
        dtype, shape = policy.parameters.dtype, (num_steps, self.envs.num_envs)
        obs = np.empty((num_steps + 1, *self.obs.shape), dtype)
        obs[0] = self.obs
        rewards, log_probs = np.empty(shape, dtype), np.empty(shape, dtype)
        terminated, truncated, valid = (np.empty(shape, bool) for _ in range(3))
        actions, self.episodes = [], []
        for t in range(num_steps):
            action, log_probs[t] = policy.sample(obs[t], rng)
            actions.append(action)
            valid[t] = ~self.ended
            fitted = fit_actions(action, self.envs.single_action_space)
            obs[t + 1], rewards[t], terminated[t], truncated[t], _ = self.envs.step(fitted)
            self._count(rewards[t], terminated[t] | truncated[t])
        self.obs = obs[-1]
        return Rollout(obs, np.array(actions), rewards, terminated, truncated, log_probs, valid)

    def _count(self, rewards, ended):
        """Add one call's rewards to the running episodes and note those that ended."""
        self.returns += rewards  # 0 on a reset call
        self.lengths += ~self.ended
        for i in np.flatnonzero(ended):
            self.episodes.append((float(self.returns[i]), int(self.lengths[i])))
        self.returns[ended] = 0
        self.lengths[ended] = 0
        self.ended = ended
