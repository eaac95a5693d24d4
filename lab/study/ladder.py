"""The ladder's stairs, and what was measured of each: benchmarks/results/ladder.json.

That file, which benchmarks/ladder.py writes and describes, has a row a seed: [seed, seconds,
updates, [steps, return, …]].
"""

import ast
import re

import numpy as np

from lab.kit import PROJECT, read_json
from lab.runs import solved_steps
from lab.study.columns import number

KEPT = PROJECT / "benchmarks" / "results" / "ladder.json"
STAIRS = [*sorted((PROJECT / "ladder").glob("[1-8]_*.py")), PROJECT / "one_page.py"]
LANGUAGE = PROJECT / "ladder" / "10_language.py"  # the tenth, a world of its own
CART, SWING_UP = "CartPole-v1", "SwingUp-v0"
THRESHOLD, NEVER = 475, np.inf
NOISE = {2: "whole return", 3: "reward-to-go", 4: "baseline", 6: "critic"}  # by stair
AFTER = "1000", "8000"  # steps of the two policies whose gradient's noise was measured


def name(n):
    """Stair 3: "reward_to_go"; stair 9: "one_page"."""
    return re.sub(r"^\d+_", "", file(n).stem)


def file(n):
    """Stair 1 to 10."""
    return [*STAIRS, LANGUAGE][n - 1]


def claims(n):
    """What stair n's docstring says: {"New": …, "Bought": …, "Still wrong": …}."""
    lines = ast.get_docstring(ast.parse(file(n).read_text("utf-8"))).splitlines()
    return dict(line.split(": ", 1) for line in lines[-3:])


def idea(n):
    """The first words of what is new on stair n: "the reward-to-go"."""
    return re.split(r"[.,:;]| (?:with|and) ", claims(n)["New"])[0]


def kept():
    return read_json(KEPT)


def kept_language():
    """What the tenth stair's runs came to: a list of (head, text)."""
    runs = np.array(read_json(KEPT.with_name("language_stair.json"))["runs"])
    right, seconds = runs[:, 1], runs[:, 3]
    return [
        (
            "answers drawn right",
            f"{right.mean():.1f}% in the mean, {right.min():.1f}% in the worst",
        ),
        ("seconds", f"{np.median(seconds):.0f}, {seconds.max():.0f} in the worst"),
    ]


def solved(curve, threshold=THRESHOLD):
    """[steps, return, …] -> the first steps at the threshold, and those for good, or NEVER."""
    at = solved_steps(curve[::2], curve[1::2], threshold)
    return [NEVER if step is None else float(step) for step in at]


def summary(rows):
    """A stair's rows of one task -> what the tables and the docstrings say."""
    curves = [row[3] for row in rows]
    solved_at = np.array([solved(curve) for curve in curves])
    return {
        "seeds": len(rows),
        "area": float(np.mean([np.mean(curve[1::2]) for curve in curves])),
        "end": float(np.mean([curve[-1] for curve in curves])),
        "good": int(np.isfinite(solved_at[:, 1]).sum()),
        "first_step": float(np.median(solved_at[:, 0])),
        "good_step": float(np.median(solved_at[:, 1])),
        "seconds": float(np.median([row[1] for row in rows])),
        "updates": float(np.median([row[2] for row in rows])),
    }


def summaries(data, task):
    """{stair: its summary} of one task."""
    return {int(n): summary(rows) for n, rows in data["runs"][task].items()}


def largest(data, n):
    """Of stair 7, 8 or 9: a seed's largest KL of an update, the median; any row's largest ratio."""
    updates = data["updates"][str(n)]
    return float(np.median(updates["largest_kl_of_seeds"])), max(updates["ratio_max"])


# ---------------------------------------------------------------- its table


def cell(key, form):
    """A cell, empty for the bandit, which has no cart."""

    def text(entry):
        value = entry.get(key)
        return "" if value is None else number(value if value < NEVER else None, form)

    return text


COLUMNS = [
    ("on the way", cell("area", "{:.0f}")),
    ("at the end", cell("end", "{:.1f}")),
    ("seeds solved", lambda entry: "{good}/{seeds}".format(**entry) if "good" in entry else ""),
    ("475 first, at step", cell("first_step", "{:,.0f}")),
    ("for good, at step", cell("good_step", "{:,.0f}")),
    ("seconds", cell("seconds", "{:.2f}")),
    ("swing-up", cell("swing", "{:.1f}")),
    ("where its idea shows", lambda entry: entry["shows"]),
]


def entries(data):
    """{stair: what COLUMNS makes cells of}."""
    carts, swings = summaries(data, CART), summaries(data, SWING_UP)
    rows = {1: {"shows": f"the better arm: {carts[1]['end']:.2f}"}}
    for n in swings:
        shows = f"noise {data['noise'][AFTER[0]][NOISE[n]][0]:.3g}" if n in NOISE else ""
        if str(n) in data["updates"]:
            kl, ratio = largest(data, n)
            shows = f"KL {kl:.2g}, ratio {ratio:,.1f}".removesuffix(".0")
        rows[n] = {**carts[n], "swing": swings[n]["end"], "shows": shows}
    return rows
