"""Kill one thing: PPO without one of its parts, on many seeds, against the whole.

    variants    what is killed, and how
    summarize   what came out: a dict small enough to keep (figures/ablation.json)
    table       the same as text, or as the README's Markdown
    conduct     the study from beginning to end

The picture is drawn from the dict by lab/pictures/ablations.py.
"""

import json
from pathlib import Path

import numpy as np

from lab.runs import read_json, write_whole
from lab.study import statistics as stats
from lab.study.folder import FAILED, INTERRUPTED, StudyFolder, Variant, run_study
from lab.study.picture import CURVE_RESAMPLES, learning_curves
from lab.study.workers import WorkersLost

ENV_ID = "CartPole-v1"
SEEDS = list(range(30))
EVALUATIONS, EVAL_EPISODES = 50, 100
FILE = "ablation.json"

WHOLE = "PPO, complete"
# What is killed -> settings that differ from PPO's defaults, or the name of a patch (patches.py).
KILLED = {
    "no normalisation of advantages": {"normalize_advantages": False},
    "no clip of the ratio": {"clip_range": 1e6},
    "no GAE: λ = 0, one step": {"gae_lambda": 0.0},
    "no GAE: λ = 1, Monte Carlo": {"gae_lambda": 1.0},
    "no learned baseline": "no_learned_baseline",
    "no baseline at all": "no_baseline_at_all",
    "one epoch instead of six": {"epochs": 1},
    "no annealing": {"anneal_learning_rate": False, "anneal_clip_range": False},
    "no orthogonal weights": "uniform_weights",
    "no clip of the gradient": {"max_grad_norm": 1e9},
    "bootstrap through the fall": "bootstrap_through_termination",
    "time limit taken for a fall": "time_limit_is_termination",
}


def variants(**settings):
    """What the study compares: the whole first, then each thing killed.

    settings  of all of them, for a trial shorter than the defaults
    """
    found = [Variant(WHOLE, "ppo", settings)]
    for label, how in KILLED.items():
        if isinstance(how, str):
            found.append(Variant(label, "ppo", settings, f"lab.study.patches:{how}"))
        else:
            found.append(Variant(label, "ppo", {**settings, **how}))
    return found


# ------------------------------------------------------------ what came out


def summarize(settings, results):
    """settings of study.json, results of study.train_one -> what is kept, a dict.

    Of every seed: greedy and sampled return at the end, the step at which a
    greedy 475 was first seen (None: never), and `learning`, the training return
    averaged over the whole training (the area under the learning curve: episodes
    count where they began).
    Of every variant: the curves' IQM and its interval, at `steps`; [IQM, low, high]
    of the three measures; and `better` (see `improved`), None for the whole.
    """
    summary = {
        "env_id": settings["env_id"],
        "seeds": settings["seeds"],
        "eval_episodes": settings["eval_episodes"],
        "evaluations": settings["evaluations"],
        "versions": settings["versions"],
        "variants": {},
    }
    for variant in settings["variants"]:
        own = stats.of_label(results, variant["label"])
        total_steps = variant["config"]["total_steps"]
        steps, curves = learning_curves(own, total_steps)
        low, high = stats.interval(stats.iqm, curves, axis=0, resamples=CURVE_RESAMPLES)
        summary["total_steps"], summary["steps"] = total_steps, numbers(steps, 0)
        measures = {
            "learning": curves.mean(axis=1),
            "greedy": stats.values_of(own, "greedy_return_mean"),
            "sampled": stats.values_of(own, "sampled_return_mean"),
        }
        if variant["label"] == WHOLE:
            whole, better = measures["learning"], None
        else:
            better = numbers(improved(measures["learning"], whole), 4)
        summary["variants"][variant["label"]] = {
            **{name: numbers(values) for name, values in measures.items()},
            **{f"{name}_iqm": numbers(spread(values)) for name, values in measures.items()},
            "better": better,
            "solved_at_step": [r["solved_at_step"] for r in own],
            "curve": numbers(stats.iqm(curves, axis=0)),
            "low": numbers(low),
            "high": numbers(high),
        }
    return summary


def numbers(values, digits=1):
    """Short numbers for a file that is kept: whole ones as int."""
    short = [round(float(value), digits) for value in values]
    return [int(value) if value == int(value) else value for value in short]


def improved(own, whole):
    """Do seeds learn better than the whole's? Two arrays of areas -> [P(better), low, high].

    How probable it is that one of them has a larger area under its curve than
    one of the whole's, with the 95% bootstrap interval; a half is no difference.
    """
    return [stats.improvement(own, whole), *stats.interval(stats.improvement, own, whole)]


def spread(values):
    """IQM and its 95% bootstrap interval: (n,) -> [iqm, low, high]."""
    return [stats.iqm(values), *stats.interval(stats.iqm, values)]


def row(summary, label):
    """One variant's numbers, formatted: a list of cells."""
    entry = summary["variants"][label]
    cells = []
    for name in ("learning", "greedy", "sampled"):
        middle, low, high = entry[f"{name}_iqm"]
        cells.append(f"{middle:.0f} ({low:.0f}–{high:.0f})")
    solved = [step for step in entry["solved_at_step"] if step is not None]
    reached = np.median([stats.NEVER if s is None else s for s in entry["solved_at_step"]])
    steps = "never" if reached >= stats.NEVER else f"{reached:,.0f}"
    cells[1:1] = [f"{len(solved)}/{len(entry['solved_at_step'])}", steps]
    if entry["better"] is None:
        return [*cells, ""]
    better, low, high = entry["better"]
    return [*cells, f"{better:.2f} ({low:.2f}–{high:.2f})"]


HEADS = ("area", "solved", "steps", "greedy end", "sampled end", "P(better)")


def table(summary):
    """The rows as text of at most 80 columns, each label on a line of its own."""
    widths = (14, 6, 7, 14, 14, 17)
    lines = ["".join(f"{head:>{width + 1}}" for head, width in zip(HEADS, widths, strict=True))]
    for label in summary["variants"]:
        cells = row(summary, label)
        lines += [
            label,
            "".join(
                f"{cell:>{width + 1}}" for cell, width in zip(cells, widths, strict=True)
            ).rstrip(),
        ]
    return "\n".join(lines)


def markdown(summary):
    """The rows as the README's table."""
    heads = (
        "PPO with …",
        "area under the curve",
        "seeds solved",
        "steps to 475",
        "greedy, at the end",
        "sampled, at the end",
        "P(better than complete)",
    )
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * len(HEADS) + "|"]
    for label in summary["variants"]:
        name = f"**{label}**" if label == WHOLE else label
        lines.append("| " + " | ".join((name, *row(summary, label))) + " |")
    return "\n".join(lines)


# -------------------------------------------------------------- the study


def find_folder(runs_dir, seeds, **settings):
    """The study's folder under `runs_dir`, new or interrupted."""
    return StudyFolder.find(
        runs_dir, ENV_ID, variants(**settings), seeds, EVAL_EPISODES, EVALUATIONS, "ablation"
    )


def conduct(folder, workers, figures_dir):
    """Train what is not trained yet, print the table, draw the grid -> the exit status.

    folder       from find_folder
    workers      lab.study.workers.Cores or Cluster
    figures_dir  where ablation.json and ablation.svg go

    Raises OSError when something cannot be written.
    """
    figures_dir = Path(figures_dir)
    figures_dir.mkdir(parents=True, exist_ok=True)
    print(f"{len(folder.jobs())} seeds in all; finished ones are kept in {folder.path}")
    print(f"working with {workers}")
    try:
        with workers:
            results, failures = run_study(folder, workers)
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on from there")
        return INTERRUPTED
    except WorkersLost as error:
        print(f"{error}; the same command goes on from there")
        return FAILED
    if failures:
        for failure in failures:
            print(f"{failure['label']} seed {failure['seed']} failed: {failure['error']}")
        return FAILED
    summary = summarize(folder.settings, results)
    data = json.dumps(summary, ensure_ascii=False, separators=(",", ":"))
    write_whole(figures_dir / FILE, (data.replace('"variants"', '\n"variants"') + "\n").encode())
    print(f"\n{table(summary)}\n")
    from lab.pictures.ablations import draw_file

    print(f"saved: {figures_dir / FILE}, {draw_file(figures_dir)}")
    return 0


def kept(figures_dir):
    """What an earlier `conduct` left in figures_dir, a dict. Raises ValueError if nothing."""
    return read_json(Path(figures_dir) / FILE)
