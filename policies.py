"""Policies: a network and a distribution put together.

Nothing here knows about environments, advantages or clipping. The network maps
observations to a distribution's parameters; what happens to gradients on either
side stands in distributions.py and nn.py.

Every policy has
    sample, greedy      how to act
    forward, backward   how likely were these actions, and dLoss/dparameters (P,)
    distribution, kl, kl_backward   for a KL penalty (ppo_penalty.py)

Shapes: B rows of a batch, D observation size, K actions of a softmax policy,
A action dimensions of a Gaussian one, P parameters.

Observations are finite numbers. `sample`, `greedy` and `distribution` take them of
any dtype and give floats of the policy's own; `forward` keeps a wider one. Those of
another shape raise ValueError.
"""

import numpy as np

from distributions import (
    categorical_entropy,
    categorical_entropy_backward,
    categorical_kl,
    categorical_kl_backward,
    categorical_log_prob,
    categorical_log_prob_backward,
    gaussian_entropy,
    gaussian_kl,
    gaussian_kl_backward,
    gaussian_log_prob,
    gaussian_log_prob_backward,
    log_softmax,
)
from nn import MLP


class CategoricalPolicy:
    """A softmax over K actions; the network's outputs are the logits.

    obs_dim, num_actions, hidden_sizes, rng, activation, dtype: see nn.MLP.
    The output layer starts small (gain 0.01, where hidden layers have √2),
    so that the first policy is close to uniform and explores.
    """

    def __init__(
        self, obs_dim, num_actions, hidden_sizes, rng, activation="tanh", dtype=np.float32
    ):
        sizes = (obs_dim, *hidden_sizes, num_actions)
        self.network = MLP(sizes, rng, activation, output_gain=0.01, dtype=dtype)
        self.parameters = self.network.parameters

    def sample(self, obs, rng):
        """obs (B,D), rng np.random.Generator  ->  actions (B,) int, log_probs (B,)."""
        log_probs = log_softmax(self.network(obs))
        # Inverse CDF: a uniform number lands in action k's stretch of [0, 1) with
        # probability πₖ. The last edge is 1 whatever rounding made of the sum.
        edges = np.exp(log_probs[:, :-1]).cumsum(axis=1)
        actions = (rng.random((len(obs), 1), edges.real.dtype) >= edges).sum(axis=1)
        return actions, log_probs[np.arange(len(obs)), actions]

    def greedy(self, obs):
        """obs (B,D) -> the likeliest action of each row (B,) int."""
        return self.network(obs).argmax(axis=1)

    def distribution(self, obs):
        """obs (B,D) -> the log-probability of every action (B,K): all that `kl` needs."""
        return log_softmax(self.network(obs))

    def forward(self, obs, actions):
        """obs (B,D), actions (B,) int  ->  log_probs (B,), entropies (B,), cache for `backward`."""
        logits, network_cache = self.network.forward(obs)
        all_log_probs = log_softmax(logits)
        entropies = categorical_entropy(all_log_probs)
        cache = actions, all_log_probs, entropies, network_cache
        return categorical_log_prob(all_log_probs, actions), entropies, cache

    def backward(self, dlog_probs, dentropies, cache):
        """dLoss/dlog_probs (B,), dLoss/dentropies (B,)  ->  dLoss/dparameters (P,)."""
        actions, all_log_probs, entropies, network_cache = cache
        dlogits = categorical_log_prob_backward(dlog_probs, actions, np.exp(all_log_probs))
        if np.count_nonzero(dentropies):  # not without an entropy bonus
            dlogits += categorical_entropy_backward(dentropies, entropies, all_log_probs)
        return self.network.backward(dlogits, network_cache)

    def kl(self, old_distribution, cache):
        """KL(old‖new) of each row (B,), Eq. 40; old_distribution (B,K) from `distribution`."""
        _, all_log_probs, _, _ = cache
        return categorical_kl(old_distribution, all_log_probs)

    def kl_backward(self, dkls, old_distribution, cache):
        """dLoss/dkls (B,) -> dLoss/dparameters (P,), Eq. 40."""
        _, all_log_probs, _, network_cache = cache
        dlogits = categorical_kl_backward(dkls, old_distribution, all_log_probs)
        return self.network.backward(dlogits, network_cache)


class GaussianPolicy:
    """Independent normal distributions over A action dimensions.

    The network's outputs are the means; the log standard deviations are A more
    parameters, the same in every state, kept behind the network's own. They
    start at `initial_log_std`; 0 is σ = 1.

    Log-probabilities are those of the raw sampled action. Clipping it to the
    environment's bounds is the environment's business (rollout.py).
    """

    def __init__(
        self,
        obs_dim,
        action_dim,
        hidden_sizes,
        rng,
        activation="tanh",
        dtype=np.float32,
        initial_log_std=0.0,
    ):
        sizes = (obs_dim, *hidden_sizes, action_dim)
        self.network = MLP(sizes, rng, activation, output_gain=0.01, dtype=dtype, extra=action_dim)
        self.parameters = self.network.parameters  # the log-deviations stand behind its own
        self.log_stds[:] = initial_log_std

    @property
    def log_stds(self):
        """Log standard deviations (A,), a view into `parameters`."""
        return self.parameters[-self.network.sizes[-1] :]

    def sample(self, obs, rng):
        """obs (B,D), rng np.random.Generator  ->  actions (B,A), log_probs (B,)."""
        means = self.network(obs)
        noise = rng.standard_normal(means.shape, means.real.dtype)
        actions = means + np.exp(self.log_stds) * noise
        return actions, gaussian_log_prob(actions, means, self.log_stds)

    def greedy(self, obs):
        """obs (B,D) -> the likeliest action of each row, the mean (B,A)."""
        return self.network(obs)

    def distribution(self, obs):
        """obs (B,D) -> means and log-deviations side by side (B,2A): all that `kl` needs."""
        means = self.network(obs)
        return np.hstack([means, np.broadcast_to(self.log_stds, means.shape)])

    def forward(self, obs, actions):
        """obs (B,D), actions (B,A)  ->  log_probs (B,), entropies (B,), cache for `backward`."""
        means, network_cache = self.network.forward(obs)
        entropies = np.full(len(obs), gaussian_entropy(self.log_stds), means.dtype)
        cache = actions, means, network_cache
        return gaussian_log_prob(actions, means, self.log_stds), entropies, cache

    def backward(self, dlog_probs, dentropies, cache):
        """dLoss/dlog_probs (B,), dLoss/dentropies (B,)  ->  dLoss/dparameters (P,)."""
        actions, means, network_cache = cache
        dmeans, dlog_stds = gaussian_log_prob_backward(dlog_probs, actions, means, self.log_stds)
        # Eq. 26: ∂Hᵢ/∂ℓⱼ = 1 in every row, and 0 for the means
        dlog_stds += dentropies.sum()
        return np.concatenate([self.network.backward(dmeans, network_cache), dlog_stds])

    def kl(self, old_distribution, cache):
        """KL(old‖new) of each row (B,), Eq. 42; old_distribution (B,2A) from `distribution`."""
        _, means, _ = cache
        old_means, old_log_stds = np.hsplit(old_distribution, 2)
        return gaussian_kl(old_means, old_log_stds, means, self.log_stds)

    def kl_backward(self, dkls, old_distribution, cache):
        """dLoss/dkls (B,) -> dLoss/dparameters (P,), Eq. 42."""
        _, means, network_cache = cache
        old_means, old_log_stds = np.hsplit(old_distribution, 2)
        dmeans, dlog_stds = gaussian_kl_backward(
            dkls, old_means, old_log_stds, means, self.log_stds
        )
        return np.concatenate([self.network.backward(dmeans, network_cache), dlog_stds])
