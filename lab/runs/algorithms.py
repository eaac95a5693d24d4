"""The algorithms by their names on the command line: the one table of them."""

from pathlib import Path

import ppo
import ppo_penalty
import vpg

ALGORITHMS = {"vpg": vpg, "ppo": ppo, "ppo-penalty": ppo_penalty}


def lesson():
    """The folder of a reader's files that stand for the lesson's (--lesson), or None."""
    folder = Path(ppo.__file__).resolve().parent
    return None if folder == Path(__file__).resolve().parents[2] else str(folder)
