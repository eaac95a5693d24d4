"""Real training runs for the pictures to look at, each trained once per program."""

import copy
from functools import cache
from typing import NamedTuple

import numpy as np

from lab.runs import ALGORITHMS, judged
from learner import Learner
from training import Trainer, evaluate

ENV_ID, SEED = "CartPole-v1", 0
TOTAL_STEPS = None  # of the runs; None: the algorithm's own default
EVALUATIONS, EVAL_EPISODES = 100, 100


class Snapshot(NamedTuple):
    """What an update was about to do: its arguments, copied."""

    learner: Learner
    batch: object
    config: object
    progress: float
    rng: np.random.Generator
    env_steps: int  # done before this iteration's rollout


class Run(NamedTuple):
    """A training run, looked at from outside."""

    snapshots: list  # of Snapshot, one an iteration, and a last one after the end
    env_steps: int
    episodes: list  # of rollout.Episode
    evaluations: np.ndarray  # (evaluations, 2): env_steps, mean greedy return

    def at(self, env_steps):
        """The snapshot before which about so many steps had been done."""
        return min(self.snapshots, key=lambda snapshot: abs(snapshot.env_steps - env_steps))


class Watched:
    """An algorithm as Trainer wants it, that keeps a copy of what its update is given."""

    def __init__(self, algorithm):
        self.algorithm, self.calls = algorithm, []
        self.Config, self.__name__ = algorithm.Config, algorithm.__name__

    def update(self, learner, batch, config, progress, rng):
        kept = copy.deepcopy(learner), batch, config, progress, copy.deepcopy(rng)
        self.calls.append(kept)
        return self.algorithm.update(learner, batch, config, progress, rng)


@cache
def default_run(algo, total_steps=None):
    """Train "vpg" or "ppo" with its default settings, seed 0 -> Run."""
    algorithm = ALGORITHMS[algo]
    total = total_steps or TOTAL_STEPS
    config = algorithm.Config(total_steps=total) if total else algorithm.Config()
    watched = Watched(algorithm)
    trainer = Trainer(watched, ENV_ID, config, SEED)
    done, episodes, evaluations = [0], [], []
    for _, returns in judged(trainer, EVALUATIONS, EVAL_EPISODES):
        done.append(trainer.env_steps)
        episodes += trainer.rollout.episodes
        if returns is not None:
            evaluations.append((trainer.env_steps, returns.mean()))
    trainer.envs.close()
    snapshots = [
        Snapshot(*arguments, env_steps)
        for arguments, env_steps in zip(watched.calls, done[:-1], strict=True)
    ]
    last = snapshots[-1]._replace(learner=copy.deepcopy(trainer.learner), env_steps=done[-1])
    return Run([*snapshots, last], trainer.env_steps, episodes, np.array(evaluations))


def greedy_return(policy):
    """Mean return of fresh greedy episodes."""
    return evaluate(policy, ENV_ID, EVAL_EPISODES, SEED).mean()
