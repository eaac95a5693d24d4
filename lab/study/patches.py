"""Lines of the lesson exchanged for others, one at a time, while a seed trains.

Each function is a context manager: inside it the lesson runs with that one thing
changed, afterwards it is itself again. An ablation (lab/study/ablation.py) names them.
"""

from dataclasses import replace
from unittest.mock import patch

import numpy as np

import nn
import ppo
import training
from advantages import gae, normalize
from policies import CategoricalPolicy


def no_learned_baseline():
    """Credit an action with its estimated return, not with what that exceeds V by.

    Â + V (Eq. 18) stands in for Â. V is still learned, and still stands for the
    future where a record is cut off: it is only not subtracted. What remains of
    a baseline is the batch's mean, which normalisation subtracts (Eq. 19).
    """
    return _credit_returns(normalize)


def no_baseline_at_all():
    """The same, and normalisation only divides: no mean is subtracted either."""
    return _credit_returns(lambda credit: credit / (credit.std() + 1e-8))


def _credit_returns(scale):
    make_batch = training.make_batch

    def changed(rollout, value, config):
        batch = make_batch(rollout, value, replace(config, normalize_advantages=False))
        return batch._replace(advantages=scale(batch.advantages + batch.values))

    return patch.object(training, "make_batch", changed)


def bootstrap_through_termination():
    """Eq. 15 without its (1 − d): the value of the state after the fall counts.

    So does the earlier tutorial, https://github.com/edhyah/policygradients.
    """

    def changed(rewards, values, next_values, terminated, ended, gamma, gae_lambda):
        nowhere = np.zeros_like(terminated)
        return gae(rewards, values, next_values, nowhere, ended, gamma, gae_lambda)

    return patch.object(training, "gae", changed)


def time_limit_is_termination():
    """One flag for both ends: after 500 steps the future counts as nothing, as after a fall."""

    def changed(rewards, values, next_values, terminated, ended, gamma, gae_lambda):
        return gae(rewards, values, next_values, ended, ended, gamma, gae_lambda)

    return patch.object(training, "gae", changed)


def uniform_weights():
    """Weights uniform in ±1/√inputs, whatever the layer: what torch.nn.Linear begins with.

    Neither orthogonal nor of a chosen gain; the policy's output layer begins as
    large as any other. Biases stay zero.
    """

    def changed(shape, gain, rng, dtype=np.float32):
        bound = 1 / np.sqrt(shape[0])
        return rng.uniform(-bound, bound, shape).astype(dtype)

    return patch.object(nn, "orthogonal", changed)


# The bugs that the page lets its visitors switch on (lab/pictures/explorer.py).


def ties_are_clipped():
    """Eq. 39 with `<` for `<=`: the trap of the README's Chapter F. PPO only."""
    original = ppo.clipped_surrogate

    def changed(log_probs, old_log_probs, advantages, clip_range):
        loss, dlog_probs = original(log_probs, old_log_probs, advantages, clip_range)
        ratios = np.exp(log_probs - old_log_probs)
        tied = np.clip(ratios, 1 - clip_range, 1 + clip_range) == ratios
        return loss, np.where(tied, 0, dlog_probs)

    return patch.object(ppo, "clipped_surrogate", changed)


def sum_instead_of_mean():
    """The policy's loss without its 1/N (Eq. 13, 38)."""
    return _scale_policy_slopes(len)


def uphill():
    """The sign of the advantage turned round: down the loss is then up what should be avoided."""
    return _scale_policy_slopes(lambda dlog_probs: -1)


def _scale_policy_slopes(factor):
    backward = CategoricalPolicy.backward

    def changed(self, dlog_probs, dentropies, cache):
        return backward(self, factor(dlog_probs) * dlog_probs, dentropies, cache)

    return patch.object(CategoricalPolicy, "backward", changed)


def rows_mixed_up():
    """Every row is given another row's advantage: the first the last one's, and so on."""
    make_batch = training.make_batch

    def changed(rollout, value, config):
        batch = make_batch(rollout, value, config)
        return batch._replace(advantages=batch.advantages[::-1])

    return patch.object(training, "make_batch", changed)
