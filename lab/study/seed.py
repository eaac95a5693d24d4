"""One seed of a study: trained and judged, and what its result must be.

train_one     from plain data to plain data, in whatever process
check_result  whether a result, be it from train_one or from a file, is one
"""

import hashlib
import math

from environments import closed
from lab.runs import (
    ALGORITHMS,
    as_settings,
    contents,
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
    check_result(result)
    return result


def digest(trainer):
    """A fingerprint of all that was learned: equal exactly if every bit is."""
    data = trainer.policy.parameters.tobytes() + trainer.value.parameters.tobytes()
    return hashlib.sha256(data).hexdigest()


# ------------------------------------------------------ what it must be


def is_real(value):
    """Is it a number, and neither the sum nor the square of many such overflows?"""
    return type(value) in (int, float) and abs(value) < LARGEST


def is_text(value):
    return isinstance(value, str) and len(value) <= 200 and value.isprintable()


def are_texts(value):
    return isinstance(value, dict) and all(map(is_text, [*value, *value.values()]))


def is_curve(value):
    right = isinstance(value, list) and len(value) == WINDOWS
    return right and all(mean is None or is_real(mean) for mean in value)


REAL = contents.Kind(f"a number within ±{LARGEST:g}", is_real)
TEXT = contents.Kind("a short text", is_text)
SECONDS = contents.Kind("a number from 0", lambda value: is_real(value) and value >= 0)
RESULT = {  # described as in lab/runs/contents.py
    **dict.fromkeys(("greedy_return_mean", "sampled_return_mean"), REAL),
    **dict.fromkeys(("greedy_return_min", "sampled_return_min"), REAL),
    **dict.fromkeys(("env_steps", "episodes", "iterations"), contents.COUNT),
    "train_seconds": SECONDS,
    "processor": TEXT,
    "parameters_sha256": TEXT,
    "versions": contents.Kind("an object of short texts", are_texts),
    "curve": contents.Kind(f"a list of {WINDOWS} numbers or nulls", is_curve),
    "reward_threshold?": REAL,
    "solved_at_step?": contents.COUNT,
    "solved_for_good_at_step?": contents.COUNT,
    "solved_at_second?": SECONDS,
}


def check_result(result):
    """Raise ValueError, in one line, unless a dict is a seed's result."""
    for name in RESULT:
        if name.rstrip("?") not in result:
            raise ValueError(f"{name.rstrip('?')} is missing")
    contents.check(result, RESULT)
    first, for_good = result["solved_at_step"], result["solved_for_good_at_step"]
    second, threshold = result["solved_at_second"], result["reward_threshold"]
    if first is None:
        right = for_good is None and second is None
    else:
        steps = [first, first if for_good is None else for_good, result["env_steps"]]
        known = threshold is not None and second is not None
        right = known and steps == sorted(steps) and second <= result["train_seconds"]
    if not right:
        raise ValueError(
            f"solved_at_step {first}, solved_for_good_at_step {for_good}, "
            f"solved_at_second {second} and reward_threshold {threshold} cannot be of one training"
        )
