"""Pictures of runs: one run's learning curve with its instruments, and several runs compared.

Episodes are drawn where they began, the line is the mean of those that began in a
short window, circles are greedy evaluations. A mean of the last 100 episodes would
lag by as much as these episodes are long.
"""

import textwrap
from typing import NamedTuple

import numpy as np

from lab.kit import LIGHT, drawing, hues, plain, png, replace_whole, steps_axis, write_whole
from lab.runs.judging import returns_when_begun

WINDOWS = 50  # of a run's line
MOST_NAMES = 16  # in a legend
MOST_LETTERS = 88  # beside one another in it
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)))  # once the hues begin anew
DOTS_PER_INCH = 120
HARDLY = 0.04  # targets that vary by so much of what they once did leave nothing to explain


class Instrument(NamedTuple):
    """A small panel: statistics of an update, and how they look in a run that is well."""

    keys: tuple
    title: str
    healthy: str
    band: tuple | None = None  # drawn behind: from, to
    sight: tuple = (0, None)  # the axis' ends; None: as the numbers want it
    scale: str = "linear"


INSTRUMENTS = (
    Instrument(("entropy",), "entropy", "falls slowly"),
    Instrument(("approx_kl",), "approx. KL", "0.00001 to 0.03; less as steps shrink",
               (1e-5, 0.03), (1e-6, None), "log"),
    Instrument(("clip_fraction", "dead_fraction"), "rows clipped (dotted: dead)", "below 0.3",
               (0, 0.3)),
    Instrument(("explained_variance",), "explained variance", "towards 1",
               (0, 1), (-0.5, 1.05)),
    Instrument(("policy_grad_norm",), "policy's gradient", "above 0"),
    Instrument(("value_grad_norm",), "value's gradient", "falls in the end"),
)  # fmt: skip


def learning_curve(folder, name="learning_curve.png"):
    """Draw a RunFolder's returns and its updates' statistics over environment steps into `name`."""
    about, progress = folder.about(), folder.read("progress.csv")
    clips = "clip_range" in progress
    instruments = [each for each in INSTRUMENTS if clips or "clip_fraction" not in each.keys]
    rows = -(-len(instruments) // 3)
    with drawing(8, 3.4 + 1.6 * rows) as figure:
        grid = figure.add_gridspec(1 + rows, 3, height_ratios=[2.4] + rows * [1])
        (hue,) = hues([about["algorithm"]])
        draw_returns(figure.add_subplot(grid[0, :]), folder, about, progress, hue)
        for place, instrument in enumerate(instruments):
            axes = figure.add_subplot(grid[1 + place // 3, place % 3])
            draw_instrument(axes, progress, instrument, about["config"]["learning_rate"], hue)
        replace_whole(folder / name, png(figure, DOTS_PER_INCH))


def draw_returns(axes, folder, about, progress, hue):
    """One run's episodes, their mean, its evaluations and its threshold, all named."""
    began, returns, _ = episodes_of(folder)
    if len(began):
        style = {"color": LIGHT.soft, "alpha": 0.5, "ms": 4, "mew": 0}
        axes.plot(began, returns, ".", label="episode, where it began", **style)
    draw_run(axes, folder, about, progress, hue, label="mean of those begun together")
    axes.lines[-1].set_label("greedy evaluation")
    draw_threshold(axes, about["reward_threshold"])
    axes.set(ylabel="return", xlabel="environment steps", xlim=(0, progress["env_steps"][-1]))
    axes.set_title(plain(f"{title(about)} on {about['env_id']}, seed {about['seed']}"), pad=24)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 0.99), ncols=3, borderaxespad=0)
    steps_axis(axes)


def episodes_of(folder):
    """A run's episodes, in the order in which they ended -> began, returns, lengths, (n,) each."""
    episodes = folder.read("episodes.csv")
    return [episodes.get(name, np.zeros(0)) for name in ("began", "return", "length")]


def draw_run(axes, folder, about, progress, hue, zorder=2, alpha=1, **style):
    """One run's line, and its greedy evaluations as circles."""
    total = progress["env_steps"][-1]
    num_envs = about["config"]["num_envs"]
    steps, means = returns_when_begun(*episodes_of(folder), num_envs, total, WINDOWS)
    known = np.isfinite(means)
    axes.plot(steps[known], means[known], color=hue, zorder=zorder, alpha=alpha,
              **{"lw": 2.2, **style})  # fmt: skip
    judged = np.isfinite(progress["greedy_return"])
    axes.plot(
        progress["env_steps"][judged], progress["greedy_return"][judged], "o", ms=6, mew=1.6,
        mfc=LIGHT.card, mec=hue, clip_on=False, zorder=zorder + 1, alpha=alpha,
    )  # fmt: skip


def draw_instrument(axes, progress, instrument, learning_rate, hue):
    """A small panel of one or two statistics over what is healthy for them.

    Explained variance is pale where the targets hardly vary. A small triangle stands where
    a number lies below the axis.
    """
    steps, healthy = progress["env_steps"], instrument.healthy
    low, high = instrument.sight
    axes.set_yscale(instrument.scale)
    pale = np.zeros(len(steps), bool)
    if instrument.keys == ("explained_variance",):
        pale = hardly_vary(progress["explained_variance"], progress["value_loss"])
        healthy += "; pale: targets hardly vary" if pale.any() else ""
    if instrument.band is not None:
        bottom, top = instrument.band
        if instrument.keys == ("approx_kl",):  # goes with the square of the step
            bottom = bottom * (progress["learning_rate"] / learning_rate) ** 2
        axes.fill_between(steps, bottom, top, where=~pale, color=LIGHT.faint, alpha=0.7, lw=0)
    for key, style in zip(instrument.keys, ("-", ":"), strict=False):
        numbers, marker = progress[key], "." if len(steps) == 1 else None
        axes.plot(steps, np.where(pale, numbers, np.nan), style, color=hue, lw=1, alpha=0.25)
        axes.plot(steps, np.where(pale, np.nan, numbers), style, color=hue, lw=1.2, marker=marker)
        if key == "entropy":
            low, high = min(0, 1.05 * np.nanmin(numbers)), max(np.log(2), 1.05 * np.nanmax(numbers))
        below = (numbers < low) & ~pale
        if below.any():
            axes.plot(steps[below], np.zeros(below.sum()), "v", color=hue, ms=3, mew=0,
                      clip_on=False, transform=axes.get_xaxis_transform())  # fmt: skip
    axes.set_title(instrument.title, fontsize=9, fontweight="normal", pad=13)
    axes.annotate(healthy, (0, 1), (0, 3), xycoords="axes fraction", textcoords="offset points",
                  fontsize=7.5, color=LIGHT.soft)  # fmt: skip
    axes.set(xlim=(0, steps[-1]), ylim=(low, high))
    axes.tick_params(labelsize=7.5)
    steps_axis(axes, 2)


def hardly_vary(explained, value_loss):
    """Where an update's value targets were nearly all alike: two (n,) -> bool (n,).

    Explained variance is 1 − Var(errors)/Var(targets) and the loss half the errors' mean
    square, so Var(targets) is about 2 loss / (1 − explained).
    """
    unexplained = 1 - explained
    spread = np.sqrt(2 * value_loss / np.where(unexplained > 0, unexplained, np.nan))
    hardly = spread < HARDLY * np.nanmax(spread, initial=0)
    return hardly | np.isnan(explained)


def draw_threshold(axes, threshold):
    """The environment's own threshold, with its name beside the axes."""
    if threshold is not None:
        axes.axhline(threshold, color=LIGHT.ink, ls=(0, (4, 3)), lw=1, zorder=0)
        axes.annotate(f"solved:\n{threshold:g}".replace("-", "−"), (1, threshold), (7, 0),
                      fontsize=9, va="center", xycoords=("axes fraction", "data"),
                      textcoords="offset points")  # fmt: skip


def names(folders, abouts):
    """What tells runs apart, a list: the algorithm, and the settings in which its runs differ."""
    texts = []
    for folder, about in zip(folders, abouts, strict=True):
        peers = [peer for peer in abouts if peer["algorithm"] == about["algorithm"]]
        settings = [{"seed": peer["seed"], **peer["config"]} for peer in peers]
        own = {"seed": about["seed"], **about["config"]}
        words = [f"{key} {own[key]}" for key in own if any(s[key] != own[key] for s in settings)]
        if len(peers) > 1 and not words:  # twins
            words = [folder.path.name]
        texts.append(", ".join([title(about), *words]))
    return texts


def title(about):
    return about["algorithm"].upper()


def compare(folders, path):
    """Lay the returns of several RunFolders over each other into the PNG `path`.

    Raises ValueError for a folder without progress, or when environments differ.
    """
    abouts = [folder.about() for folder in folders]
    progresses = [folder.read("progress.csv") for folder in folders]
    for folder, progress in zip(folders, progresses, strict=True):
        if not progress:
            raise ValueError(f"{folder.path} holds no progress to compare")
    env_ids = sorted({about["env_id"] for about in abouts})
    if len(env_ids) > 1:
        raise ValueError(f"these runs are of different environments: {', '.join(env_ids)}")
    named = names(folders, abouts)[:MOST_NAMES]
    named = [plain(textwrap.fill(name, MOST_LETTERS)) for name in named]
    columns = max(1, MOST_LETTERS // (6 + max(map(len, named))))
    lines = 1 + max(name.count("\n") for name in named)
    with drawing(8, 4.2 + 0.2 * lines * -(-len(named) // columns)) as figure:
        draw_comparison(figure.subplots(), folders, abouts, progresses, named)
        figure.axes[0].set_title(plain(env_ids[0]))
        figure.legend(
            loc="outside lower left", ncols=columns, alignment="left",
            title="lines: episodes, where they began; ○ greedy evaluations"
            + (f"; grey: {len(folders) - len(named)} more" if len(named) < len(folders) else ""),
        )  # fmt: skip
        write_whole(path, png(figure, DOTS_PER_INCH))


def draw_comparison(axes, folders, abouts, progresses, named):
    """A hue and a dash for each run that has a name, over the rest in grey."""
    colours = hues([about["algorithm"] for about in abouts])
    for place, run in enumerate(zip(folders, abouts, progresses, strict=True)):
        if place < len(named):
            again = colours[:place].count(colours[place])
            style = {"ls": DASHES[again % len(DASHES)], "label": named[place]}
            draw_run(axes, *run, colours[place], **style)
        else:
            draw_run(axes, *run, LIGHT.soft, lw=1, zorder=1, alpha=0.4)
    draw_threshold(axes, abouts[0]["reward_threshold"])
    axes.set(xlabel="environment steps", ylabel="return", xlim=(0, None))
    steps_axis(axes)
