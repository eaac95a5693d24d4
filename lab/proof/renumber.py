"""Numbers the equations in the order in which README.md has them: `python -m lab.proof.renumber`.

Put a new equation where it belongs, with any number that is free, and run this. Every
mention changes with it: README and docs, the lesson's comments, checks, faults, hints
and blanks, tests, the page.
"""

import re
import subprocess

from lab.kit import PROJECT

TAG = re.compile(r"\\qquad\\text\{\((\d+)\)\}")
LIST = r"\d+(?:(?:\s?[-–]\s?|,\s+|\s+to\s+|\s+and\s+|\s+or\s+)\d+\b(?!\.\d))*"
# A mention in words; another work's has the work's year before it and stays.
MENTION = re.compile(rf"(\(\d{{4}}\),\s+)?(\bEq\.\s+)({LIST})")
# Where else numbers of equations stand, and in which files.
ELSEWHERE = [
    ("", r"(\beq-|data-eq=[\"'])(\d+)"),
    ("", r"(\\qquad\\text\{\()(\d+)"),
    ("", r"((?:run\.py |`)(?:check|hint|grade) )(\d+(?: \d+)*)"),
    (".js", r"(?m)(^  \[\"\w+\", )(\d+)"),
    ("", r"(@check\()(\d+)"),
    (".py", r"(Blank\((?:\"\w\"|PAGE|LADDER), )(\d+)"),
    (".py", r"((?:report|run_check)\(\[?|grade\(\w+, \[|\bequation(?:\": | == ))(\d+(?:, \d+)*)"),
    (".py", r"(\"(?:grade|hint|check)\", (?:str\(\w+\), )?\")(\d+)"),
    ("hints.py", r"(?m)(^    )(\d+)(?=: \()"),
    ("test_checks.py", r"(?m)(^    \(|^        )(\d+)(?=, \"|,$)"),
    ("test_checks.py", r"(?m)(\"|FAIL: )(\d+)(?=\": \"|\"$)"),
    ("test_readme.py", r"(?m)(^        \()(\d+)(?=, \()"),
    ("test_trace.py", r"(\()(\d+)(?=, (?:nn|ppo|vpg|distributions|training)\b)"),
    ("test_trace.py", r"(\"\w+\", )(\d+)(?=[\])])"),
    ("test_trace.py", r"(\{)(\d+(?:, \d+)+)(?=\})"),
]
# Generated, and the test of this.
LEFT_ALONE = "docs/index.html", "docs/explorer-data.js", "figures/", "tests/test_renumber.py"
EXAMPLES = "test_readme.py"  # its citations are examples


def new_numbers(readme):
    """README's text -> {number of an equation: the one that its place gives it}."""
    return {int(old): new for new, old in enumerate(TAG.findall(readme), 1)}


def renumbered(text, numbers, name=""):
    """The text of a file of that name, with every mention of an equation renumbered."""

    def mapped(match):
        return str(numbers.get(int(match[0]), match[0]))

    def in_words(match):
        year, word, numbered = match.groups()
        return (
            match[0]
            if year
            else word + re.sub(r"(\d+)(?:\s?[-–]\s?|\s+to\s+)(\d+)|\d+", one, numbered)
        )

    def one(match):
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
        texts = (
            f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs
        )
        return ", ".join(texts)

    if not name.endswith(EXAMPLES):
        text = MENTION.sub(in_words, text)
    for ending, pattern in ELSEWHERE:
        if name.endswith(ending):
            text = re.sub(pattern, lambda m: m[1] + re.sub(r"\d+", mapped, m[2]), text)
    return text


def main():
    """Renumber every tracked text file that a hand wrote."""
    numbers = new_numbers((PROJECT / "README.md").read_text(encoding="utf-8"))
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=True)
    for name in listed.stdout.decode().split("\0"):
        if not name.endswith((".md", ".py", ".txt", ".html", ".js")) or name.startswith(LEFT_ALONE):
            continue
        before = (PROJECT / name).read_text(encoding="utf-8")
        after = renumbered(before, numbers, name)
        if after != before:
            (PROJECT / name).write_text(after, encoding="utf-8", newline="\n")
            print(name)


if __name__ == "__main__":
    main()
