"""One training run with all that goes with it: progress, evaluations, checkpoints, pictures.

The lesson's Trainer only trains. This is its caller on the command line: between two
iterations it evaluates, prints, and writes into the run folder (lab/runs/records.py
says what is in one).
"""

import contextlib
import math
import time

import numpy as np

from environments import EnvironmentFailed, closed, one_line
from lab.kit import Progress, first_interrupt_waits, lesson, replace_whole, sparkline, write_json
from lab.kit.failures import failures_of
from lab.runs.curves import learning_curve
from lab.runs.judging import Judge, final_judgement, returns_when_begun
from lab.runs.records import BEST, CHECKPOINT, CURVE, RECORDING, SUMMARY
from lab.watch import Session

CHECKPOINT_SECONDS = 2  # of work that a crash may cost, at most


def run_training(trainer, folder, evaluations, eval_episodes, max_episodes=None, media=True):
    """Train to the end, judge, draw, except what is done -> whether it was interrupted before.

    trainer        fresh, or from folder.resume
    folder         its RunFolder, locked
    evaluations    greedy evaluations, spread evenly over the training
    eval_episodes  episodes of each
    max_episodes   stop after so many training episodes; None: no limit
    media          draw pictures?

    Raises CannotWrite, EnvironmentFailed, and FloatingPointError as Trainer does.
    """
    total, limit = trainer.config.total_steps, max_episodes or math.inf

    def ended():
        return trainer.env_steps >= total or trainer.episodes >= limit

    judge, log = Judge(trainer, evaluations, eval_episodes), Log(trainer, folder, evaluations)
    owed, saved_at = folder.owed(), time.monotonic()
    with first_interrupt_waits() as interrupts, contextlib.closing(log.progress):
        try:
            with failures_of(trainer.env_id):
                while not interrupts and (owed or not ended()):
                    statistics = owed or trainer.iterate()
                    due = judge.due(ended()) or owed
                    log.add(statistics, interrupts.unless(judge.evaluate) if due else None)
                    owed = statistics if interrupts.broke_off else None
                    if time.monotonic() - saved_at > CHECKPOINT_SECONDS:
                        folder.save(CHECKPOINT, trainer, owed=owed)
                        saved_at = time.monotonic()
                folder.save(CHECKPOINT, trainer, owed=owed)
        except EnvironmentFailed:
            if not interrupts:  # Ctrl-C reaches an environment's own processes, too
                raise
    if interrupts:
        return True
    missing = folder.missing(trainer, media)
    if SUMMARY in missing:
        summarize(trainer, folder, eval_episodes)
    draw(trainer, folder, missing)
    return False


class Log:
    """What is shown and kept of a training as it goes on: its live line, its rows, its best state.

    evaluations  that the whole training has
    """

    def __init__(self, trainer, folder, evaluations):
        self.trainer, self.folder, self.evaluations = trainer, folder, evaluations
        self.total, self.first = trainer.config.total_steps, trainer.env_steps
        self.progress = Progress("{n:,.0f} steps", self.total, self.first)
        self.began = time.monotonic()
        self.greedy, self.best = math.nan, folder.best_return()  # mean returns: latest, highest

    def add(self, statistics, returns):
        """One iteration's statistics, and the returns (episodes,) of its evaluation or None."""
        trainer, folder, mean = self.trainer, self.folder, math.nan
        if returns is not None:
            self.greedy = mean = float(returns.mean())
        texts = progress_texts(trainer, self.greedy, statistics["mean_return"])
        self.progress.show(trainer.env_steps, *texts, self.seconds_left(returns is not None))
        if mean >= self.best:
            self.best = mean
            folder.save(BEST, trainer, greedy_return=mean)
        folder.append("progress.csv", [{**statistics, "greedy_return": mean}])
        if trainer.rollout is not None:  # the owed iteration's are there already
            episodes = [episode._asdict() for episode in trainer.rollout.episodes]
            folder.append("episodes.csv", [{"return": e.pop("total"), **e} for e in episodes])

    def seconds_left(self, evaluated):
        """How long the rest takes if it goes on as so far: steps, and evaluations spread over them.

        An evaluation may take longer than all steps before it, so this is None but for the
        moment after one; or where there are none.
        """
        steps = self.trainer.env_steps - self.first
        if not steps or (self.evaluations and not evaluated):
            return None
        return (time.monotonic() - self.began) / steps * max(self.total - self.trainer.env_steps, 0)


def progress_texts(trainer, greedy, mean_return):
    """Where a training is: for the live line, and as a line of its own.

    greedy       the latest greedy evaluation, nan for none yet
    mean_return  of the last 100 training episodes, which lags behind; nan for none yet
    """
    speed = f"{trainer.env_steps / trainer.train_seconds:,.0f} steps/s"
    means = {"greedy": greedy, "last 100 episodes": mean_return}
    known = [(name, number) for name, number in means.items() if not math.isnan(number)]
    live = ", ".join(f"{name} {shown(number)}" for name, number in known)
    plain = "".join(f"   {name} {shown(number):>6}" for name, number in known)
    return (
        live,
        f"{trainer.env_steps:>11,} steps {speed:>17}{plain or '   no episode has ended yet'}",
    )


def shown(number, decimals=1):
    """A return as people read it: 500.0; small and huge ones with three digits, 2.13e-05."""
    usual = number == 0 or 1 <= abs(number) < 1e9
    return f"{number:.{decimals}f}" if usual else f"{number:.3g}"


def summarize(trainer, folder, eval_episodes):
    """Judge the final policy on fresh episodes, write summary.json and print it."""
    progress = folder.read("progress.csv")
    steps, means = (progress.get(name, np.empty(0)) for name in ("env_steps", "greedy_return"))
    summary = final_judgement(trainer, steps, means, eval_episodes)
    if lesson():
        summary["lesson"] = lesson()
    write_json(folder / SUMMARY, summary)

    speed = trainer.env_steps / trainer.train_seconds
    print(
        f"trained {trainer.env_steps:,} steps, {trainer.episodes:,} episodes "
        f"in {trainer.train_seconds:.3g} s ({speed:,.0f} steps/s)"
    )
    print_returns(trainer, folder.read("episodes.csv"))
    if lesson():
        print(f"trained with the gradients in {lesson()}/")
    print(f"{eval_episodes} fresh episodes each, mean (lowest) return:")
    for kind in ("greedy", "sampled"):
        mean, lowest = (summary[f"{kind}_return_{name}"] for name in ("mean", "min"))
        print(f"  {kind:7} {shown(mean):>8} ({shown(lowest)})")
    if summary["reward_threshold"] is not None:
        print(f"  {verdict(summary, np.isfinite(means).sum())}")


def print_returns(trainer, episodes):
    """The course of the training episodes' returns, where they began, in a line."""
    episodes = [episodes.get(name, np.zeros(0)) for name in ("began", "return", "length")]
    _, means = returns_when_begun(*episodes, trainer.config.num_envs, trainer.env_steps, 40)
    if np.isfinite(means).any():
        low, high = np.nanmin(means), np.nanmax(means)
        print(f"returns {sparkline(means)} {shown(low, 0)} to {shown(high, 0)}")


def verdict(summary, evaluations):
    """One line on whether the policy solved its environment; evaluations: how many in training."""
    first, for_good = summary["solved_at_step"], summary["solved_for_good_at_step"]
    end = f" ({evaluations} evaluation{'' if evaluations == 1 else 's'})"
    solved = f"solved ({summary['reward_threshold']:g})"
    if for_good is None:
        return f"not {solved}{f', though at step {first:,}' if first is not None else ''}{end}"
    early = f", first at {first:,}" if first < for_good else ""
    return f"{solved} for good from step {for_good:,} on{early}{end}"


def draw(trainer, folder, names):
    """Those of the pictures for people that are named: learning curve, one greedy episode.

    One that cannot be drawn is reported in a line; a resumed run tries it again.
    """
    for name in names:
        try:
            if name == CURVE:
                learning_curve(folder, CURVE)
            elif name == RECORDING:
                from lab.watch.recorder import record  # all of Pillow

                with closed(Session.of(trainer, trainer.seed)) as session:
                    recorded = record(session, folder / RECORDING, write=replace_whole)
                if not session.ended:
                    print(recorded)
        except Exception as error:  # an environment's own renderer may raise anything
            print(f"no {name}: {one_line(error)}")
