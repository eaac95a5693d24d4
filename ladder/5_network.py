# /// script
# dependencies = ["numpy>=1.26", "gymnasium>=1.2"]
# ///
"""New: a hidden layer and its backprop, Eq. 27–29; Adam, Eq. 31; a loss, downhill.
Bought: 475 at 24,000 steps, not 11,000, and stays; the pendulum's return -84, not -98.
Still wrong: an action is paid for all later luck. Who knows what to expect?"""

import sys

try:
    import gymnasium as gym
    import numpy as np
except ImportError as error:
    print(f"{error}: pip install gymnasium, or uv run {sys.argv[0]}", file=sys.stderr)
    sys.exit(2)

ENV_ID, OBS, ACTIONS, N, TOTAL_STEPS, STEP_SIZE = "CartPole-v1", 4, 2, 8, 100_000, 1e-2
HIDDEN, MAX_NORM = 64, 0.5


class Network:  # linear, tanh, linear: views of one vector of parameters
    def __init__(self, inputs, outputs, gain, rng):
        sizes = inputs * HIDDEN, HIDDEN, HIDDEN * outputs, outputs
        self.parameters = np.zeros(sum(sizes), np.float32)
        W1, self.b1, W2, self.b2 = np.split(self.parameters, np.cumsum(sizes[:3]))
        self.W1, self.W2 = W1.reshape(inputs, HIDDEN), W2.reshape(HIDDEN, outputs)
        for W, scale in (self.W1.T, np.sqrt(2)), (self.W2, gain):  # Eq. 30: orthogonal
            q, r = np.linalg.qr(rng.standard_normal(W.shape))
            W[:] = scale * q * np.sign(np.diag(r))
        self.m, self.v, self.t = 0 * self.parameters, 0 * self.parameters, 0

    def forward(self, x):
        h = np.tanh(x @ self.W1 + self.b1)  # Eq. 27, 28
        return h @ self.W2 + self.b2, h

    def backward(self, dy, x, h):
        """Back through the layers: dy, x, h, a row a step -> gradient (P,), Eq. 29."""
        dz = np.dot(dy, self.W2.T) * (1 - h * h)  # Eq. 27: X̄ = Ȳ Wᵀ; Eq. 28: the bend
        ones = np.ones(len(x), x.dtype)  # Eq. 27: b̄ = 1ᵀ Ȳ, and W̄ = Xᵀ Ȳ
        return np.hstack([(x.T @ dz).ravel(), ones @ dz, (h.T @ dy).ravel(), ones @ dy])

    def step(self, g, step_size):
        """Shorten g (P,), Eq. 32; Adam's step, Eq. 31, with β 0.9 and 0.999, ε 1e-8."""
        g = g * min(1, MAX_NORM / (np.sqrt(g @ g) + 1e-6))  # Eq. 32
        self.t += 1
        self.m += (1 - 0.9) * (g - self.m)  # Eq. 31
        self.v += (1 - 0.999) * (g * g - self.v)
        m_hat, v_hat = self.m / (1 - 0.9**self.t), self.v / (1 - 0.999**self.t)
        self.parameters -= step_size * m_hat / (np.sqrt(v_hat) + 1e-8)


def softmax(logits):  # -> π, Eq. 17; less the largest: exp cannot overflow
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def play(n, policy, rng):  # n episodes side by side, arrays (T,n,…)
    envs, rows = gym.make_vec(ENV_ID, num_envs=n), []
    obs, running = envs.reset(seed=int(rng.integers(2**31)))[0], np.ones(n, bool)
    while running.any():
        probs = softmax(policy.forward(obs)[0])  # shares of [0, 1): a draw hits one
        action = (rng.random((n, 1)) >= probs.cumsum(axis=1)[:, :-1]).sum(axis=1)
        next_obs, reward, terminated, truncated, _ = envs.step(action)
        rows.append((obs, action, reward * running, running))  # the fallen: 0
        obs, running = next_obs, running & ~(terminated | truncated)
    return [np.array(column) for column in zip(*rows)]


def train(seed):  # after each update: steps so far, the policy, the mean return
    rng, env_steps = np.random.default_rng(seed), 0
    policy = Network(OBS, ACTIONS, 0.01, rng)
    while env_steps < TOTAL_STEPS:
        obs, action, reward, valid = play(N, policy, rng)
        weight = reward[::-1].cumsum(axis=0)[::-1]  # the reward-to-go, γ is 1
        weight = weight - (weight.sum(axis=1) / valid.sum(axis=1))[:, None]  # baseline
        # Its own return is in the mean: of n carts, that takes 1/n off, on average.
        x, weight, onehot = obs[valid], weight[valid], np.eye(ACTIONS)[action[valid]]
        weight = weight / (weight.std() + 1e-8)  # Eq. 16
        logits, h = policy.forward(x)
        dlogits = -weight[:, None] * (onehot - softmax(logits)) / len(x)  # Eq. 20
        policy.step(policy.backward(dlogits, x, h), STEP_SIZE)  # downhill, Eq. 10
        env_steps += len(x)
        yield env_steps, policy, reward.sum(axis=0).mean()


def judge(policy, seed, n=100):  # mean return of n episodes, the likelier action taken
    envs = gym.make_vec(ENV_ID, num_envs=n)
    obs, total, running = envs.reset(seed=seed)[0], 0, np.ones(n, bool)
    while running.any():
        action = policy.forward(obs)[0].argmax(axis=1)
        obs, reward, terminated, truncated, _ = envs.step(action)
        total += reward @ running
        running &= ~(terminated | truncated)
    return total / n


if __name__ == "__main__":
    seed = " ".join(sys.argv[1:] or ["0"])
    if not seed.isdecimal() or len(seed) > 9:
        print(f"the seed is a whole number below 10**9, not {seed!r}", file=sys.stderr)
        sys.exit(2)
    for update, (env_steps, policy, mean_return) in enumerate(train(int(seed))):
        if update % 10 == 0:
            print(f"{env_steps:>9,} steps   mean return {mean_return:6.1f}, sampled")
    print(f"greedy, 100 fresh episodes: {judge(policy, int(seed) + 1):.1f} of 500")
