"""What stands beside an equation: one row of numbers, also in the equation itself, its lines of
code, its check's verdict.

Nothing is told to this file by number. The text links the code after each equation, the code
carries the equation's number above its lines, and the checks know who says that it is right. The
numbers are those of a real call: of the trace's where it makes one, otherwise of the check's.
What is the same in all three, `lab.book.symbols` knows by the equation's key.
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

import policies
from lab.book.joined import filled, joined, mathml, name_of, names_in
from lab.book.symbols import EQUATIONS, Joined
from lab.kit import PROJECT
from lab.proof import autograd, trace
from lab.proof.checks import CHECKS, run_check
from lab.proof.evidence import Z_BOUND
from lab.proof.numbering import TAG, cited, key_of, number_of

FUNCTION = re.compile(r"\[`([\w.]+)(?<!\.py)`\]\(([\w./]+\.py)\)")  # [`nn.MLP.backward`](nn.py)
# Pieces of code that the page gives no colour: names, operators, brackets, spaces.
PLAIN = re.compile(r'<span class="(?:n|o|p|w|nb|bp|fm|nn|vm)">([^<]*)</span>')
ATOM = re.compile(r"[\w.]+(\([^()]*\))?")  # in a label it needs no brackets
MOST_FUNCTIONS, MOST_ENTRIES, LONG = 3, 6, 34
FOLD = '<button class="fold" aria-expanded="false">docstring</button>'
PLAINLY = Joined({}, "")  # a function of which nothing is asked
COMMANDS = {"ppo": "`run.py trace`", "vpg": "`run.py trace vpg`"}


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


def coloured(text, start=1, marks=(), ids=None, names=None, folded=()):
    """Python as HTML, a <span> a line; without its tags it is the text, character for character."""
    made = highlight(text, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True))
    made = joined(PLAIN.sub(r"\1", made), names)
    lines, parts = made.split("\n"), []
    for i, line in enumerate(lines[: len(text.splitlines())]):
        name = f' id="{ids[start + i]}"' if ids and start + i in ids else ""
        kind = (" m" if i in marks else "") + (" d" if i in folded else "")
        parts.append(f'<span class="l{kind}"{name}>{line}\n</span>')
    return "".join(parts)


def docstring(text):
    """The lines of a definition's docstring: indices."""
    first = syntax(text).body[0]
    is_one = isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str)
    return range(first.lineno - 1, first.end_lineno) if is_one else ()


# ------------------------------------------------------------------ one row of numbers


class Call(NamedTuple):
    """What is known in a function as a call of it ends."""

    values: dict  # {name, or an expression that was asked for: array or None}
    results: list  # what it returns, arrays or None
    returned: str  # and how that is written


def first_calls(sources, run, asked):
    """-> what run() returns, and {name: of each source its first Call with real numbers in it}.

    asked  {name of a source: Joined, whose `more` is evaluated in the first Call in which its
           `when` is true}

    Meanwhile a copy that says what it knows stands for each function, where checks look it up,
    in the policies and in the trace.
    """
    calls = {}
    with contextlib.ExitStack() as undo:
        for source in sources:
            owner, name, function = placed(source)
            if not inspect.isfunction(function):
                continue
            copy = recorded(source, function, calls, asked.get(source.name, PLAINLY))
            for place in (owner, policies, trace):
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
    """Makes `return x` `return _end(_begun, locals(), "x", x)`; not in the functions inside."""

    def visit_FunctionDef(self, node):
        return node

    def visit_Return(self, node):
        value = node.value or ast.Constant(None)
        node.value = ast.parse("_end(_begun, locals())", mode="eval").body
        node.value.args += [ast.Constant(ast.unparse(value)), value]
        return node


def recorded(source, function, calls, asked):
    """A copy of a function that puts its first Call into `calls`, as first_calls says."""

    def begin(given):
        arguments, globals_ = dict(given), function.__globals__
        befores = [text for text in asked.more if text.endswith(", before")]
        now = {text: eval(text.partition(", ")[0], globals_, arguments) for text in befores}
        return arguments, {k: numbers(v) for k, v in (given | now).items()}

    def end(begun, known, returned, result):
        (given, arguments), after = begun, {k: numbers(v) for k, v in known.items()}
        if source.name in calls:
            return result
        results = list(map(numbers, result if isinstance(result, tuple) else (result,)))
        changed = {
            f"{k}, after": after[k]
            for k, v in arguments.items()
            if v is not None and known.get(k, v) is given.get(k) and not np.array_equal(v, after[k])
        }
        local = {k: v for k, v in after.items() if v is None or v.dtype.kind != "i" or v.ndim}
        values = arguments | {k: v for k, v in local.items() if k not in arguments} | changed
        real = changed or any(value is not None for value in results)
        wanted = real and any(np.ndim(v) for v in values.values() if v is not None)
        if asked.when or wanted:
            calls[source.name] = None  # what is evaluated now may call it, too
            names = known | {k: v for k, v in arguments.items() if v is not None}
            if eval(asked.when or "True", function.__globals__, names):
                for text in asked.more:
                    if text in arguments:  # what was there before
                        continue
                    code, late, _ = text.partition(", after")
                    found = eval(code, function.__globals__, known if late else names)
                    values[text] = numbers(found)
                calls[source.name] = Call(values, results, returned)
            else:
                del calls[source.name]
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
        if array.dtype == complex and not array.imag.any():  # of a network that can take a step
            array = array.real.copy()
        if array.dtype.kind in "bif" and array.dtype != np.float32 and array.size:
            return array
    return None


def row(source, call, at=1):
    """One row that goes through a function, or with at=None all: list of (name, texts, shape)."""
    try:
        returned = ast.parse(call.returned, mode="eval").body
    except SyntaxError:
        returned = None
    written = returned.elts if isinstance(returned, ast.Tuple) else [returned]
    names = list(map(ast.unparse, filter(None, written)))
    if len(names) != len(call.results):
        names = ["result"] * len(call.results)
    shown = {k: v for k, v in call.values.items() if v is not None and not k.startswith("_")}
    for name, value in zip(names, call.results, strict=True):
        if value is not None and name not in shown and len(call.results) <= MOST_ENTRIES:
            long = "result_2" if "result" in shown else "result"
            shown[name if len(name) <= LONG else long] = value
    rows = next((len(v) for v in shown.values() if v.ndim), 0)
    lines = []
    for name, value in shown.items():
        if at is not None and value.ndim and (len(value) == rows or value.size > MOST_ENTRIES):
            i = min(at, len(value) - 1)  # the trace's row 1 is the one that it works out
            looks_ahead = f"{name}[t + 1]" in source.text and i + 1 < len(value)  # a recursion
            label = name if ATOM.fullmatch(name) else f"({name})"
            own = [(f"{label}[{j}]", value[j]) for j in range(i, i + 1 + looks_ahead)]
        else:
            own = [(name, value)]
        lines += [(name, texts(one), one.shape if one.ndim > 1 else ()) for name, one in own]
    return lines


def texts(value):
    return [figure(x) for x in np.ravel(value)[: MOST_ENTRIES + 1]]


def shown(rows):
    """(name, texts, shape) -> (name, text, shape)."""
    more = [", …" if len(texts) > MOST_ENTRIES else "" for _, texts, _ in rows]
    return [
        (k, ", ".join(v[:MOST_ENTRIES]) + end, shape)
        for (k, v, shape), end in zip(rows, more, strict=True)
    ]


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
    return {n: panel(n, places[n], EQUATIONS) for n in map(number_of, CHECKS) if n in places}


def first_of(number, sources, entry):
    """-> the check's result, {name: Call}, {name: the trace's command} and the entry's name."""
    chosen = next((one.name for one in sources if one.name.endswith(entry.of)), "")
    asked = {name: Joined({}, "", more, 1, when) for name, (when, *more) in entry.also.items()}
    asked[chosen] = entry
    traced, commands = {}, {}
    for algorithm in () if entry.check else trace.TRACED:
        _, calls = first_calls(sources, lambda name=algorithm: retraced(name), asked)
        traced, commands = calls | traced, dict.fromkeys(calls, COMMANDS[algorithm]) | commands
    result, calls = first_calls(sources, lambda: run_check(number), asked)
    if entry.check and entry.check != key_of(number):
        calls = first_calls(sources, lambda: run_check(entry.check), asked)[1] | calls
    return result, calls | traced, commands, chosen


def retraced(algorithm):
    """The trace's way, and through its whole network at once."""
    way, network = trace.walk(algorithm), trace.make_policy().network
    network.backward(way.dlogits, network.forward(way.obs)[1])


def panel(number, sources, equations):
    """equations: {key: Joined}."""
    entry = next((own for key, own in equations.items() if number_of(key) == number), PLAINLY)
    names = names_in(entry.symbols)
    for name in entry.also:
        module, _, place = name.partition(".")
        sources = [*sources, definitions(f"{module}.py")[place]]
    result, calls, traced, chosen = first_of(number, sources, entry)
    tables, codes, known = [], [], {}
    for source in sources:
        name, path, start, text = source
        codes.append(
            f'<p class="where"><a href="#code-{name}"><code>{path}</code></a> '
            f"lines {start}–{start + len(text.splitlines()) - 1}"
            f"{FOLD if docstring(text) else ''}</p>"
            f'<pre data-eq="{number}" style="--first:{start - 1}">'
            f"{coloured(text, start, marked(number, text), None, names, docstring(text))}</pre>"
        )
        if name in calls:
            where = traced.get(name, "its check")
            own = row(source, calls[name], entry.row if name == chosen else 1)
            own.sort(key=lambda line: not name_of(line[0], names))
            title = "Numbers" if name == chosen and entry.row is None else "One row"
            title += f" of {name.rpartition('.')[2]}" if len(sources) > 1 else ""
            symbols, signs = entry.symbols, entry.signs
            if name == chosen or name in entry.also:
                known = {label: texts for label, texts, _ in own} | known
            else:  # another function's result is another quantity
                symbols = {tex: re.sub("(; )?=result", "", it) for tex, it in symbols.items()}
                signs = {label: tex for label, tex in signs.items() if label != "result"}
            tables.append(table(f"{title}, from {where}", shown(own), symbols, signs))
    in_its_lines = any(carries(source, number) for source in sources)
    shows = [(k, numbers(v)) for k, v in result.numbers if numbers(v) is not None][:4]
    if in_its_lines and any(source.name in calls for source in sources):
        shows = [(k, v) for k, v in shows if f'"{k}"' in entry.filled]
    if shows:
        own = [(k, texts(v), v.shape if v.ndim > 1 else ()) for k, v in shows]
        tables.append(table("Numbers from its check", shown(own), entry.symbols, entry.signs))
        known |= {label: texts for label, texts, _ in own}
    parts = [filled_in(number, entry.filled, known, names)] if entry.filled else []
    parts += [*tables, *codes]
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
    first = [source.name.removeprefix("lab.proof.") for source in sources[:1]]
    code = "".join(f"<code>{name}</code>" for name in first)
    return (
        f'<details class="panel" id="panel-{number}"><summary><b>Eq. {number}</b> {code}'
        f'<span class="ok">{"✓" if result.passed else "✗"} {escape(result.oracle)}</span></summary>'
        f'<div class="inside">{"".join(parts)}{verdict}</div></details>'
    )


def filled_in(number, text, known, names):
    """The equation with the row's numbers in it; `data-filled` is the line of its result."""
    lines = [filled(line, known, names) for line in text.split("; ")]
    kinds = ['filled lead"'] * (len(lines) - 1) + [f'filled" data-filled="{number}"']
    return "".join(
        f'<div class="{kind} data-result="{result}" '
        f'data-expression="{escape(arithmetic)}">{html}</div>'
        for kind, (html, arithmetic, result) in zip(kinds, lines, strict=True)
    )


def table(title, rows, symbols=(), own_signs=()):
    """Rows (label, text) or (label, text, shape); one that is a symbol's says so, and can be
    reached.

    own_signs  {label, without the row's index: TeX beside it instead of its symbol}
    """
    symbols = dict(symbols)
    names, parts = names_in(symbols), []
    signs = {names[own.split("; ")[0]]: mathml(tex) for tex, own in reversed(symbols.items())}
    own_signs = {label: tex and mathml(tex) for label, tex in dict(own_signs).items()}
    for label, own, *shape in rows:
        name = name_of(label, names)
        bare = re.sub(r"^\((.*)\)$", r"\1", re.sub(r"\[\d+\]$", "", label))
        sign = own_signs.get(label, own_signs.get(bare, signs.get(name, "")))
        size = f" <small>({','.join(map(str, *shape))})</small>" if any(shape) else ""
        attributes = f' data-symbol="{escape(name)}" tabindex="0"' if name else ""
        parts.append(
            f"<tr{attributes}>{f'<td>{sign}</td>' if symbols else ''}"
            f"<th>{escape(label)}{size}</th><td>{escape(own)}</td></tr>"
        )
    title = re.sub("`(.*?)`", r"<code>\1</code>", escape(title))
    return f'<table class="through"><caption>{title}</caption>{"".join(parts)}</table>'
