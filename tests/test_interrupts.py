import signal

import pytest
from test_records import small_trainer

from lab.runs import carry_out, interrupts_raise, judging
from lab.runs.interrupts import first_interrupt_waits
from lab.runs.records import RunFolder

BOTH = signal.SIGINT, signal.SIGTERM


@pytest.fixture(autouse=True)
def as_before():
    before = {number: signal.getsignal(number) for number in BOTH}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", BOTH)
def test_the_first_waits_and_the_second_does_not(number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), first_interrupt_waits() as asked:
        assert not asked
        signal.raise_signal(number)
        assert asked
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
    with first_interrupt_waits() as asked:
        signal.raise_signal(number)
        assert not asked
    assert signal.getsignal(number) == signal.SIG_IGN


def test_a_run_stops_at_the_iteration_s_end_and_resume_finishes_it(tmp_path, monkeypatch):
    """Also when the signal comes during the last iteration: then only the judging is left."""
    evaluate = judging.evaluate
    run = RunFolder.create(tmp_path, small_trainer(iterations=0, total_steps=320))
    for evaluation in (2, 8):  # of ten
        calls = []

        def interrupted(*arguments, calls=calls, evaluation=evaluation):
            calls.append(arguments)
            if len(calls) == evaluation:
                signal.raise_signal(signal.SIGTERM)
            return evaluate(*arguments)

        monkeypatch.setattr(judging, "evaluate", interrupted)
        trainer = run.resume()
        assert carry_out(trainer, run, 10, 2, media=False)
        assert run.load_trainer().iteration == run.read("progress.csv")["iteration"][-1]
        assert len(calls) == evaluation and not (run / "summary.json").exists()
    monkeypatch.undo()
    assert trainer.env_steps >= 320
    assert not carry_out(run.resume(media=False), run, 10, 2, media=False)
    assert (run / "summary.json").exists()
