"""How a figure becomes a light and a dark file.

A figure is drawn by a function(figure, rng, look) on an empty matplotlib Figure; its
name is the function's, and so is its file's. The first line of the function's
docstring is the file's title, for those who cannot see it; what follows describes it.
The same seed draws the same bytes on one machine.
"""

import inspect
import io
import re
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from lab.kit.files import write_whole
from lab.kit.looks import DARK, FONT, FONT_STACK, LIGHT, drawing

WIDTH = 8.6  # inches; 826 CSS pixels, the width of a README's column
DOTS_PER_INCH = 160  # of the parts that are not line art
VARIANTS = {"": LIGHT, "-dark": DARK}  # by the ending of the file's name


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


def still(gif):
    """A GIF's last picture as the bytes of a PNG, for those who ask for no motion."""
    from PIL import Image

    file = io.BytesIO()
    with Image.open(io.BytesIO(gif)) as images:
        images.seek(images.n_frames - 1)
        images.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(
            file, "PNG", optimize=True
        )
    return file.getvalue()


def save(folder, name, draw, height=None):
    """Draw one figure's variants into `folder`, a GIF and its last picture without a height.

    Returns the light one's path.
    """
    kind = "svg" if height else "gif"
    for ending, look in VARIANTS.items():
        data = render(draw, height, look) if height else draw(look)
        write_whole(Path(folder) / f"{name}{ending}.{kind}", data)
        if not height:
            write_whole(Path(folder) / f"{name}{ending}.png", still(data))
    return Path(folder) / f"{name}.{kind}"
