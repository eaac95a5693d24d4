"""What stands beside an equation: its lines of code, its check's verdict, one row of numbers.

Nothing is told to this file by number. The README links the code after each equation, the code
carries the equation's number above its lines, and the checks know who says that it is right. The
numbers are those of a real call: of the trace's where it makes one, otherwise of the check's.
"""

import ast
import contextlib
import importlib
import inspect
import re
import textwrap
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from lab.kit import PROJECT
from lab.proof import trace
from lab.proof.checks import CHECKS, run_check
from lab.proof.evidence import Z_BOUND
from lab.proof.numbering import TAG, cited, number_of

FUNCTION = re.compile(r"\[`([\w.]+)(?<!\.py)`\]\(([\w./]+\.py)\)")  # [`nn.MLP.backward`](nn.py)
# Pieces of code that the page gives no colour: names, operators, brackets, spaces.
PLAIN = re.compile(r'<span class="(?:n|o|p|w|nb|bp|fm|nn|vm)">([^<]*)</span>')
MOST_FUNCTIONS, MOST_ENTRIES, LONG = 3, 6, 34


class Source(NamedTuple):
    """A function (or method, or class) as it stands in its file."""

    name: str  # nn.MLP.backward
    path: str  # nn.py
    start: int  # number of its first line
    text: str


def definitions(path):
    """Every function and class of a file: {"MLP.backward": Source}."""
    text = (PROJECT / path).read_text(encoding="utf-8")
    lines, found = text.splitlines(keepends=True), {}
    module = Path(path).with_suffix("").as_posix().replace("/", ".")

    def visit(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                start = min([child.lineno, *(one.lineno for one in child.decorator_list)])
                body = "".join(lines[start - 1 : child.end_lineno])
                found[prefix + child.name] = Source(
                    f"{module}.{prefix}{child.name}", path, start, body
                )
                visit(child, f"{prefix}{child.name}.")

    visit(ast.parse(text), "")
    return found


def sources(number, following):
    """What computes an equation: Sources, by the links in the text that follows it."""
    found = []
    for name, path in dict.fromkeys(FUNCTION.findall(following)):
        module = Path(path).with_suffix("").as_posix().replace("/", ".")
        place, all_ = name.removeprefix(module + "."), definitions(path)
        own = [one for key, one in all_.items() if key.startswith(place + ".")]
        if place not in all_ or number not in cited(all_[place].text):
            continue
        # Of a class, the methods that carry the number; all of it if they are none.
        found += [one for one in own if number in cited(comments(one.text))] or [all_[place]]
    found = list(dict.fromkeys(found))
    named = [one for one in found if number in cited(comments(one.text))]
    return (named or found)[:MOST_FUNCTIONS]


def comments(text):
    return "\n".join(line.partition("#")[2] for line in text.splitlines())


def marked(number, text):
    """The lines of a function that compute equation `number`: indices into its lines."""
    lines, chosen = text.splitlines(), set()
    for i, line in enumerate(lines):
        before, _, comment = line.partition("#")
        if number not in cited(comment):
            continue
        chosen.add(i)
        if before.strip():  # the comment stands behind its line
            continue
        depth = len(before)
        for j in range(i + 1, len(lines)):
            after = lines[j].strip()
            is_comment = after.startswith("#")
            if not after or len(lines[j]) - len(lines[j].lstrip()) < depth:
                break
            if is_comment and any(not lines[k].strip().startswith("#") for k in range(i, j)):
                break
            chosen.add(j)
    if chosen:
        return chosen
    method = text[0] == " "  # which Python reads only inside something
    tree = ast.parse("if 1:\n" + text if method else text)
    body, shift = (tree.body[0].body[0], 2) if method else (tree.body[0], 1)
    rest = body.body[1:] if ast.get_docstring(body) else body.body
    if not rest or rest[-1].end_lineno - rest[0].lineno > 8:
        return {0}
    return set(range(rest[0].lineno - shift, rest[-1].end_lineno - shift + 1))


def coloured(text, start=1, marks=(), ids=None):
    """Python as HTML, a <span> a line; without its tags it is the text, character for character."""
    made = highlight(text, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True))
    lines, parts = PLAIN.sub(r"\1", made).split("\n"), []
    for i, line in enumerate(lines[: len(text.splitlines())]):
        name = f' id="{ids[start + i]}"' if ids and start + i in ids else ""
        parts.append(f'<span class="l{" m" if i in marks else ""}"{name}>{line}\n</span>')
    return "".join(parts)


# ------------------------------------------------------------------ one row of numbers


def first_calls(sources, run):
    """-> what run() returns, and {name: of the first call of each source with real numbers in it,
    what is known there as it ends, {name: array or None}, and what it returns, a list}.

    Meanwhile a copy that says what it knows stands for each function, where checks look it up
    and in the trace.
    """
    calls = {}
    with contextlib.ExitStack() as undo:
        for source in sources:
            owner, name, function = placed(source)
            if not inspect.isfunction(function):
                continue
            copy = recorded(source, function, calls)
            for place in (owner, trace):
                if vars(place).get(name) is function:
                    setattr(place, name, copy)
                    undo.callback(setattr, place, name, function)
        return run(), calls


def placed(source):
    """Where a source stands: its module or class, its name there, and itself."""
    module = source.path.removesuffix(".py").replace("/", ".")
    *outer, name = source.name.removeprefix(module + ".").split(".")
    owner = importlib.import_module(module)
    for part in outer:
        owner = getattr(owner, part)
    return owner, name, vars(owner)[name]


class Returns(ast.NodeTransformer):
    """Makes `return x` of a function `return _end(_begun, locals(), x)`; not of those inside it."""

    def visit_FunctionDef(self, node):
        return node

    def visit_Return(self, node):
        value = node.value or ast.Constant(None)
        node.value = ast.parse("_end(_begun, locals())", mode="eval").body
        node.value.args.append(value)
        return node


def recorded(source, function, calls):
    """A copy of a function that puts its first call with real numbers into `calls`."""

    def begin(given):
        return dict(given), {k: numbers(v) for k, v in given.items()}

    def end(begun, known, result):
        (given, arguments), after = begun, {k: numbers(v) for k, v in known.items()}
        results = [numbers(one) for one in (result if isinstance(result, tuple) else (result,))]
        changed = {
            f"{k}, after": after[k]
            for k, v in arguments.items()
            if v is not None and known[k] is given[k] and not np.array_equal(v, after[k])
        }
        local = {k: v for k, v in after.items() if v is None or v.dtype.kind != "i" or v.ndim}
        values = arguments | {k: v for k, v in local.items() if k not in arguments} | changed
        real = changed or any(one is not None for one in results)
        if real and any(np.ndim(v) for v in values.values() if v is not None):
            calls.setdefault(source.name, (values, results))
        return result

    made = ast.parse("def make(_begin, _end):\n    _begun = _begin(locals())")
    (definition,) = ast.parse(textwrap.dedent(source.text)).body
    definition.body = [*made.body[0].body, *map(Returns().visit, definition.body), ast.Return()]
    Returns().visit(definition.body[-1])
    made.body[0].body = [definition, ast.Return(ast.Name(definition.name, ast.Load()))]
    names = {}
    exec(compile(ast.fix_missing_locations(made), source.path, "exec"), function.__globals__, names)
    return names["make"](begin, end)


def numbers(value):
    """A value as an array of its own; None if it is no real number of double precision."""
    if isinstance(value, (bool, int, float, np.generic, np.ndarray)):
        array = np.array(value)
        if array.dtype.kind in "bif" and array.dtype != np.float32 and array.size:
            return array
    return None


def row(source, values, results):
    """One row that goes through a function: list of (name, its numbers as text)."""
    tree = ast.parse(source.text if source.text[0] != " " else "if 1:\n" + source.text)
    returns = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value]
    names = []
    if returns:
        last = returns[-1]
        names = [ast.unparse(one) for one in (last.elts if isinstance(last, ast.Tuple) else [last])]
    if len(names) != len(results):
        names = ["returns"] * len(results)
    shown = {k: v for k, v in values.items() if v is not None and not k.startswith("_")}
    for name, value in zip(names, results, strict=True):
        if value is not None and name not in shown and len(results) <= MOST_ENTRIES:
            shown[name if len(name) <= LONG else "returns"] = value
    rows = next((len(v) for v in shown.values() if v.ndim), 0)
    lines = []
    for name, value in shown.items():
        if value.ndim and (len(value) == rows or value.size > MOST_ENTRIES):
            i = min(1, len(value) - 1)  # the trace's row 1 is the one that it works out
            looks_ahead = f"{name}[t + 1]" in source.text and i + 1 < len(value)  # a recursion
            label = name if name.isidentifier() else f"({name})"
            lines += [(f"{label}[{j}]", entries(value[j])) for j in range(i, i + 1 + looks_ahead)]
        else:
            lines.append((name, entries(value)))
    return lines


def entries(value):
    more = ", …" if np.size(value) > MOST_ENTRIES else ""
    return ", ".join(map(figure, np.ravel(value)[:MOST_ENTRIES])) + more


def figure(x):
    """A number as text, the same on every machine: what rounding has left of 0 is 0."""
    if isinstance(x, np.bool_):
        return "True" if x else "False"
    return f"{0.0 if abs(x) < 1e-12 else float(x):.5g}".replace("-", "−")


# ------------------------------------------------------------------------------ panels


def panels(readme):
    """Every equation's panel: {number: HTML}. Runs the trace and every check."""
    pieces = TAG.split(readme)[1:]
    places = {
        int(n): sources(int(n), re.split(r"^## ", after, flags=re.MULTILINE)[0])
        for n, after in zip(pieces[::2], pieces[1::2], strict=True)
    }
    everything = {one for found in places.values() for one in found}
    traced = {}
    for algorithm in trace.TRACED:
        _, calls = first_calls(everything, lambda name=algorithm: trace.walk(name))
        traced = calls | traced
    known = map(number_of, CHECKS)
    return {n: panel(n, places[n], traced) for n in known if n in places}


def panel(number, found, traced):
    result, calls = first_calls(found, lambda: run_check(number))
    calls |= {one.name: traced[one.name] for one in found if one.name in traced}
    parts = []
    for one in found:
        end = one.start + len(one.text.splitlines()) - 1
        marks = marked(number, one.text)
        parts.append(
            f'<p class="where"><a href="#code-{one.name}"><code>{one.path}</code></a> '
            f'lines {one.start}–{end}</p><pre data-eq="{number}" style="--first:{one.start - 1}">'
            f"{coloured(one.text, one.start, marks)}</pre>"
        )
        if one.name in calls:
            where = "the trace" if one.name in traced else "its check"
            parts.append(table(f"One row of it, from {where}", row(one, *calls[one.name])))
    in_its_lines = any(number in cited(comments(one.text)) for one in found)
    if not in_its_lines or not any(one.name in calls for one in found):
        shown = [(k, v) for k, v in result.numbers if numbers(v) is not None][:4]
        if shown:
            rows = [(k, entries(np.asarray(v))) for k, v in shown]
            parts.append(table("Numbers from its check", rows))
    largest = f"|z| = {result.error:.1f}" if result.bound == Z_BOUND else f"{result.error:.0e}"
    verdict = (
        f'<p class="verdict" data-check="{number}"><b class="{"ok" if result.passed else "fail"}">'
        f"{'✓ holds' if result.passed else '✗ FAILS'}</b> Oracle: {escape(result.oracle)}. Largest "
        f'error <span class="measured">{largest}</span>, bound {result.bound:g}. '
        f"<small>{escape(result.statement)} <code>run.py check {number}</code></small></p>"
    )
    names = ", ".join(f"<code>{one.name.removeprefix('lab.proof.')}</code>" for one in found[:1])
    return (
        f'<details class="panel" id="panel-{number}"><summary><b>Eq. {number}</b> {names}'
        f'<span class="ok">{"✓" if result.passed else "✗"} {escape(result.oracle)}</span></summary>'
        f'<div class="inside">{"".join(parts)}{verdict}</div></details>'
    )


def table(title, rows):
    cells = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows)
    return f'<table class="through"><caption>{escape(title)}</caption>{cells}</table>'
