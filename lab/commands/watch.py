"""`run.py play`, `record` and `compare`: look at runs that exist."""

from pathlib import Path

from lab import runs, watch
from lab.commands import fail, lesson_option, whole_number


def run_options(parser):
    parser.add_argument("run", metavar="RUN", help="a run's folder")
    parser.add_argument(
        "--seed", type=whole_number(0), default=0, metavar="N", help="of the episode [0]"
    )
    lesson_option(parser)


def session_of(parser, args):
    """An episode of a run's best policy, about to begin."""
    folder = runs.RunFolder(args.run)
    try:
        trainer = folder.load_trainer(folder.shown())
        return watch.Session.of(trainer, args.seed), folder
    except ValueError as error:
        parser.refuse(str(error))


def play_options(parser, argv):
    run_options(parser)


def play(parser, args):
    return show(*session_of(parser, args), "watch.gif")


def show(session, folder, gif_name):
    """A session in a window; where there can be none, a GIF in the run's folder."""
    try:
        watch.play(session, folder.path)
    except watch.NoWindow as reason:
        try:
            watch.record(session, folder / gif_name)
        except (ImportError, OSError, ValueError) as error:
            return fail(f"{reason}, and no GIF: {error}")
        print(f"{reason}; recorded instead: {folder / gif_name}")
    except (ImportError, ValueError) as error:
        return fail(str(error))
    return 0


def record_options(parser, argv):
    run_options(parser)
    parser.add_argument("file", metavar="FILE", help="what to write: NAME.gif or NAME.mp4")


def record(parser, args):
    session, _ = session_of(parser, args)
    try:
        watch.record(session, args.file)
    except ValueError as error:
        parser.refuse(str(error))
    except ImportError as error:
        return fail(str(error))
    except OSError as error:
        parser.refuse(f"{args.file} cannot be written: {error.strerror}")
    print(f"recorded {args.file}")
    return 0


def compare_options(parser, argv):
    parser.add_argument("runs", nargs="+", metavar="RUN", help="runs' folders")
    parser.add_argument(
        "--out",
        default="runs/comparison.png",
        metavar="FILE",
        help="the picture [runs/comparison.png]",
    )


def compare(parser, args):
    try:
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        runs.compare([runs.RunFolder(name) for name in args.runs], args.out)
    except ValueError as error:
        parser.refuse(str(error))
    except OSError as error:
        parser.refuse(f"{args.out} cannot be written: {error.strerror}")
    print(f"drawn: {args.out}")
    return 0
