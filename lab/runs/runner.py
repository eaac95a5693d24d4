"""One training run with all that goes with it: progress, evaluations, checkpoints, pictures.

The lesson's Trainer only trains. This is its caller on the command line: it
looks between two iterations, prints, and writes into the run folder
(lab/runs/records.py says what is in one).
"""

import contextlib
import math
import signal
import sys
import time

from tqdm import tqdm

from environments import reward_threshold
from lab.runs.records import BEST, CHECKPOINT, write_json
from training import evaluate

CHECKPOINT_SECONDS = 2  # of work that a crash may cost, at most


@contextlib.contextmanager
def first_interrupt_waits():
    """Ctrl-C asks to stop at the iteration's end; a second one stops at once.

    Yields a list that is no longer empty once Ctrl-C was pressed.
    """
    pressed = []

    def note(signum, frame):
        if pressed:
            raise KeyboardInterrupt
        pressed.append(signum)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


class Progress:
    """One live line in a terminal; plain lines, one for each tenth of the training, elsewhere."""

    def __init__(self, done, total):
        self.total, self.next_line = total, done + total / 10
        self.live = sys.stderr.isatty()
        if self.live:
            self.bar = tqdm(
                total=total,
                initial=done,
                unit=" steps",
                ncols=79,
                leave=False,
                bar_format="{percentage:3.0f}% {bar} {n:,.0f}{unit} ETA {remaining}{postfix}",
            )

    def show(self, trainer, mean_return):
        steps = trainer.env_steps
        speed = f"{steps / trainer.train_seconds:,.0f} steps/s"
        mean = "–" if math.isnan(mean_return) else f"{mean_return:.1f}"
        if self.live:
            self.bar.set_postfix_str(f"{speed}, return {mean}", refresh=False)
            self.bar.update(min(steps, self.total) - self.bar.n)
        elif steps >= min(self.next_line, self.total):
            self.next_line += self.total / 10
            print(
                f"{steps:>11,} steps {speed:>17}   return of the last 100 episodes {mean:>7}",
                flush=True,
            )

    def close(self):
        if self.live:
            self.bar.close()


def learn(trainer, folder, evaluations, eval_episodes, max_episodes=None):
    """Train to the end, recording as it goes. Returns whether Ctrl-C ended it early.

    evaluations    greedy evaluations, spread evenly over the training
    eval_episodes  episodes of each
    max_episodes   stop after so many training episodes; None: no limit
    """
    total = trainer.config.total_steps
    evaluations_due = trainer.env_steps * evaluations // total
    best = max(folder.read("progress.csv").get("greedy_return", []), default=float("-inf"))
    saved_at = time.monotonic()
    progress = Progress(trainer.env_steps, total)
    with first_interrupt_waits() as interrupts, contextlib.closing(progress):
        for statistics in trainer:
            progress.show(trainer, statistics["mean_return"])
            enough = max_episodes is not None and trainer.episodes >= max_episodes
            done = enough or trainer.env_steps >= total or bool(interrupts)
            statistics["greedy_return"] = float("nan")
            if done or trainer.env_steps * evaluations // total > evaluations_due:
                evaluations_due = trainer.env_steps * evaluations // total
                fresh = (trainer.seed, trainer.iteration)
                returns = evaluate(trainer.policy, trainer.env_id, eval_episodes, fresh)
                statistics["greedy_return"] = returns.mean()
                if returns.mean() >= best:
                    best = returns.mean()
                    folder.save(BEST, trainer)
            folder.append("progress.csv", [statistics])
            folder.append(
                "episodes.csv",
                [
                    {"env_steps": trainer.env_steps, "return": total_reward, "length": length}
                    for _, _, total_reward, length in trainer.rollout.episodes
                ],
            )
            if done or time.monotonic() - saved_at > CHECKPOINT_SECONDS:
                folder.save(CHECKPOINT, trainer)
                saved_at = time.monotonic()
            if done:
                break
    return bool(interrupts)


def summarize(trainer, folder, eval_episodes):
    """Judge the final policy on fresh episodes, write summary.json and print it."""
    greedy, sampled = (
        evaluate(trainer.policy, trainer.env_id, eval_episodes, trainer.seed, kind)
        for kind in (True, False)
    )
    threshold = reward_threshold(trainer.env_id)
    progress = folder.read("progress.csv")
    solved = None
    if threshold is not None:
        solved = next(
            (
                int(steps)
                for steps, mean in zip(
                    progress["env_steps"], progress["greedy_return"], strict=True
                )
                if mean >= threshold
            ),
            None,
        )
    summary = {
        "greedy_return_mean": greedy.mean(),
        "greedy_return_min": greedy.min(),
        "sampled_return_mean": sampled.mean(),
        "sampled_return_min": sampled.min(),
        "eval_episodes": eval_episodes,
        "reward_threshold": threshold,
        "solved_at_step": solved,
        "env_steps": trainer.env_steps,
        "episodes": trainer.episodes,
        "iterations": trainer.iteration,
        "train_seconds": trainer.train_seconds,
    }
    write_json(folder / "summary.json", summary)

    speed = trainer.env_steps / trainer.train_seconds
    print(
        f"trained {trainer.env_steps:,} steps, {trainer.episodes:,} episodes "
        f"in {trainer.train_seconds:.3g} s ({speed:,.0f} steps/s)"
    )
    print(f"{eval_episodes} fresh episodes each, mean (lowest) return:")
    print(f"  greedy  {greedy.mean():8.1f} ({greedy.min():.1f})")
    print(f"  sampled {sampled.mean():8.1f} ({sampled.min():.1f})")
    if threshold is not None:
        verdict = "solved" if greedy.mean() >= threshold else "not solved"
        first = f", first reached in training at step {solved:,}" if solved else ""
        print(f"  {verdict}: the threshold is {threshold:g}{first}")


def draw(trainer, folder):
    """The pictures for people: learning curve and one greedy episode."""
    from lab.runs.curves import learning_curve  # matplotlib and Pillow, only when there is to draw
    from lab.watch.recorder import record
    from lab.watch.session import Session

    learning_curve(folder)
    try:
        record(Session.of(trainer, trainer.seed), folder / "episode.gif")
    except ImportError as error:
        print(f"no GIF: {error}")
