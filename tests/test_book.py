"""docs/index.html, the book: it is fresh, complete, and works in a real browser."""

import ast
import importlib.util
import json
import os
import re
import sys
from collections import Counter
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import violations
from test_ladder import lines_that_stay

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "index.html"

for module in ("markdown_it", "math_core", "pygments"):
    if importlib.util.find_spec(module) is None:
        reason = f"{module} is not installed (pip install -r requirements/book.txt)"
        if os.environ.get("REQUIRE_BOOK") == "1":
            raise ModuleNotFoundError(reason)
        pytest.skip(reason, allow_module_level=True)

from lab.book import chapters, drawings, panels  # noqa: E402
from lab.book.__main__ import main as make_book  # noqa: E402
from lab.book.page import build, print_pdf, widget_code  # noqa: E402
from lab.pictures import explorer  # noqa: E402
from lab.proof import autograd, trace  # noqa: E402
from lab.proof.checks import CHECKS  # noqa: E402
from lab.proof.numbering import key_of, number_of  # noqa: E402
from lab.proof.text import woven  # noqa: E402
from lab.study import ladder as study_ladder  # noqa: E402

pytestmark = pytest.mark.xdist_group("book")  # the page is made once
VOID = {"meta", "link", "img", "input", "br", "hr", "source", "image"}


class Elements(HTMLParser):
    """The elements of a page: list of [tag, attributes, pieces of text inside]."""

    def __init__(self, page):
        super().__init__()
        self.all, self.open = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.all.append([tag, dict(attributes), []])
        if tag not in VOID:
            self.open.append(self.all[-1])

    def handle_startendtag(self, tag, attributes):
        self.all.append([tag, dict(attributes), []])

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        for element in self.open:
            element[2].append(data)

    def having(self, attribute):
        return [(own[attribute], "".join(text)) for _, own, text in self.all if attribute in own]


def comparable(page):
    """A page without what depends on the machine's rounding: the largest errors of the checks."""
    return re.sub(r'<span class="measured">[^<]*</span>', "", page)


@pytest.fixture(scope="module")
def page():
    return build()


@pytest.fixture(scope="module")
def elements(page):
    return Elements(page)


# ------------------------------------------------------------------ what is in it


def test_the_committed_page_is_fresh(page):
    """And every process makes the same one: this has hashes of its own."""
    committed = PAGE.read_text(encoding="utf-8")
    same = comparable(committed) == comparable(page)  # not in the assert: pytest would diff 2.7 MB
    assert same, "README, code, figures or widgets have changed: make book"


def test_every_equation_has_its_code_and_its_verdict(elements):
    numbers = {int(n) for n in re.findall(r"\\qquad\\text\{\((\d+)\)\}", woven())}
    assert numbers == set(map(number_of, CHECKS))
    ids = Counter(name for name, _ in elements.having("id"))
    assert [name for name, count in ids.items() if count > 1] == []
    assert numbers == {int(name[3:]) for name in ids if re.fullmatch(r"eq-\d+", name)}
    verdicts = {int(n): text for n, text in elements.having("data-check")}
    assert set(verdicts) == numbers
    assert all(text.startswith("✓ holds") for text in verdicts.values())
    assert all(CHECKS[key_of(n)].oracle in text for n, text in verdicts.items())
    files = {path: (ROOT / path).read_text(encoding="utf-8") for path in LESSON}
    shown = {}
    for number, text in elements.having("data-eq"):
        shown[int(number)] = shown.get(int(number), "") + text
        assert any(text in file for file in files.values()), f"Eq. {number}'s code is in no file"
    assert set(shown) == numbers
    assert all(number in panels.cited(text) for number, text in shown.items())


LESSON = [*(path.name for path in ROOT.glob("*.py")), "lab/proof/mdp.py"]
LESSON += ["lab/language/tokens.py", "ladder/10_language.py"]


def test_every_panel_has_numbers(page):
    found = re.findall(r'<details class="panel" id="panel-(\d+)".*?</details>', page, re.DOTALL)
    bare = [n for n, html in zip(found, page.split('<details class="panel"')[1:], strict=True)
            if '<table class="through">' not in html.split("</details>")[0]]  # fmt: skip
    assert len(found) == len(CHECKS) and bare == []


def test_six_losses_show_what_autograd_would_have_got(elements, page):
    shown = {key_of(int(n)): text for n, text in elements.having("data-autograd")}
    assert shown == autograd.WRITTEN and page.count("With autograd you would have written") == 6
    for key in shown:  # in the panel of its own equation
        panel = page.split(f'id="panel-{number_of(key)}"')[1].split("</details>")[0]
        assert f'data-autograd="{number_of(key)}"' in panel


def test_links_lead_somewhere_and_nothing_is_fetched(elements, page):
    ids = {name for name, _ in elements.having("id")}
    for href, text in elements.having("href"):
        if href.startswith("#"):
            assert href[1:] in ids, f"{text}: {href}"
        elif not re.match(r"\w+:", href):
            assert (PAGE.parent / href.partition("#")[0]).exists(), f"{text}: {href}"
    sources = [*elements.having("src"), *elements.having("srcset"), *elements.having("xlink:href")]
    assert all(source.startswith(("data:", "#")) for source, _ in sources)
    assert not re.findall(r"url\((?!['\"]?(?:data:|#))[^)]*\)|@import", page)
    assert "connect-src" not in page and "default-src 'none'" in page


def test_formulas_are_set_and_the_page_is_small(page):
    assert "math-error" not in page
    assert page.count("<math") > 1000
    assert len(page.encode()) <= 3_200_000


# -------------------------------------------------------------------- the road


def roads(page):
    """The map of the first page, and those above the chapters A to I: list of HTML."""
    return re.findall('<nav class="road.*?</nav>', page, re.DOTALL)


def test_the_road_carries_the_trace_s_numbers(page):
    walked, whole = trace.walk("ppo"), roads(page)[0]
    assert len(roads(page)) == 11  # A has two
    for html in roads(page):
        shown = re.findall(r'<i data-of="(\w+)\[([\d,]+)\]">(?:ρ = )?(−?[\d.]+)</i>', html)
        for name, index, text in shown:
            value = getattr(walked, name)[tuple(map(int, index.split(",")))]
            digits = len(text.partition(".")[2])
            assert float(text.replace("−", "-")) == pytest.approx(value, abs=0.5001 / 10**digits)
            assert digits >= 4 or round(value, digits) == pytest.approx(value, abs=1e-9)
        assert len(shown) == html.count("<i ") == 12
    texts = re.findall("<i [^>]*>([^<]*)", whole)
    assert {"−1.35", "−0.2080", "−0.14", "−0.13"} <= set(texts)


def test_a_box_of_the_road_is_a_link_to_the_equation_that_it_names(page):
    for html in roads(page):
        boxes = re.findall(r'<a href="#eq-(\d+)"(.*?)</a>', html, re.DOTALL)
        assert len(boxes) == 19
        assert all(int(n) == min(panels.cited(re.sub("PPO: .*?[<(]", "", box))) for n, box in boxes)
    lit = [re.findall('step" title="(.*?)[ :]', html) for html in roads(page)[1:]]
    assert lit == [*[["s,", "r", "s", "L", "slope"]] * 2, ["y", "δ", "Â", "Ã"], ["π", "Z̄"],
                   ["V(s),", "V’s", "H₁", "Z", "Ȳ₁", "W̄₁", "W₁,"], ["V(s),", "y", "v̄", "V’s"],
                   ["L", "slope", "Z̄"], ["L", "slope"], ["Â", "Ã", "Z̄"],
                   ["Z̄", "Ȳ₁", "W̄₁"]]  # fmt: skip


IN_NO_PANEL = {
    "advantages[1]": "what the trace begins with is normalised, and Eq. 16's numbers are another's",
    "obs[1,3]": "Eq. 1 is of no particular world",
}


def test_a_number_on_the_road_stands_in_the_panel_that_its_box_opens(page):
    met = set()
    for number, box in re.findall(r'<a href="#eq-(\d+)"(.*?)</a>', roads(page)[0], re.DOTALL):
        panel = page.split(f'id="panel-{number}"')[1].split("</details>")[0]
        shown = re.findall(r"−?\d[\d.]*", " ".join(re.findall(r"<td>([−\d., e]+)</td>", panel)))
        for of, text in re.findall(r'<i data-of="(.*?)">(?:ρ = )?(.*?)</i>', box):
            met |= {of}
            digits = len(text.partition(".")[2])
            rounded = {format(float(x.replace("−", "-")), f".{digits}f") for x in shown}
            assert (text.replace("−", "-") in rounded) != (of in IN_NO_PANEL), of
    assert len(met) == 12 and set(IN_NO_PANEL) < met


def test_contents_have_every_chapter_and_its_sections(page):
    contents = page.split('<nav id="contents"')[1].split("</nav>")[0]
    for title in ("The ladder", "A, second reading", "H. The same", "Exercises", "Questions"):
        assert f">{title}" in contents
    heads = re.findall(r'<h4[^>]* id="([^"]+)">([^<]*)', page)
    assert len(heads) > 40
    for place, words in heads:
        mark = words.replace("(may wait)", "<small>may wait</small>")
        assert f'<a href="#{place}">{mark}' in contents


# ------------------------------------------------------------------ the ladder

STAIRS = [*sorted((ROOT / "ladder").glob("[1-8]_*.py")), ROOT / "one_page.py"]


def stair_of(page, n):
    """Stair n in the page: its HTML."""
    return re.split(r'<div class="stair[^>]*id="stair-\d+"', page)[n].split("</section>")[0]


@pytest.mark.parametrize("n", range(1, 10))
def test_a_stair_s_code_is_its_file_and_its_new_lines_are_lit(page, n):
    code = re.search(r'<pre class="file">(.*?)</pre>', stair_of(page, n), re.DOTALL)[1]
    lines = re.findall(r'<span class="l( m)?">(.*?)\n</span>', code, re.DOTALL)
    lines = [(bool(kind), unescape(re.sub("<.*?>", "", line))) for kind, line in lines]
    own, below = (STAIRS[k].read_text(encoding="utf-8").splitlines() for k in (n - 1, n - 2))
    assert [line for _, line in lines] == own
    lit, kept = ([line for new, line in lines if new is kind] for kind in (True, False))
    if n == 1:
        assert lit == []  # nothing is below it
    else:
        rest = iter(below)
        assert all(line in rest for line in kept)  # in the same order
        assert len(kept) == lines_that_stay(below, own)
    new = "\n".join(lit or own)
    shown = re.findall(r'<a class="number" href="#eq-(\d+)">', stair_of(page, n))
    assert set(map(int, shown)) == panels.cited(new) and stair_of(page, n).count("<math") >= 1


def test_a_stair_has_its_words_and_its_numbers(page):
    entries = study_ladder.entries(study_ladder.kept())
    for n in range(1, 10):
        text = unescape(re.sub("<.*?>", "", stair_of(page, n)))
        for head, words in study_ladder.claims(n).items():
            assert f"{head}: {words}".replace(" -", " −") in text
        for head, cell in study_ladder.COLUMNS:
            own = cell(entries[n])
            assert not own or head + own.replace("-", "−") in text
    text = unescape(re.sub("<.*?>", "", stair_of(page, 10)))
    for head, words in [*study_ladder.claims(10).items(), *study_ladder.kept_language()]:
        assert f"{head}: {words}" in text or head + words in text
    source = unescape(re.sub("<.*?>", "", stair_of(page, 10).split('<pre class="file">')[1]))
    assert source.startswith(study_ladder.LANGUAGE.read_text("utf-8").rstrip())
    assert page.count('<a href="#ladder">') == 2  # in the contents and on the first page
    assert page.count('href="ladder.md"') == 1 and 'href="index.html"' not in page


def test_a_link_to_a_stair_stays_in_the_page(setter):
    assert 'href="#stair-3"' in setter.markdown.render("[this](ladder/3_reward_to_go.py)")
    assert setter.files == {}


# ------------------------------------------------------------------ how it is made


@pytest.fixture
def setter():
    return chapters.Setter("# A\n\n## The derivations\n\n### Glossary\n\n" + TABLE, {}, [])


TABLE = "| symbol | code | shape | meaning |\n|-|-|-|-|\n| $`\\rho_i`$ | `r` | | a ratio |\n"


def test_a_formula_that_is_none_is_told(setter):
    assert "math-error" in setter.math(r"\frac{a}{")
    assert "math-error" in setter.math(r"\unheardof{a}")
    assert "math-error" not in setter.math(r"\frac{a}{b}")


def test_symbols_know_their_rows(setter):
    assert 'data-s="1"' in setter.math(r"x\rho_i")
    assert 'data-s="1"' in setter.math(r"\rho")
    assert "data-s" not in setter.math("x")


def test_a_formula_keeps_its_punctuation_and_a_long_one_may_break(setter):
    html = setter.markdown.render("One ($`x`$), then $`a+b+c+d+e=f+g+h+i+j=(k=l)`$.")
    assert re.sub("<.*?>", "", html) == "One (x), then a+b+c+d+e=f+g+h+i+j=(k=l).\n"
    assert html.count("<math>") == 4
    assert chapters.apart(r"a\qquad\text{b \qquad c}") == ["a", r"\text{b \qquad c}"]


def test_citations_become_links(setter):
    html = setter.markdown.render("See Eq. 12, 13 and 15, not Williams (1992), Eq. 4; `Eq. 5`.")
    assert re.findall(r'href="#eq-(\d+)">([^<]*)<', html) == [
        ("12", "Eq. 12"), ("13", "13"), ("15", "15")
    ]  # fmt: skip


def test_the_lines_of_an_equation_are_marked():
    code = """def f(x):
    # Eq. 7: y = 2x
    # and a word
    y = 2 * x
    z = y  # Eq. 8: z = y
    # Eq. 9: w
    w = z

    return w
"""
    marked = {7: {1, 2, 3, 4}, 8: {4}, 9: {5, 6}}
    assert {number: panels.marked(number, code) for number in marked} == marked
    assert panels.marked(3, 'def f(x):\n    """Eq. 3."""\n    return x\n') == {2}
    assert panels.marked(3, '    def f(self):\n        """Eq. 3."""\n        return 1\n') == {2}


def test_a_row_of_numbers_is_that_of_a_real_call(elements):
    # The trace's row 1 has advantage −1.35, and 1/N is 1/3: the slope of −Â log π / N is 0.45.
    tables = [text for name, text in elements.having("class") if name == "through"]
    assert any("advantages1.04, −1.35, 0.31" in t and ", 0.45, " in t for t in tables)


@pytest.mark.parametrize("key, t", [("returns", 1), ("gae", 2), ("n-step", 0)])
def test_a_recursion_s_numbers_show_it_at_work(page, key, t):
    """A row follows from the next one, and not from itself alone."""
    html = page.split(f'id="panel-{number_of(key)}"')[1].split("</details>")[0]
    shown = dict(re.findall(r"<th>([\w\[\]]+)</th><td>([^<,]*)</td>", html))
    is_ = {name: ast.literal_eval(text.replace("−", "-")) for name, text in shown.items()}
    future = 0 if is_[f"terminated[{t}]"] else is_["gamma"]
    on = 0 if is_[f"ended[{t}]"] else is_["gamma"]
    if key == "returns":
        there, ahead = is_[f"rewards[{t}]"], on * is_[f"returns[{t + 1}]"]
        assert on and is_[f"returns[{t}]"] == pytest.approx(there + ahead)
    else:
        there = is_[f"rewards[{t}]"] + future * is_[f"next_values[{t}]"] - is_[f"values[{t}]"]
        ahead = on * is_["gae_lambda"] * is_[f"advantages[{t + 1}]"]
        assert is_[f"advantages[{t}]"] == pytest.approx(there + ahead, rel=1e-4)
    assert abs(ahead) > 0.1


def test_a_figure_s_words_stay_and_its_colours_follow_the_look(tmp_path):
    """What two files have that differ in more than colours is refused."""
    words = '0.12345 of a1234567890: #ffffff, id="x", style="a: b; c"'
    light, dark, colours = tmp_path / "a.svg", tmp_path / "a-dark.svg", {}
    svg = f'<svg width="9pt"><text x="1.23456" style="fill: #ffffff">{words}</text></svg>'
    light.write_text(svg, encoding="utf-8")
    dark.write_text(svg.replace(': #ffffff">', ': #000000">'), encoding="utf-8")
    drawn = drawings.drawing(light, dark, "alt", "f-", colours)
    assert words_of(drawn) == [("text", words)]
    assert all(part in drawn for part in ('aria-label="alt"', 'x="1.23"', "fill:var(--k0)"))
    assert colours == {("#ffffff", "#000000"): "k0"}
    dark.write_text("<svg></svg>", encoding="utf-8")
    with pytest.raises(ValueError, match="draw both anew"):
        drawings.drawing(light, dark, "words", "f-", colours)


def words_of(svg):
    """What is written in a drawing: the text of each <text>, and what it says of itself."""
    found = re.findall(r"<(text|title|desc)\b[^>]*>(.*?)</\1>", svg, re.DOTALL)
    texts = [re.sub("<.*?>", "", re.sub(r">\s*\n\s*<", "><", text)) for _, text in found]
    return [(tag, " ".join(text.split())) for (tag, _), text in zip(found, texts, strict=True)]


def test_a_drawing_in_the_book_says_what_its_file_says():
    for light in (path for path in ROOT.glob("figures/*.svg") if not path.stem.endswith("-dark")):
        dark = light.with_name(f"{light.stem}-dark.svg")
        drawn = words_of(drawings.drawing(light, dark, "", "f-", {}))
        assert drawn == words_of(light.read_text(encoding="utf-8")) != [], light.stem


def test_a_page_that_is_a_folder_is_refused_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as ending:
        make_book([str(tmp_path)])
    said = capsys.readouterr()
    assert (ending.value.code, said.out) == (2, "")
    assert re.fullmatch(r"make book: error: .* cannot be written: .*\n", said.err)
    assert list(tmp_path.iterdir()) == []


def test_a_print_that_fails_is_told_in_a_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("lab.book.page.build", lambda: "page")
    words = [str(tmp_path / "b.html"), "--pdf", str(tmp_path / "b.pdf")]
    for browser, reason in ((sys.executable, ""), (None, "no chromium on the PATH")):
        monkeypatch.delenv("CHROMIUM", raising=False)
        if browser:  # no browser: it objects to the options
            monkeypatch.setenv("CHROMIUM", browser)
        monkeypatch.setenv("PATH", "")
        assert make_book(words) == 1
        message = capsys.readouterr().err
        assert message.count("\n") == 1 and f"b.pdf is not printed: {reason}" in message


HOSTILE = "</script><script>alert(1)</script><!--<ScRiPt></SCRIPT ><img src=x>&\"'<<fonts>>"


def test_no_data_can_leave_its_place_in_the_page(setter, monkeypatch):
    """A text as hostile as can be, wherever one comes in: it is shown, and adds no element."""
    result = {"oracle": HOSTILE, "statement": HOSTILE, "error": 0.0, "bound": 1e-12, "passed": True}
    result = SimpleNamespace(numbers=[(HOSTILE, 1.0)], **result)
    monkeypatch.setattr(panels, "run_check", lambda number: result)
    for html in (
        panels.table(HOSTILE, [(HOSTILE, HOSTILE)]),
        panels.panel(0, [], {}),
        panels.coloured(HOSTILE),
        setter.math(HOSTILE + "{"),
        *(setter.markdown.render(f"```{kind}\n{HOSTILE}\n```") for kind in ("text", "python")),
        setter.markdown.render(f"`{HOSTILE}`"),
    ):
        found = Elements(html)
        assert not {"script", "img", "fonts"} & {tag for tag, *_ in found.all}
        assert any(HOSTILE in "".join(text) for _, _, text in found.all), html


def test_the_page_s_scripts_end_where_they_should(page, elements, tmp_path, monkeypatch):
    """Data and code of the widgets stand in a <script>, which none of their strings may end."""
    data = explorer.render({"settings": {HOSTILE: 1}, "python": {"ppo": HOSTILE}})
    kept = json.loads(data.split("lesson.data = ")[1][:-2])
    assert "<" not in data and kept == {"settings": {HOSTILE: 1}, "python": {"ppo": HOSTILE}}
    scripts = ["".join(text) for tag, _, text in elements.all if tag == "script"]
    assert len(scripts) == page.count("<script>") == 2 and scripts[0].strip() in widget_code()
    names = "abc"
    tags = "".join(f'<script src="{name}.js"></script>' for name in names)
    (tmp_path / "explorer.html").write_text(tags, encoding="utf-8")
    for name in names:
        (tmp_path / f"{name}.js").write_text(f"const hostile = `{HOSTILE}`;\n", encoding="utf-8")
    monkeypatch.setattr("lab.book.page.DOCS", tmp_path)
    ((_, _, text),) = Elements(f"<script>{widget_code()}</script>").all
    hostile = re.findall("const hostile = `(.*)`;", "".join(text))
    assert [written.replace("\\x3c", "<") for written in hostile] == [HOSTILE] * 3  # as it is read


# ------------------------------------------------------------------ in a browser


def browser(test):
    """Marks a test that needs Chromium; these are a group of their own, on another worker."""
    return pytest.mark.browser(pytest.mark.xdist_group("browser")(test))


@pytest.fixture
def visit(chromium, page, tmp_path):
    """visit(place, width, scheme) -> a page at this place; it may neither complain nor ask."""
    file = tmp_path / "index.html"
    file.write_text(page, encoding="utf-8")
    opened, complaints = [], []

    def go(place="", width=1440, scheme="light", touch=False):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, has_touch=touch
        )
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda one: complaints.append(one.url) if "http" in one.url else None)
        tab.goto(file.as_uri() + place)
        tab.wait_for_function("document.fonts.status === 'loaded'")
        opened.append(context)
        return tab

    yield go
    for context in opened:
        context.close()
    assert complaints == []


def numbers_of(page):
    return sorted(int(n) for n in re.findall(r'<div class="equation" id="eq-(\d+)"', page))


@browser
def test_panel_follows_the_scroll(visit, page):
    tab = visit("#eq-1")
    assert tab.locator(".panel:visible").count() == 1
    seen = []
    for _ in range(60):
        tab.mouse.wheel(0, 350)
        tab.wait_for_timeout(60)
        # none where a widget, which is as wide as text and panel, fills the window
        seen += [one.get_attribute("id") for one in tab.locator(".panel:visible").all()]
    order = list(dict.fromkeys(seen))
    own = tab.evaluate("[...document.querySelectorAll('.chapter.here .equation')].map((e) => e.id)")
    rest = iter(f"panel-{name[3:]}" for name in own)
    assert all(name in rest for name in order)  # in the text's order
    assert len(order) >= len(own) - 2


def point(tab, place):
    """Move over a place until its words open: what scrolls meanwhile cancels them."""
    place.hover()
    box = place.bounding_box()
    for _ in range(200):
        if tab.locator("#pop").is_visible():
            return
        for k in (1, 0):
            tab.mouse.move(box["x"] + box["width"] / 2 + k, box["y"] + box["height"] / 2)
        tab.wait_for_timeout(200)
    raise AssertionError("nothing opens")


@browser
def test_equations_show_on_hover_and_focus_and_back_returns(visit):
    tab = visit("#exercises")
    link = tab.locator("article a[href^='#eq-']:visible").first
    target = link.get_attribute("href")
    pop = tab.locator("#pop")
    point(tab, link)
    assert pop.locator("math").count()
    tab.keyboard.press("Escape")
    assert not pop.is_visible()
    tab.mouse.move(1, 1)
    link.focus()
    pop.wait_for(state="visible")
    before = tab.evaluate("scrollY")
    link.click()
    tab.wait_for_function("(hash) => location.hash === hash", arg=target)
    assert tab.locator(target).is_visible() and not tab.locator("#exercises").is_visible()
    assert tab.locator(".equation.here").get_attribute("id") == target[1:]
    tab.locator("#back").click()
    tab.locator("#exercises").wait_for(state="visible")
    assert tab.evaluate("scrollY") == before
    assert tab.locator("#back").is_disabled()


@browser
def test_a_tap_shows_and_a_second_goes(visit):
    tab = visit("#exercises", 390, touch=True)
    link = tab.locator("article a[href^='#eq-']:visible").first
    target = link.get_attribute("href")
    link.tap()
    tab.locator("#pop").wait_for(state="visible")
    assert tab.locator("#exercises").is_visible()
    tab.locator("#pop .goes").tap()
    tab.wait_for_function("(hash) => location.hash === hash", arg=target)


@browser
def test_symbols_explain_themselves(visit):
    tab = visit("#f-ppo")
    tab.locator("article math [data-s][tabindex]:visible").first.focus()
    pop = tab.locator("#pop")
    pop.wait_for(state="visible")
    assert pop.locator("td").count() >= 2
    tab.keyboard.press("Enter")
    tab.wait_for_function("location.hash.startsWith('#sym-')")
    assert tab.locator("#glossary").is_visible()


@browser
def test_search_finds_text_symbols_and_functions(visit):
    tab = visit()
    places = {
        "log_softmax_backward": "code-distributions.log_softmax_backward",
        "rho new probability over old": "sym-",
        "how the weights begin": "how-the-weights",
    }
    for words, place in places.items():
        tab.keyboard.press("/")
        tab.locator("#search").fill(words)
        tab.locator("#found a").first.wait_for()
        tab.keyboard.press("Enter")
        tab.wait_for_function("(start) => location.hash.startsWith('#' + start)", arg=place)
        tab.keyboard.press("Escape")


FOUND = """() => [...document.querySelectorAll("#found a")].map((a) => [
    a.firstElementChild.textContent, a.lastElementChild.textContent,
    a.querySelectorAll("math").length])"""


@browser
def test_search_takes_words_in_any_order_and_ending_and_shows_formulas(visit):
    tab = visit()

    def found(words):
        tab.locator("#search").fill(words)
        tab.locator("#found a").first.wait_for()
        return tab.evaluate(FOUND)

    hits = found("why is the loss negative")
    assert any(text.startswith('The "loss" is not a loss') for text, *_ in hits[:10])
    assert all("negative" in text and below == "Questions" for text, below, _ in hits[:2])
    assert found("negative loss") == found("LOSS, négatives")
    assert found("normalized advantages")[:5] == found("normalise advantage")[:5]
    formula = next(hit for hit in found("clip L rho min") if hit[0].startswith("Eq. 36"))
    assert formula[2] == 1 and tab.locator("#found mfrac").first.is_visible()
    for text, below, _ in found("the clip"):
        assert text not in below.split(" › ")
    ids = tab.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))  # what is shown there has none of its own
    found("mean zero score")
    tab.keyboard.press("Enter")
    tab.wait_for_function("location.hash === '#the-score-has-mean-zero'")
    for key, number in (("j", 7), ("k", 6)):
        tab.keyboard.press(key)
        tab.wait_for_function(f"location.hash === '#eq-{number}'")


@browser
@pytest.mark.parametrize("width", [390, 1280])
def test_every_box_of_the_road_opens_its_equation(visit, width):
    tab = visit("", width)
    boxes = tab.locator("#chapter-0 .road a")
    for i in range(boxes.count()):
        target = boxes.nth(i).get_attribute("href")
        boxes.nth(i).focus()
        tab.keyboard.press("Enter")
        tab.wait_for_function("(hash) => document.querySelector(hash + '.here')", arg=target)
        assert tab.locator(target).is_visible()
        tab.go_back()
        tab.locator("#chapter-0").wait_for(state="visible")


@browser
def test_the_first_page_says_where_to_begin_and_where_one_was(visit):
    tab = visit("", 1280)
    links = tab.locator(".begin a")
    assert links.all_inner_texts() == ["the habits", "Chapter A", "one_page.py", "Train"]
    assert tab.locator("h1 + .begin").count() == 1 and tab.locator("#lit a").count() == 0
    for i, place in enumerate(
        (
            "#before-we-start-seven-habits",
            "h3#a-from-a-decision-problem-to-a-gradient",
            "[id='one_page.py']",
            "#widget-train",
        )
    ):
        links.nth(i).click()
        tab.wait_for_function(
            """(css) => { const box = document.querySelector(css).getBoundingClientRect();
            return box.height && box.top >= 0 && box.top < innerHeight; }""",
            arg=place,
        )
        tab.go_back()
        links.first.wait_for(state="visible")
    tab.goto(tab.url.partition("#")[0] + "#b-advantages")
    tab.locator("#b-advantages").wait_for(state="visible")
    lit = tab.locator(".road:visible [aria-current]").all_inner_texts()
    assert len(lit) == 4 and lit[-1].split() == ["Ã", "−1.35"]
    tab.locator("#contents a").first.evaluate("(a) => a.click()")
    assert tab.locator("#lit a").inner_text() == "Chapter B"
    assert tab.locator(".road:visible [aria-current]").count() == 4


@browser
def test_contents_stand_open_where_there_is_room(visit):
    tab = visit("", 1280)
    contents, button = tab.locator("#contents"), tab.locator("#menu")
    assert contents.is_visible() and not button.is_visible()
    assert contents.locator("[aria-current]").first.inner_text() == "Policy gradients, by hand"
    contents.get_by_text("C. Distributions").click()  # a panel stands beside the text
    assert button.is_visible() and not contents.is_visible()
    button.press("Enter")
    assert contents.locator(".sections:visible small").first.inner_text() == "may wait"
    contents.get_by_text("Entropy: staying undecided").click()
    tab.wait_for_function("location.hash === '#entropy-staying-undecided-may-wait'")
    assert not contents.is_visible()
    tab.emulate_media(media="print")
    assert contents.is_visible() and contents.locator(".sections:visible").count() > 8


@browser
@pytest.mark.parametrize("width", [390, 1280])
def test_figures_enlarge_and_close(visit, width):
    tab = visit("#c-distributions", width, touch=width == 390)
    figure, large = tab.locator(".chapter.here .figure").first, tab.locator("#large")
    figure.scroll_into_view_if_needed()
    y = tab.evaluate("scrollY")
    ways = {
        "Escape": lambda: tab.keyboard.press("Escape"),
        "tap": lambda: large.click(position={"x": 150, "y": 300}),
        "Back": lambda: tab.evaluate("history.back()"),
        "button": lambda: large.get_by_role("button").click(),
    }
    for opener in ("pointer", "key"):
        for close in ways.values():
            if opener == "key":
                figure.locator("button").focus()
                tab.keyboard.press("Enter")
            elif width == 390:
                figure.tap()
            else:
                figure.click()
            large.wait_for(state="visible")
            over, smallest = large.evaluate("""(one) => { const room = one.firstElementChild;
                const sizes = [...one.querySelectorAll("text")].map((text) =>
                    parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a);
                const wide = room.scrollWidth > room.clientWidth;
                return [[wide, room.scrollHeight > room.clientHeight], Math.min(...sizes)]; }""")
            assert smallest >= 10 and over == [width == 390] * 2
            close()
            large.wait_for(state="hidden")
            tab.wait_for_function("!history.state?.large")
            assert tab.evaluate("[scrollY, location.hash]") == [y, "#c-distributions"]


APART = """(y) => new Promise((done) => {
    scrollTo(0, y);
    requestAnimationFrame(() => requestAnimationFrame(() => {
        const panel = document.querySelector(".panel.here"), box = panel.getBoundingClientRect();
        const widgets = [...document.querySelectorAll(".chapter.here .widget")];
        const over = widgets.map((one) => one.getBoundingClientRect())
            .some(({ top, bottom }) => box.bottom > top && box.top < bottom);
        done([panel.checkVisibility({ visibilityProperty: true }), over]);
    }));
})"""


@browser
def test_a_widget_and_the_panel_keep_apart(visit):
    tab = visit("#c-distributions", 1280)
    widget = tab.locator(".widget:visible").last
    top = widget.evaluate("(one) => one.getBoundingClientRect().top + scrollY")
    seen = [tab.evaluate(APART, top + dy) for dy in range(-900, 1200, 150)]
    assert not any(shown and over for shown, over in seen)
    assert seen.count([True, False]) > 5


@browser
def test_the_place_is_kept(visit):
    tab = visit("#eq-1")
    tab.mouse.wheel(0, 2000)
    tab.wait_for_timeout(600)
    y, chapter = tab.evaluate("[scrollY, document.querySelector('.chapter.here').id]")
    again = tab.context.new_page()
    again.goto(tab.url.partition("#")[0])
    again.wait_for_function("(y) => Math.abs(scrollY - y) < 3", arg=y)
    assert again.evaluate("document.querySelector('.chapter.here').id") == chapter


@browser
@pytest.mark.parametrize("width", [360, 899, 900, 1440, 3840])
def test_no_chapter_is_wider_than_the_window(visit, width):
    tab = visit("", width)
    too_wide = tab.evaluate(
        """async () => {
            const found = [];
            for (const chapter of document.querySelectorAll(".chapter")) {
                location.hash = "#" + (chapter.querySelector("h1, h2, h3").id || chapter.id);
                await new Promise((done) => setTimeout(done, 120));
                if (document.documentElement.scrollWidth > innerWidth) found.push(chapter.id);
                if (innerWidth >= 900)  // below, a formula may scroll within its line
                    for (const one of chapter.querySelectorAll(".display"))
                        if (one.scrollWidth > one.clientWidth) found.push(one.textContent);
            }
            return found;
        }"""
    )
    assert too_wide == []
    panel = tab.evaluate("getComputedStyle(document.querySelector('.panel')).position")
    assert panel == ("fixed" if width >= 900 else "static")


@browser
def test_panels_fold_under_their_equations_on_small_screens(visit, page):
    number = numbers_of(page)[0]
    tab = visit(f"#eq-{number}", 700)
    panel = tab.locator(f"#panel-{number}")
    assert not panel.locator("pre").first.is_visible()
    panel.locator("summary").click()
    assert panel.locator("pre").first.is_visible()


@browser
def test_each_widget_is_filled_when_it_is_seen(visit):
    tab = visit()
    for name in tab.evaluate(
        "[...document.querySelectorAll('.widget')].map((e) => e.dataset.widget)"
    ):
        place = tab.evaluate(
            """(name) => { const one = document.querySelector(`[data-widget=${name}]`);
                location.hash = "#" + one.closest(".chapter").querySelector("h1, h2, h3").id;
                return one.closest(".chapter").id; }""",
            name,
        )
        tab.locator(f"#{place} [data-widget={name}] .lesson > *").first.wait_for()


WIDER = "(all) => all.map((one) => one.scrollWidth > one.clientWidth)"
LINES = """(lines) => lines.map((one) => [getComputedStyle(one).backgroundColor,
    one.getBoundingClientRect().top > 60 && one.getBoundingClientRect().bottom < innerHeight,
    one.querySelector(".sd") !== null])"""
SHOWN = (
    "[...document.querySelectorAll('.stair')].filter((e) => e.checkVisibility()).map((e) => e.id)"
)


@browser
@pytest.mark.parametrize("width", [390, 900, 1200])
def test_the_ladder_is_climbed_by_keys_and_by_buttons(visit, width):
    tab = visit("#ladder", width)

    def at(stair):
        tab.wait_for_function(f"JSON.stringify({SHOWN}) === '[\"{stair}\"]'")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        formulas = tab.locator(f"#{stair} .display").evaluate_all(WIDER)
        assert width == 390 or not any(formulas)  # there a formula may scroll within its line

    at("stair-1")
    for n in range(2, 10):
        tab.keyboard.press("ArrowRight")
        at(f"stair-{n}")
        assert tab.locator(".steps [aria-current]").inner_text() == str(n)
        lit, others = (
            tab.locator(f"#stair-{n} .l{kind}").evaluate_all(LINES) for kind in (".m", ":not(.m)")
        )
        assert not {ground for ground, *_ in lit} & {ground for ground, *_ in others}
        if width == 1200:  # an idea that stands far down is in sight all the same
            assert any(seen and not words for _, seen, words in lit)
    tab.keyboard.press("ArrowLeft")
    at("stair-8")
    tab.locator("#search").focus()
    tab.keyboard.press("ArrowLeft")  # in a field, an arrow is the field's
    at("stair-8")
    tab.locator("#search").blur()
    tab.get_by_role("button", name="next").press("Enter")  # no pointer is needed
    at("stair-9")
    tab.get_by_role("button", name="previous").click()
    at("stair-8")
    tab.locator("#back").click()
    at("stair-9")
    tab.locator(".steps a", has_text="10").click()
    at("stair-10")
    assert tab.locator("#stair-10 .l.m").count() == 0  # it is the one below plus much
    tab.locator(".steps a[href='#stair-1']").click()
    at("stair-1")
    tab.keyboard.press("ArrowLeft")  # below the ladder, and above it, are the other chapters
    tab.wait_for_function("!document.querySelector('.chapter.ladder.here')")
    tab.keyboard.press("ArrowRight")
    at("stair-1")


@browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", ["#f-ppo", "#stair-5"])
def test_words_stand_out_from_their_ground(visit, place, scheme):
    tab = visit(place, 1440, scheme)
    poor = tab.evaluate(
        """() => {
            const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
            const read = (colour, under = [0, 0, 0]) => {
                canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = `rgb(${under})`;
                canvas.fillRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
                return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3); };
            const light = (rgb) => rgb.map((x) => x / 255)
                .map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
                .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
            const found = new Set();
            for (const one of document.querySelectorAll(".chapter.here *, .topbar *")) {
                if (!one.checkVisibility() || one.closest("svg, .widget, :disabled")) continue;
                if (![...one.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
                const grounds = [];
                for (let up = one; up; up = up.parentElement)
                    grounds.unshift(getComputedStyle(up).backgroundColor);
                const ground = grounds.reduce((under, it) => read(it, under), [255, 255, 255]);
                const [a, b] = [light(read(getComputedStyle(one).color, ground)), light(ground)];
                const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
                if (contrast < 4.5) found.add(`${one.localName}.${one.className}: ${contrast}`);
            }
            return [...found];
        }"""
    )
    assert poor == []


@browser
def test_it_prints_on_pages(page, chromium, tmp_path):
    html, pdf = tmp_path / "index.html", tmp_path / "book.pdf"
    html.write_text(page, encoding="utf-8")
    print_pdf(html, pdf)
    data = pdf.read_bytes()
    assert data.startswith(b"%PDF") and len(data) > 500_000
    counts = [int(n) for n in re.findall(rb"/Count (\d+)", data)]
    assert max(counts) >= 40


@browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing_in_any_chapter(visit, width, scheme):
    tab, found = visit("", width, scheme), []
    address = tab.url
    chapters = tab.evaluate("[...document.querySelectorAll('.chapter')].map(({ id }) => id)")
    for place in [one for one in chapters if one.startswith("chapter-")] + ["nn.py"]:
        tab.goto("about:blank")  # else it stays the document that was stripped
        tab.goto(f"{address}#{place}")
        tab.locator(f"[id='{place}'].here").wait_for(state="attached")
        tab.evaluate("""() => { // the others would be looked through, too, though they are hidden
            for (const one of document.querySelectorAll(".chapter:not(.here)")) one.replaceChildren(
                ...[...one.querySelectorAll("[id]")].map((place) => place.cloneNode()));
            for (const one of document.querySelectorAll(".panel")) one.open = true;
            return new Promise((done) => setTimeout(done)); }""")
        found += [(place, *wrong) for wrong in violations(tab)]
    assert found == []
