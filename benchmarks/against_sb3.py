"""CartPole-v1 side by side with Stable-Baselines3's PPO, in one run on one machine.

    make benchmark                      about five minutes
    make benchmark ARGS="--seeds 1"     a first look

For each seed in turn: our PPO, our VPG, SB3's PPO under RL-Zoo's settings, and the
bare environments with random actions. Measured are 100,000 training steps, and the
first time that the greedy policy's mean return over 100 fresh episodes reaches 475,
looked at after every 1,024 steps or so. Evaluations are not counted as training time.
"""

import argparse
import importlib.metadata
import os
import platform
import sys
import time
from datetime import date
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent))

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

import ppo
import vpg
from environments import make_envs, reset
from training import Trainer, evaluate

STEPS, GAP, THRESHOLD = 100_000, 1_024, 475


def ours(algorithm, seed):
    """-> seconds for STEPS steps, seconds to solve, steps to solve (nan if never)."""
    trainer = Trainer(algorithm, "CartPole-v1", algorithm.Config(total_steps=STEPS), seed)
    seconds = steps = float("nan")
    due = GAP
    for _ in trainer:
        if np.isnan(steps) and trainer.env_steps >= due:
            due += GAP
            if evaluate(trainer.policy, "CartPole-v1", 100, seed).mean() >= THRESHOLD:
                seconds, steps = trainer.train_seconds, trainer.env_steps
    return trainer.train_seconds, seconds, steps


class Greedy:
    """An SB3 model, as training.evaluate wants it."""

    parameters = np.zeros(1, np.float32)

    def __init__(self, model):
        self.model = model

    def greedy(self, obs):
        return self.model.predict(obs, deterministic=True)[0]


class FirstSolved(BaseCallback):
    """Notes when SB3's policy first reaches the threshold, and its own cost."""

    def __init__(self, seed):
        super().__init__()
        self.seed, self.due, self.cost = seed, GAP, 0.0
        self.seconds = self.steps = float("nan")

    def _on_rollout_start(self):
        if not np.isnan(self.steps) or self.num_timesteps < self.due:
            return
        self.due += GAP
        began = time.perf_counter()
        if evaluate(Greedy(self.model), "CartPole-v1", 100, self.seed).mean() >= THRESHOLD:
            self.seconds, self.steps = began - self.start - self.cost, self.num_timesteps
        self.cost += time.perf_counter() - began

    def _on_training_start(self):
        self.start = time.perf_counter()

    def _on_step(self):
        return True


def sb3(seed):
    """SB3's PPO with RL-Zoo's settings for CartPole-v1 -> as `ours`."""
    model = PPO(
        "MlpPolicy",
        make_vec_env("CartPole-v1", 8, seed=seed),
        n_steps=32,
        batch_size=256,
        n_epochs=20,
        gamma=0.98,
        gae_lambda=0.8,
        ent_coef=0.0,
        learning_rate=lambda left: 1e-3 * left,
        clip_range=lambda left: 0.2 * left,
        seed=seed,
        device="cpu",
    )
    solved = FirstSolved(seed)
    model.learn(STEPS, callback=solved)
    return time.perf_counter() - solved.start - solved.cost, solved.seconds, solved.steps


def bare_environments(seed, num_envs):
    """Seconds that STEPS steps take with random actions and nothing else."""
    envs, rng = make_envs("CartPole-v1", num_envs), np.random.default_rng(seed)
    reset(envs, seed)
    actions = rng.integers(0, 2, (STEPS // num_envs, num_envs))
    began = time.perf_counter()
    for action in actions:
        envs.step(action)
    return time.perf_counter() - began


def spread(values, digits):
    low, middle, high = (np.quantile(values, q) for q in (0, 0.5, 1))
    return f"{middle:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds [5]")
    parser.add_argument("--torch-threads", type=int, default=1, help="PyTorch's threads [1]")
    args = parser.parse_args()
    torch.set_num_threads(args.torch_threads)

    contenders = {
        "PPO, here": lambda seed: ours(ppo, seed),
        "VPG, here": lambda seed: ours(vpg, seed),
        "PPO, Stable-Baselines3": sb3,
    }
    results, bare = {name: [] for name in contenders}, []
    for seed in range(args.seeds):
        for name, contend in contenders.items():
            results[name].append(contend(seed))
            seconds, to_solve, steps = results[name][-1]
            print(
                f"seed {seed}  {name:24s} {seconds:7.2f} s; solved after {to_solve:6.2f} s, "
                f"{steps:,.0f} steps",
                file=sys.stderr,
            )
        bare.append(bare_environments(seed, ppo.Config().num_envs))

    versions = {name: importlib.metadata.version(name) for name in ("numpy", "gymnasium")}
    versions |= {name: importlib.metadata.version(name) for name in ("stable-baselines3", "torch")}
    print(f"{date.today()}; medians of {args.seeds} seeds (lowest–highest)")
    print(f"{os.cpu_count()} × {processor()}; Python {platform.python_version()}, ", end="")
    print(", ".join(f"{name} {version}" for name, version in versions.items()), end="; ")
    print(f"one BLAS thread, {args.torch_threads} PyTorch thread(s)")
    print("\n| | 100,000 steps, s | to a greedy 475, s | steps to a greedy 475 |")
    print("|-|-|-|-|")
    for name, runs in results.items():
        seconds, to_solve, steps = np.nan_to_num(np.array(runs).T, nan=np.inf)
        print(f"| {name} | {spread(seconds, 2)} | {spread(to_solve, 2)} | {spread(steps, 0)} |")
    print(f"| {ppo.Config().num_envs} bare environments | {spread(bare, 3)} | | |")

    theirs = np.array(results["PPO, Stable-Baselines3"])
    for name in ("PPO, here", "VPG, here"):
        mine = np.array(results[name])
        faster, sooner = np.median(theirs[:, :2] / mine[:, :2], axis=0)
        over = np.median(mine[:, 0] / bare)
        print(
            f"\n{name}: {faster:.0f}× faster, solved {sooner:.0f}× sooner than "
            f"Stable-Baselines3 (medians of the seeds' ratios);\n"
            f"{over:.1f}× the time of the bare environments"
        )


def processor():
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    assert gym.spec("CartPole-v1").reward_threshold == THRESHOLD
    main()
