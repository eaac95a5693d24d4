"""The ladder: each stair's gradient against a complex step, its learning, and its size.

The stairs are scripts, and their gradients stand inside `train`. So `train` is held at an
update, and what it has computed is read from its frame.
"""

import ast
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from programs import ENOUGH

import advantages
from lab.proof.evidence import complex_step, network_step
from lab.proof.numbering import CITATION

ROOT = Path(__file__).parents[1]
LADDER = runpy.run_path(str(ROOT / "benchmarks" / "ladder.py"))
STAIRS, load = LADDER["STAIRS"], LADDER["load"]
NUMBERS = range(1, 10)
KEPT = json.loads(LADDER["KEPT"].read_text("utf-8"))


SHORT = "ShortCart-v0"  # falls and time limits, both within a rollout
gym.register(
    SHORT,
    entry_point="gymnasium.envs.classic_control.cartpole:CartPoleEnv",
    vector_entry_point="gymnasium.envs.classic_control.cartpole:CartPoleVectorEnv",
    max_episode_steps=15,
)


def lines(number):
    return STAIRS[number - 1].read_text("utf-8").splitlines()


def after(generator, updates):
    """The generator's frame's variables after so many updates, as they are then."""
    for _ in range(updates):
        next(generator)
    return dict(generator.gi_frame.f_locals)


def log_softmax(logits):
    """Real or complex (B,K)."""
    shifted = logits - logits.real.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


# ------------------------------------------------------------------ its form


def test_nine_stairs():
    names = "bandit", "reinforce", "reward_to_go", "baseline"
    names += "network", "critic", "many_carts", "epochs"
    expected = [f"{n}_{name}.py" for n, name in enumerate(names, 1)]
    assert [path.name for path in STAIRS] == [*expected, "one_page.py"]
    tenth = "10_language.py"  # a world of its own: tests/test_language_stair.py
    assert sorted(p.name for p in (ROOT / "ladder").glob("*.py")) == [tenth, *expected]


@pytest.mark.parametrize("number", range(1, 9))
def test_a_stair_is_short(number):
    text = lines(number)
    assert len(text) <= (60 if number <= 3 else 120) and max(map(len, text)) <= 88


def lines_that_stay(below, above):
    """The length of the longest common subsequence of two lists: what a diff leaves unmarked."""
    common = [0] * (len(above) + 1)
    for line in below:
        last, common = common, [0]
        for n, other in enumerate(above):
            common.append(last[n] + 1 if line == other else max(last[n + 1], common[n]))
    return common[-1]


@pytest.mark.parametrize(
    "number, most", [(1, 25), (2, 25), (3, 25), (4, 60), (5, 60), (6, 25), (7, 25), (8, 40)]
)
def test_a_stair_is_one_idea_above_the_last(number, most):
    """What diff shows; the ninth stair is also what run.py's bits and the workbook ask for."""
    below, above = lines(number), lines(number + 1)
    assert max(len(below), len(above)) - lines_that_stay(below, above) <= most


@pytest.mark.parametrize("number", NUMBERS)
def test_a_stair_stands_alone_and_in_order(number):
    tree = ast.parse(STAIRS[number - 1].read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    assert not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))
    assert {a.name for n in imports for a in n.names} <= {"sys", "numpy", "gymnasium"}
    order = "Network", "softmax", "log_softmax", "credit", "policy_slope", "play", "train", "judge"
    defined = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    assert [name for name in order if name in defined] == defined
    assert lines(number)[:3] == [
        "# /// script",
        '# dependencies = ["numpy>=1.26", "gymnasium>=1.2"]',
        "# ///",
    ]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_stair_says_what_is_new_what_it_bought_and_what_is_still_wrong(number):
    said = ast.get_docstring(ast.parse(STAIRS[number - 1].read_text("utf-8"))).splitlines()
    new, bought, wrong = said[-3:]
    assert new.startswith("New: ") and CITATION.search(" ".join(said))
    assert bought == f"Bought: {LADDER['sentences'](KEPT)[number]}"
    assert wrong.startswith("Still wrong: ")


def test_the_kept_file_has_every_stair_on_twenty_held_out_seeds():
    assert LADDER["KEPT"].stat().st_size <= 150_000
    for task, stairs in KEPT["runs"].items():
        assert list(stairs) == [str(n) for n in NUMBERS if n > 1 or task == "CartPole-v1"]
        for rows in stairs.values():
            assert [row[0] for row in rows] == list(range(20_000, 20_020))


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize("number", NUMBERS)
def test_bad_input_gets_one_line(number, monkeypatch, capsys):
    def refusal(*arguments):
        monkeypatch.setattr(sys, "argv", [STAIRS[number - 1].name, *arguments])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(STAIRS[number - 1]), run_name="__main__")
        said = capsys.readouterr()
        assert stop.value.code == 2 and not said.out and said.err.count("\n") == 1
        return said.err

    for bad in ["one"], ["-1"], [""], ["1.5"], ["1", "2"], ["1" * 5000], ["--help"]:
        assert "whole number" in refusal(*bad)
    for package in ("numpy", "gymnasium")[: 2 if number > 1 else 1]:
        with monkeypatch.context() as without:
            without.setitem(sys.modules, package, None)
            assert package in refusal()


def printed_way(number, monkeypatch, capsys):
    """What a stair prints on seed 4 in 25,000 steps: the lines' numbers, and the last line."""
    text = "\n".join(lines(number)).replace("100_000", "25_000")
    monkeypatch.setattr(sys, "argv", [STAIRS[number - 1].name, "4"])
    exec(compile(text, STAIRS[number - 1].name, "exec"), {"__name__": "__main__"})
    *way, last = capsys.readouterr().out.splitlines()
    return [
        re.fullmatch(r" *([\d,]+) steps   mean return +(-?[\d.]+), sampled", line) for line in way
    ], last


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_a_stair_prints_its_way_and_learns(number, monkeypatch, capsys):
    way, last = printed_way(number, monkeypatch, capsys)
    assert all(way) and 3 <= len(way) <= 21
    if number == 1:
        assert last.startswith("probability of the better arm: 0.9")
        return
    greedy = re.fullmatch(r"greedy, 100 fresh episodes: ([\d.]+) of 500", last)[1]
    best = max(float(greedy), *(float(line[2]) for line in way))
    # 22 is chance; the whole return is noisy, and without a clip it wavers
    assert best >= (45 if number in (2, 8) else 200)


def test_a_stair_runs_from_anywhere(tmp_path):
    command = [sys.executable, str(STAIRS[0]), "4"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=ENOUGH)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.count("\n") == 21


# --------------------------------------------------------------- its gradient


def test_the_bandit_s_gradient():
    stair = load(1)
    steps, rng, before = stair.train(3), np.random.default_rng(3), np.zeros(2)
    for _ in range(5):
        action = rng.choice(2, p=np.exp(log_softmax(before[None])[0]))
        reward = rng.normal(stair.PAYS[action])
        slope = complex_step(lambda z, a=action: log_softmax(z[None])[0, a], before) * reward
        _, logits, mean_return = next(steps)
        np.testing.assert_allclose(logits - before, stair.STEP_SIZE * slope, rtol=1e-10)
        assert mean_return == pytest.approx(np.exp(log_softmax(logits[None])[0]) @ stair.PAYS)
        before = logits.copy()


def weights(number, reward, valid):
    """What each row is credited with by stairs 2 to 5, (T,N), from the definitions."""
    T, N = reward.shape
    to_go = np.array([[reward[t:, n].sum() for n in range(N)] for t in range(T)])
    if number == 2:
        return np.array([[reward[:, n].sum() for n in range(N)] for _ in range(T)])
    if number == 3:
        return to_go
    means = np.array([to_go[t][valid[t]].mean() for t in range(T)])
    return to_go - means[:, None]


@pytest.mark.parametrize("number", [2, 3, 4])
def test_a_linear_stair_s_step_is_uphill_of_its_objective(number):
    stair = load(number)
    steps, before = stair.train(5), np.zeros((4, 2))
    for _ in range(3):
        seen = after(steps, 1)
        valid, reward = seen["valid"], seen["reward"]
        assert (reward == valid).all()  # CartPole pays 1 a step, and nothing to the fallen
        assert (np.diff(valid.astype(int), axis=0) <= 0).all()
        x, a = np.float64(seen["obs"][valid]), seen["action"][valid]
        w = weights(number, reward, valid)[valid]

        def objective(W, x=x, a=a, w=w):
            return (w * log_softmax(x @ W)[np.arange(len(a)), a]).sum()

        slope = complex_step(objective, before)
        step = stair.STEP_SIZE * slope / np.sqrt((slope**2).sum())
        np.testing.assert_allclose(seen["W"] - before, step, rtol=1e-7, atol=1e-9)
        before = seen["W"].copy()


def spied(number):
    """A stair whose networks write down each step: parameters before it, dy, x, gradient."""
    stair = load(number, ENV_ID=SHORT)
    stair.seen = {}

    class Spy(stair.Network):
        def backward(self, dy, x, h):
            g = super().backward(dy, x, h)
            stair.seen[dy.shape[1]] = self.parameters.astype(float), dy, x, g
            return g

    stair.Network = Spy
    return stair


@pytest.fixture(scope="module")
def held():
    """{stair: (module, what it holds after its second update)} of the stairs with networks."""
    stairs = {number: spied(number) for number in range(5, 10)}
    return {n: (stair, after(stair.train(7), 2)) for n, stair in stairs.items()}


@pytest.mark.parametrize("number", range(5, 10))
def test_a_loss_s_slope_at_the_logits(number, held):
    """Of the last minibatch: dlogits against the complex step of the stair's own loss."""
    stair, seen = held[number]
    parameters, dy, x, _ = stair.seen[2]
    i = seen["i"] if number >= 8 else slice(None)
    action = seen["a"][i] if number == 9 else seen["onehot"].argmax(axis=1)[i]
    np.testing.assert_array_equal(x, seen["x"][i])
    A = np.float64(seen["weight" if number == 5 else "advantage"].reshape(-1)[i])
    network = stair.Network(4, 2, 1.0, np.random.default_rng(0))
    network.parameters[:] = parameters
    logits = np.float64(network.forward(x)[0])

    def loss(z):
        log_prob = log_softmax(z)[np.arange(len(A)), action]
        if number < 8:
            return -(A * log_prob).mean()
        old = np.float64(seen["old"].reshape(-1)[i])
        ratio = np.exp(log_prob - (old if number == 9 else np.log(old)))
        if number == 8:
            return -(ratio * A).mean()
        edge = np.where(A > 0, 1 + seen["clip_range"], 1 - seen["clip_range"])
        clipped = np.where(A > 0, ratio.real > edge, ratio.real < edge)
        return -(np.where(clipped, edge, ratio) * A).mean()

    expected = complex_step(loss, logits)
    np.testing.assert_allclose(dy, expected, rtol=1e-3, atol=2e-6 * np.abs(expected).max())
    if number == 8:
        assert np.ptp(seen["ratio"]) > 0.1  # the last minibatch's: no longer all 1


@pytest.mark.parametrize("number", range(5, 10))
def test_a_network_s_backward_and_step(number):
    """Every weight by complex step; the step as the lesson's clip and Adam take it."""
    stair, rng = load(number), np.random.default_rng(number)
    network = stair.Network(3, 2, 0.5, rng)
    for W, scale in (network.W1.T, np.sqrt(2)), (network.W2, 0.5):  # orthogonal columns
        np.testing.assert_allclose(W.T @ W, scale**2 * np.eye(W.shape[1]), atol=1e-6)

    def wide(dtype):
        made = object.__new__(stair.Network)
        made.parameters = network.parameters.astype(dtype)
        sizes = np.cumsum([network.W1.size, network.b1.size, network.W2.size])
        W1, made.b1, W2, made.b2 = np.split(made.parameters, sizes)
        made.W1, made.W2 = W1.reshape(network.W1.shape), W2.reshape(network.W2.shape)
        made.m, made.v, made.t = 0.0 * made.parameters, 0.0 * made.parameters, 0
        return made

    real, x, dy = wide(float), rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    real.parameters += 0.1 * rng.normal(size=real.parameters.shape)
    gradient = real.backward(dy, x, real.forward(x)[1])
    stepped = wide(complex)
    stepped.parameters[:] = real.parameters
    expected = network_step(stepped, lambda: (stepped.forward(x)[0] * dy).sum())
    np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-12)

    parameters = real.parameters.copy()
    m, v = np.zeros_like(parameters), np.zeros_like(parameters)
    for t, g in enumerate((gradient, 1e-3 * gradient, -gradient), 1):
        real.step(g.copy(), 0.01)
        g = g * min(1, 0.5 / (np.linalg.norm(g) + 1e-6))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        parameters -= 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        np.testing.assert_allclose(real.parameters, parameters, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("number", range(5, 10))
def test_credit_is_the_lesson_s(number, held):
    stair, seen = held[number]
    valid = seen["valid"]
    if number == 5:
        w = weights(5, seen["reward"], valid)[valid]
        np.testing.assert_allclose(seen["weight"].reshape(-1), w / w.std(), rtol=1e-6)
        return
    reward, v = np.float64(seen["reward"]), np.float64(seen["v"])
    ended = seen["terminated"] | seen["truncated"]
    assert (seen["terminated"] & valid).any() and (seen["truncated"] & valid).any()
    # Stair 6 plays an episode each, to its end; the others' carts only begin anew in the next row.
    over = np.logical_or.accumulate(ended) if number == 6 else ended
    np.testing.assert_array_equal(valid[1:], ~over[:-1])
    given = reward, v[:-1], v[1:], seen["terminated"], ended, stair.GAMMA, stair.LAMBDA
    advantage = advantages.gae(*given)[valid]
    target = advantage + v[:-1][valid]
    advantage = advantages.normalize(advantage)
    np.testing.assert_allclose(seen["target"].reshape(-1), target, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(seen["advantage"].reshape(-1), advantage, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("number", range(6, 10))
def test_the_critic_s_slope(number, held):
    stair, seen = held[number]
    parameters, dy, x, _ = stair.seen[1]
    target = np.float64(seen["target"].reshape(-1, 1)[seen["i"] if number >= 8 else slice(None)])
    network = stair.Network(4, 1, 1.0, np.random.default_rng(0))
    network.parameters[:] = parameters
    y = np.float64(network.forward(x)[0])
    expected = complex_step(lambda y: 0.5 * ((y - target) ** 2).mean(), y)
    np.testing.assert_allclose(dy, expected, rtol=1e-3, atol=1e-5)


def test_a_time_limit_is_no_fall():
    """Both kinds of ends in the middle of a rollout, by the lesson's own function."""
    rng = np.random.default_rng(0)
    for number in range(6, 10):
        stair = load(number)
        reward, v = rng.normal(size=(9, 4)), rng.normal(size=(10, 4))
        terminated, truncated = rng.random((2, 9, 4)) < 0.25
        ended = terminated | truncated
        given = reward, v[:-1], v[1:], terminated, ended, stair.GAMMA, stair.LAMBDA
        advantage = stair.credit(reward, v, terminated, truncated)
        np.testing.assert_allclose(advantage, advantages.gae(*given), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("number", range(2, 10))
def test_an_action_is_drawn_from_the_policy(number, rng):
    stair = load(number)
    if number < 5:
        W = rng.normal(size=(4, 2))
        obs, action, _, valid = stair.play(5, 1e6 * W, rng)
        np.testing.assert_array_equal(action[valid], (obs[valid] @ W).argmax(axis=1))
        obs, action, _, valid = stair.play(500, np.zeros((4, 2)), rng)
        assert abs(action[valid].mean() - 0.5) < 0.03
        return

    class Sure(stair.Network):
        def __init__(self, *settings):
            super().__init__(*settings)
            self.b2 += np.arange(len(self.b2))  # e : 1 for action 1

    stair.Network = Sure
    stair.N = 200
    seen = after(stair.train(0), 1)
    assert abs(seen["action"][seen["valid"]].mean() - np.e / (1 + np.e)) < 0.03


@pytest.mark.parametrize("number", NUMBERS)
def test_a_stair_repeats_itself(number):
    stair = load(number)
    for (steps, policy, _), (steps_again, policy_again, _), _ in zip(
        stair.train(1), stair.train(1), range(3), strict=False
    ):
        assert steps == steps_again
        np.testing.assert_array_equal(
            getattr(policy, "parameters", policy), getattr(policy_again, "parameters", policy_again)
        )
