"""The gradient's road as a map: its boxes are links, along it stand the trace's numbers."""

import re
from html import escape

from lab.pictures.diagrams import BOXES, MADE_FROM, ROWS, thread

# The chapters in which a box is made; a letter of PLACES is a chapter of the text.
PLACES = {
    (0, 0): "A", (0, 1): "DE", (0, 2): "BE", (0, 3): "E", (0, 4): "DE",
    (1, 0): "A", (1, 1): "B", (1, 2): "BH", (1, 4): "BH",
    (2, 0): "A", (2, 1): "D", (2, 2): "D", (2, 3): "C", (2, 4): "AFG",
    (3, 4): "AFG", (3, 3): "CFHI", (3, 2): "DI", (3, 1): "DI", (3, 0): "D",
}  # fmt: skip
# Along the road stand the trace's numbers, and it is PPO's: so are these two boxes.
OWN = BOXES | {
    (2, 4): ("L = −Σ min(ρÃ, clip(ρ)Ã) / N", "VPG: −Σ Ã log π / N", "a number", "Eq. 35, 36"),
    (3, 4): ("slope = −c ρ Ã / N", "VPG: −Ã / N", "N", "Eq. 37, 38"),
}


def road(chapter=""):
    """The map: whole, or slim with a chapter's boxes lit -> HTML."""
    numbers, ways = thread(), []
    for row, (_, asked, chapters) in enumerate(ROWS):
        on_it = [box for box in BOXES if box[0] == row]  # in the order in which one goes
        boxes = "".join(place(box, numbers.get(box, ()), chapter) for box in on_it)
        ways.append(
            f'<p class="way" style="--row:{2 * row + 1}"><span class="asked">{asked} '
            f"<small>{', '.join(chapters)}</small></span>{boxes}</p>"
        )
    label = f"The gradient’s road; lit: Chapter {chapter}" if chapter else "The gradient’s road"
    kind = "road slim" if chapter else "road"
    return f'<nav class="{kind} ui" aria-label="{label}">{"".join(ways)}</nav>\n'


def place(box, numbers, chapter):
    """A box, a link to its equation."""
    (formula, name, shape, equation), (row, column) = OWN[box], box
    to = re.search(r"\d+", equation)[0]
    shown = " → ".join(f'<i data-of="{of}">{text}</i>' for of, _, text in numbers)
    lit = ' aria-current="step"' if chapter and chapter in PLACES[box] else ""
    if chapter:
        title = f"{formula}: {name} ({equation})"
        return (
            f'<a href="#eq-{to}"{lit} title="{escape(title)}">'
            f"{escape(symbol(formula))}{shown and ' '}{shown}</a>"
        )
    ends = {end for end, sources in MADE_FROM.items() if box in sources}
    across = any(r == row and abs(c - column) == 1 for r, c in ends)
    up = (row - 1, column) in ends or box == (3, 0)  # its last arrow begins the road again
    kinds = "across " * across + "down " * ((row + 1, column) in ends) + "up" * up
    kinds += " across long" * ((row, column + 2) in ends and not across)
    return (
        f'<a href="#eq-{to}" data-chapters="{PLACES[box]}" class="{kinds}" '
        f'style="--column:{column + 1}"><b>{escape(formula)}</b> <span>{escape(name)}</span> '
        f"<small>{shape} · {equation}</small> <em>{shown}</em></a>"
    )


def symbol(formula):
    """What a box's formula makes: the first thing on its left side."""
    return re.split(", | = ", formula)[0]
