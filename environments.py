"""Environments: found, checked, made, reset. Nothing here knows about policies or learning.

    "CartPole-v1"        one of Gymnasium's
    "module:Mine-v0"     the user's own: `module` is imported first, and registers it
    "gym/CartPole-v1"    OpenAI's original gym 0.26, through Shimmy's adapter; both are
                         optional (requirements/gym.txt) and imported only when asked for

Shapes: N environments, D observation size, A action dimensions.
"""

import difflib
import importlib

import gymnasium as gym
import numpy as np

ORIGINAL_GYM = "gym/"


def one_line(error):
    """What an exception says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def find_spec(env_id, may_import=False):
    """Gymnasium's description of an environment: its id, time limit, reward_threshold, ….

    may_import  import the module of "module:Id", if that is not done yet?

    Raises ValueError in one line for an id that nobody knows, naming the nearest ones.
    """
    module, colon, name = env_id.rpartition(":")
    try:
        if colon and may_import:
            importlib.import_module(module)
        if name.startswith(ORIGINAL_GYM):
            register_original_gym()
        return gym.spec(name)
    except (gym.error.Error, ImportError, SyntaxError) as error:
        nearest = nearest_ids(name) if isinstance(error, gym.error.Error) else []
        hint = f"did you mean {' or '.join(nearest)}?" if nearest else one_line(error)
        raise ValueError(f"no environment {env_id!r}; {hint}") from None


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
    return find_spec(env_id).reward_threshold


def make_envs(env_id, num_envs):
    """N environments as one gymnasium.vector.VectorEnv.

    CartPole brings its own vectorised implementation; others run one after
    another in a SyncVectorEnv. Raises ValueError for an id that nobody knows, an
    environment that cannot be made (its extra packages are missing, say), or spaces
    other than a flat Box of observations and Discrete or flat Box actions.
    """
    spec = find_spec(env_id, may_import=True)
    try:
        envs = gym.make_vec(spec, num_envs=num_envs)
    except Exception as error:  # an environment may be anybody's, and raise anything
        reason = one_line(error)
        if "ox2d" in str(error):
            reason = "it needs a package: pip install -r requirements/box2d.txt"
        raise ValueError(f"{env_id} cannot be made: {reason}") from None
    try:
        check_spaces(env_id, envs.single_observation_space, envs.single_action_space)
    except ValueError:
        envs.close()
        raise
    return envs


def check_spaces(env_id, obs_space, action_space):
    """Raise ValueError, saying what is supported, unless the spaces are."""
    box = isinstance(obs_space, gym.spaces.Box)
    if not (box and len(obs_space.shape) == 1 and obs_space.shape[0] > 0):
        raise ValueError(f"{env_id} observes {obs_space}; supported: a flat Box, shape (D,)")
    flat = isinstance(action_space, gym.spaces.Box) and len(action_space.shape) == 1
    continuous = flat and np.issubdtype(action_space.dtype, np.floating)
    if not (continuous or isinstance(action_space, gym.spaces.Discrete)):
        raise ValueError(
            f"{env_id} acts in {action_space}; "
            "supported: Discrete, or a flat Box of real numbers, shape (A,)"
        )


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
            entry_point=make_original_env,
            kwargs={"gym_id": env_id},
            reward_threshold=spec.reward_threshold,
            disable_env_checker=True,
            order_enforce=False,  # gym has put its own wrappers around it, the time limit too
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
