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
from functools import cache
from pathlib import Path

import numpy as np

import vpg
from lab.kit import PROJECT, minus, read_json, regular, safe_name
from lab.runs import ALGORITHMS
from lab.study import ladder as stairs
from lab.study import statistics
from lab.study.columns import RETURNS, SOLVED, bounded, markdown, number
from lab.study.folder import StudyFolder
from lab.study.seed import EVALUATIONS

RESULTS = PROJECT / "benchmarks" / "results"
SPEED = RESULTS / "speed.json"
MARKED = re.compile(r"(<!-- table: ([\w-]+) -->)(.*?)(<!-- end -->)", re.DOTALL)
MEAN = {"mean": np.mean}  # the tables of returns show no other middle
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
    """Write the result files of a study, one a variant, with the seeds that are finished.

    Raises ValueError in one line for a folder that holds none, or more than that.
    """
    path = Path(folder) / "study.json"
    about = read_json(regular(path))
    try:
        study = StudyFolder(path.parent, about["settings"], None)
        env_id, evaluations = study.settings["env_id"], study.settings["evaluations"]
        variants = {job.label: job for job in study.jobs()}
        date = re.match(r"\d{4}-\d\d-\d\d", about["started"])[0]
        known = all(job.algorithm == label in ALGORITHMS for label, job in variants.items())
        if not (known and re.fullmatch(r"[\w./:-]+", env_id)):
            raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ValueError(f"{path} does not describe a study of {', '.join(ALGORITHMS)}") from None
    results = [result for result in map(study.read, study.jobs()) if result]
    for label, job in variants.items():
        own = statistics.of_label(results, label)
        if not own:
            raise ValueError(f"{study.path} holds no finished seed of {label}")
        seeds = ranges([result["seed"] for result in own])
        command = f"python run.py study --algo {label} --env {env_id} --seeds {seeds}"
        if evaluations != EVALUATIONS:
            command += f" --evaluations {evaluations}"
        data = {
            "command": command,
            "date": date,
            "processor": own[0]["processor"],
            "versions": own[0]["versions"],
            "env_id": env_id,
            "algorithm": label,
            "config": job.config,
            "eval_episodes": job.eval_episodes,
            "evaluations": evaluations,
            "reward_threshold": own[0]["reward_threshold"],
            "columns": list(COLUMNS),
        }
        rows = [[rounded(result[name], COLUMNS[name]) for name in COLUMNS] for result in own]
        write(RESULTS / f"{safe_name(env_id)}-{label}.json", data, rows)


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
    """One result file: `about` it, its `rows`, a dict a seed, and their statistics, `entry`."""

    def __init__(self, path):
        self.about = read_json(path)
        threshold = {"reward_threshold": self.about["reward_threshold"]}
        columns = self.about["columns"]
        self.rows = [dict(zip(columns, row, strict=True)) for row in self.about["seeds"]]
        self.entry = statistics.describe([row | threshold for row in self.rows], MEAN)
        self.entry |= {"seeds": len(self.rows), "file": self}

    def column(self, name):
        """Of all seeds, (n,); never is statistics.NEVER."""
        return statistics.values_of(self.rows, name)


@cache
def study_of(env_id, algorithm):
    return Results(RESULTS / f"{env_id}-{algorithm}.json")


def of_column(name, function, form="{:,.0f}"):
    """A cell: some function of a column of the entry's file."""
    return lambda entry: number(statistics.finite(function(entry["file"].column(name))), form)


# ------------------------------------------------------------------ tables


def table(columns, files, head=""):
    """A row a file, and below them the commands that made them, and where."""
    commands = "\n".join(file.about["command"] for file in files.values())
    places = "; ".join(sorted({where(file.about) for file in files.values()}))
    entries = {label: file.entry for label, file in files.items()}
    return f"{markdown(columns, entries, head)}\n\n```\n{commands}\n```\n\n({places}.)"


def where(about):
    packages = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return f"{about['date']}, {about['processor']}, {packages}"


SEEDS = ("seeds", lambda entry: f"{entry['seeds']:,}")


def seeds():
    """CartPole-v1 with each algorithm's defaults."""
    columns = [
        *(SEEDS, *RETURNS, *SOLVED[1:]),
        ("its slowest seed", of_column("solved_for_good_at_step", np.max)),
    ]
    names = "ppo", "ppo-penalty", "vpg"
    return table(columns, {name: study_of("CartPole-v1", name) for name in names})


def environments():
    """The environments that PPO was measured on, beside RL-Zoo's PPO."""

    def zoo(place, form):
        return lambda entry: number(ZOO[entry["file"].about["env_id"]][place], form)

    columns = [
        *(SEEDS, ("steps", of_column("env_steps", np.max)), *RETURNS, SOLVED[1]),
        (f"[RL-Zoo]({ZOO_URL})'s PPO", zoo(0, "{:.1f}")),
        ("its steps", zoo(1, "{:,}")),
        ("seconds", of_column("train_seconds", np.min)),
    ]
    known = [env_id for env_id in ZOO if (RESULTS / f"{env_id}-ppo.json").exists()]
    return table(columns, {env_id: study_of(env_id, "ppo") for env_id in known}, "environment")


def ablation():
    """PPO less one thing at a time."""
    kept = read_json(PROJECT / "figures" / "ablation.json")
    entries = kept["variants"]
    for comparison in kept["comparisons"]:
        entries[comparison["better"]]["larger area"] = comparison["area"]
    columns = [
        ("area under the curve", bounded("area", "iqm", "{:.0f}")),
        *SOLVED[:2],
        ("greedy, at the end", bounded("greedy_return_mean", "iqm", "{:.0f}")),
        ("sampled, at the end", bounded("sampled_return_mean", "iqm", "{:.0f}")),
        ("P(larger area than complete)", bounded("larger area", "probability", "{:.2f}")),
    ]
    return markdown(columns, entries, "PPO with …")


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
    times = Speed(result)
    about = times.about
    columns = [
        (f"CPU seconds for {about['steps']:,} steps", lambda own: spread(own["seconds"], 2)),
        ("gradient steps", lambda own: number(np.median(own["gradient_steps"]), "{:,.0f}")),
        ("rows a second", lambda own: f"{np.median(own['rows'] / own['seconds']):,.0f}"),
        ("parameters", lambda own: number(np.median(own["parameters"]), "{:,.0f}")),
        ("CPU seconds to a greedy 475", lambda own: spread(own["seconds_to_solve"], 2)),
        ("steps to a greedy 475", lambda own: spread(own["steps_to_solve"], 0)),
    ]
    rows = {title: times.columns[name] for name, title in SPEED_ROWS.items()}
    return f"""{markdown(columns, rows)}

- *Each with its own settings*, PPO here is {times.ratio("sb3", "ppo")} times as fast as \
Stable-Baselines3, VPG {times.ratio("sb3", "vpg")} times.
- *With the same settings*, RL-Zoo's, PPO here is {times.ratio("sb3", "ppo_zoo")} times as fast: \
that is less overhead.
- The other factor, {times.ratio("ppo_zoo", "ppo")}, is less work asked for: {work(times)}.
- All of PPO takes {times.ratio("ppo", "bare")} times as long as its \
environments alone ({times.median("bare", "seconds", "{:.3f}")} s); with RL-Zoo's settings, whose \
environments come in eights, {times.ratio("ppo_zoo", "bare_zoo")} times.

(`{about["command"]}`: medians of {about["seeds"]} seeds, the lowest to the highest in brackets, \
and medians of the seeds' ratios. CPU seconds of one thread, evaluations not counted. Each \
gradient step moves the policy and the value function, VPG's the value function \
{vpg.Config().value_steps} times. A row is one environment step in one gradient step. \
{where(about)}.)"""


def work(times):
    return (
        f"{times.median('ppo', 'gradient_steps')} gradient steps on "
        f"{times.median('ppo', 'parameters')} parameters instead of "
        f"{times.median('ppo_zoo', 'gradient_steps')} on {times.median('ppo_zoo', 'parameters')}"
    )


def speed_in_brief():
    times = Speed()
    return f"""\
PPO here is {times.ratio("sb3", "ppo")} times as fast as Stable-Baselines3's, each with its own \
CartPole settings, {times.ratio("sb3", "ppo_zoo")} times with the same, and takes \
{times.ratio("ppo", "bare")} times as long as its bare environments \
([more](docs/guide.md#how-fast-in-numbers))."""


def spread(values, decimals):
    form = f"{{:,.{decimals}f}}"
    ends = map(statistics.finite, np.quantile(values, [0, 0.5, 1]))
    low, middle, high = (number(end, form) for end in ends)
    return f"{middle} ({low} to {high})"


def perfect():
    """On how many seeds each algorithm ends at 500 points, greedy and sampled, in words."""
    counts = []
    for name in ("ppo", "vpg"):
        file = study_of("CartPole-v1", name)
        lowest = np.minimum(file.column("greedy_return_mean"), file.column("sampled_return_mean"))
        counts.append(f"{name.upper()} on {np.sum(lowest == 500):,} of {len(lowest):,}")
    return " and ".join(counts)


def ladder():
    """What each stair of the ladder came to."""
    data = stairs.kept()
    titles = {n: f"{n} {stairs.name(n)}" for n in range(1, 10)}
    rows = {titles[n]: entry for n, entry in stairs.entries(data).items()}
    return f"""{markdown(stairs.COLUMNS, rows, "stair")}

(`make ladder`: {len(data["runs"][stairs.CART]["2"])} held-out seeds. {where(data)}.)"""


def ladder_in_words():
    """What the ideas buy and what they do not, stair by stair."""
    data = stairs.kept()
    of = stairs.summaries(data, stairs.CART)
    swing = {n: f"{s['end']:.0f}" for n, s in stairs.summaries(data, stairs.SWING_UP).items()}
    noise = {n: data["noise"][stairs.AFTER[0]][words] for n, words in stairs.NOISE.items()}
    late = {n: data["noise"][stairs.AFTER[1]][words] for n, words in stairs.NOISE.items()}
    kl = {n: stairs.largest(data, n) for n in (7, 8, 9)}
    wild = data["updates"]["8"]
    ends = [row[3][-1] for row in data["runs"][stairs.CART]["8"]]
    fallen = sum(end < 10 for end in ends)

    def less(old, new, noise=noise):
        return f"{noise[old][0] / noise[new][0]:.1f}"

    def step(n, key="first_step"):
        return f"{of[n][key]:,.0f}"

    text = f"""\
- **Reward-to-go (3)** is the largest step on CartPole: {of[3]["good"]} of {of[3]["seeds"]} seeds \
end solved, not {of[2]["good"]}; the noise is {less(2, 3)} times as small. The swing-up sees \
nothing of it: {swing[3]}, before {swing[2]}.
- **A baseline (4)** makes the noise {less(3, 4)} times as small again (at the later policy only \
{less(3, 4, late)} times). On CartPole that buys next to nothing: 475 comes at {step(4)} steps, \
before at {step(3)}. On the swing-up it does: {swing[4]}, not {swing[3]}.
- **The network (5)** costs at first. A straight line balances the pole, and is there in less than \
half the steps: {step(4)}, the network {step(5)}. But the line sways on, for good only from \
{step(4, "good_step")}; the network stays. Swing-up: {swing[5]}, not {swing[4]}.
- **The critic (6)** makes the noise {less(4, 6)} times as small. Its bias does not show: its mean \
gradient's cosine to stair 4's is {noise[6][1]}, stair 3's {noise[3][1]}. 475 comes at {step(6)}, \
not {step(5)}, but for good from {step(6, "good_step")}. Swing-up: {swing[6]}, not {swing[5]}.
- **Many carts (7)** buy seconds, {of[7]["seconds"]:.2f} for {of[6]["seconds"]:.2f}, and cost \
steps: 475 at {step(7)}; {of[7]["good"]} of {of[7]["seeds"]} end solved; swing-up {swing[7]}, not \
{swing[6]}. Short rollouts are what the next idea uses again.
- **Epochs (8) waver.** 475 comes no later ({step(8)}), but {of[8]["good"]} of {of[8]["seeds"]} \
end solved, not {of[7]["good"]}; {fallen} end at 9 points, which is one action for ever. The first \
update has a KL of {np.median(wild["first_kl_of_seeds"]):.1f}, a seed's largest is \
{kl[8][0]:.1f} (stair 7: {kl[7][0]:.3f}), {100 * wild["share_of_kl_above_0.05"]:.0f}% of all are \
above 0.05; one ratio was {kl[8][1]:,.0f}. No worse than that: most seeds find back, and their \
median end is {np.median(ends):.0f}.
- **The clip (9) is the cure:** the same epochs, largest KL {kl[9][0]:.3f}, largest ratio \
{kl[9][1]:.1f}; {of[9]["good"]} of {of[9]["seeds"]} end solved, from {step(9, "good_step")} on; \
swing-up {swing[9]}, not {swing[8]}. To a first 475, and in return on the way, the straight line \
is still ahead on CartPole."""
    return minus(text)


TABLES = {
    "speed": speed,
    "speed-in-brief": speed_in_brief,
    "seeds": seeds,
    "environments": environments,
    "ablation": ablation,
    "perfect": perfect,
    "ladder": ladder,
    "ladder-in-words": ladder_in_words,
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
    try:
        for folder in folders:
            keep(folder)
    except ValueError as error:
        print(f"tables: error: {error}", file=sys.stderr)
        return 2
    for path in texts():
        before = path.read_text("utf-8")
        after = filled(before)
        if after != before:
            path.write_text(after, "utf-8")
            print(f"written: {path.relative_to(PROJECT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
