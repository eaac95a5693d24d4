"""Which functions of the lesson are blank, and how a workbook is written."""

import ast
from pathlib import Path
from typing import NamedTuple

LESSON = Path(__file__).resolve().parents[2]
CHAPTERS = {
    "D": "Network and optimiser",
    "C": "Distributions",
    "B": "Advantages",
    "A": "The policy gradient",
    "E": "The value function",
    "F": "PPO",
    "H": "Groups of responses",
}
PAGE = "P"  # the chapter of one_page.py, a workbook by itself


class Blank(NamedTuple):
    """A function that the reader writes: `equation` is the one it computes."""

    chapter: str
    equation: int
    module: str
    name: str  # "MLP.backward" for a method
    returns: tuple  # what it gives back, by name

    @property
    def path(self):
        return f"{self.module}.{self.name}"


BLANKS = [
    Blank("D", 30, "nn", "linear_forward", ("y",)),
    Blank("D", 30, "nn", "linear_backward", ("dx", "dW", "db")),
    Blank("D", 31, "nn", "tanh_backward", ("dz",)),
    Blank("D", 31, "nn", "relu_backward", ("dz",)),
    Blank("D", 32, "nn", "MLP.backward", ("gradient",)),
    Blank("D", 35, "nn", "clip_global_norm", ("norm", "gradient")),
    Blank("D", 34, "nn", "Adam.step", ("parameters", "m", "v")),
    Blank("C", 20, "distributions", "log_softmax", ("log-probabilities",)),
    Blank("C", 21, "distributions", "log_softmax_backward", ("dlogits",)),
    Blank("C", 22, "distributions", "categorical_log_prob_backward", ("dlogits",)),
    Blank("C", 25, "distributions", "categorical_entropy", ("entropies",)),
    Blank("C", 25, "distributions", "categorical_entropy_backward", ("dlogits",)),
    Blank("C", 43, "distributions", "categorical_kl", ("KL",)),
    Blank("C", 43, "distributions", "categorical_kl_backward", ("dlogits",)),
    Blank("C", 26, "distributions", "gaussian_log_prob", ("log-densities",)),
    Blank("C", 27, "distributions", "gaussian_log_prob_backward", ("dmeans", "dlog_stds")),
    Blank("C", 29, "distributions", "gaussian_entropy", ("entropy",)),
    Blank("C", 45, "distributions", "gaussian_kl_backward", ("dmeans", "dlog_stds")),
    Blank("B", 14, "advantages", "returns_to_go", ("returns",)),
    Blank("B", 16, "advantages", "gae", ("advantages",)),
    Blank("B", 19, "advantages", "normalize", ("advantages",)),
    Blank("A", 10, "vpg", "policy_loss", ("loss", "dlog_probs")),
    Blank("E", 36, "vpg", "value_loss", ("loss", "dvalues")),
    Blank("F", 40, "ppo", "clipped_surrogate", ("loss", "dlog_probs")),
    Blank("F", 42, "ppo", "clipped_value_loss", ("loss", "dvalues")),
    Blank("F", 48, "training", "clip_statistics", ("clip_fraction", "dead_fraction")),
    Blank("F", 44, "ppo_penalty", "penalized_surrogate", ("loss", "dlog_probs", "dkls")),
    Blank("F", 46, "ppo_penalty", "adapt_kl_coefficient", ("kl_coefficient",)),
    Blank("H", 51, "advantages", "group_advantages", ("advantages",)),
    Blank(PAGE, 32, "one_page", "Network.backward", ("gradient",)),
    Blank(PAGE, 34, "one_page", "Network.step", ("parameters", "m", "v")),
    Blank(PAGE, 20, "one_page", "log_softmax", ("log-probabilities",)),
    Blank(PAGE, 16, "one_page", "credit", ("advantages",)),
    Blank(PAGE, 40, "one_page", "policy_slope", ("dlogits",)),
]
MODULES = list(dict.fromkeys(blank.module for blank in BLANKS if blank.chapter != PAGE))


def find(tree, name):
    """The definition of "function" or "Class.method" in a module's syntax tree, or None."""
    node = tree
    for part in name.split("."):
        inside = [child for child in node.body if getattr(child, "name", None) == part]
        if not inside:
            return None
        node = inside[-1]
    return node


def is_empty(definition):
    """Does a function's body hold nothing but its docstring, pass or …?"""
    return all(
        isinstance(line, ast.Pass)
        or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
        for line in definition.body
    )


def blanked(source, blanks):
    """A module's source with the bodies of these blanks taken out: comments and code."""
    tree, lines = ast.parse(source), source.splitlines(keepends=True)
    for blank in sorted(blanks, key=lambda b: find(tree, b.name).lineno, reverse=True):
        definition = find(tree, blank.name)
        docstring = definition.body[0]
        task = f'raise NotImplementedError("Eq. {blank.equation} is yours to write")\n'
        lines[docstring.end_lineno : definition.end_lineno] = [" " * docstring.col_offset + task]
    return "".join(lines)


def write_workbook(directory, chapters=tuple(CHAPTERS)):
    """Write the lesson's files with the chapters' functions blank -> the blanks, a list.

    chapters  letters of CHAPTERS, or PAGE alone: one_page.py and nothing else

    Raises ValueError for an unknown chapter or a folder that holds anything, OSError
    if it cannot be written.
    """
    directory = Path(directory)
    for chapter in chapters:
        if chapter not in CHAPTERS and chapters != PAGE:
            raise ValueError(f"chapter {chapter!r} has no blanks; {', '.join(CHAPTERS)} have")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ValueError(f"{directory} is not empty; name a new folder, nothing is overwritten")
    directory.mkdir(parents=True, exist_ok=True)
    chosen = [blank for blank in BLANKS if blank.chapter in chapters]
    for module in ["one_page"] if chapters == PAGE else MODULES:
        source = (LESSON / f"{module}.py").read_text("utf-8")
        own = [blank for blank in chosen if blank.module == module]
        (directory / f"{module}.py").write_text(blanked(source, own), "utf-8")
    return chosen
