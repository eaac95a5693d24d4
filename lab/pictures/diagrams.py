"""Drawings of how things hang together: the gradient's road, the small world, one layer."""

import numpy as np

from lab.proof import mdp, trace

CENTRE = {"ha": "center", "va": "center"}


def canvas(figure, width, height):
    """Bare axes of the whole figure, `width` × `height` units, the origin at the lower left."""
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return axes


def arrow(axes, start, end, colour, **style):
    """An arrow between two points, or along a bow where `bow` says how much it bends."""
    bow = style.pop("bow", 0)
    style = {"lw": 1.6, "mutation_scale": 13, "shrinkA": 0, "shrinkB": 0, **style}
    style |= {"arrowstyle": "-|>", "color": colour, "connectionstyle": f"arc3,rad={bow}"}
    axes.annotate("", end, start, arrowprops=style)


def rounded(axes, x, y, width, height, **style):
    """A box with round corners, its middle at (x, y)."""
    from matplotlib.patches import FancyBboxPatch

    corner = x - width / 2, y - height / 2
    axes.add_patch(FancyBboxPatch(corner, width, height, "round,pad=0,rounding_size=1", **style))


# --------------------------------------------------------------- gradient_road

BOXES = {  # row and column -> what it is; its shape for N rows and 64 units, its equation
    (0, 0): ("s, s′", "observations", "N × 4", "Eq. 1"),
    (0, 1): ("V(s), V(s′)", "a network of its own", "N", "Eq. 27, 28"),
    (0, 2): ("y = Â + V", "targets, held still", "N", "Eq. 15"),
    (0, 3): ("v̄ = (V − y) / N", "the loss's slope", "N", "Eq. 33"),
    (0, 4): ("V’s weights", "its layers, its Adam", "385 numbers", "Eq. 29"),
    (1, 0): ("r", "rewards, and the ends", "N", "Eq. 2"),
    (1, 1): ("δ = r + γV(s′) − V(s)", "a fall: no V(s′)", "N", "Eq. 12"),
    (1, 2): ("Â", "advantages", "N", "Eq. 13"),
    (1, 4): ("Ã", "normalised", "N", "Eq. 16"),
    (2, 0): ("s", "observations", "N × 4", "Eq. 1"),
    (2, 1): ("H₁ = tanh(s W₁ + b₁)", "hidden units", "N × 64", "Eq. 27, 28"),
    (2, 2): ("Z = H₁ W₂ + b₂", "logits", "N × 2", "Eq. 27"),
    (2, 3): ("π = softmax Z", "probabilities", "N × 2", "Eq. 17"),
    (2, 4): ("L = −Σ Ã log π / N", "PPO: ρ, clipped, Eq. 36", "a number", "Eq. 10"),
    (3, 4): ("slope = −Ã / N", "PPO: times c ρ, Eq. 37", "N", "Eq. 10"),
    (3, 3): ("Z̄ = slope (eₐ − π)", "the logits' gradient", "N × 2", "Eq. 19"),
    (3, 2): ("Ȳ₁ = Z̄ W₂ᵀ ⊙ (1 − H₁²)", "and W̄₂ = H₁ᵀ Z̄", "N × 64", "Eq. 28, 29"),
    (3, 1): ("W̄₁ = sᵀ Ȳ₁", "and b̄₁, the rows' sum", "4 × 64", "Eq. 29"),
    (3, 0): ("W₁, W₂ …", "clipped norm, Adam", "450 numbers", "Eq. 31, 32"),
}
ROWS = (  # height, what the row asks, and the chapters that answer
    (76, "What was expected?", "E"),
    (55, "How good was it?", "B"),
    (34, "How likely was it?", "CD"),
    (13, "Which way?", "CDF"),
)
COLUMNS, BOX = (10, 30, 50, 70, 90), (17.6, 13.4)
# What each box is computed from, which is where its arrows come from.
MADE_FROM = {
    (0, 1): [(0, 0), (0, 4)],
    (0, 2): [(0, 1), (1, 2)],
    (0, 3): [(0, 1), (0, 2)],  # V by way of the targets' box
    (0, 4): [(0, 3)],
    (1, 1): [(1, 0), (0, 1)],
    (1, 2): [(1, 1)],
    (1, 4): [(1, 2)],
    (2, 1): [(2, 0)],
    (2, 2): [(2, 1)],
    (2, 3): [(2, 2)],
    (2, 4): [(1, 4), (2, 3)],
    (3, 4): [(2, 4)],
    (3, 3): [(3, 4), (2, 3)],
    (3, 2): [(3, 3), (2, 1)],
    (3, 1): [(3, 2), (2, 0)],
    (3, 0): [(3, 1), (3, 2)],
}
# The trace's thread: where a box's number stands in `walk`; a second place is what becomes of it.
THREAD = {
    (1, 4): [("advantages", 1)],
    (2, 0): [("obs", 1, 3)],
    (2, 1): [("h", 1, 0)],
    (2, 2): [("logits", 1, 1)],
    (2, 3): [("probs", 1, 1)],
    (2, 4): [("ratios", 1)],
    (3, 4): [("dlog_probs", 1)],
    (3, 3): [("dlogits", 1, 1)],
    (3, 2): [("dz1", 1, 0)],
    (3, 1): [("dW1", 3, 0)],
    (3, 0): [("W1", 3, 0), ("new_W1", 3, 0)],
}


def thread():
    """The trace's numbers on the road: {box: list of (name of the place, float, text)}."""
    walked, numbers = trace.walk("ppo"), {}
    for box, places in THREAD.items():
        numbers[box] = []
        for name, *index in places:
            value = float(getattr(walked, name)[tuple(index)])
            text = format(value, trace.FORMATS.get(name, ".4f")).replace("-", "−")
            text = f"ρ = {text}" if name == "ratios" else text  # the loss's own number is no row's
            numbers[box].append((f"{name}{index}".replace(" ", ""), value, text))
    return numbers


def gradient_road(figure, rng, look):
    """The gradient's road, there and back.

    Four rows of boxes with shapes and equations. Observations become values; rewards and values
    become surprises and advantages, and these, added to the values, the value network's targets,
    from which its own gradient goes back to it. Observations become hidden units, logits and
    probabilities. At the right both meet in the loss. Its slope, times (eₐ − π), is the logits'
    gradient, which goes back through the layers to the left, where Adam moves the weights. Along
    the road stand the numbers of one row of `run.py trace`, from its advantage to a new weight.
    """
    axes = canvas(figure, 100, 88)
    width, height = BOX
    forward, backward = look.others[0], look.others[3]

    def colour_of(box):
        return backward if box[0] == 3 or box in ((0, 3), (0, 4)) else forward

    numbers = thread()
    for box, (formula, name, shape, equation) in BOXES.items():
        x, y, colour = COLUMNS[box[1]], ROWS[box[0]][0], colour_of(box)
        thick = 2.6 if box == (3, 3) else 1.2
        rounded(axes, x, y, width, height, facecolor=look.page, edgecolor=colour, lw=thick)
        style = {"fontweight": "bold", "color": colour, **CENTRE}
        size = 12 if len(formula) < 15 else 10 if len(formula) < 19 else 8.6
        axes.text(x, y + 4.2, formula, fontsize=size, **style)
        axes.text(x, y + 1, name, fontsize=9, **CENTRE)
        note = f"{shape} · {equation}"
        axes.text(x, y - 1.8, note, fontsize=9 if len(note) < 23 else 8, color=look.soft, **CENTRE)
        text = " → ".join(text for *_, text in numbers.get(box, ()))
        style = {"fontweight": "bold", "color": look.more, **CENTRE}
        axes.text(x, y - 4.8, text, fontsize=10, **style)
    for row, (y, asked, chapters) in enumerate(ROWS):
        # nothing is free above the last one
        y, colour = (y - 9.6, backward) if row == 3 else (y + 8.4, forward)
        title = f"{asked} (Chapter{'s' * (len(chapters) > 1)} {', '.join(chapters)})"
        axes.text(1.3, y, title, fontsize=10.5, fontweight="bold", color=colour)
    for to, sources in MADE_FROM.items():
        for source in sources:
            road(axes, source, to, forward, backward, look)
    note = {"fontsize": 9, "va": "center"}
    axes.text(60, 86.8, "V’s new weights", color=backward, ha="center", **note)
    axes.text(70, 57, "mean 0, deviation 1", color=look.soft, ha="center", **note)
    axes.text(42.5, 24.4, "kept from the way there", color=look.soft, **note)
    arrow(axes, (COLUMNS[0] - 6, 19.7), (COLUMNS[0] - 6, 27.3), backward)
    axes.text(COLUMNS[0] - 5, 23.5, "new weights,\nnew rollout", color=backward, **note)
    text = "Blue: run.py trace’s row 1, unit 0, right, W₁[3,0]"
    axes.text(98.8, 3.7, text, color=look.more, ha="right", **note)


def road(axes, source, to, forward, backward, look):
    """The arrow from one box to another of gradient_road."""
    (x0, y0), (x1, y1) = ((COLUMNS[column], ROWS[row][0]) for row, column in (source, to))
    half, tall = BOX[0] / 2, BOX[1] / 2
    colour = backward if to[0] == 3 or to == (0, 4) else forward
    if (source, to) == ((0, 4), (0, 1)):  # over the targets
        axes.plot([x0, x0, x1 + 5], [y0 + tall, 85.2, 85.2], color=backward, lw=1.6)
        arrow(axes, (x1 + 5, 85.4), (x1 + 5, y1 + tall), backward)
    elif source[0] == to[0]:
        step = half if x1 > x0 else -half
        if abs(x1 - x0) < 30 or to == (1, 4):  # V, and W̄₂ to Adam, are told in the boxes between
            arrow(axes, (x0 + step, y0), (x1 - step, y1), colour)
    elif source[1] == to[1]:
        x = x0 + (6 if to == (1, 1) else 0)
        step = tall if y1 > y0 else -tall
        arrow(axes, (x, y0 + step), (x, y1 - step), colour)
    else:  # kept from the way there
        arrow(axes, (x0 + 6, y0 - tall), (x1 - 6, y1 + tall), look.soft, ls=(0, (3, 2)), lw=1)


# ------------------------------------------------------------------ two_states


def advantages_of_uniform():
    """MDP-2 under the uniform policy, in closed form (Eq. 9) -> V (2,), A (2,2)."""
    world = mdp.two_states()
    pi = mdp.policy(np.zeros(4), mdp.TABULAR)
    return mdp.values(world, pi), mdp.advantages(world, pi)


def two_states(figure, rng, look):
    """MDP-2, the world in which everything is known.

    Two circles, state 0 and state 1. From state 0, action 0 earns +1 and ends, action 1 costs 1 and
    leads to state 1. From there, action 0 earns nothing and leads back, action 1 earns +3 and ends.
    Each arrow has its advantage under the uniform policy; blue ones are to become likelier.
    """
    from matplotlib.patches import Circle

    V, A = advantages_of_uniform()
    world = mdp.two_states()
    axes = canvas(figure, 100, 32.5)
    axes.set_aspect("equal")
    nodes, y = (32, 68), 15.5
    ends = (8, y, (nodes[0] - 6, y), (8 + 3.4, y)), (92, y, (nodes[1] + 6, y), (92 - 3.4, y))
    arrows = {
        (0, 0): (*ends[0][2:], 0),
        (1, 1): (*ends[1][2:], 0),
        (0, 1): ((nodes[0] + 4.6, y + 3.8), (nodes[1] - 4.6, y + 3.8), -0.28),
        (1, 0): ((nodes[1] - 4.6, y - 3.8), (nodes[0] + 4.6, y - 3.8), -0.28),
    }
    labels = {
        (0, 0): (18.7, y + 2, "bottom"),
        (1, 1): (81.3, y + 2, "bottom"),
        (0, 1): (50, y + 10, "bottom"),
        (1, 0): (50, y - 10, "top"),
    }
    for (state, action), (start, end, bow) in arrows.items():
        size = A[state, action]
        colour = look.more if size > 0 else look.less
        arrow(axes, start, end, colour, bow=bow, lw=2 + 2.2 * abs(size), mutation_scale=20)
        x, height, vertical = labels[state, action]
        reward = f"{world.rewards[state, action]:+g}".replace("-", "−").replace("+0", "0")
        text = f"action {action}: {reward}\nÂ = {size:+.3f}".replace("-", "−").replace("Â", "A")
        style = {"fontsize": 11, "fontweight": "bold", "linespacing": 1.35}
        axes.text(x, height, text, ha="center", va=vertical, color=colour, **style)
    for state, x in enumerate(nodes):
        axes.add_patch(Circle((x, y), 6, facecolor=look.page, edgecolor=look.ink, lw=1.8))
        axes.text(x, y + 1.6, f"state {state}", fontweight="bold", **CENTRE)
        axes.text(x, y - 2, f"V = {V[state]:.3f}", **CENTRE)
    for x, *_ in ends:
        rounded(axes, x, y, 6.8, 5, facecolor=look.faint, edgecolor=look.ink, lw=1.2)
        axes.text(x, y, "end", **CENTRE)
    arrow(axes, (nodes[0] - 11, y - 10), (nodes[0] - 4.8, y - 4.6), look.ink)
    axes.text(nodes[0] - 11.6, y - 10.6, "start", ha="right", va="center")


# ------------------------------------------------------------------- four_ends

ENDS = (  # how a step's record goes on: terminated, d; stopped, u; and what follows
    ("in mid-episode", 0, 0, "the next row"),
    ("terminated", 1, 1, "reset"),
    ("truncated", 0, 1, "reset"),
    ("rollout’s end", 0, 1, "the next rollout"),
)
ENDINGS = ("counts", "struck out"), ("goes on", "ends")  # V(s′) by d, the credit by u


def four_ends(figure, rng, look):
    """How a record can end, and what counts then.

    Four rows, each a step from s by way of a and r to s′: in mid-episode, where the next row
    follows; terminated, where V(s′) is struck out and the credit ends; truncated and at the
    rollout's end, where V(s′) counts and the credit ends. Beside them the two marks d and u.
    """
    from matplotlib.patches import Circle

    axes = canvas(figure, 100, 30)
    columns = (51.5, 65.5, 71.5, 80, 93)
    for x, head in zip(columns, ("what follows", "d", "u", "V(s′)", "credit"), strict=True):
        axes.text(x, 27.6, head, color=look.soft, fontsize=10.5, **CENTRE)
    axes.text(26.5, 27.6, "step t", color=look.soft, fontsize=10.5, **CENTRE)
    for row, (name, d, u, follows) in enumerate(ENDS):
        y = 23 - 6.4 * row
        axes.text(1.2, y, name, fontsize=11, fontweight="bold", va="center")
        for x, state in ((20, "s"), (33, "s′")):
            lost = d and state == "s′"
            hue = look.pale_less if lost else look.page
            edge = look.less if lost else look.ink
            axes.add_patch(Circle((x, y), 2.3, facecolor=hue, edgecolor=edge, lw=1.6))
            axes.text(x, y, state, fontsize=11, **CENTRE)
        arrow(axes, (22.3, y), (30.7, y), look.ink)
        axes.text(26.3, y + 1.4, "a, r", fontsize=10, **CENTRE)
        if u:  # the record stops here: a wall where the task ended, else a cut
            style = {"lw": 3, "color": look.less} if d else {"lw": 1.8, "ls": (0, (2, 1.5))}
            axes.plot([37.5, 37.5], [y - 2.5, y + 2.5], **{"color": look.ink, **style})
        arrow(axes, (39 if u else 35.3, y), (43, y), look.soft if u else look.ink)
        hue = {"color": look.soft if u else look.ink}
        axes.text(columns[0], y, follows, fontsize=10.5, **hue, **CENTRE)
        for x, mark in zip(columns[1:3], (d, u), strict=True):
            axes.text(
                x, y, str(mark), fontsize=12, fontweight="bold" if mark else "normal", **CENTRE
            )
        for x, gone, words in zip(columns[3:], (d, u), ENDINGS, strict=True):
            style = {"color": look.less if gone else look.more, "fontweight": "bold"}
            axes.text(x, y, words[gone], fontsize=11, **style, **CENTRE)


# ---------------------------------------------------------------- layer_blocks

CELL = 7.2, 3.3  # a number's box


def grid(axes, x, y, array, name, look, decimals=2, painted=False, thread=()):
    """A matrix as boxes with its numbers, its upper left corner at (x, y); returns its right edge.

    painted  blue where a step downhill raises the weight, orange where it lowers it
    thread   the cells (row, column) with a frame
    """
    from matplotlib.patches import Rectangle

    rows, columns = array.shape
    wide, tall = CELL
    for (row, column), number in np.ndenumerate(array):
        corner = x + column * wide, y - (row + 1) * tall
        hue = look.page
        if painted and number:
            hue = look.pale_more if number < 0 else look.pale_less
        axes.add_patch(Rectangle(corner, wide, tall, facecolor=hue, edgecolor=look.card, lw=1.5))
        own = (row, column) in thread
        text = "0" if number == 0 else f"{number:.{decimals}f}".replace("-", "−")
        style = {"fontweight": "bold" if own else "normal", "zorder": 4, **CENTRE}
        axes.text(corner[0] + wide / 2, corner[1] + tall / 2, text, fontsize=9.5, **style)
        if own:
            frame = {"fill": False, "edgecolor": look.ink, "lw": 1.6, "zorder": 3}
            axes.add_patch(Rectangle(corner, wide, tall, **frame))
    middle, shape = x + columns * wide / 2, f"{rows} × {columns}"
    axes.text(middle, y + 0.9, name, ha="center", fontweight="bold", fontsize=11)
    style = {"ha": "center", "va": "top", "fontsize": 9.5, "color": look.soft}
    axes.text(middle, y - rows * tall - 0.7, shape, **style)
    return x + columns * wide


def layer_blocks(figure, rng, look):
    """One linear layer in numbers, forward and back.

    Three products of matrices, with the numbers of `run.py trace`: Y₁ = H₀W₁ + b₁ forward,
    W̄₁ = H₀ᵀȲ₁ and H̄₁ = Z̄W₂ᵀ back. Frames follow one weight: its gradient is row 3 of H₀ᵀ
    times column 0 of Ȳ₁. Blue gradients raise their weight, orange ones lower it.
    """
    w = trace.walk("ppo")
    axes = canvas(figure, 100, 68)
    forward = (w.obs, "H₀", 2), "·", (w.W1, "W₁", 2), "+ b₁ =", (w.z1, "Y₁", 4)
    weights = (w.obs.T, "H₀ᵀ", 2), "·", (w.dz1, "Ȳ₁", 4), "=", (w.dW1, "W̄₁", 4)
    inputs = (w.dlogits, "Z̄", 4), "·", (w.W2.T, "W₂ᵀ", 2), "=", (w.dh, "H̄₁", 4)
    frames = {
        "H₀ᵀ": {"thread": [(3, i) for i in range(3)]},
        "Ȳ₁": {"thread": [(i, 0) for i in range(3)]},
        "W̄₁": {"thread": [(3, 0)], "painted": True},
    }
    for y, title, product in (
        (62, "Forward: one product (Eq. 27)", forward),
        (38.8, "Back to the weights: the same H₀, turned (Eq. 27)", weights),
        (15.3, "Back to the inputs: the same W₂, turned (Eq. 27)", inputs),
    ):
        axes.text(1.5, y + 3.9, title, fontsize=11, fontweight="bold", color=look.others[3])
        x = 1.5
        for part in product:
            if isinstance(part, str):
                wide = 7 if "b₁" in part else 3
                axes.text(x + wide / 2, y - CELL[1] * 1.5, part, fontsize=12, **CENTRE)
                x += wide
            else:
                array, name, decimals = part
                x = grid(axes, x, y, array, name, look, decimals, **frames.get(name, {}))
    terms = [f"{a:+.2f} · {b:.4f}" for a, b in zip(w.obs[:, 3], w.dz1[:, 0], strict=True)]
    for y, lines in (
        (61, ("Row by row:", "an observation in,", "two hidden units out.")),
        (40.5, ("W̄₁[3,0]: turning · unit 0,", *terms, f"= {w.dW1[3, 0]:.4f}")),
        (27, ("blue: the weight goes up,", "orange: down")),
        (14.3, ("What goes back to H₁:", "each unit's share", "in the loss, row by row.")),
    ):
        for k, line in enumerate(lines):
            text = line.replace("-", "−").replace("+", "   ")
            axes.text(72.5, y - 2.5 * k, text, fontsize=10, va="center")
