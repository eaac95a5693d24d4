"""Blanks graded by their effect: credit of a rollout, updates, a gradient's checker."""

import copy

import numpy as np

import ppo
import vpg
from lab.practice.asking import BY_EFFECT, Changes, changed, tidy
from lab.practice.cases import Case, drawn, gae, of, special
from learner import Batch, Learner
from nn import MLP, Adam
from policies import CategoricalPolicy, GaussianPolicy
from rollout import Rollout

STATISTICS = "policy_loss", "policy_grad_norm", "value_loss", "value_grad_norm"


def effect(blank, function, arguments):
    """What lines did to a learner: the way its parameters went, how many steps they took.

    Raises Changes if they change the batch, ValueError if their statistics lack a number.
    """
    learner, batch = arguments["learner"], copy.deepcopy(arguments["batch"])
    networks = learner.policy, learner.value
    before = [network.parameters.copy() for network in networks]
    answer = function(**arguments)
    what = changed("batch", batch, arguments["batch"])
    if what:
        raise Changes(f"it changes `{what}`; work on a copy")
    for statistics in answer if isinstance(answer, list) else [answer]:
        missing = [name for name in STATISTICS if name not in dict(statistics)]
        if missing:
            raise ValueError(
                f"its statistics lack {missing[0]!r}; policy_step and value_step give it"
            )
    moved = [network.parameters - start for network, start in zip(networks, before, strict=True)]
    if learner.policy_adam.learning_rate == 0:  # nothing moves: the sum of what the moments took in
        adams = learner.policy_adam, learner.value_adam
        moved = [np.concatenate([a.m, a.v]) / (1 - a.betas[0]) for a in adams]
    counts = np.array([learner.policy_adam.t, learner.value_adam.t])
    return tidy(blank, (*moved, counts))


def learner_and_batch(rng, B, gaussian=False, rate=0.05, beta=0.8):
    """A learner of tiny networks in float64, and a batch that an older policy made."""
    if gaussian:
        policy = GaussianPolicy(3, 2, (4,), rng, dtype=np.float64)
        actions = rng.normal(size=(B, 2))
    else:
        policy = CategoricalPolicy(3, 2, (4,), rng, dtype=np.float64)
        actions = rng.integers(2, size=B)
    policy.parameters[:] = rng.normal(0, 0.5, policy.parameters.size)
    value = MLP((3, 4, 1), rng, dtype=np.float64)
    adams = [
        Adam(network.parameters.size, rate, (beta, 0.9 if rate else beta), 0.01, np.float64)
        for network in (policy, value)
    ]
    obs = rng.normal(size=(B, 3))
    old = policy.forward(obs, actions)[0] + 0.3 * rng.normal(size=B)
    batch = Batch(obs, actions, old, *rng.normal(size=(3, B)))
    return Learner(policy, value, *adams), batch


@of("vpg.update", each=[(5, 3, False), (4, 1, True), (1, 4, False)])
def vpg_update(rng, B, steps, gaussian):
    learner, batch = learner_and_batch(rng, B, gaussian)
    config = vpg.Config(
        value_steps=steps,
        entropy_coefficient=drawn(rng, 0.01, 0.2),
        max_grad_norm=drawn(rng, 0.05, 0.5),
    )
    return {"learner": learner, "batch": batch, "config": config, **losses_of_vpg()}


def losses_of_vpg():
    return {
        "loss_of_policy": lambda log_probs, part: vpg.policy_loss(log_probs, part.advantages),
        "loss_of_value": lambda values, part: vpg.value_loss(values, part.targets),
    }


@of("ppo.update", each=[(5, 3, 5, False), (4, 2, 9, True), (6, 4, 6, False), (1, 2, 1, False)])
def ppo_update(rng, B, epochs, rows, gaussian, rate=0.05, beta=0.8, max_kl=None, alike=False):
    """Whole rollouts; smaller minibatches where their order cannot matter."""
    learner, batch = learner_and_batch(rng, B, gaussian, rate, beta)
    if alike:
        batch = batch._make(np.repeat(array[:1], B, axis=0) for array in batch)
    norm = drawn(rng, 0.05, 0.5) if rate else 1e9
    config = ppo.Config(
        epochs=epochs, minibatch_size=rows, max_kl=max_kl, max_grad_norm=norm,
        entropy_coefficient=drawn(rng, 0.01, 0.2),
    )  # fmt: skip
    clip_range = drawn(rng, 0.15, 0.4)

    def loss_of_policy(log_probs, part):
        return ppo.clipped_surrogate(log_probs, part.log_probs, part.advantages, clip_range)

    given = {
        "learner": learner,
        "batch": batch,
        "config": config,
        "rng": np.random.default_rng(rng.integers(2**31)),
    }
    given |= losses_of_vpg() | {"loss_of_policy": loss_of_policy}
    return {**given, "clip_range": clip_range, "steps": []}


@special("ppo.update")
def ppo_minibatches(rng):
    """The learning rate 0, and a moment that sums all it is given: any order, every row once."""
    yield Case(ppo_update(rng, 6, 2, 1, False, 0.0, 1 - 1e-9), "for minibatches of one row", 1e4)
    yield Case(ppo_update(rng, 6, 2, 3, False, alike=True), "for minibatches of equal rows")
    for max_kl in (1e-6, 1e3):
        words = "where max_kl is passed" if max_kl < 1 else "where max_kl is not reached"
        yield Case(ppo_update(rng, 5, 4, 5, False, max_kl=max_kl), words)


class Settings(tuple):
    """gamma, gae_lambda and reward_scale, as a Config has them."""

    gamma, gae_lambda, reward_scale = (property(lambda self, k=k: self[k]) for k in range(3))


@of("training.make_batch", each=[(4, 1), (6, 2), (8, 3)], tiny=[(1, 1), (2, 1)])
def rollouts(rng, T, N):
    """Rollouts with a fall, a time limit, and the reset calls after them."""
    own = gae(rng, 1 if N > 1 else 0, (T, N))
    terminated, truncated = own["terminated"], own["ended"] & ~own["terminated"]
    valid = np.ones((T, N), bool)
    valid[1:] = ~own["ended"][:-1]
    obs = rng.normal(size=(T + 1, N, 2))
    weights, bias = rng.normal(size=(2, 1)), rng.normal()

    def value(rows):
        return np.asarray(rows) @ weights + bias

    rollout = Rollout(
        obs, rng.integers(2, size=(T, N)), rng.normal(size=(T, N)), terminated, truncated,
        rng.normal(size=(T, N)), valid, [],
    )  # fmt: skip
    settings = Settings((own["gamma"], own["gae_lambda"], drawn(rng, 0.2, 3)))
    return {"rollout": rollout, "value": value, "config": settings, "T": T, "N": N}


# ------------------------------------------------------------------ the checker of gradients


def charged(x, old, advantages, beta, slip=""):
    """Chapter G's example, and slips in its derivative."""
    logs, N = x - old, len(x)
    plain = np.exp(logs) * advantages
    slope = -(plain - beta * logs) / N
    if slip:
        slope = {
            "without its 1/N": -(plain - beta * logs),
            "with the wrong sign": -slope,
            "without β": -(plain - logs) / N,
            "without the factor ρ": -(advantages - beta * logs) / N,
            "of which one entry alone is wrong": slope + 0.01 * (np.arange(N) == N - 1),
            "that is too small everywhere": slope - 0.01,
            "that is too large everywhere": slope + 0.01,
        }[slip]
    return -np.mean(plain - 0.5 * beta * logs**2), slope


SLIPS = (
    "without its 1/N", "with the wrong sign", "without β", "without the factor ρ",
    "of which one entry alone is wrong", "that is too small everywhere",
    "that is too large everywhere",
)  # fmt: skip


def squares(x, targets):
    """A loss of a matrix."""
    return 0.5 * np.mean((x - targets) ** 2), (x - targets) / np.size(targets)


def quartic(x):
    return np.sum(x**4) * 1e3, 4e3 * x**3


@of("gradient_check.largest_error", each=[("",)])
def own_objective(rng, slip):
    x, old, advantages = rng.normal(size=(3, 4))
    beta = 1.7

    def function(x, *given):
        return charged(x, *given, slip=slip)

    return {"function": function, "x": x, "given": (old, advantages, beta)}


@special("gradient_check.largest_error")
def objectives(rng):
    for slip in SLIPS:
        yield Case(own_objective(rng, slip), f"a gradient {slip}")
    matrix, other = rng.normal(size=(2, 2, 3))
    yield Case(
        {"function": squares, "x": matrix, "given": (other,)}, "a right gradient of a matrix"
    )
    yield Case(
        {"function": quartic, "x": rng.normal(size=2), "given": ()},
        "a right gradient of a large loss",
    )
    wrong = lambda x, y: (squares(x, y)[0], squares(x, y)[1].T.reshape(x.shape))  # noqa: E731
    yield Case(
        {"function": wrong, "x": matrix, "given": (other,)},
        "a matrix's gradient whose rows and columns are mixed up",
    )


def caught(blank, function, arguments):
    """What a checker says of one function: 1 if it passes, 0 if it is refused.

    A checker says True or False, or gives the largest error.
    """
    x = arguments["x"]
    before = x.copy()
    said = function(arguments["function"], x, *arguments["given"])
    if not np.array_equal(x, before):
        raise Changes("it changes `x`; work on a copy")
    if said is None:
        raise ValueError("it returns nothing")
    if isinstance(said, (bool, np.bool_)):
        return (np.array(float(said)),)
    said = np.asarray(said)
    if said.shape != () or said.dtype.kind not in "iuf":
        raise ValueError("it gives neither True or False, nor the largest error, a number")
    return (np.array(float(said < 1e-7)),)


BY_EFFECT |= {"vpg.update": effect, "ppo.update": effect, "gradient_check.largest_error": caught}
