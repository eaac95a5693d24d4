"""A study's picture: how the seeds learned, where they ended, when they were solved."""

import io
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from lab.runs import write_whole
from lab.runs.curves import BLUE, GREEN, GREY, ORANGE, PURPLE
from lab.study import statistics as stats

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, "#E69F00", "#56B4E9", "#000000", "#F0E442")
GRID = 150  # points of the common axis on which the curves are averaged
CURVE_RESAMPLES = 1_000
KINDS = ("greedy", "sampled")


def common_curves(results, total_steps):
    """The seeds' learning curves at common steps -> steps (GRID,), returns (n, GRID).

    Left of a seed's first finished episode its curve is level. A seed in which
    no episode ended has no curve; n counts the others.
    """
    steps = np.linspace(0, total_steps, GRID)
    curves = []
    for result in results:
        x = np.array(result["curve"]["env_steps"], float)
        y = np.array(result["curve"]["mean_return"], float)  # None becomes nan
        known = np.isfinite(y)
        if known.any():
            curves.append(np.interp(steps, x[known], y[known]))
    return steps, np.array(curves)


def draw_study(settings, results, summary, path):
    """Draw the picture into the file `path`.

    settings, results, summary  as for, and from, stats.summarize
    """
    drawn = [
        (variant, stats.of_label(results, variant["label"]), colour)
        for variant, colour in zip(settings["variants"], cycle(COLOURS), strict=False)
        if summary["variants"][variant["label"]]["seeds"]
    ]
    threshold = drawn[0][1][0]["reward_threshold"]
    height = 5 + 0.5 * max(0, len(drawn) - 3)
    figure = Figure(figsize=(10, height), dpi=120, layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=[3, 2])
    learning = figure.add_subplot(grid[:, 0])
    ends = figure.add_subplot(grid[0, 1] if threshold is not None else grid[:, 1])
    for row, (variant, own, colour) in enumerate(drawn):
        draw_learning(learning, own, variant, colour)
        draw_ends(ends, own, summary["variants"][variant["label"]], row, colour)
    counts = sorted({len(own) for _, own, _ in drawn})
    seeds = "–".join(map(str, counts)) + (" seed" if counts == [1] else " seeds")
    learning.set_title(f"Learning on {settings['env_id']}: {seeds}, IQM and its 95% interval")
    learning.set(xlabel="environment steps", ylabel="mean return of the last 100 episodes")
    learning.legend(loc="best", fontsize=9)
    names = [f"{variant['label']} {kind}" for variant, _, _ in drawn for kind in KINDS]
    ends.set_yticks(np.arange(len(names)) / 2 - 0.25, names)
    ends.set(ylim=(len(drawn) - 0.5, -0.5))
    ends.set_xlabel(f"mean return of {settings['eval_episodes']} episodes")
    ends.set_title("At the end: every seed, IQM and its 95% interval")
    learning.set_xlim(0, max(variant["config"]["total_steps"] for variant, _, _ in drawn))
    for axes in (learning, ends) if threshold is not None else ():
        line = axes.axhline if axes is learning else axes.axvline
        line(threshold, color=GREY, ls="--", lw=1, zorder=0)
    if threshold is not None:
        learning.annotate(
            f"solved: {threshold:g}", (1, threshold), xycoords=("axes fraction", "data"),
            ha="right", va="top", color=GREY, fontsize=8,
        )  # fmt: skip
        solving = figure.add_subplot(grid[1, 1])
        for variant, own, colour in drawn:
            draw_solving(solving, own, variant, colour)
        solving.set(xlim=learning.get_xlim(), ylim=(0, 103), xlabel="environment steps")
        solving.set(ylabel="% of seeds", title=f"Solved: greedy return has reached {threshold:g}")

    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.title.set_fontsize(10)
        if axes is not ends:
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            axes.xaxis.set_major_locator(MaxNLocator(5))
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_whole(path, picture.getvalue())


def draw_learning(axes, results, variant, colour):
    """All seeds faint, their IQM bold with its band."""
    steps, curves = common_curves(results, variant["config"]["total_steps"])
    if not len(curves):
        return
    faint = max(0.08, min(0.5, 4 / len(curves)))
    axes.plot(steps, curves.T, color=colour, lw=0.7, alpha=faint)
    axes.plot(steps, stats.iqm(curves, axis=0), color=colour, lw=2.5, label=variant["label"])
    band = stats.interval(stats.iqm, curves, axis=0, resamples=CURVE_RESAMPLES)
    if band is not None:
        axes.fill_between(steps, *band, color=colour, alpha=0.3, lw=0)


def draw_ends(axes, results, entry, row, colour):
    """Every seed's final return, greedy above and sampled below, and the IQM with its interval."""
    rng = np.random.default_rng(0)  # only scatters the dots, so that they don't hide each other
    for kind, place in zip(KINDS, (row - 0.25, row + 0.25), strict=True):
        found, values = (
            entry[f"{kind}_return_mean"],
            stats.values_of(results, f"{kind}_return_mean"),
        )
        scatter = place + rng.uniform(-0.12, 0.12, len(values))
        axes.plot(values, scatter, "o", color=colour, ms=3.5, alpha=0.4, mew=0)
        low, high = found["iqm_interval"] or [found["iqm"]] * 2
        axes.plot([low, high], [place, place], color="black", lw=1.5)
        axes.plot(found["iqm"], place, "|", color="black", ms=12, mew=1.5)


def draw_solving(axes, results, variant, colour):
    """How many seeds were solved after so many steps."""
    at = np.sort(stats.values_of(results, "solved_at_step"))
    at = at[at < stats.NEVER]
    share = 100 * np.arange(1, len(at) + 1) / len(results)
    x = np.concatenate([[0], at, [variant["config"]["total_steps"]]])
    y = np.concatenate([[0], share, share[-1:] if len(share) else [0]])
    axes.step(x, y, where="post", color=colour, lw=2)
