"""PPO without one of its parts, on many seeds, against the whole.

    WITHOUT   what is left out or broken: other settings, or a change of lab/study/changes.py
    report    what any study does at its end; shows what was changed, line for line, keeps the
              results (figures/ablation.json), draws the grid

The picture is drawn by lab/pictures/ablations.py, the text's table by lab/study/tables.py.
"""

import json
import textwrap
from pathlib import Path

from lab.kit import read_json, write_whole
from lab.study.changes import in_words
from lab.study.folder import StudyFolder, Variant
from lab.study.folder import report as report_study

ENV_ID = "CartPole-v1"
SEEDS = list(range(30))
EVALUATIONS, EVAL_EPISODES = 25, 100
FILE = "ablation.json"
WHOLE = "PPO, complete"
# What is left out -> settings that differ from PPO's defaults, and a name in CHANGES or None.
WITHOUT = {
    "no normalisation of advantages": ({"normalize_advantages": False}, None),
    "no clip of the ratio": ({"clip_range": 1e6}, None),
    "no GAE: λ = 0, one step": ({"gae_lambda": 0.0}, None),
    "no GAE: λ = 1, Monte Carlo": ({"gae_lambda": 1.0}, None),
    "no learned baseline": ({}, "no_learned_baseline"),
    "no baseline at all": ({}, "no_baseline_at_all"),
    "one epoch instead of six": ({"epochs": 1}, None),
    "no annealing": ({"anneal_learning_rate": False, "anneal_clip_range": False}, None),
    "no orthogonal weights": ({}, "uniform_weights"),
    "no clip of the gradient": ({"max_grad_norm": 1e9}, None),
    "bootstrap through the fall": ({}, "bootstrap_through_the_fall"),
    "time limit taken for a fall": ({}, "time_limit_is_a_fall"),
}


def variants(**settings):
    """What the study compares: the whole first, then each variant of it.

    settings  of all of them, for a trial shorter than the defaults
    """
    return [Variant(WHOLE, "ppo", settings)] + [
        Variant(label, "ppo", {**settings, **config}, change)
        for label, (config, change) in WITHOUT.items()
    ]


def what_was_changed():
    """Each variant, as text of 80 columns: settings, or the line as it was and as it ran."""
    lines = ["what was changed"]
    for label, (config, change) in WITHOUT.items():
        settings = [f"{name} = {value!r}" for name, value in config.items()]
        lines += ["", f"  {label}"]
        for line in settings + (in_words(change) if change else []):
            indent = "        " if line[:2] in ("- ", "+ ") else "      "
            lines += textwrap.wrap(line, 80, initial_indent="    ", subsequent_indent=indent)
    return "\n".join(lines)


# -------------------------------------------------------------- the study


def claim_folder(runs_dir, seeds, **settings):
    """The study's folder under `runs_dir`, new or interrupted."""
    return StudyFolder.claim(
        runs_dir, ENV_ID, variants(**settings), seeds, EVAL_EPISODES, EVALUATIONS, "ablation"
    )


def report(folder, results, failures, figures_dir, draw):
    """Print and keep what the study says, and draw the grid.

    figures_dir  where FILE and the grid go; None: into the study's folder
    draw         draws the grid of the FILE in a folder into it, returns the picture's path

    Raises CannotWrite.
    """
    summary = report_study(folder, results, failures, picture=False)
    if failures:
        return  # an interval over the seeds that happened to end well would say too much
    print(f"\n{what_was_changed()}\n")
    figures_dir = Path(figures_dir or folder.path)
    figures_dir.mkdir(parents=True, exist_ok=True)
    data = json.dumps(summary, ensure_ascii=False, separators=(",", ":"))
    write_whole(figures_dir / FILE, (data.replace('},"', '},\n"') + "\n").encode())
    print(f"saved: {figures_dir / FILE}, {draw(figures_dir)}")


def kept(figures_dir):
    """What an earlier `report` left in figures_dir, a dict. Raises ValueError if nothing."""
    return read_json(Path(figures_dir) / FILE)
