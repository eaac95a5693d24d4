"""The run folder: what a training run leaves on disk, and how it is read back.

    config.json      everything needed to repeat the run, and where each part of it ran
    progress.csv     one row an iteration
    episodes.csv     one row an episode
    checkpoint.npz   the latest state of the training
    best.npz         its state at the best evaluation
    summary.json     how it ended
    learning_curve.png, episode.gif

Every file appears whole or not at all (lab/kit/files.py); the two CSV files grow
by whole rows. They are on the disk before a checkpoint that counts on them is, so
that after a power cut too no row before the checkpoint is missing.

Nothing in a run folder is ever executed or imported: it holds plain numbers and text
(no pickle), each of which must be as lab/runs/contents.py says; and an environment of
somebody's own, "module:Id", is made only for who names it.
"""

import dataclasses
import io
import json
import math
import reprlib
import shlex
import time
import zipfile
from itertools import pairwise
from pathlib import Path

import gymnasium as gym
import numpy as np

from environments import closed_if_it_fails, one_line, reward_threshold
from lab.kit import (
    flush,
    hold,
    lesson,
    new_folder,
    read_json,
    regular,
    replace_whole,
    write_json,
    writing,
)
from lab.runs.algorithms import ALGORITHMS
from lab.runs.contents import ARRAYS, FORMAT, LOGS, check_checkpoint, check_config
from lab.runs.judging import new_trainer
from lab.runs.machine import processor, versions
from learner import overwrite
from normalization import Normalized, RunningNormalizer
from policies import CategoricalPolicy, GaussianPolicy
from promises import short
from rollout import Actor

CHECKPOINT, BEST, SUMMARY = "checkpoint.npz", "best.npz", "summary.json"
PICTURES = CURVE, RECORDING = "learning_curve.png", "episode.gif"


# ------------------------------------------------------- what a run says about itself


def algorithm_name(algorithm):
    """What a module of the lesson is called on the command line and in files."""
    return algorithm.__name__.replace("_", "-")


def as_settings(config):
    """A config dict whose lists (JSON has no tuples) are tuples."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in config.items()}


def identity(trainer):
    """What a run's config.json and all its checkpoints have in common, a dict."""
    return {
        "format": FORMAT,
        "algorithm": algorithm_name(trainer.algorithm),
        "env_id": trainer.env_id,
        "seed": trainer.seed,
    }


def describe(trainer, judging, sessions=()):
    """The content of config.json, a dict; sessions: those that this run has had before."""
    space = trainer.envs.single_action_space
    discrete = isinstance(space, gym.spaces.Discrete)
    return {
        **identity(trainer),
        "obs_dim": trainer.envs.single_observation_space.shape[0],
        **({"num_actions": int(space.n)} if discrete else {"action_dim": space.shape[0]}),
        "action_space": action_numbers(space),
        "reward_threshold": reward_threshold(trainer.env_id),
        "config": dataclasses.asdict(trainer.config),
        "judging": judging,
        **({"lesson": lesson()} if lesson() else {}),
        "sessions": [
            *sessions,
            {
                "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "at_step": trainer.env_steps,
                "versions": versions(trainer.env_id),
                "processor": processor(),
            },
        ],
    }


def action_numbers(space):
    """What must be known of an action space besides its size, a dict fit for JSON."""
    if isinstance(space, gym.spaces.Discrete):
        return {"start": int(space.start)}
    bounds = {"low": space.low.tolist(), "high": space.high.tolist()}
    finite = {k: [x if math.isfinite(x) else None for x in bound] for k, bound in bounds.items()}
    return {**finite, "dtype": space.dtype.name}


def action_space_of(about):
    """The action space that a config.json tells of."""
    numbers = about["action_space"]
    if about.get("num_actions"):
        return gym.spaces.Discrete(about["num_actions"], start=numbers["start"])
    dtype = np.dtype(numbers["dtype"])
    low, high = (
        np.array([end if x is None else x for x in numbers[name]], dtype)
        for name, end in (("low", -np.inf), ("high", np.inf))
    )
    return gym.spaces.Box(low, high, (about["action_dim"],), dtype)


# ---------------------------------------------------------------- checkpoints


def pack(trainer, **more):
    """The bytes of a checkpoint: the trainer's state as an .npz of plain arrays and JSON text."""
    arrays, numbers = trainer.state()
    buffer = io.BytesIO()
    np.savez(buffer, **arrays, numbers=json.dumps({**identity(trainer), **numbers, **more}))
    return buffer.getvalue()


def unpack(path):
    """Read a checkpoint -> (arrays, numbers), as Trainer.state gave them.

    Raises ValueError in one line for anything that is not a whole checkpoint of
    this program, such as a truncated, foreign, newer or pickled file.
    """
    try:
        with open(regular(path), "rb") as file:
            with zipfile.ZipFile(file) as archive:
                if any(entry.compress_type for entry in archive.infolist()):
                    raise ValueError("its arrays are compressed")  # to any size at all
            with np.load(file, allow_pickle=False) as saved:
                numbers = json.loads(str(saved["numbers"]))
                version = reprlib.repr(numbers["format"])
                if version != repr(FORMAT):
                    raise ValueError(f"its format is {version}, not {FORMAT}")
                arrays = {name: saved[name] for name in ARRAYS if name in saved}
        check_checkpoint(arrays, numbers)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except Exception as error:  # a file that was made to harm may let its reader raise anything
        raise ValueError(f"{path} is no checkpoint of this program ({one_line(error)})") from None
    return arrays, numbers


# ----------------------------------------------------------------- the folder


class RunFolder:
    """One run's folder; see the top of this file for what is in it.

    `RunFolder.create` makes a new one, `RunFolder(path)` opens one that exists.
    Whatever cannot be written (a full disk, say) raises CannotWrite, an OSError.

    env_id  of the run, if the user has said so: no module of an environment of somebody's
            own, "module:Id", is imported because a file names it
    """

    def __init__(self, path, env_id=None):
        self.path, self.env_id = Path(path), env_id

    def __truediv__(self, name):
        return self.path / name

    @classmethod
    def create(cls, runs_dir, trainer, **judging):
        """A new folder, named after the run, holding config.json and a first checkpoint.

        An earlier run's folder is left alone: the new one gets the suffix -2, -3, …
        judging  how the run is judged and ends, for `resume`: evaluations, eval_episodes,
                 max_episodes, as runner.run_training takes them
        """

        def fill(path):
            write_json(path / "config.json", describe(trainer, judging))
            cls(path).save(CHECKPOINT, trainer)

        name = f"{trainer.env_id}-{algorithm_name(trainer.algorithm)}-seed{trainer.seed}"
        return cls(new_folder(runs_dir, name, fill), trainer.env_id)

    def lock(self):
        """Keep other processes from writing here until this one ends, however it ends.

        Raises ValueError if another process holds the folder or it is no run's,
        CannotWrite if it cannot be written.
        """
        self.about()  # in a folder that is no run's, leave not even a lock
        for name in (*LOGS, CHECKPOINT, BEST, SUMMARY, *PICTURES):
            regular(self / name)
        self._lock = None  # let go of what this object held before
        self._lock = hold(self.path)

    def about(self):
        """The content of config.json. Raises ValueError in one line if it is no run's."""
        path = self / "config.json"
        if self.path.is_file():
            own = self.path.parent if (self.path.parent / "config.json").exists() else None
            such = own or "such as runs/CartPole-v1-ppo-seed0"
            raise ValueError(f"{self.path} is a file; what is meant is a run's folder, {such}")
        about = read_json(path)
        if about.get("format") != FORMAT:
            raise ValueError(f"{path} has format {reprlib.repr(about.get('format'))}, not {FORMAT}")
        try:
            check_config(about)
            config = ALGORITHMS[about["algorithm"]].Config(**as_settings(about["config"]))
        except (TypeError, ValueError) as error:
            said = "".join(letter for letter in short(error, 300) if letter.isprintable())
            raise ValueError(f"{path} is damaged: {said}") from None
        about["config"] = dataclasses.asdict(config)  # with those that are not in the file
        judging = about.get("judging") or {}
        about["judging"] = {name: value for name, value in judging.items() if value is not None}
        about.setdefault("reward_threshold", None)
        return about

    # ------------------------------------------------------------- checkpoints

    def save(self, name, trainer, **more):
        """Write the trainer's state to `name` (CHECKPOINT or BEST); more: numbers to note in it."""
        columns = {}
        for log in LOGS:
            if (self / log).exists():
                with writing(self / log), open(self / log, "r+b") as file:
                    flush(file)
                    first = file.readline().decode("utf-8", "replace").strip()
                columns |= {log: first} if first else {}
        replace_whole(self / name, pack(trainer, columns=columns, **more))

    def shown(self):
        """The checkpoint worth looking at: the best, or the latest before any evaluation."""
        return BEST if (self / BEST).exists() else CHECKPOINT

    def best_return(self):
        """The mean greedy return at the best evaluation so far, -inf if there was none."""
        best = self.unpack(BEST)[1].get("greedy_return") if (self / BEST).exists() else None
        return -math.inf if best is None else best

    def owed(self):
        """The statistics of the last iteration if its evaluation was broken off, otherwise None."""
        return self.unpack(CHECKPOINT)[1].get("owed")

    def unpack(self, name):
        """`unpack` a checkpoint of this run. Raises ValueError if it is another run's."""
        arrays, numbers = unpack(self / name)
        about = self.about()
        for key in ("algorithm", "env_id", "seed"):
            if numbers[key] != about[key]:
                raise ValueError(
                    f"{self / name} is of another run: its {key} is {numbers[key]}, "
                    f"that of config.json {about[key]}"
                )
        return arrays, numbers

    def load_trainer(self, name=CHECKPOINT, **changes):
        """The Trainer that goes on from a checkpoint of this folder.

        `changes` are settings that replace the saved ones (total_steps, say).
        Raises ValueError in one line if the folder is no run's or the
        checkpoint cannot be used.
        """
        about = self.about()
        env_id = about["env_id"]
        if self.env_id not in (None, env_id):
            raise ValueError(f"{self.path} is of {env_id}, not of {self.env_id}")
        if ":" in env_id and self.env_id is None:
            raise ValueError(
                f"{self.path} is of {env_id}; its module is only imported if you name it: "
                f"--env {shlex.quote(env_id)}"
            )
        if about.get("lesson") != lesson():
            remedy = f"with --lesson {about['lesson']}" if "lesson" in about else "without --lesson"
            raise ValueError(f"{self.path} was trained {remedy}; it goes on in the same way")
        arrays, numbers = self.unpack(name)
        algorithm = ALGORITHMS[about["algorithm"]]
        try:
            config = algorithm.Config(**{**as_settings(about["config"]), **changes})
            trainer = new_trainer(algorithm, env_id, config, about["seed"])
            with closed_if_it_fails(trainer.envs), np.errstate(over="raise"):
                trainer.restore(arrays, numbers)  # "over": of numbers that only float64 holds
        except Exception as error:  # as in unpack
            raise ValueError(f"{self.path} cannot be used: {one_line(error)}") from None
        return trainer

    def resume(self, media=True, max_episodes=None, **changes):
        """Lock the folder and take the run up where it stopped -> its Trainer.

        media         whether pictures that are missing are something to go on for
        max_episodes  at which it ends even before its last step; None: as it was begun
        changes       as in load_trainer

        A run that ended before it was judged or drawn is taken up too. Raises
        ValueError in one line if there is nothing left to do, or as load_trainer
        does; CannotWrite.
        """
        self.lock()  # first: what is read after this, nobody else changes
        try:
            trainer = self.load_trainer(**changes)
            with closed_if_it_fails(trainer.envs):
                self.best_return()  # damage is told now, not in mid-training
                about = self.about()
                goal = changes.get("total_steps", math.inf)
                limit = max_episodes or about["judging"].get("max_episodes") or math.inf
                self._refuse_what_is_done(trainer, media, goal, limit)
                self.trim(trainer)
                about = describe(trainer, about["judging"], about["sessions"])
                write_json(self / "config.json", about)
            return trainer
        except BaseException:
            self._lock.release(force=True)
            raise

    def _refuse_what_is_done(self, trainer, media, goal, limit):
        """Raise ValueError if a trainer has reached its goal (steps) or its limit (episodes)."""
        at, total = f"{self.path} is at step {trainer.env_steps:,}", trainer.config.total_steps
        if goal <= trainer.env_steps:
            raise ValueError(
                f"{at} already; "
                "--total-steps N must be more, or be left out to finish it as it was begun"
            )
        steps_done, episodes_done = trainer.env_steps >= total, trainer.episodes >= limit
        if (steps_done or episodes_done) and not self.missing(trainer, media):
            option = "--total-steps" if steps_done else "--max-episodes"
            raise ValueError(f"{at} of {total:,} and complete; {option} N goes further")

    def missing(self, trainer, media=True):
        """The files that a run at its end still lacks, a list of names.

        A summary of an earlier end counts as missing, and so do pictures from before it.
        """
        try:
            at_step = read_json(self / SUMMARY).get("env_steps")
        except ValueError:
            at_step = None
        pictures = PICTURES if media else ()
        if at_step != trainer.env_steps:
            return [SUMMARY, *pictures]
        there = [name for name in (SUMMARY, *pictures) if (self / name).exists()]
        written = {name: (self / name).stat().st_mtime_ns for name in there}
        return [name for name in pictures if written.get(name, -1) < written[SUMMARY]]

    # --------------------------------------------------------------- CSV files

    def append(self, name, rows):
        """Add rows (dicts of numbers with the same keys) to a CSV file that has these columns."""
        if not rows:
            return
        first, path = ",".join(rows[0]), self / name
        with writing(path), open(path, "a+", encoding="utf-8", newline="") as file:
            file.seek(0)
            there = file.readline().strip()
            columns = (there or first).split(",")  # in the file's own order, if it has one
            if sorted(columns) != sorted(rows[0]):
                raise OSError(f"it is damaged: its first line is not {first}")
            file.writelines([] if there else [f"{first}\n"])
            for row in rows:
                file.write(",".join(number_text(row[column]) for column in columns) + "\n")

    def lines(self, name):
        """A CSV file's lines, bytes; without what a crash left at the end: half a one, or zeros."""
        path = regular(self / name)
        content = path.read_bytes().rstrip(b"\0") if path.exists() else b""
        return content[: content.rfind(b"\n") + 1].splitlines(keepends=True)

    def read(self, name):
        """A CSV file's columns, name -> float array (rows,); nothing if it has no row yet.

        Raises ValueError, naming the line, if it is damaged.
        """
        damaged, rows = f"{self / name} is damaged", []
        lines = [line.decode("utf-8", "replace").strip() for line in self.lines(name)]
        names = lines[0].split(",") if lines else [*LOGS[name]]
        for column in LOGS[name]:
            if names.count(column) != 1:
                raise ValueError(f"{damaged}: its first line names no column {column}")
        for number, line in enumerate(lines[1:], 2):
            try:
                rows.append([float(text or "nan") for text in line.split(",")])
            except ValueError:
                rows.append(())
            if len(rows[-1]) != len(names):
                raise ValueError(f"{damaged} in line {number}; without it the run goes on")
        columns = dict(zip(names, np.array(rows).T, strict=True)) if rows else {}
        for column in columns.keys() & LOGS[name]:
            kind, values = LOGS[name][column], columns[column]
            for wrong in np.flatnonzero(~kind.holds(values))[:1]:
                what = f"{column} is {values[wrong]:g}; it must be {kind.name}"
                raise ValueError(f"{damaged} in line {wrong + 2}: {what}")
        return columns

    def trim(self, trainer):
        """Drop CSV rows from after the trainer's state, so that the files go on without a gap.

        A run that was killed may have written rows since its last checkpoint; and the row
        whose evaluation is owed is written when it has been made up for. Raises ValueError
        if a file is damaged, before anything is dropped.
        """
        numbers, kept = self.unpack(CHECKPOINT)[1], {}
        noted, owed = numbers.get("columns") or {}, numbers.get("owed") is not None
        for name, last in zip(LOGS, (trainer.iteration - owed, trainer.env_steps), strict=True):
            counts = self.read(name).get(next(iter(LOGS[name])), ())
            first, *rows = self.lines(name) or [b""]
            columns = first.decode("utf-8", "replace").strip()
            if columns and columns != noted.get(name, columns):
                raise ValueError(f"{self / name} is damaged: its first line is not {noted[name]}")
            rows = [row for row, count in zip(rows, counts, strict=True) if count <= last]
            kept[name] = b"".join([first, *rows])
        for name, content in kept.items():
            if (self / name).exists():
                replace_whole(self / name, content)


def load_policy(run, name=None):
    """The policy of a run folder, from the environment's own observations to its own actions.

    name  of a checkpoint; None: the best

    No environment is made. `policy.greedy(obs)` takes observations (N,D) of any dtype to the
    likeliest actions, `policy.sample(obs, rng)` draws them (and gives their log-
    probabilities). Actions are as `env.step` takes them: (N,) int for a Discrete space,
    counted from its start; (N,A) for a Box, within its bounds and in its dtype. A run with
    normalised observations normalises them here too. Raises ValueError in one line.
    """
    folder = RunFolder(run)
    about, name = folder.about(), name or folder.shown()
    arrays, _ = folder.unpack(name)
    try:
        config = ALGORITHMS[about["algorithm"]].Config(**as_settings(about["config"]))
        discrete, obs_dim = about.get("num_actions"), about["obs_dim"]
        outputs = discrete or about["action_dim"]
        sizes = obs_dim, *config.hidden_sizes, outputs
        size = sum((a + 1) * b for a, b in pairwise(sizes)) + (0 if discrete else outputs)
        if len(arrays["policy"]) != size:  # before memory is asked for
            raise ValueError("the saved weights don't fit its network")
        kind = CategoricalPolicy if discrete else GaussianPolicy
        rng = np.random.default_rng(0)  # for weights that are overwritten
        policy = kind(obs_dim, outputs, config.hidden_sizes, rng, config.activation)
        live, normalizer = {"policy": policy.parameters}, RunningNormalizer(obs_dim)
        if config.normalize_observations:
            live |= {"obs_mean": normalizer.mean, "obs_variance": normalizer.variance}
            policy = Normalized(policy, normalizer)
        with np.errstate(over="raise"):
            overwrite(live, arrays)
        return Actor(policy, action_space_of(about))
    except Exception as error:  # as in unpack
        raise ValueError(f"{folder / name} cannot be used: {one_line(error)}") from None


def number_text(value):
    """A number as CSV text that gives it back: nine digits where they do; nan is nothing."""
    if isinstance(value, (int, np.integer)):
        return str(value)
    if value is None or np.isnan(value):
        return ""
    text = f"{value:.9g}"
    return text if float(text) == value else repr(float(value))
