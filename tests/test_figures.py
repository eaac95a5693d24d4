"""The README's pictures: they are drawn, always alike, and what they show is so."""

import base64
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nn
import ppo
import run
import vpg
from advantages import gae
from lab.kit import DARK, LIGHT, PROJECT, drawing, saving
from lab.language import tokens
from lab.pictures import (
    carts,
    clipping,
    credit,
    diagrams,
    figures,
    gradients,
    ladder,
    language,
    policies,
    runs,
)
from lab.pictures.figures import FIGURES
from lab.proof import mdp
from lab.proof.evidence import complex_step, segment_errors
from lab.study import tables
from policies import CategoricalPolicy
from training import Trainer

pytestmark = pytest.mark.slow
KILOBYTE = 1_000
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module", autouse=True)
def short_runs():
    """The same pictures from runs that are a tenth as long."""
    with pytest.MonkeyPatch.context() as patch:
        for room, name in ((gradients, "checked_gradients"), (carts, "journeys")):
            patch.setattr(room, name, cache(getattr(room, name)))
        patch.setattr(runs, "TOTAL_STEPS", 9_000)
        patch.setattr(runs, "EVALUATIONS", 2)
        patch.setattr(runs, "EVAL_EPISODES", 5)
        patch.setattr(saving, "DOTS_PER_INCH", 40)
        runs.default_run.cache_clear()
        yield
        runs.default_run.cache_clear()


# ----------------------------------------------------------------- drawing


def without_colours(svg):
    """An SVG's text without its colours, and how opaque each pixel of its images is."""
    text = re.sub(r"#[0-9a-fA-F]{6}", "", svg.decode())
    text, kept = re.sub(r'(id="|url\(#|href="#)\w+', r"\1", text), []
    for image in re.findall(r'href="data:image/png;base64,([^"]*)"', text):
        with Image.open(io.BytesIO(base64.b64decode(image))) as pixels:
            kept.append(np.asarray(pixels.convert("RGBA"))[..., 3].tolist())
    return re.sub(r'href="data:[^"]*"', "", text), kept


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_the_same_twice(name):
    """Light and dark from the same seed: all but the colours is alike, nothing left to chance."""
    light, dark = (saving.render(*FIGURES[name], look) for look in (LIGHT, DARK))
    assert without_colours(light) == without_colours(dark)
    for drawn, other in ((light, DARK), (dark, LIGHT)):
        assert len(drawn) < 300 * KILOBYTE
        assert other.ink.lower() not in drawn.decode().lower()  # nothing of the other look
    root = ElementTree.fromstring(light)
    title, description = (root.find(f"{SVG}{tag}").text for tag in ("title", "desc"))
    assert 10 < len(title) < 90 and len(description) > 60
    assert root.get("role") == "img" and root.find(f".//{SVG}text") is not None


def test_the_runs_repeat_themselves():
    runs.default_run.cache_clear()
    first = runs.default_run("ppo", 3_000)
    runs.default_run.cache_clear()
    again = runs.default_run("ppo", 3_000)
    for before, after in zip(first.snapshots, again.snapshots, strict=True):
        assert np.array_equal(before.learner.policy.parameters, after.learner.policy.parameters)
    assert np.array_equal(first.episodes, again.episodes)
    assert np.array_equal(first.evaluations, again.evaluations)


def test_a_watched_run_is_an_ordinary_run():
    last = runs.default_run("vpg", 2_000).snapshots[-1]
    trainer = Trainer(vpg, runs.ENV_ID, vpg.Config(total_steps=2_000), runs.SEED)
    list(trainer)
    trainer.envs.close()
    assert last.env_steps == trainer.env_steps
    for network in ("policy", "value"):
        seen, trained = (getattr(whose, network) for whose in (last.learner, trainer.learner))
        assert np.array_equal(seen.parameters, trained.parameters)


@pytest.mark.parametrize("name", [*figures.ANIMATIONS, *FIGURES])
def test_every_figure_is_kept_and_has_a_caption(name):
    kind, most = ("svg", 300) if name in FIGURES else ("gif", 1_500)
    for ending in ("", "-dark"):
        kept = PROJECT / "figures" / f"{name}{ending}.{kind}"
        assert kept.stat().st_size < most * KILOBYTE
    shown = re.findall(
        rf'<picture>\n(?:  <source media="\(prefers-reduced-motion: reduce\)[^\n]*\n)*'
        rf'  <source media="\(prefers-color-scheme: dark\)" '
        rf'srcset="(?:\.\./)?figures/{name}-dark.{kind}">\n  <img alt="([^"]+)" '
        rf'src="(?:\.\./)?figures/{name}.{kind}">\n'
        rf"</picture>\n\n\*(?!\*)([^\n]+)\*",
        "\n".join(path.read_text("utf-8") for path in tables.texts()),
    )
    assert len(shown) == 1, f"{len(shown)} pictures with a caption of {name}"
    ((alternative, caption),) = shown
    assert len(alternative) > 20 and 40 < len(caption) < 700


def test_kept_pictures_are_known():
    for path in (PROJECT / "figures").glob("*.svg"):
        assert path.stem.removesuffix("-dark") in {*FIGURES, "study"}


# ------------------------------------------------------------------ ladder


def test_the_ladder_shows_its_file():
    kept = json.loads((PROJECT / "benchmarks" / "results" / "ladder.json").read_text("utf-8"))
    cart = {int(n): rows for n, rows in kept["runs"]["CartPole-v1"].items()}
    with drawing(8.6, 8.8) as figure:
        ladder.ladder(figure, None, LIGHT)
        stairs, below = figure.axes[1:9], None
        for n, axes in enumerate(stairs, 2):
            assert axes.get_title(loc="left").startswith(f"{n} ")
            assert axes.get_xlim() == (0, 100) and axes.get_ylim() == stairs[0].get_ylim()
            _, *lines = axes.lines  # after the threshold: the seeds, the stair below, the median
            for row, line in zip(cart[n], lines, strict=False):
                np.testing.assert_allclose(line.get_xdata() * 1e3, row[3][::2])
                np.testing.assert_array_equal(line.get_ydata(), row[3][1::2])
            assert len(lines) == len(cart[n]) + (2 if n > 2 else 1)
            ends = np.median([row[3][-1] for row in cart[n]])
            assert lines[-1].get_ydata()[-1] == pytest.approx(ends, abs=15)  # at 100,000 steps
            if n > 2:
                np.testing.assert_array_equal(lines[-2].get_ydata(), below)
            below = lines[-1].get_ydata()
        words = {text.get_text() for axes in figure.axes for text in axes.texts}
    for n in "789":
        ratio = f"{max(kept['updates'][n]['ratio_max']):,.1f}".removesuffix(".0")
        assert f"ratio ≤ {ratio}" in words


# ------------------------------------------------------------------- carts


def test_five_carts_begin_alike_and_the_last_stands():
    journeys = carts.journeys()
    assert len(journeys) == 5
    starts = [states[0] for _, states, _ in journeys]
    assert (np.array(starts) == starts[0]).all() and np.abs(starts[0]).max() <= 0.05
    for snapshot, states, actions in journeys:
        assert len(states) == len(actions) + 1
        policy = snapshot.learner.policy
        for t in (0, len(actions) - 1):
            assert policy.greedy(states[None, t].astype(np.float32))[0] == actions[t]
        over = np.abs(states[-1, 2]) > np.radians(12) or np.abs(states[-1, 0]) > 2.4
        assert over or len(actions) == carts.MOST


def test_a_pole_that_nobody_holds_falls_as_an_integrator_says():
    from scipy.integrate import solve_ivp

    def fall(t, y):
        return y[1], 9.8 * np.sin(y[0]) / (2 / 3)

    true = solve_ivp(fall, (0, 0.2), (0.22, 0.5), rtol=1e-9).y[0, -1]
    assert carts.falling((0, 0, 0.22, 0.5), 10) == pytest.approx(true, abs=0.02)
    assert carts.falling((0, 0, -0.22, 0), 500) == -np.pi / 2  # on the ground, and it stays there


def test_the_animation_begins_at_its_beginning(monkeypatch):
    painted = []

    def column(canvas, x, journey, right, time, look):
        painted.append(time)

    monkeypatch.setattr(carts, "column", column)
    monkeypatch.setattr(carts, "animation", lambda images, starts, *hues: (list(images), starts))
    images, starts = carts.five_carts()
    last = max(len(actions) for *_, actions in carts.journeys())
    assert painted[:6] == [0] * 5 + [carts.STRIDE] and painted[-5:] == [last] * 5
    assert painted == sorted(painted) and len(painted) == 5 * len(images)
    assert len(starts) == len(images) + 1 and starts[0] == 0
    shown = np.diff(starts)
    assert shown[0] > 1 and shown[-1] > 1 and shown[1:-1].max() < 0.1  # both ends stand a while


def test_the_kept_animation_begins_at_its_beginning():
    for ending in ("", "-dark"):
        with Image.open(PROJECT / "figures" / f"five_carts{ending}.gif") as gif:
            frames, seconds = [], []
            for frame in (0, 1, gif.n_frames - 1):
                gif.seek(frame)
                frames.append(np.asarray(gif.convert("RGB"), int))
                seconds.append(gif.info["duration"] / 1_000)
        start, second, last = frames
        # all poles stand and move a little; at the end three lie
        assert 0 < np.abs(second - start).mean() < 0.2 * np.abs(last - start).mean()
        assert seconds[0] > 1 and seconds[1] < 0.1 and seconds[2] > 1


def test_a_still_is_the_last_picture():
    for ending in ("", "-dark"):
        place = PROJECT / "figures" / f"five_carts{ending}"
        made = saving.still(place.with_suffix(".gif").read_bytes())
        with Image.open(io.BytesIO(made)) as new, Image.open(place.with_suffix(".png")) as kept:
            assert np.array_equal(new.convert("RGB"), kept.convert("RGB"))
        with Image.open(place.with_suffix(".gif")) as gif:
            gif.seek(gif.n_frames - 1)
            last = np.asarray(gif.convert("RGB"), int)
        assert np.abs(np.asarray(new.convert("RGB"), int) - last).mean() < 2  # of 255
    assert "(prefers-reduced-motion: reduce)" in tables.texts()[0].read_text("utf-8")


def test_the_four_ends_are_what_advantages_makes_of_them():
    """V(s′) counts unless the step terminated; credit goes on unless the record stops."""
    rewards, values, nexts = np.array([1.0, 1.0]), np.array([0.5, 0.5]), np.array([2.0, 2.0])
    last = np.array([0, 1])

    def credit(d, u, ahead=0.0, value=2.0):
        flags = np.array([d, 0], bool), np.array([u, 0], bool)
        after = np.array([value, nexts[1]])
        return gae(rewards + ahead * last, values, after, *flags, 0.9, 0.8)[0]

    for _, d, u, _ in diagrams.ENDS:
        assert (credit(d, u) == credit(d, u, value=3.0)) == (diagrams.ENDINGS[0][d] == "struck out")
        assert (credit(d, u) == credit(d, u, ahead=1.0)) == (diagrams.ENDINGS[1][u] == "ends")
    words = texts_of("four_ends")
    assert words.count("struck out") == 1 and words.count("ends") == 3 and words.count("1") == 4


def test_later_evaluations_are_told_as_they_were():
    assert policies.between([500.0, 500.0]) == "all 500"
    assert policies.between([500.0, 499.96]) == "499.96 to 500"
    assert policies.between([-81.5, -90.25]) == "-90.25 to -81.5"
    assert "Later evaluations, to the end: all 500" in texts_of("learning_curve")


# ------------------------------------------------------------ command line


def test_figures_are_drawn_by_name(tmp_path):
    folder, names = tmp_path / "new", ("gamma_t", "two_states")
    figures.main([*names, "--figures-dir", str(folder)])
    drawn = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert drawn == {
        f"{name}{ending}.svg": saving.render(*FIGURES[name], look)
        for name in names
        for ending, look in saving.VARIANTS.items()
    }


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["figures", "gamma_t", "nonsense"], "nonsense"),
        (["figures", "--algo", "ppo"], "--algo"),
        (["ablation", "--epochs", "3"], "--epochs"),
        (["ablation", "--env", "Acrobot-v1"], "--env"),
        (["ablation", "--seeds", "4"], "two seeds"),
    ],
)
def test_bad_names_and_options_get_one_line(arguments, named, tmp_path, capsys):
    command, words = (figures, arguments[1:]) if arguments[0] == "figures" else (run, arguments)
    with pytest.raises(SystemExit) as ended:
        command.main([*words, "--figures-dir", str(tmp_path / "none")])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert named in said and len(said.splitlines()) == 1
    assert not (tmp_path / "none").exists()


# --------------------------------------------------------------- gradients


def test_gradient_check_shows_a_right_and_a_broken_gradient():
    slopes = gradients.checked_gradients()
    exact, layer = slopes["complex"], slopes["layer"]
    assert exact.shape == (450,) and np.abs(exact).min() > 0
    np.testing.assert_allclose(slopes["analytic"], exact, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(slopes["central"], exact, rtol=1e-3, atol=1e-9)
    factors = np.where(layer == 0, gradients.ROWS, 1)
    np.testing.assert_allclose(slopes["broken"], factors * exact, rtol=1e-9, atol=1e-15)
    assert np.bincount(layer).tolist() == [256, 64, 128, 2]
    assert nn.linear_backward.__module__ == "nn"  # the bug is gone again


def test_compass_agrees_with_the_exact_moments(rng):
    world = mdp.two_states()
    expected = (1.757, 1.780, 1.118)

    def six_steps(theta):
        pi = mdp.policy(theta, gradients.PLANE)
        return world.start @ mdp.values_within(world, pi, gradients.HORIZON)

    truth = complex_step(six_steps, np.zeros(2))
    for (_, weigh), total in zip(gradients.compass_estimators().items(), expected, strict=True):
        mean, covariance, samples = gradients.compass_cloud(weigh, rng)
        chances, points = mdp.estimates(world, np.zeros(4), mdp.TABULAR, gradients.HORIZON, weigh)
        tabular_mean, variance = mdp.moments(chances, points)
        np.testing.assert_allclose(mean, tabular_mean[[1, 3]], rtol=1e-12)
        np.testing.assert_allclose(mean, truth, rtol=1e-12)  # where the arrow points
        assert 2 * gradients.EPISODES_EACH * np.trace(covariance) == pytest.approx(variance)
        assert round(variance, 3) == total
        drawn = np.cov(samples.T)
        np.testing.assert_allclose(drawn, covariance, atol=0.2 * np.trace(covariance))
        error = np.sqrt(np.diag(covariance) / len(samples))
        assert (np.abs(samples.mean(axis=0) - mean) < 4 * error).all()


def test_the_compass_says_that_the_sum_of_squares_grows_by_a_hundredth():
    readme = (PROJECT / "README.md").read_text("utf-8")
    lengths = []
    for weigh in gradients.compass_estimators().values():
        _, covariance, _ = gradients.compass_cloud(weigh, np.random.default_rng(0))
        halves = gradients.half_axes(covariance)
        assert halves[0] @ halves[1] == pytest.approx(0, abs=1e-12)
        np.testing.assert_allclose(halves.T @ halves, 4 * covariance, atol=1e-12)
        lengths.append(np.linalg.norm(halves, axis=1))
        shown = {f"{length:.2f}" for length in lengths[-1]}
        assert " and ".join(f"{length:.2f}" for length in lengths[-1]) in readme
        assert shown <= set(texts_of("mdp_compass"))
    whole, to_go, baseline = lengths
    longer, shorter = to_go / whole
    assert longer > 1.15 and shorter < 0.6
    assert round(100 * np.square(to_go).sum() / np.square(whole).sum()) == 101
    assert np.square(baseline).sum() < 0.7 * np.square(whole).sum()


def test_ellipse_lies_two_deviations_out():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    covariance = np.array([[0.4, 0.3], [0.3, 0.5]])
    gradients.ellipse(axes, (1.0, 2.0), covariance, 2)
    (drawn,) = axes.patches
    line = drawn.get_patch_transform().transform(drawn.get_path().vertices[::3]) - (1.0, 2.0)
    distances = np.sqrt(np.einsum("ni,ij,nj->n", line, np.linalg.inv(covariance), line))
    np.testing.assert_allclose(distances, 2, rtol=1e-6)


@pytest.mark.parametrize("prompt", ["easy", "hard"])
def test_group_credit_draws_exact_means(prompt):
    drawn = language.mean_gradients(prompt)
    z = language.UNIFORM
    true = complex_step(lambda x: tokens.mean(tokens.REWARDS[prompt], x), z)
    np.testing.assert_allclose(drawn["leave-one-out"], true, atol=1e-14)
    np.testing.assert_allclose(drawn["group's mean"], 0.75 * true, atol=1e-14)
    weight = tokens.deviation_weight(tokens.mean(tokens.REWARDS[prompt], z), 4)
    np.testing.assert_allclose(drawn["over σ"], weight * true, atol=1e-7)
    # The plane keeps lengths and angles of gradients of one token's logits.
    np.testing.assert_allclose(language.PULLS.T @ language.PULLS, np.eye(2), atol=1e-15)
    turned = drawn["… and length"][0] @ language.PULLS, true[0] @ language.PULLS
    cosine = turned[0] @ turned[1] / np.prod(np.linalg.norm(turned, axis=1))
    assert 0.8 < cosine < 0.98


def test_gamma_t_flips_between_the_exercise_s_bounds():
    low, high = gradients.sign_flip()
    assert (round(low, 4), round(high, 4)) == (2.1338, 2.2222)
    true, practical = gradients.gamma_t_slopes([2.18, 2.0, 2.4])
    assert round(true[0], 5) == -0.01191 and round(practical[0], 5) == 0.01444
    assert (true[1:] * practical[1:] > 0).all()


# ---------------------------------------------------------------- diagrams


def texts_of(name):
    """What is written in a kept figure, a list."""
    root = ElementTree.parse(PROJECT / "figures" / f"{name}.svg")
    return ["".join(text.itertext()).replace("−", "-") for text in root.iter(f"{SVG}text")]


def test_two_states_shows_the_worlds_numbers():
    # V0 = ½·1 + ½(−1 + 0.9 V1), V1 = ½(0.9 V0) + ½·3, solved by hand
    V0 = (0.5 - 0.5 + 0.45 * 1.5) / (1 - 0.45**2)
    V1 = 1.5 + 0.45 * V0
    written = texts_of("two_states")
    assert {"start", "state 0", "state 1", f"V = {V0:.3f}", f"V = {V1:.3f}"} <= set(written)
    for V, action, reward, Q in (
        (V0, 0, "+1", 1),
        (V0, 1, "-1", -1 + 0.9 * V1),
        (V1, 0, "0", 0.9 * V0),
        (V1, 1, "+3", 3),
    ):
        at = written.index(f"A = {Q - V:+.3f}")
        assert written[at - 1] == f"action {action}: {reward}"
    values, advantages = diagrams.advantages_of_uniform()
    np.testing.assert_allclose(values, [V0, V1])
    np.testing.assert_allclose(advantages.sum(axis=1), 0, atol=1e-15)


def test_layer_blocks_are_products_of_what_they_show():
    texts = texts_of("layer_blocks")
    numbers = [float(text) for text in texts if re.fullmatch(r"-?\d(\.\d+)?", text)]
    shapes = [(3, 4), (4, 2), (3, 2), (4, 3), (3, 2), (4, 2), (3, 2), (2, 2), (3, 2)]
    *parts, rest = np.split(numbers, np.cumsum([rows * columns for rows, columns in shapes]))
    assert not rest.size
    H, W, Y, HT, dY, dW, dZ, W2T, dH = map(np.reshape, parts, shapes)
    assert np.ptp(Y - H @ W, axis=0).max() < 1e-3  # what is left is b₁, the same in each row
    assert np.array_equal(HT, H.T) and not dY[0].any() and not dZ[0].any()
    np.testing.assert_allclose(dW, HT @ dY, atol=2e-4)
    np.testing.assert_allclose(dH, dZ @ W2T, atol=2e-4)


def test_the_roads_arrows_are_its_formulas():
    """A box that says what it is computed from has arrows from there, and from nowhere else."""
    names, formulas = {}, {}
    for box, (formula, *_) in diagrams.BOXES.items():
        plain = re.sub(r"\(s′?\)|[ᵀ²′γ…]", "", formula)
        left, _, right = plain.partition(" = ")
        names[box], formulas[box] = re.findall(r"\w+\u0304?\w*", left)[0], right
    sources = {to: [names[box] for box in boxes] for to, boxes in diagrams.MADE_FROM.items()}
    numbers = set(names.values()) - {names[3, 0]}  # weights come from the step before
    for box, formula in formulas.items():
        if formula and box != (3, 4):
            used = set(re.findall(r"\w+\u0304?\w*", formula)) & numbers
            assert used == set(sources[box]), names[box]
    assert sources[1, 2] == ["δ"] and sources[1, 4] == ["Â"]  # Eq. 13 and 16
    assert sources[0, 1] == ["s", "V"] and sources[3, 0] == ["W̄₁", "Ȳ₁"]  # weights
    assert sources[3, 4] == ["L"]  # whose slope it is
    written = {text.replace("-", "−") for text in texts_of("gradient_road")}
    kept = (PROJECT / "figures" / "gradient_road.svg").read_text(encoding="utf-8")
    for numbers in diagrams.thread().values():  # drawn, and kept, as `trace` has them now
        assert " → ".join(text for *_, text in numbers) in written and numbers[0][2] in kept
    assert {formula for formula, *_ in diagrams.BOXES.values()} <= written


def test_the_road_has_the_networks_shapes():
    policy = CategoricalPolicy(4, 2, ppo.Config().hidden_sizes, np.random.default_rng(0))
    (W1, _), (W2, _) = policy.network.layers
    inputs, hidden = W1.shape
    value = nn.MLP((inputs, hidden, 1), np.random.default_rng(0))
    assert {
        f"{value.parameters.size} numbers · Eq. 29",
        f"{policy.parameters.size} numbers · Eq. 31, 32",
        f"N × {inputs} · Eq. 1",
        f"N × {hidden} · Eq. 27, 28",
        f"N × {W2.shape[1]} · Eq. 19",
        f"{inputs} × {hidden} · Eq. 29",
    } <= set(texts_of("gradient_road"))


# ---------------------------------------------------------------- clipping


def test_clip_slopes_are_derivatives(rng):
    """Also where nothing is clipped, however far: the range of the ablation."""
    ratios, advantages = rng.uniform(0.4, 1.6, 200), rng.normal(size=200)

    def smaller(r):
        return np.minimum(r * advantages, np.clip(r, 0.8, 1.2) * advantages)

    slopes = (smaller(ratios + 1e-7) - smaller(ratios - 1e-7)) / 2e-7
    np.testing.assert_allclose(clipping.clip_slopes(ratios, advantages, 0.2), slopes, atol=1e-6)
    far, advantages = np.array([1e-6, 1e5, 1.0, 1e5]), np.array([1.0, 1.0, -2.0, -1.0])
    np.testing.assert_allclose(clipping.clip_slopes(far, advantages, 1e6), advantages)


def test_replayed_updates_are_the_run_s_own():
    trained = runs.default_run("ppo")
    at = next(i for i, m in enumerate(trained.snapshots) if m.env_steps >= clipping.EARLY_STEPS)
    snapshot, after = trained.snapshots[at], trained.snapshots[at + 1]
    log_probs, _, _ = after.learner.policy.forward(snapshot.batch.obs, snapshot.batch.actions)
    ratios, advantages = clipping.drift(snapshot)
    assert ratios.shape == (snapshot.config.epochs + 1, len(advantages))
    assert (ratios[0] == 1).all()
    assert np.array_equal(ratios[-1], np.exp(log_probs - snapshot.batch.log_probs))
    assert np.abs(ratios[-1] - 1).max() > 0.1
    probs = clipping.before_and_after(snapshot)
    assert np.array_equal(probs["ppo"], np.exp(log_probs))
    moved = {name: np.abs(probs[name] - probs["before"]).mean() for name in ("vpg", "ppo")}
    assert 0 < moved["vpg"] < moved["ppo"]
    # the band that is drawn is the one that this update was clipped to
    assert clipping.clip_range_at(snapshot) == 0.2 * (1 - snapshot.env_steps / 9_000)


def test_value_clip_switches_where_the_exercise_says():
    targets = np.array([1.0, 0.3, 0.0, 0.351, 0.349])
    slopes = clipping.value_slopes(np.full(5, 0.5), targets)
    np.testing.assert_allclose(slopes, [0, 0.2, 0.5, 0, 0.151], atol=1e-12)
    losses, slope = clipping.value_losses(np.array([0.5, 0.1]), 1.0)
    np.testing.assert_allclose(losses, [0.5 * 0.8**2, 0.5 * 0.9**2])
    np.testing.assert_allclose(slope, [0, -0.9])
    # the cut that is drawn and its caption: y = 0.6 is flat from 0.2 to 1.0
    losses, slope = clipping.value_losses(np.array([0.19, 0.21, 0.6, 0.99, 1.01]), 0.6)
    assert (slope != 0).tolist() == [True, False, False, False, True]
    np.testing.assert_allclose(losses[1:4], 0.5 * 0.4**2)
    _, slope = clipping.value_losses(np.array([0.19, 0.21, 1.79, 1.81]), 1.0)  # y = 1: to 1.8
    assert (slope != 0).tolist() == [True, False, False, True]


def test_fields_are_counted_as_they_are_named():
    advantages = np.array([1.0, 2.0, 1.0, -1.0, -1.0, -2.0])
    ratios = np.array([np.ones(6), [1.3, 1.3, 0.9, 0.7, 1.3, 0.7], [1.1, 1.3, 0.7, 0.7, 0.9, 1.0]])
    good = {"below": (1, 1), "above": (2, 1), "in": (3, 1)}
    bad = {"below": (2, 1), "above": (1, 0), "in": (3, 2)}
    assert clipping.field_counts(ratios, advantages, 0.2) == {
        **{(True, side): count for side, count in good.items()},
        **{(False, side): count for side, count in bad.items()},
    }


def test_the_kept_clip_says_what_the_captions_say():
    readme, written = (PROJECT / "README.md").read_text("utf-8"), texts_of("clip_cases")
    came, stayed = re.search(r"(\d+) good rows came .* Of \d+ bad", readme), "57 came, 0 stayed"
    assert came[1] == "57" and stayed in written[written.index("likelier: silent") + 1 :][:1]
    bad = re.search(r"Of (\d+) bad ones, (\d+) stayed", readme)
    assert f"{bad[1]} came, {bad[2]} stayed" == written[written.index("rarer: silent") + 1]


def test_the_kept_update_lifts_half_of_the_bad_rows():
    written = texts_of("one_update")
    shares = [int(text.split("%")[0]) for text in written if text.endswith(" of the bad")]
    assert len(shares) == 4 and all(48 <= share <= 52 for share in shares)
    good = [int(text.split("%")[0]) for text in written if text.endswith(" of the good")]
    assert len(good) == 4 and sum(good) == 200 and max(good) <= 66


def test_the_shares_are_those_of_the_rows():
    probs = clipping.before_and_after(runs.default_run("ppo").at(clipping.EARLY_STEPS))
    with drawing(8, 4) as figure:
        clipping.one_update(figure, None, LIGHT)
        written = [{text.get_text() for text in axes.texts} for axes in figure.axes]
    for name, own in zip(("vpg", "ppo"), written, strict=True):
        for kind, rows in (("good", probs["advantages"] > 0), ("bad", probs["advantages"] <= 0)):
            likelier = np.mean(probs[name][rows] > probs["before"][rows])
            assert f"{likelier:.0%} of the {kind}\nlikelier" in own
            assert f"{1 - likelier:.0%} of the {kind}\nrarer" in own


def test_shown_rows_lie_at_their_levels(rng):
    advantages, ratios = rng.normal(size=3_000), rng.uniform(0.5, 1.5, (7, 3_000))
    rows = clipping.shown_rows(ratios, advantages)
    assert (np.abs(advantages[rows] - clipping.LEVELS) < 3 * clipping.NEAR).all()
    assert (ratios[:, rows[1::2]].max(0) > 1.4).all()


# ------------------------------------------------------------------ credit


def test_credit_is_the_sum_of_surprises():
    obs, rewards, values = credit.recorded_episode()
    T, gamma = len(rewards), 0.99
    assert len(values) == len(obs) == T + 1 and (rewards == 1).all()
    fallen = (np.abs(obs[:, 0]) > 2.4) | (np.abs(obs[:, 2]) > np.radians(12))
    assert np.array_equal(np.flatnonzero(fallen), [T])
    assert np.abs(obs[0]).max() <= 0.05  # where CartPole's episodes begin
    assert T in credit.LENGTHS
    ended = np.arange(T) == T - 1
    fell = credit.credits(rewards, values, gamma, True)
    cut = credit.credits(rewards, values, gamma, False)
    for lam, down, stopped in zip(credit.LAMBDAS, fell, cut, strict=True):
        for t in (0, T // 2, T - 1):
            for found, terminated in ((down, ended), (stopped, ended & False)):
                stream = rewards, values[:-1], values[1:], terminated, ended
                errors = segment_errors(t, *stream, gamma)
                expected = sum((gamma * lam) ** k * error for k, error in enumerate(errors))
                assert found[t] == pytest.approx(expected, rel=1e-9)
        # what the one mark costs, carried back (Eq. 13)
        back = (gamma * lam) ** np.arange(T - 1, -1, -1)
        np.testing.assert_allclose(stopped - down, gamma * values[-1] * back, atol=1e-9)


# ---------------------------------------------------------------- policies


def objective(logits):
    """What the triangle's three pulls add up to climbing, for one policy; takes complex logits."""
    probs = np.exp(logits) / np.exp(logits).sum()
    entropy = -(probs * np.log(probs)).sum()
    kl = (policies.OLD * (np.log(policies.OLD) - np.log(probs))).sum()
    return probs @ policies.REWARDS + policies.ENTROPY_WEIGHT * entropy - policies.KL_WEIGHT * kl


def test_triangle_s_forces_are_gradients(rng):
    for probs in rng.dirichlet((1, 1, 1), 5):
        forces = policies.forces(probs[None])
        np.testing.assert_allclose(
            -forces["sum"][0], complex_step(objective, np.log(probs)), atol=1e-12
        )
        assert np.array_equal(forces["sum"], forces["reward"] + forces["entropy"] + forces["kl"])
    uniform, old = np.full((1, 3), 1 / 3), policies.OLD[None]
    np.testing.assert_allclose(policies.forces(uniform)["entropy"], 0, atol=1e-15)
    np.testing.assert_allclose(policies.forces(old)["kl"], 0, atol=1e-15)
    rest = policies.resting_place()
    np.testing.assert_allclose(complex_step(objective, np.log(rest)), 0, atol=1e-9)


def test_the_star_lies_between_the_three_marks():
    marks = np.array([[1, 0, 0], np.full(3, 1 / 3), policies.OLD])
    rest = policies.resting_place()
    weights = np.linalg.solve(marks.T, rest)  # rest = weights @ marks
    assert weights.min() > 0.2
    assert min(np.linalg.norm((rest - mark) @ policies.CORNERS) for mark in marks) > 0.15
    way = policies.descent(policies.OLD)
    assert np.array_equal(way[0], policies.OLD)
    left = np.linalg.norm(way - rest, axis=1)
    assert left[-1] < 0.1 * left[0] and (np.diff(left) < 0).all()


def test_grid_covers_the_triangle():
    grid = policies.simplex_grid()
    np.testing.assert_allclose(grid.sum(axis=1), 1)
    assert grid.min() > 0 and len(np.unique(grid, axis=0)) == 45


def test_portrait_shows_the_policy():
    policy = runs.default_run("ppo").snapshots[-1].learner.policy
    drawn = policies.portrait(policy)
    for row, column in ((0, 0), (10, 50), (80, 96)):
        obs = [0, 0, policies.ANGLES[column], policies.VELOCITIES[row]]
        logits = policy.network(np.array([obs], np.float32))[0]
        right = 1 / (1 + np.exp(logits[0] - logits[1]))
        assert drawn[row, column] == pytest.approx(right, rel=1e-5)
    assert np.degrees(policies.ANGLES[-1]) == pytest.approx(12)


def test_nothing_is_decided_at_first():
    first, *_, last = (runs.default_run("ppo").at(steps) for steps in policies.PORTRAIT_STEPS)
    right = policies.portrait(first.learner.policy)
    assert first.env_steps == 0 and 0.49 < right.min() < right.max() < 0.51
    assert f"π: {right.min():.3f} to {right.max():.3f}" in texts_of("policy_portrait")
    assert np.ptp(policies.portrait(last.learner.policy)) > 0.5


def test_no_picture_needs_a_display():
    for path in Path(PROJECT / "lab" / "pictures").glob("*.py"):
        assert "pyplot" not in path.read_text("utf-8")
