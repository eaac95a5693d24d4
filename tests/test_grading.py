"""What the grader says: right answers pass, however written, wrong ones fail, and no word is false."""

import ast
import re
import textwrap

import numpy as np
import pytest
from learners import BLIND, FALSE_WORDS, LEARNERS, NAMED, PASSED
from styles import OTHER_WAYS

import lab.practice.updates  # noqa: F401  its cases
from lab.practice import grade
from lab.practice.asking import Raised
from lab.practice.blanks import (
    BLANKS,
    as_function,
    find,
    lesson_file,
    lesson_module,
    lines_in,
    place,
)
from lab.practice.cases import cases, settled, small_cases
from lab.practice.diagnosis import by_numbers, by_shape, case_words, close, numbers_in, shown
from lab.practice.grading import alone
from lab.practice.verdict import Judge, outcomes
from lab.proof.faults import FAULTS, edited

BY_PATH = {blank.path: blank for blank in BLANKS}
WAYS = re.split(r"^# ([\w. ]+)\n", OTHER_WAYS, flags=re.MULTILINE)[1:]
WAYS = [
    (path, body)
    for paths, body in zip(WAYS[::2], WAYS[1::2], strict=True)
    for path in paths.split()
]
JUDGES = {}


def judge(path, seed=5):
    """A Judge; one for each seed, for it remembers what faults give."""
    if (path, seed) not in JUDGES:
        JUDGES[path, seed] = Judge(BY_PATH[path], seed)
    return JUDGES[path, seed]


def judged(path, body, seed=5):
    """What is said of a function with this body, without a worker -> status, diagnosis."""
    blank = BY_PATH[path]
    names = dict(vars(lesson_module(blank.module)))
    if blank.lines:
        function = as_function(blank, ast.parse(textwrap.dedent(body)).body, names, "theirs")
    else:
        head = find(ast.parse(lesson_file(blank.module).read_text("utf-8")), blank.name)
        source = f"def {head.name}({ast.unparse(head.args)}):\n"
        exec(source + textwrap.indent(textwrap.dedent(body).strip("\n"), "    "), names)
        function = names[head.name]
    return judge(path, seed).verdict(alone(function))  # as a worker asks it


def faults_of(path, seed=5):
    """-> (fault, the shipped function with it), those that stand in the blank."""
    for fault in FAULTS:
        if fault.function == path:
            try:
                yield fault, edited(judge(path, seed).ours, fault.old, fault.new)
            except ValueError:  # of an update, what is not asked for
                assert BY_PATH[path].lines


# ------------------------------------------------------------------ what is right


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 23])
def test_right_answers_written_in_other_ways_pass(seed):
    """Float32, loops, lists, einsum, Python's floats: whatever the algebra."""
    assert {path for path, _ in WAYS} == set(BY_PATH) and len(WAYS) >= 100
    for path, body in WAYS:
        assert judged(path, body, seed) == ("right", ""), (path, body)


@pytest.mark.parametrize("seed", [0, 999_999])
def test_the_lesson_itself_is_right_with_any_seed(seed):
    for path, blank in BY_PATH.items():
        own = Judge(blank, seed)
        assert own.verdict(own.ours) == ("right", ""), path
        assert [case.kind for case in own.cases] == [case.kind for case in cases(blank, seed)]


def test_another_seed_has_other_numbers_and_the_same_one_the_same():
    blank = BY_PATH["advantages.gae"]
    one, again, other = (cases(blank, seed)[1].given for seed in (3, 3, 4))
    assert np.array_equal(one["rewards"], again["rewards"]) and one["gamma"] == again["gamma"]
    assert not np.array_equal(one["rewards"], other["rewards"])
    constants = {case.given["gamma"] for case in cases(blank, 3) if not case.kind}
    assert len(constants) > 3 and 0.99 not in constants


@pytest.mark.slow
def test_a_grading_can_be_repeated(tmp_path):
    """With the same seed the same case is shown, with another one another; none is as good."""
    source = lesson_file("nn").read_text("utf-8")
    (tmp_path / "nn.py").write_text(source.replace("dh * (1 - h * h)", "dh - h * h"), "utf-8")
    said = [grade(tmp_path, ["activation"], seed=seed)[0].diagnosis for seed in (3, 3, 4, None)]
    assert said[0] == said[1] != said[2] and all("dz: for h" in words for words in said)


# ------------------------------------------------------------------ what is wrong


@pytest.mark.slow
def test_every_fault_is_wrong_and_nearly_all_are_named():
    """None passes; at least 95 of 100 hear their own words."""
    table = {"wrong": 0, "named": 0}
    for path in BY_PATH:
        for fault, wrong in faults_of(path):
            status, words = judge(path).verdict(wrong)
            assert status != "right" and len(words) <= 400, (fault, words)
            table["wrong"] += 1
            table["named"] += bool(fault.words) and fault.words in words
    print(table)
    assert table["wrong"] >= 440 and table["named"] >= 0.95 * table["wrong"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 77])
def test_what_a_blind_reading_found_is_mended(seed):
    """What was named falsely is named rightly, what passed is wrong."""
    for path, body, words in BLIND:
        status, said = judged(path, body, seed)
        assert status != "right" and words in said and len(said) <= 400, (path, body, said)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [5, 6])
def test_what_blind_trials_found_to_pass_is_wrong(seed):
    assert len(PASSED) >= 80
    for path, body in PASSED:
        status, said = judged(path, body, seed)
        assert status != "right" and len(said) <= 400, (path, body, said)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [5, 8])
def test_nothing_false_is_said(seed):
    """Of what no row names it is told what is known; what is named is what it is."""
    for path, body, words in FALSE_WORDS:
        status, said = judged(path, body, seed)
        assert status == "wrong" and not any(w in said for w in words.split("|")), (body, said)
    for path, body, words in NAMED:
        status, said = judged(path, body, seed)
        assert status in ("wrong", "error") and words in said, (path, body, said)


@pytest.mark.slow
def test_learners_errors_are_wrong_and_told_truly():
    """None passes, each is told what it is, or shown a case when no word for it is known."""
    assert len(LEARNERS) >= 40
    for path, body, words in LEARNERS:
        status, said = judged(path, body)
        assert status in ("wrong", "error"), (path, body)
        assert words in said and len(said) <= 400, (path, body, said)
        if not words:
            assert re.search(r"yours .*, expected ", said), said


@pytest.mark.slow
def test_two_faults_at_a_time_hear_of_no_third():
    """Whatever is said of two at once is said of these two, or of what they give."""
    rng, count = np.random.default_rng(8), 0
    for path in BY_PATH:
        known = [(fault, made) for fault, made in faults_of(path) if fault.words]
        for _ in range(3 * (len(known) > 4)):
            (one, _), (two, _) = (known[k] for k in rng.choice(len(known), 2, replace=False))
            try:
                both = edited(judge(path).ours, one.old, one.new, two.old, two.new)
            except (ValueError, SyntaxError):
                continue
            _, said = judge(path).verdict(both)
            own = {one.words, two.words}
            others = [f.words for f, _ in known if f.words in said and f.words not in own]
            count += 1
            for words in others:  # then the two make a third: so they do with other numbers, too
                third = [made for f, made in known if f.words == words]
                assert any(alike_elsewhere(path, both, made) for made in third), (path, said)
    assert count > 60


def alike_elsewhere(path, one, other):
    """Do two functions agree, with another seed, on an output that is wrong?"""
    own = judge(path, 6)
    mine, theirs = (outcomes(BY_PATH[path], function, own.cases) for function in (one, other))
    for j in range(len(own.names)):
        columns = [[answers[k][j] for k in own.plain] for answers in (mine, theirs, own.right)]
        if all(map(close, *columns[:2])) and not all(map(close, *columns[1:])):
            return True
    return False


def test_a_case_that_is_shown_has_few_numbers():
    """At most six go in, and one or two come out."""
    for path, body in (
        ("advantages.gae", "return rewards + gamma * next_values * ~terminated - 0.9 * values"),
        ("ppo.clipped_surrogate", "r = np.exp(log_probs - old_log_probs) * advantages\nreturn -r.mean() + 0.1, -r / len(r) - 0.1"),
        ("nn.linear_forward", "return x @ W + 2 * b"),
        ("nn.tanh_backward", "return dh - h * h"),
        ("advantages.normalize", "return (advantages - np.median(advantages)) / (advantages.std() + eps)"),
    ):  # fmt: skip
        said = judged(path, body)[1]
        shown = said[said.index("for ") :]
        numbers = re.findall(r"(?<![\w×])-?\d+\.\d*(?!\w)", shown)
        assert "yours" in shown and len(numbers) <= 8 and len(said) < 300, said


def test_a_stair_s_weight_is_always_that_of_its_rewards():
    """Who reckons it from them is right in each case, and in each that is shown."""
    for path in ("2_reinforce.gradient", "4_baseline.gradient"):
        blank = BY_PATH[path]
        made = [case.given for case in cases(blank, 3)] + [*small_cases(blank, 3)]
        less = shown(made[2], {"reward", "weight"}, lambda _: True, settle=settled)
        for given in [*made, less]:
            reward, valid = given["reward"], given["valid"]
            to_go = np.array([reward[t:].sum(axis=0) for t in range(len(reward))])
            whole = np.array([reward.sum(axis=0)] * len(reward))[valid]
            np.testing.assert_allclose(given["weight"], whole if "x" in given else to_go, atol=1e-5)
        assert not np.any(less["reward"])


def test_what_is_changed_is_said_by_name():
    for path, body, name in (
        ("distributions.log_softmax_backward", "log_probs *= 2\nreturn dlog_probs", "log_probs"),
        ("advantages.gae", "rewards[0] = 0\nreturn rewards", "rewards"),
        ("nn.MLP.backward", "cache.pop()\nreturn dy.ravel()", "cache"),
        ("nn.Adam.step", "gradient *= 2", "gradient"),
    ):
        said = judged(path, body)[1]
        assert said.endswith(f"it changes `{name}`; work on a copy"), said


def test_what_the_docstring_refuses_is_asked_for():
    refused = {path: [c.refused for c in cases(b, 1) if c.refused] for path, b in BY_PATH.items()}
    for path, words in refused.items():
        blank = BY_PATH[path]
        if blank.lines or blank.module not in ("nn", "advantages", "ppo_penalty"):
            assert not words
            continue
        tree = ast.parse(lesson_file(blank.module).read_text("utf-8"))
        promises = "Raises ValueError" in ast.get_docstring(find(tree, blank.name))
        assert promises == bool(words), path
        for case, right in zip(judge(path).cases, judge(path).right, strict=True):
            if case.refused:
                assert isinstance(right, Raised) and right.text.startswith("ValueError: ")


def test_a_checker_must_catch_and_pass():
    path, slopes = (
        "gradient_check.largest_error",
        "slopes = []\nfor i in np.ndindex(x.shape):\n    z = x + 0j\n    z[i] += 1e-20j\n    slopes.append(function(z, *given)[0].imag / 1e-20)\n",
    )
    for end, words in (
        ("return 0.0", "passes a gradient without its 1/N"),
        ("return False", "refuses a right gradient"),
        ("return np.max(function(x, *given)[1].ravel() - slopes)", "passes a gradient w"),
        ("return abs(function(x, *given)[1].ravel()[0] - slopes[0])", "passes a gradient of which one entry alone is wrong"),
    ):  # fmt: skip
        status, said = judged(path, slopes + end)
        assert status == "wrong" and said.startswith(words), said


# ------------------------------------------------------------------ by the numbers alone


def test_a_factor_is_told_as_it_is():
    """A sign, a factor, a transposition and a shape need no list of mistakes."""
    for path, body, words in (
        ("nn.tanh_backward", "return -dh * (1 - h * h)", "dz is −1 times the right one: a sign"),
        ("nn.tanh_backward", "return -0.5 * dh * (1 - h * h)", "dz is −½ times the right one"),
        ("nn.tanh_backward", "return 0.5 * dh * (1 - h * h)", "dz is half the right one"),
        ("nn.tanh_backward", "return 3 * dh * (1 - h * h)", "dz is 3 times the right one"),
        ("nn.tanh_backward", "return len(h) * dh * (1 - h * h)", "dz is N times too large: the"),
        ("nn.tanh_backward", "return dh * (1 - h * h) / len(h)", "dz is N times too small"),
        ("nn.tanh_backward", "return 0 * dh", "dz is zero everywhere"),
        ("nn.linear_backward", "return dy @ W.T, dy.T @ x, dy.sum(axis=0)", "dW is transposed; dx and db are right"),
        ("advantages.gae", "d = rewards + gamma * next_values * ~terminated - values\nfor t in reversed(range(len(d) - 1)):\n    d[t] += gamma * gae_lambda * d[t + 1] * ~ended[t]\nreturn d[::-1]", "advantages has its rows in reverse order"),
    ):  # fmt: skip
        status, said = judged(path, body)
        assert status == "wrong" and said.startswith(words), said
    right = [np.arange(1.0, 4), np.arange(2.0, 7)]
    assert (
        by_numbers("dx", [3, 5], [r * 0.3 for r in right], right) == "dx is 0.3 times the right one"
    )
    assert (
        by_numbers("dx", [3, 5], [r / n / 2 for r, n in zip(right, (3, 5), strict=True)], right)
        == "dx is the right one over 2N"
    )
    assert (
        by_numbers("v", [3, 5], [r + 9 * (np.arange(len(r)) == 0) for r in right], right)
        == "v is wrong in its first row alone"
    )
    assert by_numbers("v", [3, 5], [r + 1 for r in right], right) is None
    assert by_shape("y", [np.ones((2, 2))], [np.ones(2)]).endswith("broadcasts to (N,N)")
    assert not close(np.ones(2), np.ones(2) + 1e-9) and close(np.ones(2), np.ones(2) + 1e-9, True)


def test_as_many_digits_as_show_a_difference():
    case = {"x": np.array([1 / 3, -2 / 3]), "eps": 1e-8}
    for mine, yours, expected in (
        ([1 / 3, 2 / 3], "[0.3333 0.6667]", "[ 0.3333 -0.6667]"),
        ([1 / 3 - 3e-6, -2 / 3], "[ 0.33333033 -0.66666667]", "[ 0.33333333 -0.66666667]"),
    ):
        words = case_words(case, "y", np.array(mine), case["x"])
        assert words == f"for x [ 0.3333 -0.6667], eps 1e-08: yours {yours}, expected {expected}"
    assert numbers_in({"x": np.array([0.0, 1, 2]), "b": 3.0}) == 3


# ------------------------------------------------------------------ what a blind trial of D to H found

VALUE = "s, c = (values - targets) ** 2, (vc - targets) ** 2\nN = len(values)\n"
VALUE_ENDS = VALUE + "return 0.5 * np.mean(np.maximum(s, c)), (s >= c) * (values - targets) / N"
BAND = "vc = np.clip(values, old_values - clip_range, old_values + clip_range)\n"
SPREADS = "o, s, gap = np.exp(2 * old_log_stds), np.exp(2 * log_stds), means - old_means\n"
KL = "p, q = np.exp(old_log_probs), np.exp(log_probs)\n"
FLOATS = "log_probs, old_log_probs, advantages, kls = floats('N N N N', log_probs, old_log_probs, advantages, kls)\n"
ADAM = "b1, b2 = self.betas\nself.t += 1\n"
ADAM_ENDS = "\nparameters -= self.learning_rate * (self.m / (1 - b1**self.t)) / (np.sqrt(self.v / (1 - b2**self.t)) + self.eps)"
GROUPS = "rewards = floats('MG', rewards)\n_positive(eps, 1e-150)\nif rewards.shape[1] < 2 or not (abs(rewards) <= 1e150).all():\n    raise ValueError\n"
RATIOS = (
    "r = np.exp(log_probs - old_log_probs)\nhigh, low = r > 1 + clip_range, r < 1 - clip_range\n"
)
CLIPPED = (
    RATIOS
    + "plain, cut = r * advantages, np.clip(r, 1 - clip_range, 1 + clip_range) * advantages\n"
)
SHAPES = "if not parameters.shape == gradient.shape == self.m.shape:\n    raise ValueError\n"
ADAPT = "if kl_coefficient not in BETAS:\n    raise ValueError\nif kl < kl_target / 1.5:\n    return max(kl_coefficient / 2, 1e-6)\nreturn min(2 * kl_coefficient, 1e6) if kl > 1.5 * kl_target else kl_coefficient"

# A function, its wrong body, words that are said of it.
TRIAL = [
    ("ppo.clipped_value_loss", BAND + VALUE + "return 0.5 * np.mean(np.maximum(s, c)), np.where((c > s) & (values > old_values), 0, values - targets) / N", "slopes are taken away above the band alone"),
    ("ppo.clipped_value_loss", BAND + VALUE + "return 0.5 * np.mean(np.maximum(s, c)), np.where((c > s) & (values < old_values), 0, values - targets) / N", "slopes are taken away below the band alone"),
    ("nn.tanh_backward", "return dh - np.einsum('bi,bi->bi', dh, h * h)", "(for h (4,))"),
    ("nn.tanh_backward", "return [[d * (1 - y * y) for d, y in zip(ds, ys)] for ds, ys in zip(dh, h)]", "dz is a list"),
    ("nn.relu_backward", "dz = np.zeros_like(dh)\nfor i in range(len(h)):\n    for j in range(h.shape[1]):\n        dz[i, j] = dh[i, j] * (h[i, j] > 0)\nreturn dz", "(for h (4,))"),
    ("nn.relu_backward", "return dh * (h > 1e-3)", "where h is 10⁻⁶"),
    ("distributions.gaussian_kl_backward", SPREADS + "return dkls[:, None] * gap / s, dkls.sum() * (1 - o / s) - dkls @ (gap**2 / s)", "where old_log_stds is (B,A)"),
    ("distributions.gaussian_kl_backward", "dm, dl = np.zeros_like(means), np.zeros_like(log_stds)\nfor i in range(len(means)):\n    for j in range(len(log_stds)):\n        gap, s = means[i, j] - old_means[i, j], math.exp(2 * log_stds[j])\n        dm[i, j] = dkls[i] * gap / s\n        dl[j] += dkls[i] * (1 - (math.exp(2 * old_log_stds[j]) + gap**2) / s)\nreturn dm, dl", "where old_log_stds is (B,A)"),
    ("advantages.group_advantages", GROUPS.replace("floats('MG', rewards)", "np.asarray(rewards)") + "out = np.zeros_like(rewards)\nfor i, g in enumerate(rewards):\n    out[i] = (g - g.mean()) / (g.std() + eps) if scale else len(g) / (len(g) - 1) * (g - g.mean())\nreturn out", "whole numbers"),
    ("advantages.group_advantages", "dtype = np.asarray(rewards).dtype\n" + GROUPS + "c = rewards - rewards.mean(1, keepdims=True)\nG = rewards.shape[1]\nreturn (c / (rewards.std(1, keepdims=True) + eps) if scale else c * G / (G - 1)).astype(dtype)", "whole numbers"),
    ("distributions.categorical_kl", KL + "return (p * (np.log(p + 1e-8) - np.log(q + 1e-8))).sum(1)", "KL: for old_log_probs"),
    ("distributions.categorical_kl", KL + "return (p * (old_log_probs - np.log(np.clip(q, 1e-8, 1)))).sum(1)", "e⁻³⁰"),
    ("distributions.categorical_kl", "return np.maximum((np.exp(old_log_probs) * (old_log_probs - log_probs)).sum(1), 1e-3)", "KL"),
    ("ppo_penalty.penalized_surrogate", FLOATS + "p, N = np.exp(log_probs - old_log_probs) * advantages, len(kls)\nreturn -np.mean(p - kl_coefficient * kls), -p / N, np.where(kls > 0, kl_coefficient / N, 0)", "where a KL is 0"),
    ("nn.MLP.backward", "return dy, cache", "it returns 2 things, not (gradient)"),
    ("nn.linear_forward", "return x @ W + b, x", "it returns 2 things, not (y)"),
    ("nn.tanh_backward", "return dh * (1 - h * h), h", "it returns 2 things, not (dz)"),
    ("ppo.clipped_surrogate", CLIPPED + "return -np.minimum(plain, cut).mean(), -(plain <= cut) * plain / len(r)", "`~mask` is the other rows: for a minus sign, `mask * -x`"),
    ("nn.clip_global_norm", "if not (max_norm > 0 and gradient.ndim == 1 and gradient.dtype.kind == 'f'):\n    raise ValueError\nn = np.sqrt(gradient @ gradient)\nif n < max_norm:\n    gradient *= max_norm / (n + 1e-6)\nreturn n", "it is the long gradients that should be shortened"),
    ("nn.Adam.step", SHAPES + ADAM + "rate = self.learning_rate * np.sqrt(1 - b2**self.t) / (1 - b1**self.t)\nself.m += (1 - b1) * (gradient - self.m)\nself.v += (1 - b2) * (gradient**2 - self.v)\nparameters -= rate * self.m / (np.sqrt(self.v) + self.eps)", "ε stands beside the root of v"),
    ("nn.Adam.step", SHAPES + "b2, b1 = self.betas\nself.t += 1\nself.m += (1 - b1) * (gradient - self.m)\nself.v += (1 - b2) * (gradient**2 - self.v)" + ADAM_ENDS, "β₁ and β₂ have changed places"),
    ("nn.Adam.step", SHAPES + ADAM + "self.m += (1 - b1) * (gradient - self.m)\nself.v += (1 - b1) * (gradient**2 - self.v)" + ADAM_ENDS, "β₁ stands in v; v has β₂; m and t are right"),
    ("nn.Adam.step", SHAPES + ADAM + "self.m += (1 - b2) * (gradient - self.m)\nself.v += (1 - b2) * (gradient**2 - self.v)" + ADAM_ENDS.replace("b1", "b2"), "β₂ stands in m; m has β₁; "),
    ("nn.Adam.step", SHAPES + ADAM + "self.m += (1 - b1) * (gradient - self.m)\nself.v += (1 - b2) * (gradient**2 - self.v)" + ADAM_ENDS.replace("self.eps", "1e-8"), "uses ε of its own"),
    ("ppo.clip_statistics", RATIOS + "return (high | low).mean(), ((high & (advantages < 0)) | (low & (advantages > 0))).mean()", "dead_fraction counts the rows that still pull back"),
    ("ppo.clip_statistics", RATIOS.replace("log_probs - old_log_probs", "old_log_probs - log_probs") + "return (high | low).mean(), ((high & (advantages > 0)) | (low & (advantages < 0))).mean()", "the ratio stands on its head"),
    ("ppo_penalty.penalized_surrogate", FLOATS + "p, N = np.exp(old_log_probs - log_probs) * advantages, len(kls)\nreturn -np.mean(p - kl_coefficient * kls), -p / N, np.full(N, kl_coefficient / N)", "the ratio stands on its head"),
    ("ppo_penalty.penalized_surrogate", FLOATS + "p, N = np.exp(log_probs - old_log_probs) * advantages, len(kls)\nd = kl_coefficient * kls - p\nreturn d.mean(), d / N, np.full(N, kl_coefficient / N)", "dlog_probs has KL's value in it"),
    ("ppo.clipped_value_loss", "vc = np.clip(values - old_values, -clip_range, clip_range)\n" + VALUE_ENDS, "vᶜ is the clipped distance alone"),
    ("ppo.clipped_value_loss", BAND + VALUE_ENDS.replace(">=", ">").replace(" / N", ""), "; and the 1/N is missing in the others"),
    ("ppo.clipped_value_loss", "vc = np.minimum(values, old_values + clip_range)\n" + VALUE_ENDS, "the band has no lower edge"),
    ("ppo.clipped_value_loss", "vc = np.maximum(values, old_values - clip_range)\n" + VALUE_ENDS, "the band has no upper edge"),
    ("advantages.group_advantages", GROUPS + "G, c = rewards.shape[1], rewards - rewards.mean(1, keepdims=True)\nreturn c / (rewards.std(1, keepdims=True) + eps) if scale else (G - 1) / G * c", "the factor stands on its head: G/(G − 1)"),
    ("advantages.group_advantages", GROUPS + "G, c = rewards.shape[1], rewards - rewards.mean(axis=0)\nreturn c / (rewards.std(axis=0) + eps) if scale else G / (G - 1) * c", "a group is a row (axis 1)"),
    ("distributions.gaussian_kl_backward", SPREADS.replace("2 * ", "") + "return dkls[:, None] * gap / s, dkls @ (1 - (o + gap**2) / s)", "∂/∂μ: divides by σ; it is σ², exp 2ℓ; ∂/∂ℓ: deviations stand where variances belong"),
    ("distributions.gaussian_kl_backward", SPREADS + "return dkls[:, None] * gap / s, dkls[:, None] * (1 - (o + gap**2) / s)", "∂/∂ℓ: a row for each state"),
    ("distributions.gaussian_kl_backward", SPREADS + "return dkls @ (1 - (o + gap**2) / s), dkls[:, None] * gap / s", "its results come in another order: it should return (dmeans, dlog_stds)"),
    ("vpg.value_loss", "e = values - targets\nreturn e / len(e), 0.5 * np.mean(e**2)", "its results come in another order: it should return (loss, dvalues)"),
    ("vpg.value_loss", "e = values - targets\nreturn e, 0.5 * np.mean(e**2)", "by their shapes, its results come in another order: it should return (loss, dvalues)"),
    ("ppo_penalty.penalized_surrogate", FLOATS + "p, N = np.exp(log_probs - old_log_probs) * advantages, len(kls)\nreturn -np.mean(p - kl_coefficient * kls), np.full(N, kl_coefficient / N), -p / N", "its results come in another order: it should return (loss, dlog_probs, dkls)"),
    ("ppo_penalty.adapt_kl_coefficient", ADAPT.replace("max", "min", 1), "min for max"),
    ("ppo_penalty.adapt_kl_coefficient", ADAPT.replace("min", "max"), "max for min"),
    ("ppo_penalty.adapt_kl_coefficient", ADAPT.replace("max", "min", 1).replace("min(2", "max(2"), ""),
    ("ppo_penalty.adapt_kl_coefficient", ADAPT.replace("max(kl_coefficient / 2, 1e-6)", "kl_coefficient / 2"), "β falls below its lower limit"),
    ("ppo_penalty.adapt_kl_coefficient", ADAPT.replace("min(2 * kl_coefficient, 1e6)", "2 * kl_coefficient"), "β rises above its upper limit"),
]  # fmt: skip


@pytest.mark.parametrize("seed", [5, 31])
def test_what_a_blind_trial_of_d_to_h_found_is_mended(seed):
    """None passes, and each hears what is so."""
    for path, body, words in TRIAL:
        status, said = judged(path, body, seed)
        assert status in ("wrong", "error"), (path, body, said)
        assert words in said and len(said) <= 400, (path, body, said)


# Of a function, a body, what must not be said: it is untrue.
UNTRUE = [
    ("nn.Adam.step", ADAM + "self.m = b1 * self.m + gradient\nself.v = b2 * self.v + gradient**2" + ADAM_ENDS, "parameters"),
    ("nn.Adam.step", ADAM + "self.m = (1 - b1) * self.m + b1 * gradient\nself.v = (1 - b2) * self.v + b2 * gradient**2" + ADAM_ENDS, "parameters"),
    ("nn.Adam.step", ADAM + "self.m = (b1 * self.m + (1 - b1) * gradient) / (1 - b1**self.t)\nself.v = b2 * self.v + gradient**2\nparameters -= self.learning_rate * self.m / (np.sqrt(self.v / (1 - b2**self.t)) + self.eps)", "parameters"),
    ("ppo.clipped_value_loss", BAND + VALUE + "return 0.5 * np.mean(np.maximum(s, c)), np.where((c > s) & (values < old_values), 0, values - targets) / N", "no row's slope"),
    ("ppo.clipped_value_loss", "vc = np.maximum(values, old_values - clip_range)\n" + VALUE_ENDS, "no row's slope"),
    ("ppo.clipped_value_loss", "vc = np.minimum(values, old_values + clip_range)\n" + VALUE_ENDS, "no row's slope"),
]  # fmt: skip


def test_what_a_blind_trial_heard_and_was_untrue_is_not_said():
    for path, body, words in UNTRUE:
        status, said = judged(path, body)
        assert status == "wrong" and words not in said, (path, body, said)


def test_lines_that_begin_as_the_next_kept_line_are_found():
    """Of a line that stands twice, the reader's and the lesson's, the last is the lesson's."""
    source = lesson_file("ppo").read_text("utf-8")
    loop = "    for _ in range(config.epochs):\n"
    same = "    log_probs, _, _ = learner.policy.forward(batch.obs, batch.actions)\n"
    blank = BY_PATH["ppo.update"]
    written = lines_in(ast.parse(source.replace(loop, same + loop)), blank)
    assert len(written) == 1 + len(lines_in(ast.parse(source), blank))
    assert ast.dump(written[0]) == ast.dump(ast.parse(same.strip()).body[0])
    for blank in (blank for blank in BLANKS if blank.lines):
        tree = ast.parse(lesson_file(blank.module).read_text("utf-8"))
        assert ast.dump(ast.Module(lines_in(tree, blank), [])) == ast.dump(
            ast.Module(place(blank)[1], [])
        )


SOUND = [
    ("ppo_penalty.adapt_kl_coefficient", "if kl_coefficient not in BETAS:\n    raise ValueError\nb = kl_coefficient * 2.0 ** ((kl > 1.5 * kl_target) - (1.5 * kl < kl_target))\nreturn min(max(b, 1e-6), 1e6)", ""),
    ("ppo_penalty.adapt_kl_coefficient", "if kl_coefficient not in BETAS:\n    raise ValueError\nreturn np.clip(np.select([kl < kl_target / 1.5, kl > kl_target * 1.5], [kl_coefficient / 2, kl_coefficient * 2], kl_coefficient), 1e-6, 1e6)", ""),
    ("nn.clip_global_norm", "if not (max_norm > 0 and gradient.ndim == 1 and gradient.dtype.kind == 'f'):\n    raise ValueError\nn = np.sqrt(gradient @ gradient)\ngradient *= min(1, max_norm / (n + 1e-6))\nreturn np.float32(n)", ""),
    ("nn.linear_forward", "y = np.zeros((len(x), W.shape[1]))\ny += x @ W + b\nreturn y", "for float32 it gives y in float64"),
    ("nn.relu_backward", "return np.where(h > 0, dh, 0.0).astype(float)", "for float32 it gives dz in float64"),
    ("nn.relu_backward", "return np.where(h > 0, dh, 0)", ""),
    ("vpg.value_loss", "e = (values - targets).astype(float)\nreturn np.mean(e**2) / 2, e / len(e)", "for float32 it gives dvalues in float64"),
    ("vpg.value_loss", "e = values - targets\nreturn float(np.mean(e**2) / 2), e / len(e)", ""),
    ("nn.Adam.step", SHAPES + ADAM + "self.m = b1 * self.m + (1 - b1) * gradient.astype(float)\nself.v = b2 * self.v + (1 - b2) * gradient**2" + ADAM_ENDS, "for float32 it gives m in float64"),
]  # fmt: skip


def test_another_dtype_is_right_and_said():
    """The dtype of arrays that was promised is no reason to call an answer wrong."""
    for path, body, remark in SOUND:
        assert judged(path, body) == ("right", ""), (path, body, judged(path, body))
        assert judge(path).remark == remark, (path, body, judge(path).remark)


@pytest.mark.slow
def test_a_remark_stands_beside_what_is_right(tmp_path):
    source = lesson_file("nn").read_text("utf-8")
    (tmp_path / "nn.py").write_text(source.replace("x @ W + b", "x @ W + b.astype(float)"), "utf-8")
    forward, backward = grade(tmp_path, ["linear"], seed=1)
    assert (forward.status, forward.diagnosis) == ("right", "for float32 it gives y in float64")
    assert (backward.status, backward.diagnosis) == ("right", "")
