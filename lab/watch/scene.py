"""What a Session looks like: which shape and which text goes where, and in which colour.

`paint` draws one frame on a canvas; it does not know what the canvas is made
of. lab/watch/recorder.py has one of Pillow images, lab/watch/window.py one of pyglet
shapes, so that a window and a recording show the same.

A canvas has `width` and `height` in layout units (at least WIDTH × HEIGHT;
how many pixels a unit is, is the canvas's business), the origin at the top
left, and these methods; colours are "#rrggbb":

    rectangle(x, y, width, height, colour, radius=0)
    polygon(points, colour)                        a convex one
    line(points, thickness, colour)
    circle(x, y, radius, colour)
    text(x, y, string, size, colour, align="left", bold=False)     y: the base line
    picture(pixels, x, y, width, height)           uint8 (rows, columns, 3)
"""

import importlib.util
import math
from pathlib import Path

WIDTH, HEIGHT = 800, 450  # the smallest layout, in units
GAP, HEADER, SIDE, TRACE = 14, 46, 236, 136
TRACE_POINTS = 80  # of a trace; more than the eye needs would cost time in every frame

# Okabe & Ito's palette, as in lab/runs/curves.py, on quiet greys.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
PAGE, CARD, INK, SOFT, FAINT = "#EEF1F4", "#FFFFFF", "#22303C", "#6B7884", "#DDE3E8"
PALE_BLUE, CART = "#BBD7E8", "#3D4B59"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, PAGE, CARD, INK, SOFT, FAINT, PALE_BLUE, CART)

# matplotlib, which draws the curves, brings a font that has π, → and −.
FONTS = Path(importlib.util.find_spec("matplotlib").origin).parent / "mpl-data/fonts/ttf"
FONT_NAME = "DejaVu Sans"
REGULAR, BOLD = FONTS / "DejaVuSans.ttf", FONTS / "DejaVuSans-Bold.ttf"

ENDINGS = {
    "terminated": (ORANGE, "terminated: a state without a future"),
    "truncated": (BLUE, "truncated: the time limit cut it off"),
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
    if session.ended:
        banner(canvas, session, *stage)

    y, width = canvas.height - GAP - TRACE, (left_width - GAP) / 2
    if session.is_cartpole:
        trace(canvas, session.angles, GAP, y, width, "pole angle", "°", ORANGE, session, True)
    else:
        trace(canvas, session.angles, GAP, y, width, "s₀, first observation", "", ORANGE, session)
    x = 2 * GAP + width
    trace(canvas, session.values, x, y, width, "V(s), discounted return", "", GREEN, session)
    readouts(canvas, session, canvas.width - SIDE - GAP, HEADER)
    if show_help:
        help_card(canvas, session)


def header(canvas, session, badges):
    canvas.text(GAP, 30, session.env_id, 16, INK, bold=True)
    if session.title:
        canvas.text(GAP + 10 * len(session.env_id) + 16, 30, session.title, 12, SOFT)
    x = canvas.width - GAP
    mode = ("greedy", GREEN) if session.greedy else ("sampled", PURPLE)
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
    x, _, theta, _ = env.state
    metre = width / (2 * env.x_threshold + 0.8)
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
    cart_x = min(max(middle + x * metre, left + 34), left + width - 34)
    pivot = cart_x, ground - 26
    limit, reach = env.theta_threshold_radians, pole * 1.12
    edges = [
        (pivot[0] + math.sin(lean) * reach, pivot[1] - math.cos(lean) * reach)
        for lean in (-limit, limit)
    ]
    canvas.polygon([pivot, *edges], PAGE)

    # The push from the keyboard; below, on the cart, the motor's, which the policy chose.
    if session.push_direction:
        arrow(canvas, cart_x - session.push_direction * 92, ground - 17,
              session.push_direction * 54, 18, PURPLE)  # fmt: skip

    canvas.rectangle(cart_x - 32, ground - 30, 64, 26, CART, 5)
    for side in (-1, 1):
        canvas.circle(cart_x + side * 19, ground - 4, 5, INK)
    push_to = 1 if session.action == 1 else -1
    arrow(canvas, cart_x - push_to * 16, ground - 13, push_to * 32, 9, PALE_BLUE)
    tip = pivot[0] + math.sin(theta) * pole, pivot[1] - math.cos(theta) * pole
    canvas.line([pivot, tip], 9, ORANGE)
    canvas.circle(*tip, 4.5, ORANGE)
    canvas.circle(*pivot, 4.5, ORANGE)
    canvas.circle(*pivot, 2, CARD)


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
    colour, text = ENDINGS[session.ended]
    canvas.rectangle(left + width / 2 - 175, top + 12, 350, 30, colour, 6)
    canvas.text(left + width / 2, top + 32, text, 14, CARD, "centre", bold=True)


# --------------------------------------------------------------- the read-outs


def readouts(canvas, session, x, y):
    """The column at the right: the episode's numbers, π(a|s) and V(s)."""
    height = canvas.height - y - GAP
    canvas.rectangle(x, y, SIDE, height, CARD, 6)
    x, width = x + 16, SIDE - 32
    numbers = (("return", number(session.total_reward)), ("step", f"{session.steps}"),
               ("episode", f"{session.episode}"))  # fmt: skip
    for offset, (name, value) in zip((0, 86, 150), numbers, strict=True):
        canvas.text(x + offset, y + 25, name, 12, SOFT)
        canvas.text(x + offset, y + 51, value, 20, INK, bold=True)
    canvas.rectangle(x, y + 68, width, 1, FAINT)

    canvas.text(x, y + 94, "V(s)", 14, INK, bold=True)
    canvas.text(x + width, y + 94, number(session.value_now), 20, GREEN, "right", bold=True)
    canvas.text(x, y + 112, "discounted return still to come", 10.5, SOFT)
    canvas.rectangle(x, y + 126, width, 1, FAINT)

    gaussian = session.probabilities is None
    canvas.text(x, y + 152, "π(a|s)", 14, INK, bold=True)
    note = "mean ± deviation" if gaussian else "likelihood of each action"
    canvas.text(x + width, y + 152, note, 10.5, SOFT, "right")
    top, count = y + 166, len(session.action_names)
    row = min(54, (height - 166 - 30) / count)
    draw = gaussian_bar if gaussian else probability_bar
    for k in range(count):
        draw(canvas, session, k, x, top + k * row, width, row)
    hint = "blue: the chosen action"
    canvas.text(x, y + height - 14, hint, 10.5, SOFT)


def probability_bar(canvas, session, k, x, y, width, row):
    """π(k|s) as a bar whose full width is 1, with its label above (or beside, if crowded)."""
    probability, chosen = float(session.probabilities[k]), k == session.action
    size = min(12, row * 0.42)
    canvas.text(x, y + size + 2, session.action_names[k], size, INK if chosen else SOFT)
    canvas.text(x + width, y + size + 2, f"{probability:.3f}", size, INK if chosen else SOFT,
                "right")  # fmt: skip
    top, height = y + size + 6, max(2, row - size - 14)
    canvas.rectangle(x, top, width, height, FAINT)
    canvas.rectangle(x, top, width * probability, height, BLUE if chosen else PALE_BLUE)


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
    top, height = y + size + 6, max(2, row - size - 14)
    canvas.rectangle(x, top, width, height, FAINT)
    start, end = place(mean - std), place(mean + std)
    canvas.rectangle(start, top, end - start, height, PALE_BLUE)
    canvas.rectangle(place(mean) - 1, top, 2, height, SOFT)
    canvas.rectangle(place(action) - 2, top - 2, 4, height + 4, BLUE)


# ------------------------------------------------------------------ the traces


def trace(canvas, points, x, y, width, title, unit, colour, session, symmetric=False):
    """A card with the course of one number over the last seconds; the newest is at the right."""
    canvas.rectangle(x, y, width, TRACE, CARD, 6)
    canvas.text(x + 14, y + 22, title, 12, INK, bold=True)
    canvas.text(x + width - 14, y + 22, f"last {points.maxlen / session.fps:.0f} s", 10.5, SOFT,
                "right")  # fmt: skip
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
