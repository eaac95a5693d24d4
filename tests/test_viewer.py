"""lab/watch/window.py, for real: pyglet without a screen (EGL), and run.py's window on an X server.

These need OpenGL, and Xvfb and xdotool for the second half (Debian: xvfb, xdotool,
libgl1, libegl1, libgl1-mesa-dri). Where they are missing the tests are skipped;
with REQUIRE_DISPLAY=1 in the environment they fail instead.
"""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from pictures import ANGLES, SIDE, STAGE, balancing_policy, lean, mask
from PIL import Image, ImageGrab
from programs import ENOUGH, wait_until

import ppo
from lab.kit import LIGHT
from lab.runs.records import RunFolder
from lab.watch import scene
from training import Trainer

pytestmark = pytest.mark.slow
LINUX = sys.platform.startswith("linux")
SIZE = scene.WIDTH, scene.HEIGHT


def missing(what):
    """Skip the test; fail it where nothing may be missing."""
    (pytest.fail if os.environ.get("REQUIRE_DISPLAY") == "1" else pytest.skip)(what)


def environment(**changes):
    """This process's environment for a child, with changes; None removes a variable."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path), **changes}
    return {key: value for key, value in env.items() if value is not None}


def ended(*words, **changes):
    """A program that has ended; `changes` as of environment."""
    around = {"env": environment(**changes), "timeout": ENOUGH}
    return subprocess.run(words, capture_output=True, text=True, **around)


def new_run(tmp_path_factory, change=lambda policy: None):
    """A run folder whose policy was changed so."""
    trainer = Trainer(ppo, "CartPole-v1", ppo.Config(hidden_sizes=(4,)), seed=0)
    change(trainer.policy)
    return RunFolder.create(tmp_path_factory.mktemp("runs"), trainer)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run folder whose policy balances the pole."""

    def balance(policy):
        # One hidden unit carries the linear policy: tanh is almost straight near 0.
        linear = balancing_policy(np.random.default_rng(0)).network.layers[0][0][:, 1]
        policy.network.parameters[:] = 0
        policy.network.layers[0][0][:, 0] = linear / 20
        policy.network.layers[1][0][0] = -20, 20

    return new_run(tmp_path_factory, balance)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """One whose policy lets it fall: a short episode."""
    return new_run(tmp_path_factory)


# ---------------------------------------------------------- without a screen

HEADLESS = """
import sys
import numpy as np
import pyglet
pyglet.options.headless = True
try:
    import pyglet.window
    pyglet.window.Window(8, 8).close()
except Exception as error:
    print(error, file=sys.stderr)
    sys.exit(77)
from lab.watch import scene
from lab.watch.canvas import Canvas
from lab.watch.session import Session
from lab.watch.window import Player
from nn import MLP
from policies import CategoricalPolicy
from pictures import balancing_policy, falling_policy
from PIL import Image
folder = sys.argv[1]
def grab():
    # what the current window's back buffer holds
    data = pyglet.image.get_buffer_manager().get_color_buffer().get_image_data()
    pixels = data.get_data("RGB", -3 * data.width)
    return Image.frombytes("RGB", (data.width, data.height), pixels)
rng = np.random.default_rng(0)
"""


@pytest.fixture
def headless(tmp_path):
    """Run a script after HEADLESS's imports; returns the folder it was given as sys.argv[1]."""

    def run(script):
        program = [sys.executable, "-W", "error::DeprecationWarning", "-c", HEADLESS + script]
        done = ended(*program, tmp_path)
        if done.returncode == 77:
            missing(f"no OpenGL without a screen: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr
        return tmp_path

    return run


def test_the_window_shows_what_the_recording_shows(headless):
    folder = headless("""
session = Session(balancing_policy(rng), MLP((4, 8, 1), rng), "CartPole-v1", seed=0, title="title")
acrobot = Session(CategoricalPolicy(6, 3, (8,), rng), MLP((6, 8, 1), rng), "Acrobot-v1", seed=0)
falling = Session(falling_policy(rng), MLP((4, 8, 1), rng), "CartPole-v1", seed=0)
def compare(name, player, scale):
    player.on_draw()
    grab().save(f"{folder}/{name}-window.png")
    width, height = player.window.get_size()
    canvas = Canvas(scale, width / scale, height / scale)
    badges = ["H: keys"] + (["\\xd7 2"] if player.speed == 2 else [])
    scene.paint(canvas, player.session, badges, player.show_help)
    canvas.image.save(f"{folder}/{name}-recording.png")
player = Player(session, folder, 800, 450)
for _ in range(5):  # the same canvas for many frames: nothing of old ones may stay
    player.advance(0.02)
    player.on_draw()
compare("later", player, 1)
session.push(1); player.show_help = True; player.faster()
compare("pushed", player, 1)
player.show_help = False; player.slower(); session.toggle_greedy()
compare("sampled", player, 1)
player.session = acrobot
player.advance(0.5)
compare("acrobot", player, 1)
player.session = falling
while not falling.ended:
    falling.step()
compare("ended", player, 1)
for name, size in (("wide", (1000, 225)), ("tall", (360, 800)), ("dense", (1200, 675))):
    compare(name, Player(session, folder, *size), min(size[0] / 800, size[1] / 450))
""")
    names = sorted(path.name for path in folder.glob("*-window.png"))
    assert len(names) == 8
    for name in names:
        window, recording = (
            np.asarray(Image.open(folder / which).convert("RGB"))
            for which in (name, name.replace("window", "recording"))
        )
        np.testing.assert_array_equal(window, recording, name)


def test_time_speed_pause_and_endings(headless):
    headless("""
from lab.watch import window as viewer
session = Session(balancing_policy(rng), MLP((4, 8, 1), rng), "CartPole-v1", seed=0)
player = Player(session, folder)
def steps_in(seconds):
    before = session.steps
    for _ in range(round(seconds * 60)):  # a display of 60 Hz
        player.advance(1 / 60)
    return session.steps - before
assert abs(steps_in(1) - 50) <= 1
player.faster()
assert abs(steps_in(1) - 100) <= 1
for _ in range(2):
    player.slower()
assert abs(steps_in(1) - 25) <= 1
for _ in range(20):
    player.slower()
assert player.speed == viewer.SLOWEST
for _ in range(20):
    player.faster()
assert player.speed == viewer.FASTEST
player.speed = 1
player.toggle_pause()
assert steps_in(1) == 0
player.single_step()
assert steps_in(1) == 0 and player.paused
player.toggle_pause()
while not session.ended:
    player.advance(0.02)
assert session.steps == 500
player.advance(viewer.HOLD_SECONDS - 0.1)  # the end can be read ...
assert session.ended and session.episode == 1
player.advance(0.11)  # ... and then it goes on
assert not session.ended and session.episode == 2
player.close()
player.close()
""")


# -------------------------------------------------------- on a real X server


@pytest.fixture(scope="module")
def display():
    """The name of an X server of our own."""
    for program in ("Xvfb", "xdotool"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed")
    reading, writing = os.pipe()
    command = "Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, pass_fds=[writing], **quiet)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        number = pipe.readline().strip()
    if not number:
        server.wait()
        missing("Xvfb does not start")
    yield f":{number}"
    server.terminate()
    server.wait()


class Screen:
    """run.py play in a window of an X server, its keyboard and its pixels."""

    def __init__(self, display, folder, start):
        self.display, self.around = display, {"DISPLAY": display, "WAYLAND_DISPLAY": None}
        command = [sys.executable, "run.py", "play", str(folder)]
        self.program = start(command, env=environment(**self.around))
        self.window = self.xdotool("search", "--sync", "--onlyvisible", "--name", "CartPole")
        self.xdotool("windowmove", self.window, "0", "0")
        self.resize(*SIZE)
        self.xdotool("windowfocus", "--sync", self.window)

    def xdotool(self, *words):
        """The last word that it prints."""
        return ["", *ended("xdotool", *words, **self.around).stdout.split()][-1]

    def resize(self, width, height):
        self.xdotool("windowsize", self.window, str(width), str(height))
        self.size = width, height
        # the page's margin along the new edges
        edges = np.s_[-3:], np.s_[:, -3:]
        self.wait(lambda image: all(mask(image[edge], scene.PAGE).all() for edge in edges))

    def look(self):
        """The window's pixels, int (height, width, 3)."""
        return np.asarray(ImageGrab.grab((0, 0, *self.size), xdisplay=self.display), int)

    def press(self, key, condition=lambda image: True):
        """Press it and wait until condition(pixels) holds; returns the pixels."""
        self.xdotool("key", key)
        return self.wait(condition)

    def wait(self, condition):
        """Wait until condition(pixels) holds; returns the pixels."""
        seen = []

        def looks_so():
            seen[:] = [self.look()]
            return condition(seen[0])

        wait_until(looks_so, self.program)
        return seen[0]

    def still(self):
        """The pixels once they don't change any more."""
        last = [self.look()]

        def unchanged(image):
            time.sleep(0.2)
            last.append(image)
            return (last[-1] == last[-2]).all() and (self.look() == image).all()

        return self.wait(unchanged)

    def ended(self):
        """Exit status and output, once the program has ended."""
        out, err = self.program.communicate(timeout=ENOUGH)
        return self.program.returncode, out, err


@pytest.fixture
def screen(display, run_folder, start):
    return Screen(display, run_folder.path, start)


HEADER = np.s_[: scene.HEADER]


def more(region, colour, count):
    """A condition on pixels: more than so many of them have this colour there."""
    return lambda image: mask(image[region], colour).sum() > count


def mostly(region, colour):
    return lambda image: mask(image[region], colour).mean() > 0.5


def pushed(direction):
    """The arrow of a push points at the cart, from the other side."""

    def condition(image):
        if not more(STAGE, scene.PUSHED, 300)(image):
            return False
        arrow, cart = (place(image, colour) for colour in (scene.PUSHED, scene.CART))
        return (arrow - cart) * direction < -40

    return condition


def test_every_key_does_what_it_says(screen, run_folder):
    greedy, sampled = more(HEADER, scene.CART, 500), more(HEADER, scene.PUSHED, 500)
    image = screen.wait(greedy)
    assert abs(lean(image[STAGE])) < 12 and more(STAGE, scene.POLE, 300)(image)
    screen.press("space")
    paused = screen.still()
    grey = mask(paused[HEADER], scene.SOFT).sum()
    assert grey > 1_500  # "paused" stands there

    screen.press("period", lambda image: (image[ANGLES] != paused[ANGLES]).any())
    stepped = screen.still()  # just one step
    shifted = mask(stepped[ANGLES], scene.POLE) ^ mask(paused[ANGLES], scene.POLE)
    assert shifted.sum() > 5  # the trace has moved

    faster = more(HEADER, scene.SOFT, grey + 300)  # a badge with the speed
    for key, condition in (
        ("Left", pushed(-1)),
        ("Right", pushed(1)),
        ("g", sampled),
        ("g", greedy),
        ("h", mostly(SIDE, scene.INK)),
        ("h", mostly(SIDE, scene.CARD)),
    ):
        screen.press(key, condition)
    for key, opposite in (
        ("plus", "minus"),
        ("equal", "minus"),
        ("minus", "plus"),
        ("KP_Add", "KP_Subtract"),
    ):
        screen.press(key, faster)
        screen.press(opposite, lambda image: not more(HEADER, scene.SOFT, grey + 99)(image))

    def begun(image):  # its trace has one point, and nobody pushes
        return not (more(ANGLES, scene.POLE, 59)(image) or more(STAGE, scene.PUSHED, 0)(image))

    screen.press("r", begun)
    before = screen.still()
    first, second = (run_folder / f"screenshot-{number}.png" for number in (1, 2))
    screen.press("s", lambda image: first.exists())
    np.testing.assert_array_equal(np.asarray(Image.open(first), int), before)
    screen.press("s", lambda image: second.exists())

    screen.press("space")
    running = screen.look()
    screen.wait(lambda image: (image[STAGE] != running[STAGE]).any())
    screen.press("Escape")
    status, out, err = screen.ended()
    assert (status, err) == (0, "")
    assert "screenshot-1.png" in out and "screenshot-2.png" in out


def place(image, colour):
    """The mean column of a colour in the stage."""
    return np.nonzero(mask(image[STAGE], colour))[1].mean()


def test_other_sizes_show_the_whole_scene(screen):
    screen.press("space")
    for width, height in ((1100, 700), (480, 270)):
        screen.resize(width, height)
        image = screen.still()
        unit = min(width / scene.WIDTH, height / scene.HEIGHT)
        right, bottom = width - round(scene.GAP * unit), height - round(scene.GAP * unit)
        side = image[round(scene.HEADER * unit) : bottom, right - round(scene.SIDE * unit) : right]
        assert mask(side, scene.CARD).mean() > 0.5
        assert mask(image, scene.POLE).sum() > 400 * unit**2
        assert (mask(side, LIGHT.more) | mask(side, LIGHT.less)).sum() > 800 * unit**2
    screen.press("Escape")
    assert screen.ended() == (0, "", "")


def test_ctrl_c_closes_the_window(screen):
    screen.program.send_signal(signal.SIGINT)
    assert screen.ended() == (0, "", "")


@pytest.mark.parametrize(
    "changes",
    [{"DISPLAY": None}, {"DISPLAY": ":987"}, {"MESA_GL_VERSION_OVERRIDE": "2.1"}],
    ids=["no display", "no such display", "old OpenGL"],
)
@pytest.mark.skipif(not LINUX, reason="other systems always have a display")
def test_without_a_window_there_is_a_gif_instead(changes, untrained, request):
    if "DISPLAY" not in changes:
        changes["DISPLAY"] = request.getfixturevalue("display")
    gif = untrained / "watch.gif"
    gif.unlink(missing_ok=True)
    play = sys.executable, "run.py", "play", str(untrained.path)
    done = ended(*play, WAYLAND_DISPLAY=None, **changes)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("no ") and len(done.stdout.splitlines()) == 1
    assert str(gif) in done.stdout
    assert gif.read_bytes().startswith(b"GIF89a")


@pytest.mark.skipif(not LINUX, reason="other systems always have a display")
def test_render_after_a_training_without_display(tmp_path):
    options = "--algo ppo --total-steps 300 --eval-episodes 2 --no-media --render --runs-dir"
    train = sys.executable, "run.py", *options.split(), str(tmp_path)
    done = ended(*train, DISPLAY=None, WAYLAND_DISPLAY=None)
    assert (done.returncode, done.stderr) == (0, "")
    gif = tmp_path / "CartPole-v1-ppo-seed0" / "episode.gif"
    assert done.stdout.splitlines()[-1] == f"no display; recorded instead: {gif}"
    assert gif.exists()
