"""Which files decide what a seed gives: found by their imports, so that no list falls behind.

They are the algorithm's module, the loop, the judge, the user's own environment, and what
these import that lies beside them, wherever in a file. While all of them say the same, a seed
that is kept is what training it again would give. Installed packages are known by their
versions instead; of the lab only the files named here take part in a training.
"""

import ast
import hashlib
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path

from environments import find_spec
from lab.kit import PROJECT
from lab.runs import ALGORITHMS

LAB = "lab/runs/judging.py", "lab/study/seed.py"
CHANGES = "lab/study/changes.py", "lab/proof/faults.py"


def code_digest(env_id, variants):
    """A fingerprint of what decides the seeds of these Variants; comments don't count."""
    dumps = sorted(dump for _, dump in deciding_files(env_id, variants).values())
    return hashlib.sha256("\n".join(dumps).encode()).hexdigest()


def deciding_files(env_id, variants):
    """The files that decide: Path -> what parsed gives. The environment has been made before."""
    waiting, places = [PROJECT / name for name in LAB], [PROJECT]
    for variant in variants:
        waiting += files(ALGORITHMS[variant.algorithm].__name__, places)
        waiting += [PROJECT / name for name in CHANGES if variant.change is not None]
    for name in environment_modules(env_id):
        path = Path(getattr(sys.modules.get(name), "__file__", None) or "")
        if path.suffix == ".py" and not installed(path):
            waiting.append(path)
            places.append(path.parents[name.count(".") + (path.stem == "__init__")])
    files_read = {}
    while waiting:
        path = waiting.pop()
        if path not in files_read:
            files_read[path] = parsed(path.read_bytes())
            others = imported(files_read[path][0], path, places)
            waiting += [other for other in others if PROJECT / "lab" not in other.parents]
    return files_read


def environment_modules(env_id):
    """Names of the modules that an environment is made of: as it was named, and registered."""
    spec = find_spec(env_id)
    yield env_id.rpartition(":")[0]
    wrappers = [wrapper.entry_point for wrapper in spec.additional_wrappers]
    for entry in (spec.entry_point, spec.vector_entry_point, *wrappers):
        named = isinstance(entry, str)
        yield entry.partition(":")[0] if named else getattr(entry, "__module__", "")


def installed(path):
    library = Path(sysconfig.get_path("stdlib"))
    return library in path.parents or bool({"site-packages", "dist-packages"} & {*path.parts})


def files(name, places):
    """Of a dotted name the files in these folders: a module, and the packages that it is in."""
    parts = name.split(".")
    for place in places:
        for depth in range(1, len(parts) + 1):
            stem = place.joinpath(*parts[:depth])
            both = stem.with_name(f"{stem.name}.py"), stem / "__init__.py"
            yield from (path for path in both if path.is_file())


def imported(tree, path, places):
    """The files in these folders that the file `path`, this tree, imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from files(alias.name, places)
        elif isinstance(node, ast.ImportFrom):
            where = [path.parents[node.level - 1]] if node.level else places
            for alias in node.names:
                yield from files(f"{node.module or ''}.{alias.name}".strip("."), where)


@lru_cache(maxsize=99)
def parsed(content):
    """A file's syntax tree and its text; of one that is not Python, a tree that is its bytes."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        tree = ast.Constant(content)
    return tree, ast.dump(tree)
