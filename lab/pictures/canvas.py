"""What all pictures share: their colours, their look, the list of their names, the saving.

A picture is a function(figure, rng) that draws on an empty matplotlib Figure:

    @picture(width=8.6, height=4)
    def my_picture(figure, rng): ...

Its name in the list, and of its file, is the function's. The same seed draws
the same bytes on one machine. Every picture stands on an opaque light card, so
that it reads alike on a light and on a dark page.
"""

import io
import re
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from lab.runs import write_whole
from lab.runs.curves import BLUE, GREEN, GREY, ORANGE, PURPLE

__all__ = ["BLUE", "GREEN", "GREY", "ORANGE", "PURPLE"]  # Okabe & Ito's, from lab/runs/curves.py
AMBER = "#E69F00"  # theirs too
CARD, INK, SOFT, FAINT = "#FAFAF7", "#1F2328", "#555555", "#D5D5D0"
WIDTH = 8.6  # inches; 826 CSS pixels, the width of a README's column
DOTS_PER_INCH = 160  # of the parts that are not line art

# Falls: orange. Nothing: the card's own light grey. Rises: blue.
FALL_RISE = LinearSegmentedColormap.from_list("fall-rise", [ORANGE, "#F3F3EF", BLUE])

LOOK = {
    "figure.facecolor": CARD,
    "savefig.facecolor": CARD,
    "axes.facecolor": "none",
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#6E6E6A",
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.axisbelow": True,
    "figure.constrained_layout.w_pad": 0.09,  # inches between the drawing and the card's edge
    "figure.constrained_layout.h_pad": 0.09,
    "svg.fonttype": "path",  # letters as shapes: the reader's fonts don't matter
    "svg.hashsalt": "policygradients",  # names inside the file, otherwise random
}

# A label in the middle of a coloured map.
ON_MAP = {
    "fontsize": 9.5,
    "ha": "center",
    "va": "center",
    "bbox": {"facecolor": CARD, "edgecolor": "none", "alpha": 0.85, "pad": 2},
}


class Picture(NamedTuple):
    draw: object  # function(figure, rng)
    size: tuple  # inches


PICTURES = {}


def picture(height, width=WIDTH):
    """A decorator: puts the function into the list of pictures under its own name."""

    def register(function):
        PICTURES[function.__name__] = Picture(function, (width, height))
        return function

    return register


def render(name, seed=0):
    """The bytes of one listed picture's SVG file."""
    return rendered(*PICTURES[name], seed)


def rendered(draw, size, seed=0):
    """The bytes of the SVG file that draw(figure, rng) makes; size in inches."""
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **LOOK, "backend": "agg"}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure, np.random.default_rng(seed))
        file = io.BytesIO()
        figure.savefig(file, format="svg", dpi=DOTS_PER_INCH, metadata={"Date": None})
    return shorten(file.getvalue().decode()).encode()


def shorten(svg):
    """Round the paths' coordinates to a hundredth of a point: a third less to download."""

    def rounded(path):
        return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", path[0])

    return re.sub(r' d="[^"]*"', rounded, svg)


def save(name, folder):
    """Draw one picture into `folder`; returns its path."""
    path = folder / f"{name}.svg"
    write_whole(path, render(name))
    return path
