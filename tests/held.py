"""What the tests of studies give workers to do: jobs, and environments that wait or misbehave.

An event decides what happens when, never a time: where the variable HELD names a folder, a
worker that begins a training after `SAVED` seeds are saved there notes its process in a file,
PID.held, and waits for the file "go".
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path

import gymnasium as gym
import numpy as np

SAVED = 2


class Own(BaseException):
    """One that no other process can build again, nor anybody print."""

    def __init__(self, text, surplus):
        super().__init__(text)

    def __str__(self):
        raise RuntimeError


MISDEEDS = {
    "SystemExit": lambda: sys.exit(3),
    "KeyboardInterrupt": lambda: signal.default_int_handler(2, None),
    "GeneratorExit": lambda: (_ for _ in ()).throw(GeneratorExit("so it is")),
    "Own": lambda: (_ for _ in ()).throw(Own(1, 2)),
    "ModuleNotFoundError": lambda: __import__("no_such_module"),
    "MemoryError": lambda: (_ for _ in ()).throw(MemoryError()),
    "ValueError": lambda: (_ for _ in ()).throw(ValueError("one\n\033[31mtwo" * 9_000)),
}


def ten_times(number, misdeed=None):
    """A job; number 1 does what MISDEEDS says."""
    if number == 1 and misdeed is not None:
        MISDEEDS[misdeed]()
    return number * 10, os.getpid()


def perish(number, marker, always):
    """A job: number 1 kills its worker, the first time or always."""
    if number == 1 and (always or not os.path.exists(marker)):
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * 10, os.getpid()


def claim(runs_dir, gamma, number, among):
    """A job: claim a study's folder, and hold it until all have theirs -> its name, is it ours?"""
    from lab.kit import read_json
    from lab.study import StudyFolder, Variant

    variants = [Variant("ppo", "ppo", {"total_steps": 600, "gamma": gamma})]
    folder = StudyFolder.claim(runs_dir, "CartPole-v1", variants, [0, 1], 2, 4)
    Path(runs_dir, f"{number}.claimed").touch()
    while len(list(Path(runs_dir).glob("*.claimed"))) < among:
        time.sleep(0.01)
    return folder.path.name, read_json(folder / "study.json")["settings"] == folder.settings


def press_ctrl_c(number, swallow):
    """A job during which somebody presses Ctrl-C; its code may have other ideas."""
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    except KeyboardInterrupt:
        if not swallow:
            raise


def read_here(module):
    """A job: import a module as environments do -> the current folder, what its `read`
    reads there when its `write` was called in a process, started as here."""
    from environments import import_module

    import_module(module)
    process = multiprocessing.Process(target=sys.modules[module].write)
    process.start()
    process.join()
    return os.getcwd(), sys.modules[module].read()


def stay(number):
    """A job that leaves a thread behind, for ever."""
    threading.Thread(target=threading.Event().wait).start()
    return number


def keep_open(number, folder, stubborn=False):
    """A job that goes on until it is asked to end; then it closes what it has opened, or tries."""
    try:
        Path(folder, f"{number}.open").touch()
        threading.Event().wait()
    finally:
        while stubborn:
            time.sleep(1)
        Path(folder, f"{number}.closed").touch()


def keep_two_open(folder):
    """What a process does that is killed while its two workers are at work."""
    from lab.study import Cores, run_jobs

    with Cores(2) as workers:
        list(run_jobs(keep_open, [(0, folder), (1, folder)], workers))


class Held(gym.Env):
    """Two steps an episode; for 1 a point."""

    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self):
        folder = os.environ.get("HELD")
        working = multiprocessing.parent_process() is not None or "dask" in sys.argv[0]
        if folder and working and len([*Path(folder).glob("*/seeds/*.json")]) >= SAVED:
            (Path(folder) / f"{os.getpid()}.held").touch()
            while not (Path(folder) / "go").exists():
                time.sleep(0.01)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.now = 0
        return self.np_random.uniform(-1, 1, 2).astype(np.float32), {}

    def step(self, action):
        self.now += 1
        obs = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return obs, float(action), self.now == 2, False, {}


class Rude(Held):
    """The same, until it does what RUDE names."""

    def step(self, action):
        if os.environ.get("RUDE"):
            MISDEEDS[os.environ["RUDE"]]()
        return super().step(action)


class Open(Held):
    """The same, in the list `now_open` from its first moment until it is closed; fails where told.

    misdeed   what it does when this method, of the copy with this number, is called
    """

    now_open, made, misdeed = [], 0, None

    def __init__(self):
        super().__init__()
        Open.made += 1
        self.number = Open.made
        self.may_fail("__init__")
        self.now_open.append(self.number)

    def may_fail(self, method):
        if self.misdeed is not None and self.misdeed[:2] == (method, self.number):
            MISDEEDS[self.misdeed[2]]()

    def reset(self, **options):
        self.may_fail("reset")
        return super().reset(**options)

    def step(self, action):
        self.may_fail("step")
        return super().step(action)

    def close(self):
        self.now_open.remove(self.number)
        if self.misdeed is not None and self.number <= self.misdeed[1] == 2:
            raise BrokenPipeError("to the process that has failed already")


gym.register("Open-v0", entry_point=Open)
gym.register("Held-v0", entry_point=Held, reward_threshold=1.5)
gym.register("Rude-v0", entry_point=Rude)
