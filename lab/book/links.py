"""Keeps the README's links to functions right: `python -m lab.book.links` after moving code.

A link such as [`nn.MLP.backward`](nn.py#L41) names a function, class or method by
its module and dotted path. This rewrites the line number behind `#L` to where the
definition stands now, and changes nothing else.
"""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\[`([\w.]+)`\]\(([\w./]+\.py)#L(\d+)\)")


def definitions(source):
    """Python source -> {dotted path of every function, class and method: its line}."""
    found = {}

    def visit(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                found[prefix + child.name] = child.lineno
                visit(child, f"{prefix}{child.name}.")

    visit(ast.parse(source), "")
    return found


def refresh(text, root=ROOT):
    """Markdown text -> the same with every function link at the line of its definition.

    root  directory that the links are relative to

    Raises ValueError, naming the link, if its file or its function does not exist.
    """
    known = {}

    def replace(match):
        name, path, _ = match.groups()
        if path not in known:
            if not (root / path).is_file():
                raise ValueError(f"{match[0]}: no file {path}")
            known[path] = definitions((root / path).read_text(encoding="utf-8"))
        module = path.removesuffix(".py").replace("/", ".")
        line = known[path].get(name.removeprefix(f"{module}."))
        if line is None or not name.startswith(f"{module}."):
            raise ValueError(f"{match[0]}: {path} defines no {name}")
        return f"[`{name}`]({path}#L{line})"

    return LINK.sub(replace, text)


def main(names):
    """Refresh the files named, by default README.md. Returns the exit status."""
    for name in names or ["README.md"]:
        file = ROOT / name
        try:
            before = file.read_text(encoding="utf-8")
            after = refresh(before, ROOT)
        except (OSError, ValueError) as error:
            print(f"lab.book.links: {error}", file=sys.stderr)
            return 2
        if after == before:
            print(f"{name}: every link is right")
        else:
            file.write_text(after, encoding="utf-8")
            print(f"{name}: links refreshed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
