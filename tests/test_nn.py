import copy
import pickle

import numpy as np
import pytest
from oracles import complex_step, network_complex_step

from nn import (
    MLP,
    Adam,
    clip_global_norm,
    linear_backward,
    linear_forward,
    orthogonal,
    relu_backward,
    relu_forward,
    tanh_backward,
    tanh_forward,
)

TIGHT = {"rtol": 1e-12, "atol": 1e-13}


@pytest.mark.parametrize("outputs", [1, 3])  # a single output takes another path through BLAS
def test_linear_backward(rng, outputs):
    x, W, b = (rng.standard_normal(shape) for shape in [(5, 4), (4, outputs), (outputs,)])
    weights = rng.standard_normal((5, outputs))  # dLoss/dy of the loss Σ weights · y
    dx, dW, db = linear_backward(weights, x, W)
    np.testing.assert_allclose(
        dx, complex_step(lambda v: np.sum(weights * linear_forward(v, W, b)), x), **TIGHT
    )
    np.testing.assert_allclose(
        dW, complex_step(lambda v: np.sum(weights * linear_forward(x, v, b)), W), **TIGHT
    )
    np.testing.assert_allclose(
        db, complex_step(lambda v: np.sum(weights * linear_forward(x, W, v)), b), **TIGHT
    )


def test_duplicating_the_batch_leaves_the_mean_gradient(rng):
    x, W, dy = (rng.standard_normal(shape) for shape in [(6, 4), (4, 3), (6, 3)])
    _, dW, db = linear_backward(dy / 6, x, W)
    _, dW_twice, db_twice = linear_backward(np.vstack([dy, dy]) / 12, np.vstack([x, x]), W)
    np.testing.assert_allclose(dW_twice, dW, **TIGHT)
    np.testing.assert_allclose(db_twice, db, **TIGHT)


@pytest.mark.parametrize(
    "forward, backward", [(tanh_forward, tanh_backward), (relu_forward, relu_backward)]
)
def test_activation_backward(rng, forward, backward):
    z, dh = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
    expected = complex_step(lambda v: np.sum(dh * forward(v)), z)
    np.testing.assert_allclose(backward(dh, forward(z)), expected, **TIGHT)


@pytest.mark.parametrize("shape", [(8, 3), (3, 8), (5, 5), (1, 4)])
def test_orthogonal(rng, shape):
    W = orthogonal(shape, 1.7, rng, np.float64)
    rows, columns = shape
    gram = W.T @ W if rows >= columns else W @ W.T
    np.testing.assert_allclose(gram, 1.7**2 * np.eye(min(shape)), atol=1e-12)


def test_orthogonal_signs_are_uniform(rng):
    """Without Eq. 33's sign fix, LAPACK makes the first entry negative almost always."""
    positive = [orthogonal((4, 4), 1.0, rng)[0, 0] > 0 for _ in range(400)]
    assert 140 < sum(positive) < 260  # six standard deviations


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("sizes", [(4, 2), (4, 5, 1), (3, 6, 5, 2)])
def test_every_weight_of_the_network(rng, sizes, activation):
    network = MLP(sizes, rng, activation, dtype=np.float64)
    network.parameters += 0.1 * rng.standard_normal(network.parameters.size)
    x, dy = rng.standard_normal((7, sizes[0])), rng.standard_normal((7, sizes[-1]))
    y, cache = network.forward(x)
    np.testing.assert_array_equal(y, network(x))
    expected = network_complex_step(
        lambda net: np.sum(dy * net(x)),
        lambda: MLP(sizes, rng, activation, dtype=np.complex128),
        network.parameters,
    )
    np.testing.assert_allclose(network.backward(dy, cache), expected, **TIGHT)


def test_acting_leaves_a_pending_backward_alone(rng):
    network = MLP((4, 8, 2), rng)
    x, dy = rng.standard_normal((2, 3, 4)).astype(np.float32), np.ones((3, 2), np.float32)
    _, cache = network.forward(x[0])
    before = network.backward(dy, cache)
    network(x[1])
    np.testing.assert_array_equal(network.backward(dy, cache), before)


def test_weights_are_views_of_the_flat_vector(rng):
    network = MLP((4, 8, 2), rng)
    assert network.parameters.dtype == np.float32
    assert network.parameters.size == 4 * 8 + 8 + 8 * 2 + 2
    network.parameters[:] = np.arange(network.parameters.size)
    np.testing.assert_array_equal(network.layers[0][0].ravel(), np.arange(32))
    np.testing.assert_array_equal(network.layers[0][1], np.arange(32, 40))
    np.testing.assert_array_equal(network.layers[1][1], [56, 57])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))])
def test_copies_of_a_network_are_whole(rng, copied):
    """A step on the copy's parameters changes the copy's layers, and nobody else's."""
    network = MLP((4, 8, 2), rng)
    twin, x = copied(network), np.ones((1, 4), np.float32)
    before = network(x)
    np.testing.assert_array_equal(twin(x), before)
    twin.parameters += 1
    assert not np.array_equal(twin(x), before)
    np.testing.assert_array_equal(network(x), before)


def test_initial_gains(rng):
    network = MLP((4, 64, 3), rng, output_gain=0.01, dtype=np.float64)
    np.testing.assert_allclose(np.linalg.svd(network.layers[0][0])[1], np.sqrt(2))
    np.testing.assert_allclose(np.linalg.svd(network.layers[1][0])[1], 0.01)
    assert not network.layers[0][1].any()


@pytest.mark.parametrize(
    "sizes, activation", [((4, 2), "sigmoid"), ((4,), "tanh"), ((4, 0), "tanh")]
)
def test_mlp_refuses(rng, sizes, activation):
    with pytest.raises(ValueError, match="must"):
        MLP(sizes, rng, activation)


def test_adam_against_a_table_computed_by_hand():
    """α = 0.1, β = (0.5, 0.75), ε = 0; gradients 2, then −1, starting from 1.

    t=1: m = 1,    v = 1;    m̂ = 2,    v̂ = 4;      θ = 1 − 0.1 · 2/2 = 0.9
    t=2: m = 0,    v = 1;    m̂ = 0,    v̂ = 16/7;   θ = 0.9
    t=3: m = 1.5,  v = 3;    m̂ = 12/7, v̂ = 192/37; θ = 0.9 − 0.1 · (12/7)/√(192/37)
    """
    parameters = np.array([1.0])
    adam = Adam(1, 0.1, betas=(0.5, 0.75), eps=0.0, dtype=np.float64)
    table = [
        (2.0, 1.0, 1.0, 0.9),
        (-1.0, 0.0, 1.0, 0.9),
        (3.0, 1.5, 3.0, 0.9 - 0.1 * (12 / 7) / np.sqrt(192 / 37)),
    ]
    for gradient, m, v, theta in table:
        adam.step(parameters, np.array([gradient]))
        np.testing.assert_allclose([adam.m[0], adam.v[0], parameters[0]], [m, v, theta], **TIGHT)


def test_adam_first_step_is_the_learning_rate(rng):
    gradient = rng.standard_normal(6)
    parameters = np.zeros(6)
    Adam(6, 0.01, dtype=np.float64).step(parameters, gradient)
    np.testing.assert_allclose(parameters, -0.01 * np.sign(gradient), rtol=1e-6)


def test_adam_epsilon_stands_outside_the_root():
    parameters = np.zeros(1)
    Adam(1, 1.0, eps=0.5, dtype=np.float64).step(parameters, np.array([0.25]))
    np.testing.assert_allclose(parameters, -0.25 / (0.25 + 0.5), **TIGHT)


@pytest.mark.parametrize("max_norm", [0.1, 1.0, 100.0])
def test_clip_global_norm(rng, max_norm):
    gradient = rng.standard_normal(50)
    before, length = gradient.copy(), np.linalg.norm(gradient)
    assert clip_global_norm(gradient, max_norm) == pytest.approx(length)
    np.testing.assert_allclose(gradient, before * min(1, max_norm / (length + 1e-6)), **TIGHT)
    assert np.linalg.norm(gradient) <= max_norm
