"""Pictures of policies: what moves them, and what they become."""

import numpy as np

from distributions import (
    categorical_entropy,
    categorical_entropy_backward,
    categorical_kl_backward,
    categorical_log_prob_backward,
    log_softmax,
)
from lab.kit import falls_to_rises, hues, on_map, steps_axis
from lab.pictures.runs import default_run, greedy_return
from lab.runs import returns_when_begun, solved_steps
from lab.watch import ANGLES, VELOCITIES, portrait

# ---------------------------------------------------------------- triangle

REWARDS = np.array([1.0, 0.0, 0.2])  # of the three actions, in every state
OLD = np.array([0.1, 0.7, 0.2])  # the policy to stay near
ENTROPY_WEIGHT, KL_WEIGHT = 0.3, 0.3
STEP = 0.25  # of the logits, downhill
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])


def forces(probs):
    """dloss/dlogits (n,3) of three losses at the policies `probs` (n,3), and of their sum.

    Expected gradients over the actions, so nothing is random.
    """
    log_probs = np.log(probs)
    ones = np.ones(len(probs))
    # Eq. 20 for each action, weighted by how often it is taken: −Σ π_a r_a (e_a − π)
    reward = sum(
        categorical_log_prob_backward(-probs[:, a] * REWARDS[a], np.full(len(probs), a), probs)
        for a in range(3)
    )
    entropies = categorical_entropy(log_probs)
    entropy = categorical_entropy_backward(-ENTROPY_WEIGHT * ones, entropies, log_probs)
    old = np.log(np.tile(OLD, (len(probs), 1)))
    kl = categorical_kl_backward(KL_WEIGHT * ones, old, log_probs)
    return {"reward": reward, "entropy": entropy, "kl": kl, "sum": reward + entropy + kl}


def stepped(probs, dlogits, step=STEP):
    """Where one step downhill in the logits leads: probs (n,3), dlogits (n,3) -> (n,3)."""
    return np.exp(log_softmax(np.log(probs) - step * dlogits))


def simplex_grid(parts=9):
    """Policies spread evenly over the triangle, none on its edge: (n,3)."""
    whole = [(i, j, parts - 1 - i - j) for i in range(parts) for j in range(parts - i)]
    return (np.array(whole) + 1 / 3) / parts


def descent(start, steps=30):
    """Steps down the sum of the three forces from a policy (3,): (steps+1, 3)."""
    probs = [start[None]]
    for _ in range(steps):
        probs.append(stepped(probs[-1], forces(probs[-1])["sum"], step=1.0))
    return np.concatenate(probs)


def resting_place():
    """Where the sum of the three forces is 0: follow it until it is."""
    return descent(np.full(3, 1 / 3), 1_000)[-1]


MARKS = (("reward", "^", 10), ("entropy", "D", 8), ("kl", "s", 9))


def triangle(figure, rng, look):
    """Three pulls on a policy over three actions, and the star where they balance.

    On the triangle of all policies: small, the pull of the reward to a corner, of the entropy to
    the middle and of the KL penalty to the old policy; large, their sum, with a star between the
    three marks and thirty steps of descent from the old policy to it.
    """
    grid = figure.add_gridspec(3, 2, width_ratios=[1.7, 1])
    large = figure.add_subplot(grid[:, 0])
    places = {"reward": np.array([1.0, 0, 0]), "entropy": np.full(3, 1 / 3), "kl": OLD}
    titles = {
        "reward": ("reward, Eq. 20\nto ▲, the best action", look.others[1]),
        "entropy": (f"{ENTROPY_WEIGHT:g} × entropy, Eq. 22\nto ◆, undecided", look.others[2]),
        "kl": (f"{KL_WEIGHT:g} × KL, Eq. 40\nto ■, the old policy", look.others[3]),
        "sum": ("the sum: to ★, between the three", look.ink),
    }
    small = {name: figure.add_subplot(grid[row, 1]) for row, name in enumerate(places)}
    for name, axes in {"sum": large, **small}.items():
        probs = simplex_grid(11 if name == "sum" else 6)
        here, moves = probs @ CORNERS, stepped(probs, forces(probs)[name]) - probs
        title, hue = titles[name]
        axes.fill(*CORNERS.T, facecolor=look.page, edgecolor=look.soft, lw=1)
        arrows = {"scale": 0.12, "width": 0.014, "color": hue}
        if name == "sum":
            arrows = {"scale": 0.3, "width": 0.005, "color": look.soft}
        arrows |= {"angles": "xy", "scale_units": "xy", "headwidth": 4}
        axes.quiver(*here.T, *(moves @ CORNERS).T, **arrows)
        axes.set_title(title, color=hue, loc="center", fontsize=10.5)
        for mark, shape, size in MARKS:
            if name in ("sum", mark):
                style = {"ms": size, "color": titles[mark][1], "mec": look.card, "mew": 1.2}
                axes.plot(*(places[mark] @ CORNERS), shape, clip_on=False, zorder=4, **style)
        axes.set_aspect("equal")
        axes.axis("off")
    large.plot(*(descent(OLD) @ CORNERS).T, "o-", color=look.ink, ms=4, lw=1.4, zorder=3)
    star = {"color": look.ink, "ms": 20, "mec": look.card, "mew": 1}
    large.plot(*(resting_place() @ CORNERS), "*", zorder=5, **star)
    large.set(xlim=(-0.12, 1.12), ylim=(-0.13, 0.97))
    note = {"textcoords": "offset points", "ha": "center", "fontsize": 9.5}
    for action, (up, side) in enumerate(((-8, "top"), (-8, "top"), (6, "bottom"))):
        text = f"always action {action}\nreward {REWARDS[action]:g}"
        large.annotate(text, CORNERS[action], (0, up), va=side, **note)


# --------------------------------------------------------- policy_portrait

PORTRAIT_STEPS = (0, 4_000, 7_000, 20_000, 101_000)
VISITED = 150  # states of a rollout, as dots


def policy_portrait(figure, rng, look):
    """A policy learns: its portrait at five moments.

    Five maps of the probability to push right over the pole's angle and angular velocity, with
    the states that it visits as dots. At first every push is a coin toss; later a line divides
    the map, ever sharper, and the dots gather at it.
    """
    snapshots = [default_run("ppo").at(steps) for steps in PORTRAIT_STEPS]
    panels = figure.subplots(1, len(snapshots), sharex=True, sharey=True)
    for axes, snapshot in zip(panels, snapshots, strict=True):
        right = portrait(snapshot.learner.policy)
        colours = {"cmap": falls_to_rises(look), "vmin": 0, "vmax": 1, "interpolation": "bilinear"}
        edges = -12, 12, VELOCITIES[0], VELOCITIES[-1]
        axes.imshow(right, origin="lower", aspect="auto", extent=edges, **colours)
        seen = rng.choice(snapshot.batch.obs[:, 2:4], min(VISITED, len(snapshot.batch.obs)))
        dots = {"color": look.ink, "ms": 3, "mew": 0, "alpha": 0.7}
        axes.plot(np.degrees(seen[:, 0]), seen[:, 1], ".", rasterized=True, **dots)
        if np.ptp(right) < 0.1:
            axes.text(0, 1.6, f"π: {right.min():.3f} to {right.max():.3f}", **on_map(look))
        elif right.min() < 0.5 < right.max():
            line = {"levels": [0.5], "colors": look.ink, "linewidths": 1}
            axes.contour(np.degrees(ANGLES), VELOCITIES, right, **line)
        mean = greedy_return(snapshot.learner.policy)
        axes.set_title(f"{snapshot.env_steps:,} steps\nreturn {mean:.0f}", fontweight="normal")
        axes.set_xticks([-10, 0, 10], ["−10°", "0°", "10°"])
    axes.text(2, 1.6, "pushes right", **on_map(look))
    axes.text(-2, -1.7, "pushes left", **on_map(look))
    panels[0].set_ylabel("how fast it turns, rad/s")
    panels[len(panels) // 2].set_xlabel("angle of the pole (right is positive)")


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
    side, later = {"transform": axes.transAxes, "ha": "right"}, []
    for algo, height in (("vpg", 0.38), ("ppo", 0.46)):
        run, (colour,) = default_run(algo), hues([algo], look)
        began, _, totals, lengths = zip(*run.episodes, strict=True)
        num_envs = run.snapshots[0].config.num_envs
        windows = max(run.env_steps // 2_000, 1)
        steps, means = returns_when_begun(began, totals, lengths, num_envs, run.env_steps, windows)
        known = np.isfinite(means)
        axes.plot(began, totals, ".", color=colour, ms=4.5, mew=0, alpha=0.35, rasterized=True)
        axes.plot(steps[known], means[known], color=colour, lw=2.2)
        at, returns = run.evaluations.T
        axes.plot(at, returns, "o", color=look.card, mec=colour, mew=1.3, ms=4.5, zorder=3)
        later += list(returns[at > SHOWN_STEPS])
        solved = dict(zip(("first", "for good"), solved_steps(at, returns, 475), strict=True))
        if solved["for good"] is not None:
            for when, step in solved.items():
                axes.axvline(step, color=colour, lw=1, ls=":" if when == "first" else "-", zorder=0)
        steps = ", ".join(f"{when} at {step:,}" for when, step in solved.items() if step)
        text = f"{algo.upper()} solved {steps}"
        axes.text(0.985, height, text, color=colour, fontweight="bold", **side)
    text = "· an episode, where it began\n— mean of those begun within 2,000 steps\n"
    text += "○ greedy, mean of 100 fresh episodes"
    axes.text(0.985, 0.07, text, fontsize=9.5, color=look.soft, linespacing=1.4, **side)
    if later:
        text = f"Later evaluations, to the end: {between(later)}"
        axes.set_title(text, loc="right", fontsize=9.5, fontweight="normal")
    axes.set(xlabel="environment steps", ylabel="return", xlim=(0, SHOWN_STEPS), ylim=(0, 515))
    axes.set_title("VPG and PPO learn CartPole, seed 0")
    steps_axis(axes)


def between(returns):
    """Means of returns in words: "all 500", or "489.57 to 500"."""
    low, high = min(returns), max(returns)
    return f"all {low:g}" if low == high else f"{low:g} to {high:g}"
