"""`run.py study` and `ablation`: many seeds, judged together."""

import argparse
import os
import tempfile
from dataclasses import asdict

from lab import study as room
from lab.commands import MOST_EPISODES, fail, whole_number
from lab.commands.settings import (
    add_settings,
    algorithm_names,
    algorithms_in,
    make_config,
    print_preset,
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
        default=100,
        metavar="N",
        help="looks, spread over the training, whether it is solved [100]",
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
    try:
        folder = room.StudyFolder.find(
            *(args.runs_dir, args.env, variants, args.seeds),
            *(args.eval_episodes, args.evaluations),
        )
    except ValueError as error:
        parser.refuse(str(error))
    try:  # before workers start and seeds are trained for nothing
        os.makedirs(args.runs_dir, exist_ok=True)
        tempfile.TemporaryFile(dir=args.runs_dir).close()
    except OSError as error:
        parser.refuse(f"--runs-dir {args.runs_dir} cannot be written: {error.strerror}")
    for algorithm in args.algo:
        print_preset(args, algorithm)
    try:
        return room.conduct(folder, make_workers(parser, args, folder), not args.no_media)
    except BrokenPipeError:
        raise
    except OSError as error:
        return fail(f"{folder.path} cannot be written: {error.strerror}")


def make_workers(parser, args, folder):
    """Who does a study's work: --dask's cluster, or this machine's cores."""
    if args.dask is None:
        return room.Cores(min(args.jobs or room.available_cores(), len(folder.jobs())))
    try:
        return room.Cluster(args.dask)
    except (ConnectionError, ImportError) as error:
        parser.refuse(f"--dask {args.dask}: {error}")


def ablation_options(parser, argv):
    parser.add_argument("--seeds", type=seed_list, metavar="A-B", help="which seeds [0-29]")
    parser.add_argument("--runs-dir", default="runs", metavar="DIR", help="where seeds go [runs]")
    parser.add_argument(
        "--figures-dir",
        default="figures",
        metavar="DIR",
        help="where table and picture go [figures]",
    )
    worker_options(parser)


def ablation(parser, args):
    seeds = args.seeds or room.ablation.SEEDS
    if len(seeds) < 2:
        parser.refuse("an ablation needs two seeds at least, for its intervals")
    folder = room.ablation.find_folder(args.runs_dir, seeds)
    try:
        return room.ablation.conduct(folder, make_workers(parser, args, folder), args.figures_dir)
    except BrokenPipeError:
        raise
    except OSError as error:
        return fail(f"{error.filename} cannot be written: {error.strerror}")
