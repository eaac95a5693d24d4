"""Many seeds: trained on all cores or on a cluster, kept one by one, and judged together.

    runs/study-CartPole-v1-vpg-ppo-seeds0-19/
        study.json           what is studied: settings, versions, the code (a digest)
        seeds/ppo-7.json     one seed: its curve and how it ended; written whole when it is done
        results.json         the statistics of lab/study/statistics.py
        study.svg, study-dark.svg

A study that was interrupted goes on where it stopped: a seed whose file is there, and
is of this very training, is not trained again. Another study, one of changed code, or
one started while this one is at work, has a folder of its own.

What is compared is a *variant*: an algorithm with some settings and, in an ablation,
with a line of the lesson changed (lab/study/changes.py).
"""

import contextlib
import dataclasses
import json
import re
import time
from pathlib import Path
from typing import NamedTuple

from environments import one_line
from lab.kit import (
    CannotWrite,
    Progress,
    hold,
    new_folder,
    read_json,
    regular,
    safe_name,
    write_json,
)
from lab.runs import ALGORITHMS, as_settings, new_trainer, versions
from lab.study.deciding import code_digest
from lab.study.seed import EVALUATIONS, MOST_SEEDS, check_result, train_one
from lab.study.workers import CannotStart, JobFailed, WorkersLost, run_jobs

FORMAT = 3  # of study.json and the seeds' files


class Variant(NamedTuple):
    """What a study compares.

    label      its name in tables, pictures and file names
    algorithm  a name in ALGORITHMS
    config     settings that differ from the algorithm's defaults, a dict
    change     None, or a name in changes.CHANGES: what is wrong in each training
    """

    label: str
    algorithm: str
    config: dict
    change: str | None = None


class Job(NamedTuple):
    """One seed of one variant: the arguments of `train_one`. Plain data, so it can be sent."""

    algorithm: str
    env_id: str
    config: dict
    seed: int
    eval_episodes: int
    evaluations: int
    change: str | None
    label: str


# -------------------------------------------------------------- the folder


def complete_variants(env_id, variants, seed):
    """The Variants as dicts with complete settings. Raises ValueError for what does not train."""
    complete = []
    for variant in variants:
        module = ALGORITHMS[variant.algorithm]
        config = module.Config(**as_settings(variant.config))
        try:
            new_trainer(module, env_id, config, seed).envs.close()
        except (ValueError, KeyboardInterrupt):
            raise
        except BaseException as error:  # an environment may be anybody's, and raise anything
            raise ValueError(f"{env_id} cannot be trained in: {JobFailed.of(error)}") from error
        complete.append({**variant._asdict(), "config": dataclasses.asdict(config)})
    return complete


class StudyFolder:
    """One study's folder, held by this process; see the top of this file for what is in it."""

    def __init__(self, path, settings, lock, remarks=()):
        """remarks: lines that the user should read."""
        self.path, self.settings, self._lock, self.remarks = path, settings, lock, [*remarks]

    @classmethod
    def claim(
        cls, runs_dir, env_id, variants, seeds, eval_episodes, evaluations=EVALUATIONS, name=None
    ):
        """The folder in which this study was interrupted, or a new one.

        variants  list of Variant; later ones are compared with the first
        seeds     list of ints
        name      of the folder; by default made from the rest

        Nothing that such a folder holds is imported or executed: the study is what the
        arguments say, and what is read of it is compared with them.
        Raises ValueError, naming the setting, for settings that no Trainer would take, or
        naming the file, for one that is none; and CannotWrite.
        """
        if len({safe_name(variant.label) for variant in variants}) < len(variants):
            raise ValueError("variants must have different labels")
        complete = complete_variants(env_id, variants, seeds[0])
        settings = {
            "env_id": env_id,
            "variants": complete,
            "seeds": list(seeds),
            "eval_episodes": eval_episodes,
            "evaluations": evaluations,
            "versions": versions(env_id),
            "code_sha256": code_digest(env_id, variants),
        }
        settings = json.loads(json.dumps(settings))  # as it will be read back
        labels = "-".join(variant.label for variant in variants)
        name = name or safe_name(f"study-{env_id}-{labels}-seeds{seeds[0]}-{seeds[-1]}")

        def fill(path):
            started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            about = {"format": FORMAT, "settings": settings, "started": started}
            write_json(path / "study.json", about)
            (path / "seeds").mkdir()

        while True:
            there = Path(runs_dir).glob(f"{name}*")
            own = [path for path in there if re.fullmatch(r"(-\d+)?", path.name[len(name) :])]
            remarks = []
            for path in sorted(own, key=lambda path: len(path.name)):
                regular(path / "study.json")
                try:
                    if read_json(path / "study.json").get("settings") != settings:
                        continue  # another study, such as one of earlier code
                    folder = cls(path, settings, hold(path), remarks)
                except ValueError as error:
                    remarks.append(f"passed over: {one_line(error)}")
                    continue
                folder.check()
                return folder
            with contextlib.suppress(ValueError):  # whoever starts this study now was faster
                path = new_folder(runs_dir, name, fill)
                return cls(path, settings, hold(path), remarks)

    def check(self):
        """See to it that seeds can be kept, and remark on those that cannot be used."""
        folder, useless = self / "seeds", []
        if (folder.is_symlink() or folder.exists()) and not folder.is_dir():
            raise ValueError(f"{folder} is no folder; move it away")
        folder.mkdir(exist_ok=True)
        for job in self.jobs():
            try:
                self.read(job)
            except ValueError as error:
                regular(self.seed_file(job))
                useless.append(one_line(error))
        if useless:
            more = f" (and {len(useless) - 1} more)" if len(useless) > 1 else ""
            self.remarks.append(f"{useless[0]}{more}; trained again")

    def __truediv__(self, name):
        return self.path / name

    def jobs(self):
        """Every job of the study, finished or not: a list of Job, all variants of a seed together.

        The settings are complete, so that a cluster's workers need no defaults.
        """
        same = {name: self.settings[name] for name in ("env_id", "eval_episodes", "evaluations")}
        return [
            Job(seed=seed, **variant, **same)
            for seed in self.settings["seeds"]
            for variant in self.settings["variants"]
        ]

    def seed_file(self, job):
        """Where a finished seed is kept."""
        return self / "seeds" / f"{safe_name(job.label)}-{job.seed}.json"

    def origin(self, job):
        """What a seed's file says about where its numbers come from."""
        return {"format": FORMAT, "code_sha256": self.settings["code_sha256"], **job._asdict()}

    def save(self, job, result):
        """Keep a finished seed."""
        write_json(self.seed_file(job), {**self.origin(job), **result})

    def read(self, job):
        """A finished seed's result, None without its file. Raises ValueError if it is no use."""
        path = self.seed_file(job)
        if not regular(path).exists():
            return None
        kept = read_json(path)
        for name, value in self.origin(job).items():
            if kept.get(name) != value:
                raise ValueError(f"{path} is of another training: its {name} differs")
        try:
            check_result(kept)
        except ValueError as error:
            raise ValueError(f"{path} is damaged: {error}") from None
        return kept

    def load(self, job):
        """A finished seed's result, or None; one of another training counts as not there."""
        with contextlib.suppress(ValueError):
            return self.read(job)
        return None


# --------------------------------------------------------------- the study


def train_seeds(folder, workers):
    """Train every seed of a StudyFolder that is not finished, and keep each as it ends.

    workers  lab.study.workers.Cores or Cluster
    Returns (results, failures): a list of dicts in the jobs' order, and a list of
    {"label", "seed", "error", "traceback"}. Raises WorkersLost.
    """
    jobs = folder.jobs()
    results = {folder.seed_file(job): folder.load(job) for job in jobs}
    due = [job for job in jobs if results[folder.seed_file(job)] is None]
    first = done = len(jobs) - len(due)
    failures, start = [], time.monotonic()
    with contextlib.closing(Progress("{n} of {total} seeds", len(jobs), done)) as progress:
        for job, result in run_jobs(train_one, due, workers):
            done, note = done + 1, ""
            if isinstance(result, Exception):
                failure = {"error": str(result), "traceback": result.trace}
                failures.append({"label": job.label, "seed": job.seed, **failure})
                progress.say(f"{job.label} seed {job.seed} failed: {result}")
            else:
                folder.save(job, result)
                results[folder.seed_file(job)] = result
                note = f"{job.label} {result['greedy_return_mean']:.0f}"
            seconds = time.monotonic() - start
            left = seconds / (done - first) * (len(jobs) - done)
            progress.show(done, note, f"{done:>6,} of {len(jobs):,} seeds {seconds:>9,.1f} s", left)
    return [result for result in results.values() if result], failures


def run_study(folder, workers, report):
    """Run a study to its end -> did every seed end well?

    workers   Cores or Cluster; they are stopped at the end
    report    called as report(folder, results, failures) with what came out

    Interrupted, or left by its workers, it says how far it came; the same command goes on.
    """
    jobs = folder.jobs()

    def finished():
        return sum(folder.load(job) is not None for job in jobs)

    def saved():
        return f"{finished()} of {len(jobs)} seeds are saved. The same command goes on from there"

    due = len(jobs) - finished()
    todo = f"{due} of {len(jobs)} seeds to train with {workers}" if due else "every seed is trained"
    print("\n".join([*folder.remarks, f"{folder.path}: {todo}"]))
    try:
        with workers:
            results, failures = train_seeds(folder, workers)
    except KeyboardInterrupt:
        print(f"\n{saved()}")
        raise
    except CannotStart:
        raise
    except WorkersLost as error:
        raise WorkersLost(f"{error}; {saved()}") from None
    report(folder, results, failures)
    return not failures


def report(folder, results, failures, picture=True):
    """Print and keep what a study says, and draw it -> its summary, what results.json holds."""
    from lab.study import columns, statistics
    from lab.study.picture import draw_study

    summary = statistics.summarize(folder.settings, results, failures)
    write_json(folder / "results.json", summary)
    print(f"\n{columns.summary_text(summary)}\n")
    if picture and results:
        try:
            draw_study(folder.settings, results, summary, folder.path)
        except CannotWrite:
            raise
        except Exception as error:  # matplotlib may find no room, no fonts, no folder of its own
            print(f"no picture: {JobFailed.of(error)}")
    print(f"saved: {folder.path}")
    return summary


def parse_seeds(text):
    """ "0-4,7" -> [0, 1, 2, 3, 4, 7]. Raises ValueError in one line."""
    seeds = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)):
            raise ValueError(f"must look like 0-19 or 0-4,7,9, not {text!r}")
        low, high = int(first), int(last or first)
        if high < low:
            raise ValueError(f"has the range {part}, which ends before it begins")
        if len(seeds) + high - low >= MOST_SEEDS:
            raise ValueError(f"has, up to {part}, more than {MOST_SEEDS:,} seeds")
        seeds += range(low, high + 1)
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"names a seed twice: {text}")
    return sorted(seeds)
