"""Kill one thing: PPO without one of its parts, on many seeds, against the whole.

    KILLED      what is killed, and how: other settings, or one of CHANGES
    summarize   what came out: a dict small enough to keep (figures/ablation.json)
    table       the same as text, or as Markdown
    conclude    prints, keeps and draws it

Nothing of the lesson's code is exchanged. A change is made to a Trainer's *data*: the
weights it begins with, the ends in its rollouts, the advantages in its batches. The
picture is drawn from the dict by lab/pictures/ablations.py.
"""

import json
from pathlib import Path
from types import FunctionType, SimpleNamespace

import numpy as np

import ppo
from advantages import normalize
from lab.runs import read_json, write_whole
from lab.study import statistics as stats
from lab.study.folder import StudyFolder, Variant
from lab.study.picture import CURVE_RESAMPLES, SOLVED, learning_curves

ENV_ID = "CartPole-v1"
SEEDS = list(range(30))
EVALUATIONS, EVAL_EPISODES = 25, 100
FILE = "ablation.json"


# ------------------------------------------------------ one thing changed


def learn_from(trainer, credit):
    """Let the trainer's algorithm learn from credit(batch) instead of the batch's advantages."""
    update = trainer.algorithm.update

    def changed(learner, batch, *rest):
        return update(learner, batch._replace(advantages=credit(batch)), *rest)

    trainer.algorithm = SimpleNamespace(update=changed)


def no_learned_baseline(trainer):
    """Credit an action with its estimated return, not with what that exceeds V by.

    Â + V (Eq. 18) stands in for Â. V is still learned, and still stands for the
    future where a record is cut off: it is only not subtracted. What remains of
    a baseline is the batch's mean, which normalisation subtracts (Eq. 19).
    """
    learn_from(trainer, lambda batch: normalize(batch.advantages + batch.values))


def no_baseline_at_all(trainer):
    """The same, and normalisation only divides: no mean is subtracted either."""

    def credit(batch):
        returns = batch.advantages + batch.values
        return returns / (returns.std() + 1e-8)

    learn_from(trainer, credit)


def see_ends(trainer, ends):
    """Let ends(rollout) stand for how each rollout's episodes ended, a dict of its fields."""
    collect = trainer.sampler.collect

    def changed(*arguments):
        rollout = collect(*arguments)
        return rollout._replace(**ends(rollout))

    trainer.sampler = SimpleNamespace(collect=changed)


def bootstrap_through_the_fall(trainer):
    """Eq. 15 without its (1 − d): the value of the state after the fall counts.

    So does the earlier tutorial, https://github.com/edhyah/policygradients.
    """
    see_ends(
        trainer,
        lambda rollout: {
            "terminated": np.zeros_like(rollout.terminated),
            "truncated": rollout.terminated | rollout.truncated,
        },
    )


def time_limit_is_a_fall(trainer):
    """One flag for both ends: after 500 steps the future counts as nothing, as after a fall."""
    see_ends(trainer, lambda rollout: {"terminated": rollout.terminated | rollout.truncated})


def uniform_weights(trainer):
    """Weights uniform in ±1/√inputs, whatever the layer: what torch.nn.Linear begins with.

    Neither orthogonal nor of a chosen gain; the policy's output layer begins as
    large as any other. Biases stay zero.
    """
    rng = np.random.default_rng(np.random.SeedSequence(trainer.seed).spawn(1)[0])
    for network in (trainer.learner.policy.network, trainer.learner.value):
        for W, _ in network.layers:
            bound = 1 / np.sqrt(len(W))
            W[:] = rng.uniform(-bound, bound, W.shape)


# The bugs that the page (docs/explorer.html) lets its visitors switch on, besides.


def scale_slopes(trainer, factor):
    """Multiply what the policy is told by its loss, dlog_probs, by factor(dlog_probs)."""
    backward = trainer.learner.policy.backward

    def changed(dlog_probs, *rest):
        return backward(factor(dlog_probs) * dlog_probs, *rest)

    trainer.learner.policy.backward = changed


def sum_instead_of_mean(trainer):
    """The policy's loss without its 1/N (Eq. 10, 39)."""
    scale_slopes(trainer, len)


def uphill(trainer):
    """The sign of the loss turned round: descent then does more of what went badly."""
    scale_slopes(trainer, lambda dlog_probs: -1)


def rows_mixed_up(trainer):
    """Every row is given another row's advantage: the first the last one's, and so on."""
    learn_from(trainer, lambda batch: batch.advantages[::-1])


def ties_are_clipped(trainer):
    """Eq. 40 with `<` for `<=`: the trap of the README's Chapter F. PPO only."""
    names = {**vars(ppo), "clipped_surrogate": strictly_clipped_surrogate}
    trainer.algorithm = SimpleNamespace(update=FunctionType(ppo.update.__code__, names))


def strictly_clipped_surrogate(log_probs, old_log_probs, advantages, clip_range):
    """As ppo.clipped_surrogate, but rows in the band, where the two bids tie, count as clipped."""
    loss, slopes = ppo.clipped_surrogate(log_probs, old_log_probs, advantages, clip_range)
    ratios = np.exp(log_probs - old_log_probs)
    tied = np.clip(ratios, 1 - clip_range, 1 + clip_range) == ratios
    return loss, np.where(tied, 0, slopes)


CHANGES = {
    change.__name__: change
    for change in (
        no_learned_baseline,
        no_baseline_at_all,
        bootstrap_through_the_fall,
        time_limit_is_a_fall,
        uniform_weights,
        sum_instead_of_mean,
        uphill,
        rows_mixed_up,
        ties_are_clipped,
    )
}

WHOLE = "PPO, complete"
# What is killed -> settings that differ from PPO's defaults, and a change or None.
KILLED = {
    "no normalisation of advantages": ({"normalize_advantages": False}, None),
    "no clip of the ratio": ({"clip_range": 1e6}, None),
    "no GAE: λ = 0, one step": ({"gae_lambda": 0.0}, None),
    "no GAE: λ = 1, Monte Carlo": ({"gae_lambda": 1.0}, None),
    "no learned baseline": ({"normalize_advantages": False}, no_learned_baseline),
    "no baseline at all": ({"normalize_advantages": False}, no_baseline_at_all),
    "one epoch instead of six": ({"epochs": 1}, None),
    "no annealing": ({"anneal_learning_rate": False, "anneal_clip_range": False}, None),
    "no orthogonal weights": ({}, uniform_weights),
    "no clip of the gradient": ({"max_grad_norm": 1e9}, None),
    "bootstrap through the fall": ({}, bootstrap_through_the_fall),
    "time limit taken for a fall": ({}, time_limit_is_a_fall),
}


def variants(**settings):
    """What the study compares: the whole first, then each thing killed.

    settings  of all of them, for a trial shorter than the defaults
    """
    return [Variant(WHOLE, "ppo", settings)] + [
        Variant(label, "ppo", {**settings, **config}, change and change.__name__)
        for label, (config, change) in KILLED.items()
    ]


# ------------------------------------------------------------ what came out


def summarize(settings, results):
    """settings of study.json, results of study.train_one -> what is kept, a dict.

    Of every seed: greedy and sampled return at the end, the step from which on it
    was solved for good (None: never), and `learning`, the training return
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
        "processors": stats.distinct([result["processor"] for result in results]),
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
            SOLVED: [r[SOLVED] for r in own],
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
    steps = entry[SOLVED]
    middle = stats.finite(np.median([stats.NEVER if step is None else step for step in steps]))
    count = f"{sum(step is not None for step in steps)}/{len(steps)}"
    cells[1:1] = [count, "never" if middle is None else f"{middle:,.0f}"]
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
    """The rows as the text's table."""
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


def claim_folder(runs_dir, seeds, **settings):
    """The study's folder under `runs_dir`, new or interrupted."""
    return StudyFolder.claim(
        runs_dir, ENV_ID, variants(**settings), seeds, EVAL_EPISODES, EVALUATIONS, "ablation"
    )


def conclude(folder, results, failures, figures_dir):
    """Print the table, keep it and draw the grid.

    figures_dir  where they go; None: into the study's folder

    Raises CannotWrite.
    """
    if failures:
        return  # an interval over the seeds that happened to end well would say too much
    figures_dir = Path(figures_dir or folder.path)
    figures_dir.mkdir(parents=True, exist_ok=True)
    summary = summarize(folder.settings, results)
    data = json.dumps(summary, ensure_ascii=False, separators=(",", ":"))
    write_whole(figures_dir / FILE, (data.replace('"variants"', '\n"variants"') + "\n").encode())
    print(f"\n{table(summary)}\n")
    from lab.pictures import draw_file

    print(f"saved: {figures_dir / FILE}, {draw_file(figures_dir)}")


def kept(figures_dir):
    """What an earlier `conclude` left in figures_dir, a dict. Raises ValueError if nothing."""
    return read_json(Path(figures_dir) / FILE)
