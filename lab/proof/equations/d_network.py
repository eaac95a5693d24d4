"""D. The network and its optimiser: Eq. 27–32."""

import math

import numpy as np

import nn
import ppo
import training
import vpg
from lab.proof.equations.cases import (
    PROCESS,
    TwoStateEnvs,
    categorical_case,
)
from lab.proof.evidence import check, complex_step, network_step


@check("linear", "linear layer", "nn.linear_backward", "complex step")
def linear_layer(evidence, rng):
    """Three gradients, each of its array's shape; a batch repeated twice leaves the mean
    loss's gradient as it was."""
    x, W, b, dy = (rng.normal(size=shape) for shape in ((5, 4), (4, 3), (3,), (5, 3)))
    direct = [
        [math.fsum(x[n] * W[:, k]) + b[k] for k in range(3)] for n in range(5)
    ]  # sums written out
    evidence.close("y", nn.linear_forward(x, W, b), direct)

    def loss(x, W, b):
        return (nn.linear_forward(x, W, b) * dy).sum()

    oracles = (
        complex_step(lambda v: loss(v, W, b), x),
        complex_step(lambda v: loss(x, v, b), W),
        complex_step(lambda v: loss(x, W, v), b),
    )
    gradients = nn.linear_backward(dy, x, W)
    for name, actual, oracle in zip(("dx", "dW", "db"), gradients, oracles, strict=True):
        evidence.close(name, actual, oracle)
        evidence.show(name, actual)
    _, dW, db = nn.linear_backward(np.vstack([dy, dy]) / 2, np.vstack([x, x]), W)
    evidence.close("dW, batch repeated", dW, oracles[1])
    evidence.close("db, batch repeated", db, oracles[2])


@check("activation", "tanh and ReLU", "nn.tanh_backward", "complex step")
def activations(evidence, rng):
    """tanh's slope is 1 - h^2; ReLU's is 1 above 0 and 0 elsewhere, 0 included."""
    z, dh = rng.normal(size=(2, 4, 3))
    twins = {
        "tanh": (nn.tanh_forward, nn.tanh_backward),
        "relu": (nn.relu_forward, nn.relu_backward),
    }
    for name, (forward, backward) in twins.items():
        oracle = complex_step(lambda v, f=forward: (f(v) * dh).sum(), z)
        evidence.close(name, backward(dh, forward(z)), oracle)
        h = 1e-6  # central differences, off the kink
        central = dh * (forward(z + h) - forward(z - h)) / (2 * h)
        evidence.close(f"{name}, differences", backward(dh, forward(z)), central, bound=1e-8)
    evidence.close("tanh", nn.tanh_forward(z), [[math.tanh(v) for v in row] for row in z])
    evidence.close("relu", nn.relu_forward(z), [[max(v, 0.0) for v in row] for row in z])
    at_zero = nn.relu_backward(np.ones(1), nn.relu_forward(np.zeros(1)))
    evidence.close("relu at 0", at_zero, [0.0])


@check("backprop", "backprop, every weight", "nn.MLP.backward", "complex step")
def backprop(evidence, rng):
    """From the softmax policy's loss, VPG and entropy together, back to every weight and bias
    of three layers; and from a bare network's outputs."""
    for activation in ("tanh", "relu"):
        policy, obs, actions = categorical_case(rng, activation)
        A = rng.normal(size=len(obs))

        def loss(policy=policy, obs=obs, actions=actions, A=A):
            log_probs, entropies, _ = policy.forward(obs, actions)
            return vpg.policy_loss(log_probs, A)[0] - 0.01 * entropies.mean()

        log_probs, _, cache = policy.forward(obs, actions)
        dentropies = np.full(len(obs), -0.01 / len(obs))
        actual = policy.backward(vpg.policy_loss(log_probs, A)[1], dentropies, cache)
        evidence.close(
            f"{activation}, {actual.size} parameters", actual, network_step(policy, loss)
        )
        network, dy = policy.network, rng.normal(size=(len(obs), 3))
        oracle = network_step(network, lambda n=network, x=obs, d=dy: (n(x) * d).sum())
        actual = network.backward(dy, network.forward(obs)[1])
        evidence.close(f"{activation}, outputs", actual, oracle)
    evidence.show("dW of the first layer (4,5)", actual[:20].real.reshape(4, 5))


@check("orthogonal", "orthogonal weights", "nn.orthogonal", "Gram-Schmidt")
def orthogonal(evidence, rng):
    """The columns (or rows) are the Gram-Schmidt basis of the drawn normals, which fixes every
    sign, times the gain: sqrt 2 in hidden layers, .01 for a policy's output, 1 for a value's."""
    for shape in ((7, 4), (4, 7), (5, 5)):
        W = nn.orthogonal(shape, 1.7, np.random.default_rng(5), np.float64)
        drawn = np.random.default_rng(5).standard_normal((max(shape), min(shape)))
        basis = []
        for column in drawn.T:
            for _ in range(2):  # the second pass removes what rounding left
                for unit in basis:
                    column = column - (unit @ column) * unit
            basis.append(column / np.sqrt(column @ column))
        tall = shape[0] >= shape[1]
        basis = np.array(basis).T if tall else np.array(basis)
        evidence.close(f"{shape}: basis", W, 1.7 * basis)
        square = W.T @ W if tall else W @ W.T
        evidence.close(f"{shape}: W'W = gain^2 I", square, 1.7**2 * np.eye(min(shape)))
    learner = training.make_learner(
        TwoStateEnvs(PROCESS, 1), ppo.Config(hidden_sizes=(6, 6)), rng, np.float64
    )
    for name, network, last in (
        ("policy", learner.policy.network, 0.01),
        ("value", learner.value, 1.0),
    ):
        for layer, gain in enumerate((np.sqrt(2), np.sqrt(2), last)):
            stretches = np.linalg.svd(network.layers[layer][0], compute_uv=False)
            evidence.close(f"{name}, layer {layer}", stretches, np.full(len(stretches), gain))
        evidence.true(f"{name}: biases start at 0", not any(b.any() for _, b in network.layers))


@check("adam", "Adam", "nn.Adam.step", "closed sums")
def adam(evidence, rng):
    """After any number of steps the parameters are what the moments, written out as sums over
    all past gradients, make of them; the first step has length alpha."""
    gradients = rng.normal(0, 1, (12, 5)) * [1, 1e-3, 10, 1, 1e-6]
    b1, b2 = 0.8, 0.95
    for name, optimiser, eps, (b1, b2) in (
        ("own settings", nn.Adam(5, 0.1, (0.8, 0.95), 1e-3, np.float64), 1e-3, (0.8, 0.95)),
        ("defaults", nn.Adam(5, 0.1, dtype=np.float64), 1e-8, (0.9, 0.999)),
    ):
        theta, expected = np.ones(5), np.ones(5)
        for t in range(1, len(gradients) + 1):
            age = t - np.arange(1, t + 1)[:, None]
            m_hat = ((1 - b1) * b1**age * gradients[:t]).sum(axis=0) / (1 - b1**t)
            v_hat = ((1 - b2) * b2**age * gradients[:t] ** 2).sum(axis=0) / (1 - b2**t)
            expected = expected - 0.1 * m_hat / (np.sqrt(v_hat) + eps)
            optimiser.step(theta, gradients[t - 1])
            evidence.close(f"{name}, step {t}", theta, expected)
    optimiser, theta, g = nn.Adam(3, 0.1, dtype=np.float64), np.zeros(3), np.array([3, -0.2, 1e-2])
    optimiser.step(theta, g)
    evidence.close("first step", theta, -0.1 * g / (np.abs(g) + 1e-8))
    evidence.show("first step, alpha = 0.1, g = 3, -0.2, 0.01", theta.copy())
    for _ in range(20):
        optimiser.step(theta, g)
    evidence.close("constant g: m / (1 - beta^t) = g", optimiser.m / (1 - 0.9**optimiser.t), g)


@check("norm-clip", "global-norm clip", "nn.clip_global_norm", "direct sum")
def global_norm(evidence, rng):
    """The norm is that of all arrays together; too long a gradient keeps its direction and
    gets the length c, a short one stays."""
    parts = [rng.normal(size=shape) for shape in ((4, 5), (5,), (5, 3), (3,))]
    whole = np.concatenate([part.ravel() for part in parts])
    norm = math.sqrt(math.fsum(v * v for part in parts for v in part.ravel()))
    for max_norm in (0.5, norm / 2, norm * 0.999, norm * 1.001, 100.0):
        gradient = whole.copy()
        returned = nn.clip_global_norm(gradient, max_norm)
        factor = min(1, max_norm / (norm + 1e-6))
        evidence.close(f"norm, c = {max_norm:.3g}", returned, norm)
        evidence.close(f"gradient, c = {max_norm:.3g}", gradient, whole * factor)
        length = math.sqrt(math.fsum(gradient**2))
        evidence.true(f"at most c = {max_norm:.3g}", length <= max_norm)
    evidence.show("norm before", norm)
