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

from lab.runs import read_json
from lab.study import statistics
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
# https://github.com/DLR-RM/rl-baselines3-zoo/blob/master/benchmark.md: PPO's mean return and steps
ZOO = {
    "CartPole-v1": (500.0, 100_000),
    "Acrobot-v1": (-73.5, 1_000_000),
    "Pendulum-v1": (-172.2, 100_000),
    "MountainCar-v0": (-110.4, 1_000_000),
    "MountainCarContinuous-v0": (88.3, 20_000),
    "LunarLander-v3": (242.1, 1_000_000),
}


# ------------------------------------------------------------------- files


def keep(folder):
    """Write a study's result files, one a variant. Raises ValueError if seeds are missing."""
    about = read_json(Path(folder) / "study.json")
    settings = about["settings"]
    results = [read_json(path) for path in sorted((Path(folder) / "seeds").glob("*.json"))]
    env_id, seeds = settings["env_id"], settings["seeds"]
    for variant in settings["variants"]:
        own = statistics.of_label(results, variant["label"])
        if [result["seed"] for result in own] != seeds:
            raise ValueError(f"{folder}: {len(own)} of {len(seeds)} seeds are there")
        span = f"{seeds[0]}-{seeds[-1]}"
        data = {
            "command": f"python run.py study --algo {variant['algorithm']} --env {env_id} "
            f"--seeds {span} --evaluations {settings['evaluations']}",
            "date": about["started"][:10],
            "processor": own[0]["processor"],
            "versions": own[0]["versions"],
            "env_id": env_id,
            "algorithm": variant["algorithm"],
            "config": variant["config"],
            "eval_episodes": settings["eval_episodes"],
            "evaluations": settings["evaluations"],
            "reward_threshold": own[0]["reward_threshold"],
            "columns": list(COLUMNS),
        }
        rows = [[rounded(result[name], COLUMNS[name]) for name in COLUMNS] for result in own]
        write(RESULTS / f"{env_id}-{variant['algorithm']}.json", data, rows)


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
    low, high = statistics.interval(np.mean, values)
    return f"**{number(values.mean())}** ({number(low)} to {number(high)})"


def steps_cell(values):
    """Median, and its 95% interval over the seeds."""
    if (values >= statistics.NEVER).all():
        return "–"
    low, high = statistics.interval(np.median, values)
    form = "{:,.0f}"
    return f"{number(np.median(values), form)} ({number(low, form)} to {number(high, form)})"


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


def seeds():
    """CartPole-v1 with each algorithm's defaults."""
    files = [study_of("CartPole-v1", name) for name in ("ppo", "vpg")]
    head = [
        *("", "seeds", "greedy return", "its worst seed", "sampled return", "its worst seed"),
        *("first solved, steps", "solved for good, steps", "its slowest seed"),
    ]
    rows = [
        [
            file.name,
            f"{len(file):,}",
            mean_cell(file.greedy_return_mean),
            number(file.greedy_return_mean.min()),
            mean_cell(file.sampled_return_mean),
            number(file.sampled_return_mean.min()),
            steps_cell(file.solved_at_step),
            steps_cell(file.solved_for_good_at_step),
            number(file.solved_for_good_at_step.max(), "{:,.0f}"),
        ]
        for file in files
    ]
    return f"{table(head, rows)}\n\n{commands(files)}"


def environments():
    """Every environment that PPO has a preset for, beside RL-Zoo's PPO."""
    files = [study_of(env_id, "ppo") for env_id in ZOO]
    head = [
        *("environment", "seeds", "steps", "greedy return", "its worst seed", "sampled return"),
        *("its worst seed", "solved for good, steps", "RL-Zoo's PPO", "its steps", "seconds"),
    ]
    rows = [
        [
            file.about["env_id"],
            f"{len(file):,}",
            f"{file.env_steps.max():,.0f}",
            mean_cell(file.greedy_return_mean),
            number(file.greedy_return_mean.min()),
            mean_cell(file.sampled_return_mean),
            number(file.sampled_return_mean.min()),
            steps_cell(file.solved_for_good_at_step),
            number(ZOO[file.about["env_id"]][0]),
            f"{ZOO[file.about['env_id']][1]:,}",
            f"{np.min(file.train_seconds):.0f}",
        ]
        for file in files
    ]
    return f"{table(head, rows)}\n\n{commands(files)}"


SPEED_ROWS = {
    "ppo": "PPO, here: its defaults",
    "ppo_zoo": "PPO, here: RL-Zoo's settings",
    "sb3": "PPO, Stable-Baselines3: RL-Zoo's settings",
    "vpg": "VPG, here: its defaults",
}


def speed(result=None):
    """The two comparisons of against_sb3.py; result is its dict, by default the kept one."""
    result = result or read_json(SPEED)
    steps, runs = result["steps"], result["runs"]
    column = {
        name: {key: statistics.values_of(own, key) for key in own[0]} for name, own in runs.items()
    }

    def seconds(name):
        return column[name]["seconds"]

    def ratio(slow, fast):
        return times(slow, fast, result)

    head = [
        *("", f"CPU seconds for {steps:,} steps", "gradient steps", "rows a second"),
        *("parameters", "CPU seconds to a greedy 475", "steps to a greedy 475"),
    ]
    rows = [
        [
            title,
            spread(seconds(name), 2),
            f"{np.median(column[name]['gradient_steps']):,.0f}",
            f"{np.median(column[name]['rows'] / seconds(name)):,.0f}",
            f"{np.median(column[name]['parameters']):,.0f}",
            spread(column[name]["seconds_to_solve"], 2),
            spread(column[name]["steps_to_solve"], 0),
        ]
        for name, title in SPEED_ROWS.items()
    ]
    return f"""{table(head, rows)}

Each with its own settings, PPO here takes {ratio("sb3", "ppo"):.1f} times less time than \
Stable-Baselines3 (VPG {ratio("sb3", "vpg"):.1f} times). With the same settings it takes \
{ratio("sb3", "ppo_zoo"):.1f} times less: that much is less overhead. The other factor of \
{ratio("ppo_zoo", "ppo"):.1f} is less work asked for: our defaults make \
{np.median(column["ppo"]["gradient_steps"]):,.0f} gradient steps where RL-Zoo's make \
{np.median(column["ppo_zoo"]["gradient_steps"]):,.0f}, on a network of \
{np.median(column["ppo"]["parameters"]):,.0f} parameters where theirs has \
{np.median(column["ppo_zoo"]["parameters"]):,.0f}. All of PPO takes {ratio("ppo", "bare"):.1f} \
times as long as its environments alone ({np.median(seconds("bare")):.3f} s).

(`{result["command"]}`; medians of {result["seeds"]} seeds, lowest to highest in brackets, and \
medians of the seeds' ratios; CPU seconds of one thread, evaluations not counted; a row is one \
step of an environment, seen in one gradient step. {where(result)}.)"""


def times(slow, fast, result=None):
    """How many times longer one contender takes than another: the median of the seeds' ratios."""
    runs = (result or read_json(SPEED))["runs"]
    slow, fast = (statistics.values_of(runs[name], "seconds") for name in (slow, fast))
    return np.median(slow / fast)


def spread(values, decimals):
    form = f"{{:,.{decimals}f}}"
    low, middle, high = (number(np.quantile(values, q), form) for q in (0, 0.5, 1))
    return f"{middle} ({low} to {high})"


def of_cartpole(algorithm, column):
    """A single number for a sentence: a column's median."""
    return lambda: number(np.median(getattr(study_of("CartPole-v1", algorithm), column)), "{:,.0f}")


TABLES = {
    "speed": speed,
    "times-own-settings": lambda: f"{times('sb3', 'ppo'):.1f}",
    "times-same-settings": lambda: f"{times('sb3', 'ppo_zoo'):.1f}",
    "times-less-work": lambda: f"{times('ppo_zoo', 'ppo'):.1f}",
    "times-bare": lambda: f"{times('ppo', 'bare'):.1f}",
    "seeds": seeds,
    "environments": environments,
    "ppo-first-solved": of_cartpole("ppo", "solved_at_step"),
    "ppo-solved-for-good": of_cartpole("ppo", "solved_for_good_at_step"),
    "vpg-first-solved": of_cartpole("vpg", "solved_at_step"),
    "vpg-solved-for-good": of_cartpole("vpg", "solved_for_good_at_step"),
    "cartpole-seeds": lambda: f"{len(study_of('CartPole-v1', 'ppo')):,}",
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
