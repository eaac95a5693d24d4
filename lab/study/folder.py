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
with one thing changed (lab/study/ablation.py).
"""

import ast
import contextlib
import dataclasses
import hashlib
import json
import math
import time
import traceback
from pathlib import Path
from typing import NamedTuple

from environments import one_line
from lab.runs import (
    ALGORITHMS,
    Progress,
    as_settings,
    final_judgement,
    hold,
    judged,
    new_folder,
    new_trainer,
    read_json,
    returns_when_begun,
    safe_name,
    versions,
    write_json,
)
from lab.study.workers import PROJECT, WorkersLost, run_jobs

FORMAT = 3  # of study.json and the seeds' files
MOST_SEEDS = 100_000
EVALUATIONS = 50  # of a training, unless a study is told otherwise
# The code that decides a seed's results.
DECIDING = (
    "nn distributions policies advantages rollout vpg ppo ppo_penalty training "
    "arrays config environments normalization lab/runs/judging lab/study/ablation"
)


NUMBERS = "greedy_return_mean", "sampled_return_mean", "train_seconds"  # of every seed


class Variant(NamedTuple):
    """What a study compares.

    label      its name in tables, pictures and file names
    algorithm  a name in ALGORITHMS
    config     settings that differ from the algorithm's defaults, a dict
    change     None, or a name in ablation.CHANGES: what is done to each Trainer
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


# ---------------------------------------------------------------- one seed


def train_one(
    algorithm, env_id, config, seed, eval_episodes, evaluations=EVALUATIONS, change=None, label=None
):
    """Train one seed and judge it -> a dict of plain numbers, lists and strings, fit for JSON.

    config         the settings that differ from the defaults, a dict
    eval_episodes  fresh episodes of each evaluation
    evaluations    of the greedy policy, spread over the training
    change, label  as in Variant

    The same arguments give the same bits in every process of a machine (times aside).
    """
    module = ALGORITHMS[algorithm]
    trainer = new_trainer(module, env_id, module.Config(**as_settings(config)), seed)
    if change is not None:
        from lab.study.ablation import CHANGES

        CHANGES[change](trainer)
    episodes, looks = [], []
    for _, returns in judged(trainer, evaluations, eval_episodes):
        episodes += trainer.rollout.episodes
        if returns is not None:
            looks.append((trainer.env_steps, returns.mean(), trainer.train_seconds))
    steps, means, seconds = zip(*looks, strict=True)
    judgement = final_judgement(trainer, steps, means, eval_episodes)
    trainer.envs.close()
    second_at = dict(zip(steps, seconds, strict=True))
    began, _, totals, lengths = zip(*episodes, strict=True) if episodes else ((),) * 4
    total_steps = trainer.config.total_steps
    _, curve = returns_when_begun(began, totals, lengths, trainer.config.num_envs, total_steps)
    return {
        "label": label or algorithm,
        "seed": seed,
        **judgement,
        "solved_at_second": second_at.get(judgement["solved_at_step"]),
        "parameters_sha256": digest(trainer),
        "curve": [float(mean) if math.isfinite(mean) else None for mean in curve],
    }


def digest(trainer):
    """A fingerprint of all that was learned: equal exactly if every bit is."""
    data = trainer.policy.parameters.tobytes() + trainer.value.parameters.tobytes()
    return hashlib.sha256(data).hexdigest()


# -------------------------------------------------------------- the folder


def code_digest():
    """A fingerprint of what decides a seed's results; comments don't count."""
    paths = [PROJECT / f"{name}.py" for name in DECIDING.split()]
    trees = [ast.dump(ast.parse(path.read_text("utf-8"))) for path in paths]
    return hashlib.sha256("\n".join(trees).encode()).hexdigest()


class StudyFolder:
    """One study's folder, held by this process; see the top of this file for what is in it."""

    def __init__(self, path, settings, lock):
        self.path, self.settings, self._lock = path, settings, lock

    @classmethod
    def claim(
        cls, runs_dir, env_id, variants, seeds, eval_episodes, evaluations=EVALUATIONS, name=None
    ):
        """The folder in which this study was interrupted, or a new one.

        variants  list of Variant; later ones are compared with the first
        seeds     list of ints
        name      of the folder; by default made from the rest

        Raises ValueError, naming the setting, for settings that no Trainer would take,
        and CannotWrite.
        """
        if len({safe_name(variant.label) for variant in variants}) < len(variants):
            raise ValueError("variants must have different labels")
        complete = []
        for variant in variants:
            module = ALGORITHMS[variant.algorithm]
            config = module.Config(**as_settings(variant.config))
            new_trainer(module, env_id, config, seeds[0]).envs.close()  # refuses what doesn't fit
            complete.append({**variant._asdict(), "config": dataclasses.asdict(config)})
        settings = {
            "env_id": env_id,
            "variants": complete,
            "seeds": list(seeds),
            "eval_episodes": eval_episodes,
            "evaluations": evaluations,
            "versions": versions(env_id),
            "code_sha256": code_digest(),
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
            for path in sorted(Path(runs_dir).glob(f"{name}*"), key=lambda path: len(path.name)):
                with contextlib.suppress(ValueError):  # no study, another one, or one at work
                    if read_json(path / "study.json").get("settings") == settings:
                        (path / "seeds").mkdir(exist_ok=True)
                        return cls(path, settings, hold(path))
            with contextlib.suppress(ValueError):  # whoever starts this study now was faster
                path = new_folder(runs_dir, name, fill)
                return cls(path, settings, hold(path))

    def __truediv__(self, name):
        return self.path / name

    def jobs(self):
        """Every job of the study, finished or not: a list of Job, all variants of a seed together.

        The settings are complete, so that a cluster's workers need no defaults.
        """
        own = self.settings
        return [
            Job(
                *(variant["algorithm"], own["env_id"], variant["config"], seed),
                *(own["eval_episodes"], own["evaluations"], variant["change"], variant["label"]),
            )
            for seed in own["seeds"]
            for variant in own["variants"]
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

    def load(self, job):
        """A finished seed's result, or None; one of another training counts as not there."""
        with contextlib.suppress(ValueError):
            kept = read_json(self.seed_file(job))
            numbers = [kept.get(name) for name in NUMBERS]
            whole = all(isinstance(number, float) and math.isfinite(number) for number in numbers)
            if whole and all(kept.get(name) == value for name, value in self.origin(job).items()):
                return kept
        return None


# --------------------------------------------------------------- the study


def run_study(folder, workers):
    """Train every seed of a StudyFolder that is not finished, and keep each as it ends.

    workers  lab.study.workers.Cores or Cluster
    Returns (results, failures): a list of dicts in the jobs' order, and a list of
    {"label", "seed", "error", "traceback"}. Raises WorkersLost.
    """
    jobs = folder.jobs()
    results = {folder.seed_file(job): folder.load(job) for job in jobs}
    due = [job for job in jobs if results[folder.seed_file(job)] is None]
    done, failures, start = len(jobs) - len(due), [], time.monotonic()
    with contextlib.closing(Progress("{n} of {total} seeds", len(jobs), done)) as progress:
        for job, result in run_jobs(train_one, due, workers):
            done, note = done + 1, ""
            if isinstance(result, Exception):
                error = f"{type(result).__name__}: {one_line(result)}"
                lines = "".join(traceback.format_exception(result))
                failures.append(
                    {"label": job.label, "seed": job.seed, "error": error, "traceback": lines}
                )
                progress.say(f"{job.label} seed {job.seed} failed: {error}")
            else:
                folder.save(job, result)
                results[folder.seed_file(job)] = result
                note = f"{job.label} {result['greedy_return_mean']:.0f}"
            seconds = time.monotonic() - start
            progress.show(done, note, f"{done:>6,} of {len(jobs):,} seeds {seconds:>9,.1f} s")
    return [result for result in results.values() if result], failures


def conduct(folder, workers, conclude):
    """Run a study to its end -> did every seed end well?

    workers   Cores or Cluster; they are stopped at the end
    conclude  called as conclude(folder, results, failures) with what came out

    Interrupted, or left by its workers, it says how far it came; the same command goes on.
    """
    jobs = folder.jobs()

    def finished():
        return sum(folder.load(job) is not None for job in jobs)

    def where():
        return f"{finished()} of {len(jobs)} seeds are saved. The same command goes on from there"

    due = len(jobs) - finished()
    todo = f"{due} of {len(jobs)} seeds to train with {workers}" if due else "every seed is trained"
    print(f"{folder.path}: {todo}")
    try:
        with workers:
            results, failures = run_study(folder, workers)
    except KeyboardInterrupt:
        print(f"\n{where()}")
        raise
    except WorkersLost as error:
        raise WorkersLost(f"{error}; {where()}") from None
    conclude(folder, results, failures)
    return not failures


def conclude(folder, results, failures, picture=True):
    """Print and keep what a study says, and draw it -> its summary, what results.json holds."""
    from lab.study import columns, statistics
    from lab.study.picture import draw_study

    summary = statistics.summarize(folder.settings, results, failures)
    write_json(folder / "results.json", summary)
    print(f"\n{columns.report(summary)}\n")
    if picture and results:
        draw_study(folder.settings, results, summary, folder.path)
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
