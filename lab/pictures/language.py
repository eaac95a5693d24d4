"""The pictures of Chapters H and I: what ways of credit do to a gradient, and to a training."""

import numpy as np

from advantages import group_advantages
from lab.kit import PROJECT, read_json
from lab.language import tokens
from lab.pictures.diagrams import arrow

GROUP = 4  # responses to a prompt, of which there are 15⁴ groups
UNIFORM = np.zeros((len(tokens.PREFIXES), len(tokens.TOKENS)))
# Where the logits of a, b and the full stop pull: a gradient's entries add up to zero, so
# that nothing of it is lost in this plane.
PULLS = np.sqrt(2 / 3) * np.array([[-(3**0.5) / 2, -0.5], [3**0.5 / 2, -0.5], [0, 1]])
SIZES = (3, 4, 8, 64)  # groups whose weights are drawn
RATES = np.linspace(0.002, 0.998, 499)


def mean_gradients(prompt):
    """The means of four estimates of the gradient from groups, by name -> each (S,K)."""
    rewards = tokens.REWARDS[prompt]

    def mean(credit):
        return tokens.group_gradient(
            UNIFORM, GROUP, lambda m: credit(rewards[m], tokens.LENGTHS[m])
        )

    return {
        "leave-one-out": mean(lambda R, _: group_advantages(R, scale=False)),
        "group's mean": mean(lambda R, _: R - R.mean(axis=1, keepdims=True)),
        "over σ": mean(lambda R, _: group_advantages(R, scale=True)),
        "… and length": mean(lambda R, lengths: group_advantages(R, scale=True) / lengths),
    }


def label(axes, text, at, shift, colour, va="center"):
    axes.annotate(text, at, shift, textcoords="offset points", color=colour, va=va)


def group_credit(figure, rng, look):
    """What a group's σ and a response's length do to the mean gradient.

    Above, for an easy and a hard prompt, the true gradient of the first token's logits and the
    means of four estimates. Below, the weight that dividing by σ gives to a prompt, over how often
    it is solved.
    """
    grid = figure.add_gridspec(2, 3, height_ratios=[5, 4], width_ratios=[5, 2, 5])
    colours = {"over σ": look.others[3], "… and length": look.others[1]}
    for column, prompt, sides in ((0, "easy", (-1.25, 0.9)), (2, "hard", (-0.55, 1.6))):
        axes = figure.add_subplot(grid[0, column])
        true = tokens.gradient(tokens.REWARDS[prompt], UNIFORM)[0] @ PULLS
        unit = np.linalg.norm(true)
        tips = {name: g[0] @ PULLS / unit for name, g in mean_gradients(prompt).items()}
        for name, (x, y) in zip(("a ↑", "b ↑", "full stop ↑"), PULLS, strict=True):
            far = 0.4 if y > 0 else 0.7
            axes.plot([0, far * x], [0, far * y], color=look.faint, lw=1, zorder=0)
            side = "center" if y > 0 else "right" if x < 0 else "left"
            axes.text(far * x, far * y + 0.04, name, ha=side, va="bottom", color=look.soft)
        marks = [
            axes.plot(*true / unit, color=look.ink, lw=3.2),
            axes.plot(*tips["leave-one-out"], "o", ms=13, mfc="none", mec=look.ink, mew=1.5),
            axes.plot(*tips["group's mean"], "s", ms=7, color=look.soft, mec=look.card, zorder=5),
            *(axes.plot(0, 0, color=colour, lw=2) for colour in colours.values()),
        ]
        for name, colour in colours.items():
            arrow(axes, (0, 0), tips[name], colour, lw=2, mutation_scale=15)
        arrow(axes, (0, 0), true / unit, look.ink, lw=3.2, mutation_scale=18.6)
        rate = tokens.mean(tokens.REWARDS[prompt], UNIFORM)
        axes.set_title(f"the {prompt} prompt, solved {rate:.0%} of the time", loc="center")
        axes.set_aspect("equal")
        axes.set(xlim=sides, ylim=(-1.45, 0.55))
        axes.axis("off")
    names = "true gradient", "leave-one-out", "group's mean", *colours
    handles = [mark for (mark,) in marks]
    axes = figure.add_subplot(grid[0, 1])
    axes.axis("off")
    axes.legend(handles, names, loc="lower center")
    axes = figure.add_subplot(grid[1, :])
    shades = [look.others[i] for i in (4, 2, 5, 3)]
    for size, shade in zip(SIZES, shades, strict=True):
        weights = tokens.deviation_weight(RATES, size)
        axes.plot(RATES, weights, color=shade, lw=1.8)
        label(axes, f"G = {size}", (1, weights[-1]), (5, 0), shade)
    axes.plot(RATES, 1 / np.sqrt(RATES * (1 - RATES)), color=look.soft, lw=1.2, ls=(0, (4, 3)))
    axes.axhline(1, color=look.ink, lw=2)
    label(axes, "no σ", (1, 1), (5, 0), look.ink)
    label(axes, "G → ∞", (0.045, 4.9), (2, 6), look.soft)
    for prompt, rewards in tokens.REWARDS.items():
        rate = tokens.mean(rewards, UNIFORM)
        axes.axvline(rate, color=look.soft, lw=1, ls=":", zorder=0)
        label(axes, prompt, (rate, 8.6), (4, 0), look.soft, va="top")
    axes.set_yscale("log")
    axes.set(xlabel="p, how often the prompt is solved", ylabel="weight of the prompt")
    axes.set(xlim=(0, 1), ylim=(0.9, 9), yticks=(1, 2, 4, 8), yticklabels="1248")
    axes.minorticks_off()


def answers_learned(figure, rng, look):
    """What stair 10 draws while it learns, on 20 seeds, and how one prompt fares.

    Above, over the updates, on a logarithmic scale the share of wrong answers, a thin line a
    seed and the mean bold: groups spread evenly over the prompts with Eq. 50's credit and with
    Eq. 51's, and groups that go where answers are wrong. The first two stay at 1%, the third
    goes to half a percent. Below, the answers to one prompt at three times: spread evenly, the
    right one dies out; where it is wrong more often it gets more groups and comes back.
    """
    data = read_json(PROJECT / "benchmarks" / "results" / "language_credit.json")
    colours = dict(zip(data["runs"], (look.vpg, look.others[1], look.ppo), strict=True))
    grid = figure.add_gridspec(2, 2, height_ratios=[5, 3], wspace=0.25)
    axes = figure.add_subplot(grid[0, :])
    updates = np.array(data["updates"])
    axes.axvspan(0, 500, color=look.faint, alpha=0.5, lw=0)
    axes.text(250, 0.46, "it copies a teacher", ha="center", color=look.soft)
    axes.text(680, 64, "it draws, and is paid; groups go", color=look.soft)
    for (way, rows), y in zip(data["runs"].items(), (38, 23, 14), strict=True):
        wrong = np.maximum(100 - np.array([row[1] for row in rows]), 0.1)  # of 1,000 draws
        axes.plot(updates, wrong.T, color=colours[way], lw=0.5, alpha=0.35)
        axes.plot(updates, wrong.mean(axis=0), color=colours[way], lw=2.4)
        axes.text(700, y, way, color=colours[way], weight="bold")
    axes.set_yscale("log")
    axes.set(xlim=(0, 1100), ylim=(0.3, 110), xlabel="updates", ylabel="% of answers wrong")
    ticks = 0.5, 1, 2, 5, 10, 20, 50, 100
    axes.set_yticks(ticks, list(map(str, ticks)))
    axes.minorticks_off()
    _, prompt = data["shown"]
    right = f"{int(prompt[0]) + int(prompt[2])}."
    ways = [way for way in data["runs"] if "50" in way]
    for column, way in enumerate(ways):
        axes = figure.add_subplot(grid[1, column])
        for y, (update, drawn) in enumerate(data["answers"][way].items()):
            left = 0
            for answer, share in sorted(drawn.items(), key=lambda one: (one[0] != right, -one[1])):
                good = answer == right
                axes.barh(
                    -y, share, 0.7, left, lw=0.8, ec=look.card,
                    color=look.more if good else look.pale_less,
                )  # fmt: skip
                if share > 6:
                    colour = look.card if good else look.ink
                    axes.text(left + share / 2, -y, answer, ha="center", va="center", color=colour)
                left += share
            axes.text(-2, -y, f"after {int(update):,}", ha="right", va="center", color=look.soft)
        axes.set_title(f"{prompt} {way.split(',')[0]}", loc="left", color=colours[way])
        axes.set(xlim=(0, 100), ylim=(-2.5, 0.5))
        axes.axis("off")
