"""An environment held to what its spaces promise, and blamed in one line for what it does wrong.

Nothing here knows about learning, or where an environment comes from. It may be anybody's, and
give or raise anything: what is said names the file and line of its author's own code.
"""

import importlib
import itertools
import os
import traceback
from collections.abc import Mapping
from math import isfinite

import gymnasium as gym
import numpy as np

GUIDE = 'see "Bring your own environment" in docs/guide.md'


class EnvironmentFailed(ValueError):
    """An environment cannot be made, or gave or raised what it must not: why, in one line."""


# ---------------------------------------------------------- what it gives

RESET, STEP = ("obs", "info"), ("obs", "reward", "terminated", "truncated", "info")
KINDS = {"reward": "biuf", "terminated": "biu", "truncated": "biu"}  # of numbers, np.dtype.kind
USUAL = {(np.ndarray, *ends, dict) for ends in itertools.product((bool, np.bool_), repeat=2)}


class Checked(gym.Wrapper):
    """An environment whose `reset` and `step` must give what its spaces promise.

    Raises EnvironmentFailed, naming the file and line of the one that does not.
    """

    def __init__(self, env, env_id):
        super().__init__(env)
        self.env_id, self.space = env_id, env.observation_space
        box = isinstance(self.space, gym.spaces.Box)
        self.usual_obs = (self.space.shape, self.space.dtype) if box else None

    @property  # or gym.make would count this among the wrappers that the spec asks for
    def spec(self):  # type: ignore[override]
        return self.env.spec

    def reset(self, **options):
        return held(self, "reset", self.env.reset(**options), RESET)

    def step(self, action):
        given = self.env.step(action)
        return given if self.plain(given) else held(self, "step", given, STEP)

    def plain(self, given):
        """Is it what is usual, and right? Only to be quick: `held` decides on everything else."""
        if type(given) is not tuple or len(given) != len(STEP):
            return False
        obs, reward, terminated, truncated, info = given
        return (
            (type(obs), type(terminated), type(truncated), type(info)) in USUAL
            and (type(reward) is float or type(reward) is np.float64)
            and (obs.shape, obs.dtype) == self.usual_obs
            and (isfinite(reward) and np.logical_and.reduce(np.isfinite(obs), axis=None))
        )


class CheckedVector(gym.vector.VectorWrapper):
    """The same for an environment's own VectorEnv."""

    def __init__(self, envs, env_id):
        super().__init__(envs)
        self.env_id, n = env_id, envs.num_envs
        self.space = gym.vector.utils.batch_space(envs.single_observation_space, n)

    def reset(self, **options):
        return held(self, "reset", self.env.reset(**options), RESET, (self.num_envs,))

    def step(self, actions):
        return held(self, "step", self.env.step(actions), STEP, (self.num_envs,))


def held(checked, name, given, parts, shape=()):
    """What `name` (reset or step) of a Checked or CheckedVector gave, if it is right."""
    flaw = flaw_in(given, parts, checked.space, shape)
    if flaw:
        where = place(checked.env, name)
        raise EnvironmentFailed(f"{checked.env_id} failed in {where}: {name} {flaw}")
    if not isinstance(checked.space, gym.spaces.Box):
        return given
    return np.asarray(given[0], checked.space.dtype), *given[1:]


def flaw_in(given, parts, space, shape):
    """What is wrong with what a reset or step gave, and what would be right: a text, or None.

    parts   RESET or STEP
    space   that the observation belongs to
    shape   of reward, terminated and truncated
    """
    if not (isinstance(given, (tuple, list)) and len(given) == len(parts)):
        return f"gave {describe(given)}, not ({', '.join(parts)}); {GUIDE}"
    for part, value in zip(parts, given, strict=True):
        if part == "obs":
            flaw = misfit(space, value)
            if flaw:
                return f"gave the observation{flaw}"
        elif part == "info":
            if not isinstance(value, Mapping):
                return f"gave the info {describe(value)}, not a dict"
        elif not numeric(value, shape, KINDS[part]) or (
            part == "reward" and beyond(value, DOUBLE) is not None
        ):
            right = "a finite number" if part == "reward" else "True or False"
            return f"gave {part} {describe(value)}, not {right}" + f" {shape}" * bool(shape)
    return None


def misfit(space, value):
    """How a value is not of a space's kind, shape and dtype, or not finite: a text, or None.

    A Box's bounds may be overstepped, but not its dtype's.
    """
    keys: list = []
    number = None
    if isinstance(space, gym.spaces.Dict):
        keys = list(space)
        right = isinstance(value, Mapping) and all(key in value for key in space)
    elif isinstance(space, gym.spaces.Tuple):
        right = isinstance(value, (tuple, list)) and len(value) == len(space)
        keys = list(range(len(space)))
    elif isinstance(space, gym.spaces.Box):
        kinds = "biu" if space.dtype.kind in "iu" else "biuf"
        right = numeric(value, space.shape, kinds)
        number = beyond(value, space.dtype) if right else None
    else:
        right = space.contains(value)
    if not right:
        return f" {describe(value)}, not one of {short(space, 60)}"
    if number is not None:
        lacks = f"which its space's {space.dtype} does not hold; a wider dtype does"
        return f" {describe(value)} with {number}, {lacks}"
    for key in keys:
        flaw = misfit(space[key], value[key])
        if flaw:
            return f"[{short(repr(key), 20)}]{flaw}"
    return None


def numeric(value, shape, kinds):
    """Does a value consist of finite numbers of these kinds (np.dtype.kind), in this shape?"""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        return False
    return array.shape == shape and array.dtype.kind in kinds and bool(np.isfinite(array).all())


DOUBLE = np.dtype(float)


def beyond(value, dtype):
    """The first of a value's numbers that a dtype does not hold, but for rounding; or None."""
    array = np.asarray(value)
    if array.dtype == dtype or np.can_cast(array.dtype, dtype):
        return None
    with np.errstate(all="ignore"):
        cast = array.astype(dtype)
    held = cast == array if dtype.kind in "biu" else np.isfinite(cast)
    return None if held.all() else array[~held][0]


# --------------------------------------------------------- what it raises


def one_line(error):
    """What an exception says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def short(text, width=80):
    """A text in one line of at most so many characters."""
    text = " ".join(str(text).split())
    return text if len(text) <= width else text[: width - 1] + "…"


def describe(value):
    """A value for people, short: an array by its dtype and shape."""
    if not isinstance(value, np.ndarray):
        return short(repr(value), 40)
    finite = value.dtype.kind not in "fc" or np.isfinite(value).all()
    return f"{value.dtype} {value.shape}" + (" with nan or inf" * (not finite))


LIBRARIES = tuple(os.path.dirname(str(module.__file__)) + os.sep for module in (gym, np, os))
OURS = tuple(
    os.path.join(os.path.dirname(__file__), f"{name}.py") for name in ("promises", "environments")
)
DOORS = LIBRARIES[0], os.path.dirname(importlib.__file__) + os.sep  # behind which is others' code


def blame(error, link=": "):
    """What an environment's exception says, after the file and line of its own code that led to it.

    One line, to stand after "it failed": ": OSError: no socket", or with its place after `link`.
    """
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    entered = next((i for i, (name, _) in enumerate(frames) if name.startswith(DOORS)), 0)
    own = [
        f"{link}{os.path.basename(name)}, line {line}"
        for name, line in frames[entered:]
        if not name.startswith((*LIBRARIES, *OURS, "<frozen"))
    ]
    if not own and error.__cause__ is not None:
        return blame(error.__cause__, link)  # gymnasium.make says it again, at length
    name, said = type(error).__name__, short(one_line(error), 100)
    return "".join(own[-1:]) + f": {name}" + f": {said}" * (said != name)


def place(env, name):
    """File and line of an environment's `reset` or `step`: of its outermost layer's own."""
    while isinstance(env, gym.Wrapper) and type(env).__module__.startswith("gymnasium."):
        env = env.env
    for method in (name, "observation", "__init__"):
        code = getattr(getattr(type(env), method, None), "__code__", None)
        if code is not None and not code.co_filename.startswith(LIBRARIES):
            return f"{os.path.basename(code.co_filename)}, line {code.co_firstlineno}"
    return type(env).__name__
