"""Which functions of the lesson are blank, and how a workbook is written."""

import ast
import importlib.util
from functools import cache
from pathlib import Path
from typing import NamedTuple

from lab.kit import PROJECT
from lab.proof.numbering import number_of

CHAPTERS = {
    "D": "Network and optimiser",
    "C": "Distributions",
    "B": "Advantages",
    "A": "The policy gradient",
    "E": "The value function",
    "F": "PPO",
    "G": "An objective of your own",
    "H": "Groups of responses",
}
PAGE = "P"  # the chapter of one_page.py, a workbook by itself
LADDER = "L"  # that of the ladder's first eight stairs, another one


class Lines(NamedTuple):
    """Lines inside a stair's `train`, which a blank takes out: graded as a function of what
    is known there.
    """

    asked: tuple  # (how the line begins, what is said in its place), in order
    takes: str  # what they are given: arguments of the function
    gives: str  # what is compared: an expression
    own: str = ""  # of what they are given: what no later line reads, so that it may be changed
    inside: str = "train"  # the function they stand in


class Blank(NamedTuple):
    """A function that the reader writes: `key` is that of the equation it computes."""

    chapter: str
    key: str
    module: str
    name: str  # "MLP.backward" for a method, "gradient" for lines that end with this one
    returns: tuple  # what it gives back, by name
    lines: Lines | None = None  # instead of a function

    @property
    def path(self):
        return f"{self.module}.{self.name}"

    @property
    def equation(self):
        """The equation's number."""
        return number_of(self.key)


# The first stairs give each step the same length: only the gradient's direction counts.
STEP, DIRECTION = "the step", "gradient / (np.linalg.norm(gradient) + 1e-8)"
MATRIX = "gradient (4,2), of x (B,4), weight (B,), onehot (B,2), W (4,2)"
BLANKS = [
    Blank("D", "linear", "nn", "linear_forward", ("y",)),
    Blank("D", "linear", "nn", "linear_backward", ("dx", "dW", "db")),
    Blank("D", "activation", "nn", "tanh_backward", ("dz",)),
    Blank("D", "activation", "nn", "relu_backward", ("dz",)),
    Blank("D", "backprop", "nn", "MLP.backward", ("gradient",)),
    Blank("D", "norm-clip", "nn", "clip_global_norm", ("norm", "gradient")),
    Blank("D", "adam", "nn", "Adam.step", ("parameters", "m", "v")),
    Blank("C", "log-softmax", "distributions", "log_softmax", ("log-probabilities",)),
    Blank("C", "softmax-jacobian", "distributions", "log_softmax_backward", ("dlogits",)),
    Blank("C", "score", "distributions", "categorical_log_prob_backward", ("dlogits",)),
    Blank("C", "entropy", "distributions", "categorical_entropy", ("entropies",)),
    Blank("C", "entropy", "distributions", "categorical_entropy_backward", ("dlogits",)),
    Blank("C", "kl", "distributions", "categorical_kl", ("KL",)),
    Blank("C", "kl", "distributions", "categorical_kl_backward", ("dlogits",)),
    Blank("C", "gaussian", "distributions", "gaussian_log_prob", ("log-densities",)),
    Blank(
        "C", "gaussian-score", "distributions", "gaussian_log_prob_backward",
        ("dmeans", "dlog_stds"),
    ),
    Blank("C", "gaussian-entropy", "distributions", "gaussian_entropy", ("entropy",)),
    Blank("C", "gaussian-kl", "distributions", "gaussian_kl_backward", ("dmeans", "dlog_stds")),
    Blank("B", "returns", "advantages", "returns_to_go", ("returns",)),
    Blank("B", "gae", "advantages", "gae", ("advantages",)),
    Blank("B", "normalize", "advantages", "normalize", ("advantages",)),
    Blank("A", "vpg", "vpg", "policy_loss", ("loss", "dlog_probs")),
    Blank("E", "value-loss", "vpg", "value_loss", ("loss", "dvalues")),
    Blank("F", "clip", "ppo", "clipped_surrogate", ("loss", "dlog_probs")),
    Blank("F", "clipped-value", "ppo", "clipped_value_loss", ("loss", "dvalues")),
    Blank("F", "diagnostics", "ppo", "clip_statistics", ("clip_fraction", "dead_fraction")),
    Blank("F", "kl-penalty", "ppo_penalty", "penalized_surrogate", ("loss", "dlog_probs", "dkls")),
    Blank("F", "adaptive-kl", "ppo_penalty", "adapt_kl_coefficient", ("kl_coefficient",)),
    Blank("H", "group-deviation", "advantages", "group_advantages", ("advantages",)),
    Blank(PAGE, "backprop", "one_page", "Network.backward", ("gradient",)),
    Blank(PAGE, "adam", "one_page", "Network.step", ("parameters", "m", "v")),
    Blank(PAGE, "log-softmax", "one_page", "log_softmax", ("log-probabilities",)),
    Blank(PAGE, "gae", "one_page", "credit", ("advantages",)),
    Blank(PAGE, "clip", "one_page", "policy_slope", ("dlogits",)),
    Blank(LADDER, "policy-gradient", "1_bandit", "gradient", ("gradient",), Lines(
        (("gradient =", "Eq. 5, 19: gradient (2,), of reward, onehot (2,) and logits (2,)"),),
        "N action reward onehot logits", "gradient", "onehot",
    )),
    Blank(LADDER, "policy-gradient", "2_reinforce", "gradient", (STEP,), Lines(
        (("gradient =", "Eq. 5, 19: " + MATRIX),),
        "N obs action reward valid weight x onehot W", DIRECTION, "weight onehot",
    )),
    Blank(LADDER, "reward-to-go", "3_reward_to_go", "gradient", (STEP,), Lines(
        (
            ("weight = reward", "Eq. 7: weight (T,N), the reward-to-go of reward (T,N)"),
            ("gradient =", "Eq. 7, 19: " + MATRIX),
        ),
        "N obs action reward valid W", DIRECTION,
    )),
    Blank(LADDER, "baseline", "4_baseline", "gradient", (STEP,), Lines(
        (
            ("weight = weight -", "Eq. 8: weight (T,N), less the mean of the valid (T,N) carts"),
            ("gradient =", "Eq. 8, 19: " + MATRIX),
        ),
        "N obs action reward valid weight W", DIRECTION, "weight",
    )),
    Blank(LADDER, "backprop", "5_network", "Network.backward", ("gradient",)),
    Blank(LADDER, "gae", "6_critic", "credit", ("advantages",)),
    Blank(LADDER, "vpg-logits", "7_many_carts", "dlogits", ("dlogits",), Lines(
        (("dlogits =", "Eq. 20: dlogits (B,2), of advantage (B,1), onehot (B,2), logits (B,2)"),),
        "N action valid x onehot advantage logits", "dlogits", "onehot advantage logits",
    )),
    Blank(LADDER, "ratio", "8_epochs", "dlogits", ("dlogits",), Lines(
        (
            ("ratio =", "Eq. 35: ratio (b,1), of onehot[i] (b,2), probs (b,2), old[i] (b,1)"),
            ("dlogits =", "Eq. 35: dlogits (b,2), of these and advantage[i] (b,1)"),
        ),
        "N action valid x old onehot advantage i logits probs", "dlogits", "logits probs",
    )),
]  # fmt: skip
# Graded by what they do: to a rollout, to a learner, to gradients of which some are wrong.
BLANKS += [
    Blank("B", "value-target", "training", "make_batch", ("advantages", "targets"), Lines(
        (
            ("values =", "values (T+1,N): value gives (rows,1) of rows (rows,D), rollout.obs is (T+1,N,D)"),
            ("ended =", "ended (T,N) bool: what ends an episode's record"),
            ("advantages = gae", "Eq. 12, 13: advantages (T,N), by gae, of config.reward_scale times the rewards"),
            ("targets =", "Eq. 15: targets (T,N)"),
        ),
        "rollout value config T N", "(advantages, targets)", inside="make_batch",
    )),
    Blank("E", "joint-loss", "vpg", "update", ("policy's way", "value function's way", "steps"), Lines(
        (
            ("statistics =", "statistics, a dict: one step for the policy (policy_step)"),
            ("for _ in range(config.value_steps)", "then config.value_steps for the value function (value_step), whose statistics join in"),
        ),
        "learner batch config loss_of_policy loss_of_value", "statistics", inside="update",
    )),
    Blank("F", "ppo", "ppo", "update", ("policy's way", "value function's way", "steps"), Lines(
        ((
            "for _ in range(config.epochs)",
            "config.epochs times: the rows of each of minibatches(…), as a Batch (batch._make), make a step\n"
            "# for the policy, then one for the value function; the statistics of both, one dict, go into\n"
            "# steps. After an epoch that took approx_kl on all of batch beyond config.max_kl, if that is\n"
            "# not None, it ends.",
        ),),
        "learner batch config rng loss_of_policy loss_of_value clip_range steps", "steps", inside="update",
    )),
    Blank("G", "ratio", "gradient_check", "largest_error", ("verdict",)),
]  # fmt: skip
BLANKS.sort(key=lambda blank: [*CHAPTERS, PAGE, LADDER].index(blank.chapter))
MODULES = list(dict.fromkeys(blank.module for blank in BLANKS if blank.chapter in CHAPTERS))
STAIRS = [blank.module for blank in BLANKS if blank.chapter == LADDER]
YOURS = "is yours to write"  # how every blank's message ends


OF_THE_LAB = {"gradient_check": "lab/proof"}  # what stands in no file of the lesson


def lesson_file(module):
    if module in OF_THE_LAB:
        return PROJECT / OF_THE_LAB[module] / f"{module}.py"
    return PROJECT / ("ladder" if module in STAIRS else "") / f"{module}.py"


def lesson_module(name):
    """The lesson's own module, or a stair's, whose name no import can say."""
    name = f"{OF_THE_LAB[name].replace('/', '.')}.{name}" if name in OF_THE_LAB else name
    return stair(name) if name in STAIRS else importlib.import_module(name)


@cache
def stair(name):
    spec = importlib.util.spec_from_file_location(name, lesson_file(name))
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def find(tree, name):
    """The definition of "function" or "Class.method" in a module's syntax tree, or None."""
    node = tree
    for part in name.split("."):
        inside = [child for child in node.body if getattr(child, "name", None) == part]
        if not inside:
            return None
        node = inside[-1]
    return node


def is_empty(statements):
    """Do they hold nothing but a docstring, pass or …, also as a value?"""
    return all(
        isinstance(line, ast.Pass)
        or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
        or (isinstance(line, ast.Assign) and ast.unparse(line.value) == "...")
        for line in statements
    )


def place(blank):
    """Where the lesson's own file has a blank's lines.

    -> the statement before them, they and what stands between, the statement after; and
    those of them that are asked for.
    """
    starts = tuple(start for start, _ in blank.lines.asked)
    tree = ast.parse(lesson_file(blank.module).read_text("utf-8"))
    for node in ast.walk(find(tree, blank.lines.inside)):
        body = getattr(node, "body", [])
        at = [k for k, line in enumerate(body) if ast.unparse(line).startswith(starts)]
        if at:
            first, last = at[0], at[-1]
            asked = [body[k] for k in at]
            return body[first - 1], body[first : last + 1], body[last + 1], asked
    raise AssertionError(f"{blank.path} has no lines")


def lines_in(tree, blank):
    """What a file has between the two lines that stand around a blank's: statements.

    Raises ValueError, in one line, if one of the two is not there.
    """
    before, _, after, _ = place(blank)
    train, lost = find(tree, blank.lines.inside), before
    for node in ast.walk(train) if train else ():
        body = node.body if isinstance(getattr(node, "body", None), list) else []
        dumps = [ast.dump(line) for line in body]
        if ast.dump(before) in dumps:
            start, lost = dumps.index(ast.dump(before)) + 1, after
            if ast.dump(after) in dumps[start:]:
                return body[start : dumps.index(ast.dump(after), start)]
    raise ValueError(
        f"{blank.module}.py: `{ast.unparse(lost).splitlines()[0]}` is not in {blank.lines.inside}; that line should stay"
    )


def as_function(blank, statements, names, filename):
    """A blank's lines as a function of what is known where they stand: `names` are global.

    Its `source` is what inspect would find. Raises SyntaxError.
    """
    head = f"def {blank.name}({', '.join(blank.lines.takes.split())}): return {blank.lines.gives}"
    (function,) = ast.parse(head).body
    for node in ast.walk(function.body[0]):
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = statements[-1].end_lineno
    function.lineno, function.end_lineno = statements[0].lineno, statements[-1].end_lineno
    function.body = [*statements, *function.body]
    made = {}
    exec(compile(ast.Module([function], []), filename, "exec"), names, made)
    made[blank.name].source = ast.unparse(function)
    return made[blank.name]


def blanked(source, blanks):
    """A module's source with these blanks taken out: bodies of functions, comments and code."""
    tree, lines = ast.parse(source), source.splitlines(keepends=True)
    taken = []  # first line, last line, what stands there instead
    for blank in blanks:
        task = f'raise NotImplementedError("Eq. {blank.equation} {YOURS}")'
        if blank.chapter == LADDER:  # a script, which should end in a line
            task = f'sys.exit("{blank.module}.py: {{}}, Eq. {blank.equation}, {YOURS}")'
        if blank.lines is None:
            definition = find(tree, blank.name)
            docstring, task = definition.body[0], task.format(blank.name)
            instead = " " * docstring.col_offset + task + "\n"
            taken.append((docstring.end_lineno, definition.end_lineno, instead))
            continue
        for line, (start, said) in zip(place(blank)[-1], blank.lines.asked, strict=True):
            name, indent = start.split()[0], " " * line.col_offset
            said = said.replace("\n", f"\n{indent}")
            begin = f"{name} = " if blank.chapter == LADDER else ""  # a raise is no value
            instead = f"{indent}# {said}\n{indent}{begin}{task.format(name)}\n"
            taken.append((line.lineno - 1, line.end_lineno, instead))
    for first, last, instead in sorted(taken, reverse=True):
        lines[first:last] = [instead]
    return "".join(lines)


def write_workbook(directory, chapters=tuple(CHAPTERS)):
    """Write the lesson's files with the chapters' functions blank -> the blanks, a list.

    chapters  letters of CHAPTERS; or PAGE alone: one_page.py and nothing else; or LADDER
              alone: its first eight stairs

    Raises ValueError for an unknown chapter or a folder that holds anything, OSError
    if it cannot be written.
    """
    directory, alone = Path(directory), chapters in (PAGE, LADDER)
    for chapter in chapters:
        if chapter not in CHAPTERS and not alone:
            raise ValueError(f"chapter {chapter!r} has no blanks; {', '.join(CHAPTERS)} have")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ValueError(f"{directory} is not empty; name a new folder, nothing is overwritten")
    directory.mkdir(parents=True, exist_ok=True)
    chosen = [blank for blank in BLANKS if blank.chapter in chapters]
    for module in dict.fromkeys(blank.module for blank in chosen) if alone else MODULES:
        source = lesson_file(module).read_text("utf-8")
        own = [blank for blank in chosen if blank.module == module]
        (directory / f"{module}.py").write_text(blanked(source, own), "utf-8")
    return chosen
