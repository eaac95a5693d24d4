"""A Config's fields as options: dataclass field ↔ --option, in both directions."""

import argparse
import textwrap
import typing
from dataclasses import fields

from lab.kit.command_line import Parser, option, whole_number
from lab.runs import ALGORITHMS
from lab.study import preset


def flag(name):
    """The command-line option of a setting: gae_lambda -> --gae-lambda."""
    return "--" + name.replace("_", "-")


def known_settings(algorithms=tuple(ALGORITHMS)):
    """The fields of these algorithms' Configs, by name, in their order."""
    return {
        field.name: field
        for algorithm in algorithms
        for field in fields(ALGORITHMS[algorithm].Config)
    }


def algorithms_in(argv):
    """The algorithms that --algo names on a command line; all of them if it names none."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--algo", nargs="?")
    text = early.parse_known_args(argv)[0].algo or ""
    return [name for name in text.split(",") if name in ALGORITHMS] or list(ALGORITHMS)


def real_number(text):
    """An argparse type: a number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None


def setting_type(field):
    """The argparse type of a Config field."""
    kinds = [kind for kind in typing.get_args(field.type) if kind is not type(None)]
    kind = kinds[0] if kinds and kinds[0] is not Ellipsis else field.type
    parse = real_number if kind is float else kind
    if kind is int:
        parse = whole_number(int(field.metadata["valid"].low))
    if type(None) not in typing.get_args(field.type):
        return parse
    return lambda text: None if text == "none" else parse(text)


class ElsewhereOnly(argparse.Action):
    """An option that this command line's algorithms lack: says whose it is."""

    def __call__(self, parser, namespace, values, option):
        owners = [name for name in ALGORITHMS if self.dest in known_settings([name])]
        parser.error(f"{option} is a setting of {' and '.join(owners)} alone")


def add_settings(parser, argv):
    """Give every setting of the algorithms on this command line its option."""
    own = known_settings(algorithms_in(argv))
    for field in known_settings().values():
        # absent unless given: the Config knows its defaults
        names = [flag(field.name)]
        options = {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
        if field.name not in own:
            options |= {"action": ElsewhereOnly, "nargs": "*"}
            names += [flag(f"no_{field.name}")] if field.type is bool else []
        elif field.type is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif isinstance(field.metadata["valid"], tuple):
            options["choices"] = field.metadata["valid"]
        else:
            options["type"] = setting_type(field)
        if typing.get_origin(field.type) is tuple:
            options["nargs"] = "+"
        parser.add_argument(*names, **options)


def describe_settings(algorithm):
    """All settings of an algorithm with their defaults, as text."""
    parser = Parser("", usage=argparse.SUPPRESS, add_help=False)
    for field in fields(ALGORITHMS[algorithm].Config):
        name = flag(f"[no-]{field.name}" if field.type is bool else field.name)
        option(parser, name, "", f"{field.metadata['help']} [{text_of(field.default)}]")
    return parser.format_help().split("\n", 1)[1].rstrip()


def text_of(value):
    """A setting's value as one would type it."""
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)


def given_settings(args):
    """The settings that stand on the command line: dict of name -> value."""
    given = {name: value for name, value in vars(args).items() if name in known_settings()}
    if "hidden_sizes" in given:
        given["hidden_sizes"] = tuple(given["hidden_sizes"])
    return given


def with_flags(error):
    """An error's text, with options in place of settings' names: as its first word, in its tip."""
    words, known = str(error).split(" "), known_settings()
    tip = max((i for i, word in enumerate(words, 1) if word.endswith(";")), default=len(words))
    named = [i for i, word in enumerate(words) if word in known and (i == 0 or i >= tip)]
    return " ".join(flag(word) if i in named else word for i, word in enumerate(words))


def make_config(parser, args, algorithm):
    """An algorithm's Config: its defaults, the environment's preset, the options given.

    Exits with status 2 if the options don't fit it.
    """
    Config = ALGORITHMS[algorithm].Config
    own = Config.__dataclass_fields__
    given = {name: value for name, value in given_settings(args).items() if name in own}
    with parser.refusing(phrase=with_flags):
        return Config(**{**(preset(algorithm, args.env) or {}), **given})


def print_preset(args, algorithm):
    """Say in one line where the settings come from, unless the defaults are made for this."""
    tuned = preset(algorithm, args.env)
    if tuned is None:
        print(f"{algorithm} has not been tuned for {args.env}: the defaults are CartPole-v1's")
    elif tuned:
        given = sorted(set(tuned) & set(given_settings(args)))
        instead = f", without {', '.join(map(flag, given))}" if given else ""
        text = f"settings tuned for {args.env} (presets.py){instead}"
        print(textwrap.fill(text, 79, break_on_hyphens=False))
