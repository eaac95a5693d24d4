import contextlib
import itertools
import os
import signal

import gymnasium as gym
import numpy as np
import pytest
from test_records import Still, small_trainer

from lab.kit import first_interrupt_waits, interrupts_raise, read_json
from lab.runs import judging, run_training
from lab.runs.records import RunFolder

pytestmark = pytest.mark.usefixtures("signals_as_before")
BOTH = signal.SIGINT, signal.SIGTERM


@pytest.mark.parametrize("number", BOTH)
def test_the_first_waits_and_the_second_does_not(number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), first_interrupt_waits() as interrupts:
        assert not interrupts
        signal.raise_signal(number)
        assert interrupts
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", BOTH)
def test_outside_a_training_either_raises(number):
    interrupts_raise()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


@pytest.mark.parametrize("number", BOTH)
def test_what_the_parent_ignores_stays_ignored(number):
    signal.signal(number, signal.SIG_IGN)
    interrupts_raise()
    with first_interrupt_waits() as interrupts:
        signal.raise_signal(number)
        assert not interrupts
    assert signal.getsignal(number) == signal.SIG_IGN


def test_what_can_be_done_again_is_broken_off_at_once():
    def finish(*signals):
        for number in signals:
            signal.raise_signal(number)
        return "done"

    with first_interrupt_waits() as interrupts:
        assert interrupts.unless(finish) == "done" and not interrupts.broke_off
        with pytest.raises(ZeroDivisionError):
            interrupts.unless(divmod, 1, 0)
        assert interrupts.unless(finish, signal.SIGTERM) is None and interrupts.broke_off
        assert interrupts.unless(pytest.fail) is None  # nothing is begun any more
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_helpers_that_ctrl_c_has_ended_are_not_at_fault():
    """A terminal sends Ctrl-C to an environment's processes, too: it fails as they go."""

    def fail():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise BrokenPipeError("a helper is gone") from None

    with first_interrupt_waits() as interrupts:
        assert interrupts.unless(fail) is None and interrupts.broke_off


def go_on(run, evaluations, eval_episodes):
    """Take a run up and train to its end -> whether it was interrupted."""
    trainer = run.resume(media=False)
    return run_training(trainer, run, evaluations, eval_episodes, media=False)


class Counting(Still):
    """Episodes of 50 steps, the n-th step of all of which is `interrupted_at`, by a signal."""

    steps = interrupted_at = 0

    def step(self, action):
        type(self).steps += 1
        if self.steps == self.interrupted_at:
            signal.raise_signal(signal.SIGTERM)
            self.interrupted()
        return super().step(action)

    def interrupted(self):
        """What the signal does to the environment itself."""


@pytest.fixture
def counting(monkeypatch):
    spec = gym.envs.registration.EnvSpec("Counting-v0", Counting, max_episode_steps=50)
    monkeypatch.setitem(gym.registry, "Counting-v0", spec)
    monkeypatch.setattr(Counting, "steps", 0)
    monkeypatch.setattr(Counting, "interrupted_at", 0)
    return Counting


@pytest.fixture
def counted(tmp_path, counting):
    """The folder of a run of 64 steps in it, which has not begun."""
    return RunFolder.create(
        tmp_path, small_trainer(iterations=0, env_id="Counting-v0", total_steps=64)
    )


def test_no_step_of_an_evaluation_is_waited_for(counted, counting):
    run, trainer = counted, counted.resume(media=False)
    counting.steps, counting.interrupted_at = 0, 16 + 7  # a rollout, and seven steps of judging
    assert run_training(trainer, run, 4, 3, media=False)
    assert counting.steps == 16 + 7 and trainer.env_steps == 16
    assert run.read("progress.csv")["iteration"] == [1]
    assert np.isnan(run.read("progress.csv")["greedy_return"]).all()
    assert not go_on(run, 4, 3)
    progress = run.read("progress.csv")
    np.testing.assert_array_equal(progress["iteration"], [1, 2, 3, 4])
    assert (progress["greedy_return"] == 50).all()  # at the same steps as if nothing had been


def test_an_evaluation_that_is_due_after_the_signal_is_not_begun(counted, counting):
    counting.interrupted_at = 3
    assert go_on(counted, 4, 3)
    assert counting.steps == 16 and counted.owed()["iteration"] == 1


def test_what_an_interrupt_does_to_an_environment_is_no_fault_of_its_own(
    counted, counting, monkeypatch
):
    """Ctrl-C reaches its own processes, too."""

    def interrupted(self):
        raise EOFError("its helper is gone")

    monkeypatch.setattr(Counting, "interrupted", interrupted)
    trainer = counted.resume(media=False)
    counting.steps, counting.interrupted_at = 0, 40
    assert run_training(trainer, counted, 1, 2, media=False)
    assert not go_on(counted, 1, 2)


def test_what_is_made_up_for_is_what_it_would_have_been(tmp_path, monkeypatch):
    """The same policy on the same episodes, and the same row but for the time."""
    settings = {"iterations": 0, "total_steps": 160}
    whole, other = (RunFolder.create(tmp_path, small_trainer(**settings)) for _ in range(2))
    assert not go_on(whole, 5, 2)
    evaluate = judging.evaluate

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        return evaluate(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(judging, "evaluate", interrupted)
        for _ in range(3):  # the first evaluation, and twice again
            assert go_on(other, 5, 2)
            last = other.load_trainer().iteration
            assert other.read("progress.csv")["iteration"][-1] == last
    assert not go_on(other, 5, 2)
    wanted, got = whole.read("progress.csv"), other.read("progress.csv")
    assert np.isfinite(wanted["greedy_return"][last - 1])
    for name in wanted.keys() - {"steps_per_second"}:
        np.testing.assert_array_equal(got[name][:last], wanted[name][:last], name)
    np.testing.assert_array_equal(got["iteration"], np.arange(1, len(got["iteration"]) + 1))
    assert np.isfinite(got["greedy_return"]).sum() == 5
    ended = (run.read("episodes.csv")["ended"] for run in (other, whole))
    mine, theirs = (steps[steps <= wanted["env_steps"][last - 1]] for steps in ended)
    np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("evaluation", [2, 4])
def test_solved_for_good_is_what_it_would_have_been(tmp_path, monkeypatch, evaluation):
    """Also if the last evaluation is broken off, and with it the one that fails."""
    means = [500.0, 500.0, 500.0, 3.0]  # of four evaluations, then of the final judgement
    for interruptions in ([], [evaluation]):
        left = iter([*means, 500.0, 500.0])
        done = itertools.count(1)

        def scripted(*arguments, interruptions=interruptions, left=left, done=done):
            if next(done) in interruptions:
                signal.raise_signal(signal.SIGTERM)
            return np.full(2, next(left))

        monkeypatch.setattr(judging, "evaluate", scripted)
        run = RunFolder.create(tmp_path, small_trainer(iterations=0, total_steps=320))
        if interruptions:
            assert go_on(run, 4, 2) and not (run / "summary.json").exists()
        assert not go_on(run, 4, 2)
        summary, returns = read_json(run / "summary.json"), run.read("progress.csv")
        returns = returns["greedy_return"]
        assert returns[np.isfinite(returns)].tolist() == means
        assert summary["solved_for_good_at_step"] == summary["env_steps"]
        assert summary["solved_at_step"] < summary["env_steps"]


def test_killed_before_it_is_made_up_for(tmp_path, monkeypatch):
    """The row is there once, whenever between the two checkpoints that was."""
    run = RunFolder.create(tmp_path, small_trainer(iterations=0, total_steps=320))
    evaluate = judging.evaluate
    monkeypatch.setattr(judging, "evaluate", lambda *_: signal.raise_signal(signal.SIGTERM))
    assert go_on(run, 10, 2)
    monkeypatch.setattr(judging, "evaluate", evaluate)
    for _ in range(2):
        run.resume(media=False)  # killed: the row has been taken out
        assert run.owed()["iteration"] == 2
    trainer = run.resume(media=False)
    with monkeypatch.context() as killed:  # before another checkpoint was written
        killed.setattr(run, "save", lambda *arguments, **more: None)
        assert not run_training(trainer, run, 10, 2, media=False)
    (run / "summary.json").unlink()
    assert not go_on(run, 10, 2)
    assert (run / "summary.json").exists()
    iterations = run.read("progress.csv")["iteration"]
    np.testing.assert_array_equal(iterations, np.arange(1, len(iterations) + 1))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")  # pytest-xdist's is
@pytest.mark.parametrize("number", BOTH)
@pytest.mark.parametrize("within", [contextlib.nullcontext, first_interrupt_waits])
@pytest.mark.parametrize("ignored", [False, True])
def test_a_forked_child_ends_unless_its_parent_ignores_the_signal(number, within, ignored):
    """A handler of ours would note SIGTERM and go on; an environment that ends it would wait."""
    if ignored:
        signal.signal(number, signal.SIG_IGN)
    interrupts_raise()
    with within():
        child = os.fork()
        if child == 0:
            signal.raise_signal(number)
            os._exit(0)  # it went on
    end = 0 if ignored else -number
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == end
