"""Kill one thing: PPO without one of its parts, on many seeds, against the whole.

    KILLED      what is killed, and how: other settings, or one of CHANGES
    conclude    what any study does at its end; keeps it (figures/ablation.json), draws the grid

Nothing of the lesson's code is exchanged. A change is made to a Trainer's *data*: the
weights it begins with, the ends in its rollouts, the advantages in its batches. The
picture is drawn by lab/pictures/ablations.py, the text's table by lab/study/tables.py.
"""

import json
from pathlib import Path
from types import FunctionType, SimpleNamespace

import numpy as np

import ppo
from advantages import normalize
from lab.runs import read_json, write_whole
from lab.study.folder import StudyFolder, Variant
from lab.study.folder import report as report_study

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


# -------------------------------------------------------------- the study


def claim_folder(runs_dir, seeds, **settings):
    """The study's folder under `runs_dir`, new or interrupted."""
    return StudyFolder.claim(
        runs_dir, ENV_ID, variants(**settings), seeds, EVAL_EPISODES, EVALUATIONS, "ablation"
    )


def conclude(folder, results, failures, figures_dir):
    """Print and keep what the study says, and draw the grid.

    figures_dir  where FILE and the grid go; None: into the study's folder

    Raises CannotWrite.
    """
    summary = report_study(folder, results, failures, picture=False)
    if failures:
        return  # an interval over the seeds that happened to end well would say too much
    figures_dir = Path(figures_dir or folder.path)
    figures_dir.mkdir(parents=True, exist_ok=True)
    data = json.dumps(summary, ensure_ascii=False, separators=(",", ":"))
    write_whole(figures_dir / FILE, (data.replace('},"', '},\n"') + "\n").encode())
    from lab.pictures import draw_file

    print(f"saved: {figures_dir / FILE}, {draw_file(figures_dir)}")


def kept(figures_dir):
    """What an earlier `conclude` left in figures_dir, a dict. Raises ValueError if nothing."""
    return read_json(Path(figures_dir) / FILE)
