"""`run.py play`, `record` and `compare`: look at runs that exist."""

from environments import closed
from lab import runs
from lab.kit import replace_whole
from lab.kit.command_line import fail
from lab.watch import Session, recorder, window


def session_of(parser, args):
    """An episode of a run's best policy, about to begin."""
    folder = runs.RunFolder(args.run, args.env)
    with parser.refusing():
        trainer = folder.load_trainer(folder.shown())
        with closed(trainer.envs):
            pass  # a Session has an environment of its own
        return Session.of(trainer, args.seed), folder


def play(parser, args):
    session, folder = session_of(parser, args)
    return show(session, folder, "watch.gif")


def show(session, folder, gif_name):
    """A session in a window; where there can be none, a GIF in the run's folder. Closes it."""
    with closed(session):
        try:
            window.play(session, folder.path)
        except window.NoWindow as reason:
            try:
                recorded = recorder.record(session, folder / gif_name, write=replace_whole)
            except (ImportError, OSError, ValueError) as error:
                return fail(f"{reason}, and no GIF: {error}")
            print(f"{reason}; recorded instead: {recorded}")
        except (ImportError, ValueError) as error:
            return fail(str(error))
    return 0


def record(parser, args):
    parser.ready(args.file, *recorder.KINDS)
    session, _ = session_of(parser, args)
    try:
        with closed(session), parser.refusing(args.file):
            print(f"recorded {recorder.record(session, args.file)}")
    except ImportError as error:
        return fail(str(error))
    return 0


def compare(parser, args):
    parser.ready(args.out, ".png")
    with parser.refusing(args.out):
        runs.compare([runs.RunFolder(name) for name in args.runs], args.out)
    print(f"drawn: {args.out}")
    return 0
