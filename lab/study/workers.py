"""Who does a study's work: processes on this machine, or a Dask cluster.

Both are lanes to which jobs are submitted, and a lane is a
`concurrent.futures.Executor`. So what runs a study (lab/study/folder.py) is one code.

    Cores(count)      one single-worker process pool a core: a worker that is
                      killed takes no job but its own with it
    Cluster(address)  one lane, Dask's executor; its scheduler hands out the jobs

Each is a context manager; leaving it with an exception stops the workers at once.
"""

import contextlib
import io
import multiprocessing
import os
import queue
import signal
import sys
import threading
import warnings
import zipfile
from collections import deque
from concurrent.futures import BrokenExecutor, CancelledError, ProcessPoolExecutor
from functools import partial
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
ATTEMPTS = 3  # workers that a job may lose before it is the job's fault; Dask's own default
CONNECT_SECONDS = 5
ATTENTION_SECONDS = 1  # longest wait in one piece; Windows notices Ctrl-C only between them


class WorkersLost(RuntimeError):
    """The cluster is gone; what was not finished is not going to be."""


def run_jobs(function, jobs, workers):
    """Call function(*job) for every job -> yields (job, its result or its exception), as they end.

    jobs     iterable of tuples; function and tuples must be picklable
    workers  Cores or Cluster

    An exception ends its own job only. A job whose worker dies is run again, in
    a new worker, up to ATTEMPTS times. Raises WorkersLost.
    """
    waiting = deque((job, 1) for job in jobs)
    ended = queue.SimpleQueue()
    running = 0

    def start(lane):
        job, attempt = waiting.popleft()
        with interrupts_held_back():
            try:
                future = lane.submit(function, *job)
            except BrokenExecutor:  # its worker died between two jobs
                lane = workers.renew(lane)
                future = lane.submit(function, *job)
        future.add_done_callback(partial(note_end, lane, job, attempt))

    def note_end(lane, job, attempt, future):
        ended.put((lane, job, attempt, future))

    for lane in list(workers.lanes):
        for _ in range(min(workers.jobs_in_lane, len(waiting))):
            start(lane)
            running += 1
    while running:
        try:
            lane, job, attempt, future = ended.get(timeout=ATTENTION_SECONDS)
        except queue.Empty:
            continue
        try:
            outcome = future.result()
        except CancelledError:
            raise WorkersLost("the scheduler is gone") from None
        except BrokenExecutor as error:
            lane = workers.renew(lane)
            if attempt < ATTEMPTS:
                waiting.appendleft((job, attempt + 1))
                start(lane)
                continue
            outcome = RuntimeError(f"{attempt} workers died of it, one after another")
            outcome.__cause__ = error
        except Exception as error:
            outcome = error
        running -= 1
        if waiting:
            start(lane)
            running += 1
        yield job, outcome


@contextlib.contextmanager
def interrupts_held_back():
    """Ctrl-C waits. Processes started meanwhile inherit that: only their parent answers to it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows; there `begin_worker` alone must do
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_worker():
    """First thing in a worker process: leave Ctrl-C to the parent, and don't outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow():
        multiprocessing.parent_process().join()
        os._exit(1)  # the parent was killed; idle workers would wait for its next job forever

    threading.Thread(target=follow, daemon=True).start()


def available_cores():
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Cores:
    """`count` processes on this machine, one for each core by default; each has one BLAS thread."""

    jobs_in_lane = 1

    def __init__(self, count=None):
        for variable in ("OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
            os.environ.setdefault(variable, "1")  # the workers inherit it
        self.others = set(multiprocessing.active_children())
        self.lanes = [self._lane() for _ in range(count or available_cores())]

    def __str__(self):
        return f"{len(self.lanes)} process{'es' if len(self.lanes) > 1 else ''}"

    def _lane(self):
        # "spawn" is the one way to start a process that all systems have; it is also safe
        # beside threads. Imports are paid once a worker, not once a job.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, mp_context=context, initializer=begin_worker)

    def renew(self, lane):
        """A new lane in the place of one whose worker died."""
        lane.shutdown(wait=False)
        new = self._lane()
        self.lanes[self.lanes.index(lane)] = new
        return new

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            for child in set(multiprocessing.active_children()) - self.others:
                child.terminate()
        for lane in self.lanes:
            lane.shutdown(cancel_futures=True)


class Cluster:
    """The workers of a Dask scheduler, wherever they are.

    Sends them this project's code, so they may run in any folder, and so that
    they run the code of this folder and not one of their own. They need numpy
    and gymnasium. Raises ConnectionError in one line when there is no such scheduler.
    """

    jobs_in_lane = sys.maxsize  # the scheduler does the queueing

    def __init__(self, address):
        import logging

        try:
            from distributed import Client
        except ImportError:
            raise ImportError("a cluster needs: pip install -r requirements/dask.txt") from None

        self.address = address
        for name in logging.root.manager.loggerDict:
            if name.startswith("distributed"):
                logging.getLogger(name).setLevel(logging.CRITICAL)  # errors come as exceptions
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of other versions: what matters is told below
                self.client = Client(address, timeout=CONNECT_SECONDS, name="study")
        except (OSError, TypeError, ValueError) as error:  # TypeError: a protocol it lacks
            raise ConnectionError(f"no Dask scheduler answers at {address}") from error
        self.refuse_other_pythons()
        self.lanes = [self]

    def refuse_other_pythons(self):
        """Code that is sent by value crashes another Python: look before anything is sent."""
        here = sys.version_info[:2]
        for worker, about in self.client.get_versions()["workers"].items():
            version = about["host"]["python"]
            if tuple(map(int, version.split(".")[:2])) != here:
                raise ConnectionError(
                    f"the worker {worker} runs Python {version}; "
                    f"it must be {here[0]}.{here[1]} as here"
                )

    def __str__(self):
        threads = list(self.client.nthreads().values())
        workers = f"{len(threads)} worker{'' if len(threads) == 1 else 's'}"
        remark = ""
        if not threads:
            remark = f"; start some: dask worker {self.address} --nthreads 1"
        elif max(threads) > 1:
            remark = "; each trains one seed at a time: start them with --nthreads 1"
        return f"{workers} of the scheduler at {self.address}{remark}"

    def submit(self, function, *args):
        """As concurrent.futures.Executor.submit, for a function of this project."""

        def call(module, name, *args):
            # A function within a function travels by value: the scheduler, which reads
            # what it passes on, needs none of this project's modules.
            import importlib

            return getattr(importlib.import_module(module), name)(*args)

        return self.executor.submit(call, function.__module__, function.__name__, *args)

    def renew(self, lane):
        """The same lane: the scheduler replaces workers by itself."""
        return lane

    def __enter__(self):
        self.plugin = send_project(self.client)
        self.executor = self.client.get_executor(pure=False)
        return self

    def __exit__(self, kind, error, trace):
        if kind is not WorkersLost:
            try:
                self.executor.shutdown(wait=kind is None)
            finally:
                self.client.unregister_worker_plugin(self.plugin)
        self.client.close()


def pack_project():
    """This project's modules: their names, and the bytes of a zip from which Python can import."""
    buffer, paths = io.BytesIO(), [*PROJECT.glob("*.py"), *PROJECT.glob("lab/**/*.py")]
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(paths):
            archive.write(path, path.relative_to(PROJECT).as_posix())
    return {
        path.relative_to(PROJECT).parts[0].removesuffix(".py") for path in paths
    }, buffer.getvalue()


def send_project(client):
    """Let every worker of the cluster, also a later one, import this project; -> a plugin's name.

    Dask's own `upload_file` would leave an earlier study's modules in place.
    """
    import uuid

    from distributed.diagnostics.plugin import WorkerPlugin

    class Project(WorkerPlugin):
        # A class within a function travels by value: a worker cannot import it before this.

        def __init__(self, name, modules, data):
            self.name, self.modules, self.data = name, modules, data

        def setup(self, worker):
            self.path = os.path.join(worker.local_directory, f"{self.name}.zip")
            with open(self.path, "wb") as file:
                file.write(self.data)
            sys.path.insert(0, self.path)
            self.forget_modules()

        def teardown(self, worker):
            self.forget_modules()
            sys.path.remove(self.path)
            os.remove(self.path)

        def forget_modules(self):
            # what a worker has already imported by these names may be another version
            for name in list(sys.modules):
                if name.split(".")[0] in self.modules:
                    del sys.modules[name]

    name = f"policygradients-{uuid.uuid4().hex}"
    client.register_plugin(Project(name, *pack_project()))
    return name
