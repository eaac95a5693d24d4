"""Pictures of PPO's clips: where a gradient is silent, and what an update did."""

import copy

import numpy as np
from matplotlib.collections import LineCollection

import ppo
import vpg
from lab.pictures.looks import falls_to_rises, on_map
from lab.pictures.runs import default_run

# -------------------------------------------------------------- clip_cases

EARLY_STEPS = 3_000  # the update that is looked at: the policy is still learning fast
DRIFTING = 70  # rows whose way is drawn


def clip_slopes(ratios, advantages, clip_range):
    """d min / d ratio of Eq. 38 at every point: (n,) (n,) -> (n,), from the shipped loss."""
    _, dlog_probs = ppo.clipped_surrogate(
        np.log(ratios), np.zeros_like(ratios), advantages, clip_range
    )
    # The loss is −(1/N) Σ min, and ∂ρ/∂log π = ρ (Eq. 37).
    return -dlog_probs * len(ratios) / ratios


def clip_range_at(moment):
    """The clip range of this moment's update: it is annealed."""
    annealed = 1 - moment.progress if moment.config.anneal_clip_range else 1
    return moment.config.clip_range * annealed


def drift(moment):
    """One real rollout over the epochs of its update -> ratios (epochs+1, n), advantages (n,).

    Row 0 is before the update: all ratios are 1.
    """
    batch, old = moment.batch, moment.batch.log_probs
    ratios = [np.ones(len(old))]
    for epochs in range(1, moment.config.epochs + 1):
        learner = updated(moment, ppo, moment.config, epochs=epochs)
        log_probs, _, _ = learner.policy.forward(batch.obs, batch.actions)
        ratios.append(np.exp(log_probs - old))
    return np.array(ratios), batch.advantages


def updated(moment, algorithm, config, **changes):
    """The learner of a Moment after an update; the Moment itself is left alone."""
    learner, rng = copy.deepcopy(moment.learner), copy.deepcopy(moment.rng)
    config = type(config)(**{**vars(config), **changes})
    algorithm.update(learner, moment.batch, config, moment.progress, rng)
    return learner


def clip_cases(figure, rng, look):
    """PPO's clip: six cases, two of them silent.

    A map of ratio and advantage, coloured by the slope of the objective; in two of its quarters the
    slope is 0. Arrows are rows of a real rollout that drift through the epochs of one update.
    """
    moment = default_run("ppo").at(EARLY_STEPS)
    epsilon = clip_range_at(moment)
    ratios, advantages = drift(moment)
    rows = rng.choice(len(advantages), min(DRIFTING, len(advantages)), replace=False)
    reach, tall = 0.64, 2.6
    axes = figure.subplots()
    x, y = np.meshgrid(np.linspace(1 - reach, 1 + reach, 311), np.linspace(-tall, tall, 261))
    slopes = clip_slopes(x.ravel(), y.ravel(), epsilon).reshape(x.shape)
    painted = axes.pcolormesh(
        x,
        y,
        slopes,
        cmap=falls_to_rises(look),
        vmin=-3.2,
        vmax=3.2,
        shading="auto",
        rasterized=True,
    )
    silent = np.ma.masked_where(slopes != 0, np.ones_like(slopes))
    axes.contourf(x, y, silent, levels=[0, 2], colors="none", hatches=["////"])
    bar = figure.colorbar(painted, ax=axes, pad=0.02, aspect=30)
    bar.set_label("slope of the objective in ρ")
    bar.outline.set_visible(False)
    for edge in (1 - epsilon, 1 + epsilon):
        axes.axvline(edge, color=look.ink, lw=1, ls=(0, (4, 3)))
    axes.axhline(0, color=look.ink, lw=0.8)
    axes.axvline(1, color=look.ink, lw=0.8, ls=":")
    ways = np.stack([ratios[:, rows].T, np.tile(advantages[rows, None], len(ratios))], axis=2)
    axes.add_collection(LineCollection(ways, colors=look.ink, lw=0.7, alpha=0.45))
    axes.plot(
        ways[:, :, 0].ravel(),
        ways[:, :, 1].ravel(),
        ".",
        color=look.ink,
        ms=2,
        mew=0,
        alpha=0.6,
        rasterized=True,
    )
    last = clip_slopes(ratios[-1, rows].astype(float), advantages[rows].astype(float), epsilon)
    for chosen, face in ((last != 0, look.ink), (last == 0, "white")):
        axes.plot(
            ratios[-1, rows][chosen],
            advantages[rows][chosen],
            "o",
            ms=5.5,
            mfc=face,
            mec=look.ink,
            mew=1.1,
            ls="",
        )
    left, right = 1 - (epsilon + reach) / 2, 1 + (epsilon + reach) / 2
    axes.text(right, 2.15, "good, and likelier already:\nsilent, slope 0", **on_map(look))
    axes.text(left, 2.15, "good, but dragged down:\npulled back, slope Â", **on_map(look))
    axes.text(left, -2.15, "bad, and rarer already:\nsilent, slope 0", **on_map(look))
    axes.text(right, -2.15, "bad, but dragged up:\npulled back, slope Â", **on_map(look))
    axes.text(1, 2.38, "in the band: slope Â", **on_map(look))
    axes.set(xlim=(1 - reach, 1 + reach), ylim=(-tall, tall))
    axes.set_xticks(
        [0.4, 0.6, 1 - epsilon, 1, 1 + epsilon, 1.4, 1.6],
        ["0.4", "0.6", "1 − ε", "1", "1 + ε", "1.4", "1.6"],
    )
    axes.set(xlabel="ratio ρ: new probability over old", ylabel="advantage Â")
    axes.set_title(
        f"{len(rows)} rows of a real rollout, from ρ = 1 through {len(ratios) - 1} epochs "
        "(○: no gradient any more)"
    )


# -------------------------------------------------------------- one_update


def before_and_after(moment):
    """One rollout, two updates from the same networks -> dict of (B,) arrays.

    advantages, before (probability of each action taken), vpg, ppo (after either's update)
    """
    found = {"advantages": moment.batch.advantages, "before": np.exp(moment.batch.log_probs)}
    for name, algorithm in (("vpg", vpg), ("ppo", ppo)):
        common = {
            key: value
            for key, value in vars(moment.config).items()
            if key in algorithm.Config.__dataclass_fields__
        }
        learner = updated(moment, algorithm, algorithm.Config(**common))
        log_probs, _, _ = learner.policy.forward(moment.batch.obs, moment.batch.actions)
        found[name] = np.exp(log_probs)
    return found


SHOWN = 110  # rows of the rollout, so that each can be told from its neighbours


def one_update(figure, rng, look):
    """What one update did to the actions of a rollout.

    Change of each action's log-probability against its advantage, for VPG's one step and for
    PPO's many, with the rows of each quadrant counted.
    """
    moment = default_run("ppo").at(EARLY_STEPS)
    found, epsilon = before_and_after(moment), clip_range_at(moment)
    rows = rng.choice(len(found["before"]), min(SHOWN, len(found["before"])), replace=False)
    rows = rows[np.argsort(found["advantages"][rows])]
    places = np.arange(len(rows))
    advantages, before = found["advantages"][rows], found["before"][rows]
    zero = np.searchsorted(advantages, 0) - 0.5
    config = moment.config
    steps = config.epochs * -(-len(found["before"]) // config.minibatch_size)
    panels = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=[3, 2])
    for column, (name, title) in enumerate(
        (("vpg", "VPG: one step"), ("ppo", f"PPO: {steps} steps on the same data"))
    ):
        top, bottom = panels[:, column]
        after, ratio = found[name][rows], (found[name] / found["before"])[rows]
        for rise, colour in ((True, look.more), (False, look.less)):
            own = (after > before) == rise
            top.vlines(places[own], before[own], after[own], color=colour, lw=1.8)
            top.plot(
                places[own],
                after[own],
                "o",
                color=colour,
                ms=3.2,
                mew=0,
                label="likelier after" if rise else "rarer after",
            )
            bottom.vlines(places[own], 1, ratio[own], color=colour, lw=1.8)
        top.plot(places, before, "_", color=look.soft, ms=4, mew=1.2, label="before")
        bottom.axhspan(1 - epsilon, 1 + epsilon, color=look.faint, alpha=0.6, lw=0, zorder=0)
        for axes in (top, bottom):
            axes.axvline(zero, color=look.ink, lw=0.9, ls=":")
        bottom.axhline(1, color=look.ink, lw=0.8)
        top.set(title=title, ylim=(0, 1))
        bottom.set_xticks([])
        bottom.set_xlabel("rows, from the lowest advantage to the highest")
        bottom.set_xlim(-2, len(rows) + 1)
        bottom.annotate(
            "← Â < 0",
            (zero, 0.03),
            (-5, 0),
            textcoords="offset points",
            ha="right",
            xycoords=("data", "axes fraction"),
            fontsize=9,
        )
        bottom.annotate(
            "Â > 0 →",
            (zero, 0.03),
            (5, 0),
            textcoords="offset points",
            xycoords=("data", "axes fraction"),
            fontsize=9,
        )
    panels[0, 0].set_ylabel("probability of the action taken")
    panels[1, 0].set_ylabel("after / before")
    panels[1, 0].annotate(
        "PPO's band 1 ± ε",
        (0.01, 1 + epsilon),
        (3, 2),
        fontsize=9,
        color=look.soft,
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
    )
    panels[0, 0].legend(loc="lower left", ncols=3, columnspacing=1, handletextpad=0.2)


# -------------------------------------------------------------- value_clip

VALUE_CLIP = 0.2


def value_losses(values, target):
    """Losses and slopes of single rows, v_old = 0 as in E7: (n,), a float -> (n,), (n,)."""
    rows = [
        ppo.clipped_value_loss(np.array([v]), np.zeros(1), np.array([target]), VALUE_CLIP)
        for v in values
    ]
    return np.array([loss for loss, _ in rows]), np.array([slope[0] for _, slope in rows])


def value_slopes(values, targets):
    """The slope for every pair: (n,) (n,) -> (n,); one row each, so N = 1 (Eq. 35)."""
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
    painted = plane.pcolormesh(
        x,
        y,
        slopes,
        cmap=falls_to_rises(look).reversed(),
        vmin=-2.1,
        vmax=2.1,
        shading="auto",
        rasterized=True,
    )
    outside = (np.abs(x) > VALUE_CLIP) & (slopes == 0) & (x != y)
    plane.contourf(
        x, y, np.where(outside, 1.0, np.nan), levels=[0, 2], colors="none", hatches=["////"]
    )
    bar = figure.colorbar(painted, ax=plane, pad=0.02, aspect=30)
    bar.set_label("slope in v")
    bar.outline.set_visible(False)
    for edge in (-VALUE_CLIP, VALUE_CLIP):
        plane.axvline(edge, color=look.ink, lw=1, ls=(0, (4, 3)))
    plane.plot([-VALUE_CLIP, VALUE_CLIP], [-VALUE_CLIP, VALUE_CLIP], color=look.ink, lw=0.8)
    plane.text(0.62, 0.92, "silent", **on_map(look))
    plane.text(-0.62, -0.92, "silent", **on_map(look))
    plane.text(0.62, -0.55, "pulled down", **on_map(look))
    plane.text(-0.62, 0.55, "pulled up", **on_map(look))
    plane.set(
        xlabel="new value, v − $v^{old}$",
        ylabel="target, y − $v^{old}$",
        title="Eq. 35 as a map, $ε_v$ = 0.2",
    )
    plane.set_xticks([-1, -0.5, 0, 0.5, 1])
    plane.set_yticks([-1, -0.5, 0, 0.5, 1])
    plane.set_aspect("equal")
    values = np.linspace(-0.6, 1.25, 371)
    for target, colour, place in (
        (1.0, look.more, (0.3, 0.345)),
        (0.3, look.soft, (0.9, 0.06)),
        (0.0, look.less, (0.7, 0.5)),
    ):
        losses, slope = value_losses(values, target)
        cuts.plot(values, losses, color=colour, lw=2)
        flat = (slope == 0) & (np.abs(values) > VALUE_CLIP)
        cuts.plot(np.where(flat, values, np.nan), losses, color=colour, lw=5, alpha=0.35)
        cuts.text(*place, f"y = {target:g}", color=colour, fontweight="bold")
    cuts.axvspan(-VALUE_CLIP, VALUE_CLIP, color=look.faint, alpha=0.6, lw=0, zorder=0)
    cuts.text(0, 1.2, "band", ha="center", fontsize=9, color=look.soft)
    cuts.set(
        xlabel="new value, v − $v^{old}$",
        ylabel="loss of one row",
        title="Three cuts: flat once it has moved",
    )
    cuts.set(xlim=(values[0], values[-1]), ylim=(0, 1.3))
