"""What many seeds say together: means, medians, and how sure one can be.

    IQM             the interquartile mean: the mean of the middle half. One
                    failed seed doesn't move it much, and it uses more seeds
                    than the median does (Agarwal et al., 2021)
    interval        95% bootstrap percentile interval: seeds are drawn anew, with
                    replacement, and the statistic is taken again, many times.
                    Each variant's seeds are drawn among themselves (strata)
    P(X beats Y)    how often a seed of X is better than a seed of Y; ties count
                    half. It is Mann and Whitney's U over the number of pairs

scipy does the resampling, from a fixed seed: the same results give the same numbers.
"""

import numpy as np
from scipy.stats import bootstrap, mannwhitneyu, trim_mean

CONFIDENCE = 0.95
RESAMPLES = 9_999
CURVE_RESAMPLES = 1_000  # of a whole curve
NEVER = 1e12  # steps or seconds of a seed that was not solved: more than any other's

# Numbers of a seed: of these more is better, of those less.
RETURNS = "greedy_return_mean", "sampled_return_mean", "area"
SOLVED = "solved_for_good_at_step", "solved_at_step", "solved_at_second"


def iqm(values, axis=-1):
    """Interquartile mean: a quarter of the values is cut off at either end."""
    return trim_mean(values, 0.25, axis=axis)


MIDDLES = {"mean": np.mean, "iqm": iqm}


def improvement(x, y, axis=-1):
    """P(X > Y) + P(X = Y)/2 over all pairs: (..., n) (..., m) -> (...)."""
    u = mannwhitneyu(x, y, axis=axis, method="asymptotic").statistic
    return u / (np.shape(x)[axis] * np.shape(y)[axis])


def interval(statistic, *samples, axis=-1, resamples=None):
    """The statistic's bootstrap interval -> [low, high]; None with fewer than two seeds in one.

    resamples  how many; None: RESAMPLES
    """
    if min(np.shape(sample)[axis] for sample in samples) < 2:
        return None
    bounds = bootstrap(
        samples,
        statistic,
        n_resamples=resamples or RESAMPLES,
        batch=100,
        vectorized=True,
        axis=axis,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return [bounds.low, bounds.high]


def finite(number):
    """A plain float for JSON; None for never, and so for a median of seeds half of them never."""
    return None if number >= NEVER / 2 else float(number)


def rounded(number):
    """A number of a curve for JSON; None for nan, where nothing was measured."""
    return None if np.isnan(number) else float(np.round(number, 1))


def of_label(results, label):
    """One variant's results in the order of their seeds, so that sums don't depend on the order."""
    return sorted((r for r in results if r["label"] == label), key=lambda r: r["seed"])


def values_of(results, name):
    """One number of each result: float array (n,); NEVER where it is None.

    "area" is that under the learning curve: a training's returns, averaged over its steps.
    """
    if name == "area":
        return learning_curves(results).mean(axis=1)
    return np.array([NEVER if r[name] is None else r[name] for r in results], float)


def learning_curves(results):
    """The seeds' learning curves -> returns (n, windows).

    Where a seed's curve has no value, a straight line joins its neighbours; it is level
    before the first and after the last. A seed without any has no curve; n counts the others.
    """
    curves = []
    for result in results:
        values = np.array(result.get("curve", ()), float)  # None becomes nan
        windows, known = np.arange(len(values)), np.isfinite(values)
        if known.any():
            curves.append(np.interp(windows, windows[known], values[known]))
    return np.array(curves) if curves else np.empty((0, 1))


def measured(results):
    """Where all of learning_curves lie on data, or between them: bool (windows,)."""
    known = [np.isfinite(np.array(r.get("curve", ()), float)) for r in results]
    return np.all(
        [
            np.logical_or.accumulate(own) & np.logical_or.accumulate(own[::-1])[::-1]
            for own in known
            if own.any()
        ],
        axis=0,
    )


def summarize(settings, results, failures):
    """The study's statistics, a dict fit for JSON.

    settings  of study.json
    results   list of dicts, as from study.train_one
    failures  list of {"label", "seed", "error", ...}: seeds that gave no result
    """
    variants = {}
    for variant in settings["variants"]:
        own = of_label(results, variant["label"])
        entry = {
            "seeds": len(own),
            "failed_seeds": [f["seed"] for f in failures if f["label"] == variant["label"]],
        }
        if own:
            entry.update(describe(own))
        variants[variant["label"]] = entry
    first, *others = [v["label"] for v in settings["variants"]]
    return {
        "env_id": settings["env_id"],
        "total_steps": sorted({v["config"]["total_steps"] for v in settings["variants"]}),
        "eval_episodes": settings["eval_episodes"],
        "confidence": CONFIDENCE,
        "resamples": RESAMPLES,
        "variants": variants,
        "comparisons": [
            compare(other, first, of_label(results, other), of_label(results, first))
            for other in others
            if variants[other]["seeds"] and variants[first]["seeds"]
        ],
        "worker_versions": distinct([result["versions"] for result in results]),
        "processors": distinct([result["processor"] for result in results]),
        "failures": failures,
    }


def describe(results, middles=MIDDLES):
    """One variant's statistics; without threshold or curves, what they would tell is left out.

    middles  of the returns: those of MIDDLES that are wanted
    """
    entry, curves = {}, learning_curves(results)
    for name in RETURNS if len(curves) else RETURNS[:2]:
        values, entry[name] = values_of(results, name), {}
        for middle, statistic in middles.items():
            entry[name][middle] = float(statistic(values))
            entry[name][f"{middle}_interval"] = interval(statistic, values)
        entry[name]["lowest"] = float(values.min())
    if len(curves):
        bounds = interval(iqm, curves, axis=0, resamples=CURVE_RESAMPLES)
        rows = np.where(measured(results), [iqm(curves, axis=0), *(bounds or ())], np.nan)
        entry["curve"], *bounds = [list(map(rounded, row)) for row in rows]
        entry["curve_interval"] = bounds or None
    entry["train_seconds"] = {"median": float(np.median(values_of(results, "train_seconds")))}
    for name in solvable(results):
        values = values_of(results, name)
        bounds = interval(np.median, values)
        entry[name] = {
            "seeds": int((values < NEVER).sum()),
            "median": finite(np.median(values)),
            "median_interval": bounds and [finite(bound) for bound in bounds],
        }
    return entry


def solvable(results):
    """Which of SOLVED these results tell."""
    threshold = results[0]["reward_threshold"]
    return [name for name in SOLVED if name in results[0] and threshold is not None]


def compare(x_label, y_label, x_results, y_results):
    """How probable it is that X does better than Y, by each measure."""
    entry = {"better": x_label, "than": y_label}
    for name in (*RETURNS, *solvable(x_results)):
        sign = 1 if name in RETURNS else -1
        x, y = (sign * values_of(results, name) for results in (x_results, y_results))
        if len(x) and len(y):
            entry[name] = {
                "probability": float(improvement(x, y)),
                "probability_interval": interval(improvement, x, y),
            }
    return entry


def distinct(items):
    return [item for i, item in enumerate(items) if item not in items[:i]]
