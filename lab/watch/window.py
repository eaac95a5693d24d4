"""The window: watch a policy at work, push its cart, see what it thinks.

What is drawn stands in lab/watch/scene.py; here is a canvas of pyglet shapes for it,
and the window with its clock and keys. pyglet is asked for a display only when
`play` opens the window; whatever keeps it from doing so becomes NoWindow.
"""

import contextlib
import io
import signal
from pathlib import Path

from PIL import Image, ImageColor

from lab.runs import write_whole
from lab.watch import scene

try:
    import pyglet
except ImportError:  # an optional package; `play` says so
    pyglet = None

WIDTH, HEIGHT = 1120, 630  # of the window at first, before the display's own scaling
DRAWS_PER_SECOND = 50  # CartPole's own rate
HOLD_SECONDS = 1.5  # between an episode's end and the next one
NOTE_SECONDS = 3
SLOWEST, FASTEST = 1 / 8, 16
EIGHT_BITS = {"red_size": 8, "green_size": 8, "blue_size": 8}  # or colours come out roughly


class NoWindow(Exception):
    """No window can be opened here; the message says why, in one line."""


class PygletCanvas:
    """lab/watch/scene.py's canvas of pyglet shapes and labels.

    Every call of a frame has a slot, in the order of the calls. A slot keeps its
    shape from frame to frame; one that is drawn as before costs nothing, and one
    that changed is changed in place where that is quicker than a new shape.
    """

    def __init__(self):
        self.batch = pyglet.graphics.Batch()
        self.groups, self.slots = [], []  # a slot: ((kind, layer), arguments, shape)
        for path in (scene.REGULAR, scene.BOLD):
            pyglet.font.add_file(str(path))

    def begin(self, width, height):
        """Start a frame of width × height pixels."""
        self.scale = min(width / scene.WIDTH, height / scene.HEIGHT)
        self.width, self.height = width / self.scale, height / self.scale
        self.pixel_height = height
        self.next, self.layer, self.last_kind = 0, 0, ""

    def end(self):
        """Draw the frame into the current OpenGL context."""
        for _, _, shape in self.slots[self.next :]:
            shape.delete()
        del self.slots[self.next :]
        self.batch.draw()

    def rectangle(self, x, y, width, height, colour, radius=0):
        left, right = round(x * self.scale), round((x + width) * self.scale)
        top, bottom = round(y * self.scale), round((y + height) * self.scale)
        if width > 0 and height > 0:  # a thin one may not vanish between two pixels
            right, bottom = max(right, left + 1), max(bottom, top + 1)
        box = left, self.pixel_height - bottom, right - left, bottom - top
        if radius:
            radius = min(radius * self.scale, box[2] / 2, box[3] / 2)
            self._put("rounded", (*box, radius, 12, rgba(colour)), pyglet.shapes.RoundedRectangle)
        else:
            self._put("rectangle", (*box, rgba(colour)), pyglet.shapes.Rectangle, move_rectangle)

    def polygon(self, points, colour):
        corners = tuple(self._pixel(*point) for point in points)
        self._put("polygon", (corners, rgba(colour)), make_polygon)

    def line(self, points, thickness, colour):
        corners = tuple(self._pixel(*point) for point in points)
        self._put("line", (corners, thickness * self.scale, rgba(colour)), make_line)

    def circle(self, x, y, radius, colour):
        place = self._pixel(x, y)
        self._put("circle", (*place, radius * self.scale, rgba(colour)), make_circle, move_circle)

    def text(self, x, y, string, size, colour, align="left", bold=False):
        x, y = (round(pixel) for pixel in self._pixel(x, y))
        arguments = string, x, y, size * self.scale, rgba(colour), align, bold
        self._put("text", arguments, make_label, change_label)

    def picture(self, pixels, x, y, width, height):
        left, bottom = self._pixel(x, y + height)
        # The pixels are compared by identity: a new frame is a new array.
        arguments = pixels, left, bottom, width * self.scale, height * self.scale
        self._put("picture", arguments, make_sprite)

    def _pixel(self, x, y):
        """Layout units, y downwards -> pixels, y upwards."""
        return x * self.scale, self.pixel_height - y * self.scale

    def _put(self, kind, arguments, make, change=None):
        """Fill the next slot with what make(*arguments, batch=…, group=…) makes."""
        index, self.next = self.next, self.next + 1
        if index == len(self.groups):
            self.groups.append(pyglet.graphics.Group(order=index))
        # Later calls lie on top. A run of texts is drawn at once, for they don't overlap.
        if not (kind == "text" and self.last_kind == "text"):
            self.layer = index
        self.last_kind = kind
        key = kind, self.layer
        if index < len(self.slots):
            old_key, old_arguments, shape = self.slots[index]
            if key == old_key:
                if same(arguments, old_arguments):
                    return
                if change is not None and change(shape, old_arguments, *arguments):
                    self.slots[index] = key, arguments, shape
                    return
            shape.delete()
        shape = make(*arguments, batch=self.batch, group=self.groups[self.layer])
        self.slots[index : index + 1] = [(key, arguments, shape)]


def same(new, old):
    """Whether two argument tuples are equal; big things, such as arrays, by identity."""
    return all(a is b or (not hasattr(a, "shape") and a == b) for a, b in zip(new, old))  # noqa: B905


def rgba(colour):
    return (*ImageColor.getrgb(colour), 255)


def move_rectangle(shape, old, x, y, width, height, colour):
    shape.position, shape.color = (x, y), colour
    shape.width, shape.height = width, height
    return True


def make_polygon(corners, colour, **options):
    return pyglet.shapes.Polygon(*corners, color=colour, **options)


def make_line(corners, thickness, colour, **options):
    return pyglet.shapes.MultiLine(*corners, thickness=thickness, color=colour, **options)


def make_circle(x, y, radius, colour, **options):
    return pyglet.shapes.Circle(x, y, radius, segments=32, color=colour, **options)


def move_circle(shape, old, x, y, radius, colour):
    shape.position, shape.radius, shape.color = (x, y), radius, colour
    return True


def make_label(string, x, y, size, colour, align, bold, **options):
    return pyglet.text.Label(
        string, x, y, font_name=scene.FONT_NAME, font_size=size * 72 / 96, dpi=96, color=colour,
        weight="bold" if bold else "normal", anchor_x="center" if align == "centre" else align,
        anchor_y="baseline", **options,
    )  # fmt: skip


def change_label(label, old, string, x, y, size, colour, align, bold):
    if old[3:] != (size, colour, align, bold):
        return False
    if old[0] != string:
        label.text = string
    if old[1:3] != (x, y):
        label.position = x, y, 0
    return True


def make_sprite(pixels, x, y, width, height, **options):
    rows, columns = pixels.shape[:2]
    data = pyglet.image.ImageData(columns, rows, "RGB", pixels.tobytes(), -3 * columns)
    sprite = pyglet.sprite.Sprite(data, x, y, **options)
    sprite.scale_x, sprite.scale_y = width / columns, height / rows
    return sprite


# ------------------------------------------------------------------ the window


class Player:
    """A window that plays a Session until it is closed.

    session  lab.watch.session.Session
    folder   where screenshots go

    Raises NoWindow when none can be opened.
    """

    def __init__(self, session, folder=".", width=WIDTH, height=HEIGHT):
        self.session, self.folder = session, Path(folder)
        self.paused = self.show_help = self.done = False
        self.speed, self.due, self.hold, self.note, self.note_age = 1.0, 0.0, 0.0, "", 0.0
        self.window = open_window(width, height, f"{session.env_id} {session.title}".strip())
        self.canvas = PygletCanvas()
        self.window.push_handlers(self.on_draw, self.on_key_press, self.on_text, self.on_close)
        key = pyglet.window.key
        self.keys = {
            key.SPACE: self.toggle_pause,
            key.PERIOD: self.single_step,
            key.LEFT: lambda: session.push(-1),
            key.RIGHT: lambda: session.push(1),
            key.G: session.toggle_greedy,
            key.R: self.new_episode,
            key.S: self.screenshot,
            key.H: self.toggle_help,
            key.ESCAPE: self.close,
        }
        # Characters, not keys: where + is a shifted key, pyglet's X11 part may think that it is
        # held down still and keep the next one back.
        self.characters = {"+": self.faster, "=": self.faster, "-": self.slower}

    def run(self):
        """Play until the window is closed or Ctrl-C is pressed."""
        # Ctrl-C may come in the middle of a drawing: the next tick closes.
        before = signal.signal(signal.SIGINT, lambda signum, frame: setattr(self, "done", True))
        pyglet.clock.schedule_interval(self.tick, 1 / DRAWS_PER_SECOND)
        try:
            pyglet.app.run(interval=None)  # `tick` draws
        finally:
            pyglet.clock.unschedule(self.tick)
            signal.signal(signal.SIGINT, before)
            self.close()

    def tick(self, seconds):
        """Let the time go on by that many seconds, and draw."""
        if self.done:
            self.close()
            return
        self.advance(min(seconds, 0.25))  # after a standstill, don't rush to catch up
        self.window.draw(seconds)

    def advance(self, seconds):
        """Carry out the steps that are due after that many more seconds."""
        session = self.session
        self.note_age += seconds
        if self.paused:
            return
        if session.ended:
            self.hold += seconds
            if self.hold < HOLD_SECONDS:
                return
            self.new_episode()
        self.due += seconds * session.fps * self.speed
        while self.due >= 1 and not session.ended:
            session.step()
            self.due -= 1

    def on_draw(self):
        window, badges = self.window, ["H: keys"]
        if self.speed != 1:
            badges.append(f"× {self.speed:g}" if self.speed > 1 else f"× 1/{1 / self.speed:g}")
        if self.paused:
            badges.append("paused")
        if self.note and self.note_age < NOTE_SECONDS:
            badges.append(self.note)
        window.clear()
        self.canvas.begin(*window.get_size())
        scene.paint(self.canvas, self.session, badges, self.show_help)
        self.canvas.end()

    def on_key_press(self, symbol, modifiers):
        self.keys.get(symbol, lambda: None)()
        return True  # pyglet's own Esc would leave some things open

    def on_text(self, text):
        self.characters.get(text, lambda: None)()

    def on_close(self):
        self.close()
        return True

    def close(self):
        """Close the window; `run` returns. Closing twice does no harm."""
        self.done = True
        if self.window.context is not None:
            self.window.close()
        pyglet.app.exit()

    def toggle_pause(self):
        self.paused = not self.paused

    def toggle_help(self):
        self.show_help = not self.show_help

    def single_step(self):
        self.paused, self.hold, self.due = True, 0.0, 0.0
        self.session.step()

    def new_episode(self):
        self.hold = self.due = 0.0
        self.session.reset()

    def faster(self):
        self.speed = min(self.speed * 2, FASTEST)

    def slower(self):
        self.speed = max(self.speed / 2, SLOWEST)

    def screenshot(self):
        """Write what the window shows to the first free screenshot-N.png of the folder."""
        self.on_draw()  # after a flip the buffer's content is undefined
        number = 1
        while (path := self.folder / f"screenshot-{number}.png").exists():
            number += 1
        png = io.BytesIO()
        grab().save(png, "PNG")
        self.note_age = 0.0
        try:
            write_whole(path, png.getvalue())
            self.note = f"saved {path.name}"
            print(f"screenshot: {path}", flush=True)
        except OSError as error:
            self.note = "screenshot not saved"
            print(f"screenshot not saved: {path}: {error.strerror}", flush=True)


def open_window(width, height, caption):
    """A resizable pyglet window with smooth edges where the graphics card offers them.

    Raises NoWindow.
    """
    if pyglet is None:
        raise NoWindow("no window (pyglet is not installed: pip install 'pyglet>=2.1,<3')")
    # One pixel of the window is one pixel of the screen, also where those are tiny; the
    # window is made larger instead, and the scene with it. So text stays sharp.
    pyglet.options.dpi_scaling = "scaled"
    pyglet.options.audio = ("silent",)  # a machine without a sound card need not hear of it
    pyglet.options.debug_gl = False  # asking OpenGL for errors after every call is slow
    # No display, no OpenGL 3.3, a missing system library: pyglet raises something else for
    # each, on every system, from its import on. For us all of them mean one thing.
    try:
        for samples in (4, 0):
            config = pyglet.gl.Config(
                double_buffer=True, sample_buffers=int(samples > 0), samples=samples, **EIGHT_BITS
            )
            with contextlib.suppress(pyglet.window.NoSuchConfigException):
                window = pyglet.window.Window(
                    width, height, caption=caption, resizable=True, config=config
                )
                window.set_minimum_size(480, 270)
                return window
        raise NoWindow("OpenGL offers no fitting picture format")
    except Exception as error:
        if type(error).__name__ == "NoSuchDisplayException":
            raise NoWindow("no display") from None
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise NoWindow(f"no window ({reason[0]})") from None


def grab():
    """What the current window's back buffer holds, a Pillow image."""
    data = pyglet.image.get_buffer_manager().get_color_buffer().get_image_data()
    pixels = data.get_data("RGB", -3 * data.width)
    return Image.frombytes("RGB", (data.width, data.height), pixels)


def play(session, folder="."):
    """Show a Session in a window until it is closed. Raises NoWindow when none can be opened."""
    if not session.is_cartpole:
        session.picture()  # a missing renderer is better told before a window flashes up
    Player(session, folder).run()
