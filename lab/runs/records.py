"""The run folder: what a training run leaves on disk, and how it is read back.

    config.json      everything needed to repeat the run
    progress.csv     one row an iteration
    episodes.csv     one row an episode
    checkpoint.npz   the latest state of the training
    best.npz         its state at the best evaluation
    summary.json     how it ended
    learning_curve.png, episode.gif

Every file appears whole or not at all: it is written beside its final place and
then renamed. The two CSV files grow by whole rows. Checkpoints hold plain
numbers and JSON text; nothing in them is ever executed (no pickle).
"""

import csv
import dataclasses
import importlib
import importlib.metadata
import io
import json
import os
import platform
import shutil
import tempfile
import time
import zipfile
import zlib
from pathlib import Path

import filelock
import numpy as np

from environments import ORIGINAL_GYM
from training import Trainer

FORMAT = 1  # of config.json and the checkpoints; raise it when older programs could misread them
CHECKPOINT, BEST = "checkpoint.npz", "best.npz"
PACKAGES, GYM_PACKAGES = ("numpy", "gymnasium"), ("gym", "shimmy")
ALGORITHMS = ("vpg", "ppo", "ppo_penalty")
# What np.load and json raise for files that are something else, or cut short.
UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, EOFError),
    *(zipfile.BadZipFile, zlib.error),
)


def write_whole(path, data):
    """Write bytes to `path` so that it holds either what it held before or all of `data`."""
    path = Path(path)
    beside = path.with_name(f".{path.name}.new")
    try:
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)  # on a full disk, leave no half file in the way
        raise


def write_json(path, data):
    """Write a dict as readable JSON, whole or not at all."""
    write_whole(path, (json.dumps(data, indent=2) + "\n").encode())


def read_json(path):
    """The dict in a JSON file. Raises ValueError, naming the file, when there is none."""
    try:
        data = json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path} does not hold a JSON object")
    return data


def describe(trainer):
    """The content of config.json for this trainer, a dict."""
    packages = PACKAGES + (GYM_PACKAGES if trainer.env_id.startswith(ORIGINAL_GYM) else ())
    return {
        "format": FORMAT,
        "algorithm": trainer.algorithm.__name__,
        "env_id": trainer.env_id,
        "seed": trainer.seed,
        "config": dataclasses.asdict(trainer.config),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def pack(trainer):
    """The bytes of a checkpoint: the trainer's state as an .npz of plain arrays and JSON text."""
    arrays, numbers = trainer.state()
    identity = {"format": FORMAT, "algorithm": trainer.algorithm.__name__, "env_id": trainer.env_id}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays, numbers=json.dumps({**identity, **numbers}))
    return buffer.getvalue()


def unpack(path):
    """Read a checkpoint -> (arrays, numbers), as Trainer.state gave them.

    Raises ValueError in one line for anything that is not a whole checkpoint of
    this program, such as a truncated, foreign, newer or pickled file.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as saved:
            arrays = {name: saved[name] for name in saved.files}
        numbers = json.loads(str(arrays.pop("numbers")))
        version = numbers["format"]
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path} is no checkpoint of this program ({reason})") from None
    if version != FORMAT:
        raise ValueError(f"{path} has format {version}; this program reads format {FORMAT}")
    return arrays, numbers


class RunFolder:
    """One run's folder; see the top of this file for what is in it.

    `RunFolder.create` makes a new one, `RunFolder(path)` opens one that exists.
    OSError (a full disk, say) passes through to the caller.
    """

    def __init__(self, path):
        self.path = Path(path)

    @classmethod
    def create(cls, runs_dir, trainer):
        """A new folder, named after the run, holding config.json and a first checkpoint.

        It appears under its name only once both are in it. An earlier run's
        folder is left alone: the new one gets the suffix -2, -3, …
        """
        runs_dir = Path(runs_dir)
        runs_dir.mkdir(parents=True, exist_ok=True)
        name = f"{trainer.env_id}-{trainer.algorithm.__name__}-seed{trainer.seed}".replace("/", "-")
        unfinished = cls(tempfile.mkdtemp(prefix=".new-", dir=runs_dir))
        try:
            unfinished.path.chmod(0o755)
            write_json(unfinished / "config.json", describe(trainer))
            unfinished.save(CHECKPOINT, trainer)
            number = 1
            while True:
                path = runs_dir / (name if number == 1 else f"{name}-{number}")
                try:
                    if not path.exists():
                        os.rename(unfinished.path, path)  # fails if another run took the name
                        return cls(path)
                except OSError:
                    if not path.exists():
                        raise
                number += 1
        except BaseException:
            shutil.rmtree(unfinished.path, ignore_errors=True)
            raise

    def lock(self):
        """Keep other processes from writing here until this one ends, however it ends.

        Raises ValueError if another process holds the folder, OSError if it
        cannot be written.
        """
        self._lock = filelock.FileLock(self / ".lock", blocking=False)
        try:
            self._lock.acquire()
        except filelock.Timeout:
            raise ValueError(f"{self.path} is in use by another process") from None

    def __truediv__(self, name):
        return self.path / name

    def save(self, name, trainer):
        """Write the trainer's state to `name` (CHECKPOINT or BEST)."""
        write_whole(self / name, pack(trainer))

    def append(self, name, rows):
        """Add rows (dicts with the same keys) to a CSV file and flush them."""
        if not rows:
            return
        path = self / name
        text = io.StringIO()
        for row in rows:
            writer = csv.DictWriter(text, row.keys(), lineterminator="\n")
            if not text.tell() and not path.exists():
                writer.writeheader()
            writer.writerow({key: number_text(value) for key, value in row.items()})
        with open(path, "a", newline="") as file:
            file.write(text.getvalue())

    def load_trainer(self, name=CHECKPOINT, **changes):
        """The Trainer that goes on from a checkpoint of this folder.

        `changes` are settings that replace the saved ones (total_steps, say).
        Raises ValueError in one line if the folder is no run's or the
        checkpoint cannot be used.
        """
        about = read_json(self / "config.json")
        arrays, numbers = unpack(self / name)
        if about.get("format") != FORMAT:
            raise ValueError(
                f"{self / 'config.json'} has format {about.get('format')}, not {FORMAT}"
            )
        try:
            if about["algorithm"] not in ALGORITHMS:
                raise ValueError(f"unknown algorithm {about['algorithm']!r}")
            algorithm = importlib.import_module(about["algorithm"])
            settings = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in about["config"].items()
            }
            config = algorithm.Config(**{**settings, **changes})
            trainer = Trainer(algorithm, about["env_id"], config, about["seed"])
            trainer.restore(arrays, numbers)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{self.path} cannot be resumed: {error}") from None
        return trainer

    def trim(self, trainer):
        """Drop CSV rows from after the trainer's state, so that the files go on without a gap.

        A run that was killed may have written rows since its last checkpoint.
        """
        for name, key, last in (
            ("progress.csv", "iteration", trainer.iteration),
            ("episodes.csv", "env_steps", trainer.env_steps),
        ):
            if not (self / name).exists():
                continue
            with open(self / name, newline="") as file:
                header, *lines = [line for line in file if line.endswith("\n")] or [""]
            column = header.rstrip("\n").split(",").index(key) if header else 0
            kept = [line for line in lines if int(line.split(",")[column]) <= last]
            write_whole(self / name, "".join([header, *kept]).encode())

    def read(self, name):
        """A CSV file's columns, name -> float array (rows,); a half-written row is left out."""
        path = self / name
        if not path.exists():
            return {}
        with open(path, newline="") as file:
            rows = [line for line in file if line.endswith("\n")]
        records = list(csv.DictReader(rows))
        if not records:
            return {}
        return {
            key: np.array([float(record[key] or "nan") for record in records]) for key in records[0]
        }


def number_text(value):
    """A number as CSV text: whole numbers as they are, others with nine digits, nan as nothing."""
    if isinstance(value, (int, np.integer)):
        return str(value)
    return "" if value is None or np.isnan(value) else f"{value:.9g}"
