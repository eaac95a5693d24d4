"""one_page.py is the lesson on one page: the same bits, nothing else of the project, readable."""

import ast
from pathlib import Path

import numpy as np
import pytest

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
