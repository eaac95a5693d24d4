"""The data of the page that trains: docs/explorer.html (`make explorer`).

    python -m lab.pictures.explorer [FILE]

The page is written by hand and trains by itself, in JavaScript. What it has from here:
the lesson's settings, the colours of all pictures, the trace's minibatch, a recorded update
and episode to show before anything was trained, and what the Python lesson does on SEEDS when
it is broken as the page's experiments break it, for the reader to compare. A broken line is an
experiment of lab/proof/faults.py.
"""

import json
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np

import ppo
from lab.kit import DARK, LIGHT, write_whole
from lab.kit.command_line import Parser, option
from lab.proof import faults, trace
from lab.runs import ALGORITHMS
from lab.study import Cores, changes, run_jobs, statistics, train_one
from lab.watch import Session
from training import Trainer

ENV_ID, SEEDS, EPISODES, EVALUATIONS = "CartPole-v1", range(10), 100, 50
COMPARED = "ppo", "vpg"
ITERATION, ROWS = 5, 256  # of the recorded update: which, and how many of its rows
CLIP_ONLY = {"clip", "unclipped"}  # PPO has a clip, VPG has none
# The page's experiments: what is broken -> settings, and one of changes.CHANGES or None.
BREAKS = {
    "whole": ({}, None),
    "clip": ({}, "ties_are_clipped"),
    "unclipped": ({"clip_range": 1e6}, None),
    "terminal": ({}, "bootstrap_through_the_fall"),
    "mean": ({}, "sum_instead_of_mean"),
    "sign": ({}, "uphill"),
    "baseline": ({}, "no_baseline_at_all"),
    "rows": ({}, "rows_mixed_up"),
}


def jobs(seeds, **settings):
    """What Python trains for comparison: a list of `train_one`'s arguments.

    settings  of all of them, for a trial shorter than the defaults
    """
    found = []
    for algorithm in COMPARED:
        for name, (own, change) in BREAKS.items():
            if algorithm == "vpg" and name in CLIP_ONLY:
                continue
            config = {**settings, **own}
            found += [
                (algorithm, ENV_ID, config, seed, EPISODES, EVALUATIONS, change, name)
                for seed in seeds
            ]
    return found


def collect(seeds=SEEDS, workers=None, **settings):
    """Train and summarise: a dict fit for JSON; the same on one machine each time."""
    results = {}
    with workers or Cores() as workers:
        for job, result in run_jobs(train_one, jobs(seeds, **settings), workers):
            if isinstance(result, Exception):
                raise result
            results[job[0], result["label"], result["seed"]] = result
    python = {algorithm: {} for algorithm in COMPARED}
    for (algorithm, name, _), result in sorted(results.items(), key=lambda item: item[0]):
        python[algorithm].setdefault(name, []).append(result)
    return {
        "settings": {name: asdict(ALGORITHMS[name].Config()) for name in COMPARED},
        "colours": {"light": LIGHT._asdict(), "dark": DARK._asdict()},
        "seeds": len(seeds),
        "recorded": recorded(),
        "python": {
            algorithm: {name: summarize(own) for name, own in variants.items()}
            for algorithm, variants in python.items()
        },
        "trace": traced(),
        "lines": lines(),
    }


def lines():
    """PPO's line of each break: name -> [the function, "- " the lesson's, "+ " the broken one]."""
    found = {}
    for name, (settings, change) in BREAKS.items():
        for fault in changes.EXPERIMENTS.get(change, ()):
            if fault.function.startswith("vpg."):
                continue
            pair = faults.changed_lines(fault)
            if max(map(len, pair)) > 100:  # too long for a card
                pair = [f"{sign} …{part} …" for sign, part in (("-", fault.old), ("+", fault.new))]
            found[name] = [fault.function, *pair]
        for key, value in settings.items():
            right = getattr(ppo.Config(), key)
            found[name] = ["ppo.Config", f"- {key} = {right}", f"+ {key} = {value}"]
    return found


def traced():
    """What goes into the trace's minibatch, for the layer's widget: a dict fit for JSON."""
    return {
        "obs": trace.OBS,
        "actions": trace.ACTIONS,
        "advantages": trace.ADVANTAGES,
        "old_log_probs": trace.OLD_LOG_PROBS,
        "parameters": trace.PARAMETERS,  # W1 (4,2), b1, W2 (2,2), b2
        "clip_range": trace.CLIP_RANGE,
        "learning_rate": trace.LEARNING_RATE,
        "max_grad_norm": trace.MAX_GRAD_NORM,
        "betas": list(trace.BETAS),
        "eps": trace.EPS,
    }


def recorded():
    """PPO's update number ITERATION with seed 0, and an episode after it: a dict of short numbers.

    ratios, advantages  after the update, of ROWS of its rollout's rows
    dead_fraction       how many of these have no slope left at its clip_range
    episode  a sampled one: states (T+1,4), actions (T,), values (T+1,), and how it ended
    """
    batches = []

    def update(learner, batch, *others):
        batches.append(batch)
        return ppo.update(learner, batch, *others)

    algorithm = SimpleNamespace(Config=ppo.Config, update=update)
    trainer = Trainer(algorithm, ENV_ID, ppo.Config(), seed=0)
    for _ in range(ITERATION):
        clip_range = trainer.iterate()["clip_range"]
    batch = batches[-1]
    log_probs, _, _ = trainer.policy.forward(batch.obs, batch.actions)
    shown = np.linspace(0, len(log_probs) - 1, ROWS).astype(int)
    ratios = np.exp(log_probs - batch.log_probs)[shown].astype(float).round(3)
    advantages = batch.advantages[shown].astype(float).round(3)
    _, dead = ppo.clip_statistics(np.log(ratios), np.zeros(ROWS), advantages, clip_range)
    session = Session(trainer.policy, trainer.value, ENV_ID, seed=0, greedy=False)
    obs, values, actions = [session.obs], [session.value_now], []
    while not session.ended:
        actions.append(int(session.action))
        session.step()
        obs.append(session.obs)
        values.append(session.value_now)
    session.close()

    def rounded(array, digits):
        return np.round(np.array(array, float), digits).tolist()

    return {
        "iteration": ITERATION,
        "clip_range": round(clip_range, 4),
        "ratios": ratios.tolist(),
        "advantages": advantages.tolist(),
        "dead_fraction": float(dead),
        "episode": {
            "obs": rounded(obs, 4),
            "actions": actions,
            "values": rounded(values, 3),
            "end": session.ended,
        },
    }


def summarize(results):
    """What seeds of one variant came to: a dict.

    solved  how many ever were; `at`, the median of the steps at which they first were
            (None: most never)
    greedy  the median of the greedy policy's mean returns at the end
    curve   the median learning curve: returns of episodes where they began
    """
    at = np.median(statistics.values_of(results, "solved_at_step"))
    curves = np.array([r["curve"] for r in results], float)  # (seeds, windows); None: nan
    known = np.isfinite(curves).sum(axis=0) > len(curves) / 2
    curve = [
        round(float(np.nanmedian(c))) if k else None for c, k in zip(curves.T, known, strict=True)
    ]
    return {
        "solved": sum(r["solved_at_step"] is not None for r in results),
        "at": None if at >= statistics.NEVER else round(float(at)),
        "greedy": round(float(np.median([r["greedy_return_mean"] for r in results])), 1),
        "curve": curve,
    }


def render(data):
    """The data (a dict from `collect`) as the JavaScript file that the page loads: str."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for name in (*data, *COMPARED, *BREAKS):  # a line for each part, so that changes can be read
        text = text.replace(f'"{name}":{{', f'\n"{name}":{{')
    text = text.replace("<", "\\u003c")  # in a page, no text of it ends the script
    return f"// Written by `make explorer`.\nlesson.data = {text};\n"


def main(words=None):
    parser = Parser("make explorer", description="The data of docs/explorer.html, anew.")
    option(parser, "file", "FILE", "where it goes", "docs/explorer-data.js", nargs="?")
    path = parser.parse_args(words).file
    parser.ready(path, ".js")
    print("training in Python what the page breaks; this takes some minutes", flush=True)
    data = render(collect()).encode()
    with parser.refusing(path):
        write_whole(path, data)
    print(f"{path}: {len(data) / 1000:.0f} kB; the page is docs/explorer.html, for any browser")


if __name__ == "__main__":
    main()
