"""Environments: users own ids, and the original gym through Shimmy: same numbers, and it trains.

What needs the original gym is skipped where it is not installed, unless REQUIRE_GYM=1.
"""

import copy
import importlib.util
import os
import re
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from programs import PPO, QUICK, SHORT, VPG, call

import environments
import ppo
import vpg
from environments import closed, find_spec, make_env, make_envs, reset, reward_threshold
from lab.kit import read_json
from lab.runs import judged, new_trainer, remarks
from lab.runs.records import RunFolder
from lab.watch import session as watch_session
from promises import EnvironmentFailed, short
from rollout import Sampler, fit_actions
from training import EVALUATION, LONGEST_EPISODE, Trainer, evaluate

ROOT = Path(__file__).parents[1]
MISSING = importlib.util.find_spec("gym") is None or importlib.util.find_spec("shimmy") is None
needs_gym = pytest.mark.skipif(
    MISSING and os.environ.get("REQUIRE_GYM") != "1",
    reason="the original gym is not installed (pip install -r requirements/gym.txt)",
)


@needs_gym
@pytest.mark.parametrize("env_id", ["CartPole-v1", "MountainCarContinuous-v0"])
def test_same_seeds_same_bits_as_gymnasium(env_id):
    original = make_envs("gym/" + env_id, 3)
    modern = gym.make_vec(env_id, num_envs=3, vectorization_mode="sync")
    np.testing.assert_array_equal(reset(original, 5), reset(modern, 5))
    rng, ends = np.random.default_rng(0), 0
    discrete, steps = env_id == "CartPole-v1", {"CartPole-v1": 200}.get(env_id, 1_010)
    for _ in range(steps):
        actions = rng.integers(0, 2, 3) if discrete else rng.uniform(-1, 1, (3, 1))
        theirs, ours = original.step(actions)[:4], modern.step(actions)[:4]
        for their, our in zip(theirs, ours, strict=True):
            np.testing.assert_array_equal(their, our)
        ends += np.sum(theirs[2] | theirs[3])
    assert ends > 0
    original.close()
    modern.close()


@needs_gym
def test_training_gives_the_same_bits(monkeypatch):
    config = ppo.Config(total_steps=1_000, num_envs=4, num_steps=64)
    original = Trainer(ppo, "gym/CartPole-v1", config, seed=1)

    def make_sync(env_id, count):
        return gym.make_vec(env_id, num_envs=count, vectorization_mode="sync")

    monkeypatch.setattr("training.make_envs", make_sync)
    modern = Trainer(ppo, "CartPole-v1", config, seed=1)
    for row, same_row in zip(original, modern, strict=True):
        for key in row.keys() - {"steps_per_second"}:
            np.testing.assert_equal(row[key], same_row[key])
    np.testing.assert_array_equal(original.policy.parameters, modern.policy.parameters)


@needs_gym
def test_gym_s_time_limit_truncates():
    envs = make_envs("gym/MountainCar-v0", 1)
    assert reward_threshold("gym/MountainCar-v0") == -110
    still = type("Still", (), {})()
    still.parameters = np.zeros(1, np.float32)
    still.sample = lambda obs, rng: (np.ones(len(obs), int), np.zeros(len(obs)))
    rollout = Sampler(envs, 0).collect(still, 402, None)
    assert np.flatnonzero(rollout.truncated).tolist() == [199, 400]
    assert np.flatnonzero(~rollout.valid).tolist() == [200, 401]
    assert not rollout.terminated.any()


@needs_gym
def test_a_run_keeps_to_its_api(tmp_path):
    options = *PPO, "--env-api", "gym", *QUICK, "--total-steps", "300", "--evaluations", "1"
    assert call(*options, cwd=tmp_path)[::2] == (0, "")  # not even gym's own notice
    folder = RunFolder(tmp_path / "runs" / "gym-CartPole-v1-ppo-seed0")
    about, summary = (read_json(folder / name) for name in ("config.json", "summary.json"))
    assert about["env_id"] == "gym/CartPole-v1" and summary["reward_threshold"] == 475
    versions = about["sessions"][0]["versions"]
    assert versions["gym"].startswith("0.26") and versions["shimmy"]
    assert (folder / "episode.gif").read_bytes().startswith(b"GIF89a")
    assert (folder / "learning_curve.png").exists()
    trainer = folder.load_trainer()
    assert trainer.env_id == "gym/CartPole-v1"
    assert "gym" in type(trainer.envs.envs[0].unwrapped.gym_env).__module__.split(".")
    assert len(evaluate(trainer.policy, trainer.env_id, 2, 0)) == 2


@pytest.mark.parametrize(
    "env_id, words",
    [
        ("Cartpole-v1", "did you mean gym/CartPole-v1"),
        ("Nowhere-v1", "your own is module:Id, see"),
        (None, "pip install -r requirements/gym.txt"),
    ],
)
def test_without_gym_or_its_id_one_line_says_what_is_missing(env_id, words, tmp_path, monkeypatch):
    if env_id is None:
        monkeypatch.setattr(gym, "registry", {})  # as if nobody had asked for it yet
        monkeypatch.setitem(sys.modules, "gym_notices", None)
    elif MISSING:
        pytest.skip("the original gym is not installed")
    options = *VPG, *SHORT, "--env-api", "gym", "--env", env_id or "CartPole-v1"
    done = call(*options, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr and done.stderr.count("\n") == 1


MINE = """
import gymnasium as gym
import numpy as np


class Mine(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (2,))
    action_space = gym.spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 1.0, False, False, {}


gym.register("Mine-v0", Mine, reward_threshold=7.0, max_episode_steps=5)
"""


def test_a_user_s_own_environment_is_found_by_its_module(tmp_path, monkeypatch):
    (tmp_path / "its_module.py").write_text(MINE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)  # where nothing else would look for it
    envs = make_envs("its_module:Mine-v0", 3)
    assert envs.num_envs == 3 and envs.single_action_space.n == 2
    assert reward_threshold("its_module:Mine-v0") == 7.0
    assert refusal(make_env, "its_module:mine-v0").endswith("did you mean its_module:Mine-v0?")
    assert "no environment 'no_module:M-v0'; No module" in refusal(make_env, "no_module:M-v0")


class Odd(gym.Env):
    """An environment whose parts a test replaces."""

    observation_space = gym.spaces.Box(-1, 1, (2,))
    action_space = gym.spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 1.0, False, False, {}


@pytest.fixture
def odd():
    """odd(**parts) registers an Odd with these attributes as Odd-v0 -> its id."""

    def register(spec=None, **parts):
        gym.registry.pop("Odd-v0", None)
        spec = {"entry_point": type("Mine", (Odd,), parts), "max_episode_steps": 5, **(spec or {})}
        gym.register("Odd-v0", **spec)
        return "Odd-v0"

    yield register
    gym.registry.pop("Odd-v0", None)


def returns(*given):
    return lambda self, *arguments, **options: given


def raises(error):
    def method(self, *arguments, **options):
        raise error

    return method


def refusal(function, *arguments):
    """The one line in which a call is refused; no message is longer than a screen's two lines."""
    with pytest.raises(ValueError) as raised:
        function(*arguments)
    said = str(raised.value)
    assert "\n" not in said and len(said) <= 200, said
    return said


# ------------------------------------------------------------------- found

GUIDE = 'see "Bring your own environment" in docs/guide.md'


@pytest.mark.parametrize(
    "content, message",
    [
        ("raise ImportError", "theirs.py, line 1: ImportError"),
        ("\nimport numpy\nnumpy.bool9", "theirs.py, line 3: AttributeError: module 'numpy'"),
        ("open('/no/level')", "theirs.py, line 1: FileNotFoundError: [Errno 2] No such"),
        ("raise RuntimeError('no\\nGPU')", "theirs.py, line 1: RuntimeError: no"),
        ("raise SystemExit(3)", "theirs.py, line 1: SystemExit: 3"),
        ("raise BaseException", "theirs.py, line 1: BaseException"),
        ("x = = 1", "SyntaxError: invalid syntax (theirs.py, line 1)"),
        ("import no_such_package", "theirs.py, line 1: ModuleNotFoundError: No module named"),
        ("import gymnasium\ngymnasium.make('Nothing-v0')", "theirs.py, line 2: NameNotFound"),
        ("", "Gymnasium has none; your own is module:Id"),
    ],
)
def test_a_module_that_cannot_be_imported_gets_one_line(content, message, tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text(content, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    path = sys.path[:]
    said = refusal(make_env, "theirs:Unheard-v0")
    assert said.startswith(f"no environment 'theirs:Unheard-v0'; {message}") and GUIDE in said
    assert sys.path == path


ODD_IDS = ["", ":", "a:", ":b", "a:b:c", " ", "../x", "../x:Y-v0", "x y:Z-v0", "über:Straße-v0"]
ODD_IDS += ["CartPole-v1 ", "Qwertzuiop-v0", "a" * 999, "a" * 999 + ":b"]
ODD_IDS += [None, 3, b"CartPole-v1", Odd()]


@pytest.mark.parametrize("env_id", ODD_IDS, ids=lambda env_id: repr(env_id)[:20])
def test_an_odd_id_gets_one_line_with_a_remedy(env_id):
    for make in (find_spec, make_env, lambda env_id: Trainer(ppo, env_id, ppo.Config(), 0)):
        said = refusal(make, env_id)
        assert GUIDE in said or "did you mean CartPole-v1?" in said


# -------------------------------------------------------------------- made


@pytest.mark.parametrize(
    "error", [KeyError, AttributeError, OSError("no such level\nat all"), SystemExit, BaseException]
)
def test_an_environment_that_fails_as_it_is_made_gets_one_line(error, odd):
    for make in (make_env, lambda env_id: make_envs(env_id, 2)):
        said = refusal(make, odd(__init__=raises(error)))
        assert re.match(r"Odd-v0 cannot be made: test_environments.py, line \d+: \w+", said)


def test_what_is_no_environment_gets_one_line(odd):
    for thing in (lambda: 3, lambda: None, "no_module:Odd", lambda surplus: Odd()):
        assert refusal(make_env, odd({"entry_point": thing})).startswith("Odd-v0 cannot be made: ")


BOX, SPACES = gym.spaces.Box, gym.spaces
FLAT = {
    "discrete": (SPACES.Discrete(5, start=3), 5),
    "multidiscrete": (SPACES.MultiDiscrete([3, 4]), 7),
    "binary": (SPACES.MultiBinary((2, 3)), 6),
    "grid": (BOX(0, 9, (4, 5), np.int64), 20),
    "scalar": (BOX(-1, 1, ()), 1),
    "small uint8 grid": (BOX(0, 255, (7, 7, 3), np.uint8), 147),
    "dict": (SPACES.Dict(a=BOX(-1, 1, (2, 2), np.float64), b=SPACES.Discrete(3)), 7),
    "tuple": (SPACES.Tuple([SPACES.Discrete(32), SPACES.Dict(c=SPACES.MultiBinary(2))]), 34),
    "ints": (BOX(-5, 5, (3,), np.int32), 3),
    "bools": (BOX(0, 1, (3,), np.bool_), 3),
    "half": (BOX(-1, 1, (3,), np.float16), 3),
}


def showing(space):
    """Parts of an Odd that shows samples of a space; every episode of a seed shows the same."""

    def look(self):
        space.seed(self.now)
        return space.sample()

    def reset(self, seed=None, options=None):
        self.now = 0
        return look(self), {}

    def step(self, action):
        self.now += 1
        return look(self), float(action == self.now % 2), False, False, {}

    return {"observation_space": space, "reset": reset, "step": step}


@pytest.mark.parametrize("space, numbers", FLAT.values(), ids=FLAT)
def test_what_can_be_flattened_trains_and_is_judged_and_watched_alike(space, numbers, odd):
    env_id = odd(**showing(space))
    trainer = new_trainer(ppo, env_id, ppo.Config(num_envs=2, num_steps=16, minibatch_size=8), 0)
    first = SPACES.flatten(space, showing(space)["reset"](Odd())[0])
    np.testing.assert_array_equal(trainer.sampler.obs, [first] * 2)
    np.testing.assert_array_equal(make_env(env_id).reset(seed=0)[0], first)
    assert trainer.learner.policy.network.sizes[0] == numbers
    trainer.iterate()
    assert np.isfinite(evaluate(trainer.policy, env_id, 2, 0)).all()
    flat = isinstance(space, BOX) and len(space.shape) == 1
    lines = [] if flat else [f"Odd-v0 observes {short(space)}: flattened to {numbers} numbers"]
    assert remarks(trainer) == lines


OBSERVED = "; supported: up to 4,096 numbers, no pictures; a wrapper"
ACTED = "supported: Discrete, or a flat Box of floats, up to 4,096"
TOO_MUCH = [
    (OBSERVED, BOX(0, 255, (64, 64, 3), np.uint8)),
    (OBSERVED, BOX(0, 255, (16, 16), np.uint8)),
    (OBSERVED, SPACES.Dict(picture=BOX(0, 255, (3, 28, 28), np.uint8), speed=BOX(-1, 1, (1,)))),
    (OBSERVED, BOX(-1, 1, (4097,))),
    (OBSERVED, BOX(-np.arange(9999.0), np.arange(9999.0), dtype=np.float64)),
    (OBSERVED, SPACES.Graph(BOX(-1, 1, (2,)), None)),
    (OBSERVED, SPACES.Sequence(SPACES.Discrete(3))),
    (OBSERVED, BOX(-1, 1, (0,))),
    (ACTED, BOX(-1, 1, (5000,))),
    (ACTED, BOX(-1, 1, (2, 2))),
    (ACTED, BOX(0, 255, (2,), np.uint8)),
    (ACTED, SPACES.MultiDiscrete([2, 2])),
    (ACTED, SPACES.MultiBinary(3)),
    *[(way, space) for way in (OBSERVED, ACTED)
      for space in (SPACES.Discrete(10**8), SPACES.MultiDiscrete([2] * 9999), None)],
]  # fmt: skip


@pytest.mark.parametrize("supported, space", TOO_MUCH, ids=lambda given: str(given)[:20])
def test_what_is_too_much_is_refused_before_it_is_made_room_for(supported, space, odd):
    part = "observation_space" if supported == OBSERVED else "action_space"
    said = refusal(make_envs, odd(**{part: space}), 3)
    assert supported in said and GUIDE in said


@pytest.mark.parametrize(
    "space",
    [
        SPACES.Discrete(2, start=2**60),
        SPACES.Discrete(2, start=-(2**53) - 1),
        BOX(-1, 1, (1,), np.longdouble),
    ],
)
def test_an_action_space_that_config_json_cannot_tell_of_is_refused(space, odd):
    for alone in (
        {},
        {"vector_entry_point": type("V", (OwnVector,), {"single_action_space": space})},
    ):
        for make in (make_env, lambda env_id: make_envs(env_id, 1)):
            said = refusal(make, odd(alone, action_space=space))
            assert said.startswith("Odd-v0 acts in ") and said.endswith(GUIDE)
            right = {"Discrete": "from a start within 2**53", "Box": "of float16, 32 or 64"}
            assert right[type(space).__name__] in said


@pytest.mark.parametrize("given", [5, np.int64(5), np.float32(5), np.float16(5), np.uint8(5), 5.0])
def test_a_threshold_and_a_time_limit_are_plain_numbers(given, odd):
    limit = given if np.asarray(given).dtype.kind in "iu" else None
    env_id = odd({"reward_threshold": given, "max_episode_steps": limit})
    assert type(reward_threshold(env_id)) is float and reward_threshold(env_id) == 5
    spec = make_envs(env_id, 1).spec
    assert type(spec.reward_threshold) is float
    assert limit is None or type(spec.max_episode_steps) is int
    make_env(env_id).close()


WRONG = [np.inf, -np.inf, np.nan, "475", True, np.bool_(1), 10**400, [5], np.ones(1), 1j, b"5"]


@pytest.mark.parametrize("part", ["reward_threshold", "max_episode_steps"])
@pytest.mark.parametrize("given", WRONG, ids=lambda given: repr(given)[:12])
def test_what_is_registered_wrongly_is_told_before_anything_is_made(part, given, odd):
    if part == "max_episode_steps" and type(given) is int:
        given = 0
    said_as = short(repr(given.item() if isinstance(given, np.generic) else given), 30)
    for more in ({}, {"vector_entry_point": OwnVector}):
        env_id = odd({part: given, **more})
        uses = [make_env, lambda env_id: make_envs(env_id, 1), reward_threshold]
        uses += [lambda env_id: new_trainer(vpg, env_id, vpg.Config(), 0)]
        for use in uses:
            said = refusal(use, env_id)
            assert said.startswith(f"Odd-v0 is registered with {part}={said_as}, not ")
            assert said.endswith(GUIDE)


class OwnVector(gym.vector.VectorEnv):
    """Odd's own vector environment, whose parts a test replaces."""

    metadata = {"autoreset_mode": gym.vector.AutoresetMode.NEXT_STEP}  # noqa: RUF012
    single_observation_space, single_action_space = Odd.observation_space, Odd.action_space

    def __init__(self, num_envs, max_episode_steps=None):
        self.num_envs = num_envs
        self.observation_space = gym.vector.utils.batch_space(
            self.single_observation_space, num_envs
        )

    def reset(self, seed=None, options=None):
        return np.zeros((self.num_envs, 2), np.float32), {}

    def step(self, actions):
        self.ended = ~getattr(self, "ended", np.ones(self.num_envs, bool))  # each other call resets
        zeros = np.zeros(self.num_envs, bool)
        return self.reset()[0], np.ones(self.num_envs), zeros, ~self.ended, {}


def test_what_a_reset_call_pays_is_no_episode_s(odd):
    config = vpg.Config(num_envs=2, num_steps=8, hidden_sizes=(4,))
    trainer = Trainer(vpg, odd({"vector_entry_point": OwnVector}), config, 0)
    with closed(trainer.envs):
        trainer.iterate()
    episodes = trainer.rollout.episodes
    assert episodes and all(episode.total == episode.length for episode in episodes)


@pytest.mark.parametrize(
    "parts",
    [
        {"metadata": {"autoreset_mode": gym.vector.AutoresetMode.SAME_STEP}},
        {"metadata": {}},
        {"single_observation_space": SPACES.Discrete(3)},
    ],
)
def test_a_vector_environment_that_does_not_fit_gives_way_to_plain_ones(parts, odd):
    vector = type("Vector", (OwnVector,), parts)
    envs = make_envs(odd({"vector_entry_point": vector}), 2)
    assert isinstance(envs, gym.vector.SyncVectorEnv)
    alone = odd({"vector_entry_point": vector, "entry_point": None})
    if "metadata" in parts:
        assert "has no NEXT_STEP autoreset and no plain entry_point" in refusal(make_envs, alone, 2)
    else:
        assert make_envs(alone, 2).single_observation_space.shape == (3,)


def test_a_vector_environment_of_one_s_own_is_taken(odd):
    envs = make_envs(odd({"vector_entry_point": OwnVector}), 2)
    assert isinstance(envs.unwrapped, OwnVector)
    config = vpg.Config(num_envs=2, num_steps=8, total_steps=20)
    assert list(Trainer(vpg, "Odd-v0", config, 0))[-1]["episodes"] > 0


# -------------------------------------------------- held to what it promises

GOOD = np.zeros(2, np.float32)
STEPS = {
    "a reward of None": ((GOOD, None, False, False, {}), "reward None, not a finite number"),
    "a text": ((GOOD, "1.0", False, False, {}), "reward '1.0', not a finite number"),
    "nan": ((GOOD, np.nan, False, False, {}), "reward nan, not a finite number"),
    "an array": ((GOOD, np.ones(1), False, False, {}), "reward float64 (1,), not a finite"),
    "an end of None": ((GOOD, 1.0, None, False, {}), "terminated None, not True or False"),
    "no info": ((GOOD, 1.0, False, False, None), "info None, not a dict"),
    "four values": ((GOOD, 1.0, False, {}), "not (obs, reward, terminated, truncated, info)"),
    "nothing": (None, "gave None, not (obs, reward"),
    "a scalar": ((0.0, 1.0, False, False, {}), "observation 0.0, not one of Box(-1.0, 1.0, (2,)"),
    "no obs": ((None, 1.0, False, False, {}), "observation None, not one of Box"),
    "a shape": ((np.zeros((1, 2)), 1.0, False, False, {}), "observation float64 (1, 2), not one"),
    "nan seen": (
        (GOOD + np.nan, 1.0, False, False, {}),
        "observation float32 (2,) with nan or inf",
    ),
    "text seen": ((["a", "b"], 1.0, False, False, {}), "observation ['a', 'b'], not one of Box"),
    "ragged": (([0, [1]], 1.0, False, False, {}), "observation [0, [1]], not one of Box"),
}


@pytest.mark.parametrize("given, message", STEPS.values(), ids=STEPS)
def test_what_a_step_gives_wrongly_is_told_with_its_file_and_line(given, message, odd):
    def step(self, action):
        return given

    def reset(self, seed=None, options=None):
        return (*given[:1], {}) if given else given

    line = step.__code__.co_firstlineno
    place = f"^Odd-v0 failed in test_environments.py, line {line}: step gave .*"
    env_id, config = odd(step=step), vpg.Config(num_envs=2, num_steps=8)
    trainer = new_trainer(vpg, env_id, config, 0)
    for use in (lambda: list(judged(trainer, 1, 1)), lambda: session(trainer).step()):
        said = refusal(use)
        assert re.match(place, said) and message in said
    if "observation" in message:
        said = refusal(new_trainer, vpg, odd(reset=reset), config, 0)
        line = reset.__code__.co_firstlineno
        assert said.startswith(f"Odd-v0 failed in test_environments.py, line {line}: reset gave ")


BEYOND = {
    "bytes": (BOX(0, 255, (2,), np.uint8), np.array([300, 256]), "300", "uint8"),
    "below": (BOX(0, 255, (2,), np.uint8), [4, -1], "-1", "uint8"),
    "int8": (BOX(-9, 9, (2,), np.int8), np.array([0, 128], np.uint8), "128", "int8"),
    "int64": (
        BOX(-9, 9, (1,), np.int64),
        np.array([2**63 + 1], np.uint64),
        f"{2**63 + 1}",
        "int64",
    ),
    "bool": (BOX(0, 1, (2,), np.bool_), [1.0, 0.5], "0.5", "bool"),
    "half": (BOX(-1, 1, (2,), np.float16), [0.0, 1e6], "1000000.0", "float16"),
    "single": (BOX(-1, 1, (2,)), np.array([0.0, 1e39]), "1e+39", "float32"),
    "scalar": (BOX(0, 255, (), np.uint8), 256, "256", "uint8"),
    "dict": (SPACES.Dict(a=BOX(0, 9, (1,), np.uint8)), {"a": [256]}, "256", "uint8"),
    "tuple": (SPACES.Tuple([BOX(0, 9, (1,), np.float16)]), ([-7e4],), "-70000.0", "float16"),
}


@pytest.mark.parametrize("space, seen, number, dtype", BEYOND.values(), ids=BEYOND)
def test_what_a_space_s_dtype_does_not_hold_is_told(space, seen, number, dtype, odd):
    def reset(self, seed=None, options=None):
        return (space.sample() if self.fine else seen), {}

    def step(self, action):
        return seen, 1.0, False, False, {}

    for part, code in (("reset", reset.__code__), ("step", step.__code__)):
        parts = {"observation_space": space, "reset": reset, "step": step, "fine": part == "step"}
        env = make_env(odd(**parts))
        said = refusal(lambda: (env.reset(seed=0), env.step(0)))
        place = f"test_environments.py, line {code.co_firstlineno}: {part} gave the observation"
        assert said.startswith(f"Odd-v0 failed in {place}"), said
        assert f" with {number}, which its space's {dtype} does not hold; a wider dtype" in said


def test_a_vector_environment_s_observation_and_any_reward_are_held_to_their_dtype(odd):
    reset = returns(np.full((2, 2), 1e39), {})
    vector = type("Vector", (OwnVector,), {"reset": reset})
    envs = make_envs(odd({"vector_entry_point": vector}), 2)
    assert "with 1e+39, which its space's float32 does not hold" in refusal(envs.reset)
    if np.finfo(np.longdouble).max > np.finfo(np.float64).max:
        env = make_env(odd(step=returns(GOOD, np.longdouble("1e400"), False, False, {})))
        env.reset()
        assert "not a finite number" in refusal(env.step, 0)


def session(trainer, seed=0):
    """A Session without pictures."""
    shown = watch_session.shown_env
    watch_session.shown_env = lambda env_id, shows_itself: shown(env_id, False)
    try:
        return watch_session.Session.of(trainer, seed)
    finally:
        watch_session.shown_env = shown


@pytest.mark.parametrize("wrong", [(GOOD[None],) * 5, (GOOD, *(np.ones(2),) * 3, {}), (), None])
def test_a_vector_environment_s_step_is_held_too(wrong, odd):
    vector = type("Vector", (OwnVector,), {"step": lambda self, actions: wrong})
    trainer = new_trainer(vpg, odd({"vector_entry_point": vector}), vpg.Config(num_envs=2), 0)
    said = refusal(lambda: list(judged(trainer, 1, 1)))
    assert re.match(r"Odd-v0 failed in test_environments.py, line \d+: step gave ", said)


def test_lists_and_bounds_are_taken_as_they_come(odd):
    env = make_env(
        odd(reset=returns([3, 0.5], {}), step=returns((1, 2), 1, np.bool_(0), False, {}))
    )
    obs, _ = env.reset(seed=0)
    assert obs.dtype == np.float32 and obs.tolist() == [3, 0.5]
    assert env.step(0)[0].tolist() == [1, 2]


def test_infos_may_be_anything(odd):
    def step(self, action):
        self.now = getattr(self, "now", 0) + 1
        return GOOD, 1.0, False, 0, {"seen": np.zeros(self.now), "text": "x" * self.now, 3: None}

    trainer = new_trainer(vpg, odd(step=step), vpg.Config(num_envs=2, total_steps=50), 0)
    assert list(judged(trainer, 1, 2))


@pytest.mark.parametrize("error", [KeyError("no\nlevel"), BaseException("x"), SystemExit(0)])
def test_whatever_an_environment_raises_is_its_failure(error, odd):
    for part in ("reset", "step"):
        env_id = odd(**{part: raises(error)})
        said = refusal(lambda: list(judged(new_trainer(vpg, env_id, vpg.Config(), 0), 1, 1)))
        assert re.match("Odd-v0 (failed in test_environments.py, line|called sys.exit)", said)


def test_an_error_in_a_library_is_told_at_the_environment_s_own_line(odd):
    def step(self, action):
        return np.stack([np.zeros(2), np.zeros(3)]), 1.0, False, False, {}

    trainer = new_trainer(vpg, odd(step=step), vpg.Config(), 0)
    said = refusal(lambda: list(judged(trainer, 1, 1)))
    assert f"in test_environments.py, line {step.__code__.co_firstlineno + 1}: ValueError" in said


# ------------------------------------------------------------------- reset


def test_seeds_are_what_environments_and_the_tools_below_them_take(odd):
    seeds = []

    def reset(self, seed=None, options=None):
        if seed is not None:
            np.random.RandomState(seed)  # raises beyond 32 bits
            seeds.append(seed)
        return GOOD, {}

    env_id = odd(reset=reset)
    for seed in range(8):
        trainer = Trainer(vpg, env_id, vpg.Config(num_envs=50), seed)
        evaluate(trainer.policy, env_id, 50, seed)
    assert len(set(seeds)) == len(seeds) == 800 and 2**30 < max(seeds) < 2**31
    session(Trainer(vpg, env_id, vpg.Config(), 0), 2**70 + 1)
    assert seeds[-1] == 1


def test_published_results_keep_their_seeds():
    """Gymnasium's classic ones got 64 bits, and figures in benchmarks/results came of them."""
    for env_id in ("CartPole-v1", "Pendulum-v1"):
        envs = make_envs(env_id, 2)
        reset(envs, 0)
        seeds = getattr(envs, "envs", [envs])[0].unwrapped.np_random_seed
        assert seeds == np.random.SeedSequence(0).generate_state(2, np.uint64)[0] > 2**32


def test_an_environment_that_allows_one_instance_is_told_before_it_trains(odd):
    """Judging has instances of its own; it is not found out at the first evaluation."""
    alive = []

    def __init__(self):
        if alive:
            raise OSError("the simulator's port is taken")
        alive.append(self)

    env_id = odd(__init__=__init__, close=lambda self: alive.clear())
    with pytest.raises(EnvironmentFailed) as raised:
        new_trainer(vpg, env_id, vpg.Config(num_envs=1), 0)
    said = str(raised.value)
    assert "\n" not in said and said.endswith(GUIDE)
    assert said.startswith("judging needs another Odd-v0, beside those that train; ")
    assert "OSError: the simulator's port" in said and not alive
    assert list(Trainer(vpg, env_id, vpg.Config(num_envs=1, total_steps=600), 0))


def test_what_has_no_time_limit_is_said(odd):
    trainer = Trainer(vpg, odd({"max_episode_steps": None}), vpg.Config(), 0)
    assert remarks(trainer) == [
        "Odd-v0 has no time limit: judging ends an episode after 10,000 steps"
    ]
    assert remarks(Trainer(vpg, odd(), vpg.Config(), 0)) == []


# ------------------------------------------------------------- the guide's text

GUIDES = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", GUIDES, re.MULTILINE | re.DOTALL)
(LOOP,) = [block for block in BLOCKS if "load_policy" in block]


class Asks(gym.Env):
    """Pays for the action that its observation asks for; it takes none that is not of its space."""

    def __init__(self):
        self.observation_space = copy.deepcopy(self.observed)  # with a generator of its own
        self.action_space = self.acts

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(int(self.np_random.integers(2**31)))
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        assert np.asarray(action).dtype == self.action_space.dtype
        seen = self.observation_space.sample()
        reward = float(np.sum(action) * np.mean(SPACES.flatten(self.observation_space, seen)))
        return seen, reward, False, False, {}


START, TIGHT = SPACES.Discrete(3, start=5), BOX(-0.01, 0.02, (2,), np.float64)
PAIRS = {
    "CartPole-v1": None,
    "Pendulum-v1": None,
    "FrozenLake-v1": None,
    "start": (BOX(-1, 1, (2,)), START),
    "negative start": (BOX(-1, 1, (2,)), SPACES.Discrete(3, start=-1)),
    "float64 actions": (BOX(-1, 1, (2,)), TIGHT),
    "half actions": (BOX(-1, 1, (2,)), BOX(-0.5, np.inf, (1,), np.float16)),
    "ints": (BOX(-9, 9, (2,), np.int32), START),
    "bools": (BOX(0, 1, (3,), np.bool_), TIGHT),
    "float64": (BOX(1e6, 1e6 + 1, (2,), np.float64), START),
    "half": (BOX(-1, 1, (2,), np.float16), TIGHT),
    "bytes": (BOX(0, 255, (2,), np.uint8), START),
    "dict": (SPACES.Dict(a=BOX(-1, 1, (2, 2)), b=SPACES.Discrete(3, start=1)), TIGHT),
    "multidiscrete": (SPACES.MultiDiscrete([2, 3]), START),
}


@pytest.mark.slow
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("name", PAIRS)
def test_the_guide_s_own_loop_gets_the_judged_return(name, normalize, odd, tmp_path, monkeypatch):
    if PAIRS[name] is None:
        env_id = name
        monkeypatch.setattr(gym.registry[name], "vector_entry_point", None)
    else:
        spaces = dict(zip(("observed", "acts"), PAIRS[name], strict=True))
        env_id = odd({"entry_point": type("Asked", (Asks,), spaces)})
    config = {"num_envs": 4, "num_steps": 32, "minibatch_size": 16, "learning_rate": 0.05}
    config = ppo.Config(**config, normalize_observations=normalize)
    trainer = new_trainer(ppo, env_id, config, 0)
    trainer.iterate()
    run = RunFolder.create(tmp_path, trainer)
    judged_returns = evaluate(trainer.policy, env_id, 3, 0)
    envs = make_envs(env_id, 3)
    reset(envs, np.random.SeedSequence(0, spawn_key=(EVALUATION,)).spawn(2)[0])
    played = []
    for env in envs.envs:
        text = LOOP.replace("runs/CartPole-v1-ppo-seed0", str(run.path))
        text = text.replace("CartPole-v1", env_id) if name != "CartPole-v1" else text
        text = text.replace("seed=1", f"seed={env.unwrapped.np_random_seed}")
        text = text.replace("    over =", "    total += reward\n    over =")
        names = {"total": 0.0}
        exec(compile(text, "guide.md", "exec"), names)
        played.append(names["total"])
    # Rewards of both signs cancel, and a product of one row rounds otherwise than one of three.
    np.testing.assert_allclose(played, judged_returns, rtol=1e-6, atol=1e-6)
    assert len({*played}) > 1 or PAIRS[name] is None
    loaded, space = names["policy"], names["env"].action_space
    np.testing.assert_array_equal(evaluate(loaded, env_id, 3, 0), judged_returns)
    actions, _ = loaded.sample(names["obs"][None].repeat(9, 0), np.random.default_rng(0))
    assert all(map(space.contains, actions))
    if not isinstance(space, SPACES.Discrete):
        np.testing.assert_array_equal(fit_actions(actions, space), actions)


def test_the_guide_s_page_names_the_limits():
    page = GUIDES.split("\n## Bring your own environment\n")[1].split("\n## ")[0]
    assert f"At most {environments.MOST_NUMBERS:,} numbers" in page
    assert f"at most {environments.MOST_NUMBERS:,} |" in page
    assert f"after {LONGEST_EPISODE:,} steps" in page


@pytest.mark.slow
def test_the_guide_s_own_environment_trains_and_its_wrappers_fit(tmp_path, monkeypatch):
    module, wrapper, package = [block for block in BLOCKS if "gym.register(" in block]
    theirs = "import gymnasium as gym\nfrom test_environments import Odd\n"
    theirs += "class Theirs(Odd):\n    action_space = gym.spaces.MultiDiscrete([2, 3])\n"
    theirs += "    def step(self, action):\n        assert self.action_space.contains(action)\n"
    theirs += "        return super().step(action)\n"
    for name, text in {"my_env": module, "their_env": theirs, "wrapped": wrapper}.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    gym.registry.pop("Mine-v0", None)  # another test's
    small = {"total_steps": 14_000, "num_envs": 8, "num_steps": 64, "hidden_sizes": (16,)}
    for algorithm in (vpg, ppo):
        config = algorithm.Config(**small, gamma=0.0, learning_rate=0.01)
        trainer = Trainer(algorithm, "my_env:Aim-v0", config, 0)
        assert evaluate(trainer.policy, "my_env:Aim-v0", 50, 0).mean() < -4  # 10 E|s| = 5
        list(trainer)
        assert evaluate(trainer.policy, "my_env:Aim-v0", 50, 0).mean() > -1
        assert trainer.policy.log_stds[0] < -0.1  # and it dares to be precise
    trainer = Trainer(ppo, "wrapped:Mine-v0", config, 0)
    assert trainer.envs.single_action_space.n == 6
    trainer.iterate()
    assert compile(package, "guide.md", "exec") and "ImgObsWrapper(gym.make(" in package
    for env_id in ("Aim-v0", "Mine-v0"):
        del gym.registry[env_id]
