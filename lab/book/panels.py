"""What stands beside an equation: its lines of code, its check's verdict, one row of numbers.

Nothing is told to this file by number. The text links the code after each equation, the code
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
from lab.proof import autograd, trace
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
    lines, sources = text.splitlines(keepends=True), {}
    module = Path(path).with_suffix("").as_posix().replace("/", ".")

    def visit(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                name = prefix + child.name
                start = min([child.lineno, *(line.lineno for line in child.decorator_list)])
                body = "".join(lines[start - 1 : child.end_lineno])
                sources[name] = Source(f"{module}.{name}", path, start, body)
                visit(child, f"{name}.")

    visit(ast.parse(text), "")
    return sources


def sources(number, following):
    """What computes an equation: Sources, by the links in the text that follows it."""
    linked = {}
    for name, path in dict.fromkeys(FUNCTION.findall(following)):
        module = Path(path).with_suffix("").as_posix().replace("/", ".")
        place, there = name.removeprefix(module + "."), definitions(path)
        if place not in there or number not in cited(there[place].text):
            continue
        # Of a class, the methods that carry the number; all of it if they are none.
        methods = [source for key, source in there.items() if key.startswith(place + ".")]
        methods = [method for method in methods if carries(method, number)]
        linked |= dict.fromkeys(methods or [there[place]])
    return ([source for source in linked if carries(source, number)] or [*linked])[:MOST_FUNCTIONS]


def carries(source, number):
    """Has one of a source's comments this equation's number?"""
    return number in cited("\n".join(line.partition("#")[2] for line in source.text.splitlines()))


def syntax(text):
    """The syntax tree of a definition, which may be a method's."""
    return ast.parse(textwrap.dedent(text)).body[0]


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
    function = syntax(text)
    rest = function.body[1:] if ast.get_docstring(function) else function.body
    if not rest or rest[-1].end_lineno - rest[0].lineno > 8:
        return {0}
    return set(range(rest[0].lineno - 1, rest[-1].end_lineno))


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
        results = list(map(numbers, result if isinstance(result, tuple) else (result,)))
        changed = {
            f"{k}, after": after[k]
            for k, v in arguments.items()
            if v is not None and known[k] is given[k] and not np.array_equal(v, after[k])
        }
        local = {k: v for k, v in after.items() if v is None or v.dtype.kind != "i" or v.ndim}
        values = arguments | {k: v for k, v in local.items() if k not in arguments} | changed
        real = changed or any(value is not None for value in results)
        if real and any(np.ndim(v) for v in values.values() if v is not None):
            calls.setdefault(source.name, (values, results))
        return result

    factory = ast.parse("def make(_begin, _end):\n    _begun = _begin(locals())")
    (make,), definition = factory.body, syntax(source.text)
    definition.body = [*make.body, *map(Returns().visit, [*definition.body, ast.Return()])]
    make.body = [definition, ast.Return(ast.Name(definition.name, ast.Load()))]
    names, code = {}, compile(ast.fix_missing_locations(factory), source.path, "exec")
    exec(code, function.__globals__, names)
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
    nodes = ast.walk(syntax(source.text))
    returned = [node.value for node in nodes if isinstance(node, ast.Return) and node.value][-1:]
    if returned and isinstance(returned[0], ast.Tuple):
        returned = returned[0].elts
    names = list(map(ast.unparse, returned))
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


def panels(text):
    """The panels of the equations in a text: {number: HTML}. Runs the trace and every check."""
    pieces = TAG.split(text)[1:]
    places = {
        int(n): sources(int(n), re.split(r"^## ", after, flags=re.MULTILINE)[0])
        for n, after in zip(pieces[::2], pieces[1::2], strict=True)
    }
    everything = {source for own in places.values() for source in own}
    traced = {}
    for algorithm in trace.TRACED:
        _, calls = first_calls(everything, lambda name=algorithm: trace.walk(name))
        traced = calls | traced
    known = map(number_of, CHECKS)
    return {n: panel(n, places[n], traced) for n in known if n in places}


def panel(number, sources, traced):
    result, calls = first_calls(sources, lambda: run_check(number))
    names = [source.name for source in sources]
    calls |= {name: traced[name] for name in names if name in traced}
    parts = []
    for source in sources:
        name, path, start, text = source
        parts.append(
            f'<p class="where"><a href="#code-{name}"><code>{path}</code></a> '
            f"lines {start}–{start + len(text.splitlines()) - 1}</p>"
            f'<pre data-eq="{number}" style="--first:{start - 1}">'
            f"{coloured(text, start, marked(number, text))}</pre>"
        )
        if name in calls:
            where = "the trace" if name in traced else "its check"
            parts.append(table(f"One row of it, from {where}", row(source, *calls[name])))
    in_its_lines = any(carries(source, number) for source in sources)
    if not in_its_lines or not any(name in calls for name in names):
        shown = [(k, v) for k, v in result.numbers if numbers(v) is not None][:4]
        if shown:
            rows = [(k, entries(np.asarray(v))) for k, v in shown]
            parts.append(table("Numbers from its check", rows))
    for key, lines in autograd.WRITTEN.items():
        if number_of(key) == number:
            made = PLAIN.sub(r"\1", highlight(lines, PythonLexer(), HtmlFormatter(nowrap=True)))
            parts.append('<p class="where">With autograd you would have written</p>')
            parts.append(f'<pre class="code" data-autograd="{number}">{made}</pre>')
    largest = f"|z| = {result.error:.1f}" if result.bound == Z_BOUND else f"{result.error:.0e}"
    verdict = (
        f'<p class="verdict" data-check="{number}"><b class="{"ok" if result.passed else "fail"}">'
        f"{'✓ holds' if result.passed else '✗ FAILS'}</b> Oracle: {escape(result.oracle)}. Largest "
        f'error <span class="measured">{largest}</span>, bound {result.bound:g}. '
        f"<small>{escape(result.statement)} <code>run.py check {number}</code></small></p>"
    )
    code = "".join(f"<code>{name.removeprefix('lab.proof.')}</code>" for name in names[:1])
    return (
        f'<details class="panel" id="panel-{number}"><summary><b>Eq. {number}</b> {code}'
        f'<span class="ok">{"✓" if result.passed else "✗"} {escape(result.oracle)}</span></summary>'
        f'<div class="inside">{"".join(parts)}{verdict}</div></details>'
    )


def table(title, rows):
    cells = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows)
    return f'<table class="through"><caption>{escape(title)}</caption>{cells}</table>'
