"""Recorder and scene: recordings, and that their pixels say what the state says."""

import os
import subprocess
import sys

import numpy as np
import pytest
from pictures import ANGLES, SIDE, STAGE, balancing_policy, bar_lengths, falling_policy, lean, mask
from PIL import Image

from lab.watch import scene
from lab.watch.recorder import HOLD_SECONDS, PillowCanvas, record
from lab.watch.session import Session
from nn import MLP
from policies import CategoricalPolicy, GaussianPolicy


@pytest.fixture
def value(rng):
    return MLP((4, 8, 1), rng)


def balance(rng, value):
    return Session(balancing_policy(rng), value, "CartPole-v1", seed=0)


def painted(session, **options):
    canvas = PillowCanvas(1)
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
    chosen = mask(image[SIDE], scene.BLUE).sum()  # the chosen action's bar is the blue one
    pale = mask(image[SIDE], scene.PALE_BLUE).sum()
    assert chosen / pale == pytest.approx(max(right, 1 - right) / min(right, 1 - right), rel=0.1)


def test_a_gaussians_bar_spans_its_deviation(rng):
    policy = GaussianPolicy(3, 1, (8,), rng)
    policy.log_stds[:] = np.log(0.5)
    session = Session(policy, MLP((3, 8, 1), rng), "Pendulum-v1", seed=0)
    side = painted(session)[SIDE]
    row = mask(side, scene.PALE_BLUE).any(1).nonzero()[0][4]
    columns = mask(side, scene.PALE_BLUE)[row].nonzero()[0]
    # ± 0.5 of the bounds ± 2: a quarter of the bar, which is SIDE − 32 wide.
    assert np.ptp(columns) == pytest.approx((scene.SIDE - 32) / 4, abs=2)
    session.close()


def test_endings_modes_pushes_and_help_are_shown(rng, value):
    session = Session(falling_policy(rng), value, "CartPole-v1", seed=0)
    before = painted(session)
    assert mask(before[: scene.HEADER], scene.GREEN).sum() > 500  # greedy
    assert not mask(before[: scene.HEADER], scene.PURPLE).any()
    session.toggle_greedy()
    assert mask(painted(session)[: scene.HEADER], scene.PURPLE).sum() > 500  # sampled
    session.toggle_greedy()

    assert not mask(before[STAGE], scene.PURPLE).any()
    for direction in (-1, 1):
        session.push(direction)
        stage = painted(session)[STAGE]
        arrow, cart = (np.nonzero(mask(stage, colour))[1] for colour in (scene.PURPLE, scene.CART))
        assert len(arrow) > 300 and (arrow.mean() - cart.mean()) * direction < -40
    while not session.ended:
        session.step()
    after = painted(session)
    assert mask(after[STAGE], scene.ORANGE).sum() > mask(before[STAGE], scene.ORANGE).sum() + 5_000
    helped = painted(session, show_help=True)
    assert mask(helped[SIDE], scene.INK).mean() > 0.5 > mask(after[SIDE], scene.INK).mean()
    np.testing.assert_array_equal(helped[STAGE], after[STAGE])  # the cart stays in view


def test_the_trace_is_the_pole_angles_course(rng, value):
    session = balance(rng, value)
    session.angles.extend(10 * np.sin(np.arange(249) / 249 * 2 * np.pi))  # one period
    image = painted(session)[ANGLES]
    heights = [
        np.nonzero(column)[0].mean() for column in mask(image, scene.ORANGE).T if any(column)
    ]
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
    canvas = PillowCanvas(0.9)
    scene.paint(canvas, session)
    assert np.abs(np.asarray(first, int) - np.asarray(canvas.image)).mean() < 1
    for _ in range(500):
        session.step()
    scene.paint(canvas, session)  # all the frames' differences add up to the true last frame
    assert np.abs(np.asarray(last, int) - np.asarray(canvas.image)).mean() < 1
    again = tmp_path / "again.gif"
    record(balance(rng, value), again)
    assert again.read_bytes() == path.read_bytes()


def test_a_gif_of_an_environment_with_another_rate(rng, tmp_path):
    path = tmp_path / "acrobot.GIF"
    policy = CategoricalPolicy(6, 3, (8,), rng)
    record(Session(policy, MLP((6, 8, 1), rng), "Acrobot-v1", seed=0), path, max_steps=40)
    assert seconds(path) == pytest.approx(40 / 15 + HOLD_SECONDS, abs=0.011)  # not 40 · 0.06
    with Image.open(path) as gif:
        stage = np.asarray(gif.convert("RGB").resize((scene.WIDTH, scene.HEIGHT)))[STAGE]
    assert mask(stage, "#00CCCC").sum() > 500  # Acrobot's own links


@pytest.mark.slow
def test_an_mp4_holds_every_step(rng, value, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    path = tmp_path / "episode.mp4"
    record(balance(rng, value), path, max_steps=100)
    frames, duration = ffmpeg.count_frames_and_secs(path)
    assert frames == 101 + 50 * HOLD_SECONDS
    assert duration == pytest.approx(frames / 50, abs=0.03)
    reader = ffmpeg.read_frames(path)
    width, height = next(reader)["size"]
    first = np.frombuffer(next(reader), np.uint8).reshape(height, width, 3)
    reader.close()
    canvas = PillowCanvas(1.6)
    scene.paint(canvas, balance(rng, value))
    assert np.abs(first.astype(int) - np.asarray(canvas.image)).mean() < 3


def test_an_mp4_without_its_package_is_one_clear_line(rng, value, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ImportError, match=r"pip install -r requirements/mp4\.txt"):
        record(balance(rng, value), tmp_path / "x.mp4")
    assert not list(tmp_path.iterdir())


def test_an_unknown_ending_is_refused(rng, value, tmp_path):
    with pytest.raises(ValueError, match=r"episode\.avi must end in \.gif or \.mp4"):
        record(balance(rng, value), tmp_path / "episode.avi")


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
