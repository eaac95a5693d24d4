"""Recordings without a screen: one episode as a .gif or .mp4, drawn by Pillow.

What is drawn stands in lab/watch/scene.py; here is the canvas it is drawn on, and
the two file formats. Neither a display nor OpenGL is involved.
"""

import io
import subprocess
import tempfile
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont
from tqdm import tqdm

from lab.runs import write_whole
from lab.watch import scene

GIF_SCALE, MP4_SCALE = 0.9, 1.6  # pixels per layout unit: 720 × 405 and 1280 × 720
GIF_FPS = 25  # at most; viewers play no more than 50, and half of that halves the file
HOLD_SECONDS = 1.5  # the last frame stays, so that one can read how the episode ended
TRANSPARENT = 255  # the one index of a GIF's palette that is no colour
SUPERSAMPLING = 4  # Pillow draws without anti-aliasing: draw larger, then shrink


class PillowCanvas:
    """lab/watch/scene.py's canvas on a Pillow image of `scale` pixels per layout unit."""

    def __init__(self, scale, width=scene.WIDTH, height=scene.HEIGHT):
        self.scale, self.width, self.height = scale, width, height
        self.image = Image.new("RGB", (round(width * scale), round(height * scale)))
        self.draw = ImageDraw.Draw(self.image)

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
        mask, (left, top) = text_mask(string, size * self.scale, align, bold)
        self.image.paste(colour, (round(x * self.scale) + left, round(y * self.scale) + top), mask)

    def picture(self, pixels, x, y, width, height):
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
    return ImageFont.truetype(str(scene.BOLD if bold else scene.REGULAR), size)


# ------------------------------------------------------------------- recording


def record(session, path, max_steps=1_000):
    """Play a Session's episode to its end and write it to `path`, a .gif or .mp4, at true speed.

    max_steps  where an episode without end is cut off

    Raises ValueError for another ending of `path`, ImportError (gymnasium's
    DependencyNotInstalled among them) in one line when a package is missing,
    OSError when the file cannot be written.
    """
    kinds = {".gif": gif, ".mp4": mp4}
    kind = Path(path).suffix.lower()
    if kind not in kinds:
        raise ValueError(f"{path} must end in {' or '.join(kinds)}")
    write_whole(path, kinds[kind](session, max_steps))


def frames(session, canvas, stride, max_steps):
    """Play the session's episode; yields after painting its first, every stride-th, last state."""
    scene.paint(canvas, session)
    yield
    longest = min(max_steps, getattr(session.env.spec, "max_episode_steps", None) or max_steps)
    # disable=None: no bar unless stderr is a terminal
    with tqdm(total=longest, desc="recording", ncols=79, leave=False, disable=None) as bar:
        while not session.ended and session.steps < max_steps:
            session.step()
            bar.update()
            if session.ended or session.steps == max_steps or session.steps % stride == 0:
                scene.paint(canvas, session)
                yield


def gif(session, max_steps):
    """The episode as the bytes of a GIF."""
    stride = max(1, round(session.fps / GIF_FPS))
    canvas, moments = PillowCanvas(GIF_SCALE), []

    def images():
        for _ in frames(session, canvas, stride, max_steps):
            moments.append(session.steps / session.fps)
            yield canvas.image
        moments.append(moments[-1] + HOLD_SECONDS)

    return animation(images(), moments)


def animation(images, moments, inks=scene.COLOURS, grounds=(scene.CARD, scene.PAGE, scene.FAINT)):
    """Pillow images -> the bytes of a GIF.

    moments  a list: when each image appears, in seconds, and a last one: when it is over;
             it is read after the images
    inks     "#rrggbb", the colours of what is drawn, and `grounds` those on which it is
    """
    parts, palette, before = [], None, None
    for image in images:
        palette = palette or make_palette(image, inks, grounds)
        pixels = np.asarray(image.quantize(palette=palette, dither=Image.Dither.NONE))
        # Unchanged pixels become transparent: long runs of one value, which compress well.
        changed = pixels.copy()
        if before is not None:
            changed[pixels == before] = TRANSPARENT
        parts.append(Image.fromarray(changed))
        parts[-1].putpalette(palette.palette)
        before = pixels
    # A GIF counts in hundredths of a second: round the moments, so that no error adds up.
    durations = [
        10 * (after - before) for before, after in pairwise(round(100 * t) for t in moments)
    ]
    data = io.BytesIO()
    parts[0].save(
        data, "GIF", save_all=True, append_images=parts[1:], duration=durations, loop=0,
        transparency=TRANSPARENT, disposal=1, optimize=False,
    )  # fmt: skip
    return data.getvalue()


def make_palette(image, inks, grounds):
    """A palette (a "P" image) of these colours, their blends, and what `image` has more."""
    inks, grounds = ([ImageColor.getrgb(hue) for hue in hues] for hues in (inks, grounds))
    blends = {
        tuple(round(g + (i - g) * part / 4) for i, g in zip(ink, ground, strict=True))
        for ink in inks
        for ground in grounds
        for part in (1, 2, 3)
    }
    flat = image.quantize(TRANSPARENT).getpalette()
    found = [tuple(flat[k : k + 3]) for k in range(0, len(flat), 3)]
    # Pillow finds the nearest colour on a coarse grid: near neighbours would be confused.
    colours = np.empty((0, 3), int)
    for colour in [*inks, *sorted(blends), *found]:
        if len(colours) < TRANSPARENT and (np.abs(colours - colour).max(axis=1) > 9).all():
            colours = np.vstack([colours, colour])
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours.ravel().tolist())
    return palette


def mp4(session, max_steps):
    """The episode as the bytes of an MP4, every step a frame. Needs the package imageio-ffmpeg."""
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError:
        raise ImportError(
            "an .mp4 needs imageio-ffmpeg: pip install -r requirements/mp4.txt"
        ) from None
    canvas = PillowCanvas(MP4_SCALE)
    size = f"{canvas.image.width}x{canvas.image.height}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "episode.mp4"
        command = [
            get_ffmpeg_exe(), "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24",
            "-s", size, "-r", str(session.fps), "-i", "-",
            "-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "fast", "-crf", "20",
            "-movflags", "+faststart", str(path),
        ]  # fmt: skip
        with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
            for _ in frames(session, canvas, 1, max_steps):
                encoder.stdin.write(canvas.image.tobytes())
            for _ in range(round(HOLD_SECONDS * session.fps)):
                encoder.stdin.write(canvas.image.tobytes())
            encoder.stdin.close()
        if encoder.returncode != 0:
            raise OSError(encoder.returncode, "ffmpeg failed")
        return path.read_bytes()
