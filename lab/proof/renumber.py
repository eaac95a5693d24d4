"""Numbers the equations in the order in which the text has them: `python -m lab.proof.renumber`.

Put a new equation where it belongs, with any number that is free, and run this. Every mention
in text and comments changes with it. Code needs none: it names equations by their keys.
"""

import re
import subprocess

from lab.kit import PROJECT
from lab.proof.numbering import CITATION, TAG
from lab.proof.text import PAGES, page

# Anchors and links, tags, commands.
ELSEWHERE = re.compile(
    r"(\beq-|data-eq=[\"']|\\qquad\\text\{\(|(?:run\.py |`)(?:check|hint|grade) )(\d+(?: \d+)*)"
)
# Generated, and tests whose citations are examples.
LEFT_ALONE = (
    *("docs/index.html", "docs/explorer-data.js", "figures/"),
    *("tests/test_readme.py", "tests/test_renumber.py"),
)


def new_numbers(text):
    """All pages' text -> {number of an equation: the one that its place gives it}."""
    return {int(old): new for new, old in enumerate(TAG.findall(text), 1)}


def renumbered(text, numbers):
    """The text with every mention of an equation renumbered."""

    def mapped(match):
        return str(numbers.get(int(match[0]), match[0]))

    def single_or_range(match):
        return span(int(match[1]), int(match[2])) if match[2] else mapped(match)

    def span(first, last):
        """A range, as one range or as the few into which it falls."""
        places = sorted(numbers.get(n, n) for n in range(first, last + 1))
        runs = []
        for place in places:
            if runs and place == runs[-1][-1] + 1:
                runs[-1].append(place)
            else:
                runs.append([place])
        return ", ".join(
            f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs
        )

    def in_words(match):
        year, listed = match.groups()
        before = match[0].removesuffix(listed)
        number = r"(\d+)(?:\s?[-–]\s?|\s+to\s+)(\d+)|\d+"
        return match[0] if year else before + re.sub(number, single_or_range, listed)

    text = CITATION.sub(in_words, text)
    return ELSEWHERE.sub(lambda match: match[1] + re.sub(r"\d+", mapped, match[2]), text)


def changed():
    """Every tracked text file that a hand wrote and that says another number: (path, new text)."""
    numbers = new_numbers("".join(map(page, PAGES)))
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=True)
    for name in listed.stdout.decode().split("\0"):
        if not name.endswith((".md", ".py", ".txt", ".html", ".js")) or name.startswith(LEFT_ALONE):
            continue
        before = (PROJECT / name).read_text(encoding="utf-8")
        after = renumbered(before, numbers)
        if after != before:
            yield PROJECT / name, after


if __name__ == "__main__":
    for path, text in changed():
        path.write_text(text, encoding="utf-8", newline="\n")
        print(path.relative_to(PROJECT))
