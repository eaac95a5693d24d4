"""The tables of results in README.md and docs/*.md, from the files in benchmarks/results/.

    make tables                               fills the text between the markers anew
    make tables ARGS="runs/study-… …"         keeps these studies' numbers first

A table, or a single number, stands between `<!-- table: NAME -->` and `<!-- end -->`; the
functions at the end of this file make them. Beside a table stand the commands that made its
files.

A result file is one variant of one study, seed by seed:

    command, date, processor, versions     where it is from
    env_id, algorithm, config, eval_episodes, evaluations, reward_threshold
    columns, seeds                         one row a seed, in the order of `columns`
"""

import json
import re
import sys
from pathlib import Path

import numpy as np

import vpg
from lab.runs import read_json
from lab.study import statistics
from lab.study.folder import EVALUATIONS
from lab.study.workers import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"
SPEED = RESULTS / "speed.json"
MARKED = re.compile(r"(<!-- table: ([\w-]+) -->)(.*?)(<!-- end -->)", re.DOTALL)
COLUMNS = {  # of a result file: decimals, None for whole numbers
    "seed": None,
    "greedy_return_mean": 2,
    "sampled_return_mean": 2,
    "solved_at_step": None,
    "solved_for_good_at_step": None,
    "env_steps": None,
    "train_seconds": 2,
}
ZOO_URL = "https://github.com/DLR-RM/rl-baselines3-zoo/blob/master/benchmark.md"
ZOO = {  # its PPO's mean return, and steps
    "CartPole-v1": (500.0, 100_000),
    "Acrobot-v1": (-73.5, 1_000_000),
    "Pendulum-v1": (-172.2, 100_000),
    "MountainCar-v0": (-110.4, 1_000_000),
    "MountainCarContinuous-v0": (88.3, 20_000),
    "LunarLander-v3": (242.1, 1_000_000),
}


# ------------------------------------------------------------------- files


def keep(folder):
    """Write the result files of a study, one a variant, with the seeds that are finished."""
    about = read_json(Path(folder) / "study.json")
    settings = about["settings"]
    results = [read_json(path) for path in sorted((Path(folder) / "seeds").glob("*.json"))]
    for variant in settings["variants"]:
        own = statistics.of_label(results, variant["label"])
        seeds = ranges([result["seed"] for result in own])
        algorithm, env_id = variant["algorithm"], settings["env_id"]
        command = f"python run.py study --algo {algorithm} --env {env_id} --seeds {seeds}"
        looks = settings["evaluations"]
        data = {
            "command": command + (f" --evaluations {looks}" if looks != EVALUATIONS else ""),
            "date": about["started"][:10],
            "processor": own[0]["processor"],
            "versions": own[0]["versions"],
            "env_id": env_id,
            "algorithm": algorithm,
            "config": variant["config"],
            "eval_episodes": settings["eval_episodes"],
            "evaluations": settings["evaluations"],
            "reward_threshold": own[0]["reward_threshold"],
            "columns": list(COLUMNS),
        }
        rows = [[rounded(result[name], COLUMNS[name]) for name in COLUMNS] for result in own]
        write(RESULTS / f"{env_id}-{algorithm}.json", data, rows)


def ranges(seeds):
    """[0, 1, 2, 7] -> "0-2,7"."""
    starts = [n for n, seed in enumerate(seeds) if n == 0 or seed != seeds[n - 1] + 1]
    spans = [seeds[a:b] for a, b in zip(starts, [*starts[1:], len(seeds)], strict=True)]
    return ",".join(f"{span[0]}-{span[-1]}" if len(span) > 1 else str(span[0]) for span in spans)


def rounded(number, decimals):
    return number if number is None or decimals is None else round(number, decimals)


def write(path, data, rows):
    """JSON with a seed a line, so that people and git can read it."""
    head = json.dumps(data, indent=1, ensure_ascii=False).removesuffix("\n}")
    body = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'{head},\n "seeds": [\n{body}\n ]\n}}\n', "utf-8")


class Results:
    """One result file: `about` it, and its columns as arrays (n,); never is statistics.NEVER."""

    def __init__(self, path):
        self.about = read_json(path)
        rows = [dict(zip(self.about["columns"], row, strict=True)) for row in self.about["seeds"]]
        for name in COLUMNS:
            setattr(self, name, statistics.values_of(rows, name))

    @property
    def name(self):
        return self.about["algorithm"].upper()

    def __len__(self):
        return len(self.seed)


def study_of(env_id, algorithm):
    return Results(RESULTS / f"{env_id}-{algorithm}.json")


# ------------------------------------------------------------------- cells


def number(value, form="{:,.1f}"):
    return "never" if value >= statistics.NEVER else form.format(value).replace("-", "−")


def mean_cell(values):
    """Mean, and its 95% interval over the seeds."""
    return f"**{number(values.mean())}** {bounds(np.mean, values, '{:,.1f}')}"


def steps_cell(values):
    """Median, and its 95% interval over the seeds."""
    if (values >= statistics.NEVER).all():
        return "–"
    return f"{number(np.median(values), '{:,.0f}')} {bounds(np.median, values, '{:,.0f}')}"


def bounds(statistic, values, form):
    found = statistics.interval(statistic, values)
    if found is None:
        return "(one seed)"
    return f"({' to '.join(number(bound, form) for bound in found)})"


def table(head, rows):
    lines = [head, ["-"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(line)} |" if line != lines[1] else "|-" * len(head) + "|" for line in lines
    )


def commands(files):
    """The commands that made these files, and where they ran."""
    lines = "\n".join(file.about["command"] for file in files)
    places = sorted({where(file.about) for file in files})
    return f"```\n{lines}\n```\n\n({'; '.join(places)}.)"


def where(about):
    packages = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return f"{about['date']}, {about['processor']}, {packages}"


# ------------------------------------------------------------------ tables


RETURNS = {
    "greedy return": lambda file: mean_cell(file.greedy_return_mean),
    "worst seed, greedy": lambda file: number(file.greedy_return_mean.min()),
    "sampled return": lambda file: mean_cell(file.sampled_return_mean),
    "worst seed, sampled": lambda file: number(file.sampled_return_mean.min()),
}


def results(files, columns):
    """A row a file: columns, head -> function of a Results; and the commands that made them."""
    rows = [[cell(file) for cell in columns.values()] for file in files]
    return f"{table(list(columns), rows)}\n\n{commands(files)}"


def seeds():
    """CartPole-v1 with each algorithm's defaults."""
    columns = {
        "": lambda file: file.name,
        "seeds": lambda file: f"{len(file):,}",
        **RETURNS,
        "first solved, steps": lambda file: steps_cell(file.solved_at_step),
        "solved for good, steps": lambda file: steps_cell(file.solved_for_good_at_step),
        "its slowest seed": lambda file: number(file.solved_for_good_at_step.max(), "{:,.0f}"),
    }
    return results([study_of("CartPole-v1", name) for name in ("ppo", "vpg")], columns)


def environments():
    """The environments that PPO was measured on, beside RL-Zoo's PPO."""
    known = [env_id for env_id in ZOO if (RESULTS / f"{env_id}-ppo.json").exists()]
    columns = {
        "environment": lambda file: file.about["env_id"],
        "seeds": lambda file: f"{len(file):,}",
        "steps": lambda file: f"{file.env_steps.max():,.0f}",
        **RETURNS,
        "solved for good, steps": lambda file: steps_cell(file.solved_for_good_at_step),
        f"[RL-Zoo]({ZOO_URL})'s PPO": lambda file: number(ZOO[file.about["env_id"]][0]),
        "its steps": lambda file: f"{ZOO[file.about['env_id']][1]:,}",
        "seconds": lambda file: f"{np.min(file.train_seconds):.0f}",
    }
    return results([study_of(env_id, "ppo") for env_id in known], columns)


SPEED_ROWS = {
    "ppo": "PPO, here: its defaults",
    "ppo_zoo": "PPO, here: RL-Zoo's settings",
    "sb3": "PPO, Stable-Baselines3: RL-Zoo's settings",
    "vpg": "VPG, here: its defaults",
}


class Speed:
    """What against_sb3.py measured: result is its dict, by default the kept one."""

    def __init__(self, result=None):
        self.about = result or read_json(SPEED)
        self.columns = {
            name: {key: statistics.values_of(own, key) for key in own[0]}
            for name, own in self.about["runs"].items()
        }

    def median(self, name, key, form="{:,.0f}"):
        return form.format(np.median(self.columns[name][key]))

    def ratio(self, slow, fast):
        """Median of the seeds' ratios of seconds, as text."""
        return f"{np.median(self.columns[slow]['seconds'] / self.columns[fast]['seconds']):.1f}"


def speed(result=None):
    """The two comparisons of against_sb3.py."""
    found = Speed(result)
    about = found.about
    head = [
        *("", f"CPU seconds for {about['steps']:,} steps", "gradient steps", "rows a second"),
        *("parameters", "CPU seconds to a greedy 475", "steps to a greedy 475"),
    ]
    rows = []
    for name, title in SPEED_ROWS.items():
        column = found.columns[name]
        rows.append(
            [
                title,
                spread(column["seconds"], 2),
                found.median(name, "gradient_steps"),
                f"{np.median(column['rows'] / column['seconds']):,.0f}",
                found.median(name, "parameters"),
                spread(column["seconds_to_solve"], 2),
                spread(column["steps_to_solve"], 0),
            ]
        )
    return f"""{table(head, rows)}

- *Each with its own settings*, PPO here is {found.ratio("sb3", "ppo")} times as fast as \
Stable-Baselines3, VPG {found.ratio("sb3", "vpg")} times.
- *With the same settings*, RL-Zoo's, PPO here is {found.ratio("sb3", "ppo_zoo")} times as fast: \
that is less overhead.
- The other factor, {found.ratio("ppo_zoo", "ppo")}, is less work asked for: {work(found)}.
- All of PPO takes {found.ratio("ppo", "bare")} times as long as its \
environments alone ({found.median("bare", "seconds", "{:.3f}")} s); with RL-Zoo's settings, whose \
environments come in eights, {found.ratio("ppo_zoo", "bare_zoo")} times.

(`{about["command"]}`: medians of {about["seeds"]} seeds, the lowest to the highest in brackets, \
and medians of the seeds' ratios. CPU seconds of one thread, evaluations not counted. Each \
gradient step moves the policy and the value function, VPG's the value function \
{vpg.Config().value_steps} times. A row is one environment step in one gradient step. \
{where(about)}.)"""


def work(found):
    return (
        f"{found.median('ppo', 'gradient_steps')} gradient steps on "
        f"{found.median('ppo', 'parameters')} parameters instead of "
        f"{found.median('ppo_zoo', 'gradient_steps')} on {found.median('ppo_zoo', 'parameters')}"
    )


def speed_in_brief():
    found = Speed()
    return f"""\
- With each library's own CartPole settings, PPO here is {found.ratio("sb3", "ppo")} times as fast \
as Stable-Baselines3's, VPG {found.ratio("sb3", "vpg")} times.
- With the same settings it is {found.ratio("sb3", "ppo_zoo")} times as fast: so much is overhead \
that is not there. The rest is less work: {work(found)}.
- All of PPO takes {found.ratio("ppo", "bare")} times as long as its bare environments. \
[The comparison](docs/guide.md#how-fast-in-numbers)."""


def spread(values, decimals):
    form = f"{{:,.{decimals}f}}"
    low, middle, high = (number(np.quantile(values, q), form) for q in (0, 0.5, 1))
    return f"{middle} ({low} to {high})"


def of_cartpole(algorithm, column):
    """A single number for a sentence: a column's median."""
    return lambda: number(np.median(getattr(study_of("CartPole-v1", algorithm), column)), "{:,.0f}")


def perfect():
    """On how many seeds each algorithm ends at 500 points, greedy and sampled, in words."""
    counts = {}
    for file in (study_of("CartPole-v1", name) for name in ("ppo", "vpg")):
        lowest = np.minimum(file.greedy_return_mean, file.sampled_return_mean)
        counts[file.name] = f"{np.sum(lowest == 500):,} of {len(file):,}"
    return " and ".join(f"{name} on {count}" for name, count in counts.items())


TABLES = {
    "speed": speed,
    "speed-in-brief": speed_in_brief,
    "seeds": seeds,
    "environments": environments,
    "ppo-first-solved": of_cartpole("ppo", "solved_at_step"),
    "ppo-solved-for-good": of_cartpole("ppo", "solved_for_good_at_step"),
    "vpg-first-solved": of_cartpole("vpg", "solved_at_step"),
    "vpg-solved-for-good": of_cartpole("vpg", "solved_for_good_at_step"),
    "perfect": perfect,
}


# -------------------------------------------------------------------- text


def texts():
    return [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]


def filled(text):
    """The text with every table made anew; a table gets lines of its own, a number stays inline."""

    def fill(match):
        begin, name, _, end = match.groups()
        content = TABLES[name]()
        return f"{begin}\n\n{content}\n\n{end}" if "\n" in content else f"{begin}{content}{end}"

    return MARKED.sub(fill, text)


def main(folders):
    for folder in folders:
        keep(folder)
    for path in texts():
        before = path.read_text("utf-8")
        after = filled(before)
        if after != before:
            path.write_text(after, "utf-8")
            print(f"written: {path.relative_to(PROJECT)}")


if __name__ == "__main__":
    main(sys.argv[1:])
