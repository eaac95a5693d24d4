"""Chapter A's widget: the two-state world in JavaScript beside its Python twin, and its pictures.

All tests need a browser, as those of test_explorer.py do.
"""

import re

import numpy as np
import pytest
import test_explorer as explorer

from lab.pictures import gradients
from lab.proof import mdp

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
page, visit = explorer.page, explorer.visit

WORLD, ZEROS, UNIFORM = mdp.two_states(), np.zeros(4), np.full((2, 2), 0.5)
WHOLE, CUT = 60, gradients.HORIZON  # no episode that is listed is longer
BASELINE = mdp.values(WORLD, UNIFORM)
WEIGH = {
    "whole": (mdp.whole_return, "whole_return"),
    "to-go": (mdp.reward_to_go, "reward_to_go"),
    "baseline": (mdp.less_baseline(BASELINE), "less_baseline"),
}
START = 16  # episodes that the picture begins with, of seed 1


def exact_moments(name, horizon, world=WORLD):
    """Of one episode's estimate: probabilities, estimates (M,4), mean (4,), deviations (4,)."""
    weigh, twin = WEIGH[name]
    if twin == "less_baseline":
        weigh = mdp.less_baseline(mdp.values(world, UNIFORM))
    chances, points = mdp.estimates(world, ZEROS, mdp.TABULAR, horizon, weigh)
    mean = chances @ points
    return chances, points, mean, np.sqrt(chances @ (points - mean) ** 2)


def for_javascript(world):
    return {name: np.array(value).tolist() for name, value in world._asdict().items()}


def worlds(rng):
    """The world of the text, one with another reward, and one in which everything may happen."""
    yield WORLD, ZEROS
    yield mdp.two_states(2.18), np.array([0.3, -0.2, -0.5, 0.4])
    onward = rng.dirichlet((1, 1, 1), (2, 2))[..., :2]
    yield (
        mdp.MDP(rng.standard_normal((2, 2)), onward, rng.dirichlet((1, 1)), 0.8),
        rng.standard_normal(4),
    )


def test_functions_are_their_twins(page, rng):
    for world, theta in worlds(rng):
        pi = mdp.policy(theta, mdp.TABULAR)
        V, step_scores = mdp.values(world, pi), mdp.scores(pi, mdp.TABULAR)
        theirs = explorer.call(
            page,
            """((m) => { const pi = m.policy(b); return [pi, m.scores(pi), m.values(a, pi),
                m.visitation(a, pi), m.advantages(a, pi), m.softmax_gradient(a, b)]; })(L.mdp)""",
            for_javascript(world),
            theta,
        )
        ours = pi, step_scores, V, mdp.visitation(world, pi), mdp.advantages(world, pi)
        gradient = mdp.softmax_gradient(world, theta)
        for their, our in zip(theirs, (*ours, gradient), strict=True):
            np.testing.assert_allclose(their, our, **explorer.CLOSE)
        whole = mdp.gradient(world, theta, mdp.TABULAR)
        np.testing.assert_allclose(theirs[-1], whole.reshape(2, 2), **explorer.CLOSE)

        for horizon in (1, 4):
            their, our = (
                explorer.call(
                    page,
                    "L.mdp.trajectories(a, c).map((one) => [one.states, one.actions, one.rewards,"
                    " [one.finished], L.mdp.returns(one.rewards, a.gamma),"
                    " [L.mdp.density(a, L.mdp.policy(b), one)]])",
                    for_javascript(world),
                    theta,
                    horizon,
                ),
                mdp.trajectories(world, horizon),
            )
            assert len(their) == len(our) >= 2
            for (*arrays, G, chance), one in zip(their, our, strict=True):
                for a, b in zip(arrays, (*one[:3], [one.finished]), strict=True):
                    np.testing.assert_array_equal(a, b)
                np.testing.assert_allclose(
                    G, mdp.returns(one.rewards, world.gamma), **explorer.CLOSE
                )
                assert chance[0] == pytest.approx(mdp.density(world, pi, one), rel=1e-9)
            for weigh, twin in WEIGH.values():
                call = f"L.mdp.{twin}" + ("(d)" if twin == "less_baseline" else "")
                (chances, points), (mean, variance) = explorer.call(
                    page,
                    "((found) => [found, L.mdp.moments(...found)])"
                    f"(L.mdp.estimates(a, b, c, {call}))",
                    for_javascript(world),
                    theta,
                    horizon,
                    BASELINE,
                )
                expected = mdp.estimates(world, theta, mdp.TABULAR, horizon, weigh)
                for a, b in zip(
                    (chances, points, mean, variance),
                    (*expected, *mdp.moments(*expected)),
                    strict=True,
                ):
                    np.testing.assert_allclose(a, b, **explorer.CLOSE)


def test_variances_are_those_of_the_text(page):
    for (_, twin), text in zip(WEIGH.values(), (1.757, 1.780, 1.118), strict=True):
        call = f"L.mdp.{twin}" + ("(c)" if twin == "less_baseline" else "")
        script = f"L.mdp.moments(...L.mdp.estimates(L.mdp.two_states(), a, b, {call}))[1]"
        assert round(explorer.call(page, script, ZEROS, CUT, BASELINE), 3) == text


@pytest.mark.parametrize("horizon", [CUT, None])
def test_episodes_are_played_as_often_as_they_are_likely(page, rng, horizon):
    *_, (world, theta) = worlds(rng)
    pi, n = mdp.policy(theta, mdp.TABULAR), 20_000
    script = """((chance, counts) => {
        for (let i = 0; i < d; i++) {
            const one = L.mdp.play(a, b, chance, c ?? Infinity);
            const parts = [one.states, one.actions, [Number(one.finished)]];
            const key = parts.map((x) => x.join("")).join(" ");
            counts[key] = (counts[key] ?? 0) + 1;
        }
        return Object.entries(counts);
    })(L.generator(5), {})"""
    counts = dict(explorer.call(page, script, for_javascript(world), pi, horizon, n))
    assert sum(counts.values()) == n
    longest = max(len(key.split()[1]) for key in counts)
    assert longest == CUT if horizon else longest > CUT
    every, seen = mdp.trajectories(world, CUT), 0
    for one in every if horizon else [one for one in every if one.finished]:
        key = " ".join("".join(map(str, part)) for part in (*one[:2], [int(one.finished)]))
        p = mdp.density(world, pi, one)
        if n * p > 25:  # often enough for a normal distribution
            seen += 1
            assert abs(counts.get(key, 0) - n * p) < 4.5 * np.sqrt(n * p * (1 - p)), key
    assert seen > 20


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("name", WEIGH)
def test_means_come_to_the_true_gradient(visit, name, cut):
    tab, horizon, n = visit(), CUT if cut else WHOLE, 20_000
    if cut:
        tab.evaluate(f"compass.setHorizon({CUT})")
    exact = np.array(tab.evaluate("compass.exact()"))
    *_, mean, deviations = exact_moments(name, horizon)
    np.testing.assert_allclose(exact, mean, **explorer.CLOSE)
    if not cut:
        np.testing.assert_allclose(exact, mdp.gradient(WORLD, ZEROS, mdp.TABULAR), **explorer.CLOSE)
        np.testing.assert_allclose(exact, [0.09630, -0.09630, -0.31574, 0.31574], atol=5e-6)
    drawn = np.array(tab.evaluate(f"compass.sample({n}, '{name}', 7)"))
    assert (np.abs(drawn - exact) < 4 * deviations / np.sqrt(n)).all()
    np.testing.assert_allclose(drawn[[0, 2]], -drawn[[1, 3]], **explorer.CLOSE)  # a plane says all
    assert tab.evaluate(f"compass.sample({n}, '{name}', 7)") == drawn.tolist()
    assert tab.evaluate(f"compass.sample({n}, '{name}', 8)") != drawn.tolist()


def test_one_seed_plays_the_same_episodes_for_all_estimators(visit):
    """And their spread is the text's: by Monte Carlo within four standard errors of a variance."""
    tab, n = visit(), 3_000
    tab.evaluate(f"compass.setHorizon({CUT})")
    script = (
        """([n, name]) => Array.from({ length: n }, (_, seed) => compass.sample(1, name, seed))"""
    )
    which = []
    for name, total in zip(WEIGH, (1.757, 1.780, 1.118), strict=True):
        drawn = np.array(tab.evaluate(script, [n, name]))
        chances, points, mean, _ = exact_moments(name, CUT)
        apart = np.abs(drawn[:, None] - points).max(axis=2)
        assert (np.sum(apart < 1e-9, axis=1) == 1).all()  # each is one episode's, and tells whose
        which.append(apart.argmin(axis=1))
        squares = ((points - mean) ** 2).sum(axis=1)
        spread = np.sqrt(chances @ (squares - chances @ squares) ** 2 / n)
        assert abs(((drawn - mean) ** 2).sum(axis=1).mean() - total) < 4 * spread
    assert len(set(which[0])) > 4
    np.testing.assert_array_equal(which[0], which[1])
    np.testing.assert_array_equal(which[0], which[2])


def test_a_reward_turns_the_gradient(visit):
    tab = visit(reduced_motion="reduce")
    rewards = WORLD.rewards.copy()
    for state, action, value in ((1, 1, 4), (0, 0, -2.5), (1, 0, 0.3), (0, 1, 1)):
        rewards[state, action] = value
        tab.evaluate(f"compass.setReward({state}, {action}, {value})")
        world = WORLD._replace(rewards=rewards)
        expected = mdp.gradient(world, ZEROS, mdp.TABULAR)
        np.testing.assert_allclose(tab.evaluate("compass.exact()"), expected, **explorer.CLOSE)
        for name in WEIGH:
            *_, deviations = exact_moments(name, WHOLE, world)
            drawn = np.array(tab.evaluate(f"compass.sample(5000, '{name}', 1)"))
            assert (np.abs(drawn - expected) < 4 * deviations / np.sqrt(5000)).all()
        slopes = """[...document.querySelectorAll('#compass-world [data-slope]')]
            .map((e) => Number(e.dataset.slope))"""
        np.testing.assert_allclose(tab.evaluate(slopes), expected, **explorer.CLOSE)
        assert tab.get_attribute("#compass-plane", "data-shown") == "0"  # old episodes are gone
        assert float(tab.input_value(f"#compass-r{state}{action}")) == value
    for wrong in ("setReward(2, 0, 1)", "setReward(0, 'length', 1)", "setReward(0, 0, NaN)",
                  "sample(0, 'whole', 1)", "sample(1, 'toString', 1)"):  # fmt: skip
        script = f"(() => {{ try {{ compass.{wrong}; }} catch (e) {{ return e.name; }} }})()"
        assert tab.evaluate(script) == "RangeError", wrong
    tab.click("#compass-reset")
    expected = mdp.gradient(WORLD, ZEROS, mdp.TABULAR)
    np.testing.assert_allclose(tab.evaluate("compass.exact()"), expected, **explorer.CLOSE)
    assert not tab.is_visible("#compass-reset")


def tip(tab, selector):
    """An arrow in the picture -> how far its point is from its foot, right and up, in pixels."""
    x0, y0, x1, y1 = map(
        float,
        re.match(
            r"M([-\d.]+) ([-\d.]+)L([-\d.]+) ([-\d.]+)", tab.get_attribute(selector, "d")
        ).groups(),
    )
    return np.array([x1 - x0, y0 - y1])


def test_picture_shows_what_was_played(visit):
    tab = visit(reduced_motion="reduce")
    shown, name = START, "whole"
    dots = """[...document.querySelectorAll('#compass-plane .episode')]
        .map((e) => [e.dataset.count, e.dataset.x, e.dataset.y].map(Number))"""
    pixels = None
    for step in (
        "",
        "#compass-1",
        "[value=to-go]",
        "#compass-1000",
        "[value=baseline]",
        "#compass-16",
    ):
        if step:
            tab.click(f"[data-widget=compass] {step}")
            shown += int(step.split("-")[1]) if "compass" in step else 0
            name = re.search("=(.*)]", step)[1] if "value" in step else name
        assert tab.get_attribute("#compass-plane", "data-shown") == str(shown)
        mean = np.array(tab.evaluate(f"compass.sample({shown}, '{name}', 1)"))
        *_, truth, deviations = exact_moments(name, WHOLE)
        table = explorer.numbers(tab)
        for state, at in enumerate((1, 3)):
            rows = {"true": truth, "mean": mean, "error": mean - truth}
            rows["se"] = deviations / np.sqrt(shown)
            for row, expected in rows.items():
                own = table[f"compass-{row}{state}"]
                assert own == pytest.approx(expected[at], abs=1e-9), row
        count, x, y = np.array(tab.evaluate(dots)).T
        assert count.sum() == shown
        np.testing.assert_allclose([count @ x / shown, count @ y / shown], mean[[1, 3]], atol=1e-9)
        unit = tip(tab, "#compass-truth") / truth[[1, 3]]
        assert unit[0] == pytest.approx(unit[1]) and unit[0] > 30  # upright, round, to be seen
        assert pixels is None or pixels == pytest.approx(unit[0])  # the same for all estimators
        pixels = unit[0]
        np.testing.assert_allclose(tip(tab, "#compass-arrow"), pixels * mean[[1, 3]], atol=1e-6)
        ring = np.reshape(re.findall(r"-?[\d.]+", tab.get_attribute("#compass-ring", "d")), (-1, 2))
        wide = np.ptp(ring.astype(float), axis=0) / pixels
        np.testing.assert_allclose(wide, 4 * rows["se"][[1, 3]], rtol=4e-3)
        said = tab.get_attribute("#compass-plane", "aria-label").replace("−", "-")
        assert "(-0.096, 0.316)" in said and f"({mean[1]:.3f}, {mean[3]:.3f})" in said
        assert tab.inner_text("#compass-say").startswith(f"{shown:,} episode")
    table = explorer.numbers(tab)
    for name in WEIGH:
        variance = (exact_moments(name, WHOLE)[3] ** 2).sum()
        assert table[f"compass-var-{name}"] == pytest.approx(variance, abs=1e-9)
    tab.check("#compass-cut")
    shown = [tab.inner_text(f"#compass-var-{name}") for name in WEIGH]
    assert shown == ["1.757", "1.780", "1.118"]
    np.testing.assert_allclose(
        tab.evaluate("compass.exact()"), exact_moments("whole", CUT)[2], **explorer.CLOSE
    )
    assert tab.get_attribute("#compass-plane", "data-shown") == "0"


def test_starting_again_plays_other_episodes_and_there_is_an_end(visit):
    tab = visit(reduced_motion="reduce")
    tab.click("#compass-again")
    assert tab.get_attribute("#compass-plane", "data-shown") == "0"
    assert tab.inner_text("#compass-mean0") == "–"
    for _ in range(20):
        tab.click("#compass-1000")
    mean = tab.evaluate("compass.sample(20000, 'whole', 2)")
    assert explorer.numbers(tab)["compass-mean1"] == pytest.approx(mean[3], abs=1e-9)
    assert all(tab.is_disabled(f"#compass-{n}") for n in (1, 16, 1000))


def test_the_mean_walks_unless_motion_is_unwanted(visit):
    script = """() => { document.getElementById('compass-1000').click();
        return document.getElementById('compass-plane').dataset.shown ?? 'walking'; }"""
    label = "document.getElementById('compass-plane').getAttribute('aria-label')"
    moving, still = visit(), visit(reduced_motion="reduce")
    assert still.evaluate(script) == str(START + 1000)
    assert moving.evaluate(script) in (str(START), "walking")  # not there yet
    explorer.wait(moving, "document.getElementById('compass-plane').dataset.shown == 1016")
    assert moving.evaluate(label) == still.evaluate(label)


def test_keys_alone_play_choose_and_change(visit):
    tab = visit(reduced_motion="reduce")
    tab.focus("#compass-1")
    tab.keyboard.press("Enter")
    assert tab.get_attribute("#compass-plane", "data-shown") == str(START + 1)
    tab.focus("[name=compass-credit]")
    tab.keyboard.press("ArrowRight")
    mean = tab.evaluate(f"compass.sample({START + 1}, 'to-go', 1)")
    assert explorer.numbers(tab)["compass-mean1"] == pytest.approx(mean[3], abs=1e-9)
    tab.focus("#compass-r11")
    tab.keyboard.press("ArrowUp")
    expected = mdp.gradient(mdp.two_states(3.1), ZEROS, mdp.TABULAR)
    np.testing.assert_allclose(tab.evaluate("compass.exact()"), expected, **explorer.CLOSE)
    tab.keyboard.press("Control+A")
    tab.keyboard.press("Delete")  # half typed: the world stays
    np.testing.assert_allclose(tab.evaluate("compass.exact()"), expected, **explorer.CLOSE)
    tab.keyboard.press("Tab")
    assert tab.input_value("#compass-r11") == "3.1"
    tab.focus("#compass-cut")
    tab.keyboard.press("Space")
    assert tab.evaluate("compass.exact()") != expected.tolist()


@pytest.mark.parametrize("width", [320, 390, 1280, 2560])
def test_nothing_covers_anything(visit, width):
    tab = visit(width, 844, reduced_motion="reduce")
    tab.evaluate("compass.setReward(1, 1, -4.2)")
    tab.click("#compass-1000")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    over = tab.evaluate(
        """() => { const box = (e) => e.getBoundingClientRect(), found = [];
            const shapes = '.compass .world :is(input, button, text, rect, circle)';
            const all = [...document.querySelectorAll(shapes)].filter((e) => box(e).width);
            for (const [i, one] of all.entries()) for (const other of all.slice(i + 1)) {
                const [a, b] = [box(one), box(other)];
                const inside = one.matches("rect, circle") && other.matches("text")
                    || other.matches("rect, circle") && one.matches("text");
                const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
                const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                if (!inside && across > 1 && down > 2) found.push([one.id || one.textContent,
                    other.id || other.textContent, across, down]);
            }
            return found; }"""
    )
    assert over == []


def test_colours_change_while_the_page_is_open(visit):
    tab = visit(color_scheme="light", reduced_motion="reduce")
    style = "document.getElementById('compass-arrow').getAttribute('style')"
    before = tab.evaluate(style)
    tab.emulate_media(color_scheme="dark")
    explorer.wait(tab, f"{style} !== {before!r}")
