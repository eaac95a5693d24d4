"""The house keeps its rules: who imports whom, and what a file must not know about.

The rules stand in CONTRIBUTING.md. They are read off the source: what a file imports
(also inside a function) and which names it uses.
"""

import ast
import importlib
from pathlib import Path

import pytest

from config import CommonConfig

HOUSE = Path(__file__).resolve().parents[1]
LESSON = [
    "nn",
    "distributions",
    "policies",
    "advantages",
    "rollout",
    "learner",
    "vpg",
    "ppo",
    "ppo_penalty",
    "training",
    "one_page",
]
SUPPORT = ["arrays", "config", "environments", "normalization", "promises"]
ROOMS = sorted(path.parent.name for path in HOUSE.glob("lab/*/__init__.py"))
FILES = sorted(HOUSE.glob("lab/**/*.py"))

# What a lesson file may import of this project; whatever is missing it must not know about.
NEIGHBOURS = {
    "nn": "arrays",
    "distributions": "arrays",
    "advantages": "arrays",
    "policies": "distributions nn",
    "rollout": "arrays environments",
    "learner": "distributions nn policies",
    "vpg": "arrays config learner",
    "ppo": "arrays config learner vpg",
    "ppo_penalty": "arrays config learner nn vpg",
    "training": "advantages arrays environments learner nn normalization policies rollout",
    "one_page": "",
}
# Words that may stand in no name of a file (comments and docstrings are not names).
UNKNOWN = {
    "nn": "action reward polic gymnasium normaliz obs",
    "distributions": "network env advantage gymnasium",
    "advantages": "network env gymnasium polic",
    "rollout": "value_function gamma loss",
    "learner": "env vpg ppo clip surrogate print open",
    "vpg": "env print open",
    "ppo": "env print open",
    "ppo_penalty": "env print open",
    "training": "vpg ppo clip print open",
}


def source(name):
    return ast.parse((HOUSE / name).read_text("utf-8"))


def imports(tree):
    """Every import in a file: (module, name or None), wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module, one.name) for one in node.names)
        elif isinstance(node, ast.Import):
            yield from ((one.name, None) for one in node.names)


def names(tree):
    """Every name that a file uses or defines: variables, attributes, arguments, functions."""
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name"):
            if isinstance(getattr(node, field, None), str):
                yield getattr(node, field).lower()


def foreign(path, tree):
    """Imports of a lab file that go past another room's door, as texts."""
    own = path.relative_to(HOUSE / "lab").parts[0]
    for module, name in imports(tree):
        parts = module.split(".")
        if parts[0] != "lab" or (len(parts) > 1 and parts[1] == own):
            continue
        if len(parts) == 1:
            if name not in (*ROOMS, "doors"):
                yield f"from {module} import {name}"
        elif len(parts) > 2 or name is None or name not in shown(parts[1]):
            yield f"from {module} import {name}"


def shown(room):
    """The names that a room's `__init__` lets others use."""
    module = importlib.import_module(f"lab.{room}")
    if not hasattr(module, "__getattr__"):
        return vars(module)
    with pytest.raises(AttributeError) as refusal:
        module.no_such_name  # noqa: B018
    return str(refusal.value).split("it shows ")[1].split(", ")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(HOUSE).as_posix())
def test_a_room_is_entered_by_its_door(path):
    assert list(foreign(path, source(path))) == []


def test_the_test_of_doors_sees_who_climbs_in():
    path = HOUSE / "lab/watch/scene.py"
    for line in (
        "from lab.runs.files import hold",
        "import lab.runs.files",
        "from lab.runs import pack",
        "def later():\n    from lab.study.workers import Cores",
    ):
        assert len(list(foreign(path, ast.parse(line)))) == 1, line
    for line in (
        "from lab.runs import hold",
        "from lab import runs",
        "from lab.watch.session import x",
    ):
        assert list(foreign(path, ast.parse(line))) == [], line


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "commands"])
def test_a_room_says_what_it_shows_and_has_it(room):
    module = importlib.import_module(f"lab.{room}")
    assert 4 <= len(module.__doc__.splitlines()) <= 10
    for name in shown(room):
        try:
            assert getattr(module, name) is not None
        except ModuleNotFoundError as error:  # what an optional requirement brings
            assert not error.name.startswith("lab"), error


@pytest.mark.parametrize("name", LESSON)
def test_a_lesson_file_knows_its_neighbours_alone(name):
    project = {*LESSON, *SUPPORT, "lab", "run"}
    found = {module.split(".")[0] for module, _ in imports(source(f"{name}.py"))} & project
    assert found == set(NEIGHBOURS[name].split())


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_lesson_file_does_not_know_about(name):
    used = sorted(set(names(source(f"{name}.py"))) - set(CommonConfig.__dataclass_fields__))
    assert [one for one in used for word in UNKNOWN[name].split() if word in one] == []


@pytest.mark.parametrize("name", SUPPORT)
def test_a_support_file_knows_no_lesson_and_no_lab(name):
    found = {module.split(".")[0] for module, _ in imports(source(f"{name}.py"))}
    assert not found & {*LESSON, "lab", "run"}


def test_commands_hold_no_formula():
    for path in [HOUSE / "run.py", *HOUSE.glob("lab/commands/*.py")]:
        assert "numpy" not in {module for module, _ in imports(source(path))}, path
