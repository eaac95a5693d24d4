"""Settings: what all algorithms need, and how a setting describes itself.

Each algorithm's `Config` extends `CommonConfig` with what is its own.
Every field carries its help text and its valid values, so that the command
line (run.py) and the error messages are made from the dataclass itself.
"""

import math
from dataclasses import dataclass, field, fields
from itertools import pairwise
from numbers import Integral, Real

MOST_NUMBERS = 10**8  # in one array, 400 MB in float32; more is a slip of the finger


@dataclass(frozen=True)
class Within:
    """The numbers from `low` to `high`; `low` itself only if not `open_low`."""

    low: float
    high: float = math.inf
    open_low: bool = False

    def __contains__(self, value):
        above = value > self.low if self.open_low else value >= self.low
        return above and value <= self.high

    def __str__(self):
        if self.high < math.inf:
            return f"in [{self.low:g}, {self.high:g}]"
        return f"{'greater than' if self.open_low else 'at least'} {self.low:g}"


class OneOf(tuple):
    """The values that a setting may take, spelled out."""

    def __str__(self):
        return f"one of {', '.join(self)}"


AT_LEAST_ONE = Within(1)
NOT_NEGATIVE = Within(0)
POSITIVE = Within(0, open_low=True)
FRACTION = Within(0, 1)


def setting(default, help, valid=None):
    """A dataclass field with its help text and its valid values (Within, OneOf or None: any)."""
    return field(default=default, metadata={"help": help, "valid": valid})


def override(name, default):
    """CommonConfig's field of that name with another default."""
    return field(default=default, metadata=CommonConfig.__dataclass_fields__[name].metadata)


@dataclass(frozen=True)
class CommonConfig:
    """What all algorithms share. Raises ValueError, naming the setting, for an invalid value."""

    total_steps: int = setting(
        100_000, "environment steps to train for, in whole rollouts", AT_LEAST_ONE
    )
    num_envs: int = setting(32, "environments that run side by side", AT_LEAST_ONE)
    num_steps: int = setting(32, "steps of each environment in one rollout", AT_LEAST_ONE)
    gamma: float = setting(0.99, "discount factor γ", FRACTION)
    gae_lambda: float = setting(0.95, "trace decay λ of GAE; 1 is Monte Carlo", FRACTION)
    normalize_advantages: bool = setting(True, "normalise each rollout's advantages (Eq. 16)")
    normalize_observations: bool = setting(
        False, "scale observations by their running mean and deviation"
    )
    reward_scale: float = setting(
        1.0, "multiply rewards by this to learn from; reports stay raw", POSITIVE
    )
    hidden_sizes: tuple[int, ...] = setting((64,), "units of each hidden layer", AT_LEAST_ONE)
    activation: str = setting("tanh", "activation of the hidden layers", OneOf(("tanh", "relu")))
    initial_log_std: float = setting(
        0.0, "first log σ of a Gaussian policy (Box actions)", Within(-10, 5)
    )
    learning_rate: float = setting(1e-2, "Adam's step size for the policy", POSITIVE)
    value_learning_rate: float = setting(1e-2, "Adam's step size for the value network", POSITIVE)
    anneal_learning_rate: bool = setting(True, "lower both step sizes linearly to 0")
    entropy_coefficient: float = setting(0.0, "weight c_H of the entropy bonus", NOT_NEGATIVE)
    max_grad_norm: float = setting(0.5, "longest gradient of either network (Eq. 32)", POSITIVE)

    def __post_init__(self):
        for f in fields(self):
            value, valid = getattr(self, f.name), f.metadata["valid"]
            if value is None and f.default is None:
                continue  # an optional setting that is off
            kind: type = type(f.default) if f.default is not None else float
            if not has_type(value, kind):
                raise ValueError(f"{f.name} must be {describe(f.default)}, not {value!r}")
            # Plain Python numbers: numpy's own would decide the dtype of what they multiply.
            numbers = tuple(map(int, value)) if kind is tuple else (kind(value),)
            object.__setattr__(self, f.name, numbers if kind is tuple else numbers[0])
            for single in numbers:
                if valid is not None and single not in valid:
                    raise ValueError(f"{f.name} must be {valid}, not {single!r}")
        widest = max(self.hidden_sizes)
        for name, count in (
            ("hidden_sizes", max(a * b for a, b in pairwise((1, *self.hidden_sizes)))),
            ("num_envs × num_steps × hidden_sizes", self.num_envs * self.num_steps * widest),
        ):
            if count > MOST_NUMBERS:
                raise ValueError(
                    f"{name} asks for {count:,} numbers at once; at most {MOST_NUMBERS:,}"
                )


def has_type(value, kind):
    """Is a setting's value a `kind`? A whole number counts as a float; True, inf, nan do not."""
    if kind is tuple:
        return isinstance(value, tuple) and value and all(has_type(v, int) for v in value)
    if kind in (int, float):
        abstract = Integral if kind is int else Real
        if not isinstance(value, abstract) or isinstance(value, bool):
            return False
        try:
            return kind is int or math.isfinite(value)
        except OverflowError:  # 10**400
            return False
    return isinstance(value, kind)


def describe(default):
    """What a setting with this default takes, in words."""
    words = {bool: "True or False", int: "a whole number", str: "a text"}
    words[tuple] = "a tuple of whole numbers"
    return words.get(type(default), "a finite number")
