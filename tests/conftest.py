"""What several test files share."""

import importlib.util
import os
import shutil
import signal
import subprocess
from functools import cache
from pathlib import Path

# As run.py does, and before numpy is read: the bits depend on the number of BLAS threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("VECLIB_MAXIMUM_THREADS", "1")

import hypothesis
import numpy as np
import pytest

from lab.runs import judged
from training import Trainer

# Background jobs of scripts, nohup and some CI runners have Ctrl-C ignored; the tests press it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("any machine", deadline=None, max_examples=50)
hypothesis.settings.load_profile("any machine")

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def learned():
    """learned(algorithm, seed) -> a default training on CartPole, once for all who ask, and its
    evaluations: [(step, greedy returns (100,)), …].

    Who asks is marked xdist_group("learned"): the trainings are then those of one process.
    """

    @cache
    def train(algorithm, seed):
        trainer = Trainer(algorithm, "CartPole-v1", algorithm.Config(), seed)
        rows = [(row["env_steps"], returns) for row, returns in judged(trainer, 3, 100)]
        return trainer, [row for row in rows if row[1] is not None]

    return train


@pytest.fixture
def signals_as_before():
    """Whatever handlers of Ctrl-C and SIGTERM a test leaves are gone after it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def start():
    """start(command, …) begins a process, as subprocess.Popen; none outlives its test."""
    processes = []

    def begin(command, **settings):
        settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **settings}
        processes.append(subprocess.Popen(command, **settings))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def missing(reason):
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(f"REQUIRE_BROWSER=1, but {reason}", pytrace=False)
    pytest.skip(reason)


def violations(tab):
    """What axe-core finds wrong with what a page shows: [rule, the first elements]."""
    package = importlib.util.find_spec("axe_playwright_python")
    if package is None:
        missing("axe-core is not installed (pip install -r requirements/browser.txt)")
    tab.evaluate((Path(package.origin).parent / "axe.min.js").read_text("utf-8"))
    return tab.evaluate(
        """() => axe.run({ resultTypes: ["violations"] }).then(({ violations }) => violations.map(
            ({ id, nodes }) => [id, nodes.slice(0, 3).map(({ html }) => html.slice(0, 200))]))"""
    )


@pytest.fixture(scope="module")
def chromium():
    """A Chromium (Playwright's Browser): the one on the PATH, or named by CHROMIUM."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed (pip install -r requirements/browser.txt)")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        missing("no chromium is on the PATH (Debian, Ubuntu: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()
