"""`run.py --algo ppo`, `resume` and `settings`: train, judge, keep."""

import shlex
import textwrap

from environments import closed, closed_if_it_fails
from lab import runs
from lab.commands.options import JUDGING
from lab.commands.settings import describe_settings, make_config, print_preset, with_flags
from lab.kit import CannotWrite
from lab.kit.command_line import INTERRUPTED, fail
from promises import EnvironmentFailed


def train(parser, args, begin=None):
    """Train to the end, judge, draw; everything goes into the run's folder.

    begin  from parser and args to (trainer, its locked folder, how it is judged); as `begun`
    """
    trainer, folder, judging = (begin or begun)(parser, args)
    again = [str(folder.path), *(["--lesson", args.lesson] if args.lesson else [])]
    again = shlex.join([*again, *(["--env", trainer.env_id] if ":" in trainer.env_id else [])])
    with closed(trainer.envs):
        for line in runs.remarks(trainer):
            print(line)
        try:
            interrupted = runs.run_training(trainer, folder, **judging, media=not args.no_media)
        except KeyboardInterrupt:  # a second one, or one when it was being judged or drawn
            interrupted = True
        except (FloatingPointError, EnvironmentFailed) as error:
            return fail(f"{with_flags(error)}. The last good checkpoint is in {folder.path}")
        except CannotWrite as error:
            reason = f"{error.filename} cannot be written: {error.strerror}"
            return fail(f"{reason}. What was saved before is kept")
        if interrupted:
            print(f"interrupted at step {trainer.env_steps:,}; go on with:")
            print(f"  python run.py resume {again}")
            return INTERRUPTED
        print(f"saved in {folder.path}:")
        names = ", ".join(sorted(path.name for path in folder.path.glob("[!.]*")))
        print(textwrap.fill(names, 79, initial_indent="  ", subsequent_indent="  "))
        print(f"watch it:          python run.py play {again}")
        own = f" {shlex.join(['--lesson', args.lesson])}\n" if args.lesson else "      "
        print(f"one step by hand:  python run.py trace{own}every equation: python run.py check")
        if args.render:
            from lab.commands.watch import show
            from lab.watch import Session

            return show(Session.of(trainer, trainer.seed), folder, "episode.gif")
    return 0


def begun(parser, args):
    """A training that begins, and says so."""
    if len(args.algo) > 1:
        parser.refuse("several algorithms are a study: run.py study --algo vpg,ppo --seeds 0-19")
    (algorithm,) = args.algo
    env_id = args.env = named(args)
    config = make_config(parser, args, algorithm)
    with parser.refusing(phrase=with_flags):
        trainer = runs.new_trainer(runs.ALGORITHMS[algorithm], env_id, config, args.seed)
    judging = judging_of(args)
    with closed_if_it_fails(trainer.envs):
        with parser.refusing(f"--runs-dir {args.runs_dir}"):
            folder = runs.RunFolder.create(args.runs_dir, trainer, **judging)
            folder.lock()
        print(f"{algorithm} on {env_id}, seed {args.seed}: {folder.path}")
        print_preset(args, algorithm)
    return trainer, folder, judging


def resume(parser, args):
    return train(parser, args, taken_up)


def taken_up(parser, args):
    """A training that goes on where it stopped, and says so."""
    folder = runs.RunFolder(args.run, args.env)
    changes = {} if args.total_steps is None else {"total_steps": args.total_steps}
    with parser.refusing(folder.path):
        trainer = folder.resume(not args.no_media, args.max_episodes, **changes)
    with closed_if_it_fails(trainer.envs):
        with parser.refusing(folder.path):
            judging = {**JUDGING, **folder.about()["judging"], **judging_of(args)}
        at_end = trainer.env_steps >= trainer.config.total_steps
        state = "ended at" if at_end else "goes on from"
        print(f"{folder.path} {state} step {trainer.env_steps:,}")
    return trainer, folder, judging


def named(args):
    """The environment's id, with the original gym's mark where --env-api asks for it."""
    return "gym/" + args.env.removeprefix("gym/") if args.env_api == "gym" else args.env


def judging_of(args):
    """What `runs.run_training` needs to know, as far as it was given: a dict."""
    given = {name: getattr(args, name) for name in (*JUDGING, "max_episodes")}
    return {name: value for name, value in given.items() if value is not None}


def settings(parser, args):
    print(f"settings of {args.algorithm} [default; --env may bring tuned ones, presets.py]:")
    print(describe_settings(args.algorithm))
    return 0
