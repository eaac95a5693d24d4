"""What each stair of the ladder buys: all nine, on the same seeds, to the same number of steps.

    make ladder                          every stair on 20 held-out seeds, on all cores
    make ladder ARGS="--seeds 3000-3001 --out FILE"    a first look, kept elsewhere
    python benchmarks/ladder.py --fill   the stairs' docstrings anew, from the kept file

Writes results/ladder.json:

    command, date, processor, versions   where it is from
    tasks      environment, number of steps, returns' threshold and unit
    runs       task -> stair -> a row a seed: [seed, seconds, updates, [steps, return, …]]; returns
               are means over fresh episodes with the likelier action, at the updates after which
               another share of the steps was done (for the bandit: π of the better arm)
    noise      the gradient's variance over its squared mean, at one policy, from 8 episodes each
    updates    of the stairs 7 to 9 on CartPole, for each update: KL(old‖new) and ratios

Seconds are CPU seconds of one thread, evaluations not counted.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import re
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path
from types import SimpleNamespace

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import gymnasium as gym
import numpy as np

from lab.runs import processor, versions
from lab.study import ladder

KEPT, STAIRS, SWING_UP = ladder.KEPT, ladder.STAIRS, ladder.SWING_UP
TASKS = {  # constants of a stair's module; looks at the policy, episodes of each
    "CartPole-v1": ({}, 20, 100),
    SWING_UP: (
        {"ENV_ID": SWING_UP, "OBS": 3, "ACTIONS": 3, "TOTAL_STEPS": 200_000, "GAMMA": 0.95},
        10,
        20,
    ),
}
RATIOS = 0, 1, 50, 99, 100  # percentiles


def swing_up():
    """Pendulum-v1 with three torques, left, none and right, and a tenth of its rewards."""
    torques = gym.spaces.Discrete(3)
    env = gym.wrappers.TransformAction(
        gym.make("Pendulum-v1"), lambda action: np.array([2.0 * (action - 1)]), torques
    )
    return gym.wrappers.TransformReward(env, lambda reward: reward / 10)


gym.register(SWING_UP, entry_point=swing_up)


def load(number, **constants):
    """Stair 1 to 9 as a module of its own, with some of its constants changed."""
    path = STAIRS[number - 1]
    spec = importlib.util.spec_from_file_location(f"stair_{number}", path)
    stair = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stair)
    assert constants.keys() - {"GAMMA"} <= vars(stair).keys(), f"{path.name} lacks a constant"
    vars(stair).update(constants)
    return stair


def logits(policy, obs):
    return obs @ policy if isinstance(policy, np.ndarray) else policy.forward(obs)[0]


def greedy_return(policy, env_id, seed, episodes):
    """Mean return of fresh episodes in which the likeliest action is taken."""
    envs = gym.make_vec(env_id, num_envs=episodes)
    obs, total, running = envs.reset(seed=seed)[0], 0.0, np.ones(episodes, bool)
    while running.any():
        action = logits(policy, obs).argmax(axis=1)
        obs, reward, terminated, truncated, _ = envs.step(action)
        total += reward @ running
        running &= ~(terminated | truncated)
    envs.close()
    return total / episodes


# --------------------------------------------------------------------- runs


def run(task, number, seed):
    """Train one stair on one seed -> [seed, seconds, updates, [steps, return, …]]."""
    constants, looks, episodes = TASKS[task]
    stair = load(number, **(constants if number > 1 else {}))
    curve, updates, seconds, begun = [], 0, 0.0, time.process_time()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice|invalid value encountered in")
        for env_steps, policy, _ in stair.train(seed):
            updates += 1
            done = env_steps >= stair.TOTAL_STEPS
            if done or env_steps * looks >= len(curve) // 2 * stair.TOTAL_STEPS:
                seconds += time.process_time() - begun
                curve += [env_steps, look(stair, number, policy, seed, episodes)]
                begun = time.process_time()
    return [seed, round(seconds + time.process_time() - begun, 2), updates, curve]


def look(stair, number, policy, seed, episodes):
    if number == 1:
        return round(float(stair.softmax(policy)[1]), 3)
    return round(float(greedy_return(policy, stair.ENV_ID, 10**6 + seed, episodes)), 1)


# ------------------------------------------------------------- KL and ratios


class Recorder(gym.vector.VectorWrapper):
    """Keeps what was seen and done: observations, actions, and which rows are steps."""

    def reset(self, **settings):
        self.obs, info = super().reset(**settings)
        self.rows, self.valid = [], np.ones(self.num_envs, bool)
        return self.obs, info

    def step(self, actions):
        obs, reward, terminated, truncated, info = super().step(actions)
        self.rows += [(o, a) for o, a, v in zip(self.obs, actions, self.valid, strict=True) if v]
        self.obs, self.valid = obs, ~(terminated | truncated)
        return obs, reward, terminated, truncated, info


def softmax(z):
    e = np.exp(np.float64(z) - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def drift(number, seed):
    """How far each update of stair 7, 8 or 9 carries its policy, on the rows that it used.

    -> rows of KL(old‖new) and the percentiles RATIOS of π_new(a)/π_old(a), an update a row
    """
    stair, made, recorders = load(number), [], []

    def make_vec(*settings, **more):
        recorders.append(Recorder(gym.make_vec(*settings, **more)))
        return recorders[-1]

    class Seen(stair.Network):
        def __init__(self, *settings):
            super().__init__(*settings)
            made.append((self, self.parameters.copy()))

    stair.gym = SimpleNamespace(make_vec=make_vec, wrappers=gym.wrappers)
    stair.Network = Seen
    updates = []
    for _, policy, _ in stair.train(seed):
        old, new = made[0][1], policy.parameters.copy()
        x, action = map(np.array, zip(*recorders[0].rows, strict=True))
        recorders[0].rows = []
        policy.parameters[:] = old
        before = softmax(policy.forward(x)[0])
        policy.parameters[:] = new
        after = softmax(policy.forward(x)[0])
        tiny = np.finfo(float).tiny
        kl = (before * np.log((before + tiny) / (after + tiny))).sum(axis=1).mean()
        rows = np.arange(len(x))
        ratio = after[rows, action] / before[rows, action]
        updates.append([kl, *np.percentile(ratio, RATIOS)])
        made[0] = policy, new
    return np.array(updates)


def drifts(results):
    """Of all seeds' updates of one stair: what the file keeps, from (seeds, updates, 6)."""
    least = min(map(len, results))
    kl = np.stack([seed[:least, 0] for seed in results])
    ratio = np.stack([seed[:least, 1:] for seed in results])

    def short(values):
        return [float(f"{value:.3g}") for value in values]

    return {
        "kl_median": short(np.median(kl, axis=0)),
        "kl_max": short(kl.max(axis=0)),
        "ratio_low": short(np.median(ratio[:, :, 1], axis=0)),
        "ratio_high": short(np.median(ratio[:, :, 3], axis=0)),
        "ratio_max": short(ratio[:, :, 4].max(axis=0)),
        "first_kl_of_seeds": short(kl[:, 0]),
        "largest_kl_of_seeds": short(kl.max(axis=1)),
        "share_of_kl_above_0.05": float(f"{(kl > 0.05).mean():.3g}"),
    }


# -------------------------------------------------------- the gradient's noise


def noise(after, seed=20_000, estimates=400):
    """The gradient's noise at one policy: stair 4's, after so many steps, held still.

    From the same 8 episodes each time, four gradients: of stairs 2, 3 and 4, and with the
    advantages of stair 6, whose critic has seen 60 lots of this policy's episodes.
    -> {estimate: [total variance over the squared mean's length, cosine to stair 4's mean]}
    """
    stair, critic, rng = load(4), load(6), np.random.default_rng(seed)
    W = next(policy.copy() for steps, policy, _ in stair.train(seed) if steps >= after)
    value, seen = critic.Network(4, 1, 1.0, rng), []

    class Linear:
        def forward(self, obs):
            return obs @ W, None

    def episodes():
        obs, action, reward, valid, terminated, truncated, last = critic.play(8, Linear(), rng)
        v = value.forward(np.concatenate([*obs, last]))[0].reshape(-1, 8)
        advantage = critic.credit(reward, v, terminated, truncated)
        return obs, action, reward, valid, advantage, advantage + v[:-1]

    for _ in range(60):
        obs, _, _, valid, _, target = episodes()
        x = obs[valid]
        for _ in range(critic.VALUE_STEPS):
            y, h = value.forward(x)
            dy = (y - target[valid][:, None]) / len(x)
            value.step(value.backward(dy, x, h), critic.STEP_SIZE)
    for _ in range(estimates):
        obs, action, reward, valid, advantage, _ = episodes()
        to_go = reward[::-1].cumsum(axis=0)[::-1]
        weights = {
            "whole return": np.broadcast_to(reward.sum(axis=0), reward.shape),
            "reward-to-go": to_go,
            "baseline": to_go - (to_go.sum(axis=1) / valid.sum(axis=1))[:, None],
            "critic": advantage,
        }
        score = np.eye(2)[action[valid]] - softmax(obs[valid] @ W)
        seen.append([obs[valid].T @ (w[valid][:, None] * score) for w in weights.values()])
    seen = np.array(seen).reshape(estimates, len(weights), -1)
    mean = seen.mean(axis=0)
    ratio = seen.var(axis=0, ddof=1).sum(axis=1) / (mean**2).sum(axis=1)
    length = np.sqrt((mean**2).sum(axis=1))
    cosine = mean @ mean[2] / (length * length[2])
    kept = zip(weights, ratio, cosine, strict=True)
    return {name: [float(f"{r:.3g}"), round(float(c), 3)] for name, r, c in kept}


# ------------------------------------------------------------------- summary


def table(data):
    """A line a stair, for people."""
    lines = []
    for task, stairs in data["runs"].items():
        lines.append(f"{task}\nstair  area    end  good  first 475   for good  seconds  updates")
        for number, rows in stairs.items():
            s = ladder.summary(rows)
            lines.append(
                "{number:>5} {area:>5.0f} {end:>6.1f} {good:>5} {first_step:>10.0f} "
                "{good_step:>10.0f} {seconds:>8.2f} {updates:>8.0f}".format(number=number, **s)
            )
    lines += [f"noise after {steps} steps: {found}" for steps, found in data["noise"].items()]
    for number, found in data["updates"].items():
        kl = found["first_kl_of_seeds"], found["largest_kl_of_seeds"]
        lines.append(
            f"stair {number}: first KL {np.median(kl[0]):.3g}, at most {max(kl[0]):.3g};"
            f" largest KL {np.median(kl[1]):.3g}, at most {max(kl[1]):.3g};"
            f" above 0.05 in {100 * found['share_of_kl_above_0.05']:.1f}% of the updates"
        )
    return "\n".join(lines)


def sentences(data):
    """{stair: what its docstring says that it bought}, each in at most 80 characters."""
    cart, swing = (ladder.summaries(data, task) for task in TASKS)
    noise = {name: found[0] for name, found in data["noise"]["1000"].items()}
    largest = {n: np.median(found["largest_kl_of_seeds"]) for n, found in data["updates"].items()}

    def quieter(old, new, what="the gradient's variance"):
        return f"{what} falls {noise[old] / noise[new]:.1f}-fold"

    def thousand(number, key="good_step"):
        return f"{cart[number][key] / 1000:.0f},000"

    def good(number):
        return f"{cart[number]['good']} of {cart[number]['seeds']}"

    def ends(number):
        return f"{swing[number]['end']:.0f}"

    return {
        1: f"the better arm's probability goes from 0.5 to {cart[1]['end']:.2f} in 200 pulls.",
        2: f"a return of {cart[2]['area']:.0f} on the way; {good(2)} seeds reach 475 and stay.",
        3: f"{quieter('whole return', 'reward-to-go')}; {good(3)} seeds reach 475 and stay.",
        4: f"{quieter('reward-to-go', 'baseline', 'the variance')}; swinging up a pendulum: "
        f"a return of {ends(4)}, not {ends(3)}.",
        5: f"475 at {thousand(5, 'first_step')} steps, not {thousand(4, 'first_step')}, and "
        f"stays; the pendulum's return {ends(5)}, not {ends(4)}.",
        6: f"{quieter('baseline', 'critic')}; the pendulum's return {ends(6)}, not {ends(5)}.",
        7: f"{cart[7]['seconds']:.1f} seconds, not {cart[6]['seconds']:.1f}; it costs steps: "
        f"475 for good at {thousand(7)}, not {thousand(6)}.",
        8: f"475 first at {thousand(8, 'first_step')} steps, not {thousand(7, 'first_step')}; "
        f"but {good(8)} seeds stay there, not {cart[7]['good']}.",
        9: f"{good(9)} stay, not {cart[8]['good']}; pendulum's return {ends(9)}, "
        f"not {ends(8)}; largest KL {largest['9']:.2f}, not {largest['8']:.1f}.",
    }


def fill(data):
    """Put those lines into the stairs."""
    for number, sentence in sentences(data).items():
        path = STAIRS[number - 1]
        before, rest = path.read_text("utf-8").split("\nBought: ", 1)
        after = rest[rest.index("\n") :]
        path.write_text(f"{before}\nBought: {sentence}{after}", "utf-8")


# ---------------------------------------------------------------------- main


def write(path, data):
    """JSON with a seed a line."""
    text = json.dumps(data, ensure_ascii=False, indent=1)
    text = re.sub(r"\[[^\[\]{}]*\]", lambda numbers: " ".join(numbers[0].split()), text)
    text = re.sub(r"\[\s+(\d+),\s+([\d.]+),\s+(\d+),\s+(\[.*\])\s+\]", r"[\1, \2, \3, \4]", text)
    path.write_text(text + "\n", "utf-8")


def main():
    parser = argparse.ArgumentParser(description="what each stair of the ladder buys")
    parser.add_argument("--seeds", default="20000-20019", help="first-last [20000-20019]")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="[all cores]")
    parser.add_argument("--out", type=Path, default=KEPT, help="the file [results/ladder.json]")
    parser.add_argument("--fill", action="store_true", help="the docstrings only")
    args = parser.parse_args()
    if args.fill:
        return fill(json.loads(KEPT.read_text("utf-8")))

    first, last = map(int, args.seeds.split("-"))
    seeds = range(first, last + 1)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.processes, spawn) as pool:
        noises = {steps: pool.submit(noise, steps) for steps in (1_000, 8_000)}
        moved = {n: [pool.submit(drift, n, seed) for seed in seeds] for n in (7, 8, 9)}
        ran = {
            task: {
                number: [pool.submit(run, task, number, seed) for seed in seeds]
                for number in range(1 if task == "CartPole-v1" else 2, 10)
            }
            for task in TASKS
        }
        data = {
            "command": "python benchmarks/ladder.py"
            + ("" if args.seeds == "20000-20019" else f" --seeds {args.seeds}"),
            "date": date.today().isoformat(),
            "processor": processor(),
            "versions": versions("CartPole-v1"),
            "tasks": {
                "CartPole-v1": "100,000 steps; solved: 475. Stair 1 is the bandit, 200 pulls",
                SWING_UP: f"200,000 steps, gamma 0.95: {swing_up.__doc__}",
            },
            "noise": {steps: found.result() for steps, found in noises.items()},
            "updates": {n: drifts([one.result() for one in found]) for n, found in moved.items()},
            "runs": {
                task: {n: [one.result() for one in rows] for n, rows in stairs.items()}
                for task, stairs in ran.items()
            },
        }
    write(args.out, data)
    data = json.loads(args.out.read_text("utf-8"))
    print(table(data))
    if args.out == KEPT:
        fill(data)


if __name__ == "__main__":
    main()
