"""The README's figures: their list, and how one becomes a light and a dark SVG file.

A figure is drawn by a function(figure, rng, look) on an empty matplotlib Figure; its
name is the function's, and so is its file's. The first line of the function's
docstring is the file's title, for those who cannot see it; what follows describes it.
The same seed draws the same bytes on one machine.
"""

import inspect
import io
import re
import sys
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from lab.pictures import (
    ablations,
    carts,
    clipping,
    credit,
    diagrams,
    gradients,
    ladder,
    language,
    policies,
)
from lab.pictures.looks import DARK, FONT, FONT_STACK, LIGHT, drawing
from lab.runs import write_whole

WIDTH = 8.6  # inches; 826 CSS pixels, the width of a README's column
DOTS_PER_INCH = 160  # of the parts that are not line art
VARIANTS = {"": LIGHT, "-dark": DARK}  # by the ending of the file's name

FIGURES = {  # name -> function, height in inches
    function.__name__: (function, height)
    for function, height in (
        (policies.learning_curve, 3.7),
        (clipping.clip_cases, 5.2),
        (diagrams.gradient_road, 6.3),
        (diagrams.two_states, 2.795),
        (diagrams.layer_blocks, 5.7),
        (gradients.mdp_compass, 3.6),
        (gradients.gamma_t, 3.6),
        (credit.credit, 6.6),
        (policies.policy_portrait, 2.8),
        (clipping.value_clip, 4.3),
        (policies.triangle, 5),
        (clipping.one_update, 4.2),
        (gradients.gradient_check, 5.4),
        (language.group_credit, 6.4),
        (ablations.ablation, 8.6),
        (ladder.ladder, 8.8),
    )
}
ANIMATIONS = {"five_carts": carts.five_carts}  # name -> function(look) -> the bytes of a GIF


def render(draw, height, look, seed=0):
    """The bytes of the SVG file that draw(figure, rng, look) makes."""
    with drawing(WIDTH, height, look) as figure:
        draw(figure, np.random.default_rng(seed), look)
        file = io.BytesIO()
        figure.savefig(file, format="svg", dpi=DOTS_PER_INCH, metadata={"Date": None})
    title, _, description = inspect.getdoc(draw).partition("\n")
    names = f"<title>{escape(title)}</title>\n <desc>{escape(' '.join(description.split()))}</desc>"
    svg = file.getvalue().decode().replace(f"'{FONT}'", FONT_STACK)
    svg = re.sub(r"(<svg [^>]*)>", rf'\1 role="img">\n {names}', svg, count=1)
    return shorten(svg).encode()


def shorten(svg):
    """Round the paths' coordinates to a hundredth of a point: a third less to download."""

    def rounded(path):
        return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", path[0])

    return re.sub(r' d="[^"]*"', rounded, svg)


def save(folder, name, draw, height=None):
    """Draw one figure's variants into `folder`, a GIF without a height; the light one's path."""
    kind = "svg" if height else "gif"
    for ending, look in VARIANTS.items():
        data = render(draw, height, look) if height else draw(look)
        write_whole(Path(folder) / f"{name}{ending}.{kind}", data)
    return Path(folder) / f"{name}.{kind}"


def draw_all(names, folder):
    """Draw the named figures, or all, into `folder`; returns their paths.

    Raises ValueError for an unknown name, before anything is drawn.
    """
    there = [*ANIMATIONS, *FIGURES]
    unknown = [name for name in names if name not in there]
    if unknown:
        raise ValueError(f"no figure {unknown[0]!r}; there are {', '.join(there)}")
    from tqdm import tqdm

    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = []
    bar = tqdm(
        names or there,
        ncols=79,
        leave=False,
        disable=not sys.stderr.isatty(),
        bar_format="{percentage:3.0f}% {bar} {n_fmt} of {total_fmt} figures{postfix}",
    )
    for name in bar:
        bar.set_postfix_str(name)
        drawn = FIGURES.get(name) or (ANIMATIONS[name],)
        paths.append(save(folder, name, *drawn))
    return paths
