"""docs/questions.md: every piece of Python prints what it says, every number beside it is computed.

SAID has the numbers of the prose: the question's first words, the number as it is shown, what it
must be. No other number stands there, but for those of the question's own Python and GIVEN.
"""

import contextlib
import io
import math
import re
from functools import cache
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from advantages import gae, group_advantages
from distributions import categorical_log_prob_backward
from lab.language import tokens
from lab.proof import mdp, trace
from lab.proof.checks import run_check
from training import explained_variance
from vpg import value_loss

TEXT = (Path(__file__).parent.parent / "docs" / "questions.md").read_text(encoding="utf-8")
QUESTIONS = [part.split("\n## ")[0] for part in TEXT.split("\n### ")[1:]]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"^# (.+)$|^ *print\(.*\)  # (.+)$", re.MULTILINE)
NUMBER = re.compile(r"(?<![\w.])−?\d*\.?\d+(?![\w])")
WALKED = trace.walk()
GIVEN = {"0", "1", "−1", "0.99", "400", "500"}


def about(words):
    """The text of the one question that begins with these words."""
    (text,) = [text for text in QUESTIONS if text.startswith(words)]
    return text


@cache
def printed():
    """What `python run.py check vpg` prints: label -> a text or an array."""
    result = run_check("vpg")
    return dict(result.numbers) | {one.label: one.code for one in result.comparisons}


def checked(label):
    return float(np.ravel(printed()[label])[0])


def half_square(returns):
    return value_loss(np.array([0.9 * returns]), np.array([returns]))[0]


def one_way():
    """CartPole's mean return, if every push goes the same way."""
    env, steps = gym.make("CartPole-v1"), 0
    for seed in range(100):
        over, _ = False, env.reset(seed=seed)
        while not over:
            over, steps = env.step(seed % 2)[2], steps + 1
    return steps / 100


def untilted():
    """The sizes of a group for which dividing by σ weighs every prompt alike."""
    weights = {G: tokens.deviation_weight(np.linspace(0.01, 0.99, 9), G) for G in range(2, 9)}
    assert all(weight.max() <= math.sqrt(G - 1) + 1e-9 for G, weight in weights.items())
    return [G for G, weight in weights.items() if np.ptp(weight) < 1e-9]


SAID = [
    ("Why is my policy loss", "10", lambda: (5.2767 + 0.3466) / 0.56233),
    ("Why does the value loss", "100", lambda: half_square(200.0) / half_square(20.0)),
    ("Why is my entropy", "0.242", lambda: 1 / math.sqrt(2 * math.pi * math.e)),
    ("Mean over steps", "0.01528", lambda: checked("1/episodes, 1: mean")),
    ("Mean over steps", "−0.18287", lambda: checked("mean of 1/steps, 1 episodes, rescaled")),
    ("Mean over steps", "−0.00697", lambda: checked("mean of 1/steps, 4 episodes, rescaled")),
    ("Should γ^t stand", "0.018", lambda: 0.99**400),
    ("My policy collapses", "9", one_way),
    ("Why the minimum", "1.36112", lambda: WALKED.ratios[0]),
    ("Why the minimum", "1.33488", lambda: WALKED.new_ratios[0]),
    ("Should I divide", "2", lambda: min(untilted())),
    ("Should I divide", "3", lambda: max(untilted())),
    ("Why does DPO", "0.693", lambda: math.log(2)),
]


def prose(text):
    """A question without its Python, links, commands, and digits of names and of a formula."""
    text = re.sub(r"\[[^]]*\]\([^)]*\)|`python run\.py[^`]*`", "", FENCE.sub("", text))
    return re.sub(r"\bE(?:q\. )?\d+|\bk[123]\b|k_[123]|\\log2|2\\pi e", "", text)


def test_there_are_enough_and_not_too_many():
    assert 24 <= len(QUESTIONS) <= 30 and len(TEXT.encode()) <= 21_000


@pytest.mark.parametrize("text", QUESTIONS, ids=lambda text: text[:30])
def test_a_question_has_its_numbers_an_equation_and_where_else_to_read(text):
    for body in FENCE.findall(text):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(body, "docs/questions.md", "exec"), {"np": np})
        shown = [one or other for one, other in SHOWN.findall(body)]
        assert shown and out.getvalue().splitlines() == shown
    assert FENCE.search(text) or "`python run.py check" in text
    last = text.strip().splitlines()[-1]
    assert re.match(r"\[Eq\. \d+\]", last) and " · " in last
    mine = {shown for words, shown, _ in SAID if text.startswith(words)}
    python = {float(number) for number in NUMBER.findall(" ".join(FENCE.findall(text)))}
    for number in set(NUMBER.findall(prose(text))) - mine - GIVEN:
        assert float(number) in python, number


@pytest.mark.parametrize(("words", "shown", "value"), SAID)
def test_a_number_of_the_prose(words, shown, value):
    assert shown in NUMBER.findall(prose(about(words)))
    half = 0.5 * 10.0 ** -len(shown.partition(".")[2])
    assert value() == pytest.approx(float(shown.replace("−", "-")), rel=0, abs=half)


def test_scaling_returns_and_values_leaves_the_explained_variance():
    values, targets = np.random.default_rng(0).normal(size=(2, 50))
    scaled = explained_variance(10 * values, 10 * targets)
    assert scaled == pytest.approx(explained_variance(values, targets), rel=1e-12)


@pytest.mark.parametrize("gae_lambda", [0, 0.3, 1])
def test_with_the_true_values_the_advantage_has_the_same_mean_for_every_lambda(gae_lambda):
    world, pi = mdp.two_states(), np.array([[0.3, 0.7], [0.6, 0.4]])
    V, mean = mdp.values(world, pi), np.zeros(2)
    for one in mdp.trajectories(world, 80):
        after = np.append(V[one.states[1:]], 0.0)
        ended = np.arange(len(after)) == len(after) - 1
        found = gae(one.rewards, V[one.states], after, ended, ended, world.gamma, gae_lambda)
        mean[one.actions[0]] += mdp.density(world, pi, one) * found[0]
    np.testing.assert_allclose(mean / pi[0], mdp.advantages(world, pi)[0], rtol=1e-9)


def test_where_the_kl_is_subtracted():
    """Leave-one-out: before is after. Less the own mean: after, the KL counts G/(G − 1) times."""
    reference, noise = np.random.default_rng(0).normal(size=(2, 7, 3))
    logits, beta, G = reference + noise / 2, 0.1, 2
    R, k = tokens.REWARDS["middle"], tokens.log_probs(logits) - tokens.log_probs(reference)
    up, away = tokens.gradient(R, logits), tokens.gradient(k, logits)

    def after(y):
        return group_advantages(R[y], scale=False) - beta * k[y]

    def before(y):
        return group_advantages((R - beta * k)[y], scale=False)

    def after_own_mean(y):
        return R[y] - R[y].mean(axis=1, keepdims=True) - beta * k[y]

    for credit, expected in (
        (before, up - beta * away),
        (after, up - beta * away),
        (after_own_mean, (1 - 1 / G) * (up - beta * G / (G - 1) * away)),
    ):
        found = tokens.group_gradient(logits, G, credit)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


def test_a_drawn_action_s_surprise_has_a_gradient_of_mean_zero():
    pi = np.array([[0.7, 0.2, 0.1]] * 3)
    slopes = categorical_log_prob_backward(-pi[0], np.arange(3), pi)
    np.testing.assert_allclose(slopes.sum(axis=0), 0, atol=1e-16)
