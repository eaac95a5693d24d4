"""One minibatch by hand: every number on the way from three observations to new weights.

`walk` takes the way, with the lesson's own functions; `page` writes it down, so that a reader
with a pocket calculator can follow any number to the next. `python run.py trace` and `trace vpg`
call `trace`, which prints it.

The network is as small as one can be (4 observations, 2 hidden units, 2
actions) and has round numbers for weights: what is printed is what is computed.

Shapes: B = 3 rows, D = 4 observations, H = 2 hidden units, K = 2 actions, P = 16 parameters.
"""

import os
import pydoc
import re
import sys
from difflib import SequenceMatcher
from itertools import zip_longest
from textwrap import dedent, wrap
from types import SimpleNamespace

import numpy as np

from distributions import (
    categorical_entropy,
    categorical_log_prob,
    categorical_log_prob_backward,
    log_softmax,
)
from nn import Adam, clip_global_norm, linear_backward, linear_forward, tanh_backward, tanh_forward
from policies import CategoricalPolicy
from ppo import clip_statistics, clipped_surrogate
from vpg import policy_loss

WIDTH = 80
TRACED = ("ppo", "vpg")

# Three moments of CartPole: position, velocity, the pole's angle and how fast it turns.
OBS = [[0.03, -0.21, 0.04, 0.35], [-0.12, 0.64, -0.08, -0.97], [0.25, 1.16, -0.15, -1.42]]
# Pushing right under a pole that leans right was good; right under one that leans left was not.
ACTIONS = [1, 1, 0]
ADVANTAGES = [1.04, -1.35, 0.31]  # as normalised ones are: mean 0, standard deviation 1
# What the acting policy wrote down. The policy has moved since, so row 0 and 1 are out of the band.
OLD_LOG_PROBS = [-1.42, -0.87, -0.78]
CLIP_RANGE, LEARNING_RATE, MAX_GRAD_NORM, BETAS, EPS = 0.2, 0.01, 0.5, (0.9, 0.999), 1e-8
# W1, b1, W2, b2, found by search: the dead row goes one way under PPO and the other under VPG, the
# gradient's norm is clipped in one of the two, and a calculator that is given the printed digits
# gives the printed results.
PARAMETERS = [-0.46, 0.45, 0.73, 0.80, -0.42, -0.21, -0.14, 0.80]
PARAMETERS += [-0.11, 0.54, -0.63, 0.29, -0.56, -0.94, 0.55, 0.36]


# --------------------------------------------------------------------- the way


def make_policy():
    """A tiny CategoricalPolicy in float64; every weight and bias has two decimals."""
    policy = CategoricalPolicy(4, 2, (2,), np.random.default_rng(0), dtype=np.float64)
    # A new policy's last layer is close to 0, and all biases are; here every term shall count.
    policy.parameters[:] = PARAMETERS
    return policy


def forward(obs, W1, b1, W2, b2):
    """obs (B,D) and the weights  ->  z1 (B,H), h (B,H), logits (B,K), all_log_probs (B,K)."""
    z1 = linear_forward(obs, W1, b1)
    h = tanh_forward(z1)
    logits = linear_forward(h, W2, b2)
    return z1, h, logits, log_softmax(logits)


def walk(algorithm="ppo"):
    """Every array of one minibatch, forward, back and one step; a namespace of float64 arrays.

    algorithm "ppo" or "vpg". Names as in the lesson; `z1`, `W1`, `dW1` are the
    hidden layer's and `W2`, `dW2` the output layer's. Arrays of parameters are
    those before the step, `new_…` those after it.
    Raises ValueError for another algorithm.
    """
    if algorithm not in TRACED:
        raise ValueError(f"algorithm must be one of {', '.join(TRACED)}, not {algorithm!r}")
    policy = make_policy()
    (W1, b1), (W2, b2) = policy.network.layers
    w = SimpleNamespace(algorithm=algorithm, W1=W1.copy(), b1=b1.copy(), W2=W2.copy(), b2=b2.copy())
    w.parameters = policy.parameters.copy()
    w.obs, w.actions, w.advantages = np.array(OBS), np.array(ACTIONS), np.array(ADVANTAGES)
    w.old_log_probs = np.array(OLD_LOG_PROBS)

    # forward: observations to the taken actions' log-probabilities
    w.z1, w.h, w.logits, w.all_log_probs = forward(w.obs, w.W1, w.b1, w.W2, w.b2)
    w.probs = np.exp(w.all_log_probs)
    w.log_probs = categorical_log_prob(w.all_log_probs, w.actions)
    w.entropies = categorical_entropy(w.all_log_probs)
    w.M, w.onehot = w.logits[1].max(), np.eye(2)[w.actions]

    def loss_of(log_probs):
        if algorithm == "vpg":
            return policy_loss(log_probs, w.advantages)
        return clipped_surrogate(log_probs, w.old_log_probs, w.advantages, CLIP_RANGE)

    # the objective: the one place where the two algorithms differ
    w.loss, w.dlog_probs = loss_of(w.log_probs)
    if algorithm == "ppo":
        w.ratios = np.exp(w.log_probs - w.old_log_probs)
        w.plain = w.ratios * w.advantages
        w.clipped = np.clip(w.ratios, 1 - CLIP_RANGE, 1 + CLIP_RANGE) * w.advantages
        w.minimum = np.minimum(w.plain, w.clipped)
        w.alive = (w.plain <= w.clipped).astype(int)
        w.clip_fraction, w.dead_fraction = clip_statistics(
            w.log_probs, w.old_log_probs, w.advantages, CLIP_RANGE
        )
        w.case = [_case(*row) for row in zip(w.ratios, w.alive, strict=True)]

    # back: each step undoes one of the forward pass
    w.dlogits = categorical_log_prob_backward(w.dlog_probs, w.actions, w.probs)
    w.dh, w.dW2, w.db2 = linear_backward(w.dlogits, w.h, w.W2)
    w.dz1 = tanh_backward(w.dh, w.h)
    w.dobs, w.dW1, w.db1 = linear_backward(w.dz1, w.obs, w.W1)

    # one step downhill
    w.squares = np.array([np.sum(part**2) for part in (w.dW1, w.db1, w.dW2, w.db2)])
    w.gradient = np.concatenate([w.dW1.ravel(), w.db1, w.dW2.ravel(), w.db2])
    w.clipped_gradient = w.gradient.copy()
    w.norm = clip_global_norm(w.clipped_gradient, MAX_GRAD_NORM)
    w.scale = min(1, MAX_GRAD_NORM / (w.norm + 1e-6))
    adam = Adam(w.parameters.size, LEARNING_RATE, BETAS, EPS, dtype=np.float64)
    adam.step(policy.parameters, w.clipped_gradient)
    w.m, w.v = adam.m, adam.v
    w.m_hat, w.v_hat = w.m / (1 - BETAS[0]), w.v / (1 - BETAS[1])

    # the same rows, seen by the new policy
    w.new_parameters = policy.parameters
    w.new_W1, w.new_b1, w.new_W2, w.new_b2 = W1, b1, W2, b2  # views of the new parameters
    _, w.new_h, w.new_logits, new_all_log_probs = forward(w.obs, W1, b1, W2, b2)
    w.new_probs = np.exp(new_all_log_probs)
    w.new_log_probs = categorical_log_prob(new_all_log_probs, w.actions)
    w.new_loss, _ = loss_of(w.new_log_probs)
    w.foretold, w.loss_change = w.gradient @ (w.new_parameters - w.parameters), w.new_loss - w.loss
    w.before, w.after = np.exp(w.log_probs), np.exp(w.new_log_probs)
    w.change = w.after - w.before
    wishes = np.array(["nothing", "less likely", "likelier"])  # at 0, 1 and −1
    w.asked_for = wishes[np.sign(w.dlog_probs).astype(int)]
    w.new_ratios = np.exp(w.new_log_probs - w.old_log_probs)
    return w


def _case(ratio, alive):
    """What the clip does to a row, in words."""
    if not alive:
        return "beyond, moved enough: dead"
    if abs(ratio - 1) > CLIP_RANGE:
        return "beyond, the wrong way: back"
    return "in the band: they tie"


# -------------------------------------------------------------------- the page

ROWS, UNITS, MOVES = ("row 0", "row 1", "row 2"), ("unit 0", "unit 1"), ("left 0", "right 1")
SEEN = ("position", "velocity", "angle", "turning")
INPUTS = [f"{name} {i}" for i, name in enumerate(SEEN)]
WEIGHTS = [f"W1[{i},{j}]" for i in range(4) for j in range(2)] + ["b1[0]", "b1[1]"]
WEIGHTS += [f"W2[{i},{j}]" for i in range(2) for j in range(2)] + ["b2[0]", "b2[1]"]
LABELS = {len(labels): labels for labels in (ROWS, UNITS, INPUTS, WEIGHTS)}  # of a table's rows
COLUMNS = {
    "obs": SEEN,
    **dict.fromkeys(("W1", "b1", "z1", "h", "dh", "dz1", "dW1", "db1"), UNITS),
    **dict.fromkeys(("W2", "b2", "logits", "all_log_probs", "probs"), MOVES),
    **dict.fromkeys(("dlogits", "dW2", "db2"), MOVES),
}
# Where the thread that is worked out goes through a table.
THREAD_ROWS = {"row 1", "unit 0", "right 1", "turning 3", "W1[3,0]"}
THREAD_COLUMNS = {"unit 0", "right 1", "turning", ""}
SHOWN = {"clipped_gradient": "gradient", "asked_for": "asked for"}  # under another name
FORMATS = {  # of numbers; all others have five decimals
    **dict.fromkeys(("obs", "advantages", "old_log_probs", "parameters"), ".2f"),
    **dict.fromkeys(("W1", "b1", "W2", "b2", "new_W1", "new_b1", "new_W2", "new_b2"), ".2f"),
    **dict.fromkeys(("alive", "onehot"), ".0f"),
    **dict.fromkeys(("v", "v_hat"), ".3e"),
    "m": ".6f",
}


def texts(walked):
    """Every array of a walk as it is printed: a namespace of arrays of str, and of str."""

    def text(value, form):
        # A number that rounds to zero has no sign.
        return value if isinstance(value, str) else format(float(format(value, form)) + 0.0, form)

    made = {
        name: np.vectorize(text, otypes=[object])(value, FORMATS.get(name, ".5f"))[()]
        for name, value in vars(walked).items()
    }
    return SimpleNamespace(**made | {"actions": np.array(MOVES, object)[walked.actions]})


def dot(first, second):
    """The inner product of two rows of texts, written out."""
    return total(f"{a} * {b}" for a, b in zip(first, second, strict=True))


def total(numbers):
    return " + ".join(numbers)


def say(words):
    return dedent(words).strip("\n")


class Layout:
    """Lays out headings, arrays and worked numbers of a walk, 80 columns wide."""

    def __init__(self, walked, bold):
        self.walked, self.texts, self.bold, self.section = walked, texts(walked), bold, 0

    def strong(self, text):
        return f"\033[1m{text}\033[0m" if self.bold else text

    def heading(self, words):
        self.section += 1
        words = f"{self.section:2}  {words} "
        return f"{self.strong(words)}{'─' * (WIDTH - len(words))}"

    def arrays(self, **equations):
        """Arrays side by side, each `name="Eq. N"`, or `name=""` if it has none."""
        labels = LABELS[len(getattr(self.walked, next(iter(equations))))]
        side = max(map(len, labels))
        blocks = [[label.ljust(side) for label in ("", "", "", "", *labels)]]
        blocks += [self.array(name, labels, equation) for name, equation in equations.items()]
        widths = [side, *(len(block[0]) for block in blocks[1:])]
        gap = "   " if sum(widths) + 3 * len(widths) <= WIDTH else "  "
        lines = ["   " + gap.join(line).rstrip() for line in zip(*blocks, strict=True)]
        return "\n".join(line for line in lines if line.strip())

    def array(self, name, labels, equation):
        """An array's lines: name, shape, equation, its columns' names, and a line a label.

        A vector stands in one column, or in one row where columns have names.
        """
        shown = SHOWN.get(name, name.removeprefix("new_"))
        shape = np.shape(getattr(self.walked, name))
        cells, columns = getattr(self.texts, name), COLUMNS.get(shown, ("",))
        cells = cells.reshape(-1, len(columns))
        widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
        words = name in ("case", "asked_for")
        heads = shown, "" if words else str(shape).replace(" ", ""), equation
        wide = max(*map(len, heads), sum(widths) + 2 * len(widths) - 2)
        lines = [head.rjust(wide) for head in heads]
        for label, row in zip_longest(("", *labels), (columns, *cells), fillvalue=()):
            row = [text.rjust(width) for text, width in zip(row, widths, strict=False)]
            margin = " " * (wide - len("  ".join(row)))
            if label in THREAD_ROWS:
                row = [
                    self.strong(text) if column in THREAD_COLUMNS else text
                    for text, column in zip(row, columns, strict=False)
                ]
            lines.append(margin + "  ".join(row))
        return lines

    def worked(self, *numbers):
        """Numbers worked out, each (name, expression, result), broken where they are too long."""
        lines = []
        for name, expression, result in numbers:
            expression = re.sub(r"([*/]) (-[\d.e-]+)", r"\1 (\2)", expression)  # for a calculator
            expression = expression.replace("+ -", "- ").replace("- -", "+ ")
            indent = " " * (len(name) + 6)
            # break before + and -, nowhere else
            text = f"{name} = {expression}".replace(" * ", "\0*\0")
            text = text.replace("+ ", "+\0").replace("- ", "-\0")
            whole = {"break_long_words": False, "break_on_hyphens": False}
            own = wrap(text, WIDTH, initial_indent="   ", subsequent_indent=indent, **whole)
            own = [line.replace("\0", " ") for line in own]
            if len(own[-1]) + 3 + len(result) <= WIDTH:
                own[-1] += f" = {self.strong(result)}"
            else:
                own.append(f"{indent[:-2]}= {self.strong(result)}")
            own[0] = own[0].replace(name, self.strong(name), 1)
            lines += own
        return "\n".join(lines)


def page(walked, bold=False):
    """What `trace` prints of a walk: yields texts, between which stands an empty line.

    bold  headings and the thread that is worked out, for a terminal
    """
    w, p, ppo = walked, Layout(walked, bold), walked.algorithm == "ppo"
    t, command = p.texts, "python run.py trace" + ("" if ppo else " vpg")
    title = f"{w.algorithm.upper()} by hand: three rows, forward and back"
    dlog_probs, dlogits = ("Eq. 37", "Eq. 38") if ppo else ("Eq. 10", "Eq. 20")
    yield p.strong(title) + command.rjust(WIDTH - len(title))
    yield say("""
        Every number here comes from the project's own functions. Each array has its
        name from the code, its shape, and the number of its equation in README.md.
        A name with d in front is a gradient: dW2 is dLoss/dW2 and has W2's shape.

        Inputs and weights are exact, all else is rounded where it is printed. One
        thread is worked out at every step: row 1, hidden unit 0, action 1, and down to
        the weight W1[3,0]. A pocket calculator gets its results from what is printed.
    """)

    yield p.heading("What goes in")
    yield "Three steps of CartPole: what was seen, what was done, how good that was."
    yield p.arrays(obs="", actions="", advantages="")
    yield say("""
        A network of 4 observations, 2 hidden units and 2 actions: 16 parameters.
        (W1, b1), (W2, b2) = policy.network.layers.
    """)
    yield p.arrays(W1="", b1="")
    yield p.arrays(W2="", b2="")
    clip = f"clip_range {CLIP_RANGE}, " if ppo else ""
    yield f"Settings: {clip}learning_rate {LEARNING_RATE}, max_grad_norm {MAX_GRAD_NORM}."

    yield p.heading("The hidden layer")
    yield "nn.linear_forward: z1 = obs @ W1 + b1.  nn.tanh_forward: h = tanh(z1)."
    yield p.arrays(z1="Eq. 27", h="Eq. 28")
    yield p.worked(
        ("z1[1,0]", f"{dot(t.obs[1], t.W1[:, 0])} + {t.b1[0]}", t.z1[1, 0]),
        ("h[1,0]", f"tanh({t.z1[1, 0]})", t.h[1, 0]),
    )

    yield p.heading("Logits and probabilities")
    yield say("""
        nn.linear_forward: logits = h @ W2 + b2.
        log_softmax takes each row's largest logit M off, so exp is safe.
    """)
    yield p.arrays(logits="Eq. 27", all_log_probs="Eq. 17", probs="Eq. 17")
    left, right = t.logits[1]
    log_sum = f"log(exp({left} - {t.M}) + exp({right} - {t.M}))"
    yield p.worked(
        ("logits[1,1]", f"{dot(t.h[1], t.W2[:, 1])} + {t.b2[1]}", right),
        ("M", f"max({left}, {right})", t.M),
        ("all_log_probs[1,1]", f"{right} - {t.M} - {log_sum}", t.all_log_probs[1, 1]),
        ("probs[1,1]", f"exp({t.all_log_probs[1, 1]})", t.probs[1, 1]),
    )

    yield p.heading("The actions that were taken")
    yield say("""
        categorical_log_prob picks the taken action's column of each row;
        categorical_entropy says how undecided the policy is there, in nats.
        The entropy's weight is 0 here: it is watched, and pushes nothing.
    """)
    yield p.arrays(log_probs="Eq. 17", entropies="Eq. 22")
    yield p.worked(
        ("log_probs[1]", "all_log_probs[1,1]", t.log_probs[1]),
        ("entropies[1]", f"-({dot(t.probs[1], t.all_log_probs[1])})", t.entropies[1]),
    )

    yield from _clipped(p, t, w) if ppo else _plain(p, t)

    yield p.heading("Where reinforcement learning meets backprop")
    yield say("""
        categorical_log_prob_backward: dlogits = dlog_probs * (onehot - probs),
        where onehot is 1 for the taken action. Descent goes against these signs: a
        negative dlog_prob raises the taken logit and lowers the other.
    """)
    yield p.arrays(dlog_probs=dlog_probs, probs="Eq. 17", dlogits=dlogits)
    slope, onehot, probs = t.dlog_probs[1], t.onehot[1], t.probs[1]
    yield p.worked(
        ("dlogits[1,0]", f"{slope} * ({onehot[0]} - {probs[0]})", t.dlogits[1, 0]),
        ("dlogits[1,1]", f"{slope} * ({onehot[1]} - {probs[1]})", t.dlogits[1, 1]),
    )
    yield "Each row sums to 0: what one action gains the other loses."

    yield p.heading("Back through the output layer")
    yield say("""
        nn.linear_backward: dW2 = h.T @ dlogits, db2 = dlogits summed over the rows,
        dh = dlogits @ W2.T. A weight serves all rows, so its gradient is their sum.
    """)
    yield p.arrays(dW2="Eq. 27", db2="Eq. 27")
    yield p.arrays(dh="Eq. 27")
    yield p.worked(
        ("dW2[0,1]", dot(t.h[:, 0], t.dlogits[:, 1]), t.dW2[0, 1]),
        ("db2[1]", total(t.dlogits[:, 1]), t.db2[1]),
        ("dh[1,0]", dot(t.dlogits[1], t.W2[0]), t.dh[1, 0]),
    )

    yield p.heading("Back through tanh and the hidden layer")
    yield say("""
        nn.tanh_backward: dz1 = dh * (1 - h * h). A unit near +1 or -1 hardly listens.
        nn.linear_backward: dW1 = obs.T @ dz1, db1 = dz1 summed over the rows.
    """)
    yield p.arrays(dz1="Eq. 28")
    yield p.arrays(dW1="Eq. 27", db1="Eq. 27")
    yield p.worked(
        ("dz1[1,0]", f"{t.dh[1, 0]} * (1 - {t.h[1, 0]} * {t.h[1, 0]})", t.dz1[1, 0]),
        ("dW1[3,0]", dot(t.obs[:, 3], t.dz1[:, 0]), t.dW1[3, 0]),
        ("db1[0]", total(t.dz1[:, 0]), t.db1[0]),
    )

    yield p.heading("How long is the gradient?")
    yield "nn.clip_global_norm: the square root of all 16 squares, over every layer."
    names = ("dW1", "db1", "dW2", "db2")
    yield "\n".join(f"   squares of {name}   {s}" for name, s in zip(names, t.squares, strict=True))
    scale = ("scale", f"{MAX_GRAD_NORM} / ({t.norm} + 0.000001)", t.scale)
    long = w.norm > MAX_GRAD_NORM
    yield p.worked(("norm", f"sqrt({total(t.squares)})", t.norm), *[scale] * long)
    if long:
        yield say(f"""
            Longer than {MAX_GRAD_NORM}: all 16 are multiplied by the same scale, Eq. 32. The
            direction stays.
        """)
    else:
        yield f"Not longer than {MAX_GRAD_NORM}: it stays as it is, Eq. 32."

    yield p.heading("Adam's step")
    yield say(f"""
        MLP.backward lays the four gradients end to end, Eq. 29. nn.Adam.step keeps a
        running mean m of each (beta {BETAS[0]}) and v of its square (beta {BETAS[1]}). Here
        it is new: both start at 0.
    """)
    steps = {"gradient": "Eq. 29", "clipped_gradient": "Eq. 32", "m": "Eq. 31", "v": "Eq. 31"}
    yield p.arrays(**steps, parameters="", new_parameters="Eq. 31")
    g, m, v, m_hat, v_hat = (a[6] for a in (t.clipped_gradient, t.m, t.v, t.m_hat, t.v_hat))
    moved = f"{t.parameters[6]} - {LEARNING_RATE} * {m_hat} / (sqrt({v_hat}) + {EPS})"
    yield "   For W1[3,0]:\n" + p.worked(
        ("m", f"(1 - {BETAS[0]}) * {g}", m),
        ("v", f"(1 - {BETAS[1]}) * {g} * {g}", v),
        ("m_hat", f"{m} / (1 - {BETAS[0]})", m_hat),
        ("v_hat", f"{v} / (1 - {BETAS[1]})", v_hat),
        ("W1[3,0]", moved, t.new_parameters[6]),
    )
    yield say("""
        In the first step m_hat is the gradient and sqrt(v_hat) its size: each parameter
        moves by the learning rate against its gradient's sign, however small or clipped
        that is. From the second step on, a gradient that keeps its sign carries further
        than one that wavers.
    """)

    yield p.heading("What has changed")
    yield "The same three rows, seen with the new parameters."
    yield p.arrays(new_h="Eq. 28", new_logits="Eq. 27", new_probs="Eq. 17")
    left, right = t.new_logits[1]
    hidden = f"{dot(t.obs[1], t.new_W1[:, 0])} + {t.new_b1[0]}"
    yield p.worked(
        ("h[1,0]", f"tanh({hidden})", t.new_h[1, 0]),
        ("logits[1,1]", f"{dot(t.new_h[1], t.new_W2[:, 1])} + {t.new_b2[1]}", right),
        ("probs[1,1]", f"exp({right}) / (exp({left}) + exp({right}))", t.new_probs[1, 1]),
    )
    yield "The actions that were taken: what each row's gradient asked for, what it got."
    changes = {"asked_for": "", "before": "Eq. 17", "after": "Eq. 17", "change": ""}
    rose = "rose" if w.after[0] > w.before[0] else "fell"
    yield p.arrays(**changes, **{"new_ratios": "Eq. 35"} if ppo else {})
    if ppo:
        yield say(f"""
            Row 0 asked for nothing, being dead, and yet it {rose}: rows 1 and 2 moved the
            weights that it shares with them. The clip takes a row's own push away; it does
            not hold the row in place. (In `trace vpg` the same row is heard.)
            Row 1's ratio was {t.ratios[1]}: it has been pulled back towards the band.
        """)
    else:
        yield f"Row 0 was heard, and {rose}. (PPO's clip silences it: see `trace ppo`.)"
    yield say(f"""
        The loss of these rows went from {t.loss} to {t.new_loss}, by {t.loss_change}; the gradient
        had foretold sum(gradient * step) = {t.foretold}.
    """)


def _clipped(p, t, w):
    """The page's part that PPO alone has."""
    low, high = 1 - CLIP_RANGE, 1 + CLIP_RANGE
    ratio, advantage, plain, clipped = t.ratios[1], t.advantages[1], t.plain[1], t.clipped[1]
    yield p.heading("The ratio: what has changed since the actions were taken")
    yield say("""
        The policy that acted recorded old_log_probs. Earlier steps on the same rollout
        have moved it since. ratios = exp(log_probs - old_log_probs).
    """)
    yield p.arrays(log_probs="Eq. 17", old_log_probs="", ratios="Eq. 35")
    yield p.worked(("ratios[1]", f"exp({t.log_probs[1]} - {t.old_log_probs[1]})", ratio))

    yield p.heading("The clipped objective")
    yield say(f"""
        ppo.clipped_surrogate: plain = ratios * advantages,
        clipped = clip(ratios, {low}, {high}) * advantages; loss = -mean(the smaller).
        alive is the c of Eq. 37: 1 where plain <= clipped, 0 where it has gone flat.
    """)
    branches = {"plain": "Eq. 35", "clipped": "Eq. 36", "minimum": "Eq. 36"}
    yield p.arrays(**branches, alive="Eq. 37", case="")
    yield p.worked(
        ("plain[1]", f"{ratio} * {advantage}", plain),
        ("clipped[1]", f"min(max({ratio}, {low}), {high}) * {advantage}", clipped),
        ("minimum[1]", f"min({plain}, {clipped})", t.minimum[1]),
        ("loss", f"-({total(t.minimum)}) / 3", t.loss),
    )
    yield say(f"""
        Row 0 was good and is already likelier by more than {CLIP_RANGE:.0%}. That is enough: its
        gradient dies. Row 1 was bad and became likelier all the same: plain is smaller
        and pulls it back, however far out it is. Row 2 is in the band, where the two
        tie: <= lets its gradient through, < would not. No row shows the mirror image:
        at ratios below {low} a bad action's gradient is dead, a good one's pulls it back.
        Out of the band: {w.clip_fraction:.2f} of the rows (clip_fraction).
        Dead: {w.dead_fraction:.2f} of them all (dead_fraction, Eq. 45).
    """)

    yield p.heading("The gradient's first number")
    yield say("""
        d ratio / d log_prob = ratio, so dlog_probs = -alive * ratios * advantages / 3.
        Divided by the 3 rows here, once; nowhere below.
    """)
    yield p.arrays(dlog_probs="Eq. 37")
    yield p.worked(*(
        (f"dlog_probs[{i}]", f"-({t.alive[i]} * {t.ratios[i]} * {t.advantages[i]}) / 3", slope)
        for i, slope in enumerate(t.dlog_probs[:2])
    ))  # fmt: skip


def _plain(p, t):
    """The page's part that VPG alone has."""
    yield p.heading("The objective")
    yield say("""
        vpg.policy_loss: loss = -mean(advantages * log_probs), Eq. 10. No ratio and no
        clip: every row speaks, as loudly as its advantage. The loss's value means
        nothing, its slope is all. Divided by the 3 rows here, once; nowhere below.
    """)
    yield p.arrays(log_probs="Eq. 17", advantages="", dlog_probs="Eq. 10")
    yield p.worked(
        ("loss", f"-({dot(t.advantages, t.log_probs)}) / 3", t.loss),
        ("dlog_probs[1]", f"-({t.advantages[1]}) / 3", t.dlog_probs[1]),
    )


# ------------------------------------------------------------------- the trace


def marked(shown, plain, other):
    """A page with ≠ before each line that another one does not have.

    shown, plain  the page as it is printed, and the same without bold; other is without, too
    """
    shown, plain, other = (text.splitlines() for text in (shown, plain, other))
    heading, sections, count = "", [], 0
    for kind, _, _, first, last in SequenceMatcher(None, other, plain, False).get_opcodes():
        for line in range(first, last):
            if plain[line].endswith("─") and kind == "equal":
                heading = plain[line].rstrip("─ ").strip()
            if kind != "equal" and plain[line].strip():
                shown[line] = "≠ " + shown[line].removeprefix("  ")
                sections += [heading] * (heading not in sections)
                count += 1
    said = "No line differs from the lesson's."
    if count:
        said = f"{count} lines (≠) differ from the lesson's, the first under\n{sections[0]!r}."
    return "\n".join([*shown, "", said, ""])


def trace(algorithm="ppo", stream=None, beside=None):
    """Print one minibatch by hand: `algorithm` "ppo" or "vpg", to `stream` (sys.stdout).

    beside  another trace's text: lines that it does not have are marked, and counted at the end

    At most 80 columns. On a terminal it is paged, and headings and the thread that is worked
    out are bold unless NO_COLOR is set. Raises ValueError for another algorithm.
    """
    out = stream or sys.stdout
    bold = out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    walked = walk(algorithm)
    text = "\n\n".join(page(walked, bold)) + "\n"
    if beside is not None:
        text = marked(text, "\n\n".join(page(walked)) + "\n", beside)
    try:
        text.encode(out.encoding or "utf-8")
    except UnicodeEncodeError:
        text = text.replace("─", "-")
    if stream is None and out.isatty():
        os.environ.setdefault("LESS", "-FRX")  # as git does: bold text passes, the end stays
        pydoc.pager(text)
    else:
        out.write(text)
