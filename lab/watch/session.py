"""One policy living in one environment, step by step: what a window or a recording shows.

Nothing is drawn here; lab/watch/scene.py lays a Session out, lab/watch/window.py shows it
in a window and lab/watch/recorder.py writes it to a file.
"""

import os
from collections import deque
from collections.abc import Collection, Mapping
from numbers import Real
from pathlib import Path

import gymnasium as gym
import numpy as np

from environments import closed, closed_if_it_fails, find_spec, make_env
from lab.kit import lesson
from lab.kit.failures import failures_of
from normalization import Normalized
from promises import EnvironmentFailed, blame
from rollout import fit_actions

TRACE_SECONDS = 5
PUSH = 1.0  # N·s, the impulse of one push: as much as CartPole's motor gives in five steps
PUSH_SHOWN = 15  # steps for which a push stays visible

USUAL_FPS = 30  # of an environment that doesn't say, or says what no file format can
SLOWEST_FPS, FASTEST_FPS = 0.1, 1_000

ACTION_NAMES = {
    "CartPole": ("left", "right"),
    "Acrobot": ("torque −1", "torque 0", "torque +1"),
    "MountainCar": ("left", "nothing", "right"),
    "LunarLander": ("nothing", "left engine", "main engine", "right engine"),
}
OBSERVED = {  # the first of the numbers that an environment shows
    "Acrobot": "cos θ₁ (1: hanging down)",
    "MountainCar": "position (goal: 0.5)",
    "MountainCarContinuous": "position (goal: 0.45)",
    "Pendulum": "cos θ (1: upright)",
    "LunarLander": "x (pad: 0)",
}
ANGLES, VELOCITIES = np.radians(np.linspace(-12, 12, 97)), np.linspace(-2, 2, 81)  # a portrait's


class CannotRender(ValueError):
    """An environment shows no pictures of itself; the message says why, in one line."""


def shown_env(env_id, shows_itself):
    """One environment, which gives pictures if it `shows_itself`. Raises CannotRender."""
    reason = "it has no render mode rgb_array"
    try:
        env = make_env(env_id)
        if not shows_itself:
            return env
        with closed(env):
            modes = metadata_of(env, "render_modes")
        if isinstance(modes, Collection) and "rgb_array" in modes:
            return make_env(env_id, render_mode="rgb_array")
    except EnvironmentFailed as error:
        reason = str(error).removeprefix(f"{env_id} cannot be made: ")
    raise CannotRender(f"{env_id} cannot be shown: {reason}")


def metadata_of(env, name):
    """What an environment's metadata say, which may be anything; None if nothing."""
    return env.metadata.get(name) if isinstance(env.metadata, Mapping) else None


def action_names(env_id, count):
    """What the `count` actions of an environment are called, for people."""
    names = ACTION_NAMES.get(family(env_id), ())
    return names if len(names) == count else tuple(f"action {k}" for k in range(count))


def family(env_id):
    """An environment's name without namespace and version."""
    return env_id.rsplit("/", 1)[-1].split("-")[0]


def portrait(policy):
    """CartPole's π(right) with the cart at rest in the middle -> (velocities, angles)."""
    angle, velocity = np.meshgrid(ANGLES, VELOCITIES)
    still = np.zeros_like(angle)
    obs = np.stack([still, still, angle, velocity], axis=-1).reshape(-1, 4)
    log_probs = policy.distribution(obs)
    return np.exp(log_probs[:, 1]).reshape(angle.shape).astype(np.float32)


class Session:
    """A policy and a value function at work, with all that there is to show.

    policy, value  take an environment's own observations: to a distribution, to V(s)
    env_id         a Gymnasium id
    seed           int; the same seed gives the same episodes
    greedy         take the likeliest action; otherwise actions are sampled
    title          one line about where the policy comes from
    caption        another one, about whose gradients they are; None for the lesson's
    reward_scale   what rewards were multiplied with in training; V(s) is shown without it

    Raises CannotRender for an environment that gives no pictures.

    What is shown belongs together: `obs` is the current state sₜ, `value_now`
    is V(sₜ), `probabilities` (K,) is π(·|sₜ) (None for a Gaussian policy, which
    has `means` and `stds` (A,) instead, and `action_bounds`), and `action` is
    the one chosen in sₜ, which the next `step` carries out. `ended` is "",
    "terminated" or "truncated". `angles` and `values` hold the last seconds.
    """

    @classmethod
    def of(cls, trainer, seed):
        """A Session of what this Trainer has learned so far."""
        title = f"{trainer.algorithm.__name__.upper()}, seed {trainer.seed}, "
        title += f"{trainer.env_steps:,} steps"
        value = trainer.value
        if trainer.normalizer is not None:
            value = Normalized(value, trainer.normalizer)
        return cls(
            trainer.policy,
            value,
            trainer.env_id,
            seed,
            title=title,
            caption=lesson() and f"trained with the gradients in {Path(lesson()).name[:40]}/",
            reward_scale=trainer.config.reward_scale,
        )

    def __init__(
        self, policy, value, env_id, seed, greedy=True, title="", reward_scale=1.0, caption=None
    ):
        self.policy, self.value, self.env_id, self.title = policy, value, env_id, title
        self.caption = caption
        self.greedy, self.reward_scale = greedy, reward_scale
        # CartPole is drawn from its state; every other environment draws itself, in memory:
        # with dummy drivers, pygame needs no display or sound card, whatever the user has chosen.
        os.environ["SDL_VIDEODRIVER"] = os.environ["SDL_AUDIODRIVER"] = "dummy"
        self.is_cartpole = str(find_spec(env_id).entry_point).endswith("cartpole:CartPoleEnv")
        self.portrait = portrait(policy) if self.is_cartpole else None
        self.observed = OBSERVED.get(family(env_id), "first number of the observation")
        self.env = shown_env(env_id, not self.is_cartpole)
        with closed_if_it_fails(self.env):
            self._begin(seed)

    def _begin(self, seed):
        """The rest of the making, once there is an environment."""
        fps = metadata_of(self.env, "render_fps")
        usable = isinstance(fps, Real) and SLOWEST_FPS <= fps <= FASTEST_FPS
        self.fps = float(fps) if usable else USUAL_FPS
        self.continuous = not isinstance(self.env.action_space, gym.spaces.Discrete)
        if self.continuous:
            space = self.env.action_space
            self.action_bounds = np.clip(space.low, -10, 10), np.clip(space.high, -10, 10)
            self.action_names = tuple(f"action {k}" for k in range(space.shape[0]))
        else:
            self.action_names = action_names(self.env_id, int(self.env.action_space.n))
        self.rng = np.random.default_rng(seed)
        # Of the first episode, no larger than environments take; later ones go on from there.
        self.env_seed = seed % 2**31
        self.episode = 0
        points = max(2, round(TRACE_SECONDS * self.fps))
        self.angles, self.values = deque(maxlen=points), deque(maxlen=points)
        self.reset()

    def reset(self):
        """Begin the next episode."""
        with failures_of(self.env_id):
            self.obs, _ = self.env.reset(seed=self.env_seed)
        self.env_seed = None
        self.episode += 1
        self.steps, self.total_reward, self.ended = 0, 0.0, ""
        self.push_direction = self.push_age = 0
        self.angles.clear()
        self.values.clear()
        self._observe()

    def step(self):
        """Carry out the chosen action; after an episode's end, begin the next one instead."""
        if self.ended:
            self.reset()
            return
        action = fit_actions(self.action[None], self.env.action_space)[0]
        with failures_of(self.env_id):
            self.obs, reward, terminated, truncated, _ = self.env.step(action)
        self.steps += 1
        self.total_reward += float(reward)
        self.ended = "terminated" if terminated else "truncated" if truncated else ""
        self.push_age += 1
        if self.push_age > PUSH_SHOWN:
            self.push_direction = 0
        self._observe()

    def push(self, direction):
        """Knock CartPole's cart to the left (−1) or right (+1). Other environments: nothing.

        The impulse J acts through CartPole's own equations of motion, as a force
        F = J/τ during an instant τ → 0 would: it changes both velocities, no position.
        """
        if not self.is_cartpole or self.ended:
            return
        env = self.env.unwrapped
        x, x_dot, theta, theta_dot = env.state
        cos = np.cos(theta)
        kick = direction * PUSH / env.total_mass
        spin = -cos * kick / (env.length * (4 / 3 - env.masspole * cos**2 / env.total_mass))
        x_dot += kick - env.polemass_length * spin * cos / env.total_mass
        theta_dot += spin
        env.state = np.array([x, x_dot, theta, theta_dot])
        self.obs = env.state.astype(np.float32)
        self.push_direction, self.push_age = direction, 0
        self._choose()

    def toggle_greedy(self):
        """Switch between the likeliest action and sampling, from the current state on."""
        self.greedy = not self.greedy
        self._choose()

    def picture(self):
        """The environment's own picture of the state, uint8 (height, width, 3).

        Raises CannotRender, also where its renderer is missing.
        """
        try:
            pixels = self.env.render()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a renderer's own, such as pygame's
            raise CannotRender(f"{self.env_id} cannot be shown{blame(error)}") from error
        form = f"{getattr(pixels, 'dtype', type(pixels).__name__)} {np.shape(pixels)}"
        if not (form.startswith("uint8") and np.ndim(pixels) == 3 and pixels.shape[2] == 3):
            raise CannotRender(
                f"{self.env_id} cannot be shown: it renders {form}, not uint8 (height, width, 3)"
            )
        return pixels

    def close(self):
        self.env.close()

    @property
    def angle(self):
        """CartPole's pole, in degrees from upright, positive to the right; else s₀."""
        return float(np.degrees(self.obs[2]) if self.is_cartpole else self.obs[0])

    def _observe(self):
        """Let both networks see the new state, and note it in the traces."""
        self._choose()
        self.angles.append(self.angle)
        self.values.append(self.value_now)

    def _choose(self):
        """Evaluate π(·|s) and V(s) in the current state and choose its action."""
        obs = self.obs[None]  # as they are: who needs another dtype, makes it
        self.value_now = float(self.value(obs)[0, 0]) / self.reward_scale
        distribution = self.policy.distribution(obs)[0]
        self.probabilities = self.means = self.stds = None
        if self.continuous:
            self.means, log_stds = np.split(distribution, 2)
            self.stds = np.exp(log_stds)
        else:
            self.probabilities = np.exp(distribution)
        chosen = self.policy.greedy(obs) if self.greedy else self.policy.sample(obs, self.rng)[0]
        self.action = chosen[0]
