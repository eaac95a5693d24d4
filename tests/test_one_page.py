"""one_page.py is the lesson on one page: the same bits, nothing else of the project, readable."""

import ast
from pathlib import Path

import numpy as np
import pytest

import one_page
import ppo
from training import Trainer

PAGE = Path(one_page.__file__)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_it_learns_the_lesson_s_bits(seed, monkeypatch):
    """After every iteration of a training that is annealed in a tenth of the steps."""
    assert ppo.Config().total_steps == one_page.TOTAL_STEPS
    monkeypatch.setattr(one_page, "TOTAL_STEPS", 10_000)
    trainer = Trainer(ppo, "CartPole-v1", ppo.Config(total_steps=10_000), seed)
    training = one_page.train(seed)
    for (env_steps, policy, _), _ in zip(training, trainer, strict=True):
        assert env_steps == trainer.env_steps
        for network, lesson in (
            (policy, trainer.learner.policy),
            (training.gi_frame.f_locals["value"], trainer.learner.value),
        ):
            np.testing.assert_array_equal(network.parameters, lesson.parameters)


def test_it_needs_numpy_and_gymnasium_alone():
    tree = ast.parse(PAGE.read_text("utf-8"))
    modules = {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    assert modules == {"sys", "numpy", "gymnasium"}
    assert not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))
    text = PAGE.read_text("utf-8")
    assert text.startswith("# /// script\n") and text.count("\n") <= 150
