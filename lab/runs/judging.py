"""How a training is judged: when, what "solved" means, its learning curve."""

import math

import numpy as np

from environments import closed_if_it_fails, flattened_from, make_envs, reward_threshold
from lab.kit.failures import failures_of
from lab.runs.machine import processor, versions
from promises import GUIDE, EnvironmentFailed, short
from training import LONGEST_EPISODE, Trainer, evaluate

WINDOWS = 100  # of a learning curve


class Judge:
    """When a training's greedy policy is evaluated, and the evaluation.

    evaluations  so many, spread evenly over the steps; after the last iteration there
                 is always one, also if this is 0
    episodes     fresh ones of each, which no training step has seen

    Evaluating takes no part in the training: neither its random numbers nor its
    seconds. A trainer that goes on where it stopped is judged at the same steps as
    one that never stopped.
    """

    def __init__(self, trainer, evaluations, episodes):
        self.trainer, self.evaluations, self.episodes = trainer, evaluations, episodes
        self.seen = self.reached()

    def reached(self):
        """How many of the evenly spread evaluations belong to the steps so far."""
        return self.trainer.env_steps * self.evaluations // self.trainer.config.total_steps

    def due(self, last):
        """Does one follow the iteration that was just done? last: is it the training's last?"""
        before, self.seen = self.seen, self.reached()
        return last or self.seen > before

    def evaluate(self):
        """The returns of the policy as it is now, float array (episodes,)."""
        trainer = self.trainer
        fresh = trainer.seed, trainer.iteration
        return evaluate(trainer.policy, trainer.env_id, self.episodes, fresh)


def judged(trainer, evaluations, episodes):
    """Train to the end and judge on the way: yields (statistics, returns) for each iteration.

    evaluations, episodes  as Judge takes them

    statistics   of the iteration, a dict
    returns      float array (episodes,) if an evaluation was due, otherwise None

    Raises EnvironmentFailed.
    """
    judge, total = Judge(trainer, evaluations, episodes), trainer.config.total_steps
    with failures_of(trainer.env_id):
        for statistics in trainer:
            due = judge.due(trainer.env_steps >= total)
            yield statistics, judge.evaluate() if due else None


def new_trainer(algorithm, env_id, config, seed):
    """A training.Trainer, whose environments have begun an episode. Raises EnvironmentFailed.

    So it does where an environment allows no second instance: judging needs its own.
    """
    with failures_of(env_id):
        trainer = Trainer(algorithm, env_id, config, seed)
        with closed_if_it_fails(trainer.envs):
            try:
                make_envs(env_id, 1).close()
            except EnvironmentFailed as error:
                raise EnvironmentFailed(
                    f"judging needs another {env_id}, beside those that train; {error}; {GUIDE}"
                ) from error
        return trainer


def remarks(trainer):
    """What the user should know about a training's environment: a list of lines."""
    envs, env_id, lines = trainer.envs, trainer.env_id, []
    before = flattened_from(envs)
    if before is not None:
        numbers = envs.single_observation_space.shape[0]
        lines.append(f"{env_id} observes {short(before)}: flattened to {numbers:,} numbers")
    if envs.spec is not None and envs.spec.max_episode_steps is None:
        end = f"judging ends an episode after {LONGEST_EPISODE:,} steps"
        lines.append(f"{env_id} has no time limit: {end}")
    return lines


def final_judgement(trainer, steps, means, episodes):
    """Judge what a training has come to -> what summary.json holds, a dict fit for JSON.

    steps, means  of its evaluations, as for solved_steps; the one made here is the last
    episodes      fresh ones, greedy and then as many sampled

    solved_at_step and solved_for_good_at_step are None for never.
    """
    with failures_of(trainer.env_id):
        greedy, sampled = (
            evaluate(trainer.policy, trainer.env_id, episodes, trainer.seed, kind)
            for kind in (True, False)
        )
    threshold = reward_threshold(trainer.env_id)
    first, for_good = solved_steps([*steps, trainer.env_steps], [*means, greedy.mean()], threshold)
    return {
        "greedy_return_mean": float(greedy.mean()),
        "greedy_return_min": float(greedy.min()),
        "sampled_return_mean": float(sampled.mean()),
        "sampled_return_min": float(sampled.min()),
        "eval_episodes": episodes,
        "reward_threshold": threshold,
        "solved_at_step": first,
        "solved_for_good_at_step": for_good,
        "env_steps": trainer.env_steps,
        "episodes": trainer.episodes,
        "iterations": trainer.iteration,
        "train_seconds": trainer.train_seconds,
        "versions": versions(trainer.env_id),
        "processor": processor(),
    }


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


def returns_when_begun(began, returns, lengths, num_envs, total_steps, windows=WINDOWS):
    """Mean return of the episodes begun in each window of steps -> steps, means (windows,).

    began, returns, lengths  of the training's episodes, (n,) each; began in env_steps
    windows                  of equal length, which share total_steps; `steps` are their middles

    A mean of the last 100 episodes would lag: at 500 steps an episode these are 50,000
    steps. A window in which no episode began has nan; so have the last ones, whose
    episodes may have been running still when the training ended: of these only the
    short ones are known.
    """
    width = total_steps / windows
    steps, means = (np.arange(windows) + 0.5) * width, np.full(windows, np.nan)
    began, returns = np.asarray(began, float), np.asarray(returns, float)
    settled = total_steps - num_envs * max(lengths, default=0)
    for k in range(windows):
        own = (began >= k * width) & (began < (k + 1) * width)
        if own.any() and (k + 1) * width <= settled:
            means[k] = returns[own].mean()
    return steps, means
