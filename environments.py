"""Environments: found, checked, made, reset. Nothing here knows about policies or learning.

    "CartPole-v1"        one of Gymnasium's
    "module:Mine-v0"     the user's own: `module` is imported first, and registers it; it lies in
                         the current folder or on PYTHONPATH (docs/guide.md shows one)
    "gym/CartPole-v1"    OpenAI's original gym 0.26, through Shimmy's adapter; both are
                         optional (requirements/gym.txt) and imported only when asked for

Shapes: N environments, D observation size, A action dimensions.
"""

import contextlib
import dataclasses
import difflib
import importlib
import re
import sys
import warnings
from collections.abc import Mapping
from functools import partial
from numbers import Integral, Real

import gymnasium as gym
import numpy as np

from promises import GUIDE, Checked, CheckedVector, EnvironmentFailed, blame, one_line, short

ORIGINAL_GYM = "gym/"
MOST_NUMBERS = 4_096  # in an observation, and actions to choose from
# Whose seeds may have 64 bits; published results were made with them. Others get 31, as C's int.
ANY_SEED = re.compile(r"gym(nasium)?\.envs\.(classic_control|box2d)\.")


# ---------------------------------------------------------------------- found


def find_spec(env_id, may_import=False):
    """Gymnasium's description of an environment: its id, time limit, reward_threshold, ….

    may_import  import the module of "module:Id", if that is not done yet?

    Raises ValueError in one line for an id that nobody knows, naming the nearest ones, for
    a module that cannot be imported, and for numbers that an environment must not register.
    """
    if not isinstance(env_id, str):
        kind = f"not {short(repr(env_id))}"
        raise ValueError(f"env_id must be a text such as 'CartPole-v1', {kind}; {GUIDE}")
    module, colon, name = env_id.rpartition(":")
    try:
        if colon and may_import:
            import_module(module)
        if name.startswith(ORIGINAL_GYM):
            register_original_gym()
        return plain(gym.spec(name), env_id)
    except gym.error.Error:
        nearest = " or ".join(module + colon + near for near in nearest_ids(name))
        none = f"Gymnasium has none; your own is module:Id, {GUIDE}"
        hint = f"did you mean {nearest}?" if nearest else none
    except ImportError as error:
        hint = str(error)
    raise ValueError(f"no environment {short(repr(env_id), 40)}; {hint}")


def plain(spec, env_id):
    """An EnvSpec, reward_threshold a float within ±1e150, max_episode_steps an int, or None."""
    numbers = {}
    for name, kind, low, high, as_plain, right in (
        ("reward_threshold", Real, -1e150, 1e150, float, "a number within ±1e150"),
        ("max_episode_steps", Integral, 1, sys.float_info.max, int, "a whole number from 1"),
    ):
        value = getattr(spec, name)
        value = value.item() if isinstance(value, np.generic) else value
        if value is not None:
            number = isinstance(value, kind) and not isinstance(value, bool)
            if not (number and low <= value <= high):
                wrong = f"{name}={short(repr(value), 30)}"
                raise EnvironmentFailed(
                    f"{env_id} is registered with {wrong}, not {right} or None; {GUIDE}"
                )
            numbers[name] = as_plain(value)
    return dataclasses.replace(spec, **numbers)


def import_module(module):
    """Import the module that an id names, from the current folder too.

    Raises ImportError in one line, whatever the module raises.
    """
    sys.path.append("")
    try:
        importlib.import_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # it may be anybody's, and raise anything
        reason = blame(error, "").removeprefix(": ")
        if isinstance(error, ModuleNotFoundError) and error.name == module:
            reason = f"No module named {short(repr(module), 30)} in this folder or on PYTHONPATH"
        raise ImportError(f"{reason}; {GUIDE}") from error
    finally:
        del sys.path[-1 - sys.path[::-1].index("")]


def nearest_ids(env_id):
    """Up to three ids that Gymnasium knows and that are spelled alike, newest versions only."""
    newest: dict[str, int] = {}
    for known in gym.registry:
        name, _, version = known.rpartition("-v")
        if ("/" in env_id or "/" not in known) and version.isdecimal():
            newest[name] = max(newest.get(name, 0), int(version))
    alike = difflib.get_close_matches(env_id.rpartition("-v")[0] or env_id, newest, cutoff=0.7)
    return [f"{name}-v{newest[name]}" for name in alike]


def reward_threshold(env_id):
    """The mean return from which on the environment counts as solved: a finite float, or None.

    Raises ValueError as find_spec does.
    """
    return find_spec(env_id).reward_threshold


# ----------------------------------------------------------------------- made


def make_env(env_id, **options):
    """One environment, as training sees it: a gymnasium.Env that shows (D,) numbers.

    options  of gymnasium.make, such as render_mode

    Observations that are no flat Box (Discrete, Dict, a grid, …) are flattened. What it
    gives is held to its spaces at every step: an observation of another shape or with nan,
    say, raises EnvironmentFailed with the file and line of its step. Raises ValueError for
    an id that nobody knows, an environment that cannot be made, or other spaces than
    check_spaces names.
    """
    spec = find_spec(env_id, may_import=True)
    entry_point = spec.entry_point and partial(make_checked, env_id, spec.entry_point)
    with making(env_id):
        held = dataclasses.replace(spec, entry_point=entry_point)
        env = gym.make(held, disable_env_checker=True, **options)
        with closed_if_it_fails(env):
            flat = check_spaces(env_id, env.observation_space, env.action_space)
        return env if flat else gym.wrappers.FlattenObservation(env)


def make_checked(env_id, entry_point, **options):
    """What an entry point makes, as a Checked environment."""
    if isinstance(entry_point, str):
        entry_point = gym.envs.registration.load_env_creator(entry_point)
    env = entry_point(**options)
    return Checked(env, env_id) if isinstance(env, gym.Env) else env  # gym.make refuses others


def make_envs(env_id, num_envs):
    """N environments as one gymnasium.vector.VectorEnv with NEXT_STEP autoreset.

    CartPole brings its own vectorised implementation; others run one after
    another in a SyncVectorEnv. Raises ValueError as make_env does.
    """
    spec = find_spec(env_id, may_import=True)
    with making(env_id):
        if spec.vector_entry_point is not None:
            envs = own_vector(env_id, spec, num_envs)
            if envs is not None:
                return envs
        with contextlib.ExitStack() as made:  # closes them if not all can be made
            envs = OneByOne(
                [lambda: made.enter_context(contextlib.closing(make_env(env_id)))] * num_envs
            )
            made.pop_all()
    envs.spec = spec
    return envs


class OneByOne(gym.vector.SyncVectorEnv):
    """Plain environments, side by side, without their infos: nobody reads those here."""

    def _add_info(self, vector_infos, env_info, env_num):
        return vector_infos  # Gymnasium would stack them, and fail on arrays of changing length

    def close_extras(self, **options):
        self.closed = True  # once, whatever comes of it
        with contextlib.ExitStack() as closing:  # one that cannot be closed keeps no other open
            for env in getattr(self, "envs", ()):  # there are none if they could not be made
                closing.callback(env.close)


def own_vector(env_id, spec, num_envs):
    """N environments as the environment's own VectorEnv; None if plain ones serve better."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an autoreset mode that it does not name
        envs = gym.make_vec(spec, num_envs=num_envs)
    next_step = envs.metadata.get("autoreset_mode") == gym.vector.AutoresetMode.NEXT_STEP
    with closed_if_it_fails(envs):
        if not next_step and spec.entry_point is None:
            raise EnvironmentFailed(
                f"{env_id} has no NEXT_STEP autoreset and no plain entry_point; {GUIDE}"
            )
        flat = check_spaces(env_id, envs.single_observation_space, envs.single_action_space)
        if next_step and (flat or spec.entry_point is None):
            if not type(envs).__module__.startswith("gymnasium."):
                envs = CheckedVector(envs, env_id)
            return envs if flat else gym.wrappers.vector.FlattenObservation(envs)
    envs.close()
    return None


def flattened_from(envs):
    """The space whose observations a VectorEnv of make_envs flattens; None if they were flat."""
    first = envs.envs[0] if isinstance(envs, gym.vector.SyncVectorEnv) else envs
    if isinstance(first, gym.wrappers.FlattenObservation):
        return first.env.observation_space
    if isinstance(first, gym.wrappers.vector.FlattenObservation):
        return first.env.single_observation_space
    return None


@contextlib.contextmanager
def making(env_id):
    """Whatever an environment raises in here, as it is made, is an EnvironmentFailed."""
    try:
        yield
    except (KeyboardInterrupt, EnvironmentFailed):
        raise
    except BaseException as error:  # it may be anybody's, and raise anything
        reason = blame(error)
        if isinstance(error, gym.error.Error):
            reason = f": {short(one_line(error), 100)}"
        if "ox2d" in str(error):
            reason = ": it needs a package: pip install -r requirements/box2d.txt"
        raise EnvironmentFailed(f"{env_id} cannot be made{reason}") from error


def check_spaces(env_id, obs_space, action_space):
    """Raise EnvironmentFailed, saying what is supported, unless the spaces are.

    Returns whether observations are a flat Box already, shape (D,).
    """
    try:
        numbers = gym.spaces.flatdim(obs_space)
    except (NotImplementedError, ValueError, AttributeError):  # a Graph, somebody's own, None
        numbers = None
    if numbers is None or picture(obs_space) or not 0 < numbers <= MOST_NUMBERS:
        raise EnvironmentFailed(
            f"{env_id} observes {short(obs_space, 50)}; supported: up to {MOST_NUMBERS:,} numbers, "
            f"no pictures; a wrapper helps, {GUIDE}"
        )
    right = better_actions(action_space)
    if right is not None:
        raise EnvironmentFailed(
            f"{env_id} acts in {short(action_space, 50)}; supported: {right}; "
            f"a wrapper helps, {GUIDE}"
        )
    return isinstance(obs_space, gym.spaces.Box) and len(obs_space.shape) == 1


def better_actions(space):
    """Which action spaces would be supported, a text; None if this one is."""
    if isinstance(space, gym.spaces.Discrete) and space.n <= MOST_NUMBERS:
        # config.json tells of the start, and of a Box's dtype
        return None if abs(int(space.start)) <= 2**53 else "Discrete from a start within 2**53"
    flat = isinstance(space, gym.spaces.Box) and len(space.shape) == 1
    if flat and 0 < space.shape[0] <= MOST_NUMBERS and np.issubdtype(space.dtype, np.floating):
        usual = space.dtype.name in ("float16", "float32", "float64")
        return None if usual else "a flat Box of float16, 32 or 64"
    return f"Discrete, or a flat Box of floats, up to {MOST_NUMBERS:,}"


def picture(space):
    """Does a space hold a picture, uint8 with two sides of at least 16?"""
    if isinstance(space, (gym.spaces.Dict, gym.spaces.Tuple)):
        return any(map(picture, space.values() if isinstance(space, Mapping) else space))
    pixels = isinstance(space, gym.spaces.Box) and space.dtype == np.uint8
    return pixels and len([side for side in space.shape if side >= 16]) > 1


@contextlib.contextmanager
def closed(environments):
    """Close environments (or a Session) in the end, whatever that raises: they may be anybody's.

    They may have started processes, for which Python would wait at its own end.
    """
    with closed_if_it_fails(environments):
        yield environments
    with contextlib.suppress(Exception):
        environments.close()


@contextlib.contextmanager
def closed_if_it_fails(environments):
    """The same, but only if what is done in here raises something."""
    try:
        yield environments
    except BaseException:
        with contextlib.suppress(Exception):
            environments.close()
        raise


# ---------------------------------------------------------------------- reset


def spawn_seeds(seed, count, bits=31):
    """seed: int or np.random.SeedSequence -> `count` ints of so many bits, fit for `reset`.

    Gymnasium by itself seeds environment i with seed + i, so that seeds 0 and 1
    would train on almost the same episodes. These are as good as drawn by lot.
    """
    if not isinstance(seed, np.random.SeedSequence):
        seed = np.random.SeedSequence(seed)
    return [int(state) >> (64 - bits) for state in seed.generate_state(count, np.uint64)]


def reset(envs, seed):
    """Start every environment anew: seed (int or SeedSequence) -> first observations (N,D)."""
    env = getattr(envs, "envs", [envs])[0].unwrapped
    env = getattr(env, "gym_env", env).unwrapped  # Shimmy's adapter stands around an original one
    bits = 64 if ANY_SEED.match(type(env).__module__) else 31
    if isinstance(envs, (gym.vector.SyncVectorEnv, gym.vector.AsyncVectorEnv)):
        return envs.reset(seed=spawn_seeds(seed, envs.num_envs, bits))[0]
    # CartPole's own vector environment draws all N from one generator.
    return envs.reset(seed=spawn_seeds(seed, 1, bits)[0])[0]


# ------------------------------------------------------- OpenAI's original gym


def register_original_gym():
    """Tell Gymnasium about every environment of the original gym, under "gym/".

    Raises ValueError when gym or Shimmy is not installed.
    """
    if any(env_id.startswith(ORIGINAL_GYM) for env_id in gym.registry):
        return
    try:
        import gym_notices.notices

        gym_notices.notices.notices.clear()  # gym prints one at import: that it is unmaintained
        import gym as original
        import shimmy  # noqa: F401
    except ImportError as error:
        raise ValueError(
            f"the original gym needs more packages: pip install -r requirements/gym.txt ({error})"
        ) from None
    if not hasattr(np, "float_"):
        # numpy 2 dropped the old name; gym's Acrobot still says it.
        setattr(np, "float_", np.float64)  # noqa: B010
    for env_id, spec in original.envs.registry.items():
        gym.register(
            ORIGINAL_GYM + env_id,
            entry_point=f"{__name__}:make_original_env",
            kwargs={"gym_id": env_id},
            reward_threshold=spec.reward_threshold,
            max_episode_steps=spec.max_episode_steps,  # known; gym's own wrapper keeps it, too
            disable_env_checker=True,
            order_enforce=False,  # gym has put its own wrappers around it
        )


def make_original_env(gym_id, render_mode=None):
    """One of the original gym's environments as a gymnasium.Env."""
    import gym as original
    from shimmy import GymV26CompatibilityV0

    # gym's checker uses np.bool8, which numpy 2 no longer has.
    settings = {"render_mode": render_mode, "disable_env_checker": True}
    try:
        return GymV26CompatibilityV0(env_id=gym_id, make_kwargs=settings)
    except original.error.Error as error:  # such as its DependencyNotInstalled
        raise gym.error.Error(str(error)) from None
