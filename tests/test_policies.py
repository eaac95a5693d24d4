"""What the checks of Chapter C leave to say of the policies: drawing and choosing actions."""

import numpy as np

from policies import CategoricalPolicy, GaussianPolicy


def test_sampling_follows_the_probabilities(rng):
    policy = CategoricalPolicy(2, 4, (), rng, dtype=np.float64)
    policy.parameters[:] = rng.standard_normal(policy.parameters.size)
    obs = np.tile(rng.standard_normal((1, 2)), (100_000, 1))
    shares = np.bincount(policy.sample(obs, rng)[0], minlength=4) / len(obs)
    probs = np.exp(policy.distribution(obs[:1]))[0]
    assert (np.abs(shares - probs) < 4 * np.sqrt(probs * (1 - probs) / len(obs))).all()


def test_sampling_survives_rounding(rng):
    """float32 probabilities may sum to less than 1; the last action takes what is left."""

    class AlmostOne:
        def random(self, shape, dtype):
            return np.full(shape, np.nextafter(dtype.type(1), dtype.type(0)), dtype)

    policy = CategoricalPolicy(4, 7, (16,), rng)
    actions, _ = policy.sample(rng.standard_normal((500, 4)).astype(np.float32), AlmostOne())
    assert (actions == 6).all()


def test_greedy_takes_the_likeliest(rng):
    obs = rng.standard_normal((8, 4))
    softmax, gaussian = (kind(4, 3, (6, 5), rng) for kind in (CategoricalPolicy, GaussianPolicy))
    np.testing.assert_array_equal(softmax.greedy(obs), softmax.distribution(obs).argmax(axis=1))
    np.testing.assert_array_equal(gaussian.greedy(obs), gaussian.distribution(obs)[:, :3])


def test_float32_stays_float32(rng):
    for kind in (CategoricalPolicy, GaussianPolicy):
        policy = kind(4, 2, (8,), rng)
        obs = rng.standard_normal((5, 4)).astype(np.float32)
        actions, log_probs = policy.sample(obs, rng)
        assert log_probs.dtype == np.float32
        log_probs, entropies, cache = policy.forward(obs, actions)
        assert log_probs.dtype == entropies.dtype == np.float32
        assert policy.backward(log_probs, entropies, cache).dtype == np.float32
