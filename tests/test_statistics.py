"""Every column of progress.csv, computed once more by hand.

One iteration of each algorithm is replayed in float64, from what its update was given:
networks written out, gradients by complex step, clipping and Adam from their formulas.
"""

import copy

import numpy as np
import pytest

import ppo
import ppo_penalty
import vpg
from lab.proof.evidence import complex_step
from training import Trainer

HIDDEN, TOTAL = 4, 2_000
SETTINGS = {
    "num_envs": 4,
    "num_steps": 12,
    "hidden_sizes": (HIDDEN,),
    "total_steps": TOTAL,
    "learning_rate": 0.02,
    "value_learning_rate": 0.05,
    "max_grad_norm": 0.3,
    "entropy_coefficient": 0.02,
}
SEVERAL = {"epochs": 3, "minibatch_size": 20}
VARIANTS = {
    "vpg": (vpg, {"value_steps": 3}),
    "ppo": (ppo, {**SEVERAL, "clip_range": 0.05}),
    "ppo, all its options": (
        ppo,
        {**SEVERAL, "clip_range": 0.01, "anneal_clip_range": False, "value_clip_range": 0.1,
         "max_kl": 3e-4, "anneal_learning_rate": False},
    ),
    "penalty": (ppo_penalty, {**SEVERAL, "kl_coefficient": 4.0, "kl_target": 1e-4}),
}  # fmt: skip


def network(parameters, obs, outputs):
    """obs (B,4) through one layer of tanh: (B,outputs)."""
    cuts = np.cumsum([4 * HIDDEN, HIDDEN, HIDDEN * outputs])
    W1, b1, W2, b2 = np.split(parameters, cuts)
    hidden = np.tanh(obs @ W1.reshape(4, HIDDEN) + b1)
    return hidden @ W2.reshape(HIDDEN, outputs) + b2


def log_softmax(parameters, obs):
    logits = network(parameters, obs, 2)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


class Descent:
    """A network's parameters on their way down, in float64: Eq. 34 and 35."""

    def __init__(self, parameters, adam, learning_rate, max_norm):
        self.x, self.m, self.v = (a.astype(float) for a in (parameters, adam.m, adam.v))
        self.t, self.learning_rate, self.max_norm = adam.t, learning_rate, max_norm

    def step(self, loss):
        """One step down loss(parameters) -> the gradient's norm."""
        gradient = complex_step(loss, self.x)
        norm = np.sqrt(np.sum(gradient**2))
        gradient *= min(1, self.max_norm / (norm + 1e-6))
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * gradient
        self.v = 0.999 * self.v + 0.001 * gradient**2
        m, v = self.m / (1 - 0.9**self.t), self.v / (1 - 0.999**self.t)
        self.x -= self.learning_rate * m / (np.sqrt(v) + 1e-8)
        return norm


def replay(name, learner, batch, config, progress, rng):
    """What the update should have done: its statistics, and both networks' parameters."""
    remaining = 1 - progress if config.anneal_learning_rate else 1
    policy = Descent(learner.policy.parameters, learner.policy_adam,
                     config.learning_rate * remaining, config.max_grad_norm)  # fmt: skip
    value = Descent(learner.value.parameters, learner.value_adam,
                    config.value_learning_rate * remaining, config.max_grad_norm)  # fmt: skip
    old = log_softmax(policy.x, batch.obs)
    chosen = np.arange(len(batch.obs)), batch.actions
    epsilon = getattr(config, "clip_range", None)
    if epsilon is not None and config.anneal_clip_range:
        epsilon *= 1 - progress
    beta = learner.memory.get("kl_coefficient", getattr(config, "kl_coefficient", None))
    rows = []

    def surrogate(log_probs, part):
        """The policy's loss without its entropy bonus; log_probs (B,2)."""
        own = log_probs[np.arange(len(part)), batch.actions[part]]
        A = batch.advantages[part]
        if name == "vpg":
            return -np.mean(A * own)
        ratio = np.exp(own - old[chosen][part])
        if name == "penalty":
            kl = (np.exp(old[part]) * (old[part] - log_probs)).sum(axis=1)
            return -np.mean(ratio * A - beta * kl)
        inside = np.where(abs(ratio.real - 1) <= epsilon, ratio,
                          1 + epsilon * np.sign(ratio.real - 1))  # fmt: skip
        return -np.mean(np.where((ratio * A).real <= (inside * A).real, ratio * A, inside * A))

    def policy_step(part):
        def loss(parameters):
            log_probs = log_softmax(parameters, batch.obs[part])
            entropy = -(np.exp(log_probs) * log_probs).sum(axis=1)
            return surrogate(log_probs, part) - config.entropy_coefficient * entropy.mean()

        before = surrogate(log_softmax(policy.x, batch.obs[part]), part)
        return {"policy_loss": before, "policy_grad_norm": policy.step(loss)}

    def value_step(part):
        def loss(parameters):
            v, y = network(parameters, batch.obs[part], 1)[:, 0], batch.targets[part]
            squares = (v - y) ** 2
            if getattr(config, "value_clip_range", None) is not None:
                before, band = batch.values[part], config.value_clip_range
                far = abs((v - before).real) > band
                clipped = np.where(far, before + band * np.sign((v - before).real), v)
                other = (clipped - y) ** 2
                squares = np.where(squares.real >= other.real, squares, other)
            return 0.5 * squares.mean()

        return {"value_loss": loss(value.x), "value_grad_norm": value.step(loss)}

    def approx_kl():
        log_ratio = (log_softmax(policy.x, batch.obs) - old)[chosen]
        return np.mean(np.exp(log_ratio) - 1 - log_ratio)

    everything = np.arange(len(batch.obs))
    if name == "vpg":
        rows.append(policy_step(everything))
        for _ in range(config.value_steps):
            rows[0] |= value_step(everything)
    else:
        for _ in range(config.epochs):
            parts = -(-len(everything) // config.minibatch_size)
            for part in np.array_split(rng.permutation(len(everything)), parts):
                rows.append(policy_step(part) | value_step(part))
            if getattr(config, "max_kl", None) is not None and approx_kl() > config.max_kl:
                break
    expected = {key: np.mean([row[key] for row in rows]) for key in rows[0]}

    new = log_softmax(policy.x, batch.obs)
    ratio = np.exp((new - old)[chosen])
    out = abs(ratio - 1) > (np.inf if epsilon is None else epsilon)
    expected |= {
        "entropy": np.mean(-(np.exp(new) * new).sum(axis=1)),
        "approx_kl": approx_kl(),
        "clip_fraction": out.mean(),
        "dead_fraction": (out & (np.sign(ratio - 1) == np.sign(batch.advantages))).mean(),
        "explained_variance": 1 - np.var(batch.targets - batch.values) / np.var(batch.targets),
        "learning_rate": policy.learning_rate,
    }
    if epsilon is not None:
        expected["clip_range"] = epsilon
    if name == "penalty":
        kl = np.mean((np.exp(old) * (old - new)).sum(axis=1))
        expected |= {"kl": kl, "kl_coefficient": beta}
        beta *= 0.5 if kl < config.kl_target / 1.5 else 2 if kl > 1.5 * config.kl_target else 1
    return expected, policy.x, value.x, len(rows), beta


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_statistic_by_hand(variant, monkeypatch):
    name, (algorithm, settings) = variant.split(",")[0], VARIANTS[variant]
    config, given, done = algorithm.Config(**SETTINGS, **settings), [], []
    update = algorithm.update

    def watched(learner, batch, config, progress, rng):
        given.append(copy.deepcopy((learner, batch, config, progress, rng)))
        result = update(learner, batch, config, progress, rng)
        done.append(copy.deepcopy((learner.policy.parameters, learner.value.parameters)))
        return result

    monkeypatch.setattr(algorithm, "update", watched)
    trainer = Trainer(algorithm, "CartPole-v1", config, seed=1)
    rows, steps, episodes = [], 0, 0
    for iteration in range(1, 5):
        seconds = trainer.train_seconds
        row = trainer.iterate()
        rows.append(row)
        learner, batch, _, progress, rng = given[-1]
        assert progress == pytest.approx(steps / TOTAL)
        batch = batch._replace(
            **{key: getattr(batch, key).astype(float) for key in batch._fields if key != "actions"}
        )
        expected, policy, value, count, beta = replay(name, learner, batch, config, progress, rng)
        np.testing.assert_allclose(done[-1][0], policy, rtol=2e-3, atol=2e-4)
        np.testing.assert_allclose(done[-1][1], value, rtol=2e-3, atol=2e-4)
        steps += int(trainer.rollout.valid.sum())
        episodes += len(trainer.rollout.episodes)
        expected |= {"iteration": iteration, "env_steps": steps, "episodes": episodes}
        assert row.pop("mean_return") == pytest.approx(
            np.mean(trainer.recent_returns) if episodes else np.nan, nan_ok=True
        )
        speed = trainer.rollout.valid.sum() / (trainer.train_seconds - seconds)
        assert row.pop("steps_per_second") == pytest.approx(speed)
        assert row.keys() == expected.keys()
        for key, number in expected.items():
            assert row[key] == pytest.approx(number, rel=3e-3, abs=2e-6), (key, iteration)
        if name == "penalty":
            assert trainer.learner.memory["kl_coefficient"] == beta
    assert episodes > 2 and (name == "vpg" or count >= 3)
    if name == "ppo":
        assert any(row["clip_fraction"] > row["dead_fraction"] > 0 for row in rows)


def test_mean_return_is_of_the_last_hundred_episodes():
    trainer = Trainer(vpg, "CartPole-v1", vpg.Config(num_envs=8, num_steps=32), seed=0)
    totals = []
    while len(totals) < 250:
        row = trainer.iterate()
        totals += [episode.total for episode in trainer.rollout.episodes]
        assert row["mean_return"] == pytest.approx(np.mean(totals[-100:]) if totals else np.nan)
        assert row["episodes"] == len(totals)


def test_reports_stay_raw_where_rewards_are_scaled():
    """reward_scale is for learning: targets and value loss have it, returns do not."""
    rows = {}
    for scale in (1.0, 0.1):
        settings = {**SETTINGS, "num_steps": 60, "entropy_coefficient": 0.0}
        config = vpg.Config(**settings, reward_scale=scale, normalize_advantages=False)
        trainer = Trainer(vpg, "CartPole-v1", config, seed=1)
        trainer.value.parameters[:] = 0
        rows[scale] = trainer.iterate()
    assert rows[1.0]["mean_return"] == rows[0.1]["mean_return"]
    assert rows[0.1]["policy_loss"] == pytest.approx(0.1 * rows[1.0]["policy_loss"], rel=1e-4)
