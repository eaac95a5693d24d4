"""The grid of things killed, from the results that a study left behind."""

from pathlib import Path

import numpy as np

from lab.pictures.canvas import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PICTURES,
    PURPLE,
    SOFT,
    picture,
    rendered,
)
from lab.runs import write_whole
from lab.study import ablation as study
from lab.study.workers import PROJECT

FOLDER = PROJECT / "figures"  # where the kept results are
COLUMNS = 3


def colour_of(entry):
    """Orange if it clearly learns worse than the whole, blue if better, else purple."""
    _, low, high = entry["better"]
    return ORANGE if high < 0.5 else BLUE if low > 0.5 else PURPLE


@picture(height=8.6)
def ablation(figure, rng):
    """The grid of the results that are kept."""
    draw_grid(figure, study.kept(FOLDER))


def draw_grid(figure, summary):
    """Each thing killed against the whole: IQM of the learning curves and its interval."""
    steps = np.array(summary["steps"]) / 1_000
    whole = summary["variants"][study.WHOLE]
    labels = [label for label in summary["variants"] if label != study.WHOLE]
    panels = figure.subplots(
        -(-len(labels) // COLUMNS), COLUMNS, sharex=True, sharey=True, squeeze=False
    )
    for axes, label in zip(panels.ravel(), labels, strict=False):
        entry = summary["variants"][label]
        colour = colour_of(entry)
        axes.axhline(475, color=GREY, lw=0.8, ls=(0, (2, 3)))
        axes.fill_between(steps, whole["low"], whole["high"], color=GREY, alpha=0.3, lw=0)
        axes.plot(steps, whole["curve"], color=GREY, lw=1.8)
        axes.fill_between(steps, entry["low"], entry["high"], color=colour, alpha=0.3, lw=0)
        axes.plot(steps, entry["curve"], color=colour, lw=2.2)
        axes.set_title(label, fontsize=9.5)
        solved = sum(step is not None for step in entry["solved_at_step"])
        axes.annotate(
            f"solved {solved}/{len(entry['greedy'])}, greedy end {entry['greedy_iqm'][0]:.0f}",
            (0.98, 0.04),
            xycoords="axes fraction",
            ha="right",
            fontsize=8.5,
            color=INK,
        )
        axes.set(xlim=(0, steps[-1]), ylim=(0, 510))
    for axes in panels[-1]:
        axes.set_xlabel("thousand steps")
    for axes in panels[:, 0]:
        axes.set_ylabel("training return")
    note = {"xycoords": "axes fraction", "fontsize": 9}
    panels[0, 0].annotate("grey: complete PPO", (0.98, 0.34), ha="right", color=SOFT, **note)
    figure.suptitle(
        f"PPO less one thing, {len(summary['seeds'])} seeds each: IQM and 95% interval.   "
        "Orange: learns worse.   Purple: no clear difference.   Blue: better.",
        fontsize=9.5,
    )


def draw_file(folder):
    """Draw the grid of the results in `folder` into it; returns the picture's path."""
    summary, path = study.kept(folder), Path(folder) / "ablation.svg"
    size = PICTURES["ablation"].size
    write_whole(path, rendered(lambda figure, rng: draw_grid(figure, summary), size))
    return path
