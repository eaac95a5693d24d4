# /// script
# requires-python = ">=3.10"
# dependencies = ["numpy>=1.26", "gymnasium>=1.2"]
# ///
"""PPO on one page: CartPole in about a second, every gradient by hand.

    python one_page.py [SEED]        or, with nothing installed:  uv run one_page.py

The numbers are those of the equations in README.md. The same seed gives the same
bits as `python run.py --algo ppo`, which is this page with room to breathe.
"""

import sys

import gymnasium as gym
import numpy as np

TOTAL_STEPS, N, T = 100_000, 32, 32  # environments side by side; steps of each in one rollout
GAMMA, LAMBDA, CLIP_RANGE, EPOCHS, ROWS = 0.99, 0.95, 0.2, 6, 256
STEP_SIZE, MAX_NORM, HIDDEN = 1e-2, 0.5, 64


class Network:
    """Linear, tanh, linear; its parameters in one vector; Adam's moments beside them."""

    def __init__(self, inputs, outputs, gain, rng):
        def orthogonal(shape, gain):  # Eq. 33
            q, r = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))
            q = q * np.sign(np.diag(r))
            return gain * (q if shape[0] >= shape[1] else q.T)

        W1, W2 = orthogonal((inputs, HIDDEN), np.sqrt(2)), orthogonal((HIDDEN, outputs), gain)
        parts = W1.ravel(), np.zeros(HIDDEN), W2.ravel(), np.zeros(outputs)
        self.parameters = np.concatenate(parts).astype(np.float32)
        W1, self.b1, W2, self.b2 = np.split(self.parameters, np.cumsum([p.size for p in parts[:3]]))
        self.W1, self.W2 = W1.reshape(inputs, HIDDEN), W2.reshape(HIDDEN, outputs)  # views
        self.m, self.v, self.t = np.zeros_like(self.parameters), np.zeros_like(self.parameters), 0

    def forward(self, x):
        h = np.tanh(x @ self.W1 + self.b1)  # Eq. 30, 31
        return h @ self.W2 + self.b2, h

    def backward(self, dy, x, h):
        """Back through the layers: dy, x and h, a row an example -> gradient (P,), Eq. 30–32."""
        dz = np.dot(dy, self.W2.T) * (1 - h * h)  # Eq. 30: X̄ = Ȳ Wᵀ, Eq. 31: tanh' = 1 − h²
        ones = np.ones(len(x), x.dtype)  # Eq. 30: b̄ = 1ᵀ Ȳ, W̄ = Xᵀ Ȳ; Eq. 32: layer by layer
        return np.concatenate([(x.T @ dz).ravel(), ones @ dz, (h.T @ dy).ravel(), ones @ dy])

    def step(self, g, step_size):
        """Shorten g (P,) to MAX_NORM, Eq. 35; Adam's step, Eq. 34, β 0.9 and 0.999, ε 1e-8."""
        norm = float(np.sqrt(g @ g))
        g = g * min(1, MAX_NORM / (norm + 1e-6))  # Eq. 35
        self.t += 1
        self.m += (1 - 0.9) * (g - self.m)  # Eq. 34
        self.v += (1 - 0.999) * (g * g - self.v)
        m_hat, v_hat = self.m / (1 - 0.9**self.t), self.v / (1 - 0.999**self.t)
        self.parameters -= step_size * m_hat / (np.sqrt(v_hat) + 1e-8)


def log_softmax(z):
    """Logits z (B,K) -> log-probabilities (B,K), Eq. 20."""
    z = np.asfortranarray(z - z.max(axis=1, keepdims=True))  # by columns: faster
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def credit(reward, v, terminated, truncated):
    """Advantages (T,N), Eq. 16, of reward (T,N), values v (T+1,N), two kinds of ends (T,N)."""
    advantage = reward + GAMMA * v[1:] * ~terminated - v[:-1]  # Eq. 15: a time limit keeps V
    for t in reversed(range(len(reward) - 1)):  # Eq. 16: either end cuts the trace
        advantage[t] += GAMMA * LAMBDA * advantage[t + 1] * ~(terminated[t] | truncated[t])
    return advantage


def policy_slope(logits, action, old_log_prob, advantage, clip_range):
    """dlogits (B,2) of PPO's clipped loss, Eq. 39; logits (B,2), the others (B,)."""
    log_probs, onehot = log_softmax(logits), (np.arange(2)[:, None] == action).T
    ratio = np.exp(log_probs[onehot] - old_log_prob)  # Eq. 38
    plain = ratio * advantage
    clipped = np.clip(ratio, 1 - clip_range, 1 + clip_range) * advantage
    alive = plain <= clipped  # Eq. 40: of Eq. 39's min the plain branch, or a tie
    dlog_prob = alive * -plain / len(plain)  # Eq. 38, 40
    return dlog_prob[:, None] * (onehot - np.exp(log_probs))  # Eq. 22, 41


def train(seed):
    """Learn CartPole; returns the policy's and the value function's Network."""
    weights, acting, shuffling, starts = np.random.SeedSequence(seed).spawn(4)
    weights, acting, shuffling = map(np.random.default_rng, (weights, acting, shuffling))
    envs = gym.make_vec("CartPole-v1", num_envs=N)
    policy, value = Network(4, 2, 0.01, weights), Network(4, 1, 1.0, weights)
    last_obs = envs.reset(seed=int(starts.generate_state(1, np.uint64)[0]))[0]
    ended, total, env_steps, returns = np.zeros(N, bool), np.zeros(N), 0, []

    while env_steps < TOTAL_STEPS:
        # Act. Row t is no step where the environment only begins anew (`valid` is False).
        obs, action = np.empty((T + 1, N, 4), np.float32), np.empty((T, N), int)
        reward, old_log_prob = np.empty((2, T, N), np.float32)
        terminated, truncated, valid = np.empty((3, T, N), bool)
        obs[0] = last_obs
        for t in range(T):
            log_probs = log_softmax(policy.forward(obs[t])[0])
            action[t] = acting.random(N, np.float32) >= np.exp(log_probs[:, 0])
            old_log_prob[t] = log_probs[np.arange(N), action[t]]
            valid[t] = ~ended
            last_obs, reward[t], terminated[t], truncated[t], _ = envs.step(action[t])
            obs[t + 1] = last_obs
            ended, total = terminated[t] | truncated[t], total + reward[t]
            returns += total[ended].tolist()
            total[ended] = 0

        # Credit.
        v = value.forward(obs.reshape(-1, 4))[0].reshape(T + 1, N)
        advantage = credit(reward, v, terminated, truncated)
        target, advantage = (advantage + v[:-1])[valid], advantage[valid]  # Eq. 18
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)  # Eq. 19

        # Learn: several epochs on these rows, in minibatches.
        x, a, old = obs[:-1][valid], action[valid], old_log_prob[valid]
        left = 1 - env_steps / TOTAL_STEPS  # step size and clip range shrink linearly
        for _ in range(EPOCHS):
            for i in np.array_split(shuffling.permutation(len(x)), -(-len(x) // ROWS)):
                logits, h = policy.forward(x[i])
                dy = policy_slope(logits, a[i], old[i], advantage[i], CLIP_RANGE * left)
                policy.step(policy.backward(dy, x[i], h), STEP_SIZE * left)
                y, h = value.forward(x[i])
                dy = (y - target[i][:, None]) / len(i)  # Eq. 36
                value.step(value.backward(dy, x[i], h), STEP_SIZE * left)
        env_steps += len(x)
        if returns and env_steps * 10 // TOTAL_STEPS > (env_steps - len(x)) * 10 // TOTAL_STEPS:
            mean = np.mean(returns)
            print(f"{env_steps:>9,} steps   {len(returns):>4} episodes, mean return {mean:6.1f}")
            returns = []
    return policy, value


def judge(policy, seed, episodes=100):
    """Mean return of fresh episodes in which the likelier action is taken."""
    envs = gym.make_vec("CartPole-v1", num_envs=episodes)
    obs, running, total = envs.reset(seed=seed)[0], np.ones(episodes, bool), np.zeros(episodes)
    while running.any():
        obs, reward, terminated, truncated, _ = envs.step(policy.forward(obs)[0].argmax(axis=1))
        total += reward * running
        running &= ~(terminated | truncated)
    return total.mean()


if __name__ == "__main__":
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    policy, _ = train(seed)
    print(f"greedy, 100 fresh episodes: {judge(policy, seed + 1):.1f} of 500")
