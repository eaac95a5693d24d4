"""Who does a study's work: this process, others on this machine, or a Dask cluster.

    Cores(count)      so many processes, each with a pipe of its own: one that is killed takes
                      no job but its own with it. Of one core this very process makes use:
                      nothing is started, so nothing can be missing (memory, semaphores, …)
    Cluster(address)  Dask's executor; its scheduler hands out the jobs

Each is a context manager; leaving it with an exception stops the workers at once.
"""

import contextlib
import importlib
import io
import multiprocessing
import multiprocessing.connection
import os
import queue
import signal
import sys
import threading
import time
import traceback
import warnings
import zipfile
from collections import deque

from lab.kit import PROJECT, interrupts_raise, keep_freed_memory

ATTEMPTS = 3  # workers that a job may lose before it is the job's fault; Dask's own default
CONNECT_SECONDS = 5
ATTENTION_SECONDS = 1  # longest wait in one piece; Windows notices Ctrl-C only between them
PATIENCE_SECONDS = 5  # for workers that have nothing more to do, or close their environments
MOST_TEXT = 500  # characters of what an exception says


class WorkersLost(RuntimeError):
    """The workers are gone; what was not finished is not going to be."""


class CannotStart(WorkersLost):
    """This machine gives us no process; nothing was begun."""


class JobFailed(Exception):
    """What a job raised, as text: `str` of it is one line, `trace` the traceback.

    The exception itself may be of a class that no other process has, or that ends one.
    """

    def __init__(self, line, trace=""):
        super().__init__(line, trace)
        self.trace = trace

    def __str__(self):
        return self.args[0]

    @classmethod
    def of(cls, error):
        """Of any BaseException, even one that cannot say what it is."""
        name = type(error).__name__
        with contextlib.suppress(BaseException):
            line = (str(error).strip().splitlines() or [""])[0][:MOST_TEXT]
            name += line and ": " + "".join(c if c.isprintable() else "?" for c in line)
        return cls(name, "".join(traceback.format_exception(error)))


def run_jobs(function, jobs, workers):
    """Call function(*job) for every job -> yields (job, its result or its exception), as they end.

    function  of a module, by whose name the workers find it
    jobs      iterable of tuples that can be pickled
    workers   Cores or Cluster

    An exception, whatever it is, ends its own job only. A job whose worker dies is run again,
    in a new worker, up to ATTEMPTS times. Raises CannotStart, WorkersLost.
    """
    yield from workers.run(function, list(jobs))


def attempt(module, name, *job):
    """What the function gives for a job, or as a JobFailed what it raised: sys.exit, anything.

    Ctrl-C is ours and goes on as KeyboardInterrupt; an environment's own ends its job.
    """
    keep_freed_memory()  # as run.py
    with interrupts_noted() as interrupts:
        try:
            outcome = getattr(importlib.import_module(module), name)(*job)
        except BaseException as error:
            outcome = JobFailed.of(error)
    if interrupts:
        raise KeyboardInterrupt
    return outcome


@contextlib.contextmanager
def interrupts_noted():
    """Yields a list of the signals that come meanwhile; they do what they did before, too."""
    came, before = [], {}

    def noting(handler):
        def note(signum, frame):
            came.append(signum)
            handler(signum, frame)

        return note

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(signal.getsignal(number)):
                before[number] = signal.signal(number, noting(signal.getsignal(number)))
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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


@contextlib.contextmanager
def out_of_the_folder():
    """A Python that starts looks for its own modules in the current folder first; not in ours.

    It may be anybody's: a folder of results, say, with a pickle.py in it. Yields the folder.
    """
    try:
        before = os.getcwd()
    except OSError:  # there is none any more
        before = PROJECT
    os.chdir(PROJECT)
    try:
        yield before
    finally:
        os.chdir(before)


# ------------------------------------------------------------ in a worker


def serve(connection, folder, start_method):
    """What a worker process does: one job after another in this folder, until nobody sends any.

    start_method  of processes that an environment starts: the parent's own, not a worker's
    """
    try:
        begin_worker()
        os.chdir(folder)  # the user's; what an environment reads there, and its module, is found
        multiprocessing.set_start_method(start_method, force=True)
        while True:
            connection.send(attempt(*connection.recv()))
    except (EOFError, ConnectionError, KeyboardInterrupt):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # there is nothing to close any more


def begin_worker():
    """First thing in a worker process: leave Ctrl-C to the parent, and don't outlive it.

    SIGTERM asks it to end: KeyboardInterrupt is raised, so that environments are closed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupts_raise()

    def follow():
        multiprocessing.parent_process().join()
        os.kill(os.getpid(), signal.SIGTERM)  # the parent was killed
        time.sleep(PATIENCE_SECONDS)
        os._exit(1)

    with contextlib.suppress(RuntimeError):  # no thread to be had; it ends after its job then
        threading.Thread(target=follow, daemon=True).start()


# ----------------------------------------------------------- this machine


def available_cores():
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Worker:
    """A process that does jobs, at the other end of `connection`. Raises CannotStart."""

    def __init__(self):
        # "spawn" is the one way to start a process that all systems have; it is also safe
        # beside threads. Imports are paid once a worker, not once a job. A Pipe needs neither
        # threads nor semaphores, which concurrent.futures' pool waits for in vain where there
        # are none (containers, ulimit -v).
        context = multiprocessing.get_context("spawn")
        usual = multiprocessing.get_start_method(allow_none=True)
        try:
            self.connection, theirs = context.Pipe()
            with theirs, out_of_the_folder() as folder, interrupts_held_back():
                self.process = context.Process(target=serve, args=(theirs, folder, usual))
                self.process.start()
        except (OSError, MemoryError) as error:
            reason = getattr(error, "strerror", None) or "out of memory"
            raise CannotStart(f"no process can be started: {reason}") from error

    @staticmethod
    def end(workers, early=False):
        """Wait, not for ever, for processes that have nothing more to do, or are to end early."""
        until = time.monotonic() + PATIENCE_SECONDS
        try:
            for worker in workers:
                if early:
                    worker.process.terminate()
                worker.connection.close()
            for worker in workers:
                worker.process.join(max(0, until - time.monotonic()))
        finally:
            for worker in workers:
                worker.process.kill()  # an environment may have left something running in it
                worker.process.join()


class Cores:
    """`count` processes on this machine, one for each core by default; each has one BLAS thread."""

    def __init__(self, count=None):
        for variable in ("OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
            os.environ.setdefault(variable, "1")  # the workers inherit it
        self.count, self.workers = count or available_cores(), []

    def __str__(self):
        return f"{self.count} process{'es' if self.count > 1 else ''}"

    def run(self, function, jobs):
        """As run_jobs."""
        address = function.__module__, function.__name__
        if self.count == 1:
            for job in jobs:
                yield job, attempt(*address, *job)
            return
        while len(self.workers) < min(self.count, len(jobs)):
            self.workers.append(Worker())
        waiting, running = deque((job, 1) for job in jobs), {}

        def hand_out():
            for worker in self.workers:
                if worker not in running and waiting:
                    running[worker] = waiting.popleft()
                    with contextlib.suppress(OSError):  # it is dead, as will be found
                        worker.connection.send((*address, *running[worker][0]))

        hand_out()
        while running:
            connections = [worker.connection for worker in running]
            most = 60 if os.name == "nt" else None  # Windows waits for no more at a time
            multiprocessing.connection.wait(connections[:most], ATTENTION_SECONDS)
            for worker in list(running):
                alive = worker.process.is_alive()  # looked at before its last words
                try:
                    if worker.connection.poll():
                        outcome = worker.connection.recv()
                    elif alive:
                        continue
                    else:  # and something that it started keeps its end open
                        raise EOFError
                    job, _ = running.pop(worker)
                except (EOFError, OSError):
                    job, number = running.pop(worker)
                    self.replace(worker)
                    if number < ATTEMPTS:
                        waiting.appendleft((job, number + 1))
                        continue
                    outcome = JobFailed(f"{number} workers died of it, one after another")
                hand_out()  # before the caller does anything with it
                yield job, outcome
            hand_out()

    def replace(self, worker):
        """Start another one; without one, the others do its work. Raises WorkersLost."""
        self.workers.remove(worker)
        Worker.end([worker])
        try:
            self.workers.append(Worker())
        except CannotStart as error:
            if not self.workers:
                raise WorkersLost(str(error)) from None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        Worker.end(self.workers, early=kind is not None)


class Cluster:
    """The workers of a Dask scheduler, wherever they are.

    Sends them this project's code, so they may run in any folder, and so that
    they run the code of this folder and not one of their own. They need numpy
    and gymnasium. Raises ConnectionError in one line when there is no such scheduler.
    """

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

    def run(self, function, jobs):
        """As run_jobs."""

        def call(*arguments):
            # A function within a function travels by value: the scheduler, which reads
            # what it passes on, needs none of this project's modules.
            from lab.study.workers import attempt

            return attempt(*arguments)

        ended = queue.SimpleQueue()
        for job in jobs:
            future = self.executor.submit(call, function.__module__, function.__name__, *job)
            future.add_done_callback(lambda future, job=job: ended.put((job, future)))
        for _ in jobs:
            job, future = self.patiently(ended)
            if future.cancelled():
                raise WorkersLost("the scheduler is gone")
            error = future.exception()
            yield job, future.result() if error is None else JobFailed.of(error)

    @staticmethod
    def patiently(ended):
        while True:
            with contextlib.suppress(queue.Empty):
                return ended.get(timeout=ATTENTION_SECONDS)

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
