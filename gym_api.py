"""OpenAI's original gym 0.26, its environments under Gymnasium's roof.

Nothing here knows about learning. After `register_gym_envs`, gym's CartPole-v1
is Gymnasium's "gym/CartPole-v1": `make`, `make_vec` and `spec` serve it like one
of their own, through Shimmy's adapter. Both packages are optional
(requirements/gym.txt) and imported only when such an id is asked for.
"""

import gymnasium
import numpy as np

NAMESPACE = "gym/"


def register_gym_envs():
    """Tell Gymnasium about every environment that the original gym knows.

    Raises ValueError when gym or Shimmy is not installed.
    """
    if any(env_id.startswith(NAMESPACE) for env_id in gymnasium.registry):
        return
    try:
        import gym_notices.notices

        gym_notices.notices.notices.clear()  # gym prints one at import: that it is unmaintained
        import gym
        import shimmy  # noqa: F401
    except ImportError as error:
        raise ValueError(
            f"the original gym needs more packages: pip install -r requirements/gym.txt ({error})"
        ) from None
    if not hasattr(np, "float_"):
        # numpy 2 dropped the old name; gym's Acrobot still says it.
        setattr(np, "float_", np.float64)  # noqa: B010
    for env_id, spec in gym.envs.registry.items():
        gymnasium.register(
            NAMESPACE + env_id,
            entry_point=make_gym_env,
            kwargs={"gym_id": env_id},
            reward_threshold=spec.reward_threshold,
            disable_env_checker=True,
            order_enforce=False,  # gym has put its own wrappers around it, the time limit too
        )


def make_gym_env(gym_id, render_mode=None):
    """One of gym's environments as a gymnasium.Env."""
    from shimmy import GymV26CompatibilityV0

    # gym's checker uses np.bool8, which numpy 2 no longer has.
    settings = {"render_mode": render_mode, "disable_env_checker": True}
    return GymV26CompatibilityV0(env_id=gym_id, make_kwargs=settings)
