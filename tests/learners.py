"""Wrong answers to the workbook's blanks, and what the grader should say."""

# As fresh learners err: a function, its body, words of the diagnosis ("": a small case instead).
LEARNERS = [
    ("nn.linear_forward", "return np.tanh(x @ W + b)", "the activation is not this layer's"),
    ("nn.linear_forward", "return x @ W.T + b", "mismatch"),
    ("nn.linear_forward", "return x @ W + b.sum()", ""),
    ("nn.linear_backward", "return dy @ W.T, x.T @ dy / len(x), dy.mean(0)", "db: a mean; dy carries"),
    ("nn.linear_backward", "return x.T @ dy, dy @ W.T, dy.sum(0)", "its results come in another order: it should return (dx, dW, db)"),
    ("nn.linear_backward", "return dy @ W.T, x.T @ dy, dy.sum(0)[None]", "db has the shape (1, 2)"),
    ("nn.tanh_backward", "return dh * (1 - np.tanh(h))", "h is tanh(z) already"),
    ("nn.tanh_backward", "return dh - h * h", ""),
    ("nn.relu_backward", "return dh", "lets everything through"),
    ("nn.relu_backward", "return np.where(h > 0, dh, 0.01 * dh)", ""),
    ("nn.MLP.backward", "return dy.ravel()", "gradient has the shape"),
    (
        "nn.clip_global_norm",
        "n = np.sqrt(gradient @ gradient)\nif n > max_norm:\n    gradient = gradient / n\nreturn n",
        "is not changed in place",
    ),
    ("nn.clip_global_norm", "return np.linalg.norm(gradient)", "is not changed in place"),
    ("nn.Adam.step", "parameters -= self.learning_rate * gradient", ""),
    (
        "nn.Adam.step",
        """
        b1, b2 = self.betas
        self.t += 1
        self.m = b1 * self.m + gradient
        self.v = b2 * self.v + gradient**2
        parameters -= self.learning_rate * self.m / (1 - b1**self.t) / (
            np.sqrt(self.v / (1 - b2**self.t)) + self.eps)
        """,
        "m takes the whole gradient; its share is 1 − β₁; v takes",
    ),
    (
        "nn.Adam.step",
        """
        b1, b2 = self.betas
        self.m = b1 * self.m + (1 - b1) * gradient
        self.v = b2 * self.v + (1 - b2) * gradient**2
        parameters -= self.learning_rate * self.m / (1 - b1**self.t) / (
            np.sqrt(self.v / (1 - b2**self.t)) + self.eps)
        self.t += 1
        """,
        "the step is counted too late",
    ),
    ("distributions.log_softmax", "return np.log(np.exp(logits) / np.exp(logits).sum(1)[:, None])", "overflows"),
    ("distributions.log_softmax", "return logits - np.log(np.exp(logits).sum())", "one sum for the whole batch; each"),
    ("distributions.log_softmax_backward", "return dlog_probs * (1 - np.exp(log_probs))", "only the diagonal"),
    ("distributions.log_softmax_backward", "return dlog_probs - dlog_probs.mean(1)[:, None]", ""),
    ("distributions.categorical_log_prob_backward", "return dlog_probs * (np.eye(probs.shape[1])[actions] - probs)", "broadcast"),
    ("distributions.categorical_log_prob_backward", "return dlog_probs[:, None] * (np.eye(probs.shape[1])[actions] / probs)", "has to go through the softmax"),
    ("distributions.categorical_entropy", "return -(np.exp(log_probs) * log_probs).sum()", "entropies has the shape (), not (2,)"),
    ("distributions.categorical_entropy_backward", "return -dentropies[:, None] * np.exp(log_probs) * (log_probs + 1)", "the +1 of"),
    ("distributions.categorical_kl", "return (np.exp(log_probs) * (log_probs - old_log_probs)).sum(1)", "KL(new‖old)"),
    ("distributions.gaussian_log_prob", "return (-0.5 * ((actions - means) / np.exp(log_stds))**2 - log_stds).sum(1) - 0.5 * np.log(2 * np.pi)", "belongs to every dimension"),
    ("distributions.gaussian_log_prob_backward", "z = (actions - means) / np.exp(log_stds)\nreturn z / np.exp(log_stds), (z**2 - 1).sum(0)", "∂/∂μ: each row is weighed"),
    ("distributions.gaussian_entropy", "return (0.5 * np.log(2 * np.pi * np.e) + log_stds).mean()", "a mean over the dimensions"),
    ("advantages.returns_to_go", "return rewards + gamma * next_values * ~terminated", "one step alone"),
    (
        "advantages.gae",
        """
        out = rewards + gamma * np.append(values[1:], next_values[-1:], 0) * ~terminated - values
        for t in range(len(out) - 2, -1, -1):
            out[t] += gamma * gae_lambda * out[t + 1] * ~ended[t]
        return out
        """,
        "takes the next row's V for V(s')",
    ),
    ("advantages.normalize", "return (advantages - advantages.mean()) / (advantages.std(ddof=1) + eps)", "divides by N − 1 in the deviation; N is meant"),
    ("advantages.normalize", "return (advantages - np.median(advantages)) / (advantages.std() + eps)", ""),
    ("vpg.policy_loss", "return -np.sum(advantages * log_probs), -advantages", "the loss is a mean, not a sum; dlog_probs: the loss's 1/N is missing"),
    ("vpg.policy_loss", "return np.mean(advantages * log_probs), advantages / len(advantages)", "the loss's sign: minimised, it must be −mean; dlog_probs: the slope's sign is wrong"),
    ("vpg.value_loss", "e = values[:, None] - targets\nreturn 0.5 * np.mean(e**2), e.mean(1)", "every value meets every target"),
    ("vpg.value_loss", "e = values - targets\nreturn np.mean(e**2), 2 * e / len(e)", "½"),
    ("ppo.clipped_surrogate", "r = np.exp(log_probs - old_log_probs)\nc = np.clip(r, 1 - clip_range, 1 + clip_range)\nreturn -np.minimum(r * advantages, c * advantages).mean(), -c * advantages / len(r)", "the clipped branch itself"),
    ("ppo.clipped_surrogate", "r = np.exp(log_probs - old_log_probs)\np = r * advantages\nc = np.clip(r, 1 - clip_range, 1 + clip_range) * advantages\nreturn -np.minimum(p, c).mean(), -np.where(abs(r - 1) < clip_range, p, 0) / len(p)", "right but for the rows beyond the clip"),
    ("ppo.clipped_value_loss", "c = np.clip(values, old_values - clip_range, old_values + clip_range)\nreturn 0.5 * np.mean((c - targets)**2), (c - targets) / len(c)", "the larger one of both counts; dvalues: the slope is vᶜ − y"),
    ("ppo.clip_statistics", "r = log_probs - old_log_probs\nout = abs(r) > clip_range\nreturn out.mean(), (out & (r * advantages > 0)).mean()", "holds log ρ against ± ε"),
    ("ppo_penalty.adapt_kl_coefficient", "return kl_coefficient * (2 if kl < kl_target / 1.5 else 0.5 if kl > kl_target * 1.5 else 1)", "leash is too short: halve β; and"),
    ("advantages.group_advantages", "return (rewards - rewards.mean(1)[:, None]) / (rewards.std(1)[:, None] + eps)", "scales always"),
]  # fmt: skip

# The list of a blind reading (issue 25): what was named falsely, and what passed. What must be said.
MLP_BODY = """
_, slope = ACTIVATIONS[self.activation]
parts, message = [], dy
for layer in reversed(range(len(self.layers))):
    message, dW, db = linear_backward(message, cache[layer], self.layers[layer][0])
    parts = [dW.ravel(), db, *parts]
    if layer:
        message = slope(message, cache[layer])
gradient = np.concatenate(parts)
"""
GAE_BODY = """
delta = rewards + gamma * next_values * ~terminated - values
A = np.zeros_like(delta)
"""
CLIP_BODY = """
ratio = np.exp(log_probs - old_log_probs)
plain = ratio * advantages
"""
BLIND = [
    # named falsely
    ("vpg.value_loss", "e = values - targets\nreturn (e**2).mean() / 2, e / (2 * len(e))", "dvalues is half the right one"),
    ("vpg.policy_loss", "return -np.mean(advantages * log_probs), advantages / len(advantages)", "the slope's sign is wrong: descended, it should make likelier what went well; loss is right"),
    ("ppo.clipped_surrogate", CLIP_BODY + "c = np.clip(ratio, 1 - clip_range, 1 + clip_range) * advantages\nreturn -np.minimum(plain, c).mean(), (plain <= c) * plain / len(plain)", "the slope's sign is wrong: descended, it should make likelier what went well; loss is right"),
    ("ppo_penalty.penalized_surrogate", "p = np.exp(log_probs - old_log_probs) * advantages\nreturn -np.mean(p - kl_coefficient * kls), p / len(p), np.full(len(p), kl_coefficient / len(p))", "the slope's sign is wrong: descended, it should make likelier what went well; loss and dkls are right"),
    ("advantages.gae", GAE_BODY + "A[-1] = delta[-1]\nfor t in reversed(range(len(A) - 1)):\n    A[t] = delta[t] + gamma * gae_lambda * delta[t + 1] * ~ended[t]\nreturn A", "adds γλ times the next row's δ, not its finished Â"),
    ("advantages.gae", GAE_BODY + "for t in reversed(range(len(A) - 1)):\n    A[t] = delta[t] + gamma * gae_lambda * A[t + 1] * ~ended[t]\nreturn A", "the last row is 0, and its δ is missing in the rows before it, too"),
    ("nn.Adam.step", "b1, b2 = self.betas\nself.t += 1\nself.m[:] = b1 * self.m + (1 - b1) * gradient\nself.v[:] = b2 * self.v + (1 - b2) * gradient**2\nparameters -= self.learning_rate * (self.m / (1 - b1)) / (np.sqrt(self.v / (1 - b2)) + self.eps)", "1 − β stands where 1 − βᵗ belongs"),
    # passed: what is kept between calls
    ("nn.MLP.backward", MLP_BODY + "self.sum = getattr(self, 'sum', 0) + gradient\nreturn self.sum", "it keeps something between calls"),
    ("nn.MLP.backward", MLP_BODY + "kept = self.__dict__.setdefault('kept', np.zeros(len(gradient)))\nkept[:] = gradient\nreturn kept", "both hand out the same array"),
    ("nn.MLP.backward", MLP_BODY + "return np.append(gradient, np.zeros(len(self.parameters) - len(gradient)))", "where the owner keeps numbers behind the network's own"),
    ("nn.MLP.backward", MLP_BODY + "self.parameters -= 0.01 * np.resize(gradient, len(self.parameters))\nreturn gradient", "it changes `self.parameters`"),
    ("nn.MLP.backward", "cache[0] *= 2\n" + MLP_BODY + "return gradient", "it changes `cache[0]`"),
    ("distributions.log_softmax", "logits -= logits.max(axis=1, keepdims=True)\nreturn logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))", "it changes `logits`"),
    # constants of its own
    ("ppo.clipped_surrogate", CLIP_BODY + "c = np.clip(ratio, 0.8, 1.2) * advantages\nreturn -np.minimum(plain, c).mean(), (plain <= c) * -plain / len(plain)", ""),
    ("ppo.clip_statistics", "r = np.exp(log_probs - old_log_probs)\nhigh, low = r > 1.2, r < 0.8\nreturn (high | low).mean(), (high & (advantages > 0) | low & (advantages < 0)).mean()", ""),
    ("advantages.gae", "gamma, gae_lambda = 0.9, 0.7\n" + GAE_BODY + "A += delta\nfor t in reversed(range(len(A) - 1)):\n    A[t] += gamma * gae_lambda * A[t + 1] * ~ended[t]\nreturn A", ""),
    ("nn.Adam.step", "self.t += 1\nself.m += 0.2 * (gradient - self.m)\nself.v += 0.05 * (gradient**2 - self.v)\nparameters -= self.learning_rate * self.m / (1 - 0.8**self.t) / (np.sqrt(self.v / (1 - 0.95**self.t)) + self.eps)", ""),
    ("one_page.policy_slope", "lp = log_softmax(logits)\nhot = np.eye(2)[action]\nr = np.exp((lp * hot).sum(1) - old_log_prob)\np = r * advantage\nc = np.clip(r, 1 - CLIP_RANGE, 1 + CLIP_RANGE) * advantage\nreturn ((p <= c) * -p / len(p))[:, None] * (hot - np.exp(lp))", "takes CLIP_RANGE for the argument"),
    # limits, extremes
    ("ppo_penalty.adapt_kl_coefficient", "if not 1e-6 <= kl_coefficient <= 1e6:\n    raise ValueError\nif kl < kl_target / 1.5:\n    return kl_coefficient / 2\nreturn kl_coefficient * 2 if kl > kl_target * 1.5 else kl_coefficient", "at the limits of β"),
    ("ppo_penalty.adapt_kl_coefficient", "if not 1e-6 <= kl_coefficient <= 1e6:\n    raise ValueError\nif kl <= kl_target / 1.5:\n    return max(kl_coefficient / 2, 1e-6)\nreturn min(kl_coefficient * 2, 1e6) if kl >= kl_target * 1.5 else kl_coefficient", "where kl is exactly"),
    ("distributions.categorical_entropy", "p = np.exp(log_probs)\nreturn -(p * np.log(p)).sum(axis=1)", "for log-probabilities of −200 in float32"),
    ("distributions.categorical_kl", "p, q = np.exp(old_log_probs), np.exp(log_probs)\nreturn (p * np.log(p / q)).sum(axis=1)", "for log-probabilities of −200 in float32"),
    ("distributions.log_softmax", "z = np.exp(logits - logits.max(axis=1, keepdims=True))\nreturn np.log(z / z.sum(axis=1, keepdims=True))", "underflows"),
    ("ppo.clipped_surrogate", "ratio = np.exp(log_probs) / np.exp(old_log_probs)\nplain = ratio * advantages\nc = np.clip(ratio, 1 - clip_range, 1 + clip_range) * advantages\nreturn -np.minimum(plain, c).mean(), (plain <= c) * -plain / len(plain)", "for log-probabilities of −200 in float32"),
    ("ppo.clip_statistics", "r = np.exp(log_probs) / np.exp(old_log_probs)\nhigh, low = r > 1 + clip_range, r < 1 - clip_range\nreturn (high | low).mean(), (high & (advantages > 0) | low & (advantages < 0)).mean()", "for log-probabilities of −200 in float32"),
    ("ppo_penalty.penalized_surrogate", "if not log_probs.shape == old_log_probs.shape == advantages.shape == kls.shape == (len(kls),):\n    raise ValueError\np = np.exp(log_probs) / np.exp(old_log_probs) * advantages\nreturn -np.mean(p - kl_coefficient * kls), -p / len(p), np.full(len(p), kl_coefficient / len(p))", "for log-probabilities of −200 in float32"),
    ("one_page.policy_slope", "lp = log_softmax(logits)\nhot = np.eye(2)[action]\nr = (np.exp(lp) * hot).sum(1) / np.exp(old_log_prob)\np = r * advantage\nc = np.clip(r, 1 - clip_range, 1 + clip_range) * advantage\nreturn ((p <= c) * -p / len(p))[:, None] * (hot - np.exp(lp))", "for log-probabilities of −200 in float32"),
    # refusals
    ("advantages.gae", GAE_BODY + "A += delta\nfor t in reversed(range(len(A) - 1)):\n    A[t] += gamma * gae_lambda * A[t + 1] * ~ended[t]\nreturn A", "the docstring promises a ValueError for gamma 1.5, gamma −0.1, gae_lambda 1.5, a step"),
    ("advantages.normalize", "if len(advantages) < 2:\n    return advantages\nreturn (advantages - advantages.mean()) / (advantages.std() + eps)", "a new array is promised"),
    ("nn.clip_global_norm", "n = np.sqrt(gradient @ gradient)\ngradient *= min(1, max_norm / (n + 1e-6))\nreturn n", "the docstring promises a ValueError for max_norm 0, max_norm −1, and there is none"),
    # edges
    ("ppo.clipped_surrogate", CLIP_BODY + "c = np.clip(ratio, 1 - clip_range, 1 + clip_range) * advantages\ndead = (ratio >= 1 + clip_range) & (advantages > 0) | (ratio <= 1 - clip_range) & (advantages < 0)\nreturn -np.minimum(plain, c).mean(), ~dead * -plain / len(plain)", "where a ratio is exactly 1 + ε"),
    ("ppo.clip_statistics", "r = np.exp(log_probs - old_log_probs)\nhigh, low = r >= 1 + clip_range, r <= 1 - clip_range\nreturn (high | low).mean(), (high & (advantages > 0) | low & (advantages < 0)).mean()", "where a ratio is exactly 1 + ε"),
    ("ppo.clip_statistics", "r = np.exp(log_probs - old_log_probs)\nhigh, low = r > 1 + clip_range, r < 1 - clip_range\nreturn (high | low).mean(), (high & (advantages >= 0) | low & (advantages < 0)).mean()", "where an advantage is 0"),
    ("ppo.clip_statistics", "r = np.exp(log_probs - old_log_probs)\nhigh, low = r > 1 + clip_range, r < 1 - clip_range\nreturn (high | low).mean(), (high & (advantages > 0) | low & (advantages <= 0)).mean()", "where an advantage is 0"),
    # more than is asked
    ("ppo.clipped_surrogate", "advantages = np.clip(advantages, -3, 3)\n" + CLIP_BODY + "c = np.clip(ratio, 1 - clip_range, 1 + clip_range) * advantages\nreturn -np.minimum(plain, c).mean(), (plain <= c) * -plain / len(plain)", "where numbers are large"),
    ("advantages.normalize", "if np.ndim(advantages) != 1 or eps <= 0:\n    raise ValueError\nif len(advantages) < 2:\n    return advantages.copy()\nreturn np.clip((advantages - advantages.mean()) / (advantages.std() + eps), -3, 3)", "with one row far from the rest"),
    ("vpg.policy_loss", "A = np.clip(advantages, -3, 3)\nreturn -np.mean(A * log_probs), -A / len(A)", "where numbers are large"),
    ("ppo.clipped_surrogate", CLIP_BODY + "c = np.clip(ratio, 1 - clip_range, 1 + clip_range) * advantages\nlow = np.minimum(plain, c)\ndual = np.where(advantages < 0, np.maximum(low, 3 * advantages), low)\nalive = (plain <= c) & (dual == low)\nreturn -dual.mean(), alive * -plain / len(plain)", ""),
    ("one_page.Network.step", "n = np.sqrt(g @ g)\ng = g * min(1, MAX_NORM / (n + 1e-6))\nself.t += 1\nself.m += 0.1 * (g - self.m)\nself.v += 0.001 * (g * g - self.v)\nself.parameters -= step_size * self.m / (1 - 0.9**self.t) / np.sqrt(self.v / (1 - 0.999**self.t))", "ε is missing beside the root"),
    # what five newcomers met: a gradient told by its parts, a row by itself
    *((path, f"dz = dy @ self.W2.T * (1 - h * h)\nreturn np.concatenate([(x.T @ dz).ravel(), dz.{a}(0), (h.T @ dy).ravel(), dy.{b}(0)])", words)
      for path in ("one_page.Network.backward", "5_network.Network.backward")
      for a, b, words in (("mean", "sum", "b₁: a mean"), ("sum", "mean", "b₂: a mean"), ("mean", "mean", "b₁: a mean; dy carries the 1/N already, so sum; b₂: a mean"))),
    ("one_page.policy_slope", "lp = log_softmax(logits)\nhot = np.eye(2)[action]\nr = np.exp((lp * hot).sum(1) - old_log_prob)\np = r * advantage\nc = np.clip(r, 1 - clip_range, 1 - clip_range) * advantage\nreturn ((p <= c) * -p / len(p))[:, None] * (hot - np.exp(lp))", "makes every ratio 1 − ε"),
]  # fmt: skip

# What four blind trials found to pass (issue 25): wrong answers, each wrong with every seed.
GAE_LOOP = """
delta = rewards + gamma * next_values * ~terminated - values
A = delta.copy()
for t in range(len(A)):
    keep = np.ones_like(A[0])
    for k in range(1, min(len(A) - t, {most})):
        keep = keep * gamma * gae_lambda * ~ended[t + k - 1]
        A[t] += keep * delta[t + k]
"""
PAGE_LOOP = """
A = reward + GAMMA * v[1:] * ~terminated - v[:-1]
{}
for t in reversed(range(len(A) - 1)):
    A[t] += GAMMA * LAMBDA * A[t + 1] * ~(terminated[t] | truncated[t])
"""
CREDIT = """
values = value(rollout.obs.reshape((T + 1) * N, -1)).reshape(T + 1, N)
ended = rollout.terminated | rollout.truncated
advantages = gae(config.reward_scale * rollout.rewards, values[:-1], values[1:], rollout.terminated, ended, config.gamma, config.gae_lambda)
targets = advantages + values[:-1]
"""
EPOCHS = """
for _ in range(config.epochs):
    for rows in minibatches(len(batch.obs), config.minibatch_size, rng):
        minibatch = batch._make(array.take(rows, axis=0) for array in batch)
        statistics = policy_step(learner, minibatch, config, loss_of_policy)
        statistics |= value_step(learner, minibatch, config, loss_of_value)
        steps.append(statistics)
    if config.max_kl is not None:
        log_probs, _, _ = learner.policy.forward(batch.obs, batch.actions)
        if approx_kl(log_probs, batch.log_probs) > config.max_kl:
            break
"""
ONE_STEP = """
statistics = policy_step(learner, batch, config, loss_of_policy)
for _ in range(config.value_steps):
    statistics |= value_step(learner, batch, config, loss_of_value)
"""
STEP = """
g = g * min(1, MAX_NORM / (np.sqrt(g @ g) + 1e-6))
self.t += 1
self.m += 0.1 * (g - self.m)
self.v += 0.001 * (g * g - self.v)
d = step_size * self.m / (1 - 0.9**self.t) / (np.sqrt(self.v / (1 - 0.999**self.t)) + 1e-8)
"""
KL_LINES = "        log_probs, _, _ = learner.policy.forward(batch.obs, batch.actions)\n        if approx_kl(log_probs, batch.log_probs) > config.max_kl:"
ENDS = "floats('T... T... T...', rewards, values, next_values)\nterminated, ended, gamma, gae_lambda = _ends(rewards.shape, terminated, ended, gamma, gae_lambda)\n"
NORMALIZE = "advantages = floats('B', advantages)\n_positive(eps)\n"


def but(text, *exchanges):
    """A right answer with something exchanged, which must be there."""
    for old, new in zip(exchanges[::2], exchanges[1::2], strict=True):
        assert old in text, old
        text = text.replace(old, new)
    return text


CHECKER = """
slopes = np.empty(x.shape)
for i in np.ndindex(x.shape):
    z = x.astype(complex)
    z[i] += 1e-20j
    slopes[i] = function(z, *given)[0].imag / 1e-20
gap = np.abs(function(x, *given)[1] - slopes)
"""
PASSED = [
    # P1, P2, P10: what stands in the batch, both flags at once, large rewards
    ("training.make_batch", CREDIT + "values = values[1:]"),
    ("training.make_batch", CREDIT + "values = values * 0"),
    ("training.make_batch", CREDIT + "return advantages, targets"),
    ("training.make_batch", but(CREDIT, "values[:-1], values[1:], rollout", "values[0], values[1], rollout", "advantages = gae", "values = values[:-1], values[1:]\nadvantages = gae", "targets = advantages + values[:-1]", "targets = advantages + values[0]")),
    ("training.make_batch", but(CREDIT, "terminated | rollout.truncated", "terminated ^ rollout.truncated")),
    ("training.make_batch", but(CREDIT, "rollout.terminated | rollout.truncated", "rollout.terminated != rollout.truncated")),
    ("training.make_batch", but(CREDIT, "rollout.terminated | rollout.truncated", "rollout.terminated.astype(int) + rollout.truncated == 1")),
    ("training.make_batch", but(CREDIT, "* rollout.rewards", "* np.clip(rollout.rewards, -10, 10)")),
    ("training.make_batch", CREDIT + "targets = np.clip(targets, -10, 10)"),
    ("training.make_batch", CREDIT + "rollout.valid[:] = True"),
    *((path, but(PAGE_LOOP.format("") + "return A", "~(terminated[t] | truncated[t])", "(1 - (terminated[t] ^ truncated[t]))")) for path in ("6_critic.credit", "one_page.credit")),
    *((path, but(PAGE_LOOP.format("") + "return A", "~(terminated[t] | truncated[t])", "(1 - terminated[t] * 1 - truncated[t] * 1)")) for path in ("6_critic.credit", "one_page.credit")),
    # P3: long records
    *(("advantages.gae", ENDS + GAE_LOOP.format(most=most) + "return A") for most in (6, 20, 21, 64)),
    ("advantages.gae", ENDS + but(GAE_LOOP, "{most}", "6") + "return A.astype(rewards.dtype)"),
    *((path, but(PAGE_LOOP.format("") + "return A", "reversed(range(len(A) - 1))", f"reversed(range(min(len(A), {most}) - 1))")) for path in ("6_critic.credit", "one_page.credit") for most in (16, 100)),
    ("advantages.returns_to_go", "rewards, next_values = floats('T... T...', rewards, next_values)\nterminated, ended, gamma = _ends(rewards.shape, terminated, ended, gamma)\nout = rewards + gamma * next_values * ~terminated\nfor t in reversed(range(min(len(out), 16) - 1)):\n    out[t] = np.where(ended[t], out[t], rewards[t] + gamma * out[t + 1])\nreturn out"),
    ("advantages.gae", ENDS + "delta = rewards + gamma * next_values * ~terminated - values\nout = np.zeros_like(delta)\nflat, D, U = out.reshape(len(delta), -1), delta.reshape(len(delta), -1), ended.reshape(len(delta), -1)\nfor n in range(D.shape[1]):\n    start = 0\n    for end in [*np.flatnonzero(U[:, n]), len(D) - 1]:\n        seg = D[start : end + 1, n]\n        g = (gamma * gae_lambda) ** np.arange(len(seg)) if gamma * gae_lambda else None\n        if len(seg):\n            flat[start : end + 1, n] = seg if g is None else np.cumsum((seg * g)[::-1])[::-1] / g\n        start = end + 1\nreturn out"),
    # P4: lists where an array is promised
    ("advantages.gae", ENDS + but(GAE_LOOP, "{most}", "len(A)") + "return list(A)"),
    ("advantages.gae", ENDS + but(GAE_LOOP, "{most}", "len(A)") + "return A.tolist()"),
    ("1_bandit.gradient", "gradient = list(reward * (onehot - softmax(logits)))"),
    ("1_bandit.gradient", "gradient = (reward * (onehot - softmax(logits))).tolist()"),
    ("2_reinforce.gradient", "gradient = (x.T @ (weight[:, None] * (onehot - softmax(x @ W)))).tolist()"),
    ("5_network.Network.backward", "dz = dy @ self.W2.T * (1 - h * h)\nreturn [*(x.T @ dz).ravel(), *dz.sum(0), *(h.T @ dy).ravel(), *dy.sum(0)]"),
    ("vpg.policy_loss", "return -np.mean(advantages * log_probs), (-advantages / len(advantages)).tolist()"),
    # P5, P6: the sign of a reward; the step itself
    ("1_bandit.gradient", "gradient = abs(reward) * (onehot - softmax(logits))"),
    ("1_bandit.gradient", "gradient = max(reward, 0) * (onehot - softmax(logits))"),
    ("1_bandit.gradient", "gradient = reward * (onehot - softmax(logits))\nlogits += STEP_SIZE * gradient"),
    ("1_bandit.gradient", "gradient = reward * (onehot - softmax(logits))\nlogits = logits + STEP_SIZE * gradient"),
    ("2_reinforce.gradient", "gradient = x.T @ (weight[:, None] * (onehot - softmax(x @ W)))\nW += STEP_SIZE * gradient / (np.linalg.norm(gradient) + 1e-8)"),
    # P7: narrow and wide bells
    *((path, f"{made}\n{rest}") for path, rest in (
        ("distributions.gaussian_log_prob", "return (-0.5 * (actions - means) ** 2 / var - 0.5 * np.log(2 * np.pi * var)).sum(1)"),
        ("distributions.gaussian_log_prob_backward", "d = actions - means\nreturn dlog_probs[:, None] * d / var, dlog_probs @ (d * d / var - 1)"),
        ("distributions.gaussian_entropy", "return float((0.5 * np.log(2 * np.pi * np.e * var)).sum())"),
        ("distributions.gaussian_kl_backward", "d = means - old_means\nold = np.exp(2 * old_log_stds)\nreturn dkls[:, None] * d / var, dkls @ (1 - (old + d * d) / var)"),
    ) for made in ("var = np.exp(2 * log_stds) + 1e-8", "var = np.exp(2 * np.clip(log_stds, -20, 2))", "var = np.exp(2 * np.clip(log_stds, -2, 2))", "var = np.exp(2 * np.maximum(log_stds, -5))")),
    # P8: what is lost in squares; no new array
    ("advantages.normalize", NORMALIZE + "if len(advantages) < 2:\n    return advantages.copy()\nm = advantages.mean()\nreturn (advantages - m) / (np.sqrt(np.mean(advantages**2) - m * m) + eps)"),
    ("advantages.normalize", NORMALIZE + "if len(advantages) < 2:\n    return advantages.copy()\nm = advantages.mean()\nreturn (advantages - m) / (np.sqrt(max(np.mean(advantages**2) - m * m, 0)) + eps)"),
    ("advantages.normalize", NORMALIZE + "if len(advantages) < 2:\n    return advantages\nreturn (advantages - advantages.mean()) / (advantages.std() + eps)"),
    # P9: rounded
    ("distributions.gaussian_entropy", "return float(log_stds.sum() + 1.41894 * len(log_stds))"),
    ("distributions.gaussian_entropy", "return round(float(log_stds.sum() + 0.5 * len(log_stds) * np.log(2 * np.pi * np.e)), 6)"),
    ("distributions.gaussian_log_prob", "z = (actions - means) / np.exp(log_stds)\nreturn (-0.5 * z * z - log_stds - 0.918939).sum(1)"),
    ("distributions.gaussian_log_prob", "z = (actions - means) / np.exp(log_stds)\nreturn (-0.5 * z * z - log_stds - 0.5 * np.log(2 * 3.14159)).sum(1)"),
    ("vpg.policy_loss", "return -np.mean(advantages * log_probs) * (1 + 1e-6), -advantages / len(advantages)"),
    ("vpg.policy_loss", "return -np.mean(advantages * log_probs), np.round(-advantages / len(advantages), 6)"),
    ("vpg.value_loss", "e = values - targets\nreturn round(0.5 * np.mean(e * e), 6), e / len(e)"),
    ("distributions.categorical_entropy_backward", "p = np.clip(np.exp(log_probs), 1e-6, 1)\nreturn -dentropies[:, None] * p * (log_probs + entropies[:, None])"),
    ("distributions.categorical_entropy_backward", "p = np.exp(log_probs)\nreturn -dentropies[:, None] * p * (np.log(p + 1e-8) + entropies[:, None])"),
    ("distributions.log_softmax", "return np.round(logits - np.logaddexp.reduce(logits, axis=1)[:, None], 6)"),
    # P10
    ("vpg.policy_loss", "N = np.count_nonzero(advantages) or 1\nreturn -np.sum(advantages * log_probs) / N, -advantages / N"),
    # P11
    ("ppo.update", but(EPOCHS, "minibatches(len(batch.obs), config.minibatch_size, rng)", "np.array_split(np.arange(len(batch.obs)), -(-len(batch.obs) // config.minibatch_size))")),
    ("ppo.update", "dealt = minibatches(len(batch.obs), config.minibatch_size, rng)" + but(EPOCHS, "minibatches(len(batch.obs), config.minibatch_size, rng)", "dealt")),
    ("ppo.update", but(EPOCHS, "approx_kl(log_probs, batch.log_probs)", "approx_kl(batch.log_probs, log_probs)")),
    ("ppo.update", but(EPOCHS, "forward(batch.obs, batch.actions)", "forward(minibatch.obs, minibatch.actions)", "approx_kl(log_probs, batch.log_probs)", "approx_kl(log_probs, minibatch.log_probs)")),
    ("ppo.update", but(EPOCHS, "approx_kl(log_probs, batch.log_probs)", "np.mean(batch.log_probs - log_probs)")),
    ("ppo.update", but(EPOCHS, "steps.append(statistics)", "steps.append(dict.fromkeys(statistics, 0.0))")),
    ("ppo.update", but(EPOCHS, "steps.append(statistics)", "steps[:] = [statistics]")),
    ("ppo.update", "rng = np.random.default_rng(0)" + EPOCHS),
    ("ppo.update", but(EPOCHS, "> config.max_kl", "> 1.5 * config.max_kl")),
    ("ppo.update", but(EPOCHS, KL_LINES, "        log_probs, _, _ = learner.policy.forward(batch.obs, batch.actions)\n        if np.abs(log_probs - batch.log_probs).max() > config.max_kl:")),
    ("ppo.update", but(EPOCHS, "            break", "            return means(steps)")),
    ("ppo.update", but(EPOCHS, "range(config.epochs):", "range(config.epochs):\n    steps = []")),
    ("ppo.update", but(EPOCHS, "value_step(learner, minibatch", "value_step(learner, batch")),
    ("vpg.update", but(ONE_STEP, "statistics |= value_step(learner, batch, config, loss_of_value)", "for name, number in value_step(learner, batch, config, loss_of_value).items():\n        statistics[name] = statistics.get(name, 0) + number")),
    ("vpg.update", ONE_STEP + "statistics = dict.fromkeys(statistics, 0.0)"),
    # P12: not the largest error
    *(("gradient_check.largest_error", CHECKER + end) for end in (
        "return gap.mean()", "return gap.max() ** 2", "return gap[0].max()", "return np.ravel(gap)[1:].max()", "return np.where(gap < 1e-4, 0, gap).max()",
        "return gap.max() / np.abs(slopes).max()", "return np.sqrt(np.mean(gap**2))", "return gap.sum()",
    )),
    ("gradient_check.largest_error", "slopes = np.empty(x.shape)\nfor i in np.ndindex(x.shape):\n    z = x.copy()\n    z[i] += 1e-8\n    slopes[i] = (function(z, *given)[0] - function(x, *given)[0]) / 1e-8\nreturn np.abs(function(x, *given)[1] - slopes).max()"),
    # The third trial: views, small deviations, one group of several, edges, the last of several
    ("one_page.Network.step", STEP + "self.parameters = self.parameters - d"),
    ("one_page.Network.step", STEP + "self.parameters = np.subtract(self.parameters, d)\nself.W1 = self.parameters[:self.W1.size].reshape(self.W1.shape)"),
    ("training.make_batch", but(CREDIT, "value(rollout.obs.reshape((T + 1) * N, -1)).reshape(T + 1, N)", "value(rollout.obs)[..., 0]")),
    *(("advantages.normalize", NORMALIZE + body + "if len(advantages) < 2:\n    return advantages.copy()\nd = (advantages - advantages.mean()) / (advantages.std() + eps)\nreturn " + given) for body, given in (
        ("", "d if advantages.std() > 1e-6 else 0 * d"), ("", "np.clip(d, -10, 10)"), ("", "0 * d if np.allclose(advantages, advantages[0]) else d"),
        ("advantages[0]\n", "d"),
    )),
    *(("one_page.policy_slope", "lp = log_softmax(logits)\nhot = np.eye(2)[action]\nr = np.exp((lp * hot).sum(1) - old_log_prob)\nalive = " + alive + "\nreturn (alive * -r * advantage / len(r))[:, None] * (hot - np.exp(lp))") for alive in (
        "np.where(advantage > 0, r < 1 + clip_range, r > 1 - clip_range)", "~np.where(advantage >= 0, r >= 1 + clip_range, r <= 1 - clip_range)",
    )),
    ("advantages.group_advantages", "if (rewards == rewards[:, :1]).all(axis=1).any():\n    return np.zeros_like(rewards, float)\nc = rewards - rewards.mean(axis=1, keepdims=True)\nG = rewards.shape[1]\nreturn c / (rewards.std(axis=1, keepdims=True) + eps) if scale else c * G / (G - 1)"),
    ("distributions.categorical_kl_backward", "return dkls[:, None] * np.exp(old_log_probs) * np.expm1(log_probs - old_log_probs)"),
    ("distributions.categorical_kl", "p = np.exp(old_log_probs)\nreturn np.where(p > 1e-6, p * (old_log_probs - log_probs), 0).sum(axis=1)"),
    ("ppo_penalty.adapt_kl_coefficient", "if kl_coefficient in (1e-6, 1e6):\n    return kl_coefficient\nif kl < kl_target / 1.5:\n    return max(kl_coefficient / 2, 1e-6)\nreturn min(2 * kl_coefficient, 1e6) if kl > 1.5 * kl_target else kl_coefficient"),
    *(("gradient_check.largest_error", CHECKER + f"return gap[{given}].max()") for given in ("function(x, *given)[1] != 0", "x != 0", "..., :-1")),
    ("vpg.update", ONE_STEP + "    if statistics['value_loss'] < 0.2:\n        break"),
    ("vpg.update", but(ONE_STEP, "statistics |= ", "before = statistics.get('value_loss', np.inf)\n    statistics |= ") + "    if statistics['value_loss'] > before:\n        break"),
]  # fmt: skip

# Wrong answers that were told something false, and the words that are not true of them.
HIDDEN = "gradient = np.zeros((4, 2))\nfor i in range(len(x)):\n    gradient = weight[i] * np.outer(x[i], (onehot - softmax(x @ W))[i])"
FALSE_WORDS = [
    *(("advantages.normalize", NORMALIZE + "if len(advantages) < 2:\n    return advantages.copy()\nc, s = advantages - advantages.mean(), advantages.std()\n" + end, "divides by zero|does not depend on|ε is missing")
      for end in ("return c / max(s, eps)", "return np.zeros_like(c) if s < eps else c / s", "return c / np.maximum(s, eps)")),
    *(("advantages.normalize", NORMALIZE + "if len(advantages) < 2:\n    return advantages.copy()\nc, s = advantages - advantages.mean(), advantages.std()\n" + end, "divides by zero|does not depend on `advantages`")
      for end in ("return c / (s if s > 0 else 1)", "return np.zeros_like(c) if s == 0 else c / s", "return c / advantages.std(ddof=1)")),
    ("advantages.normalize", "return (advantages - advantages.mean()) / advantages.std(ddof=1)", "does not depend on `advantages`"),
    ("5_network.Network.backward", "dz = dy @ self.W2.T * (h > 0)\nreturn np.concatenate([(x.T @ dz).ravel(), dz.sum(0), (h.T @ dy).ravel(), dy.sum(0)])", "does not depend on `h`"),
    ("2_reinforce.gradient", HIDDEN, "does not depend on"),
    ("4_baseline.gradient", "weight = weight - (weight.sum(axis=1) / valid.sum(axis=1))[:, None]\nx, weight, onehot = obs[valid], weight[valid], np.eye(ACTIONS)[action[valid]]\n" + HIDDEN, "does not depend on"),
    ("1_bandit.gradient", "gradient = abs(reward) * (onehot - softmax(logits))", "right otherwise|does not depend on|for N"),
    ("advantages.gae", ENDS + GAE_LOOP.format(most=4) + "return A", "right otherwise|where numbers are large"),
    ("advantages.gae", ENDS + GAE_LOOP.format(most=6) + "return A", "right otherwise|in a batch of"),
    ("advantages.gae", ENDS + GAE_LOOP.format(most="len(A)") + "return A + 0.1 * values.mean()", "in a batch of"),
    ("training.make_batch", but(CREDIT, "advantages + values[:-1]", "advantages + 2 * values[:-1]"), "in a batch of 1"),
    ("vpg.policy_loss", "return -np.mean(advantages * log_probs) * (1 + 1e-6), -advantages / len(advantages)", "is 1 times|yours [0.48], expected [0.48]"),
    ("distributions.categorical_entropy_backward", "return -dentropies[:, None] * (log_probs + 1)", "chosen row"),
    ("ppo.update", but(EPOCHS, "value_step(learner, minibatch", "value_step(learner, batch"), "right otherwise|way["),
    ("ppo.update", "rows = minibatches(len(batch.obs), len(batch.obs), rng)[0]\npart = batch._make(a[rows] for a in batch)" + but(EPOCHS, "value_step(learner, minibatch", "value_step(learner, part"), "right otherwise|way["),
    ("vpg.update", ONE_STEP + "value_step(learner, batch, config, loss_of_value)", "way["),
]  # fmt: skip
# And words that are said of what no row named before.
NAMED = [
    ("advantages.normalize", NORMALIZE + "if len(advantages) < 2:\n    return advantages.copy()\nreturn (advantages - advantages.mean()) / max(advantages.std(), eps)", "takes the larger one of deviation and ε"),
    ("advantages.normalize", NORMALIZE + "if len(advantages) < 2:\n    return advantages.copy()\nreturn (advantages - advantages.mean()) / advantages.std(ddof=1)", "ddof=1 divides by N − 1"),
    ("advantages.gae", ENDS + GAE_LOOP.format(most="len(A)").replace("~terminated - values", "~terminated + values") + "return A", "the sign of V(s)"),
    *((path, PAGE_LOOP.format("") + "return A + v[:-1]", "this is the value target") for path in ("6_critic.credit", "one_page.credit")),
    *((path, PAGE_LOOP.format("").replace("GAMMA * v[1:]", "v[1:]") + "return A", "γ is missing before V(s')") for path in ("6_critic.credit", "one_page.credit")),
    *((path, PAGE_LOOP.format("").replace("(terminated[t] | truncated[t])", "(terminated[t + 1] | truncated[t + 1])") + "return A", "one step early") for path in ("6_critic.credit", "one_page.credit")),
    *((path, PAGE_LOOP.format("").replace("(terminated[t] | truncated[t])", "(terminated[t] ^ truncated[t])") + "return A", "not exclusive or") for path in ("6_critic.credit", "one_page.credit")),
    *((path, PAGE_LOOP.format("").replace("reversed(range(len(A) - 1))", "range(len(A) - 1)") + "return A", "not its finished Â") for path in ("6_critic.credit", "one_page.credit")),
    ("training.make_batch", but(CREDIT, "values[1:], rollout", "values[:-1], rollout"), "V(s) stands where V(s') belongs"),
    ("7_many_carts.dlogits", "dlogits = advantage * (onehot - softmax(logits))", "the slope's sign is wrong: descended, it should make likelier what went well; and the loss's 1/N is missing"),
    ("8_epochs.dlogits", "ratio = (onehot[i] * probs).sum(axis=1)[:, None] / old[i]\ndlogits = ratio * advantage[i] * (onehot[i] - probs)", "and the loss's 1/N is missing"),
    ("vpg.policy_loss", "return -advantages / len(advantages), -np.mean(advantages * log_probs)", "in another order: it should return (loss, dlog_probs)"),
    ("distributions.gaussian_kl_backward", "d, var = means - old_means, np.exp(log_stds)\nreturn dkls[:, None] * d / var, dkls @ (1 - (np.exp(old_log_stds) + d * d) / var)", "∂/∂ℓ: deviations stand where variances belong"),
    ("vpg.update", but(ONE_STEP, "loss_of_policy", "loss_of_x", "loss_of_value", "loss_of_policy", "loss_of_x", "loss_of_value"), "the losses are swapped"),
    ("vpg.update", but(ONE_STEP, "loss_of_policy", "loss_of_value"), "policy_step takes loss_of_policy; here it has loss_of_value"),
    ("vpg.update", but(ONE_STEP, "range(config.value_steps)", "range(10)"), "takes ten steps"),
    ("vpg.update", "policy_step(learner, batch, config, loss_of_policy)" + ONE_STEP, "the policy takes two steps"),
    ("vpg.update", ONE_STEP + "value_step(learner, batch, config, loss_of_value)", "one step too many"),
    ("ppo.update", but(EPOCHS, "value_step(learner, minibatch", "value_step(learner, batch"), "the value function steps on the whole batch, not on the minibatch"),
    ("5_network.Network.backward", "dz = dy @ self.W2.T * (1 - h * h)\nreturn x.T @ dz, dz.sum(0), h.T @ dy, dy.sum(0)", "it returns 4 things, not (gradient"),
    ("advantages.gae", GAE_LOOP.format(most="len(A)") + "return A", "a ValueError for gamma 1.5, gamma −0.1, gae_lambda 1.5"),
    # The third trial
    ("one_page.Network.step", STEP + "self.parameters = self.parameters - d", "W1, b1, W2, b2 are views of `parameters`"),
    ("nn.Adam.step", "b1, b2 = self.betas\ntype(self).t += 1\nself.t = type(self).t\nself.m += (1 - b1) * (gradient - self.m)\nself.v += (1 - b2) * (gradient**2 - self.v)\nparameters -= self.learning_rate * self.m / (1 - b1**self.t) / (np.sqrt(self.v / (1 - b2**self.t)) + self.eps)", ""),
    ("nn.Adam.step", "b1, b2 = self.betas\nself.t += 1\nself.m += (1 - b1) * (gradient - self.m)\nself.v += (1 - b2) * (gradient**2 - self.v)\nparameters -= self.learning_rate * self.m / (1 - b1**self.t) / np.maximum(np.sqrt(self.v / (1 - b2**self.t)), self.eps)", "takes the larger of the root and ε"),
    ("ppo.update", but(EPOCHS, "        statistics |= value_step(learner, minibatch, config, loss_of_value)", "        for _ in range(2):\n            statistics |= value_step(learner, minibatch, config, loss_of_value)"), "the value function"),
    ("ppo.update", but(EPOCHS, "config.minibatch_size, rng", "config.minibatch_size // 2 + 1, rng"), "deals"),
    ("ppo.update", but(EPOCHS, "        steps.append(statistics)", "        steps.append(statistics)\n        if config.max_kl is not None and approx_kl(learner.policy.forward(batch.obs, batch.actions)[0], batch.log_probs) > config.max_kl:\n            return steps"), "it ends"),
    ("advantages.returns_to_go", "return np.zeros(rewards.shape, np.float16)", "float16"),
    ("vpg.update", but(ONE_STEP, "statistics |= value_step(learner, batch, config, loss_of_value)", "statistics = value_step(learner, batch, config, loss_of_value) | statistics"), "the first value step's statistics stay"),
]  # fmt: skip
