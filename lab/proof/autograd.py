"""The same gradients from torch.autograd, for whoever has called `.backward()`.

One minibatch of PPO and one batch of VPG, from CartPole, in float64: ours go back through
the lesson's own functions; PyTorch gets the losses alone, written the way its users write them.
"""

import sys

import numpy as np

import ppo
import vpg
from learner import entropy_bonus
from nn import MLP
from policies import CategoricalPolicy
from training import Trainer, make_batch

BOUND = 1e-12  # between the two, relative to the matrix's largest entry
ROW = "{:<22} {:>17} {:>17} {:>12}  {}"


def compare_with_torch(stream=None):
    """Print every weight matrix's gradient, ours and autograd's -> True if all are the same.

    Raises ImportError without PyTorch (requirements/torch.txt).
    """
    import torch

    lines = []
    for algorithm in (ppo, vpg):
        policy, value, batch, config = material(algorithm)
        lines += [f"{algorithm.__name__.upper()}, {len(batch.obs)} rows of CartPole-v1", ""]
        lines += [ROW.format("", "ours", "autograd's", "difference", "")]
        for name, network, loss, gradient in (
            ("policy", policy.network, policy_loss, our_policy_gradient(policy, batch, config)),
            ("value", value, value_loss, our_value_gradient(value, batch)),
        ):
            leaves = [torch.tensor(a, requires_grad=True) for pair in network.layers for a in pair]
            loss(torch, torch_forward(torch, leaves, batch.obs), batch, config).backward()
            lines += rows(name, gradient, [leaf.grad.numpy() for leaf in leaves])
        lines += [""]
    same = not any(line.endswith("DIFFERS") for line in lines)
    lines += ["ours and autograd's are the same" if same else "ours and autograd's DIFFER"]
    print("\n".join(line.rstrip() for line in lines), file=stream or sys.stdout)
    return same


def material(algorithm):
    """-> a policy and a value network, float64, a batch in which ratios have moved, its config."""
    config = algorithm.Config()
    trainer = Trainer(algorithm, "CartPole-v1", config, seed=0)
    for _ in range(5):
        trainer.iterate()
    batch = make_batch(trainer.rollout, trainer.value, config)
    if algorithm is ppo:
        batch = batch._make(array[: config.minibatch_size] for array in batch)
    batch = batch._make(a if a.dtype.kind == "i" else a.astype(np.float64) for a in batch)
    rng, double = np.random.default_rng(0), {"dtype": np.float64}  # weights are overwritten
    policy = CategoricalPolicy(4, 2, config.hidden_sizes, rng, config.activation, **double)
    value = MLP((4, *config.hidden_sizes, 1), rng, config.activation, **double)
    policy.parameters[:] = trainer.learner.policy.parameters
    value.parameters[:] = trainer.learner.value.parameters
    return policy, value, batch, config


# --------------------------------------------------------------------- ours


def our_policy_gradient(policy, batch, config):
    log_probs, entropies, cache = policy.forward(batch.obs, batch.actions)
    if isinstance(config, ppo.Config):
        arguments = log_probs, batch.log_probs, batch.advantages, config.clip_range
        _, dlog_probs = ppo.clipped_surrogate(*arguments)
    else:
        _, dlog_probs = vpg.policy_loss(log_probs, batch.advantages)
    return policy.backward(dlog_probs, entropy_bonus(entropies, config), cache)


def our_value_gradient(value, batch):
    values, cache = value.forward(batch.obs)
    _, dvalues = vpg.value_loss(values[:, 0], batch.targets)
    return value.backward(dvalues[:, None], cache)


# --------------------------------------------------------------- PyTorch's


def torch_forward(torch, leaves, obs):
    y = torch.tensor(obs)
    for W, b in zip(leaves[:-2:2], leaves[1:-2:2], strict=True):
        y = torch.tanh(y @ W + b)
    return y @ leaves[-2] + leaves[-1]


def policy_loss(torch, logits, batch, config):
    actions, old, advantages = (
        torch.tensor(array) for array in (batch.actions, batch.log_probs, batch.advantages)
    )
    distribution = torch.distributions.Categorical(logits=logits)
    log_probs = distribution.log_prob(actions)
    if isinstance(config, ppo.Config):
        ratios = torch.exp(log_probs - old)
        clipped = torch.clamp(ratios, 1 - config.clip_range, 1 + config.clip_range)
        loss = -torch.min(ratios * advantages, clipped * advantages).mean()
    else:
        loss = -(log_probs * advantages).mean()
    return loss - config.entropy_coefficient * distribution.entropy().mean()


def value_loss(torch, values, batch, config):
    return 0.5 * torch.nn.functional.mse_loss(values[:, 0], torch.tensor(batch.targets))


# --------------------------------------------------------------- the table


def rows(name, gradient, theirs):
    """A line for each weight matrix and bias: its largest entry twice, the largest difference."""
    lines, start = [], 0
    for number, other in enumerate(theirs):
        own = gradient[start : start + other.size].reshape(other.shape)
        start += other.size
        place = np.unravel_index(np.abs(own).argmax(), own.shape)
        difference = np.abs(own - other).max()
        shape = ",".join(map(str, own.shape)) + ("," if own.ndim == 1 else "")
        label = f"  {name} {'Wb'[number % 2]}{number // 2 + 1} ({shape})"
        verdict = "same" if difference <= BOUND * np.abs(own).max() else "DIFFERS"
        numbers = f"{own[place]:.12f}", f"{other[place]:.12f}", f"{difference:.0e}"
        lines.append(ROW.format(label, *numbers, verdict))
    return lines
