"""E. The value function's losses: Eq. 33 and 39."""

from statistics import fmean

import numpy as np

import nn
import ppo
import vpg
from lab.proof.equations.cases import second_gradients, update_case
from lab.proof.evidence import check, complex_step, network_step


@check("value-loss", "value loss", "vpg.value_loss", "complex step")
def value_loss(evidence, rng):
    """Half the mean squared error; its slope is (v - y)/N, and so back to every weight."""
    values, targets = rng.normal(size=(2, 7))
    loss, dvalues = vpg.value_loss(values, targets)
    direct = fmean((v - y) ** 2 for v, y in zip(values, targets, strict=True)) / 2
    evidence.close("loss", loss, direct)
    evidence.close("slope", dvalues, complex_step(lambda v: vpg.value_loss(v, targets)[0], values))
    network, obs = nn.MLP((4, 5, 1), rng, dtype=np.complex128), rng.normal(size=(7, 4))
    values, cache = network.forward(obs)
    actual = network.backward(vpg.value_loss(values[:, 0], targets)[1][:, None], cache)
    oracle = network_step(network, lambda: vpg.value_loss(network(obs)[:, 0], targets)[0])
    evidence.close("every weight", actual, oracle)
    evidence.show("slope", dvalues)


@check("clipped-value", "clipped value loss", "ppo.clipped_value_loss", "complex step")
def clipped_value_loss(evidence, rng):
    """The larger of two squares; where the clipped one is the larger beyond the band the slope
    is 0, elsewhere (v - y)/N, ties included."""
    old, targets = rng.normal(size=(2, 60))
    values = old + rng.uniform(-0.6, 0.6, 60)
    clip_range = 0.2
    loss, dvalues = ppo.clipped_value_loss(values, old, targets, clip_range)
    larger = []
    for v, o, y in zip(values, old, targets, strict=True):
        clipped = o + max(-clip_range, min(clip_range, v - o))
        larger.append(max((v - y) ** 2, (clipped - y) ** 2) / 2)
    evidence.close("loss", loss, fmean(larger))
    oracle = complex_step(lambda v: ppo.clipped_value_loss(v, old, targets, clip_range)[0], values)
    evidence.close("slope", dvalues, oracle)
    outside = np.abs(values - old) > clip_range
    evidence.true("rows with slope 0", (dvalues == 0).any())
    evidence.true("rows outside the band with a slope", (outside & (dvalues != 0)).any())
    # Every row inside the band has its slope, whatever rounding does to old + (v - old).
    values, targets = rng.normal(0, [[0.1], [1]], (2, 10_000))
    old = values + rng.uniform(-0.19, 0.19, 10_000)
    _, dvalues = ppo.clipped_value_loss(values, old, targets, clip_range)
    evidence.close("inside the band, 10,000 rows", dvalues, (values - targets) / 10_000)
    for y, slope in ((1.0, 0.0), (0.3, 0.2), (0.0, 0.5), (0.35, 0.15)):
        arrays = np.array([0.5]), np.array([0.0]), np.array([y])
        by_hand = ppo.clipped_value_loss(*arrays, clip_range)[1]
        if y != 0.35:  # the threshold itself is a tie that rounding decides
            evidence.close(f"v = 0.5, old 0, y = {y}", by_hand, [slope])
        evidence.show(f"v = 0.5, old 0, y = {y}: slope", by_hand)

    policy, value, batch = update_case(rng)
    config = ppo.Config(value_clip_range=0.05, max_grad_norm=1e9)
    _, actual, _, moved = second_gradients(ppo, config, policy, value, batch)
    oracle = network_step(
        moved,
        lambda: ppo.clipped_value_loss(moved(batch.obs)[:, 0], batch.values, batch.targets, 0.05)[
            0
        ],
    )
    evidence.close("second minibatch: ppo.update", actual, oracle)
