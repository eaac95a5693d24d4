"""The page: text, code and checks in one file that asks nobody for anything, and its print."""

import base64
import os
import re
import shutil
import subprocess
import tempfile
from html import escape
from pathlib import Path

from lab.book import ladder
from lab.book.chapters import Setter
from lab.book.panels import coloured, definitions, panels
from lab.book.road import road
from lab.kit import DARK, LIGHT, PROJECT
from lab.proof.text import as_chapters, woven

HERE, DOCS = Path(__file__).parent, PROJECT / "docs"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PRINT_SECONDS = 180
QUESTIONS = "docs/questions.md"
ROAD = """The whole road. Blue: row 1 of <code>run.py trace</code>, PPO on N = 3 rows, 2 hidden
units, 16 parameters; the shapes in the boxes are a real network’s. A box opens its equation. """
BEGIN = """
<p class="begin">Begin: <a href="#before-we-start-seven-habits">the habits</a>,
<a href="#{}">Chapter A</a> · one evening:
<a href="#one_page.py"><code>one_page.py</code></a> · just look:
<a href="#widget-train">Train</a></p>
"""


def build():
    """The whole page, a str; the same one each time."""
    text = woven()
    setter = Setter(text, panels(text), widgets())
    parts = [*setter.chapters(), *setter.chapters(as_chapters(QUESTIONS))]
    parts, colours = [with_road(part, parts) for part in parts], setter.colours
    files = sorted(setter.files, key=lambda path: (path.count("/"), path))
    sections = [
        f'<section class="chapter" id="chapter-{i}" data-title="{escape(part.title)}">'
        f"<article>{part.html}</article></section>"
        for i, part in enumerate(parts)
    ]
    sections.insert(1, ladder.chapter(setter))
    sections += [code_view(path) for path in files]
    sections = [outlined(section) for section in sections]
    contents = [
        f'<li><a href="#{part.id}">{escape(part.title)}</a>{contents_of(part)}</li>'
        for part in parts
    ]
    contents.insert(1, '<li><a href="#ladder">The ladder</a></li>')
    listed = "".join(f'<li><a href="#{p}"><code>{p}</code></a></li>' for p in map(escape, files))
    contents.append(f"<li><details><summary>The code</summary><ol>{listed}</ol></details></li>")
    page = (HERE / "template.html").read_text(encoding="utf-8")
    values = {
        "title": escape(parts[0].title),
        "fonts": fonts(),
        "light": variables(LIGHT, colours, 0),
        "dark": variables(DARK, colours, 1),
        "contents": "".join(contents),
        "sections": "\n".join(sections),
        "widget-style": (DOCS / "explorer.css").read_text(encoding="utf-8"),
        "widget-code": widget_code(),
    }
    # In one go: what is put in may hold such a name itself.
    return re.sub("<<([a-z-]+)>>", lambda place: values[place[1]], page)


def outlined(section):
    """A chapter whose headings count from 1 for screen readers; empty headers are cells."""
    section = re.sub(r"<th([^>]*)></th>", r"<td\1></td>", section)
    # A character that nobody sees: axe reads no MathML, and takes such a header for empty, too.
    section = re.sub(r"<th[^>]*>(?=<span[^>]*><math>)", r"\g<0>&#8288;", section)
    levels = sorted({*re.findall(r"<h([1-6])\b", section)})

    def heading(match):
        level = levels.index(match[1]) + 1
        own = "" if match[1] == str(level) else f' role="heading" aria-level="{level}"'
        return match[0] + own

    return re.sub(r"<h([1-6])\b", heading, section)


def with_road(part, parts):
    """A chapter with the road above it; the first has all of it, and says where to begin."""
    if part is parts[0]:
        first = next(one.id for one in parts if one.title.startswith("A. "))
        html = part.html.replace("</h1>", "</h1>" + BEGIN.format(first), 1)
        html = html.replace(' data-widget="train"', ' id="widget-train" data-widget="train"', 1)
        html = re.sub(
            "(?=<h4 id=)",
            f'{road()}<p id="lit" class="ui">{ROAD}<span></span></p>\n',
            html,
            count=1,
        )
    elif re.match("[A-I][.,] ", part.title):
        html = part.html.replace("</h3>", "</h3>" + road(part.title[0]), 1)
    else:
        return part
    return part._replace(html=html)


def contents_of(part):
    """A chapter's sections, for the contents."""
    found = re.findall('<h4 id="([^"]+)">(.*?)</h4>', part.html, re.DOTALL)
    marked = ((id, words.replace("(may wait)", "<small>may wait</small>")) for id, words in found)
    lines = "".join(f'<li><a href="#{id}">{words}</a></li>' for id, words in marked)
    return f'<ol class="sections">{lines}</ol>' if found else ""


def widget_code():
    """The widgets' JavaScript, whose strings can neither end its <script> nor begin another."""
    page = (DOCS / "explorer.html").read_text(encoding="utf-8")
    names = re.findall(r'<script src="([\w-]+\.js)">', page)
    code = "".join((DOCS / name).read_text(encoding="utf-8") for name in names)
    code = code.replace("../README.md#", "#").replace(' data-eq="${n}"', "")
    return re.sub(r"<(?=/script|script|!--)", r"\\x3c", code, flags=re.IGNORECASE)


def widgets():
    """The widgets of docs/explorer.html: list of (the equations that it names, HTML)."""
    page, widgets = (DOCS / "explorer.html").read_text(encoding="utf-8"), []
    for section in re.findall(r"<section\b.*?</section>", page, re.DOTALL):
        numbers = [int(n) for n in re.findall(r'data-eq="(\d+)"', section)]
        name = re.search(r'data-lesson="([\w-]+)"', section)[1]
        words = re.search(
            r'<div class="intro">\s*<h2[^>]*>(.*?)</h2>(.*?)</div>', section, re.DOTALL
        )
        intro = f"<h4>{words[1]}</h4>{words[2].strip()}" if words else ""
        instead = "".join(re.findall(r' data-instead="\w+"', section))
        html = f'<div class="widget" data-widget="{name}"{instead}>{intro}<div></div></div>\n'
        widgets.append((numbers, html))
    return widgets


def code_view(path):
    """A file of the lesson, whole; every function is a place to go to."""
    text = (PROJECT / path).read_text(encoding="utf-8")
    ids = {source.start: f"code-{source.name}" for source in definitions(path).values()}
    path = escape(path)
    return (
        f'<section class="chapter code" id="{path}" data-title="{path}"><article><h2>{path}</h2>'
        f'<pre class="file">{coloured(text, 1, (), ids)}</pre></article></section>'
    )


def variables(theme, colours, which):
    """CSS variables of a look, and of the figures' colours in it."""
    own = {k.replace("_", "-"): v for k, v in theme._asdict().items() if isinstance(v, str)}
    own |= {name: pair[which] for pair, name in colours.items()}
    return ";".join(f"--{name}:{value}" for name, value in own.items())


def fonts():
    """@font-face rules with the fonts in them. fonts/README says what they are."""
    faces = []
    for line in (HERE / "fonts" / "faces.txt").read_text(encoding="utf-8").splitlines():
        name, family, rest = line.split(" | ")
        data = base64.b64encode((HERE / "fonts" / name).read_bytes()).decode()
        faces.append(
            f'@font-face{{font-family:"{family}";{rest};'
            f"src:url(data:font/woff2;base64,{data}) format('woff2')}}"
        )
    return "".join(faces)


def print_pdf(page, pdf):
    """Print the page, an HTML file, to a PDF file with Chromium.

    Raises OSError if no Chromium is on the PATH (or named by CHROMIUM), or if it fails.
    """
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise OSError("no chromium on the PATH; CHROMIUM=FILE names one")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
        command += [f"--user-data-dir={profile}", f"--print-to-pdf={Path(pdf).resolve()}"]
        command += ["--virtual-time-budget=10000", Path(page).resolve().as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, timeout=PRINT_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise OSError(f"{browser} took longer than {PRINT_SECONDS} seconds") from error
    if done.returncode or not Path(pdf).exists():
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise OSError(said or f"{browser} ended with status {done.returncode}")
