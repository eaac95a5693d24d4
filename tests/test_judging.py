import itertools
import json

import numpy as np
import pytest

import vpg
from environments import reward_threshold
from lab.runs import ALGORITHMS, final_judgement, judged, judging, returns_when_begun, solved_steps
from training import Trainer, evaluate

NAN = float("nan")


def small_trainer(total_steps=640):
    config = vpg.Config(num_envs=4, num_steps=16, hidden_sizes=(8,), total_steps=total_steps)
    return Trainer(vpg, "CartPole-v1", config, seed=3)


def steps_judged(rows):
    """After which steps an evaluation followed."""
    return [row["env_steps"] for row, returns in rows if returns is not None]


@pytest.mark.parametrize("evaluations", [0, 1, 3, 5, 1_000])
def test_evaluations_are_spread_evenly_and_the_last_iteration_is_judged(monkeypatch, evaluations):
    monkeypatch.setattr(judging, "evaluate", lambda *arguments: np.zeros(3))
    rows = list(judged(small_trainer(), evaluations, 3))
    steps = [row["env_steps"] for row, _ in rows]
    # due: the first iteration that reaches each k-th part of the steps
    marks = [640 * k / evaluations for k in range(1, evaluations + 1)]
    expected = {next(step for step in steps if step >= mark) for mark in marks} | {steps[-1]}
    assert steps_judged(rows) == sorted(expected) and steps[-1] >= 640
    trainer, parts = small_trainer(), []
    for count in (3, 4, 100):  # leave the loop, and enter it anew: nothing changes
        parts += itertools.islice(judged(trainer, evaluations, 3), count)
    assert steps_judged(parts) == sorted(expected)
    (row,) = judged(small_trainer(total_steps=steps[0]), 0, 2)  # its last step is exactly the end
    assert steps_judged([row]) == steps[:1]


def test_a_judgement_is_of_the_policy_as_it_is_then_on_fresh_episodes():
    trainer, plain = small_trainer(320), small_trainer(320)
    for (statistics, returns), other in zip(judged(trainer, 3, 5), plain, strict=True):
        assert statistics["policy_loss"] == other["policy_loss"]  # evaluating changes nothing
        if returns is not None:
            fresh = evaluate(plain.policy, "CartPole-v1", 5, (3, plain.iteration))
            np.testing.assert_array_equal(returns, fresh)


def test_the_final_judgement():
    trainer = small_trainer()
    trainer.iterate()
    summary = final_judgement(trainer, [10, 20], [500.0, 3.0], 7)
    for name, kind in (("greedy", True), ("sampled", False)):
        returns = evaluate(trainer.policy, "CartPole-v1", 7, 3, kind)
        assert summary[f"{name}_return_mean"] == pytest.approx(returns.mean())
        assert summary[f"{name}_return_min"] == returns.min()
    assert summary["solved_at_step"] == 10 and summary["solved_for_good_at_step"] is None
    for name in ("env_steps", "episodes", "train_seconds"):
        assert summary[name] == getattr(trainer, name)
    assert (summary["eval_episodes"], summary["reward_threshold"]) == (7, 475)
    assert json.loads(json.dumps(summary)) == summary and summary["processor"]


def test_the_final_judgement_is_an_evaluation_like_others(monkeypatch):
    """Whoever fails in the end has not solved it for good; who does not, has by then."""
    for end, expected in ((500.0, (10, 10)), (3.0, (10, None))):
        monkeypatch.setattr(judging, "evaluate", lambda *arguments, end=end: np.full(2, end))
        summary = final_judgement(small_trainer(), [10, 20], [500.0, 500.0], 2)
        assert (summary["solved_at_step"], summary["solved_for_good_at_step"]) == expected


@pytest.mark.parametrize(
    "judge",
    [
        lambda trainer: list(judged(trainer, 1, 1)),
        lambda trainer: final_judgement(trainer, [], [], 1),
    ],
)
def test_an_environment_that_exits_has_failed(monkeypatch, judge):
    """Elsewhere its sys.exit(0) would end a whole study as if all were well."""

    def leave(*arguments):
        raise SystemExit(0)

    monkeypatch.setattr(judging, "evaluate", leave)
    with pytest.raises(judging.EnvironmentFailed, match=r"CartPole-v1 called sys.exit\(0\)"):
        judge(small_trainer())


@pytest.mark.parametrize(
    "means, first, for_good",
    [
        ([], None, None),
        ([1, 2, 3], None, None),
        ([9, 9, 9], 10, 10),
        ([1, 9, 9], 20, 20),
        ([9, 1, 9], 10, 30),
        ([1, 9, 1], 20, None),
        ([5, 5], 10, 10),  # exactly the threshold is enough
        ([NAN, 9, NAN, 1, 9, NAN], 20, 50),
        ([NAN, NAN], None, None),
        ([9, NAN], 10, 10),
    ],
)
def test_solved_and_solved_for_good(means, first, for_good):
    steps = np.arange(10, 10 * len(means) + 1, 10)
    assert solved_steps(steps, means, 5.0) == (first, for_good)
    assert solved_steps(steps, means, None) == (None, None)
    assert {type(step) for step in solved_steps(steps, means, 5.0)} <= {int, type(None)}


@pytest.mark.slow
@pytest.mark.xdist_group("learned")
def test_every_algorithm_solves_cartpole_in_the_sense_of_the_readme(learned):
    for module in ALGORITHMS.values():
        trainer, evaluations = learned(module, 0)
        steps, returns = zip(*evaluations, strict=True)
        means = [each.mean() for each in returns]
        first, for_good = solved_steps(steps, means, reward_threshold("CartPole-v1"))
        assert 0 < first <= for_good <= trainer.env_steps


def test_a_learning_curve_shows_episodes_where_they_began():
    began, returns, lengths = [0, 10, 19, 20, 45, 70], [1, 2, 6, 8, 9, 5], [3, 3, 3, 5, 2, 1]
    steps, means = returns_when_begun(began, returns, lengths, 4, 100, windows=5)
    assert steps.tolist() == [10, 30, 50, 70, 90]
    # 100 − 4 × 5 = 80: whatever began before has ended
    np.testing.assert_array_equal(means, [3, 8, 9, 5, NAN])
    _, means = returns_when_begun(began, returns, [*lengths[:5], 6], 4, 100, windows=5)
    np.testing.assert_array_equal(means, [3, 8, 9, NAN, NAN])
    assert np.isnan(returns_when_begun([], [], [], 4, 100)[1]).all()


def test_no_episode_of_a_settled_window_is_missing():
    trainer, episodes = small_trainer(3_000), []
    for _ in trainer:
        episodes += trainer.rollout.episodes
    began = [episode.began for episode in episodes]
    lengths = [episode.length for episode in episodes]
    steps, means = returns_when_begun(began, lengths, lengths, 4, trainer.env_steps)
    last = steps[np.isfinite(means)].max()
    assert trainer.sampler.began.min() > last > 2_000
