"""The Gaussian policy end to end, and the door between policies and action spaces."""

import gymnasium as gym
import numpy as np
import pytest

import ppo
import ppo_penalty
import vpg
from config import CommonConfig
from distributions import gaussian_entropy, gaussian_log_prob, gaussian_log_prob_backward
from environments import check_spaces, make_envs
from policies import CategoricalPolicy, GaussianPolicy
from rollout import Sampler, fit_actions
from training import Trainer, evaluate, make_learner

STEP = 1e-30  # of the complex step: exact to the last digit


def gaussian(rng):
    """A small complex policy with three inputs and two action dimensions, and seven rows."""
    policy = GaussianPolicy(3, 2, (5,), rng, dtype=np.complex128, initial_log_std=-0.3)
    policy.log_stds[:] += [0.1, -0.4]
    policy.network.layers[-1][0][:] *= 50  # means of the order of 1, like the deviations
    return policy, rng.standard_normal((7, 3)), rng.standard_normal((7, 2))


def numeric_gradient(policy, loss):
    """dLoss/dparameters by complex step: an oracle that shares nothing with backprop."""
    gradient = np.zeros(policy.parameters.size)
    for i in range(policy.parameters.size):
        policy.parameters[i] += 1j * STEP
        gradient[i] = loss().imag / STEP
        policy.parameters[i] -= 1j * STEP
    return gradient


def log_density(policy, obs, actions):
    """Σⱼ log N(aⱼ; μⱼ, σⱼ), written down anew."""
    means, deviations = policy.network(obs), np.exp(policy.log_stds)
    densities = np.exp(-((actions - means) ** 2) / (2 * deviations**2))
    return np.log(densities / (deviations * np.sqrt(2 * np.pi))).sum(axis=1)


def test_vpg_gradient_reaches_every_parameter():
    rng = np.random.default_rng(0)
    policy, obs, actions = gaussian(rng)
    advantages, bonus = rng.standard_normal(7), 0.3

    def loss():
        entropy = np.sum(policy.log_stds)  # and a constant
        return -np.mean(advantages * log_density(policy, obs, actions)) - bonus * entropy

    _, _, cache = policy.forward(obs, actions)
    _, dlog_probs = vpg.policy_loss(np.zeros(7), advantages)
    by_hand = policy.backward(dlog_probs, np.full(7, -bonus / 7), cache)
    np.testing.assert_allclose(by_hand.real, numeric_gradient(policy, loss), atol=1e-12)


@pytest.mark.parametrize("objective", ["clip", "penalty"])
def test_ppo_gradient_reaches_every_parameter(objective):
    rng = np.random.default_rng(1)
    policy, obs, actions = gaussian(rng)
    old_log_probs = policy.forward(obs, actions)[0].real
    old_distribution = policy.distribution(obs).real
    old_means, old_log_stds = old_distribution[:, :2], old_distribution[:, 2:]
    policy.parameters += 0.3 * rng.standard_normal(policy.parameters.size)
    advantages, beta, clip_range = rng.standard_normal(7), 0.7, 0.2

    def loss():
        ratios = np.exp(log_density(policy, obs, actions) - old_log_probs)
        if objective == "penalty":
            ratio = np.exp(old_log_stds - policy.log_stds)  # of the deviations
            shift = (old_means - policy.network(obs)) / np.exp(policy.log_stds)
            kls = 0.5 * (ratio**2 + shift**2 - 1 - 2 * np.log(ratio)).sum(axis=1)
            return -np.mean(ratios * advantages - beta * kls)
        beyond = np.where(advantages > 0, ratios.real > 1.2, ratios.real < 0.8)
        limit = np.where(advantages > 0, 1.2, 0.8)
        return -np.mean(np.where(beyond, limit, ratios) * advantages)

    log_probs, _, cache = policy.forward(obs, actions)
    if objective == "penalty":
        kls = policy.kl(old_distribution, cache)
        assert np.all(kls.real > 1e-4)
        _, dlog_probs, dkls = ppo_penalty.penalized_surrogate(
            log_probs, old_log_probs, advantages, kls, beta
        )
        by_hand = policy.backward(dlog_probs, np.zeros(7), cache)
        by_hand += policy.kl_backward(dkls, old_distribution, cache)
    else:
        _, dlog_probs = ppo.clipped_surrogate(log_probs.real, old_log_probs, advantages, clip_range)
        assert 0 < np.count_nonzero(dlog_probs) < 7  # both branches
        by_hand = policy.backward(dlog_probs, np.zeros(7), cache)
    np.testing.assert_allclose(by_hand.real, numeric_gradient(policy, loss), atol=1e-12)


def test_samples_have_the_density_that_their_log_probs_claim():
    rng = np.random.default_rng(2)
    policy = GaussianPolicy(1, 2, (3,), rng, dtype=np.float64, initial_log_std=-0.5)
    policy.log_stds[1] = 0.4
    obs = np.full((200_000, 1), 0.7)
    actions, log_probs = policy.sample(obs, rng)
    np.testing.assert_allclose(log_probs, log_density(policy, obs, actions))
    deviations = np.exp([-0.5, 0.4])
    z = (actions.mean(axis=0) - policy.greedy(obs[:1])[0]) / (deviations / np.sqrt(len(obs)))
    assert np.all(np.abs(z) < 4)
    np.testing.assert_allclose(actions.std(axis=0), deviations, rtol=0.01)
    # The entropy is the mean of −log π (Eq. 29), whose terms here have variance A/2 = 1.
    assert abs(-log_probs.mean() - gaussian_entropy(policy.log_stds)) < 4 / np.sqrt(len(obs))


def test_density_integrates_to_one():
    log_stds = np.array([-0.4, 0.3])
    axes = [np.linspace(-12, 12, 801) for _ in log_stds]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    density = np.exp(gaussian_log_prob(grid, np.full_like(grid, [0.5, -1.0]), log_stds))
    assert density.sum() * (axes[0][1] - axes[0][0]) ** 2 == pytest.approx(1, abs=1e-10)


def test_scores_average_to_zero():
    rng = np.random.default_rng(3)
    means, log_stds = np.zeros((100_000, 1)), np.array([0.5])
    actions = np.exp(log_stds) * rng.standard_normal(means.shape)
    weights = np.full(len(means), 1 / len(means))
    dmeans, dlog_stds = gaussian_log_prob_backward(weights, actions, means, log_stds)
    root = np.sqrt(len(means))
    assert abs(dmeans.sum()) < 4 * np.exp(-0.5) / root  # second moment 1/σ²
    assert abs(dlog_stds[0]) < 4 * np.sqrt(2) / root  # second moment 2


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
    log_probs = log_density(policy, rollout.obs[:-1].reshape(12, 2), raw.reshape(12, 2))
    np.testing.assert_allclose(log_probs, rollout.log_probs.ravel(), atol=1e-5)


def test_discrete_actions_count_from_the_space_s_own_start():
    envs = recorders(gym.spaces.Discrete(3, start=-1))
    policy = CategoricalPolicy(2, 3, (4,), np.random.default_rng(0))
    rollout = Sampler(envs, 0).collect(policy, 4, np.random.default_rng(1))
    seen = np.stack([env.seen for env in envs.envs], axis=1)
    assert set(rollout.actions.ravel()) == {0, 1, 2}
    np.testing.assert_array_equal(seen, rollout.actions - 1)


def test_unbounded_boxes_and_other_dtypes():
    free = gym.spaces.Box(-np.inf, np.inf, (1,), np.float64)
    fitted = fit_actions(np.array([[1e9], [-3.0]], np.float32), free)
    assert fitted.dtype == np.float64
    np.testing.assert_array_equal(fitted, [[1e9], [-3.0]])


def test_evaluation_goes_through_the_door(monkeypatch):
    space = gym.spaces.Box(-0.1, 0.1, (1,), np.float32)
    envs = recorders(space, 2)
    seen = [env.seen for env in envs.envs]
    monkeypatch.setattr("training.make_envs", lambda *args: envs)
    policy = GaussianPolicy(2, 1, (4,), np.random.default_rng(0))
    policy.network.layers[-1][1][:] = 5
    np.testing.assert_array_equal(evaluate(policy, "Recorder", 2, 0), [4.0, 4.0])
    np.testing.assert_allclose(seen, np.full((2, 4, 1), 0.1), rtol=1e-6)


@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.Box(-1, 1, (2, 2)),
        gym.spaces.Box(0, 255, (2,), np.uint8),
        gym.spaces.MultiDiscrete([2, 2]),
        gym.spaces.MultiBinary(3),
    ],
)
def test_other_action_spaces_are_refused_in_one_line(space):
    with pytest.raises(ValueError, match="supported: Discrete, or a flat Box") as error:
        check_spaces("X-v0", Recorder.observation_space, space)
    assert "\n" not in str(error.value)


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
        Trainer(vpg, "Pendulum-v1", vpg.Config(num_steps=200, reward_scale=scale), 0)
        for scale in (1.0, 0.01)
    )
    first, second = plain.iterate(), scaled.iterate()
    assert first["mean_return"] == second["mean_return"] < -500
    assert second["value_loss"] < 1e-3 * first["value_loss"]


class Aim(gym.Env):
    """Pays −(a − s)² for naming the number s that it shows. Eight steps an episode."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Box(-2, 2, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time, self.number = 0, self.np_random.uniform(-1, 1, 1).astype(np.float32)
        return self.number, {}

    def step(self, action):
        reward = -float((action[0] - self.number[0]) ** 2)
        self.time += 1
        self.number = self.np_random.uniform(-1, 1, 1).astype(np.float32)
        return self.number, reward, False, self.time == 8, {}


@pytest.mark.parametrize("algorithm", [vpg, ppo])
def test_both_algorithms_learn_box_actions(algorithm, monkeypatch):
    monkeypatch.setattr(
        "training.make_envs", lambda env_id, count: gym.vector.SyncVectorEnv([Aim] * count)
    )
    trainer = Trainer(algorithm, "Aim", algorithm.Config(total_steps=60_000, gamma=0.0), seed=0)
    assert evaluate(trainer.policy, "Aim", 100, 0).mean() < -2  # 8 E[s²] = 8/3
    list(trainer)
    assert evaluate(trainer.policy, "Aim", 100, 0).mean() > -0.1
    assert trainer.policy.log_stds[0] < -0.3  # and it dares to be precise
