"""The first picture: five carts, five moments of one training, the same start."""

import math

import numpy as np

from lab.kit import LIGHT
from lab.pictures.policies import PORTRAIT_STEPS as STEPS
from lab.pictures.runs import ENV_ID, SEED, default_run
from lab.watch import Session, portrait, scene
from lab.watch.canvas import Canvas
from lab.watch.recorder import animation

WIDTH, HEIGHT, GAP = 830, 292, 10  # pixels
COLUMN = (WIDTH - (len(STEPS) + 1) * GAP) / len(STEPS)
STRIDE, SECONDS_A_STEP = 4, 0.01  # every fourth state, at twice CartPole's speed
FIRST_SECONDS, LAST_SECONDS = 1.5, 3.0  # for which the start stands, and the end
MOST = 500  # steps of an episode


def journeys():
    """Each policy's greedy episode from the same start: a list of (snapshot, states, actions).

    states (T+1,4), actions (T,): the state before each step, and after the last
    """
    episodes = []
    for steps in STEPS:
        snapshot = default_run("ppo").at(steps)
        session = Session(snapshot.learner.policy, snapshot.learner.value, ENV_ID, SEED)
        states, actions = [session.env.unwrapped.state], []
        while not session.ended:
            actions.append(int(session.action))
            session.step()
            states.append(session.env.unwrapped.state)
        session.close()
        episodes.append((snapshot, np.array(states), np.array(actions)))
    return episodes


def falling(state, steps):
    """What becomes of the pole when nobody acts any more: its angle so many steps later, to 90°.

    A rod that turns about a cart standing still, by Euler's method as in CartPole: for the eye,
    since the episode is over at 12°.
    """
    angle, turning = state[2], state[3]
    for _ in range(steps):
        turning += 0.02 * 9.8 * math.sin(angle) / (0.5 * 4 / 3)
        angle = min(max(angle + 0.02 * turning, -math.pi / 2), math.pi / 2)
    return angle


def five_carts(look=LIGHT):
    """The picture as the bytes of a GIF, from the start to the end, both of which stand a while.

    Where nothing moves one sees the start: five maps, and how long each episode will be.
    """
    carts = journeys()
    maps = [portrait(snapshot.learner.policy) for snapshot, *_ in carts]
    last = max(len(actions) for _, _, actions in carts)
    times = [*range(0, last, STRIDE), last]
    canvas = Canvas(1, WIDTH, HEIGHT)

    def images():
        for time in times:
            canvas.rectangle(0, 0, WIDTH, HEIGHT, look.page)
            for place, (cart, right) in enumerate(zip(carts, maps, strict=True)):
                column(canvas, GAP + place * (COLUMN + GAP), cart, right, time, look)
            yield canvas.image

    starts = [0, *(FIRST_SECONDS + SECONDS_A_STEP * time for time in times[1:])]
    starts.append(starts[-1] + LAST_SECONDS)
    inks = look[2:-1] + look.others
    return animation(images(), starts, inks, (look.card, look.page))


def column(canvas, x, journey, right, time, look):
    """One snapshot's card: how long it had trained, its portrait, its cart at step `time`."""
    snapshot, states, actions = journey
    middle, now = x + COLUMN / 2, min(time, len(actions))
    over, verdict = now == len(actions), f"step {now} of {len(actions)}"
    fallen = over and abs(states[-1][2]) > math.radians(12)
    canvas.rectangle(x, GAP, COLUMN, HEIGHT - 2 * GAP, look.card, 6)
    canvas.text(middle, 32, f"{snapshot.env_steps:,} steps", 14, look.ink, "centre", bold=True)
    canvas.text(middle, 48, "of training", 11, look.soft, "centre")
    box = x + 8, 58, COLUMN - 16, 92
    canvas.rectangle(box[0] - 1, box[1] - 1, box[2] + 2, box[3] + 2, look.soft)
    scene.portrait(canvas, right, states[now][2:], *box, look)
    if np.ptp(right) < 0.01:
        canvas.text(middle, 136, "undecided", 12, look.soft, "centre")
    canvas.text(x + 12, 165, "← pushes left", 10, look.less)
    canvas.text(x + COLUMN - 12, 165, "right →", 10, look.more, "right")

    metre, ground = 62, 254
    for mark in np.arange(-9, 10) / 4:  # the camera goes with the cart, the track does not
        at = middle + (mark - states[now][0]) * metre
        if x + 8 < at < x + COLUMN - 8:
            canvas.rectangle(at - 0.5, ground + 2, 1, 7 if mark % 1 == 0 else 3, look.soft)
    ends = (middle + (sign * 2.4 - states[now][0]) * metre for sign in (-1, 1))
    left, right_end = (min(max(end, x + 8), x + COLUMN - 8) for end in ends)
    canvas.rectangle(left, ground, right_end - left, 1.5, look.soft)
    for end in (left, right_end):
        if x + 8 < end < x + COLUMN - 8:
            canvas.rectangle(end - 1.5, ground - 9, 3, 18, look.soft)
    angle = falling(states[-1], time - now) if fallen else states[now][2]
    chosen = None if over else actions[now]
    scene.cart(canvas, middle, ground, metre, 0.5, angle, chosen, look)
    if over:
        how = "fell at step" if fallen else "off the track:" if now < MOST else "stands: 500 of"
        verdict = f"{how} {now}"
    canvas.text(middle, 276, verdict, 12, look.ink, "centre", bold=over)
