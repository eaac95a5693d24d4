"""The network and its optimiser, forward and backward, by hand.

Nothing here knows what the numbers mean: no actions, rewards, policies or
environments. Each `*_forward` has its `*_backward` twin right below it, and a
gradient is called `d` + the name of what it belongs to: `dW` is dLoss/dW and
has W's shape.

In the order of the file:
    Eq. 27  the linear layer
    Eq. 28  tanh and ReLU
    Eq. 30  orthogonal initial weights
    Eq. 29  the whole network, MLP
    Eq. 32  clipping a gradient's norm
    Eq. 31  Adam

Shapes: B rows of a batch, I inputs and O outputs of a layer, P parameters.

Numbers are finite, and come back in their common dtype: float32 to train, float64
or complex128 to check. Layers take arrays, leave them as they are, count whole
numbers as floats (arrays.floats) and raise ValueError for shapes that don't multiply
or add; they look no closer, for a hundred of them make one update. The optimiser
changes what its docstrings say in place, and that must be float.
"""

from functools import lru_cache
from itertools import pairwise
from numbers import Integral

import numpy as np

from arrays import FLOATS, floats

# ------------------------------------------------------------------ layers


def linear_forward(x, W, b):
    """One linear layer, Eq. 27: (B,I) (I,O) (O,) -> y (B,O)."""
    if x.ndim != 2 or b.shape != W.shape[1:] or W.dtype.char not in FLOATS:  # else: numpy refuses
        x, W, b = floats("BI IO O", x, W, b)
    # Eq. 27: Y = X W + 1 b
    return x @ W + b


def linear_backward(dy, x, W):
    """Gradients of a linear layer, Eq. 27, given dy = dLoss/dy.

    dy (B,O), x (B,I), W (I,O)  ->  dx (B,I), dW (I,O), db (O,)

    The rows of dy already carry the loss's 1/B, so that sums over rows are
    means. Nothing is divided here.
    """
    if dy.ndim != 2 or x.shape[1:] != W.shape[:1] or dy.dtype.char not in FLOATS:
        dy, x, W = floats("BO BI IO", dy, x, W)
    # Eq. 27: X̄ = Ȳ Wᵀ    W̄ = Xᵀ Ȳ    b̄ = 1ᵀ Ȳ
    # (np.dot is `@`, but faster, ten times where O is 1, as in a value network's last layer.)
    ones = _ones(len(dy), dy.dtype)
    return np.dot(dy, W.T), np.dot(x.T, dy), np.dot(ones, dy)


@lru_cache(maxsize=64)
def _ones(rows, dtype):
    return np.ones(rows, dtype)


def tanh_forward(z):
    """h = tanh(z), Eq. 28, any shape."""
    if z.dtype.char not in FLOATS:
        z = floats("B...", z)
    return np.tanh(z)


def tanh_backward(dh, h):
    """dz given dh and the *output* h = tanh(z), Eq. 28, any shape."""
    if dh.shape != h.shape or dh.dtype.char not in FLOATS:
        dh, h = floats("B... B...", dh, h)
    # Eq. 28: Ȳ = H̄ ⊙ (1 − H ⊙ H)
    return dh * (1 - h * h)


def relu_forward(z):
    """h = max(z, 0), Eq. 28, any shape."""
    if z.dtype.char not in FLOATS:
        z = floats("B...", z)
    return np.maximum(z, 0)


def relu_backward(dh, h):
    """dz given dh and the *output* h = max(z, 0), Eq. 28, any shape; at h = 0 nothing passes."""
    if dh.shape != h.shape or dh.dtype.char not in FLOATS:
        dh, h = floats("B... B...", dh, h)
    # Eq. 28: Ȳ = H̄ ⊙ 1[Y > 0], and h > 0 exactly where z > 0
    return dh * (h > 0)


ACTIVATIONS = {"tanh": (tanh_forward, tanh_backward), "relu": (relu_forward, relu_backward)}


def _check(dtype):
    """Raise ValueError unless a network can be of this dtype."""
    if np.dtype(dtype).char not in "fdD":
        raise ValueError(f"dtype must be float32, float64 or complex128, not {np.dtype(dtype)}")


# ----------------------------------------------------------- initial weights


def orthogonal(shape, gain, rng, dtype=np.float32):
    """A random matrix with orthogonal columns (or rows) of length `gain`.

    shape (I, O), gain float, rng np.random.Generator, dtype as in MLP  ->  W (I, O)

    WᵀW = gain² 1 when I >= O, otherwise WWᵀ = gain² 1: the layer stretches
    every direction alike, so signals neither explode nor vanish at the start.
    Source: Eq. 30; Saxe et al. (2014), https://arxiv.org/abs/1312.6120.
    """
    _check(dtype)
    rows, columns = shape
    # Eq. 30: QR = N(0,1), Q ← Q diag(sign(diag R)), W = gain Q or gain Qᵀ
    q, r = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))
    q = q * np.sign(np.diag(r))  # without it, LAPACK's own choice of signs is not uniform
    return (gain * (q if rows >= columns else q.T)).astype(dtype)


# ------------------------------------------------------------------- network


class MLP:
    """Linear layers with an activation between them, Eq. 29.

    sizes        e.g. (4, 64, 2): 4 inputs, one hidden layer of 64, 2 outputs
    rng          np.random.Generator for the initial weights (Eq. 30)
    activation   "tanh" or "relu", after every layer but the last
    output_gain  gain of the last layer's weights; hidden layers have √2
    dtype        float32 to train; float64 or complex128 to check gradients; no narrower one
    extra        numbers to keep behind the network's own, for its owner to use

    `parameters` is one flat vector (P,) that holds W₁, b₁, W₂, b₂, … in turn.
    `layers`, [(W₁, b₁), (W₂, b₂), …], are views into it, so that one vector
    operation on `parameters` (Adam's step, say) changes every layer.

    Raises ValueError for an unknown activation, fewer than two sizes, a size
    below 1, or another dtype.
    """

    def __init__(self, sizes, rng, activation="tanh", output_gain=1.0, dtype=np.float32, extra=0):
        if activation not in tuple(ACTIVATIONS):
            raise ValueError(
                f"activation must be one of {', '.join(ACTIVATIONS)}, not {activation!r}"
            )
        if len(sizes) < 2 or not all(
            isinstance(size, Integral) and int(size) > 0 for size in sizes
        ):
            raise ValueError(
                f"sizes must be two whole numbers or more, each at least 1, not {sizes}"
            )
        _check(dtype)
        self.sizes, self.activation = tuple(sizes), activation
        size = sum((inputs + 1) * outputs for inputs, outputs in pairwise(sizes))
        self.parameters = np.zeros(size + extra, dtype)
        self.layers = self._views()
        *hidden, (output, _) = self.layers
        for W, _ in hidden:
            W[:] = orthogonal(W.shape, np.sqrt(2), rng, dtype)
        output[:] = orthogonal(output.shape, output_gain, rng, dtype)

    def _views(self):
        """[(W₁, b₁), (W₂, b₂), …] as parts of `parameters`."""
        layers, start = [], 0
        for inputs, outputs in pairwise(self.sizes):
            middle, end = start + inputs * outputs, start + (inputs + 1) * outputs
            W = self.parameters[start:middle].reshape(inputs, outputs)
            layers.append((W, self.parameters[middle:end]))
            start = end
        return layers

    def __setstate__(self, state):
        """What makes a copy whole (copy.deepcopy, pickle): its layers are views of its own."""
        self.__dict__.update(state)
        self.layers = self._views()

    def __call__(self, x):
        """x (B, inputs), any real numbers -> y (B, outputs) of the network's dtype: for acting.

        Raises ValueError for another shape, and for what is no number.
        """
        x = floats("B...", x)
        if x.shape[1:] != self.sizes[:1]:
            raise ValueError(f"a network's rows must be (B, {self.sizes[0]}), not {x.shape}")
        return self.forward(x.astype(self.parameters.dtype, copy=False))[0]

    def forward(self, x):
        """x (B, inputs) -> y (B, outputs), cache.

        The cache is the list of every layer's input: all that `backward` needs.
        It belongs to the caller; the network itself remembers nothing.
        """
        activate, _ = ACTIVATIONS[self.activation]
        *hidden, (W_output, b_output) = self.layers
        inputs = [x]
        for W, b in hidden:
            inputs.append(activate(linear_forward(inputs[-1], W, b)))
        return linear_forward(inputs[-1], W_output, b_output), inputs

    def backward(self, dy, cache):
        """dy (B, outputs), cache of the `forward` it belongs to -> gradient (P,).

        Walks the layers from the last to the first (Eq. 29). The gradient has
        the layout of `parameters`, without what its owner keeps behind them.
        """
        _, activate_backward = ACTIVATIONS[self.activation]
        gradient: list[np.ndarray] = []  # grows at its front, as we walk backwards
        for layer in reversed(range(len(self.layers))):
            W, _ = self.layers[layer]
            # Eq. 29: W̄ₗ = Hₗ₋₁ᵀ Ȳₗ    b̄ₗ = 1ᵀ Ȳₗ    H̄ₗ₋₁ = Ȳₗ Wₗᵀ
            dh, dW, db = linear_backward(dy, cache[layer], W)
            gradient = [dW.ravel(), db, *gradient]
            if layer > 0:
                # Eq. 29: Ȳₗ₋₁ = H̄ₗ₋₁ ⊙ φ'(Yₗ₋₁)
                dy = activate_backward(dh, cache[layer])
        return np.concatenate(gradient)


# ----------------------------------------------------------------- optimiser


def clip_global_norm(gradient, max_norm):
    """Shorten `gradient` (P,) float in place to at most `max_norm` > 0, but for rounding; Eq. 32.

    Returns its Euclidean norm before clipping, a float. The direction stays.
    Raises ValueError for a limit that isn't positive, and another shape or complex numbers.
    """
    if gradient.ndim != 1 or gradient.dtype.kind != "f":
        raise ValueError(f"a gradient must be (P,) float, not {gradient.shape} {gradient.dtype}")
    if not max_norm > 0:
        raise ValueError(f"max_norm must be greater than 0, not {max_norm}")
    with np.errstate(over="ignore"):
        norm = float(np.sqrt(np.dot(gradient, gradient)))
        if not 1e-15 < norm < np.inf:  # squares may have left the dtype's range: in another unit
            largest = float(np.abs(gradient).max(initial=0))
            if 0 < largest < np.inf:
                norm = largest * float(np.linalg.norm(gradient / largest))
    # Eq. 32: g ← g min(1, c / (n + 1e-6))
    if norm > max_norm - 1e-6:
        gradient *= max_norm / (norm + 1e-6)
    return norm


class Adam:
    """Adam, Eq. 31: steps scaled by running moments of the gradient.

    size           P, the number of parameters
    learning_rate  α; may be set anew between steps (annealing does)
    betas, eps     (β₁, β₂), how slowly the two moments forget; ε
    dtype          of the moments: as in MLP

    `m`, `v` (P,) are the running first and second moments, `t` counts steps.
    Raises ValueError for another dtype.
    Source: Kingma & Ba (2015), Algorithm 1, https://arxiv.org/abs/1412.6980.
    """

    def __init__(self, size, learning_rate, betas=(0.9, 0.999), eps=1e-8, dtype=np.float32):
        _check(dtype)
        self.learning_rate, self.betas, self.eps = learning_rate, betas, eps
        self.m, self.v, self.t = np.zeros(size, dtype), np.zeros(size, dtype), 0

    def step(self, parameters, gradient):
        """Move `parameters` (P,) in place, against `gradient` (P,), whose squares the dtype holds.

        Raises ValueError for other shapes.
        """
        if not parameters.shape == gradient.shape == self.m.shape:
            given = f"{parameters.shape} and {gradient.shape}"
            raise ValueError(f"parameters and gradient must be {self.m.shape}, not {given}")
        beta1, beta2 = self.betas
        self.t += 1
        # Eq. 31: m ← β₁ m + (1 − β₁) g    v ← β₂ v + (1 − β₂) g²
        self.m += (1 - beta1) * (gradient - self.m)
        self.v += (1 - beta2) * (gradient * gradient - self.v)
        # Eq. 31: both moments started at zero; dividing by 1 − βᵗ undoes that
        m_hat = self.m / (1 - beta1**self.t)
        v_hat = self.v / (1 - beta2**self.t)
        # Eq. 31: θ ← θ − α m̂ / (√v̂ + ε)
        parameters -= self.learning_rate * m_hat / (np.sqrt(v_hat) + self.eps)


def descend(parameters, gradient, adam, max_norm):
    """One step downhill: clip the gradient's norm (Eq. 32), then Adam (Eq. 31).

    parameters, gradient (P,), both changed in place. Returns the norm before
    clipping, a float.
    """
    norm = clip_global_norm(gradient, max_norm)
    adam.step(parameters, gradient)
    return norm
