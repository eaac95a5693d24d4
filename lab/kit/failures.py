"""What an environment does wrong, in one line, while a policy acts in it."""

import contextlib
import os
import traceback

import gymnasium as gym

from promises import EnvironmentFailed, blame

GYMNASIUM = os.path.dirname(gym.__file__) + os.sep


@contextlib.contextmanager
def failures_of(env_id):
    """What the environment does wrong in here, sys.exit included, raises EnvironmentFailed."""
    try:
        yield
    except (KeyboardInterrupt, GeneratorExit, EnvironmentFailed):
        raise
    except SystemExit as error:  # no way for us to end
        raise EnvironmentFailed(f"{env_id} called sys.exit({error.code!r})") from error
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        if not any(frame.filename.startswith(GYMNASIUM) for frame in frames):
            raise  # not on the way through one of its environments: our own
        raise EnvironmentFailed(f"{env_id} failed{blame(error, ' in ')}") from error
