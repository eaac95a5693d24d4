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
LONGEST_LABEL = 14  # in a line of the table
NEVER = 1e12  # steps or seconds of a seed that was not solved: more than any other's

# What is compared: (name of a number of train_one's result, is more better?)
MEASURES = {
    "greedy_return_mean": True,
    "sampled_return_mean": True,
    "solved_for_good_at_step": False,
    "solved_at_step": False,
    "solved_at_second": False,
}
SOLVED = [name for name in MEASURES if name.startswith("solved")]


def iqm(values, axis=-1):
    """Interquartile mean: a quarter of the values is cut off at either end."""
    return trim_mean(values, 0.25, axis=axis)


def improvement(x, y, axis=-1):
    """P(X > Y) + P(X = Y)/2 over all pairs: (..., n) (..., m) -> (...)."""
    u = mannwhitneyu(x, y, axis=axis, method="asymptotic").statistic
    return u / (np.shape(x)[axis] * np.shape(y)[axis])


def interval(statistic, *samples, axis=-1, resamples=RESAMPLES):
    """The statistic's bootstrap interval -> [low, high]; None with fewer than two seeds in one."""
    if min(np.shape(sample)[axis] for sample in samples) < 2:
        return None
    found = bootstrap(
        samples,
        statistic,
        n_resamples=resamples,
        batch=100,
        vectorized=True,
        axis=axis,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return [found.low, found.high]


def finite(number):
    """A plain float for JSON; None for never, and so for a median of seeds half of them never."""
    return None if number >= NEVER / 2 else float(number)


def of_label(results, label):
    """One variant's results in the order of their seeds, so that sums don't depend on the order."""
    return sorted((r for r in results if r["label"] == label), key=lambda r: r["seed"])


def values_of(results, name):
    """One number of each result: float array (n,); NEVER where it is None."""
    return np.array([NEVER if r[name] is None else r[name] for r in results], float)


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


def describe(results):
    """One variant's statistics."""
    entry = {}
    for name in ("greedy_return_mean", "sampled_return_mean"):
        values = values_of(results, name)
        entry[name] = {
            "mean": float(values.mean()),
            "mean_interval": interval(np.mean, values),
            "iqm": float(iqm(values)),
            "iqm_interval": interval(iqm, values),
            "lowest": float(values.min()),
        }
    entry["train_seconds"] = {"median": float(np.median(values_of(results, "train_seconds")))}
    if results[0]["reward_threshold"] is not None:
        for name in SOLVED:
            values = values_of(results, name)
            bounds = interval(np.median, values)
            entry[name] = {
                "seeds": int((values < NEVER).sum()),
                "median": finite(np.median(values)),
                "median_interval": bounds and [finite(bound) for bound in bounds],
            }
    return entry


def compare(x_label, y_label, x_results, y_results):
    """How probable it is that X does better than Y, by each measure."""
    entry = {"better": x_label, "than": y_label}
    solvable = x_results[0]["reward_threshold"] is not None
    for name, more_is_better in MEASURES.items():
        if name in SOLVED and not solvable:
            continue
        sign = 1 if more_is_better else -1
        x, y = (sign * values_of(results, name) for results in (x_results, y_results))
        entry[name] = {
            "probability": float(improvement(x, y)),
            "interval": interval(improvement, x, y),
        }
    return entry


def distinct(items):
    return [item for i, item in enumerate(items) if item not in items[:i]]


# ------------------------------------------------------------------- table


def table(summary):
    """The statistics as text of at most 80 columns."""
    variants = summary["variants"]
    width = max(map(len, variants))
    width = width if width <= LONGEST_LABEL else 2  # longer ones have a line of their own
    margin, lines = " " * (width + 2), []
    ended = {label: entry for label, entry in variants.items() if entry["seeds"]}
    if ended:
        half = f"{'mean':>7} {'worst':>7} {'95% interval':>16}"
        lines += [
            f"{margin}{'greedy return':^32}  {'sampled return':^32}".rstrip(),
            f"{margin}{half}  {half}",
        ]
    for label, entry in ended.items():
        cells = [return_cells(entry[n]) for n in ("greedy_return_mean", "sampled_return_mean")]
        lines += row(label, width, "  ".join(cells))
    solvable = {label: entry for label, entry in ended.items() if "solved_at_step" in entry}
    if solvable:
        half = f"{'median':>7} {'95% interval':>18}"
        lines += [
            "",
            f"{margin}{'seeds':>9}  {'solved for good, at step':^26}    first solved, at step",
            f"{margin}{'solved':>9}  {half}  {half}",
        ]
    for label, entry in solvable.items():
        times = [time_cells(entry[n]) for n in ("solved_for_good_at_step", "solved_at_step")]
        count = f"{entry['solved_for_good_at_step']['seeds']}/{entry['seeds']}"
        lines += row(label, width, f"{count:>9}  {'  '.join(times)}")
    for comparison in summary["comparisons"]:
        lines += ["", f"How probable it is that {comparison['better']} beats {comparison['than']}:"]
        for name, title in (
            ("greedy_return_mean", "greedy return"),
            ("sampled_return_mean", "sampled return"),
            ("solved_for_good_at_step", "fewer steps until solved for good"),
            ("solved_at_step", "fewer steps until first solved"),
            ("solved_at_second", "fewer seconds until then"),
        ):
            if name in comparison:
                found = comparison[name]
                bounds = bounds_text(found["interval"], "{:.2f}")
                lines.append(f"  {title:35}{found['probability']:.2f}  {bounds}")
    for label, entry in variants.items():
        failed = len(entry["failed_seeds"])
        if failed:
            rest = "these numbers are without them" if entry["seeds"] else "there is nothing to say"
            lines.append(f"{label}: {failed} of {entry['seeds'] + failed} seeds failed; {rest}")
    if len(summary["worker_versions"]) > 1:
        lines.append("The workers had different versions of Python, numpy or gymnasium.")
    if len(summary["processors"]) > 1:
        lines.append("The workers had different processors, which may round differently.")
    return "\n".join(lines)


def row(label, width, cells):
    """A table's row: one line, or two if the label is too long for one."""
    if len(label) <= width:
        return [f"{label:{width}}  {cells}"]
    return [label, f"{'':{width}}  {cells}"]


def return_cells(entry):
    form = "{:.1f}" if max(map(abs, entry["mean_interval"] or [0])) < 1000 else "{:.0f}"
    bounds = bounds_text(entry["mean_interval"], form)
    return f"{entry['mean']:>7.1f} {entry['lowest']:>7.1f} {bounds:>16}"


def time_cells(entry):
    median = "never" if entry["median"] is None else f"{entry['median']:,.0f}"
    return f"{median:>7} {bounds_text(entry['median_interval'], '{:,.0f}'):>18}"


def bounds_text(bounds, form):
    if bounds is None:
        return "one seed"
    return " to ".join("never" if bound is None else form.format(bound) for bound in bounds)
