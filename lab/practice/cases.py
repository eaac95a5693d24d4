"""What each blank is asked: a few small cases, and how to ask.

A case is a dict of arguments. The first one of each list is the one that is shown
when nothing better can be said. Batches of different sizes tell N from a constant.
"""

import copy

import numpy as np

import nn
import one_page


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


def cases(blank):
    """The cases of a blank: a list of dicts. The same at each call."""
    rng = np.random.default_rng(blank.equation)
    return MAKERS[blank.path](rng)


def linear(rng, backward):
    made = []
    for B, inputs, outputs in ((2, 3, 2), (5, 4, 3), (7, 2, 1), (3, 3, 3)):
        x, W = rng.normal(size=(B, inputs)), rng.normal(size=(inputs, outputs))
        last = {"b": rng.normal(size=outputs)}
        made.append({"x": x, "W": W, **last})
        if backward:
            made[-1] = {"dy": rng.normal(size=(B, outputs)), "x": x, "W": W}
    return made


def activation(forward):
    def make(rng):
        made = []
        for shape in ((2, 3), (4, 5)):
            z = rng.normal(0, 1.5, shape)
            z[0, 0] = 0.0  # exactly at ReLU's kink
            made.append({"dh": rng.normal(size=shape), "h": forward(z)})
        return made

    return make


def mlp(rng):
    made = []
    for sizes, name in (((2, 3, 2), "tanh"), ((3, 4, 5, 2), "relu"), ((4, 6, 3, 1), "tanh")):
        network = nn.MLP(sizes, rng, name, dtype=np.float64)
        network.parameters[:] = rng.normal(0, 0.7, network.parameters.size)
        y, cache = network.forward(rng.normal(size=(3, sizes[0])))
        made.append({"self": network, "dy": rng.normal(size=y.shape), "cache": cache})
    return made


def norms(rng):
    gradients = np.array([3.0, 4.0]), np.array([0.3, -0.4]), rng.normal(size=9) * 5
    limits = 1.0, 1.0, 2.0
    return [{"gradient": g, "max_norm": m} for g, m in zip(gradients, limits, strict=True)]


def adam_steps(rng):
    made = []
    for size, steps in ((2, 1), (3, 3)):
        adam = nn.Adam(size, 0.1, betas=(0.8, 0.95), eps=1e-3, dtype=np.float64)
        gradients = rng.normal(size=(steps, size))
        made.append({"adam": adam, "parameters": rng.normal(size=size), "gradients": gradients})
    return made


def log_probs(rng, rows, columns):
    logits = rng.normal(0, 1.2, (rows, columns))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def logits(rng):
    sizes = rng.normal(size=(2, 3)), rng.normal(size=(3, 2)), rng.normal(size=(3, 3))
    large = np.array([[1e4, 0.0, -1e4], [0.0, 1e3, 1e3], [-2e3, -2e3, -2e3]])
    return [{"logits": z} for z in (*sizes, large)]


def softmax_backward(rng):
    return [
        {"dlog_probs": rng.normal(size=shape), "log_probs": log_probs(rng, *shape)}
        for shape in ((2, 3), (3, 2), (3, 3))
    ]


def chosen(rng):
    made = []
    for rows, columns in ((2, 3), (5, 2), (3, 3)):
        actions, probs = rng.integers(columns, size=rows), np.exp(log_probs(rng, rows, columns))
        made.append({"dlog_probs": rng.normal(size=rows), "actions": actions, "probs": probs})
    return made


def entropy(rng):
    return [{"log_probs": log_probs(rng, *shape)} for shape in ((2, 3), (5, 2), (3, 3))]


def entropy_backward(rng):
    made = []
    for shape in ((2, 3), (5, 2), (3, 3)):
        own = log_probs(rng, *shape)
        entropies = -(np.exp(own) * own).sum(axis=1)
        weights = rng.normal(size=shape[0])
        made.append({"dentropies": weights, "entropies": entropies, "log_probs": own})
    return made


def kl(backward):
    def make(rng):
        made = []
        for shape in ((2, 3), (5, 2), (3, 3)):
            case = {"dkls": rng.normal(size=shape[0])} if backward else {}
            case["old_log_probs"] = log_probs(rng, *shape)
            made.append({**case, "log_probs": log_probs(rng, *shape)})
        return made

    return make


def gaussian(kind):
    def make(rng):
        made = []
        for rows, size in ((2, 1), (4, 2), (3, 3)):
            weights, (a, b) = rng.normal(size=rows), rng.normal(size=(2, rows, size))
            first, second = rng.normal(0, 0.5, (2, size))
            if kind == "kl":
                old = {"dkls": weights, "old_means": a, "old_log_stds": first}
                made.append({**old, "means": b, "log_stds": second})
            else:
                case = {"actions": a, "means": b, "log_stds": first}
                made.append(case if kind == "log_prob" else {"dlog_probs": weights, **case})
        return made

    return make


def gaussian_entropy(rng):
    return [{"log_stds": rng.normal(size=size)} for size in (1, 2, 4)]


def credit(trace):
    """Records with a fall, a time limit and an edge in the middle, for the returns or for GAE."""

    def make(rng):
        made = []
        for number, shape in enumerate([(4,), (6, 2), (5, 1, 2)]):
            rewards, values, next_values = rng.normal(size=(3, *shape))
            terminated, truncated = np.zeros((2, *shape), bool)
            terminated[1] = True  # a fall in the middle
            if number > 0:
                truncated[3, ..., 1] = True  # a time limit in one stream alone
                terminated[-1, ..., 0] = True
            case = {"rewards": rewards, "values": values, "next_values": next_values}
            case |= {"terminated": terminated, "ended": terminated | truncated, "gamma": 0.9}
            if trace:
                case["gae_lambda"] = 0.7
            else:
                del case["values"]
            made.append(case)
        return made

    return make


def groups(rng):
    graded = rng.normal(size=(3, 3))
    graded[1] = 0.5  # a group of equals
    passed = np.array([[1.0, 0, 0, 1], [0, 0, 0, 1]])
    some = {"rewards": passed, "scale": False}, {"rewards": passed, "scale": True}
    more = {"rewards": graded, "scale": False}, {"rewards": graded, "scale": True}
    return [*some, *more, {"rewards": passed, "scale": True, "eps": 0.5}]


def advantages(rng):
    rows = rng.normal(2, 3, 4), rng.normal(-1, 0.2, 9), np.array([0.7]), np.full(3, 2.0)
    # with eps 0.5 it shows where eps stands
    return [*({"advantages": row} for row in rows), {"advantages": rows[0], "eps": 0.5}]


def loss(*names):
    def make(rng):
        return [dict(zip(names, rng.normal(size=(len(names), B)), strict=True)) for B in (3, 5)]

    return make


def clip(rng):
    """Every field of the clip's plane, and ties: ratios of exactly 1, where plain = clipped."""
    ratios = np.array([1.0, 1.5, 0.5, 1.5, 0.5, 1.1, 0.9, 1.0, 1.6, 1.7, 0.4, 1.21, 0.81, 1.21])
    A = np.array([2.0, 1.0, 1.0, -1.0, -1.0, 0.5, -3.0, -1.0, 2.0, 0.7, -2.0, 1.5, -0.5, 0.3])
    made = []
    for rows in (np.arange(14), np.resize(np.arange(14), 17)):
        old = rng.normal(-1, 0.3, len(rows))
        case = {"log_probs": old + np.log(ratios[rows]), "old_log_probs": old}
        made.append({**case, "advantages": A[rows], "clip_range": 0.2})
    return made


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


def penalty(rng):
    names = "log_probs", "old_log_probs", "advantages", "kls"
    made = []
    for B in (3, 5):
        rows = rng.normal(0, 0.5, (4, B))
        made.append({**dict(zip(names, rows, strict=True)), "kl_coefficient": 0.7})
    return made


def thermostat(rng):
    return [
        {"kl_coefficient": 0.8, "kl": kl, "kl_target": 0.01}
        for kl in (0.001, 0.05, 0.01, 0.0066, 0.0067, 0.0149, 0.0151, 0.008, 0.012, 0.0)
    ]


def page_network(rng):
    """one_page.py's Network of 2 inputs, 2 hidden units and 2 outputs, in float64."""
    network = object.__new__(one_page.Network)
    network.parameters = rng.normal(0, 0.7, 12)
    W1, network.b1, W2, network.b2 = np.split(network.parameters, [4, 6, 10])
    network.W1, network.W2 = W1.reshape(2, 2), W2.reshape(2, 2)
    network.m, network.v, network.t = np.zeros(12), np.zeros(12), 0
    return network


def page_backward(rng):
    made = []
    for B in (2, 5):
        network, x = page_network(rng), rng.normal(size=(B, 2))
        y, h = network.forward(x)
        made.append({"self": network, "dy": rng.normal(size=y.shape), "x": x, "h": h})
    return made


def page_steps(rng):
    """One short gradient, which is not shortened; then three, of which two are long."""
    short, more = 0.1 * rng.normal(size=(1, 12)), rng.normal(size=(3, 12))
    more[1] *= 0.05
    return [
        {"self": page_network(rng), "gradients": gradients, "step_size": 0.1}
        for gradients in (short, more)
    ]


def page_credit(rng):
    made = []
    for case in credit(True)(rng):
        v = np.concatenate([case["values"], case["next_values"][-1:]])
        truncated = case["ended"] & ~case["terminated"]
        case = {"reward": case["rewards"], "v": v, "terminated": case["terminated"]}
        made.append({**case, "truncated": truncated})
    return made


def page_slope(rng):
    made = []
    for case in clip(rng):
        all_log_probs = log_probs(rng, len(case["log_probs"]), 2)
        action = rng.integers(2, size=len(all_log_probs))
        chosen = all_log_probs[np.arange(len(action)), action]
        old = case["old_log_probs"] - case["log_probs"] + chosen
        old = np.where(np.isclose(old, chosen, rtol=0, atol=1e-12), chosen, old)  # ratios of 1
        made.append({"logits": all_log_probs, "action": action, "old_log_prob": old})
        made[-1] |= {"advantage": case["advantages"], "clip_range": 0.2}
    return made


def pulls(rng):
    made = []
    for action in (1, 0, 1):
        case = {"N": 8, "action": action, "reward": float(rng.normal(1, 1))}
        made.append({**case, "onehot": np.eye(2)[action], "logits": rng.normal(size=2)})
    return made


def episodes(*names):
    """Carts side by side, of which some have fallen; names: what is known of them."""

    def make(rng):
        made = []
        for T, N in ((2, 2), (4, 3), (5, 2)):
            ends = np.resize([T, 1, T - 1], N)  # steps of each cart
            valid = np.arange(T)[:, None] < ends
            known = {"N": N, "obs": rng.normal(size=(T, N, 4)), "valid": valid}
            known |= {"action": rng.integers(2, size=(T, N)), "W": rng.normal(size=(4, 2))}
            known["reward"] = rng.normal(1, 1, (T, N)) * valid
            known["weight"] = known["reward"][::-1].cumsum(axis=0)[::-1]
            if "x" in names:
                known |= {"x": known["obs"][valid], "weight": known["weight"][valid]}
                known["onehot"] = np.eye(2)[known["action"][valid]]
            made.append({name: known[name] for name in names})
        return made

    return make


def carts(epochs):
    """Rows of a rollout; with epochs, a minibatch of them, drawn with an older policy."""

    def make(rng):
        made = []
        for T, N in ((1, 3), (2, 4), (3, 2)):
            valid = np.ones((T, N), bool)
            valid[0, 1] = False
            B, action = T * N - 1, rng.integers(2, size=(T, N))
            i = rng.permutation(B)[: B // 2 + 1] if epochs else np.arange(B)
            z = log_probs(rng, len(i), 2) + rng.normal(size=(len(i), 1))
            case = {"N": N, "action": action, "valid": valid, "x": rng.normal(size=(B, 4))}
            case |= {"onehot": np.eye(2)[action[valid]], "advantage": rng.normal(size=(B, 1))}
            case["logits"] = z
            if epochs:
                probs = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
                case |= {"old": rng.uniform(0.2, 0.8, (B, 1)), "i": i, "probs": probs}
            made.append(case)
        return made

    return make


MAKERS = {
    "one_page.Network.backward": page_backward,
    "one_page.Network.step": page_steps,
    "one_page.log_softmax": lambda rng: [{"z": case["logits"]} for case in logits(rng)],
    "one_page.credit": page_credit,
    "one_page.policy_slope": page_slope,
    "1_bandit.gradient": pulls,
    "2_reinforce.gradient": episodes(
        "N", "obs", "action", "reward", "valid", "weight", "x", "onehot", "W"
    ),
    "3_reward_to_go.gradient": episodes("N", "obs", "action", "reward", "valid", "W"),
    "4_baseline.gradient": episodes("N", "obs", "action", "reward", "valid", "weight", "W"),
    "5_network.Network.backward": page_backward,
    "6_critic.credit": page_credit,
    "7_many_carts.dlogits": carts(False),
    "8_epochs.dlogits": carts(True),
    "nn.linear_forward": lambda rng: linear(rng, False),
    "nn.linear_backward": lambda rng: linear(rng, True),
    "nn.tanh_backward": activation(np.tanh),
    "nn.relu_backward": activation(lambda z: np.maximum(z, 0)),
    "nn.MLP.backward": mlp,
    "nn.clip_global_norm": norms,
    "nn.Adam.step": adam_steps,
    "distributions.log_softmax": logits,
    "distributions.log_softmax_backward": softmax_backward,
    "distributions.categorical_log_prob_backward": chosen,
    "distributions.categorical_entropy": entropy,
    "distributions.categorical_entropy_backward": entropy_backward,
    "distributions.categorical_kl": kl(False),
    "distributions.categorical_kl_backward": kl(True),
    "distributions.gaussian_log_prob": gaussian("log_prob"),
    "distributions.gaussian_log_prob_backward": gaussian("backward"),
    "distributions.gaussian_entropy": gaussian_entropy,
    "distributions.gaussian_kl_backward": gaussian("kl"),
    "advantages.returns_to_go": credit(False),
    "advantages.gae": credit(True),
    "advantages.normalize": advantages,
    "advantages.group_advantages": groups,
    "vpg.policy_loss": loss("log_probs", "advantages"),
    "vpg.value_loss": loss("values", "targets"),
    "ppo.clipped_surrogate": clip,
    "ppo.clipped_value_loss": value_clip,
    "ppo.clip_statistics": clip,
    "ppo_penalty.penalized_surrogate": penalty,
    "ppo_penalty.adapt_kl_coefficient": thermostat,
}
