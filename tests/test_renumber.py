"""Equations get the numbers of their places, everywhere at once."""

from pathlib import Path

import pytest

from lab.proof.renumber import new_numbers, renumbered

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SWAPPED = {1: 2, 2: 3, 3: 1, 39: 41}


def test_places_give_numbers():
    text = r"a \qquad\text{(7)} b \qquad\text{(2)} c \qquad\text{(5)}"
    assert new_numbers(text) == {7: 1, 2: 2, 5: 3}
    assert all(old == new for old, new in new_numbers(README).items())


@pytest.mark.parametrize(
    "name, before, after",
    [
        ("a.md", "Eq. 1, 3 and 39, Eq. 39: x", "Eq. 2, 1 and 41, Eq. 41: x"),
        ("a.md", "Eq. 1–3 and Eq. 2–3, 7", "Eq. 1–3 and Eq. 1, 3, 7"),
        ("a.md", "Eq. 1 to 3", "Eq. 1–3"),
        ("a.md", "Eq. 37–40, 39 and 2", "Eq. 37, 38, 40, 41, 41 and 3"),
        ("a.md", "Baird (1993), Eq. 1; 39 times", "Baird (1993), Eq. 1; 39 times"),
        ("a.md", '<a id="eq-39"></a> [Eq. 39](#eq-39)', '<a id="eq-41"></a> [Eq. 41](#eq-41)'),
        ("a.md", r"x \qquad\text{(39)} \text{(39)}", r"x \qquad\text{(41)} \text{(39)}"),
        ("a.md", "`python run.py check 39 2`, `hint 1`", "`python run.py check 41 3`, `hint 2`"),
        ("a.js", '  ["clip", 39, "x"], 39', '  ["clip", 41, "x"], 39'),
        ("a.py", '@check(39, "t")\nrange(39)', '@check(41, "t")\nrange(39)'),
        ("a.py", 'Blank("F", 39, "ppo"), Blank(PAGE, 1)', 'Blank("F", 41, "ppo"), Blank(PAGE, 2)'),
        ("hints.py", "    39: (\n        39,", "    41: (\n        39,"),
        ("test_checks.py", '    (39, "ppo.f"),\n        1,\n', '    (41, "ppo.f"),\n        2,\n'),
    ],
)  # fmt: skip
def test_mentions_follow(name, before, after):
    assert renumbered(before, SWAPPED, name) == after
