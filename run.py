"""The one entry point: reads the command line, wires the parts, prints. No formula lives here.

    python run.py --algo ppo        train, evaluate, save everything, say where
    python run.py --play RUN        watch a saved policy
    python run.py -h                everything else

Heavy libraries are imported where they are needed, so that `-h` answers at once.
"""

import os
import signal

# Until there is something to save, Ctrl-C simply ends it.
if __name__ == "__main__" and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    signal.signal(signal.SIGINT, lambda signum, frame: os._exit(130))

import argparse
import sys
import tempfile
import textwrap
import typing
from dataclasses import fields

# The matrices here are small: one BLAS thread is faster than many. Set it before
# numpy is imported, and only if the user has not chosen.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("VECLIB_MAXIMUM_THREADS", "1")
# A notebook hands its own backend down to us, and matplotlib cannot be imported without it.
os.environ["MPLBACKEND"] = "agg"

MISSING = "is missing: pip install -r requirements.txt, or activate .venv after make train"
try:
    import ppo
    import ppo_penalty
    import vpg
    from config import CommonConfig
    from lab.study.presets import preset
except ModuleNotFoundError as error:
    sys.exit(f"run.py: error: {error.name} {MISSING}")

ALGORITHMS = {"vpg": vpg, "ppo": ppo, "ppo-penalty": ppo_penalty}
FAILED, USAGE, INTERRUPTED = 1, 2, 130  # exit statuses


# ------------------------------------------------------------ command line


class Parser(argparse.ArgumentParser):
    """argparse that answers bad input with one line."""

    def refuse(self, message):
        self.exit(USAGE, f"{self.prog}: error: {message}\n")

    def error(self, message):  # argparse calls it
        self.exit(USAGE, f"{self.prog}: error: {message} (-h lists all options)\n")


def whole_number(low):
    """An argparse type: whole numbers from `low`."""

    def parse(text):
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or number < low:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low}, not {text!r}")
        return number

    return parse


def algorithm_names(text):
    """An argparse type: one algorithm's name, or several with commas between."""
    names = text.split(",")
    for name in names:
        if name not in ALGORITHMS:
            known = ", ".join(ALGORITHMS)
            raise argparse.ArgumentTypeError(f"invalid choice: {name!r} (choose from {known})")
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"names an algorithm twice: {text}")
    return text


def seed_list(text):
    """An argparse type: "0-4,7" -> [0, 1, 2, 3, 4, 7]."""
    from lab.study.folder import parse_seeds

    try:
        return parse_seeds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def setting_type(field):
    """The argparse type of a Config field."""
    kinds = [kind for kind in typing.get_args(field.type) if kind is not type(None)]
    kind = kinds[0] if kinds and kinds[0] is not Ellipsis else field.type
    if type(None) not in typing.get_args(field.type):
        return kind

    def parse(text):
        return None if text == "none" else kind(text)

    parse.__name__ = kind.__name__  # argparse names the type in its messages
    return parse


def default_text(name):
    """A setting's default as the help shows it: one value, or one for each algorithm."""
    values = {
        algo: getattr(module.Config, name)
        for algo, module in ALGORITHMS.items()
        if name in module.Config.__dataclass_fields__
    }

    def text(value):
        if isinstance(value, tuple):
            return " ".join(map(str, value))
        if isinstance(value, bool):
            return "yes" if value else "no"
        return f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)

    if len(set(values.values())) == 1:
        return text(next(iter(values.values())))
    return ", ".join(f"{algo} {text(value)}" for algo, value in values.items())


def add_setting(group, field):
    """Give one Config field its command-line option."""
    options = {
        "help": f"{field.metadata['help']} [{default_text(field.name)}]",
        "default": argparse.SUPPRESS,  # absent unless given: the Config knows its defaults
    }
    if field.type is bool:
        options["action"] = argparse.BooleanOptionalAction
    elif isinstance(field.metadata["valid"], tuple):
        options["choices"] = field.metadata["valid"]
    else:
        options["type"] = setting_type(field)
        options["metavar"] = "N" if options["type"] is int else "X"
    if typing.get_origin(field.type) is tuple:
        options["nargs"] = "+"
    group.add_argument(flag(field.name), **options)


def build_parser():
    parser = Parser(
        prog="run.py",
        description="Policy gradients by hand: train VPG or PPO with numpy alone.",
        usage="run.py --algo {vpg,ppo} [options]",
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=30, width=79),
        allow_abbrev=False,
    )
    group = parser.add_argument_group("train")
    group.add_argument(
        "--algo",
        type=algorithm_names,
        metavar="{vpg,ppo,ppo-penalty}",
        help="the algorithm; with --seeds also both: vpg,ppo",
    )
    group.add_argument(
        "--env",
        default="CartPole-v1",
        metavar="ID",
        help="an environment that shows a flat Box of numbers; presets.py has settings for six "
        "[CartPole-v1]",
    )
    group.add_argument(
        "--env-api",
        choices=("gymnasium", "gym"),
        default="gymnasium",
        help="whose environment; gym is OpenAI's original, 0.26 [gymnasium]",
    )
    group.add_argument(
        "--seed",
        type=whole_number(0),
        metavar="N",
        help="seed of everything random; same seed, same bits [0]",
    )
    group.add_argument(
        "--resume",
        metavar="RUN",
        help="go on with the run in this folder, from its checkpoint",
    )
    group.add_argument(
        "--max-episodes",
        type=whole_number(1),
        metavar="N",
        help="stop after the rollout in which this many are done [no limit]",
    )
    group = parser.add_argument_group("judge and keep")
    group.add_argument(
        "--evaluations",
        type=whole_number(1),
        metavar="N",
        help="greedy evaluations spread over the training [10; with --seeds 100, until solved]",
    )
    group.add_argument(
        "--eval-episodes",
        type=whole_number(1),
        default=100,
        metavar="N",
        help="fresh episodes of one evaluation [100]",
    )
    group.add_argument(
        "--runs-dir",
        default="runs",
        metavar="DIR",
        help="where run folders go [runs]",
    )
    group.add_argument("--no-media", action="store_true", help="draw no curve and record no GIF")

    group = parser.add_argument_group("watch")
    group.add_argument(
        "--play", metavar="RUN", help="show the best policy of a run folder in a window"
    )
    group.add_argument(
        "--record",
        metavar="FILE",
        help="with --play: write one episode to FILE.gif or FILE.mp4 instead",
    )
    group.add_argument(
        "--render", action="store_true", default=None, help="after training, open the window"
    )
    group.add_argument(
        "--compare",
        nargs="+",
        metavar="RUN",
        help="lay the curves of several runs over each other (comparison.png)",
    )

    group = parser.add_argument_group("see the gradients")
    group.add_argument(
        "--check",
        type=whole_number(1),
        nargs="?",
        const=0,
        metavar="N",
        help="hold every numbered equation against the code; or one of them",
    )
    group.add_argument(
        "--trace",
        choices=ALGORITHMS,
        nargs="?",
        const="ppo",
        help="one minibatch by hand, forward and back [ppo]",
    )
    group.add_argument(
        "--explorer",
        nargs="?",
        const="docs/explorer.html",
        metavar="FILE",
        help="write the web page to play with [docs/explorer.html]",
    )

    group = parser.add_argument_group("many seeds")
    group.add_argument(
        "--seeds",
        type=seed_list,
        metavar="A-B",
        help="train each of these seeds, such as 0-19 or 0-4,7,9, and judge them together",
    )
    group.add_argument(
        "--jobs",
        type=whole_number(1),
        metavar="N",
        help="processes that train at a time [all cores]",
    )
    group.add_argument(
        "--dask", metavar="ADDRESS", help="train on the Dask cluster with this scheduler"
    )

    group = parser.add_argument_group("the README's pictures")
    group.add_argument(
        "--figures",
        nargs="*",
        metavar="NAME",
        help="draw all of them, or those that are named",
    )
    group.add_argument(
        "--ablation",
        action="store_true",
        help="PPO without each of its parts, 30 seeds each: a table and a picture; "
        "--seeds chooses others",
    )
    group.add_argument(
        "--figures-dir",
        default="figures",
        metavar="DIR",
        help="where these pictures go [figures]",
    )

    common = [field.name for field in fields(CommonConfig)]
    group = parser.add_argument_group(
        "settings of both algorithms [default, unless --env has a preset]"
    )
    for field in fields(CommonConfig):
        add_setting(group, field)
    added = set(common)
    for algo, module in ALGORITHMS.items():
        group = parser.add_argument_group(
            f"settings of {algo.upper()} alone [default, unless --env has a preset]"
        )
        for field in fields(module.Config):
            if field.name not in added:
                add_setting(group, field)
                added.add(field.name)
    return parser


def flag(name):
    """The command-line option of a setting: gae_lambda -> --gae-lambda."""
    return "--" + name.replace("_", "-")


def given_settings(args):
    """The settings that stand on the command line: dict of name -> value."""
    given = {
        field.name: getattr(args, field.name)
        for module in ALGORITHMS.values()
        for field in fields(module.Config)
        if hasattr(args, field.name)
    }
    if "hidden_sizes" in given:
        given["hidden_sizes"] = tuple(given["hidden_sizes"])
    return given


def with_flag(error):
    """An error's text, with the option in place of a setting's name at its beginning."""
    name, _, rest = str(error).partition(" ")
    known = any(name in module.Config.__dataclass_fields__ for module in ALGORITHMS.values())
    return f"{flag(name)} {rest}" if known else str(error)


def make_config(parser, args, algo=None):
    """An algorithm's Config: its defaults, the environment's preset, the options given.

    algo  one of those that --algo names; an option of another one of them is not for it

    Exits with status 2 if the options don't fit it.
    """
    named = [ALGORITHMS[name].Config.__dataclass_fields__ for name in args.algo.split(",")]
    Config, given = ALGORITHMS[algo or args.algo].Config, given_settings(args)
    for name in list(given):
        if not any(name in settings for settings in named):
            other = "ppo" if args.algo == "vpg" else "vpg"
            parser.refuse(f"{flag(name)} is a setting of {other}; {args.algo} has no such option")
        if name not in Config.__dataclass_fields__:
            del given[name]
    try:
        config = Config(**{**(preset(algo or args.algo, args.env) or {}), **given})
    except ValueError as error:
        parser.refuse(with_flag(error))
    return config


# ---------------------------------------------------------------- training


def train(parser, args):
    """--algo: train, judge, save. Returns the exit status."""
    from lab.runs import RunFolder
    from training import Trainer

    config = make_config(parser, args)
    try:
        trainer = Trainer(ALGORITHMS[args.algo], args.env, config, args.seed)
    except ValueError as error:
        parser.refuse(with_flag(error))
    try:
        folder = RunFolder.create(args.runs_dir, trainer)
        folder.lock()
    except OSError as error:
        parser.refuse(f"--runs-dir {args.runs_dir} cannot be written: {error.strerror}")

    print(f"{args.algo} on {args.env}, seed {args.seed}: {folder.path}")
    print_preset(args, args.algo)
    return carry_out(trainer, folder, args)


def print_preset(args, algo):
    """Say in one line where the settings come from, unless the defaults are made for this."""
    tuned = preset(algo, args.env)
    if tuned is None:
        print(f"{algo} has not been tuned for {args.env}: the defaults are CartPole-v1's")
    elif tuned:
        given = sorted(set(tuned) & set(given_settings(args)))
        instead = f", without {', '.join(map(flag, given))}" if given else ""
        print(textwrap.fill(f"settings tuned for {args.env} (presets.py){instead}", 79))


def resume(parser, args):
    """--resume: go on with a run from its checkpoint. Returns the exit status."""
    from lab.runs import RunFolder

    given = given_settings(args)
    if args.algo is not None or set(given) - {"total_steps"}:
        parser.refuse("--resume goes on with the run's own settings; only --total-steps may be new")
    folder = RunFolder(args.resume)
    try:
        trainer = folder.resume(not args.no_media, **given)
    except ValueError as error:
        parser.refuse(str(error))
    except OSError as error:
        parser.refuse(f"{folder.path} cannot be written: {error.strerror}")
    print(f"{folder.path} goes on from step {trainer.env_steps:,}")
    return carry_out(trainer, folder, args)


def carry_out(trainer, folder, args):
    """Train, judge, draw; everything goes into the folder. Returns the exit status."""
    from lab import runs
    from lab.watch.session import CannotRender, Session

    try:
        if runs.carry_out(
            trainer, folder, args.evaluations, args.eval_episodes, args.max_episodes,
            not args.no_media,
        ):  # fmt: skip
            print(f"interrupted at step {trainer.env_steps:,}; go on with --resume {folder.path}")
            return INTERRUPTED
    except FloatingPointError as error:
        return fail(f"{error}. The last good checkpoint is in {folder.path}")
    except runs.CannotWrite as error:
        return fail(
            f"{folder.path} cannot be written: {error.strerror}. What was saved before is kept"
        )
    print(f"saved in {folder.path}:")
    names = ", ".join(sorted(path.name for path in folder.path.glob("[!.]*")))
    print(textwrap.fill(names, 79, initial_indent="  ", subsequent_indent="  "))
    if args.render:
        try:
            return watch(Session.of(trainer, trainer.seed), folder, "episode.gif")
        except CannotRender as error:
            return fail(str(error))
    return 0


def check(parser, args):
    """--check: the equations against the code. Returns the exit status."""
    from lab.proof import checks

    try:
        passed = checks.report(args.check or None)
    except ValueError as error:
        parser.refuse(str(error))
    return 0 if passed else FAILED


def figures(parser, args):
    """--figures: draw the README's pictures. Returns the exit status."""
    from lab.pictures import draw_all

    if args.algo is not None or given_settings(args):
        parser.refuse("--figures draws what it draws; settings and --algo don't go with it")
    try:
        paths = draw_all(args.figures, args.figures_dir)
    except ValueError as error:
        parser.refuse(f"--figures: {error}")
    except OSError as error:
        parser.refuse(f"--figures-dir {args.figures_dir} cannot be written: {error.strerror}")
    print(*paths, sep="\n")
    return 0


def ablate(parser, args):
    """--ablation: kill one thing of PPO at a time. Returns the exit status."""
    from lab.study import ablation

    given = list(given_settings(args)) + ["algo"] * (args.algo is not None)
    for name in given + ["env"] * (args.env != ablation.ENV_ID):
        parser.refuse(
            f"--ablation compares default PPO on CartPole; {flag(name)} doesn't go with it"
        )
    seeds = args.seeds or ablation.SEEDS
    if len(seeds) < 2:
        parser.refuse("--ablation needs two seeds at least, for its intervals")
    folder = ablation.find_folder(args.runs_dir, seeds)
    try:
        return ablation.conduct(folder, make_workers(parser, args, folder), args.figures_dir)
    except OSError as error:
        return fail(f"{error.filename} cannot be written: {error.strerror}")


def make_workers(parser, args, folder):
    """Who does a study's work: --dask's cluster, or this machine's cores."""
    from lab.study.workers import Cluster, Cores, available_cores

    if args.dask is not None and args.jobs is not None:
        parser.refuse("--jobs counts processes of this machine; with --dask the cluster decides")
    if args.dask is None:
        return Cores(min(args.jobs or available_cores(), len(folder.jobs())))
    try:
        return Cluster(args.dask)
    except (ConnectionError, ImportError) as error:
        parser.refuse(f"--dask {args.dask}: {error}")


def study(parser, args):
    """--seeds: many seeds, judged together. Returns the exit status."""
    from dataclasses import asdict

    from lab.study.folder import StudyFolder, Variant, conduct

    if args.algo is None:
        parser.refuse("choose --algo vpg, --algo ppo or --algo vpg,ppo")
    for name in ("seed", "resume", "max_episodes", "render"):
        if getattr(args, name) is not None:
            parser.refuse(f"{flag(name)} is for a single run; it doesn't go with --seeds")
    variants = [
        Variant(algo, algo, asdict(make_config(parser, args, algo)))
        for algo in args.algo.split(",")
    ]
    try:
        folder = StudyFolder.find(
            args.runs_dir,
            args.env,
            variants,
            args.seeds,
            args.eval_episodes,
            args.evaluations or 100,
        )
    except ValueError as error:
        parser.refuse(str(error))
    try:  # before workers start and seeds are trained for nothing
        os.makedirs(args.runs_dir, exist_ok=True)
        tempfile.TemporaryFile(dir=args.runs_dir).close()
    except OSError as error:
        parser.refuse(f"--runs-dir {args.runs_dir} cannot be written: {error.strerror}")
    for algo in args.algo.split(","):
        print_preset(args, algo)
    workers = make_workers(parser, args, folder)
    try:
        return conduct(folder, workers, picture=not args.no_media)
    except OSError as error:
        return fail(f"{folder.path} cannot be written: {error.strerror}")


def explore(parser, args):
    """--explorer: record a training and write the page that replays it. Returns the exit status."""
    from lab.pictures import explorer

    if args.algo or args.resume:
        parser.refuse("--explorer records a training of its own; leave out --algo and --resume")
    try:
        size = explorer.write(args.explorer)
    except OSError as error:
        parser.refuse(f"--explorer {args.explorer} cannot be written: {error.strerror}")
    print(f"{args.explorer}: {size / 1000:.0f} kB; open it in any browser")
    return 0


# ---------------------------------------------------------------- watching


def watch(session, folder, gif_name):
    """Show a session in a window; where there can be none, write a GIF into the run folder."""
    from lab.watch.recorder import record
    from lab.watch.window import NoWindow, play

    try:
        play(session, folder.path)
    except NoWindow as reason:
        try:
            record(session, folder / gif_name)
        except (ImportError, OSError) as error:
            return fail(f"{reason}, and no GIF: {error}")
        print(f"{reason}; recorded instead: {folder / gif_name}")
    except ImportError as error:
        return fail(str(error))
    return 0


def play_run(parser, args):
    """--play: show or record a saved policy. Returns the exit status."""
    from lab.runs import RunFolder
    from lab.watch.recorder import record
    from lab.watch.session import Session

    if args.algo or args.resume or args.render:
        parser.refuse("--play shows a run that exists; leave out --algo, --resume and --render")
    folder = RunFolder(args.play)
    try:
        trainer = folder.load_trainer(folder.shown())
        session = Session.of(trainer, args.seed or 0)
        if args.record is None:
            return watch(session, folder, "watch.gif")
        record(session, args.record)
    except ValueError as error:
        parser.refuse(str(error))
    except ImportError as error:
        return fail(str(error))
    except OSError as error:
        parser.refuse(f"{args.record} cannot be written: {error.strerror}")
    print(f"recorded {args.record}")
    return 0


def compare_runs(parser, args):
    """--compare: several runs in one picture. Returns the exit status."""
    from lab.runs import RunFolder, compare

    path = os.path.join(args.runs_dir, "comparison.png")
    try:
        compare([RunFolder(name) for name in args.compare], path)
    except ValueError as error:
        parser.refuse(str(error))
    except OSError as error:
        parser.refuse(f"{path} cannot be written: {error.strerror}")
    print(f"drawn: {path}")
    return 0


def fail(message):
    print(f"run.py: {message}", file=sys.stderr)
    return FAILED


def dispatch(parser, args):
    """Do what the options ask for. Returns the exit status."""
    if args.check is not None:
        return check(parser, args)
    if args.trace is not None:
        from lab.proof.trace import trace

        trace(args.trace)
        return 0
    if args.figures is not None:
        return figures(parser, args)
    if args.ablation:
        return ablate(parser, args)
    if args.explorer is not None:
        return explore(parser, args)
    if args.play is not None:
        return play_run(parser, args)
    if args.compare is not None:
        return compare_runs(parser, args)
    if args.record is not None:
        parser.refuse("--record needs --play RUN; training itself records episode.gif")
    if args.env_api == "gym":
        args.env = "gym/" + args.env.removeprefix("gym/")
    if args.seeds is not None:
        return study(parser, args)
    if args.jobs is not None or args.dask is not None or "," in (args.algo or ""):
        parser.refuse("several algorithms, --jobs and --dask need --seeds, such as --seeds 0-19")
    args.seed = args.seed or 0
    args.evaluations = args.evaluations or 10
    if args.resume is not None:
        return resume(parser, args)
    if args.algo is None:
        parser.refuse("choose --algo vpg or --algo ppo, or --play RUN")
    return train(parser, args)


def main(argv=None):
    """Run the command line; returns the exit status."""
    try:
        from lab.runs import interrupts_raise

        interrupts_raise()
        parser = build_parser()
        return dispatch(parser, parser.parse_args(argv))
    except ModuleNotFoundError as error:
        parser.refuse(f"{error.name} {MISSING}")
    except BrokenPipeError:  # whoever read our output (head, less) has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
