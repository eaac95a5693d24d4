"""`--trace`: what is printed is right, and can be followed with a pocket calculator.

The page is read back from its text. Everything on it is held against a second
computation from the printed inputs alone, which uses none of the shipped functions.
"""

import inspect
import io
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import distributions
import nn
import ppo
import vpg
from lab.commands import main
from lab.proof.trace import TRACED, make_policy, trace, walk
from learner import Batch, Learner

EXACT = {"obs", "actions", "advantages", "old_log_probs", "W1", "b1", "W2", "b2", "parameters"}
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e-\d+)?(?![\w.])")


# ----------------------------------------------------------- reading the page


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
        names = [(m.end(), m.group()) for m in re.finditer(r"\S+(?: \S+)*", lines[top])]
        equations = {}
        rows = []
        for line in lines[top + 2 :]:
            if not line.strip():
                break
            if line[3] != " ":
                rows.append(line)
            else:
                found = re.finditer(r"Eq\. (\d+)", line)
                equations.update({m.end(): int(m.group(1)) for m in found})
        start = 0
        for end, name in names:
            if end in shapes:
                shape = tuple(int(n) for n in re.findall(r"\d+", shapes[end]))
                cells = [re.findall(r"(?<!\S)-?\d[\d.e-]*(?!\S)", row[start:end]) for row in rows]
                cells = [row for row in cells if row]
                if len(shape) == 1 and len(cells) == 1:
                    cells = [cells[0][-shape[0] :]]  # a vector that is printed as a row
                else:
                    columns = shape[1] if len(shape) == 2 else 1
                    cells = [row[-columns:] for row in cells]
                array = np.array([[float(cell) for cell in row] for row in cells])
                yield top, name, equations.get(end), array.reshape(shape)
            start = end


def read_worked(lines):
    """Yield (line number, name, expression, result) of every number that is worked out."""
    for top, line in enumerate(lines):
        if re.match(r"   [A-Za-z]\w*(\[[\d,]+\])? = ", line):
            text = line.strip()
            for more in lines[top + 1 :]:
                if not more.startswith("      ") or re.match(r"   \S", more):
                    break
                text += " " + more.strip()
            name, *middle, result = text.split(" = ")
            assert len(middle) == 1, text
            yield top, name, middle[0], result


@pytest.fixture(params=TRACED)
def page(request):
    text = page_of(request.param)
    lines = text.splitlines()
    arrays = list(read_arrays(lines))
    first = {}
    for _, name, equation, array in arrays:
        first.setdefault(name, (equation, array))
    return SimpleNamespace(
        algorithm=request.param,
        text=text,
        lines=lines,
        arrays=arrays,
        first=first,
        worked=list(read_worked(lines)),
        walk=walk(request.param),
    )


# ------------------------------------------------- a second way to every number


def second_way(given, algorithm):
    """All arrays again, from the printed inputs, one scalar at a time."""
    B, D, H, K = 3, 4, 2, 2
    obs, actions, advantages = given["obs"], given["actions"].astype(int), given["advantages"]
    W1, b1, W2, b2 = given["W1"], given["b1"], given["W2"], given["b2"]
    z1 = [[sum(obs[i, d] * W1[d, j] for d in range(D)) + b1[j] for j in range(H)] for i in range(B)]
    h = [[math.tanh(z) for z in row] for row in z1]
    logits = [[sum(row[j] * W2[j, k] for j in range(H)) + b2[k] for k in range(K)] for row in h]
    totals = [sum(math.exp(z) for z in row) for row in logits]
    probs = [[math.exp(z) / total for z in row] for row, total in zip(logits, totals, strict=True)]
    log_probs = [math.log(probs[i][actions[i]]) for i in range(B)]
    out = {
        "z1": z1,
        "h": h,
        "logits": logits,
        "probs": probs,
        "all_log_probs": np.log(probs),
        "log_probs": log_probs,
        "entropies": [sum(-p * math.log(p) for p in row) for row in probs],
    }
    if algorithm == "vpg":
        slopes = [-a / B for a in advantages]
        out["loss"] = -sum(a * x for a, x in zip(advantages, log_probs, strict=True)) / B
    else:
        old = given["old_log_probs"]
        ratios = [math.exp(log_probs[i] - old[i]) for i in range(B)]
        pairs = list(zip(ratios, advantages, strict=True))
        plain = [r * a for r, a in pairs]
        clipped = [min(max(r, 0.8), 1.2) * a for r, a in pairs]
        # Eq. 40 as the README states it: by the sign of the advantage, not by comparing branches
        dead = [(a > 0 and r > 1.2) or (a < 0 and r < 0.8) for r, a in pairs]
        minimum = [min(pair) for pair in zip(plain, clipped, strict=True)]
        slopes = [0.0 if dead[i] else -ratios[i] * advantages[i] / B for i in range(B)]
        out |= {"ratios": ratios, "plain": plain, "clipped": clipped, "minimum": minimum}
        out |= {"alive": [0 if x else 1 for x in dead], "loss": -sum(minimum) / B}
    out["dlog_probs"] = slopes
    return {name: np.array(value) for name, value in out.items()}


def loss_at(parameters, given, algorithm):
    W1, b1, W2, b2 = np.split(np.asarray(parameters), [8, 10, 14])
    weights = {"W1": W1.reshape(4, 2), "b1": b1, "W2": W2.reshape(2, 2), "b2": b2}
    return float(second_way({**given, **weights}, algorithm)["loss"])


def given_by(page):
    return {name: array for name, (_, array) in page.first.items() if name in EXACT}


def numeric_gradient(page):
    given, eps = given_by(page), 1e-6
    here = given["parameters"]
    return np.array(
        [
            (
                loss_at(here + eps * e, given, page.algorithm)
                - loss_at(here - eps * e, given, page.algorithm)
            )
            / (2 * eps)
            for e in np.eye(16)
        ]
    )


# ---------------------------------------------------------------------- layout


def test_it_fits_80_columns_and_has_no_colour_on_a_pipe(page):
    assert max(map(len, page.lines)) <= 80
    assert "\033" not in page.text
    assert not [line for line in page.lines if line != line.rstrip()]
    assert not re.search(r"-0\.0+(?!\d)", page.text)  # no "-0.00000"
    assert "nan" not in page.text.split()


def test_a_terminal_gets_it_in_a_pager(monkeypatch):
    class Terminal(io.StringIO):
        encoding = "cp1252"

        def isatty(self):
            return True

    paged = []
    monkeypatch.setattr("pydoc.pager", paged.append)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout", Terminal())
    trace("vpg")
    monkeypatch.undo()
    assert paged == [page_of("vpg").replace("─", "-")]  # cp1252 has no rule


def test_bold_headings_on_a_terminal_and_no_color(page, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    bold = Terminal()
    trace(page.algorithm, bold)
    assert "\033[1m" in bold.getvalue()
    assert re.sub(r"\033\[\d+m", "", bold.getvalue()) == page.text
    # the thread: each number that is worked out is bold, in its array and in its sum
    strong = re.findall(r"\033\[1m *(-?\d\.\d+)\033", bold.getvalue())
    w = page.walk
    for number in (w.z1[1, 0], w.h[1, 0], w.logits[1, 1], w.dlogits[1, 1], w.dh[1, 0], w.dz1[1, 0],
                   w.dW2[0, 1], w.dW1[3, 0], w.new_W1[3, 0]):  # fmt: skip
        assert strong.count(f"{number:.5f}") >= 2, number
    for number in (w.z1[0, 0], w.dW1[0, 1], w.logits[2, 0]):
        assert f"{number:.5f}" not in strong
    monkeypatch.setenv("NO_COLOR", "1")
    quiet = Terminal()
    trace(page.algorithm, quiet)
    assert quiet.getvalue() == page.text


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_it_prints_where_there_is_no_unicode(encoding):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding, newline="\n")
    trace("ppo", stream)
    stream.flush()
    assert raw.getvalue().decode(encoding) == page_of("ppo").replace("─", "-")


def test_it_goes_to_standard_output_unless_told_otherwise(capsys):
    trace()
    assert capsys.readouterr().out == page_of("ppo")


def test_another_algorithm_is_refused():
    stream = io.StringIO()
    with pytest.raises(ValueError, match="algorithm must be one of ppo, vpg, not 'dqn'"):
        trace("dqn", stream)
    assert stream.getvalue() == ""


def test_the_command_prints_it(capsys):
    assert main(["trace", "vpg"]) == 0
    assert capsys.readouterr().out == page_of("vpg")


# ------------------------------------------------------- the pocket calculator

CALCULATOR = {name: getattr(math, name) for name in ("tanh", "exp", "log", "sqrt")}
CALCULATOR |= {"max": max, "min": min, "__builtins__": {}}


def half_a_digit(text):
    """Half a unit of a printed number's last digit."""
    mantissa, _, exponent = text.partition("e")
    return 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def calculate(expression):
    return eval(expression, CALCULATOR)


def test_a_calculator_gets_every_worked_number_from_the_printed_digits(page):
    assert len(page.worked) >= 25
    for _, name, expression, result in page.worked:
        if expression == "all_log_probs[1,1]":
            continue  # no calculation; compared with the array below
        value = calculate(expression)
        assert abs(value - float(result)) < half_a_digit(result), (name, expression, value, result)


def test_every_number_in_a_worked_number_stands_above_it(page):
    # Unsigned, for a sum may show "- 0.09" where the array has -0.09.
    settings = {0.0, 1.0, 3.0, 0.2, 0.8, 1.2, 0.01, 0.5, 0.9, 0.999, 1e-6, 1e-8}
    for top, name, expression, _ in page.worked:
        above = {
            abs(float(x)) for _, _, _, a in [a for a in page.arrays if a[0] < top] for x in a.flat
        }
        above |= {abs(float(r)) for line, _, _, r in page.worked if line < top}
        above |= {
            float(x) for line in page.lines[:top] if "squares of" in line for x in line.split()[-1:]
        }
        for number in NUMBER.findall(expression):
            assert float(number) in above | settings, (name, expression, number)


def test_every_worked_number_is_the_one_in_the_array_of_that_name(page):
    flat = {"W1[3,0]": ("parameters", 6), "m": ("m", 6), "v": ("v", 6)}
    checked = 0
    for top, name, _, result in page.worked:
        stem, _, index = name.rstrip("]").partition("[")
        at = tuple(int(i) for i in index.split(",")) if index else None
        if name in flat:
            stem, at = flat[name][0], (flat[name][1],)
        above = [
            array for line, array_name, _, array in page.arrays if line < top and array_name == stem
        ]
        if above:
            assert above[-1][at] == float(result), name
            checked += 1
        else:
            assert name in {"M", "loss", "norm", "scale", "m_hat", "v_hat"}
            if hasattr(page.walk, name) and name in {"loss", "norm", "scale"}:
                assert float(result) == pytest.approx(getattr(page.walk, name), abs=5.1e-6)
    assert checked >= 19


def test_every_printed_array_follows_from_the_printed_inputs(page):
    given = given_by(page)
    expected = second_way(given, page.algorithm)
    seen = set()
    for _, name, _, array in page.arrays:
        if name in expected and name not in seen:
            np.testing.assert_allclose(array, expected[name], rtol=0, atol=5.1e-6, err_msg=name)
            seen.add(name)
    assert seen == set(expected) - {"loss"}
    assert page.walk.loss == pytest.approx(float(expected["loss"]), abs=1e-15)
    # Inputs are printed exactly, and the flat vector is the four arrays end to end.
    for name, array in given.items():
        np.testing.assert_array_equal(array, getattr(page.walk, name), err_msg=name)
    flat = np.concatenate([given[name].ravel() for name in ("W1", "b1", "W2", "b2")])
    np.testing.assert_array_equal(given["parameters"], flat)


def test_the_printed_squares_are_the_sums_of_the_printed_gradients(page):
    for name in ("dW1", "db1", "dW2", "db2"):
        printed = float(re.search(rf"squares of {name} +(\S+)", page.text).group(1))
        assert printed == pytest.approx((page.first[name][1] ** 2).sum(), abs=3e-5)


# ----------------------------------------------------------------- the gradient


def test_the_printed_gradient_is_that_of_finite_differences(page):
    numeric = numeric_gradient(page)
    np.testing.assert_allclose(page.walk.gradient, numeric, rtol=0, atol=1e-9)
    gradient, equation = page.first["gradient"][1], page.first["gradient"][0]
    assert equation == 32
    np.testing.assert_allclose(gradient, numeric, rtol=0, atol=5.1e-6)
    parts = [page.first[name][1].ravel() for name in ("dW1", "db1", "dW2", "db2")]
    np.testing.assert_array_equal(np.concatenate(parts), gradient)
    # What lies between the loss and the weights: the logits' and the hidden layer's gradients.
    np.testing.assert_allclose(
        page.first["dlogits"][1].sum(axis=0), numeric[14:], rtol=0, atol=2e-5
    )
    np.testing.assert_allclose(page.first["dz1"][1].sum(axis=0), numeric[8:10], rtol=0, atol=2e-5)
    np.testing.assert_allclose(
        page.first["dh"][1], page.first["dlogits"][1] @ page.first["W2"][1].T, rtol=0, atol=2e-5
    )


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
        _, dead_fraction = ppo.clip_statistics(w.log_probs, w.old_log_probs, w.advantages, 0.2)
        assert dead_fraction == pytest.approx(1 - w.alive.mean())


def test_the_step_is_the_one_that_training_takes(page):
    """The algorithm's own `update`, on these three rows, ends in the parameters printed."""
    w, algorithm = page.walk, {"ppo": ppo, "vpg": vpg}[page.algorithm]
    policy = make_policy()
    value = nn.MLP((4, 2, 1), np.random.default_rng(0), dtype=np.float64)
    learner = Learner(
        policy,
        value,
        nn.Adam(16, 0.01, dtype=np.float64),
        nn.Adam(value.parameters.size, 0.01, dtype=np.float64),
    )
    zeros = np.zeros(3)
    batch = Batch(w.obs, w.actions, w.old_log_probs, zeros, w.advantages, zeros)
    settings = {"num_envs": 1, "num_steps": 3, "max_grad_norm": 0.5, "entropy_coefficient": 0.0}
    if page.algorithm == "ppo":
        settings |= {"epochs": 1, "minibatch_size": 3, "clip_range": 0.2}
    config = algorithm.Config(**settings)
    statistics = algorithm.update(learner, batch, config, 0.0, np.random.default_rng(0))
    np.testing.assert_allclose(policy.parameters, w.new_parameters, rtol=0, atol=1e-12)
    assert statistics["policy_grad_norm"] == pytest.approx(w.norm, abs=1e-14)
    assert statistics["policy_loss"] == pytest.approx(w.loss, abs=1e-14)
    printed = [array for _, name, eq, array in page.arrays if (name, eq) == ("parameters", 34)]
    np.testing.assert_allclose(printed[0], policy.parameters, rtol=0, atol=5.1e-6)


def test_the_norm_clip_and_adam_from_the_printed_gradient(page):
    w, gradient = page.walk, numeric_gradient(page)
    norm = math.sqrt(sum(g * g for g in gradient))
    assert w.norm == pytest.approx(norm, abs=1e-8)
    clipped = [g * min(1, 0.5 / (norm + 1e-6)) for g in gradient]
    printed = {(name, eq): array for _, name, eq, array in page.arrays if array.shape == (16,)}
    np.testing.assert_allclose(printed["gradient", 35], clipped, rtol=0, atol=5.1e-6)
    np.testing.assert_allclose(printed["m", 34], np.multiply(0.1, clipped), rtol=0, atol=5.1e-7)
    np.testing.assert_allclose(printed["v", 34], 0.001 * np.square(clipped), rtol=6e-4)
    after = printed["parameters", None] - 0.01 * np.sign(clipped)
    np.testing.assert_allclose(printed["parameters", 34], after, rtol=0, atol=5.1e-6)
    # One of the two traces shows a gradient that is clipped, the other one that is not.
    assert (norm > 0.5) == (page.algorithm == "ppo")
    assert ("Longer than 0.5" in page.text) == (page.algorithm == "ppo")


# --------------------------------------------------------------- what is taught


def test_the_rows_show_the_cases_of_the_clip():
    w, text = walk("ppo"), page_of("ppo")
    assert w.ratios[0] > 1.2 and w.advantages[0] > 0 and w.dlog_probs[0] == 0
    assert w.ratios[1] > 1.2 and w.advantages[1] < 0 and w.dlog_probs[1] > 0
    assert 0.8 < w.ratios[2] < 1.2 and w.plain[2] == w.clipped[2] and w.dlog_probs[2] < 0
    cases = re.findall(r"row \d .* [01]   +(\w+.*: .*)", text)
    assert cases == [
        "beyond, moved enough: dead",
        "beyond, the wrong way: back",
        "in the band: they tie",
    ]
    # The mirror image, in words: "a bad action's gradient is dead, a good one's pulls it back".
    _, slopes = ppo.clipped_surrogate(np.log([0.7, 0.7]), np.zeros(2), np.array([-1.0, 1.0]), 0.2)
    assert slopes[0] == 0 and slopes[1] < 0
    statistics = re.search(r"band: (\d\.\d\d) of .*\nDead: (\d\.\d\d) of ", text)
    assert statistics.groups() == ("0.67", "0.33")
    # "as normalised ones are"
    assert w.advantages.mean() == pytest.approx(0, abs=1e-12)
    assert w.advantages.std() == pytest.approx(1, abs=1e-4)


def test_what_has_changed(page):
    w = page.walk
    given = given_by(page) | {"W1": w.new_W1, "b1": w.new_b1, "W2": w.new_W2, "b2": w.new_b2}
    new = second_way(given, page.algorithm)
    last = {name: array for _, name, _, array in page.arrays}
    names = ["h", "logits", "probs"] + ["ratios"] * (page.algorithm == "ppo")
    for name in names:
        np.testing.assert_allclose(last[name], new[name], rtol=0, atol=5.1e-6, err_msg=name)
    old = second_way(given_by(page), page.algorithm)
    taken = np.arange(3), w.actions
    before, after = old["probs"][taken], new["probs"][taken]
    for name, expected in (("before", before), ("after", after), ("change", after - before)):
        np.testing.assert_allclose(last[name], expected, rtol=0, atol=5.1e-6, err_msg=name)
    subtracted = last["after"] - last["before"]  # as a reader would, from the printed digits
    np.testing.assert_allclose(last["change"], subtracted, rtol=0, atol=1e-9)
    # Live rows went where their gradient asked; the dead one's went down unasked.
    live = w.dlog_probs != 0
    assert np.all(((after - before) * -w.dlog_probs)[live] > 0)
    asked = re.findall(r"row \d +(nothing|likelier|less likely)  ", page.text)
    if page.algorithm == "ppo":
        assert asked == ["nothing", "less likely", "likelier"]
        assert not live[0] and after[0] < before[0] and "yet it fell" in page.text
        assert abs(last["ratios"][1] - 1) < abs(w.ratios[1] - 1)  # "pulled back"
    else:
        assert asked == ["likelier", "less likely", "likelier"]
        assert live.all() and after[0] > before[0] and "Row 0 was heard, and rose" in page.text
    # The last paragraph.
    numbers = re.search(r"went from (\S+) to (\S+), by (\S+);[^=]*= (\S+)\.$", page.text, re.M)
    change = float(new["loss"] - old["loss"])
    foretold = float(numeric_gradient(page) @ (w.new_parameters - w.parameters))
    expected = [float(old["loss"]), float(new["loss"]), change, foretold]
    np.testing.assert_allclose([float(n) for n in numbers.groups()], expected, rtol=0, atol=5.1e-6)
    assert change < 0 and abs(change - foretold) < 0.05 * abs(change)


# -------------------------------------------------------------------- equations

# Array: equation, and the shipped code that names the same number. Eq. 41 is
# Eq. 23's line with Eq. 40's slopes; the file ppo.py names it.
COMMON = {
    "z1": (30, nn.linear_forward),
    "h": (31, nn.tanh_forward),
    "logits": (30, nn.linear_forward),
    "all_log_probs": (20, distributions.log_softmax),
    "probs": (20, distributions.log_softmax),
    "log_probs": (20, distributions.log_softmax),
    "before": (20, distributions.log_softmax),
    "after": (20, distributions.log_softmax),
    "entropies": (25, distributions.categorical_entropy_backward),
    "dW2": (30, nn.linear_backward),
    "db2": (30, nn.linear_backward),
    "dh": (30, nn.linear_backward),
    "dz1": (31, nn.tanh_backward),
    "dW1": (30, nn.linear_backward),
    "db1": (30, nn.linear_backward),
    "m": (34, nn.Adam.step),
    "v": (34, nn.Adam.step),
}
EQUATIONS = {
    "ppo": COMMON
    | {
        "ratios": (38, ppo.clipped_surrogate),
        "plain": (38, ppo.clipped_surrogate),
        "clipped": (39, ppo.clipped_surrogate),
        "minimum": (39, ppo.clipped_surrogate),
        "alive": (40, ppo.clipped_surrogate),
        "dlog_probs": (40, ppo.clipped_surrogate),
        "dlogits": (41, ppo),
    },
    "vpg": COMMON
    | {
        "dlog_probs": (10, vpg.policy_loss),
        "dlogits": (23, distributions.categorical_log_prob_backward),
    },
}
DEAD = (48, ppo.clip_statistics)
TWICE = {
    "gradient": {(32, nn.MLP.backward), (35, nn.clip_global_norm)},
    "parameters": {(None, None), (34, nn.Adam.step)},
}


def numbers_in(source):
    """Equation numbers that a piece of source names: "Eq. 38–40", "Eq. 20, 21"."""
    found = set()
    for m in re.finditer(r"Eq\. (\d+(?:(?:, | and |[–-])\d+)*)", source):
        for part in re.split(r", | and ", m.group(1)):
            first, *last = re.split("[–-]", part)
            found |= set(range(int(first), int((last or [first])[0]) + 1))
    return found


def test_every_array_has_its_equation(page):
    expected = EQUATIONS[page.algorithm]
    seen = set()
    for _, name, equation, _ in page.arrays:
        if name in expected:
            assert equation == expected[name][0], name
        elif name in TWICE:
            assert equation in {number for number, _ in TWICE[name]}, name
        else:
            assert equation is None and name in EXACT | {"change"}, name
        seen.add(name)
    assert seen >= set(expected) | set(TWICE)
    pairs = list(expected.values()) + [pair for pairs in TWICE.values() for pair in pairs]
    for number, code in pairs:
        assert code is None or number in numbers_in(inspect.getsource(code)), (number, code)
    pairs += [DEAD] if page.algorithm == "ppo" else []
    assert DEAD[0] in numbers_in(inspect.getsource(DEAD[1]))
    cited = {int(n) for n in re.findall(r"Eq\. (\d+)", page.text)}
    assert cited == {number for number, _ in pairs if number}
    assert (cited & {38, 39, 40, 41} != set()) == (page.algorithm == "ppo")


def test_the_guide_quotes_what_is_printed():
    guide = (Path(__file__).parents[1] / "docs" / "guide.md").read_text(encoding="utf-8")
    quotes = re.findall(r"```\w*\n\$ python run\.py trace( vpg)?\n(.*?)```", guide, re.S)
    assert quotes
    for variant, quote in quotes:
        printed = page_of(variant.strip() or "ppo").splitlines()
        for line in quote.splitlines():
            assert line in ("", "…") or line in printed
