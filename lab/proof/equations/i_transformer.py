"""I. A transformer by hand: Eq. 58–64. B texts, T places, H heads."""

import numpy as np

from lab.language.transformer import sized, stair
from lab.proof.evidence import check, complex_step

SIZES = ((2, 1, 1, 2), (6, 2, 3, 5), (6, 3, 2, 1))  # numbers a row, heads, texts, places


def slopes(forward, weights, *arguments):
    """The complex step of (forward(*arguments) * weights).sum(), by each of its arguments."""

    def loss(x, n):
        return (forward(*arguments[:n], x, *arguments[n + 1 :]) * weights).sum()

    return [complex_step(lambda x, n=n: loss(x, n), x) for n, x in enumerate(arguments)]


@check("token-rows", "one row a token", "10_language.policy_slope", "complex step")
def token_rows(evidence, rng):
    """A row at each place is Eq. 19's, times its text's weight over the number of texts; rows of
    the prompt, and of what follows the full stop, are 0."""
    for words, count in (
        (("1+1=2..",), (2,)),
        (("1+1=2..", "3+8=11.", "9+0=.4+", "3+8=1+="), (2, 3, 1, 3)),
    ):
        text, weight = stair.encode(words), rng.normal(size=len(words))
        logits = rng.normal(0, 2, (len(text) * 6, stair.V))

        def loss(logits, text=text, weight=weight, count=count):
            """`count` characters of an answer are chosen by somebody and read by somebody."""
            total = 0
            for b, rows in enumerate(logits.reshape(len(text), 6, -1)):
                for t in range(3, 3 + count[b]):
                    log_prob = rows[t, text[b, t + 1]] - np.log(np.exp(rows[t]).sum())
                    total = total - weight[b] / len(text) * log_prob
            return total

        actual = stair.policy_slope(logits, text, weight)
        label = f"slopes by the logits: B {len(text)}"
        evidence.close(label, actual, complex_step(loss, logits))
    evidence.true("prompts' rows are 0", not actual.reshape(4, 6, -1)[:, :3].any())


@check("rms-norm", "back through a norm", "10_language.norm_backward", "complex step")
def rms_norm(evidence, rng):
    """Of the gradient by a normed row goes what lies along the row; what is left is divided by the
    row's root mean square. It is the complex step's, for rows of any length."""
    for rows, numbers, spread in ((3, 3, 1.0), (4, 5, 30.0), (2, 32, 1e-3)):
        x, dy = rng.normal(0, spread, (rows, numbers)), rng.normal(size=(rows, numbers))
        y, r = stair.norm_forward(x)
        (oracle,) = slopes(lambda x: stair.norm_forward(x)[0], dy, x)
        actual = stair.norm_backward(dy, y, r)
        evidence.close(f"slopes, {numbers} numbers of size {spread:g}", actual, oracle)
    x, dy = rng.normal(0, 1e6, (3, 5)), rng.normal(size=(3, 5))  # ε is nothing beside them
    dx = stair.norm_backward(dy, *stair.norm_forward(x))
    evidence.close("no part along x: 1 + dx x", 1 + (dx * x).sum(axis=1), np.ones(3))


def read(rng, D, H, B, T):
    """Queries, keys and values of some texts, and a gradient by what is read: each (B·T,D)."""
    return rng.normal(size=(4, B * T, D))


def attention(q, k, v, T):
    return stair.attention_forward(q, k, v, T)[0]


def compare_attention(evidence, rng, *which):
    """Slopes by queries, keys and values (0, 1, 2), as far as asked for, by complex step."""
    names = "queries", "keys", "values"
    for D, H, B, T in SIZES:
        with sized(D, H):
            *qkv, dy = read(rng, D, H, B, T)
            actual = stair.attention_backward(dy, stair.attention_forward(*qkv, T)[1])
            oracle = slopes(lambda q, k, v, T=T: attention(q, k, v, T), dy, *qkv)
            for n in which:
                label = f"by {names[n]}: B {B}, T {T}, H {H}"
                evidence.close(label, actual[n], oracle[n])


@check("attention", "values, and who reads", "10_language.attention_backward", "complex step")
def values_read(evidence, rng):
    """A place reads a mean of its own value and of those before it, and of no later one; back, a
    value collects from all who read it, each by its share."""
    compare_attention(evidence, rng, 2)
    with sized(6, 2):
        q, k, v, _ = read(rng, 6, 2, 1, 4)
        weights = np.zeros((4, 6))
        weights[1] = rng.normal(size=6)  # of what the second place reads alone
        oracle = slopes(lambda q, k, v: attention(q, k, v, 4), weights, q, k, v)[2]
        actual = stair.attention_backward(weights, stair.attention_forward(q, k, v, 4)[1])[2]
        evidence.close("of one reader alone", actual, oracle)
        evidence.true("a later place has no part in it", not actual[2:].any())
        evidence.show(
            "what each place reads, head 1", stair.attention_forward(q, k, v, 4)[1][3][0, 0]
        )


@check("attention-softmax", "the softmax inside", "10_language.attention_backward", "enumeration")
def attention_softmax(evidence, rng):
    """The gradient by a row of S is the mean of dA times the score of a policy that chooses what
    to read, summed here choice by choice; the queries' gradient is the complex step's, too."""
    compare_attention(evidence, rng, 0)
    for D, H, B, T in SIZES:
        with sized(D, H):
            *qkv, dy = read(rng, D, H, B, T)
            _, cache = stair.attention_forward(*qkv, T)
            k, v, A = cache[1:]
            oracle = np.zeros((B, T, H, D // H))
            for b, h, t in np.ndindex(B, H, T):
                for s in range(t + 1):  # chosen with probability A, worth dy · v
                    worth = dy[b * T + t, h * D // H : (h + 1) * D // H] @ v[b, s, h]
                    score = (np.arange(T) == s) - A[b, h, t]
                    oracle[b, t, h] += A[b, h, t, s] * worth * score @ k[b, :, h]
            oracle = oracle.reshape(B * T, D) / np.sqrt(D // H)
            actual = stair.attention_backward(dy, cache)[0]
            evidence.close(f"by scores: B {B}, T {T}, H {H}", actual, oracle)


@check("queries-keys", "queries and keys", "10_language.attention_backward", "complex step")
def queries_keys(evidence, rng):
    """Queries collect keys, keys collect queries, by the slopes of S, over the root of a head's
    size; places of which one cannot read the other say nothing."""
    compare_attention(evidence, rng, 0, 1)
    with sized(6, 2):
        q, k, v, dy = read(rng, 6, 2, 1, 4)
        dk = stair.attention_backward(dy, stair.attention_forward(q, k, v, 4)[1])[1]
        more = k + 0.7 * rng.normal(size=6)  # one row for all places: every query finds it alike
        same = attention(q, more, v, 4)
        evidence.close("keys that all move alike", same, attention(q, k, v, 4))
        evidence.close("and so 1 + the sum of dK", 1 + dk.sum(axis=0), np.ones(6))


@check("residual", "where ways meet", "10_language.Model.backward", "complex step")
def where_ways_meet(evidence, rng):
    """A sum over the ways that a row goes: the whole page's gradient, each matrix in three
    directions, is the complex step's."""
    model = stair.Model(rng, complex)
    start = model.parameters.copy()
    text, weight = stair.encode(["1+1=2..", "3+8=11.", "9+0=.4+"]), rng.normal(size=3)
    logits, cache = model.forward(text[:, :-1])
    dlogits = stair.policy_slope(logits.real, text, weight)
    gradient = model.backward(dlogits, cache)
    sizes = [m * n for m, n in stair.SHAPES.values()]
    ends = np.cumsum(sizes)
    for name, size, last in zip(stair.SHAPES, sizes, ends, strict=True):
        step = np.zeros((3, len(start)))
        step[:, last - size : last] = rng.normal(size=(3, size))
        oracle = []
        for direction in step:
            model.parameters[:] = start + 1e-30j * direction
            oracle.append(np.imag((model.forward(text[:, :-1])[0] * dlogits).sum()) / 1e-30)
        evidence.close(f"{name}, three directions", step @ gradient.real, oracle)
    model.parameters[:] = start


@check("embedding", "a sum over places", "10_language.embed_backward", "complex step")
def embedding(evidence, rng):
    """A character's row collects from every place where it stands, twice where it stands twice,
    and a place's row from all texts; a character that is nowhere gets nothing."""
    for text, D, V in (([[0, 1, 0]], 2, 3), ([[2, 0], [2, 2]], 3, 4)):
        with sized(D, 1, V):
            text = np.array(text)
            We, Wp = rng.normal(size=(V, D)), rng.normal(size=(text.shape[1], D))
            dx = rng.normal(size=(text.size, D))
            oracle = slopes(lambda We, Wp, text=text: stair.embed_forward(text, We, Wp), dx, We, Wp)
            for name, actual, other in zip(
                ("characters", "places"), stair.embed_backward(dx, text), oracle, strict=True
            ):
                evidence.close(f"{name}: B {len(text)}", actual, other)
