"""A language so small that every gradient of a language model in it is known exactly.

Three tokens: a, b and the full stop, which ends a response; after three tokens it is cut
off. That makes 15 responses, and seven prefixes after which a token is chosen. A verifier
pays 1 for a right response and 0 otherwise; what is right depends on the prompt. Every
response is listed with its probability, and so is every group of a few responses, so
that means and biases are finite sums here, not simulations.

In the order of the file:
    the responses, the prompts
    Eq. 49      a policy over responses, and its scores
    Eq. 50–52   credit from a group: what its estimate is on average
    Eq. 53      ratios, for responses that an older policy wrote; many losses' weights
    Eq. 54, 55  the KL to a reference, in the reward and as a loss
    Eq. 56      the best policy that stays near a reference
    Eq. 57      direct preference optimization (DPO)

Shapes: Y = 15 responses, T = 3 tokens at most, S = 7 prefixes, K = 3 tokens, G responses
in a group, B pairs of responses. A policy for one prompt is a table of logits (S,K), and
functions of it take complex numbers too, for complex steps.
"""

import math

import numpy as np

import advantages
import distributions

# ------------------------------------------------ the responses, the prompts

TOKENS = "ab."
LONGEST = 3


def _responses(prefix=""):
    if prefix.endswith(".") or len(prefix) == LONGEST:
        return [prefix]
    return [response for token in TOKENS for response in _responses(prefix + token)]


RESPONSES = _responses()
PREFIXES = sorted({y[:t] for y in RESPONSES for t in range(len(y))}, key=lambda y: (len(y), y))
LENGTHS = np.array([len(response) for response in RESPONSES])
# Response y's token t is TOKENS[WRITTEN[y, t]], chosen after PREFIXES[AFTER[y, t]], if t is
# WITHIN the response. All are (Y,T).
WITHIN = np.arange(LONGEST) < LENGTHS[:, None]
WRITTEN = np.array([[TOKENS.index(token) for token in y.ljust(LONGEST, ".")] for y in RESPONSES])
AFTER = np.array([[PREFIXES.index(y[: min(t, len(y) - 1)]) for t in range(3)] for y in RESPONSES])

VERIFIERS = {  # prompt -> is this response right?
    "easy": lambda response: "a" in response,
    "middle": lambda response: response.endswith("b."),
    "hard": lambda response: response == "ba.",
}
REWARDS = {  # prompt -> (Y,)
    prompt: np.array([float(right(response)) for response in RESPONSES])
    for prompt, right in VERIFIERS.items()
}

# ------------------------------------------------ a policy over responses


def token_log_probs(logits):
    """logits (S,K) -> log-probability of every token of every response (Y,T), 0 behind its end."""
    return np.where(WITHIN, distributions.log_softmax(logits)[AFTER, WRITTEN], 0)


def log_probs(logits):
    """logits (S,K) -> log-probability of every response (Y,), Eq. 49."""
    # Eq. 49: log π(y|x) = Σₜ log π(yₜ|x, y₍ₜ), the prompt x being fixed
    return token_log_probs(logits).sum(axis=1)


def token_scores(logits):
    """logits (S,K) -> what each token's log-probability has at the logits (Y,T,S,K), Eq. 49."""
    probs = np.exp(distributions.log_softmax(logits))
    found = np.zeros((*WRITTEN.shape, *logits.shape), logits.dtype)
    y, t = np.nonzero(WITHIN)
    # Eq. 49: e − π at the logits of the prefix that the token follows; Eq. 19 with slope 1
    found[y, t, AFTER[y, t]] = distributions.categorical_log_prob_backward(
        np.ones(len(y)), WRITTEN[y, t], probs[AFTER[y, t]]
    )
    return found


def scores(logits):
    """logits (S,K) -> gradient of every response's log-probability (Y,S,K), Eq. 49."""
    return token_scores(logits).sum(axis=1)


def mean(values, logits):
    """The policy's mean of a function of the response: values (Y,), logits (S,K) -> a number."""
    return np.exp(log_probs(logits)) @ values


def gradient(values, logits):
    """The gradient of that mean, `values` held still -> (S,K), Eq. 49."""
    # Eq. 49: ∇E[f(y)] = E[f(y) ∇log π(y|x)]
    return np.tensordot(np.exp(log_probs(logits)) * values, scores(logits), axes=1)


# ------------------------------------------------ credit from a group


def group_gradient(logits, size, credit):
    """The mean, over every group of `size` responses, of (1/G) Σᵢ Âᵢ ∇log π(yᵢ|x) -> (S,K).

    credit(members) gets groups, (M,G) ints that index RESPONSES, and gives each
    member's weight Â (M,G). There are 15^G groups.
    """
    groups = np.indices((len(RESPONSES),) * size).reshape(size, -1).T
    chances = np.exp(log_probs(logits))[groups].prod(axis=1)
    weights = chances[:, None] * credit(groups) / size
    by_response = np.bincount(groups.ravel(), weights.ravel(), len(RESPONSES))
    return np.tensordot(by_response, scores(logits), axes=1)


def deviation_weight(pass_rate, size):
    """How much longer dividing by a group's σ makes a prompt's mean gradient, Eq. 51.

    pass_rate p (...) in (0,1), size G -> (...), for rewards 0 and 1.
    """
    p = np.asarray(pass_rate)[..., None]
    right = np.arange(size + 1)
    ways = np.array([math.comb(size, k) for k in right])
    # Eq. 51: with k of G right, σ = √(k(G−k))/G; its mean over k, divided by p(1−p)
    deviations = np.sqrt(right * (size - right)) / size
    return (ways * p**right * (1 - p) ** (size - right) @ deviations) / (p * (1 - p))[..., 0]


def per_length(logits, rewards):
    """What dividing by each response's own length climbs, held still: (Y,), Eq. 52."""
    # Eq. 52: (R(y) − p̄)/|y|, p̄ = E[R]
    return (rewards - mean(rewards, logits)) / LENGTHS


# ------------------------------------------------ an older policy's responses


def ratios(logits, old_logits):
    """New probability over old, Eq. 53: two (S,K) -> (Y,T), (Y,), (Y,).

    Of each token, of the whole response, and the latter's root, by its length.
    """
    # Eq. 53: ρₜ, ρ(y) = Πₜ ρₜ and ρ(y)^(1/|y|), all from differences of logarithms
    differences = token_log_probs(logits) - token_log_probs(old_logits)
    whole = differences.sum(axis=1)
    return np.exp(differences), np.exp(whole), np.exp(whole / LENGTHS)


def ratio_gradients(values, logits, old_logits):
    """The old policy's mean of values · ∇ratio, for the three ratios of Eq. 53 -> three (S,K)."""
    of_tokens, whole, root = ratios(logits, old_logits)
    weights = np.exp(log_probs(old_logits)) * values
    tokens, responses = token_scores(logits), scores(logits)
    # Eq. 53: ∇ρ = ρ ∇log π, of a token or a response; the root has one 1/|y| more
    return (
        np.einsum("y,yt,ytsk->sk", weights, of_tokens, tokens),
        np.tensordot(weights * whole, responses, axes=1),
        np.tensordot(weights * root / LENGTHS, responses, axes=1),
    )


def loss_weights(log_ratios, owner, rewards, lengths, generated, low=0.2, high=0.28, most=2.0):
    """What each loss of Chapter H's last table puts before e − π of a token -> {row: (B,)}, Eq. 19.

    −G ∂L/∂log π for one group of G responses with B tokens: log_ratios (B,), log π − log π_old;
    owner (B,) ints, whose token it is; rewards, lengths (G,); generated (B,), log π_old less the
    log-probability that the engine which wrote the token gave it.
    """
    A, scaled = (
        advantages.group_advantages(rewards[None], scale)[0][owner] for scale in (False, True)
    )
    ratios, root = np.exp(log_ratios), np.exp(np.bincount(owner, log_ratios) / lengths)[owner]
    own, mean_length = lengths[owner], lengths.mean()

    def clipped(ratio, high):  # Eq. 37, 38: cρ
        return ratio * ~((A > 0) & (ratio > 1 + high) | (A < 0) & (ratio < 1 - low))

    return {
        "VPG, RLOO": A,
        "PPO": clipped(ratios, low) * A,
        "GRPO": clipped(ratios, low) * scaled / own,
        "Dr. GRPO": clipped(ratios, low) * A * (1 - 1 / len(rewards)),  # R − R̄
        "DAPO": clipped(ratios, high) * scaled / mean_length,
        "CISPO": np.clip(ratios, 1 - low, 1 + high) * scaled / mean_length,
        "GSPO": clipped(root, low) * scaled / own,
        "engine": np.minimum(np.exp(generated), most) * clipped(ratios, low) * A,
    }


# ------------------------------------------------ the KL to a reference


def kl(logits, other_logits):
    """KL(π‖other) over whole responses: two (S,K) -> a number in nats."""
    return np.exp(log_probs(logits)) @ (log_probs(logits) - log_probs(other_logits))


def penalised(rewards, logits, reference, beta):
    """Rewards that pay for distance, Eq. 54: (Y,), two (S,K), a float -> (Y,), held still."""
    # Eq. 54: R(y) − β log(π(y)/π_ref(y)), which is k₁ in the reward
    return rewards - beta * (log_probs(logits) - log_probs(reference))


def kl_slopes(log_ratios):
    """Slopes of k1, k2 and k3 by log π, Eq. 55: log(π_ref/π) (...) -> three (...)."""
    # Eq. 55: ∂k₁ = 1, ∂k₂ = log(π/π_ref), ∂k₃ = 1 − π_ref/π, for ∂(π_ref/π)/∂log π = −π_ref/π
    return np.ones_like(log_ratios), -log_ratios, -np.expm1(log_ratios)


def kl_loss_gradients(logits, reference, tokens=False):
    """The means of the gradients of k1, k2, k3 as losses, Eq. 55: two (S,K) -> three (S,K).

    Under responses of the current policy. One k a response, or one k a token, added up.
    """
    chances = np.exp(log_probs(logits))
    if tokens:
        slopes = kl_slopes(token_log_probs(reference) - token_log_probs(logits))
        return [np.einsum("y,yt,ytsk->sk", chances, k, token_scores(logits)) for k in slopes]
    slopes = kl_slopes(log_probs(reference) - log_probs(logits))
    return [np.tensordot(chances * k, scores(logits), axes=1) for k in slopes]


# ------------------------------------------------ the best policy near a reference


def tilted(rewards, reference, beta):
    """The policy that maximises E[R] − β KL(π‖π_ref), Eq. 56: (Y,), (S,K) -> (Y,), log Z."""
    # Eq. 56: π*(y) = π_ref(y) exp(R(y)/β) / Z
    weights = np.exp(log_probs(reference) + rewards / beta)
    return weights / weights.sum(), np.log(weights.sum())


def logits_of(probabilities):
    """A table of logits that writes each response with this probability: (Y,) > 0 -> (S,K)."""
    through = np.zeros((len(PREFIXES), len(TOKENS)))
    np.add.at(through, (AFTER[WITHIN], WRITTEN[WITHIN]), np.repeat(probabilities, LENGTHS))
    return np.log(through)


def dpo_loss(log_probs, reference_log_probs, beta):
    """Direct preference optimization, Eq. 57: two (B,2), a float -> loss, dlog_probs (B,2).

    Each row is a pair of responses to one prompt: the preferred one, then the other.
    """
    # Eq. 57: h = β log(π/π_ref) of the preferred, less that of the other; L = −mean log sigmoid(h)
    log_ratios = log_probs - reference_log_probs
    margins = beta * (log_ratios[:, 0] - log_ratios[:, 1])
    loss = np.mean(np.log1p(np.exp(-margins)))
    # Eq. 57: ∂L/∂log π = ∓β sigmoid(−h)/N
    slopes = beta / (1 + np.exp(margins)) / len(margins)
    return loss, np.stack([-slopes, slopes], axis=1)
