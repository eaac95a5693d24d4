"""What Chapter C's checks leave to say of policies, and the door from them to action spaces."""

import gymnasium as gym
import numpy as np
import pytest

import vpg
from config import CommonConfig
from environments import make_envs
from policies import CategoricalPolicy, GaussianPolicy
from rollout import Sampler
from training import Trainer, evaluate, make_learner


def test_sampling_follows_the_probabilities(rng):
    policy = CategoricalPolicy(2, 4, (), rng, dtype=np.float64)
    policy.parameters[:] = rng.standard_normal(policy.parameters.size)
    obs = np.tile(rng.standard_normal((1, 2)), (100_000, 1))
    shares = np.bincount(policy.sample(obs, rng)[0], minlength=4) / len(obs)
    probs = np.exp(policy.distribution(obs[:1]))[0]
    assert (np.abs(shares - probs) < 4 * np.sqrt(probs * (1 - probs) / len(obs))).all()


def test_sampling_survives_rounding(rng):
    """float32 probabilities may sum to less than 1; the last action takes what is left."""

    class AlmostOne:
        def random(self, shape, dtype):
            return np.full(shape, np.nextafter(dtype.type(1), dtype.type(0)), dtype)

    policy = CategoricalPolicy(4, 7, (16,), rng)
    actions, _ = policy.sample(rng.standard_normal((500, 4)).astype(np.float32), AlmostOne())
    assert (actions == 6).all()


def test_greedy_takes_the_likeliest(rng):
    obs = rng.standard_normal((8, 4))
    softmax, gaussian = (kind(4, 3, (6, 5), rng) for kind in (CategoricalPolicy, GaussianPolicy))
    np.testing.assert_array_equal(softmax.greedy(obs), softmax.distribution(obs).argmax(axis=1))
    np.testing.assert_array_equal(gaussian.greedy(obs), gaussian.distribution(obs)[:, :3])


def test_float32_stays_float32(rng):
    for kind in (CategoricalPolicy, GaussianPolicy):
        policy = kind(4, 2, (8,), rng)
        obs = rng.standard_normal((5, 4)).astype(np.float32)
        actions, log_probs = policy.sample(obs, rng)
        assert log_probs.dtype == np.float32
        log_probs, entropies, cache = policy.forward(obs, actions)
        assert log_probs.dtype == entropies.dtype == np.float32
        assert policy.backward(log_probs, entropies, cache).dtype == np.float32


# ---------------------------------------------------------------- the door


class Recorder(gym.Env):
    """Notes every action that reaches it. Four steps an episode."""

    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, action_space):
        self.action_space, self.seen, self.time = action_space, [], 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.seen.append(action)
        self.time += 1
        return np.full(2, self.time / 4, np.float32), 1.0, False, self.time == 4, {}


def recorders(action_space, count=3):
    return gym.vector.SyncVectorEnv([lambda: Recorder(action_space) for _ in range(count)])


def test_actions_are_clipped_for_the_environment_alone():
    space = gym.spaces.Box(np.array([-0.5, -2.0], np.float32), np.array([0.25, 0.1], np.float32))
    envs = recorders(space)
    policy = GaussianPolicy(2, 2, (4,), np.random.default_rng(0), initial_log_std=1.0)
    rollout = Sampler(envs, 0).collect(policy, 4, np.random.default_rng(1))
    seen = np.stack([env.seen for env in envs.envs], axis=1)
    raw = rollout.actions
    assert raw.shape == (4, 3, 2)
    outside = (raw < space.low) | (raw > space.high)
    assert outside.any() and not outside.all()
    np.testing.assert_array_equal(seen, np.minimum(np.maximum(raw, space.low), space.high))
    # The stored log-probability is the raw action's, so the first ratio is 1.
    log_probs, _, _ = policy.forward(rollout.obs[:-1].reshape(12, 2), raw.reshape(12, 2))
    np.testing.assert_allclose(log_probs, rollout.log_probs.ravel(), atol=1e-5)


def test_discrete_actions_count_from_the_space_s_own_start():
    envs = recorders(gym.spaces.Discrete(3, start=-1))
    policy = CategoricalPolicy(2, 3, (4,), np.random.default_rng(0))
    rollout = Sampler(envs, 0).collect(policy, 4, np.random.default_rng(1))
    seen = np.stack([env.seen for env in envs.envs], axis=1)
    assert set(rollout.actions.ravel()) == {0, 1, 2}
    np.testing.assert_array_equal(seen, rollout.actions - 1)


def test_evaluation_goes_through_the_door(monkeypatch):
    space = gym.spaces.Box(-0.1, 0.1, (1,), np.float32)
    envs = recorders(space, 2)
    seen = [env.seen for env in envs.envs]
    monkeypatch.setattr("training.make_envs", lambda *args: envs)
    policy = GaussianPolicy(2, 1, (4,), np.random.default_rng(0))
    policy.network.layers[-1][1][:] = 5
    np.testing.assert_array_equal(evaluate(policy, "Recorder", 2, 0), [4.0, 4.0])
    np.testing.assert_allclose(seen, np.full((2, 4, 1), 0.1), rtol=1e-6)


def test_policy_follows_the_action_space():
    discrete, box = make_envs("CartPole-v1", 1), make_envs("Pendulum-v1", 1)
    rng = np.random.default_rng(0)
    assert isinstance(make_learner(discrete, CommonConfig(), rng).policy, CategoricalPolicy)
    policy = make_learner(box, CommonConfig(initial_log_std=-1.5), rng).policy
    assert isinstance(policy, GaussianPolicy)
    np.testing.assert_array_equal(policy.log_stds, [-1.5])
    with pytest.raises(ValueError, match="initial_log_std"):
        make_learner(discrete, CommonConfig(initial_log_std=-1.5), rng)


def test_reward_scale_changes_what_is_learned_from_and_not_what_is_reported():
    plain, scaled = (
        Trainer(vpg, "Pendulum-v1", vpg.Config(num_envs=4, num_steps=200, reward_scale=scale), 0)
        for scale in (1.0, 0.01)
    )
    first, second = plain.iterate(), scaled.iterate()
    assert first["mean_return"] == second["mean_return"] < -500
    assert second["value_loss"] < 1e-3 * first["value_loss"]
