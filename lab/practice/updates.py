"""Blanks graded by their effect: credit of a rollout, updates, a gradient's checker."""

import copy
import dataclasses
import math

import numpy as np

import ppo
import vpg
from lab.practice.asking import BY_EFFECT, Changes, Told, changed, reached, tidy
from lab.practice.cases import LARGE, Case, both, drawn, gae, of, special
from lab.practice.diagnosis import counted
from lab.proof.evidence import complex_step
from learner import Batch, Learner, approx_kl, minibatches, policy_step, value_step
from nn import MLP, Adam
from policies import CategoricalPolicy, GaussianPolicy
from rollout import Rollout

STATISTICS = "policy_loss", "policy_grad_norm", "value_loss", "value_grad_norm"


def effect(blank, function, arguments):
    """What lines did to a learner: the steps they took, where its parameters are, the statistics.

    Raises Changes if they change the batch, ValueError if their statistics lack a number, and
    Told for what is wrong with the minibatches of `ppo.update`, in whatever order they come.
    """
    learner, batch = arguments["learner"], copy.deepcopy(arguments["batch"])
    start, seen = copy.deepcopy(learner), []
    for name in ("loss_of_policy", "loss_of_value"):
        arguments[name] = watched(arguments[name], name, batch, seen)
    drawn_from = copy.deepcopy(arguments["rng"].bit_generator.state)
    answer, _ = reached(blank, function(**arguments))
    what = changed("batch", batch, arguments["batch"])
    if what:
        raise Changes(f"it changes `{what}`; work on a copy")
    steps = answer if isinstance(answer, list) else [answer]
    for statistics in steps:
        missing = [name for name in STATISTICS if name not in dict(statistics)]
        if missing:
            raise ValueError(
                f"its statistics lack {missing[0]!r}; policy_step and value_step give it"
            )
    numbers = np.array([[float(step[name]) for name in STATISTICS] for step in steps])
    numbers = numbers.mean(axis=0) if steps else np.full(len(STATISTICS), np.nan)
    counts = np.array([learner.policy_adam.t, learner.value_adam.t])
    if len({*map(id, steps)}) < len(steps):
        raise Told("`steps` holds one and the same dict several times; each step makes its own")
    if "steps" in arguments and len(steps) != counts[0]:
        dicts = f"{len(steps)} dict{'s' * (len(steps) != 1)}"
        raise Told(f"`steps` has {dicts} after {counted(counts[0])} of the policy")
    own = learner.policy.parameters, learner.value.parameters
    if isinstance(answer, list) and arguments["config"].minibatch_size < len(batch.obs):
        anew = arguments["rng"].bit_generator.state != drawn_from
        numbers -= replayed(start, learner, batch, arguments, seen, anew)
        own = [np.zeros_like(parameters) for parameters in own]
    return tidy(blank, (counts, *(parameters.copy() for parameters in own), numbers))


def watched(loss, name, batch, seen):
    """The loss, which writes down the rows that it is asked for: (name, their numbers)."""

    def watching(outputs, part):
        found = [np.flatnonzero((batch.obs == obs).all(axis=1)) for obs in part.obs]
        seen.append((name, [int(row[0]) if len(row) else -1 for row in found]))
        return loss(outputs, part)

    watching.alone = loss
    return watching


def replayed(learner, theirs, batch, arguments, seen, anew):
    """What the lesson makes of the same minibatches -> its mean statistics.

    anew  were they drawn from rng?

    Raises Told for the first thing that is wrong with them, or with what became of them.
    """
    config, size = arguments["config"], arguments["config"].minibatch_size
    B, names = len(batch.obs), {"loss_of_policy": "policy", "loss_of_value": "value function"}
    parts = {name: [rows for who, rows in seen if who == name] for name in names}
    dealt = -(-B // size)
    for name, who in names.items():
        largest = max(map(len, parts[name]), default=0)
        if largest > size:
            part = f"a minibatch of {largest} rows; config.minibatch_size is {size}"
            whole = "the whole batch, not on the minibatch"
            raise Told(f"the {who} steps on {whole if largest == B else part}")
    ours, theirs_too = parts.values()
    if ours != theirs_too:
        counts = len(ours), len(theirs_too)
        if counts[0] != counts[1]:
            words = f"the policy takes {counted(counts[0])}, the value function {counts[1]}"
            raise Told(f"{words}; on each minibatch both take one")
        raise Told("the policy and the value function step on different minibatches")
    orders = in_epochs(ours, B, dealt)
    chance = math.factorial(B) ** (1 - len(orders))  # that all epochs have one order by luck
    if chance < 1e-9 and all(order == orders[0] for order in orders):
        in_order = [row for part in orders[0] for row in part] == [*range(B)]
        raise Told(
            "the rows come in the batch's order; minibatches(…) shuffles them"
            if in_order
            else "the rows are dealt once; each epoch should deal them anew"
        )
    if orders and not anew:
        raise Told("the rows are not shuffled with `rng`, so that a seed could not repeat it")
    losses, steps, far = [arguments[name].alone for name in names], [], (0.0, None)
    for k in range(config.epochs):
        if k == len(orders):
            ends = f"after epoch {k} it ends; config.epochs are {config.epochs}"
            raise Told(ends + (kl_words(*far) if k else ""))
        for rows in orders[k]:
            part = batch._make(array.take(rows, axis=0) for array in batch)
            steps.append(policy_step(learner, part, config, losses[0]))
            steps[-1] |= value_step(learner, part, config, losses[1])
        log_probs, _, _ = learner.policy.forward(batch.obs, batch.actions)
        far = approx_kl(log_probs, batch.log_probs), config.max_kl
        if far[1] is not None and far[0] > far[1]:
            break
    if len(orders) > k + 1:
        said = f"after epoch {k + 1} it goes on"
        raise Told(f"{said}{kl_words(*far) if k + 1 < config.epochs else '; that was the last'}")
    for who, own, right in (
        ("policy", theirs.policy, learner.policy), ("value function", theirs.value, learner.value)
    ):  # fmt: skip
        if not np.allclose(own.parameters, right.parameters, rtol=0, atol=1e-9):
            raise Told(
                f"the {who}'s parameters are not those of one step on each minibatch in turn"
            )
    return np.array([np.mean([step[name] for step in steps]) for name in STATISTICS])


def in_epochs(parts, B, dealt):
    """Minibatches, lists of rows, as epochs -> a list of lists. Raises Told if they are none.

    dealt  minibatches an epoch should have
    """
    epochs, epoch = [], []
    for number, part in enumerate(parts, 1):
        epoch = [*epoch, part]
        rows = [row for part in epoch for row in part]
        if len(rows) < B and number < len(parts):
            continue
        if -1 in rows:
            raise Told("the minibatches' obs are not rows of batch.obs")
        if len({*rows}) < len(rows):
            raise Told(
                f"of {len(rows)} rows in turn {len({*rows})} are different ones; in an epoch "
                f"each of the {B} comes once, before any comes again"
            )
        if len(rows) < B:
            raise Told(
                f"it ends within an epoch, after {counted(number)} of the policy; max_kl is asked "
                f"for after an epoch, of {dealt} minibatches"
            )
        if len(epoch) != dealt:
            raise Told(
                f"an epoch has {len(epoch)} minibatches; minibatches({B}, config.minibatch_size, "
                f"rng) deals {dealt}"
            )
        epochs.append(epoch)
        epoch = []
    return epochs


def kl_words(kl, max_kl):
    """What the policy's distance says about it."""
    if max_kl is None:
        return ", and max_kl is None"
    return f", where approx_kl on all of batch is {kl:.4g} and max_kl {max_kl:.4g}"


def learner_and_batch(rng, B, gaussian=False):
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
        Adam(network.parameters.size, 0.05, (0.8, 0.9), 0.01, np.float64)
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
    return {"learner": learner, "batch": batch, "config": config, **known(rng), **losses_of_vpg()}


@special("vpg.update")
def many_value_steps(rng):
    """With a step size at which the loss rises, and from a loss that is small."""
    for step_size, words in ((2.0, "rises"), (0.05, "is small")):
        given = vpg_update(rng, 4, 8, False)
        given["learner"].value_adam.learning_rate = step_size
        if step_size < 1:
            values = given["learner"].value(given["batch"].obs)[:, 0]
            given["batch"] = given["batch"]._replace(targets=values + 0.3 * rng.normal(size=4))
        yield Case(given, f"where the value function's loss {words}")


def known(rng):
    """What else an update has in its signature."""
    generator = np.random.default_rng(rng.integers(2**31))
    return {"progress": drawn(rng, 0.1, 0.9), "rng": generator}


def losses_of_vpg():
    return {
        "loss_of_policy": lambda log_probs, part: vpg.policy_loss(log_probs, part.advantages),
        "loss_of_value": lambda values, part: vpg.value_loss(values, part.targets),
    }


@of("ppo.update", each=[(5, 3, 5, False), (4, 2, 9, True), (6, 4, 6, False), (1, 2, 1, False)])
def ppo_update(rng, B, epochs, rows, gaussian, max_kl=None):
    """Whole rollouts, where no order matters; minibatches are special."""
    learner, batch = learner_and_batch(rng, B, gaussian)
    config = ppo.Config(
        epochs=epochs, minibatch_size=rows, max_kl=max_kl, max_grad_norm=drawn(rng, 0.05, 0.5),
        entropy_coefficient=drawn(rng, 0.01, 0.2),
    )  # fmt: skip
    clip_range = drawn(rng, 0.15, 0.4)

    def loss_of_policy(log_probs, part):
        return ppo.clipped_surrogate(log_probs, part.log_probs, part.advantages, clip_range)

    given = {"learner": learner, "batch": batch, "config": config, **known(rng)}
    given |= losses_of_vpg() | {"loss_of_policy": loss_of_policy}
    return {**given, "clip_range": clip_range, "steps": []}


@special("ppo.update")
def ppo_minibatches(rng):
    yield Case(ppo_update(rng, 12, 3, 5, False), "for minibatches of less than the batch")
    yield Case(ppo_update(rng, 5, 2, 1, False), "for minibatches of one row")
    for max_kl in (1e-6, 1e3):
        words = "where max_kl is passed" if max_kl < 1 else "where max_kl is not reached"
        yield Case(ppo_update(rng, 5, 4, 5, False, max_kl=max_kl), words)
    for given in between(ppo_update(rng, 8, 5, 8, False)):
        yield Case(given, "where max_kl is passed after some epochs")
    yield Case(apart(rng), "where max_kl is passed by few rows")


def between(given):
    """The same with each max_kl that the right KL and another measure pass in different epochs."""
    config, learner, batch = given["config"], copy.deepcopy(given["learner"]), given["batch"]
    measured = []
    for _ in range(config.epochs):
        policy_step(learner, batch, config, given["loss_of_policy"])
        new, old = learner.policy.forward(batch.obs, batch.actions)[0], batch.log_probs
        kl = approx_kl(new, old)
        others = approx_kl(old, new), np.mean(old - new), np.abs(new - old).max(), kl / 1.5
        measured.append([kl, *others, abs(np.mean(old - new)), 0.5 * np.mean((new - old) ** 2)])
    most = np.maximum.accumulate(np.maximum(measured, 1e-9), axis=0)[:-1]  # the last ends anyway
    for other in most.T[1:]:
        k = np.argmax(np.abs(np.log(other / most[:, 0])))
        max_kl = float(np.sqrt(other[k] * most[k, 0]))
        yield {**given, "config": dataclasses.replace(config, max_kl=max_kl)}


def apart(rng):
    """A batch whose last minibatch, in the first epoch, lies nearer than all; max_kl between."""
    while True:
        given = ppo_update(rng, 6, 3, 2, False)
        learner, batch = copy.deepcopy(given["learner"]), given["batch"]
        new = learner.policy.forward(batch.obs, batch.actions)[0]
        batch = batch._replace(log_probs=new - np.where(np.arange(6) == 0, 2.0, 0.0))
        for rows in minibatches(6, 2, copy.deepcopy(given["rng"])):
            part = batch._make(array.take(rows, axis=0) for array in batch)
            policy_step(learner, part, given["config"], given["loss_of_policy"])
        new = learner.policy.forward(batch.obs, batch.actions)[0]
        near, far = approx_kl(new[rows], batch.log_probs[rows]), approx_kl(new, batch.log_probs)
        if 0 not in rows and far > 3 * near:
            config = dataclasses.replace(given["config"], max_kl=float(np.sqrt(near * far)))
            return {**given, "batch": batch, "config": config}


class Settings(tuple):
    """gamma, gae_lambda and reward_scale, as a Config has them."""

    gamma, gae_lambda, reward_scale = (property(lambda self, k=k: self[k]) for k in range(3))


@of("training.make_batch", each=[(4, 1), (6, 2), (8, 3)], tiny=[(1, 1), (2, 1)])
def rollouts(rng, T, N):
    """Rollouts with a fall, a time limit, and the reset calls after them."""
    own = gae(rng, 1 if N > 1 else 0, (T, N))
    terminated, truncated = own["terminated"], own["ended"] & ~own["terminated"]
    truncated = truncated | both(terminated)
    valid = np.ones((T, N), bool)
    valid[1:] = ~own["ended"][:-1]
    obs = rng.normal(size=(T + 1, N, 2))
    value = MLP((2, 1), rng, dtype=np.float64)
    rollout = Rollout(
        obs, rng.integers(2, size=(T, N)), rng.normal(size=(T, N)), terminated, truncated,
        rng.normal(size=(T, N)), valid, [],
    )  # fmt: skip
    settings = Settings((own["gamma"], own["gae_lambda"], drawn(rng, 0.2, 3)))
    return {"rollout": rollout, "value": value, "config": settings, "T": T, "N": N}


@special("training.make_batch")
def odd_rollouts(rng):
    given = rollouts(rng, 6, 2)
    rollout = given["rollout"]
    given["rollout"] = rollout._replace(rewards=60 * rollout.rewards)
    yield Case(given, LARGE)


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
            "of which one entry is 0 and should not be": slope * (np.arange(N) != N - 1),
            "of which the first entry alone is wrong": slope + 0.01 * (np.arange(N) == 0),
            "that is off by 10⁻⁶ in one entry": slope + 1e-6 * (np.arange(N) == 1),
            "that is too small everywhere": slope - 0.01,
            "that is too large everywhere": slope + 0.01,
        }[slip]
    return -np.mean(plain - 0.5 * beta * logs**2), slope


SLIPS = (
    "without its 1/N", "with the wrong sign", "without β", "without the factor ρ",
    "of which one entry alone is wrong", "of which the first entry alone is wrong",
    "of which one entry is 0 and should not be", "that is off by 10⁻⁶ in one entry",
    "that is too small everywhere", "that is too large everywhere",
)  # fmt: skip


def squares(x, targets):
    """A loss of a matrix."""
    return 0.5 * np.mean((x - targets) ** 2), (x - targets) / np.size(targets)


def quartic(x):
    return np.sum(x**4) * 1e3, 4e3 * x**3


@of("gradient_check.largest_error", each=[("",)])
def own_objective(rng, slip):
    x, old, advantages = rng.normal(size=(3, 4))
    x[1] = 0.0  # as good a number as any
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
    block, target = rng.normal(size=(2, 2, 1, 3))
    yield Case({"function": squares, "x": block, "given": (target,)}, "a right gradient (2,1,3)")
    yield Case(
        {"function": quartic, "x": rng.normal(size=2), "given": ()},
        "a right gradient of a large loss",
    )
    large, others = rng.normal(size=(2, 5, 5))
    for x, target, where, words in (
        (matrix, other, np.arange(2)[:, None] == 1, "its last row"),
        (matrix, other, np.arange(3) == 2, "its last column"),
        (large, others, np.arange(25).reshape(5, 5) == 24, "the last of 25 entries"),
    ):

        def beside(x, y, where=where):
            loss, dx = squares(x, y)
            return loss, dx + 0.1 * where

        given = {"function": beside, "x": x, "given": (target,)}
        yield Case(given, f"a matrix's gradient, wrong in {words}")
    wrong = lambda x, y: (squares(x, y)[0], squares(x, y)[1].T.reshape(x.shape))  # noqa: E731
    yield Case(
        {"function": wrong, "x": matrix, "given": (other,)},
        "a matrix's gradient whose rows and columns are mixed up",
    )


def caught(blank, function, arguments):
    """What a checker says of one function: 1 if it passes, 0 if it is refused.

    A checker says True or False, or gives the largest error, which is compared, too.
    """
    x, given = arguments["x"], arguments["given"]
    before = x.copy()
    said = function(arguments["function"], x, *given)
    if not np.array_equal(x, before):
        raise Changes("it changes `x`; work on a copy")
    if said is None:
        raise ValueError("it returns nothing")
    if isinstance(said, tuple):
        raise ValueError(f"it returns {len(said)} things; one is asked for")
    if isinstance(said, (bool, np.bool_)):
        return (np.array(float(said)),)
    said = np.asarray(said)
    if said.shape != () or said.dtype.kind not in "iuf":
        raise ValueError("it gives neither True or False, nor the largest error, a number")
    slopes = complex_step(lambda z: arguments["function"](z, *given)[0], x)
    largest = np.abs(arguments["function"](x, *given)[1] - slopes).max()
    passes = said < 1e-9  # what the docstring says of a right gradient
    if passes == (largest < 1e-9) and abs(said - largest) > 1e-6 * max(1, largest):
        raise Told(f"the largest error is {largest:.6g}; yours says {said:.6g}")
    return (np.array(float(passes)),)


BY_EFFECT |= {"vpg.update": effect, "ppo.update": effect, "gradient_check.largest_error": caught}
