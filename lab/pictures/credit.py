"""The picture of credit: one real episode, and who is praised for it."""

import numpy as np
from matplotlib import colormaps

import ppo
from advantages import gae
from environments import make_envs
from lab.pictures.runs import ENV_ID, default_run
from rollout import Sampler

LAMBDAS = (0.0, 0.5, 0.8, 0.95, 1.0)
TAIL = 25  # steps shown close up
LENGTHS = (70, 160)  # an episode of such a length shows head and tail
LEARNED_STEPS = 7_000  # a half-learned policy: good enough to last, not to survive


def recorded_episode():
    """One sampled CartPole episode that ends in a fall -> obs (T+1,4), rewards (T,), values (T+1,).

    Policy and value function are those of a half-trained default run.
    """
    moment = default_run("ppo").at(LEARNED_STEPS)
    envs = make_envs(ENV_ID, 16)
    rollout = Sampler(envs, 0).collect(moment.learner.policy, 400, np.random.default_rng(0))
    envs.close()
    lengths = np.where(rollout.terminated.any(axis=0), rollout.terminated.argmax(axis=0) + 1, 0)
    fits = (lengths >= LENGTHS[0]) & (lengths <= LENGTHS[1])
    one = int(np.argmax(fits)) if fits.any() else int(np.argmax(lengths))
    T = lengths[one]
    obs = rollout.obs[: T + 1, one]
    values = moment.learner.value(obs)[:, 0]
    return obs, rollout.rewards[:T, one].astype(float), values.astype(float)


def credits(rewards, values, gamma, fell):
    """Â (T,) of each of LAMBDAS, if the last step terminated, or if it was cut off."""
    ended = np.zeros(len(rewards), bool)
    ended[-1] = True
    terminated = ended & fell
    return [gae(rewards, values[:-1], values[1:], terminated, ended, gamma, lam) for lam in LAMBDAS]


def credit(figure, rng, look):
    """Credit along one CartPole episode.

    Values, surprises and the advantages for five λ of an episode that ends in a fall, and its last
    steps as if a clock had stopped it.
    """
    _, rewards, values = recorded_episode()
    gamma = ppo.Config().gamma
    T = len(rewards)
    steps = np.arange(T)
    fell, cut = credits(rewards, values, gamma, True), credits(rewards, values, gamma, False)
    grid = figure.add_gridspec(3, 2, width_ratios=[3, 2], height_ratios=[2, 2, 3])
    top, middle, bottom = (figure.add_subplot(grid[row, 0]) for row in range(3))
    top.plot(np.arange(T + 1), values, color=look.more, lw=1.8)
    top.plot(steps, rewards, color=look.ppo, lw=1.8)
    top.annotate(
        "V: what is still expected to come", (0.03, 0.62), color=look.more, xycoords="axes fraction"
    )
    top.annotate(
        "r = 1, also for the falling step",
        (T * 0.03, 1),
        (0, 4),
        color="#00734F",
        textcoords="offset points",
    )
    top.set(title=f"One CartPole episode, {T} steps, then the pole falls", ylim=(0, None))
    delta = fell[0]
    middle.bar(steps, delta, color=np.where(delta > 0, look.more, look.less), width=0.9)
    middle.annotate(
        "the missing future", (T - 1, delta[-1]), (-8, 2), ha="right", textcoords="offset points"
    )
    middle.set_title("δ: better or worse than expected, one step at a time")
    shades = colormaps["cividis"](np.linspace(0.95, 0.0, len(LAMBDAS)))
    for lam, advantage, shade in zip(LAMBDAS, fell, shades, strict=True):
        bottom.plot(steps, advantage, color=shade, lw=1.6, label=f"λ = {lam:g}")
    bottom.set(title="Â: the surprises carried back to earlier steps", xlabel="step")
    bottom.legend(loc="lower left", ncols=2)
    right = [figure.add_subplot(grid[:2, 1]), figure.add_subplot(grid[2, 1])]
    tail = slice(-min(TAIL, T), None)
    for axes, ways, title in (
        (right[0], fell, "The end, close up: it fell"),
        (right[1], cut, "… and had a clock stopped it there"),
    ):
        for advantage, shade in zip(ways, shades, strict=True):
            axes.plot(steps[tail], advantage[tail], ".-", color=shade, lw=1.5, ms=5)
        axes.set_title(title)
        axes.sharex(right[0])
    for axes, ways, formula in (
        (right[0], fell, "last δ = 1 − V(s)"),
        (right[1], cut, "last δ = 1 + γV(s′) − V(s)"),
    ):
        last = f"{ways[0][-1]:.1f}".replace("-", "−")
        axes.annotate(f"{formula} = {last}", (0.04, 0.05), xycoords="axes fraction")
    ends = np.array([*fell, *cut])[:, tail]
    for axes in right:
        axes.set_ylim(ends.min() * 1.2, ends.max() * 1.2)
    right[1].set_xlabel("step")
    for axes in figure.axes:
        axes.axhline(0, color=look.soft, lw=0.8, zorder=0)
        axes.set_xmargin(0.01)
    top.set_xlim(bottom.get_xlim())
    middle.set_xlim(bottom.get_xlim())
