"""What each blank is asked: cases drawn anew from a seed, and what its docstring refuses.

Plain cases come first: small arrays whose sizes and constants vary, so that neither N nor any
constant can be guessed. Then, once each, what is special and may fail by itself: large numbers,
float32, edges, extremes. An answer that is wrong there alone is told so.
"""

import copy
from typing import NamedTuple

import numpy as np

import nn
from lab.practice.asking import page_views


class Case(NamedTuple):
    """Arguments, by name, and what is asked with them."""

    given: dict
    kind: str = ""  # what is special about it, to go on after "wrong"; "": it is plain
    scale: float = 1.0  # sizes that are rounded away count as the same: 1e-10 of this
    refused: str = ""  # what the docstring promises a ValueError for; "": an answer is asked for


LARGE, SINGLE = "where numbers are large", "in float32"
MAKERS = {}  # path -> function(rng, *size) -> arguments, sizes of plain cases, of the smallest ones
SPECIAL = {}  # path -> functions(rng) -> Cases, a list
REFUSED = {}  # path -> function(arguments) -> (words, changed arguments)

# What may be any number at all: made large, and zero or short where a case is to be shown.
FREE = {
    *(
        "rewards",
        "values",
        "next_values",
        "reward",
        "v",
        "x",
        "dy",
        "dh",
        "dlog_probs",
        "dkls",
        "dentropies",
        "advantages",
        "advantage",
        "targets",
        "old_values",
        "gradient",
        "gradients",
        "weight",
        "kls",
        "W",
        "b",
        "h",
        "log_stds",
        "old_log_stds",
        "actions",
        "means",
        "old_means",
        "parameters",
        "logits",
        "z",
        "obs",
    ),
}
NOT_LARGE = {
    *(
        "W",
        "b",
        "h",
        "log_stds",
        "old_log_stds",
        "actions",
        "means",
        "old_means",
        "logits",
        "z",
        "kls",
        "x",
        "obs",
    ),
}


def cases(blank, seed):
    """The cases of a blank: a list of Case. The same for the same seed."""
    rng = np.random.default_rng([seed, *blank.path.encode()])
    make, sizes, _ = MAKERS[blank.path]
    plain = [make(rng, *size) for size in sizes]
    made = [Case(given) for given in plain]
    large = make(rng, *sizes[-1])
    for name in large.keys() & FREE - NOT_LARGE:
        value = large[name]
        large[name] = [60 * one for one in value] if isinstance(value, list) else 60 * value
    if large.keys() & FREE - NOT_LARGE and blank.module != "gradient_check":
        made.append(Case(large, LARGE))
    if (
        any(isinstance(v, (np.ndarray, nn.MLP, nn.Adam)) for v in large.values())
        and blank.module != "gradient_check"
    ):
        made.append(Case(single(make(rng, *sizes[-1])), SINGLE))
    names = plain[0].keys() | {"others", "rates"}
    for case in (case for make in SPECIAL.get(blank.path, ()) for case in make(rng)):
        given = {k: v for k, v in case.given.items() if k in names}
        kind = case.kind if "gae_lambda" in names else case.kind.split(", λ")[0]
        made.append(case._replace(given=given, kind=kind))
    refused = REFUSED.get(blank.path, lambda given: ())
    made += [Case(given, refused=words) for words, given in refused(copy.deepcopy(plain[-1]))]
    return [case._replace(given=taken(blank, case.given)) for case in made]


def small_cases(blank, seed):
    """Small cases to show, the smallest first, of round numbers: dicts of arguments."""
    rng = np.random.default_rng([seed, 1, *blank.path.encode()])
    make, _, sizes = MAKERS[blank.path]
    for size in sizes:
        for _ in range(8):
            given = make(rng, *size)
            for name in given.keys() & FREE:
                value = given[name]
                round_off = [value] if isinstance(value, np.ndarray) else value
                for array in round_off if isinstance(value, (list, np.ndarray)) else ():
                    array[...] = np.round(array, 1)
            yield settled(taken(blank, given))


def settled(given):
    """A stair's case; its weight is what the line above the blank makes of the rewards."""
    if {"weight", "reward"} <= given.keys():
        reward = given["reward"]
        weight = reward[::-1].cumsum(axis=0)[::-1].copy()
        if "x" in given:  # stair 2: rows, each with its episode's whole return
            weight = np.broadcast_to(reward.sum(axis=0), reward.shape)[given["valid"]]
        given["weight"] = weight
    return given


def taken(blank, given):
    """What a blank's lines take of it."""
    takes = blank.lines.takes.split() if blank.lines else given
    return {name: value for name, value in given.items() if name in takes}


def single(value, dtype=np.float32):
    """A copy with every float array of this dtype, those of networks and optimisers too."""
    if isinstance(value, np.ndarray):
        return value.astype(dtype) if value.dtype.kind == "f" else value.copy()
    if isinstance(value, tuple) and hasattr(value, "_make"):
        return value._make(single(item, dtype) for item in value)
    if isinstance(value, (list, tuple)):
        return type(value)(single(item, dtype) for item in value)
    if isinstance(value, dict):
        return {name: single(item, dtype) for name, item in value.items()}
    if type(value).__name__ == "Network":  # a page's
        made = page_views(copy.copy(value), value.parameters.astype(dtype), *value.W1.shape)
        made.m, made.v = value.m.astype(dtype), value.v.astype(dtype)
        return made
    if isinstance(value, (nn.MLP, nn.Adam)):
        made = copy.deepcopy(value)
        for name, item in vars(made).items():
            if isinstance(item, np.ndarray):
                setattr(made, name, item.astype(dtype))
        if isinstance(value, nn.MLP):
            made.layers = made._views()
        return made
    return copy.deepcopy(value)


def of(*paths, each=((),), tiny=None):
    """Makes a function(rng, *size) these blanks' maker.

    each  sizes of the plain cases; tiny: those of cases to show, else the first of them
    """

    def register(function):
        MAKERS.update(dict.fromkeys(paths, (function, list(each), list(tiny or each[:1]))))
        return function

    return register


def special(*paths):
    return lambda function: (
        [SPECIAL.setdefault(path, []).append(function) for path in paths] and function
    )


def refused(*paths):
    return lambda function: [REFUSED.__setitem__(path, function) for path in paths] and function


def drawn(rng, low, high):
    """A constant, drawn anew; of two digits, to be read."""
    return float(np.round(rng.uniform(low, high), 2))


# D. Network and optimiser

LAYERS = (2, 3, 2), (5, 4, 3), (7, 2, 1), (3, 3, 3), (1, 2, 4)
TINY_LAYERS = (1, 1, 1), (1, 2, 1), (1, 1, 2), (2, 1, 1), (1, 2, 2), (2, 2, 2)


@of("nn.linear_forward", each=LAYERS, tiny=TINY_LAYERS)
def linear(rng, B, inputs, outputs):
    x, W = rng.normal(size=(B, inputs)), rng.normal(size=(inputs, outputs))
    return {"x": x, "W": W, "b": rng.normal(size=outputs)}


@of("nn.linear_backward", each=LAYERS, tiny=TINY_LAYERS)
def linear_backward(rng, B, inputs, outputs):
    case = linear(rng, B, inputs, outputs)
    del case["b"]
    return {"dy": rng.normal(size=(B, outputs)), **case}


SHAPES = (2, 3), (4, 5), (5, 1), (1, 2)


@of("nn.tanh_backward", each=[(np.tanh, shape) for shape in SHAPES], tiny=[(np.tanh, (1, 1))])
@of(
    "nn.relu_backward",
    each=[(nn.relu_forward, shape) for shape in SHAPES],
    tiny=[(nn.relu_forward, (1, 1)), (nn.relu_forward, (1, 2))],
)
def activation(rng, forward, shape):
    z = rng.normal(0, 1.5, shape)
    if z.size > 1:
        z[0, 0] = 0.0  # exactly at ReLU's kink
        z[-1, -1] = abs(z[-1, -1])
    return {"dh": rng.normal(size=shape), "h": forward(z)}


@special("nn.tanh_backward", "nn.relu_backward")
def any_shape(rng):
    for shape in ((4,), (2, 3, 2)):
        z = rng.normal(0, 0.7, shape)
        given = {"dh": rng.normal(size=shape), "h": np.where(z > 0, np.tanh(z), 0.0)}
        yield Case(given, f"for h {shape}")
    yield Case({"dh": rng.normal(size=(2, 2)), "h": np.full((2, 2), 1e-6)}, "where h is 10⁻⁶")


NETWORKS = (
    ((2, 3, 2), "tanh"),
    ((3, 4, 5, 2), "relu"),
    ((4, 6, 3, 1), "tanh"),
    ((2, 4, 3), "relu"),
    ((3, 2), "tanh"),
)
NETWORKS = [(sizes, name, B) for (sizes, name), B in zip(NETWORKS, (3, 4, 2, 5, 1), strict=True)]


@of(
    "nn.MLP.backward",
    each=NETWORKS,
    tiny=[((1, 1, 1), "tanh", 1), ((1, 1, 1), "relu", 1), ((1, 1), "tanh", 1)],
)
def mlp(rng, sizes, name, B, extra=0):
    network = nn.MLP(sizes, rng, name, dtype=np.float64, extra=extra)
    network.parameters[:] = rng.normal(0, 0.7, network.parameters.size)
    for _, b in network.layers if max(sizes) == 1 else ():
        b[:] = 0  # fewer numbers to show
    y, cache = network.forward(rng.normal(size=(B, sizes[0])))
    return {"self": network, "dy": rng.normal(size=y.shape), "cache": cache}


@special("nn.MLP.backward")
def owned(rng):
    given = mlp(rng, (3, 4, 2), "tanh", 4, extra=2)
    yield Case(given, "where the owner keeps numbers behind the network's own (extra=2)")


@of(
    "nn.clip_global_norm",
    each=[(2, 0.1), (2, 0.1), (9, 5), (4, 1), (1, 3)],
    tiny=[(1, 2), (2, 2), (1, 0.1)],
)
def norms(rng, size, spread):
    return {"gradient": rng.normal(0, spread, size), "max_norm": drawn(rng, 0.3, 2)}


@special("nn.clip_global_norm")
def odd_norms(rng):
    yield Case({"gradient": np.zeros(3), "max_norm": 0.5}, "for a gradient of zeros")
    long = {"gradient": 1e-4 * rng.normal(size=4), "max_norm": 2e-5}
    yield Case(long, "where lengths are near 10⁻⁶, which is added to n", 1e-6)
    yield Case({"gradient": np.array([3.0, -4.0]), "max_norm": 5.0}, "where n is max_norm", 1e-4)


@refused("nn.clip_global_norm")
def no_norms(given):
    yield "max_norm 0", {**given, "max_norm": 0.0}
    yield "max_norm −1", {**given, "max_norm": -1.0}
    yield "a gradient (2,2)", {**given, "gradient": np.ones((2, 2))}
    yield "a complex gradient", {**given, "gradient": np.array([1 + 2j, 1])}


@of("nn.Adam.step", each=[(2, 1), (3, 3, False), (1, 5), (3, 2)], tiny=[(1, 1), (1, 2, False)])
def adam_steps(rng, size, steps, begun=True):
    # small ones, where three times β is below 1; and large ones
    betas = (
        (drawn(rng, 0.3, 0.9), drawn(rng, 0.4, 0.95))
        if begun
        else (drawn(rng, 0.1, 0.3), drawn(rng, 0.1, 0.3))
    )
    adam = nn.Adam(size, drawn(rng, 0.05, 0.3), betas, drawn(rng, 0.01, 0.2), np.float64)
    if begun and steps > 1:  # as after a resumed training
        adam.m, adam.v, adam.t = rng.normal(size=size), rng.uniform(0.1, 1, size), steps - 1
    return {
        "adam": adam,
        "parameters": rng.normal(size=size),
        "gradients": [*rng.normal(size=(steps, size))],
    }


@special("nn.Adam.step")
def odd_steps(rng):
    given = adam_steps(rng, 3, 3)
    other = adam_steps(rng, 3, 3)
    given["others"] = [(other["adam"], other["parameters"])]
    yield Case(given, "with two optimisers in turn")
    given = adam_steps(rng, 2, 3)
    yield Case({**given, "rates": [0.3, 0.1, 0.02]}, "when learning_rate is set anew between steps")
    given = adam_steps(rng, 3, 2, False)  # from moments of 0
    given["adam"].eps = 1e-8
    given["gradients"] = [g * [1, 0, 1e-8] for g in given["gradients"]]
    yield Case(given, "where a gradient is 0, or as small as ε")


@refused("nn.Adam.step")
def no_steps(given):
    yield "a gradient (1,) beside parameters (3,)", {**given, "gradients": [np.ones(1)]}
    yield "parameters of another size than its moments", {
        **given, "parameters": np.ones(4), "gradients": [np.ones(4)],
    }  # fmt: skip


# C. Distributions

ROWS = (2, 3), (5, 2), (3, 3), (1, 4), (4, 5)  # rows and columns, of which neither tells the other
TINY_ROWS = (1, 2), (2, 2)


def log_probs(rng, rows, columns):
    logits = rng.normal(0, 1.2, (rows, columns))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def unlikely(rng, rows, columns, size=200.0):
    """Log-probabilities of which the likelihood underflows: −200 in float32, −800 in float64."""
    z = rng.normal(0, 1, (rows, columns))
    z[:, 1:] -= size
    z[0] = z[0, ::-1]
    z -= z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


@of("distributions.log_softmax", each=ROWS, tiny=TINY_ROWS)
def logits(rng, rows, columns):
    return {"logits": rng.normal(size=(rows, columns))}


@of("one_page.log_softmax", each=ROWS, tiny=TINY_ROWS)
def page_logits(rng, rows, columns):
    return {"z": rng.normal(size=(rows, columns))}


@special("distributions.log_softmax", "one_page.log_softmax")
def large_logits(rng):
    large = np.array([[1e4, 0.0, -1e4], [0.0, 1e3, 1e3], [-2e3, -2e3, -2e3]])
    yield Case({"logits": large, "z": large}, "for logits of 10⁴")
    far = np.array([[0.0, -200.0], [150.0, -60.0]], np.float32)
    yield Case({"logits": far, "z": far}, "for logits 200 apart in float32")


@of("distributions.log_softmax_backward", each=ROWS, tiny=TINY_ROWS)
def softmax_backward(rng, *shape):
    return {"dlog_probs": rng.normal(size=shape), "log_probs": log_probs(rng, *shape)}


@of("distributions.categorical_log_prob_backward", each=ROWS, tiny=TINY_ROWS)
def chosen(rng, rows, columns):
    actions, probs = rng.integers(columns, size=rows), np.exp(log_probs(rng, rows, columns))
    actions[0] = 0
    return {"dlog_probs": rng.normal(size=rows), "actions": actions, "probs": probs}


@of("distributions.categorical_entropy", each=ROWS, tiny=TINY_ROWS)
def entropy(rng, *shape):
    return {"log_probs": log_probs(rng, *shape)}


@of("distributions.categorical_entropy_backward", each=ROWS, tiny=TINY_ROWS)
def entropy_backward(rng, *shape):
    return with_entropies(rng, log_probs(rng, *shape))


def with_entropies(rng, own):
    entropies = -(np.exp(own) * own).sum(axis=1)
    return {"dentropies": rng.normal(size=len(own)), "entropies": entropies, "log_probs": own}


@of("distributions.categorical_kl", each=ROWS, tiny=TINY_ROWS)
def kl(rng, *shape):
    return {"old_log_probs": log_probs(rng, *shape), "log_probs": log_probs(rng, *shape)}


@of("distributions.categorical_kl_backward", each=ROWS, tiny=TINY_ROWS)
def kl_backward(rng, *shape):
    return {"dkls": rng.normal(size=shape[0]), **kl(rng, *shape)}


def extremes(rng, make):
    """The same in float32 at −200, in float64 at −800: where exp underflows."""
    yield Case(single(make(rng, 200.0)), "for log-probabilities of −200 in float32")
    yield Case(make(rng, 800.0), "for log-probabilities of −800")


@special("distributions.log_softmax_backward")
def unlikely_softmax(rng):
    return extremes(
        rng,
        lambda rng, size: {
            "dlog_probs": rng.normal(size=(3, 3)),
            "log_probs": unlikely(rng, 3, 3, size),
        },
    )


@special("distributions.categorical_log_prob_backward")
def unlikely_choice(rng):
    return extremes(rng, lambda rng, size: {
        "dlog_probs": rng.normal(size=3), "actions": np.array([1, 2, 0]),
        "probs": np.exp(unlikely(rng, 3, 3, size)),
    })  # fmt: skip


@special("distributions.categorical_entropy")
def unlikely_entropy(rng):
    return extremes(rng, lambda rng, size: {"log_probs": unlikely(rng, 3, 3, size)})


@special("distributions.categorical_entropy_backward")
def unlikely_entropy_backward(rng):
    return extremes(rng, lambda rng, size: with_entropies(rng, unlikely(rng, 3, 3, size)))


@special("distributions.categorical_kl")
def unlikely_kl(rng):
    yield from extremes(rng, lambda rng, size: {
        "old_log_probs": unlikely(rng, 3, 3, size), "log_probs": unlikely(rng, 3, 3, 1.5 * size)
    })  # fmt: skip
    far = {"old_log_probs": log_probs(rng, 2, 3), "log_probs": unlikely(rng, 2, 3, 30.0)}
    yield Case(far, "where the old policy likes what the new one gives e⁻³⁰")
    own = log_probs(rng, 2, 3)
    near = own + np.array([[0.0], [0.01]]) * rng.normal(size=3)
    near -= np.log(np.exp(near).sum(axis=1, keepdims=True))
    yield Case({"old_log_probs": own, "log_probs": near}, "where the two policies are close")
    rare = {"old_log_probs": unlikely(rng, 2, 3, 15.0), "log_probs": unlikely(rng, 2, 3, 800.0)}
    yield Case(rare, "where the new policy all but excludes what the old one takes at times")


@special("distributions.categorical_kl_backward")
def unlikely_kl_backward(rng):
    for order in (1, -1):  # unlikely under both; what was unlikely is likely now
        yield from extremes(rng, lambda rng, size, order=order: {
            "dkls": rng.normal(size=3), "old_log_probs": unlikely(rng, 3, 3, size),
            "log_probs": unlikely(rng, 3, 3, 1.5 * size)[:, ::order].copy(),
        })  # fmt: skip


SPREADS = (2, 1), (4, 2), (3, 3), (1, 2)
TINY_SPREADS = (1, 1), (2, 1), (1, 2)


@of(
    "distributions.gaussian_log_prob",
    each=[((), *s) for s in SPREADS],
    tiny=[((), *s) for s in TINY_SPREADS],
)
@of(
    "distributions.gaussian_log_prob_backward",
    each=[(("dlog_probs",), *s) for s in SPREADS],
    tiny=[(("dlog_probs",), *s) for s in TINY_SPREADS],
)  # fmt: skip
def gaussian(rng, weighted, rows, size):
    weights, (actions, means) = rng.normal(size=rows), rng.normal(size=(2, rows, size))
    log_stds, _ = rng.normal(0, 0.5, (2, size))
    case = {"actions": actions, "means": means, "log_stds": log_stds}
    return {**dict.fromkeys(weighted, weights), **case}


NARROW, WIDE = -9.0, 4.0


@special("distributions.gaussian_log_prob", "distributions.gaussian_log_prob_backward")
def odd_bells(rng):
    """The means are of the deviations' size, so that float32 holds the distances."""
    for size, words in ((NARROW, "small"), (WIDE, "large")):
        given = gaussian(rng, ("dlog_probs",), 3, 2)
        given["log_stds"] = size + rng.normal(0, 0.3, 2)
        for name in ("actions", "means"):
            given[name] = given[name] * np.exp(given["log_stds"])
        yield Case(given, f"where σ is {words} (ℓ near {size:g})".replace("-", "−"))
    given = gaussian(rng, ("dlog_probs",), 3, 2)
    far = given["actions"] + 80 * np.exp(given["log_stds"])
    yield Case({**given, "actions": far}, "80 deviations from the mean")


@special("distributions.gaussian_kl_backward")
def odd_kls(rng):
    for size, words in ((NARROW, "small"), (WIDE, "large")):
        given = gaussian_kl(rng, 3, 2)
        for name in ("log_stds", "old_log_stds"):
            given[name] = size + rng.normal(0, 0.3, 2)
        for name in ("means", "old_means"):
            given[name] = given[name] * np.exp(given["log_stds"])
        yield Case(given, f"where σ is {words} (ℓ near {size:g})".replace("-", "−"))


@special("distributions.gaussian_entropy")
def odd_entropies(rng):
    for size, words in ((NARROW, "small"), (WIDE, "large")):
        given = {"log_stds": size + rng.normal(0, 0.3, 3)}
        yield Case(given, f"where σ is {words} (ℓ near {size:g})".replace("-", "−"))


@of("distributions.gaussian_kl_backward", each=SPREADS, tiny=TINY_SPREADS)
def gaussian_kl(rng, rows, size):
    weights, (old_means, means) = rng.normal(size=rows), rng.normal(size=(2, rows, size))
    old, new = rng.normal(0, 0.5, (2, size))
    case = {"dkls": weights, "old_means": old_means, "old_log_stds": old}
    return {**case, "means": means, "log_stds": new}


@special("distributions.gaussian_kl_backward")
def own_spreads(rng):
    given = gaussian_kl(rng, 4, 3)
    old = rng.normal(0, 0.5, (4, 3))
    yield Case({**given, "old_log_stds": old}, "where old_log_stds is (B,A)")


@of("distributions.gaussian_entropy", each=[(1,), (2,), (4,), (3,)], tiny=[(1,), (2,)])
def gaussian_entropy(rng, size):
    return {"log_stds": rng.normal(size=size)}


# B. Advantages; H. Groups of responses

RECORDS = (0, (4,)), (1, (6, 2)), (2, (5, 1, 2)), (1, (7, 3)), (0, (1,)), (1, (8, 2))
TINY_RECORDS = (0, (1,)), (0, (2,)), (2, (2,)), (0, (3,)), (2, (3,)), (3, (3,))


@of("advantages.gae", each=RECORDS, tiny=TINY_RECORDS)
def gae(rng, number, shape):
    """Records with a fall, a time limit and an edge in the middle."""
    rewards, values, next_values = rng.normal(size=(3, *shape))
    terminated, truncated = np.zeros((2, *shape), bool)
    if shape[0] > 3:
        terminated[1] = True  # a fall in the middle
        if number > 0:
            truncated[3, ..., 1] = True  # a time limit in one stream alone
            terminated[-1, ..., 0] = True
        if number == 1 and shape[0] > 6:
            truncated[-1] = ~terminated[-1]
            terminated[4, ..., -1] = True
    elif number:
        (truncated if number == 2 else terminated)[0] = True
    case = {"rewards": rewards, "values": values, "next_values": next_values}
    case |= {"terminated": terminated, "ended": terminated | truncated}
    return {**case, "gamma": drawn(rng, 0.3, 0.95), "gae_lambda": drawn(rng, 0.2, 0.9)}


@of("advantages.returns_to_go", each=RECORDS, tiny=TINY_RECORDS)
def returns_to_go(rng, number, shape):
    case = gae(rng, number, shape)
    return {name: case[name] for name in case if name not in ("values", "gae_lambda")}


@special("advantages.gae", "advantages.returns_to_go")
def undecayed(rng):
    given = gae(rng, 1, (6, 2))
    for gamma, decay in ((1.0, 1.0), (0.8, 0.0), (0.0, 0.9)):
        changed = {**given, "gamma": gamma, "gae_lambda": decay}
        yield Case(changed, f"for γ {gamma:g}, λ {decay:g}")


@refused("advantages.gae", "advantages.returns_to_go")
def no_records(given):
    yield "gamma 1.5", {**given, "gamma": 1.5}
    yield "gamma −0.1", {**given, "gamma": -0.1}
    if "gae_lambda" in given:
        yield "gae_lambda 1.5", {**given, "gae_lambda": 1.5}
    terminated, ended = given["terminated"], given["ended"]
    yield "a step that terminated and has not ended", {**given, "ended": ended & ~terminated}
    yield "a flag of 2", {**given, "ended": ended * 2, "terminated": terminated * 2}
    yield "rewards (8,1) beside values (8,2)", {**given, "rewards": given["rewards"][:, :1]}
    yield "next_values of another length", {**given, "next_values": given["next_values"][:-1]}


@special("advantages.gae", "advantages.returns_to_go")
def long_records(rng):
    """Where γλ is near 1 a sum cut short shows, where it is small its powers are 0 in the end."""
    for T, gamma, decay in ((300, 0.99, 0.98), (400, 0.1, 0.9)):
        given = {**gae(rng, 0, (T, 1)), "gamma": gamma, "gae_lambda": decay}
        given |= dict.fromkeys(("terminated", "ended"), np.arange(T)[:, None] == T - 7)
        yield Case(given, f"in a record of {T} steps, for γ {gamma:g}, λ {decay:g}")


def both(terminated):
    """Falls that are time limits, too: the first of each stream."""
    return terminated & (np.cumsum(terminated, axis=0) == 1)


PAGE_RECORDS = (0, (4, 1)), (1, (6, 2)), (2, (5, 3)), (1, (7, 3)), (0, (1, 2)), (1, (8, 2))
TINY_PAGE_RECORDS = [(number, (*shape, 1)) for number, shape in TINY_RECORDS]


@of("one_page.credit", "6_critic.credit", each=PAGE_RECORDS, tiny=TINY_PAGE_RECORDS)
def page_credit(rng, number, shape):
    case = gae(rng, number, shape)
    v = np.concatenate([case["values"], case["next_values"][-1:]])
    truncated = case["ended"] & ~case["terminated"] | both(case["terminated"])
    case = {"reward": case["rewards"], "v": v, "terminated": case["terminated"]}
    return {**case, "truncated": truncated}


@special("one_page.credit", "6_critic.credit")
def long_page(rng):
    given = page_credit(rng, 0, (300, 2))
    falls = np.arange(300)[:, None] == [293, 290]
    given |= {"terminated": falls, "truncated": both(falls)}
    yield Case(given, "in a record of 300 steps")


GROUPS = (3, 3, False), (3, 4, True), (2, 2, False), (4, 5, True), (1, 3, False), (1, 2, True)
TINY_GROUPS = (1, 2, False), (1, 2, True), (1, 3, True), (2, 2, False), (2, 2, True)


@of("advantages.group_advantages", each=GROUPS, tiny=TINY_GROUPS)
def groups(rng, prompts, size, scale):
    return {
        "rewards": rng.normal(size=(prompts, size)),
        "scale": scale,
        "eps": drawn(rng, 0.1, 0.9),
    }


@special("advantages.group_advantages")
def odd_groups(rng):
    passed = np.array([[1.0, 0, 0, 1], [0, 0, 0, 1]])
    for scale in (False, True):
        yield Case({"rewards": passed, "scale": scale}, "with the default eps")
        equal = np.repeat(rng.normal(size=(2, 1)), 3, axis=1)
        yield Case({"rewards": equal, "scale": scale}, "for a group of equal rewards", 1e4)
        beside = np.concatenate([equal, rng.normal(size=(2, 3))])
        words = "for a group of equal rewards beside others"
        yield Case({"rewards": beside, "scale": scale}, words, 1e4)
    small = {"rewards": 1e-5 * rng.normal(size=(2, 3)), "scale": True}
    yield Case(small, "for rewards near 10⁻⁵, with the default eps")
    for scale in (False, True):
        whole = rng.permuted([[2, 0, 0, 3], [0, 5, 1, 1]], axis=1)
        yield Case({"rewards": whole, "scale": scale}, "for rewards that are whole numbers")


@refused("advantages.group_advantages")
def no_groups(given):
    rewards = given["rewards"]
    yield "groups of one", {**given, "rewards": rewards[:, :1]}
    yield "rewards (G,) without prompts", {**given, "rewards": rewards[0]}
    yield "eps 0", {**given, "scale": True, "eps": 0.0}
    yield (
        "a reward that is nan",
        {**given, "rewards": np.where(rewards == rewards[0, 0], np.nan, rewards)},
    )
    yield "a reward of 10²⁰⁰", {**given, "rewards": rewards * 0 + [[1e200, 0]]}


@of(
    "advantages.normalize",
    each=[(4, 2, 3), (9, -1, 0.5), (6, 0, 2), (5, 1, 0.05), (2, 1, 2)],  # above and below eps
    tiny=[(2, 0, 1), (3, 0, 1)],
)
def advantages(rng, size, mean, spread):
    # with a large eps it shows where eps stands
    return {"advantages": rng.normal(mean, spread, size), "eps": drawn(rng, 0.2, 0.9)}


@special("advantages.normalize")
def odd_advantages(rng):
    yield Case({"advantages": rng.normal(2, 3, 5)}, "with the default eps")
    yield Case({"advantages": rng.normal(size=1)}, "for a single row")
    yield Case({"advantages": np.full(3, 2.0)}, "for a flat batch, with the default eps", 1e4)
    yield Case({"advantages": np.repeat(rng.normal(), 4), "eps": 0.5}, "for a flat batch", 1e4)
    for flat in (0.1, 1.1, 0.7):  # whose mean's square and squares' mean differ by rounding
        flat = {"advantages": np.full(3, flat)}
        yield Case(flat, "for a flat batch, with the default eps", 1e4)
    far = {"advantages": 1e6 + rng.normal(size=6), "eps": 0.5}
    yield Case(far, "where the mean is large beside the deviation", 1e2)
    yield Case({"advantages": 3e-8 * rng.normal(size=5)}, "where the deviation is near 10⁻⁸")
    yield Case({"advantages": np.zeros(0)}, "for no rows")
    far = {"advantages": np.float32(1e4) + rng.permutation(6).astype(np.float32)}
    yield Case(far, "where the mean is large beside the deviation, in float32")
    yield Case(
        {"advantages": np.append(rng.normal(size=400), 900.0)}, "with one row far from the rest"
    )


@refused("advantages.normalize")
def no_advantages(given):
    yield "advantages (2,1)", {**given, "advantages": given["advantages"][:, None]}
    yield "eps 0", {**given, "eps": 0.0}
    yield "eps −1", {**given, "eps": -1.0}


# A. The policy gradient; E. The value function; F. PPO

BATCHES = (3,), (5,), (1,), (8,)


@of(
    "vpg.policy_loss",
    each=[("log_probs", "advantages", *b) for b in BATCHES],
    tiny=[("log_probs", "advantages", 1), ("log_probs", "advantages", 2)],
)
@of(
    "vpg.value_loss",
    each=[("values", "targets", *b) for b in BATCHES],
    tiny=[("values", "targets", 1), ("values", "targets", 2)],
)
def loss(rng, first, second, B):
    return dict(zip((first, second), rng.normal(size=(2, B)).clip(-2.9, 2.9), strict=True))


@special("vpg.policy_loss")
def odd_rows(rng):
    given = loss(rng, "log_probs", "advantages", 6)
    given["advantages"][[1, 4]] = 0.0
    yield Case(given, "where an advantage is 0")


RATIOS = np.array([1.0, 1.6, 0.4, 1.6, 0.4, 1.06, 0.93, 1.0, 1.7, 1.8, 0.35, 1.51, 0.47, 1.51])
SIGNS = np.array([2.0, 1.0, 1.0, -1.0, -1.0, 0.5, -3.0, -1.0, 2.0, 0.7, -2.0, 1.5, -0.5, 0.3])


@of(
    "ppo.clipped_surrogate",
    "ppo.clip_statistics",
    each=[(18,), (29,), (23,), (36,), (1,)],
    tiny=[(1,), (2,)],
)
def clip(rng, B):
    """Every field of the clip's plane, and ties: ratios of exactly 1, where plain = clipped."""
    start = rng.integers(18) if B < 18 else 0
    clip_range = drawn(rng, 0.1, 0.17) if B % 2 else drawn(rng, 0.24, 0.45)  # and not 0.2
    near = 1 + clip_range * np.array([1.1, -1.1, 0.9, -0.9, 1.04])  # on both sides of either edge
    ratios, A = np.append(RATIOS, near), np.append(SIGNS, [0.8, -1.2, 0.9, -1.1, 0.6])
    ratios, A = np.resize(np.roll(ratios, -start), B), np.resize(np.roll(A, -start), B)
    old = np.round(rng.normal(-1, 0.3, B), 1)
    own = old + np.log(ratios) if B > 2 else np.round(old + np.log(ratios), 1)
    case = {"log_probs": own, "old_log_probs": old}
    if B > 23:  # and no pattern in them
        case["log_probs"], A = old + rng.normal(0, 0.5, B), rng.normal(0, 1, B).clip(-2.9, 2.9)
    return {
        **case,
        "advantages": A * rng.uniform(0.8, 0.99) if B > 2 else A,
        "clip_range": clip_range,
    }


@special("ppo.clipped_surrogate", "ppo.clip_statistics")
def odd_clips(rng):
    yield from far_clips(rng, clip(rng, 6))
    for side in (1, -1):
        step, clip_range = edge(rng, side)
        old = np.array([-1.0, -1.0, -1.0, -0.5])
        given = {
            "log_probs": np.add(old, [side * step, side * step, 0, 2 * side]),
            "old_log_probs": old,
        }
        given |= {"advantages": np.array([side * 1.5, -side, 1.0, -side]), "clip_range": clip_range}
        yield Case(given, f"where a ratio is exactly 1 {'+' if side > 0 else '−'} ε")
    given = clip(rng, 18)
    yield Case(
        {**given, "advantages": np.where(np.arange(18) % 3, given["advantages"], 0.0)},
        "where an advantage is 0",
    )


def far_clips(rng, given):
    """A ratio of 8, and log-probabilities whose likelihood underflows."""
    more = {"clip_range", "kl_coefficient"} & given.keys()
    for size, convert in ((1.0, dict), (200.0, single), (800.0, dict)):
        step = np.array([0.7, -0.9, 0.1, -0.1, 2.1 if size == 1 else 0.3, 0.0])
        A = np.array([1.0, -1.0, 2.0, -2.0, -5.0, 1.0])
        old = -size + np.round(rng.normal(size=6))
        own = {"log_probs": old + step, "old_log_probs": old, "advantages": A}
        if "kls" in given:
            own["kls"] = rng.uniform(0, 1, 6)
        words = f"for log-probabilities of −{size:g}" + (" in float32" if convert is single else "")
        words = "where a ratio is 8 and its advantage negative" if size == 1 else words
        yield Case(convert({**own, **{name: given[name] for name in more}}), words)


def edge(rng, side):
    """A step of log π and a clip range whose ratio is at the band's edge in every arithmetic."""
    for k in rng.permutation(np.arange(24, 112)):
        step = k / 256
        ratio = np.exp(side * step)
        clip_range = float(side * (ratio - 1))
        short = np.exp(np.float32(side * step))
        short = (
            short
            == np.float32(1) + np.float32(side * clip_range)
            == np.float32(1 + side * clip_range)
        )
        logs = np.log(1 + side * clip_range) == side * step == np.log1p(side * clip_range)
        if 1 + side * clip_range == ratio and short and logs:
            return step, clip_range
    return 0.25, float(side * (np.exp(side * 0.25) - 1))


@of("one_page.policy_slope", each=[(18,), (21,), (1,)], tiny=[(1,), (2,)])
def page_slope(rng, B):
    case = clip(rng, B)
    all_log_probs, action = log_probs(rng, B, 2), rng.integers(2, size=B)
    own = all_log_probs[np.arange(B), action]
    old = case["old_log_probs"] - case["log_probs"] + own
    old = np.where(np.isclose(old, own, rtol=0, atol=1e-12), own, old)  # ratios of 1
    logits = all_log_probs + rng.normal(size=(B, 1))
    rows = {"logits": logits, "action": action, "old_log_prob": old}
    return {**rows, "advantage": case["advantages"], "clip_range": case["clip_range"]}


@special("one_page.policy_slope")
def unlikely_slope(rng):
    for size, convert in ((200.0, single), (800.0, dict)):
        z = np.array([[0.0, -size], [-size, 0.0], [0.0, -size], [1.0, 0.0]])
        own = (z - np.logaddexp.reduce(z, axis=1, keepdims=True))[np.arange(4), [1, 0, 0, 1]]
        given = {"logits": z, "action": np.array([1, 0, 0, 1])}
        given |= {
            "old_log_prob": np.add(own, [0.7, -0.1, 0.0, 0.1]),
            "advantage": np.array([1.0, 2.0, -1.0, -1.0]),
        }
        words = f"for log-probabilities of −{size:g}" + (" in float32" if convert is single else "")
        yield Case(convert({**given, "clip_range": 0.3}), words)
    own = -np.log(2.0)
    for side in (1, -1):
        for _ in range(99):  # until nothing is rounded, in a difference of logs or in a quotient
            step, clip_range = edge(rng, side)
            quotient = np.exp(own) / np.exp(own - side * step)
            if own - (own - side * step) == side * step and quotient == np.exp(side * step):
                break
        given = {"logits": np.zeros((4, 2)), "action": np.array([0, 1, 1, 0])}
        given |= {"old_log_prob": own - np.array([step, step, 0, 2]) * side}
        given |= {"advantage": np.array([side * 1.5, -side, 1.0, -side]), "clip_range": clip_range}
        yield Case(given, f"where a ratio is exactly 1 {'+' if side > 0 else '−'} ε")


@of("ppo.clipped_value_loss", each=[(10,), (13,), (40,), (1,)], tiny=[(1,)])
def value_clip(rng, B):
    if B == 40:  # inside the band, where the two errors tie to the last bit
        values, old = 0.01 * rng.normal(size=40), rng.uniform(-0.1, 0.1, 40)
        targets = values + 0.01 * rng.normal(size=40)
        return {"values": values, "old_values": old, "targets": targets, "clip_range": 0.2}
    clip_range, start = drawn(rng, 0.15, 0.6), rng.integers(10) if B == 1 else 0
    old = np.array([0.0, 0, 0, 0, 1, -1, 0, 0, 0, 0]) + (rng.normal(size=10) if B > 1 else 0)
    values = old + clip_range * np.array([0.4, 2, 2, -2, 3, -0.4, -2, -2, -3, 2.5])
    targets = old + clip_range * np.array([1.2, 4, 0.4, 1.6, 8, 12, -4, -0.4, -8, -1.6])
    rows = {"values": values, "old_values": old, "targets": targets}
    return {
        **{name: np.resize(np.roll(a, -start), B) for name, a in rows.items()},
        "clip_range": clip_range,
    }


@special("ppo.clipped_value_loss")
def value_edges(rng):
    old, step = np.array([0.5, 0.5, -1.0, -1.0]), np.array([0.25, 0.25, -0.25, -0.25])
    given = {
        "values": old + step,
        "old_values": old,
        "targets": np.add(old, [2.0, -2.0, 2.0, -2.0]),
    }
    yield Case({**given, "clip_range": 0.25}, "where a value is exactly at the band's edge")


@of("ppo_penalty.penalized_surrogate", each=BATCHES, tiny=[(1,), (2,)])
def penalty(rng, B):
    log_probs, old_log_probs, advantages, kls = rng.normal(0, 0.5, (4, B))
    case = {"log_probs": log_probs, "old_log_probs": old_log_probs}
    return {**case, "advantages": advantages, "kls": abs(kls), "kl_coefficient": drawn(rng, 0.2, 3)}


@special("ppo_penalty.penalized_surrogate")
def odd_penalties(rng):
    yield from far_clips(rng, penalty(rng, 6))
    given = penalty(rng, 4)
    yield Case({**given, "kls": given["kls"] * [1, 0, 1, 0]}, "where a KL is 0")


@refused("ppo_penalty.penalized_surrogate")
def no_penalty(given):
    yield "kls of another length", {**given, "kls": given["kls"][:1]}
    yield "log_probs (8,1)", {**given, "log_probs": given["log_probs"][:, None]}
    yield "advantages (8,1)", {**given, "advantages": given["advantages"][:, None]}


TIMES = 0.1, 5.0, 1.0, 0.66, 0.67, 1.49, 1.51, 0.8, 1.2, 0.0, 0.55, 1.8, 0.45, 2.2


@of("ppo_penalty.adapt_kl_coefficient", each=[(time,) for time in TIMES])
def thermostat(rng, times):
    target = float(np.round(rng.uniform(0.005, 0.05), 4))
    return {"kl_coefficient": drawn(rng, 0.3, 5), "kl": target * times, "kl_target": target}


MAKERS["ppo_penalty.adapt_kl_coefficient"] = (
    thermostat,
    [(t,) for t in TIMES],
    [(t,) for t in TIMES],
)


@special("ppo_penalty.adapt_kl_coefficient")
def limits(rng):
    target = float(0.75 * 2.0 ** -rng.integers(3, 7))  # of which 1.5 times, and over 1.5, are exact
    for times, words in ((1.5, "1.5 times the target"), (1 / 1.5, "the target over 1.5")):
        kl = target * 1.5 if times > 1 else target / 1.5
        yield Case(
            {"kl_coefficient": 0.8, "kl": kl, "kl_target": target}, f"where kl is exactly {words}"
        )
    for beta, kl in ((1e-6, 0.0), (1.5e-6, 0.001), (1e6, 1.0), (7e5, 0.5), (1e-6, 1.0), (1e6, 0.0)):
        yield Case(
            {"kl_coefficient": beta, "kl": kl, "kl_target": 0.02},
            "at the limits of β, 10⁻⁶ and 10⁶",
            1e-6,
        )


@refused("ppo_penalty.adapt_kl_coefficient")
def no_thermostat(given):
    for beta in (0.0, 1e-7, 2e6, -1.0):
        yield f"kl_coefficient {beta:g}", {**given, "kl_coefficient": beta}


# One page, and the ladder


def page_network(rng, inputs, hidden, outputs):
    """one_page.py's Network, in float64."""
    import one_page  # and Gymnasium, which the lesson's cases do without

    network, size = object.__new__(one_page.Network), (inputs + 1) * hidden + (hidden + 1) * outputs
    page_views(network, rng.normal(0, 0.7, size), inputs, hidden)
    network.m, network.v, network.t = np.zeros(size), np.zeros(size), 0
    return network


PAGES = (2, 2, 2, 2), (5, 3, 4, 2), (3, 4, 2, 1), (1, 2, 3, 2)


@of(
    "one_page.Network.backward",
    "5_network.Network.backward",
    each=PAGES,
    tiny=[(1, 1, 1, 1), (1, 1, 2, 1), (1, 2, 1, 1), (2, 1, 1, 1)],
)
def page_backward(rng, B, *sizes):
    network, x = page_network(rng, *sizes), rng.normal(size=(B, sizes[0]))
    y, h = network.forward(x)
    return {"self": network, "dy": rng.normal(size=y.shape), "x": x, "h": h}


@of(
    "one_page.Network.step",
    each=[(1, 0.1, 2), (3, 1.0, 2), (4, 0.3, 1)],
    tiny=[(1, 0.03, 1), (1, 1.0, 1), (2, 1.0, 1)],
)
def page_steps(rng, steps, spread, outputs):
    """One short gradient, which is not shortened; then three, of which two are long."""
    network = (
        page_network(rng, 2, 2, outputs) if steps > 2 or spread != 1 else page_network(rng, 1, 1, 1)
    )
    gradients = [*rng.normal(0, spread, size=(steps, len(network.parameters)))]
    if steps > 2:
        gradients[1] *= 0.05
    return {"self": network, "gradients": gradients, "step_size": drawn(rng, 0.05, 0.3)}


@special("one_page.Network.step")
def odd_page_steps(rng):
    given, other = page_steps(rng, 3, 1.0, 2), page_network(rng, 2, 2, 2)
    yield Case({**given, "others": [(other, None)]}, "with two networks in turn")
    given = page_steps(rng, 2, 0.5, 2)
    keep = np.arange(len(given["gradients"][0])) % 3
    given["gradients"] = [g * np.array([1.0, 0.0, 1e-8])[keep] for g in given["gradients"]]
    yield Case(given, "where a gradient is 0, or as small as ε")


@of("1_bandit.gradient", each=[(1,), (0, -1), (1,), (1, -1)], tiny=[(1,), (1, -1)])
def pulls(rng, action, sign=1):
    case = {"action": action, "reward": sign * drawn(rng, 0.3, 2)}
    return {**case, "onehot": np.eye(2)[action], "logits": rng.normal(size=2)}


EPISODES = (2, 2), (4, 3), (5, 2), (6, 4)
TINY_EPISODES = (1, 1), (1, 2), (2, 2)


@of("3_reward_to_go.gradient", "4_baseline.gradient", each=EPISODES, tiny=TINY_EPISODES)
def episodes(rng, T, N):
    """Carts side by side, of which some have fallen."""
    ends = np.resize([T, 1, max(T - 1, 1)], N)  # steps of each cart
    valid = np.arange(T)[:, None] < ends
    case = {"N": N, "obs": rng.normal(size=(T, N, 4)), "action": rng.integers(2, size=(T, N))}
    W, reward = rng.normal(size=(4, 2)), rng.normal(1, 1, (T, N)) * valid
    weight = reward[::-1].cumsum(axis=0)[::-1].copy()
    return {**case, "reward": reward, "valid": valid, "weight": weight, "W": W}


@of("2_reinforce.gradient", each=EPISODES, tiny=TINY_EPISODES)
def steps_of_episodes(rng, T, N):
    case = episodes(rng, T, N)
    W, valid = case.pop("W"), case["valid"]
    case |= {"x": case["obs"][valid], "onehot": np.eye(2)[case["action"][valid]]}
    return settled({**case, "W": W})


CARTS = (1, 3), (2, 4), (3, 2), (4, 3)


@of("7_many_carts.dlogits", each=[(*c, False) for c in CARTS], tiny=[(1, 2, False), (1, 3, False)])
@of("8_epochs.dlogits", each=[(*c, True) for c in CARTS], tiny=[(1, 2, True), (1, 3, True)])
def carts(rng, T, N, epochs):
    """Rows of a rollout; with epochs, a minibatch of them, drawn with an older policy."""
    valid = np.ones((T, N), bool)
    valid[0, 1] = False
    B, action = T * N - 1, rng.integers(2, size=(T, N))
    i = rng.permutation(B)[: B // 2 + 1] if epochs else np.arange(B)
    z = log_probs(rng, len(i), 2) + rng.normal(size=(len(i), 1))
    case = {"N": N, "action": action, "valid": valid, "x": rng.normal(size=(B, 4))}
    case |= {"onehot": np.eye(2)[action[valid]], "advantage": rng.normal(size=(B, 1)), "logits": z}
    if epochs:
        case |= {"old": rng.uniform(0.2, 0.8, (B, 1)), "i": i}
        case["probs"] = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return case


# I. A transformer by hand

WORDS = "1+1=2..", "3+8=11.", "9+0=.4+", "3+8=1+=", "5+5=10.", "0+7=7.1"


def language():
    """Stair 10, whose constants hold for its functions: D, H, C, V."""
    from lab.language.transformer import stair

    return stair


@of("10_language.policy_slope", each=[(4,), (2,), (6,), (1,)])
def answers(rng, B):
    stair = language()
    text = stair.encode(rng.permutation(WORDS)[:B])
    logits = rng.normal(size=(B * 6, stair.V))
    return {"logits": logits, "text": text, "weight": rng.normal(size=B)}


@of(
    "10_language.norm_backward",
    each=[(3, 4), (5, 3), (1, 2), (4, 4)],
    tiny=[(1, 2), (1, 3), (2, 2)],
)
def normed(rng, rows, numbers):
    y, r = language().norm_forward(rng.normal(0, 2, (rows, numbers)))
    return {"dy": rng.normal(size=(rows, numbers)), "y": y, "r": r}


@of("10_language.attention_backward", each=[(2, 3), (1, 5), (3, 2), (4, 4)])
def readings(rng, B, T):
    stair = language()
    q, k, v, dy = rng.normal(size=(4, B * T, stair.D))
    return {"dy": dy, "cache": stair.attention_forward(q, k, v, T)[1]}


@of("10_language.embed_backward", each=[(2, 3), (1, 6), (5, 2), (3, 5)])
def looked_up(rng, B, T):
    stair = language()
    text = rng.integers(stair.V, size=(B, T))
    text[:, -1] = text[:, 0]  # a character that stands twice
    return {"dx": rng.normal(size=(B * T, stair.D)), "text": text}


@of("10_language.Model.backward", each=[(3,), (2,), (5,)])
def whole_pages(rng, B):
    stair = language()
    model = stair.Model(rng, np.float64)
    given = answers(rng, B)
    logits, cache = model.forward(given["text"][:, :-1])
    return {"self": model, "dlogits": rng.normal(size=logits.shape), "cache": cache}
