import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from test_records import small_trainer

import vpg
from lab.runs import carry_out, interrupts_raise, judging, new_trainer
from lab.runs.interrupts import first_interrupt_waits
from lab.runs.records import RunFolder

ROOT = Path(__file__).parents[1]
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


HELPED = """
import multiprocessing, time
import gymnasium as gym, numpy as np


class Helped(gym.Env):
    observation_space, action_space = gym.spaces.Box(-1, 1, (2,)), gym.spaces.Discrete(2)

    def __init__(self):
        self.helper = multiprocessing.get_context("fork").Process(target=time.sleep, args=(9999,))
        self.helper.start()

    def reset(self, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 1.0, False, False, {}

    def close(self):
        self.helper.terminate()
        self.helper.join()


gym.register("Helped-v0", Helped, max_episode_steps=5)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_an_environment_s_forked_helpers_end_when_they_are_told_to(tmp_path):
    """They inherited the handler that notes a signal and goes on, and close() waited for ever."""
    (tmp_path / "helped.py").write_text(HELPED, encoding="utf-8")
    command = [sys.executable, str(ROOT / "run.py"), "--algo", "vpg", "--env", "helped:Helped-v0"]
    command += ["--total-steps", "600", "--eval-episodes", "2", "--num-envs", "1", "--no-media"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, _ = process.communicate(timeout=600)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0 and "saved in runs" in out


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("number", BOTH)
@pytest.mark.parametrize("within", [contextlib.nullcontext, first_interrupt_waits])
def test_a_forked_child_ends_at_either_signal(number, within):
    interrupts_raise()
    with within():
        child = os.fork()
        if child == 0:
            signal.raise_signal(number)
            os._exit(0)  # it went on
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -number


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_ignores_what_its_parent_ignores():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupts_raise()
    child = os.fork()
    if child == 0:
        signal.raise_signal(signal.SIGINT)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Torn(gym.Env):
    """Its own processes end at Ctrl-C, which reaches them, too."""

    observation_space, action_space = gym.spaces.Box(-1, 1, (2,)), gym.spaces.Discrete(2)
    steps = 0

    def reset(self, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        Torn.steps += 1
        if Torn.steps == 200:
            signal.raise_signal(signal.SIGINT)
            raise EOFError("its helper is gone")
        return np.zeros(2, np.float32), 1.0, False, False, {}


def test_what_an_interrupt_does_to_an_environment_is_no_fault_of_its_own(tmp_path):
    gym.register("Torn-v0", Torn, max_episode_steps=5)
    try:
        trainer = new_trainer(vpg, "Torn-v0", vpg.Config(num_envs=2, num_steps=16), 0)
        run = RunFolder.create(tmp_path, trainer)
        assert carry_out(trainer, run, 1, 2, media=False)
        assert not carry_out(run.resume(total_steps=640), run, 1, 2, media=False)
    finally:
        del gym.registry["Torn-v0"]
