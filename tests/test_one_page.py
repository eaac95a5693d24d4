"""one_page.py is the lesson on one page: the same bits, nothing else of the project, readable."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from programs import ENOUGH

import one_page
import ppo

PAGE = Path(one_page.__file__)


@pytest.mark.xdist_group("learned")
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_it_learns_the_lesson_s_bits(learned, seed):
    training = one_page.train(seed)
    seen = [(step, training.gi_frame.f_locals["value"]) for step in training]
    (env_steps, policy, _), value = seen[-1]
    trainer, _ = learned(ppo, seed)
    assert env_steps == trainer.env_steps
    np.testing.assert_array_equal(policy.parameters, trainer.learner.policy.parameters)
    np.testing.assert_array_equal(value.parameters, trainer.learner.value.parameters)


def test_it_needs_numpy_and_gymnasium_alone():
    tree = ast.parse(PAGE.read_text("utf-8"))
    modules = {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    assert modules == {"sys", "numpy", "gymnasium"}
    assert not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))
    text = PAGE.read_text("utf-8")
    assert text.startswith("# /// script\n") and text.count("\n") <= 150


@pytest.mark.slow
def test_it_runs_from_anywhere(tmp_path):
    command = [sys.executable, str(PAGE), "4"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=ENOUGH)
    assert done.returncode == 0 and not done.stderr, done.stderr
    final = done.stdout.splitlines()[-1]
    assert final.startswith("greedy, 100 fresh episodes: ") and final.endswith(" of 500")
    assert float(final.split()[-3]) >= 475
