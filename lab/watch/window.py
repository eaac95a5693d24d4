"""The window: watch a policy at work, push its cart, see what it thinks.

What is drawn stands in lab/watch/scene.py; here is the window with its clock and keys,
which shows it frame by frame. pyglet is asked for a display only when `play` opens the
window; whatever keeps it from doing so becomes NoWindow.
"""

import io
import signal
from pathlib import Path

from environments import one_line
from lab.kit import replace_whole
from lab.watch import scene
from lab.watch.canvas import Canvas

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
        self.canvas = self.texture = None  # what is shown, and the same on the graphics card
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
        size = window.get_size()
        if self.canvas is None or self.canvas.image.size != size:
            scale = min(size[0] / scene.WIDTH, size[1] / scene.HEIGHT)
            self.canvas = Canvas(scale, size[0] / scale, size[1] / scale)
            self.texture = pyglet.image.Texture.create(*size)
        scene.paint(self.canvas, self.session, badges, self.show_help)
        pixels = self.canvas.image.tobytes()
        self.texture.blit_into(pyglet.image.ImageData(*size, "RGB", pixels, -3 * size[0]), 0, 0, 0)
        window.clear()
        self.texture.blit(0, 0)

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
        self.on_draw()  # S may come before the first tick
        number = 1
        while (path := self.folder / f"screenshot-{number}.png").exists():
            number += 1
        png = io.BytesIO()
        self.canvas.image.save(png, "PNG")
        self.note_age = 0.0
        try:
            replace_whole(path, png.getvalue())
            self.note = f"saved {path.name}"
            print(f"screenshot: {path}", flush=True)
        except OSError as error:
            self.note = "screenshot not saved"
            print(f"screenshot not saved: {path}: {error.strerror}", flush=True)


def open_window(width, height, caption):
    """A resizable pyglet window. Raises NoWindow."""
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
        config = pyglet.gl.Config(double_buffer=True, **EIGHT_BITS)
        window = pyglet.window.Window(width, height, caption=caption, resizable=True, config=config)
        window.set_minimum_size(480, 270)
        return window
    except Exception as error:
        if type(error).__name__ == "NoSuchDisplayException":
            raise NoWindow("no display") from None
        raise NoWindow(f"no window ({one_line(error)})") from None


def play(session, folder="."):
    """Show a Session in a window until it is closed. Raises NoWindow when none can be opened."""
    if not session.is_cartpole:
        session.picture()  # a missing renderer is better told before a window flashes up
    Player(session, folder).run()
