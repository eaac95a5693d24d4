"""Many seeds: trained on all cores or on a cluster, kept one by one, and judged together.

    runs/study-CartPole-v1-vpg-ppo-seeds0-19/
        study.json           what is studied: settings, versions, the lesson's code (a digest)
        seeds/ppo-7.json     one seed: its curve and how it ended; written whole when it is done
        results.json         the statistics of lab/study/statistics.py
        study.png

A study that was interrupted goes on where it stopped: a seed whose file is
there is not trained again. Another study never goes on in the same folder, and
a study of changed code is another study.

What is compared is a *variant*: an algorithm with some settings, and for
ablations a patch, which changes the lesson's code while one seed trains.
"""

import ast
import contextlib
import dataclasses
import hashlib
import importlib
import json
import math
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import NamedTuple

from environments import reward_threshold
from lab.runs import (
    as_settings,
    read_json,
    returns_when_begun,
    safe_name,
    versions,
    write_json,
)
from lab.study.workers import PROJECT, WorkersLost, run_jobs
from training import Trainer, evaluate

FORMAT = 2  # of study.json and the seeds' files
GLANCE_EPISODES = 10
MOST_SEEDS = 100_000
FAILED, INTERRUPTED = 1, 130  # exit statuses
one_at_a_time = threading.Lock()


class Variant(NamedTuple):
    """What a study compares.

    label      its name in tables, pictures and file names
    algorithm  "vpg" or "ppo"
    config     settings that differ from the algorithm's defaults, a dict
    patch      None, or "module:function": a context manager in which each seed trains
    """

    label: str
    algorithm: str
    config: dict
    patch: str | None = None


class Job(NamedTuple):
    """One seed of one variant: the arguments of `train_one`. Plain data, so it can be sent."""

    algorithm: str
    env_id: str
    config: dict
    seed: int
    eval_episodes: int
    evaluations: int
    patch: str | None
    label: str


# ---------------------------------------------------------------- one seed


def train_one(
    algorithm, env_id, config, seed, eval_episodes, evaluations=100, patch=None, label=None
):
    """Train one seed and judge it -> a dict of plain numbers, lists and strings, fit for JSON.

    config         the settings that differ from the defaults, a dict
    eval_episodes  fresh episodes of each judgement
    evaluations    how often to look, spread over the training, whether it is solved

    "Solved": the greedy policy's mean return over `eval_episodes` fresh episodes
    reaches the environment's own threshold. A glance at a few episodes comes
    first, and looking ends once it is solved; no time spent looking is counted.

    The same arguments give the same bits in every process of a machine (times aside).
    """
    label = label or algorithm
    with one_at_a_time, apply_patch(patch):  # a patch changes modules, which threads share
        module = importlib.import_module(algorithm)
        trainer = Trainer(module, env_id, module.Config(**as_settings(config)), seed)
        total, threshold = trainer.config.total_steps, reward_threshold(env_id)
        episodes = []
        solved_at_step = solved_at_second = None
        looks = 0
        for _ in trainer:
            episodes += trainer.rollout.episodes
            due = trainer.env_steps * evaluations // total
            if threshold is None or solved_at_step is not None or due == looks:
                continue
            looks = due
            if is_solved(trainer, threshold, eval_episodes):
                solved_at_step, solved_at_second = trainer.env_steps, trainer.train_seconds
        greedy, sampled = (
            evaluate(trainer.policy, env_id, eval_episodes, seed, kind) for kind in (True, False)
        )
        trainer.envs.close()
    began, _, totals, lengths = zip(*episodes, strict=True) if episodes else ((),) * 4
    _, curve = returns_when_begun(began, totals, lengths, trainer.config.num_envs, total)
    return {
        "format": FORMAT,
        "label": label,
        "algorithm": algorithm,
        "env_id": env_id,
        "seed": seed,
        "patch": patch,
        "greedy_return_mean": float(greedy.mean()),
        "greedy_return_min": float(greedy.min()),
        "sampled_return_mean": float(sampled.mean()),
        "sampled_return_min": float(sampled.min()),
        "eval_episodes": eval_episodes,
        "reward_threshold": threshold,
        "solved_at_step": solved_at_step,
        "solved_at_second": solved_at_second,
        "env_steps": trainer.env_steps,
        "episodes": trainer.episodes,
        "train_seconds": trainer.train_seconds,
        "parameters_sha256": digest(trainer),
        "versions": versions(env_id),
        "curve": [plain(mean) for mean in curve],
    }


def is_solved(trainer, threshold, episodes):
    """Does the greedy policy reach the threshold, at a glance and then in earnest?"""
    for kind, count in ((1, min(GLANCE_EPISODES, episodes)), (2, episodes)):
        # run.py's own evaluations have the seed (seed, iteration); these are others
        fresh = (trainer.seed, trainer.iteration, kind)
        if evaluate(trainer.policy, trainer.env_id, count, fresh).mean() < threshold:
            return False
    return True


def apply_patch(name):
    """The context manager that a patch "module:function" names."""
    if name is None:
        return contextlib.nullcontext()
    module, function = name.split(":")
    return getattr(importlib.import_module(module), function)()


def plain(number):
    """A float for JSON, which has no nan: None instead."""
    return float(number) if math.isfinite(number) else None


def digest(trainer):
    """A fingerprint of all that was learned: equal exactly if every bit is."""
    data = trainer.policy.parameters.tobytes() + trainer.value.parameters.tobytes()
    return hashlib.sha256(data).hexdigest()


# -------------------------------------------------------------- the folder


def code_digest(variants):
    """A fingerprint of the lesson's code and the variants' patches; comments don't count."""
    patches = {variant.patch.split(":")[0] for variant in variants if variant.patch}
    files = {path for path in PROJECT.glob("*.py") if path.name != "run.py"}
    files |= {PROJECT / f"{module.replace('.', '/')}.py" for module in patches}
    trees = [ast.dump(ast.parse(path.read_text("utf-8"))) for path in sorted(files)]
    return hashlib.sha256("\n".join(trees).encode()).hexdigest()


class StudyFolder:
    """One study's folder; see the top of this file for what is in it.

    `StudyFolder.find` names it, `begin` makes it if it isn't there.
    """

    def __init__(self, path, settings):
        self.path, self.settings = Path(path), settings

    @classmethod
    def find(cls, runs_dir, env_id, variants, seeds, eval_episodes, evaluations=100, name=None):
        """The folder of this study: the one where it was interrupted, or a new one's name.

        variants  list of Variant; later ones are compared with the first
        seeds     list of ints
        name      of the folder; by default made from the rest

        Raises ValueError, naming the setting, for settings that no Trainer would take.
        """
        files = {safe_name(variant.label) for variant in variants}
        if len(files) < len(variants):
            raise ValueError("variants must have different labels")
        complete = []
        for variant in variants:
            module = importlib.import_module(variant.algorithm)
            config = module.Config(**as_settings(variant.config))
            Trainer(module, env_id, config, seeds[0]).envs.close()  # refuses what doesn't fit
            complete.append({**variant._asdict(), "config": dataclasses.asdict(config)})
        settings = {
            "env_id": env_id,
            "variants": complete,
            "seeds": list(seeds),
            "eval_episodes": eval_episodes,
            "evaluations": evaluations,
            "versions": versions(env_id),
            "code_sha256": code_digest(variants),
        }
        settings = json.loads(json.dumps(settings))  # as it will be read back
        if name is None:
            labels = "-".join(variant.label for variant in variants)
            name = safe_name(f"study-{env_id}-{labels}-seeds{seeds[0]}-{seeds[-1]}")
        number = 1
        while True:
            path = Path(runs_dir) / (name if number == 1 else f"{name}-{number}")
            about = path / "study.json"
            if not about.exists():
                return cls(path, settings)
            with contextlib.suppress(ValueError):  # whatever it is, it is not this study
                if read_json(about).get("settings") == settings:
                    return cls(path, settings)
            number += 1

    def __truediv__(self, name):
        return self.path / name

    def begin(self):
        """Make the folder, unless it is there. Raises OSError if it cannot be written."""
        (self / "seeds").mkdir(parents=True, exist_ok=True)
        if not (self / "study.json").exists():
            started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            about = {"format": FORMAT, "settings": self.settings, "started": started}
            write_json(self / "study.json", about)

    def jobs(self):
        """Every job of the study, finished or not: a list of Job, all variants of a seed together.

        The settings are complete, so that a cluster's workers need no defaults.
        """
        return [
            Job(
                variant["algorithm"],
                self.settings["env_id"],
                variant["config"],
                seed,
                self.settings["eval_episodes"],
                self.settings["evaluations"],
                variant["patch"],
                variant["label"],
            )
            for seed in self.settings["seeds"]
            for variant in self.settings["variants"]
        ]

    def seed_file(self, job):
        """Where a finished seed is kept."""
        return self / "seeds" / f"{safe_name(job.label)}-{job.seed}.json"

    def save(self, job, result):
        """Keep a finished seed."""
        write_json(self.seed_file(job), result)

    def load(self, job):
        """A finished seed's result, or None; a file that is damaged counts as not there."""
        with contextlib.suppress(ValueError):
            result = read_json(self.seed_file(job))
            if (result.get("format"), result.get("label")) == (FORMAT, job.label):
                return result
        return None


# --------------------------------------------------------------- the study


class SeedProgress:
    """One live bar for all seeds in a terminal; plain lines, one a tenth of them, elsewhere."""

    def __init__(self, done, total):
        from tqdm import tqdm

        self.done, self.total, self.start, self.first = done, total, time.monotonic(), done
        self.live = sys.stderr.isatty()
        self.next_line = done + (total - done) / 10
        self.bar = tqdm(
            total=total,
            initial=done,
            ncols=79,
            leave=False,
            disable=not self.live,
            bar_format="{percentage:3.0f}% {bar} {n_fmt} of {total_fmt} seeds "
            "ETA {remaining}{postfix}",
        )

    def note(self, job, result):
        """One more seed has ended; result a dict, or the exception that ended it."""
        self.done += 1
        failed = isinstance(result, Exception)
        if failed:
            text = f"{job.label} seed {job.seed} failed: {one_line(result)}"
            self.bar.write(text) if self.live else print(text, flush=True)
        elif self.live:
            self.bar.set_postfix_str(f"{job.label} {result['greedy_return_mean']:.0f}", False)
        self.bar.update()
        if not self.live and self.done >= min(self.next_line, self.total):
            self.next_line += (self.total - self.first) / 10
            seconds = time.monotonic() - self.start
            print(f"{self.done:>6,} of {self.total:,} seeds {seconds:>9,.1f} s", flush=True)

    def close(self):
        self.bar.close()


def one_line(error):
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def run_study(folder, workers):
    """Train every seed of a StudyFolder that is not finished, and keep each as it ends.

    workers  lab.study.workers.Cores or Cluster
    Returns (results, failures): a list of dicts in the jobs' order, and a list of
    {"label", "seed", "error", "traceback"}. Raises WorkersLost.
    """
    folder.begin()
    jobs = folder.jobs()
    results = {key(job): folder.load(job) for job in jobs}
    due = [job for job in jobs if results[key(job)] is None]
    failures = []
    progress = SeedProgress(len(jobs) - len(due), len(jobs))
    with contextlib.closing(progress):
        for job, result in run_jobs(train_one, due, workers):
            if isinstance(result, Exception):
                lines = traceback.format_exception(result)
                failures.append(
                    {
                        "label": job.label,
                        "seed": job.seed,
                        "error": one_line(result),
                        "traceback": "".join(lines),
                    }
                )
            else:
                folder.save(job, result)
                results[key(job)] = result
            progress.note(job, result)
    return [result for result in results.values() if result], failures


def key(job):
    return job.label, job.seed


def conduct(folder, workers, picture=True):
    """Run a study to its end, print and keep what came out -> the program's exit status.

    workers  Cores or Cluster; they are stopped at the end
    picture  whether to draw study.png

    Raises OSError if the folder cannot be written.
    """
    from lab.study import statistics as stats
    from lab.study.picture import draw_study

    jobs = folder.jobs()

    def finished():
        return f"{sum(folder.load(job) is not None for job in jobs)} of {len(jobs)} seeds"

    print(f"{finished()} are there: {folder.path}")
    print(f"working with {workers}")
    try:
        with workers:
            results, failures = run_study(folder, workers)
    except KeyboardInterrupt:
        print(f"\ninterrupted; {finished()} are saved. The same command goes on from there")
        return INTERRUPTED
    except WorkersLost as error:
        print(f"{error}; {finished()} are saved. The same command goes on from there")
        return FAILED
    summary = stats.summarize(folder.settings, results, failures)
    write_json(folder / "results.json", summary)
    print(f"\n{stats.table(summary)}\n")
    if picture and results:
        draw_study(folder.settings, results, summary, folder / "study.png")
    print(f"saved: {folder.path}")
    return FAILED if failures else 0


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
        if high - low >= MOST_SEEDS:
            raise ValueError(f"has the range {part}; at most {MOST_SEEDS:,} seeds")
        seeds += range(low, high + 1)
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"names a seed twice: {text}")
    return sorted(seeds)
