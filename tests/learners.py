"""Wrong answers to the workbook's blanks, and what the grader should say."""

# As fresh learners err: a function, its body, words of the diagnosis ("": a small case instead).
LEARNERS = [
    ("nn.linear_forward", "return np.tanh(x @ W + b)", "the activation is not this layer's"),
    ("nn.linear_forward", "return x @ W.T + b", "mismatch"),
    ("nn.linear_forward", "return x @ W + b.sum()", ""),
    ("nn.linear_backward", "return dy @ W.T, x.T @ dy / len(x), dy.mean(0)", "db: a mean; dy carries"),
    ("nn.linear_backward", "return x.T @ dy, dy @ W.T, dy.sum(0)", "dx has the shape (3, 2), not (2"),
    ("nn.linear_backward", "return dy @ W.T, x.T @ dy, dy.sum(0)[None]", "db has the shape (1, 2)"),
    ("nn.tanh_backward", "return dh * (1 - np.tanh(h))", "h is tanh(z) already"),
    ("nn.tanh_backward", "return dh - h * h", ""),
    ("nn.relu_backward", "return dh", "lets everything through"),
    ("nn.relu_backward", "return np.where(h > 0, dh, 0.01 * dh)", ""),
    ("nn.MLP.backward", "return dy.ravel()", "gradient has the shape"),
    (
        "nn.clip_global_norm",
        "n = np.sqrt(gradient @ gradient)\nif n > max_norm:\n    gradient = gradient / n\nreturn n",
        "changes nothing in place",
    ),
    ("nn.clip_global_norm", "return np.linalg.norm(gradient)", "changes nothing in place"),
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
        "m takes the whole gradient; its share is 1 − β₁; and v takes",
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
    ("advantages.normalize", "return (advantages - advantages.mean()) / (advantages.std(ddof=1) + eps)", "divides by N − 1 in the deviation; N is meant; and a single row"),
    ("advantages.normalize", "return (advantages - np.median(advantages)) / (advantages.std() + eps)", ""),
    ("vpg.policy_loss", "return -np.sum(advantages * log_probs), -advantages", "the loss's 1/N is missing in the gradient; and the loss is a mean, not a sum"),
    ("vpg.policy_loss", "return np.mean(advantages * log_probs), advantages / len(advantages)", "the sign of the loss is wrong"),
    ("vpg.value_loss", "e = values[:, None] - targets\nreturn 0.5 * np.mean(e**2), e.mean(1)", "every value meets every target"),
    ("vpg.value_loss", "e = values - targets\nreturn np.mean(e**2), 2 * e / len(e)", "½"),
    ("ppo.clipped_surrogate", "r = np.exp(log_probs - old_log_probs)\nc = np.clip(r, 1 - clip_range, 1 + clip_range)\nreturn -np.minimum(r * advantages, c * advantages).mean(), -c * advantages / len(r)", "the clipped branch itself"),
    ("ppo.clipped_surrogate", "r = np.exp(log_probs - old_log_probs)\np = r * advantages\nc = np.clip(r, 1 - clip_range, 1 + clip_range) * advantages\nreturn -np.minimum(p, c).mean(), -np.where(abs(r - 1) < clip_range, p, 0) / len(p)", "right but for the rows beyond the clip"),
    ("ppo.clipped_value_loss", "c = np.clip(values, old_values - clip_range, old_values + clip_range)\nreturn 0.5 * np.mean((c - targets)**2), (c - targets) / len(c)", "the larger one of both counts; and where the clipped"),
    ("ppo.clip_statistics", "r = log_probs - old_log_probs\nout = abs(r) > clip_range\nreturn out.mean(), (out & (r * advantages > 0)).mean()", "holds log ρ against ± ε"),
    ("ppo_penalty.adapt_kl_coefficient", "return kl_coefficient * (2 if kl < kl_target / 1.5 else 0.5 if kl > kl_target * 1.5 else 1)", "leash is too short: halve β; and"),
    ("advantages.group_advantages", "return (rewards - rewards.mean(1)[:, None]) / (rewards.std(1)[:, None] + eps)", "scales always"),
]  # fmt: skip
