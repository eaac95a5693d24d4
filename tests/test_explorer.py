"""The explorer's page: its data, and every widget's numbers in a real browser.

The tests marked `browser` need Playwright (requirements/browser.txt) and a Chromium
that is on the PATH, or named by CHROMIUM. Without them they are skipped; with
REQUIRE_BROWSER=1 in the environment, as in `make test-browser`, that is a failure.
"""

import json
import re
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import distributions
import policies
import ppo
import training
from advantages import gae
from lab.pictures import explorer
from nn import MLP

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "explorer.html"
TEXT = PAGE.read_text(encoding="utf-8")
TEMPLATE, DATA = explorer.split(TEXT)
OBS = explorer.unpack(DATA["episode"]["obs"]).astype(float)
POLICIES = explorer.unpack(DATA["training"]["policies"])
LAST = len(POLICIES) - 1
SOLVED = 475  # CartPole-v1's reward threshold
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
WIDTHS = (320, 360, 768, 1280, 3840)  # 320: a page at four times its size (WCAG 1.4.10)
browser_test = pytest.mark.browser


def recorded_policy(iteration):
    """The policy after that many iterations, in double precision."""
    rng = np.random.default_rng(0)
    policy = policies.CategoricalPolicy(4, 2, DATA["about"]["hidden_sizes"], rng, dtype=np.float64)
    policy.parameters[:] = POLICIES[iteration]
    return policy


def recorded_values():
    """V of every observation of the episode (T+1,), in double precision."""
    sizes = (4, *DATA["about"]["hidden_sizes"], 1)
    value = MLP(sizes, np.random.default_rng(0), dtype=np.float64)
    value.parameters[:] = explorer.unpack(DATA["episode"]["value_parameters"])
    return value(OBS)[:, 0]


# ------------------------------------------------------------------ the file


def test_page_is_the_template_with_its_data():
    assert explorer.TEMPLATE.read_text(encoding="utf-8") == TEMPLATE
    assert explorer.render(DATA) == TEXT
    assert PAGE.stat().st_size < 1_000_000


def test_same_data_twice_and_another_seed_gives_others():
    config = ppo.Config(total_steps=3_000)
    first, second = (explorer.render(explorer.collect(config)) for _ in range(2))
    assert first == second
    assert explorer.render(explorer.collect(config, seed=1)) != first
    assert list(explorer.split(first)[1]) == list(DATA)


def test_command_writes_the_page(tmp_path, monkeypatch, capsys):
    import run

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(explorer, "collect", lambda: DATA)
    assert run.main(["explorer"]) == 0
    assert (tmp_path / "docs" / "explorer.html").read_text(encoding="utf-8") == TEXT
    assert capsys.readouterr().out.startswith("docs/explorer.html: ")
    (tmp_path / "file").touch()
    for path in ("file/page.html", str(tmp_path)):
        with pytest.raises(SystemExit) as ending:
            run.main(["explorer", path])
        assert ending.value.code == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["docs", "file"]


def test_packing_keeps_every_bit(rng):
    array = rng.standard_normal((2, 3, 4)).astype(np.float32)
    packed = json.loads(json.dumps(explorer.pack(array)))
    assert np.array_equal(explorer.unpack(packed), array)


def test_episode_is_cartpole():
    """Every recorded step, taken again from the recorded observation, leads to the next one."""
    episode = DATA["episode"]
    env = gym.make(DATA["about"]["env_id"]).unwrapped
    env.reset(seed=0)
    assert len(OBS) == len(episode["actions"]) + 1 == len(episode["rewards"]) + 1
    for t, action in enumerate(episode["actions"]):
        env.state, env.steps_beyond_terminated = tuple(OBS[t]), None
        obs, reward, terminated, _, _ = env.step(action)
        np.testing.assert_allclose(obs, OBS[t + 1], atol=1e-6)
        assert reward == episode["rewards"][t]
        assert terminated == (t == len(episode["actions"]) - 1)


def test_episode_is_the_recorded_policys():
    """Its actions are about as likely as the policy's entropy says (4 standard errors)."""
    policy = recorded_policy(DATA["episode"]["iteration"])
    actions = np.array(DATA["episode"]["actions"])
    log_probs, entropies, _ = policy.forward(OBS[:-1], actions)
    all_log_probs = policy.distribution(OBS[:-1])
    variances = (np.exp(all_log_probs) * all_log_probs**2).sum(axis=1) - entropies**2
    z = (log_probs + entropies).sum() / np.sqrt(variances.sum())
    assert abs(z) < 4


def test_training_is_a_real_one():
    run, about = DATA["training"], DATA["about"]
    defaults = ppo.Config()
    for name in ("gamma", "gae_lambda", "clip_range", "num_envs"):
        assert about[name] == getattr(defaults, name)
    assert tuple(about["hidden_sizes"]) == defaults.hidden_sizes
    steps = run["env_steps"]
    assert steps[0] == 0 and steps == sorted(steps) and steps[-1] >= defaults.total_steps
    for name in ("mean_return", "entropy", "approx_kl", "clip_fraction"):
        assert run[name][0] is None and len(run[name]) == len(steps) == LAST + 1
    assert explorer.unpack(run["states"]).shape == (LAST + 1, about["num_envs"], 2)
    # mean_return is the mean of the last 100 episodes' returns, at every iteration
    for iteration in range(1, LAST + 1):
        returns = [total for ended, total in run["episodes"] if ended <= iteration][-100:]
        if returns:
            assert run["mean_return"][iteration] == pytest.approx(np.mean(returns), rel=1e-5)
    final = recorded_policy(LAST)
    assert training.evaluate(final, about["env_id"], 20, seed=0).mean() >= SOLVED
    assert training.evaluate(recorded_policy(0), about["env_id"], 20, seed=0).mean() < 100


def test_page_is_self_contained():
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!\.\./README\.md#|#|data:)""", TEMPLATE)
    assert not re.search(r"@import|url\((?!#)|fetch\(|XMLHttp|import\(|WebSocket|<iframe", TEMPLATE)
    assert "default-src 'none'" in TEMPLATE


def test_links_lead_to_their_equations():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = anchors = None
    equations, anchors = {}, set()
    for line in readme.splitlines():
        if heading := re.match(r"#+ (.*)", line):
            section = re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-")
            anchors.add(section)
        for number in re.findall(r'<a id="eq-(\d+)">', line):
            equations[number] = section
            anchors.add(f"eq-{number}")
    links = re.findall(
        r'<a data-eq="(\d+)" href="\.\./README\.md#([\w-]+)">Eq\. (\d+)</a>', TEMPLATE
    )
    assert len(links) == TEMPLATE.count("data-eq=") >= 10
    for number, anchor, shown in links:
        assert number == shown
        assert anchor in (equations[number], f"eq-{number}")
    for anchor in re.findall(r"README\.md#([\w-]+)", TEMPLATE):
        assert anchor in anchors


# --------------------------------------------------------------- the browser


@pytest.fixture
def visit(chromium):
    """visit(width=…, …) opens the page as Playwright's new_context(…) says.

    Whatever is opened must stay free of errors, and ask nobody for anything.
    """
    contexts, complaints = [], []

    def open_page(width=1280, height=900, **settings):
        context = chromium.new_context(viewport={"width": width, "height": height}, **settings)
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", lambda request: asked(request.url))
        page.goto(PAGE.as_uri())
        return page

    def asked(url):
        if url.split("#")[0] != PAGE.as_uri() and not url.startswith("data:"):
            complaints.append(f"request: {url}")

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def numbers(page):
    """All numbers that the page shows, whole: dict of element id -> float."""
    script = """() => Object.fromEntries([...document.querySelectorAll('[data-value]')]
        .map((element) => [element.id, element.dataset.value]))"""
    return {
        name: float("nan") if value == "null" else float(value)
        for name, value in page.evaluate(script).items()
    }


def wait(page, condition):
    """Until a JavaScript expression is true. (Playwright's own waiting needs eval, and the
    page's security policy forbids that.)"""
    until = time.monotonic() + 20
    while not page.evaluate(condition):
        assert time.monotonic() < until, f"still not: {condition}"
        page.wait_for_timeout(20)


def set_sliders(page, **values):
    """Set range inputs by id (an underscore stands for a hyphen)."""
    for name, value in values.items():
        page.fill(f"#{name.replace('_', '-')}", f"{value:g}")


def drag(page, selector, start, end):
    """Press the mouse at one point of an element, as shares of its box, and release at another."""
    box = page.locator(selector).bounding_box()
    points = [(box["x"] + u * box["width"], box["y"] + v * box["height"]) for u, v in (start, end)]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=4)
    page.mouse.up()


def expected_logits(logits, action, advantage, alpha):
    """What the first widget must show, from the lesson's functions: dict of id -> number."""
    logits, action = np.array([logits], float), np.array([action])
    log_probs = distributions.log_softmax(logits)
    probs = np.exp(log_probs)
    score = distributions.categorical_log_prob_backward(np.ones(1), action, probs)
    # the loss is −Â log π(a)
    gradient = distributions.categorical_log_prob_backward(np.array([-advantage]), action, probs)
    after = distributions.log_softmax(logits - alpha * gradient)
    log_prob = distributions.categorical_log_prob(log_probs, action)[0]
    expected = {
        "logits-logp": log_prob,
        "logits-logp-new": distributions.categorical_log_prob(after, action)[0],
        "logits-loss": -advantage * log_prob,
        "logits-entropy": distributions.categorical_entropy(log_probs)[0],
        "logits-entropy-new": distributions.categorical_entropy(after)[0],
    }
    rows = {
        "pi": probs, "score": score, "gradient": gradient, "step": -alpha * gradient,
        "znew": logits - alpha * gradient, "pinew": np.exp(after),
    }  # fmt: skip
    return expected | {f"{name}{k}": row[0, k] for name, row in rows.items() for k in range(3)}


def assert_shown(page, expected):
    shown = numbers(page)
    for name, value in expected.items():
        np.testing.assert_allclose(shown[name], value, err_msg=name, **CLOSE)
    return shown


@browser_test
def test_logits_agree(visit, rng):
    page = visit()
    settings = [
        (np.round(rng.uniform(-4, 4, 3), 1), rng.integers(3), advantage, alpha)
        for advantage in (-2, -0.7, 0, 0.3, 2)
        for alpha in (0, 0.05, 1, 1.5)
    ]
    for logits, action, advantage, alpha in settings:
        set_sliders(page, z0=logits[0], z1=logits[1], z2=logits[2])
        set_sliders(page, logits_advantage=advantage, alpha=alpha)
        page.locator(f"input[name=taken][value='{action}']").check()
        assert_shown(page, expected_logits(logits, action, advantage, alpha))


@browser_test
def test_taking_steps(visit):
    """Steps go on from the exact logits, also beyond the sliders' ends; a reset goes back."""
    page = visit()
    begin = [numbers(page)[f"z{k}-out"] for k in range(3)]
    set_sliders(page, logits_advantage=-2, alpha=1.5)
    logits = begin
    for _ in range(8):
        expected = expected_logits(logits, 1, -2, 1.5)
        assert_shown(page, expected)
        page.click("#take-step")
        logits = [expected[f"znew{k}"] for k in range(3)]
    shown = numbers(page)
    np.testing.assert_allclose([shown[f"z{k}-out"] for k in range(3)], logits, **CLOSE)
    assert min(logits) < -4
    page.click("#logits-reset")
    assert_shown(page, expected_logits(begin, 1, -2, 1.5))


@browser_test
def test_bars_are_as_long_as_their_numbers(visit):
    page = visit(reduced_motion="reduce")
    set_sliders(page, z0=1.5, z1=-1, z2=0.2, logits_advantage=-1.5)
    shown = numbers(page)
    for name, low, high in (("pi", 0, 1), ("score", -1, 1), ("gradient", -3, 3), ("pinew", 0, 1)):
        for k in range(3):
            bar = page.locator(f"#panel-{name} .bar").nth(k)
            track, fill = (bar.locator(part).bounding_box() for part in (".track", ".fill"))
            unit = track["width"] / (high - low)
            ends = sorted(((0 - low) * unit, (shown[f"{name}{k}"] - low) * unit))
            assert fill["x"] - track["x"] == pytest.approx(ends[0], abs=0.6)
            assert fill["width"] == pytest.approx(ends[1] - ends[0], abs=0.6)


def expected_clip(ratio, advantage, clip_range):
    """What the second widget must show, from ppo.clipped_surrogate: dict of id -> number."""
    args = np.log([ratio]), np.zeros(1), np.array([advantage], float), clip_range
    loss, dlog_probs = ppo.clipped_surrogate(*args)
    clipped = np.clip(ratio, 1 - clip_range, 1 + clip_range) * advantage
    return {
        "clip-plain": ratio * advantage,
        "clip-clipped": clipped,
        "clip-objective": -loss,
        "clip-slope": -dlog_probs[0] / ratio,  # ∂/∂log π = ρ ∂/∂ρ, and the loss has the minus
        "clip-loss": loss,
        "clip-dlogp": dlog_probs[0],
    }


@browser_test
def test_clip_agrees(visit, rng):
    page = visit()
    settings = [
        (round(ratio, 2), round(advantage, 2), round(clip_range, 2))
        for ratio in (0.05, 0.6, 0.99, 1, 1.07, 1.4, 2.5)
        for advantage in (*rng.uniform(-2, 2, 2), -1.0, 0.0, 1.0)
        for clip_range in (rng.uniform(0.05, 0.5),)
    ]
    # on the edges, where the logarithm and back does not move the ratio off them
    edges = [(1 + side * eps, eps) for eps in (0.1, 0.2, 0.25, 0.5) for side in (-1, 1)]
    edges = [(ratio, eps) for ratio, eps in edges if np.exp(np.log(ratio)) == ratio]
    assert {ratio > 1 for ratio, _ in edges} == {True, False}
    settings += [(ratio, advantage, eps) for ratio, eps in edges for advantage in (-1.5, 1.5)]
    seen = set()
    for ratio, advantage, clip_range in settings:
        set_sliders(page, ratio=ratio, clip_advantage=advantage, epsilon=clip_range)
        assert_shown(page, expected_clip(ratio, advantage, clip_range))
        side = (ratio > 1 + clip_range) * "above" or (ratio < 1 - clip_range) * "below" or "inside"
        case = "zero" if advantage == 0 else f"{'good' if advantage > 0 else 'bad'}-{side}"
        assert page.get_attribute("#clip-say", "data-case") == case
        seen.add(case)
    assert len(seen) == 7


@browser_test
def test_point_is_dragged_and_moved_by_keys(visit):
    page = visit()
    page.locator("#plane").scroll_into_view_if_needed()
    drag(page, "#plane", (0.5, 0.5), (0.95, 0.05))
    shown = numbers(page)
    assert shown["ratio-out"] > 2 and shown["clip-advantage-out"] > 1.5
    assert page.get_attribute("#clip-say", "data-case") == "good-above"
    drag(page, "#plane", (0.5, 0.5), (-1, 3))  # far out of the picture: stops at its corner
    shown = numbers(page)
    assert (shown["ratio-out"], shown["clip-advantage-out"]) == (0.05, -2)
    assert page.get_attribute("#clip-say", "data-case") == "bad-below"
    page.focus("#plane")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Shift+ArrowLeft")
    shown = numbers(page)
    assert (shown["ratio-out"], shown["clip-advantage-out"]) == (1.04, -1.89)
    assert_shown(page, expected_clip(1.04, -1.89, shown["epsilon-out"]))
    assert page.input_value("#ratio") == "1.04"
    assert "1.04" in page.get_attribute("#plane", "aria-valuetext")


@browser_test
def test_point_follows_a_finger(visit):
    page = visit(360, 740, has_touch=True, is_mobile=True)
    page.locator("#plane").scroll_into_view_if_needed()
    box = page.locator("#plane").bounding_box()
    page.touchscreen.tap(box["x"] + 0.3 * box["width"], box["y"] + 0.75 * box["height"])
    shown = numbers(page)
    assert shown["ratio-out"] < 0.7 and shown["clip-advantage-out"] < -0.5
    assert page.get_attribute("#clip-say", "data-case") == "bad-below"


def expected_credit(terminated, gamma, gae_lambda):
    """deltas (T,), advantages (T,) of the recorded episode, from advantages.gae."""
    values, rewards = recorded_values(), np.array(DATA["episode"]["rewards"])
    ends = np.zeros(len(rewards), bool)
    ends[-1] = True
    terminal = ends & terminated
    return tuple(
        gae(rewards, values[:-1], values[1:], terminal, ends, gamma, trace)
        for trace in (0.0, gae_lambda)
    )


@browser_test
def test_credit_agrees(visit):
    page = visit()
    values, T = recorded_values(), len(DATA["episode"]["rewards"])
    grid = [(g, trace) for g in (0.8, 0.99, 1) for trace in (0, 0.37, 0.95, 1)]
    for ending in ("terminated", "truncated"):
        page.locator(f"input[value={ending}]").check()
        for gamma, trace in grid:
            set_sliders(page, **{"gamma": gamma, "lambda": trace})
            deltas, advantages = expected_credit(ending == "terminated", gamma, trace)
            shown = page.evaluate("({ ...document.getElementById('credit').dataset })")
            for name, expected in (
                *(("deltas", deltas), ("advantages", advantages), ("values", values)),
            ):
                np.testing.assert_allclose(json.loads(shown[name]), expected, **CLOSE)
        for t in (0, T // 2, T - 1):
            set_sliders(page, credit_step=t)
            assert_shown(
                page,
                {
                    "credit-reward": DATA["episode"]["rewards"][t],
                    "credit-value": values[t],
                    "credit-next": values[t + 1],
                    "credit-delta": deltas[t],
                    "credit-advantage": advantages[t],
                },
            )
    assert expected_credit(True, 0.99, 0.95)[0][-1] < -10  # the fall is worth looking at


@browser_test
def test_weights_of_credit_are_drawn(visit):
    """A δ bar's strength falls by γλ a step from the cursor on; the past is faint."""
    page = visit()
    set_sliders(page, **{"gamma": 0.9, "lambda": 0.5, "credit_step": 10})
    script = """() => [...document.getElementById('timeline-delta').children]
        .map((bar) => Number(bar.getAttribute('opacity')))"""
    strength = np.array(page.evaluate(script))
    assert len(strength) == len(DATA["episode"]["rewards"])
    assert strength[9] < strength[-1]
    weights = (strength[10:] - 0.22) / 0.78
    np.testing.assert_allclose(weights, 0.45 ** np.arange(len(weights)), atol=1e-12)


@browser_test
def test_players_play_stop_and_end(visit):
    page = visit()
    for button, slider, steps in (
        ("#credit-play", "credit-step", 25),
        ("#training-play", "iteration", 20),
    ):
        at_most = int(page.get_attribute(f"#{slider}", "max"))
        set_sliders(page, **{slider: at_most - steps})
        page.click(button)
        assert page.get_attribute(button, "aria-label").startswith("Pause")
        wait(page, f"Number(document.getElementById('{slider}').value) > {at_most - steps}")
        page.click(button)
        assert page.get_attribute(button, "aria-label").startswith("Play")
        stopped = page.input_value(f"#{slider}")
        page.wait_for_timeout(300)
        assert page.input_value(f"#{slider}") == stopped
        set_sliders(page, **{slider: at_most - 1})
        page.click(button)
        wait(page, f"document.querySelector('{button}').ariaLabel.startsWith('Play')")
        assert page.input_value(f"#{slider}") == str(at_most)
        assert numbers(page)[f"{slider}-out"] == at_most


@browser_test
def test_timeline_and_curve_are_scrubbed(visit):
    page = visit()
    page.locator("#timeline").scroll_into_view_if_needed()
    drag(page, "#timeline", (0.3, 0.5), (0.9999, 0.5))
    T = len(DATA["episode"]["rewards"])
    assert numbers(page)["credit-step-out"] == T - 1
    page.locator("#curve").scroll_into_view_if_needed()
    drag(page, "#curve", (0.9, 0.5), (0.02, 0.5))
    assert numbers(page)["iteration-out"] == 0


@browser_test
def test_training_agrees(visit, rng):
    page = visit()
    run = DATA["training"]
    for iteration in (0, 1, 7, LAST // 3, LAST // 2, LAST - 1, LAST):
        policy = recorded_policy(iteration)
        set_sliders(page, iteration=iteration)
        for _ in range(4):
            degrees, spin = np.round(rng.uniform(-12, 12), 1), rng.integers(-50, 51) / 20
            position, velocity = np.round(rng.uniform(-2, 2, 2), 1)
            set_sliders(page, angle=degrees, spin=spin, position=position, velocity=velocity)
            obs = np.array([[position, velocity, np.deg2rad(degrees), spin]])
            log_probs = policy.distribution(obs)
            expected = {
                "training-left": np.exp(log_probs[0, 0]),
                "training-right": np.exp(log_probs[0, 1]),
                "training-ring-entropy": distributions.categorical_entropy(log_probs)[0],
                "training-steps": run["env_steps"][iteration],
            }
            if iteration:
                expected["training-return"] = run["mean_return"][iteration]
                expected["training-kl"] = run["approx_kl"][iteration]
            shown = assert_shown(page, expected)
            assert iteration or np.isnan(shown["training-return"])


@browser_test
def test_portrait_is_the_policys(visit):
    """The picture's colours at many pixels are those of the recorded policy's π(right)."""
    page = visit(color_scheme="light")
    script = """() => {
        const { width, height } = document.getElementById('portrait-canvas');
        const pencil = document.getElementById('portrait-canvas').getContext('2d');
        const { data } = pencil.getImageData(0, 0, width, height);
        const some = [];
        for (let row = 0; row < height; row += 5) {
            for (let column = 0; column < width; column += 5) {
                const place = 4 * (row * width + column);
                some.push(...data.slice(place, place + 3));
            }
        }
        return [width, some];
    }"""
    left, middle, right = (np.array(c) for c in ((0, 114, 178), (243, 240, 233), (213, 94, 0)))
    for iteration, position in ((0, 0.0), (5, 0.0), (LAST // 2, -1.0), (LAST, 2.2)):
        set_sliders(page, iteration=iteration, position=position, velocity=0.5)
        side, data = page.evaluate(script)
        row, column = np.mgrid[0:side:5, 0:side:5]
        picture = np.array(data).reshape(*row.shape, 3)
        obs = np.empty((*row.shape, 4))
        obs[..., 0], obs[..., 1] = position, 0.5
        obs[..., 2] = np.deg2rad((2 * column / (side - 1) - 1) * 12)
        obs[..., 3] = (1 - 2 * row / (side - 1)) * 2.5
        log_probs = recorded_policy(iteration).distribution(obs.reshape(-1, 4))
        p = np.exp(log_probs[:, 1]).reshape(row.shape)[..., None]
        share = np.abs(2 * p - 1)
        expected = middle + (np.where(p < 0.5, left, right) - middle) * share
        assert np.abs(picture - expected).max() < 10


@browser_test
def test_ring_is_dragged_and_moved_by_keys(visit):
    page = visit()
    page.locator("#portrait").scroll_into_view_if_needed()
    drag(page, "#portrait", (0.5, 0.5), (1.5, -1))
    shown = numbers(page)
    assert (shown["angle-out"], shown["spin-out"]) == (12, 2.5)
    page.focus("#portrait")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowLeft")
    shown = numbers(page)
    assert (shown["angle-out"], shown["spin-out"]) == (10.9, 2.25)
    log_probs = recorded_policy(LAST).distribution(np.array([[0, 0, np.deg2rad(10.9), 2.25]]))
    assert_shown(page, {"training-right": np.exp(log_probs[0, 1])})


# ------------------------------------------------------- for every reader


@browser_test
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_every_screen(visit, scheme):
    for width in WIDTHS:
        page = visit(width, 800, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        # nothing sticks out of its card, and no chart is missing
        beyond = page.evaluate(
            """() => [...document.querySelectorAll('section *')].filter((element) => {
                const card = element.closest('section').getBoundingClientRect();
                const box = element.getBoundingClientRect();
                return box.width && (box.right > card.right + 1 || box.left < card.left - 1);
            }).map((element) => element.outerHTML.slice(0, 80))"""
        )
        assert beyond == []
        for chart in ("plane", "objective", "stage", "timeline", "portrait", "curve", "probe"):
            assert page.locator(f"#{chart} > *").count() > 3
            box = page.locator(f"#{chart}").bounding_box()
            assert box["width"] > 200 and box["height"] > 70
        # the type grows with the screen and never gets tiny
        smallest = page.evaluate(
            """() => Math.min(...[...document.querySelectorAll('p, dt, .value, svg text')]
                .filter((e) => e.textContent.trim())
                .map((e) => parseFloat(getComputedStyle(e).fontSize)))"""
        )
        assert smallest >= (20 if width > 3000 else 12)


@browser_test
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(visit, scheme):
    """Every text has a contrast of at least 4.5 with what is behind it (WCAG 2.2, 1.4.3)."""
    page = visit(color_scheme=scheme)
    script = """() => {
        const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
            .map((c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
            .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
        const poor = [];
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const element = walker.currentNode.parentElement;
            if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
            if (element.closest('script, noscript')) continue;
            const style = getComputedStyle(element);
            const ink = parse(element.closest('svg') ? style.fill : style.color);
            let behind = element;
            while (behind && parse(getComputedStyle(behind).backgroundColor)[3] === 0) {
                behind = behind.parentElement;
            }
            const back = parse(getComputedStyle(behind).backgroundColor);
            const [a, b] = [light(ink), light(back)].sort((x, y) => y - x);
            const contrast = (a + .05) / (b + .05);
            if (contrast < 4.5) poor.push([walker.currentNode.textContent, contrast]);
        }
        return [poor, getComputedStyle(document.body).backgroundColor];
    }"""
    poor, background = page.evaluate(script)
    assert poor == []
    brightness = sum(int(part) for part in re.findall(r"\d+", background)[:3]) / 3
    assert (brightness < 60) == (scheme == "dark")


@browser_test
def test_colours_change_while_the_page_is_open(visit):
    page = visit(color_scheme="light")
    script = """() => [...document.getElementById('portrait-canvas').getContext('2d')
        .getImageData(250, 5, 1, 1).data]"""
    before = page.evaluate(script)
    page.emulate_media(color_scheme="dark")
    wait(page, f"String(({script})()) !== '{','.join(map(str, before))}'")


@browser_test
def test_everything_has_a_name(visit):
    """What a screen reader is told, by the browser's own accessibility tree."""
    page = visit()
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    named = {}
    for node in nodes:
        role = node.get("role", {}).get("value")
        if not node.get("ignored") and role in (
            *("slider", "button", "radio", "combobox", "image", "img", "link", "radiogroup"),
            *("group", "region", "navigation", "main", "status"),
        ):
            named.setdefault(role, []).append(node.get("name", {}).get("value", ""))
    for role in ("slider", "button", "radio", "combobox", "link", "region", "navigation"):
        assert named[role] and all(name.strip() for name in named[role]), (role, named[role])
    images = named.get("image", []) + named.get("img", [])
    assert len(images) == 5 and all(images)
    # 5 in the first widget, 3 + the plane, 3, 5 + the portrait
    assert len(named["slider"]) == 5 + 4 + 3 + 6
    assert len(set(named["slider"])) >= len(named["slider"]) - 1  # "Advantage" is in two widgets
    assert len(named["radio"]) == 5 and len(named["status"]) == 4
    legends = page.locator("fieldset > legend").count()
    assert legends == page.locator("fieldset").count() == 2


@browser_test
def test_markup_is_sound(visit):
    page = visit()
    assert page.get_attribute("html", "lang") == "en"
    assert page.locator("h1").count() == 1 and page.locator("h2").count() == 4
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
    assert len(ids) == len(set(ids))
    # references between elements lead somewhere
    script = "[...document.querySelectorAll('[%s]')].map((e) => e.getAttribute('%s'))"
    for attribute in ("for", "aria-labelledby"):
        for target in page.evaluate(script.replace("%s", attribute)):
            assert target in ids
    assert page.locator("[tabindex]:not([tabindex='0'])").count() == 0


@browser_test
def test_keyboard_alone_reaches_and_moves_everything(visit):
    page = visit()
    reached = []
    for _ in range(80):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            """() => { const e = document.activeElement;
                if (e === document.body) return null;
                const shown = e.closest('.choice') ? e.nextElementSibling : e;
                return [e.id || e.value || e.textContent, getComputedStyle(shown).outlineStyle,
                    parseFloat(getComputedStyle(shown).outlineWidth)]; }"""
        )
        if focused is None:
            break
        name, style, width = focused
        assert style == "solid" and width >= 2, f"{name} shows no focus"
        reached.append(name)
    wanted = page.evaluate(
        """() => [...document.querySelectorAll('input[type=range], button, select, [role=slider]')]
            .map((e) => e.id)"""
    )
    assert set(wanted) <= set(reached)
    assert {"1", "terminated"} <= set(reached)  # the radio buttons, one stop for each group

    page.focus("input[name=taken][value='1']")
    page.keyboard.press("ArrowRight")
    page.focus("#z0")
    page.keyboard.press("End")
    page.focus("#alpha")
    page.keyboard.press("ArrowLeft")
    shown = numbers(page)
    logits = [shown[f"z{k}-out"] for k in range(3)]
    assert logits[0] == 4 and shown["alpha-out"] == 0.95
    assert_shown(page, expected_logits(logits, 2, shown["logits-advantage-out"], 0.95))
    page.focus("#take-step")
    page.keyboard.press("Enter")
    assert numbers(page)["z0-out"] < 4

    page.focus("input[value=terminated]")
    page.keyboard.press("ArrowRight")
    page.focus("#lambda")
    page.keyboard.press("Home")
    deltas, _ = expected_credit(False, numbers(page)["gamma-out"], 0)
    shown = page.evaluate("document.getElementById('credit').dataset.advantages")
    np.testing.assert_allclose(json.loads(shown), deltas, **CLOSE)


@browser_test
def test_reduced_motion_is_respected(visit):
    moving, still = visit(), visit(reduced_motion="reduce")
    script = "parseFloat(getComputedStyle(document.querySelector('.fill')).transitionDuration)"
    assert moving.evaluate(script) > 0
    assert still.evaluate(script) == 0
    # a quarter of 50 frames a second, shown as two stills a second
    set_sliders(still, credit_step=0)
    still.click("#credit-play")
    wait(still, "Number(document.getElementById('credit-step').value) > 0")
    assert numbers(still)["credit-step-out"] % 7 == 0
    still.click("#credit-play")


@browser_test
def test_on_github_pages_links_lead_to_the_repository(chromium):
    address = "https://someone.github.io/lesson/explorer.html"
    context = chromium.new_context()
    context.route("**/*", lambda route: route.fulfill(body=TEXT, content_type="text/html"))
    page = context.new_page()
    page.goto(address)
    link = page.locator("a[data-eq='39']")
    assert link.evaluate("(a) => a.href") == "https://github.com/someone/lesson#the-clip"
    context.close()
