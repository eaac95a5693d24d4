"""What each blank is asked: a few small cases, and how to ask.

A case is a dict of arguments. The first one of each list is the one that is shown
when nothing better can be said. Batches of different sizes tell N from a constant.
"""

import copy

import numpy as np

import nn


def ask(blank, function, case, owner=None):
    """Call a function with its own copy of a case -> its outputs, a tuple of arrays.

    owner  the reader's class, if it is a method: it may call others of theirs

    Raises whatever it raises, and ValueError when it changes what it was given
    (arrays are read-only, so that its own line does) or returns another number of things.
    """
    arguments = copy.deepcopy(case)
    for value in arguments.values():
        if owner is not None and type(value).__name__ == owner.__name__:
            value.__class__ = owner
    if blank.path == "one_page.Network.step":
        network = arguments["self"]
        for gradient in arguments["gradients"]:
            function(network, gradient, arguments["step_size"])
        return network.parameters, network.m, network.v
    if blank.path == "nn.Adam.step":
        adam, parameters = arguments["adam"], arguments["parameters"]
        for gradient in arguments["gradients"]:
            gradient.flags.writeable = False
            function(adam, parameters, gradient)
        return parameters, adam.m, adam.v
    lists = [value for value in arguments.values() if isinstance(value, list)]
    lengths = list(map(len, lists))
    own = blank.lines.own.split() if blank.lines else ()
    kept = [value for name, value in arguments.items() if name not in own]
    for value in [*kept, *(item for some in lists for item in some)]:
        if isinstance(value, np.ndarray) and blank.path != "nn.clip_global_norm":
            value.flags.writeable = False
    # A method's `self` has its own name in the reader's code, or none.
    own = [arguments.pop("self")] if "self" in arguments else []
    answer = function(*own, **arguments)
    if list(map(len, lists)) != lengths:
        raise ValueError("it changes one of its arguments; work on a copy")
    if answer is None:
        raise ValueError("it returns nothing")
    if blank.path == "nn.clip_global_norm":
        answer = answer, arguments["gradient"]
    if len(blank.returns) == 1:
        answer = (answer,)
    if not isinstance(answer, (tuple, list)) or len(answer) != len(blank.returns):
        number = len(answer) if isinstance(answer, (tuple, list)) else 1
        wanted = ", ".join(blank.returns)
        raise ValueError(f"it returns {number} thing{'s' * (number != 1)}, not ({wanted})")
    answer = tuple(np.asarray(part) for part in answer)
    for name, part in zip(blank.returns, answer, strict=True):
        if part.dtype.kind not in "biuf":
            raise ValueError(f"what it returns as {name} is no number: {part.dtype}")
    return answer


# ------------------------------------------------------------------- the cases

MAKERS = {}  # path of a blank -> the function that makes its cases of a generator


def cases(blank):
    """The cases of a blank: a list of dicts. The same at each call."""
    given = MAKERS[blank.path](np.random.default_rng([*blank.key.encode()]))
    if blank.lines is None:
        return given
    takes = blank.lines.takes.split()
    return [{name: value for name, value in case.items() if name in takes} for case in given]


def of(*paths, each=None):
    """Makes a function the maker of these blanks' cases: rng -> cases.

    each  arguments for each case: the function is then (rng, *arguments) -> one case
    """

    def register(function):
        def make(rng):
            if each is None:
                return list(function(rng))
            return [function(rng, *arguments) for arguments in each]

        MAKERS.update(dict.fromkeys(paths, make))
        return function

    return register


# D. Network and optimiser

LAYERS = (2, 3, 2), (5, 4, 3), (7, 2, 1), (3, 3, 3)


@of("nn.linear_forward", each=LAYERS)
def linear(rng, B, inputs, outputs):
    x, W = rng.normal(size=(B, inputs)), rng.normal(size=(inputs, outputs))
    return {"x": x, "W": W, "b": rng.normal(size=outputs)}


@of("nn.linear_backward", each=LAYERS)
def linear_backward(rng, B, inputs, outputs):
    case = linear(rng, B, inputs, outputs)
    del case["b"]
    return {"dy": rng.normal(size=(B, outputs)), **case}


@of("nn.tanh_backward", each=[(np.tanh, (2, 3)), (np.tanh, (4, 5))])
@of("nn.relu_backward", each=[(nn.relu_forward, (2, 3)), (nn.relu_forward, (4, 5))])
def activation(rng, forward, shape):
    z = rng.normal(0, 1.5, shape)
    z[0, 0] = 0.0  # exactly at ReLU's kink
    return {"dh": rng.normal(size=shape), "h": forward(z)}


@of("nn.MLP.backward", each=[((2, 3, 2), "tanh"), ((3, 4, 5, 2), "relu"), ((4, 6, 3, 1), "tanh")])
def mlp(rng, sizes, name):
    network = nn.MLP(sizes, rng, name, dtype=np.float64)
    network.parameters[:] = rng.normal(0, 0.7, network.parameters.size)
    y, cache = network.forward(rng.normal(size=(3, sizes[0])))
    return {"self": network, "dy": rng.normal(size=y.shape), "cache": cache}


@of("nn.clip_global_norm")
def norms(rng):
    yield {"gradient": np.array([3.0, 4.0]), "max_norm": 1.0}
    yield {"gradient": np.array([0.3, -0.4]), "max_norm": 1.0}
    yield {"gradient": rng.normal(size=9) * 5, "max_norm": 2.0}


@of("nn.Adam.step", each=[(2, 1), (3, 3)])
def adam_steps(rng, size, steps):
    adam = nn.Adam(size, 0.1, betas=(0.8, 0.95), eps=1e-3, dtype=np.float64)
    gradients = rng.normal(size=(steps, size))
    return {"adam": adam, "parameters": rng.normal(size=size), "gradients": gradients}


# C. Distributions

ROWS = (2, 3), (5, 2), (3, 3)  # rows and columns, of which neither tells the other


def log_probs(rng, rows, columns):
    logits = rng.normal(0, 1.2, (rows, columns))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


@of("distributions.log_softmax")
def logits(rng):
    sizes = rng.normal(size=(2, 3)), rng.normal(size=(3, 2)), rng.normal(size=(3, 3))
    large = np.array([[1e4, 0.0, -1e4], [0.0, 1e3, 1e3], [-2e3, -2e3, -2e3]])
    return [{"logits": z} for z in (*sizes, large)]


@of("distributions.log_softmax_backward", each=[(2, 3), (3, 2), (3, 3)])
def softmax_backward(rng, *shape):
    return {"dlog_probs": rng.normal(size=shape), "log_probs": log_probs(rng, *shape)}


@of("distributions.categorical_log_prob_backward", each=ROWS)
def chosen(rng, rows, columns):
    actions, probs = rng.integers(columns, size=rows), np.exp(log_probs(rng, rows, columns))
    return {"dlog_probs": rng.normal(size=rows), "actions": actions, "probs": probs}


@of("distributions.categorical_entropy", each=ROWS)
def entropy(rng, *shape):
    return {"log_probs": log_probs(rng, *shape)}


@of("distributions.categorical_entropy_backward", each=ROWS)
def entropy_backward(rng, *shape):
    own = log_probs(rng, *shape)
    entropies = -(np.exp(own) * own).sum(axis=1)
    return {"dentropies": rng.normal(size=shape[0]), "entropies": entropies, "log_probs": own}


@of("distributions.categorical_kl", each=ROWS)
def kl(rng, *shape):
    return {"old_log_probs": log_probs(rng, *shape), "log_probs": log_probs(rng, *shape)}


@of("distributions.categorical_kl_backward", each=ROWS)
def kl_backward(rng, *shape):
    return {"dkls": rng.normal(size=shape[0]), **kl(rng, *shape)}


@of("distributions.gaussian_log_prob", each=[((), 2, 1), ((), 4, 2), ((), 3, 3)])
@of(
    "distributions.gaussian_log_prob_backward",
    each=[(("dlog_probs",), 2, 1), (("dlog_probs",), 4, 2), (("dlog_probs",), 3, 3)],
)
def gaussian(rng, weighted, rows, size):
    weights, (actions, means) = rng.normal(size=rows), rng.normal(size=(2, rows, size))
    log_stds, _ = rng.normal(0, 0.5, (2, size))
    case = {"actions": actions, "means": means, "log_stds": log_stds}
    return {**dict.fromkeys(weighted, weights), **case}


@of("distributions.gaussian_kl_backward", each=[(2, 1), (4, 2), (3, 3)])
def gaussian_kl(rng, rows, size):
    weights, (old_means, means) = rng.normal(size=rows), rng.normal(size=(2, rows, size))
    old, new = rng.normal(0, 0.5, (2, size))
    case = {"dkls": weights, "old_means": old_means, "old_log_stds": old}
    return {**case, "means": means, "log_stds": new}


@of("distributions.gaussian_entropy", each=[(1,), (2,), (4,)])
def gaussian_entropy(rng, size):
    return {"log_stds": rng.normal(size=size)}


# B. Advantages; H. Groups of responses

RECORDS = (0, (4,)), (1, (6, 2)), (2, (5, 1, 2))


@of("advantages.gae", each=RECORDS)
def gae(rng, number, shape):
    """Records with a fall, a time limit and an edge in the middle."""
    rewards, values, next_values = rng.normal(size=(3, *shape))
    terminated, truncated = np.zeros((2, *shape), bool)
    terminated[1] = True  # a fall in the middle
    if number > 0:
        truncated[3, ..., 1] = True  # a time limit in one stream alone
        terminated[-1, ..., 0] = True
    case = {"rewards": rewards, "values": values, "next_values": next_values}
    case |= {"terminated": terminated, "ended": terminated | truncated}
    return {**case, "gamma": 0.9, "gae_lambda": 0.7}


@of("advantages.returns_to_go", each=RECORDS)
def returns_to_go(rng, number, shape):
    case = gae(rng, number, shape)
    return {name: case[name] for name in case if name not in ("values", "gae_lambda")}


@of("one_page.credit", "6_critic.credit", each=RECORDS)
def page_credit(rng, number, shape):
    case = gae(rng, number, shape)
    v = np.concatenate([case["values"], case["next_values"][-1:]])
    truncated = case["ended"] & ~case["terminated"]
    case = {"reward": case["rewards"], "v": v, "terminated": case["terminated"]}
    return {**case, "truncated": truncated}


@of("advantages.group_advantages")
def groups(rng):
    graded = rng.normal(size=(3, 3))
    graded[1] = 0.5  # a group of equals
    passed = np.array([[1.0, 0, 0, 1], [0, 0, 0, 1]])
    some = {"rewards": passed, "scale": False}, {"rewards": passed, "scale": True}
    more = {"rewards": graded, "scale": False}, {"rewards": graded, "scale": True}
    return [*some, *more, {"rewards": passed, "scale": True, "eps": 0.5}]


@of("advantages.normalize")
def advantages(rng):
    rows = rng.normal(2, 3, 4), rng.normal(-1, 0.2, 9), np.array([0.7]), np.full(3, 2.0)
    # with eps 0.5 it shows where eps stands
    return [*({"advantages": row} for row in rows), {"advantages": rows[0], "eps": 0.5}]


# A. The policy gradient; E. The value function; F. PPO


@of("vpg.policy_loss", each=[("log_probs", "advantages", 3), ("log_probs", "advantages", 5)])
@of("vpg.value_loss", each=[("values", "targets", 3), ("values", "targets", 5)])
def loss(rng, first, second, B):
    return dict(zip((first, second), rng.normal(size=(2, B)), strict=True))


@of("ppo.clipped_surrogate", "ppo.clip_statistics", each=[(14,), (17,)])
def clip(rng, B):
    """Every field of the clip's plane, and ties: ratios of exactly 1, where plain = clipped."""
    ratios = np.array([1.0, 1.5, 0.5, 1.5, 0.5, 1.1, 0.9, 1.0, 1.6, 1.7, 0.4, 1.21, 0.81, 1.21])
    A = np.array([2.0, 1.0, 1.0, -1.0, -1.0, 0.5, -3.0, -1.0, 2.0, 0.7, -2.0, 1.5, -0.5, 0.3])
    old = rng.normal(-1, 0.3, B)
    case = {"log_probs": old + np.log(np.resize(ratios, B)), "old_log_probs": old}
    return {**case, "advantages": np.resize(A, B), "clip_range": 0.2}


@of("one_page.policy_slope")
def page_slope(rng):
    for case in [clip(rng, 14), clip(rng, 17)]:
        all_log_probs = log_probs(rng, len(case["log_probs"]), 2)
        action = rng.integers(2, size=len(all_log_probs))
        own = all_log_probs[np.arange(len(action)), action]
        old = case["old_log_probs"] - case["log_probs"] + own
        old = np.where(np.isclose(old, own, rtol=0, atol=1e-12), own, old)  # ratios of 1
        rows = {"logits": all_log_probs, "action": action, "old_log_prob": old}
        yield {**rows, "advantage": case["advantages"], "clip_range": 0.2}


@of("ppo.clipped_value_loss")
def value_clip(rng):
    old = np.array([0.0, 0.0, 0.0, 0.0, 1.0, -1.0])
    values = np.array([0.1, 0.5, 0.5, -0.5, 1.75, -1.1])
    targets = np.array([0.3, 1.0, 0.1, 0.4, 3.0, 2.0])
    start = {"values": values, "old_values": old, "targets": targets, "clip_range": 0.25}
    more = {name: np.resize(array, 9) for name, array in start.items() if name != "clip_range"}
    # inside the band, where the two errors tie to the last bit
    inside = {"values": 0.01 * rng.normal(size=40), "old_values": rng.uniform(-0.15, 0.15, 40)}
    targets = inside["values"] + 0.01 * rng.normal(size=40)
    return [start, {**more, "clip_range": 0.4}, {**inside, "targets": targets, "clip_range": 0.2}]


@of("ppo_penalty.penalized_surrogate", each=[(3,), (5,)])
def penalty(rng, B):
    log_probs, old_log_probs, advantages, kls = rng.normal(0, 0.5, (4, B))
    case = {"log_probs": log_probs, "old_log_probs": old_log_probs}
    return {**case, "advantages": advantages, "kls": kls, "kl_coefficient": 0.7}


@of("ppo_penalty.adapt_kl_coefficient")
def thermostat(rng):
    for kl in (0.001, 0.05, 0.01, 0.0066, 0.0067, 0.0149, 0.0151, 0.008, 0.012, 0.0):
        yield {"kl_coefficient": 0.8, "kl": kl, "kl_target": 0.01}


# One page, and the ladder


def page_network(rng):
    """one_page.py's Network of 2 inputs, 2 hidden units and 2 outputs, in float64."""
    import one_page  # and Gymnasium, which the lesson's cases do without

    network = object.__new__(one_page.Network)
    network.parameters = rng.normal(0, 0.7, 12)
    W1, network.b1, W2, network.b2 = np.split(network.parameters, [4, 6, 10])
    network.W1, network.W2 = W1.reshape(2, 2), W2.reshape(2, 2)
    network.m, network.v, network.t = np.zeros(12), np.zeros(12), 0
    return network


@of("one_page.Network.backward", "5_network.Network.backward", each=[(2,), (5,)])
def page_backward(rng, B):
    network, x = page_network(rng), rng.normal(size=(B, 2))
    y, h = network.forward(x)
    return {"self": network, "dy": rng.normal(size=y.shape), "x": x, "h": h}


@of("one_page.Network.step")
def page_steps(rng):
    """One short gradient, which is not shortened; then three, of which two are long."""
    short, more = 0.1 * rng.normal(size=(1, 12)), rng.normal(size=(3, 12))
    more[1] *= 0.05
    for gradients in (short, more):
        yield {"self": page_network(rng), "gradients": gradients, "step_size": 0.1}


@of("one_page.log_softmax")
def page_logits(rng):
    return [{"z": case["logits"]} for case in logits(rng)]


@of("1_bandit.gradient", each=[(1,), (0,), (1,)])
def pulls(rng, action):
    case = {"N": 8, "action": action, "reward": float(rng.normal(1, 1))}
    return {**case, "onehot": np.eye(2)[action], "logits": rng.normal(size=2)}


EPISODES = (2, 2), (4, 3), (5, 2)


@of("3_reward_to_go.gradient", "4_baseline.gradient", each=EPISODES)
def episodes(rng, T, N):
    """Carts side by side, of which some have fallen."""
    ends = np.resize([T, 1, T - 1], N)  # steps of each cart
    valid = np.arange(T)[:, None] < ends
    case = {"N": N, "obs": rng.normal(size=(T, N, 4)), "action": rng.integers(2, size=(T, N))}
    W, reward = rng.normal(size=(4, 2)), rng.normal(1, 1, (T, N)) * valid
    weight = reward[::-1].cumsum(axis=0)[::-1]
    return {**case, "reward": reward, "valid": valid, "weight": weight, "W": W}


@of("2_reinforce.gradient", each=EPISODES)
def steps_of_episodes(rng, T, N):
    case = episodes(rng, T, N)
    W, valid = case.pop("W"), case["valid"]
    case |= {"weight": case["weight"][valid], "x": case["obs"][valid]}
    return {**case, "onehot": np.eye(2)[case["action"][valid]], "W": W}


@of("7_many_carts.dlogits", each=[(1, 3, False), (2, 4, False), (3, 2, False)])
@of("8_epochs.dlogits", each=[(1, 3, True), (2, 4, True), (3, 2, True)])
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
