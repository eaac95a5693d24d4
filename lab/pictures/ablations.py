"""The grid of things killed, from the results that a study left behind."""

import numpy as np
from matplotlib.colors import to_hex, to_rgb

from lab.kit import PROJECT
from lab.kit.saving import save
from lab.study import ablation as study
from lab.study import picture

FOLDER = PROJECT / "figures"  # where the kept results are
COLUMNS = 3
HEIGHT = 8.6  # inches
LARGE = 0.5  # an effect this large has the full colour


def effect(summary, label):
    """How much of the whole's area under the learning curve is lost (< 0) or won (> 0)."""
    own, whole = (summary["variants"][name]["area"]["iqm"] for name in (label, study.WHOLE))
    return own / whole - 1


def colour_of(size, look):
    """From grey, no effect, to orange, learns worse, or to blue, learns better."""
    strength = min(abs(size) / LARGE, 1)
    ends = np.array([to_rgb(look.soft), to_rgb(look.less if size < 0 else look.more)])
    return to_hex((1 - strength) * ends[0] + strength * ends[1])


def ablation(figure, rng, look):
    """PPO less one thing at a time.

    Twelve panels, the largest loss first. Each shows the learning curves of PPO without
    one of its parts, and of complete PPO in grey. The stronger the colour, the larger
    the effect: orange learns worse, blue better.
    """
    draw_grid(figure, study.kept(FOLDER), look)


def draw_grid(figure, summary, look):
    """Each thing killed against the whole: IQM of the learning curves and its interval."""
    thousand = max(summary["total_steps"]) / 1_000
    whole = {**summary["variants"][study.WHOLE], "curve_interval": None}
    labels = [label for label in summary["variants"] if label != study.WHOLE]
    labels.sort(key=lambda label: effect(summary, label))
    panels = figure.subplots(
        -(-len(labels) // COLUMNS), COLUMNS, sharex=True, sharey=True, squeeze=False
    )
    for axes, label in zip(panels.ravel(), labels, strict=False):
        entry, size = summary["variants"][label], effect(summary, label)
        axes.axhline(475, color=look.soft, lw=0.8, ls=(0, (2, 3)))
        picture.draw_learning(axes, whole, thousand, look.soft, lw=1.4, ls=(0, (4, 1.5)))
        picture.draw_learning(axes, entry, thousand, colour_of(size, look), lw=2.2)
        axes.set_title(label, fontsize=9.5)
        area = f"{100 * size:+.0f}".replace("-", "−").replace("+0", "±0").replace("−0", "±0")
        last = [mean for mean in entry["curve"] if mean is not None][-1:]
        free = 0.05 if last > [300] else 0.56  # of the curve
        axes.annotate(
            f"area {area}%\nsolved {entry[picture.SOLVED]['seeds']} of {entry['seeds']}\n"
            f"greedy end {entry['greedy_return_mean']['iqm']:.0f}",
            (0.98, free),
            xycoords="axes fraction",
            ha="right",
            fontsize=8.5,
            bbox={"facecolor": look.card, "edgecolor": "none", "alpha": 0.75, "pad": 1},
        )
        axes.set(xlim=(0, thousand), ylim=(0, 510))
    for axes in panels[-1]:
        axes.set_xlabel("thousand steps")
    for axes in panels[:, 0]:
        axes.set_ylabel("return")
    figure.suptitle(
        f"PPO less one thing, {whole['seeds']} seeds each (IQM, 95%), largest loss first. "
        "Dashed: complete PPO.",
        fontsize=9.5,
    )


def draw_file(folder):
    """Draw the grid of the results in `folder` into it; returns the light picture's path."""
    summary = study.kept(folder)

    def ablation_of(figure, rng, look):
        draw_grid(figure, summary, look)

    ablation_of.__doc__ = ablation.__doc__
    return save(folder, "ablation", ablation_of, HEIGHT)
