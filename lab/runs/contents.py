"""What the files of a run hold, one description of each, and what holds a file to it.

A description is a Kind of value, [what a list holds], or a dict of names: one that ends
in ? may be missing or null, and * stands for all the names that are not there.
"""

import reprlib
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lab.runs.algorithms import ALGORITHMS

FORMAT = 2  # of config.json and the checkpoints; raise it when programs could misread them
MOST_EPISODES = 10_000  # of one evaluation: they all run side by side
MOST = 2**53  # what a float, and numpy's int64, still counts exactly


class Kind(NamedTuple):
    """A kind of value: its name, and whether a value (a column, all of its values) is of it."""

    name: str
    holds: Callable


def whole(low=0, high=None):
    """Whole numbers; True is none."""
    end = "" if high is None else f" to {high:,}"
    most = float("inf") if high is None else high
    return Kind(f"a whole number from {low}{end}", lambda v: type(v) is int and low <= v <= most)


def real(low=-sys.float_info.max):
    """Finite numbers, which fit into a float."""
    most = sys.float_info.max
    name = "a finite number" + (f" from {low:g}" if low > -most else "")
    return Kind(name, lambda v: type(v) in (int, float) and low <= v <= most)


TEXT = Kind(
    "a line of text", lambda v: isinstance(v, str) and v.isprintable() and 0 < len(v) < 9_999
)
BOUND = Kind("a number, or null", lambda v: v is None or real().holds(v))
DTYPE = Kind("float16, float32 or float64", lambda v: v in ("float16", "float32", "float64"))
OR_NAN = Kind("a number", lambda v: v != v or real().holds(v))
NOTHING = Kind("left out", lambda v: False)
COUNT = whole(0, MOST)
IDENTITY = {
    "algorithm": Kind(f"one of {', '.join(ALGORITHMS)}", lambda v: v in [*ALGORITHMS]),
    "env_id": TEXT,
    "seed": whole(),
}
CONFIG = {
    **IDENTITY,
    "obs_dim": whole(1, MOST),
    "reward_threshold?": real(),
    "config": {},  # its algorithm's Config says more
    "judging?": {
        "evaluations?": whole(1),
        "eval_episodes?": whole(1, MOST_EPISODES),
        "max_episodes?": whole(1),
        "*": NOTHING,
    },
    "lesson?": TEXT,
    "sessions": [{}],
}
DISCRETE = {  # what a CONFIG also holds: either this or the next
    "num_actions": whole(1, MOST),
    "action_dim?": NOTHING,
    "action_space": {"start": whole(-MOST, MOST)},
}
BOX = {
    "action_dim": whole(1, MOST),
    "num_actions?": NOTHING,
    "action_space": {"low": [BOUND], "high": [BOUND], "dtype": DTYPE},
}
GENERATOR = {  # numpy's PCG64
    "bit_generator": Kind("PCG64", lambda v: v == "PCG64"),
    "state": {"state": whole(0, 2**128 - 1), "inc": whole(0, 2**128 - 1)},
    "has_uint32": whole(0, 1),
    "uinteger": whole(0, 2**32 - 1),
}
NUMBERS = {  # of a checkpoint
    **IDENTITY,
    **dict.fromkeys(("iteration", "env_steps", "episodes", "policy_t", "value_t"), COUNT),
    "train_seconds": real(0),
    "recent_returns": [real()],
    "memory": {"*": real()},
    "acting_rng": GENERATOR,
    "shuffling_rng": GENERATOR,
    "greedy_return?": real(),  # best.npz: what it was the best with
    "columns?": {"*": TEXT},  # the CSV files' first lines
    "owed?": {"mean_return": OR_NAN, "*": OR_NAN},  # the row whose evaluation was broken off
}
ARRAYS = {  # likewise, (n,) each, and their smallest number; the obs_* only if normalised
    **{"policy": -np.inf, "policy_m": -np.inf, "policy_v": 0.0},
    **{"value": -np.inf, "value_m": -np.inf, "value_v": 0.0},
    **{"obs_mean": -np.inf, "obs_variance": 0.0, "obs_count": 0.0},
}
COUNTS = Kind("a whole number", lambda v: (v >= 0) & (v <= MOST) & (v == np.floor(v)))
REALS = Kind("a number", lambda v: np.abs(v) < 1e150)  # which one can square
GAPS = Kind("a number, or nothing", lambda v: REALS.holds(v) | np.isnan(v))
LOGS = {  # the CSV files, and columns that must be among theirs; the first one counts up
    "progress.csv": {"iteration": COUNTS, "env_steps": COUNTS, "greedy_return": GAPS},
    "episodes.csv": {"ended": COUNTS, "began": COUNTS, "return": REALS, "length": COUNTS},
}


def check(value, wanted, name="it"):
    """Raise ValueError, naming the culprit, unless what was read from JSON is as described."""
    kind = {dict: "an object", list: "a list"}.get(type(wanted))
    right = isinstance(value, type(wanted)) if kind else wanted.holds(value)
    if not right:
        raise ValueError(f"{name} is {reprlib.repr(value)}; it must be {kind or wanted.name}")
    if isinstance(wanted, list):
        for item in value:
            check(item, *wanted, f"one of {name}")
    elif isinstance(wanted, dict):
        keys = {key.rstrip("?"): key for key in wanted if key != "*"}
        for own, key in keys.items():
            if value.get(own) is not None:
                check(value[own], wanted[key], own)
            elif own == key:
                raise ValueError(f"{name} has no {own}")
        for other in value.keys() - keys.keys() if "*" in wanted else ():
            check(value[other], wanted["*"], other)


def check_config(about):
    """The same for the whole of a config.json."""
    check(about, CONFIG)
    check(about, DISCRETE if about.get("action_dim") is None else BOX)


def check_checkpoint(arrays, numbers):
    """The same for the whole of a checkpoint."""
    check(numbers, NUMBERS)
    if numbers["env_steps"] and not numbers["train_seconds"]:
        raise ValueError("its env_steps took no train_seconds")
    for name, low in ARRAYS.items():
        if name not in arrays and name.startswith("obs_"):
            continue
        array = np.asarray(arrays.get(name))
        if array.dtype not in (np.float32, np.float64) or array.ndim != 1:
            raise ValueError(f"{name} holds {array.dtype} {array.shape}; it must hold floats (n,)")
        if not (np.isfinite(array) & (array >= low)).all():
            raise ValueError(f"{name} is not finite" + (f" and at least {low:g}" * (low == 0)))
