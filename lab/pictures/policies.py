"""Pictures of policies: what moves them, and what they become."""

import numpy as np

from distributions import (
    categorical_entropy,
    categorical_entropy_backward,
    categorical_kl_backward,
    categorical_log_prob_backward,
    log_softmax,
)
from lab.pictures.looks import falls_to_rises, hues, steps_axis
from lab.pictures.runs import default_run, greedy_return
from lab.runs import returns_when_begun
from lab.watch import ANGLES, VELOCITIES, portrait

# ---------------------------------------------------------------- triangle

REWARDS = np.array([1.0, 0.0, 0.6])  # of the three actions, in every state
OLD = np.array([0.2, 0.5, 0.3])  # the policy to stay near
ENTROPY_WEIGHT, KL_WEIGHT = 0.5, 0.7
STEP = 0.25  # of the logits, downhill
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])


def forces(probs):
    """dloss/dlogits (n,3) of three losses at the policies `probs` (n,3), and of their sum.

    Expected gradients over the actions, so nothing is random.
    """
    log_probs = np.log(probs)
    one = np.ones(len(probs))
    # Eq. 22 for each action, weighted by how often it is taken: −Σ π_a r_a (e_a − π)
    reward = sum(
        categorical_log_prob_backward(-probs[:, a] * REWARDS[a], np.full(len(probs), a), probs)
        for a in range(3)
    )
    entropy = categorical_entropy_backward(
        -ENTROPY_WEIGHT * one, categorical_entropy(log_probs), log_probs
    )
    old = np.log(np.tile(OLD, (len(probs), 1)))
    kl = categorical_kl_backward(KL_WEIGHT * one, old, log_probs)
    return {"reward": reward, "entropy": entropy, "kl": kl, "sum": reward + entropy + kl}


def stepped(probs, dlogits, step=STEP):
    """Where one step downhill in the logits leads: probs (n,3), dlogits (n,3) -> (n,3)."""
    return np.exp(log_softmax(np.log(probs) - step * dlogits))


def resting_place(steps=1_000):
    """Where the sum of the three forces is 0: follow it until it is."""
    probs = np.full((1, 3), 1 / 3)
    for _ in range(steps):
        probs = stepped(probs, forces(probs)["sum"], step=1.0)
    return probs[0]


def simplex_grid(parts=9):
    """Policies spread evenly over the triangle, none on its edge: (n,3)."""
    return (
        np.array(
            [
                (i + 1 / 3, j + 1 / 3, parts - 1 - i - j + 1 / 3)
                for i in range(parts)
                for j in range(parts - i)
            ]
        )
        / parts
    )


def triangle(figure, rng, look):
    """Three pulls on a policy over three actions.

    On the triangle of all policies: the pull of the reward, of the entropy and of the KL penalty,
    and their sum with the place where they balance.
    """
    probs = simplex_grid()
    found = forces(probs)
    titles = {
        "reward": ("the reward (Eq. 22)\nto ▲, the best action", look.more),
        "entropy": (f"{ENTROPY_WEIGHT:g} × entropy (Eq. 23)\nto ◆, all equally likely", look.ppo),
        "kl": (f"{KL_WEIGHT:g} × KL (Eq. 41)\nback to ■, the old policy", look.less),
        "sum": ("the sum of the three\nto ★, where they balance", look.ink),
    }
    rest = resting_place() @ CORNERS
    for axes, (name, (title, colour)) in zip(
        figure.subplots(2, 2).ravel(), titles.items(), strict=True
    ):
        here = probs @ CORNERS
        moves = (stepped(probs, found[name]) - probs) @ CORNERS
        axes.fill(*CORNERS.T, facecolor="#F0F0EC", edgecolor=look.soft, lw=1)
        axes.quiver(
            *here.T,
            *moves.T,
            angles="xy",
            scale_units="xy",
            scale=0.22,
            color=colour,
            width=0.0065,
            headwidth=4,
            headlength=4.5,
            headaxislength=4,
        )
        axes.set_title(title, color=colour, loc="center")
        for corner, reward, shift, label in zip(
            CORNERS, REWARDS, ((0, -4), (0, -4), (0, 3)), "012", strict=True
        ):
            axes.annotate(
                f"always action {label}\nreward {reward:g}"
                if label != "2"
                else f"always action {label}: reward {reward:g}",
                corner,
                shift,
                textcoords="offset points",
                ha="center",
                fontsize=8.5,
                va="top" if shift[1] < 0 else "bottom",
            )
        if name in ("kl", "sum"):
            axes.plot(*(OLD @ CORNERS), "s", color=look.less, ms=8, mec="white", mew=1.2)
        if name in ("entropy", "sum"):
            axes.plot(*CORNERS.mean(axis=0), "D", color=look.ppo, ms=7.5, mec="white", mew=1.2)
        if name in ("reward", "sum"):
            axes.plot(*CORNERS[0], "^", color=look.more, ms=9, mec="white", mew=1.2, clip_on=False)
        if name == "sum":
            axes.plot(*rest, "*", color=look.vpg, ms=17, mec=look.ink, mew=0.8)
        axes.set_aspect("equal")
        axes.set(xlim=(-0.12, 1.12), ylim=(-0.14, 1.0))
        axes.axis("off")


# --------------------------------------------------------- policy_portrait

PORTRAIT_STEPS = (0, 4_000, 7_000, 20_000, 101_000)


def policy_portrait(figure, rng, look):
    """A policy learns: its portrait at five moments.

    Five maps of the probability to push right over the pole's angle and angular velocity, from
    undecided to a sharp diagonal.
    """
    run = default_run("ppo")
    moments = [run.at(steps) for steps in PORTRAIT_STEPS]
    panels = figure.subplots(1, len(moments), sharex=True, sharey=True)
    for axes, moment in zip(panels, moments, strict=True):
        right = portrait(moment.learner.policy)
        painted = axes.imshow(
            right,
            cmap=falls_to_rises(look),
            vmin=0,
            vmax=1,
            origin="lower",
            aspect="auto",
            interpolation="bilinear",
            extent=(-12, 12, VELOCITIES[0], VELOCITIES[-1]),
        )
        if right.min() < 0.5 < right.max():
            axes.contour(
                np.degrees(ANGLES), VELOCITIES, right, levels=[0.5], colors=look.ink, linewidths=1
            )
        judged = greedy_return(moment.learner.policy)
        axes.set_title(f"{moment.env_steps:,} steps\nreturn {judged:.0f}", fontweight="normal")
        axes.set_xticks([-10, 0, 10], ["−10°", "0°", "10°"])
    panels[0].set_ylabel("turning, rad/s\n← left    right →")
    panels[len(panels) // 2].set_xlabel("angle of the pole (right is positive)")
    bar = figure.colorbar(painted, ax=panels, pad=0.01, aspect=18, ticks=[0, 0.5, 1])
    bar.set_label("π(push right)")
    bar.outline.set_visible(False)


# ---------------------------------------------------------- learning_curve


SHOWN_STEPS = 50_000  # afterwards nothing happens, and the picture says so


def learning_curve(figure, rng, look):
    """How the default runs of VPG and PPO learn to balance CartPole's pole.

    Return over environment steps. Dots are training episodes, drawn where they began; the
    thick line is the mean of those that began within two thousand steps; circles are
    greedy evaluations. Both algorithms reach 500, the most there is.
    """
    axes = figure.subplots()
    axes.axhline(475, color=look.ink, lw=1, ls=(0, (4, 3)), zorder=0)
    note = {"textcoords": "offset points", "fontsize": 9.5}
    axes.annotate("solved: 475", (SHOWN_STEPS, 475), (-2, -4), ha="right", va="top", **note)
    lowest = []
    for algo, colour, place in zip(
        ("vpg", "ppo"), hues(("vpg", "ppo"), look), (330, 400), strict=True
    ):
        run = default_run(algo)
        began, _, totals, lengths = zip(*run.episodes, strict=True)
        num_envs = run.moments[0].config.num_envs
        windows = max(run.env_steps // 2_000, 1)
        steps, means = returns_when_begun(began, totals, lengths, num_envs, run.env_steps, windows)
        known = np.isfinite(means)
        axes.plot(began, totals, ".", color=colour, ms=4.5, mew=0, alpha=0.35, rasterized=True)
        axes.plot(steps[known], means[known], color=colour, lw=2.2)
        at, judged = run.evaluations.T
        axes.plot(at, judged, "o", color=look.card, mec=colour, mew=1.3, ms=4.5, zorder=3)
        lowest += list(judged[at > SHOWN_STEPS])
        axes.text(0.985, place / 1000, algo.upper(), color=colour, fontweight="bold",
                  ha="right", transform=axes.transAxes, fontsize=12)  # fmt: skip
    axes.text(
        0.985, 0.07,
        "· an episode, where it began\n— mean of those begun within 2,000 steps\n"
        "○ greedy, mean of 100 fresh episodes",
        ha="right", transform=axes.transAxes, fontsize=9.5, color=look.soft, linespacing=1.4,
    )  # fmt: skip
    if lowest:
        axes.set_title(
            f"Later evaluations, to the end: {min(lowest):.0f} or more",
            loc="right",
            fontsize=9.5,
            fontweight="normal",
        )
    axes.set(xlabel="environment steps", ylabel="return", xlim=(0, SHOWN_STEPS), ylim=(0, 515))
    axes.set_title("VPG and PPO learn CartPole, seed 0")
    steps_axis(axes)
