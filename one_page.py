# /// script
# dependencies = ["numpy>=1.26", "gymnasium>=1.2"]
# ///
"""PPO on one page: CartPole in about a second, every gradient by hand.
New: the clip, Eq. 36, 37; the ratio from logarithms, Eq. 17; the bits of run.py's PPO.
Bought: 20 of 20 stay, not 16; pendulum's return -25, not -48; largest KL 0.02, not 5.7.
Still wrong: nothing that fits a page. The lesson is this one with room to breathe."""

import sys

try:
    import gymnasium as gym
    import numpy as np
except ImportError as error:
    print(f"{error}: pip install gymnasium, or uv run {sys.argv[0]}", file=sys.stderr)
    sys.exit(2)

ENV_ID, OBS, ACTIONS, N, TOTAL_STEPS, STEP_SIZE = "CartPole-v1", 4, 2, 32, 100_000, 1e-2
T, HIDDEN, MAX_NORM = 32, 64, 0.5
GAMMA, LAMBDA, EPOCHS, ROWS, CLIP_RANGE = 0.99, 0.95, 6, 256, 0.2


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
        norm = float(np.sqrt(g @ g))
        g = g * min(1, MAX_NORM / (norm + 1e-6))  # Eq. 32
        self.t += 1
        self.m += (1 - 0.9) * (g - self.m)  # Eq. 31
        self.v += (1 - 0.999) * (g * g - self.v)
        m_hat, v_hat = self.m / (1 - 0.9**self.t), self.v / (1 - 0.999**self.t)
        self.parameters -= step_size * m_hat / (np.sqrt(v_hat) + 1e-8)


def log_softmax(z):
    """Logits z (B,K) -> log-probabilities (B,K), Eq. 17."""
    z = np.asfortranarray(z - z.max(axis=1, keepdims=True))  # by columns: faster
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def credit(reward, v, terminated, truncated):
    """Advantages (T,N) of reward (T,N), values v (T+1,N), and two kinds of ends."""
    advantage = reward + GAMMA * v[1:] * ~terminated - v[:-1]  # Eq. 12: a limit keeps V
    for t in reversed(range(len(reward) - 1)):  # Eq. 13: either end cuts the trace
        advantage[t] += GAMMA * LAMBDA * advantage[t + 1] * ~(terminated[t] | truncated[t])
    return advantage


def policy_slope(logits, action, old_log_prob, advantage, clip_range):
    """dlogits (B,K) of PPO's clipped loss, Eq. 36; logits (B,K), the others (B,)."""
    log_probs, onehot = log_softmax(logits), (np.arange(ACTIONS)[:, None] == action).T
    ratio = np.exp(log_probs[onehot] - old_log_prob)  # Eq. 35
    plain = ratio * advantage
    clipped = np.clip(ratio, 1 - clip_range, 1 + clip_range) * advantage
    alive = plain <= clipped  # Eq. 37: of Eq. 36's min the plain branch, or a tie
    dlog_prob = alive * -plain / len(plain)  # Eq. 35, 37
    return dlog_prob[:, None] * (onehot - np.exp(log_probs))  # Eq. 19, 38


def train(seed):  # after each update: steps so far, the policy, the mean return
    *seeds, starts = np.random.SeedSequence(seed).spawn(4)
    weights, rng, shuffling = map(np.random.default_rng, seeds)
    policy, value = Network(OBS, ACTIONS, 0.01, weights), Network(OBS, 1, 1.0, weights)
    envs = gym.wrappers.vector.RecordEpisodeStatistics(gym.make_vec(ENV_ID, num_envs=N))
    obs, _ = envs.reset(seed=int(starts.generate_state(1, np.uint64)[0]))
    running, env_steps = np.ones(N, bool), 0
    while env_steps < TOTAL_STEPS:
        rows = []
        for _ in range(T):
            log_probs = log_softmax(policy.forward(obs)[0])
            edges = np.exp(log_probs).cumsum(axis=1)[:, :-1]  # of the actions' shares
            action = (rng.random((N, 1), np.float32) >= edges).sum(axis=1)
            old = log_probs[np.arange(N), action]
            next_obs, reward, terminated, truncated, _ = envs.step(action)
            rows.append((obs, action, old, reward, running, terminated, truncated))
            obs, running = next_obs, ~(terminated | truncated)  # the fallen: reset next
        x, action, old, reward, valid, terminated, truncated = map(np.array, zip(*rows))
        v = value.forward(np.concatenate([*x, obs]))[0].reshape(-1, N)
        advantage = credit(reward, v, terminated, truncated)  # targets: Eq. 15
        target, advantage = (advantage + v[:-1])[valid, None], advantage[valid]
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)  # Eq. 16
        x, a, old = x[valid], action[valid], old[valid]
        step_size = STEP_SIZE * (1 - env_steps / TOTAL_STEPS)  # falls to 0
        clip_range = CLIP_RANGE * (1 - env_steps / TOTAL_STEPS)
        for _ in range(EPOCHS):
            for i in np.array_split(shuffling.permutation(len(x)), -(-len(x) // ROWS)):
                logits, h = policy.forward(x[i])
                dlogits = policy_slope(logits, a[i], old[i], advantage[i], clip_range)
                policy.step(policy.backward(dlogits, x[i], h), step_size)
                y, h = value.forward(x[i])  # Eq. 33: dy = (y − target) / B
                value.step(value.backward((y - target[i]) / len(i), x[i], h), step_size)
        env_steps += len(x)
        yield env_steps, policy, np.mean(envs.return_queue)


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
