"""Pictures of a run: the learning curve.

matplotlib draws straight into a file; no window and no display is involved.
"""

import io

import numpy as np
from matplotlib.figure import Figure

from lab.records import read_json, write_whole
from rollout import reward_threshold

# Okabe & Ito's palette: distinguishable with every kind of colour vision.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#777777"


def learning_curve(folder, name="learning_curve.png"):
    """Draw a RunFolder's returns and update statistics over environment steps into `name`."""
    about, progress = read_json(folder / "config.json"), folder.read("progress.csv")
    episodes = folder.read("episodes.csv")
    figure = Figure(figsize=(8, 5.5), dpi=120, layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])

    steps = progress["env_steps"]
    if episodes:
        top.plot(
            episodes["env_steps"], episodes["return"], ".", color=GREY, alpha=0.35, ms=3,
            label="each training episode",
        )  # fmt: skip
    top.plot(steps, progress["mean_return"], color=BLUE, lw=2, label="mean of the last 100")
    judged = np.isfinite(progress["greedy_return"])
    top.plot(
        steps[judged], progress["greedy_return"][judged], "o", color=ORANGE, ms=5,
        label="greedy evaluation",
    )  # fmt: skip
    threshold = reward_threshold(about["env_id"])
    if threshold is not None:
        top.axhline(threshold, color=GREEN, ls="--", lw=1, label=f"solved: {threshold:g}")
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
    for axes in (top, bottom):
        axes.spines[["top", "right"]].set_visible(False)

    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_whole(folder / name, picture.getvalue())
