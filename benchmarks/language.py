"""Stair 10 by other ways of credit and other choices of prompts, on the same held-out seeds.

    python benchmarks/language.py                     three ways, 20 seeds, on all cores
    python benchmarks/language.py --seeds 0-1 --out FILE    a first look, kept elsewhere

Writes results/language_credit.json:

    command, date, processor, versions   where it is from
    updates    at which is looked, the taught ones counted: 0 is the start that was not taught
    runs       way -> a row a seed: [seed, [% of 1,000 draws right, …], [% of groups alike, …],
               prompts that are answered wrongly more often than not in the end]; groups since the
               look before
    shown      [seed, prompt]: the first seed that leaves a prompt unsolved by the first way, and it
    answers    way -> of that seed, at three updates, 1,000 draws: {update: {answer: % of them}}
    right      way -> of that seed and prompt: [[update, the right answer's probability], …]
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import re
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from advantages import group_advantages
from lab.kit import PROJECT
from lab.proof.faults import edited
from lab.runs import processor, versions

STAIR = PROJECT / "ladder" / "10_language.py"
KEPT = PROJECT / "benchmarks" / "results" / "language_credit.json"
EVENLY = "odds = wrong + 0.05", "odds = np.ones(len(ALL))"
LOOKS = [*range(0, 500, 100), *range(500, 1101, 20)]
SHOWN, DRAWS = (500, 800, 1100), 1_000


def over_deviation(reward):
    """Eq. 51 in place of Eq. 50: (G,GROUPS), a column a group."""
    return group_advantages(reward.T, scale=True).T


WAYS = {  # -> what is exchanged in `train`, credit
    "evenly, Eq. 50": (EVENLY, None),
    "evenly, Eq. 51": (EVENLY, over_deviation),
    "where answers are wrong, Eq. 50": ((), None),
}


def load():
    spec = importlib.util.spec_from_file_location("stair_10", STAIR)
    stair = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stair)
    return stair


def training(way, seed):
    """-> the stair, its training as this way has it."""
    exchanges, credit = WAYS[way]
    stair = load()
    stair.credit = credit or stair.credit
    return stair, (edited(stair.train, *exchanges) if exchanges else stair.train)(seed)


def run(way, seed):
    """Train once -> [seed, right, alike, unsolved]."""
    stair, updates = training(way, seed)
    rng = np.random.default_rng(seed + 10**6)
    untaught = stair.Model(np.random.default_rng(seed))
    right, alike, groups = [stair.judge(untaught, rng)[0]], [0.0], []
    for update, model in updates:
        reward = updates.gi_frame.f_locals.get("reward")
        groups.append(0.0 if reward is None else 100 * (reward == reward[0]).all(axis=0).mean())
        if update in LOOKS:
            right.append(stair.judge(model, rng)[0])
            alike.append(np.mean(groups))
            groups = []
    each = stair.verify(stair.respond(model, stair.ALL * 100, rng)).reshape(100, -1).mean(axis=0)
    row = [seed, *([round(float(v), 1) for v in values] for values in (right, alike))]
    return [*row, [stair.ALL[i] for i in np.flatnonzero(each < 0.5)]]


def watch(way, seed, prompt):
    """One prompt's way through a training -> its answers at the SHOWN updates, as % of draws;
    its right answer's probability, [[update, probability], …].
    """
    stair, updates = training(way, seed)
    rng = np.random.default_rng(seed + 10**6)
    right = f"{int(prompt[0]) + int(prompt[2])}."
    text, answers, chances = stair.encode([prompt + right]), {}, []
    for update, model in updates:
        if update in LOOKS or 500 <= update <= 600:
            pi = stair.softmax(model.forward(text[:, :-1])[0].astype(float))
            places = range(len(prompt) - 1, len(prompt) + len(right) - 1)
            chance = np.prod([pi[t, text[0, t + 1]] for t in places])
            chances.append([update, float(f"{chance:.3g}")])
        if update in SHOWN:
            drawn = stair.respond(model, [prompt] * DRAWS, rng)
            counts = Counter(t[4 : 1 + t.find(".")] or t[4:] for t in drawn).most_common(8)
            answers[update] = {answer: round(100 * n / DRAWS, 1) for answer, n in counts}
    return answers, chances


def main():
    parser = argparse.ArgumentParser(description="stair 10 by other ways of credit")
    parser.add_argument("--seeds", default="20000-20019", help="first-last [20000-20019]")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="[all cores]")
    parser.add_argument("--out", type=Path, default=KEPT, help=f"the file [results/{KEPT.name}]")
    args = parser.parse_args()
    first, last = map(int, args.seeds.split("-"))
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.processes, spawn) as pool:
        runs = {w: [pool.submit(run, w, s) for s in range(first, last + 1)] for w in WAYS}
        runs = {way: [one.result() for one in rows] for way, rows in runs.items()}
        stalled = [(row[0], row[3][0]) for row in next(iter(runs.values())) if row[3]]
        shown = stalled[0] if stalled else (first, "9+9=")
        watched = {way: pool.submit(watch, way, *shown) for way in WAYS}
        watched = {way: one.result() for way, one in watched.items()}
    data = {
        "command": f"python benchmarks/language.py --seeds {args.seeds}",
        "date": date.today().isoformat(),
        "processor": processor(),
        "versions": {name: versions("CartPole-v1")[name] for name in ("python", "numpy")},
        "updates": LOOKS,
        "runs": runs,
        "shown": [*shown],
        "answers": {way: answers for way, (answers, _) in watched.items()},
        "right": {way: chances for way, (_, chances) in watched.items()},
    }
    text = json.dumps(data, ensure_ascii=False, indent=1)
    text = re.sub(r"\[[^\[\]{}]*\]", lambda numbers: " ".join(numbers[0].split()), text)
    args.out.write_text(text + "\n", "utf-8")
    for way, rows in runs.items():
        ends = [row[1][-1] for row in rows]
        left = sum(len(row[3]) for row in rows)
        print(f"{way:<32} mean {np.mean(ends):.1f}, worst {min(ends)}, unsolved prompts {left}")


if __name__ == "__main__":
    main()
