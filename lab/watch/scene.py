"""What a Session looks like: which shape and which text goes where, and in which colour.

`paint` draws one frame on a canvas (lab/watch/canvas.py) of any size from WIDTH × HEIGHT
layout units on; a window shows it and a recording keeps it.
"""

import math
from functools import lru_cache

import numpy as np
from PIL import ImageColor

from lab.kit import LIGHT
from lab.watch.session import ANGLES, VELOCITIES

WIDTH, HEIGHT = 800, 450  # the smallest layout, in units
GAP, HEADER, SIDE, TRACE = 14, 46, 236, 136
TRACE_POINTS = 80  # of a trace; more than the eye needs would cost time in every frame
CART_SIZE = 0.67, 0.27  # metres

CARD, PAGE, INK, SOFT, FAINT = LIGHT.card, LIGHT.page, LIGHT.ink, LIGHT.soft, LIGHT.faint
CART, PUSHED, _, VALUE, POLE, _ = LIGHT.others
COLOURS = (LIGHT.more, LIGHT.less, LIGHT.pale_more, LIGHT.pale_less, *LIGHT.others, *LIGHT[:5])

ENDINGS = {  # what is said about the episode, and about V
    "terminated": ("terminated: a state without a future", "no future: counts as 0 (Eq. 12)"),
    "truncated": ("truncated: the time limit cut it off", "still counts: bootstrapped (Eq. 12)"),
}
HELP = (
    ("space", "pause, go on"),
    (".", "one step"),
    ("← →", "push the cart"),
    ("G", "greedy, sampled"),
    ("R", "new episode"),
    ("+ −", "faster, slower"),
    ("S", "screenshot"),
    ("H", "show, hide this"),
    ("Esc", "close"),
)


def paint(canvas, session, badges=(), show_help=False):
    """Draw one frame of a Session; `badges` are short notes for the header's right side."""
    canvas.rectangle(0, 0, canvas.width, canvas.height, PAGE)
    left_width = canvas.width - SIDE - 3 * GAP
    stage_height = canvas.height - HEADER - TRACE - 2 * GAP
    header(canvas, session, badges)

    canvas.rectangle(GAP, HEADER, left_width, stage_height, CARD, 6)
    stage = GAP, HEADER, left_width, stage_height
    (cartpole if session.is_cartpole else environment)(canvas, session, *stage)
    if session.caption:
        canvas.text(GAP + 14, HEADER + 24, session.caption, 12, INK, bold=True)
    if session.ended:
        banner(canvas, session, *stage)

    y, width = canvas.height - GAP - TRACE, (left_width - GAP) / 2
    if session.is_cartpole:
        trace(canvas, session.angles, GAP, y, width, "pole angle", "°", POLE, session, True)
    else:
        trace(canvas, session.angles, GAP, y, width, session.observed, "", POLE, session)
    x = 2 * GAP + width
    trace(canvas, session.values, x, y, width, "V(s), discounted return", "", VALUE, session)
    readouts(canvas, session, canvas.width - SIDE - GAP, HEADER)
    if show_help:
        help_card(canvas, session)


def header(canvas, session, badges):
    canvas.text(GAP, 30, session.env_id, 16, INK, bold=True)
    if session.title:
        canvas.text(GAP + 10 * len(session.env_id) + 16, 30, session.title, 12, SOFT)
    x = canvas.width - GAP
    mode = ("greedy", CART) if session.greedy else ("sampled", PUSHED)
    for text, colour in (mode, *((badge, SOFT) for badge in badges)):
        width = 7.4 * len(text) + 20
        x -= width
        canvas.rectangle(x, 14, width, 22, colour, 11)
        canvas.text(x + width / 2, 29.3, text, 12, CARD, "centre")
        x -= 8


# ------------------------------------------------------------------- the stage


def cartpole(canvas, session, left, top, width, height):
    """CartPole to scale: its track of ±2.4 m, the ±12° in which the pole may lean."""
    env = session.env.unwrapped
    metre = min(width / (2 * env.x_threshold + 0.8), (height - 62) / (2.24 * env.length + 0.27))
    pole = 2 * env.length * metre
    middle, ground = left + width / 2, min(top + (height + pole) / 2 + 10, top + height - 46)
    end = env.x_threshold * metre

    canvas.line([(middle - end, ground), (middle + end, ground)], 2, FAINT)
    for sign in (-1, 1):
        canvas.rectangle(middle + sign * end - 1.5, ground - 9, 3, 18, SOFT)
    for mark in range(-2, 3):
        canvas.rectangle(middle + mark * metre - 0.5, ground + 4, 1, 6, SOFT)
        label = f"{mark} m".replace("-", "−")
        canvas.text(middle + mark * metre, ground + 25, label, 11, SOFT, "centre")

    # A fallen cart may be far outside; it is drawn at the edge then.
    x = min(max(middle + env.state[0] * metre, left + 34), left + width - 34)
    # The push from the keyboard; on the cart, the motor's, which the policy chose.
    direction = session.push_direction
    if direction:
        arrow(canvas, x - direction * 92, ground - 17, direction * 54, 18, PUSHED)
    chosen = None if session.ended else session.action
    cart(canvas, x, ground, metre, env.length, env.state[2], chosen)


def cart(canvas, x, ground, metre, half_pole, theta, action, look=LIGHT):
    """The cart that stands at x on the ground, its pole, and where its motor will push."""
    width, height = CART_SIZE[0] * metre, CART_SIZE[1] * metre
    wheel = height / 5
    pivot, pole = (x, ground - height), 2 * half_pole * metre
    fan = [
        (x + math.sin(lean) * pole * 1.12, pivot[1] - math.cos(lean) * pole * 1.12)
        for lean in (-math.pi / 15, math.pi / 15)  # ±12°
    ]
    canvas.polygon([pivot, *fan], look.page)
    canvas.rectangle(x - width / 2, ground - 1.15 * height, width, height, look.others[0], wheel)
    for side in (-1, 1):
        canvas.circle(x + side * 0.3 * width, ground - wheel, wheel, look.soft)
    if action is not None:
        length, hue = (width / 2, look.pale_more) if action == 1 else (-width / 2, look.pale_less)
        arrow(canvas, x - length / 2, ground - height / 2, length, height / 3, hue)
    tip = x + math.sin(theta) * pole, pivot[1] - math.cos(theta) * pole
    canvas.line([pivot, tip], 0.095 * metre, look.others[4])
    for end in (tip, pivot):
        canvas.circle(*end, 0.047 * metre, look.others[4])


def portrait(canvas, right, state, x, y, width, height, look=LIGHT):
    """Where the policy pushes left, where right, and the state (angle, velocity) as a dot.

    right  π(push right) over velocities and angles, from lab/watch/session.py
    """
    canvas.picture(portrait_pixels(right.tobytes(), len(right), look), x, y, width, height)
    across, up = (
        min(max(0.5 + value / (edge[-1] - edge[0]), 0), 1)
        for value, edge in zip(state, (ANGLES, VELOCITIES), strict=True)
    )
    place = x + across * width, y + (1 - up) * height
    canvas.circle(*place, 5, look.card)
    canvas.circle(*place, 3.6, look.ink)


@lru_cache(maxsize=16)  # the same array in each frame: a canvas then need not draw it anew
def portrait_pixels(right, rows, look):
    """π(push right), float32 bytes of so many rows -> colours (rows, columns, 3) uint8."""
    ends = np.array([ImageColor.getrgb(hue) for hue in (look.less, look.card, look.more)])
    shares = np.frombuffer(right, np.float32).reshape(rows, -1)[::-1]
    parts = [np.interp(shares, [0, 0.5, 1], ends[:, channel]) for channel in range(3)]
    return np.stack(parts, axis=-1).round().astype(np.uint8)


def arrow(canvas, x, y, length, size, colour):
    """A horizontal arrow that starts at x; a negative length points to the left."""
    sign = math.copysign(1, length)
    neck = x + length - sign * size
    canvas.rectangle(min(x, neck), y - size / 5, abs(neck - x), size * 2 / 5, colour)
    head = [(x + length, y), (neck, y - size * 0.6), (neck, y + size * 0.6)]
    canvas.polygon(head, colour)


def environment(canvas, session, left, top, width, height):
    """The environment's own picture, as large as it fits."""
    pixels = session.picture()
    rows, columns = pixels.shape[:2]
    scale = min((width - 12) / columns, (height - 12) / rows)
    size = columns * scale, rows * scale
    canvas.picture(pixels, left + (width - size[0]) / 2, top + (height - size[1]) / 2, *size)


def banner(canvas, session, left, top, width, height):
    canvas.rectangle(left + width / 2 - 175, top + 12, 350, 30, INK, 6)
    text = ENDINGS[session.ended][0]
    canvas.text(left + width / 2, top + 32, text, 14, CARD, "centre", bold=True)


# --------------------------------------------------------------- the read-outs


def readouts(canvas, session, x, y):
    """The column at the right: the episode's numbers, V(s), π(a|s) and the policy's portrait."""
    height = canvas.height - y - GAP
    canvas.rectangle(x, y, SIDE, height, CARD, 6)
    x, width = x + 16, SIDE - 32
    for offset, name, value in (
        (0, "return", number(session.total_reward)),
        (86, "step", f"{session.steps}"),
        (150, "episode", f"{session.episode}"),
    ):
        canvas.text(x + offset, y + 22, name, 12, SOFT)
        canvas.text(x + offset, y + 46, value, 20, INK, bold=True)
    canvas.rectangle(x, y + 58, width, 1, FAINT)

    canvas.text(x, y + 82, "V(s)", 14, INK, bold=True)
    value = number(session.value_now)
    canvas.text(x + width, y + 82, value, 20, VALUE, "right", bold=True)
    if session.ended == "terminated":  # Eq. 12 takes it out
        long = 13.5 * len(value) + 8
        canvas.rectangle(x + width + 4 - long, y + 73.5, long, 2.5, INK)
    note = ENDINGS[session.ended][1] if session.ended else "discounted return still to come"
    canvas.text(x, y + 100, note, 10.5, INK if session.ended else SOFT)
    canvas.rectangle(x, y + 112, width, 1, FAINT)

    canvas.text(x, y + 136, "π(a|s)", 14, INK, bold=True)
    if session.ended:
        canvas.text(x, y + 158, "no action will be taken here", 10.5, INK)
    else:
        gaussian = session.probabilities is None
        note = "mean ± deviation, | chosen" if gaussian else "likelihood, ▸ chosen"
        canvas.text(x + width, y + 136, note, 10.5, SOFT, "right")
        count = len(session.action_names)
        row = min(40, (height - 160) / count)
        draw = gaussian_bar if gaussian else probability_bar
        for k in range(count):
            draw(canvas, session, k, x, y + 146 + k * row, width, row)
    if session.is_cartpole:
        canvas.rectangle(x, y + 234, width, 1, FAINT)
        canvas.text(x, y + 253, "← pushes left", 10.5, LIGHT.less)
        canvas.text(x + width, y + 253, "pushes right →", 10.5, LIGHT.more, "right")
        place = x, y + 261, width, height - 285 if height < 450 else 165
        portrait(canvas, session.portrait, session.env.unwrapped.state[2:], *place)
        note = "pole's angle across, its turning up"
        canvas.text(x + width / 2, y + place[3] + 276, note, 10.5, SOFT, "centre")


def hues(name):
    """The colours of an action's bar, and when it is chosen: blue to the right, orange left."""
    if "left" in name or "−" in name:
        return LIGHT.pale_less, LIGHT.less
    if "right" in name or "+" in name:
        return LIGHT.pale_more, LIGHT.more
    return LIGHT.faint, LIGHT.soft


def probability_bar(canvas, session, k, x, y, width, row):
    """π(k|s) as a bar whose full width is 1, with its label above (or beside, if crowded)."""
    probability, chosen = float(session.probabilities[k]), bool(k == session.action)
    size, colour = min(12, row * 0.42), INK if chosen else SOFT
    name = ("▸ " if chosen else "") + session.action_names[k]
    canvas.text(x, y + size + 2, name, size, colour)
    canvas.text(x + width, y + size + 2, f"{probability:.3f}", size, colour, "right")
    top, height = y + size + 6, max(2, row - size - 12)
    canvas.rectangle(x, top, width, height, PAGE)
    canvas.rectangle(x, top, width * probability, height, hues(session.action_names[k])[chosen])


def gaussian_bar(canvas, session, k, x, y, width, row):
    """Action dimension k between its bounds: mean ± standard deviation, and what was chosen."""
    low, high = (float(bound[k]) for bound in session.action_bounds)
    mean, std, action = (float(v[k]) for v in (session.means, session.stds, session.action))
    size = min(12, row * 0.42)

    def place(value):
        return x + width * (min(max(value, low), high) - low) / (high - low)

    canvas.text(x, y + size + 2, session.action_names[k], size, INK)
    text = f"{mean:.2f} ± {std:.2f}".replace("-", "−")
    canvas.text(x + width, y + size + 2, text, size, INK, "right")
    top, height = y + size + 6, max(2, row - size - 12)
    canvas.rectangle(x, top, width, height, PAGE)
    start, end = place(mean - std), place(mean + std)
    canvas.rectangle(start, top, end - start, height, LIGHT.pale_more)
    canvas.rectangle(place(mean) - 1, top, 2, height, SOFT)
    canvas.rectangle(place(action) - 2, top - 2, 4, height + 4, INK)


# ------------------------------------------------------------------ the traces


def trace(canvas, points, x, y, width, title, unit, colour, session, symmetric=False):
    """A card with the course of one number over the last seconds; the newest is at the right."""
    canvas.rectangle(x, y, width, TRACE, CARD, 6)
    canvas.text(x + 14, y + 22, title, 12, INK, bold=True)
    span = f"last {points.maxlen / session.fps:.0f} s"
    canvas.text(x + width - 14, y + 22, span, 10.5, SOFT, "right")
    low, high = scale_of(points, symmetric)
    left, right, top, bottom = x + 50, x + width - 14, y + 38, y + TRACE - 16

    def height_of(value):
        return bottom - (bottom - top) * (value - low) / (high - low)

    for level in (low, (low + high) / 2, high):
        canvas.rectangle(left, height_of(level) - 0.5, right - left, 1, FAINT)
        label = f"{level:g}{unit}".replace("-", "−")
        canvas.text(left - 6, height_of(level) + 4, label, 10.5, SOFT, "right")
    step = (right - left) / (points.maxlen - 1)
    stride = max(1, points.maxlen // TRACE_POINTS)
    # Counted from the episode's first step, so that the same points stay while they move.
    first = session.steps + 1 - len(points)
    line = [
        (right - (len(points) - 1 - k) * step, height_of(value))
        for k, value in enumerate(points)
        if (first + k) % stride == 0 or k == len(points) - 1
    ]
    if len(line) > 1:
        canvas.line(line, 1.8, colour)
    canvas.circle(*line[-1], 3, colour)


def scale_of(points, symmetric):
    """A calm vertical scale (low, high) that holds all points: it changes in few, round steps."""
    low, high = min(points), max(points)
    if symmetric:
        reach = max(abs(low), abs(high))
        high = next((size for size in (2, 6, 12, 24, 90) if size >= reach), 180)
        return -high, high
    spread = max(high - low, 0.05 * abs(high), 0.1)
    unit = 10 ** math.floor(math.log10(spread))
    step = next(unit * k for k in (1, 2, 5, 10) if unit * k >= spread / 2)
    low = math.floor(low / step) * step
    return low, max(math.ceil(high / step) * step, low + 2 * step)


def number(value):
    """A number in few characters, with a true minus."""
    text = f"{value:.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.1f}"
    return "0.0" if text == "-0.0" else text.replace("-", "−")


# ---------------------------------------------------------------------- help


def help_card(canvas, session):
    """The keys, on top of the read-outs, so that the cart stays in view."""
    lines = [(key, text) for key, text in HELP if session.is_cartpole or key != "← →"]
    x, y = canvas.width - SIDE - GAP, HEADER
    height = canvas.height - HEADER - GAP
    canvas.rectangle(x, y, SIDE, height, INK, 6)
    canvas.text(x + 16, y + 34, "Keys", 16, CARD, bold=True)
    row = 34
    for k, (key, text) in enumerate(lines):
        base = y + 72 + row * k
        canvas.rectangle(x + 16, base - 16, 58, 23, CART, 5)
        canvas.text(x + 45, base, key, 12, CARD, "centre", bold=True)
        canvas.text(x + 86, base, text, 12, CARD)
