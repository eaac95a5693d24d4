"""Running moments against numpy on all rows at once; who may change them, and where they live."""

import copy

import gymnasium as gym
import numpy as np
import pytest

import ppo
import ppo_penalty
import vpg
from lab.runs.records import RunFolder, load_policy
from normalization import LARGEST, RunningNormalizer
from training import Trainer, evaluate


@pytest.mark.parametrize("sizes", [(1,), (50,), (1, 1), (1, 40, 0, 7), (30, 1, 2, 17, 50)])
def test_parts_give_the_moments_of_the_whole(sizes, rng):
    rows = rng.normal([1e3, -2, 0], [1e-2, 5, 0], (sum(sizes), 3))
    normalizer = RunningNormalizer(3)
    for part in np.split(rows, np.cumsum(sizes)[:-1]):
        normalizer.update(part)
    assert normalizer.count == len(rows)
    np.testing.assert_allclose(normalizer.mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(normalizer.variance, rows.var(axis=0), rtol=1e-6, atol=1e-15)


CONFIG = {"total_steps": 2_000, "num_envs": 4, "num_steps": 64, "normalize_observations": True}


def test_moments_are_those_of_the_valid_rows_of_every_rollout():
    """Also: a rollout's observations are those rows, seen through the moments of all before it."""
    trainer = Trainer(vpg, "CartPole-v1", vpg.Config(**CONFIG), seed=0)
    raw, step = [], trainer.envs.step

    def watch(actions):
        raw.append(step(actions))
        return raw[-1]

    start = trainer.sampler.obs.copy()
    trainer.envs.step = watch
    seen, resets = np.empty((0, 4)), 0
    for _ in trainer:
        obs = np.array([start, *(row[0] for row in raw)], np.float32)
        mean, deviation = (seen.mean(axis=0), seen.std(axis=0)) if len(seen) else (0, 1)
        np.testing.assert_allclose(
            trainer.rollout.obs, ((obs - mean) / deviation).clip(-LARGEST, LARGEST), atol=1e-4
        )
        seen = np.concatenate([seen, obs[:-1][trainer.rollout.valid]])
        resets += np.sum(~trainer.rollout.valid)
        start, raw[:] = obs[-1], []
    assert resets > 10
    assert trainer.normalizer.count == len(seen) == trainer.env_steps
    np.testing.assert_allclose(trainer.normalizer.mean, seen.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(trainer.normalizer.variance, seen.var(axis=0), rtol=1e-6)


def test_ratios_begin_at_one_though_the_moments_move(monkeypatch):
    """The rollout's log-probabilities must be those of the networks that are updated."""
    gaps, update = [], ppo.update

    def spy(learner, batch, config, progress, rng):
        log_probs, _, _ = learner.policy.forward(batch.obs, batch.actions)
        gaps.append(np.abs(log_probs - batch.log_probs).max())
        return update(learner, batch, config, progress, rng)

    monkeypatch.setattr(ppo, "update", spy)
    list(Trainer(ppo, "Pendulum-v1", ppo.Config(**CONFIG), seed=0))
    assert len(gaps) > 5 and max(gaps) < 1e-4


def test_the_policy_that_acts_looks_through_frozen_moments():
    trainer = Trainer(ppo, "CartPole-v1", ppo.Config(**CONFIG), seed=0)
    list(trainer)
    normalizer = trainer.normalizer
    before = copy.deepcopy(vars(normalizer))
    evaluate(trainer.policy, "CartPole-v1", 5, 0)
    for name, array in vars(normalizer).items():
        np.testing.assert_array_equal(array, before[name])
    obs = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    by_hand = ((obs - normalizer.mean) / np.sqrt(normalizer.variance + 1e-8)).astype(np.float32)
    by_hand = by_hand.clip(-LARGEST, LARGEST)
    bare = trainer.learner.policy
    np.testing.assert_allclose(
        trainer.policy.distribution(obs), bare.distribution(by_hand), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(trainer.policy.greedy(obs), bare.greedy(by_hand))
    actions, log_probs = trainer.policy.sample(obs, np.random.default_rng(1))
    np.testing.assert_allclose(log_probs, bare.forward(by_hand, actions)[0], rtol=1e-5)
    assert np.abs(bare.distribution(obs) - bare.distribution(by_hand)).max() > 1e-3


@pytest.mark.parametrize("algorithm", [ppo, ppo_penalty])
def test_a_checkpoint_carries_the_moments_and_the_penalty_s_weight(tmp_path, algorithm):
    trainer = Trainer(algorithm, "MountainCarContinuous-v0", algorithm.Config(**CONFIG), seed=3)
    for _ in range(3):
        trainer.iterate()
    folder = RunFolder.create(tmp_path, trainer)
    twice = [folder.load_trainer() for _ in range(2)]
    for resumed in twice:
        normalizer = resumed.normalizer
        np.testing.assert_array_equal(normalizer.mean, trainer.normalizer.mean)
        np.testing.assert_array_equal(normalizer.variance, trainer.normalizer.variance)
        assert normalizer.count == trainer.normalizer.count == trainer.env_steps
        assert resumed.sampler.normalizer is normalizer
        assert resumed.learner.memory == trainer.learner.memory
        assert ("kl_coefficient" in resumed.learner.memory) == (algorithm is ppo_penalty)
        np.testing.assert_array_equal(
            evaluate(resumed.policy, trainer.env_id, 3, 0),
            evaluate(trainer.policy, trainer.env_id, 3, 0),
        )
        list(resumed)
    np.testing.assert_array_equal(twice[0].policy.parameters, twice[1].policy.parameters)


def test_off_by_default():
    trainer = Trainer(ppo, "CartPole-v1", ppo.Config(), seed=0)
    assert trainer.normalizer is None
    assert not any(name.startswith("obs") for name in trainer.state()[0])


class Clock(gym.Env):
    """Twenty steps; a clock that began long ago says which of two actions is right."""

    action_space = gym.spaces.Discrete(2)
    render_mode = None

    def __init__(self, offset, dtype):
        self.offset, self.dtype = offset, dtype
        self.observation_space = gym.spaces.Box(0, 2e9, (1,), dtype)

    def _obs(self):
        self.late = self.np_random.random() < 0.5
        return np.array([self.offset + 100 * self.late], self.dtype)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.now = 0
        return self._obs(), {}

    def step(self, action):
        reward = float(action == self.late)
        self.now += 1
        return self._obs(), reward, False, self.now == 20, {}


@pytest.mark.parametrize("offset, dtype", [(1.7e9, np.float64), (1_700_000_000, np.int64)])
def test_a_clock_is_normalised_before_float32_sees_it(tmp_path, offset, dtype):
    """And judged and loaded as it was trained."""
    gym.register("Clock-v0", Clock, kwargs={"offset": offset, "dtype": dtype})
    try:
        config = ppo.Config(total_steps=6_000, normalize_observations=True)
        trainer = Trainer(ppo, "Clock-v0", config, seed=0)
        for _ in trainer:
            pass
        assert trainer.normalizer.mean == pytest.approx(offset + 50, abs=3)
        assert evaluate(trainer.policy, "Clock-v0", 20, 0).mean() == 20
        assert trainer.rollout.obs.dtype == np.float32
        loaded = load_policy(RunFolder.create(tmp_path, trainer).path)
        obs = np.array([[offset], [offset + 100]], dtype)
        for policy in (trainer.policy, loaded):
            np.testing.assert_array_equal(policy.greedy(obs), [0, 1])
            assert policy.distribution(obs).dtype == np.float32
    finally:
        del gym.registry["Clock-v0"]
