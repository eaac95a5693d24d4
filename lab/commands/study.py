"""`run.py study` and `ablation`: many seeds, judged together."""

import argparse
import errno
from dataclasses import asdict
from functools import partial

from environments import one_line
from lab import study as room
from lab.commands import FAILED, fail, option, refused, whole_number
from lab.commands.settings import (
    add_settings,
    algorithm_names,
    algorithms_in,
    make_config,
    print_preset,
    with_flag,
)
from lab.commands.train import environment_options, evaluation_options, named

SCARCE = errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN


def seed_list(text):
    """An argparse type: "0-4,7" -> [0, 1, 2, 3, 4, 7]."""
    try:
        return room.parse_seeds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def worker_options(parser):
    """Who does the work."""
    who = parser.add_mutually_exclusive_group()
    help = "processes that train at a time [all cores]"
    option(who, "--jobs", "N", help, type=whole_number(1))
    option(who, "--dask", "ADDRESS", "train on the Dask cluster with this scheduler")


def study_options(parser, argv):
    help = "one algorithm, or several with commas between: vpg,ppo"
    option(parser, "--algo", "NAME,…", help, type=algorithm_names, required=True)
    help = "such as 0-19 or 0-4,7,9"
    option(parser, "--seeds", "A-B", help, type=seed_list, required=True)
    environment_options(parser)
    evaluation_options(parser, room.EVALUATIONS)
    parser.add_argument("--no-media", action="store_true", help="draw no picture")
    worker_options(parser)
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

    return conduct(parser, args, claim, partial(room.report, picture=not args.no_media))


def conduct(parser, args, claim, conclude):
    """Run the study whose folder claim() makes or finds, by --dask's cluster or here.

    conclude  as report of lab.study.run_study
    Returns the exit status.
    """
    workers = room.Cores(args.jobs)
    if args.dask is not None:
        try:
            workers = room.Cluster(args.dask)
        except (ConnectionError, ImportError) as error:
            parser.refuse(f"--dask {args.dask}: {error}")
    with refused(parser, f"--runs-dir {args.runs_dir}", with_flag):
        folder = claim()
    try:
        return 0 if room.run_study(folder, workers, conclude) else FAILED
    except room.CannotStart as error:
        parser.refuse(f"{workers}: {error}; --jobs 1 starts none")
    except room.WorkersLost as error:
        return fail(str(error))
    except (ImportError, MemoryError, OSError) as error:
        scarce = isinstance(error, OSError) and error.errno in SCARCE
        if isinstance(error, (ModuleNotFoundError, OSError)) and not scarce:
            raise
        return fail(f"{one_line(error)}. Saved seeds are kept; the same command goes on from there")


def ablation_options(parser, argv):
    option(parser, "--seeds", "A-B", "which seeds [0-29]", type=seed_list)
    option(parser, "--runs-dir", "DIR", "where seeds go", "runs")
    help = "where table and picture go [figures; with other seeds, the study's folder]"
    option(parser, "--figures-dir", "DIR", help)
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
