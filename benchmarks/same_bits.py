"""Did a change leave every bit of a training as it was?

    python benchmarks/same_bits.py            after a change: compares with the kept file
    python benchmarks/same_bits.py --keep     writes it anew, same_bits.json

Trains both algorithms on two environments with three seeds, a few thousand steps each. Of
each the file has a SHA-256 of all parameters, and what the first iteration reported. The
digests hold on one processor with one numpy; another's BLAS rounds otherwise. The first
iteration's numbers hold everywhere, within a tolerance: a test compares them.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab.kit import read_json, write_json
from lab.runs import ALGORITHMS, processor, versions
from lab.study import digest
from training import Trainer

KEPT = Path(__file__).with_suffix(".json")
STEPS = 8_000
TRAININGS = [
    f"{algorithm} {env_id} {seed}"
    for algorithm in ("vpg", "ppo")
    for env_id in ("CartPole-v1", "Pendulum-v1")
    for seed in range(3)
]


def trainer_of(training):
    """One of TRAININGS, before its first step -> its Trainer."""
    algorithm, env_id, seed = training.split()
    module = ALGORITHMS[algorithm]
    return Trainer(module, env_id, module.Config(total_steps=STEPS), int(seed))


def first_iteration(trainer):
    """What a fresh Trainer's first iteration reports, but for the clock and nan, a dict."""
    statistics = trainer.iterate()
    del statistics["steps_per_second"]
    return {name: number for name, number in statistics.items() if number == number}


if __name__ == "__main__":
    now = {}
    for name in TRAININGS:
        trainer = trainer_of(name)
        now[name] = {"first_iteration": first_iteration(trainer)}
        for _ in trainer:
            pass
        now[name]["parameters_sha256"] = digest(trainer)
    machine = {"processor": processor(), "versions": versions("CartPole-v1")}
    if "--keep" in sys.argv:
        write_json(KEPT, {**machine, "steps": STEPS, "trainings": now})
        sys.exit(f"written: {KEPT}")
    kept = read_json(KEPT)
    changed = [name for name in now if now[name] != kept["trainings"][name]]
    print(*(f"changed: {name}" for name in changed), sep="\n")
    print(f"{len(now) - len(changed)} of {len(now)} trainings have the same bits")
    if changed and any(kept[key] != machine[key] for key in machine):
        print(f"kept on another machine: {kept['processor']}, {kept['versions']}")
    sys.exit(1 if changed else 0)
