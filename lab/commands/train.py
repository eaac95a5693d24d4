"""`run.py --algo ppo`, `resume` and `settings`: train, judge, keep."""

import shlex
import textwrap

from environments import closed
from lab import runs
from lab.commands import (
    COMMANDS,
    INTERRUPTED,
    env_option,
    fail,
    lesson_option,
    option,
    refused,
    whole_number,
)
from lab.commands.settings import (
    add_settings,
    algorithm_names,
    algorithms_in,
    describe_settings,
    make_config,
    print_preset,
    with_flag,
    with_flags,
)
from lab.runs import ALGORITHMS, MOST_EPISODES

HELP = {
    "usage": "run.py --algo {vpg,ppo,ppo-penalty} [options]\n       run.py COMMAND …",
    "description": "Policy gradients by hand: train VPG or PPO with numpy alone.",
    "epilog": "commands (run.py COMMAND -h explains one):\n"
    + "\n".join(f"  {name:<24} {text}" for name, (_, text) in COMMANDS.items()),
}


JUDGING = {"evaluations": 10, "eval_episodes": 100}  # and the defaults


def environment_options(parser):
    """Which environment, and how a policy is judged in it: of trainings and studies."""
    help = "of Gymnasium's, or your own: module:Id-v0 (docs/guide.md shows one in ten lines)"
    option(parser, "--env", "ID", help, "CartPole-v1")
    parser.add_argument(
        "--env-api",
        choices=("gymnasium", "gym"),
        default="gymnasium",
        help="whose environment; gym is OpenAI's original, 0.26 [gymnasium]",
    )
    option(parser, "--runs-dir", "DIR", "where results go", "runs")


def evaluation_options(parser, evaluations, eval_episodes=JUDGING["eval_episodes"]):
    """How often a training is judged, and by how much."""
    help = "greedy evaluations spread over a training"
    option(parser, "--evaluations", "N", help, evaluations, type=whole_number(1))
    episodes = whole_number(1, MOST_EPISODES)
    option(parser, "--eval-episodes", "N", "fresh episodes of each", eval_episodes, type=episodes)


def judging_options(parser, *defaults):
    """How a single training is judged, ends and is shown."""
    evaluation_options(parser, *defaults)
    help = "stop after the rollout in which this many are done"
    option(parser, "--max-episodes", "N", help, type=whole_number(1))
    parser.add_argument("--no-media", action="store_true", help="draw no curve, record no GIF")
    parser.add_argument("--render", action="store_true", help="open the window after training")


def train_options(parser, argv):
    own = {"type": algorithm_names, "required": True}
    option(parser, "--algo", "NAME", "vpg, ppo or ppo-penalty", **own)
    help = "seed of everything random; same machine, same seed, same bits"
    option(parser, "--seed", "N", help, 0, type=whole_number(0))
    environment_options(parser)
    judging_options(parser, *JUDGING.values())
    lesson_option(parser)
    add_settings(parser, algorithms_in(argv))


def train(parser, args):
    if len(args.algo) > 1:
        parser.refuse("several algorithms are a study: run.py study --algo vpg,ppo --seeds 0-19")
    (algorithm,) = args.algo
    env_id = args.env = named(args)
    config = make_config(parser, args, algorithm)
    with refused(parser, told=with_flag):
        trainer = runs.new_trainer(ALGORITHMS[algorithm], env_id, config, args.seed)
    judging = judging_of(args)
    with closed(trainer.envs):
        with refused(parser, f"--runs-dir {args.runs_dir}"):
            folder = runs.RunFolder.create(args.runs_dir, trainer, **judging)
            folder.lock()
        print(f"{algorithm} on {env_id}, seed {args.seed}: {folder.path}")
        print_preset(args, algorithm)
        print_remarks(trainer)
        return carry_out(trainer, folder, args, judging)


def named(args):
    """The environment's id, with the original gym's mark where --env-api asks for it."""
    return "gym/" + args.env.removeprefix("gym/") if args.env_api == "gym" else args.env


def judging_of(args):
    """What `runs.run_training` needs to know, as far as it was given: a dict."""
    given = {name: getattr(args, name) for name in (*JUDGING, "max_episodes")}
    return {name: value for name, value in given.items() if value is not None}


def resume_options(parser, argv):
    parser.epilog = "What no option says stays as it was begun."
    option(parser, "run", "RUN", "a run's folder")
    option(parser, "--total-steps", "N", "train until this step", type=whole_number(1))
    env_option(parser)
    lesson_option(parser)
    judging_options(parser, None, None)


def resume(parser, args):
    folder = runs.RunFolder(args.run, args.env)
    changes = {} if args.total_steps is None else {"total_steps": args.total_steps}
    with refused(parser, folder.path):
        trainer = folder.resume(not args.no_media, args.max_episodes, **changes)
        judging = {**JUDGING, **folder.about()["judging"], **judging_of(args)}
    with closed(trainer.envs):
        at_end = trainer.env_steps >= trainer.config.total_steps
        print(
            f"{folder.path} {'ended at' if at_end else 'goes on from'} step {trainer.env_steps:,}"
        )
        print_remarks(trainer)
        return carry_out(trainer, folder, args, judging)


def print_remarks(trainer):
    for line in runs.remarks(trainer):
        print(line)


def carry_out(trainer, folder, args, judging):
    """Train, judge, draw; everything goes into the folder. Returns the exit status."""
    again = [str(folder.path), *(["--lesson", args.lesson] if args.lesson else [])]
    again = shlex.join([*again, *(["--env", trainer.env_id] if ":" in trainer.env_id else [])])
    try:
        interrupted = runs.run_training(trainer, folder, **judging, media=not args.no_media)
    except KeyboardInterrupt:  # a second one, or one when it was being judged or drawn
        interrupted = True
    except (FloatingPointError, runs.EnvironmentFailed) as error:
        return fail(f"{with_flags(error)}. The last good checkpoint is in {folder.path}")
    except runs.CannotWrite as error:
        return fail(
            f"{error.filename} cannot be written: {error.strerror}. What was saved before is kept"
        )
    if interrupted:
        print(f"interrupted at step {trainer.env_steps:,}; go on with:")
        print(f"  python run.py resume {again}")
        return INTERRUPTED
    print(f"saved in {folder.path}:")
    names = ", ".join(sorted(path.name for path in folder.path.glob("[!.]*")))
    print(textwrap.fill(names, 79, initial_indent="  ", subsequent_indent="  "))
    print(f"watch it:          python run.py play {again}")
    print("one step by hand:  python run.py trace      every equation: python run.py check")
    if args.render:
        from lab.commands.watch import show
        from lab.watch import Session

        return show(Session.of(trainer, trainer.seed), folder, "episode.gif")
    return 0


def settings_options(parser, argv):
    parser.add_argument(
        "algorithm", choices=ALGORITHMS, nargs="?", default="ppo", help="which [ppo]"
    )


def settings(parser, args):
    print(f"settings of {args.algorithm} [default; --env may bring tuned ones, presets.py]:")
    print(describe_settings(args.algorithm))
    return 0
