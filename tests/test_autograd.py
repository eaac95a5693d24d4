"""check --torch: whole gradients beside torch.autograd's; without PyTorch one line."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from programs import ENOUGH

import ppo
import vpg
from lab.proof import autograd
from lab.proof.evidence import complex_step

ROOT = Path(__file__).parent.parent
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
    same = autograd.rows("policy", gradient, theirs)
    assert [line.split()[-1] for line in same] == ["same", "same"]
    theirs[1][1] += 1e-9
    first, second = autograd.rows("policy", gradient, theirs)
    assert first.split() == [
        *("policy", "W1", "(2,2)", "3.000000000000", "3.000000000000", "0e+00", "same"),
    ]
    assert second.split()[1:3] == ["b1", "(2,)"] and second.endswith("1e-09  DIFFERS")


@needs_torch
def test_autograd_agrees_with_every_weight_and_sees_a_fault(capsys, monkeypatch):
    assert autograd.compare_with_torch()
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.endswith("  same") for line in lines) == 16
    assert max(map(len, lines)) <= 80 and lines[-1] == "ours and autograd's are the same"
    right = ppo.clipped_surrogate
    monkeypatch.setattr(ppo, "clipped_surrogate", lambda *a: (0, right(*a)[1] * (1 + 1e-9)))
    assert not autograd.compare_with_torch()
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.endswith("  DIFFERS") for line in lines) == 4
