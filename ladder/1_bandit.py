# /// script
# dependencies = ["numpy>=1.26", "gymnasium>=1.2"]
# ///
"""New: the score, Eq. 5: reward r adds α r (e_a − π) to the logits, uphill on average.
Bought: the better arm's probability goes from 0.5 to 0.98 in 200 pulls.
Still wrong: it is blind, and a pull is a whole game. What of a pole to balance?"""

import sys

try:
    import numpy as np
except ImportError as error:
    print(f"{error}: pip install gymnasium, or uv run {sys.argv[0]}", file=sys.stderr)
    sys.exit(2)

ACTIONS, PAYS, TOTAL_STEPS, STEP_SIZE = 2, np.array([1.0, 2.0]), 200, 0.1


def softmax(logits):  # -> π, Eq. 17; less the largest: exp cannot overflow
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def play(logits, rng):  # pull one arm
    action = rng.choice(ACTIONS, p=softmax(logits))
    return action, rng.normal(PAYS[action])  # what this arm pays, give or take


def train(seed):  # after each update: steps so far, the policy, the mean return
    rng, logits, env_steps = np.random.default_rng(seed), np.zeros(ACTIONS), 0
    while env_steps < TOTAL_STEPS:
        action, reward = play(logits, rng)
        onehot = np.eye(ACTIONS)[action]
        gradient = reward * (onehot - softmax(logits))  # Eq. 5, 19
        logits += STEP_SIZE * gradient  # uphill
        env_steps += 1
        yield env_steps, logits, PAYS @ softmax(logits)


if __name__ == "__main__":
    seed = " ".join(sys.argv[1:] or ["0"])
    if not seed.isdecimal() or len(seed) > 9:
        print(f"the seed is a whole number below 10**9, not {seed!r}", file=sys.stderr)
        sys.exit(2)
    for update, (env_steps, policy, mean_return) in enumerate(train(int(seed))):
        if update % 10 == 0:
            print(f"{env_steps:>9,} steps   mean return {mean_return:6.1f}, sampled")
    print(f"probability of the better arm: {softmax(policy)[1]:.3f}")
