"""check --torch: losses and gradients beside torch.autograd's; without PyTorch one line."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from programs import ENOUGH

import ppo
import vpg
from distributions import log_softmax
from lab.proof import autograd
from lab.proof.evidence import complex_step
from lab.proof.faults import FAULTS, injected

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
needs_torch = pytest.mark.skipif(
    find_spec("torch") is None and not os.environ.get("REQUIRE_TORCH"),
    reason="PyTorch, 0.2 to 3 GB, is not here: pip install -r requirements/torch.txt",
)


def check(*options, **environment):
    return subprocess.run(
        [sys.executable, str(ROOT / "run.py"), "check", "--torch", *options],
        capture_output=True, timeout=ENOUGH, encoding="utf-8", env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.slow
def test_without_pytorch_one_line_names_the_requirements(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('none here')", encoding="utf-8")
    done = check(PYTHONPATH=str(tmp_path))
    assert done.returncode == 1 and not done.stdout
    reason = "no PyTorch (none here): pip install -r requirements/torch.txt"
    assert done.stderr == f"run.py: {reason}\n"
    done = check("39")
    assert done.returncode == 2 and "leave the equations' numbers out" in done.stderr


@pytest.mark.parametrize("algorithm", [ppo, vpg])
def test_the_batch_is_worth_comparing(algorithm):
    """Ratios have moved, some rows are dead, and ours are the loss's own slopes."""
    policy, _, batch, config = autograd.material(algorithm)
    assert policy.parameters.dtype == batch.obs.dtype == np.float64

    def loss(parameters):
        own = autograd.CategoricalPolicy(
            4, 2, config.hidden_sizes, np.random.default_rng(0), dtype=complex
        )
        own.parameters[:] = parameters
        log_probs, entropies, _ = own.forward(batch.obs, batch.actions)
        if algorithm is vpg:
            total = vpg.policy_loss(log_probs, batch.advantages)[0]
        else:
            ratios = np.exp(log_probs - batch.log_probs)
            outside = abs(ratios.real - 1) > config.clip_range
            dead = outside & ((ratios.real > 1) == (batch.advantages > 0))
            assert 0 < dead.sum() < len(dead)
            total = -np.where(dead, 0, ratios * batch.advantages).mean()
        return total - config.entropy_coefficient * entropies.mean()

    gradient = autograd.our_policy_gradient(policy, batch, config)
    few = np.linspace(0, gradient.size - 1, 9, dtype=int)

    def few_move(numbers):
        parameters = policy.parameters.astype(complex)
        parameters[few] = numbers
        return loss(parameters)

    oracle = complex_step(few_move, policy.parameters[few])
    np.testing.assert_allclose(gradient[few], oracle, atol=1e-14)


def test_a_difference_is_seen_in_its_own_row():
    gradient = np.array([1.0, -2.0, 3.0, 0.5, 4.0, 0.25])  # W (2,2) b (2,)
    theirs = [gradient[:4].reshape(2, 2).copy(), gradient[4:].copy()]
    same = autograd.rows(["policy W1", "policy b1"], gradient, theirs)
    assert [line.split()[-1] for line in same] == ["same", "same"]
    theirs[1][1] += 1e-9
    first, second = autograd.rows(["policy W1", "policy b1"], gradient, theirs)
    assert first.split() == [
        *("policy", "W1", "(2,2)", "3.000000000000", "3.000000000000", "0e+00", "same"),
    ]
    assert second.split()[1:3] == ["b1", "(2,)"] and second.endswith("1e-09  DIFFERS")


def entropies(logits):
    probs = np.exp(logits) / np.exp(logits).sum(1)[:, None]
    return SimpleNamespace(entropy=lambda: -(probs * np.log(probs)).sum(1))


# What the lines call of PyTorch, in numpy: it takes complex steps, and so needs no autograd.
STAND_IN = SimpleNamespace(exp=np.exp, clamp=np.clip, min=np.minimum, max=np.maximum)
STAND_IN.distributions = SimpleNamespace(Categorical=entropies)


@pytest.mark.parametrize("key", autograd.WRITTEN)
def test_what_one_would_have_written_is_the_lesson_s_loss(key):
    """Its value, and its slopes by complex steps; that PyTorch finds them, too, is tested below."""
    given = autograd.made_up()
    loss, *slopes = autograd.our_losses(given)[key]
    assert autograd.written(key, **given, torch=STAND_IN) == pytest.approx(loss, rel=1e-14)
    named = compile(autograd.WRITTEN[key], key, "exec").co_names
    leaves = [name for name in autograd.LEAVES if name in named]
    for leaf, slope in zip(leaves, slopes, strict=True):

        def moved(numbers, leaf=leaf):
            return autograd.written(key, **{**given, leaf: numbers}, torch=STAND_IN)

        np.testing.assert_allclose(slope, complex_step(moved, given[leaf]), rtol=0, atol=1e-15)


def test_six_losses_are_laid_beside_off_their_kinks():
    given = autograd.made_up()
    assert set(autograd.WRITTEN) == set(autograd.our_losses(given)) and len(autograd.WRITTEN) == 6
    ratios = np.exp(given["log_probs"] - given["old_log_probs"])
    away = np.abs(given["values"] - given["old_values"])
    assert np.sum(ratios == 1) == np.sum(away == 0) == autograd.NUM_ROWS / 5
    for distance in (np.abs(ratios - 1), away):
        assert np.abs(distance - given["clip_range"]).min() > 0.05
    _, slopes = autograd.our_losses(given)["clipped-objective"]
    sides = ratios < 0.8, ratios > 1.2
    assert all(0 < np.sum(slopes[side] == 0) < side.sum() for side in sides)  # alive and dead
    _, slopes = autograd.our_losses(given)["clipped-value"]
    errors = given["values"] - given["targets"]
    clipped = given["old_values"] + np.sign(given["values"] - given["old_values"]) * 0.2
    outside = away > 0.2
    gap = np.abs(errors**2 - (clipped - given["targets"]) ** 2)[outside]
    assert gap.min() > 1e-3 and 0 < np.sum(slopes[outside] == 0) < outside.sum()


@needs_torch
def test_the_readme_s_two_halves_give_the_same_gradient():
    import torch

    fences = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    (theirs,) = [body for body in fences if "loss.backward()" in body]
    (ours,) = [body for body in fences if "onehot = " in body]
    rng = np.random.default_rng(0)
    arrays = {"obs": rng.normal(size=(5, 4)), "W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}
    arrays |= {"actions": np.array([2, 0, 1, 1, 2]), "advantages": rng.normal(size=5)}
    tensors = {k: torch.tensor(v, requires_grad=k in ("W", "b")) for k, v in arrays.items()}
    exec(theirs, {"torch": torch, **tensors})
    numpy = {"np": np, "log_softmax": log_softmax, "N": 5, "K": 3, **arrays}
    exec(ours, numpy)
    for leaf, gradient in (("W", numpy["dW"]), ("b", numpy["db"])):
        np.testing.assert_allclose(tensors[leaf].grad.numpy(), gradient, rtol=0, atol=1e-15)


@needs_torch
@pytest.mark.parametrize("key", autograd.WRITTEN)
@pytest.mark.parametrize("old, new", [("loss = ", "loss = -"), (".mean()", ".sum()")])
def test_a_wrong_line_is_seen(key, old, new, capsys, monkeypatch):
    """A sign, a mean that is missing: in its own row, and nothing is the same any more."""
    wrong = autograd.WRITTEN[key].replace(old, new)
    assert wrong != autograd.WRITTEN[key]
    monkeypatch.setitem(autograd.WRITTEN, key, wrong)
    assert not autograd.compare_with_torch()
    lines = capsys.readouterr().out.split("PPO, ")[0].splitlines()
    assert [line.split()[1] for line in lines if line.endswith("DIFFERS")] == [key]
    assert sum(line.endswith("  same") for line in lines) == 5


@needs_torch
def test_autograd_agrees_with_every_weight_and_sees_a_fault(capsys, monkeypatch):
    assert autograd.compare_with_torch()
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.endswith("  same") for line in lines) == 31
    assert max(map(len, lines)) <= 80 and lines[-1] == "ours and autograd's are the same"
    right = ppo.clipped_surrogate
    monkeypatch.setattr(ppo, "clipped_surrogate", lambda *a: (0, right(*a)[1] * (1 + 1e-9)))
    assert not autograd.compare_with_torch()
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.endswith("  DIFFERS") for line in lines) == 5  # the loss, and two W and b


@needs_torch
@pytest.mark.parametrize(
    "function, matrices", [("attention_backward", "We Wp Wq Wk Wv"), ("embed_backward", "We Wp")]
)
def test_a_fault_of_the_transformer_is_seen_in_the_matrices_behind_it(function, matrices):
    import torch

    ours = [fault for fault in FAULTS if fault.function == f"10_language.{function}"]
    assert len(ours) > 4
    for fault in ours:
        with injected(fault):
            lines = [line.split() for line in autograd.language_rows(torch)]
        differ = {line[0] for line in lines if line[-1] == "DIFFERS"}
        assert len(lines) == 9 and differ and differ <= {*matrices.split()}, fault
