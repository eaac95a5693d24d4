"""Pictures of a run: the learning curve.

matplotlib draws straight into a file; no window and no display is involved.
"""

import io

import numpy as np
from matplotlib.figure import Figure

from environments import reward_threshold
from lab.runs.files import write_whole

# Okabe & Ito's palette: distinguishable with every kind of colour vision.
DPI = 120
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#777777"


def learning_curve(folder, name="learning_curve.png"):
    """Draw a RunFolder's returns and update statistics over environment steps into `name`."""
    about, progress = folder.about(), folder.read("progress.csv")
    episodes = folder.read("episodes.csv")
    figure = Figure(figsize=(8, 5.5), dpi=DPI, layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])

    steps = progress["env_steps"]
    if episodes:
        top.plot(
            episodes["began"], episodes["return"], ".", color=GREY, alpha=0.35, ms=3,
            label="each training episode",
        )  # fmt: skip
    top.plot(steps, progress["mean_return"], color=BLUE, lw=2, label="mean of the last 100")
    judged = np.isfinite(progress["greedy_return"])
    top.plot(
        steps[judged], progress["greedy_return"][judged], "o", color=ORANGE, ms=5,
        label="greedy evaluation",
    )  # fmt: skip
    _draw_threshold(top, about["env_id"])
    top.set_ylabel("return")
    top.legend(loc="best", fontsize=8)
    top.set_title(f"{about['algorithm'].upper()} on {about['env_id']}, seed {about['seed']}")

    for key, colour, style in (
        ("entropy", BLUE, "-"),
        ("explained_variance", GREEN, "-"),
        ("clip_fraction", ORANGE, "-"),
        ("dead_fraction", PURPLE, "--"),
        ("approx_kl", GREY, "-"),
    ):
        shown = progress[key] if key != "approx_kl" else 10 * progress[key]
        label = key.replace("_", " ") + (" × 10" if key == "approx_kl" else "")
        bottom.plot(steps, shown, color=colour, ls=style, lw=1.2, label=label)
    bottom.set_ylim(-0.25, 1.05)
    bottom.set_ylabel("update statistics")
    bottom.set_xlabel("environment steps")
    bottom.legend(loc="upper right", fontsize=8, ncols=3)
    _save(figure, folder / name)


def compare(folders, path):
    """Lay the returns of several RunFolders over each other into the PNG `path`.

    Lines are means of the last 100 training episodes, dots greedy evaluations.
    Raises ValueError for a folder without progress, or when environments differ.
    """
    figure = Figure(figsize=(8, 4.5), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    colours = (BLUE, ORANGE, GREEN, PURPLE, "#56B4E9", "#E69F00", "#000000", GREY)
    env_ids = []
    for number, folder in enumerate(folders):
        about, progress = folder.about(), folder.read("progress.csv")
        if not progress:
            raise ValueError(f"{folder.path} holds no progress to compare")
        env_ids.append(about["env_id"])
        look = {"color": colours[number % len(colours)]}
        style = "-" if number < len(colours) else "--"
        axes.plot(
            progress["env_steps"], progress["mean_return"], style, label=folder.path.name, **look
        )
        judged = np.isfinite(progress["greedy_return"])
        axes.plot(
            progress["env_steps"][judged], progress["greedy_return"][judged], "o", ms=4, **look
        )
    if len(set(env_ids)) > 1:
        raise ValueError(
            f"these runs are of different environments: {', '.join(sorted(set(env_ids)))}"
        )
    _draw_threshold(axes, env_ids[0])
    axes.set_title(f"{env_ids[0]}: mean of the last 100 episodes; dots are greedy evaluations")
    axes.set_xlabel("environment steps")
    axes.set_ylabel("return")
    axes.legend(loc="best", fontsize=8)
    _save(figure, path)


def _draw_threshold(axes, env_id):
    threshold = reward_threshold(env_id)
    if threshold is not None:
        axes.axhline(threshold, color=GREEN, ls="--", lw=1, label=f"solved: {threshold:g}")


def _save(figure, path):
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_whole(path, picture.getvalue())
