"""`run.py play`, `record` and `compare`: look at runs that exist."""

from environments import closed
from lab import runs, watch
from lab.commands import env_option, fail, lesson_option, option, ready, refused, whole_number


def run_options(parser):
    option(parser, "run", "RUN", "a run's folder")
    option(parser, "--seed", "N", "of the episode", 0, type=whole_number(0))
    env_option(parser)
    lesson_option(parser)


def session_of(parser, args):
    """An episode of a run's best policy, about to begin."""
    folder = runs.RunFolder(args.run, args.env)
    with refused(parser):
        trainer = folder.load_trainer(folder.shown())
        with closed(trainer.envs):
            pass  # a Session has an environment of its own
        return watch.Session.of(trainer, args.seed), folder


def play_options(parser, argv):
    run_options(parser)


def play(parser, args):
    session, folder = session_of(parser, args)
    return show(session, folder, "watch.gif")


def show(session, folder, gif_name):
    """A session in a window; where there can be none, a GIF in the run's folder. Closes it."""
    with closed(session):
        try:
            watch.play(session, folder.path)
        except watch.NoWindow as reason:
            try:
                recorded = watch.record(session, folder / gif_name, write=runs.replace_whole)
            except (ImportError, OSError, ValueError) as error:
                return fail(f"{reason}, and no GIF: {error}")
            print(f"{reason}; recorded instead: {recorded}")
        except (ImportError, ValueError) as error:
            return fail(str(error))
    return 0


def record_options(parser, argv):
    run_options(parser)
    option(parser, "file", "FILE", "what to write: NAME.gif or NAME.mp4")


def record(parser, args):
    ready(parser, args.file, *watch.KINDS)
    session, _ = session_of(parser, args)
    try:
        with closed(session), refused(parser, args.file):
            print(f"recorded {watch.record(session, args.file)}")
    except ImportError as error:
        return fail(str(error))
    return 0


def compare_options(parser, argv):
    option(parser, "runs", "RUN", "runs' folders", nargs="+")
    option(parser, "--out", "FILE", "the picture", "runs/comparison.png")


def compare(parser, args):
    ready(parser, args.out, ".png")
    with refused(parser, args.out):
        runs.compare([runs.RunFolder(name) for name in args.runs], args.out)
    print(f"drawn: {args.out}")
    return 0
