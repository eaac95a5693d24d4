"""What each command may be told: every option, and how its text becomes a value.

A command's own code is imported only once its options are read, so that -h answers at once,
and without numpy.
"""

import argparse

from lab.commands.lesson import lesson_option
from lab.kit.command_line import option, whole_number

NAMES = "vpg", "ppo", "ppo-penalty"  # lab.runs.ALGORITHMS', for help that imports no lesson
JUDGING = {"evaluations": 10, "eval_episodes": 100}  # of a single training, and the defaults


# ---------------------------------------------------------------------- types


def seed_list(text):
    """An argparse type: "0-4,7" -> [0, 1, 2, 3, 4, 7]."""
    from lab.study import parse_seeds

    try:
        return parse_seeds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def episode_count(text):
    """An argparse type: episodes of one evaluation."""
    from lab.runs.contents import MOST_EPISODES

    return whole_number(1, MOST_EPISODES)(text)


def algorithm_name(text):
    """An argparse type: the name of one algorithm."""
    if text not in NAMES:
        known = ", ".join(NAMES)
        raise argparse.ArgumentTypeError(f"invalid choice: {text!r} (choose from {known})")
    return text


def algorithm_names(text):
    """An argparse type: one algorithm's name, or several with commas between -> a list."""
    names = [algorithm_name(name) for name in text.split(",")]
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"names an algorithm twice: {text}")
    return names


# -------------------------------------------------------- what several share


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


def evaluation_options(parser, evaluations, eval_episodes):
    """How often a training is judged, and by how much."""
    help = "greedy evaluations spread over a training"
    option(parser, "--evaluations", "N", help, evaluations, type=whole_number(1))
    help = "fresh episodes of each"
    option(parser, "--eval-episodes", "N", help, eval_episodes, type=episode_count)


def training_options(parser, evaluations=None, eval_episodes=None):
    """How a single training is judged, ends and is shown."""
    evaluation_options(parser, evaluations, eval_episodes)
    help = "stop after the rollout in which this many are done"
    option(parser, "--max-episodes", "N", help, type=whole_number(1))
    parser.add_argument("--no-media", action="store_true", help="draw no curve, record no GIF")
    parser.add_argument("--render", action="store_true", help="open the window after training")


def setting_options(parser, argv):
    """Every setting of the algorithms that a command line names; help only says who lists them."""
    help = "a setting: `run.py settings ppo` lists them"
    parser.add_argument("--NAME", dest="_", metavar="VALUE", help=help)
    if not {"-h", "--help"} & {*argv}:
        from lab.commands.settings import add_settings

        add_settings(parser, argv)


def env_option(parser):
    """The one way to let a run's own environment be imported: the user names it."""
    help = "the run's environment: needed where it is of your own, module:Id-v0"
    option(parser, "--env", "ID", help)


def run_options(parser):
    """A run that is looked at."""
    option(parser, "run", "RUN", "a run's folder")
    option(parser, "--seed", "N", "of the episode", 0, type=whole_number(0))
    env_option(parser)
    lesson_option(parser)


def worker_options(parser):
    """Who does the work of a study."""
    who = parser.add_mutually_exclusive_group()
    help = "processes that train at a time [all cores]"
    option(who, "--jobs", "N", help, type=whole_number(1))
    option(who, "--dask", "ADDRESS", "train on the Dask cluster with this scheduler")


# ---------------------------------------------------------- command by command


def train_options(parser, argv):
    own = {"type": algorithm_names, "required": True}
    option(parser, "--algo", "NAME", f"{', '.join(NAMES[:-1])} or {NAMES[-1]}", **own)
    help = "seed of everything random; same machine, same seed, same bits"
    option(parser, "--seed", "N", help, 0, type=whole_number(0))
    environment_options(parser)
    training_options(parser, **JUDGING)
    lesson_option(parser)
    setting_options(parser, argv)


def resume_options(parser, argv):
    parser.epilog = "What no option says stays as it was begun."
    option(parser, "run", "RUN", "a run's folder")
    option(parser, "--total-steps", "N", "train until this step", type=whole_number(1))
    env_option(parser)
    lesson_option(parser)
    training_options(parser)


def play_options(parser, argv):
    run_options(parser)


def record_options(parser, argv):
    run_options(parser)
    option(parser, "file", "FILE", "what to write: NAME.gif or NAME.mp4")


def compare_options(parser, argv):
    option(parser, "runs", "RUN", "runs' folders", nargs="+")
    option(parser, "--out", "FILE", "the picture", "runs/comparison.png")


def study_options(parser, argv):
    from lab.study import EVALUATIONS

    help = "one algorithm, or several with commas between: vpg,ppo"
    option(parser, "--algo", "NAME,…", help, type=algorithm_names, required=True)
    help = "such as 0-19 or 0-4,7,9"
    option(parser, "--seeds", "A-B", help, type=seed_list, required=True)
    environment_options(parser)
    evaluation_options(parser, EVALUATIONS, JUDGING["eval_episodes"])
    parser.add_argument("--no-media", action="store_true", help="draw no picture")
    worker_options(parser)
    setting_options(parser, argv)


def ablation_options(parser, argv):
    option(parser, "--seeds", "A-B", "which seeds [0-29]", type=seed_list)
    option(parser, "--runs-dir", "DIR", "where seeds go", "runs")
    help = "where table and picture go [figures; with other seeds, the study's folder]"
    option(parser, "--figures-dir", "DIR", help)
    worker_options(parser)


def check_options(parser, argv):
    help = "16 or gae; one for its numbers, several for a table [all of them]"
    option(parser, "equations", "N", help, nargs="*")
    help = "six losses and whole gradients, beside those of torch.autograd"
    parser.add_argument("--torch", action="store_true", help=help)


def trace_options(parser, argv):
    lesson_option(parser)
    option(parser, "algorithm", None, "whose objective", "ppo", choices=("ppo", "vpg"), nargs="?")


def tokens_options(parser, argv):
    help = "trainings in each way, of which the means are shown"
    option(parser, "--seeds", "N", help, 50, type=whole_number(2))


def practice_options(parser, argv):
    from lab.practice import CHAPTERS, COURSE, LADDER, PAGE

    parser.epilog = "The folder that is there is gone on with; nothing of yours is overwritten."
    option(parser, "folder", "DIR", "the workbook", "practice", nargs="?")
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--chapters",
        type=lambda text: chapter_letters(text, CHAPTERS),
        metavar="C,D",
        help=f"blank these alone, or these too; also I [{','.join(COURSE)}]",
    )
    alone = {"dest": "chapters", "action": "store_const"}
    help = "one file instead, for one evening: one_page.py with its gradients blank"
    either.add_argument("--one-page", const=PAGE, help=help, **alone)
    help = "the ladder's eight stairs instead, for an hour: a gradient each"
    either.add_argument("--ladder", const=LADDER, help=help, **alone)
    option(parser, "--assignment", "FILE", "blank what it lists: a key or function a line")


def chapter_letters(text, known):
    """An argparse type: C,D -> ["C", "D"]."""
    letters = text.upper().split(",")
    for letter in letters:
        if letter not in known:
            raise argparse.ArgumentTypeError(
                f"chapter {letter!r} has no blanks; {', '.join(known)} have"
            )
    return letters


def grade_options(parser, argv):
    option(parser, "folder", "DIR", "a workbook", "practice", nargs="?")
    help = "chapters, equations, functions: C, 16, gae [the first that is open]"
    option(parser, "equations", "N", help, nargs="*")
    parser.add_argument("--all", action="store_true", help="all that are asked for")
    parser.add_argument("--watch", action="store_true", help="grade again at every save")
    parser.add_argument("--debug", action="store_true", help="one, where breakpoint() stops")
    option(parser, "--seed", "N", "of the cases [a new one]", type=whole_number(0))
    option(parser, "--assignment", "FILE", "what practice --assignment blanks")
    option(parser, "--json", "FILE", "write the grades there, too")
    option(parser, "--junit", "FILE", "the same for autograders: JUnit's XML")


def hint_options(parser, argv):
    option(parser, "equation", "N", "an equation or blank, 16 or gae")


def settings_options(parser, argv):
    names = f"{{{','.join(NAMES)}}}"
    option(parser, "algorithm", names, "whose", "ppo", type=algorithm_name, nargs="?")
