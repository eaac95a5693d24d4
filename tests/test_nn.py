"""What the checks of Eq. 27–32 leave to say of a network: memory, copies, what it refuses."""

import copy
import pickle

import numpy as np
import pytest

from nn import MLP


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


@pytest.mark.parametrize(
    "sizes, activation", [((4, 2), "sigmoid"), ((4,), "tanh"), ((4, 0), "tanh")]
)
def test_mlp_refuses(rng, sizes, activation):
    with pytest.raises(ValueError, match="must"):
        MLP(sizes, rng, activation)
