"""Which functions of the lesson are blank, and how a workbook is written."""

import ast
import difflib
import importlib
import json
import os
import re
import textwrap
from functools import cache
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from lab.kit import PROJECT
from lab.kit.files import write_whole
from lab.proof.numbering import number_of, numbers

CHAPTERS = {
    "A": "The policy gradient",
    "B": "Advantages",
    "C": "Distributions",
    "D": "Network and optimiser",
    "E": "The value function",
    "F": "PPO",
    "G": "An objective of your own",
    "H": "Groups of responses",
    "I": "A transformer by hand",
}
COURSE = "ABCDEFGH"  # blank where nothing is named; Chapter I is a script of its own
PAGE = "P"  # the chapter of one_page.py, a workbook by itself
LADDER = "L"  # that of the ladder's first eight stairs, another one
TITLES = {**CHAPTERS, PAGE: "PPO on one page", LADDER: "The ladder"}
TEACHING = PROJECT / "docs" / "teaching.md"
ROW = re.compile(r"(?m)^\| [A-I] \| `([a-z-]+)` \| `([\w.]+)` \| \d+ \| (\d+) \|")
EARLIER = "advantages", "distributions", "nn", "ppo", "ppo_penalty", "vpg"
KEPT = "workbook.json"  # of a folder: which blanks are asked for, which answers were wrong


class Lines(NamedTuple):
    """Lines inside a stair's `train`, which a blank takes out: graded as a function of what
    is known there.
    """

    asked: tuple  # (how the line begins, what is said in its place), in order
    takes: str  # what they are given: arguments of the function
    gives: str  # what is compared: an expression
    own: str = ""  # of what they are given: what no later line reads, so that it may be changed
    inside: str = "train"  # the function they stand in
    stays: str = ""  # of what they are given: what the line below moves, and they must not


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

    @property
    def minutes(self):
        """How long others take, as docs/teaching.md estimates it; None if it does not."""
        return minutes().get((self.key, self.name)) if self.chapter in CHAPTERS else None


# The first stairs give each step the same length: only the gradient's direction counts.
STEP, DIRECTION = "the step", "STEP_SIZE * gradient / (np.linalg.norm(gradient) + 1e-30)"
MATRIX = "gradient (4,2), of x (B,4), weight (B,), onehot (B,2), W (4,2)"
BLANKS = [
    Blank("A", "vpg", "vpg", "policy_loss", ("loss", "dlog_probs")),
    Blank("B", "returns", "advantages", "returns_to_go", ("returns",)),
    Blank("B", "gae", "advantages", "gae", ("advantages",)),
    Blank("B", "value-target", "training", "make_batch", ("advantages", "targets", "values"), Lines(
        (
            ("values =", "values (T+1,N): value gives (rows,1) of rows (rows,D), rollout.obs is (T+1,N,D)"),
            ("ended =", "ended (T,N) bool: what ends an episode's record, rollout.terminated and rollout.truncated"),
            ("advantages = gae", "Eq. 12, 13: advantages (T,N), by gae, of config.reward_scale times the rewards"),
            ("targets =", "Eq. 15: targets (T,N)"),
        ),
        "rollout value config T N",
        "[a[rollout.valid] for a in (advantages, targets, values[:-1])]", inside="make_batch",
    )),
    Blank("B", "normalize", "advantages", "normalize", ("advantages",)),
    Blank("C", "log-softmax", "distributions", "log_softmax", ("log-probabilities",)),
    Blank("C", "softmax-jacobian", "distributions", "log_softmax_backward", ("dlogits",)),
    Blank("C", "score", "distributions", "categorical_log_prob_backward", ("dlogits",)),
    Blank("C", "entropy", "distributions", "categorical_entropy", ("entropies",)),
    Blank("C", "entropy", "distributions", "categorical_entropy_backward", ("dlogits",)),
    Blank("C", "gaussian", "distributions", "gaussian_log_prob", ("log-densities",)),
    Blank(
        "C", "gaussian-score", "distributions", "gaussian_log_prob_backward",
        ("dmeans", "dlog_stds"),
    ),
    Blank("C", "gaussian-entropy", "distributions", "gaussian_entropy", ("entropy",)),
    Blank("D", "linear", "nn", "linear_forward", ("y",)),
    Blank("D", "linear", "nn", "linear_backward", ("dx", "dW", "db")),
    Blank("D", "activation", "nn", "tanh_backward", ("dz",)),
    Blank("D", "activation", "nn", "relu_backward", ("dz",)),
    Blank("D", "backprop", "nn", "MLP.backward", ("gradient",)),
    Blank("D", "adam", "nn", "Adam.step", ("parameters", "m", "v")),
    Blank("D", "norm-clip", "nn", "clip_global_norm", ("norm", "gradient")),
    Blank("E", "value-loss", "vpg", "value_loss", ("loss", "dvalues")),
    Blank("F", "clip", "ppo", "clipped_surrogate", ("loss", "dlog_probs")),
    Blank("F", "clipped-value", "ppo", "clipped_value_loss", ("loss", "dvalues")),
    Blank("F", "kl", "distributions", "categorical_kl", ("KL",)),
    Blank("F", "kl", "distributions", "categorical_kl_backward", ("dlogits",)),
    Blank("F", "kl-penalty", "ppo_penalty", "penalized_surrogate", ("loss", "dlog_probs", "dkls")),
    Blank("F", "gaussian-kl", "distributions", "gaussian_kl_backward", ("dmeans", "dlog_stds")),
    Blank("F", "adaptive-kl", "ppo_penalty", "adapt_kl_coefficient", ("kl_coefficient",)),
    Blank("F", "diagnostics", "ppo", "clip_statistics", ("clip_fraction", "dead_fraction")),
    Blank("H", "group-deviation", "advantages", "group_advantages", ("advantages",)),
    Blank(PAGE, "backprop", "one_page", "Network.backward", ("gradient",)),
    Blank(PAGE, "adam", "one_page", "Network.step", ("parameters", "m", "v")),
    Blank(PAGE, "log-softmax", "one_page", "log_softmax", ("log-probabilities",)),
    Blank(PAGE, "gae", "one_page", "credit", ("advantages",)),
    Blank(PAGE, "clip", "one_page", "policy_slope", ("dlogits",)),
    Blank(LADDER, "policy-gradient", "1_bandit", "gradient", ("gradient",), Lines(
        (("gradient =", "Eq. 5, 19: gradient (2,), of reward, onehot (2,) and logits (2,)"),),
        "action reward onehot logits", "gradient", "onehot logits", stays="logits",
    )),
    Blank(LADDER, "policy-gradient", "2_reinforce", "gradient", (STEP,), Lines(
        (("gradient =", "Eq. 5, 19: " + MATRIX),),
        "N obs action reward valid weight x onehot W", DIRECTION, "weight onehot", stays="W",
    )),
    Blank(LADDER, "reward-to-go", "3_reward_to_go", "gradient", (STEP,), Lines(
        (
            ("weight = reward", "Eq. 7: weight (T,N), the reward-to-go of reward (T,N); γ is 1"),
            ("gradient =", "Eq. 7, 19: " + MATRIX),
        ),
        "N obs action reward valid W", DIRECTION, stays="W",
    )),
    Blank(LADDER, "baseline", "4_baseline", "gradient", (STEP,), Lines(
        (
            ("weight = weight -", "Eq. 8: weight (T,N), less the mean of the valid (T,N) carts"),
            ("gradient =", "Eq. 8, 19: " + MATRIX),
        ),
        "N obs action reward valid weight W", DIRECTION, "weight", stays="W",
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
UPDATED = "steps", "policy's parameters", "value function's parameters", "statistics"
# Graded by what they do: to a rollout, to a learner, to gradients of which some are wrong.
BLANKS += [
    Blank("E", "joint-loss", "vpg", "update", UPDATED, Lines(
        (
            ("statistics =", "statistics, a dict: one step for the policy, policy_step(learner, batch, config, loss_of_policy)"),
            ("for _ in range(config.value_steps)", "then config.value_steps for the value function, value_step(learner, batch, config, loss_of_value);\n"
                "# the last one's statistics join in"),
        ),
        "learner batch config progress rng loss_of_policy loss_of_value", "statistics", inside="update",
    )),
    Blank("F", "ppo", "ppo", "update", UPDATED, Lines(
        ((
            "for _ in range(config.epochs)",
            "config.epochs times: minibatches(len(batch.obs), config.minibatch_size, rng) gives arrays of\n"
            "# rows; each, as a Batch (obs, actions, log_probs, values, advantages, targets; batch._make),\n"
            "# makes a step for the policy, policy_step(learner, minibatch, config, loss_of_policy), then one\n"
            "# for the value function, value_step(learner, minibatch, config, loss_of_value); the statistics\n"
            "# of both, one dict, go into steps. After an epoch that took approx_kl(log_probs,\n"
            "# batch.log_probs) on all of batch, whose log_probs learner.policy.forward(obs, actions) gives\n"
            "# first, beyond config.max_kl, if that is not None, it ends.",
        ),),
        "learner batch config progress rng loss_of_policy loss_of_value clip_range steps", "steps", inside="update",
    )),
    Blank("G", "ratio", "gradient_check", "largest_error", ("verdict",)),
    Blank("I", "token-rows", "10_language", "policy_slope", ("dlogits",)),
    Blank("I", "rms-norm", "10_language", "norm_backward", ("dx",)),
    Blank("I", "attention", "10_language", "attention_backward", ("dq", "dk", "dv")),
    Blank("I", "residual", "10_language", "Model.backward", ("gradient",)),
    Blank("I", "embedding", "10_language", "embed_backward", ("dWe", "dWp")),
]  # fmt: skip
BLANKS.sort(key=lambda blank: [*TITLES].index(blank.chapter))  # the book's order
MODULES = list(dict.fromkeys(blank.module for blank in BLANKS if blank.chapter in COURSE))
STAIRS = [blank.module for blank in BLANKS if blank.chapter == LADDER]
REFUSING = "floats", "indices", "_ends", "_positive", "_spreads"  # what makes and refuses arguments
YOURS = "is yours to write"  # how every blank's message ends


ELSEWHERE = {"gradient_check": "lab/proof", "10_language": "ladder"}  # no file of the lesson


@cache
def minutes():
    """What docs/teaching.md's table says: {(key, function): minutes}."""
    rows = ROW.findall(TEACHING.read_text("utf-8"))
    return {(key, name): int(number) for key, name, number in rows}


def named(words, own):
    """Which blanks of `own` these words name -> a list, in their order.

    words  letters of chapters, equations by key or number, functions (gae, nn.MLP.backward)

    Raises ValueError, in one line, for a word that names none.
    """
    return [blank for blank in own if blank in {b for word in words for b in meant(word, own)}]


def meant(word, own):
    text = str(word)
    if text.upper() in TITLES:
        found = [blank for blank in own if blank.chapter == text.upper()]
        if not found:
            known = ", ".join(dict.fromkeys(blank.chapter for blank in own))
            raise ValueError(f"chapter {text.upper()!r} has no blanks here; {known} have")
        return found
    found = [blank for blank in own if text in (blank.path, blank.name)]
    found = found or [b for b in own if text == b.module and is_script(text)]  # a stair
    if text in numbers() or not found:
        if "." in text or "_" in text:
            near = difflib.get_close_matches(text, [n for b in own for n in (b.path, b.name)], n=1)
            hint = f"did you mean {near[0]}?" if near else "docs/teaching.md lists them"
            raise ValueError(f"no blank {text[:60]!r}; {hint}")
        number = number_of(text)
        found = [blank for blank in own if blank.equation == number]
        if not found:
            known = ", ".join(map(str, sorted({blank.equation for blank in own})))
            raise ValueError(f"no blank for Eq. {number}; there are blanks for {known}")
    return found


def is_name(text):
    """May a word mean blanks, and not a folder?"""
    number = text.isdecimal() and len(text) < 10
    names = {name for blank in BLANKS for name in (blank.path, blank.name)}
    return number or text in numbers() or text in names or text.upper() in CHAPTERS


def assignment(path):
    """What a teacher's file lists, a key or a function a line, with #-comments -> words.

    Raises ValueError, in one line, for a file that cannot be read, lists nothing, or a line that
    names no blank.
    """
    try:
        lines = Path(path).read_text("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise ValueError(f"{path} cannot be read: {reason}") from None
    words = []
    for number, line in enumerate(lines, 1):
        word = line.partition("#")[0].strip()
        if word:
            try:
                meant(word, BLANKS)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
            words.append(word)
    if not words:
        raise ValueError(f"{path} lists no blank")
    return words


def is_elsewhere(path):
    """Does a blank stand in no file of the lesson, so that a training does without it?"""
    return path.split(".")[0] in ELSEWHERE


def home_of(module):
    """The folder of the lesson's own file, "" at the top level."""
    return "ladder" if module in STAIRS else ELSEWHERE.get(module, "")


def lesson_file(module):
    return PROJECT / home_of(module) / f"{module}.py"


def lesson_module(name):
    """The lesson's own module, or a stair's, whose name no import statement can say."""
    return importlib.import_module(".".join([*home_of(name).split("/"), name]).lstrip("."))


def is_script(module):
    """Is it a stair, which runs by itself?"""
    return module[0].isdigit()


def find(tree, name):
    """The definition of "function" or "Class.method" in a module's syntax tree, or None."""
    node = tree
    for part in name.split("."):
        inside = [child for child in node.body if getattr(child, "name", None) == part]
        if not inside:
            return None
        node = inside[-1]
    return node


def find_source(blank):
    """The lesson's own text of a blank that is a function."""
    source = lesson_file(blank.module).read_text("utf-8")
    return ast.get_source_segment(source, find(ast.parse(source), blank.name))


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
            if ast.dump(after) in dumps[start:]:  # the last: theirs may have the same line, too
                return body[start : len(dumps) - 1 - dumps[::-1].index(ast.dump(after))]
    raise ValueError(
        f"{blank.module}.py: `{ast.unparse(lost).splitlines()[0]}` is not in {blank.lines.inside}; that line should stay"
    )


def as_function(blank, statements, names, filename):
    """A blank's lines as a function of what is known where they stand: `names` are global.

    Its `source` is what inspect would find. Raises SyntaxError.
    """
    head = f"def {blank.name}({', '.join(blank.lines.takes.split())}): return {lines_give(blank.lines)}"
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


def lines_give(lines):
    """What stands at their end: only who comes there has not left the function before."""
    return f"({lines.gives}, {lines.stays or None}, ...)"


def blanked(source, blanks):
    """A module's source with these blanks taken out: bodies of functions, comments and code."""
    tree, lines = ast.parse(source), source.splitlines(keepends=True)
    taken = []  # first line, last line, what stands there instead
    for blank in blanks:
        task = f'raise NotImplementedError("Eq. {blank.equation} {YOURS}")'
        if is_script(blank.module):  # which should end in a line
            task = f'sys.exit("{blank.module}.py: {{}}, Eq. {blank.equation}, {YOURS}")'
        if blank.lines is None:
            definition = find(tree, blank.name)
            task = task.format(blank.name)
            instead = " " * definition.body[0].col_offset + task + "\n"
            taken.append((last_kept(definition), definition.end_lineno, instead))
            continue
        for line, (start, said) in zip(place(blank)[-1], blank.lines.asked, strict=True):
            name, indent = start.split()[0], " " * line.col_offset
            begin = f"{name} = " if blank.chapter == LADDER else ""  # a raise is no value
            texts = [textwrap.fill(text.removeprefix("# "), 86) for text in said.splitlines()]
            said = textwrap.indent("\n".join(texts), f"{indent}# ")
            instead = f"{said}\n{indent}{begin}{task.format(name)}\n"
            taken.append((line.lineno - 1, line.end_lineno, instead))
    for first, last, instead in sorted(taken, reverse=True):
        lines[first:last] = [instead]
    return "".join(lines)


def last_kept(definition):
    """The last line of a function that a blank keeps: of its docstring, and of what refuses
    arguments, which is not the equation.
    """
    body = definition.body
    first = int(ast.get_docstring(definition) is not None)
    kept = [n for n, line in enumerate(body) if n < first or refuses(line)]
    return body[kept[-1]].end_lineno if kept else body[0].lineno - 1


def refuses(statement):
    """Does it do nothing but raise for arguments that are not as they should be?"""
    if isinstance(statement, ast.If):
        return isinstance(statement.body[-1], ast.Raise) and not statement.orelse
    call = getattr(statement, "value", None)
    return isinstance(call, ast.Call) and getattr(call.func, "id", "") in REFUSING


def parts(module, blanks, there=()):
    """What a workbook's file has -> its docstring, its imports, its definitions: source.

    there  names that it has already

    These are the blanks, with the rest of their classes, and what is made of them (ACTIVATIONS).
    What else the module has is imported from it: no other blank's solution is in the file.
    """
    whole = lesson_file(module).read_text("utf-8")
    source = blanked(whole, blanks)
    lines, (doc, *tree) = source.splitlines(), ast.parse(source).body
    own = {blank.name.split(".")[0] for blank in blanks}
    kept = [node for node in tree if own & {*bound(node), *(used(node) if assigns(node) else ())}]
    names = {name for node in kept for name in bound(node)}
    needed = used(*(node for node in ast.parse(whole).body if names & {*bound(node)}))
    imports = []
    for node in tree:
        if isinstance(node, (ast.Import, ast.ImportFrom)):  # as far as the lesson uses it here
            node.names = [
                n for n in node.names if (n.asname or n.name) in (needed | {"np"}) - {*there}
            ]
            imports.append(node)
    rest = [name for node in tree if node not in kept for name in bound(node)]
    rest = [name for name in rest if name[0].islower() or name in used(*kept) | needed]
    rest = [ast.alias(name) for name in sorted(rest) if name not in there]
    imports = [line for line in (*imports, ast.ImportFrom(module, rest, 0)) if line.names]
    spans = [
        (min(n.lineno for n in (node, *getattr(node, "decorator_list", ()))), node.end_lineno)
        for node in (doc, *kept)
    ]
    doc, *definitions = ["\n".join(lines[first - 1 : last]) for first, last in spans]
    doc = re.sub(r"In the order of the file:\n(.+\n)+\n", "", doc)
    return doc, "\n".join(map(import_line, imports)), definitions


def assigns(node):
    return isinstance(node, ast.Assign)


def bound(node):
    """The names that a statement of a module defines: a list."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if assigns(node) else ()
    return [name.id for t in targets for name in ast.walk(t) if isinstance(name, ast.Name)]


def used(*nodes):
    """Every name that stands in these statements: a set."""
    return {name.id for n in nodes for name in ast.walk(n) if isinstance(name, ast.Name)}


def import_line(node):
    text = ast.unparse(node)
    if len(text) <= 79:
        return text
    head, names = text.split(" import ")
    return f"{head} import (\n{textwrap.indent(textwrap.fill(names + ',', 75), '    ')}\n)"


def new_file(module, blanks):
    """A workbook's file, as source."""
    doc, imports, definitions = parts(module, blanks)
    note = f"# What else {module}.py has, import from it: that is the lesson's own."
    return "\n\n\n".join([f"{doc}\n\n{note}\n\n{imports}", *definitions]) + "\n"


def longer_file(source, module, blanks):
    """A workbook's file with these blanks at its end, as far as it does not have them."""
    tree = ast.parse(source)
    blanks = [blank for blank in blanks if not find(tree, blank.name.split(".")[0])]
    if not blanks:
        return source
    imported = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
    there = {alias.asname or alias.name for node in imported for alias in node.names}
    there |= {name for node in tree.body for name in bound(node)}
    _, imports, definitions = parts(module, blanks, there)
    return "\n\n\n".join([source.rstrip(), *[imports] * bool(imports), *definitions]) + "\n"


def kind_of(directory):
    """The blanks that a folder may hold, in order: the lesson's, the page's or the ladder's.

    Raises ValueError, in one line, for a folder that is no workbook of this version.
    """
    directory = Path(os.path.realpath(directory))
    try:
        files = os.listdir(directory)
        why = "" if any(f"{blank.module}.py" in files for blank in BLANKS) else "; "
    except OSError as error:
        why = f" ({error.strerror}); "
    if why:
        raise ValueError(f"{directory} is no workbook{why}`python run.py practice DIR` writes one")
    # clip_statistics was asked for there, before it moved to ppo.py
    if holds(directory / "training.py", b"def clip_statistics"):
        raise ValueError(
            f"{directory} is of an earlier version; `python run.py practice NEW`, then copy what "
            "you wrote, function by function"
        )
    there = {blank.chapter for blank in BLANKS if f"{blank.module}.py" in files}
    kind = next((chapter for chapter in (PAGE, LADDER) if chapter in there), CHAPTERS)
    return [blank for blank in BLANKS if blank.chapter in kind]


def holds(file, words):
    try:
        return file.is_file() and words in file.read_bytes()
    except OSError:
        return False


def asked(directory, words=None):
    """The blanks that are asked for: those that `words` name, else the folder's own -> a list.

    A chapter is what the folder has of it; a folder that says nothing asks for all of its files.
    Raises ValueError as kind_of and named do.
    """
    own = kind_of(directory)
    listed = kept(directory)["asked"]
    here = [blank for blank in own if blank.path in listed]
    if not here:  # an earlier version's asked for the functions of these files
        files = {*EARLIER, *(file.stem for file in Path(directory).glob("*.py"))}
        here = [blank for blank in own if blank.module in files or blank.chapter not in CHAPTERS]
    words = list(words or ())
    chapters = [word for word in words if str(word).upper() in CHAPTERS]
    for letter in chapters:
        if not any(blank.chapter == str(letter).upper() for blank in here):
            more = f"python run.py practice {directory} --chapters {letter.upper()}"
            raise ValueError(f"no blanks of chapter {letter.upper()} are asked for; {more}")
    if not words:
        return here
    chosen = {*named(chapters, here), *named([w for w in words if w not in chapters], own)}
    return [blank for blank in own if blank in chosen]


def answer(directory, path):
    """What stands for a function in a folder, as a short text that tells answers apart."""
    blank = next(blank for blank in BLANKS if blank.path == path)
    tree = ast.parse((Path(directory) / f"{blank.module}.py").read_bytes())
    written = lines_in(tree, blank) if blank.lines else [find(tree, blank.name) or tree]
    return f"{crc32(''.join(map(ast.dump, written)).encode('utf-8', 'replace')):08x}"


def kept(directory):
    """What a folder remembers: `asked`, paths; `wrong`, {path: answers that were wrong};
    `right`, paths of those that were right when they were last graded.
    """
    memory = {"asked": [], "wrong": {}, "right": []}
    try:
        read = json.loads((Path(directory) / KEPT).read_bytes())
        wrong = {path: answers for path, answers in read["wrong"].items() if type(answers) is list}
        memory |= {"asked": list(map(str, read["asked"])), "wrong": wrong}
        memory["right"] = list(map(str, read.get("right", [])))
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        pass  # none, or none of ours: it asks for everything
    return memory


def keep(directory, memory):
    """Write down what a folder remembers. Raises OSError."""
    text = json.dumps(memory, indent=1, ensure_ascii=False)
    write_whole(Path(directory) / KEPT, (text + "\n").encode("utf-8", "replace"))


def write_workbook(directory, words=tuple(COURSE)):
    """Write a workbook, or add to the one that is there -> the blanks that were asked for, a list.

    words  as of named; or PAGE alone: one_page.py and nothing else; or LADDER alone: its first
           eight stairs

    What a reader wrote stays: a function that is there is left as it is. Raises ValueError for
    what names no blank or a folder of another kind, OSError if it cannot be written.
    """
    directory = Path(directory)
    kind = next(
        (k for k in (PAGE, LADDER) if {*words} & {k, *(b.path for b in BLANKS if b.chapter == k)}),
        CHAPTERS,
    )
    own = [blank for blank in BLANKS if blank.chapter in kind]
    chosen = named(words, own)
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"{directory} is a file; name a folder")
    fresh = not any((directory / f"{blank.module}.py").exists() for blank in BLANKS)
    if not fresh and kind_of(directory) != own:
        raise ValueError(f"{directory} holds another kind of workbook; name another folder")
    directory.mkdir(parents=True, exist_ok=True)
    memory = kept(directory)
    for module in dict.fromkeys(blank.module for blank in chosen):
        of_module = [blank for blank in chosen if blank.module == module]
        file, new = directory / f"{module}.py", ""
        if file.exists():
            try:
                source = file.read_text("utf-8-sig")
                whole = is_script(module) or kind is not CHAPTERS
                new = source if whole else longer_file(source, module, of_module)
            except (SyntaxError, ValueError) as error:
                raise ValueError(f"{file} cannot be added to: {error}") from None
            if new == source:
                continue
        elif kind is CHAPTERS and not is_script(module):
            new = new_file(module, of_module)
        else:
            if kind is CHAPTERS:  # all of Chapter I's: what is asked for later is blank already
                of_module = [blank for blank in own if blank.module == module]
            new = blanked(lesson_file(module).read_text("utf-8"), of_module)
        write_whole(file, new.encode())
    if fresh or memory["asked"]:  # else it asks for everything already
        paths = {*memory["asked"], *(blank.path for blank in chosen)}
        keep(directory, memory | {"asked": [blank.path for blank in own if blank.path in paths]})
    return chosen
