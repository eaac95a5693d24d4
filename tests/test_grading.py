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
from lab.practice.blanks import BLANKS, as_function, find, lesson_file, lesson_module
from lab.practice.cases import cases
from lab.practice.diagnosis import by_numbers, by_shape, case_words, close, numbers_in
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
    return judge(path, seed).verdict(function)


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
        assert words == f"for x [ 0.3333 -0.6667], eps 1.e-08: yours {yours}, expected {expected}"
    assert numbers_in({"x": np.array([0.0, 1, 2]), "b": 3.0}) == 3
