"""What a scene is drawn on: a Pillow image, smooth, without a display or OpenGL."""

import importlib.util
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SUPERSAMPLING = 4  # Pillow draws without anti-aliasing: draw larger, then shrink

# matplotlib, which draws the curves, brings a font that has π, → and −.
FONTS = Path(importlib.util.find_spec("matplotlib").origin).parent / "mpl-data/fonts/ttf"
REGULAR, BOLD = FONTS / "DejaVuSans.ttf", FONTS / "DejaVuSans-Bold.ttf"


class Canvas:
    """A Pillow image, `image`, of width × height layout units with `scale` pixels each.

    The origin is at the top left; colours are "#rrggbb".
    """

    def __init__(self, scale, width, height):
        self.scale, self.width, self.height = scale, width, height
        self.image = Image.new("RGB", (round(width * scale), round(height * scale)))

    def rectangle(self, x, y, width, height, colour, radius=0):
        left, top = round(x * self.scale), round(y * self.scale)
        right, bottom = round((x + width) * self.scale), round((y + height) * self.scale)
        if height > 0 and width > 0:
            right, bottom = max(right, left + 1), max(bottom, top + 1)
        if right <= left or bottom <= top:
            return
        if not radius:
            self.image.paste(colour, (left, top, right, bottom))
            return
        # Only the corners need a mask, which costs far more than plain filling.
        r = max(1, round(radius * self.scale))
        self.image.paste(colour, (left, top + r, right, bottom - r))
        self.image.paste(colour, (left + r, top, right - r, bottom))
        places = [(x, y) for y in (top, bottom - r) for x in (left, right - r)]
        for corner, mask in zip(places, corner_masks(r), strict=True):
            self.image.paste(colour, corner, mask)

    def polygon(self, points, colour):
        """A convex one."""
        self._smooth(points, 0, colour, lambda draw, corners: draw.polygon(corners, fill=255))

    def line(self, points, thickness, colour):
        width = round(thickness * self.scale * SUPERSAMPLING)
        self._smooth(
            points, thickness, colour, lambda draw, dots: draw.line(dots, fill=255, width=width)
        )

    def circle(self, x, y, radius, colour):
        corners = [(x - radius, y - radius), (x + radius, y + radius)]
        self._smooth(corners, 0, colour, lambda draw, box: draw.ellipse(box, fill=255))

    def text(self, x, y, string, size, colour, align="left", bold=False):
        """One line; y is its base line."""
        mask, (left, top) = text_mask(string, size * self.scale, align, bold)
        self.image.paste(colour, (round(x * self.scale) + left, round(y * self.scale) + top), mask)

    def picture(self, pixels, x, y, width, height):
        """Pixels, uint8 (rows, columns, 3), brought to that size."""
        size = round(width * self.scale), round(height * self.scale)
        frame = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=2)
        self.image.paste(frame, (round(x * self.scale), round(y * self.scale)))

    def _smooth(self, points, margin, colour, draw):
        """Draw a shape enlarged into a mask, shrink it, and paste the colour through it."""
        xs, ys = ([p[axis] * self.scale for p in points] for axis in (0, 1))
        margin = margin * self.scale + 1
        left, top = int(min(xs) - margin), int(min(ys) - margin)
        size = int(max(xs) + margin) + 1 - left, int(max(ys) + margin) + 1 - top
        mask = Image.new("L", (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING))
        corners = [
            ((x - left) * SUPERSAMPLING, (y - top) * SUPERSAMPLING)
            for x, y in zip(xs, ys, strict=True)
        ]
        draw(ImageDraw.Draw(mask), corners)
        self.image.paste(colour, (left, top), mask.reduce(SUPERSAMPLING))


@lru_cache(maxsize=64)
def corner_masks(r):
    """The quarters of a disc of radius r pixels: upper left, upper right, lower left and right."""
    size = 2 * r * SUPERSAMPLING
    disc = Image.new("L", (size, size))
    ImageDraw.Draw(disc).ellipse((0, 0, size - 1, size - 1), fill=255)
    disc = disc.reduce(SUPERSAMPLING)
    return [disc.crop((x, y, x + r, y + r)) for y in (0, r) for x in (0, r)]


@lru_cache(maxsize=8192)
def text_mask(string, size, align, bold):
    """The mask of one line of text, and where its corner lies from its anchor, in pixels."""
    font = load_font(size, bold)
    anchor = {"left": "ls", "centre": "ms", "right": "rs"}[align]
    left, top, right, bottom = font.getbbox(string, anchor=anchor)
    left, top = int(left) - 1, int(top) - 1
    mask = Image.new("L", (int(right) + 2 - left, int(bottom) + 2 - top))
    ImageDraw.Draw(mask).text((-left, -top), string, fill=255, font=font, anchor=anchor)
    return mask, (left, top)


@lru_cache(maxsize=64)
def load_font(size, bold):
    return ImageFont.truetype(str(BOLD if bold else REGULAR), size)
