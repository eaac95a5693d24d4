"""docs/layer.js, the trace's network alive: its numbers, its hands and its looks, in a browser.

What is needed for that, and what happens without it, is said in test_explorer.py.
"""

import json
import re
from itertools import product

import numpy as np
import pytest
from programs import ENOUGH
from test_explorer import DATA, DOCS, PAGE, drag, wait

import nn
from lab.pictures import explorer
from lab.proof import trace
from ppo import clipped_surrogate

browser_test = pytest.mark.browser
CLOSE = {"rtol": 0, "atol": 1e-9}
GRADIENTS = {
    **{"dW1": (4, 2), "db1": (1, 2), "dW2": (2, 2), "db2": (1, 2)},
    **{"dlogits": (3, 2), "dh1": (3, 2), "dz1": (3, 2)},
}
PARAMETERS = {"W1": (4, 2), "b1": (1, 2), "W2": (2, 2), "b2": (1, 2)}
INPUTS = PARAMETERS | {"x": (3, 4), "advantage": (3, 1), "old_log_prob": (3, 1), "action": (3, 1)}
# the widget's names, the trace's
TWINS = {
    **dict.fromkeys(("W1", "b1", "W2", "b2", "logits", "probs", "alive", "loss")),
    **dict.fromkeys(("dlogits", "dW2", "db2", "dz1", "dW1", "db1")),
    **{"x": "obs", "h1": "h", "action": "actions", "advantage": "advantages"},
    **{"ratio": "ratios", "old_log_prob": "old_log_probs", "dh1": "dh"},
}


@pytest.fixture
def visit(chromium):
    """visit(width, height, …) opens the page at the layer: without errors, without requests."""
    contexts, complaints = [], []

    def open_page(width=1280, height=900, address=None, **settings):
        settings = {"reduced_motion": "reduce", **settings}  # no smooth scrolling
        context = chromium.new_context(viewport={"width": width, "height": height}, **settings)
        context.set_default_timeout(1_000 * ENOUGH)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda one: complaints.append(one.url) if "http" in one.url else None)
        page.goto(address or PAGE.as_uri())
        wait(page, "window.layer !== undefined")
        page.evaluate("document.querySelector('[data-widget=layer]').scrollIntoView()")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def get(page, name):
    return np.array(page.evaluate("(name) => window.layer.get(name)", name))


def put(page, name, row, col, value):
    return page.evaluate("(all) => window.layer.set(...all)", [name, row, col, value])


def spot(name, row=0, col=0):
    return f"[data-widget=layer] [data-name={name}][data-row='{row}'][data-col='{col}']"


def places(shapes):
    return [(name, *at) for name, shape in shapes.items() for at in np.ndindex(shape)]


def state(page):
    return {name: get(page, name).tolist() for name in (*TWINS, "clip_range")}


def assert_walk(page, walked):
    """Every array is the walk's, and every cell shows its own number."""
    for name, twin in TWINS.items():
        ours = np.asarray(getattr(walked, twin or name), float)
        np.testing.assert_allclose(get(page, name).ravel(), ours.ravel(), err_msg=name, **CLOSE)
    shown = page.evaluate(
        """() => [...document.querySelectorAll('[data-widget=layer] [data-name]')]
            .map(({ dataset: d }) => [d.name, Number(d.row), Number(d.col), Number(d.value)])"""
    )
    assert {name for name, *_ in shown} == {*TWINS, "clip_range"}
    arrays = state(page)
    assert len(shown) == sum(np.size(array) for array in arrays.values())
    assert all(arrays[name][row][col] == value for name, row, col, value in shown)


def at_random(page, rng, monkeypatch):
    """A random state, in the page and as the trace's own inputs."""
    values = {name: rng.standard_normal(shape) for name, shape in INPUTS.items()}
    values["action"] = rng.integers(0, 2, (3, 1))
    values["old_log_prob"] = -rng.uniform(0.2, 1.5, (3, 1))
    epsilon = rng.uniform(0.05, 0.5)
    for name, row, col in places(INPUTS):
        assert put(page, name, row, col, float(values[name][row, col]))
    assert put(page, "clip_range", 0, 0, epsilon)
    monkeypatch.setattr(trace, "OBS", values["x"])
    monkeypatch.setattr(trace, "ACTIONS", values["action"][:, 0])
    monkeypatch.setattr(trace, "ADVANTAGES", values["advantage"][:, 0])
    monkeypatch.setattr(trace, "OLD_LOG_PROBS", values["old_log_prob"][:, 0])
    monkeypatch.setattr(trace, "CLIP_RANGE", epsilon)
    parameters = np.concatenate([values[name].ravel() for name in PARAMETERS])
    monkeypatch.setattr(trace, "PARAMETERS", parameters)


def loss_of(values):
    """The clipped loss in plain numpy, nothing of the lesson's; values as `state` gives them."""
    v = {name: np.array(array) for name, array in values.items()}
    logits = np.tanh(v["x"] @ v["W1"] + v["b1"]) @ v["W2"] + v["b2"]
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    ratio = np.take_along_axis(probs, v["action"], axis=1) / np.exp(v["old_log_prob"])
    low, high = 1 - v["clip_range"], 1 + v["clip_range"]
    return -np.minimum(ratio * v["advantage"], ratio.clip(low, high) * v["advantage"]).mean()


# ------------------------------------------------------------------ its numbers


def test_its_data_are_the_trace_s():
    assert DATA["trace"] == json.loads(json.dumps(explorer.traced()))
    walked = trace.walk("ppo")
    np.testing.assert_array_equal(DATA["trace"]["parameters"], walked.parameters)
    np.testing.assert_array_equal(DATA["trace"]["obs"], walked.obs)


@browser_test
def test_it_is_the_trace_s_walk(visit):
    page, walked = visit(), trace.walk("ppo")
    assert_walk(page, walked)
    assert get(page, "clip_range") == [[trace.CLIP_RANGE]]
    assert get(page, "alive").ravel().tolist() == [0, 1, 1]
    gradient = np.concatenate([get(page, "d" + name).ravel() for name in PARAMETERS])
    np.testing.assert_allclose(gradient, walked.gradient, **CLOSE)


@browser_test
def test_from_any_state(visit, rng, monkeypatch):
    page, alive = visit(), set()
    for _ in range(8):
        at_random(page, rng, monkeypatch)
        assert_walk(page, trace.walk("ppo"))
        values = state(page)
        np.testing.assert_allclose(values["loss"], loss_of(values), **CLOSE)
        log_probs = np.log(get(page, "ratio")) + get(page, "old_log_prob")
        rest = get(page, "old_log_prob")[:, 0], get(page, "advantage")[:, 0]
        theirs, _ = clipped_surrogate(log_probs[:, 0], *rest, values["clip_range"][0][0])
        np.testing.assert_allclose(values["loss"], theirs, **CLOSE)
        alive |= set(get(page, "alive").ravel())
        for name, row, col in places(PARAMETERS):  # every gradient, by differences
            sides = []
            for h in (1e-6, -1e-6):
                moved = json.loads(json.dumps(values))
                moved[name][row][col] += h
                sides.append(loss_of(moved))
            slope = (sides[0] - sides[1]) / 2e-6
            np.testing.assert_allclose(values["d" + name][row][col], slope, rtol=0, atol=1e-7)
    assert alive == {0, 1}


@browser_test
def test_products_sum_to_their_cell(visit, rng, monkeypatch):
    page = visit()
    for _ in range(2):
        for way, (name, row, col) in product(("focus", "hover"), places(GRADIENTS)):
            getattr(page.locator(spot(name, row, col)), way)()
            listed = page.evaluate(
                """() => { const one = document.querySelector('[data-products]');
                    const shown = [...one.querySelectorAll('[data-value]')];
                    return [JSON.parse(one.dataset.products),
                        shown.map((e) => Number(e.dataset.value))]; }"""
            )
            assert listed[0] == listed[1]
            terms = {"dW1": 3, "db1": 3, "dW2": 3, "db2": 3, "dh1": 2}.get(name, 1)
            assert len(listed[0]) == terms
            assert sum(listed[0]) == pytest.approx(get(page, name)[row, col], abs=1e-15, rel=0)
        at_random(page, rng, monkeypatch)
    # the row and the column that it is made of
    lit = """() => [...document.querySelectorAll('[data-widget=layer] .part')]
        .map(({ dataset: d }) => `${d.name}[${d.row},${d.col}]`).sort()"""
    for name, row, col, made_of in (
        ("dW1", 3, 0, [f"{n}[{i},{k}]" for n, k in (("dz1", 0), ("x", 3)) for i in range(3)]),
        ("dh1", 1, 0, ["W2[0,0]", "W2[0,1]", "dlogits[1,0]", "dlogits[1,1]"]),
        ("dz1", 2, 1, ["dh1[2,1]", "h1[2,1]"]),
        ("db2", 0, 1, ["dlogits[0,1]", "dlogits[1,1]", "dlogits[2,1]"]),
    ):
        page.focus(spot(name, row, col))
        assert page.evaluate(lit) == made_of
    page.focus(spot("W2", 1, 0))  # a weight shows what its gradient is made of
    made_of = [f"{n}[{i},{k}]" for n, k in (("dlogits", 0), ("h1", 1)) for i in range(3)]
    assert page.evaluate(lit) == made_of
    assert page.locator(".own").count() == 2


@browser_test
def test_a_nudge_does_what_the_gradient_says(visit):
    page = visit()
    before = get(page, "loss").item()
    for name, row, col in places(PARAMETERS):
        value, slope = get(page, name)[row, col], get(page, "d" + name)[row, col]
        changes = []
        for nudge in (1e-3, -1e-3):
            put(page, name, row, col, value + nudge)
            changes.append(get(page, "loss").item() - before)
            assert abs(changes[-1] - nudge * slope) < 1e-6, (name, row, col)
        assert abs((changes[0] - changes[1]) / 2e-3 - slope) < 1e-6
        put(page, name, row, col, value)
    assert get(page, "loss").item() == before


@browser_test
def test_steps_are_adam_s_and_reset_undoes_them(visit):
    page, walked = visit(), trace.walk("ppo")
    first = state(page)
    adam = nn.Adam(16, trace.LEARNING_RATE, trace.BETAS, trace.EPS, dtype=np.float64)
    expected = walked.parameters.copy()
    for step in range(4):
        gradient = np.concatenate([get(page, "d" + name).ravel() for name in PARAMETERS])
        nn.clip_global_norm(gradient, trace.MAX_GRAD_NORM)
        adam.step(expected, gradient)
        page.evaluate("window.layer.step()") if step % 2 else page.click("#layer-step")
        found = np.concatenate([get(page, name).ravel() for name in PARAMETERS])
        np.testing.assert_allclose(found, expected, **CLOSE)
        if step == 0:
            np.testing.assert_allclose(found, walked.new_parameters, **CLOSE)
            np.testing.assert_allclose(get(page, "loss"), walked.new_loss, **CLOSE)
            said = page.inner_text("#layer-say")
            foretold = float(re.search(r"foretold (\S+)\.", said)[1].replace("−", "-"))
            assert abs(foretold - walked.foretold) < 1e-4
    put(page, "clip_range", 0, 0, 0.5)
    put(page, "action", 0, 0, 0)
    page.click("#layer-reset")
    assert state(page) == first
    page.click("#layer-step")  # Adam has forgotten, too
    found = np.concatenate([get(page, name).ravel() for name in PARAMETERS])
    np.testing.assert_allclose(found, walked.new_parameters, **CLOSE)
    # a gradient that is too long is shortened first
    page.evaluate("window.layer.reset()")
    for row in range(3):
        put(page, "advantage", row, 0, -20)
    gradient = np.concatenate([get(page, "d" + name).ravel() for name in PARAMETERS])
    assert nn.clip_global_norm(gradient, trace.MAX_GRAD_NORM) > 1
    adam = nn.Adam(16, trace.LEARNING_RATE, trace.BETAS, trace.EPS, dtype=np.float64)
    expected = walked.parameters.copy()
    for _ in range(2):
        gradient = np.concatenate([get(page, "d" + name).ravel() for name in PARAMETERS])
        nn.clip_global_norm(gradient, trace.MAX_GRAD_NORM)
        adam.step(expected, gradient)
        page.evaluate("window.layer.step()")
    found = np.concatenate([get(page, name).ravel() for name in PARAMETERS])
    np.testing.assert_allclose(found, expected, **CLOSE)


@browser_test
def test_nonsense_is_refused(visit):
    page = visit()
    first = state(page)
    for name, row, col, value in (
        *(("W1", 0, 0, v) for v in ("1", None, [1], 1e9, True)),
        *(("W1", *at, 1) for at in ((4, 0), (0, 2), (-1, 0), (0, -1), (0.5, 0), ("0", 0))),
        *((name, 0, 0, 1) for name in ("loss", "h1", "dW1", "alive", "nothing", "__proto__")),
        *(("action", 0, 0, v) for v in (2, -1, 0.5)),
        *(("old_log_prob", 0, 0, v) for v in (0.1, -50)),
        *(("clip_range", 0, 0, v) for v in (0, -0.2)),
        *(("ratio", 0, 0, v) for v in (0, -1, 0.01)),  # 0.01: the old probability above 1
    ):
        assert put(page, name, row, col, value) is False, (name, row, col, value)
        assert state(page) == first
    script = "[NaN, Infinity, -Infinity].map((v) => window.layer.set('x', 0, 0, v))"
    assert page.evaluate(script) == [False] * 3 and state(page) == first
    assert page.evaluate("window.layer.set() || window.layer.get('nothing') || null") is None
    assert put(page, "W1", 0, 0, 0.5) is True
    for name, row, col in places(PARAMETERS):  # and what is far out breaks nothing
        put(page, name, row, col, -100)
    assert np.isfinite(get(page, "loss")) and np.isfinite(get(page, "dW1")).all()


# -------------------------------------------------------------------- its hands


@browser_test
def test_a_silent_row_wakes_in_the_band(visit):
    page = visit()
    silent = "[...document.querySelectorAll('.silent[data-name]')].map((e) => e.dataset.name)"
    assert sorted(page.evaluate(silent)) == sorted(["alive", *["dlogits", "dh1", "dz1"] * 2])
    assert not get(page, "dlogits")[0].any() and not get(page, "dz1")[0].any()
    box = page.locator(spot("ratio")).bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] - 5, box["y"] + 5, steps=3)  # 25 pixels: 1.36 to 1.11
    page.mouse.up()
    assert get(page, "ratio")[0, 0] == pytest.approx(1.11, abs=1e-12)
    assert get(page, "alive")[0, 0] == 1 and get(page, "dlogits")[0].all()
    assert page.evaluate(silent) == [] and "row 0 wakes" in page.inner_text("#layer-say")
    assert get(page, "old_log_prob")[0, 0] == pytest.approx(np.log(0.32900 / 1.11), abs=1e-5)
    page.focus(spot("ratio"))
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert get(page, "alive")[0, 0] == 0 and "row 0 falls silent" in page.inner_text("#layer-say")
    page.click(spot("action"))  # a tap turns the action
    assert get(page, "action")[0, 0] == 0
    put(page, "advantage", 1, 0, 0)  # nothing dead, and nothing to learn
    assert get(page, "alive")[1, 0] == 1 and page.locator(".silent[data-name=dlogits]").count() >= 2


@browser_test
def test_a_drag_tells_what_the_gradient_said(visit):
    page = visit()
    slope, before = get(page, "dW1")[3, 0], get(page, "loss").item()
    drag(page, spot("W1", 3, 0), (0.2, 0.5), (0.7, 0.5))
    moved, change = get(page, "W1")[3, 0] + 0.14, get(page, "loss").item() - before
    assert moved > 0.1
    said = re.findall(r"[+−]\d\.\d+", page.inner_text("#layer-say"))
    said = [float(number.replace("−", "-")) for number in said]
    assert said == pytest.approx([moved, change, moved * slope], abs=6e-5, rel=0)


@browser_test
def test_a_finger_drags_and_scrolls(visit):
    page = visit(390, 844, has_touch=True, is_mobile=True)
    page.locator(spot("x", 0, 0)).scroll_into_view_if_needed()
    action = "(e) => getComputedStyle(e).touchAction"  # a finger that goes up or down scrolls
    assert page.locator(spot("x")).evaluate(action) == "pan-y"
    box = page.locator(spot("x")).bounding_box()
    session = page.context.new_cdp_session(page)

    def touch(kind, *points):
        points = [{"x": box["x"] + x, "y": box["y"] + 8} for x in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 10)
    for x in (30, 50, 70):
        touch("touchMove", x)
    touch("touchEnd")
    wait(page, "window.layer.get('x')[0][0] > .3")


@browser_test
def test_keys_do_all_of_it(visit):
    page = visit()
    page.focus(spot("W1", 1, 1))
    for key, value in (
        *(("ArrowUp", 0.85), ("ArrowRight", 0.9), ("ArrowDown", 0.85), ("ArrowLeft", 0.8)),
        *(("Shift+ArrowUp", 0.81), ("PageUp", 1.31), ("End", 3), ("ArrowUp", 3), ("Home", -3)),
    ):
        page.keyboard.press(key)
        assert get(page, "W1")[1, 1] == pytest.approx(value, abs=1e-12), key
    named = page.locator(spot("W1", 1, 1)).get_attribute
    assert named("aria-label") == "W1 velocity, unit 1" and named("aria-valuenow") == "-3"
    assert named("aria-valuetext").startswith("−3.00, loss ")
    # gradients: one stop an array, and arrows inside it
    page.focus(spot("dW1"))
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    focused = "(({ dataset: d }) => [d.name, d.row, d.col])(document.activeElement)"
    assert page.evaluate(focused) == ["dW1", "2", "1"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == ["dW1", "2", "1"]
    # every number that can be moved, every array, both buttons: and out again
    page.focus("#layer-skip")
    reached = []
    for _ in range(80):
        page.keyboard.press("Tab")
        if not page.evaluate("document.activeElement.closest('[data-widget=layer]') !== null"):
            break
        name, style, width = page.evaluate(
            """() => { const one = document.activeElement, style = getComputedStyle(one);
                return [one.dataset.name ?? one.id, style.outlineStyle,
                    parseFloat(style.outlineWidth)]; }"""
        )
        reached.append(name)
        assert style == "solid" and width >= 2, f"{name} shows no focus"
    else:
        pytest.fail("a keyboard trap")
    wanted = {name: len(shape) and int(np.prod(shape)) for name, shape in INPUTS.items()}
    wanted |= {"ratio": 3, "clip_range": 1}
    wanted |= dict.fromkeys((*GRADIENTS, "h1", "logits", "loss"), 1)
    assert {name: reached.count(name) for name in wanted} == wanted
    assert {"layer-step", "layer-reset"} <= set(reached)
    page.focus("#layer-skip")
    page.keyboard.press("Enter")
    before = get(page, "W2")
    page.keyboard.press("Enter")
    assert (get(page, "W2") != before).all()


# -------------------------------------------------------------------- its looks


@browser_test
@pytest.mark.parametrize("width", [320, 390, 1024, 1280, 2560])
def test_it_fits_and_its_words_do_not_lie_on_each_other(visit, width):
    page = visit(width, 844)
    for name, row, col in places(PARAMETERS):
        put(page, name, row, col, -100)  # wide numbers
    page.evaluate("window.layer.reset()")
    put(page, "old_log_prob", 0, 0, -12.34)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    crossing = page.evaluate(
        """() => { const found = [];
            const boxes = [...document.querySelectorAll('.layer-net .cell[data-name]')]
                .map((e) => [e, e.getBoundingClientRect()]);
            for (const [e, a] of boxes) {
                if (e.scrollWidth > e.clientWidth) found.push(e.outerHTML);
                for (const [f, b] of boxes) {
                    if (e !== f && !e.closest('.dock') && !f.closest('.dock')
                        && a.left < b.right - 1 && b.left < a.right - 1
                        && a.top < b.bottom - 1 && b.top < a.bottom - 1)
                        found.push(e.dataset.name + f.dataset.name);
                }
            }
            return found; }"""
    )
    assert crossing == []
    smallest = page.evaluate(
        """() => Math.min(...[...document.querySelectorAll('.layer .cell')]
            .map((e) => parseFloat(getComputedStyle(e).fontSize)))"""
    )
    assert smallest >= 11.5
    under = """([a, b]) => document.querySelector(b).getBoundingClientRect().top
        - document.querySelector(a).getBoundingClientRect().bottom"""
    side_by_side = page.evaluate(under, [spot("W1", 3, 0), spot("dW1")]) < 0
    assert side_by_side == (width < 1280)


@browser_test
def test_on_a_phone_the_loss_stays_in_sight(visit):
    page = visit(390, 844, has_touch=True, is_mobile=True)
    for name, row, col in places(INPUTS):
        page.locator(spot(name, row, col)).focus()
        seen = page.evaluate(
            """(own) => {
                const one = document.querySelector(own), box = one.getBoundingClientRect();
                const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
                const loss = document.querySelector('[data-name=loss]').getBoundingClientRect();
                return [document.elementFromPoint(x, y) === one, loss.bottom]; }""",
            spot(name, row, col),
        )
        assert seen[0] and seen[1] <= 844, (name, row, col)


@browser_test
def test_memory_stays_flat(visit):
    page = visit()
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def used():
        session.send("HeapProfiler.collectGarbage")
        nodes = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
        return session.send("Runtime.getHeapUsage")["usedSize"], nodes["Nodes"]

    many = """() => { for (let i = 0; i < 300; i++) {
        window.layer.set('x', i % 3, i % 4, Math.sin(i));
        if (i % 10 === 0) window.layer.step(); } }"""
    wait(page, "document.querySelector('[data-lesson=credit]').dataset.values")  # all has begun
    for _ in range(2):
        page.evaluate(many)
    before = used()
    for _ in range(5):
        page.evaluate(many)
    after = used()
    assert after[0] < before[0] + 300_000 and after[1] < before[1] + 200


@browser_test
def test_in_the_book_it_takes_a_figure_s_place(visit, tmp_path):
    """On the screen: on paper, and without JavaScript, the figure is there."""
    pytest.importorskip("markdown_it")
    pytest.importorskip("math_core")
    from lab.book import chapters
    from lab.book.page import widgets
    from lab.proof.text import woven

    setter = chapters.Setter(woven(), {}, widgets())
    html = next(one.html for one in setter.chapters() if 'data-widget="layer"' in one.html)
    assert html.startswith("<h3") and "The network and its optimiser" in html[:200]
    order = [html.index(sign) for sign in ('id="eq-29"', 'data-widget="layer"', 'id="eq-30"')]
    assert order == sorted(order)
    assert html.count('class="figure still"') == html.count('class="caption still"') == 1
    scripts = re.findall(r'<script src="([^"]*)"', PAGE.read_text(encoding="utf-8"))
    parts = [f'<script src="{(DOCS / name).as_uri()}"></script>' for name in scripts]
    parts += [f'<link rel="stylesheet" href="{(DOCS / "explorer.css").as_uri()}">', html]
    place = "document.querySelector('[data-widget]').lastElementChild"
    parts += [f"<script>lesson.mount('layer', {place})</script>"]
    file = tmp_path / "book.html"
    file.write_text(f'<html class="js"><meta charset="utf-8">{"".join(parts)}', encoding="utf-8")
    page = visit(address=file.as_uri())
    seen = "[...document.querySelectorAll('.still')].map((e) => e.checkVisibility())"
    assert page.evaluate(seen) == [False, False]
    assert page.locator("[data-widget=layer]").count() == 1
    assert get(page, "loss") == pytest.approx(trace.walk("ppo").loss)
    page.emulate_media(media="print")
    assert page.evaluate(seen) == [True, True]
    page.emulate_media(media="screen")
    page.evaluate("document.documentElement.classList.remove('js')")
    assert page.evaluate(seen) == [True, True]
