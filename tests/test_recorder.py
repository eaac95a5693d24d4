"""Recorder and scene: recordings, and that their pixels say what the state says."""

import os
import subprocess
import sys

import numpy as np
import pytest
from pictures import (
    ANGLES,
    SIDE,
    STAGE,
    balancing_policy,
    bar_lengths,
    contrast,
    falling_policy,
    lean,
    mask,
)
from PIL import Image
from programs import call, succeeded

import ppo
from lab.kit import LIGHT
from lab.runs import RunFolder
from lab.watch import scene
from lab.watch.canvas import Canvas
from lab.watch.recorder import HOLD_SECONDS, record
from lab.watch.session import Session
from nn import MLP
from policies import CategoricalPolicy, GaussianPolicy
from training import Trainer


@pytest.fixture
def value(rng):
    return MLP((4, 8, 1), rng)


def balance(rng, value):
    return Session(balancing_policy(rng), value, "CartPole-v1", seed=0)


def painted(session, **options):
    canvas = Canvas(1, scene.WIDTH, scene.HEIGHT)
    scene.paint(canvas, session, **options)
    return np.asarray(canvas.image)


@pytest.mark.parametrize("degrees", [-11, -4, 0, 6, 12])
@pytest.mark.parametrize("x", [-2, 0, 1.5])
def test_the_pole_leans_and_the_cart_stands_as_the_state_says(rng, value, degrees, x):
    session = balance(rng, value)
    session.env.unwrapped.state = np.array([x, 0, np.radians(degrees), 0])
    stage = painted(session)[STAGE]
    assert lean(stage) == pytest.approx(degrees, abs=0.7)
    columns = np.nonzero(mask(stage, scene.CART))[1]
    metre = (scene.WIDTH - scene.SIDE - 3 * scene.GAP) / 5.6
    middle = scene.GAP + (scene.WIDTH - scene.SIDE - 3 * scene.GAP) / 2
    assert (columns.min() + columns.max() + 1) / 2 == pytest.approx(middle + x * metre, abs=1)


@pytest.mark.parametrize("right", [0.02, 0.3, 0.5, 0.91])
def test_the_bars_are_as_long_as_the_probabilities(rng, value, right):
    policy = CategoricalPolicy(4, 2, (), rng)
    policy.network.layers[0][0][:] = 0
    policy.network.layers[0][1][:] = np.log([1 - right, right])
    session = Session(policy, value, "CartPole-v1", seed=0)
    image = painted(session)
    np.testing.assert_allclose(bar_lengths(image), [1 - right, right], atol=0.01)
    bars = image[SIDE][140:220]  # right is blue, left orange, and what is chosen not pale
    full, pale = (LIGHT.more, LIGHT.pale_less) if right > 0.5 else (LIGHT.less, LIGHT.pale_more)
    if right != 0.5:
        ratio = mask(bars, full).sum() / mask(bars, pale).sum()
        assert ratio == pytest.approx(max(right, 1 - right) / min(right, 1 - right), rel=0.1)


def test_a_gaussians_bar_spans_its_deviation(rng):
    policy = GaussianPolicy(3, 1, (8,), rng)
    policy.log_stds[:] = np.log(0.5)
    session = Session(policy, MLP((3, 8, 1), rng), "Pendulum-v1", seed=0)
    side = painted(session)[SIDE]
    row = mask(side, LIGHT.pale_more).any(1).nonzero()[0][4]
    columns = mask(side, LIGHT.pale_more)[row].nonzero()[0]
    # ± 0.5 of the bounds ± 2: a quarter of the bar, which is SIDE − 32 wide.
    assert np.ptp(columns) == pytest.approx((scene.SIDE - 32) / 4, abs=2)
    session.close()


def test_endings_modes_pushes_and_help_are_shown(rng, value):
    session = Session(falling_policy(rng), value, "CartPole-v1", seed=0)
    before = painted(session)
    assert mask(before[: scene.HEADER], scene.CART).sum() > 500  # greedy
    assert not mask(before[: scene.HEADER], scene.PUSHED).any()
    session.toggle_greedy()
    assert mask(painted(session)[: scene.HEADER], scene.PUSHED).sum() > 500  # sampled
    session.toggle_greedy()

    assert not mask(before[STAGE], scene.PUSHED).any()
    for direction in (-1, 1):
        session.push(direction)
        stage = painted(session)[STAGE]
        arrow, cart = (np.nonzero(mask(stage, colour))[1] for colour in (scene.PUSHED, scene.CART))
        assert len(arrow) > 300 and (arrow.mean() - cart.mean()) * direction < -40
    while not session.ended:
        session.step()
    after = painted(session)
    assert mask(after[STAGE], scene.INK).sum() > mask(before[STAGE], scene.INK).sum() + 5_000
    helped = painted(session, show_help=True)
    assert mask(helped[SIDE], scene.INK).mean() > 0.5 > mask(after[SIDE], scene.INK).mean()
    np.testing.assert_array_equal(helped[STAGE], after[STAGE])  # the cart stays in view


class Texts(Canvas):
    """A canvas that also keeps what is written, and which boxes are drawn."""

    def __init__(self, *size):
        super().__init__(1, *(size or (scene.WIDTH, scene.HEIGHT)))
        self.texts, self.boxes, self.marks = {}, [], []

    def text(self, x, y, string, *style, **more):
        super().text(x, y, string, *style, **more)
        self.texts[string] = x, y

    def rectangle(self, *box):
        super().rectangle(*box)
        self.boxes.append(box)

    def polygon(self, points, colour):
        super().polygon(points, colour)
        self.marks += points

    def line(self, points, thickness, colour):
        super().line(points, thickness, colour)
        self.marks += points


def shown(session, *size):
    canvas = Texts(*size)
    scene.paint(canvas, session)
    return canvas


def test_an_end_shows_what_becomes_of_the_value(rng, value):
    for policy, note, struck in (
        (falling_policy(rng), "no future: counts as 0 (Eq. 12)", True),
        (balancing_policy(rng), "still counts: bootstrapped (Eq. 12)", False),
    ):
        session = Session(policy, value, "CartPole-v1", seed=0)
        running = shown(session).texts
        assert "likelihood, ▸ chosen" in running and note not in running
        while not session.ended:
            session.step()
        canvas = shown(session)
        right, base = canvas.texts[scene.number(session.value_now)]
        through = [
            x < right <= x + width and base - 14 < y < base
            for x, y, width, height, colour, *_ in canvas.boxes
            if colour == scene.INK and height < 3
        ]
        assert any(through) == struck and note in canvas.texts
        # no action will be taken: none is shown
        assert "no action will be taken here" in canvas.texts and "▸ left" not in canvas.texts
        stage = np.asarray(canvas.image)[STAGE]
        assert not (mask(stage, LIGHT.pale_more) | mask(stage, LIGHT.pale_less)).any()


@pytest.mark.parametrize("size", [(1800, 450), (800, 450), (800, 2000)])
def test_wide_and_tall_pictures_keep_the_pole_on_its_card(rng, value, size):
    session = balance(rng, value)
    for x, theta in ((0, 0), (2.4, 0.2), (-9, -0.2)):
        session.env.unwrapped.state = np.array([x, 0, theta, 0])
        left, right = scene.GAP, size[0] - scene.SIDE - 2 * scene.GAP
        bottom = size[1] - scene.TRACE - 2 * scene.GAP
        stage = [(a, b) for a, b in shown(session, *size).marks if b < bottom]
        assert all(left <= a <= right and b >= scene.HEADER for a, b in stage), (x, theta)


def test_the_dot_on_the_portrait_is_the_state(rng, value):
    session = balance(rng, value)
    middles = []
    for angle, turning in ((-0.1, -1), (0.1, 1)):
        session.env.unwrapped.state = np.array([0, 0, angle, turning])
        side = np.asarray(shown(session).image)[SIDE][250:-20]
        rows, columns = np.nonzero(mask(side, scene.INK))
        middles.append((columns.mean(), -rows.mean()))
    (x0, y0), (x1, y1) = middles
    assert x1 - x0 == pytest.approx(204 * 0.2 / np.radians(24), abs=2)
    assert y1 - y0 == pytest.approx(105 * 2 / 4, abs=2)
    # blue where it pushes to the right: above the line that this policy draws
    above, below = side[16:30, 30:200], side[90:104, 30:200]
    assert mask(above, LIGHT.more).sum() > 100 and mask(below, LIGHT.less).sum() > 100
    assert not (mask(above, LIGHT.less).any() or mask(below, LIGHT.more).any())


def test_every_text_can_be_read(rng, value):
    colours = {scene.INK, scene.SOFT, scene.VALUE, LIGHT.less, LIGHT.more}
    assert all(contrast(colour, scene.CARD) >= 4.5 for colour in colours)
    assert all(contrast(pill, scene.CARD) >= 4.5 for pill in (scene.CART, scene.PUSHED, scene.SOFT))


def test_the_trace_is_the_pole_angles_course(rng, value):
    session = balance(rng, value)
    session.angles.extend(10 * np.sin(np.arange(249) / 249 * 2 * np.pi))  # one period
    image = painted(session)[ANGLES]
    heights = [np.nonzero(column)[0].mean() for column in mask(image, scene.POLE).T if any(column)]
    quarter = len(heights) // 4
    top, bottom = int(np.argmin(heights)), int(np.argmax(heights))  # rows count downwards
    assert top == pytest.approx(quarter, abs=8) and bottom == pytest.approx(3 * quarter, abs=8)
    # The scale reaches from −12° to 12° there, over TRACE − 54 units.
    assert heights[bottom] - heights[top] == pytest.approx(20 / 24 * (scene.TRACE - 54), abs=3)


def seconds(path):
    with Image.open(path) as gif:
        total = 0
        for frame in range(gif.n_frames):
            gif.seek(frame)
            total += gif.info["duration"]
    return total / 1000


@pytest.mark.slow
def test_a_ten_second_gif_is_small_and_has_the_true_speed(rng, value, tmp_path):
    path = tmp_path / "episode.gif"
    record(balance(rng, value), path)
    assert path.stat().st_size < 2_000_000
    assert seconds(path) == pytest.approx(500 / 50 + HOLD_SECONDS, abs=0.011)
    with Image.open(path) as gif:
        assert gif.info["loop"] == 0  # for ever
        first = gif.convert("RGB")
        gif.seek(gif.n_frames - 1)
        last = gif.convert("RGB")
    session = balance(rng, value)
    canvas = Canvas(0.9, scene.WIDTH, scene.HEIGHT)
    scene.paint(canvas, session)
    assert np.abs(np.asarray(first, int) - np.asarray(canvas.image)).mean() < 1
    for _ in range(500):
        session.step()
    scene.paint(canvas, session)  # all the frames' differences add up to the true last frame
    assert np.abs(np.asarray(last, int) - np.asarray(canvas.image)).mean() < 1


def test_the_same_episode_gives_the_same_file(rng, value, tmp_path):
    paths = tmp_path / "one.gif", tmp_path / "other.gif"
    for path in paths:
        record(balance(rng, value), path, max_steps=12)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.slow
def test_a_gif_of_an_environment_with_another_rate(rng, tmp_path):
    path = tmp_path / "acrobot.GIF"
    policy = CategoricalPolicy(6, 3, (8,), rng)
    record(Session(policy, MLP((6, 8, 1), rng), "Acrobot-v1", seed=0), path, max_steps=40)
    assert seconds(path) == pytest.approx(40 / 15 + HOLD_SECONDS, abs=0.011)  # not 40 · 0.06
    with Image.open(path) as gif:
        stage = np.asarray(gif.convert("RGB").resize((scene.WIDTH, scene.HEIGHT)))[STAGE]
    assert mask(stage, "#00CCCC").sum() > 500  # Acrobot's own links


def test_what_was_cut_off_is_said(rng, value, tmp_path):
    path = tmp_path / "x.gif"
    assert record(balance(rng, value), path, max_steps=2) == f"{path}: its first 2 steps"
    falling = Session(falling_policy(rng), value, "CartPole-v1", seed=0)
    assert record(falling, path) == str(path)


@pytest.mark.slow
def test_an_mp4_holds_every_step(rng, value, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    path = tmp_path / "episode.mp4"
    record(balance(rng, value), path, max_steps=20)
    frames, duration = ffmpeg.count_frames_and_secs(path)
    assert frames == 21 + 50 * HOLD_SECONDS
    assert duration == pytest.approx(frames / 50, abs=0.03)
    reader = ffmpeg.read_frames(path)
    width, height = next(reader)["size"]
    first = np.frombuffer(next(reader), np.uint8).reshape(height, width, 3)
    reader.close()
    canvas = Canvas(1.6, scene.WIDTH, scene.HEIGHT)
    scene.paint(canvas, balance(rng, value))
    assert np.abs(first.astype(int) - np.asarray(canvas.image)).mean() < 3


def test_an_mp4_without_its_package_is_one_clear_line(rng, value, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ImportError, match=r"pip install -r requirements/mp4\.txt"):
        record(balance(rng, value), tmp_path / "x.mp4")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """A run folder whose policy lets the pole fall: a short episode."""
    trainer = Trainer(ppo, "CartPole-v1", ppo.Config(hidden_sizes=(4,)), seed=0)
    return RunFolder.create(tmp_path_factory.mktemp("runs"), trainer)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("record RUN episode.avi", "episode.avi must end in .gif or .mp4"),
        ("record RUN README.md/episode.gif", "README.md/episode.gif cannot be written"),
        ("play nowhere", "does not exist"),
        ("record RUN", "the following arguments are required: FILE"),
    ],
)
def test_refusals_are_one_line(words, message, untrained):
    done = call(*(untrained.path if word == "RUN" else word for word in words.split()))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_record_writes_the_file_named(untrained, tmp_path):
    path = tmp_path / "episode.gif"
    assert succeeded(call("record", untrained.path, path)) == f"recorded {path}\n"
    assert path.read_bytes().startswith(b"GIF89a")


@pytest.mark.slow
def test_recording_needs_neither_display_nor_opengl(tmp_path):
    script = """
import sys
import numpy as np
sys.modules["pyglet"] = None  # importing it fails
from lab.watch.recorder import record
from lab.watch.session import Session
from nn import MLP
from policies import CategoricalPolicy
rng = np.random.default_rng(0)
for env_id, size, actions in (("CartPole-v1", 4, 2), ("Acrobot-v1", 6, 3)):
    policy, value = CategoricalPolicy(size, actions, (8,), rng), MLP((size, 8, 1), rng)
    record(Session(policy, value, env_id, 0), sys.argv[1] + "/" + env_id + ".gif", max_steps=5)
"""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "SDL_VIDEODRIVER")
    env = {key: text for key, text in os.environ.items() if key not in hidden}
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], env=env, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Acrobot-v1.gif", "CartPole-v1.gif"]
