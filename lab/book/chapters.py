"""The text as HTML: the README's chapters and those of docs/, woven; formulas as MathML.

math-core makes MathML Core, which browsers set with the page's own mathematical font: without a
script, a third of the bytes of KaTeX's HTML, to be selected and read aloud; and it comes as one
wheel for every Python. (latex2mathml makes non-standard markup; KaTeX and MathJax need an engine.)
"""

import posixpath
import re
from html import escape
from typing import NamedTuple
from xml.etree import ElementTree

from markdown_it import MarkdownIt
from math_core import LatexError
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from lab.book.drawings import drawing
from lab.book.joined import mathml, shapes
from lab.book.ladder import PLACES
from lab.book.symbols import EQUATIONS
from lab.kit import PROJECT
from lab.proof.numbering import CITATION, TAG, key_of
from lab.proof.text import slug

START, GLOSSARY = "## The derivations", "### Glossary"
ANCHOR = re.compile(r'^<a id="eq-\d+"></a>\n', re.MULTILINE)
ITSELF = re.compile(r"; here, or in \[`docs/index.html`\].*?each equation(?=\.)")
MOVING = re.compile(r"<picture>.*?\.gif\">\n</picture>\n\n.*?\n", re.DOTALL)
PICTURE = re.compile(r'srcset="([^"]+)".*?alt="([^"]*)"\s+src="([^"]+)"', re.DOTALL)
OPENING, CLOSING, LONG = "([{", ")]}", 20  # LONG: characters


class Chapter(NamedTuple):
    id: str
    title: str
    html: str


def text_of(text):
    """What of it is in the book: its first words, and all from the derivations on."""
    # The book opens with a live one, and need not say that it is the book.
    first = ITSELF.sub("", MOVING.sub("", text[: text.index("\n## ")]))
    return ANCHOR.sub("", first + "\n" + text[text.index(f"\n{START}") :])


class Setter:
    """Sets the text (woven).

    panels   {number: HTML}, put after their equations
    widgets  list of (numbers of equations, HTML); the first one opens the book, the others
             stand at the end of the section with their last equation
    """

    def __init__(self, text, panels, widgets):
        self.source, self.panels, self.widgets = text_of(text), panels, list(widgets)
        self.symbols = self.glossary(text)
        self.seen, self.files, self.equations, self.inside = set(), {}, {}, set()
        self.chapter, self.row, self.figures, self.tables, self.colours = "", 0, 0, 0, {}
        self.waiting = [html for _, html in self.widgets[:1]]
        self.stills = re.findall(r'data-instead="(\w+)"', "".join(html for _, html in self.widgets))
        self.markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
        self.markdown.core.ruler.push("formulas", formulas)
        for rule in (self.fence, self.formula, self.text, self.link_open, self.html_block):
            self.markdown.renderer.rules[rule.__name__] = rule
        for rule in (self.heading_open, self.table_open, self.table_close, self.tr_open):
            self.markdown.renderer.rules[rule.__name__] = rule

    def glossary(self, text):
        """{MathML of a symbol: the glossary's rows that explain it}."""
        table, rows = {}, 0
        for line in text[text.index(GLOSSARY) :].split("\n### ")[0].splitlines():
            if not line.startswith("| $"):
                continue
            rows += 1
            first = line.split("|")[1]
            for tex in re.findall(r"\$`([^`]*)`\$", first):
                for symbol in [tex] if "(" in tex else tex.split(","):
                    root = ElementTree.fromstring(self.mathml(symbol, False))
                    keys = [ElementTree.tostring(root[0], "unicode")]
                    if root[0].tag in ("msub", "msup", "mover"):  # its letter, if no row has that
                        keys.append(ElementTree.tostring(root[0][0], "unicode"))
                    if root[0].tag == "mover" and root[0][1].text == "¯":
                        keys = [keys[0], "bar"]
                    table.setdefault(keys[0], []).append(rows)
                    for key in keys[1:]:
                        table.setdefault(key, [rows])
        return table

    def mathml(self, tex, displayed):
        try:
            return mathml(tex, displayed)
        except LatexError as error:
            return f'<span class="math-error" title="{escape(str(error))}">{escape(tex)}</span>'

    def math(self, tex, displayed=False, own=None):
        """TeX -> MathML in which the glossary's symbols know their rows.

        own  {MathML of a symbol: its name in the equation's panel}
        """
        made = self.mathml(tex, displayed)
        if made.startswith("<span"):
            return made

        def visit(node, own, explained=False):
            written = ElementTree.tostring(node, "unicode")
            rows = None if explained else self.symbols.get(written)
            if rows is None and node.tag == "mover" and node[1].text == "¯":
                rows = self.symbols.get("bar")
            name = own.get(written)
            for child in node:
                visit(child, {} if name else own, explained or rows is not None)
            if rows is not None:
                node.set("data-s", " ".join(map(str, rows)))
            if name:
                node.set("data-symbol", name)
            # The first in its equation, or of its meaning in the chapter, is for the keyboard.
            firsts = {("name", name)} if name else {rows[0]} if rows else set()
            if firsts - self.seen:
                self.seen |= firsts
                node.set("tabindex", "0")

        root = ElementTree.fromstring(made)
        for child in root:
            visit(child, own or {})
        return ElementTree.tostring(root, "unicode")

    def chapters(self, source=None):
        """The whole text, or another in its way -> list of Chapter."""
        tokens, chapters = self.markdown.parse(source or self.source), []
        heads = [i for i, token in enumerate(tokens) if token.type == "heading_open"]
        self.inside |= {slug(tokens[i + 1].content) for i in heads}
        cuts = [i for i in heads if tokens[i].tag in ("h1", "h3")]
        for start, end in zip(cuts, [*cuts[1:], len(tokens)], strict=True):
            title = tokens[start + 1].content
            self.chapter, self.seen = title, set()
            html = self.markdown.renderer.render(tokens[start:end], self.markdown.options, {})
            html += self.due()
            chapters.append(Chapter(slug(title), title, html))
        return chapters

    # ------------------------------------------------------------- a rule for each token

    def fence(self, tokens, i, *_):
        token = tokens[i]
        if token.info == "math":
            number = TAG.search(token.content)
            own = shapes(EQUATIONS[key_of(number[1])].symbols) if number else {}
            self.seen -= {("name", name) for name in own.values()}
            parts = apart(TAG.sub("", token.content))
            made = "".join(self.math(part, True, own) for part in parts)
            if not number:
                return f'<div class="display">{made}</div>\n'
            n = int(number[1])
            shown = f'<div class="display">{made}</div>'
            # Elsewhere, in the ladder, it has no panel.
            self.equations[n] = re.sub(r' data-symbol="[^"]*"( tabindex="0")?', "", shown)
            self.waiting += [html for numbers, html in self.widgets[1:] if max(numbers) == n]
            return (
                f'<div class="equation" id="eq-{n}">{shown}'
                f'<a class="number" href="#eq-{n}">({n})</a></div>\n{self.panels.get(n, "")}\n'
            )
        if token.info == "python":
            code = highlight(token.content, PythonLexer(), HtmlFormatter(nowrap=True))
            return f'<pre class="code">{code}</pre>\n'
        return f'<pre class="code">{escape(token.content)}</pre>\n'

    def formula(self, tokens, i, *_):
        before, after = tokens[i].meta.get("held", ("", ""))
        pieces = broken(self.math(tokens[i].content))
        pieces[0] = before + pieces[0]
        pieces[-1] += after
        return "".join(f'<span class="held">{piece}</span>' for piece in pieces)

    def text(self, tokens, i, *_):
        depth = sum((t.type == "link_open") - (t.type == "link_close") for t in tokens[:i])
        written = escape(tokens[i].content, quote=False)
        if depth:
            return written

        def link(match):
            if match[1]:
                return match[0]
            linked = re.sub(r"\d+", lambda n: f'<a href="#eq-{n[0]}">{n[0]}</a>', match[2])
            return linked.replace('">', '">Eq. ', 1)

        return CITATION.sub(link, written)

    def link_open(self, tokens, i, *_):
        href, label = tokens[i].attrs["href"], tokens[i + 1]
        if href.startswith("#") and not href.startswith("#eq-") and href[1:] not in self.inside:
            href = f"../README.md{href}"
        elif not re.match(r"#|\w+:", href):
            path, _, place = href.partition("#")
            name = label.content if label.type == "code_inline" else ""
            module = posixpath.splitext(path)[0].replace("/", ".")
            if path in PLACES:
                href = f"#{place or PLACES[path]}"
            elif (
                path.endswith(".py") and (PROJECT / path).is_file() and not path.startswith("tests")
            ):
                self.files[path] = None
                function = name.startswith(f"{module}.") and name != path
                href = f"#code-{name}" if function else f"#{path}"
            else:
                href = posixpath.relpath(path, "docs") + (f"#{place}" if place else "")
        return f'<a href="{escape(href)}">'

    def heading_open(self, tokens, i, *_):
        before = self.due() if i else ""
        return f'{before}<{tokens[i].tag} id="{slug(tokens[i + 1].content)}">'

    def due(self):
        """The widgets that wait for their section's end."""
        due, self.waiting = "".join(self.waiting), []
        return due

    def table_open(self, *_):
        self.row, self.tables = -1, self.tables + 1  # the head
        label = f"table {self.tables}"
        return f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table>\n'

    def table_close(self, *_):
        return "</table></div>\n"

    def tr_open(self, tokens, i, *_):
        self.row += 1
        row = self.row and self.chapter == GLOSSARY.strip("# ")
        return f'<tr id="sym-{self.row}">' if row else "<tr>"

    def html_block(self, tokens, i, *_):
        picture = PICTURE.search(tokens[i].content)
        if not picture:
            return tokens[i].content
        dark, alt, light = picture.groups()
        # A widget stands for it where one can be: the picture is for paper, and without JavaScript.
        still = " still" if posixpath.basename(light).removesuffix(".svg") in self.stills else ""
        if i + 1 < len(tokens) and tokens[i + 1].type == "paragraph_open":
            children = tokens[i + 2].children
            if children and (children[0].type, children[-1].type) == ("em_open", "em_close"):
                tokens[i + 1].attrSet("class", f"caption{still}")
        self.figures += 1
        drawn = drawing(PROJECT / light, PROJECT / dark, alt, f"f{self.figures}-", self.colours)
        return f'<div class="figure{still}">{drawn}</div>\n'


def formulas(state):
    """markdown-it's rule: `$`, code, `$` in a line is a formula; it holds its punctuation."""
    for block in state.tokens:
        children = block.children or []
        for before, code, after in zip(children, children[1:], children[2:], strict=False):
            left = re.search(r"[(\[“]*\$$", before.content)
            right = re.match(r"\$[.,:;)\]”?’'-]*", after.content)
            if code.type == "code_inline" and left and right:
                before.content = before.content[: -len(left[0])]
                after.content = after.content[len(right[0]) :]
                code.type, code.meta = "formula", {"held": (left[0][:-1], right[0][1:])}


def broken(math):
    """A long formula in a line -> formulas between which the line may end: before = and so on."""
    root = ElementTree.fromstring(math)
    if root.tag != "math" or len("".join(root.itertext())) < LONG:
        return [math]
    pieces, depth = [ElementTree.Element("math")], 0
    for child in root:
        base = child[0] if child.tag in ("msup", "msub", "msubsup") else child  # of (x − 1)²: )
        sign = base.text if base.tag == "mo" else "·"
        depth += (sign in OPENING) - (sign in CLOSING)
        if sign in "=≈<>≤≥" and not depth and len(pieces[-1]):
            pieces.append(ElementTree.Element("math"))
        pieces[-1].append(child)
    return [ElementTree.tostring(piece, "unicode") for piece in pieces]


def apart(tex):
    """A displayed formula -> what \\qquad sets apart in it, which may share a line or not."""
    parts, depth = [""], 0
    for piece in re.split(r"(\\qquad|\\begin|\\end|\\[{}]|[{}])", tex):
        depth += {"{": 1, "\\begin": 1, "}": -1, "\\end": -1}.get(piece, 0)
        if piece == "\\qquad" and not depth:
            parts.append("")
        else:
            parts[-1] += piece
    return [part for part in parts if part.strip()]
