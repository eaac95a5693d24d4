import copy
import gc
import hashlib
import json
import tracemalloc

import gymnasium as gym
import numpy as np
import pytest
from test_rollout import EPISODES, scripted

import environments
import ppo
import ppo_penalty
import rollout
import training
import vpg
from nn import MLP
from policies import CategoricalPolicy
from rollout import Sampler
from training import Trainer, evaluate, make_batch

LOSSES = "policy_loss", "value_loss", "policy_grad_norm", "value_grad_norm"
SMALL = {"num_envs": 4, "num_steps": 16, "hidden_sizes": (16,)}


def small_config(algorithm, **settings):
    if algorithm is not vpg:
        settings = {"minibatch_size": 32, **settings}
    return algorithm.Config(**{**SMALL, **settings})


def fingerprint(trainer):
    arrays, _ = trainer.state()
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays.values())).hexdigest()


@pytest.mark.slow
@pytest.mark.xdist_group("learned")
@pytest.mark.parametrize("algorithm", [ppo, vpg, ppo_penalty])
def test_the_defaults_solve_cartpole(learned, algorithm):
    """PPO with GAE learns: what the earlier tutorial gave up on."""
    trainer, evaluations = learned(algorithm, 0)
    step, returns = evaluations[-1]
    assert step == trainer.env_steps >= 100_000
    assert returns.mean() >= 475


@pytest.mark.parametrize("algorithm", [ppo, vpg])
def test_same_seed_same_bits(algorithm):
    def run(seed):
        config = small_config(algorithm, total_steps=1_000)
        trainer = Trainer(algorithm, "CartPole-v1", config, seed)
        rows = list(trainer)
        assert {type(value) for row in rows for value in row.values()} == {int, float}
        return fingerprint(trainer), repr([row | {"steps_per_second": 0} for row in rows])

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_batch_holds_valid_rows_and_true_successors(rng):
    """Credit on a scripted rollout, recomputed row by row from its meaning."""
    policy = CategoricalPolicy(2, 2, (8,), rng, dtype=np.float64)
    value = MLP((2, 8, 1), rng, dtype=np.float64)
    rollout = Sampler(scripted(EPISODES), seed=0).collect(policy, 10, rng)
    config = vpg.Config(gamma=0.9, gae_lambda=0.7, normalize_advantages=False)
    batch = make_batch(rollout, value, config)
    assert len(batch.obs) == 7

    def v(episode, step):
        return value(np.array([[episode, step]], float))[0, 0]

    # fall (2 steps): no future; limit (3 steps): V of its last observation; then the rollout's edge
    expected, targets = [], []
    for episode, length, bootstrap in ((0, 2, 0), (1, 3, 1), (2, 1, 0), (3, 1, 1)):
        running, rows = 0.0, []
        for step in reversed(range(length)):
            future = v(episode, step + 1) if step + 1 < length or bootstrap else 0.0
            delta = 10 * episode + step + 1 + 0.9 * future - v(episode, step)
            running = delta + 0.9 * 0.7 * running
            rows.insert(0, (running, running + v(episode, step)))
        expected += [advantage for advantage, _ in rows]
        targets += [target for _, target in rows]
    np.testing.assert_allclose(batch.advantages, expected, rtol=1e-12)
    np.testing.assert_allclose(batch.targets, targets, rtol=1e-12)
    np.testing.assert_array_equal(batch.obs[2], [1, 0])


def saved_and_restored(trainer):
    """A new Trainer that goes on from another one's state, which has been through JSON."""
    arrays, numbers = trainer.state()
    arrays = {name: array.copy() for name, array in arrays.items()}
    restored = Trainer(trainer.algorithm, trainer.env_id, trainer.config, trainer.seed)
    restored.restore(arrays, json.loads(json.dumps(numbers)))
    return restored


def assert_same_state(trainer, other):
    (arrays, numbers), (other_arrays, other_numbers) = trainer.state(), other.state()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, other_arrays[name], name)
    assert {**numbers, "train_seconds": 0} == {**other_numbers, "train_seconds": 0}


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("algorithm", [vpg, ppo, ppo_penalty])
def test_a_restored_training_is_the_one_that_never_stopped(algorithm, normalize):
    """The same bits before the first new episode, and ever after if the episodes are the same."""
    config = small_config(algorithm, total_steps=4_000, normalize_observations=normalize)
    whole = Trainer(algorithm, "CartPole-v1", config, seed=5)
    for _ in range(5):
        whole.iterate()
    restored = saved_and_restored(whole)
    assert_same_state(restored, whole)
    assert restored.train_seconds == whole.train_seconds > 0
    assert restored.sampler.steps == whole.sampler.steps == whole.env_steps
    # take the environments' inner state along, which no file can hold
    restored.sampler = copy.deepcopy(whole.sampler)
    restored.sampler.normalizer = restored.normalizer
    for _ in range(3):
        row, other = whole.iterate(), restored.iterate()
        row.pop("steps_per_second"), other.pop("steps_per_second")
        assert row == other
        assert_same_state(restored, whole)


def test_a_restored_training_begins_episodes_that_nobody_has_seen():
    trainer, starts = Trainer(vpg, "CartPole-v1", small_config(vpg), seed=5), []
    for _ in range(3):
        trainer.iterate()
        starts.append(saved_and_restored(trainer).sampler.obs)
        np.testing.assert_array_equal(saved_and_restored(trainer).sampler.obs, starts[-1])
    starts.append(Trainer(vpg, "CartPole-v1", small_config(vpg), seed=5).sampler.obs)
    assert len(np.unique(starts)) == np.size(starts)


def test_restoring_refuses_another_networks_state():
    arrays, numbers = Trainer(vpg, "CartPole-v1", small_config(vpg), seed=0).state()
    other = Trainer(vpg, "CartPole-v1", small_config(vpg, hidden_sizes=(8, 8)), seed=0)
    before = fingerprint(other)
    with pytest.raises(ValueError, match="doesn't fit"):
        other.restore(arrays, numbers)
    assert fingerprint(other) == before


@pytest.mark.slow
def test_memory_does_not_grow():
    config = small_config(ppo, total_steps=10**9, epochs=1)
    trainer = Trainer(ppo, "CartPole-v1", config, seed=0)
    for _ in range(50):  # until the buffers of the last 100 returns are full
        trainer.iterate()
    tracemalloc.start()
    trainer.iterate()
    gc.collect()  # or it is luck how much garbage waits at either moment
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(30):
        trainer.iterate()
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 20_000  # bytes; a rollout of this size has 2,000 and more


class Fixed:
    """A policy that always does the same."""

    parameters = np.zeros(1, np.float32)

    def __init__(self, action):
        self.action = action

    def greedy(self, obs):
        return np.full(len(obs), self.action)

    def sample(self, obs, rng):
        return rng.integers(0, 2, len(obs)), None


def test_evaluate_counts_first_episodes_only(monkeypatch):
    scripts = [[(2, "fall"), (9, "fall")], [(5, "limit"), (9, "fall")], [(1, "fall"), (1, "fall")]]
    monkeypatch.setattr(training, "make_envs", lambda env_id, n: scripted(*scripts))
    np.testing.assert_array_equal(evaluate(Fixed(0), "Scripted", 3, seed=0), [3, 15, 1])


def test_evaluate_on_cartpole():
    """Always pushing right falls at once; random actions last longer."""
    right = evaluate(Fixed(1), "CartPole-v1", 50, seed=0)
    assert right.shape == (50,) and right.min() >= 8 and right.max() <= 11
    sampled, again, other = (
        evaluate(Fixed(1), "CartPole-v1", 50, seed, greedy=False) for seed in (0, 0, 1)
    )
    assert 15 < sampled.mean() < 35
    assert (sampled == again).all() and (sampled != other).any()


def test_evaluation_shares_no_luck_with_training(monkeypatch):
    """Neither an episode nor an action is drawn from a stream that training draws from."""
    streams, states = [], []

    def noting(envs, seed):
        streams.append((seed.entropy, seed.spawn_key))
        return environments.reset(envs, seed)

    monkeypatch.setattr(training, "reset", noting)
    monkeypatch.setattr(rollout, "reset", noting)
    trainer = Trainer(vpg, "CartPole-v1", small_config(vpg), seed=0)
    used = np.random.SeedSequence(0).spawn(4)
    streams += [(stream.entropy, stream.spawn_key) for stream in used if stream.spawn_key != (3,)]
    states += [np.random.default_rng(stream).bit_generator.state for stream in used]
    saved_and_restored(trainer)
    streams.remove((0, (3,)))  # the restored Trainer's, before it was restored
    sample = trainer.policy.sample

    def noting_sample(obs, rng):
        states.append(rng.bit_generator.state)
        return sample(obs, rng)

    monkeypatch.setattr(trainer.policy, "sample", noting_sample)
    for seed in (0, (0, 1), 1):
        evaluate(trainer.policy, "CartPole-v1", 2, seed, greedy=False)
    assert len(set(streams)) == len(streams) == 8
    first_states = [state for i, state in enumerate(states) if state not in states[:i]]
    assert len(first_states) == len(states)


def test_another_algorithm_s_config_is_refused():
    with pytest.raises(ValueError, match=r"vpg needs a vpg\.Config, not ppo\.Config"):
        Trainer(vpg, "CartPole-v1", ppo.Config(), seed=0)


@pytest.mark.parametrize("algorithm", [ppo, vpg])
def test_a_rollout_of_single_steps_trains(algorithm):
    """Where every environment only starts anew, a rollout has no row; the next one is taken."""
    config = algorithm.Config(num_envs=1, num_steps=1, total_steps=80)
    trainer = Trainer(algorithm, "CartPole-v1", config, seed=0)
    rows = list(trainer)
    assert trainer.episodes >= 3 and len(rows) == trainer.env_steps == 80


def test_beyond_its_end_a_training_does_not_climb():
    trainer = Trainer(ppo, "CartPole-v1", ppo.Config(total_steps=1024), seed=0)
    rows = [trainer.iterate() for _ in range(3)]
    assert [row["learning_rate"] >= 0 for row in rows] == [True] * 3


@pytest.mark.parametrize("culprit", LOSSES)
def test_a_gradient_that_overflows_is_told(monkeypatch, culprit):
    """In float32 a norm overflows before the gradient does, and Adam would stand still."""
    monkeypatch.setattr(
        vpg, "update", lambda *arguments: {**dict.fromkeys(LOSSES, 0.0), culprit: np.inf}
    )
    trainer = Trainer(vpg, "CartPole-v1", vpg.Config(), seed=0)
    with pytest.raises(FloatingPointError, match=f"iteration 1: {culprit} is no longer finite; "):
        trainer.iterate()


class Paid(gym.Env):
    """Pays and shows what a test says, without an end."""

    observation_space, action_space = gym.spaces.Box(-1, 1, (2,)), gym.spaces.Discrete(2)
    reward, shown = 1.0, 0.0

    def reset(self, seed=None, options=None):
        return np.full(2, self.shown, np.float32), {}

    def step(self, action):
        return np.full(2, self.shown, np.float32), self.reward, False, False, {}


@pytest.mark.parametrize(
    "algorithm, settings, parts, first, remedy",
    [
        (ppo, {"learning_rate": 1e38}, {}, ".*", "a smaller learning_rate"),
        (vpg, {"value_learning_rate": 1e30}, {}, ".*value.*", "a smaller value_learning_rate"),
        (ppo, {}, {"reward": 1e30}, ".*", "a smaller reward_scale"),
        (vpg, {}, {"reward": -1e30}, ".*", "a smaller reward_scale"),
        (vpg, {"reward_scale": 1e308}, {}, "a value target", "a smaller reward_scale"),
        (ppo, {"entropy_coefficient": 1e308}, {}, "policy_.*", "a smaller entropy_coefficient"),
        (vpg, {"activation": "relu"}, {"shown": 1e38}, ".*", "normalize_observations"),
        (ppo, {}, {"reward": 1e39}, "a reward", "its environment"),
    ],
)
def test_what_stopped_being_finite_first_is_told_with_its_remedy(
    monkeypatch, algorithm, settings, parts, first, remedy
):
    paid = type("Paid", (Paid,), parts)
    monkeypatch.setattr(
        training, "make_envs", lambda env_id, count: gym.vector.SyncVectorEnv([paid] * count)
    )
    trainer = Trainer(algorithm, "Paid", small_config(algorithm, **settings), seed=0)
    said = f"iteration \\d+: {first} is no longer finite; {remedy} "
    with pytest.raises(FloatingPointError, match=said):
        for _ in range(20):
            trainer.iterate()


def test_an_evaluation_without_a_time_limit_ends(monkeypatch):
    envs = gym.vector.SyncVectorEnv([Paid])
    monkeypatch.setattr(training, "make_envs", lambda env_id, count: envs)
    assert evaluate(Fixed(0), "Endless", 1, 0) == [training.LONGEST_EPISODE]
    assert envs.closed
