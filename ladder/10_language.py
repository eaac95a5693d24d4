# /// script
# dependencies = ["numpy>=1.26"]
# ///
"""A language model by hand: a transformer that learns to add single digits, `3+8=11.`
New: a token is an action, a text an episode; attention and its backward; groups, Eq. 50.
Bought: of its answers ?% are right; the teacher that it starts from is right in 20.4%.
Still wrong: a prompt whose answers are all wrong alike is told nothing, Eq. 50 is 0 there.

Shapes: B texts, T places (characters read), B·T rows, one a place, text after text;
D numbers a row, H heads of C = D / H, F units, V characters; I, O of a layer; P in all.
dx is dLoss/dx and has x's shape. Eq. ?: of Chapter I, the others of README."""

import sys

try:
    import numpy as np
except ImportError as error:
    print(f"{error}: pip install numpy, or uv run {sys.argv[0]}", file=sys.stderr)
    sys.exit(2)

CHARACTERS, PROMPT, ANSWER = "0123456789+=.", 4, 3  # `9+9=` has 4 of them, `18.` 3
V, D, H, C, F, MAX_T = len(CHARACTERS), 32, 4, 8, 128, PROMPT + ANSWER - 1
NOISE, START, UPDATES, G, STEP_SIZE, MAX_NORM = 2, 500, 400, 8, 3e-3, 1.0
SHAPES = {"We": (V, D), "Wp": (MAX_T, D), "Wq": (D, D), "Wk": (D, D), "Wv": (D, D)}
SHAPES |= {"Wo": (D, D), "W1": (D, F), "W2": (F, D), "Wu": (D, V)}


def linear_forward(x, W):  # (B·T,I) (I,O) -> y (B·T,O), Eq. 27 without b
    return x @ W


def linear_backward(dy, x, W):  # dy (B·T,O) -> dx (B·T,I), dW (I,O)
    return dy @ W.T, x.T @ dy  # Eq. 27: X̄ = Ȳ Wᵀ, W̄ = Xᵀ Ȳ


def embed_forward(text, We, Wp):  # text (B,T) -> x (B·T,D): We's row of the character
    return (We[text] + Wp[: text.shape[1]]).reshape(-1, D)  # plus Wp's row of the place


def embed_backward(dx, text, We, Wp):  # dx (B·T,D) -> dWe (V,D), dWp (MAX_T,D)
    onehot, dWp = np.eye(V, dtype=dx.dtype)[text.ravel()], np.zeros_like(Wp)
    dWp[: text.shape[1]] = dx.reshape(*text.shape, D).sum(axis=0)  # Eq. ?: over the texts
    return onehot.T @ dx, dWp  # Eq. ?: a character's sum over all places where it stands


def norm_forward(x):  # x (B·T,D) -> y, x over the root of its mean square, and that root
    r = np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-6)
    return x / r, r


def norm_backward(dy, y, r):  # dy, y (B·T,D), r (B·T,1) -> dx (B·T,D)
    along = (dy * y).mean(axis=1, keepdims=True)  # what would only make x longer
    return (dy - along * y) / r  # Eq. ?: it drops out, for y keeps its length


def softmax(z):  # along the last axis, Eq. 17; the largest by real parts: z may be complex
    e = np.exp(z - z.real.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def split(x, T):  # (B·T,D) -> (B,H,T,C): each text and each head for itself
    return x.reshape(-1, T, H, C).swapaxes(1, 2)


def join(x):  # (B,H,T,C) -> (B·T,D): split undone, and so its backward
    return x.swapaxes(1, 2).reshape(-1, D)


def attention_forward(q, k, v, T):  # q, k, v (B·T,D) -> y (B·T,D), cache
    q, k, v = split(q, T), split(k, T), split(v, T)
    scores = q @ k.swapaxes(2, 3) * C**-0.5  # (B,H,T,T): a row a reader, a column a read
    past = np.tri(T, dtype=bool)  # causal: who stands at t reads 1 … t, never its answer
    A = softmax(np.where(past, scores, -np.inf))
    return join(A @ v), (q, k, v, A)  # each reads the mean of v that its row of A weighs


def attention_backward(dy, cache):  # dy (B·T,D) -> dq, dk, dv (B·T,D)
    q, k, v, A = cache
    dy = split(dy, A.shape[-1])
    dv = A.swapaxes(2, 3) @ dy  # Eq. ?: V̄ = Aᵀ Ȳ: a place gathers from all who read it
    dA = dy @ v.swapaxes(2, 3)  # Eq. ?: Ā = Ȳ Vᵀ: what it is worth to read more there
    U = dA - (A * dA).sum(axis=-1, keepdims=True)  # less what the row's mean is worth
    dscores = A * U  # Eq. ?: softmax's slope: Eq. 21 with another U; 0 where A is 0
    dq = dscores @ k * C**-0.5  # Eq. ?: Q̄ = S̄ K / √C
    dk = dscores.swapaxes(2, 3) @ q * C**-0.5  # Eq. ?: K̄ = S̄ᵀ Q / √C
    return join(dq), join(dk), join(dv)


class Model:  # its matrices We … Wu are views of one vector of parameters (P,)
    def __init__(self, rng, dtype=np.float32):
        sizes = [rows * columns for rows, columns in SHAPES.values()]
        self.parameters = np.zeros(sum(sizes), dtype)
        parts = np.split(self.parameters, np.cumsum(sizes[:-1]))
        for part, (name, shape) in zip(parts, SHAPES.items()):
            setattr(self, name, part.reshape(shape))
            part[:] = rng.normal(size=part.size) * shape[0] ** -0.5  # keeps x's size
        self.m, self.v, self.t = 0 * self.parameters, 0 * self.parameters, 0

    def forward(self, text):  # (B,T) of numbers of characters -> logits (B·T,V), cache
        x = embed_forward(text, self.We, self.Wp)
        a, r1 = norm_forward(x)
        q, k, v = (linear_forward(a, W) for W in (self.Wq, self.Wk, self.Wv))
        y, heads = attention_forward(q, k, v, text.shape[1])
        x = x + linear_forward(y, self.Wo)  # added to x, which goes on unchanged
        b, r2 = norm_forward(x)
        h = np.tanh(linear_forward(b, self.W1))  # Eq. 28
        x = x + linear_forward(h, self.W2)
        c, r3 = norm_forward(x)
        return linear_forward(c, self.Wu), (text, a, r1, heads, y, b, r2, h, c, r3)

    def backward(self, dlogits, cache):  # dlogits (B·T,V) -> gradient (P,), last line first
        text, a, r1, heads, y, b, r2, h, c, r3 = cache
        dc, dWu = linear_backward(dlogits, c, self.Wu)
        dx = norm_backward(dc, c, r3)
        dh, dW2 = linear_backward(dx, h, self.W2)
        db, dW1 = linear_backward(dh * (1 - h * h), b, self.W1)  # Eq. 28: tanh's bend
        dx = dx + norm_backward(db, b, r2)  # Eq. ?: two ways lead from x: they add
        dy, dWo = linear_backward(dx, y, self.Wo)
        dq, dk, dv = attention_backward(dy, heads)
        da_q, dWq = linear_backward(dq, a, self.Wq)
        da_k, dWk = linear_backward(dk, a, self.Wk)
        da_v, dWv = linear_backward(dv, a, self.Wv)
        dx = dx + norm_backward(da_q + da_k + da_v, a, r1)  # a was used three times
        dWe, dWp = embed_backward(dx, text, self.We, self.Wp)
        gradient = dWe, dWp, dWq, dWk, dWv, dWo, dW1, dW2, dWu  # in SHAPES' order
        return np.concatenate([dW.ravel() for dW in gradient])

    def step(self, g, step_size):
        """Shorten g (P,), Eq. 32; Adam's step, Eq. 31, with β 0.9 and 0.999, ε 1e-8."""
        g = g * min(1, MAX_NORM / (np.sqrt(g @ g) + 1e-6))  # Eq. 32
        self.t += 1
        self.m += (1 - 0.9) * (g - self.m)  # Eq. 31
        self.v += (1 - 0.999) * (g * g - self.v)
        m_hat, v_hat = self.m / (1 - 0.9**self.t), self.v / (1 - 0.999**self.t)
        self.parameters -= step_size * m_hat / (np.sqrt(v_hat) + 1e-8)


def encode(texts):  # strings -> (B, length) numbers of characters
    return np.array([[CHARACTERS.index(c) for c in text] for text in texts])


def decode(text):  # encode undone
    return ["".join(row) for row in np.array(list(CHARACTERS))[text]]


def teach(prompts, rng):  # prompts (B,4) -> texts (B,7): sums that miss by up to NOISE
    miss, texts = rng.integers(-NOISE, NOISE + 1, len(prompts)), decode(prompts)
    sums = [abs(int(p[0]) + int(p[2]) + off) for p, off in zip(texts, miss)]
    return encode([p + f"{n}..."[:ANSWER] for p, n in zip(texts, sums)])


def verify(text):  # rewards (B,): 1 for the sum and a full stop; what follows is not read
    right = [t.startswith(f"{int(t[0]) + int(t[2])}.", PROMPT) for t in decode(text)]
    return np.array(right, float)


def respond(model, prompts, rng=None):  # (B,4) -> texts (B,7): drawn, or the likeliest
    text = prompts
    for _ in range(ANSWER):
        probs = softmax(model.forward(text)[0].reshape(*text.shape, V)[:, -1])
        edges = probs.cumsum(axis=1)[:, :-1] if rng else None  # shares of [0, 1)
        token = (rng.random((len(text), 1)) >= edges).sum(axis=1) if rng else probs.argmax(1)
        text = np.column_stack([text, token])
    return text


def credit(reward):  # rewards (B,), a group after the other -> advantages (B,)
    reward = reward.reshape(-1, G)  # Eq. 50: less the mean of the others of its group
    return ((reward - reward.mean(axis=1, keepdims=True)) * G / (G - 1)).ravel()


def policy_slope(logits, text, weight):
    """dlogits (B·T,V) of −Σ weight log π(text) / B, Eq. 49; text (B,T+1), weight (B,)."""
    stop = text == CHARACTERS.index(".")
    counts = (stop.cumsum(axis=1) - stop == 0)[:, 1:]  # after a full stop nothing does,
    counts[:, : PROMPT - 1] = False  # nor does the prompt, which was given
    w = (weight[:, None] * counts / len(text)).reshape(-1, 1).astype(logits.dtype)
    onehot = np.eye(V, dtype=logits.dtype)[text[:, 1:].ravel()]
    return -w * (onehot - softmax(logits))  # Eq. 19, 22: one row a token


def train(seed):  # after each update: how many, the model
    rng = np.random.default_rng(seed)
    model, prompts = Model(rng), np.repeat(ALL, G, axis=0)
    for update in range(START + UPDATES):
        if update < START:  # supervised: each text of the teacher's counts alike
            text, weight = teach(prompts, rng), np.ones(len(prompts))
        else:  # policy gradient: its own texts; drawn anew for each step, so no ratio
            text = respond(model, prompts, rng)
            weight = credit(verify(text))
        logits, cache = model.forward(text[:, :-1])
        left = min(1, (START + UPDATES - update) / UPDATES)  # the step falls to 0
        model.step(
            model.backward(policy_slope(logits, text, weight), cache), STEP_SIZE * left
        )
        yield update + 1, model


ALL = encode([f"{a}+{b}=" for a in range(10) for b in range(10)])


def judge(model, rng, n=10):
    drawn, greedy = respond(model, np.repeat(ALL, n, axis=0), rng), respond(model, ALL)
    return 100 * verify(drawn).mean(), 100 * verify(greedy).mean(), decode(drawn[::n])


if __name__ == "__main__":
    seed = " ".join(sys.argv[1:] or ["0"])
    if not seed.isdecimal() or len(seed) > 9:
        print(f"the seed is a whole number below 10**9, not {seed!r}", file=sys.stderr)
        sys.exit(2)
    rng = np.random.default_rng(int(seed) + 1)
    for update, model in train(int(seed)):
        if update % 50 == 0:
            sampled, greedy, texts = judge(model, rng)
            print(f"{update:>5} {sampled:5.1f}% {greedy:3.0f}%", *texts[38:100:17])
    sampled, greedy, _ = judge(model, rng, 100)
    print(f"sampled {sampled:.1f}% right, greedy {greedy:.0f}%")
