"""Recordings: one episode as a .gif or .mp4.

What is drawn stands in lab/watch/scene.py; here are the two file formats. Neither a
display nor OpenGL is involved.
"""

import contextlib
import io
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor
from tqdm import tqdm

from lab.kit import write_whole
from lab.watch import scene
from lab.watch.canvas import Canvas

GIF_SCALE, MP4_SCALE = 0.9, 1.6  # pixels per layout unit: 720 × 405 and 1280 × 720
GIF_FPS = 25  # at most; viewers play no more than 50, and half of that halves the file
HOLD_SECONDS = 1.5  # the last frame stays, so that one can read how the episode ended
TRANSPARENT = 255  # the one index of a GIF's palette that is no colour


def record(session, path, max_steps=1_000, write=write_whole):
    """Play a Session's episode to its end and write it to `path`, a .gif or .mp4, at true speed.

    max_steps  where an episode without end is cut off
    write      write(path, bytes): how a file is written

    Returns what there is now, for people: the path, and how much of an episode that was cut off.
    Raises ValueError for another ending of `path`, ImportError (gymnasium's
    DependencyNotInstalled among them) in one line when a package is missing,
    OSError when the file cannot be written.
    """
    kind = Path(path).suffix.lower()
    if kind not in KINDS:
        raise ValueError(f"{path} must end in {' or '.join(KINDS)}")
    write(path, KINDS[kind](session, max_steps))
    return str(path) if session.ended else f"{path}: its first {session.steps:,} steps"


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
    canvas, starts = Canvas(GIF_SCALE, scene.WIDTH, scene.HEIGHT), []

    def images():
        for _ in frames(session, canvas, stride, max_steps):
            starts.append(session.steps / session.fps)
            yield canvas.image
        starts.append(starts[-1] + HOLD_SECONDS)

    return animation(images(), starts)


def animation(images, starts, inks=scene.COLOURS, grounds=(scene.CARD, scene.PAGE, scene.FAINT)):
    """Pillow images -> the bytes of a GIF.

    starts  a list: when each image appears, in seconds, and a last one: when it is over;
            it is read after the images
    inks    "#rrggbb", the colours of what is drawn, and `grounds` those on which it is
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
    # A GIF counts in hundredths of a second: round the starts, so that no error adds up.
    hundredths = [round(100 * start) for start in starts]
    durations = [10 * (end - start) for start, end in pairwise(hundredths)]
    settings = {"duration": durations, "loop": 0, "transparency": TRANSPARENT, "disposal": 1}
    data = io.BytesIO()
    parts[0].save(data, "GIF", save_all=True, append_images=parts[1:], optimize=False, **settings)
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
    others = [tuple(flat[k : k + 3]) for k in range(0, len(flat), 3)]
    # Pillow finds the nearest colour on a coarse grid: near neighbours would be confused.
    colours = np.empty((0, 3), int)
    for colour in [*inks, *sorted(blends), *others]:
        if len(colours) < TRANSPARENT and (np.abs(colours - colour).max(axis=1) > 9).all():
            colours = np.vstack([colours, colour])
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours.ravel().tolist())
    return palette


def mp4(session, max_steps):
    """The episode as the bytes of an MP4, every step a frame. Needs the package imageio-ffmpeg."""
    try:
        from imageio_ffmpeg import write_frames
    except ImportError:
        raise ImportError(
            "an .mp4 needs imageio-ffmpeg: pip install -r requirements/mp4.txt"
        ) from None
    canvas = Canvas(MP4_SCALE, scene.WIDTH, scene.HEIGHT)
    options = ["-preset", "fast", "-crf", "20", "-movflags", "+faststart"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "episode.mp4"
        writer = write_frames(
            path, canvas.image.size, fps=session.fps, quality=None, output_params=options
        )
        with contextlib.closing(writer):
            writer.send(None)  # begin
            for _ in frames(session, canvas, 1, max_steps):
                writer.send(canvas.image.tobytes())
            for _ in range(round(HOLD_SECONDS * session.fps)):
                writer.send(canvas.image.tobytes())
        return path.read_bytes()


KINDS = {".gif": gif, ".mp4": mp4}
