"""F. PPO: Eq. 34–38, 40–45."""

import math
from statistics import fmean

import numpy as np

import distributions
import nn
import policies
import ppo
import ppo_penalty
import vpg
from lab.proof import mdp
from lab.proof.equations.cases import (
    LONG,
    PROCESS,
    THETA,
    UNIFORM,
    categorical_case,
    clip_case,
    first_gradients,
    gaussian_case,
    grid,
    one_update,
    second_gradients,
    update_case,
)
from lab.proof.evidence import check, complex_step, network_step


@check("performance", "performance difference", "mdp.performance_difference", "linear solve")
def performance_difference(evidence, rng):
    """J(new) - J(old) is the mean, over the new policy's trajectories, of the old policy's
    discounted advantages."""
    for name, old_theta in (("uniform", UNIFORM), ("skewed", -2 * THETA)):
        pi, old_pi = mdp.policy(THETA, mdp.TABULAR), mdp.policy(old_theta, mdp.TABULAR)
        actual = mdp.performance_difference(PROCESS, pi, old_pi, LONG)
        direct = mdp.objective(PROCESS, pi) - mdp.objective(PROCESS, old_pi)
        evidence.close(f"old policy {name}", actual, direct)
        evidence.show(f"J(new) - J(old), old policy {name}", direct)


@check("ratio", "ratio and surrogate", "ppo.clipped_surrogate", "complex step")
def surrogate(evidence, rng):
    """Without a clip the loss is -mean(ratio A), and its gradient ratio A grad log pi; over the
    old policy's actions ratio A has the mean of A under the new one."""
    policy, obs, actions = categorical_case(rng)
    old_log_probs, A = clip_case(rng, policy, obs, actions, 0.2)
    log_probs, entropies, cache = policy.forward(obs, actions)
    ratios = [
        math.exp(new) / math.exp(old)
        for new, old in zip(log_probs.real, old_log_probs, strict=True)
    ]
    unclipped = 1e9
    loss, dlog_probs = ppo.clipped_surrogate(log_probs, old_log_probs, A, unclipped)
    evidence.close("loss", loss, -fmean(np.array(ratios) * A))
    penalized = ppo_penalty.penalized_surrogate(log_probs, old_log_probs, A, np.zeros(len(A)), 0.0)
    evidence.close("penalized, beta = 0: loss", penalized[0], -fmean(np.array(ratios) * A))
    oracle = network_step(
        policy,
        lambda: ppo.clipped_surrogate(policy.forward(obs, actions)[0], old_log_probs, A, unclipped)[
            0
        ],
    )
    evidence.close("every weight", policy.backward(dlog_probs, 0 * entropies, cache), oracle)
    evidence.close(
        "penalized: every weight", policy.backward(penalized[1], 0 * entropies, cache), oracle
    )
    # An expectation under old: K rows, one an action, each as often as the old policy takes it.
    new, old = distributions.log_softmax(rng.normal(size=(2, 3)))
    worth = rng.normal(size=3)
    weighted = 3 * np.exp(old) * worth
    mean, _ = ppo.clipped_surrogate(new, old, weighted, unclipped)
    evidence.close("E_old[ratio A] = E_new[A]", -mean, math.fsum(np.exp(new) * worth))
    evidence.show("ratios", np.array(ratios))


# Every case of the clip at clip_range 0.2: ratio, advantage, objective, slope in the ratio.
CLIP_CASES = (
    (1.3, 1.0, 1.2, 0.0),
    (1.3, -1.0, -1.3, -1.0),
    (1.1, 1.0, 1.1, 1.0),
    (1.1, -1.0, -1.1, -1.0),
    (0.7, 1.0, 0.7, 1.0),
    (0.7, -1.0, -0.8, 0.0),
    (1.0, 2.0, 2.0, 2.0),
    (1.0, -2.0, -2.0, -2.0),
)


@check("clipped-objective", "clipped objective", "ppo.clipped_surrogate", "hand cases")
def clipped_objective(evidence, rng):
    """The smaller of ratio A and clipped ratio A, row by row, then the mean, then the sign."""
    for ratio, A, value, _ in CLIP_CASES:
        loss, _ = ppo.clipped_surrogate(np.log([ratio]), np.zeros(1), np.array([A]), 0.2)
        evidence.close(f"ratio {ratio}, A {A:+}", -loss, value)
    log_ratios, A = rng.normal(0, 0.3, 50), rng.normal(size=50)
    smaller = []
    for log_ratio, a in zip(log_ratios, A, strict=True):
        ratio = math.exp(log_ratio)
        if ratio > 1.2 and a > 0:
            ratio = 1.2
        if ratio < 0.8 and a < 0:
            ratio = 0.8
        smaller.append(ratio * a)
    old = rng.normal(size=50)
    loss, _ = ppo.clipped_surrogate(old + log_ratios, old, A, 0.2)
    evidence.close("50 random rows", loss, -fmean(smaller))
    evidence.show("ratio, A, objective", np.array(CLIP_CASES)[:, :3])


@check("clip", "the clip's slopes", "ppo.clipped_surrogate", "differences")
def clip_slopes(evidence, rng):
    """c = 0 for A > 0 above 1 + eps and A < 0 below 1 - eps, else 1; at the kinks c = 1, and at
    ratio 1, where the branches tie, too. The objective is linear between its kinks, so that
    one-sided differences are exact to rounding."""

    def objective(ratio, A, clip_range):
        return -ppo.clipped_surrogate(np.log([ratio]), np.zeros(1), np.array([A]), clip_range)[0]

    def slope(log_ratio, A, clip_range):
        """∂min/∂ρ from ∂L/∂log π: the loss's sign and the ratio divided out."""
        _, d = ppo.clipped_surrogate(np.array([log_ratio]), np.zeros(1), np.array([A]), clip_range)
        return -d[0] / np.exp(log_ratio)

    h, rows = 1e-3, []
    for ratio, A, _, by_hand in CLIP_CASES:
        right = (objective(ratio + h, A, 0.2) - objective(ratio, A, 0.2)) / h
        left = (objective(ratio, A, 0.2) - objective(ratio - h, A, 0.2)) / h
        rows.append([ratio, A, slope(np.log(ratio), A, 0.2), left, right, by_hand])
    _, _, actual, left, right, by_hand = np.transpose(rows)
    evidence.close("slopes: difference to the left", actual, left, 1e-11)
    evidence.close("slopes: difference to the right", actual, right, 1e-11)
    evidence.close("slopes: by hand", actual, by_hand)
    for log_ratio, A in ((0.4, 1.5), (-0.4, -1.5)):
        ratio = np.exp(log_ratio)
        clip_range = abs(ratio - 1)  # exact, so that the ratio is the kink and not beside it
        step = h if A > 0 else -h
        inward = (objective(ratio, A, clip_range) - objective(ratio - step, A, clip_range)) / step
        outward = (objective(ratio + step, A, clip_range) - objective(ratio, A, clip_range)) / step
        label = f"kink at {ratio:.3f}, A {A:+}"
        evidence.close(f"{label}: outward 0", outward, 0.0, 1e-11)
        actual = slope(log_ratio, A, clip_range)
        evidence.close(f"{label}: inward", actual, inward, 1e-11)
    head = "ratio    A   case                     by code      left     right  by hand"
    line = "{:5.1f} {:+5.1f}  {:<22} {:9.5f} {:9.5f} {:9.5f} {:8g}".format
    cases = [line(*row[:2], clip_field(*row[:2]), *np.add(row[2:], 0.0)) for row in rows]
    evidence.show("slope in the ratio, eps = 0.2", "\n".join([head, *cases]))


def clip_field(ratio, A):
    """Which of Eq. 37's six cases a row is in, in words."""
    way = "good" if A > 0 else "bad"
    if abs(ratio - 1) <= 0.2:
        return f"{way}, in the band"
    side = "likelier" if ratio > 1 else "rarer"
    return f"{way}, {side}" + (": silent" if (ratio > 1) == (A > 0) else "")


@check("ppo", "PPO, every weight", "ppo.clipped_surrogate", "complex step")
def ppo_logits(evidence, rng):
    """The clipped loss's gradient, through the policy, at every weight. The first minibatch's,
    at ratio 1, is VPG's; a later one's is not."""
    policy, obs, actions = categorical_case(rng)
    old_log_probs, A = clip_case(rng, policy, obs, actions, 0.2)

    def loss():
        return ppo.clipped_surrogate(policy.forward(obs, actions)[0], old_log_probs, A, 0.2)[0]

    log_probs, entropies, cache = policy.forward(obs, actions)
    _, dlog_probs = ppo.clipped_surrogate(log_probs, old_log_probs, A, 0.2)
    actual = policy.backward(dlog_probs, 0 * entropies, cache)
    evidence.close("every weight", actual, network_step(policy, loss))
    dead = dlog_probs == 0
    evidence.true("dead rows and live ones", dead.any() and not dead.all())

    policy, value, batch = update_case(rng)
    start = policy.parameters.copy(), value.parameters.copy()
    settings = {"max_grad_norm": 1e9, "entropy_coefficient": 0.01}
    gradients = {}
    for algorithm, config in (
        (vpg, vpg.Config(value_steps=1, **settings)),
        (ppo, ppo.Config(epochs=1, **settings)),
    ):
        policy.parameters[:], value.parameters[:] = start
        gradients[algorithm] = first_gradients(algorithm, config, policy, value, batch)
    evidence.close("first minibatch: ppo.update = vpg.update", gradients[ppo][0], gradients[vpg][0])
    # One step on, the ratios differ from 1, and the gradients from VPG's.
    policy.parameters[:], value.parameters[:] = start
    actual, _, moved, _ = second_gradients(ppo, ppo.Config(**settings), policy, value, batch)

    def later(loss):
        """A policy loss of log-probs, with the entropy bonus, one step on"""
        log_probs, entropies, _ = moved.forward(batch.obs, batch.actions)
        return loss(log_probs)[0] - 0.01 * entropies.mean()

    old, A = batch.log_probs, batch.advantages
    clipped = network_step(
        moved, lambda: later(lambda logs: ppo.clipped_surrogate(logs, old, A, 0.2))
    )
    plain = network_step(moved, lambda: later(lambda logs: vpg.policy_loss(logs, A)))
    evidence.close("second minibatch: ppo.update", actual, clipped)
    evidence.true("it is not VPG's", np.abs(clipped - plain).max() > 0.01)
    ratios = np.exp(moved.forward(batch.obs, batch.actions)[0].real - old)
    evidence.show("ratios after one step", ratios)


@check("kl", "KL, softmax", "distributions.categorical_kl_backward", "complex step")
def categorical_kl(evidence, rng):
    """KL(old||new) is the old policy's mean log-ratio; its gradient is pi - pi_old at the
    logits, and 0 where they agree. There its Hessian is diag(pi) - pi pi^T, and measured by that
    Eq. 47's gradient is A itself."""
    new, old = rng.normal(size=(2, 5, 3))
    old_log_probs, weights = distributions.log_softmax(old), rng.normal(size=5)
    log_probs = distributions.log_softmax(new)
    direct = [
        math.fsum(math.exp(o) * (o - n) for o, n in zip(*rows, strict=True))
        for rows in zip(old_log_probs, log_probs, strict=True)
    ]
    evidence.close("KL", distributions.categorical_kl(old_log_probs, log_probs), direct)
    actual = distributions.categorical_kl_backward(weights, old_log_probs, log_probs)
    oracle = complex_step(
        lambda z: (
            distributions.categorical_kl(old_log_probs, distributions.log_softmax(z)) @ weights
        ),
        new,
    )
    evidence.close("dlogits", actual, oracle)
    same = distributions.categorical_kl_backward(weights, log_probs, log_probs)
    evidence.close("0 where they agree", same, np.zeros_like(same))
    # The old actions' mean of -log pi: what a bonus on the chosen actions pushes away from.
    pi = np.array([[0.4, 0.4, 0.2]] * 3)
    slopes = distributions.categorical_log_prob_backward(
        -np.array([0.5, 0.3, 0.2]), np.arange(3), pi
    )
    evidence.close("E_old[-log pi]: pi - pi_old", slopes.sum(axis=0), [-0.1, 0.1, 0.0])

    def hessian(logits):  # of KL(old||new), at new = old
        same = distributions.log_softmax(logits[None])
        slope = distributions.categorical_kl_backward
        return complex_step(
            lambda z: slope(np.ones(1), same, distributions.log_softmax(z[None]))[0], logits
        )

    pi = np.exp(log_probs[0])
    evidence.close("Hessian at pi_old", hessian(new[0]), np.diag(pi) - np.outer(pi, pi))
    g, eta = (
        mdp.softmax_gradient(PROCESS, THETA),
        mdp.visitation(PROCESS, mdp.policy(THETA, mdp.TABULAR)),
    )
    A = mdp.advantages(PROCESS, mdp.policy(THETA, mdp.TABULAR))
    for s, logits in enumerate(THETA.reshape(2, 2)):
        step = np.linalg.pinv(eta[s] * hessian(logits)) @ g[s]
        evidence.close(f"natural step, state {s}: A", step - step.mean(), A[s] - A[s].mean())
    policy, obs, actions = categorical_case(rng)
    other, _, _ = categorical_case(rng)
    check_policy_kl(evidence, policy, other.distribution(obs).real, obs, actions)
    evidence.show("KL of five rows", np.array(direct))


def check_policy_kl(evidence, policy, old_distribution, obs, actions):
    """A policy's kl_backward holds at every parameter."""
    _, _, cache = policy.forward(obs, actions)
    dkls = np.linspace(0.1, 1, len(obs))
    oracle = network_step(
        policy, lambda: policy.kl(old_distribution, policy.forward(obs, actions)[2]) @ dkls
    )
    actual = policy.kl_backward(dkls, old_distribution, cache)
    evidence.close("every parameter", actual, oracle)


@check("kl-penalty", "KL penalty", "ppo_penalty.penalized_surrogate", "complex step")
def kl_penalty(evidence, rng):
    """The penalized loss's gradient, ratio and KL together, at the logits and at every weight."""
    policy, obs, actions = categorical_case(rng)
    other, _, _ = categorical_case(rng)
    old, beta = other.distribution(obs).real, 0.7
    old_log_probs, A = other.forward(obs, actions)[0].real, rng.normal(size=len(obs))

    def loss():
        log_probs, _, cache = policy.forward(obs, actions)
        return ppo_penalty.penalized_surrogate(
            log_probs, old_log_probs, A, policy.kl(old, cache), beta
        )[0]

    log_probs, entropies, cache = policy.forward(obs, actions)
    kls = policy.kl(old, cache)
    value, dlog_probs, dkls = ppo_penalty.penalized_surrogate(
        log_probs, old_log_probs, A, kls, beta
    )
    ratios = [math.exp(n) / math.exp(o) for n, o in zip(log_probs.real, old_log_probs, strict=True)]
    rows = zip(ratios, A, kls.real, strict=True)
    evidence.close("loss", value, -fmean(ratio * a - beta * kl for ratio, a, kl in rows))
    actual = policy.backward(dlog_probs, 0 * entropies, cache)
    actual = actual + policy.kl_backward(dkls, old, cache)
    evidence.close("every weight", actual, network_step(policy, loss))
    probs = np.exp(policy.distribution(obs))
    dlogits = distributions.categorical_log_prob_backward(dlog_probs, actions, probs)
    dlogits = dlogits + distributions.categorical_kl_backward(dkls, old, np.log(probs))
    rows = len(obs)
    by_hand = np.zeros((rows, 3))
    for i, k in np.ndindex(rows, 3):
        push = ratios[i] * A[i] * (probs[i, k].real - (k == actions[i]))
        pull = beta * (probs[i, k].real - math.exp(old[i, k]))
        by_hand[i, k] = (push + pull) / rows
    evidence.close("dlogits, entry by entry", dlogits, by_hand)
    evidence.show("dlogits of three rows", by_hand[:3])

    # In an update the KL acts from the second step on: the first one starts at the old policy.
    start, value, batch = update_case(rng)
    config = ppo_penalty.Config(kl_coefficient=5.0, max_grad_norm=1e9)
    old = start.distribution(batch.obs)
    actual, _, moved, _ = second_gradients(ppo_penalty, config, start, value, batch)

    def later():
        log_probs, _, cache = moved.forward(batch.obs, batch.actions)
        kls = moved.kl(old, cache)
        return ppo_penalty.penalized_surrogate(
            log_probs, batch.log_probs, batch.advantages, kls, 5.0
        )[0]

    evidence.close("second minibatch: ppo_penalty.update", actual, network_step(moved, later))


@check("gaussian-kl", "KL, Gaussian", "distributions.gaussian_kl_backward", "quadrature")
def gaussian_kl(evidence, rng):
    """KL(old||new) is the integral of p_old (log p_old - log p_new); its gradients by complex
    step, down to every parameter."""
    old_means, means = rng.normal(size=(2, 4, 2))
    old_log_stds, log_stds = rng.normal(0, 0.3, (2, 2))
    integrals = np.zeros(4)
    for i, j in np.ndindex(4, 2):
        x, dx = grid(old_means[i, j], np.exp(old_log_stds[j]))
        x = x[:, None]
        p_old, p_new = (
            distributions.gaussian_log_prob(x, np.full_like(x, mean[i, j]), ell[[j]])
            for mean, ell in ((old_means, old_log_stds), (means, log_stds))
        )
        integrals[i] += (np.exp(p_old) * (p_old - p_new)).sum() * dx
    old = old_means, old_log_stds
    evidence.close("KL", distributions.gaussian_kl(*old, means, log_stds), integrals)
    weights = rng.normal(size=4)
    dmeans, dlog_stds = distributions.gaussian_kl_backward(weights, *old, means, log_stds)
    by_mean = complex_step(lambda m: distributions.gaussian_kl(*old, m, log_stds) @ weights, means)
    by_log_std = complex_step(
        lambda ell: distributions.gaussian_kl(*old, means, ell) @ weights, log_stds
    )
    evidence.close("by mu", dmeans, by_mean)
    evidence.close("by log sigma", dlog_stds, by_log_std)
    policy, obs, actions = gaussian_case(rng)
    other, _, _ = gaussian_case(rng)
    check_policy_kl(evidence, policy, other.distribution(obs).real, obs, actions)
    evidence.show("KL of four rows", integrals)


@check("adaptive-kl", "adaptive penalty", "ppo_penalty.adapt_kl_coefficient", "table")
def adaptive_penalty(evidence, rng):
    """Below target/1.5 the weight is halved, above 1.5 target doubled, between them kept."""
    rows = []
    for kl, factor in ((0, 0.5), (0.0066, 0.5), (0.0067, 1), (0.01, 1), (0.0149, 1), (0.0151, 2)):
        actual = ppo_penalty.adapt_kl_coefficient(0.8, kl, 0.01)
        evidence.close(f"KL {kl}", actual, 0.8 * factor)
        rows.append([kl, actual])
    for kl in (0.015, 0.01 / 1.5):
        actual = ppo_penalty.adapt_kl_coefficient(0.8, kl, 0.01)
        evidence.close(f"KL {kl:.4g}, a bound itself", actual, 0.8)
    evidence.show("KL, next beta (0.8 before, target 0.01)", np.array(rows))
    for name, target, factor in (("far below", 1e3, 0.5), ("far above", 1e-9, 2)):
        policy, value, batch = update_case(rng)
        config = ppo_penalty.Config(kl_coefficient=0.8, kl_target=target)
        memory = one_update(ppo_penalty, config, policy, value, batch).memory
        evidence.close(
            f"ppo_penalty.update, KL {name} its target", memory["kl_coefficient"], 0.8 * factor
        )


@check("joint-loss", "joint loss", "ppo.update", "complex step")
def joint_loss(evidence, rng):
    """Two networks that share no weight: the joint loss's gradient is the two shipped ones, side
    by side, as ppo.update takes them. With a shared trunk, the heads' gradients add there."""
    policy, value, batch = update_case(rng)
    config = ppo.Config(epochs=1, entropy_coefficient=0.02, max_grad_norm=1e9)
    twin = policies.CategoricalPolicy(4, 3, (5,), rng, dtype=np.complex128)
    value_twin = nn.MLP((4, 5, 1), rng, dtype=np.complex128)
    twin.parameters[:], value_twin.parameters[:] = policy.parameters, value.parameters

    def joint():
        log_probs, entropies, _ = twin.forward(batch.obs, batch.actions)
        clip, _ = ppo.clipped_surrogate(log_probs, batch.log_probs, batch.advantages, 0.2)
        fit, _ = vpg.value_loss(value_twin(batch.obs)[:, 0], batch.targets)
        return clip + fit - 0.02 * entropies.mean()

    oracle = np.concatenate([network_step(twin, joint), network_step(value_twin, joint)])
    actual = np.concatenate(first_gradients(ppo, config, policy, value, batch))
    evidence.close("ppo.update, both networks", actual, oracle)

    x, dy = rng.normal(size=(6, 4)), rng.normal(size=(6, 3))
    targets = rng.normal(size=6)
    W, W_pi, W_v = rng.normal(size=(4, 5)), rng.normal(size=(5, 3)), rng.normal(size=(5, 1))
    b, b_pi, b_v = np.zeros(5), np.zeros(3), np.zeros(1)

    def shared(W):
        h = nn.tanh_forward(nn.linear_forward(x, W, b))
        logits = nn.linear_forward(h, W_pi, b_pi)
        fit, _ = vpg.value_loss(nn.linear_forward(h, W_v, b_v)[:, 0], targets)
        return (logits * dy).sum() + 0.5 * fit

    h = nn.tanh_forward(nn.linear_forward(x, W, b))
    dvalues = vpg.value_loss(nn.linear_forward(h, W_v, b_v)[:, 0], targets)[1]
    dh = nn.linear_backward(dy, h, W_pi)[0]
    dh = dh + nn.linear_backward(0.5 * dvalues[:, None], h, W_v)[0]
    dW = nn.linear_backward(nn.tanh_backward(dh, h), x, W)[1]
    evidence.close("shared trunk, c_V = 0.5", dW, complex_step(shared, W))
    evidence.show("dH of three rows", dh[:3])


@check("diagnostics", "k1, k3, dead fraction", "distributions.kl_estimates", "exact sum")
def diagnostics(evidence, rng):
    """Over the old policy's actions k1 and k3 both have the KL as their mean, and their gradients
    its gradient; k3 is never negative. The dead rows are those whose gradient is 0."""
    logits, old_logits = rng.normal(size=(2, 4, 3))
    old = distributions.log_softmax(old_logits)
    log_ratios = distributions.log_softmax(logits) - old
    direct = (np.exp(old) * -log_ratios).sum(axis=1)
    exact = distributions.categorical_kl_backward(
        np.ones(4), old, distributions.log_softmax(logits)
    )
    for which, name in enumerate(("k1", "k3")):

        def mean(z, which=which):
            log_ratios = distributions.log_softmax(z) - old
            return (np.exp(old) * distributions.kl_estimates(log_ratios)[which]).sum(axis=1)

        evidence.close(f"mean of {name} = KL", mean(logits), direct)
        oracle = complex_step(lambda z, f=mean: f(z).sum(), logits)
        evidence.close(f"mean gradient of {name}", oracle, exact)
    k1, k3 = distributions.kl_estimates(log_ratios)
    evidence.true("k1 is negative somewhere", (k1 < 0).any())
    evidence.true("k3 nowhere", (k3 >= 0).all())
    tiny = distributions.kl_estimates(np.array([1e-9]))[1]
    evidence.close("k3 near ratio 1: x^2/2", tiny, [5e-19], bound=1e-6)

    log_probs, A = rng.normal(0, 0.4, 400), rng.normal(size=400)
    _, dlog_probs = ppo.clipped_surrogate(log_probs, np.zeros(400), A, 0.2)
    clip_fraction, dead_fraction = ppo.clip_statistics(log_probs, np.zeros(400), A, 0.2)
    ratios = [math.exp(value) for value in log_probs]
    outside = sum(ratio > 1.2 or ratio < 0.8 for ratio in ratios)
    evidence.close("clip fraction", clip_fraction, outside / 400)
    evidence.close("dead fraction: gradient 0", dead_fraction, np.mean(dlog_probs == 0))
    evidence.true("fewer are dead than clipped", dead_fraction < clip_fraction)
    evidence.show("clip fraction, dead fraction", np.array([clip_fraction, dead_fraction]))
    evidence.show("k1 of one row's actions", k1[0])
    evidence.show("k3 of one row's actions", k3[0])
