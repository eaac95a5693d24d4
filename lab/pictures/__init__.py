"""The README's pictures, each drawn from the shipped functions and real runs.

canvas      colours, look, the list of names, saving
runs        the training runs that several pictures look at
gradients   gradient_check, mdp_compass, gamma_t
credit      credit
clipping    clip_cases, one_update, value_clip
policies    triangle, policy_portrait, learning_curve
ablations   ablation
"""

import sys
from pathlib import Path

from lab.pictures import ablations, clipping, credit, gradients, policies  # noqa: F401
from lab.pictures.canvas import PICTURES, render, save

__all__ = ["PICTURES", "draw_all", "render", "save"]


def draw_all(names, folder):
    """Draw the named pictures, or all, into `folder`; returns their paths.

    Raises ValueError for an unknown name, before anything is drawn.
    """
    unknown = [name for name in names if name not in PICTURES]
    if unknown:
        raise ValueError(f"no figure {unknown[0]!r}; there are {', '.join(PICTURES)}")
    from tqdm import tqdm

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    bar = tqdm(
        names or list(PICTURES),
        ncols=79,
        leave=False,
        disable=not sys.stderr.isatty(),
        bar_format="{percentage:3.0f}% {bar} {n_fmt} of {total_fmt} figures{postfix}",
    )
    for name in bar:
        bar.set_postfix_str(name)
        paths.append(save(name, folder))
    return paths
