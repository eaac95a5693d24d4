"""`run.py study` and `ablation`: many seeds, judged together."""

import argparse
from dataclasses import asdict
from functools import partial

from lab import study as room
from lab.commands import FAILED, MOST_EPISODES, fail, whole_number
from lab.commands.settings import (
    add_settings,
    algorithm_names,
    algorithms_in,
    make_config,
    print_preset,
    with_flag,
)
from lab.commands.train import environment_options, named


def seed_list(text):
    """An argparse type: "0-4,7" -> [0, 1, 2, 3, 4, 7]."""
    try:
        return room.parse_seeds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def worker_options(parser):
    """Who does the work."""
    who = parser.add_mutually_exclusive_group()
    who.add_argument(
        "--jobs",
        type=whole_number(1),
        metavar="N",
        help="processes that train at a time [all cores]",
    )
    who.add_argument(
        "--dask", metavar="ADDRESS", help="train on the Dask cluster with this scheduler"
    )


def study_options(parser, argv):
    parser.add_argument(
        "--algo",
        type=algorithm_names,
        required=True,
        metavar="NAME,…",
        help="one algorithm, or several with commas between: vpg,ppo",
    )
    parser.add_argument(
        "--seeds", type=seed_list, required=True, metavar="A-B", help="such as 0-19 or 0-4,7,9"
    )
    environment_options(parser)
    parser.add_argument(
        "--evaluations",
        type=whole_number(1),
        default=50,
        metavar="N",
        help="greedy evaluations spread over each training [50]",
    )
    parser.add_argument(
        "--eval-episodes",
        type=whole_number(1, MOST_EPISODES),
        default=100,
        metavar="N",
        help="fresh episodes of each [100]",
    )
    parser.add_argument("--no-media", action="store_true", help="draw no picture")
    worker_options(parser)
    parser.add_argument(
        "--NAME", dest="_", metavar="VALUE", help="a setting: `run.py settings ppo` lists them"
    )
    add_settings(parser, algorithms_in(argv))


def study(parser, args):
    args.env = named(args)
    variants = [
        room.Variant(algorithm, algorithm, asdict(make_config(parser, args, algorithm)))
        for algorithm in args.algo
    ]

    def claim():
        asked = args.env, variants, args.seeds, args.eval_episodes, args.evaluations
        folder = room.StudyFolder.claim(args.runs_dir, *asked)
        for algorithm in args.algo:
            print_preset(args, algorithm)
        return folder

    return conduct(parser, args, claim, partial(room.conclude, picture=not args.no_media))


def conduct(parser, args, claim, conclude):
    """Run the study whose folder claim() makes or finds, by --dask's cluster or here.

    conclude  as of lab.study.conduct
    Returns the exit status.
    """
    try:
        workers = room.Cluster(args.dask) if args.dask else room.Cores(args.jobs)
    except (ConnectionError, ImportError) as error:
        parser.refuse(f"--dask {args.dask}: {error}")
    try:
        folder = claim()
    except ValueError as error:
        parser.refuse(with_flag(error))
    except OSError as error:
        parser.refuse(f"--runs-dir {args.runs_dir} cannot be written: {error.strerror}")
    try:
        return 0 if room.conduct(folder, workers, conclude) else FAILED
    except room.WorkersLost as error:
        return fail(str(error))


def ablation_options(parser, argv):
    parser.add_argument("--seeds", type=seed_list, metavar="A-B", help="which seeds [0-29]")
    parser.add_argument("--runs-dir", default="runs", metavar="DIR", help="where seeds go [runs]")
    parser.add_argument(
        "--figures-dir",
        metavar="DIR",
        help="where table and picture go [figures; with other seeds, the study's folder]",
    )
    worker_options(parser)


def ablation(parser, args):
    seeds = args.seeds or room.ablation.SEEDS
    if len(seeds) < 2:
        parser.refuse("an ablation needs two seeds at least, for its intervals")
    figures_dir = args.figures_dir or ("figures" if seeds == room.ablation.SEEDS else None)
    return conduct(
        parser,
        args,
        lambda: room.ablation.claim_folder(args.runs_dir, seeds),
        partial(room.ablation.conclude, figures_dir=figures_dir),
    )
