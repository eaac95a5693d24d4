"""The picture of credit: one real episode, and who is praised for it."""

import numpy as np

import ppo
from advantages import gae
from lab.pictures.runs import ENV_ID, SEED, default_run
from lab.watch import Session

LAMBDAS = (0.0, 0.8, 0.95, 1.0)
TAIL = 25  # steps shown close up
LENGTHS = range(60, 151)  # of an episode that shows head and tail
PROGRESS = 0.085  # the share of the training that its player has had


def recorded_episode():
    """One sampled CartPole episode that ends in a fall -> obs (T+1,4), rewards (T,), values (T+1,).

    Policy and value function are those of a half-trained default run: good enough to last, not to
    survive. The first seed is taken whose episode is one of LENGTHS.
    """
    run = default_run("ppo")
    at = next(m for m in run.snapshots if m.env_steps >= PROGRESS * run.env_steps)
    for seed in range(SEED, SEED + 1_000):
        session = Session(at.learner.policy, at.learner.value, ENV_ID, seed, greedy=False)
        obs, values = [session.obs], [session.value_now]
        while not session.ended:
            session.step()
            obs.append(session.obs)
            values.append(session.value_now)
        session.close()
        if session.ended == "terminated" and session.steps in LENGTHS:
            break
    return np.array(obs), np.ones(session.steps), np.array(values)


def credits(rewards, values, gamma, fell):
    """Â (T,) of each of LAMBDAS, if the last step terminated, or if it was cut off."""
    ended = np.zeros(len(rewards), bool)
    ended[-1] = True
    terminated = ended & fell
    return [gae(rewards, values[:-1], values[1:], terminated, ended, gamma, lam) for lam in LAMBDAS]


def credit(figure, rng, look):
    """Credit along one CartPole episode.

    Values, surprises and the advantages for four λ of an episode that ends in a fall, and its last
    steps as if a clock had stopped it: then nothing is missing, and no blame is carried back.
    """
    _, rewards, values = recorded_episode()
    gamma = ppo.Config().gamma
    T = len(rewards)
    steps = np.arange(T)
    fell, cut = credits(rewards, values, gamma, True), credits(rewards, values, gamma, False)
    lines = [
        {"label": f"λ = {lam:g}", "color": look.others[hue], "ls": style, "lw": 1.8}
        for lam, hue, style in zip(LAMBDAS, (0, 4, 3, 1), (":", (0, (5, 1)), "-", "-"), strict=True)
    ]
    grid = figure.add_gridspec(1, 2, width_ratios=[3, 2])
    left = grid[0].subgridspec(3, 1, height_ratios=[2, 2, 3])
    top, middle, bottom = (figure.add_subplot(left[row]) for row in range(3))
    right = [figure.add_subplot(place) for place in grid[1].subgridspec(2, 1)]
    note = {"textcoords": "offset points", "fontsize": 10}
    top.plot(np.arange(T + 1), values, color=look.ink, lw=1.8)
    top.plot(steps, rewards, color=look.soft, lw=1.8, ls=(0, (4, 2)))
    top.annotate("V: what is still expected to come", (2, 20), (0, 0), **note)
    top.annotate("r = 1, also for the falling step", (2, 1), (0, 4), color=look.soft, **note)
    top.set(title=f"One CartPole episode: {T} steps, then it falls", ylim=(0, None))
    delta = fell[0]
    middle.bar(steps, delta, color=np.where(delta > 0, look.more, look.less), width=0.9)
    middle.annotate("the missing future", (T - 1, delta[-1]), (-8, 2), ha="right", **note)
    middle.set_title("δ, one step's surprise: more or less than expected")
    for advantage, line in zip(fell, lines, strict=True):
        bottom.plot(steps, advantage, **line)
    text = f"λ = 1 counts the whole return:\nit lived {T} steps, more than V expected"
    note |= {"xycoords": "axes fraction", "ha": "right", "va": "top"}
    bottom.annotate(text, (0.99, 0.97), (0, 0), color=lines[-1]["color"], **note)
    bottom.set(title="Â: the surprises carried back", xlabel="step")
    tail = slice(-min(TAIL, T), None)
    for axes, advantages, title, formula in (
        (right[0], fell, "Its end: it fell", "last δ = 1 − V(s)"),
        (right[1], cut, "Had a clock stopped it there", "last δ = 1 + γV(s′) − V(s)"),
    ):
        for advantage, line in zip(advantages, lines, strict=True):
            axes.plot(steps[tail], advantage[tail], **line)
        last = f"{advantages[0][-1]:.1f}".replace("-", "−")
        axes.annotate(f"{formula} = {last}", (0.03, 0.04), xycoords="axes fraction")
        axes.set_title(title)
    ends = np.array([*fell, *cut])[:, tail]
    for axes in right:
        axes.set_ylim(ends.min() * 1.25, ends.max() * 1.2)
    right[1].set_xlabel("step")
    right[0].legend(loc="upper right", handlelength=2.6)
    for axes in figure.axes:
        axes.axhline(0, color=look.soft, lw=0.8, zorder=0)
        axes.set_xmargin(0.01)
    top.set_xlim(bottom.get_xlim())
    middle.set_xlim(bottom.get_xlim())
