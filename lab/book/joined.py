"""Equation = code = number: what is one quantity has one name in all three, and lights together.

`lab.book.symbols` says which names these are, and what the row's numbers make of the equation.
"""

import ast
import math
import re
from html import escape, unescape
from xml.etree import ElementTree

from math_core import LatexToMathML

LATEX = LatexToMathML()
NEGATIVE = re.compile('(<mo form="infix">[+−·]</mo>)(<mo form="prefix">−</mo><mn[^<]*</mn>)')
CONSTANTS = {"pi": math.pi, "e": math.e}
TAG_OR_WORDS = r'<span class="(?:c1|s\w*)">.*?</span>|<[^>]*>|&\w+;'  # no name stands in these
SIGNS = {ast.Add: "+", ast.Sub: "−", ast.Mult: "·", ast.Gt: "&gt;", ast.Lt: "&lt;"}


def mathml(tex, displayed=False):
    """TeX -> MathML; raises math_core.LatexError."""
    made = LATEX.convert_with_local_state(tex, displaystyle=displayed)
    return made.replace("&ApplyFunction;", "\u2061")


def names_in(symbols):
    """{TeX: "name; =name"} -> {each name: the first one of its symbol}, by which all are called."""
    lists = [names.split("; ") for names in symbols.values()]
    return {name: names[0].lstrip("=") for names in reversed(lists) for name in names}


def shapes(symbols):
    """-> {MathML of a symbol: its name}."""
    found = {}
    for tex, names in symbols.items():
        (symbol,) = ElementTree.fromstring(mathml(tex))
        found[ElementTree.tostring(symbol, "unicode")] = names.split("; ")[0].lstrip("=")
    return found


def name_of(label, names):
    """The name of a row of numbers, `advantages[1]`: its own, or that without the row's index."""
    own = {written(name.lstrip("=")): of for name, of in names.items()}
    return own.get(written(label)) or own.get(written(re.sub(r"\[\d+\]$", "", label)))


def joined(html, names):
    """Highlighted code in which each target, outside of words, says its name.

    So does what the numbers' labels spell, where the code has it: a result, around its targets.
    """
    made = {
        n.lstrip("="): of
        for n, of in (names or {}).items()
        if n[0] == "=" and not n[1:].isidentifier()
    }
    own = {name: of for name, of in (names or {}).items() if name[0] != "="}
    return marked_in(marked_in(html, made), own)


def marked_in(html, names):
    if not names:
        return html
    # Numbers and operators inside of a target may have tags of their own.
    longest = sorted(names, key=len, reverse=True)
    spelled = ["(?:<[^>]*>)?".join(map(re.escape, map(escape, name))) for name in longest]
    found = re.compile(rf"{TAG_OR_WORDS}|(?<![\w.])(?P<name>{'|'.join(spelled)})(?!\w)")

    def mark(match):
        if not match["name"]:
            return match[0]
        name = names[unescape(re.sub("<[^>]*>", "", match[0]))]
        return f'<span data-symbol="{escape(name)}">{match[0]}</span>'

    return found.sub(mark, html)


# ------------------------------------------------------------------ filled in


def filled(text, numbers, names):
    """An equation with a row's numbers -> its HTML without the frame, the same as arithmetic (of
    Python), the result's text.

    text     "result = arithmetic", in the labels of the row; a label that is no Python is in quotes
    numbers  {label: list of texts}
    names    names_in() its symbols
    """
    left, right = (ast.parse(f"({side})", mode="eval").body for side in text.split(" = "))
    fill = Fill(numbers, names)
    left, right = fill.visit(left), fill.visit(right)
    made = NEGATIVE.sub(lambda it: it[1] + brackets(it[2]), sign("=") + setting(right)[0])
    pieces = "</math><math>".join(made.split("\0"))
    html = f'<math class="result">{whole(left)}</math><math>{pieces}</math>'
    return html, ast.unparse(right), ast.unparse(left)


class Fill(ast.NodeTransformer):
    """Puts numbers in the place of a row's labels, and of label[k] the k-th of a label's."""

    def __init__(self, numbers, names):
        self.numbers, self.names = {}, names
        for label, texts in numbers.items():
            self.numbers[label] = self.numbers[written(label)] = (label, texts)

    def visit(self, node):
        k, text = 0, node.value if isinstance(node, ast.Constant) else ast.unparse(node)
        if text not in self.numbers and isinstance(node, ast.Subscript):
            inner = node.value
            text = inner.value if isinstance(inner, ast.Constant) else ast.unparse(inner)
            k = getattr(node.slice, "value", None)
        if text not in self.numbers or not isinstance(text, str):
            if text in CONSTANTS:
                return ast.Constant(CONSTANTS[text])
            return self.generic_visit(node)
        label, texts = self.numbers[text]
        return number(texts[k], name_of(label, self.names))


def written(label):
    """A label as ast writes it."""
    try:
        return ast.unparse(ast.parse(label, mode="eval"))
    except SyntaxError:
        return label


def number(text, name):
    """A number of the page, 1e−08 or True, as a node that knows its text and its name."""
    value = {"True": 1, "False": 0}.get(text)
    value = ast.literal_eval(text.replace("−", "-").lstrip("-")) if value is None else value
    node = ast.Constant(value)
    node.name = name
    return ast.UnaryOp(ast.USub(), node) if text.startswith("−") else node


def sign(text):
    return f'<mo form="infix">{text}</mo>'


def setting(node, within=0):
    """Arithmetic -> (MathML in which a line may end at each \\0, how tightly it binds)."""
    made, binds = _set(node)
    if isinstance(node, (ast.Compare, ast.BoolOp)) and within:
        return f"<mn>𝟏</mn>{brackets(made, '[]')}", 9
    return (brackets(made), 9) if binds < within else (made, binds)


def brackets(made, pair="()"):
    left, right = (f'<mo stretchy="false" form="{form}">' for form in ("prefix", "postfix"))
    return f"{left}{pair[0]}</mo>{made}{right}{pair[1]}</mo>"


def whole(node, within=0):
    """The same for a place in which no line ends."""
    return f"<mrow>{setting(node, within)[0]}</mrow>".replace("\0", "")


def _set(node):
    match node:
        case ast.Constant():
            if node.value in CONSTANTS.values():
                return f"<mi>{'π' if node.value == math.pi else 'e'}</mi>", 9
            name, text = getattr(node, "name", None), f"{node.value:.5g}"
            base, _, power = text.partition("e")
            own = f' data-symbol="{escape(name)}"' if name else ""
            if not power:
                return f"<mn{own}>{base}</mn>", 9
            power = f"{int(power)}".replace("-", "−")
            if base == "1":
                return f"<msup{own}><mn>10</mn><mn>{power}</mn></msup>", 5
            ten = f"<msup><mn>10</mn><mn>{power}</mn></msup>"
            return f'<mrow{own}><mn>{base}</mn><mo form="infix">·</mo>{ten}</mrow>', 3
        case ast.UnaryOp():
            return f'<mo form="prefix">−</mo>{setting(node.operand, 2)[0]}', 1
        case ast.BinOp(op=ast.Div()):
            return f"<mfrac>{whole(node.left)}{whole(node.right)}</mfrac>", 4
        case ast.BinOp(op=ast.Pow()):
            return f"<msup>{whole(node.left, 5)}{whole(node.right)}</msup>", 5
        case ast.BinOp():
            binds = 2 if isinstance(node.op, ast.Mult) else 1
            left = setting(node.left, 0 if isinstance(node.left, ast.UnaryOp) else binds)[0]
            return f"{left}\0{sign(SIGNS[type(node.op)])}{setting(node.right, 2)[0]}", binds
        case ast.Compare():
            left, right = setting(node.left)[0], setting(node.comparators[0])[0]
            return f"{left}\0{sign(SIGNS[type(node.ops[0])])}{right}", 0
        case ast.BoolOp():
            return ("\0" + sign("∧")).join(setting(one)[0] for one in node.values), 0
        case ast.Call(func=ast.Name(id="exp")):
            return f"<msup><mi>e</mi>{whole(node.args[0])}</msup>", 5
        case ast.Call(func=ast.Name(id="abs")):
            return brackets(whole(node.args[0]), "||"), 9
        case ast.Call(func=ast.Name(id="sqrt")):
            return f"<msqrt>{whole(node.args[0])}</msqrt>", 9
        case ast.Call():
            inside = "<mo>,</mo>\0".join(map(whole, node.args))
            return f"<mi>{node.func.id}</mi>{brackets(inside)}", 9
    raise ValueError(ast.dump(node))
