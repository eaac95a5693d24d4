"""The same gradients from torch.autograd, for whoever has called `.backward()`.

First each of six losses, at made-up rows. Then all weights' gradients: in one minibatch of PPO and
one batch of VPG, from CartPole, and in one step of stair 10's language model. All in float64: ours
go back through the lesson's own functions; PyTorch gets the forward ways and the losses alone,
WRITTEN the way its users write them.
"""

import sys
from types import SimpleNamespace

import numpy as np

import ppo
import ppo_penalty
import vpg
from distributions import categorical_entropy, categorical_entropy_backward, log_softmax
from lab.language.transformer import stair
from lab.proof.numbering import number_of
from learner import entropy_bonus
from nn import MLP
from policies import CategoricalPolicy
from training import Trainer, make_batch

BOUND = 1e-12  # between the two, relative to the matrix's largest entry
ROW = "{:<22} {:>17} {:>17} {:>12}  {}"

# What one would have written for autograd, by the equation's key; the book shows these lines.
# The names are those of the lesson's arguments.
WRITTEN = {
    "vpg": """\
loss = -(log_probs * advantages).mean()
""",
    "entropy": """\
entropies = torch.distributions.Categorical(logits=logits).entropy()
loss = -entropy_coefficient * entropies.mean()
""",
    "value-loss": """\
loss = 0.5 * ((values - targets) ** 2).mean()
""",
    "clipped-objective": """\
ratios = torch.exp(log_probs - old_log_probs)
clipped = torch.clamp(ratios, 1 - clip_range, 1 + clip_range)
loss = -torch.min(ratios * advantages, clipped * advantages).mean()
""",
    "clipped-value": """\
clipped = old_values + torch.clamp(values - old_values, -clip_range, clip_range)
loss = 0.5 * torch.max((values - targets) ** 2, (clipped - targets) ** 2).mean()
""",
    "kl-penalty": """\
ratios = torch.exp(log_probs - old_log_probs)
loss = -(ratios * advantages - kl_coefficient * kls).mean()
""",
}
LEAVES = "log_probs", "kls", "values", "logits"  # a loss's gradient is by those that it names
NUM_ROWS = 60  # of made-up numbers


def written(key, **names):
    """The loss of an equation's lines; `names` are what they name, torch among it."""
    exec(WRITTEN[key], names)
    return names["loss"]


def compare_with_torch(stream=None):
    """Print six losses and every weight matrix's gradient, ours and autograd's.

    Returns True if all are the same.

    Raises ImportError without PyTorch (requirements/torch.txt).
    """
    import torch

    lines = [f"Six losses, {NUM_ROWS} rows; the difference is the loss's or a slope's", ""]
    lines += [ROW.format("  Eq.", "ours", "autograd's", "difference", ""), *loss_rows(torch), ""]
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
            labels = [f"{name} {'Wb'[n % 2]}{n // 2 + 1}" for n in range(len(leaves))]
            lines += rows(labels, gradient, [leaf.grad.numpy() for leaf in leaves])
        lines += [""]
    lines += [f"Stair 10, {len(TEXTS)} texts of its own", ""]
    lines += [ROW.format("", "ours", "autograd's", "difference", ""), *language_rows(torch), ""]
    same = not any(line.endswith("DIFFERS") for line in lines)
    lines += ["ours and autograd's are the same" if same else "ours and autograd's DIFFER"]
    print("\n".join(line.rstrip() for line in lines), file=stream or sys.stdout)
    return same


def made_up():
    """What the lines name -> {name: float64 array or float}.

    A fifth of the rows has ρ = 1 and v = vᵒˡᵈ. The others have moved by about 0.1 and 0.5, up and
    down: inside the band of 0.2 and beyond, and off the kinks.
    """
    rng = np.random.default_rng(0)
    moves = np.resize([0, -0.5, -0.1, 0.1, 0.5], NUM_ROWS) * rng.uniform(0.9, 1.1, NUM_ROWS)
    old_log_probs, old_values = -rng.uniform(1, 3, NUM_ROWS), rng.normal(size=NUM_ROWS)
    return {
        "log_probs": old_log_probs + moves,
        "old_log_probs": old_log_probs,
        "advantages": rng.normal(size=NUM_ROWS),
        "kls": rng.uniform(0, 0.1, NUM_ROWS),
        "values": old_values + moves,
        "old_values": old_values,
        "targets": rng.normal(size=NUM_ROWS),
        "logits": rng.normal(size=(NUM_ROWS, 3)),
        **{"clip_range": 0.2, "kl_coefficient": 0.7, "entropy_coefficient": 0.3},
    }


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


def our_losses(given):
    """made_up() -> {key: (loss, its gradient by each leaf in LEAVES' order)}."""
    g = SimpleNamespace(**given)
    ratio = g.log_probs, g.old_log_probs, g.advantages
    values = g.values, g.old_values, g.targets
    return {
        "vpg": vpg.policy_loss(g.log_probs, g.advantages),
        "entropy": our_entropy_loss(g.logits, g.entropy_coefficient),
        "value-loss": vpg.value_loss(g.values, g.targets),
        "clipped-objective": ppo.clipped_surrogate(*ratio, g.clip_range),
        "clipped-value": ppo.clipped_value_loss(*values, g.clip_range),
        "kl-penalty": ppo_penalty.penalized_surrogate(*ratio, g.kls, g.kl_coefficient),
    }


def our_entropy_loss(logits, entropy_coefficient):
    log_probs = log_softmax(logits)
    entropies = categorical_entropy(log_probs)
    slopes = entropy_bonus(entropies, vpg.Config(entropy_coefficient=entropy_coefficient))
    return slopes @ entropies, categorical_entropy_backward(slopes, entropies, log_probs)


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
    log_probs = torch.distributions.Categorical(logits=logits).log_prob(actions)
    names = {"torch": torch, "log_probs": log_probs, "advantages": advantages}
    if isinstance(config, ppo.Config):
        names |= {"old_log_probs": old, "clip_range": config.clip_range}
        loss = written("clipped-objective", **names)
    else:
        loss = written("vpg", **names)
    weight = config.entropy_coefficient
    return loss + written("entropy", torch=torch, logits=logits, entropy_coefficient=weight)


def value_loss(torch, values, batch, config):
    return written("value-loss", values=values[:, 0], targets=torch.tensor(batch.targets))


# ------------------------------------------------------- the language model

TEXTS = "3+8=11.", "9+0=9..", "1+1=2.7", "3+8=1+=", "1+1=..."  # some end early, some nowhere


def language_rows(torch):
    """A line for each matrix of stair 10's model, after a text's log-probability times a weight."""
    model = stair.Model(np.random.default_rng(0), float)
    text, weight = stair.encode(TEXTS), np.random.default_rng(1).normal(size=len(TEXTS))
    logits, cache = model.forward(text[:, :-1])
    gradient = model.backward(stair.policy_slope(logits, text, weight), cache)

    W = {n: torch.tensor(getattr(model, n), requires_grad=True) for n in stair.SHAPES}
    chosen = torch.tensor(text[:, 1:])
    stops = (chosen == stair.CHARACTERS.index(".")).cumsum(1)
    read = torch.nn.functional.pad(stops, (1, 0))[:, :-1] == 0  # no full stop before it
    read[:, : stair.PROMPT - 1] = False
    logits = torch_language(torch, W, torch.tensor(text[:, :-1]))
    log_probs = torch.distributions.Categorical(logits=logits).log_prob(chosen)
    loss = -(torch.tensor(weight) * (log_probs * read).sum(1)).mean()
    loss.backward()
    return rows([*W], gradient, [matrix.grad.numpy() for matrix in W.values()])


def torch_language(torch, W, text):
    """The logits (B,T,V) of stair 10's model, with what PyTorch has for each of its parts."""

    def norm(x):
        return torch.nn.functional.rms_norm(x, (stair.D,), eps=1e-6)

    def heads(x):  # (B,T,D) -> (B,H,T,C)
        return x.unflatten(2, (stair.H, stair.C)).transpose(1, 2)

    x = W["We"][text] + W["Wp"][: text.shape[1]]
    qkv = [heads(norm(x) @ W[name]) for name in ("Wq", "Wk", "Wv")]
    y = torch.nn.functional.scaled_dot_product_attention(*qkv, is_causal=True)
    x = x + y.transpose(1, 2).flatten(2) @ W["Wo"]
    x = x + torch.tanh(norm(x) @ W["W1"]) @ W["W2"]
    return norm(x) @ W["Wu"]


# --------------------------------------------------------------- the table


def loss_rows(torch):
    """A line for each loss: its value twice, the largest difference of it and of its gradient."""
    given, lines = made_up(), []
    for key, (loss, *slopes) in our_losses(given).items():
        tensors = {
            name: torch.tensor(value, requires_grad=name in LEAVES)
            for name, value in given.items()
            if isinstance(value, np.ndarray)
        }
        other = written(key, **given | tensors, torch=torch)
        other.backward()
        theirs = [tensors[name].grad for name in LEAVES if tensors[name].grad is not None]
        pairs = [(loss, other.item())]
        pairs += [(slope, grad.numpy()) for slope, grad in zip(slopes, theirs, strict=True)]
        same = all(np.abs(a - b).max() <= BOUND * np.abs(a).max() for a, b in pairs)
        difference = max(np.abs(a - b).max() for a, b in pairs)
        numbers = f"{loss:.12f}", f"{other.item():.12f}", f"{difference:.0e}"
        verdict = "same" if same else "DIFFERS"
        lines.append(ROW.format(f"  {number_of(key)} {key}", *numbers, verdict))
    return lines


def rows(labels, gradient, theirs):
    """A line for each weight matrix and bias: its largest entry twice, the largest difference."""
    lines, start = [], 0
    for label, other in zip(labels, theirs, strict=True):
        own = gradient[start : start + other.size].reshape(other.shape)
        start += other.size
        place = np.unravel_index(np.abs(own).argmax(), own.shape)
        difference = np.abs(own - other).max()
        shape = ",".join(map(str, own.shape)) + ("," if own.ndim == 1 else "")
        label = f"  {label} ({shape})"
        verdict = "same" if difference <= BOUND * np.abs(own).max() else "DIFFERS"
        numbers = f"{own[place]:.12f}", f"{other[place]:.12f}", f"{difference:.0e}"
        lines.append(ROW.format(label, *numbers, verdict))
    return lines
