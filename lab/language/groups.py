"""A policy learns the tiny language of tokens.py, once for each way of giving credit.

Everything that learns is the lesson's: the policy, clipped_surrogate, group_advantages,
Adam. Nothing that is reported is an estimate: every response is listed.

Shapes: M prompts, G responses to each, B tokens of all M·G responses.
"""

import sys
from typing import NamedTuple

import numpy as np

import advantages
import nn
import policies
import ppo
from lab.language import tokens

GROUP, UPDATES, EPOCHS = 8, 20, 4
HIDDEN, LEARNING_RATE, CLIP_RANGE = (16,), 0.01, 0.2
REWARDS = np.array(list(tokens.REWARDS.values()))  # (M,Y)
M, S = len(REWARDS), len(tokens.PREFIXES)
# What the policy sees, a row for each prompt and prefix: which prompt, which prefix.
OBS = np.hstack([np.repeat(np.eye(M), S, axis=0), np.tile(np.eye(S), (M, 1))])
DIGITS = [1] * M + [2]  # of the printed means


class Method(NamedTuple):
    """How a response is credited, and whose ratio the clip looks at."""

    scale: bool | None  # of group_advantages; None: the reward as it is
    by_length: bool  # is each response divided by its own length?
    root: bool  # one ratio a response, its root by length (GSPO), or one a token


METHODS = {
    "the reward as it is": Method(None, False, False),
    "less the others' mean (RLOO)": Method(False, False, False),
    "over sigma": Method(True, False, False),
    "over sigma and length (GRPO)": Method(True, True, False),
    "over sigma, root ratio (GSPO)": Method(True, False, True),
}


def sample_responses(policy, rng):
    """G responses to each prompt -> their places in RESPONSES (M·G,)."""
    prompts = np.repeat(np.arange(M), GROUP)
    written = [""] * len(prompts)
    for _ in range(tokens.LONGEST):
        open_ = [i for i, y in enumerate(written) if not y.endswith(".")]
        if not open_:
            break
        rows = [prompts[i] * S + tokens.PREFIXES.index(written[i]) for i in open_]
        for i, token in zip(open_, policy.sample(OBS[rows], rng)[0], strict=True):
            written[i] += tokens.TOKENS[token]
    return np.array([tokens.RESPONSES.index(y) for y in written])


def slopes(method, log_probs, old_log_probs, owner, credit, lengths):
    """dLoss/dlog_probs (B,): owner (B,) says whose token it is; credit, lengths (M·G,)."""
    if method.root:
        # Eq. 53: the response's ratio, to the power 1/|y|, is a mean of log-probabilities
        means = [np.bincount(owner, x) / lengths for x in (log_probs, old_log_probs)]
        return (ppo.clipped_surrogate(*means, credit, CLIP_RANGE)[1] / lengths)[owner]
    if method.by_length:
        credit = credit / lengths
    # clipped_surrogate divides by the number of tokens; (1/MG) Σᵢ Σₜ is meant
    credit = credit[owner] * len(owner) / len(credit)
    return ppo.clipped_surrogate(log_probs, old_log_probs, credit, CLIP_RANGE)[1]


def learn(method, seed):
    """A fresh policy after UPDATES groups to every prompt, each used EPOCHS times."""
    rng = np.random.default_rng(seed)
    policy = policies.CategoricalPolicy(M + S, len(tokens.TOKENS), HIDDEN, rng, dtype=np.float64)
    adam = nn.Adam(policy.parameters.size, LEARNING_RATE, dtype=np.float64)
    for _ in range(UPDATES):
        responses = sample_responses(policy, rng)
        rewards = np.take_along_axis(REWARDS, responses.reshape(M, GROUP), axis=1)
        if method.scale is not None:
            rewards = advantages.group_advantages(rewards, method.scale)
        owner, t = np.nonzero(tokens.WITHIN[responses])
        obs = OBS[owner // GROUP * S + tokens.AFTER[responses][owner, t]]
        written = tokens.WRITTEN[responses][owner, t]
        old_log_probs = policy.forward(obs, written)[0]
        for _ in range(EPOCHS):
            log_probs, entropies, cache = policy.forward(obs, written)
            lengths = tokens.LENGTHS[responses]
            d = slopes(method, log_probs, old_log_probs, owner, rewards.ravel(), lengths)
            adam.step(policy.parameters, policy.backward(d, 0 * entropies, cache))
    return policy


def judge(policy):
    """Exactly: pass rates (M,), and the mean length of wrong responses to all prompts."""
    logits = policy.network(OBS).reshape(M, S, -1)
    chances = np.exp([tokens.log_probs(z) for z in logits])
    wrong = chances * (1 - REWARDS)
    return (chances * REWARDS).sum(axis=1), (wrong @ tokens.LENGTHS).sum() / wrong.sum()


def learn_tokens(seeds, stream=None):
    """Train by every method with so many seeds, at least two; print what has become of them.

    Means over the seeds with their standard errors, 80 columns wide.
    """
    from tqdm import tqdm

    stream = stream or sys.stdout
    line = "{:<30}" + "{:>10}" * M + "{:>20}"
    uniform = policies.CategoricalPolicy(M + S, len(tokens.TOKENS), (), np.random.default_rng(0))
    uniform.parameters[:] = 0
    results = {"before: the uniform policy": [judge(uniform)]}
    # disable=None: no bar unless stderr is a terminal
    with tqdm(total=len(METHODS) * seeds, ncols=79, leave=False, disable=None) as bar:
        for name, method in METHODS.items():
            results[name] = []
            for seed in range(seeds):
                results[name].append(judge(learn(method, seed)))
                bar.update()
    print(
        f"{UPDATES} updates, {GROUP} responses to each prompt; means of {seeds} seeds", file=stream
    )
    print(line.format("% right", *tokens.REWARDS, "wrong ones' length"), file=stream)
    for name, judged in results.items():
        columns = np.array([[*100 * rates, length] for rates, length in judged])
        shown = [f"{m:.{d}f}" for m, d in zip(columns.mean(axis=0), DIGITS, strict=True)]
        if len(judged) > 1:
            errors = columns.std(axis=0, ddof=1) / len(judged) ** 0.5
            shown = [f"{m}±{e:.{d}f}" for m, e, d in zip(shown, errors, DIGITS, strict=True)]
        print(line.format(name, *shown), file=stream)
