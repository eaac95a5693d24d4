"""What decides which bits a seed gives, besides the code."""

import importlib.metadata
import platform
from pathlib import Path

from environments import ORIGINAL_GYM


def versions(env_id):
    """The versions that decide which bits a seed gives, a dict."""
    packages = ("numpy", "gymnasium")
    if ORIGINAL_GYM in env_id:
        packages += ("gym", "shimmy")
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }


def processor():
    """This machine's processor, as far as the system tells: another one may round otherwise."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, IndexError, StopIteration):
        return platform.processor() or platform.machine()
