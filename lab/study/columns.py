"""What stands in a table of many seeds: cells of its columns, laid out as text or as Markdown.

Columns are a list of (head, function): from an entry, a dict of numbers such as
statistics.describe gives, to the text of its cell.
"""

import itertools
import re

WIDTH = 80


def number(value, form=None):
    if value is None:
        return "never"
    size = abs(value)
    usual = "{:,.1f}" if size < 1000 else "{:,.0f}" if size < 1e10 else "{:.3g}"
    return (form or usual).format(value)


def bounded(name, middle, form=None, between=" to "):
    """A cell: the mean, median, IQM or probability of a measure, and its 95% interval.

    Nothing where the entry does not have this measure.
    """

    def cell(entry):
        if name not in entry:
            return ""
        shown, bounds = number(entry[name][middle], form), entry[name][f"{middle}_interval"]
        if bounds is None:
            return f"{shown} (one seed)"
        low, high = (number(bound, form) for bound in bounds)
        return "never" if low == "never" else f"{shown} ({low}{between}{high})"

    return cell


RETURNS = [
    ("greedy return", bounded("greedy_return_mean", "mean")),
    ("worst seed", lambda entry: number(entry["greedy_return_mean"]["lowest"])),
    ("sampled return", bounded("sampled_return_mean", "mean")),
    ("worst seed", lambda entry: number(entry["sampled_return_mean"]["lowest"])),
]
SOLVED = [
    ("seeds solved", lambda entry: f"{entry['solved_for_good_at_step']['seeds']}/{entry['seeds']}"),
    ("solved for good, at step", bounded("solved_for_good_at_step", "median", "{:,.0f}")),
    ("first solved, at step", bounded("solved_at_step", "median", "{:,.0f}")),
]
ODDS = [
    ("greedy return", bounded("greedy_return_mean", "probability", "{:.2f}", "-")),
    ("sampled return", bounded("sampled_return_mean", "probability", "{:.2f}", "-")),
    ("area", bounded("area", "probability", "{:.2f}", "-")),
    ("steps, for good", bounded("solved_for_good_at_step", "probability", "{:.2f}", "-")),
]


def cells(columns, entries):
    """entries, a list -> rows of texts, the first of them the heads; no column of empty cells."""
    columns = [(head, *map(function, entries)) for head, function in columns]
    return list(zip(*(column for column in columns if any(column[1:])), strict=True))


def text(columns, entries):
    """A table for a terminal: entries by label -> lines; a label without room has its own line."""
    rows = cells(columns, entries.values())
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.rjust, row, widths)).rstrip() for row in rows]
    margin = max(map(len, entries))
    if margin + 2 + len(lines[0]) > WIDTH:
        return [lines[0], *itertools.chain(*zip(entries, lines[1:], strict=True))]
    return [f"{label:{margin}}  {line}" for label, line in zip(["", *entries], lines, strict=True)]


def markdown(columns, entries, head=""):
    """A table for a page: entries by label -> str."""
    first, *rows = cells(columns, entries.values())
    lines = [[head, *first], *([label, *row] for label, row in zip(entries, rows, strict=True))]
    lines = [f"| {' | '.join(line)} |" for line in lines]
    lines.insert(1, "|-" * (len(first) + 1) + "|")
    return re.sub(r"(?<![\w-])-(?=\d)", "−", "\n".join(lines))


def summary_text(summary):
    """A study's statistics as text of at most 80 columns."""
    variants, comparisons, lines = summary["variants"], summary["comparisons"], []
    ended = {label: entry for label, entry in variants.items() if entry["seeds"]}
    if ended:
        lines += text(RETURNS, ended)
    if any("solved_at_step" in entry for entry in ended.values()):
        lines += ["", *text(SOLVED, ended)]
    if comparisons:
        title = f"How probable it is that a seed beats one of {comparisons[0]['than']}, by"
        lines += ["", title, *text(ODDS, {entry["better"]: entry for entry in comparisons})]
    for label, entry in variants.items():
        failed = len(entry["failed_seeds"])
        if failed:
            rest = "these numbers are without them" if entry["seeds"] else "there is nothing to say"
            lines.append(f"{label}: {failed} of {entry['seeds'] + failed} seeds failed; {rest}")
    if len(summary["worker_versions"]) > 1:
        lines.append("The workers had different versions of Python, numpy or gymnasium.")
    if len(summary["processors"]) > 1:
        lines.append("The workers had different processors, which may round differently.")
    return "\n".join(lines)
