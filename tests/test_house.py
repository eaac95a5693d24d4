"""The house keeps its rules: who imports whom, and what a file must not know about.

The rules stand in CONTRIBUTING.md. They are read off the source: every import, also one
inside a function or by a name in a string, and which names a file uses.
"""

import ast
import difflib
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from config import CommonConfig

HOUSE = Path(__file__).resolve().parents[1]
SUPPORT = ["arrays", "config", "environments", "normalization", "promises"]
# The lab's rooms, from the top: a file imports from its own room and from those below.
ROOMS = [
    *("commands", "book", "pictures", "study", "practice"),
    *("proof", "language", "runs", "watch", "kit"),
]
FILES = sorted(path for path in HOUSE.glob("lab/**/*.py") if path.parent != HOUSE / "lab")
# What takes long to import, or need not be there.
HEAVY = "matplotlib PIL pyglet scipy pygments markdown_it math_core playwright torch distributed"

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
LESSON = list(NEIGHBOURS)
# Words that may stand in no name of a file (comments and docstrings are not names).
UNKNOWN = {
    "nn": "action reward polic gymnasium normaliz obs",
    "distributions": "network env advantage gymnasium",
    "advantages": "network env gymnasium polic",
    "policies": "env advantage loss",
    "rollout": "value_function gamma loss",
    "learner": "env vpg ppo clip surrogate print open",
    "vpg": "env print open",
    "ppo": "env print open",
    "ppo_penalty": "env print open",
    "training": "vpg ppo clip print open",
}


@cache
def source(name):
    return ast.parse((HOUSE / name).read_text("utf-8"))


def imports(tree):
    """Every import in a file: (module, name or None), wherever it stands, in a string too.

    A string that ends in a dot goes on with any name: (module, "*").
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import: say where from"
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            module = node.value.removesuffix(".")
            if module.startswith("lab.") and all(map(str.isidentifier, module.split("."))):
                yield module, None if module == node.value else "*"


def file_of(module, name=None):
    """The lab's file that an import reads: a module, or a room's `__init__`; None if neither."""
    places = [f"{module}.{name}"] if name else []
    for place in (*places, module):
        path = HOUSE / place.replace(".", "/")
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file in FILES:
                return file
    return None


def files_imported(tree):
    """The lab's files that a file imports."""
    for module, name in imports(tree):
        file = file_of(module, name)
        if name == "*":
            yield from set(file.parent.glob("*.py")) - {file}
        elif file:
            yield file


def room_of(path):
    return path.relative_to(HOUSE / "lab").parts[0]


def names(tree):
    """Every name that a file uses or defines: variables, attributes, arguments, functions."""
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name"):
            if isinstance(getattr(node, field, None), str):
                yield getattr(node, field).lower()


def upward(path, tree):
    """What a file of the lab imports from rooms above its own, or of another's insides: texts."""
    own = room_of(path)
    for module, name in imports(tree):
        file = file_of(module, name)
        if file is None or room_of(file) == own:
            continue
        if ROOMS.index(room_of(file)) < ROOMS.index(own) or (name or "").startswith("_"):
            yield f"{module} {name or ''}"


def test_every_room_and_every_file_is_in_the_table():
    text = (HOUSE / "CONTRIBUTING.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `lab/")]
    assert [row.split("`")[1] for row in rows] == [f"lab/{room}/" for room in ROOMS]
    for room, row in zip(ROOMS, rows, strict=True):
        inside = {path.relative_to(HOUSE / "lab" / room) for path in FILES if room_of(path) == room}
        there = {path.parts[0].removesuffix(".py") for path in inside} - {"__init__"}
        missing = [name for name in there if f"`{name}`" not in row]
        assert not missing, f"lab/{room}/: {missing}"
    assert {room_of(path) for path in FILES} == {*ROOMS}


def test_imports_go_down():
    climbing = {path: list(upward(path, source(path))) for path in FILES}
    assert not {path: found for path, found in climbing.items() if found}


def test_no_files_form_a_circle():
    edges = {path: {*files_imported(source(path))} - {path} for path in FILES}
    TopologicalSorter(edges).prepare()  # raises CycleError


def test_the_test_of_imports_sees_who_climbs():
    path = HOUSE / "lab/watch/scene.py"
    for line in (
        "from lab.runs import RunFolder",
        "from lab import study",
        "import lab.runs.records",
        "import_module('lab.commands')",
        "f'lab.study.{name}'",
        "from lab.kit.files import _beside",
        "def later():\n    from lab.study.workers import Cores",
    ):
        assert len(list(upward(path, ast.parse(line)))) == 1, line
    for line in (
        "from lab.kit import CannotWrite",
        "from lab.kit.saving import save",
        "from lab import kit",
        "from lab.watch.session import _x",
    ):
        assert list(upward(path, ast.parse(line))) == [], line
    assert {*files_imported(ast.parse("from lab.runs import records, run_training"))} == {
        HOUSE / "lab/runs/records.py",
        HOUSE / "lab/runs/__init__.py",
    }


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_is_in_it(room):
    tree = source(f"lab/{room}/__init__.py")
    said = ast.get_docstring(tree).splitlines()
    assert 4 <= len(said) <= 11
    if room != "commands":
        assert all(isinstance(node, (ast.ImportFrom, ast.Expr)) for node in tree.body)


def imported_by(program):
    """The modules that a new Python has imported after this program, which prints nothing."""
    program += "\nimport sys\nprint(*sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {*done.stdout.split()}


def test_entering_a_room_imports_nothing_heavy():
    assert not imported_by("\n".join(f"import lab.{room}" for room in ROOMS)) & {*HEAVY.split()}


def test_what_is_read_before_the_lesson_imports_none_of_it():
    """--lesson puts a reader's files in the place of the lesson's, so none may be read by then."""
    assert not imported_by("import lab.commands, lab.practice") & {*LESSON, *SUPPORT}


def test_help_imports_neither_numpy_nor_the_lesson():
    known = imported_by("""
import contextlib, io, run
with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
    run.main(["-h"])
assert said.getvalue().startswith("usage: run.py ")""")
    assert "lab.commands.options" in known
    assert not known & {"numpy", "gymnasium", *LESSON, *SUPPORT, *HEAVY.split()}


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


def test_ppo_s_difference_to_vpg_can_be_read():
    below, above = (
        (HOUSE / f"{name}.py").read_text("utf-8").split("\n") for name in ("vpg", "ppo")
    )
    changes = [line for line in difflib.ndiff(below, above) if line[0] in "-+"]
    assert len(changes) <= 130


def test_uv_and_pip_install_the_same():
    """pyproject.toml's dependencies are those of requirements.txt, in its order."""
    wanted = [
        f'    "{line}",' for line in (HOUSE / "requirements.txt").read_text().split("\n") if line
    ]
    lines = (HOUSE / "pyproject.toml").read_text("utf-8").split("\n")
    begin = next(n for n, line in enumerate(lines) if line.startswith("dependencies = ["))
    assert lines[begin + 1 : lines.index("]", begin)] == wanted
