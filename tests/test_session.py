"""lab/watch/session.py: what is shown belongs together, and pushes obey CartPole's physics."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv
from pictures import balancing_policy, falling_policy

import ppo
from lab.watch.recorder import record
from lab.watch.session import (
    FASTEST_FPS,
    PUSH,
    SLOWEST_FPS,
    TRACE_SECONDS,
    USUAL_FPS,
    CannotRender,
    Session,
    action_names,
)
from nn import MLP
from policies import CategoricalPolicy, GaussianPolicy
from promises import EnvironmentFailed
from training import Trainer


@pytest.fixture
def value(rng):
    return MLP((4, 8, 1), rng)


def test_a_session_is_gymnasiums_own_episode(rng, value):
    policy = balancing_policy(rng)
    session = Session(policy, value, "CartPole-v1", seed=5)
    env = gym.make("CartPole-v1")
    obs, _ = env.reset(seed=5)
    total = 0.0
    for step in range(30):
        np.testing.assert_array_equal(session.obs, obs)
        logits = policy.network(obs[None])[0].astype(float)
        expected = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(session.probabilities, expected, rtol=1e-5)
        assert session.action == expected.argmax()
        assert session.value_now == pytest.approx(float(value(obs[None])[0, 0]))
        assert session.angle == pytest.approx(float(np.degrees(obs[2])))
        assert (session.steps, session.total_reward, session.ended) == (step, total, "")
        obs, reward, *_ = env.step(int(expected.argmax()))
        total += reward
        session.step()


def test_endings_and_the_next_episode(rng, value):
    session = Session(falling_policy(rng), value, "CartPole-v1", seed=0)
    while not session.ended:
        session.step()
    assert session.ended == "terminated" and session.steps < 30 and session.angle > 12
    first_end = session.steps
    session.step()  # begins the next one
    assert (session.episode, session.steps, session.total_reward, session.ended) == (2, 0, 0, "")
    assert len(session.angles) == len(session.values) == 1
    assert first_end > 5

    session = Session(balancing_policy(rng), value, "CartPole-v1", seed=0)
    while not session.ended:
        session.step()
    assert session.ended == "truncated" and session.total_reward == 500
    assert len(session.angles) == len(session.values) == TRACE_SECONDS * 50
    assert session.angles[-1] == session.angle and session.values[-1] == session.value_now


@pytest.mark.parametrize("direction", [-1, 1])
def test_a_push_is_cartpoles_own_motion_under_a_short_strong_force(rng, value, direction):
    session = Session(balancing_policy(rng), value, "CartPole-v1", seed=0)
    session.env.unwrapped.state = np.array([0.3, -0.2, 0.15, 0.4])
    session.push(direction)

    instant = 1e-9
    env = CartPoleEnv()
    env.state, env.tau, env.force_mag = np.array([0.3, -0.2, 0.15, 0.4]), instant, PUSH / instant
    env.step((direction + 1) // 2)
    np.testing.assert_allclose(session.env.unwrapped.state, env.state, atol=1e-6)
    np.testing.assert_allclose(session.obs, env.state, atol=1e-6)
    assert session.env.unwrapped.state[1] * direction > 0.5  # the cart goes where it is pushed
    assert session.push_direction == direction
    for _ in range(20):
        session.step()
    assert session.push_direction == 0  # shown for a while only


def test_a_good_policy_recovers_from_one_push_but_not_from_three(rng, value):
    session = Session(balancing_policy(rng), value, "CartPole-v1", seed=0)
    for _ in range(50):
        session.step()
    session.push(1)
    for _ in range(100):
        session.step()
    assert not session.ended and abs(session.angle) < 2
    for _ in range(3):
        session.push(1)
    while not session.ended:
        session.step()
    assert session.ended == "terminated"
    state = session.env.unwrapped.state.copy()
    session.push(1)  # after the end nothing moves
    np.testing.assert_array_equal(session.env.unwrapped.state, state)


def test_values_are_shown_in_the_environments_own_rewards(rng, value):
    about = balancing_policy(rng), value, "CartPole-v1"
    plain, scaled = Session(*about, seed=0), Session(*about, seed=0, reward_scale=0.1)
    assert scaled.value_now == pytest.approx(10 * plain.value_now) != 0


def test_greedy_and_sampled(rng, value):
    policy = CategoricalPolicy(4, 2, (), rng)
    policy.network.layers[0][0][:] = 0
    policy.network.layers[0][1][:] = 0, np.log(3)  # π(right) = 3/4 everywhere
    session = Session(policy, value, "CartPole-v1", seed=1)
    np.testing.assert_allclose(session.probabilities, [0.25, 0.75], atol=1e-6)
    assert {session.action for _ in range(20) if session.step() is None} == {1}
    session.toggle_greedy()
    actions = []
    for _ in range(2_000):
        session.step()
        actions.append(session.action)
    assert np.mean(actions) == pytest.approx(0.75, abs=0.04)  # 4 standard errors
    session.toggle_greedy()
    assert session.action == 1


def test_other_environments_show_their_own_picture(rng):
    session = Session(CategoricalPolicy(6, 3, (8,), rng), MLP((6, 8, 1), rng), "Acrobot-v1", seed=0)
    assert not session.is_cartpole and session.fps == 15
    pixels = session.picture()
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.std() > 0
    state = np.array(session.env.unwrapped.state)
    session.push(1)
    np.testing.assert_array_equal(session.env.unwrapped.state, state)
    session.close()


def test_gaussian_policies_show_means_and_deviations(rng):
    policy = GaussianPolicy(3, 1, (8,), rng)
    policy.log_stds[:] = np.log(0.5)
    session = Session(policy, MLP((3, 8, 1), rng), "Pendulum-v1", seed=0, greedy=False)
    obs = session.obs[None].astype(np.float32)
    np.testing.assert_allclose(session.means, policy.network(obs)[0])
    np.testing.assert_allclose(session.stds, [0.5], rtol=1e-6)
    assert session.probabilities is None and session.action != session.means
    low, high = session.action_bounds
    assert (low, high) == (-2, 2)
    policy.network.layers[-1][1][:] = 50  # far outside of what the motor can do
    session.step()
    session.step()
    assert session.env.unwrapped.last_u == 2
    session.close()


def test_action_names_fit_the_number_of_actions():
    assert action_names("CartPole-v1", 2) == ("left", "right")
    assert action_names("CartPole-v1", 3) == ("action 0", "action 1", "action 2")
    assert action_names("somewhere/Unknown-v7", 1) == ("action 0",)


class Odd(gym.Env):
    """An environment of the user's own, whose pictures are what a test says."""

    observation_space = gym.spaces.Box(-1, 1, (4,))
    action_space = gym.spaces.Discrete(2)
    pixels = None

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        return np.zeros(4, np.float32), {}

    def step(self, action):
        return np.zeros(4, np.float32), 1.0, False, False, {}

    def render(self):
        if isinstance(self.pixels, Exception):
            raise self.pixels
        return self.pixels


PICTURE = np.zeros((4, 6, 3), np.uint8)


@pytest.fixture
def odd(rng, value):
    """odd(…) -> a Session of such an environment; `more` are other attributes and methods."""

    def make(pixels=None, modes=("rgb_array",), fps=20, **more):
        metadata = {"render_modes": modes, "render_fps": fps}
        mine = type("Mine", (Odd,), {"metadata": metadata, "pixels": pixels, **more})
        gym.registry.pop("Odd-v0", None)
        gym.register("Odd-v0", entry_point=mine, max_episode_steps=50)
        return Session(balancing_policy(rng), value, "Odd-v0", seed=0)

    yield make
    gym.registry.pop("Odd-v0", None)


@pytest.mark.parametrize("fps", [0, -1, None, "30", np.nan, np.inf, 1e300, 1e-9, 10**400, [30]])
def test_an_unusable_frame_rate_is_replaced(odd, fps):
    session = odd(fps=fps, pixels=PICTURE)
    assert session.fps == USUAL_FPS
    assert session.picture() is PICTURE
    assert odd(fps=12.5, pixels=PICTURE).fps == 12.5


def test_every_usable_frame_rate_can_be_recorded(odd, tmp_path):
    for fps in (SLOWEST_FPS, FASTEST_FPS, np.float32(30), 1e300, 1e-9):
        record(odd(fps=fps, pixels=PICTURE), tmp_path / "x.gif", max_steps=3)
    with pytest.raises(CannotRender, match="it has no render mode rgb_array"):
        odd(metadata=None)


@pytest.mark.parametrize(
    "settings, reason",
    [
        ({"modes": ()}, "it has no render mode rgb_array"),
        ({"modes": ("human",)}, "it has no render mode rgb_array"),
        ({"modes": 5}, "it has no render mode rgb_array"),
        ({"modes": None}, "it has no render mode rgb_array"),
        ({"__init__": lambda self: None}, "render_mode"),
        ({"pixels": None}, "it renders NoneType"),
        ({"pixels": PICTURE / 255}, "it renders float64 (4, 6, 3)"),
        ({"pixels": PICTURE[..., 0]}, "it renders uint8 (4, 6)"),
        ({"pixels": [PICTURE]}, "it renders list"),
        ({"pixels": RuntimeError("no GPU\nat all")}, "no GPU"),
    ],
)
def test_what_cannot_be_shown_says_why_in_one_line(odd, settings, reason):
    with pytest.raises(CannotRender) as raised:
        odd(**settings).picture()
    said = str(raised.value)
    assert said.startswith("Odd-v0 cannot be shown: ") and reason in said and "\n" not in said


def test_an_environment_that_fails_is_named_in_one_line(odd):
    def step(self, action):
        raise KeyError("no\nlevel")

    with pytest.raises(EnvironmentFailed, match=r"^Odd-v0 failed in test_session.py, .*KeyError"):
        odd(pixels=PICTURE, step=step).step()


def test_the_user_s_video_driver_plays_no_part(rng, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "wayland")
    policy, value = CategoricalPolicy(6, 3, (), rng), MLP((6, 8, 1), rng)
    assert Session(policy, value, "Acrobot-v1", seed=0).picture().any()


def test_v_is_of_what_the_value_network_learned_from():
    """A run with normalised observations: V(s) of the normalised state, not of the raw one."""
    config = ppo.Config(total_steps=2_000, normalize_observations=True)
    trainer = Trainer(ppo, "CartPole-v1", config, seed=0)
    for _ in trainer:
        pass
    session = Session.of(trainer, seed=0)
    seen = trainer.normalizer(session.obs[None])
    assert session.value_now == float(trainer.value(seen)[0, 0])
    assert abs(session.value_now - float(trainer.value(session.obs[None])[0, 0])) > 1e-3
