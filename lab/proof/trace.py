"""One minibatch by hand: every number on the way from three observations to new weights.

`walk` takes the way, with the lesson's own functions; `trace` prints it in the words of
trace.txt, so that a reader with a pocket calculator can follow any number to the next.
`python run.py trace` and `trace vpg` call `trace`.

The network is as small as one can be (4 observations, 2 hidden units, 2
actions) and has round numbers for weights: what is printed is what is computed.

Shapes: B = 3 rows, D = 4 observations, H = 2 hidden units, K = 2 actions, P = 16 parameters.
"""

import io
import os
import pydoc
import re
import sys
import textwrap
from itertools import zip_longest
from pathlib import Path
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
TEXT = Path(__file__).with_suffix(".txt")

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
WEIGHTS = [f"W1[{i},{j}]" for i in range(4) for j in range(2)] + ["b1[0]", "b1[1]"]
WEIGHTS += [f"W2[{i},{j}]" for i in range(2) for j in range(2)] + ["b2[0]", "b2[1]"]
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


# --------------------------------------------------------------------- numbers

EQUATIONS = {
    **dict.fromkeys(("z1", "logits", "dW1", "db1", "dW2", "db2", "dh"), "Eq. 30"),
    **dict.fromkeys(("h", "dz1"), "Eq. 31"),
    **dict.fromkeys(("all_log_probs", "probs", "log_probs", "before", "after"), "Eq. 20"),
    **dict.fromkeys(("ratios", "plain"), "Eq. 38"),
    **dict.fromkeys(("clipped", "minimum"), "Eq. 39"),
    **dict.fromkeys(("m", "v", "new_parameters"), "Eq. 34"),
    "entropies": "Eq. 25",
    "alive": "Eq. 40",
    "gradient": "Eq. 32",
    "clipped_gradient": "Eq. 35",
    "ppo": {"dlog_probs": "Eq. 40", "dlogits": "Eq. 41"},
    "vpg": {"dlog_probs": "Eq. 10", "dlogits": "Eq. 23"},
}
COLUMNS = {
    "obs": OBS_NAMES,
    **dict.fromkeys(("W1", "b1", "z1", "h", "dh", "dz1", "dW1", "db1"), UNITS),
    **dict.fromkeys(("W2", "b2", "logits", "all_log_probs", "probs", "dlogits"), MOVES),
    **dict.fromkeys(("dW2", "db2"), MOVES),
}
SHOWN = {"clipped_gradient": "gradient", "asked_for": "asked for"}  # under another name
FORMATS = {  # of numbers; all others have five decimals
    **dict.fromkeys(("obs", "advantages", "old_log_probs", "parameters"), ".2f"),
    **dict.fromkeys(("W1", "b1", "W2", "b2", "new_W1", "new_b1", "new_W2", "new_b2"), ".2f"),
    **dict.fromkeys(("alive", "onehot"), ".0f"),
    **dict.fromkeys(("v", "v_hat"), ".3e"),
    "m": ".6f",
}


def text_of(name, value):
    """One element of an array as text; a number that rounds to zero has no sign."""
    if name == "actions":
        return MOVES[value]
    if isinstance(value, str):
        return value
    form = FORMATS.get(name, ".5f")
    return format(float(format(value, form)) + 0.0, form)


def texts_of(walked, reference):
    """The elements that "h[1]", "W1[:,0]" or "loss" stands for, as texts; None: no such name."""
    name, _, index = reference.rstrip("]").partition("[")
    if not hasattr(walked, name):
        return None
    at = tuple(slice(None) if i == ":" else int(i) for i in index.split(",")) if index else ()
    return [text_of(name, value) for value in np.ravel(np.asarray(getattr(walked, name))[at])]


def with_numbers(walked, expression):
    """An expression with numbers in the place of names, "h[1]·W2[:,1]" as "0.5 * 0.3 + …"."""

    def product(match):
        pairs = zip(texts_of(walked, match[1]), texts_of(walked, match[2]), strict=True)
        return " + ".join(f"{a} * {b}" for a, b in pairs)

    def numbers(match):
        texts = texts_of(walked, match[1] or match[0])
        return match[0] if texts is None else " + ".join(texts)

    name = r"\b[a-zA-Z]\w*(?:\[[\d:,]+\])?"
    text = re.sub(rf"({name})·({name})", product, expression)
    text = re.sub(rf"\bsum\(({name})\)|{name}", numbers, text)
    text = re.sub(r"([*/]) (-[\d.e-]+)", r"\1 (\2)", text)  # as a calculator needs it
    return text.replace("+ -", "- ").replace("- -", "+ ")


# ---------------------------------------------------------------------- layout


class Screen(io.StringIO):
    """Holds what a terminal is to show later."""

    encoding = property(lambda self: sys.stdout.encoding)

    def isatty(self):
        return True


class Page:
    """Writes headings, words, arrays and worked numbers of a walk, 80 columns wide."""

    def __init__(self, stream, walked):
        self.stream, self.walked = stream, walked
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

    def say(self, text, cases, filled):
        """A text such as trace.txt: {…} is filled in, and a mark begins some of its lines.

        # …      a heading
        | …      names of arrays that stand side by side
        = x = …  a number is worked out: names become numbers, a·b and sum(a) are written
                 out; after a second = stands which number it is, where x does not say
        ? …      what follows is for this case alone; ? ends that
        """
        shown = True
        for line in text.splitlines():
            mark, _, rest = line.partition(" ")
            if mark == "?":
                shown = not rest or rest in cases
            elif shown and mark in ("#", "|", "="):
                {"#": self.heading, "|": self.arrays, "=": self.worked}[mark](rest.format(**filled))
            elif shown:
                self.write(line.format(**filled))

    def heading(self, text):
        self.section += 1
        text = f"{self.section:2}  {text} "
        self.write(f"{self.strong(text)}{self.rule * (WIDTH - len(text))}\n")

    def arrays(self, names):
        """Arrays side by side: name, shape, equation, names of columns, numbers."""
        names = names.split()
        rows = len(getattr(self.walked, names[0]))
        labels = {len(ROWS): ROWS, len(INPUTS): INPUTS, len(UNITS): UNITS}.get(rows, WEIGHTS)
        label_width = total = max(map(len, labels))
        lines = [[" " * label_width] for _ in range(4)]
        lines += [[label.ljust(label_width)] for label in labels]
        for name in names:
            *heads, table = self.array(name)
            widths = [max(map(len, column)) for column in zip(*table, strict=True)]
            wide = max(*map(len, heads), sum(widths) + 2 * len(widths) - 2)
            total += wide
            cells = [text.rjust(wide) for text in heads]
            for label, row in zip_longest(("", *labels), table):
                texts = [text.rjust(width) for text, width in zip(row or (), widths, strict=False)]
                if label in THREAD - {""}:
                    texts = [self.strong(text) if column in THREAD else text
                             for text, column in zip(texts, table[0], strict=False)]  # fmt: skip
                cells.append(" " * (wide - sum(widths) - 2 * len(widths) + 2) + "  ".join(texts)
                             if row else " " * wide)  # fmt: skip
            for line, cell in zip(lines, cells, strict=True):
                line.append(cell)
        gap = "   " if total + 3 * len(names) + 3 <= WIDTH else "  "
        for line in lines:
            text = "   " + gap.join(line).rstrip()
            if text.strip():
                self.write(text)
        self.write()

    def array(self, name):
        """An array's name on the page, its shape, its equation, and a table of texts.

        A vector stands in one column, or in one row where columns have names.
        """
        array = np.asarray(getattr(self.walked, name))
        shown = SHOWN.get(name, name.removeprefix("new_"))
        columns = COLUMNS.get(shown, ())
        shape = str(array.shape).replace(" ", "") if array.dtype.kind != "U" else ""
        equations = EQUATIONS | EQUATIONS[self.walked.algorithm]
        equation = equations.get(name, equations.get(shown, ""))
        cells = [[text_of(name, x) for x in row] for row in array.reshape(-1, len(columns) or 1)]
        return shown, shape, equation, [columns or [""], *cells]

    def worked(self, text):
        """A number worked out, "name = expression = result", broken where it is too long."""
        name, expression, *which = text.split(" = ")
        (result,) = texts_of(self.walked, which[0] if which else name)
        if expression[0] == "'":
            expression = expression.strip("'")
        else:
            expression = with_numbers(self.walked, expression)
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
    w.rose = "rose" if w.after[0] > w.before[0] else "fell"
    page = Page(sys.stdout if stream is None else stream, w)
    command = "python run.py trace" + (" vpg" if algorithm == "vpg" else "")
    title = f"{algorithm.upper()} by hand: three rows, forward and back"
    page.write(f"{page.strong(title)}{command.rjust(WIDTH - len(title))}")
    filled = globals() | vars(w) | {"low": 1 - CLIP_RANGE, "high": 1 + CLIP_RANGE}
    cases = algorithm, "long" if w.norm > MAX_GRAD_NORM else "short"
    page.say(TEXT.read_text("utf-8"), cases, filled)
