"""One look for every picture: run pictures, studies, README figures, window, GIF and explorer.

Colours have meanings. `more` (blue) is more, right, likelier, pushed up; `less`
(orange) is less, left, rarer, pushed down; the truth is ink; each algorithm has a
hue of its own. Nothing is told by colour alone. The hues are distinguishable with
every kind of colour vision, and have a contrast of at least 4 to 1 against `card`.

Colours are data; what draws imports matplotlib itself.
"""

import contextlib
import io
import re
from itertools import cycle
from typing import NamedTuple


class Theme(NamedTuple):
    """Colours as "#rrggbb"."""

    card: str  # what a picture stands on
    page: str  # around cards
    ink: str  # the truth, text
    soft: str  # text of less weight
    faint: str  # grids, tracks, bands
    more: str
    less: str
    pale_more: str  # the same, in the background
    pale_less: str
    ppo: str
    vpg: str
    ppo_penalty: str
    others: tuple  # for what is none of these


LIGHT = Theme(
    card="#FFFFFF", page="#EEF1F4", ink="#1F2328", soft="#59636E", faint="#DDE3E8",
    more="#0072B2", less="#C84E00", pale_more="#BBD7E8", pale_less="#F2CDB4",
    ppo="#00795A", vpg="#8A4A9E", ppo_penalty="#8A6500",
    others=("#333F4A", "#A8325E", "#4F6D1E", "#5A5FC7", "#7A5A4A", "#007C89"),
)  # fmt: skip
DARK = Theme(
    card="#0D1117", page="#010409", ink="#F0F3F6", soft="#A4AEB9", faint="#333B44",
    more="#58B2F0", less="#F58B45", pale_more="#1D4560", pale_less="#653617",
    ppo="#3CCB9F", vpg="#CF92E6", ppo_penalty="#DDB548",
    others=("#C3CCD5", "#F07FA6", "#A3C65C", "#9AA0F5", "#C9A792", "#4FC4D1"),
)  # fmt: skip

FONT = "DejaVu Sans"  # comes with matplotlib; its widths are Verdana's
FONT_STACK = "'DejaVu Sans', Verdana, sans-serif"


def hues(algorithms, theme=LIGHT):
    """A colour for each of a list of algorithms' names; a second run of one gets another hue."""
    colours, others = [], cycle(theme.others)
    for name in algorithms:
        own = getattr(theme, name.replace("-", "_"), None)
        colours.append(own if own is not None and own not in colours else next(others))
    return colours


def rc(theme):
    """matplotlib's settings for a theme, a dict."""
    return {
        "backend": "agg",
        "figure.facecolor": theme.card,
        "savefig.facecolor": theme.card,
        "axes.facecolor": "none",
        "font.family": FONT,
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
        "axes.edgecolor": theme.soft,
        "hatch.color": theme.soft,
        "hatch.linewidth": 0.6,
        "text.color": theme.ink,
        "axes.labelcolor": theme.ink,
        "xtick.color": theme.ink,
        "ytick.color": theme.ink,
        "axes.axisbelow": True,
        "figure.constrained_layout.w_pad": 0.09,  # inches between the drawing and the edge
        "figure.constrained_layout.h_pad": 0.09,
        "svg.fonttype": "none",  # letters stay letters: they can be searched and read aloud
        "svg.hashsalt": "policygradients",  # names inside the file, otherwise random
    }


@contextlib.contextmanager
def drawing(width, height, theme=LIGHT):
    """An empty matplotlib Figure of so many inches, in which to draw and to save.

    Neither a display nor the user's matplotlibrc is involved.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **rc(theme)}):
        yield Figure(figsize=(width, height), layout="constrained")


def plain(text):
    """A text from outside, for matplotlib to draw as it stands: $ would begin a formula."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text).replace("$", r"\$")


def minus(text):
    """A text with true minus signs before its digits, where hyphens stood."""
    return re.sub(r"(?<![\w-])-(?=\d)", "−", text)


def png(figure, dots_per_inch=150):
    """A Figure as the bytes of a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dots_per_inch)
    return file.getvalue()


def falls_to_rises(theme):
    """The colour map from `less` over the card to `more`."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("falls-rises", [theme.less, theme.card, theme.more])


def steps_axis(axes, most=5):
    """Few round marks along x, with separators: 100,000."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))


def on_map(look):
    """The style of a label in the middle of a coloured map."""
    box = {"facecolor": look.card, "edgecolor": "none", "alpha": 0.85, "pad": 2}
    return {"fontsize": 9.5, "ha": "center", "va": "center", "bbox": box}
