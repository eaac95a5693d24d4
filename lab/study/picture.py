"""A study's picture: when its seeds were solved, how they learned, where they ended."""

import numpy as np

from lab.kit import hues, plain, steps_axis
from lab.study import statistics as stats

SOLVED = "solved_for_good_at_step"


def draw_study(settings, results, summary, folder):
    """Draw study.svg, and study-dark.svg for a dark page, into `folder`.

    settings, results, summary  as for, and from, stats.summarize
    """
    from lab.kit.saving import save  # all of matplotlib

    def draw(figure, rng, look):
        """When the seeds of a study solved their environment.

        Left, over environment steps, how many of the seeds had been solved for good (solid) and for
        the first time (dotted), with the medians and their intervals; right, their returns.
        """
        draw_panels(figure, look, settings, results, summary)

    save(folder, "study", draw, 3.9 + 0.5 * len(settings["variants"]))


def draw_panels(figure, look, settings, results, summary):
    """Both panels, or the returns alone where no threshold says what is solved."""
    variants = [v for v in settings["variants"] if summary["variants"][v["label"]]["seeds"]]
    colours = hues([variant["algorithm"] for variant in variants], look)
    owns = [stats.of_label(results, variant["label"]) for variant in variants]
    threshold = owns[0][0]["reward_threshold"]
    ratios = [1] if threshold is None else [3, 2]
    *solving, learning = figure.subplots(1, len(ratios), width_ratios=ratios, squeeze=False)[0]
    for row, (own, variant, colour) in enumerate(zip(owns, variants, colours, strict=True)):
        label, total_steps = variant["label"], variant["config"]["total_steps"]
        draw_learning(learning, summary["variants"][label], total_steps, colour, label=label, lw=2)
        for axes in solving:
            draw_solving(axes, own, variant, colour, row, look)
    learning.set(title="Returns: the seeds' IQM", ylabel="episodes, where they began")
    learning.set_xlim(0, max(variant["config"]["total_steps"] for variant in variants))
    if threshold is not None:
        learning.axhline(threshold, color=look.ink, ls=(0, (4, 3)), lw=1, zorder=0)
    counts = "–".join(map(str, sorted({len(own) for own in owns})))
    for axes in solving:
        axes.axhline(50, color=look.faint, lw=1, zorder=0)
        axes.set(xlim=(0, None), ylim=(0, 103))
        axes.set_ylabel(f"% of {counts} seed{'' if counts == '1' else 's'}")
        axes.set_title(f"{plain(settings['env_id'])}: {threshold:g} for good (dotted: first)")
    for axes in figure.axes:
        axes.set_xlabel("environment steps")
        steps_axis(axes)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left")  # where it covers nothing
    sentences = [sentence(v["label"], summary["variants"][v["label"]]) for v in variants]
    figure.supxlabel("\n".join(sentences), fontsize=10, x=0.02, ha="left")


def sentence(label, entry):
    """How a variant's seeds ended, in words."""
    greedy, sampled = entry["greedy_return_mean"], entry["sampled_return_mean"]
    text = (
        f"{label}, at the end: greedy {greedy['mean']:.1f} (worst seed {greedy['lowest']:.1f}), "
        f"sampled {sampled['mean']:.1f} ({sampled['lowest']:.1f})"
    )
    if SOLVED in entry:
        text += f"; {entry[SOLVED]['seeds']} of {entry['seeds']} seeds solved"
    return text.replace("-", "−") if greedy["mean"] < 0 else text


def draw_learning(axes, entry, total_steps, color, **style):
    """The IQM of the seeds' curves (`curve` of an entry of the statistics) with its interval.

    Neither is drawn where not every seed was measured: the last episodes had not ended.
    """
    if "curve" in entry:
        curve = np.array(entry["curve"], float)  # None becomes nan
        steps = (np.arange(len(curve)) + 0.5) * total_steps / len(curve)
        axes.plot(steps, curve, color=color, **style)
        if entry["curve_interval"] is not None:
            band = np.array(entry["curve_interval"], float)
            axes.fill_between(steps, *band, color=color, alpha=0.25, lw=0)


def draw_solving(axes, results, variant, colour, row, look):
    """How many seeds were solved after so many steps, and the median with its interval.

    Lines end with the trainings, or once all seeds are solved: nothing happens any more.
    An interval that reaches to "never" has an arrow at its end.
    """
    end = max(result["env_steps"] for result in results)
    values = stats.values_of(results, SOLVED)
    median = stats.finite(np.median(values))
    half = "never" if median is None else f"by {median:,.0f} steps"
    if values.max() < stats.NEVER:
        end = min(end, 1.25 * values.max())
    for steps, style in (
        (values, {"lw": 2.2, "label": f"{variant['label']}: half of the seeds {half}"}),
        (stats.values_of(results, "solved_at_step"), {"lw": 1.3, "ls": (0, (1, 1))}),
    ):
        at = np.sort(steps[steps < stats.NEVER])
        share = 100 * np.arange(len(at) + 1) / len(results)
        axes.step([0, *at, end], [*share, share[-1]], where="post", color=colour, **style)
    if median is not None:
        place = 50 - 3 * row  # below one another
        axes.plot(median, place, "o", color=colour, ms=7, mec=look.card, mew=1.5, zorder=3)
        bounds = stats.interval(np.median, values)
        if bounds is not None:
            ends = np.minimum(bounds, end)
            axes.plot(ends, [place] * 2, color=colour, lw=5, alpha=0.4, solid_capstyle="butt")
            if bounds[1] > end:
                axes.plot(end, place, ">", color=colour, ms=7, mew=0, clip_on=False)
