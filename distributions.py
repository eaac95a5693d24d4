"""Distributions over actions: how likely an action was, and every gradient of it.

Nothing here knows about networks, environments or advantages: arrays in, arrays
out. A network's outputs are a distribution's parameters (logits, or means), and
this file carries gradients from log π(a|s), entropy and KL back to them.

In the order of the file:
    Eq. 17, 18  log-softmax
    Eq. 19, 20  log π(a|s) of a softmax policy
    Eq. 21, 22  its entropy
    Eq. 40      its KL divergence
    Eq. 23–25   log π(a|s) of a Gaussian policy
    Eq. 26      its entropy
    Eq. 42      its KL divergence
    Eq. 45      KL estimated from sampled actions

Shapes: B rows of a batch, K actions of a softmax policy, A action dimensions of
a Gaussian one.

Every `*_backward` takes dLoss/d(what its twin returns) and gives
dLoss/d(the network's outputs). The loss's 1/B is already in what it is given.

Numbers are float, finite, and come back in their common dtype (arrays.floats);
nothing is changed in place. Other shapes than those given, K = 0, and actions that
are not whole numbers from 0 to K − 1, raise ValueError. Log-deviations are such that
the dtype holds 1/σ² and σ²: from −43 to 43 in float32, −350 to 350 in float64.
"""

import math

import numpy as np

from arrays import floats, indices

# ---------------------------------------------------- softmax: K actions


def log_softmax(logits):
    """logits (B,K) -> log-probabilities (B,K), Eq. 17.

    Finite for logits of any size whose differences the dtype can hold; −inf beyond.
    """
    # Sums along rows of only K numbers are slow; stored by columns (Fortran's order, the values
    # are the same) they run along all B rows.
    logits = np.asfortranarray(floats("BK", logits))
    # Eq. 17: log πₖ = zₖ − M − log Σⱼ exp(zⱼ − M), M = maxⱼ zⱼ
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def log_softmax_backward(dlog_probs, log_probs):
    """dlog_probs (B,K), log_probs (B,K) = log_softmax(logits)  ->  dlogits (B,K), Eq. 18."""
    dlog_probs, log_probs = floats("BK BK", dlog_probs, log_probs)
    # Eq. 18: Z̄ = U − P ⊙ (U 1)
    return dlog_probs - np.exp(log_probs) * dlog_probs.sum(axis=1, keepdims=True)


def categorical_log_prob(log_probs, actions):
    """log_probs (B,K), actions (B,) int  ->  log π(aᵢ|sᵢ) (B,): the chosen column of each row."""
    log_probs = floats("BK", log_probs)
    actions = indices(actions, *log_probs.shape)
    return log_probs[np.arange(len(actions)), actions]


def categorical_log_prob_backward(dlog_probs, actions, probs):
    """dlog_probs (B,), actions (B,) int, probs (B,K)  ->  dlogits (B,K), Eq. 19, 20.

    This is the line where reinforcement learning meets backprop. Above it, a
    loss says how much it wants each taken action to become more likely; below
    it there is only an ordinary network. Where dlog_probs is negative, descent
    raises the taken action's logit and lowers the others, each by how likely it was.
    """
    dlog_probs, probs = floats("B BK", dlog_probs, probs)
    actions = indices(actions, *probs.shape)
    onehot = (np.arange(probs.shape[1])[:, None] == actions).T  # by columns, as probs (log_softmax)
    # Eq. 19: Z̄ᵢ = (∂L/∂log π(aᵢ)) (e_aᵢ − πᵢ); for Eq. 10's loss this is Eq. 20
    return dlog_probs[:, None] * (onehot - probs)


def categorical_entropy(log_probs):
    """log_probs (B,K) -> entropies (B,) in nats; Eq. 22 is their gradient."""
    log_probs = floats("BK", log_probs)
    # H = −Σₖ πₖ log πₖ
    return -(np.exp(log_probs) * log_probs).sum(axis=1)


def categorical_entropy_backward(dentropies, entropies, log_probs):
    """dentropies (B,), entropies (B,), log_probs (B,K)  ->  dlogits (B,K), Eq. 22."""
    dentropies, entropies, log_probs = floats("B B BK", dentropies, entropies, log_probs)
    # Eq. 21, 22: ∂H/∂zⱼ = −πⱼ (log πⱼ + H), where log πⱼ + H is −log πⱼ − 1 less its mean
    return -dentropies[:, None] * np.exp(log_probs) * (log_probs + entropies[:, None])


def categorical_kl(old_log_probs, log_probs):
    """KL(old‖new) of each row, Eq. 40: two (B,K) arrays of log-probabilities -> (B,) in nats."""
    old_log_probs, log_probs = floats("BK BK", old_log_probs, log_probs)
    # Eq. 40: KLᵢ = Σₖ πᵒˡᵈ (log πᵒˡᵈ − log π)
    return (np.exp(old_log_probs) * (old_log_probs - log_probs)).sum(axis=1)


def categorical_kl_backward(dkls, old_log_probs, log_probs):
    """dkls (B,), two (B,K) arrays of log-probabilities  ->  dlogits (B,K), Eq. 40."""
    dkls, old_log_probs, log_probs = floats("B BK BK", dkls, old_log_probs, log_probs)
    # Eq. 40: ∂KLᵢ/∂zᵢ = πᵢ − πᵢᵒˡᵈ
    return dkls[:, None] * (np.exp(log_probs) - np.exp(old_log_probs))


# ------------------------------------------- Gaussian: A action dimensions


def gaussian_log_prob(actions, means, log_stds):
    """actions (B,A), means (B,A), log_stds (A,)  ->  log-density of each row (B,), Eq. 23."""
    actions, means, log_stds = floats("BA BA A", actions, means, log_stds)
    # Eq. 23: log π(a|s) = Σⱼ [−(aⱼ − μⱼ)² / 2σⱼ² − ℓⱼ − ½ log 2π]
    scaled = (actions - means) * np.exp(-log_stds)
    return (-0.5 * scaled * scaled - log_stds - 0.5 * math.log(2 * math.pi)).sum(axis=1)


def gaussian_log_prob_backward(dlog_probs, actions, means, log_stds):
    """dlog_probs (B,), actions and means (B,A), log_stds (A,)  ->  dmeans (B,A), dlog_stds (A,).

    Eq. 24 gives each row's slopes; Eq. 25 weighs them. The log-deviations are
    shared by all rows, so their gradient is a sum over rows.
    """
    dlog_probs, actions, means, log_stds = floats("B BA BA A", dlog_probs, actions, means, log_stds)
    scaled = (actions - means) * np.exp(-log_stds)
    # Eq. 24, 25: ∂log π/∂μⱼ = (aⱼ − μⱼ)/σⱼ²    ∂log π/∂ℓⱼ = (aⱼ − μⱼ)²/σⱼ² − 1
    dmeans = dlog_probs[:, None] * scaled * np.exp(-log_stds)
    dlog_stds = dlog_probs @ (scaled * scaled - 1)
    return dmeans, dlog_stds


def gaussian_entropy(log_stds):
    """log_stds (A,) -> entropy in nats, a number; the same for every row, Eq. 26."""
    log_stds = floats("A", log_stds)
    # Eq. 26: H = Σⱼ ℓⱼ + (A/2) log 2πe, so ∂H/∂ℓⱼ = 1 and ∂H/∂μⱼ = 0
    return log_stds.sum() + 0.5 * len(log_stds) * math.log(2 * math.pi * math.e)


def gaussian_kl(old_means, old_log_stds, means, log_stds):
    """KL(old‖new) of each row, Eq. 42: means (B,A), log_stds (A,) or (B,A)  ->  (B,) in nats."""
    old_means, means = floats("BA BA", old_means, means)
    old_log_stds, log_stds = _spreads(means, old_log_stds, log_stds)
    # Eq. 42: Σⱼ [ℓⱼ − ℓⱼᵒ + (σᵒⱼ² + (μⱼᵒ − μⱼ)²) / 2σⱼ² − ½]; each square over σⱼ² by itself,
    # for the dtype may hold σᵒⱼ²/σⱼ² where it holds neither
    scaled = (means - old_means) * np.exp(-log_stds)
    squares = np.exp(2 * (old_log_stds - log_stds)) + scaled * scaled
    return (log_stds - old_log_stds + 0.5 * squares - 0.5).sum(axis=1)


def gaussian_kl_backward(dkls, old_means, old_log_stds, means, log_stds):
    """dkls (B,), means (B,A), old_log_stds (A,) or (B,A)  ->  dmeans (B,A), dlog_stds (A,), Eq. 42.

    dlog_stds is summed over the rows, which share their log_stds (A,).
    """
    dkls, old_means, means = floats("B BA BA", dkls, old_means, means)
    old_log_stds, log_stds = _spreads(means, old_log_stds, log_stds)
    scaled = (means - old_means) * np.exp(-log_stds)
    squares = np.exp(2 * (old_log_stds - log_stds)) + scaled * scaled
    # Eq. 42: ∂μⱼ = (μⱼ − μⱼᵒ)/σⱼ²    ∂ℓⱼ = 1 − (σᵒⱼ² + (μⱼᵒ − μⱼ)²)/σⱼ²
    dmeans = dkls[:, None] * scaled * np.exp(-log_stds)
    dlog_stds = dkls @ (1 - squares)
    return dmeans, dlog_stds


def _spreads(means, *log_stds):
    """Log-deviations (A,), or (B,A) as means, as floats."""
    own = ["BA" if np.ndim(array) == 2 else "A" for array in log_stds]
    return [floats(f"BA {axes}", means, a)[1] for axes, a in zip(own, log_stds, strict=True)]


# -------------------------------------------------- KL from sampled actions


def kl_estimates(log_ratios):
    """Two unbiased estimates of KL(old‖new) from actions that *old* sampled, Eq. 45.

    log_ratios (B, ...) = log π(a|s) − log πᵒˡᵈ(a|s)  ->  k1, k3 (B, ...) in nats;
    k3 is inf where the ratio is beyond the dtype's range.
    k1 may be negative in a sample; k3 never is, and has less variance when the
    policies are close. Source: Schulman (2020), http://joschu.net/blog/kl-approx.html.
    """
    log_ratios = floats("B...", log_ratios)
    # Eq. 45: k₁ = −log ρ    k₃ = ρ − 1 − log ρ; expm1 keeps the digits of ρ − 1 near ρ = 1
    return -log_ratios, np.expm1(log_ratios) - log_ratios
