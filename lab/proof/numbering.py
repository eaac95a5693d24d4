"""An equation's key and its number, `gae` and Eq. 13; what a text cites.

Code, tests and tools name an equation by its key, which is given once, beside its check
(lab/proof/equations/). The number is for people: docs/guide.md says which one a key has, in
its section "Equations by name".
"""

import difflib
import re
from functools import cache

from lab.kit import PROJECT

GUIDE = PROJECT / "docs" / "guide.md"
SECTION = "\n## Equations by name\n"
TAG = re.compile(r"\s*\\qquad\s*\\text\{\((\d+)\)\}")  # beside a formula
NUMBERS = r"\d+(?:(?:\s?[-–]\s?|,\s+|\s+to\s+|\s+and\s+|\s+or\s+)\d+\b(?!\.\d))*"
# Eq. 37 · Eq. 12, 13 · Eq. 23 and 26 · Eq. 2–9, 46–48; another work's has its year right before it.
CITATION = re.compile(rf"(\(\d{{4}}\),\s+)?\bEq\.\s+({NUMBERS})")
NAMED = re.compile(r"\bEq\. (\d+) `([a-z-]+)`")


@cache
def numbers():
    """The equations in the order of their numbers: {key: number}."""
    section = GUIDE.read_text(encoding="utf-8").split(SECTION)[1].split("\n## ")[0]
    return {
        key: number for number, key in sorted((int(n), key) for n, key in NAMED.findall(section))
    }


def number_of(equation):
    """The number of an equation: its key, or a number, which may be a text -> int.

    Raises ValueError, in one line, for what the guide does not name.
    """
    known, text = numbers(), str(equation)
    if text in known:
        return known[text]
    if text.lstrip("-").isdecimal():
        if len(text) < 10 and int(text) in known.values():
            return int(text)
        raise ValueError(f"no equation {text[:20]}; there are 1 to {max(known.values())}")
    near = difflib.get_close_matches(text.lower(), known, n=1)
    hint = f"did you mean {near[0]}?" if near else "docs/guide.md names them all"
    raise ValueError(f"no equation {text[:40]!r}; {hint}")


def key_of(equation):
    """The key of an equation, of its key or its number; raises ValueError as number_of."""
    number = number_of(equation)
    return next(key for key, own in numbers().items() if own == number)


def cited(text):
    """The numbers of our equations that a text cites: a set."""
    numbers = set()
    for other_work, listed in CITATION.findall(text):
        if not other_work:
            for first, last in re.findall(r"(\d+)(?:(?:\s?[-–]\s?|\s+to\s+)(\d+))?", listed):
                numbers.update(range(int(first), int(last or first) + 1))
    return numbers
