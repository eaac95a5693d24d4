"""Pictures of runs: one run's learning curve with its instruments, and several runs compared.

Episodes are drawn where they began, the line is the mean of those that began in a
short window, circles are greedy evaluations. A mean of the last 100 episodes would
lag by as much as these episodes are long.
"""

import numpy as np

from lab.pictures import LIGHT, drawing, hues, png, steps_axis
from lab.runs.files import replace_whole, write_whole
from lab.runs.judging import returns_when_begun

WINDOWS = 50  # of a run's line
MOST_NAMES = 16  # in a legend
DOTS_PER_INCH = 120

# Statistics of an update that share a panel: its title, its healthy range and its limits.
INSTRUMENTS = {
    "entropy": ("entropy: falls slowly", None, {}),
    "approx_kl": ("approx. KL: 0.001 to 0.03", (0.001, 0.03), {"bottom": 0}),
    "clip_fraction dead_fraction": ("clipped (dotted: dead): below 0.3", (0, 0.3), {"bottom": 0}),
    "explained_variance": ("explained variance: towards 1", (0, 1), {"bottom": -0.5, "top": 1.05}),
    "policy_grad_norm": ("policy's gradient: steady", None, {"bottom": 0}),
    "value_grad_norm": ("value's gradient: steady", None, {"bottom": 0}),
}


def learning_curve(folder, name="learning_curve.png"):
    """Draw a RunFolder's returns and its updates' statistics over environment steps into `name`."""
    about, progress = folder.about(), folder.read("progress.csv")
    shown = [
        keys for keys in INSTRUMENTS if any(np.any(progress.get(key, 0)) for key in keys.split())
    ]
    rows = -(-len(shown) // 3)
    (hue,) = hues([about["algorithm"]])
    with drawing(8, 3.4 + 1.45 * rows) as figure:
        grid = figure.add_gridspec(1 + rows, 3, height_ratios=[2.4] + rows * [1])
        top = figure.add_subplot(grid[0, :])
        began, returns, *_ = episodes_of(folder)
        if len(began):
            top.plot(began, returns, ".", color=LIGHT.soft, alpha=0.5, ms=4, mew=0,
                     label="each episode, where it began")  # fmt: skip
        draw_run(top, folder, about, progress, hue, "mean of those begun in a short window")
        top.lines[-1].set_label("greedy evaluation")
        draw_threshold(top, about["reward_threshold"])
        top.set(ylabel="return", xlabel="environment steps", xlim=(0, progress["env_steps"][-1]))
        top.set_title(f"{title(about)} on {about['env_id']}, seed {about['seed']}")
        top.legend(loc="lower right")
        steps_axis(top)
        for place, keys in enumerate(shown):
            axes = figure.add_subplot(grid[1 + place // 3, place % 3], sharex=top)
            draw_instrument(axes, progress, keys.split(), *INSTRUMENTS[keys], hue)
        replace_whole(folder / name, png(figure, DOTS_PER_INCH))


def episodes_of(folder):
    """A run's episodes, in the order in which they ended -> began, returns, lengths, (n,) each."""
    episodes = folder.read("episodes.csv")
    return [episodes.get(name, np.zeros(0)) for name in ("began", "return", "length")]


def draw_run(axes, folder, about, progress, hue, label):
    """One run's line, and its greedy evaluations as circles."""
    total = progress["env_steps"][-1]
    num_envs = about["config"]["num_envs"]
    steps, means = returns_when_begun(*episodes_of(folder), num_envs, total, WINDOWS)
    known = np.isfinite(means)
    axes.plot(steps[known], means[known], color=hue, lw=2.2, label=label)
    judged = np.isfinite(progress["greedy_return"])
    axes.plot(
        progress["env_steps"][judged], progress["greedy_return"][judged], "o", ms=6, mew=1.6,
        mfc=LIGHT.card, mec=hue, clip_on=False, zorder=3,
    )  # fmt: skip


def draw_instrument(axes, progress, keys, title, healthy, limits, hue):
    """A small panel of one or two statistics over their healthy range."""
    if healthy is not None:
        axes.axhspan(*healthy, color=LIGHT.faint, alpha=0.7, lw=0, zorder=0)
    for key, style in zip(keys, ("-", ":"), strict=False):
        shown = np.maximum(progress[key], limits.get("bottom", -np.inf))
        axes.plot(progress["env_steps"], shown, style, color=hue, lw=1.2)
    axes.set_title(title, fontsize=9, fontweight="normal")
    axes.set_ylim(**limits)
    axes.tick_params(labelsize=7.5)


def draw_threshold(axes, threshold):
    if threshold is not None:
        axes.axhline(threshold, color=LIGHT.ink, ls=(0, (4, 3)), lw=1, zorder=0)
        axes.annotate(f"solved: {threshold:g}", (0.995, threshold), (0, -4), fontsize=9,
                      ha="right", va="top", xycoords=("axes fraction", "data"),
                      textcoords="offset points")  # fmt: skip


def names(folders, abouts):
    """What tells runs apart, a list: the algorithm, and the settings in which its runs differ."""
    found = []
    for folder, about in zip(folders, abouts, strict=True):
        own = {"seed": about.get("seed"), **about["config"]}
        peers = [
            {"seed": other.get("seed"), **other["config"]}
            for other in abouts
            if other["algorithm"] == about["algorithm"]
        ]
        differing = [
            f"{key} {value}"
            for key, value in own.items()
            if any(peer.get(key) != value for peer in peers)
        ]
        twins = len(peers) > 1 and not differing
        found.append(", ".join([title(about), *differing, *([folder.path.name] if twins else [])]))
    return found


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
    labels, colours = names(folders, abouts), hues([about["algorithm"] for about in abouts])
    with drawing(8, 4.5) as figure:
        axes = figure.subplots()
        for one in zip(folders, abouts, progresses, colours, labels, strict=True):
            draw_run(axes, *one)
        draw_threshold(axes, abouts[0]["reward_threshold"])
        handles = axes.get_legend_handles_labels()[0][:MOST_NAMES]
        more = len(labels) - len(handles)
        axes.legend(handles=handles, title=f"and {more} more" if more else None, loc="best")
        axes.get_legend().set_in_layout(False)  # however many there are
        axes.set_title(f"{env_ids[0]}: episodes where they began; ○ greedy evaluations")
        axes.set(xlabel="environment steps", ylabel="return", xlim=(0, None))
        steps_axis(axes)
        write_whole(path, png(figure, DOTS_PER_INCH))
