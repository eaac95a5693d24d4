"""`run.py study` and `ablation`: many seeds, judged together."""

import errno
from dataclasses import asdict
from functools import partial

from environments import one_line
from lab import study as room
from lab.commands.settings import make_config, print_preset, with_flags
from lab.commands.train import named
from lab.kit.command_line import FAILED, fail
from lab.study import ablation as ablations

SCARCE = errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN


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

    return with_workers(parser, args, claim, partial(room.report, picture=not args.no_media))


def with_workers(parser, args, claim, conclude):
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
    with parser.refusing(f"--runs-dir {args.runs_dir}", with_flags):
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


def ablation(parser, args):
    from lab.pictures.ablations import draw_file  # all of matplotlib

    seeds = args.seeds or ablations.SEEDS
    if len(seeds) < 2:
        parser.refuse("an ablation needs two seeds at least, for its intervals")
    figures_dir = args.figures_dir or ("figures" if seeds == ablations.SEEDS else None)
    return with_workers(
        parser,
        args,
        lambda: ablations.claim_folder(args.runs_dir, seeds),
        partial(ablations.report, figures_dir=figures_dir, draw=draw_file),
    )
