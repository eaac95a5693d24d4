"""The explorer: one web page that computes the lesson's equations while you play with them.

    python run.py --explorer        writes docs/explorer.html

The page is lab/pictures/explorer.html with recorded data put into it. The data are a real run's
weights, a real episode and a real learning curve; whatever else the page shows, it
computes by itself, and tests/test_explorer.py holds its numbers against the lesson's.
"""

import base64
import json
from pathlib import Path

import gymnasium as gym
import numpy as np

import ppo
from lab.runs import write_whole
from training import Trainer

TEMPLATE = Path(__file__).with_name("explorer.html")
PLACE = "__DATA__"  # where the data go in the template
ENV_ID, SEED = "CartPole-v1", 0
EPISODE_STEPS = range(60, 151)  # lengths that fit a timeline and still tell a story
# The episode's player has had this share of the training: good enough to live a while,
# not good enough to live on.
EPISODE_PROGRESS = 0.085


def collect(config=None, seed=SEED):
    """Train PPO once and record it: a dict fit for JSON; the same on one machine each time.

    config  a ppo.Config, None for the defaults
    seed    int, of the training; the episode's seeds count up from it
    """
    config = config or ppo.Config()
    trainer = Trainer(ppo, ENV_ID, config, seed)
    policies, states = [trainer.policy.parameters.copy()], [trainer.sampler.obs[:, 2:].copy()]
    rows, episodes, episode = [], [], None
    for statistics in trainer:
        rows.append(statistics)
        policies.append(trainer.policy.parameters.copy())
        states.append(trainer.sampler.obs[:, 2:].copy())
        episodes += [[trainer.iteration, total] for _, _, total, _ in trainer.rollout.episodes]
        if episode is None and trainer.env_steps >= EPISODE_PROGRESS * config.total_steps:
            episode = record_episode(trainer.policy, seed)
            episode["iteration"] = trainer.iteration
            episode["value_parameters"] = pack(trainer.value.parameters)
    shown = ("mean_return", "entropy", "approx_kl", "clip_fraction")
    return {
        "about": {
            "env_id": ENV_ID,
            "seed": seed,
            "gamma": config.gamma,
            "gae_lambda": config.gae_lambda,
            "clip_range": config.clip_range,
            "num_envs": config.num_envs,
            "hidden_sizes": list(config.hidden_sizes),
        },
        "episode": episode,
        "training": {
            "env_steps": [0, *(row["env_steps"] for row in rows)],
            **{key: [None, *(number(row[key]) for row in rows)] for key in shown},
            "episodes": episodes,
            "states": pack(states),  # (M, N, 2): pole angle and angular velocity
            "policies": pack(policies),  # (M, P): after 0, 1, … iterations
        },
    }


def record_episode(policy, seed):
    """Act until an episode falls after EPISODE_STEPS steps: dict of obs, actions, rewards.

    policy  a CategoricalPolicy; it samples
    seed    int, of the first attempt's environment and actions

    Raises ValueError if 1,000 attempts bring no such episode.
    """
    env = gym.make(ENV_ID)
    for attempt in range(seed, seed + 1_000):
        rng = np.random.default_rng(attempt)
        obs, actions, rewards, ended = [env.reset(seed=attempt)[0]], [], [], False
        while not ended:
            actions.append(int(policy.sample(obs[-1][None], rng)[0][0]))
            following, reward, terminated, truncated, _ = env.step(actions[-1])
            obs.append(following)
            rewards.append(float(reward))
            ended = terminated or truncated
        if terminated and len(actions) in EPISODE_STEPS:
            env.close()
            return {"obs": pack(obs), "actions": actions, "rewards": rewards}
    raise ValueError(f"no episode fell after {EPISODE_STEPS[0]} to {EPISODE_STEPS[-1]} steps")


def number(value):
    """A number for JSON: six digits, and None for what is not finite."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def pack(array):
    """An array as JSON: its shape, and its float32 numbers in base64, the smallest first byte."""
    array = np.asarray(array, "<f4")
    return {"shape": list(array.shape), "float32": base64.b64encode(array.tobytes()).decode()}


def unpack(packed):
    """The float32 array that `pack` was given."""
    return np.frombuffer(base64.b64decode(packed["float32"]), "<f4").reshape(packed["shape"])


def render(data):
    """The page with these data (a dict from `collect`): str."""
    template = TEMPLATE.read_text(encoding="utf-8")
    if template.count(PLACE) != 1:
        raise ValueError(f"{TEMPLATE.name} must hold {PLACE} once")
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    return template.replace(PLACE, text)


def write(path):
    """Collect, render, and write the page to `path`; returns its size in bytes.

    Raises OSError if it cannot be written there.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    page = render(collect()).encode()
    write_whole(path, page)
    return len(page)


def split(page):
    """A page from `render` -> its template and its data: str, dict."""
    opening = '<script type="application/json" id="data">'
    start = page.index(opening) + len(opening)
    end = page.index("</script>", start)
    return page[:start] + PLACE + page[end:], json.loads(page[start:end])
