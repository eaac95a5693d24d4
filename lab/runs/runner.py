"""One training run with all that goes with it: progress, evaluations, checkpoints, pictures.

The lesson's Trainer only trains. This is its caller on the command line: it
looks between two iterations, prints, and writes into the run folder
(lab/runs/records.py says what is in one).
"""

import contextlib
import math
import time

import numpy as np

from environments import EnvironmentFailed, closed, one_line
from lab.kit import Progress, first_interrupt_waits, lesson, replace_whole, sparkline, write_json
from lab.runs.curves import learning_curve
from lab.runs.judging import final_judgement, judged, returns_when_begun
from lab.runs.records import BEST, CHECKPOINT, CURVE, RECORDING
from lab.watch import Session

CHECKPOINT_SECONDS = 2  # of work that a crash may cost, at most


def carry_out(trainer, folder, evaluations, eval_episodes, max_episodes=None, media=True):
    """Train to the end, judge, draw, except what is done -> whether it was interrupted before.

    trainer        fresh, or from folder.resume
    folder         its RunFolder, locked
    evaluations    greedy evaluations, spread evenly over the training
    eval_episodes  episodes of each
    max_episodes   stop after so many training episodes; None: no limit
    media          draw pictures?

    Raises CannotWrite, and FloatingPointError as Trainer does.
    """
    limit = math.inf if max_episodes is None else max_episodes
    goes_on = trainer.episodes < limit or folder.owed()
    if goes_on and learn(trainer, folder, evaluations, eval_episodes, limit):
        return True
    missing = folder.missing(trainer, media)
    if "summary.json" in missing:
        summarize(trainer, folder, eval_episodes)
    draw(trainer, folder, missing)
    return False


def learn(trainer, folder, evaluations, eval_episodes, max_episodes=math.inf):
    """Train to the end, recording as it goes; as carry_out."""
    best, saved_at = folder.best_return(), time.monotonic()
    progress = Progress("{n:,.0f} steps", trainer.config.total_steps, trainer.env_steps)
    clock, greedy = Clock(trainer, evaluations), math.nan  # the latest evaluation's mean

    def enough():
        return trainer.episodes >= max_episodes

    with first_interrupt_waits() as interrupts, contextlib.closing(progress), torn(interrupts):
        how = evaluations, eval_episodes, enough, folder.owed(), interrupts.unless
        for statistics, returns in judged(trainer, *how):
            greedy_return = math.nan if returns is None else float(returns.mean())
            greedy = greedy if returns is None else greedy_return
            texts = progress_texts(trainer, greedy, statistics["mean_return"])
            progress.show(trainer.env_steps, *texts, clock.left(returns is not None))
            if greedy_return >= best:
                best = greedy_return
                folder.save(BEST, trainer, greedy_return=best)
            folder.append("progress.csv", [{**statistics, "greedy_return": greedy_return}])
            if trainer.rollout is not None:  # the owed iteration's are there already
                episodes = [episode._asdict() for episode in trainer.rollout.episodes]
                folder.append("episodes.csv", [{"return": e.pop("total"), **e} for e in episodes])
            if interrupts:
                break
            if time.monotonic() - saved_at > CHECKPOINT_SECONDS:
                folder.save(CHECKPOINT, trainer)
                saved_at = time.monotonic()
        folder.save(CHECKPOINT, trainer, owed=statistics if interrupts.broke_off else None)
    return bool(interrupts)


@contextlib.contextmanager
def torn(interrupts):
    """An environment that fails after an interrupt: Ctrl-C reaches its own processes, too."""
    try:
        yield
    except EnvironmentFailed:
        if not interrupts:
            raise


class Clock:
    """How long the rest of a training will take: its steps and its evaluations, as those so far.

    An evaluation may take longer than all steps before it, so nothing is said before the first.
    """

    def __init__(self, trainer, evaluations):
        self.trainer, self.evaluations, self.looks = trainer, evaluations, 0
        self.began, self.before = time.monotonic(), trainer.train_seconds

    def left(self, looked):
        """Seconds, if the policy has just been evaluated, or never will be; otherwise None."""
        self.looks += looked
        if not looked and self.evaluations:
            return None
        trainer, total = self.trainer, self.trainer.config.total_steps
        look = time.monotonic() - self.began - (trainer.train_seconds - self.before)
        step = trainer.train_seconds / trainer.env_steps
        looks_left = self.evaluations - trainer.env_steps * self.evaluations // total
        steps_left = max(total - trainer.env_steps, 0)
        return step * steps_left + look / max(self.looks, 1) * max(looks_left, 0)


def progress_texts(trainer, greedy, mean_return):
    """Where a training is: for the live line, and as a line of its own.

    greedy       the latest greedy evaluation, nan for none yet
    mean_return  of the last 100 training episodes, which lags behind; nan for none yet
    """
    speed = f"{trainer.env_steps / trainer.train_seconds:,.0f} steps/s"
    found = (("greedy", greedy), ("last 100 episodes", mean_return))
    known = [(name, number) for name, number in found if not math.isnan(number)]
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
    looks = [progress.get(name, np.empty(0)) for name in ("env_steps", "greedy_return")]
    summary = final_judgement(trainer, *looks, eval_episodes)
    if lesson():
        summary["lesson"] = lesson()
    write_json(folder / "summary.json", summary)

    speed = trainer.env_steps / trainer.train_seconds
    print(
        f"trained {trainer.env_steps:,} steps, {trainer.episodes:,} episodes "
        f"in {trainer.train_seconds:.3g} s ({speed:,.0f} steps/s)"
    )
    print_returns(trainer, folder.read("episodes.csv"))
    if lesson():
        print(f"with your gradients, from {lesson()}")
    print(f"{eval_episodes} fresh episodes each, mean (lowest) return:")
    for kind in ("greedy", "sampled"):
        mean, lowest = (summary[f"{kind}_return_{name}"] for name in ("mean", "min"))
        print(f"  {kind:7} {shown(mean):>8} ({shown(lowest)})")
    if summary["reward_threshold"] is not None:
        print(f"  {verdict(summary, np.isfinite(looks[1]).sum())}")


def print_returns(trainer, episodes):
    """The course of the training episodes' returns, where they began, in a line."""
    episodes = [episodes.get(name, np.zeros(0)) for name in ("began", "return", "length")]
    _, means = returns_when_begun(*episodes, trainer.config.num_envs, trainer.env_steps, 40)
    if np.isfinite(means).any():
        low, high = np.nanmin(means), np.nanmax(means)
        print(f"returns {sparkline(means)} {shown(low, 0)} to {shown(high, 0)}")


def verdict(summary, looks):
    """One line on whether the policy solved its environment, at so many looks in training."""
    first, for_good = summary["solved_at_step"], summary["solved_for_good_at_step"]
    end = f" ({looks} look{'' if looks == 1 else 's'})"
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
