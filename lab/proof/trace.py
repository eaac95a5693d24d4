"""One minibatch by hand: every number on the way from three observations to new weights.

`walk` takes the way, with the lesson's own functions; `trace` prints it, so
that a reader with a pocket calculator can follow any number to the next.
`python run.py trace` and `trace vpg` call `trace`.

The network is as small as one can be (4 observations, 2 hidden units, 2
actions) and has round numbers for weights: what is printed is what is computed.

Shapes: B = 3 rows, D = 4 observations, H = 2 hidden units, K = 2 actions, P = 16 parameters.
"""

import io
import os
import pydoc
import sys
import textwrap
from itertools import zip_longest
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from distributions import (
    categorical_entropy,
    categorical_log_prob,
    categorical_log_prob_backward,
    log_softmax,
)
from nn import Adam, clip_global_norm, linear_backward, linear_forward, tanh_backward, tanh_forward
from policies import CategoricalPolicy
from ppo import clipped_surrogate
from training import clip_statistics
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

ROWS, UNITS, MOVES = ("row 0", "row 1", "row 2"), ("unit 0", "unit 1"), ("left 0", "right 1")
OBS_NAMES = ("position", "velocity", "angle", "turning")
INPUTS = [f"{name} {i}" for i, name in enumerate(OBS_NAMES)]
THREAD = {"row 1", "unit 0", "right 1", "turning 3", "turning", "W1[3,0]", ""}  # what is worked out


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
    w = SimpleNamespace(W1=W1.copy(), b1=b1.copy(), W2=W2.copy(), b2=b2.copy())
    w.parameters = policy.parameters.copy()
    w.obs, w.actions, w.advantages = np.array(OBS), np.array(ACTIONS), np.array(ADVANTAGES)
    w.old_log_probs = np.array(OLD_LOG_PROBS)

    # forward: observations to the taken actions' log-probabilities
    w.z1, w.h, w.logits, w.all_log_probs = forward(w.obs, w.W1, w.b1, w.W2, w.b2)
    w.probs = np.exp(w.all_log_probs)
    w.log_probs = categorical_log_prob(w.all_log_probs, w.actions)
    w.entropies = categorical_entropy(w.all_log_probs)

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

    # back: each step undoes one of the forward pass
    w.dlogits = categorical_log_prob_backward(w.dlog_probs, w.actions, w.probs)
    w.dh, w.dW2, w.db2 = linear_backward(w.dlogits, w.h, w.W2)
    w.dz1 = tanh_backward(w.dh, w.h)
    w.dobs, w.dW1, w.db1 = linear_backward(w.dz1, w.obs, w.W1)

    # one step downhill
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
    w.foretold = w.gradient @ (w.new_parameters - w.parameters)
    return w


# --------------------------------------------------------------------- numbers


def fixed(number, decimals=5):
    """A number as text; one that rounds to zero has no sign."""
    return f"{round(float(number), decimals) + 0.0:.{decimals}f}"


def factor(number, decimals=5):
    """A number inside a product; a negative one in brackets, as a calculator needs it."""
    text = fixed(number, decimals)
    return f"({text})" if text.startswith("-") else text


def add(terms):
    """Texts of terms  ->  text of their sum, "a + b - c"."""
    return " + ".join(terms).replace("+ -", "- ")


def dot(left, right, left_decimals=5, right_decimals=5):
    """Two vectors  ->  text of their inner product, "a * b + c * d"."""
    pairs = zip(left, right, strict=True)
    return add([f"{fixed(a, left_decimals)} * {factor(b, right_decimals)}" for a, b in pairs])


# ---------------------------------------------------------------------- layout


class Block(NamedTuple):
    """An array on the page. Its rows are texts; see `block` for what the rest means."""

    name: str
    shape: str
    equation: str
    columns: tuple
    rows: list


def block(name, equation, array, columns=(), decimals=5, scientific=False):
    """A Block of an array (R,C), or of a vector: one column, or one row where columns are named.

    name      as in the code
    equation  its number in README.md, or "" for what goes in
    columns   names of the columns
    decimals  digits behind the point, in scientific notation if `scientific`
    """
    array = np.asarray(array)
    text = (lambda x: f"{x:.3e}") if scientific else (lambda x: fixed(x, decimals))
    cells = array.reshape(-1, len(columns) or 1)
    shape = str(array.shape).replace(" ", "")
    return Block(name, shape, equation, columns, [[text(x) for x in row] for row in cells])


class Screen(io.StringIO):
    """Holds what a terminal is to show later."""

    encoding = property(lambda self: sys.stdout.encoding)

    def isatty(self):
        return True


class Page:
    """Writes headings, words, arrays and worked numbers, 80 columns wide."""

    def __init__(self, stream):
        self.stream = stream
        self.plain = (
            not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        )
        self.rule = "─"
        try:
            self.rule.encode(stream.encoding or "utf-8")
        except UnicodeEncodeError:
            self.rule = "-"
        self.section = 0

    def write(self, text=""):
        print(text, file=self.stream)

    def strong(self, text):
        return text if self.plain else f"\033[1m{text}\033[0m"

    def heading(self, text):
        self.section += 1
        text = f"{self.section:2}  {text} "
        self.write(f"\n{self.strong(text)}{self.rule * (WIDTH - len(text))}\n")

    def arrays(self, *blocks, labels=ROWS):
        """Blocks side by side: name, shape, equation, names of columns, numbers.

        labels name the rows of all blocks; a block may have fewer rows.
        """
        label_width = total = max(map(len, labels))
        lines = [[" " * label_width] for _ in range(4)]
        lines += [[label.ljust(label_width)] for label in labels]
        for b in blocks:
            table = [b.columns or [""] * len(b.rows[0]), *b.rows]
            widths = [max(map(len, column)) for column in zip(*table, strict=True)]
            wide = max(
                len(b.name), len(b.shape), len(b.equation), sum(widths) + 2 * len(widths) - 2
            )
            total += wide
            cells = [text.rjust(wide) for text in (b.name, b.shape, b.equation)]
            for label, row in zip_longest(("", *labels), table):
                texts = [text.rjust(width) for text, width in zip(row or (), widths, strict=False)]
                if label in THREAD - {""}:
                    texts = [self.strong(text) if column in THREAD else text
                             for text, column in zip(texts, table[0], strict=False)]  # fmt: skip
                cells.append(" " * (wide - sum(widths) - 2 * len(widths) + 2) + "  ".join(texts)
                             if row else " " * wide)  # fmt: skip
            for line, cell in zip(lines, cells, strict=True):
                line.append(cell)
        gap = "   " if total + 3 * len(blocks) + 3 <= WIDTH else "  "
        for line in lines:
            text = "   " + gap.join(line).rstrip()
            if text.strip():
                self.write(text)
        self.write()

    def worked(self, name, expression, result):
        """A number worked out, "name = expression = result", broken where it is too long."""
        indent = " " * (len(name) + 6)
        text = f"{name} = {expression}".replace(" * ", "\0*\0")
        lines = textwrap.wrap(
            text.replace("+ ", "+\0").replace("- ", "-\0"),  # break before + and -, nowhere else
            WIDTH,
            initial_indent="   ",
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines = [line.replace("\0", " ") for line in lines]
        if len(lines[-1]) + 3 + len(result) <= WIDTH:
            lines[-1] += f" = {result}"
        else:
            lines.append(f"{indent[:-2]}= {result}")
        lines[0] = lines[0].replace(name, self.strong(name), 1)
        lines[-1] = self.strong(result).join(lines[-1].rsplit(result, 1))
        for line in lines:
            self.write(line)


# ------------------------------------------------------------------- the trace


def trace(algorithm="ppo", stream=None):
    """Print one minibatch by hand: `algorithm` "ppo" or "vpg", to `stream` (sys.stdout).

    At most 80 columns. On a terminal it is paged, and headings and the thread that is worked
    out are bold unless NO_COLOR is set. Raises ValueError for another algorithm.
    """
    if stream is None and sys.stdout.isatty():
        screen = Screen()
        trace(algorithm, screen)
        os.environ.setdefault("LESS", "-FRX")  # as git does: bold text passes, the end stays
        pydoc.pager(screen.getvalue())
        return
    w = walk(algorithm)
    page = Page(sys.stdout if stream is None else stream)
    command = "python run.py trace" + (" vpg" if algorithm == "vpg" else "")
    title = f"{algorithm.upper()} by hand: three rows, forward and back"
    page.write(f"{page.strong(title)}{command.rjust(WIDTH - len(title))}")
    page.write("""
Every number here comes from the project's own functions. Each array has its
name from the code, its shape, and the number of its equation in README.md.
A name with d in front is a gradient: dW2 is dLoss/dW2 and has W2's shape.

Inputs and weights are exact, all else is rounded where it is printed. One
thread is worked out at every step: row 1, hidden unit 0, action 1, and down to
the weight W1[3,0]. A pocket calculator gets its results from what is printed.""")
    _inputs(page, w, algorithm)
    _forward(page, w)
    if algorithm == "ppo":
        _ppo_objective(page, w)
    else:
        _vpg_objective(page, w)
    _backward(page, w, algorithm)
    _step(page, w)
    _outcome(page, w, algorithm)


def _inputs(page, w, algorithm):
    page.heading("What goes in")
    page.write("Three steps of CartPole: what was seen, what was done, how good that was.\n")
    done = [["left", "right"][a] for a in w.actions]
    page.arrays(
        block("obs", "", w.obs, OBS_NAMES, 2),
        Block(
            "actions", "(3,)", "", (), [[f"{m} {a}"] for a, m in zip(w.actions, done, strict=True)]
        ),
        block("advantages", "", w.advantages, (), 2),
    )
    page.write("A network of 4 observations, 2 hidden units and 2 actions: 16 parameters.")
    page.write("(W1, b1), (W2, b2) = policy.network.layers.\n")
    page.arrays(
        block("W1", "", w.W1, UNITS, 2),
        block("b1", "", w.b1, UNITS, 2),
        labels=INPUTS,
    )
    page.arrays(
        block("W2", "", w.W2, MOVES, 2),
        block("b2", "", w.b2, MOVES, 2),
        labels=UNITS,
    )
    clip = f"clip_range {CLIP_RANGE}, " if algorithm == "ppo" else ""
    page.write(f"Settings: {clip}learning_rate {LEARNING_RATE}, max_grad_norm {MAX_GRAD_NORM}.")


def _forward(page, w):
    page.heading("The hidden layer")
    page.write("nn.linear_forward: z1 = obs @ W1 + b1.  nn.tanh_forward: h = tanh(z1).\n")
    page.arrays(block("z1", "Eq. 30", w.z1, UNITS), block("h", "Eq. 31", w.h, UNITS))
    z = add([dot(w.obs[1], w.W1[:, 0], 2, 2), fixed(w.b1[0], 2)])
    page.worked("z1[1,0]", z, fixed(w.z1[1, 0]))
    page.worked("h[1,0]", f"tanh({fixed(w.z1[1, 0])})", fixed(w.h[1, 0]))

    page.heading("Logits and probabilities")
    page.write("nn.linear_forward: logits = h @ W2 + b2.")
    page.write("log_softmax takes each row's largest logit M off, so exp is safe.\n")
    page.arrays(
        block("logits", "Eq. 30", w.logits, MOVES),
        block("all_log_probs", "Eq. 20", w.all_log_probs, MOVES),
        block("probs", "Eq. 20", w.probs, MOVES),
    )
    logit = add([dot(w.h[1], w.W2[:, 1], 5, 2), fixed(w.b2[1], 2)])
    page.worked("logits[1,1]", logit, fixed(w.logits[1, 1]))
    left, right = w.logits[1]
    M = max(left, right)
    page.worked("M", f"max({fixed(left)}, {fixed(right)})", fixed(M))
    shifted = [f"exp({add([fixed(z), fixed(-M)])})" for z in (left, right)]
    page.worked(
        "all_log_probs[1,1]",
        f"{add([fixed(right), fixed(-M)])} - log({add(shifted)})",
        fixed(w.all_log_probs[1, 1]),
    )
    page.worked("probs[1,1]", f"exp({fixed(w.all_log_probs[1, 1])})", fixed(w.probs[1, 1]))

    page.heading("The actions that were taken")
    page.write("categorical_log_prob picks the taken action's column of each row;")
    page.write("categorical_entropy says how undecided the policy is there, in nats.")
    page.write("The entropy's weight is 0 here: it is watched, and pushes nothing.\n")
    page.arrays(
        block("log_probs", "Eq. 20", w.log_probs),
        block("entropies", "Eq. 25", w.entropies),
    )
    page.worked("log_probs[1]", "all_log_probs[1,1]", fixed(w.log_probs[1]))
    terms = dot(w.probs[1], w.all_log_probs[1])
    page.worked("entropies[1]", f"-({terms})", fixed(w.entropies[1]))


def _ppo_objective(page, w):
    low, high = fixed(1 - CLIP_RANGE, 1), fixed(1 + CLIP_RANGE, 1)
    page.heading("The ratio: what has changed since the actions were taken")
    page.write("The policy that acted recorded old_log_probs. Earlier steps on the same rollout")
    page.write("have moved it since. ratios = exp(log_probs - old_log_probs).\n")
    page.arrays(
        block("log_probs", "Eq. 20", w.log_probs),
        block("old_log_probs", "", w.old_log_probs, (), 2),
        block("ratios", "Eq. 38", w.ratios),
    )
    difference = add([fixed(w.log_probs[1]), fixed(-w.old_log_probs[1], 2)])
    page.worked("ratios[1]", f"exp({difference})", fixed(w.ratios[1]))

    page.heading("The clipped objective")
    page.write("ppo.clipped_surrogate: plain = ratios * advantages,")
    page.write(f"clipped = clip(ratios, {low}, {high}) * advantages; loss = -mean(the smaller).")
    page.write("alive is the c of Eq. 40: 1 where plain <= clipped, 0 where it has gone flat.\n")
    page.arrays(
        block("plain", "Eq. 38", w.plain),
        block("clipped", "Eq. 39", w.clipped),
        block("minimum", "Eq. 39", w.minimum),
        block("alive", "Eq. 40", w.alive, (), 0),
        Block("case", "", "", (), [[_case(*row)] for row in zip(w.ratios, w.alive, strict=True)]),
    )
    advantage = factor(w.advantages[1], 2)
    page.worked("plain[1]", f"{fixed(w.ratios[1])} * {advantage}", fixed(w.plain[1]))
    clip = f"min(max({fixed(w.ratios[1])}, {low}), {high})"
    page.worked("clipped[1]", f"{clip} * {advantage}", fixed(w.clipped[1]))
    smaller = f"min({fixed(w.plain[1])}, {fixed(w.clipped[1])})"
    page.worked("minimum[1]", smaller, fixed(w.minimum[1]))
    page.worked("loss", f"-({add([fixed(x) for x in w.minimum])}) / 3", fixed(w.loss))
    page.write(f"""
Row 0 was good and is already likelier by more than {CLIP_RANGE:.0%}. That is enough: its
gradient dies. Row 1 was bad and became likelier all the same: plain is smaller
and pulls it back, however far out it is. Row 2 is in the band, where the two
tie: <= lets its gradient through, < would not. No row shows the mirror image:
at ratios below {low} a bad action's gradient is dead, a good one's pulls it back.
Out of the band: {w.clip_fraction:.2f} of the rows (clip_fraction).
Dead: {w.dead_fraction:.2f} of them all (dead_fraction, Eq. 48).""")

    page.heading("The gradient's first number")
    page.write("d ratio / d log_prob = ratio, so dlog_probs = -alive * ratios * advantages / 3.")
    page.write("Divided by the 3 rows here, once; nowhere below.\n")
    page.arrays(block("dlog_probs", "Eq. 40", w.dlog_probs))
    for row in (0, 1):
        terms = [fixed(w.alive[row], 0), fixed(w.ratios[row]), factor(w.advantages[row], 2)]
        page.worked(f"dlog_probs[{row}]", f"-({' * '.join(terms)}) / 3", fixed(w.dlog_probs[row]))


def _case(ratio, alive):
    """What the clip does to a row, in words."""
    if not alive:
        return "beyond, moved enough: dead"
    if abs(ratio - 1) > CLIP_RANGE:
        return "beyond, the wrong way: back"
    return "in the band: they tie"


def _vpg_objective(page, w):
    page.heading("The objective")
    page.write("vpg.policy_loss: loss = -mean(advantages * log_probs), Eq. 10. No ratio and no")
    page.write("clip: every row speaks, as loudly as its advantage. The loss's value means")
    page.write("nothing, its slope is all. Divided by the 3 rows here, once; nowhere below.\n")
    page.arrays(
        block("log_probs", "Eq. 20", w.log_probs),
        block("advantages", "", w.advantages, (), 2),
        block("dlog_probs", "Eq. 10", w.dlog_probs),
    )
    page.worked("loss", f"-({dot(w.advantages, w.log_probs, 2)}) / 3", fixed(w.loss))
    page.worked("dlog_probs[1]", f"-({fixed(w.advantages[1], 2)}) / 3", fixed(w.dlog_probs[1]))


def _backward(page, w, algorithm):
    page.heading("Where reinforcement learning meets backprop")
    page.write("categorical_log_prob_backward: dlogits = dlog_probs * (onehot - probs),")
    page.write("where onehot is 1 for the taken action. Descent goes against these signs: a")
    page.write("negative dlog_prob raises the taken logit and lowers the other.\n")
    page.arrays(
        block("dlog_probs", "Eq. 40" if algorithm == "ppo" else "Eq. 10", w.dlog_probs),
        block("probs", "Eq. 20", w.probs, MOVES),
        block("dlogits", "Eq. 41" if algorithm == "ppo" else "Eq. 23", w.dlogits, MOVES),
    )
    for k in range(2):
        page.worked(
            f"dlogits[1,{k}]",
            f"{fixed(w.dlog_probs[1])} * ({w.actions[1] == k:d} - {fixed(w.probs[1, k])})",
            fixed(w.dlogits[1, k]),
        )
    page.write("\nEach row sums to 0: what one action gains the other loses.")

    page.heading("Back through the output layer")
    page.write("nn.linear_backward: dW2 = h.T @ dlogits, db2 = dlogits summed over the rows,")
    page.write("dh = dlogits @ W2.T. A weight serves all rows, so its gradient is their sum.\n")
    page.arrays(
        block("dW2", "Eq. 30", w.dW2, MOVES), block("db2", "Eq. 30", w.db2, MOVES), labels=UNITS
    )
    page.arrays(block("dh", "Eq. 30", w.dh, UNITS))
    page.worked("dW2[0,1]", dot(w.h[:, 0], w.dlogits[:, 1]), fixed(w.dW2[0, 1]))
    page.worked("db2[1]", add([fixed(x) for x in w.dlogits[:, 1]]), fixed(w.db2[1]))
    page.worked("dh[1,0]", dot(w.dlogits[1], w.W2[0], 5, 2), fixed(w.dh[1, 0]))

    page.heading("Back through tanh and the hidden layer")
    page.write("nn.tanh_backward: dz1 = dh * (1 - h * h). A unit near +1 or -1 hardly listens.")
    page.write("nn.linear_backward: dW1 = obs.T @ dz1, db1 = dz1 summed over the rows.\n")
    page.arrays(block("dz1", "Eq. 31", w.dz1, UNITS))
    page.arrays(
        block("dW1", "Eq. 30", w.dW1, UNITS),
        block("db1", "Eq. 30", w.db1, UNITS),
        labels=INPUTS,
    )
    h = factor(w.h[1, 0])
    page.worked("dz1[1,0]", f"{fixed(w.dh[1, 0])} * (1 - {h} * {h})", fixed(w.dz1[1, 0]))
    page.worked("dW1[3,0]", dot(w.obs[:, 3], w.dz1[:, 0], 2), fixed(w.dW1[3, 0]))
    page.worked("db1[0]", add([fixed(x) for x in w.dz1[:, 0]]), fixed(w.db1[0]))


def _step(page, w):
    page.heading("How long is the gradient?")
    page.write("nn.clip_global_norm: the square root of all 16 squares, over every layer.\n")
    squares = {name: np.sum(getattr(w, name) ** 2) for name in ("dW1", "db1", "dW2", "db2")}
    for name, square in squares.items():
        page.write(f"   {f'squares of {name}':16} {fixed(square)}")
    page.write()
    page.worked("norm", f"sqrt({add([fixed(x) for x in squares.values()])})", fixed(w.norm))
    if w.norm > MAX_GRAD_NORM:
        page.worked("scale", f"{MAX_GRAD_NORM} / ({fixed(w.norm)} + 0.000001)", fixed(w.scale))
        page.write(
            f"\nLonger than {MAX_GRAD_NORM}: all 16 are multiplied by the same scale, Eq. 35. The"
        )
        page.write("direction stays.")
    else:
        page.write(f"\nNot longer than {MAX_GRAD_NORM}: it stays as it is, Eq. 35.")

    page.heading("Adam's step")
    page.write("MLP.backward lays the four gradients end to end, Eq. 32. nn.Adam.step keeps a")
    page.write(
        f"running mean m of each (beta {BETAS[0]}) and v of its square (beta {BETAS[1]}). Here"
    )
    page.write("it is new: both start at 0.\n")
    names = [f"W1[{i},{j}]" for i in range(4) for j in range(2)] + ["b1[0]", "b1[1]"]
    names += [f"W2[{i},{j}]" for i in range(2) for j in range(2)] + ["b2[0]", "b2[1]"]
    page.arrays(
        block("gradient", "Eq. 32", w.gradient),
        block("gradient", "Eq. 35", w.clipped_gradient),
        block("m", "Eq. 34", w.m, (), 6),
        block("v", "Eq. 34", w.v, scientific=True),
        block("parameters", "", w.parameters, (), 2),
        block("parameters", "Eq. 34", w.new_parameters),
        labels=names,
    )
    i = names.index("W1[3,0]")
    g, v_hat = factor(w.clipped_gradient[i]), f"{w.v_hat[i]:.3e}"
    page.write("   For W1[3,0]:")
    page.worked("m", f"(1 - {BETAS[0]}) * {g}", fixed(w.m[i], 6))
    page.worked("v", f"(1 - {BETAS[1]}) * {g} * {g}", f"{w.v[i]:.3e}")
    page.worked("m_hat", f"{fixed(w.m[i], 6)} / (1 - {BETAS[0]})", fixed(w.m_hat[i]))
    page.worked("v_hat", f"{w.v[i]:.3e} / (1 - {BETAS[1]})", v_hat)
    step = f"{LEARNING_RATE} * {factor(w.m_hat[i])} / (sqrt({v_hat}) + {EPS})"
    page.worked("W1[3,0]", f"{fixed(w.parameters[i], 2)} - {step}", fixed(w.new_parameters[i]))
    page.write("""
In the first step m_hat is the gradient and sqrt(v_hat) its size: each parameter
moves by the learning rate against its gradient's sign, however small or clipped
that is. From the second step on, a gradient that keeps its sign carries further
than one that wavers.""")


def _outcome(page, w, algorithm):
    page.heading("What has changed")
    page.write("The same three rows, seen with the new parameters.\n")
    page.arrays(
        block("h", "Eq. 31", w.new_h, UNITS),
        block("logits", "Eq. 30", w.new_logits, MOVES),
        block("probs", "Eq. 20", w.new_probs, MOVES),
    )
    z = add([dot(w.obs[1], w.new_W1[:, 0], 2, 2), fixed(w.new_b1[0], 2)])
    page.worked("h[1,0]", f"tanh({z})", fixed(w.new_h[1, 0]))
    logit = add([dot(w.new_h[1], w.new_W2[:, 1], 5, 2), fixed(w.new_b2[1], 2)])
    page.worked("logits[1,1]", logit, fixed(w.new_logits[1, 1]))
    left, right = (f"exp({fixed(z)})" for z in w.new_logits[1])
    page.worked("probs[1,1]", f"{right} / ({left} + {right})", fixed(w.new_probs[1, 1]))

    before, after = np.exp(w.log_probs), np.exp(w.new_log_probs)
    page.write("\nThe actions that were taken: what each row's gradient asked for, what it got.\n")
    asked = {-1: "likelier", 0: "nothing", 1: "less likely"}
    outcome = [
        Block("asked for", "", "", (), [[asked[int(np.sign(d))]] for d in w.dlog_probs]),
        block("before", "Eq. 20", before),
        block("after", "Eq. 20", after),
        block("change", "", after - before),
    ]
    if algorithm == "ppo":
        outcome.append(block("ratios", "Eq. 38", np.exp(w.new_log_probs - w.old_log_probs)))
    page.arrays(*outcome)
    rose = "rose" if after[0] > before[0] else "fell"
    if algorithm == "ppo":
        page.write(
            f"Row 0 asked for nothing, being dead, and yet it {rose}: rows 1 and 2 moved the"
        )
        page.write(
            "weights that it shares with them. The clip takes a row's own push away; it does"
        )
        page.write("not hold the row in place. (In `trace vpg` the same row is heard.)")
        page.write(
            f"Row 1's ratio was {fixed(w.ratios[1])}: it has been pulled back towards the band."
        )
    else:
        page.write(f"Row 0 was heard, and {rose}. (PPO's clip silences it: see `trace ppo`.)")
    change = fixed(w.new_loss - w.loss)
    page.write(f"""
The loss of these rows went from {fixed(w.loss)} to {fixed(w.new_loss)}, by {change}; the gradient
had foretold sum(gradient * step) = {fixed(w.foretold)}.""")
