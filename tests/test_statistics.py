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
CLIPPED = {"clip_range": 0.01, "value_clip_range": 0.1, "max_kl": 3e-4}
CONSTANT = {"anneal_clip_range": False, "anneal_learning_rate": False}
VARIANTS = {
    "vpg": (vpg, {"value_steps": 3}),
    "ppo": (ppo, {**SEVERAL, "clip_range": 0.05}),
    "ppo, all its options": (ppo, {**SEVERAL, **CLIPPED, **CONSTANT}),
    "penalty": (ppo_penalty, {**SEVERAL, "kl_coefficient": 4.0, "kl_target": 1e-4}),
}


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
    """A network's parameters on their way down, in float64: Eq. 31 and 32."""

    def __init__(self, network, adam, learning_rate, max_norm):
        self.x, self.m, self.v = (a.astype(float) for a in (network.parameters, adam.m, adam.v))
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


class Replay:
    """What an update should have done with what it was given: statistics, policy, value."""

    def __init__(self, name, learner, batch, config, progress, rng):
        self.name, self.batch, self.config, self.rng = name, batch, config, rng
        remaining = 1 - progress if config.anneal_learning_rate else 1
        rates, most = (config.learning_rate, config.value_learning_rate), config.max_grad_norm
        self.policy = Descent(learner.policy, learner.policy_adam, rates[0] * remaining, most)
        self.value = Descent(learner.value, learner.value_adam, rates[1] * remaining, most)
        self.rows = np.arange(len(batch.obs))
        self.old = log_softmax(self.policy.x, batch.obs)
        self.epsilon = getattr(config, "clip_range", None)
        if self.epsilon is not None and config.anneal_clip_range:
            self.epsilon *= 1 - progress
        self.beta = learner.memory.get("kl_coefficient", getattr(config, "kl_coefficient", None))

    def log_ratio(self, log_probs, part):
        """Of the actions taken; log_probs (B,2) of these rows."""
        chosen = np.arange(len(part)), self.batch.actions[part]
        return (log_probs - self.old[part])[chosen]

    def surrogate(self, log_probs, part):
        """The policy's loss without its entropy bonus; log_probs (B,2)."""
        A, old = self.batch.advantages[part], self.old[part]
        if self.name == "vpg":
            return -np.mean(A * log_probs[np.arange(len(part)), self.batch.actions[part]])
        ratio = np.exp(self.log_ratio(log_probs, part))
        if self.name == "penalty":
            kl = (np.exp(old) * (old - log_probs)).sum(axis=1)
            return -np.mean(ratio * A - self.beta * kl)
        edge = 1 + self.epsilon * np.sign(ratio.real - 1)
        inside = np.where(abs(ratio.real - 1) <= self.epsilon, ratio, edge)
        return -np.mean(np.where((ratio * A).real <= (inside * A).real, ratio * A, inside * A))

    def policy_step(self, part):
        obs = self.batch.obs[part]

        def loss(parameters):
            log_probs = log_softmax(parameters, obs)
            entropy = -(np.exp(log_probs) * log_probs).sum(axis=1).mean()
            return self.surrogate(log_probs, part) - self.config.entropy_coefficient * entropy

        before = self.surrogate(log_softmax(self.policy.x, obs), part)
        return {"policy_loss": before, "policy_grad_norm": self.policy.step(loss)}

    def value_step(self, part):
        before, y = self.batch.values[part], self.batch.targets[part]
        band = getattr(self.config, "value_clip_range", None)

        def loss(parameters):
            v = network(parameters, self.batch.obs[part], 1)[:, 0]
            squares = (v - y) ** 2
            if band is not None:
                far = abs((v - before).real) > band
                other = (np.where(far, before + band * np.sign((v - before).real), v) - y) ** 2
                squares = np.where(squares.real >= other.real, squares, other)
            return 0.5 * squares.mean()

        return {"value_loss": loss(self.value.x), "value_grad_norm": self.value.step(loss)}

    def approx_kl(self):
        log_ratio = self.log_ratio(log_softmax(self.policy.x, self.batch.obs), self.rows)
        return np.mean(np.exp(log_ratio) - 1 - log_ratio)

    def train(self):
        """All steps of the update -> what each of them says."""
        steps, config, everything = [], self.config, self.rows
        if self.name == "vpg":
            steps.append(self.policy_step(everything))
            for _ in range(config.value_steps):
                steps[0] |= self.value_step(everything)
            return steps
        for _ in range(config.epochs):
            parts = -(-len(everything) // config.minibatch_size)
            for part in np.array_split(self.rng.permutation(len(everything)), parts):
                steps.append(self.policy_step(part) | self.value_step(part))
            max_kl = getattr(config, "max_kl", None)
            if max_kl is not None and self.approx_kl() > max_kl:
                break
        return steps

    def statistics(self):
        """Train -> a row of progress.csv, as far as the update decides it."""
        steps, batch, epsilon, old = self.train(), self.batch, self.epsilon, self.old
        self.count = len(steps)
        new = log_softmax(self.policy.x, batch.obs)
        ratio = np.exp(self.log_ratio(new, self.rows))
        out = abs(ratio - 1) > (np.inf if epsilon is None else epsilon)
        row = {key: np.mean([step[key] for step in steps]) for key in steps[0]} | {
            "entropy": np.mean(-(np.exp(new) * new).sum(axis=1)),
            "approx_kl": self.approx_kl(),
            "clip_fraction": out.mean(),
            "dead_fraction": (out & (np.sign(ratio - 1) == np.sign(batch.advantages))).mean(),
            "explained_variance": 1 - np.var(batch.targets - batch.values) / np.var(batch.targets),
            "learning_rate": self.policy.learning_rate,
        }
        if epsilon is not None:
            row["clip_range"] = epsilon
        if self.name == "penalty":
            kl = np.mean((np.exp(old) * (old - new)).sum(axis=1))
            row |= {"kl": kl, "kl_coefficient": self.beta}
            target = self.config.kl_target
            self.beta *= 0.5 if kl < target / 1.5 else 2 if kl > 1.5 * target else 1
        return row


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
        by_hand = Replay(name, learner, batch, config, progress, rng)
        expected = by_hand.statistics()
        np.testing.assert_allclose(done[-1][0], by_hand.policy.x, rtol=2e-3, atol=2e-4)
        np.testing.assert_allclose(done[-1][1], by_hand.value.x, rtol=2e-3, atol=2e-4)
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
            assert trainer.learner.memory["kl_coefficient"] == by_hand.beta
    assert episodes > 2 and (name == "vpg" or by_hand.count >= 3)
    if name == "ppo":
        assert any(row["clip_fraction"] > row["dead_fraction"] > 0 for row in rows)


def test_mean_return_is_of_the_last_hundred_episodes():
    trainer = Trainer(vpg, "CartPole-v1", vpg.Config(num_envs=8, num_steps=32, value_steps=1), 0)
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
