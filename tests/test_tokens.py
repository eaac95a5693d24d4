"""The tiny language and what learns it; what Chapter H says of them in numbers."""

import io
import itertools
import math

import numpy as np
import pytest

import policies
from lab.language import groups, tokens
from lab.proof.evidence import complex_step
from lab.proof.text import page

TEXT = page("docs/language.md")
UNIFORM = np.zeros((7, 3))


def cosine(one, other):
    return (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())


def test_the_responses():
    every = {"".join(y) for y in itertools.product("ab.", repeat=3)}
    cut = {y[: y.index(".") + 1] if "." in y else y for y in every}
    assert set(tokens.RESPONSES) == cut and len(tokens.RESPONSES) == len(cut) == 15
    assert sorted(tokens.PREFIXES) == ["", "a", "aa", "ab", "b", "ba", "bb"]
    for y, response in enumerate(tokens.RESPONSES):
        assert tokens.LENGTHS[y] == tokens.WITHIN[y].sum() == len(response)
        for t, token in enumerate(response):
            assert tokens.TOKENS[tokens.WRITTEN[y, t]] == token
            assert tokens.PREFIXES[tokens.AFTER[y, t]] == response[:t]


def test_what_the_verifiers_pay():
    right = {
        name: {y for y, r in zip(tokens.RESPONSES, rewards, strict=True) if r == 1}
        for name, rewards in tokens.REWARDS.items()
    }
    assert right["middle"] == {"b.", "ab.", "bb."} and right["hard"] == {"ba."}
    assert right["easy"] == set(tokens.RESPONSES) - {".", "b.", "bb.", "bbb"}
    rates = [tokens.mean(rewards, UNIFORM) for rewards in tokens.REWARDS.values()]
    np.testing.assert_allclose(rates, [13 / 27, 5 / 27, 1 / 27], rtol=1e-14)


@pytest.mark.parametrize(
    ("prompt", "weight"), [("easy", "1.86"), ("middle", "2.13"), ("hard", "2.52")]
)
def test_the_weights_that_chapter_h_prints(prompt, weight):
    p = tokens.mean(tokens.REWARDS[prompt], UNIFORM)
    assert f"{tokens.deviation_weight(p, 8):.2f}" == weight
    many = tokens.deviation_weight(p, 1_000)
    assert many == pytest.approx(1 / math.sqrt(p * (1 - p)), rel=0.02)


def test_wrong_responses_grow_2_1_times_as_fast_when_lengths_divide():
    rewards = tokens.REWARDS["hard"]

    def length(z):
        return tokens.mean((1 - rewards) * tokens.LENGTHS, z) / tokens.mean(1 - rewards, z)

    grow = complex_step(length, UNIFORM)
    true = tokens.gradient(rewards, UNIFORM)
    divided = tokens.gradient(tokens.per_length(UNIFORM, rewards), UNIFORM)
    speeds = [(g * grow).sum() / np.sqrt((g**2).sum()) for g in (true, divided)]
    assert f"{speeds[1] / speeds[0]:.1f}" == "2.1"


def test_the_last_table_s_rows_are_those_that_are_checked():
    """Its cells beside tokens.loss_weights; Eq. 53's check holds those against losses."""
    section = TEXT.split("## One token, many losses")[1].split("**Now you can**")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:2] == "| "][1:]
    nothing = np.zeros(3)
    rewards, lengths = np.array([1.0, 0.0, 0.0]), np.array([1, 3, 2])
    group = np.arange(3), rewards, lengths, nothing
    found = tokens.loss_weights(nothing, *group)
    assert [row[0] for row in rows] == list(found)
    # at ratio 1 only the credit and the lengths are left
    A, scaled = np.array([1, -0.5, -0.5]), np.array([2, -1, -1]) / math.sqrt(2)
    divisors = {r"/\lvert y\rvert": lengths, " / the": 2}
    for name, cell, _ in rows:
        credit = scaled if r"\tilde A" in cell else rewards - 1 / 3 if r"\bar R" in cell else A
        by = next((by for text, by in divisors.items() if text in cell), 1)
        np.testing.assert_allclose(found[name], credit / by, rtol=1e-6)
    # "a token of probability .01 may rise by .002"
    for probability, silent in ((0.01199, False), (0.01201, True)):
        weights = tokens.loss_weights(np.full(3, math.log(probability / 0.01)), *group)
        assert (weights["PPO"][0] == 0) == silent and weights["DAPO"][0] > 0 < weights["CISPO"][0]


def test_dividing_by_the_batchs_tokens_fades_as_groups_grow():
    rewards = tokens.REWARDS["middle"]
    true = tokens.gradient(rewards, UNIFORM)

    def turned(size):
        def credit(members):
            centred = rewards[members] - rewards[members].mean(axis=1, keepdims=True)
            return centred / tokens.LENGTHS[members].sum(axis=1, keepdims=True)

        return 1 - cosine(tokens.group_gradient(UNIFORM, size, credit), true)

    assert turned(2) > 2 * turned(4) > 0


# ---------------------------------------------------------- what learns it


def uniform_policy():
    policy = policies.CategoricalPolicy(10, 3, (), np.random.default_rng(0), dtype=np.float64)
    policy.parameters[:] = 0
    return policy


def test_responses_are_written_as_often_as_the_policy_says(monkeypatch, rng):
    monkeypatch.setattr(groups, "GROUP", 20_000)
    policy = policies.CategoricalPolicy(10, 3, (4,), rng, dtype=np.float64)
    policy.parameters[:] = rng.normal(0, 0.7, policy.parameters.size)
    logits = policy.network(groups.OBS).reshape(3, 7, 3)
    for z, own in zip(logits, groups.sample_responses(policy, rng).reshape(3, -1), strict=True):
        chances = np.exp(tokens.log_probs(z))
        errors = np.sqrt(chances * (1 - chances) / groups.GROUP)
        seen = np.bincount(own, minlength=15) / groups.GROUP
        assert (np.abs(seen - chances) < 4 * errors + 1e-12).all()


@pytest.mark.parametrize("name", groups.METHODS)
def test_slopes_are_those_of_the_loss(name, rng):
    way = groups.METHODS[name]
    responses = np.array([0, 5, 9, 14, 6, 12])
    owner = np.nonzero(tokens.WITHIN[responses])[0]
    lengths, credit = tokens.LENGTHS[responses], rng.normal(size=6)
    old = rng.normal(-1, 0.3, len(owner))
    log_probs = old + rng.uniform(-0.15, 0.15, len(owner))  # inside the clip's band

    def loss(x):
        total = 0
        for i in range(6):
            own = owner == i
            if way.root:
                total = total - credit[i] * np.exp((x - old)[own].sum() / lengths[i])
            else:
                total = total - (credit[i] * np.exp((x - old)[own])).sum() / (
                    lengths[i] if way.by_length else 1
                )
        return total / 6

    actual = groups.slopes(way, log_probs, old, owner, credit, lengths)
    np.testing.assert_allclose(actual, complex_step(loss, log_probs), rtol=1e-12)


def test_the_judge_counts_every_response():
    rates, length = groups.judge(uniform_policy())
    np.testing.assert_allclose(rates, [13 / 27, 5 / 27, 1 / 27], rtol=1e-14)
    # 14, 22 and 26 of 27 equally likely continuations are wrong, so long all in all:
    by_hand = (14 / 27 * 1.5 + 22 / 27 * 2.0454545454545454 + 26 / 27 * 2.076923076923077) / (
        62 / 27
    )
    assert length == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("name", groups.METHODS)
def test_every_way_learns(name):
    before, _ = groups.judge(uniform_policy())
    after, _ = groups.judge(groups.learn(groups.METHODS[name], seed=0))
    assert after[0] > 0.9 and after[1] > 0.8
    assert (after > before).sum() >= 2


def test_the_table():
    stream, again = io.StringIO(), io.StringIO()
    groups.learn_tokens(2, stream)
    groups.learn_tokens(2, again)
    lines = stream.getvalue().splitlines()
    assert again.getvalue().splitlines() == lines
    assert max(map(len, lines)) <= 80
    assert [line.split("  ")[0] for line in lines[3:]] == list(groups.METHODS)
    assert lines[2].split()[-4:] == ["48.1", "18.5", "3.7", "1.94"]
    assert all(line.count("±") == 4 for line in lines[3:])


@pytest.mark.slow
def test_chapter_h_says_what_the_table_prints():
    said = {  # the hard prompt's pass rate in percent, the wrong responses' length
        "the reward as it is": (59, None),  # 2.57: between the others
        "less the others' mean (RLOO)": (76, 2.53),
        "over sigma": (78, 2.51),
        "over sigma and length (GRPO)": (67, 2.62),
        "over sigma, root ratio (GSPO)": (72, 2.60),
    }
    (paragraph,) = [line for line in TEXT.splitlines() if line.startswith("`python run.py tokens`")]
    for name, (rate, length) in said.items():
        assert f"{rate}%" in paragraph and (length is None or f"{length:.2f}" in paragraph)
        found = [groups.judge(groups.learn(groups.METHODS[name], seed)) for seed in range(50)]
        # Where numpy rounds otherwise, a few samples may differ.
        assert 100 * np.mean([rates[2] for rates, _ in found]) == pytest.approx(rate, abs=3)
        if length is not None:
            assert np.mean([wrong for _, wrong in found]) == pytest.approx(length, abs=0.03)
