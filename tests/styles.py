"""Right answers to the workbook's blanks in other algebra, each under the functions whose body it can be."""

OTHER_WAYS = """
# 1_bandit.gradient
pi = np.exp(logits) / sum(np.exp(logits))
onehot -= pi
gradient = onehot * reward
# 2_reinforce.gradient
gradient = np.zeros_like(W)
for row, w, a in zip(x, weight, onehot):
    gradient += w * np.outer(row, a - softmax(row @ W))
# 3_reward_to_go.gradient
weight = reward.sum(axis=0) - reward.cumsum(axis=0) + reward
x, weight, onehot = obs[valid], weight[valid], np.eye(ACTIONS)[action[valid]]
score = -softmax(x @ W)
score[np.arange(len(x)), action[valid]] += 1
gradient = (score.T * weight @ x).T / N
# 4_baseline.gradient
for t, row in enumerate(valid):
    weight[t, row] -= weight[t, row].mean()
x, weight, onehot = obs[valid], weight[valid], np.eye(ACTIONS)[action[valid]]
gradient = np.einsum('bi,b,bk->ik', x, weight, onehot - softmax(x @ W)) / len(x)
# 5_network.Network.backward one_page.Network.backward
dz = (1 - h) * (1 + h) * np.einsum("bk,hk->bh", dy, self.W2)
parts = np.einsum("bi,bh->ih", x, dz), dz.sum(0), np.einsum("bh,bk->hk", h, dy), dy.sum(0)
return np.concatenate([part.ravel() for part in parts])
# 5_network.Network.backward one_page.Network.backward
gradient, n = np.zeros_like(self.parameters), x.shape[1] * HIDDEN
dz = (dy @ self.W2.T) * (1 - h ** 2)
gradient[:n] = (x.T @ dz).reshape(n)
gradient[n:n + HIDDEN] = dz.sum(axis=0)
gradient[n + HIDDEN:-len(self.b2)].reshape(HIDDEN, -1)[:] = h.T @ dy
gradient[-len(self.b2):] = dy.sum(axis=0)
return gradient
# 6_critic.credit one_page.credit
T, N = reward.shape
advantage = np.zeros((T, N), v.dtype)
for n in range(N):
    carried = 0.0
    for t in range(T - 1, -1, -1):
        if terminated[t, n] or truncated[t, n]:
            carried = 0.0
        next_v = 0.0 if terminated[t, n] else v[t + 1, n]
        carried = reward[t, n] + GAMMA * next_v - v[t, n] + GAMMA * LAMBDA * carried
        advantage[t, n] = carried
return advantage
# 6_critic.credit one_page.credit
delta = reward + np.where(terminated, 0, GAMMA * v[1:]) - v[:-1]
out, following = [], 0 * delta[0]
for row, end in list(zip(delta, terminated | truncated))[::-1]:
    following = row + GAMMA * LAMBDA * np.where(end, 0, following)
    out.insert(0, following)
return np.array(out)
# 7_many_carts.dlogits
dlogits = softmax(logits)
dlogits[np.arange(len(x)), action[valid]] -= 1
dlogits *= advantage / len(x)
# 8_epochs.dlogits
taken = probs[np.arange(len(i)), action[valid][i]]
dlogits = (taken / old[i, 0] * advantage[i, 0])[:, None] * (probs - onehot[i]) / len(probs)
# one_page.Network.step
n = np.linalg.norm(g)
if n + 1e-6 > MAX_NORM:
    g *= MAX_NORM / (n + 1e-6)
self.t = self.t + 1
self.m = 0.9 * self.m + 0.1 * g
self.v = 0.999 * self.v + 0.001 * g**2
rate = step_size * np.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t)
self.parameters -= rate * self.m / (
    np.sqrt(self.v) + 1e-8 * np.sqrt(1 - 0.999**self.t))
# one_page.log_softmax
return z - np.logaddexp.reduce(z, axis=1, keepdims=True)
# one_page.policy_slope
lp = log_softmax(logits)
p = np.exp(lp)
rho = np.exp(lp[np.arange(len(p)), action] - old_log_prob)
dead = np.where(advantage > 0, rho > 1 + clip_range, rho < 1 - clip_range)
w = np.where(dead, 0, -rho * advantage) / len(p)
grad = -p * w[:, None]
grad[np.arange(len(p)), action] += w
return grad
# nn.linear_forward
return np.einsum('bi,io->bo', x, W) + b[None]
# nn.linear_backward
dx, dW, db = np.zeros(x.shape), np.zeros(W.shape), np.zeros(W.shape[1])
for i in range(len(x)):
    for o in range(W.shape[1]):
        dx[i] += dy[i, o] * W[:, o]
        dW[:, o] += x[i] * dy[i, o]
        db[o] += dy[i, o]
return [dx, dW, db]
# nn.linear_backward
return tuple(a.astype(np.float32) for a in (dy @ W.T, x.T @ dy, dy.sum(0)))
# nn.tanh_backward
dz = dh.copy()
dz -= dz * h**2
return dz
# nn.tanh_backward
return np.reshape([d * (1 - y * y) for d, y in zip(dh.ravel(), h.ravel())], h.shape)
# nn.relu_backward
dz = dh.copy()
dz[h <= 0] = 0
return dz
# nn.MLP.backward
_, slope = ACTIVATIONS[self.activation]
parts, message = [], dy
for (W, b), x in list(zip(self.layers, cache))[::-1]:
    parts += [message.sum(0), (x.T @ message).ravel()]
    message = slope(message @ W.T, x)
return np.concatenate(parts[::-1])
# nn.clip_global_norm
if gradient.ndim != 1 or np.iscomplexobj(gradient) or not max_norm > 0:
    raise ValueError("no")
norm = np.linalg.norm(gradient)
gradient[:] = gradient * min(1.0, max_norm / (norm + 1e-6))
return norm
# nn.Adam.step
if parameters.shape != self.m.shape or gradient.shape != self.m.shape:
    raise ValueError("shapes")
self.t = self.t + 1
b1, b2 = self.betas
self.m = b1 * self.m + (1 - b1) * gradient
self.v = b2 * self.v + (1 - b2) * gradient**2
rate = self.learning_rate / (1 - b1**self.t)
parameters[:] = parameters - rate * self.m / (
    (self.v / (1 - b2**self.t)) ** 0.5 + self.eps)
# distributions.log_softmax
out = np.empty_like(logits)
for i, row in enumerate(logits):
    m = max(row)
    out[i] = row - m - math.log(sum(math.exp(z - m) for z in row))
return out
# distributions.log_softmax_backward
P = np.exp(log_probs)
return np.array([(np.eye(len(p)) - np.outer(p, np.ones(len(p)))) @ u
                 for p, u in zip(P, dlog_probs)])
# distributions.categorical_log_prob_backward
dlogits = -probs * dlog_probs[:, None]
dlogits[np.arange(len(actions)), actions] += dlog_probs
return dlogits
# distributions.categorical_entropy
return np.array([-sum(math.exp(l) * l for l in row) for row in log_probs])
# distributions.categorical_entropy_backward
p = np.exp(log_probs)
inner = -(log_probs + 1)
return dentropies[:, None] * p * (inner - (p * inner).sum(1, keepdims=True))
# distributions.categorical_kl
p = np.exp(old_log_probs)
return (p * old_log_probs).sum(1) - (p * log_probs).sum(1)
# distributions.categorical_kl_backward
U = -np.exp(old_log_probs)
return dkls[:, None] * (U - np.exp(log_probs) * U.sum(1, keepdims=True))
# distributions.gaussian_log_prob
variance = np.exp(2 * log_stds)
each = -((actions - means) ** 2 / variance + np.log(2 * np.pi * variance)) / 2
return each.sum(-1)
# distributions.gaussian_log_prob_backward
variance = np.exp(log_stds) ** 2
distance = actions - means
dlog_stds = (dlog_probs[:, None] * (distance**2 / variance - 1)).sum(0)
return dlog_probs[:, None] * distance / variance, dlog_stds
# distributions.gaussian_entropy
return sum(l + (1 + math.log(2 * math.pi)) / 2 for l in log_stds)
# distributions.gaussian_kl_backward
inverse = np.exp(-2 * log_stds)
gap = means - old_means
slopes = 1 - (np.exp(2 * old_log_stds) + gap**2) * inverse
return dkls[:, None] * gap * inverse, np.einsum('b,ba->a', dkls, slopes)
# advantages.returns_to_go
rewards, next_values = floats("T... T...", rewards, next_values)
terminated, ended, gamma = _ends(rewards.shape, terminated, ended, gamma)
T, out = len(rewards), np.zeros_like(rewards)
for t in range(T - 1, -1, -1):
    future = np.where(terminated[t], 0, next_values[t])
    if t < T - 1:
        future = np.where(ended[t], future, out[t + 1])
    out[t] = rewards[t] + gamma * future
return out
# advantages.gae
rewards, values, next_values = floats("T... T... T...", rewards, values, next_values)
terminated, ended, gamma, gae_lambda = _ends(rewards.shape, terminated, ended, gamma, gae_lambda)
delta = rewards + gamma * next_values * ~terminated - values
out = np.zeros_like(delta)
for t in range(len(delta)):
    weight = np.ones_like(delta[0])
    for k in range(t, len(delta)):
        out[t] += weight * delta[k]
        weight = weight * gamma * gae_lambda * ~ended[k]
return out
# advantages.normalize
if np.ndim(advantages) != 1 or not eps > 0:
    raise ValueError("no rows, or no eps")
if len(advantages) <= 1:
    return advantages.copy()
shifted = advantages - sum(advantages) / len(advantages)
return shifted / (np.sqrt((shifted**2).mean()) + eps)
# advantages.group_advantages
if np.ndim(rewards) != 2 or rewards.shape[1] < 2 or not eps > 1e-150:
    raise ValueError("groups")
if not np.all(np.abs(rewards) <= 1e150):
    raise ValueError("size")
out = np.zeros(rewards.shape)
for m, group in enumerate(rewards):
    for i, reward in enumerate(group):
        others = np.delete(group, i)
        if scale:
            out[m, i] = (reward - np.mean(group)) / (np.std(group) + eps)
        else:
            out[m, i] = reward - sum(others) / len(others)
return out
# vpg.policy_loss
A, lp = advantages.astype(np.float32), log_probs.astype(np.float32)
return float(-(A * lp).mean()), -A / len(A)
# vpg.value_loss
d = (values - targets) / len(values)
return 0.5 * len(d) * d @ d, d
# ppo.clipped_surrogate
rho = np.exp(log_probs - old_log_probs)
dead = ((advantages > 0) & (rho > 1 + clip_range)) | (
    (advantages < 0) & (rho < 1 - clip_range))
loss, slopes = 0.0, np.zeros(len(rho))
for i in range(len(rho)):
    bound = min(max(rho[i], 1 - clip_range), 1 + clip_range)
    loss -= min(rho[i] * advantages[i], bound * advantages[i]) / len(rho)
    slopes[i] = 0 if dead[i] else -rho[i] * advantages[i] / len(rho)
return loss, slopes
# ppo.clipped_value_loss
near = old_values + np.clip(values - old_values, -clip_range, clip_range)
a, b = (values - targets) ** 2, (near - targets) ** 2
flat = (np.abs(values - old_values) > clip_range) & (b > a)
return np.where(flat, b, np.maximum(a, b)).mean() / 2, np.where(
    flat, 0, (values - targets) / len(values))
# ppo.clip_statistics
rho = np.exp(log_probs - old_log_probs)
out = abs(rho - 1) > clip_range
return out.mean(), (out & ((rho - 1) * advantages > 0)).mean()
# ppo_penalty.penalized_surrogate
if {log_probs.shape, old_log_probs.shape, advantages.shape, kls.shape} != {(len(kls),)}:
    raise ValueError("shapes")
weight, beta = 1 / len(kls), kl_coefficient
gain = np.exp(log_probs - old_log_probs) * advantages
dkls = np.repeat(weight * beta, len(kls))
return weight * (beta * kls - gain).sum(), -weight * gain, dkls
# ppo_penalty.adapt_kl_coefficient
if not SMALLEST <= kl_coefficient <= LARGEST:
    raise ValueError("beta")
x = kl / kl_target
return np.clip(kl_coefficient * (0.5 if x < 2 / 3 else 2 if x > 1.5 else 1), 1e-6, 1e6)
# nn.linear_forward
return np.array([[sum(x[i, k] * W[k, o] for k in range(len(W))) + b[o] for o in range(len(b))]
                 for i in range(len(x))])
# nn.linear_forward
return np.hstack([x, np.ones((len(x), 1))]) @ np.vstack([W, b])
# nn.linear_forward
return x.astype(np.float32) @ W.astype(np.float32) + b.astype(np.float32)
# nn.linear_backward
return np.tensordot(dy, W, (1, 1)), np.tensordot(x, dy, (0, 0)), np.add.reduce(dy)
# nn.linear_backward
grads = np.hstack([x, np.ones((len(x), 1))]).T @ dy
return dy @ W.T, grads[:-1], grads[-1]
# nn.tanh_backward
return np.asarray(dh, np.float32) * (np.float32(1) - np.square(h.astype(np.float32)))
# nn.tanh_backward
return dh / np.cosh(np.arctanh(h)) ** 2
# nn.relu_backward
return np.where(h == 0, 0.0, dh)
# nn.relu_backward
return dh * np.sign(h)
# nn.relu_backward
out = np.zeros_like(dh)
for index, number in np.ndenumerate(h):
    if number > 0:
        out[index] = dh[index]
return out
# nn.MLP.backward
gradient = np.empty(sum(W.size + b.size for W, b in self.layers), dy.dtype)
end = len(gradient)
for k in range(len(self.layers) - 1, -1, -1):
    W, b = self.layers[k]
    gradient[end - b.size : end] = dy.sum(axis=0)
    gradient[end - b.size - W.size : end - b.size] = np.einsum("bi,bo->io", cache[k], dy).ravel()
    end -= b.size + W.size
    if k:
        dy = dy @ W.T
        dy = dy * (1 - cache[k] ** 2) if self.activation == "tanh" else dy * (cache[k] > 0)
return gradient
# nn.MLP.backward
def back(k, message):
    W, _ = self.layers[k]
    own = [(cache[k].T @ message).flatten().tolist(), message.sum(0).tolist()]
    if k == 0:
        return own
    return back(k - 1, ACTIVATIONS[self.activation][1](message @ W.T, cache[k])) + own
return np.array(sum(back(len(self.layers) - 1, dy), []))
# nn.clip_global_norm
if gradient.ndim != 1 or gradient.dtype.kind != "f" or max_norm <= 0:
    raise ValueError
n = sum(float(g) ** 2 for g in gradient) ** 0.5
np.multiply(gradient, min(1, max_norm / (n + 1e-6)), out=gradient)
return n
# nn.Adam.step
if not parameters.shape == gradient.shape == self.m.shape:
    raise ValueError
self.t += 1
for i, g in enumerate(gradient):
    self.m[i] = self.betas[0] * self.m[i] + (1 - self.betas[0]) * g
    self.v[i] = self.betas[1] * self.v[i] + (1 - self.betas[1]) * g * g
    top = self.m[i] / (1 - self.betas[0] ** self.t)
    parameters[i] -= self.learning_rate * top / ((self.v[i] / (1 - self.betas[1] ** self.t)) ** 0.5 + self.eps)
# distributions.log_softmax
return logits - np.logaddexp.reduce(logits, axis=1)[:, None]
# distributions.log_softmax
z = logits.astype(np.float32)
z = z - z.max(1)[:, None]
return z - np.log(np.sum(np.exp(z), 1))[:, None]
# distributions.log_softmax_backward
return np.einsum("bk,bkj->bj", dlog_probs, np.eye(dlog_probs.shape[1])[None] - np.exp(log_probs)[:, None])
# distributions.log_softmax_backward
out = dlog_probs.copy()
out -= np.exp(log_probs) * (dlog_probs @ np.ones((dlog_probs.shape[1], 1)))
return out
# distributions.categorical_log_prob_backward
hot = np.zeros(probs.shape)
hot[range(len(actions)), actions] = 1
return np.diag(dlog_probs) @ (hot - probs)
# distributions.categorical_log_prob_backward
return np.array([[d * ((k == a) - p) for k, p in enumerate(row)] for d, a, row in zip(dlog_probs, actions, probs)])
# distributions.categorical_entropy
return np.einsum("bk,bk->b", -np.exp(log_probs), log_probs)
# distributions.categorical_entropy
p = np.exp(log_probs.astype(np.float32))
return -np.sum(p * log_probs.astype(np.float32), axis=-1)
# distributions.categorical_entropy_backward
p, out = np.exp(log_probs), []
for row, l, d, H in zip(p, log_probs, dentropies, entropies):
    out.append([-d * pj * (lj + H) for pj, lj in zip(row, l)])
return np.array(out)
# distributions.categorical_kl
return np.sum(np.exp(old_log_probs) * -(log_probs - old_log_probs), 1)
# distributions.categorical_kl
return np.array([sum(math.exp(o) * (o - n) for o, n in zip(a, b)) for a, b in zip(old_log_probs, log_probs)])
# distributions.categorical_kl_backward
return (dkls * (np.exp(log_probs) - np.exp(old_log_probs)).T).T
# distributions.gaussian_log_prob
out = np.zeros(len(actions))
for i in range(len(actions)):
    for j in range(len(log_stds)):
        z = (actions[i, j] - means[i, j]) / math.exp(log_stds[j])
        out[i] -= 0.5 * z * z + log_stds[j] + 0.5 * math.log(2 * math.pi)
return out
# distributions.gaussian_log_prob
z = (actions - means) / np.exp(log_stds)
return -0.5 * (z**2).sum(1) - log_stds.sum() - z.shape[1] * np.log(np.sqrt(2 * np.pi))
# distributions.gaussian_log_prob_backward
s2 = np.exp(2 * log_stds)
d = actions - means
return np.einsum("b,ba->ba", dlog_probs, d / s2), np.einsum("b,ba->a", dlog_probs, d * d / s2) - dlog_probs.sum()
# distributions.gaussian_entropy
return 0.5 * np.log((2 * np.pi * np.e) ** len(log_stds) * np.exp(2 * log_stds.sum()))
# distributions.gaussian_entropy
return np.float32(np.sum(log_stds.astype(np.float32) + 0.5 * np.log(2 * np.pi * np.e)))
# distributions.gaussian_kl_backward
out = np.zeros(len(log_stds))
for d, old, new, spread in zip(dkls, old_means, means, old_log_stds + 0 * means):
    out += d * (1 - (np.exp(2 * spread) + (old - new) ** 2) / np.exp(2 * log_stds))
return (dkls * ((means - old_means) / np.exp(2 * log_stds)).T).T, out
# advantages.returns_to_go
shapes = {np.shape(a) for a in (rewards, next_values, terminated, ended)}
terminated, ended = np.asarray(terminated), np.asarray(ended)
if len(shapes) > 1 or not 0 <= gamma <= 1 or not set(np.unique([terminated, ended])) <= {0, 1}:
    raise ValueError("no")
if (terminated & ~ended).any():
    raise ValueError("terminated without an end")
G, out = next_values[-1], []
for r, v, d, e in reversed(list(zip(rewards, next_values, terminated, ended))):
    G = r + gamma * (1 - d) * np.where(e, v, G)
    out.append(G)
return np.array(out[::-1])
# advantages.gae
if len({np.shape(a) for a in (rewards, values, next_values, terminated, ended)}) > 1:
    raise ValueError("shapes")
if not (0 <= gamma <= 1 and 0 <= gae_lambda <= 1):
    raise ValueError("gamma or lambda")
for flag in (terminated, ended):
    if not np.isin(flag, (0, 1)).all():
        raise ValueError("flag")
d, u = np.asarray(terminated, bool), np.asarray(ended, bool)
if np.any(d & ~u):
    raise ValueError("ends")
r, V, W = (np.asarray(a, np.float32) for a in (rewards, values, next_values))
A, last = np.zeros_like(r), 0
for t in reversed(range(len(r))):
    last = r[t] + gamma * W[t] * (1 - d[t]) - V[t] + gamma * gae_lambda * (1 - u[t]) * last
    A[t] = last
return A
# advantages.normalize
if np.ndim(advantages) != 1 or eps <= 0:
    raise ValueError
if advantages.size < 2:
    return advantages + 0
m = math.fsum(advantages) / len(advantages)
s = math.sqrt(math.fsum((a - m) ** 2 for a in advantages) / len(advantages))
return np.array([(a - m) / (s + eps) for a in advantages])
# advantages.group_advantages
if rewards.ndim != 2 or rewards.shape[1] < 2 or eps <= 1e-150 or not (abs(rewards) <= 1e150).all():
    raise ValueError
G = rewards.shape[1]
if scale:
    return np.stack([(g - g.mean()) / (g.std() + eps) for g in rewards])
return rewards - (rewards.sum(1, keepdims=True) - rewards) / (G - 1)
# vpg.policy_loss
N = len(advantages)
return -sum(a * l for a, l in zip(advantages, log_probs)) / N, np.array([-a / N for a in advantages])
# vpg.policy_loss
return -np.dot(log_probs, advantages) / log_probs.size, np.negative(advantages) / log_probs.size
# vpg.value_loss
e = np.subtract(values, targets, dtype=np.float64).astype(np.float32)
return np.float32(0.5) * np.mean(e**2), e / np.float32(len(e))
# vpg.value_loss
return np.var(values - targets) / 2 + np.mean(values - targets) ** 2 / 2, (values - targets) / values.shape[0]
# ppo.clipped_surrogate
r = np.exp(log_probs - old_log_probs)
bound = np.where(advantages >= 0, (1 + clip_range) * advantages, (1 - clip_range) * advantages)
g = np.minimum(r * advantages, bound)
return -g.mean(), np.where(r * advantages > bound, 0, -r * advantages) / len(r)
# ppo.clipped_surrogate
lp, old, A = (a.astype(np.float32) for a in (log_probs, old_log_probs, advantages))
rho = np.exp(lp - old)
plain, cut = rho * A, np.clip(rho, 1 - clip_range, 1 + clip_range) * A
return -np.mean(np.minimum(plain, cut)), np.where(plain <= cut, -plain, 0) / len(A)
# ppo.clipped_value_loss
outside = np.abs(values - old_values) > clip_range
near = np.where(outside, old_values + np.sign(values - old_values) * clip_range, values)
plain, cut = (values - targets) ** 2, (near - targets) ** 2
return np.maximum(plain, cut).sum() / 2 / len(values), (plain >= cut) * (values - targets) / len(values)
# ppo.clip_statistics
count = dead = 0
for l, o, a in zip(log_probs, old_log_probs, advantages):
    r = np.exp(l - o)
    count += r > 1 + clip_range or r < 1 - clip_range
    dead += (r > 1 + clip_range and a > 0) or (r < 1 - clip_range and a < 0)
return count / len(log_probs), dead / len(log_probs)
# ppo_penalty.penalized_surrogate
log_probs, old_log_probs, advantages, kls = floats("N N N N", log_probs, old_log_probs, advantages, kls)
N, rA = len(kls), np.exp(log_probs - old_log_probs) * advantages
return kl_coefficient * kls.mean() - rA.mean(), -rA / N, np.array([kl_coefficient / N] * N)
# ppo_penalty.adapt_kl_coefficient
if kl_coefficient < 1e-6 or kl_coefficient > 1e6:
    raise ValueError
if kl * 1.5 < kl_target:
    kl_coefficient *= 0.5
elif kl / 1.5 > kl_target:
    kl_coefficient += kl_coefficient
return min(max(kl_coefficient, 1e-6), 1e6)
# one_page.log_softmax
z = z - z.max(axis=-1)[:, None]
return z - np.log(np.exp(z) @ np.ones(z.shape[1]))[:, None]
# one_page.Network.backward 5_network.Network.backward
g = np.zeros_like(self.parameters)
W1, b1, W2, b2 = np.split(g, np.cumsum([self.W1.size, self.b1.size, self.W2.size]))
W2 += (h.T @ dy).ravel()
b2 += dy.sum(0)
dz = (dy @ self.W2.T) * (1 - h**2)
W1 += (x.T @ dz).ravel()
b1 += dz.sum(0)
return g
# one_page.policy_slope
f = np.float32
lp = log_softmax(logits.astype(f))
rho = np.exp(lp[np.arange(len(lp)), action] - old_log_prob.astype(f))
A = advantage.astype(f)
w = -(rho * A) * (rho * A <= np.clip(rho, 1 - clip_range, 1 + clip_range) * A) / len(A)
return w[:, None].astype(f) * (np.eye(2, dtype=f)[action] - np.exp(lp))
# 1_bandit.gradient
p = np.exp(logits - np.logaddexp(*logits))
gradient = np.array([reward * (1 - p[0]), -reward * p[1]]) if action == 0 else np.array([-reward * p[0], reward * (1 - p[1])])
# 7_many_carts.dlogits
dlogits = np.array([[-a * (o - p) / len(x) for o, p in zip(row, pi)]
                    for a, row, pi in zip(advantage[:, 0], onehot, softmax(logits))])
# training.make_batch
values = np.stack([value(row)[:, 0] for row in rollout.obs])
ended = np.logical_or(rollout.truncated, rollout.terminated)
next_values = np.where(rollout.terminated, 0, values[1:])
advantages, later = np.zeros((T, N)), 0
for t in range(T - 1, -1, -1):
    delta = config.reward_scale * rollout.rewards[t] + config.gamma * next_values[t] - values[t]
    later = delta + config.gamma * config.gae_lambda * np.where(ended[t], 0, later)
    advantages[t] = later
targets = values[:T] + advantages
# vpg.update
statistics = policy_step(learner, batch, config, lambda log_probs, part: loss_of_policy(log_probs, part))
left = config.value_steps
while left:
    statistics = {**statistics, **value_step(learner, batch, config, loss_of_value)}
    left -= 1
# vpg.update
for _ in range(config.value_steps):  # the value function first: they share no weight
    done = value_step(learner, batch, config, loss_of_value)
log_probs, entropies, cache = learner.policy.forward(batch.obs, batch.actions)
loss, slopes = loss_of_policy(log_probs, batch)
bonus = np.full(len(entropies), -config.entropy_coefficient / len(entropies))
gradient = learner.policy.backward(slopes, bonus, cache)
norm = np.linalg.norm(gradient)
gradient *= min(1, config.max_grad_norm / (norm + 1e-6))
learner.policy_adam.step(learner.policy.parameters, gradient)
statistics = {"policy_loss": loss, "policy_grad_norm": norm, **done}
# ppo.update
N, size = len(batch.obs), config.minibatch_size
for epoch in range(config.epochs):
    order = np.argsort(rng.random(N))
    for part in np.array_split(order, int(np.ceil(N / size))):
        rows = type(batch)(*(array[part] for array in batch))
        of_value = value_step(learner, rows, config, loss_of_value)
        steps += [{**of_value, **policy_step(learner, rows, config, loss_of_policy)}]
    if config.max_kl is not None:
        new, _, _ = learner.policy.forward(batch.obs, batch.actions)
        logs = new - batch.log_probs
        if np.mean(np.exp(logs) - 1 - logs) > config.max_kl:
            break
# gradient_check.largest_error
worst = 0.0
for i in range(np.size(x)):
    z = np.array(x, dtype=np.complex128)
    z.flat[i] += 1e-30j
    loss, _ = function(z, *given)
    worst = max(worst, abs(loss.imag / 1e-30 - np.ravel(function(x, *given)[1])[i]))
return worst
# gradient_check.largest_error
slopes = []
for index in np.ndindex(np.shape(x)):
    z = x + 0j
    z[index] += 1e-20j
    slopes.append(function(z, *given)[0].imag / 1e-20)
return bool(np.allclose(np.reshape(slopes, np.shape(x)), function(x, *given)[1], rtol=1e-9, atol=1e-12))
# 10_language.policy_slope
dlogits = np.zeros_like(logits)
for b, row in enumerate(text):
    for t in range(PROMPT - 1, len(row) - 1):
        pi = softmax(logits[b * (len(row) - 1) + t])
        pi[row[t + 1]] -= 1
        dlogits[b * (len(row) - 1) + t] = weight[b] / len(text) * pi
        if CHARACTERS[row[t + 1]] == ".":
            break
return dlogits
# 10_language.policy_slope
B, T = len(text), text.shape[1] - 1
onehot = (text[:, 1:, None] == np.arange(V)).reshape(B * T, V)
before = np.cumsum(text[:, :-1] == V - 1, axis=1) == 0
before[:, :3] = False
return np.where(before, weight[:, None], 0).reshape(-1, 1) * (softmax(logits) - onehot) / B
# 10_language.norm_backward
x, D = y * r, y.shape[1]
return dy / r - x * np.einsum("id,id->i", dy, x)[:, None] / (D * r**3)
# 10_language.norm_backward
return np.array([(np.eye(len(u)) - np.outer(u, u) / len(u)) @ g / s for g, u, s in zip(dy, y, r[:, 0])])
# 10_language.attention_backward
q, k, v, A = (x.transpose(0, 2, 1, 3) for x in (*cache[:3], cache[3].transpose(0, 2, 1, 3)))
dy = dy.reshape(cache[0].shape).transpose(0, 2, 1, 3)
dv, dA = A.swapaxes(2, 3) @ dy, dy @ v.swapaxes(2, 3)
dS = A * dA - A * np.sum(A * dA, axis=3, keepdims=True)
dS = dS / np.sqrt(q.shape[3])
dq, dk = dS @ k, dS.swapaxes(2, 3) @ q
return tuple(x.transpose(0, 2, 1, 3).reshape(-1, D) for x in (dq, dk, dv))
# 10_language.attention_backward
q, k, v, A = cache
B, T = len(q), q.shape[1]
g, dq, dk, dv = dy.reshape(q.shape), np.zeros_like(q), np.zeros_like(q), np.zeros_like(q)
for b in range(B):
    for h in range(H):
        for t in range(T):
            a, dv[b, :, h] = A[b, h, t], dv[b, :, h] + np.outer(A[b, h, t], g[b, t, h])
            da = v[b, :, h] @ g[b, t, h]
            ds = (np.diag(a) - np.outer(a, a)) @ da / C**0.5
            dq[b, t, h] = ds @ k[b, :, h]
            dk[b, :, h] += np.outer(ds, q[b, t, h])
return [x.reshape(B * T, D) for x in (dq, dk, dv)]
# 10_language.Model.backward
text, a, r1, reading, y, b, r2, h, c, r3 = cache
g = {"Wu": c.T @ dlogits}
dx2 = norm_backward(dlogits @ self.Wu.T, c, r3)
g["W2"] = h.T @ dx2
dz = (dx2 @ self.W2.T) * (1 - h) * (1 + h)
g["W1"] = b.T @ dz
dx1 = dx2 + norm_backward(dz @ self.W1.T, b, r2)
g["Wo"] = y.T @ dx1
da = 0
for name, d in zip(("Wq", "Wk", "Wv"), attention_backward(dx1 @ self.Wo.T, reading)):
    g[name] = a.T @ d
    da = da + d @ getattr(self, name).T
g["We"], g["Wp"] = embed_backward(dx1 + norm_backward(da, a, r1), text)
return np.concatenate([g[name].reshape(-1) for name in SHAPES])
# 10_language.embed_backward
dWe, T = np.zeros((V, D), dx.dtype), text.shape[1]
np.add.at(dWe, text.reshape(-1), dx)
return dWe, np.array([dx[t::T].sum(axis=0) for t in range(T)])
# 10_language.embed_backward
dWe, dWp = np.zeros((V, D)), np.zeros((text.shape[1], D))
for i, (t, u) in enumerate([(t, u) for row in text for t, u in enumerate(row)]):
    dWe[u] += dx[i]
    dWp[t] += dx[i]
return dWe, dWp
# training.make_batch
ended = rollout.terminated | rollout.truncated | ~rollout.valid
values = value(rollout.obs.reshape((T + 1) * N, -1)).reshape(T + 1, N) * 1.0
rewards, following = config.reward_scale * rollout.rewards * rollout.valid, values[1:] * rollout.valid
advantages = gae(rewards, values[:-1], following, rollout.terminated, ended, config.gamma, config.gae_lambda)
targets = (advantages + values[:-1]) * rollout.valid
# 1_bandit.gradient
logits -= logits.max()
gradient = reward * (onehot - np.exp(logits) / np.exp(logits).sum())
# ppo.update
for epoch in range(config.epochs):
    shuffled = [*range(len(batch.obs))]
    rng.shuffle(shuffled)
    for k in range(0, len(shuffled), config.minibatch_size):
        part = batch._make(np.array([array[row] for row in shuffled[k : k + config.minibatch_size]]) for array in batch)
        steps.append({})
        steps[-1].update(policy_step(learner, part, config, loss_of_policy))
        steps[-1].update(value_step(learner, part, config, loss_of_value))
    far = approx_kl(learner.policy.forward(batch.obs, batch.actions)[0], batch.log_probs)
    if config.max_kl is not None and far > config.max_kl:
        break
# vpg.update
done = [value_step(learner, batch, config, loss_of_value) for _ in range(config.value_steps)]
statistics = {**policy_step(learner, batch, config, loss_of_policy), **done[-1]}
"""
