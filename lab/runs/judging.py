"""The one judged training loop, and the one meaning of "solved"."""

import math

from training import evaluate


def judged(trainer, evaluations, episodes, enough=lambda: False):
    """Train to the end and judge on the way: yields (statistics, returns) for each iteration.

    evaluations  of the greedy policy, spread evenly over the steps; after the last
                 iteration there is always one, also if this is 0
    episodes     fresh ones of each evaluation, which no training step has seen
    enough       called after each iteration: should this one be the last?

    statistics   of the iteration, a dict
    returns      float array (episodes,) if an evaluation was due, otherwise None

    Evaluating takes no part in the training: neither its random numbers nor its
    seconds. A trainer that goes on where it stopped is judged at the same steps as
    one that never stopped.
    """
    total = trainer.config.total_steps
    seen = trainer.env_steps * evaluations // total
    for statistics in trainer:
        last = bool(enough()) or trainer.env_steps >= total
        due = trainer.env_steps * evaluations // total
        returns = None
        if last or due > seen:
            seen = due
            fresh = (trainer.seed, trainer.iteration)
            returns = evaluate(trainer.policy, trainer.env_id, episodes, fresh)
        yield statistics, returns
        if last:
            return


def solved_steps(steps, means, threshold):
    """When a training solved its environment: (first, for good), ints, or None for never.

    steps, means  of its evaluations in their order: env_steps, and the mean of the
                  greedy returns; a nan is no evaluation and is passed over
    threshold     the environment's own reward_threshold, or None if it has none

    "Solved" at an evaluation: the mean is at least the threshold. "For good": at that
    evaluation and at all later ones. There is no quick glance at fewer episodes: run
    side by side, a hundred take hardly longer than ten.
    """
    first = for_good = None
    for step, mean in zip(steps, means, strict=True):
        if threshold is None or math.isnan(mean):
            continue
        if mean < threshold:
            for_good = None
            continue
        first = int(step) if first is None else first
        for_good = int(step) if for_good is None else for_good
    return first, for_good
