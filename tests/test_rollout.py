"""Rollouts: what each row means when episodes end by a fall, a time limit, or not at all."""

import gymnasium as gym
import numpy as np
import pytest

from environments import reset, spawn_seeds
from policies import CategoricalPolicy
from rollout import Sampler


class Script(gym.Env):
    """Episodes that are written down: observation [episode, step], ends as told.

    `episodes` lists (length, end); the reward of a step is 10 · episode + step + 1.
    """

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, episodes):
        self.episodes, self.episode, self.actions = episodes, -1, []

    def _obs(self):
        return np.array([self.episode, self.now], np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.now = self.episode + 1, 0
        return self._obs(), {}

    def step(self, action):
        self.actions.append(action)
        self.now += 1
        length, end = self.episodes[self.episode % len(self.episodes)]
        last = self.now == length
        reward = 10.0 * self.episode + self.now
        return self._obs(), reward, last and end == "fall", last and end == "limit", {}


EPISODES = [(2, "fall"), (3, "limit"), (1, "fall"), (50, "limit")]


@pytest.fixture
def policy(rng):
    return CategoricalPolicy(2, 2, (8,), rng)


def scripted(*scripts):
    return gym.vector.SyncVectorEnv([lambda script=script: Script(script) for script in scripts])


def test_every_row_means_what_it_says(policy, rng):
    """fall after 2 steps · reset · limit after 3 · reset · fall after 1 · reset · running."""
    sampler = Sampler(scripted(EPISODES), seed=0)
    rollout = sampler.collect(policy, 10, rng)
    np.testing.assert_array_equal(
        rollout.obs[:, 0],
        # the true last observation stands after each end; the reset's comes one row later
        [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2], [1, 3], [2, 0], [2, 1], [3, 0], [3, 1]],
    )
    yes, no = True, False
    np.testing.assert_array_equal(
        rollout.valid[:, 0], [yes, yes, no, yes, yes, yes, no, yes, no, yes]
    )
    np.testing.assert_array_equal(np.flatnonzero(rollout.terminated), [1, 7])
    np.testing.assert_array_equal(np.flatnonzero(rollout.truncated), [5])
    np.testing.assert_array_equal(rollout.rewards[:, 0], [1, 2, 0, 11, 12, 13, 0, 21, 0, 31])
    # began, ended, total, length: the calls that only reset are no steps
    assert rollout.episodes == [(0, 2, 3.0, 2), (2, 5, 36.0, 3), (5, 6, 21.0, 1)]


def test_an_end_on_the_rollouts_edge(policy, rng):
    """The reset then opens the next rollout, as its only invalid row."""
    sampler = Sampler(scripted(EPISODES), seed=0)
    first = sampler.collect(policy, 2, rng)
    assert first.terminated[-1, 0] and first.valid.all()
    np.testing.assert_array_equal(first.obs[-1, 0], [0, 2])
    second = sampler.collect(policy, 4, rng)
    np.testing.assert_array_equal(second.valid[:, 0], [False, True, True, True])
    np.testing.assert_array_equal(second.obs[0, 0], first.obs[-1, 0])
    np.testing.assert_array_equal(second.obs[1, 0], [1, 0])
    assert second.episodes == [(2, 5, 36.0, 3)]


def test_an_episode_may_span_rollouts(policy, rng):
    sampler = Sampler(scripted([(5, "limit"), (9, "fall")]), seed=0)
    assert sampler.collect(policy, 3, rng).episodes == []
    assert sampler.collect(policy, 3, rng).episodes == [(0, 5, 15.0, 5)]


def test_environments_are_independent_columns(policy, rng):
    rollout = Sampler(scripted(EPISODES, [(4, "fall"), (9, "fall")]), seed=0).collect(
        policy, 6, rng
    )
    np.testing.assert_array_equal(np.flatnonzero(~rollout.valid[:, 0]), [2])
    np.testing.assert_array_equal(np.flatnonzero(~rollout.valid[:, 1]), [4])


def test_actions_reach_the_environment_as_stored(policy, rng):
    envs = scripted([(100, "fall")])
    rollout = Sampler(envs, seed=0).collect(policy, 20, rng)
    np.testing.assert_array_equal(rollout.actions[:, 0], envs.envs[0].actions)
    np.testing.assert_allclose(
        rollout.log_probs[:, 0], policy.forward(rollout.obs[:-1, 0], rollout.actions[:, 0])[0],
        rtol=1e-5,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["vector_entry_point", "sync"])
def test_cartpoles_physics_row_by_row(kind, rng):
    """Replay each environment's actions from its observations through CartPole itself."""
    envs = gym.make_vec("CartPole-v1", num_envs=3, vectorization_mode=kind)
    policy = CategoricalPolicy(4, 2, (8,), rng, dtype=np.float64)
    sampler = Sampler(envs, seed=3)
    rollouts = [sampler.collect(policy, 60, rng) for _ in range(2)]
    single = gym.make("CartPole-v1").unwrapped
    single.reset(seed=0)
    resets = 0
    for rollout in rollouts:
        for t, n in np.ndindex(rollout.rewards.shape):
            if not rollout.valid[t, n]:
                resets += 1
                assert rollout.rewards[t, n] == 0
                assert not (rollout.terminated[t, n] or rollout.truncated[t, n])
                assert (np.abs(rollout.obs[t + 1, n]) <= 0.05).all()  # a fresh start
                continue
            single.state = rollout.obs[t, n]
            single.steps_beyond_terminated = None
            obs, reward, terminated, _, _ = single.step(int(rollout.actions[t, n]))
            np.testing.assert_allclose(rollout.obs[t + 1, n], obs, atol=1e-5)
            assert rollout.rewards[t, n] == reward == 1
            assert rollout.terminated[t, n] == terminated
    assert resets >= 3


@pytest.mark.parametrize("kind", ["vector_entry_point", "sync"])
def test_cartpoles_time_limit_is_truncation(kind, rng):
    """A limit of 5 steps, before any pole can fall: every sixth call is a reset."""
    envs = gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode=kind, max_episode_steps=5)
    sampler = Sampler(envs, seed=0)
    rollout = sampler.collect(CategoricalPolicy(4, 2, (8,), rng), 12, rng)
    for n in range(2):
        np.testing.assert_array_equal(np.flatnonzero(rollout.truncated[:, n]), [4, 10])
        np.testing.assert_array_equal(np.flatnonzero(~rollout.valid[:, n]), [5, 11])
    assert not rollout.terminated.any()
    assert rollout.episodes == [(0, 10, 5.0, 5)] * 2 + [(10, 20, 5.0, 5)] * 2


def test_seeds_share_no_stream():
    """Gymnasium's own seeding gives seeds 0 and 1 almost the same environments."""
    seeds = [seed for run in range(100) for seed in spawn_seeds(run, 32)]
    assert len(set(seeds)) == 3_200
    for kind in ("vector_entry_point", "sync"):
        starts = []
        for seed in (0, 1):
            envs = gym.make_vec("CartPole-v1", num_envs=4, vectorization_mode=kind)
            starts += [tuple(row) for row in reset(envs, seed)]
        assert len(set(starts)) == 8


def test_other_autoreset_is_refused(policy):
    envs = gym.vector.SyncVectorEnv(
        [lambda: Script(EPISODES)], autoreset_mode=gym.vector.AutoresetMode.SAME_STEP
    )
    with pytest.raises(ValueError, match="NEXT_STEP"):
        Sampler(envs, seed=0)


@pytest.mark.parametrize("reward", [2.0**24 + 1, 0.1, 1e-30, 123_456_789.125, 1e300])
def test_returns_are_the_environment_s_own_to_the_last_digit(policy, rng, reward):
    """Summed in float64, whatever the policy computes in; the rollout's rewards are its floats."""
    envs = gym.vector.SyncVectorEnv([lambda: Paid(Script([(3, "fall")]), reward)])
    with np.errstate(over="ignore"):
        rollout = Sampler(envs, seed=0).collect(policy, 5, rng)
    assert rollout.episodes[0].total == reward + reward + reward
    assert rollout.rewards.dtype == np.float32


class Paid(gym.RewardWrapper):
    def __init__(self, env, reward):
        super().__init__(env)
        self.paid = reward

    def reward(self, reward):
        return self.paid
