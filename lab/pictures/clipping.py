"""Pictures of PPO's clips: where a gradient is silent, and what an update did."""

import copy

import numpy as np
from matplotlib.collections import LineCollection

import ppo
import vpg
from lab.kit import falls_to_rises, on_map
from lab.pictures.diagrams import arrow
from lab.pictures.runs import default_run

NOTE = {"textcoords": "offset points", "fontsize": 9.5}

# -------------------------------------------------------------- clip_cases

EARLY_STEPS = 4_000  # the update that is looked at: the policy is still learning fast
LEVELS = (1.45, 1.2, 0.95, 0.7, 0.42, 0.15, -0.25, -0.6, -1.0, -1.4, -1.9, -2.4)  # of rows shown
NEAR = 0.12  # a level's rows have such an Â, more or less


def clip_slopes(ratios, advantages, clip_range):
    """d min / d ratio of Eq. 36 at every point: (n,) (n,) -> (n,), from the shipped loss."""
    _, dlog_probs = ppo.clipped_surrogate(
        np.log(ratios), np.zeros_like(ratios), advantages, clip_range
    )
    # The loss is −(1/N) Σ min, and ∂ρ/∂log π = ρ (Eq. 35).
    return -dlog_probs * len(ratios) / ratios


def clip_range_at(snapshot):
    """The clip range of this snapshot's update: it is annealed."""
    annealed = 1 - snapshot.progress if snapshot.config.anneal_clip_range else 1
    return snapshot.config.clip_range * annealed


def drift(snapshot):
    """One real rollout over the epochs of its update -> ratios (epochs+1, n), advantages (n,).

    Row 0 is before the update: all ratios are 1.
    """
    batch, old = snapshot.batch, snapshot.batch.log_probs
    ratios = [np.ones(len(old))]
    for epochs in range(1, snapshot.config.epochs + 1):
        learner = updated(snapshot, ppo, snapshot.config, epochs=epochs)
        log_probs, _, _ = learner.policy.forward(batch.obs, batch.actions)
        ratios.append(np.exp(log_probs - old))
    return np.array(ratios), batch.advantages


def updated(snapshot, algorithm, config, **changes):
    """The learner of a Snapshot after an update; the Snapshot itself is left alone."""
    learner, rng = copy.deepcopy(snapshot.learner), copy.deepcopy(snapshot.rng)
    config = type(config)(**{**vars(config), **changes})
    algorithm.update(learner, snapshot.batch, config, snapshot.progress, rng)
    return learner


def shown_rows(ratios, advantages):
    """One row for each of LEVELS, by turns the one that goes farthest up, and farthest down."""
    rows = []
    for place, level in enumerate(LEVELS):
        near = np.flatnonzero(np.abs(advantages - level) < NEAR)
        near = near if len(near) else np.array([np.abs(advantages - level).argmin()])
        up, down = ratios[:, near].max(0).argmax(), ratios[:, near].min(0).argmin()
        rows.append(near[up if place % 2 else down])
    return np.array(rows)


def field_counts(ratios, advantages, epsilon):
    """Rows in the fields of Eq. 37: {(good, below or in or above the band): (ever, at the end)}."""
    counts = {}
    for good in (True, False):
        own = ratios[:, (advantages > 0) == good]
        sides = {"below": own < 1 - epsilon, "above": own > 1 + epsilon}
        sides["in"] = ~(sides["below"] | sides["above"])
        for side, is_there in sides.items():
            counts[good, side] = int(is_there.any(0).sum()), int(is_there[-1].sum())
    return counts


def clip_cases(figure, rng, look):
    """PPO's clip: six cases, two of them silent.

    A map of ratio and advantage, coloured by the slope of the objective, with the rows of a real
    rollout counted in each of its six fields; twelve of them are arrows that grow thicker from
    epoch to epoch. Beside it the two curves of the objective over the ratio: for a good row it is
    flat above 1 + ε, for a bad one below 1 − ε.
    """
    snapshot = default_run("ppo").at(EARLY_STEPS)
    epsilon = clip_range_at(snapshot)
    ratios, advantages = drift(snapshot)
    counts = field_counts(ratios, advantages, epsilon)
    grid = figure.add_gridspec(2, 2, width_ratios=[7, 3])
    axes = figure.add_subplot(grid[:, 0])
    reach, top, bottom = 0.62, 2.5, -3.3
    x, y = np.meshgrid(np.linspace(1 - reach, 1 + reach, 311), np.linspace(bottom, top, 261))
    slopes = clip_slopes(x.ravel(), y.ravel(), epsilon).reshape(x.shape)
    colours = {"cmap": falls_to_rises(look), "vmin": -6, "vmax": 6}
    axes.pcolormesh(x, y, slopes, shading="auto", rasterized=True, **colours)
    silent = np.ma.masked_where(slopes != 0, np.ones_like(slopes))
    axes.contourf(x, y, silent, levels=[0, 2], colors="none", hatches=["////"])
    ticks = [1 - epsilon, 1, 1 + epsilon]
    for edge in ticks:
        axes.axvline(edge, color=look.ink, lw=0.8, ls=":" if edge == 1 else (0, (4, 3)))
    axes.axhline(0, color=look.ink, lw=0.8)
    for row in shown_rows(ratios, advantages):
        # a little lower from epoch to epoch, or going and coming would hide each other
        heights = advantages[row] - np.linspace(-0.09, 0.09, len(ratios))
        ends = np.stack([ratios[:, row], heights], axis=1)
        parts = np.stack([ends[:-1], ends[1:]], axis=1)
        widths = np.linspace(0.7, 2.6, len(parts))
        axes.add_collection(LineCollection(parts, colors=look.ink, lw=widths))
        arrow(axes, ends[-2], ends[-1], look.ink, lw=0, mutation_scale=15)
    label = on_map(look) | {"fontsize": 9.5}
    left, right = 1 - (epsilon + reach) / 2, 1 + (epsilon + reach) / 2
    for good, side, place, what in (
        (True, "above", (right, 2.08), "likelier: silent"),
        (True, "below", (left, 2.08), "rarer: pulled up"),
        (True, "in", (1, 2.08), "pushed up"),
        (False, "above", (right, -2.85), "likelier: pulled down"),
        (False, "below", (left, -2.85), "rarer: silent"),
        (False, "in", (1, -2.85), "pushed down"),
    ):
        ever, end = counts[good, side]
        how = f"{end} end here" if side == "in" else f"{ever} came, {end} stayed"
        axes.text(*place, f"{what}\n{how}", **label)
    axes.set(xlim=(1 - reach, 1 + reach), ylim=(bottom, top))
    axes.set_xticks([0.5, *ticks, 1.5], ["0.5", "1 − ε", "1", "1 + ε", "1.5"])
    axes.set(xlabel="ratio ρ: new probability over old", ylabel="bad ← advantage Â → good")
    axes.set_title(f"Six fields, {len(advantages):,} rows, {len(ratios) - 1} epochs")
    rho = np.linspace(1 - reach, 1 + reach, 249)
    for place, (advantage, hue) in enumerate(((1.0, look.more), (-1.0, look.less))):
        curve = figure.add_subplot(grid[place, 1])
        smaller = np.minimum(rho * advantage, np.clip(rho, 1 - epsilon, 1 + epsilon) * advantage)
        flat = clip_slopes(rho, np.full_like(rho, advantage), epsilon) == 0
        curve.plot(rho, rho * advantage, color=look.soft, lw=1.2, ls=(0, (2, 2)))
        curve.plot(rho, smaller, color=hue, lw=2.2)
        silent = np.where(flat, rho, np.nan)
        curve.plot(silent, smaller, color=hue, lw=7, alpha=0.35, solid_capstyle="butt")
        for edge in ticks:
            curve.axvline(edge, color=look.faint, lw=0.8, zorder=0)
        curve.plot(1, advantage, "o", color=look.ink, ms=5)
        middle = np.mean(rho[flat]), smaller[flat][0]
        curve.annotate("silent", middle, (0, -14), ha="center", **NOTE)
        curve.set_xticks(ticks, ["1 − ε", "1", "1 + ε"])
        curve.set_yticks([advantage], ["Â"])
        curve.set_title("Â > 0: the objective" if advantage > 0 else "Â < 0: the objective")
        curve.set_xlim(rho[0], rho[-1])
    curve.set_xlabel("ratio ρ (dotted: no clip)")


# -------------------------------------------------------------- one_update


def before_and_after(snapshot):
    """One rollout, two updates from the same networks -> dict of (B,) arrays.

    advantages, before (probability of each action taken), vpg, ppo (after either's update)
    """
    rows = {"advantages": snapshot.batch.advantages, "before": np.exp(snapshot.batch.log_probs)}
    for name, algorithm in (("vpg", vpg), ("ppo", ppo)):
        common = {
            key: value
            for key, value in vars(snapshot.config).items()
            if key in algorithm.Config.__dataclass_fields__
        }
        learner = updated(snapshot, algorithm, algorithm.Config(**common))
        log_probs, _, _ = learner.policy.forward(snapshot.batch.obs, snapshot.batch.actions)
        rows[name] = np.exp(log_probs)
    return rows


def one_update(figure, rng, look):
    """What one update did to the actions of a rollout: half of the bad ones became likelier.

    Change of each action's log-probability against its advantage, for VPG's one step and for
    PPO's many, with the share of the good and of the bad rows that became likelier and rarer.
    """
    snapshot = default_run("ppo").at(EARLY_STEPS)
    rows, epsilon = before_and_after(snapshot), clip_range_at(snapshot)
    config, advantages = snapshot.config, rows["advantages"]
    steps = config.epochs * -(-len(advantages) // config.minibatch_size)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, name, title in (
        (panels[0], "vpg", "VPG: one step"),
        (panels[1], "ppo", f"PPO: {steps} steps on the same data"),
    ):
        change = np.log(rows[name] / rows["before"])
        for rise, hue in ((True, look.more), (False, look.less)):
            own, dots = (change > 0) == rise, {"ms": 4.5, "mew": 0, "alpha": 0.5}
            axes.plot(advantages[own], change[own], ".", color=hue, rasterized=True, **dots)
            style = {"transform": axes.transAxes, "fontsize": 11, "fontweight": "bold"}
            style |= {"color": hue, "linespacing": 1.3, "va": "top" if rise else "bottom"}
            for good, x, side in ((True, 0.97, "right"), (False, 0.03, "left")):
                share = np.mean((change > 0)[(advantages > 0) == good] == rise)
                text = f"{share:.0%} of the {'good' if good else 'bad'}\n"
                text += "likelier" if rise else "rarer"
                axes.text(x, 0.97 if rise else 0.03, text, ha=side, **style)
        axes.axhline(0, color=look.ink, lw=0.8)
        axes.axvline(0, color=look.ink, lw=0.8)
        axes.set(title=title, xlabel="bad ← advantage Â → good")
    for edge in np.log([1 - epsilon, 1 + epsilon]):
        panels[1].axhline(edge, color=look.ink, lw=1, ls=(0, (4, 3)))
    half_way = {"xycoords": ("axes fraction", "data"), **NOTE}
    panels[1].annotate("1 + ε", (0.5, np.log(1 + epsilon)), (0, 3), **half_way)
    panels[1].annotate("1 − ε", (0.5, np.log(1 - epsilon)), (0, -12), **half_way)
    panels[0].set_ylabel("rarer ← change of log π → likelier")
    low, high = panels[0].get_ylim()
    panels[0].set_ylim(low - 0.12, high + 0.25)


# -------------------------------------------------------------- value_clip

VALUE_CLIP = 0.2


def value_losses(values, target):
    """Losses and slopes of single rows, v_old = 0 as in E7: (n,), a float -> (n,), (n,)."""
    one, old = np.full(1, target), np.zeros(1)
    losses = [ppo.clipped_value_loss(row, old, one, VALUE_CLIP)[0] for row in values[:, None]]
    return np.array(losses), value_slopes(values, np.full(len(values), target))


def value_slopes(values, targets):
    """The slope for every pair: (n,) (n,) -> (n,); one row each, so N = 1 (Eq. 39)."""
    _, slopes = ppo.clipped_value_loss(values, np.zeros_like(values), targets, VALUE_CLIP)
    return slopes * len(values)


def value_clip(figure, rng, look):
    """The clipped value loss, and where it is silent.

    Left a map of its slope over new value and target, with two silent wedges; right three cuts
    through the loss, flat where the value has moved far enough.
    """
    plane, cuts = figure.subplots(1, 2, width_ratios=[6, 5])
    reach = 1.05
    x, y = np.meshgrid(np.linspace(-reach, reach, 301), np.linspace(-reach, reach, 301))
    slopes = value_slopes(x.ravel(), y.ravel()).reshape(x.shape)
    colours = {"cmap": falls_to_rises(look).reversed(), "vmin": -2.1, "vmax": 2.1}
    painted = plane.pcolormesh(x, y, slopes, shading="auto", rasterized=True, **colours)
    outside = (np.abs(x) > VALUE_CLIP) & (slopes == 0) & (x != y)
    silent = np.where(outside, 1.0, np.nan)
    plane.contourf(x, y, silent, levels=[0, 2], colors="none", hatches=["////"])
    bar = figure.colorbar(painted, ax=plane, pad=0.02, aspect=30)
    bar.set_label("slope in v (blue: v is pushed up)")
    bar.outline.set_visible(False)
    for edge in (-VALUE_CLIP, VALUE_CLIP):
        plane.axvline(edge, color=look.ink, lw=1, ls=(0, (4, 3)))
    plane.plot([-VALUE_CLIP, VALUE_CLIP], [-VALUE_CLIP, VALUE_CLIP], color=look.ink, lw=0.8)
    ends = np.array([VALUE_CLIP, reach])
    for sign in (1, -1):  # where both errors are equal: y halfway between v and the band's edge
        plane.plot(sign * ends, sign * (ends + VALUE_CLIP) / 2, color=look.ink, lw=0.8)
    plane.text(0.62, 0.92, "silent", **on_map(look))
    plane.text(-0.62, -0.92, "silent", **on_map(look))
    plane.text(0.62, -0.55, "pulled down", **on_map(look))
    plane.text(-0.62, 0.55, "pulled up", **on_map(look))
    plane.set(xlabel="new value, v − $v^{old}$", ylabel="target, y − $v^{old}$")
    plane.set_title("Silent: moved towards its target")
    plane.set_xticks([-1, -0.5, 0, 0.5, 1])
    plane.set_yticks([-1, -0.5, 0, 0.5, 1])
    plane.set_aspect("equal")
    values = np.linspace(-0.6, 1.25, 371)
    for target, colour, place in (
        (1.0, look.more, (0.3, 0.345)),
        (0.6, look.ink, (0.5, 0.115)),
        (0.0, look.less, (0.7, 0.5)),
    ):
        losses, slope = value_losses(values, target)
        cuts.plot(values, losses, color=colour, lw=2)
        flat = (slope == 0) & (np.abs(values) > VALUE_CLIP)
        cuts.plot(np.where(flat, values, np.nan), losses, color=colour, lw=5, alpha=0.35)
        cuts.text(*place, f"y = {target:g}", color=colour, fontweight="bold")
    cuts.axvspan(-VALUE_CLIP, VALUE_CLIP, color=look.faint, alpha=0.6, lw=0, zorder=0)
    cuts.text(0, 1.2, "band", ha="center", fontsize=9, color=look.soft)
    cuts.set(xlabel="new value, v − $v^{old}$", ylabel="loss of one row")
    cuts.set_title("Three cuts: y = 0.6 is flat till 1.0")
    cuts.set(xlim=(values[0], values[-1]), ylim=(0, 1.3))
