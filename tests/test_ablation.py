"""PPO less one thing: what is changed, and that nothing else is; the study and its kept results."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import ppo
import training
from advantages import normalize
from lab.kit import PROJECT
from lab.pictures.ablations import draw_file
from lab.study import Cores, ablation, changes, run_study
from training import Trainer


@pytest.fixture(scope="module")
def trainer():
    config = ppo.Config(num_envs=4, num_steps=64, minibatch_size=64)
    return Trainer(ppo, "CartPole-v1", config, 0)


def test_credit_is_changed_and_nothing_else(trainer):
    rollout = trainer.sampler.collect(trainer.learner.policy, 64, np.random.default_rng(0))

    def batch(change=None, **settings):
        with changes.changed(trainer, change):
            return training.make_batch(rollout, trainer.value, ppo.Config(**settings))

    raw = batch(normalize_advantages=False)
    returns = raw.advantages + raw.values
    for change, expected in (
        (None, normalize(raw.advantages)),
        ("no_learned_baseline", normalize(returns)),
        ("no_baseline_at_all", returns / returns.std()),
        ("rows_mixed_up", normalize(raw.advantages)[::-1]),
    ):
        changed = batch(change)
        np.testing.assert_allclose(changed.advantages, expected, rtol=1e-5, atol=1e-6)
        for own, other in zip(changed._replace(advantages=raw.advantages), raw, strict=True):
            np.testing.assert_array_equal(own, other)


def test_uniform_weights_are_those_of_torch_s_linear_layer():
    trainer = Trainer(ppo, "CartPole-v1", ppo.Config(num_envs=1), 0)
    with changes.changed(trainer, "uniform_weights"):
        for network in (trainer.learner.policy.network, trainer.learner.value):
            for W, b in network.layers:
                bound = 1 / np.sqrt(len(W))
                assert 0.9 * bound < np.abs(W).max() <= bound and not b.any()
    assert np.ptp(trainer.policy.parameters) > 0.5  # the layers are views of what is trained


def test_ties_that_are_clipped_stop_the_policy_and_nothing_else(trainer):
    before = trainer.policy.parameters.copy(), trainer.value.parameters.copy()
    with changes.changed(trainer, "ties_are_clipped"):
        trainer.iterate()
    np.testing.assert_array_equal(trainer.policy.parameters, before[0])
    assert (trainer.value.parameters != before[1]).any()
    trainer.iterate()
    assert (trainer.policy.parameters != before[0]).any()  # the line is as it was


def test_trainings_of_one_process_wait_for_a_changed_line():
    """A worker with several threads trains one seed at a time, be it changed or not."""
    with changes.changed(None, "uphill"), ThreadPoolExecutor(1) as thread:
        assert not thread.submit(changes.TRAINING.acquire, blocking=False).result()
    with pytest.raises(KeyError), changes.changed(None, "a change that there is not"):
        pass


def test_each_variant_changes_one_thing():
    whole, *others = ablation.variants()
    assert whole.config == {} and whole.change is None
    assert len({variant.label for variant in others}) == len(ablation.WITHOUT) == 12
    assert {v.change for v in others if v.change} < set(changes.CHANGES)
    for variant in others:
        assert (variant.change is None) != (ppo.Config(**variant.config) == ppo.Config())


def test_what_was_changed_is_shown_line_for_line():
    shown = ablation.what_was_changed()
    assert max(map(len, shown.splitlines())) <= 80
    assert all(f"\n  {label}\n    " in shown for label in ablation.WITHOUT)
    assert "\n    clip_range = 1000000.0\n" in shown
    ends = "advantages = rewards + gamma * next_values{} - values"
    for label, line in (("bootstrap through the fall", ""), ("time limit taken", " * ~ended")):
        (own,) = [part for part in shown.split("\n\n") if part.startswith(f"  {label}")]
        was, became = ends.format(" * ~terminated"), ends.format(line)
        assert own.splitlines()[1:] == [
            "    advantages.gae, Eq. 12",
            f"    - {was}",
            f"    + {became}",
        ]


@pytest.mark.slow
def test_a_study_from_beginning_to_end(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ablation, "EVAL_EPISODES", 2)
    monkeypatch.setattr(ablation, "EVALUATIONS", 1)
    few = ("no annealing", "no learned baseline")
    monkeypatch.setattr(ablation, "WITHOUT", {name: ablation.WITHOUT[name] for name in few})
    small = {"total_steps": 600, "num_envs": 4, "minibatch_size": 64}
    folder = ablation.claim_folder(tmp_path / "runs", [0, 1], **small)

    def report(*arguments):
        ablation.report(*arguments, tmp_path / "pictures", draw_file)

    assert run_study(folder, Cores(1), report)
    printed = capsys.readouterr().out
    assert all(len(line) <= 80 for line in printed.split("saved:")[0].splitlines()[2:])
    assert f"\n{ablation.what_was_changed()}\n" in printed
    summary = ablation.kept(tmp_path / "pictures")
    assert list(summary["variants"]) == [ablation.WHOLE, *few]
    assert (tmp_path / "pictures" / "ablation.svg").stat().st_size > 10_000
    entry = summary["variants"][ablation.WHOLE]
    assert entry["seeds"] == 2 and 0 < entry["area"]["mean"] < 200
    # once more: nothing is trained a second time, and elsewhere nothing is overwritten
    assert run_study(folder, Cores(1), lambda *a: ablation.report(*a, None, draw_file))
    assert "every seed is trained" in capsys.readouterr().out
    assert (folder / ablation.FILE).exists()


def test_kept_results_are_a_whole_study_s():
    summary = ablation.kept(PROJECT / "figures")
    assert (PROJECT / "figures" / ablation.FILE).stat().st_size < 100_000
    assert list(summary["variants"]) == [ablation.WHOLE, *ablation.WITHOUT]
    assert summary["total_steps"] == [100_000] and summary["failures"] == []
    for entry in summary["variants"].values():
        assert entry["seeds"] == len(ablation.SEEDS)
        low, curve, high = np.array(
            [entry["curve_interval"][0], entry["curve"], entry["curve_interval"][1]], float
        )
        # of episodes that began later some were still running when the training ended
        measured = np.isfinite(curve)
        assert measured[: measured.sum()].all() and 70 < measured.sum() < 90
        assert (low <= curve)[measured].all() and (curve <= high)[measured].all()
        assert not (np.isfinite(low) | np.isfinite(high))[~measured].any()
        low, high = entry["area"]["iqm_interval"]
        assert low <= entry["area"]["iqm"] <= high
