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
    ("advantages.gae", GAE_BODY + "A += delta\nfor t in reversed(range(len(A) - 1)):\n    A[t] += gamma * gae_lambda * A[t + 1] * ~ended[t]\nreturn A", "gamma 1.5: the docstring promises a ValueError, and there is none"),
    ("advantages.normalize", "if len(advantages) < 2:\n    return advantages\nreturn (advantages - advantages.mean()) / (advantages.std() + eps)", "the docstring promises a ValueError"),
    ("nn.clip_global_norm", "n = np.sqrt(gradient @ gradient)\ngradient *= min(1, max_norm / (n + 1e-6))\nreturn n", "max_norm 0: the docstring promises a ValueError"),
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
    ("one_page.policy_slope", "lp = log_softmax(logits)\nhot = np.eye(2)[action]\nr = np.exp((lp * hot).sum(1) - old_log_prob)\np = r * advantage\nc = np.clip(r, 1 - clip_range, 1 - clip_range) * advantage\nreturn ((p <= c) * -p / len(p))[:, None] * (hot - np.exp(lp))", "both edges of the band are 1 − ε"),
]  # fmt: skip
