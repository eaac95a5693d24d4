"""Pictures of gradients: are they right, how noisy are they, and which one is it?"""

from unittest.mock import patch

import numpy as np
from matplotlib.patches import Ellipse

import nn
import ppo
from lab.pictures.diagrams import arrow
from lab.pictures.runs import default_run
from lab.proof import mdp
from policies import CategoricalPolicy

# ---------------------------------------------------------- gradient_check

ROWS = 64  # of the minibatch whose gradient is checked
DIFFERENCE_STEP = 1e-6  # of the ordinary numeric derivative
LAYERS = ("W₁", "b₁", "W₂", "b₂")


def checked_gradients():
    """PPO's gradient of one real minibatch, three times over -> a dict of (P,) arrays.

    analytic   the shipped backward pass
    complex    one complex step a weight
    central    one central difference a weight
    broken     the backward pass with the 1/N of W₁ alone forgotten
    layer      which of LAYERS each weight belongs to, (P,) int
    """
    run = default_run("ppo")
    snapshot, later = run.at(3_000), run.at(4_000)
    part = snapshot.batch._make(array[:ROWS] for array in snapshot.batch)
    trained = later.learner.policy
    policy = CategoricalPolicy(4, 2, (64,), np.random.default_rng(0), dtype=np.complex128)
    policy.parameters[:] = trained.parameters

    def loss():
        log_probs, entropies, cache = policy.forward(part.obs.astype(float), part.actions)
        value, dlog_probs = ppo.clipped_surrogate(
            log_probs, part.log_probs.astype(float), part.advantages.astype(float), 0.2
        )
        return value, dlog_probs, entropies, cache

    def backward():
        _, dlog_probs, entropies, cache = loss()
        return policy.backward(dlog_probs, np.zeros_like(entropies), cache).real

    def numeric(index, step):
        before = policy.parameters[index]
        policy.parameters[index] = before + step
        value = loss()[0]
        policy.parameters[index] = before
        return value

    every = range(policy.parameters.size)
    central = [
        (numeric(p, DIFFERENCE_STEP) - numeric(p, -DIFFERENCE_STEP)).real / (2 * DIFFERENCE_STEP)
        for p in every
    ]
    shapes = [array.size for layer in policy.network.layers for array in layer]
    linear_backward = nn.linear_backward

    def forgetful(dy, x, W):
        dx, dW, db = linear_backward(dy, x, W)
        return dx, dW * len(x) if W.shape == (4, 64) else dW, db

    analytic = backward()
    with patch.object(nn, "linear_backward", forgetful):
        broken = backward()
    return {
        "analytic": analytic,
        "complex": np.array([numeric(p, 1e-30j).imag / 1e-30 for p in every]),
        "central": np.array(central),
        "broken": broken,
        "layer": np.repeat(np.arange(len(shapes)), shapes),
    }


def gradient_check(figure, rng, look):
    """The gradient, checked weight by weight.

    Analytic against numeric slopes of 450 weights lie on a diagonal; in the right half, where one
    layer forgets its 1/N, that layer lies beside it by the factor 64.
    """
    slopes = checked_gradients()
    numeric, layer = np.abs(slopes["complex"]), slopes["layer"]
    axes = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=[3, 2])
    low, high = numeric.min() / 3, numeric.max() * 3
    titles = {
        "analytic": "450 weights, all on the diagonal",
        "broken": "One missing 1/N moves one layer",
    }
    for (name, title), (top, bottom) in zip(titles.items(), axes.T, strict=True):
        top.plot([low, high], [low, high], color=look.soft, lw=1, zorder=0)
        residual = np.abs(slopes[name] - slopes["complex"]) / numeric
        rough = np.abs(slopes[name] - slopes["central"]) / numeric
        for number, (label, colour, marker) in enumerate(
            zip(LAYERS, look.others, "os^D", strict=False)
        ):
            own = layer == number
            style = {"color": colour, "marker": marker, "ls": "", "mew": 0, "rasterized": True}
            count = f"{label}, {own.sum()} weights"
            top.plot(numeric[own], np.abs(slopes[name])[own], ms=4, label=count, **style)
            bottom.plot(numeric[own], np.maximum(residual[own], 1e-18), ms=3.5, **style)
            bottom.plot(numeric[own], rough[own], ms=3.5, alpha=0.25, **style)
        top.set(xscale="log", yscale="log", title=title, xlim=(low, high))
        bottom.set(yscale="log", ylim=(3e-19, 1e4), xlabel="|numeric slope| of each weight")
        bottom.set_yticks([1e-18, 1e-12, 1e-6, 1], ["equal", "$10^{-12}$", "$10^{-6}$", "1"])
    axes[0, 0].set_ylabel("|analytic slope|")
    axes[1, 0].set_ylabel("relative difference")
    axes[0, 0].legend(loc="upper left", handletextpad=0.2)
    inside = {"xycoords": "axes fraction"}
    for text, y, colour in (
        ("numeric: central difference (faint)", 0.62, look.soft),
        ("numeric: complex step", 0.3, look.ink),
    ):
        axes[1, 0].annotate(text, (0.03, y), color=colour, fontsize=9, **inside)
    text = f"off by the factor N = {ROWS}"
    axes[0, 1].annotate(text, (0.05, 0.86), fontweight="bold", **inside)


# ------------------------------------------------------------- mdp_compass

HORIZON = 6
SAMPLES, EPISODES_EACH = 1_000, 16
# The logit of action 1 in each state; action 0's are fixed at 0. Two numbers, so a plane.
PLANE = np.zeros((2, 2, 2))
PLANE[0, 1, 0] = PLANE[1, 1, 1] = 1


def compass_estimators():
    """name -> estimator of lab/proof/mdp.py, in the README's order."""
    world = mdp.two_states()
    baseline = mdp.values(world, mdp.policy(np.zeros(2), PLANE))
    return {
        "whole return (Eq. 5)": mdp.whole_return,
        "reward-to-go (Eq. 7)": mdp.reward_to_go,
        "… minus V(s) (Eq. 8)": mdp.less_baseline(baseline),
    }


def compass_cloud(weigh, rng):
    """One estimator at the uniform policy: exact mean (2,), exact covariance (2,2), samples (n,2).

    Mean and covariance are those of an average over EPISODES_EACH episodes; each
    sample is such an average.
    """
    world = mdp.two_states()
    chances, points = mdp.estimates(world, np.zeros(2), PLANE, HORIZON, weigh)
    mean = chances @ points
    covariance = (points - mean).T @ (chances[:, None] * (points - mean)) / EPISODES_EACH
    drawn = rng.choice(len(points), (SAMPLES, EPISODES_EACH), p=chances)
    return mean, covariance, points[drawn].mean(axis=1)


def half_axes(covariance, deviations=2):
    """An ellipse's half axes at so many standard deviations, the long one first: (2,2) rows."""
    variances, directions = np.linalg.eigh(covariance)
    return (deviations * np.sqrt(variances) * directions).T[::-1]


def ellipse(axes, mean, covariance, deviations, **style):
    """Draw the line that lies so many standard deviations from the mean."""
    long, short = half_axes(covariance, deviations)
    angle = np.degrees(np.arctan2(long[1], long[0]))
    size = 2 * np.linalg.norm(long), 2 * np.linalg.norm(short)
    axes.add_patch(Ellipse(mean, *size, angle=angle, fill=False, **style))


def mdp_compass(figure, rng, look):
    """Three estimators of the policy gradient, one truth.

    Three clouds of sampled gradients around the tip of the true one, each with the ellipse of its
    exact covariance and its two half axes. Reward-to-go's ellipse is longer one way and shorter
    the other than the whole return's; the sum of the squares grows by 1%. The baseline's is less.
    """
    clouds = {name: compass_cloud(weigh, rng) for name, weigh in compass_estimators().items()}
    _, first_covariance, _ = next(iter(clouds.values()))
    panels = figure.subplots(1, len(clouds), sharex=True, sharey=True)
    label = {"textcoords": "offset points", "ha": "center", "va": "center", "fontsize": 10.5}
    label |= {"bbox": {"facecolor": look.card, "lw": 0, "pad": 0.5, "alpha": 0.8}}
    for axes, (name, cloud), colour in zip(panels, clouds.items(), look.others[1:4], strict=True):
        mean, covariance, samples = cloud
        axes.plot(*samples.T, ".", color=colour, ms=3.5, mew=0, alpha=0.3, rasterized=True)
        if axes is not panels[0]:
            ellipse(axes, mean, first_covariance, 2, color=look.ink, lw=1, ls=(0, (4, 3)))
        ellipse(axes, mean, covariance, 2, color=colour, lw=2)
        lengths = []
        for half in half_axes(covariance):
            half = half * np.sign(half[1])  # upwards
            lengths.append(np.linalg.norm(half))
            axes.plot(*np.stack([mean - half, mean + half]).T, color=colour, lw=2)
            text, shift = f"{lengths[-1]:.2f}", 9 * half / lengths[-1]
            axes.annotate(text, mean + half, shift, fontweight="bold", **label)
        arrow(axes, (0, 0), mean, look.ink, lw=2.2, mutation_scale=16)
        squares = " + ".join(f"{length:.2f}²" for length in lengths)
        axes.set_title(f"{name}\n{squares} = {np.square(lengths).sum():.2f}", color=look.ink)
        axes.axhline(0, color=look.faint, lw=1, zorder=0)
        axes.axvline(0, color=look.faint, lw=1, zorder=0)
        axes.set_aspect("equal")
    panels[1].set_xlabel("∂J/∂θ of action 1 in state 0")
    panels[0].set_ylabel("… in state 1")
    panels[0].annotate("true ∇J", (0, 0), (4, -13), textcoords="offset points", fontweight="bold")
    text = "dashed: the\nwhole return's"
    panels[1].annotate(text, (0.03, 0.03), xycoords="axes fraction", fontsize=9.5)


# ----------------------------------------------------------------- gamma_t


def gamma_t_slopes(last_rewards):
    """E4's two slopes for each reward (n,): the true one, and with γ^t dropped -> (n,), (n,)."""
    worlds = [mdp.two_states(reward) for reward in last_rewards]
    return (
        np.array([mdp.gradient(world, np.zeros(1), mdp.SHARED)[0] for world in worlds]),
        np.array([mdp.practical_gradient(world, np.zeros(1), mdp.SHARED)[0] for world in worlds]),
    )


def sign_flip():
    """Between which two rewards the slopes' signs differ: both are straight lines in the reward."""
    ends = np.array([0.0, 1.0])
    return sorted(-low / (high - low) for low, high in gamma_t_slopes(ends))


def gamma_t(figure, rng, look):
    """Where dropping γᵗ turns the gradient around.

    Two rising lines over the last reward, the true slope and the one without γᵗ; in a narrow band
    between they have opposite signs.
    """
    rewards = np.linspace(1.95, 2.4, 61)
    true, practical = gamma_t_slopes(rewards)
    low, high = sign_flip()
    axes = figure.subplots()
    axes.axhline(0, color=look.soft, lw=1)
    axes.axvspan(low, high, color=look.faint, alpha=0.7, lw=0)
    axes.plot(rewards, true, color=look.ink, lw=2.2)
    axes.plot(rewards, practical, color=look.others[1], lw=2.2, ls=(0, (6, 2)))
    note = {"textcoords": "offset points", "fontsize": 10.5}
    (here,), (there,) = gamma_t_slopes([2.18])
    for slope, hue, text, place, shift, side in (
        (here, look.less, "true: less of action 1", high, 8, "left"),
        (there, look.more, "in practice: more of action 1", low, -8, "right"),
    ):
        arrow(axes, (2.18, 0), (2.18, slope), hue, lw=3, mutation_scale=18)
        text += f"\n{slope:+.5f}".replace("-", "−")
        style = {"ha": side, "va": "center", "color": hue, **note}
        axes.annotate(text, (place, 1.8 * slope), (shift, 0), **style)
    style = {"ha": "right", "va": "center", "color": look.others[1], **note}
    axes.annotate("γᵗ dropped, as in practice", (rewards[48], practical[48]), (-12, 6), **style)
    axes.annotate("the true gradient", (rewards[48], true[48]), (10, -6), **note)
    text, at = f"{low:.4f} to {high:.4f}: opposite signs", ("data", "axes fraction")
    axes.annotate(text, (high, 0.04), (6, 0), xycoords=at, **note)
    axes.set(xlabel="what action 1 earns in state 1", ylabel="∂J/∂θ, the shared logit of action 1")
    axes.set_xlim(rewards[0], rewards[-1])
