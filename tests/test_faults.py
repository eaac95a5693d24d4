"""What happens to a run when the world misbehaves. Real processes, real signals, real disks."""

import importlib
import json
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
from functools import partial
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

if os.name == "nt":
    pytest.skip("POSIX signals, terminals and limits", allow_module_level=True)

import fcntl
import pty
import resource
import termios

from copies import Copy, hurry
from programs import ENOUGH, QUICK, ROOT, SHORT, VPG, call, command, wait_until

from lab.runs.records import RunFolder

pytestmark = pytest.mark.slow
ENDLESS = [*VPG, *QUICK, "--total-steps", "100000000", "--no-media"]
FOLDER = "runs/CartPole-v1-vpg-seed0"


@pytest.fixture
def copy(tmp_path, tmp_path_factory):
    """copy(option, …) -> a Copy of the program at work in tmp_path; none outlives its test."""
    begun = []

    def begin(*options, **settings):
        folder = tmp_path_factory.mktemp("streams")
        streams = folder / "out", folder / "err"
        begun.append(Copy(*options, **{"cwd": tmp_path, "streams": streams, **settings}))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.wait()


@pytest.fixture
def train(copy, tmp_path):
    """train(function, …) -> a long training, through some iterations by now, and its folder."""

    def begin(*prepare):
        process = copy(*ENDLESS, prepare=(hurry, *prepare))
        wait_until(lambda: rows_of(tmp_path / FOLDER) > 1, process)
        return process, tmp_path / FOLDER

    return begin


def rows_of(folder):
    """How many iterations are in a run's progress.csv by now."""
    path = folder / "progress.csv"
    return path.read_bytes().count(b"\n") - 1 if path.exists() else -1


def ending(process, number=None):
    """How a process ends (after a signal): exit status, standard output, standard error."""
    if number is not None:
        process.send_signal(number)
    out, err = process.communicate(timeout=ENOUGH)
    return process.returncode, out, err


def one_line(err, *words):
    return err.count("\n") == 1 and all(word in err for word in words)


# ------------------------------------------------------------------- full disks


def test_a_full_disk_ends_the_run_in_one_line(copy, tmp_path):
    """A limit on file sizes stands in for the full disk; the earlier files stay whole."""
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (9_000, 9_000))
    status, _, err = ending(copy(*ENDLESS, prepare=(hurry, limit)))
    assert status == 1
    assert one_line(err, "cannot be written: File too large. What was saved before is kept")
    resumed = call("resume", tmp_path / FOLDER, "--no-media", "--max-episodes", "1")
    assert resumed.returncode == 0, resumed.stderr


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 kB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk takes root; test_a_full_disk… stands in for it")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_fills_up(small_disk):
    done = call(*ENDLESS, "--runs-dir", small_disk)
    assert done.returncode == 1
    full = "cannot be written: No space left on device. What was saved before is kept"
    assert one_line(done.stderr, full)
    (folder,) = small_disk.glob("[!.]*")
    assert RunFolder(folder).load_trainer().env_steps >= 0
    assert not list(folder.glob(".*.new"))


def test_a_disk_that_is_full_from_the_start(small_disk):
    (small_disk / "filler").write_bytes(bytes(61_440))
    done = call(*VPG, *SHORT, "--runs-dir", small_disk / "runs")
    assert done.returncode == 2
    assert one_line(done.stderr, "cannot be written: No space left on device")
    assert not list(small_disk.glob("runs/[!.]*"))


@pytest.fixture
def read_only(tmp_path):
    """(runs folder, a function that makes it read-only): by its mode, or for root by its mount."""
    runs = tmp_path / "runs"
    runs.mkdir()
    if os.geteuid() != 0:
        yield runs, lambda: [path.chmod(0o555) for path in (*runs.glob("*"), runs)]
        for path in (runs, *runs.glob("*")):
            path.chmod(0o755)
        return
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(runs)]).returncode != 0:
        pytest.skip("root may write anywhere, and may not mount here")
    yield runs, lambda: subprocess.run(["mount", "-o", "remount,ro", str(runs)], check=True)
    subprocess.run(["umount", "-l", str(runs)], check=True)


def test_a_read_only_folder(read_only):
    """Neither a new run nor a resumed one can write; one line each, and nothing changes."""
    runs, protect = read_only
    assert call(*VPG, *SHORT, "--runs-dir", runs).returncode == 0
    (folder,) = runs.iterdir()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    protect()
    for options in ([*VPG, *SHORT, "--runs-dir", runs], ["resume", folder, "--total-steps", 9000]):
        done = call(*options)
        assert done.returncode == 2 and one_line(done.stderr), done
        assert re.search(
            "cannot be written: (Permission denied|Read-only file system)", done.stderr
        )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_that_disappears_ends_the_run_in_one_line(train, tmp_path):
    process, folder = train()
    folder.rename(tmp_path / "elsewhere")
    status, _, err = ending(process)
    assert status == 1 and one_line(err, "cannot be written: No such file or directory")


def test_a_runs_folder_deleted_while_training(train, tmp_path):
    process, _ = train()
    while process.poll() is None:
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
    status, _, err = ending(process)
    assert status == 1 and one_line(err, "cannot be written: No such file or directory")


# ------------------------------------------------------- others, and the outer world


def test_two_runs_at_once_get_two_folders(copy, tmp_path):
    for process in [copy(*VPG, *SHORT) for _ in range(2)]:
        status, _, err = ending(process)
        assert status == 0, err
    folders = sorted((tmp_path / "runs").iterdir())
    assert folders == [tmp_path / FOLDER, tmp_path / (FOLDER + "-2")]
    first, second = (RunFolder(folder).load_trainer().policy.parameters for folder in folders)
    np.testing.assert_array_equal(first, second)


def test_a_folder_in_use_is_not_resumed(train):
    process, folder = train()
    done = call("resume", folder)
    assert done.returncode == 2
    assert one_line(done.stderr, f"{folder} is in use by another process")
    assert ending(process, signal.SIGINT)[0] == 130


STRICT = """
import runpy, sys
for words in (WORDS):
    sys.argv = ["run.py", *words.split()]
    try:
        runpy.run_path(ROOT, run_name="__main__")
    except SystemExit as ending:
        assert not ending.code
"""


def test_no_file_is_read_or_written_in_the_system_s_own_encoding(tmp_path):
    """Python itself warns where an encoding is left to the system; here that is an error."""
    first = " ".join([*VPG, *QUICK, "--total-steps", "600", "--no-media"])
    code = STRICT.replace("WORDS", f"{first!r}, 'resume {FOLDER} --total-steps 900'")
    code = code.replace("ROOT", repr(str(ROOT / "run.py")))
    strict = [sys.executable, "-X", "warn_default_encoding", "-W", "error", "-c", code]
    done = subprocess.run(strict, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / FOLDER / "episode.gif").exists()


def eighty_columns():
    os.environ["COLUMNS"] = "80"


def test_a_terminal_sees_one_live_line_of_80_columns(copy):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = copy(
        *VPG, *QUICK, "--total-steps", "5000", "--no-media",
        streams=[Path(os.ttyname(slave))] * 2, prepare=(eighty_columns,),
    )  # fmt: skip
    seen = b""
    while process.poll() is None or select.select([master], [], [], 0)[0]:
        if select.select([master], [], [], 0.05)[0]:
            seen += os.read(master, 4096)
    os.close(slave)
    os.close(master)
    assert process.returncode == 0
    text = seen.decode()
    live = [line for line in re.split(r"[\r\n]", text) if "ETA" in line]
    assert live and all(len(line) <= 80 for line in live)
    assert re.search(r"\d+% .* steps ETA \d\d:\d\d, greedy \d+\.\d, last 100 episodes \d", live[-1])
    assert "greedy" in text


# --------------------------------------------------------------- Ctrl-C, and worse


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_and_says_so(train, number):
    process, folder = train()
    status, out, err = ending(process, number)
    assert (status, err) == (130, "") and "interrupted at step" in out
    iterations = RunFolder(folder).read("progress.csv")["iteration"]
    with np.load(folder / "checkpoint.npz") as saved:
        numbers = json.loads(str(saved["numbers"]))
    assert numbers["iteration"] == iterations[-1] > 1
    resumed = call("resume", folder, "--no-media", "--max-episodes", numbers["episodes"] + 1)
    assert resumed.returncode == 0, resumed.stderr
    iterations = RunFolder(folder).read("progress.csv")["iteration"]
    np.testing.assert_array_equal(iterations, np.arange(1, len(iterations) + 1))


def test_an_ignored_ctrl_c_stays_ignored(train):
    """A script's background jobs are started that way, so that Ctrl-C is for the script."""
    process, folder = train(partial(signal.signal, signal.SIGINT, signal.SIG_IGN))
    process.send_signal(signal.SIGINT)
    rows = rows_of(folder)
    wait_until(lambda: rows_of(folder) > rows + 20, process)
    status, out, err = ending(process, signal.SIGTERM)
    assert (status, err) == (130, "") and "interrupted at step" in out


def interrupted_when(start, module, *options, cwd):
    """A training that gets Ctrl-C as soon as Python has read a module -> as `ending`."""
    process = start([sys.executable, "-X", "importtime", *command(*options)[1:]], cwd=cwd)
    lines = iter(process.stderr)  # importtime writes one for each module
    assert any(line.rpartition("|")[2].strip() == module for line in lines)
    status, out, err = ending(process, signal.SIGINT)
    lines = err.splitlines(keepends=True)
    return status, out, "".join(line for line in lines if not line.startswith("import time:"))


CARTPOLE = "gymnasium.envs.classic_control.cartpole"


@pytest.mark.parametrize(
    "module", ["lab.commands", "numpy", "gymnasium", "ppo", CARTPOLE, "filelock"]
)
def test_ctrl_c_at_the_start(start, tmp_path, module):
    # an end, if a module is never read
    options = *VPG, *QUICK, "--total-steps", "300000", "--no-media"
    status, _, err = interrupted_when(start, module, *options, cwd=tmp_path)
    assert status in (130, -signal.SIGINT)  # a shell shows both as 130; -2: Python was not up yet
    # a traceback is out of our hands as long as Python has not reached run.py
    assert err in ("", "interrupted\n") or "run.py" not in err
    for folder in tmp_path.glob("runs/[!.]*"):
        RunFolder(folder).load_trainer()


class PressCtrlC:
    """On sys.meta_path: Ctrl-C comes as soon as a module is asked for."""

    def __init__(self, module):
        self.module = module

    def find_spec(self, name, path=None, target=None):
        if name == self.module:
            os.kill(os.getpid(), signal.SIGINT)

    def stand_by(self):
        sys.meta_path.insert(0, self)


def test_ctrl_c_while_pictures_are_drawn(copy, tmp_path):
    press = PressCtrlC("matplotlib.figure")
    status, out, err = ending(
        copy(*VPG, *QUICK, "--total-steps", "1500", prepare=(press.stand_by,))
    )
    folder = tmp_path / FOLDER
    assert (status, err) == (130, "")
    assert "greedy" in out and f"python run.py resume {FOLDER}" in out
    assert json.loads((folder / "summary.json").read_text(encoding="utf-8"))["env_steps"] >= 1500
    for picture in folder.glob("*.png"):  # whole or not at all
        assert picture.read_bytes().endswith(b"IEND\xaeB`\x82")


def without_seconds(folder, count):
    """The first rows of progress.csv and the episodes that ended in them, times left out."""
    progress, episodes = folder.read("progress.csv"), folder.read("episodes.csv")
    last = progress["env_steps"][count - 1]
    rows = {name: values[:count] for name, values in progress.items() if "per_second" not in name}
    own = episodes.get("ended", np.zeros(0)) <= last
    return rows, {name: values[own] for name, values in episodes.items()}


def test_kill_9_at_any_moment(copy, tmp_path):
    """A folder that exists goes on, with the rows that an undisturbed run has had by then.

    A checkpoint is written after each iteration here: any moment may be in the middle of one.
    """

    def begin(name, *options):
        (tmp_path / name).mkdir()
        words = [*ENDLESS, "--evaluations", "200000", "--eval-episodes", "1", *options]
        process = copy(*words, cwd=tmp_path / name, prepare=(hurry,))
        return process, tmp_path / name / FOLDER

    def killed(size):
        """A run that was killed as soon as its progress.csv had so many bytes."""
        process, folder = begin(str(size))
        path = folder / "progress.csv"
        wait_until(lambda: folder.exists() if size == 0 else size_of(path) >= size, process)
        process.kill()
        assert process.communicate()[1] == ""
        return RunFolder(folder)

    folders = [killed(size) for size in (0, 1, 777, 1_111, 1_500, 2_345, 3_456, 4_321)]
    trainers = [folder.resume() for folder in folders]
    longest = max(trainer.episodes for trainer in trainers)
    process, place = begin("whole", "--max-episodes", longest + 1)
    assert ending(process)[::2] == (0, "")
    whole = RunFolder(place)
    for folder, trainer in zip(folders, trainers, strict=True):
        iterations = folder.read("progress.csv").get("iteration", [])
        np.testing.assert_array_equal(iterations, np.arange(1, trainer.iteration + 1))
        if trainer.iteration:
            ours, theirs = (without_seconds(f, trainer.iteration) for f in (folder, whole))
            for mine, other in zip(ours, theirs, strict=True):
                for name in other:
                    np.testing.assert_array_equal(mine.get(name, []), other[name], name)
        trainer.iterate()
    assert sum(trainer.iteration > 2 for trainer in trainers) >= 5
    folder = killed(999)
    steps = folder.load_trainer().env_steps
    done = call("resume", folder.path, "--max-episodes", "1", "--no-media")
    assert done.returncode == 0 and f"goes on from step {steps:,}" in done.stdout, done
    iterations = folder.read("progress.csv")["iteration"]
    np.testing.assert_array_equal(iterations, np.arange(1, len(iterations) + 1))


def size_of(path):
    return path.stat().st_size if path.exists() else 0


# -------------------------------------------------- an environment of somebody's own


ODD = """
import os, sys
import gymnasium as gym
import numpy as np


class Odd(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (2,))
    action_space = gym.spaces.Discrete(2)
    steps = 0

    def reset(self, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        if self.steps > 300:
            WRONG
        return np.zeros(2, np.float32), 1.0, False, False, {}


gym.register("Odd-v0", Odd, max_episode_steps=5)
"""


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """odd(old, new) writes odd.py with this in its place, to be read anew -> tmp_path."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(old, new):
        text = ODD.replace(old, new).replace("WRONG", "pass")
        (tmp_path / "odd.py").write_text(text, encoding="utf-8")
        sys.modules.pop("odd", None)
        gym.registry.pop("Odd-v0", None)
        importlib.invalidate_caches()
        return tmp_path

    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two versions in one second
    yield write
    sys.modules.pop("odd", None)
    gym.registry.pop("Odd-v0", None)


ODD_RUN = "runs/odd-Odd-v0-vpg-seed0"
NOT_BEGUN = "return np.zeros(2, np.float32), {}"


@pytest.mark.parametrize(
    "wrong, message",
    [
        (
            "raise OSError('simulator socket')",
            "odd:Odd-v0 failed in odd.py, line 18: OSError: simulator socket",
        ),
        ("raise SystemExit(0)", "odd:Odd-v0 called sys.exit(0)"),
        ("raise BaseException('x')", "odd:Odd-v0 failed in odd.py, line 18: BaseException: x"),
        (
            "return np.full(2, np.nan, np.float32), 1.0, False, False, {}",
            "odd:Odd-v0 failed in odd.py, line 15: step gave the observation float32 (2,) with nan "
            "or inf, not one of Box(-1.0, 1.0, (2,), float32)",
        ),
    ],
)
def test_an_environment_that_fails_is_blamed_in_one_line(odd, wrong, message):
    cwd = odd("WRONG", wrong)
    done = call(*VPG, *SHORT, "--env", "odd:Odd-v0", cwd=cwd)
    assert done.stderr == f"run.py: {message}. The last good checkpoint is in {ODD_RUN}\n"
    assert done.returncode == 1
    RunFolder(cwd / ODD_RUN).about()


@pytest.mark.parametrize("command", [VPG, ["study", *VPG, "--seeds", "0-1"]])
def test_an_environment_that_cannot_begin_is_refused(odd, command):
    cwd = odd(NOT_BEGUN, "raise ValueError('no level\\nat all')")
    done = call(*command, *SHORT, "--env", "odd:Odd-v0", cwd=cwd)
    assert done.returncode == 2 and not (cwd / "runs").exists()
    message = "odd:Odd-v0 failed in odd.py, line 13: ValueError: no level\n"
    assert done.stderr.endswith(f": error: {message}") and one_line(done.stderr)


def test_a_run_whose_environment_does_not_begin_any_more_is_not_taken_up(odd):
    options = *VPG, *QUICK, "--total-steps", "600", "--no-media", "--env", "odd:Odd-v0"
    assert call(*options, cwd=odd("WRONG", "pass")).returncode == 0
    cwd = odd(NOT_BEGUN, "raise SystemExit(0)")
    done = call("resume", ODD_RUN, "--total-steps", "1200", "--env", "odd:Odd-v0", cwd=cwd)
    said = f"{ODD_RUN} cannot be used: odd:Odd-v0 called sys.exit(0)"
    assert (done.returncode, done.stderr) == (2, f"run.py resume: error: {said}\n")
