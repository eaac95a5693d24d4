"""H. The same gradient in a language model: Eq. 49–57."""

import math
from statistics import fmean, pstdev

import numpy as np

import advantages
import distributions
import policies
from lab.language import tokens
from lab.proof.evidence import check, complex_step

NONE = 1e-149  # an ε that a positive σ does not notice
SIZES = (2, 3, 4)  # of a group; there are 15^G groups


def tables(rng, number=1):
    """Random logits, each (S,K)."""
    return rng.normal(0, 0.7, (number, len(tokens.PREFIXES), len(tokens.TOKENS)))


def place(response):
    """The place of a response in the list."""
    return tokens.RESPONSES.index(response)


def angle(a, b):
    """The cosine of the angle between two gradients."""
    return (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())


@check("response-score", "a response's score", "tokens.scores", "complex step")
def response_scores(evidence, rng):
    """A response's log-probability sums its tokens'; at the logits each token has its own
    e - pi. The gradient of a mean over responses is the mean of value times score, also by the
    shipped policy, to which a prefix is a state."""
    (logits,) = tables(rng)
    chances = []
    for response in tokens.RESPONSES:
        p = 1.0
        for t, token in enumerate(response):
            row = [math.exp(z) for z in logits[tokens.PREFIXES.index(response[:t])]]
            p *= row[tokens.TOKENS.index(token)] / sum(row)
        chances.append(p)
    evidence.close("probabilities", np.exp(tokens.log_probs(logits)), chances)
    evidence.close("their sum", math.fsum(chances), 1)
    oracle = np.moveaxis(complex_step(tokens.log_probs, logits), -1, 0)
    evidence.close("scores", tokens.scores(logits), oracle)
    rewards = tokens.REWARDS["middle"]
    oracle = complex_step(lambda z: tokens.mean(rewards, z), logits)
    evidence.close("gradient of the mean reward", tokens.gradient(rewards, logits), oracle)

    # No hidden layer: on one-hot prefixes W (S,K) is the table.
    policy = policies.CategoricalPolicy(7, 3, (), rng, dtype=np.float64)
    policy.parameters[:] = [*logits.ravel(), 0, 0, 0]
    rows = tokens.WITHIN
    obs, written = np.eye(7)[tokens.AFTER[rows]], tokens.WRITTEN[rows]
    log_probs, _, cache = policy.forward(obs, written)
    owner = np.nonzero(rows)[0]
    evidence.close("policy's log_probs", np.bincount(owner, log_probs), np.log(chances))
    weights = (np.array(chances) * rewards)[owner]
    actual = policy.backward(weights, np.zeros(len(weights)), cache)[:21].reshape(7, 3)
    evidence.close("policy's backward", actual, oracle)
    evidence.show("pass rate, uniform policy: easy, middle, hard", uniform_pass_rates())
    evidence.show("the score of ba., rows of its prefixes", oracle_of("ba.", logits))


def uniform_pass_rates():
    return np.array([tokens.mean(r, np.zeros((7, 3))) for r in tokens.REWARDS.values()])


def oracle_of(response, logits):
    """The rows of a response's score, by complex step."""
    rows = [tokens.PREFIXES.index(response[:t]) for t in range(len(response))]
    return complex_step(lambda z: tokens.log_probs(z)[place(response)], logits)[rows]


def of_group(rewards, scale):
    """Credit from the shipped function, for tokens.group_gradient."""
    return lambda members: advantages.group_advantages(rewards[members], scale, NONE)


@check("leave-one-out", "leave one out", "advantages.group_advantages", "enumeration")
def leave_one_out(evidence, rng):
    """The mean of the others is a baseline that has not seen the action: over every group the
    mean gradient is the true one. The group's own mean shrinks it to 1 - 1/G of that."""
    rewards = rng.normal(size=(4, 5))
    expected = [[row[i] - fmean(np.delete(row, i)) for i in range(5)] for row in rewards]
    evidence.close("5 responses", advantages.group_advantages(rewards, False), expected)
    (logits,) = tables(rng)
    for name, rewards in {**tokens.REWARDS, "random": rng.normal(size=15)}.items():
        true = complex_step(lambda z, r=rewards: tokens.mean(r, z), logits)
        for size in SIZES:
            actual = tokens.group_gradient(logits, size, of_group(rewards, False))
            evidence.close(f"{name}, G={size}", actual, true)
            own = tokens.group_gradient(
                logits, size, lambda m, r=rewards: r[m] - r[m].mean(axis=1, keepdims=True)
            )
            evidence.close(f"{name}, G={size}, own mean", own, (1 - 1 / size) * true)
    evidence.show(
        "by hand, R = 1, 0, 0, 1", advantages.group_advantages(np.eye(4)[:1] + np.eye(4)[3:], False)
    )


@check("group-deviation", "dividing by sigma", "advantages.group_advantages", "enumeration")
def dividing_by_deviation(evidence, rng):
    """For rewards 0 and 1 the mean gradient keeps its direction; its length is that of the true
    one times E[sigma]/p(1-p): the same for every p if G is 2 or 3, else between 2(G-1)/G and the
    root of G - 1, which it reaches at both ends."""
    rewards = rng.normal(size=(4, 5))
    expected = [[(r - fmean(row)) / (pstdev(row) + 0.5) for r in row] for row in rewards]
    evidence.close(
        "5 responses, eps 0.5", advantages.group_advantages(rewards, True, 0.5), expected
    )
    flat = advantages.group_advantages(np.ones((1, 3)), True)
    evidence.close("equal rewards", flat, np.zeros((1, 3)))
    for logits in (np.zeros((7, 3)), *tables(rng)):
        for name, rewards in tokens.REWARDS.items():
            true = complex_step(lambda z, r=rewards: tokens.mean(r, z), logits)
            p = math.fsum(np.exp(tokens.log_probs(logits)) * rewards)
            for size in SIZES:
                actual = tokens.group_gradient(logits, size, of_group(rewards, True))
                weight = tokens.deviation_weight(p, size)
                evidence.close(f"{name}, G={size}", actual, weight * true)
    some = np.array([0.1, 0.5, 0.9])
    evidence.close("G = 2, any p", tokens.deviation_weight(some, 2), np.ones(3))
    evidence.close("G = 3, any p", tokens.deviation_weight(some, 3), np.full(3, 2**0.5))
    for size in (4, 8, 64):
        weights = tokens.deviation_weight(np.linspace(1e-3, 1 - 1e-3, 999), size)
        low, high = 2 * (size - 1) / size, (size - 1) ** 0.5
        evidence.true(
            f"within its bounds, G={size}", (weights > low).all() and (weights < high).all()
        )
    ends = tokens.deviation_weight(np.array([1e-9, 1 - 1e-9]), 8)
    evidence.close("G = 8, p near 0 and 1", ends, [7**0.5] * 2, bound=1e-6)
    grades = np.where(tokens.REWARDS["hard"] > 0, 1, 0.3 * tokens.REWARDS["middle"])
    actual = tokens.group_gradient(logits, 4, of_group(grades, True))
    turned = angle(actual, tokens.gradient(grades, logits))
    evidence.true("rewards 0, 0.3 and 1: the direction turns", turned < 0.999)
    evidence.show("... cosine with the true gradient", turned)
    for size in (4, 8, 64):
        at = tokens.deviation_weight(uniform_pass_rates(), size)
        evidence.show(f"weight, uniform policy: easy, middle, hard, G={size}", at)


@check("response-length", "dividing by length", "tokens.per_length", "enumeration")
def dividing_by_length(evidence, rng):
    """Over all groups the mean is exactly the gradient of E[(R - p)/|y|], p held still, times
    Eq. 51's weight if sigma divides, too: a long wrong response pays less than a short one."""

    def divided(rewards, scale):
        whole = of_group(rewards, scale)
        return lambda members: whole(members) / tokens.LENGTHS[members]

    for logits in (np.zeros((7, 3)), *tables(rng)):
        for name, rewards in tokens.REWARDS.items():
            chances = np.exp(tokens.log_probs(logits))
            p = math.fsum(chances * rewards)
            goal = np.array(
                [(r - p) / len(y) for r, y in zip(rewards, tokens.RESPONSES, strict=True)]
            )
            held = complex_step(lambda z, f=goal: tokens.mean(f, z), logits)
            evidence.close(f"{name}, goal", tokens.per_length(logits, rewards), goal)
            for size in SIZES:
                actual = tokens.group_gradient(logits, size, divided(rewards, False))
                evidence.close(f"{name}, G={size}", actual, held)
                actual = tokens.group_gradient(logits, size, divided(rewards, True))
                weight = tokens.deviation_weight(p, size)
                evidence.close(f"{name}, G={size}, sigma too", actual, weight * held)

    logits = np.zeros((7, 3))
    for name, rewards in tokens.REWARDS.items():
        true = tokens.gradient(rewards, logits)
        held = tokens.gradient(tokens.per_length(logits, rewards), logits)
        evidence.show(f"{name}: cosine with the true gradient", angle(true, held))
        grow = wrong_length_gradient(rewards, logits)
        speeds = [(g * grow).sum() / np.sqrt((g**2).sum()) for g in (true, held)]
        evidence.show(f"{name}: wrong answers' length, true and divided", np.array(speeds))


def wrong_length_gradient(rewards, logits):
    """The gradient of the mean length of wrong responses, by complex step."""
    wrong = 1 - rewards
    return complex_step(
        lambda z: tokens.mean(wrong * tokens.LENGTHS, z) / tokens.mean(wrong, z), logits
    )


@check("sequence-ratio", "three ratios", "tokens.ratio_gradients", "enumeration")
def three_ratios(evidence, rng):
    """Under an old policy's responses the ratio of whole responses has the new policy's mean
    and gradient, exactly. The tokens' ratios keep the old prefixes and the old futures; at the
    old policy they are right, and the root by length has Eq. 52's 1/|y|. What the losses of the
    chapter's last table weigh a token by is the slope of each, what is held still held still."""
    logits, old = tables(rng, 2)
    rewards = tokens.REWARDS["middle"] - 0.2
    chances = np.exp(tokens.log_probs(old))
    of_tokens, whole, root = tokens.ratios(logits, old)
    evidence.close(
        "E_old[ratio R] = E[R]", chances @ (whole * rewards), tokens.mean(rewards, logits)
    )
    evidence.close("product of the tokens'", of_tokens.prod(axis=1), whole)
    evidence.close("geometric mean", root**tokens.LENGTHS, whole)
    actual = tokens.ratio_gradients(rewards, logits, old)
    true = complex_step(lambda z: tokens.mean(rewards, z), logits)
    evidence.close("response: the true gradient", actual[1], true)
    objectives = (
        lambda z: chances @ (np.where(tokens.WITHIN, tokens.ratios(z, old)[0], 0).sum(1) * rewards),
        lambda z: chances @ (tokens.ratios(z, old)[1] * rewards),
        lambda z: chances @ (tokens.ratios(z, old)[2] * rewards),
    )
    names = "token", "response", "root"
    for name, gradient, objective in zip(names, actual, objectives, strict=True):
        evidence.close(f"{name}: its own gradient", gradient, complex_step(objective, logits))
    # Prefix by prefix: how often old comes there, and what it makes of each next token.
    expected = np.zeros((7, 3))
    pi = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for s, prefix in enumerate(tokens.PREFIXES):
        Q = np.zeros(3)
        for a, token in enumerate(tokens.TOKENS):
            on = [y.startswith(prefix + token) for y in tokens.RESPONSES]
            Q[a] = (chances * rewards)[on].sum() / chances[on].sum()
        visits = sum(p for p, y in zip(chances, tokens.RESPONSES, strict=True) if begins(y, prefix))
        expected[s] = visits * pi[s] * (Q - pi[s] @ Q)
    evidence.close("token: old prefixes, old futures", actual[0], expected)
    evidence.true("which is not the true gradient", angle(actual[0], true) < 0.999)
    at_old = tokens.ratio_gradients(rewards, old, old)
    evidence.close("at old: token = response", at_old[0], at_old[1])
    by_length = complex_step(lambda z: tokens.mean(rewards / tokens.LENGTHS, z), old)
    evidence.close("at old: root = 1/|y|", at_old[2], by_length)
    evidence.show("cosines with the true gradient", np.array([angle(g, true) for g in actual]))
    evidence.show("E_old[ratio^2], response", chances @ whole**2)
    check_loss_weights(evidence, rng)


def check_loss_weights(evidence, rng):
    """tokens.loss_weights row by row: the complex step of each objective, which is maximised."""
    lengths, R = np.array([3, 1, 2, 3, 3, 2]), np.array([1.0, 0, 0, 1, 0.5, 0])
    owner, G = np.repeat(np.arange(6), lengths), 6
    old, engine = rng.normal(-1, 0.3, (2, len(owner)))
    x = old + rng.choice([-0.5, -0.1, 0.1, 0.23, 0.5], len(owner))
    held, own = np.exp(x - old), lengths[owner]
    scaled = ((R - R.mean()) / (R.std() + 1e-8))[owner]
    A = np.array([r - fmean(np.delete(R, i)) for i, r in enumerate(R)])[owner]

    def surrogate(ratio, A, high=0.2):  # Eq. 36; the edge that a clip gives back is held still
        plain, edge = ratio * A, np.clip(ratio.real, 0.8, 1 + high) * A
        return np.where(plain.real <= edge, plain, edge)

    def roots(x):
        means = np.array([(x - old)[owner == i].mean() for i in range(G)])
        return np.exp(means)

    first = np.cumsum(lengths) - 1  # a token of each response
    objectives = {
        "VPG, RLOO": lambda x: (A * x).sum(),
        "PPO": lambda x: surrogate(np.exp(x - old), A).sum(),
        "GRPO": lambda x: (surrogate(np.exp(x - old), scaled) / own).sum(),
        "Dr. GRPO": lambda x: surrogate(np.exp(x - old), R[owner] - R.mean()).sum(),
        "DAPO": lambda x: G * surrogate(np.exp(x - old), scaled, 0.28).sum() / lengths.sum(),
        "CISPO": lambda x: G * (np.clip(held, 0.8, 1.28) * scaled * x).sum() / lengths.sum(),
        "GSPO": lambda x: surrogate(roots(x), scaled[first]).sum(),
        "engine": lambda x: (
            np.minimum(np.exp(old - engine), 2) * surrogate(np.exp(x - old), A)
        ).sum(),
    }
    weights = tokens.loss_weights(x - old, owner, R, lengths, old - engine)
    evidence.true("rows of the table", list(weights) == list(objectives))
    for name, objective in objectives.items():
        evidence.close(f"weight, {name}", weights[name], complex_step(objective, x))
    silent = {name: np.mean(weights[name] == 0) for name in weights}
    evidence.true("CISPO is never silent", silent["CISPO"] == 0 < silent["DAPO"] < silent["PPO"])


def begins(response, prefix):
    return response.startswith(prefix) and len(response) > len(prefix)


@check("kl-reward", "KL in the reward", "tokens.penalised", "complex step")
def kl_in_the_reward(evidence, rng):
    """R - beta log(pi/pi_ref), held still like any reward, has the gradient of
    E[R] - beta KL(pi||pi_ref): what its own slope would add has mean zero."""
    logits, reference = tables(rng, 2)
    for name, rewards in tokens.REWARDS.items():
        held = tokens.penalised(rewards, logits, reference, 0.3)
        oracle = complex_step(
            lambda z, r=rewards: tokens.mean(r, z) - 0.3 * tokens.kl(z, reference), logits
        )
        evidence.close(f"{name}: gradient", tokens.gradient(held, logits), oracle)
        goal = tokens.mean(rewards, logits) - 0.3 * tokens.kl(logits, reference)
        evidence.close(f"{name}: mean", tokens.mean(held, logits), goal)
    rows = distributions.log_softmax(logits), distributions.log_softmax(reference)
    visits = visits_of(logits)
    by_rows = visits @ (np.exp(rows[0]) * (rows[0] - rows[1])).sum(axis=1)
    evidence.close("KL = visits times the rows' KL", tokens.kl(logits, reference), by_rows)
    evidence.show("KL(pi||pi_ref)", by_rows)


def visits_of(logits):
    """How often the policy comes to each prefix (S,)."""
    chances = np.exp(tokens.log_probs(logits))
    return np.array(
        [
            sum(p for p, y in zip(chances, tokens.RESPONSES, strict=True) if begins(y, prefix))
            for prefix in tokens.PREFIXES
        ]
    )


@check("kl-losses", "k1, k2, k3 as losses", "tokens.kl_loss_gradients", "complex step")
def kl_as_a_loss(evidence, rng):
    """One k a response: k1's mean gradient is zero, k2's that of KL(pi||pi_ref), k3's that of
    KL(pi_ref||pi). One k a token: the same of each prefix's KL, the visits held still. The ratio
    times k3, differentiated, is right again, response by response."""
    logits, reference = tables(rng, 2)
    log_ratios = tokens.log_probs(reference) - tokens.log_probs(logits)
    k3 = distributions.kl_estimates(log_ratios)[1]
    forward = complex_step(lambda z: tokens.kl(z, reference), logits)
    backward = complex_step(lambda z: tokens.kl(reference, z), logits)
    losses = (
        lambda x: distributions.kl_estimates(x)[0],
        lambda x: 0.5 * x * x,
        lambda x: distributions.kl_estimates(x)[1],
    )
    for name, loss, slope in zip(
        ("k1", "k2", "k3"), losses, tokens.kl_slopes(log_ratios), strict=True
    ):
        oracle = np.diag(complex_step(lambda x, f=loss: f(-x), -log_ratios))
        evidence.close(f"{name}: slope by log pi", slope, oracle)
    gradients = tokens.kl_loss_gradients(logits, reference)
    evidence.close("k1: zero", gradients[0] + 1, np.ones((7, 3)))
    evidence.close("k2: KL(pi||pi_ref)", gradients[1], forward)
    evidence.close("k3: KL(pi_ref||pi)", gradients[2], backward)
    evidence.true("the two are not parallel", angle(forward, backward) < 0.999)

    visits = visits_of(logits)[:, None]
    new, ref = distributions.log_softmax(logits), distributions.log_softmax(reference)
    rows = complex_step(
        lambda z: distributions.categorical_kl(distributions.log_softmax(z), ref).sum(), logits
    )
    gradients = tokens.kl_loss_gradients(logits, reference, tokens=True)
    evidence.close("k1 a token: zero", gradients[0] + 1, np.ones((7, 3)))
    evidence.close("k2 a token: visits x d KL(pi||pi_ref)", gradients[1], visits * rows)
    evidence.close(
        "k3 a token: visits x (pi - pi_ref)", gradients[2], visits * (np.exp(new) - np.exp(ref))
    )
    evidence.true("k2 a token is not the whole gradient", angle(gradients[1], forward) < 0.999)

    (old,) = tables(rng)

    def corrected(log_probs):  # the ratio to the policy that wrote, times k3
        ratios = np.exp(log_probs - tokens.log_probs(old))
        return ratios * distributions.kl_estimates(tokens.log_probs(reference) - log_probs)[1]

    slopes = np.diag(complex_step(corrected, tokens.log_probs(logits)))
    ratios = tokens.ratios(logits, old)[1]
    evidence.close("ratio k3: slope ratio log(pi/pi_ref)", slopes, -ratios * log_ratios)
    weighted = np.exp(tokens.log_probs(old)) * slopes
    mean = np.tensordot(weighted, tokens.scores(logits), axes=1)
    evidence.close("its mean under old: KL(pi||pi_ref)", mean, forward)
    in_reward = tokens.gradient(k3, logits)
    evidence.close("k3 in the reward: the two KLs' difference", in_reward, forward - backward)
    evidence.show("cosine of k2 a token with the whole", angle(gradients[1], forward))
    evidence.show("cosine of k3 a token with the whole", angle(gradients[2], forward))
    evidence.show("cosine of k3 a response with the whole", angle(backward, forward))


@check("tilted", "the tilted policy", "tokens.tilted", "complex step")
def tilted_policy(evidence, rng):
    """E[R] - beta KL(pi||pi_ref) = beta log Z - beta KL(pi||pi*) for every policy, so pi* is
    best; a table of logits can be it, and there the gradient is zero."""
    logits, reference = tables(rng, 2)
    for name, rewards in {**tokens.REWARDS, "random": rng.normal(size=15)}.items():
        best, log_Z = tokens.tilted(rewards, reference, 0.4)
        at = tokens.logits_of(best)
        evidence.close(f"{name}: as logits", np.exp(tokens.log_probs(at)), best)
        evidence.close(f"{name}: sums to 1", math.fsum(best), 1)

        def goal(z, rewards=rewards):
            return tokens.mean(rewards, z) - 0.4 * tokens.kl(z, reference)

        evidence.close(f"{name}: at the best", goal(at), 0.4 * log_Z)
        evidence.close(f"{name}: elsewhere", goal(logits), 0.4 * (log_Z - tokens.kl(logits, at)))
        evidence.close(f"{name}: gradient zero", 1 + complex_step(goal, at), np.ones((7, 3)))
    evidence.show(
        "hard, beta 0.4: chance of ba., before and after",
        np.array(
            [
                np.exp(tokens.log_probs(reference))[place("ba.")],
                tokens.tilted(tokens.REWARDS["hard"], reference, 0.4)[0][place("ba.")],
            ]
        ),
    )


@check("dpo", "DPO", "tokens.dpo_loss", "complex step")
def preference_loss(evidence, rng):
    """Its slopes are those of -log sigmoid(h); down to the logits it is a difference of scores,
    in which shared tokens cancel, and e_w - e_l where the two part. Over all pairs, preferred as
    the rewards' difference says, Eq. 56's policy is at rest."""
    logits, reference = tables(rng, 2)
    pairs = np.array([[place("ab."), place("abb")], [place("a."), place("bba")], [place("b."), 14]])
    ref = tokens.log_probs(reference)[pairs]

    def loss(z):
        return tokens.dpo_loss(tokens.log_probs(z)[pairs], ref, 0.5)[0]

    value, slopes = tokens.dpo_loss(tokens.log_probs(logits)[pairs], ref, 0.5)
    ratios = np.exp(tokens.log_probs(logits)[pairs] - ref)
    by_hand = [-math.log(1 / (1 + (lost / won) ** 0.5)) for won, lost in ratios]
    evidence.close("loss", value, fmean(by_hand))
    actual = np.tensordot(slopes, tokens.scores(logits)[pairs], axes=2)
    evidence.close("at the logits", actual, complex_step(loss, logits))
    gradient = np.tensordot(slopes[0], tokens.scores(logits)[pairs[0]], axes=1)
    fork = np.zeros((7, 3))
    fork[tokens.PREFIXES.index("ab")] = slopes[0, 0] * np.array([0, -1, 1])
    evidence.close("ab. and abb part at the end", gradient, fork)
    evidence.show("the row after ab", gradient[tokens.PREFIXES.index("ab")])

    rewards = rng.normal(size=15)
    best, _ = tokens.tilted(rewards, reference, 0.5)
    everyone = np.array([[w, lost] for w in range(15) for lost in range(15) if w != lost])
    won = 1 / (1 + np.exp(rewards[everyone[:, 1]] - rewards[everyone[:, 0]]))
    at = tokens.logits_of(best)
    log_probs, ref = tokens.log_probs(at)[everyone], tokens.log_probs(reference)[everyone]
    implicit = 0.5 * (log_probs - ref)
    differences = rewards[everyone[:, 0]] - rewards[everyone[:, 1]]
    evidence.close("implicit reward's differences", implicit[:, 0] - implicit[:, 1], differences)
    _, slopes = tokens.dpo_loss(log_probs, ref, 0.5)
    weighted = won[:, None] * slopes * len(everyone)
    rest = np.tensordot(weighted, tokens.scores(at)[everyone], axes=2)
    evidence.close("at rest", 1 + rest, np.ones((7, 3)))
