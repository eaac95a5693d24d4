import numpy as np
import pytest
from oracles import complex_step, network_complex_step
from scipy import integrate, stats

import distributions
from distributions import kl_estimates, log_softmax
from policies import CategoricalPolicy, GaussianPolicy

TIGHT = {"rtol": 1e-12, "atol": 1e-13}


def some_policy(kind, rng, dtype=np.float64, activation="tanh"):
    policy = {"softmax": CategoricalPolicy, "gaussian": GaussianPolicy}[kind](
        4, 3, (6, 5), rng, activation, dtype
    )
    return policy


@pytest.fixture(params=["softmax", "gaussian"])
def acted(request, rng):
    """A policy away from its start, and rows that it has acted on."""
    policy = some_policy(request.param, rng)
    policy.parameters += 0.3 * rng.standard_normal(policy.parameters.size)
    obs = rng.standard_normal((8, 4))
    actions, log_probs = policy.sample(obs, rng)

    def make_complex():
        return some_policy(request.param, np.random.default_rng(0), np.complex128)

    return policy, make_complex, obs, actions, log_probs


def test_log_softmax(rng):
    logits = rng.standard_normal((6, 4))
    expected = np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(log_softmax(logits), expected, **TIGHT)


@pytest.mark.parametrize("huge", [1e4, -1e4])
def test_log_softmax_of_huge_logits_is_finite(huge):
    log_probs = log_softmax(np.array([[huge, 0.0, 1.0]]))
    assert np.isfinite(log_probs).all()
    assert np.exp(log_probs).sum() == pytest.approx(1)


def test_log_softmax_backward(rng):
    logits, weights = rng.standard_normal((2, 5, 3))
    expected = complex_step(lambda z: np.sum(weights * log_softmax(z)), logits)
    dlogits = distributions.log_softmax_backward(weights, log_softmax(logits))
    np.testing.assert_allclose(dlogits, expected, **TIGHT)


def test_categorical_backwards(rng):
    """Eq. 23, 25, 43 through the logits."""
    logits, old_logits = rng.standard_normal((2, 5, 3))
    actions, weights = rng.integers(0, 3, 5), rng.standard_normal(5)
    log_probs, old = log_softmax(logits), log_softmax(old_logits)

    def check(function, dlogits):
        expected = complex_step(lambda z: np.sum(weights * function(log_softmax(z))), logits)
        np.testing.assert_allclose(dlogits, expected, **TIGHT)

    dlogits = distributions.categorical_log_prob_backward(weights, actions, np.exp(log_probs))
    check(lambda p: distributions.categorical_log_prob(p, actions), dlogits)
    np.testing.assert_allclose(dlogits.sum(axis=1), 0, atol=1e-15)
    entropies = distributions.categorical_entropy(log_probs)
    check(
        distributions.categorical_entropy,
        distributions.categorical_entropy_backward(weights, entropies, log_probs),
    )
    check(
        lambda p: distributions.categorical_kl(old, p),
        distributions.categorical_kl_backward(weights, old, log_probs),
    )


def test_categorical_quantities_against_scipy(rng):
    log_probs, old = (
        log_softmax(rng.standard_normal((5, 3))),
        log_softmax(rng.standard_normal((5, 3))),
    )
    entropy = stats.entropy(np.exp(log_probs), axis=1)
    np.testing.assert_allclose(distributions.categorical_entropy(log_probs), entropy, **TIGHT)
    kl = stats.entropy(np.exp(old), np.exp(log_probs), axis=1)
    np.testing.assert_allclose(distributions.categorical_kl(old, log_probs), kl, **TIGHT)


def test_exercises_1_and_2():
    """z = (0, ln 2, ln 3), a = 2, Â = −3: dlogits = (−0.5, −1, 1.5); the entropy and its slope."""
    log_probs = log_softmax(np.log([[1.0, 2.0, 3.0]]))
    dlogits = distributions.categorical_log_prob_backward(
        np.array([3.0]), np.array([2]), np.exp(log_probs)
    )
    np.testing.assert_allclose(dlogits, [[-0.5, -1.0, 1.5]], **TIGHT)
    entropies = distributions.categorical_entropy(log_probs)
    assert entropies[0] == pytest.approx(1.01140, abs=5e-6)
    slopes = distributions.categorical_entropy_backward(np.ones(1), entropies, log_probs)
    np.testing.assert_allclose(slopes, [[0.13006, 0.02907, -0.15913]], atol=5e-6)


def test_gaussian_quantities_against_scipy(rng):
    means, actions = rng.standard_normal((2, 6, 3))
    log_stds = rng.standard_normal(3)
    expected = stats.norm(means, np.exp(log_stds)).logpdf(actions).sum(axis=1)
    np.testing.assert_allclose(
        distributions.gaussian_log_prob(actions, means, log_stds), expected, **TIGHT
    )
    entropy = stats.norm(0, np.exp(log_stds)).entropy().sum()
    assert distributions.gaussian_entropy(log_stds) == pytest.approx(entropy)


def test_gaussian_density_integrates_to_one():
    def density(a):
        point = np.array([[a]])
        return np.exp(distributions.gaussian_log_prob(point, np.array([[0.3]]), np.array([-0.7])))[
            0
        ]

    assert integrate.quad(density, -10, 10)[0] == pytest.approx(1, abs=1e-9)


def test_gaussian_kl_by_quadrature():
    old_mean, old_log_std, mean, log_std = 0.3, -0.7, -0.2, 0.1

    def integrand(a):
        old, new = stats.norm(old_mean, np.exp(old_log_std)), stats.norm(mean, np.exp(log_std))
        return old.pdf(a) * (old.logpdf(a) - new.logpdf(a))

    kl = distributions.gaussian_kl(
        np.array([[old_mean]]), np.array([old_log_std]), np.array([[mean]]), np.array([log_std])
    )
    assert kl[0] == pytest.approx(integrate.quad(integrand, -8, 8)[0], abs=1e-9)


def test_gaussian_backwards(rng):
    """Eq. 27–29, 45 through means and log-deviations."""
    means, old_means, actions = rng.standard_normal((3, 5, 2))
    log_stds, old_log_stds = rng.standard_normal((2, 2))
    weights = rng.standard_normal(5)

    def check(function, gradients):
        for got, expected in zip(
            gradients,
            (
                complex_step(lambda m: np.sum(weights * function(m, log_stds)), means),
                complex_step(lambda s: np.sum(weights * function(means, s)), log_stds),
            ),
            strict=True,
        ):
            np.testing.assert_allclose(got, expected, **TIGHT)

    check(
        lambda m, s: distributions.gaussian_log_prob(actions, m, s),
        distributions.gaussian_log_prob_backward(weights, actions, means, log_stds),
    )
    check(
        lambda m, s: distributions.gaussian_kl(old_means, old_log_stds, m, s),
        distributions.gaussian_kl_backward(weights, old_means, old_log_stds, means, log_stds),
    )


def test_backward_reaches_every_parameter(acted, rng):
    """Log-prob and entropy together, end to end, by complex step through the whole policy."""
    policy, make_complex, obs, actions, _ = acted
    dlog_probs, dentropies = rng.standard_normal((2, len(obs)))

    def loss(built):
        log_probs, entropies, _ = built.forward(obs, actions)
        return dlog_probs @ log_probs + dentropies @ entropies

    expected = network_complex_step(loss, make_complex, policy.parameters)
    _, _, cache = policy.forward(obs, actions)
    np.testing.assert_allclose(policy.backward(dlog_probs, dentropies, cache), expected, **TIGHT)


def test_kl_backward_reaches_every_parameter(acted, rng):
    policy, make_complex, obs, actions, _ = acted
    old = policy.distribution(obs)
    policy.parameters += 0.2 * rng.standard_normal(policy.parameters.size)
    dkls = rng.standard_normal(len(obs))

    def loss(built):
        _, _, cache = built.forward(obs, actions)
        return dkls @ built.kl(old, cache)

    expected = network_complex_step(loss, make_complex, policy.parameters)
    _, _, cache = policy.forward(obs, actions)
    np.testing.assert_allclose(policy.kl_backward(dkls, old, cache), expected, **TIGHT)


def test_kl_of_a_policy_with_itself_is_zero_and_flat(acted):
    policy, _, obs, actions, _ = acted
    _, _, cache = policy.forward(obs, actions)
    old = policy.distribution(obs)
    np.testing.assert_allclose(policy.kl(old, cache), 0, atol=1e-14)
    np.testing.assert_allclose(policy.kl_backward(np.ones(8), old, cache), 0, atol=1e-13)


def test_sampled_log_probs_are_the_evaluated_ones(acted):
    policy, _, obs, actions, log_probs = acted
    np.testing.assert_allclose(log_probs, policy.forward(obs, actions)[0], **TIGHT)


def test_sampling_follows_the_probabilities(rng):
    policy = CategoricalPolicy(2, 4, (), rng, dtype=np.float64)
    policy.parameters[:] = rng.standard_normal(policy.parameters.size)
    obs = np.tile(rng.standard_normal((1, 2)), (100_000, 1))
    actions, _ = policy.sample(obs, rng)
    counts = np.bincount(actions, minlength=4)
    probabilities = np.exp(policy.distribution(obs[:1]))[0]
    assert stats.chisquare(counts, 100_000 * probabilities).pvalue > 1e-4


def test_gaussian_sampling(rng):
    policy = GaussianPolicy(2, 2, (), rng, dtype=np.float64)
    policy.log_stds[:] = [-1.0, 0.5]
    obs = np.zeros((100_000, 2))
    actions, _ = policy.sample(obs, rng)
    standardized = (actions - policy.greedy(obs)) / np.exp(policy.log_stds)
    for column in standardized.T:
        assert stats.kstest(column, "norm").pvalue > 1e-4


def test_sampling_survives_rounding(rng):
    """float32 probabilities may sum to less than 1; the last action takes what is left."""

    class AlmostOne:
        def random(self, shape, dtype):
            return np.full(shape, np.nextafter(dtype.type(1), dtype.type(0)), dtype)

    policy = CategoricalPolicy(4, 7, (16,), rng)
    actions, _ = policy.sample(rng.standard_normal((500, 4)).astype(np.float32), AlmostOne())
    assert (actions == 6).all()


def test_greedy_takes_the_likeliest(acted):
    policy, _, obs, _, _ = acted
    if isinstance(policy, CategoricalPolicy):
        np.testing.assert_array_equal(policy.greedy(obs), policy.distribution(obs).argmax(axis=1))
    else:
        np.testing.assert_array_equal(policy.greedy(obs), policy.distribution(obs)[:, :3])


def test_first_policy_is_almost_uniform(rng):
    policy = CategoricalPolicy(4, 2, (64,), rng)
    probabilities = np.exp(policy.distribution(rng.standard_normal((50, 4)).astype(np.float32)))
    np.testing.assert_allclose(probabilities, 0.5, atol=0.03)


def test_float32_stays_float32(rng):
    for kind in (CategoricalPolicy, GaussianPolicy):
        policy = kind(4, 2, (8,), rng)
        obs = rng.standard_normal((5, 4)).astype(np.float32)
        actions, log_probs = policy.sample(obs, rng)
        assert log_probs.dtype == np.float32
        log_probs, entropies, cache = policy.forward(obs, actions)
        assert log_probs.dtype == entropies.dtype == np.float32
        assert policy.backward(log_probs, entropies, cache).dtype == np.float32


def test_kl_estimates(rng):
    """Eq. 48: averaged over the old policy's actions, both are the KL, exactly; k3 ≥ 0."""
    old, new = log_softmax(rng.standard_normal((2, 4)))[:, None, :]
    k1, k3 = kl_estimates((new - old)[0])
    kl = distributions.categorical_kl(old, new)[0]
    probabilities = np.exp(old[0])
    assert probabilities @ k1 == pytest.approx(kl)
    assert probabilities @ k3 == pytest.approx(kl)
    assert (k3 >= 0).all() and (k1 < 0).any()
