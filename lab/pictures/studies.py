"""The picture of the study of many seeds, from the results that are kept."""

import numpy as np

from lab.pictures.looks import hues, steps_axis
from lab.study import picture, statistics, tables

ENV_ID, ALGORITHMS = "CartPole-v1", ("vpg", "ppo")
MOST_LEFT = 0.02  # of the seeds may lie beyond the right edge


def study(figure, rng, look):
    """When VPG's and PPO's seeds solved CartPole.

    Over environment steps, how many of the seeds had been solved: dotted, a greedy return of 475
    for the first time; solid, for good. Dots mark the medians of the latter, bars their intervals.
    """
    axes = figure.subplots()
    found = [tables.study_of(ENV_ID, name) for name in ALGORITHMS]
    ends, last = [], 0
    for row, (results, hue) in enumerate(zip(found, hues(ALGORITHMS, look), strict=True)):
        good, total = results.solved_for_good_at_step, results.about["config"]["total_steps"]
        picture.draw_solving(axes, good, total, results.name, hue, row, look)
        first = np.sort(results.solved_at_step)
        axes.step([0, *first], np.linspace(0, 100, len(first) + 1), where="post", color=hue, lw=1.4,
                  ls=(0, (1, 1)))  # fmt: skip
        last = max(last, *np.quantile([good, results.solved_at_step], 1 - MOST_LEFT, axis=1))
        beyond = int(np.sum(good == statistics.NEVER))
        greedy = results.greedy_return_mean
        ends.append(
            f"{results.name}, {len(results):,} seeds, in the end: greedy {greedy.mean():.1f} "
            f"(worst seed {greedy.min():.1f})"
            + (f"; {beyond} not solved for good" if beyond else "")
        )
    axes.axhline(50, color=look.faint, lw=1, zorder=0)
    axes.set(xlim=(0, min(last * 1.05, 150_000)), ylim=(0, 103), ylabel="% of the seeds")
    axes.set_title("CartPole-v1 solved: for good, and (dotted) for the first time")
    axes.set_xlabel("environment steps")
    steps_axis(axes)
    axes.legend(loc="lower right", fontsize=10.5)
    figure.supxlabel("\n".join(ends), fontsize=10, x=0.02, ha="left")
