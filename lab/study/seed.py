"""One seed of a study: trained and judged, and what its result must be.

train_one   from plain data to plain data, in whatever process
flaw        what is wrong with a result, be it from train_one or from a file
"""

import hashlib
import math
import reprlib

from environments import closed
from lab.runs import (
    ALGORITHMS,
    as_settings,
    final_judgement,
    judged,
    new_trainer,
    returns_when_begun,
)
from lab.study.changes import changed

EVALUATIONS = 50  # of a training, unless a study is told otherwise
MOST_SEEDS = 100_000
LARGEST = 1e150
WINDOWS = 100  # of a curve


def train_one(
    algorithm, env_id, config, seed, eval_episodes, evaluations=EVALUATIONS, change=None, label=None
):
    """Train one seed and judge it -> a dict of plain numbers, lists and strings, fit for JSON.

    config         the settings that differ from the defaults, a dict
    eval_episodes  fresh episodes of each evaluation
    evaluations    of the greedy policy, spread over the training
    change, label  as in Variant

    Its environments are closed, however it ends. The same arguments give the same bits in every
    process of a machine (times aside).
    Raises ValueError if what its environment gave makes no result, such as an infinite return.
    """
    module = ALGORITHMS[algorithm]
    trainer = new_trainer(module, env_id, module.Config(**as_settings(config)), seed)
    with closed(trainer.envs), changed(trainer, change):
        episodes, evaluated = [], []
        for _, returns in judged(trainer, evaluations, eval_episodes):
            episodes += trainer.rollout.episodes
            if returns is not None:
                evaluated.append((trainer.env_steps, returns.mean(), trainer.train_seconds))
        steps, means, seconds = zip(*evaluated, strict=True)
        judgement = final_judgement(trainer, steps, means, eval_episodes)
    second_at = dict(zip(steps, seconds, strict=True))
    began, _, totals, lengths = zip(*episodes, strict=True) if episodes else ((),) * 4
    total_steps = trainer.config.total_steps
    _, curve = returns_when_begun(
        began, totals, lengths, trainer.config.num_envs, total_steps, WINDOWS
    )
    result = {
        "label": label or algorithm,
        "seed": seed,
        **judgement,
        "solved_at_second": second_at.get(judgement["solved_at_step"]),
        "parameters_sha256": digest(trainer),
        "curve": [float(mean) if math.isfinite(mean) else None for mean in curve],
    }
    if flaw(result):
        raise ValueError(flaw(result))
    return result


def digest(trainer):
    """A fingerprint of all that was learned: equal exactly if every bit is."""
    data = trainer.policy.parameters.tobytes() + trainer.value.parameters.tobytes()
    return hashlib.sha256(data).hexdigest()


# ------------------------------------------------------ what it must be


def real(value):
    """Is it a number, and neither the sum nor the square of many such overflows?"""
    return type(value) in (int, float) and abs(value) < LARGEST


def count(value):
    return type(value) is int and 0 <= value < 2**53


def seconds(value):
    return real(value) and value >= 0


def text(value):
    return isinstance(value, str) and len(value) <= 200 and value.isprintable()


def texts(value):
    return isinstance(value, dict) and all(map(text, [*value, *value.values()]))


def numbers(value):
    right = isinstance(value, list) and len(value) == WINDOWS
    return right and all(number is None or real(number) for number in value)


REAL, COUNT, TEXT = (
    (real, f"a number within ±{LARGEST:g}"),
    (count, "a whole number"),
    (text, "a short text"),
)
MUST_BE = {
    **dict.fromkeys(("greedy_return_mean", "sampled_return_mean"), REAL),
    **dict.fromkeys(("greedy_return_min", "sampled_return_min"), REAL),
    "train_seconds": (seconds, "a number from 0"),
    **dict.fromkeys(("env_steps", "episodes", "iterations"), COUNT),
    **dict.fromkeys(("processor", "parameters_sha256"), TEXT),
    "versions": (texts, "an object of short texts"),
    "curve": (numbers, f"a list of {WINDOWS} numbers or nulls"),
}
MAY_BE_NULL = {
    "reward_threshold": REAL,
    "solved_at_step": COUNT,
    "solved_for_good_at_step": COUNT,
    "solved_at_second": (seconds, "a number from 0"),
}


def flaw(result):
    """What is wrong with a seed's result (a dict), in one line; None if nothing is."""
    for name, (right, what) in {**MUST_BE, **MAY_BE_NULL}.items():
        if name not in result:
            return f"{name} is missing"
        null = name in MAY_BE_NULL and result[name] is None
        if not (null or right(result[name])):
            or_null = " or null" if name in MAY_BE_NULL else ""
            return f"{name} is {reprlib.repr(result[name])}, not {what}{or_null}"
    first, for_good = result["solved_at_step"], result["solved_for_good_at_step"]
    second, threshold = result["solved_at_second"], result["reward_threshold"]
    if first is None:
        right = for_good is None and second is None
    else:
        steps = [first, first if for_good is None else for_good, result["env_steps"]]
        known = threshold is not None and second is not None
        right = known and steps == sorted(steps) and second <= result["train_seconds"]
    if not right:
        return (
            f"solved_at_step {first}, solved_for_good_at_step {for_good}, "
            f"solved_at_second {second} and reward_threshold {threshold} cannot be of one training"
        )
    return None
