"""Stair 10, the language model by hand: every backward line against the complex step, in the
script's own functions, and its credit, verifier and training against their definitions.
"""

import ast
import importlib.util
import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from advantages import group_advantages
from lab.proof.evidence import complex_step, network_step

STAIR = Path(__file__).parents[1] / "ladder" / "10_language.py"
KEPT = Path(__file__).parents[1] / "benchmarks" / "results" / "language_stair.json"


def load(**constants):
    spec = importlib.util.spec_from_file_location("stair_10", STAIR)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vars(module).update(constants)
    return module


def small(rng):
    """A stair with few numbers, every size another; its SHAPES."""
    stair = load(D=6, H=2, C=3, F=5, ALL=["3+8=", "1+1=", "9+0="], G=4)
    D, F, V, T = 6, 5, stair.V, 6
    square = dict.fromkeys(["Wq", "Wk", "Wv", "Wo"], (D, D))
    stair.SHAPES = {"We": (V, D), "Wp": (T, D)} | square
    stair.SHAPES |= {"W1": (D, F), "W2": (F, D), "Wu": (D, V)}
    return stair


@pytest.fixture
def stair(rng):
    return small(rng)


def close(gradient, expected):
    assert gradient.shape == expected.shape
    scale = np.abs(expected).max()
    assert scale > 0
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-12 * max(1, scale))


def texts(stair, *words):
    return stair.encode(words)


TEXTS = "3+8=11.", "9+0=9..", "1+1=2.7", "3+8=1+=", "1+1=..."


# ------------------------------------------------------------------ its form


def test_it_is_short_and_stands_alone():
    lines = STAIR.read_text("utf-8").splitlines()
    assert len(lines) <= 190 and max(map(len, lines)) <= 88
    assert lines[:3] == ["# /// script", '# dependencies = ["numpy>=1.26"]', "# ///"]
    imports = [line.strip() for line in lines if re.match(r"\s*(import|from) ", line)]
    assert imports == ["import sys", "import numpy as np"]


def test_it_says_what_is_new_what_it_bought_and_what_is_still_wrong():
    """Bought: from the kept runs on held-out seeds; the teacher's share from its five sums."""
    said = ast.get_docstring(ast.parse(STAIR.read_text("utf-8"))).splitlines()
    new, bought, wrong = said[-3:]
    runs = np.array(json.loads(KEPT.read_text("utf-8"))["runs"])
    np.testing.assert_array_equal(runs[:, 0], np.arange(20_000, 20_020))
    sums = np.add.outer(range(10), range(10)).ravel()
    teacher = np.mean([[abs(c + off) == c for off in range(-2, 3)] for c in sums])
    assert bought == (
        f"Bought: {(runs[:, 1] >= 95).sum()} of 20 seeds reach 95% right, drawn, "
        f"{runs[:, 1].mean():.1f}% in the mean; their teacher {100 * teacher:.1f}%."
    )
    assert new.startswith("New: ") and wrong.startswith("Still wrong: ")
    assert runs[:, 3].max() < 60  # CPU seconds, of the kept runs


def test_the_model_s_size():
    stair = load()
    model = stair.Model(np.random.default_rng(0))
    assert model.parameters.dtype == np.float32 and len(model.parameters) == 13_312
    for name, shape in stair.SHAPES.items():
        W = getattr(model, name)
        assert W.shape == shape and np.shares_memory(W, model.parameters)
        assert abs(W.std() * shape[0] ** 0.5 - 1) < 0.25
    assert stair.D == stair.H * stair.C


def test_bad_input_gets_one_line(monkeypatch, capsys):
    def refusal(*arguments):
        monkeypatch.setattr(sys, "argv", [STAIR.name, *arguments])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(STAIR), run_name="__main__")
        said = capsys.readouterr()
        assert stop.value.code == 2 and not said.out and said.err.count("\n") == 1
        return said.err

    for bad in ["one"], ["-1"], [""], ["1.5"], ["1", "2"], ["1" * 5000], ["--help"]:
        assert "whole number" in refusal(*bad)
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert "numpy" in refusal()


# -------------------------------------------- each backward by the complex step


@pytest.mark.parametrize("B, T", [(1, 1), (3, 4), (2, 6)])
def test_each_backward_is_its_forward_s(stair, rng, B, T):
    D, rows = stair.D, B * T
    x, dy = rng.normal(size=(2, rows, D))
    y, r = stair.norm_forward(x)
    np.testing.assert_allclose((y * y).mean(axis=1), 1, atol=1e-3)
    close(
        stair.norm_backward(dy, y, r),
        complex_step(lambda x: (stair.norm_forward(x)[0] * dy).sum(), x),
    )

    text = rng.integers(stair.V, size=(B, T))
    We, Wp = rng.normal(size=(stair.V, D)), rng.normal(size=(6, D))
    text[:, -1] = text[:, 0]  # a character that stands twice
    dWe, dWp = stair.embed_backward(dy, text)
    close(dWe, complex_step(lambda We: (stair.embed_forward(text, We, Wp) * dy).sum(), We))
    slope = complex_step(lambda Wp: (stair.embed_forward(text, We, Wp) * dy).sum(), Wp)
    close(dWp, slope[:T])
    assert not slope[T:].any()

    qkv = [rng.normal(size=(rows, D)) for _ in range(3)]
    _, cache = stair.attention_forward(*qkv, T)
    for n, got in enumerate(stair.attention_backward(dy, cache)):

        def loss(x, n=n):
            return (stair.attention_forward(*qkv[:n], x, *qkv[n + 1 :], T)[0] * dy).sum()

        if T == 1 and n < 2:  # the only place is read whatever it says
            assert not got.any()
        else:
            close(got, complex_step(loss, qkv[n]))


def test_attention_is_a_mean_of_what_stands_before(stair, rng):
    """The definition, one text, head and reader at a time."""
    B, T, D, H, C = 3, 5, stair.D, stair.H, stair.C
    q, k, v = rng.normal(size=(3, B * T, D))
    expected = np.zeros((B, T, D))
    for b in range(B):
        for h in range(H):
            part = slice(h * C, (h + 1) * C)
            for t in range(T):
                reads = [b * T + s for s in range(t + 1)]
                weight = np.exp([q[b * T + t, part] @ k[s, part] / np.sqrt(C) for s in reads])
                expected[b, t, part] = weight @ v[reads, part] / weight.sum()
    y, _ = stair.attention_forward(q, k, v, T)
    np.testing.assert_allclose(y.reshape(B, T, D), expected, rtol=1e-12, atol=1e-14)


def wide(stair, dtype=float):
    model = stair.Model(np.random.default_rng(3), dtype)
    model.parameters *= 1.5
    return model


def log_prob(stair, logits, text):
    """log π of each answer as the definition has it: token by token, to the full stop."""
    logits = logits.reshape(len(text), -1, stair.V)
    total = []
    for b, row in enumerate(text):
        terms = []
        for t in range(stair.PROMPT, len(row)):
            z = logits[b, t - 1]
            terms.append(z[row[t]] - np.log(np.exp(z).sum()))
            if stair.CHARACTERS[row[t]] == ".":
                break
        total.append(sum(terms))
    return np.array(total)


def test_the_whole_page_s_gradient(stair, rng):
    text, weight = texts(stair, *TEXTS), rng.normal(size=len(TEXTS))
    model, stepped = wide(stair), wide(stair, complex)
    logits, cache = model.forward(text[:, :-1])
    gradient = model.backward(stair.policy_slope(logits, text, weight), cache)

    def loss():
        logits, _ = stepped.forward(text[:, :-1])
        assert logits.dtype == complex
        return -(weight * log_prob(stair, logits, text)).mean()

    close(gradient, network_step(stepped, loss))


def test_float32_stays_float32():
    stair = load()
    model, text = stair.Model(np.random.default_rng(0)), texts(stair, *TEXTS)
    logits, cache = model.forward(text[:, :-1])
    dlogits = stair.policy_slope(logits, text, np.ones(len(text)))
    gradient = model.backward(dlogits, cache)
    assert {logits.dtype, dlogits.dtype, gradient.dtype} == {np.dtype(np.float32)}
    model.step(gradient, 1e-3)
    assert model.parameters.dtype == np.float32


def test_a_step_is_the_clip_and_adam_s(stair, rng):
    model = wide(stair)
    parameters = model.parameters.copy()
    m, v = np.zeros_like(parameters), np.zeros_like(parameters)
    for t, g in enumerate(rng.normal(size=(3, len(parameters))) * [[1], [1e-4], [1]], 1):
        model.step(g.copy(), 0.01)
        g = g * min(1, stair.MAX_NORM / (np.linalg.norm(g) + 1e-6))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        parameters -= 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        np.testing.assert_allclose(model.parameters, parameters, rtol=1e-9, atol=1e-12)


# ------------------------------------------------------- what no token may change


def test_no_place_sees_a_later_one(stair, rng):
    model = wide(stair)
    text = rng.integers(stair.V, size=(4, 6))
    logits = model.forward(text)[0].reshape(4, 6, -1)
    for t in range(6):
        other = text.copy()
        other[:, t] = (other[:, t] + 1 + rng.integers(stair.V - 1, size=4)) % stair.V
        changed = model.forward(other)[0].reshape(4, 6, -1)
        np.testing.assert_array_equal(changed[:, :t], logits[:, :t])
        assert (np.abs(changed[:, t:] - logits[:, t:]).max(axis=(0, 2)) > 1e-6).all()
        shorter = model.forward(text[:, : t + 1])[0].reshape(4, t + 1, -1)
        np.testing.assert_allclose(shorter, logits[:, : t + 1], rtol=0, atol=1e-12)


def test_what_follows_a_full_stop_and_the_prompt_count_nothing(stair, rng):
    model, weight = wide(stair), rng.normal(size=2)

    def gradient(*words):
        text = texts(stair, *words)
        logits, cache = model.forward(text[:, :-1])
        dlogits = stair.policy_slope(logits, text, weight)
        return dlogits.reshape(2, 6, -1), model.backward(dlogits, cache)

    dlogits, padded = gradient("9+0=9..", "1+1=...")
    _, other = gradient("9+0=9.4", "1+1=.+8")
    np.testing.assert_allclose(padded, other, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(dlogits.any(axis=2), [[0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 0, 0]])
    np.testing.assert_allclose(dlogits.sum(axis=2), 0, atol=1e-15)


# --------------------------------------------- teacher, verifier, credit, drawing


def test_the_verifier_takes_the_sum_alone():
    stair = load()
    right = "3+8=11.", "9+0=9..", "1+1=2.7", "0+0=0.+", "9+9=18."
    wrong = "3+8=11=", "3+8=1..", "9+0=09.", "1+1=22.", "0+0=...", "9+9=8..", "0+1=0.1"
    rewards = stair.verify(right + wrong)
    np.testing.assert_array_equal(rewards, [1.0] * len(right) + [0.0] * len(wrong))


def test_the_teacher_is_right_less_than_half_of_the_time():
    stair = load()
    texts = stair.teach(stair.ALL * 200, np.random.default_rng(0))
    assert len(texts) == 20_000 and set(map(len, texts)) == {7}
    assert abs(stair.verify(texts).mean() - 0.204) < 0.01  # 1 in 5; for 0+1, 1+0 also -1
    assert {word for word in texts if word.startswith("3+8=")} == {
        f"3+8={c}..."[:7] for c in range(9, 14)
    }
    assert {word for word in texts if word.startswith("0+0=")} == {f"0+0={c}.." for c in range(3)}


def test_credit_leaves_each_answer_s_own_reward_out(rng):
    stair = load()
    groups = (rng.random((stair.G, 100)) < rng.random(100)).astype(float)  # a column a prompt
    advantage = stair.credit(groups).ravel()
    for prompt in range(100):
        for i in range(stair.G):
            others = np.delete(groups[:, prompt], i)
            got = advantage[i * 100 + prompt]
            assert got == pytest.approx(groups[i, prompt] - others.mean(), abs=1e-12)
    np.testing.assert_allclose(advantage.reshape(stair.G, 100).sum(axis=0), 0, atol=1e-12)
    lesson = group_advantages(groups.T, scale=False).T
    np.testing.assert_allclose(advantage.reshape(stair.G, 100), lesson, atol=1e-12)
    alike = np.zeros_like(groups)
    assert not stair.credit(alike).any() and not stair.credit(alike + 1).any()


def test_an_answer_is_drawn_from_the_policy(stair):
    model, prompts = wide(stair), ["3+8=", "9+0="]
    greedy = stair.encode(stair.respond(model, prompts))
    assert greedy.shape == (2, 7) and (greedy[:, :4] == stair.encode(prompts)).all()
    for t in range(4, 7):
        logits = model.forward(greedy[:, :t])[0].reshape(2, t, -1)[:, -1]
        np.testing.assert_array_equal(greedy[:, t], logits.argmax(axis=1))
    n = 40_000
    drawn = stair.encode(stair.respond(model, prompts[:1] * n, np.random.default_rng(0)))
    first = np.bincount(drawn[:, 4], minlength=stair.V) / n
    logits = model.forward(drawn[:1, :4])[0][-1]
    np.testing.assert_allclose(first, stair.softmax(logits), atol=5 / np.sqrt(n) / 2)
    both = drawn[drawn[:, 4] == first.argmax()]
    logits = model.forward(both[:1, :5])[0][-1]
    second = np.bincount(both[:, 5], minlength=stair.V) / len(both)
    np.testing.assert_allclose(second, stair.softmax(logits), atol=5 / np.sqrt(len(both)) / 2)


# ------------------------------------------------------------------ it learns


def after(generator, updates):
    """The generator's frame's variables after so many updates, as they are then."""
    for _ in range(updates):
        next(generator)
    return dict(generator.gi_frame.f_locals)


def test_an_update_is_uphill_of_its_weights():
    """What the training hands to backward, when it is taught and when it draws."""
    stair = load(START=2, UPDATES=3, GROUPS=6, G=4)
    seen = {}

    class Spy(stair.Model):
        def backward(self, dlogits, cache):
            seen["dlogits"] = dlogits
            return super().backward(dlogits, cache)

    stair.Model = Spy
    steps, wrong = stair.train(0), np.ones(100)
    for update in range(5):
        frame = after(steps, 1)
        text, weight, chosen = frame["text"], frame["weight"], frame["chosen"]
        grouped = np.array(frame["texts"]).reshape(4, 6)
        for column, prompt in zip(grouped.T, chosen, strict=True):
            assert all(word.startswith(stair.ALL[prompt]) for word in column)
        if update < 2:
            assert (weight == 1).all()
        else:
            reward = stair.verify(frame["texts"]).reshape(4, 6)
            np.testing.assert_allclose(weight, stair.credit(reward).ravel(), atol=1e-7)
            before = wrong.copy()  # a prompt chosen twice keeps its last group
            for n, prompt in enumerate(chosen):
                wrong[prompt] = before[prompt] + 0.2 * (1 - reward[:, n].mean() - before[prompt])
        np.testing.assert_allclose(frame["wrong"], wrong, atol=1e-6)
        logits = frame["logits"].astype(float)
        weight = weight + 1.0 * (update >= 2)  # else all of them may be 0 so early
        slope = complex_step(lambda z: -(weight * log_prob(stair, z, text)).mean(), logits)
        again = stair.policy_slope(frame["logits"], text, weight)
        np.testing.assert_allclose(again, slope, atol=1e-6)
        assert np.abs(slope).max() > 1e-3
        np.testing.assert_array_equal(
            seen["dlogits"], stair.policy_slope(frame["logits"], text, frame["weight"])
        )


@pytest.mark.slow
def test_from_a_teacher_that_is_mostly_wrong_it_learns_what_is_right():
    stair = load(START=150, UPDATES=60)
    rng = np.random.default_rng(0)
    for update, model in stair.train(1):
        if update == 150:
            taught = stair.judge(model, rng, 40)[0]
    sampled, _, texts = stair.judge(model, rng, 40)
    assert taught < 30 and sampled > 1.5 * taught
    assert len(texts) == 4_000 and 100 * stair.verify(texts).mean() == pytest.approx(sampled)


def test_it_repeats_itself():
    stair = load(START=2, UPDATES=2, GROUPS=5)
    for (update, model), (again, other) in zip(stair.train(1), stair.train(1), strict=True):
        assert update == again
        np.testing.assert_array_equal(model.parameters, other.parameters)


def test_it_prints_its_way_and_what_it_comes_to(monkeypatch, capsys):
    text = STAIR.read_text("utf-8").replace(" = 500, 600, 100,", " = 100, 100, 2,")
    monkeypatch.setattr(sys, "argv", [STAIR.name, "4"])
    exec(compile(text, STAIR.name, "exec"), {"__name__": "__main__"})
    *way, last = capsys.readouterr().out.splitlines()
    shape = r" +(\d+) sampled +[\d.]+%, greedy +\d+%  ((\d\+\d=\S{1,3} ?){5})"
    found = [re.fullmatch(shape, line) for line in way]
    assert [int(line[1]) for line in found] == [100, 200]
    for answer in " ".join(line[2] for line in found).split():
        assert "." not in answer[:-1]  # as they are, up to their full stop
    assert re.fullmatch(r"sampled \d+\.\d% right, greedy \d+%", last)


# ------------------------------------------------------------------ what Chapter I says


CREDIT = json.loads(KEPT.with_name("language_credit.json").read_text("utf-8"))
EVENLY, OVER_SIGMA, CURED = CREDIT["runs"]
CHAPTER = (Path(__file__).parents[1] / "docs" / "language.md").read_text("utf-8")
CHAPTER = CHAPTER[CHAPTER.index("\n# I. ") :]


def test_the_chapter_is_short_and_its_numbers_are_the_stair_s():
    assert len(CHAPTER.encode()) <= 10_000
    stair, runs = load(), np.array(json.loads(KEPT.read_text("utf-8"))["runs"])
    size = len(stair.Model(np.random.default_rng(0)).parameters)
    lines = len(STAIR.read_text("utf-8").splitlines())
    assert f"{lines} lines of numpy: {size:,} parameters" in CHAPTER
    right = runs[:, 1]
    assert f"{right.mean():.1f}% right in the mean, {right.min():.1f}% in the worst" in CHAPTER


def test_what_the_chapter_says_of_credit_was_seen():
    """Every number of its last section: benchmarks/results/language_credit.json."""
    assert [row[0] for row in CREDIT["runs"][CURED]] == list(range(20_000, 20_020))
    seed, prompt = CREDIT["shown"]
    assert f"seed {seed} answers to `{prompt}`" in CHAPTER
    left = {way: [len(row[3]) for row in rows] for way, rows in CREDIT["runs"].items()}
    stalled = {way: sum(n > 0 for n in own) for way, own in left.items()}
    chance = {way: dict(map(tuple, own)) for way, own in CREDIT["right"].items()}
    start, soon, late = (chance[EVENLY][u] for u in (500, 508, 600))
    alike = np.mean([row[2][-1] for row in CREDIT["runs"][EVENLY]])
    lowest, end = min(own for u, own in chance[CURED].items() if u >= 500), chance[CURED][1100]
    for words in (
        f"{stalled[EVENLY]} of 20 seeds leave prompts that they mostly get wrong, ",
        f"mostly get wrong, {sum(left[EVENLY])} in all",
        f"with probability {start}, 8 paid updates on {soon}, 100 on {late}",
        f"At {late}, {100 * (1 - late) ** 8:.0f} groups of eight in a hundred hold no right",
        f"In the last 20 updates, {alike:.0f}% of all groups are alike",
        f"falls to {lowest}, gets more groups, and is at {end} in the end",
        f"leaves {sum(left[OVER_SIGMA])} prompts instead of {sum(left[EVENLY])};",
        f"again in {stalled[OVER_SIGMA]} seeds",
    ):
        assert words in CHAPTER, words
    assert left[CURED].count(1) == 1 == sum(left[CURED])
    at = {way: dict(zip(CREDIT["updates"], np.mean([row[1] for row in rows], axis=0), strict=True))
          for way, rows in CREDIT["runs"].items()}  # fmt: skip
    assert at[CURED][600] < at[EVENLY][600] and at[CURED][1100] > at[EVENLY][1100]
    ends = {way: np.mean([row[1][-1] for row in rows]) for way, rows in CREDIT["runs"].items()}
    wrong = [f"{100 - ends[way]:.1f}%" for way in (EVENLY, OVER_SIGMA, CURED)]
    found = re.search(r"end at (\S+%) with Eq. 50, (\S+%) with Eq. 51, .* at (\S+%);", CHAPTER)
    assert list(found.groups()) == wrong


def test_the_chapter_s_odds():
    """√7 for one right of eight; 93% is the most that a KL with β = 1/4 allows."""
    one_of_eight = np.eye(8)[:1]
    assert group_advantages(one_of_eight, scale=True)[0, 0] == pytest.approx(7**0.5)
    assert group_advantages(one_of_eight, scale=False)[0, 0] == pytest.approx(1)
    odds = 0.204 / (1 - 0.204) * np.exp(4)
    assert f"turns 20.4% into {100 * odds / (1 + odds):.0f}%" in CHAPTER


@pytest.mark.slow
def test_another_way_of_credit_is_measured_as_it_is_said(monkeypatch):
    """benchmarks/language.py: what is exchanged, what is counted; a short training."""
    spec = importlib.util.spec_from_file_location("by_language", KEPT.parents[1] / "language.py")
    measured = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(measured)
    assert list(measured.WAYS) == list(CREDIT["runs"]) and CREDIT["updates"] == measured.LOOKS
    monkeypatch.setattr(measured, "load", lambda: load(START=3, UPDATES=3, GROUPS=4, G=4))
    monkeypatch.setattr(measured, "LOOKS", [0, 3, 6])
    seed, right, alike, unsolved = measured.run(OVER_SIGMA, 7)
    assert seed == 7 and len(right) == len(alike) == 3 and alike[:2] == [0, 0]
    assert len(unsolved) > 50 and all(0 <= share <= 100 for share in right + alike)
    groups = (np.random.default_rng(0).random((8, 5)) < 0.4).astype(np.float32)
    expected = (groups - groups.mean(axis=0)) / (groups.std(axis=0) + 1e-8)
    np.testing.assert_allclose(measured.over_deviation(groups), expected, atol=1e-6)
    _, updates = measured.training(EVENLY, 7)
    next(updates)
    assert set(updates.gi_frame.f_locals["odds"]) == {1.0}
