"""Where things are: the project, and the lesson that is read."""

from importlib.util import find_spec
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def lesson():
    """The folder of a reader's files that stand for the lesson's (--lesson), or None."""
    folder = Path(find_spec("ppo").origin).resolve().parent
    return None if folder == PROJECT else str(folder)
