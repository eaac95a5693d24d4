"""`run.py trace`: what is printed is right, and can be followed with a pocket calculator.

The page is read back from its text: its arrays are those of the walk, whose gradient and
step are those of training, and its worked numbers follow from the digits above them.
"""

import inspect
import io
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from programs import call

import distributions
import nn
import ppo
import vpg
from lab.proof.numbering import cited, number_of
from lab.proof.trace import TRACED, make_policy, trace, walk
from learner import Batch, Learner

EXACT = {"obs", "actions", "advantages", "old_log_probs", "W1", "b1", "W2", "b2", "parameters"}
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e-\d+)?(?![\w.])")


def page_of(algorithm):
    stream = io.StringIO()
    trace(algorithm, stream)
    return stream.getvalue()


def read_arrays(lines):
    """Yield (line number, name, equation or None, array) of every array on the page."""
    for top in range(len(lines) - 1):
        shapes = {m.end(): m.group() for m in re.finditer(r"\(\d+,\d*\)", lines[top + 1])}
        if not shapes or re.sub(r"\(\d+,\d*\)|\s", "", lines[top + 1]):
            continue
        end = lines.index("", top)
        rows = [line for line in lines[top + 2 : end] if line[3] != " "]
        heads = [line for line in lines[top + 2 : end] if line[3] == " "]
        equations = {m.end(): int(m[1]) for line in heads for m in re.finditer(r"Eq\. (\d+)", line)}
        start = 0
        for name in re.finditer(r"\S+(?: \S+)*", lines[top]):
            if name.end() in shapes:
                shape = tuple(map(int, re.findall(r"\d+", shapes[name.end()])))
                cells = [
                    re.findall(r"(?<!\S)-?\d[\d.e-]*(?!\S)", row[start : name.end()])
                    for row in rows
                ]
                cells = [row for row in cells if row]
                # a vector is one column, or one row
                columns = shape[-1] if len(shape) == 2 or len(cells) == 1 else 1
                array = np.array([list(map(float, row[-columns:])) for row in cells])
                yield top, name.group(), equations.get(name.end()), array.reshape(shape)
            start = name.end()


def read_worked(text):
    """Yield (line number, name, expression, result) of every number that is worked out."""
    for match in re.finditer(r"^   ([A-Za-z]\w*(?:\[[\d,]+\])?) = (.*(?:\n {6}.*)*)", text, re.M):
        expression, result = re.sub(r"\s+", " ", match[2]).split(" = ")
        yield text[: match.start()].count("\n"), match[1], expression, result


@pytest.fixture(params=TRACED, scope="module")
def page(request):
    text = page_of(request.param)
    lines = text.splitlines()
    return SimpleNamespace(
        algorithm=request.param, text=text, lines=lines, walk=walk(request.param),
        arrays=list(read_arrays(lines)), worked=list(read_worked(text)),
        changed=next(i for i, line in enumerate(lines) if "What has changed" in line),
    )  # fmt: skip


class Terminal(io.StringIO):
    encoding = None

    def isatty(self):
        return True


# ---------------------------------------------------------------------- layout


def test_it_fits_80_columns_and_has_no_colour_on_a_pipe(page, capsys):
    assert max(map(len, page.lines)) <= 80
    assert "\033" not in page.text and "nan" not in page.text.split()
    assert not [line for line in page.lines if line != line.rstrip()]
    assert not re.search(r"-0\.0+(?!\d)", page.text)  # no "-0.00000"
    assert call("trace", page.algorithm) == (0, page.text, "")
    trace()
    assert capsys.readouterr().out == page_of("ppo")


def test_a_terminal_gets_it_in_a_pager(monkeypatch):
    paged, terminal = [], Terminal()
    terminal.encoding = "cp1252"  # has no rule
    monkeypatch.setattr("pydoc.pager", paged.append)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout", terminal)
    trace("vpg")
    monkeypatch.undo()
    assert paged == [page_of("vpg").replace("─", "-")]


def test_bold_headings_on_a_terminal_and_no_color(page, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    bold, quiet = Terminal(), Terminal()
    trace(page.algorithm, bold)
    assert "\033[1m 1  What goes in \033[0m" in bold.getvalue()
    assert re.sub(r"\033\[\d+m", "", bold.getvalue()) == page.text
    # the thread: each number that is worked out is bold, in its array and in its sum
    strong = re.findall(r"\033\[1m *(-?\d\.\d+)\033", bold.getvalue())
    w = page.walk
    thread = w.z1[1, 0], w.h[1, 0], w.logits[1, 1], w.dlogits[1, 1], w.dh[1, 0], w.dz1[1, 0]
    for number in (*thread, w.dW2[0, 1], w.dW1[3, 0], w.new_W1[3, 0]):
        assert strong.count(f"{number:.5f}") >= 2, number
    for number in (w.z1[0, 0], w.dW1[0, 1], w.logits[2, 0]):
        assert f"{number:.5f}" not in strong
    monkeypatch.setenv("NO_COLOR", "1")
    trace(page.algorithm, quiet)
    assert quiet.getvalue() == page.text


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_it_prints_where_there_is_no_unicode(encoding):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding, newline="\n")
    trace("ppo", stream)
    stream.flush()
    assert raw.getvalue().decode(encoding) == page_of("ppo").replace("─", "-")


def test_another_algorithm_is_refused():
    stream = io.StringIO()
    with pytest.raises(ValueError, match="algorithm must be one of ppo, vpg, not 'dqn'"):
        trace("dqn", stream)
    assert stream.getvalue() == ""


# ------------------------------------------------------- the pocket calculator

CALCULATOR = {name: getattr(math, name) for name in ("tanh", "exp", "log", "sqrt")}
CALCULATOR |= {"max": max, "min": min, "__builtins__": {}}
# Where a number stands under another name, and what stands in no array.
FLAT = {"W1[3,0]": "parameters[6]", "m": "m[6]", "v": "v[6]"}
ALONE = {"M", "loss", "norm", "scale", "m_hat", "v_hat"}


def half_a_digit(text):
    """Half a unit of a printed number's last digit."""
    mantissa, _, exponent = text.partition("e")
    return 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def test_a_calculator_gets_every_worked_number_from_the_printed_digits(page):
    """And each is the one in the array of its name, where there is one, last printed above it."""
    assert len(page.worked) >= 25
    for top, name, expression, result in page.worked:
        if expression != "all_log_probs[1,1]":  # no calculation
            value = eval(expression, CALCULATOR)
            assert abs(value - float(result)) < half_a_digit(result), (name, expression, value)
        stem, _, index = FLAT.get(name, name).rstrip("]").partition("[")
        above = [array for line, own, _, array in page.arrays if line < top and own == stem]
        assert bool(above) == (name not in ALONE)
        if above:
            assert above[-1][tuple(map(int, index.split(",")))] == float(result), name


def test_every_number_in_a_worked_number_stands_above_it(page):
    # Unsigned, for a sum may show "- 0.09" where the array has -0.09.
    settings = {0.0, 1.0, 3.0, 0.2, 0.8, 1.2, 0.01, 0.5, 0.9, 0.999, 1e-6, 1e-8}
    squares = {float(line.split()[-1]) for line in page.lines if "squares of" in line}
    for top, name, expression, _ in page.worked:
        above = {abs(x) for line, _, _, array in page.arrays if line < top for x in array.flat}
        above |= {abs(float(result)) for line, _, _, result in page.worked if line < top}
        for number in NUMBER.findall(expression):
            assert float(number) in above | settings | squares, (name, expression, number)


# ---------------------------------------------------- the walk is that of training


def test_every_printed_array_is_the_walk_s(page):
    later = {
        "gradient": ("norm-clip", "clipped_gradient"),
        "parameters": ("adam", "new_parameters"),
    }
    for top, name, equation, array in page.arrays:
        own = f"new_{name}" if top > page.changed and hasattr(page.walk, f"new_{name}") else name
        if name in later and number_of(later[name][0]) == equation:
            own = later[name][1]
        close = {"m": {"atol": 5.1e-7}, "v": {"rtol": 6e-4}}.get(name, {"atol": 5.1e-6})
        close = {"rtol": 0, "atol": 0} if own in EXACT else {"rtol": 0, **close}
        if name != "actions":  # which are printed as words
            np.testing.assert_allclose(array, getattr(page.walk, own), **close, err_msg=own)
    actions = re.findall(r"row \d .* (right 1|left 0) ", page.text)
    assert actions == ["right 1", "right 1", "left 0"]
    for name in ("dW1", "db1", "dW2", "db2"):
        printed = float(re.search(rf"squares of {name} +(\S+)", page.text)[1])
        assert printed == pytest.approx((getattr(page.walk, name) ** 2).sum(), abs=5.1e-6)


def test_the_way_by_hand_is_the_way_of_the_classes(page):
    w, policy = page.walk, make_policy()
    log_probs, entropies, cache = policy.forward(w.obs, w.actions)
    np.testing.assert_array_equal(log_probs, w.log_probs)
    np.testing.assert_array_equal(entropies, w.entropies)
    gradient = policy.backward(w.dlog_probs, np.zeros(3), cache)
    np.testing.assert_allclose(gradient, w.gradient, rtol=0, atol=1e-15)
    if page.algorithm == "ppo":  # what the loss does not hand out, the trace computes again
        assert -w.minimum.mean() == w.loss
        np.testing.assert_array_equal(w.alive * -w.plain / 3, w.dlog_probs)
        assert w.dead_fraction == pytest.approx(1 - w.alive.mean())


def test_the_step_is_the_one_that_training_takes(page):
    """The algorithm's own `update`, on these three rows, ends in the parameters printed."""
    w, algorithm = page.walk, {"ppo": ppo, "vpg": vpg}[page.algorithm]
    policy, value = make_policy(), nn.MLP((4, 2, 1), np.random.default_rng(0), dtype=np.float64)
    adams = (nn.Adam(net.parameters.size, 0.01, dtype=np.float64) for net in (policy, value))
    learner, zeros = Learner(policy, value, *adams), np.zeros(3)
    batch = Batch(w.obs, w.actions, w.old_log_probs, zeros, w.advantages, zeros)
    settings = {"num_envs": 1, "num_steps": 3, "max_grad_norm": 0.5, "entropy_coefficient": 0.0}
    if page.algorithm == "ppo":
        settings |= {"epochs": 1, "minibatch_size": 3, "clip_range": 0.2}
    config = algorithm.Config(**settings)
    statistics = algorithm.update(learner, batch, config, 0.0, np.random.default_rng(0))
    np.testing.assert_allclose(policy.parameters, w.new_parameters, rtol=0, atol=1e-12)
    assert statistics["policy_grad_norm"] == pytest.approx(w.norm, abs=1e-14)
    assert statistics["policy_loss"] == pytest.approx(w.loss, abs=1e-14)
    # One of the two traces shows a gradient that is clipped, the other one that is not.
    assert (w.norm > 0.5) == ("Longer than 0.5" in page.text) == (page.algorithm == "ppo")


# --------------------------------------------------------------- what is taught


def test_the_rows_show_the_cases_of_the_clip():
    w, text = walk("ppo"), page_of("ppo")
    assert w.ratios[0] > 1.2 and w.advantages[0] > 0 and w.dlog_probs[0] == 0
    assert w.ratios[1] > 1.2 and w.advantages[1] < 0 and w.dlog_probs[1] > 0
    assert 0.8 < w.ratios[2] < 1.2 and w.plain[2] == w.clipped[2] and w.dlog_probs[2] < 0
    assert re.findall(r"row \d .* [01]   +(\w+.*: .*)", text) == [
        "beyond, moved enough: dead", "beyond, the wrong way: back", "in the band: they tie",
    ]  # fmt: skip
    # The mirror image, in words: "a bad action's gradient is dead, a good one's pulls it back".
    _, slopes = ppo.clipped_surrogate(np.log([0.7, 0.7]), np.zeros(2), np.array([-1.0, 1.0]), 0.2)
    assert slopes[0] == 0 and slopes[1] < 0
    assert re.search(r"band: 0\.67 of .*\nDead: 0\.33 of ", text)
    # "as normalised ones are"
    assert w.advantages.mean() == pytest.approx(0, abs=1e-12)
    assert w.advantages.std() == pytest.approx(1, abs=1e-4)


def test_what_has_changed(page):
    w, policy = page.walk, make_policy()
    policy.parameters[:] = w.new_parameters
    new = policy.forward(w.obs, w.actions)[0]
    np.testing.assert_allclose(w.after, np.exp(new), rtol=1e-14)
    np.testing.assert_allclose(w.before, np.exp(w.log_probs), rtol=1e-14)
    last = {name: array for _, name, _, array in page.arrays}
    subtracted = last["after"] - last["before"]  # as a reader would, from the printed digits
    np.testing.assert_allclose(last["change"], subtracted, rtol=0, atol=1e-9)
    # Live rows went where their gradient asked; the dead one's went down unasked.
    live = w.dlog_probs != 0
    assert np.all((w.change * -w.dlog_probs)[live] > 0)
    asked = re.findall(r"row \d +(nothing|likelier|less likely)  ", page.text)
    if page.algorithm == "ppo":
        assert asked == ["nothing", "less likely", "likelier"]
        assert not live[0] and w.change[0] < 0 and "yet it fell" in page.text
        np.testing.assert_allclose(w.new_ratios, np.exp(new - w.old_log_probs), rtol=1e-14)
        assert abs(w.new_ratios[1] - 1) < abs(w.ratios[1] - 1)  # "pulled back"
        new_loss, _ = ppo.clipped_surrogate(new, w.old_log_probs, w.advantages, 0.2)
    else:
        assert asked == ["likelier", "less likely", "likelier"]
        assert live.all() and w.change[0] > 0 and "Row 0 was heard, and rose" in page.text
        new_loss, _ = vpg.policy_loss(new, w.advantages)
    numbers = re.search(r"went from (\S+) to (\S+), by (\S+);[^=]*= (\S+)\.$", page.text, re.M)
    change, foretold = new_loss - w.loss, w.gradient @ (w.new_parameters - w.parameters)
    expected = [w.loss, new_loss, change, foretold]
    np.testing.assert_allclose([float(n) for n in numbers.groups()], expected, rtol=0, atol=5.1e-6)
    assert change < 0 and abs(change - foretold) < 0.05 * abs(change)


# -------------------------------------------------------------------- equations

# The shipped code whose comments name an array's equation. Eq. 38 is Eq. 20's line with Eq. 37's
# slopes; the file ppo.py names it.
COMMON = {
    nn.linear_forward: "z1 logits",
    nn.tanh_forward: "h",
    distributions.log_softmax: "all_log_probs probs log_probs before after",
    distributions.categorical_entropy_backward: "entropies",
    nn.linear_backward: "dW1 db1 dW2 db2 dh",
    nn.tanh_backward: "dz1",
    nn.Adam.step: "m v",
}
CODE = {
    "ppo": COMMON
    | {ppo.clipped_surrogate: "ratios plain clipped minimum alive dlog_probs", ppo: "dlogits"},
    "vpg": COMMON
    | {vpg.policy_loss: "dlog_probs", distributions.categorical_log_prob_backward: "dlogits"},
}
TWICE = {
    "gradient": (nn.MLP.backward, nn.clip_global_norm),
    "parameters": (None, nn.Adam.step),
}


def test_every_array_has_its_equation(page):
    code = {name: thing for thing, names in CODE[page.algorithm].items() for name in names.split()}
    printed = {name for _, name, _, _ in page.arrays}
    assert printed >= {*code, *TWICE, *EXACT} - {"old_log_probs"}
    shown, named = {name: iter(things) for name, things in TWICE.items()}, set()
    for _, name, equation, _ in page.arrays:
        thing = next(shown[name]) if name in TWICE else code.get(name)
        if thing is None:
            assert equation is None and name in EXACT | {"change"}, name
        else:
            assert equation in cited(inspect.getsource(thing)), (name, equation)
            named.add(equation)
    dead = cited(inspect.getsource(ppo.clip_statistics)) if "Dead:" in page.text else ()
    assert named <= {int(n) for n in re.findall(r"Eq\. (\d+)", page.text)} <= named | set(dead)


def test_the_guide_quotes_what_is_printed():
    guide = (Path(__file__).parents[1] / "docs" / "guide.md").read_text(encoding="utf-8")
    quotes = re.findall(r"```\w*\n\$ python run\.py trace( vpg)?\n(.*?)```", guide, re.S)
    assert quotes
    for variant, quote in quotes:
        printed = page_of(variant.strip() or "ppo").splitlines()
        assert all(line in ("", "…") or line in printed for line in quote.splitlines())
