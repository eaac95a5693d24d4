"""CartPole-v1 side by side with Stable-Baselines3's PPO, in one run on one machine.

    make benchmark                      a few minutes
    make benchmark ARGS="--seeds 1"     a first look
    make benchmark ARGS="--keep"        keeps the numbers for `make tables`

Two comparisons. *Each with its own settings*: our defaults, and those of RL-Zoo for
Stable-Baselines3. *The same settings*: RL-Zoo's for both. The second tells how much less
overhead there is here; what the first adds to it is work that our defaults do not ask for.

For each seed in turn every contender trains for 100,000 steps. Noted are also the first
evaluation, looked at after every 1,024 steps or so, at which the greedy policy's mean
return over 100 fresh episodes reaches 475, and what the bare environments cost with random
actions. All seconds are CPU seconds of one thread, so that other programs on the same cores
do not count; nor do evaluations.
"""

import argparse
import importlib.metadata
import os
import sys
import time
from datetime import date
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

import ppo
import vpg
from environments import make_envs, reset
from lab.kit import write_json
from lab.runs import processor, versions
from lab.study import tables
from training import Trainer, evaluate

ENV_ID, STEPS, GAP, THRESHOLD = "CartPole-v1", 100_000, 1_024, 475
NEVER = None  # the seconds and steps of a contender that was never solved

# RL-Zoo's settings for CartPole-v1, hyperparams/ppo.yml, under our names.
ZOO = {
    "num_envs": 8,
    "num_steps": 32,
    "gamma": 0.98,
    "gae_lambda": 0.8,
    "hidden_sizes": (64, 64),
    "learning_rate": 1e-3,
    "value_learning_rate": 1e-3,
    "clip_range": 0.2,
    "epochs": 20,
    "minibatch_size": 256,
    "entropy_coefficient": 0.0,
}


def ours(algorithm, settings, seed):
    """Train for STEPS steps -> what is measured, a dict."""
    trainer = Trainer(algorithm, ENV_ID, algorithm.Config(total_steps=STEPS, **settings), seed)
    epochs = getattr(trainer.config, "epochs", 1)
    seconds, rows, due, solved = 0.0, 0, GAP, (NEVER, NEVER)
    while trainer.env_steps < STEPS:
        before, start = trainer.env_steps, time.process_time()
        trainer.iterate()
        seconds += time.process_time() - start
        rows += epochs * (trainer.env_steps - before)
        if solved[0] is NEVER and trainer.env_steps >= due:
            due += GAP
            if evaluate(trainer.policy, ENV_ID, 100, seed).mean() >= THRESHOLD:
                solved = seconds, trainer.env_steps
    learner = trainer.learner
    return {
        "seconds": seconds,
        "seconds_to_solve": solved[0],
        "steps_to_solve": solved[1],
        "gradient_steps": learner.policy_adam.t,
        "rows": rows,
        "parameters": learner.policy.parameters.size + learner.value.parameters.size,
    }


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
        self.seed, self.due, self.cost, self.solved = seed, GAP, 0.0, (NEVER, NEVER)

    def _on_rollout_start(self):
        if self.solved[0] is not NEVER or self.num_timesteps < self.due:
            return
        self.due += GAP
        began = time.process_time()
        if evaluate(Greedy(self.model), ENV_ID, 100, self.seed).mean() >= THRESHOLD:
            self.solved = began - self.start - self.cost, self.num_timesteps
        self.cost += time.process_time() - began

    def _on_training_start(self):
        self.start = time.process_time()

    def _on_step(self):
        return True


def sb3(seed):
    """SB3's PPO with RL-Zoo's settings -> as `ours`."""
    model = PPO(
        "MlpPolicy",
        make_vec_env(ENV_ID, ZOO["num_envs"], seed=seed),
        n_steps=ZOO["num_steps"],
        batch_size=ZOO["minibatch_size"],
        n_epochs=ZOO["epochs"],
        gamma=ZOO["gamma"],
        gae_lambda=ZOO["gae_lambda"],
        ent_coef=ZOO["entropy_coefficient"],
        learning_rate=lambda left: ZOO["learning_rate"] * left,
        clip_range=lambda left: ZOO["clip_range"] * left,
        policy_kwargs={"net_arch": list(ZOO["hidden_sizes"])},
        seed=seed,
        device="cpu",
    )
    watch = FirstSolved(seed)
    model.learn(STEPS, callback=watch)
    seconds = time.process_time() - watch.start - watch.cost
    return {
        "seconds": seconds,
        "seconds_to_solve": watch.solved[0],
        "steps_to_solve": watch.solved[1],
        "gradient_steps": int(next(iter(model.policy.optimizer.state.values()))["step"]),
        "rows": ZOO["epochs"] * model.num_timesteps,
        "parameters": sum(p.numel() for p in model.policy.parameters()),
    }


def bare_environments(num_envs, seed):
    """CPU seconds that STEPS steps take with random actions and nothing else."""
    envs, rng = make_envs(ENV_ID, num_envs), np.random.default_rng(seed)
    reset(envs, seed)
    actions = rng.integers(0, 2, (STEPS // num_envs, num_envs))
    began = time.process_time()
    for action in actions:
        envs.step(action)
    return {"seconds": time.process_time() - began}


CONTENDERS = {
    "ppo": lambda seed: ours(ppo, {}, seed),
    "vpg": lambda seed: ours(vpg, {}, seed),
    "ppo_zoo": lambda seed: ours(ppo, ZOO, seed),
    "sb3": sb3,
    "bare": lambda seed: bare_environments(ppo.Config().num_envs, seed),
    "bare_zoo": lambda seed: bare_environments(ZOO["num_envs"], seed),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds [5]")
    parser.add_argument(
        "--keep", action="store_true", help=f"write {tables.SPEED.name}, for `make tables`"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)

    runs = {name: [] for name in CONTENDERS}
    for seed in range(args.seeds):
        for name, contend in CONTENDERS.items():
            runs[name].append(contend(seed))
            print(f"seed {seed}  {name:9s} {runs[name][-1]['seconds']:7.2f} s", file=sys.stderr)
    named = ("stable-baselines3", "torch")
    result = {
        "command": f'make benchmark ARGS="--seeds {args.seeds} --keep"',
        "date": str(date.today()),
        "processor": processor(),
        "versions": versions(ENV_ID) | {name: importlib.metadata.version(name) for name in named},
        "seeds": args.seeds,
        "steps": STEPS,
        "runs": runs,
    }
    print(tables.speed(result))
    if args.keep:
        write_json(tables.SPEED, result)


if __name__ == "__main__":
    main()
