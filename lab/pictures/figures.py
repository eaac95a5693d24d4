"""The README's figures: their list, and drawing them anew (`make figures`).

    python -m lab.pictures.figures [NAME …] [--figures-dir DIR]

lab/kit/saving.py says what a figure's function is, and makes the files.
"""

import sys
from pathlib import Path

from tqdm import tqdm

from lab.kit.command_line import Parser, option
from lab.kit.saving import save
from lab.pictures import (
    ablations,
    carts,
    clipping,
    credit,
    diagrams,
    gradients,
    ladder,
    language,
    policies,
)

FIGURES = {  # name -> function, height in inches
    function.__name__: (function, height)
    for function, height in (
        (policies.learning_curve, 3.7),
        (clipping.clip_cases, 5.2),
        (diagrams.gradient_road, 7.2),
        (diagrams.two_states, 2.795),
        (diagrams.four_ends, 2.58),
        (diagrams.layer_blocks, 5.7),
        (gradients.mdp_compass, 3.6),
        (gradients.gamma_t, 3.6),
        (credit.credit, 6.6),
        (policies.policy_portrait, 2.8),
        (clipping.value_clip, 4.3),
        (policies.triangle, 5),
        (clipping.one_update, 4.2),
        (gradients.gradient_check, 5.4),
        (language.group_credit, 6.4),
        (language.answers_learned, 5.6),
        (ablations.ablation, ablations.HEIGHT),
        (ladder.ladder, 8.8),
    )
}
ANIMATIONS = {"five_carts": carts.five_carts}  # name -> function(look) -> the bytes of a GIF


def draw_all(names, folder):
    """Draw the named figures, or all, into `folder`; returns their paths.

    Raises ValueError for an unknown name, before anything is drawn.
    """
    there = [*ANIMATIONS, *FIGURES]
    unknown = [name for name in names if name not in there]
    if unknown:
        raise ValueError(f"no figure {unknown[0]!r}; there are {', '.join(there)}")
    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = []
    bar = tqdm(
        names or there,
        ncols=79,
        leave=False,
        disable=not sys.stderr.isatty(),
        bar_format="{percentage:3.0f}% {bar} {n_fmt} of {total_fmt} figures{postfix}",
    )
    for name in bar:
        bar.set_postfix_str(name)
        drawn = FIGURES.get(name) or (ANIMATIONS[name],)
        paths.append(save(folder, name, *drawn))
    return paths


def main(words=None):
    parser = Parser("make figures", description="The README's pictures, anew.")
    option(parser, "names", "NAME", "which [all]", nargs="*")
    option(parser, "--figures-dir", "DIR", "where they go", "figures")
    args = parser.parse_args(words)
    with parser.refusing(f"--figures-dir {args.figures_dir}"):
        print(*draw_all(args.names, args.figures_dir), sep="\n")


if __name__ == "__main__":
    main()
