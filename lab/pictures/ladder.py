"""What each stair of the ladder buys, from benchmarks/results/ladder.json."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from lab.study import ladder as study

GRID = np.linspace(1_000, 100_000, 34)  # where the seeds' curves are compared
TITLE, WORDS = 12, 11.5  # points: still to be read on a phone, where the picture is half as large


def colour_of(n, look):
    """Stairs below the ratio are vanilla policy gradient, the last is PPO."""
    return look.ppo if n == 9 else look.others[1] if n == 8 else look.vpg


def median_of(rows):
    """The median over seeds of their returns, on GRID."""
    return np.median([np.interp(GRID, row[3][::2], row[3][1::2]) for row in rows], axis=0)


def ladder(figure, rng, look):
    """What each stair of the ladder buys, on 20 seeds.

    Eight panels with the same axes, stairs 2 to 9: CartPole's greedy returns over 100,000
    steps, a thin line a seed, their median bold, the median of the stair below in grey.
    Stairs 3 and 4, a straight line, are at the top first and do not quite stay; 5 and 6 come
    later and stay; 8 wavers, and three seeds end at 9; 9 is at the top and stays. Below, what
    CartPole hides: the gradient's noise falls with stairs 3, 4 and 6; an update's largest KL
    is some hundred times larger on stair 8 than on 7 and 9; the swing-up's return at the end
    rises with stairs 4, 6 and 9.
    """
    data = study.kept()
    rows = {int(n): own for n, own in data["runs"][study.CART].items()}
    panels = figure.subplots(4, 3, height_ratios=[1, 1, 1, 1.25])
    explain(panels[0, 0], look)
    for n, axes in zip(range(2, 10), panels[:3].ravel()[1:], strict=True):
        climb(axes, n, rows, look)
        axes.set_xticks([0, 50, 100], ["0", "50", "100"] if n >= 7 else [])
        axes.set_yticks([0, 250, 500], ["0", "250", "500"] if n in (2, 4, 7) else [])
    panels[2, 1].set_xlabel("thousand steps", fontsize=WORDS)
    for draw, axes in zip((noise, drift, swing), panels[3], strict=True):
        draw(axes, data, look)
        axes.spines["left"].set_visible(False)
    for axes in panels.ravel():
        axes.tick_params(labelsize=WORDS, length=2.5)


def explain(axes, look):
    """What the lines are, where the bandit would stand, which has no cart."""
    lines = (
        ("a seed", {"color": look.vpg, "lw": 0.8, "alpha": 0.6}),
        ("their median", {"color": look.vpg, "lw": 3}),
        ("the stair below", {"color": look.soft, "lw": 2, "ls": (0, (4, 1.5))}),
        ("475: solved", {"color": look.soft, "lw": 0.9, "ls": (0, (2, 3))}),
    )
    for y, (words, style) in zip((0.66, 0.44, 0.22, 0), lines, strict=True):
        axes.plot([0, 0.2], [y, y], clip_on=False, **style)
        axes.text(0.27, y, words, fontsize=WORDS, va="center")
    axes.set(xlim=(0, 1), ylim=(-0.1, 1))
    axes.set_title("greedy returns", fontsize=TITLE)
    axes.set_axis_off()


def climb(axes, n, rows, look):
    """One stair's seeds, their median, and the median of the stair below."""
    axes.axhline(study.THRESHOLD, color=look.soft, lw=0.9, ls=(0, (2, 3)))
    for row in rows[n]:
        axes.plot(
            np.array(row[3][::2]) / 1e3, row[3][1::2], color=colour_of(n, look), lw=0.6, alpha=0.4
        )
    if n > 2:
        below = median_of(rows[n - 1])
        axes.plot(GRID / 1e3, below, color=look.soft, lw=1.8, ls=(0, (4, 1.5)))
    axes.plot(GRID / 1e3, median_of(rows[n]), color=colour_of(n, look), lw=2.6)
    axes.set(xlim=(0, 100), ylim=(0, 515))
    name, idea = study.name(n).replace("_", " "), study.idea(n)
    named = name.split()[-1] in idea
    axes.set_title(f"{n}  {name}" + ("" if named else f": {idea}"), fontsize=TITLE)


def listed(axes, title, names, look):
    """A row for each stair, the lowest stair on top."""
    axes.set_title(title, fontsize=TITLE)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    for y in range(len(names)):
        axes.axhline(y, color=look.faint, lw=0.8, zorder=0)


def noise(axes, data, look):
    """The gradient's variance over its squared mean, at two policies."""
    listed(axes, "the gradient's noise", list(study.NOISE), look)
    for y, (n, words) in enumerate(study.NOISE.items()):
        early, late = (data["noise"][steps][words][0] for steps in study.AFTER)
        axes.plot(early, y, "o", color=colour_of(n, look), ms=7)
        axes.plot(late, y, "o", mfc="none", mec=colour_of(n, look), ms=7)
        x, side = (0.14, "left") if n == 2 else (35, "right")
        axes.text(x, y - 0.16, words, fontsize=WORDS, ha=side)
    axes.set(xscale="log", xlim=(0.12, 40))
    axes.set_xticks([0.2, 1, 5, 20], ["0.2", "1", "5", "20"])
    axes.minorticks_off()
    axes.set_xlabel("1,000 steps; open: 8,000", fontsize=WORDS)


def drift(axes, data, look):
    """Each seed's largest KL of an update; the largest ratio in words."""
    listed(axes, "largest KL, ratio", [7, 8, 9], look)
    for y, n in enumerate((7, 8, 9)):
        kl = data["updates"][str(n)]["largest_kl_of_seeds"]
        axes.plot(kl, [y] * len(kl), "o", color=colour_of(n, look), ms=6, alpha=0.35, mew=0)
        ratio = f"{study.largest(data, n)[1]:,.1f}".removesuffix(".0")
        x, side = (0.007, "left") if n == 8 else (13, "right")
        axes.text(x, y - 0.14, f"ratio ≤ {ratio}", fontsize=WORDS, ha=side)
    axes.set(xscale="log", xlim=(0.006, 15))
    axes.set_xticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
    axes.minorticks_off()
    axes.set_xlabel("a dot a seed", fontsize=WORDS)


def swing(axes, data, look):
    """The swing-up's return at the end, each seed's and their mean."""
    listed(axes, "swing-up's end", range(2, 10), look)
    for y, n in enumerate(range(2, 10)):
        ends = [row[3][-1] for row in data["runs"][study.SWING_UP][str(n)]]
        axes.plot(ends, [y] * len(ends), "o", color=colour_of(n, look), ms=5, alpha=0.35, mew=0)
        axes.plot(np.mean(ends), y, "|", color=look.ink, ms=11, mew=2)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel("return; | the mean", fontsize=WORDS)
