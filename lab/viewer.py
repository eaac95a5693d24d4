"""Watching a policy act: recordings without a screen.

Frames are Gymnasium's own `rgb_array` pictures; Pillow writes the GIF.
"""

import io
import os

import gymnasium as gym
from PIL import Image

from lab.records import write_whole
from rollout import fit_actions

GIF_WIDTH = 300  # pixels, at least; small enough to embed


def record_gif(policy, env_id, path, seed, max_steps=1_000):
    """Record one greedy episode as an animated GIF at half the frames and the true speed.

    Raises gymnasium's DependencyNotInstalled (an ImportError) when the
    environment's renderer is missing, OSError when the file cannot be written.
    """
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # pygame draws in memory, no display needed
    env = gym.make(env_id, render_mode="rgb_array")
    frames, steps, ended = [], 0, False
    obs, _ = env.reset(seed=seed)
    while not ended and steps < max_steps:
        if steps % 2 == 0:
            frame = Image.fromarray(env.render())
            smaller = frame.reduce(max(1, frame.width // GIF_WIDTH))
            frames.append(smaller.quantize(64, Image.Quantize.FASTOCTREE))
        action = policy.greedy(obs[None].astype(policy.parameters.dtype))
        fitted = fit_actions(action, env.action_space)[0]
        obs, _, terminated, truncated, _ = env.step(fitted)
        ended, steps = terminated or truncated, steps + 1
    env.close()
    fps = env.metadata.get("render_fps", 30)
    picture = io.BytesIO()
    frames[0].save(
        picture, "GIF", save_all=True, append_images=frames[1:], duration=2000 / fps, loop=0
    )
    write_whole(path, picture.getvalue())
