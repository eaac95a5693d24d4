"""The book's panels: equation, code and numbers are one thing, and a row fills the equation."""

import ast
import math
import re
from html import unescape
from xml.etree import ElementTree

import pytest
from test_book import browser, page, point, visit  # noqa: F401 (fixtures)

from lab.book import joined, panels
from lab.book.symbols import EQUATIONS, NO_QUANTITY, UNFILLED, UNMARKED
from lab.proof import trace
from lab.proof.checks import CHECKS
from lab.proof.numbering import key_of, number_of
from lab.proof.text import woven

pytestmark = pytest.mark.xdist_group("book")


@pytest.fixture(scope="module")
def parts(page):  # noqa: F811
    """{key: (the equation's HTML, its panel's)}."""
    equations = dict(re.findall(r'<div class="equation" id="eq-(\d+)">(.*?)</div>', page, re.S))
    found = re.split(r'<details class="panel" id="panel-(\d+)">', page)[1:]
    own = dict(zip(found[::2], found[1::2], strict=True))
    return {key_of(n): (html, own[n].split("</details>")[0]) for n, html in equations.items()}


def filled_of(panel):
    """The result and the arithmetic of a panel's filled-in equation."""
    found = re.search(r'data-filled="\d+" data-result="(.*?)" data-expression="(.*?)"', panel)
    return found and tuple(map(unescape, found.groups()))


def lines_of(panel):
    """All filled-in lines, the result's last: list of (result, arithmetic, HTML)."""
    found = re.findall(
        r'"filled[^>]*? data-result="(.*?)" data-expression="(.*?)">(.*?)</div>', panel, re.S
    )
    return [(result, unescape(arithmetic), html) for result, arithmetic, html in found]


def rows_of(panel):
    """A panel's rows: list of (symbol's name or None, label, texts)."""
    rows = re.findall(
        r"<tr([^>]*)><td>.*?</td><th>(.*?)(?: <small>.*?)?</th><td>(.*?)</td></tr>", panel
    )
    names = [re.search('data-symbol="(.*?)"', attributes) for attributes, *_ in rows]
    return [
        (name and unescape(name[1]), unescape(label), text.split(", "))
        for name, (_, label, text) in zip(names, rows, strict=True)
    ]


FUNCTIONS = {
    "exp": math.exp, "log": math.log, "sqrt": math.sqrt, "abs": abs, "min": min, "max": max,
    "clip": lambda x, low, high: min(max(x, low), high),
}  # fmt: skip
OPERATIONS = {
    ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b, ast.Pow: lambda a, b: a**b, ast.USub: lambda a: -a,
    ast.Gt: lambda a, b: a > b, ast.Lt: lambda a, b: a < b,
}  # fmt: skip


def value(node):
    """A pocket calculator's value of plain arithmetic; nothing else is known to it."""
    match node:
        case ast.Constant():
            return node.value
        case ast.UnaryOp():
            return OPERATIONS[type(node.op)](value(node.operand))
        case ast.BinOp():
            return OPERATIONS[type(node.op)](value(node.left), value(node.right))
        case ast.Compare(ops=[op], comparators=[right]):
            return OPERATIONS[type(op)](value(node.left), value(right))
        case ast.BoolOp(op=ast.And()):
            return all(list(map(value, node.values)))
        case ast.Call(func=ast.Name(id=name), keywords=[]):
            return FUNCTIONS[name](*map(value, node.args))
    raise ValueError(ast.dump(node))


def half_unit(x):
    """How far from a number the page may be, which has five digits."""
    return 0 if x == 0 or isinstance(x, int) else 0.5 * 10 ** (math.floor(math.log10(abs(x))) - 4)


def difference(result, arithmetic):
    """How far arithmetic is from its result, and how far rounding may have brought it."""
    tree = ast.parse(arithmetic, mode="eval").body
    is_ = value(tree)
    allowed = half_unit(float(result)) + 1e-12
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            given = node.value
            node.value = given + half_unit(given)
            allowed += abs(value(tree) - is_)
            node.value = given
    return abs(is_ - float(result)), allowed


SIGNS = {"=": "", "−": "-", "·": "*", "∧": " and ", "[": "(", "]": ")"}


def read(node):
    """What a reader reads in MathML, as Python."""
    text, inside = node.text or "", list(map(read, node))
    match node.tag:
        case "mn":
            return "" if text == "𝟏" else text.replace("−", "-")
        case "mi":
            return {"π": repr(math.pi), "e": repr(math.e)}.get(text, text)
        case "mo" if text == "|":
            return "abs(" if node.get("form") == "prefix" else ")"
        case "mo":
            return SIGNS.get(text, text)
        case "mfrac":
            return "(({})/({}))".format(*inside)
        case "msup":
            return "({})**({})".format(*inside)
        case "msqrt":
            return f"sqrt({''.join(inside)})"
    return "".join(inside)


# ------------------------------------------------------------------ the numbers


@pytest.mark.parametrize("key", sorted(set(CHECKS) - set(UNFILLED)))
def test_a_row_fills_its_equation(parts, key):
    """It holds with the numbers that are shown, and all of them stand in the row."""
    _, panel = parts[key]
    rows, lines = rows_of(panel), lines_of(panel)
    same = {"True": "1", "False": "0"}
    everywhere = {same.get(text, text) for _, _, texts in rows for text in texts}
    assert filled_of(panel) == lines[-1][:2] and panel.count("data-filled") == 1
    for result, arithmetic, html in lines:
        off, allowed = difference(result, arithmetic)
        assert off <= allowed < 1e-3 * max(1, abs(float(result))), (off, allowed)
        assert result.replace("-", "−") in everywhere and float(result) != 0
        shown = read(ElementTree.fromstring(f"<math>{html.split('</math>', 1)[1]}</math>"))
        exactly = value(ast.parse(arithmetic, mode="eval").body)
        assert value(ast.parse(shown, mode="eval").body) == pytest.approx(exactly, rel=1e-12)
        marked = re.findall(r'<(mn|mrow|msup) data-symbol="(.*?)">(.*?)</\1>', html)
        for _, name, inside in marked:  # as 4.4·10⁻⁷, 10⁻⁸ or 0.9
            text = re.sub("<msup>|</msup>", "", inside).replace('<mo form="infix">·</mo>', "")
            text = re.sub("^<mn>10</mn>", "<mn>1</mn><mn>10</mn>", text)
            text = re.sub("<.*?>", "", re.sub("<mn>10</mn><mn>−(.)</mn>", r"e−0\1", text))
            own = [t.lstrip("−") for n, _, texts in rows if n == unescape(name) for t in texts]
            assert text in [same.get(t, t) for t in own]
        assert marked


WORKED = {  # the thread that `run.py trace` works out, from one equation to the next
    "ratio": ("log_probs[1]", "ratios[1]"), "clip": ("advantages[1]", "ratios[1]"),
    "ppo": ("ratios[1]", "dlog_probs[1]", "dlogits[1, 1]"), "log-softmax": ("logits[1, 1]",),
    "score": ("dlog_probs[1]", "dlogits[1, 1]"),
    "linear": ("h[1, 0]", "dlogits[1, 1]", "dW2[0, 1]"),
    "activation": ("dh[1, 0]", "dz1[1, 0]"), "backprop": ("dz1[1, 0]", "dW1[3, 0]"),
    "norm-clip": ("gradient[6]", "norm", "clipped_gradient[6]"),
    "adam": ("clipped_gradient[6]", "m[6]", "v[6]", "parameters[6]", "new_parameters[6]"),
}  # fmt: skip


@pytest.mark.parametrize("key", WORKED)
def test_one_trace_s_thread_goes_through_the_panels(parts, key):
    """In the row that fills the equation, and `run.py trace` is named as its source."""
    _, panel = parts[key]
    (names,) = {tuple(re.findall("<caption>[^<]*<code>(.*?)</code>", panel))}
    assert set(names) == {"run.py trace"} and "from the trace" not in panel
    walked, filled = vars(trace.walk("ppo")), lines_of(panel)
    shown = {panels.figure(abs(node.value)) for result, arithmetic, _ in filled
             for side in (result, arithmetic) for node in ast.walk(ast.parse(side))
             if isinstance(node, ast.Constant)}  # fmt: skip
    for place in WORKED[key]:
        number = panels.figure(abs(eval(place, walked)))
        assert number in shown | {
            text.lstrip("−") for *_, texts in rows_of(panel) for text in texts
        }
        assert key == "ppo" or number in shown, place


def test_other_rows_say_where_they_are_from(parts):
    named = {
        key: set(re.findall("<caption>[^<]*<code>(.*?)</code>", html[1]))
        for key, html in parts.items()
    }
    vpg = {key for key, names in named.items() if "run.py trace vpg" in names}
    assert vpg == {"vpg", "vpg-logits"} and all(named[key] == {"run.py trace vpg"} for key in vpg)


def test_the_book_s_gae_is_the_text_s_four_rows(parts):
    """Its table has row 2's numbers."""
    table = woven().split("**Four rows by hand.**")[1]
    *_, delta, advantage = re.search(r"^\| 2 \|.*", table, re.M)[0].strip("| ").split(" | ")
    for key, worked in (("td-error", delta), ("gae", advantage)):
        result, arithmetic = filled_of(parts[key][1])
        assert float(worked.rpartition("=")[2].strip("`$")) == pytest.approx(float(result))
        assert difference(result, arithmetic)[0] < 1e-12


@pytest.mark.parametrize("key", CHECKS)
def test_a_label_names_its_number(parts, key):
    """A probability is in [0, 1]; a logarithm has its log, a gradient its ∂ or bar."""
    rows = re.findall(r"<td>(.*?)</td><th>(.*?)</th><td>(.*?)</td>", parts[key][1])
    for sign, label, text in rows:
        sign, label = (unescape(re.sub("<small>.*|<.*?>", "", one)) for one in (sign, label))
        if re.fullmatch(r"π(.|θ|i|iold|\(a∣s\))?|[Pp][θ0]?", sign):
            assert all(0 <= float(x.replace("−", "-")) <= 1 for x in text.split(", ")), label
        if sign and re.match(r"\(?(\w+_)?log_(probs|ratios)(?! - )", label):
            assert "log" in sign, label
        if sign and re.match("d(log_|entr|me|h|y|W|b|k)", label):
            assert re.search("[∂¯/U]", sign), label
        is_returns = key in ("objective", "returns", "best-baseline", "value-target")
        assert label.split("[")[0] != "returns" or is_returns


def test_what_no_row_fills_is_told(parts):
    assert {key for key, (_, panel) in parts.items() if not filled_of(panel)} == set(UNFILLED)
    assert set(EQUATIONS) == set(CHECKS) and len(CHECKS) - len(UNFILLED) >= 45


def test_a_false_equation_is_noticed(parts):
    """A sign, a factor or an index that is off is more than rounding."""
    for key, old, new in (
        ("gae", "0.25 +", "0.25 -"), ("vpg", "(1 / 3)", "(1 / 2)"), ("score", "0.55058", "0.44942"),
        ("adam", "(1 - 0.9 ** 1)", "1"), ("ppo", "(0.55058 - 1)", "1"),
    ):  # fmt: skip
        result, arithmetic = filled_of(parts[key][1])
        off, allowed = difference(result, arithmetic.replace(old, new))
        assert old in arithmetic and off > allowed
    with pytest.raises((ValueError, KeyError)):
        difference("1", "__import__('os').getpid()")


@pytest.mark.parametrize("key, name", [("gae", "gae_lambda"), ("td-error", "gae_lambda")])
def test_the_row_shows_a_recursion_at_work(parts, key, name):
    (texts,) = [texts for _, label, texts in rows_of(parts[key][1]) if label == name]
    assert 0 < float(texts[0]) < 1


# ------------------------------------------------------------------ the symbols


def unmarked(node):
    """The letters in MathML that no symbol has; subscripts, labels and powers aside."""
    if "data-symbol" in node.attrib:
        return set()
    if node.tag == "mi":
        return {"".join(node.itertext())}
    inside = list(node)
    if node.tag.startswith(("msu", "mund", "mover")) and node[0].text != "e":
        inside = inside[:1]
    return {letter for child in inside for letter in unmarked(child)}


@pytest.mark.parametrize("key", CHECKS)
def test_every_symbol_of_an_equation_leads_to_code_or_numbers(parts, key):
    equation, panel = parts[key]
    roots = [ElementTree.fromstring(one) for one in re.findall("<math.*?</math>", equation, re.S)]
    alone = {letter for root in roots for letter in unmarked(root)} - set(NO_QUANTITY.split())
    assert alone == {one for letters in UNMARKED.get(key, {}) for one in letters.split()}
    names = set(map(unescape, re.findall('data-symbol="(.*?)"', equation)))
    there = set(map(unescape, re.findall('data-symbol="(.*?)"', panel)))
    assert "" not in there
    assert there == names != set()  # in both directions
    assert len(names) == len({of for of in joined.names_in(EQUATIONS[key].symbols).values()})


def test_no_name_is_found_in_words_or_in_longer_names():
    code = (
        '<span class="s1">&quot;x k&quot;</span> x.x + xx + <span class="k">if</span> lt &lt; '
        'a[t + <span class="mi">1</span>] <span class="c1"># x</span>'
    )
    made = joined.joined(code, {"x": "X", "k": "K", "lt": "LT", "a[t + 1]": "A", "=xx": "X"})
    assert re.findall('data-symbol="(.*?)"', made) == ["X", "LT", "A"]
    assert re.sub("<[^>]*>", "", made) == re.sub("<[^>]*>", "", code)
    assert '<span data-symbol="A">a[t + <span class="mi">1</span>]</span>' in made


def test_docstrings_fold_and_nothing_else_does(parts):
    two = 'def f(x):\n    """One.\n\n    Two.\n    """\n    return x\n'
    assert list(panels.docstring(two)) == [1, 2, 3, 4]
    assert list(panels.docstring("def f(x):\n    return x\n")) == []
    _, panel = parts["gae"]
    folded = re.findall(r'<span class="l( m)? d">(.*?)\n</span>', panel, re.S)
    words = [unescape(re.sub("<.*?>", "", line)).strip() for _, line in folded]
    assert words[0].startswith('"""') and words[-1].endswith('"""') and len(words) > 5


# ------------------------------------------------------------------ in a browser

LIT = """(n) => [...document.querySelectorAll(".lit")].map((one) => [one.dataset.symbol,
    one.closest(".equation,pre,table,.filled").className.split(" ")[0] || "code",
    one.closest(".equation,.panel").id.replace(/\\D+/, "") === String(n)])"""
SAME = """([n, name]) => [...document.querySelectorAll(`:is(#eq-${n},#panel-${n}) [data-symbol]`)]
    .filter((one) => one.dataset.symbol === name).length"""


def lit(tab, n):
    """What is lit: its names and its places; all of the equation and all that have the name."""
    found = tab.evaluate(LIT, n)
    assert all(own for *_, own in found)
    names = {name for name, *_ in found}
    assert len(names) <= 1
    assert not names or len(found) == tab.evaluate(SAME, [n, *names])
    return names, {place for _, place, _ in found}


EVERYWHERE = {"equation", "code", "through", "filled"}


@browser
def test_a_symbol_lights_in_equation_code_and_numbers(visit):  # noqa: F811
    n = number_of("gae")
    tab = visit(f"#eq-{n}")
    for place in (f"#eq-{n}", f"#panel-{n} .filled", f"#panel-{n} tr", f"#panel-{n} pre"):
        own = "[data-symbol=gae_lambda]"
        tab.locator(f"{place} {own},{place}{own}").first.hover()
        assert lit(tab, n) == ({"gae_lambda"}, EVERYWHERE)
        tab.mouse.move(2, 300)
        assert lit(tab, n) == (set(), set())
    other = number_of("td-error")  # an equation that is not being read opens its panel
    tab.locator(f"#eq-{other}").scroll_into_view_if_needed()
    tab.locator(f"#eq-{other} [data-symbol=rewards]").first.hover()
    assert tab.locator(f"#panel-{other}").is_visible()
    assert lit(tab, other) == ({"rewards"}, EVERYWHERE)


@browser
def test_the_keyboard_reaches_symbols_and_numbers(visit):  # noqa: F811
    n = number_of("gae")
    tab = visit(f"#eq-{n}")
    tab.locator(f"#eq-{n} [data-symbol][tabindex='0']").first.focus()
    seen = {}
    for _ in range(40):
        names, _ = lit(tab, n)
        inside = tab.evaluate("document.activeElement.closest('.panel') !== null")
        for name in names:
            seen.setdefault(name, set()).add("panel" if inside else "equation")
        tab.keyboard.press("Tab")
        if tab.evaluate(f"!document.activeElement.closest('#eq-{n},#panel-{n}')"):
            break
    own = set(joined.names_in(EQUATIONS["gae"].symbols).values())
    assert set(seen) == own and all(where == {"equation", "panel"} for where in seen.values())
    tab.locator(f"#panel-{n} tr[data-symbol]").first.focus()
    assert lit(tab, n)[0]
    tab.keyboard.press("Escape")
    assert lit(tab, n) == (set(), set())


@browser
def test_a_tap_lights_and_a_tap_elsewhere_puts_out(visit):  # noqa: F811
    n = number_of("score")
    tab = visit(f"#eq-{n}", 390, touch=True)
    tab.locator(f"#panel-{n} summary").tap()
    tab.locator(f"#panel-{n} tr[data-symbol=probs]").tap()
    assert lit(tab, n) == ({"probs"}, EVERYWHERE)
    tab.locator(f"#eq-{n} [data-symbol=onehot]").first.tap()
    assert lit(tab, n) == ({"onehot"}, EVERYWHERE)
    tab.locator(f"#panel-{n} .verdict").tap()
    assert lit(tab, n) == (set(), set())


@browser
def test_a_symbol_of_any_equation_lights_its_own(visit):  # noqa: F811
    tab = visit("#eq-1")
    for n in map(number_of, CHECKS):
        tab.evaluate("(n) => { location.hash = `#eq-${n}` }", n)
        tab.locator(f"#eq-{n}").wait_for()
        for one in tab.locator(f"#eq-{n} [data-symbol][tabindex='0']").all():
            one.focus()
            names, places = lit(tab, n)
            assert "equation" in places and places - {"equation"}, (n, names)


@browser
def test_the_docstring_folds(visit):  # noqa: F811
    n = number_of("gae")
    tab = visit(f"#eq-{n}")
    code, fold = tab.locator(f"#panel-{n} pre").first, tab.locator(f"#panel-{n} .fold").first
    words, whole = code.locator(".d").first, panels.definitions("advantages.py")["gae"].text
    height = "(one) => one.getBoundingClientRect().height"
    assert words.evaluate(height) == 0 and code.text_content() == whole
    fold.press("Enter")
    assert words.evaluate(height) > 8 and fold.get_attribute("aria-expanded") == "true"
    assert code.text_content() == whole
    fold.click()
    assert words.evaluate(height) == 0


@browser
def test_nothing_prints_through_the_title_of_a_panel(visit):  # noqa: F811
    n = number_of("gae")
    tab = visit(f"#eq-{n}", 1000)
    through = tab.locator(f"#panel-{n}").evaluate(
        """(panel) => {
            const title = panel.querySelector("summary"), found = [];
            for (let y = 0; y < panel.scrollHeight - panel.clientHeight; y += 7) {
                panel.scrollTop = y;
                const box = title.getBoundingClientRect();
                for (let x = box.left + 4; x < box.right - 4; x += 16)
                    if (!title.contains(document.elementFromPoint(x, box.bottom - 6)))
                        found.push([x, y]);
            }
            return [found.length, panel.scrollTop];
        }"""
    )
    assert through[0] == 0 and through[1] > 50


@browser
def test_a_pointer_that_rests_opens_nothing(visit):  # noqa: F811
    tab = visit("#eq-10")
    tab.evaluate(
        """() => { window.opened = 0;
            new MutationObserver(() => { if (!document.getElementById("pop").hidden) opened += 1; })
                .observe(document.getElementById("pop"), { attributes: true }); }"""
    )
    # Places above a symbol from which one turn of the wheel brings it below the pointer.
    turns = tab.evaluate(
        """() => [...document.querySelectorAll(".chapter.here [data-s]")].map((one) => {
            const box = one.getBoundingClientRect();
            const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
            return [60, 120, 180].map((turn) => [x, y - turn, turn]).find(([x, y]) =>
                y > 80 && y < innerHeight - 20 &&
                !document.elementFromPoint(x, y)?.closest("[data-s],a,.panel,.topbar"));
        }).filter(Boolean).slice(0, 8)"""
    )
    frames = """([x, y]) => new Promise((done) => setTimeout(() => requestAnimationFrame(() =>
        done(!!document.elementFromPoint(x, y)?.closest("[data-s]"))), 300))"""
    met = 0
    for x, y, turn in turns:
        tab.mouse.move(x, y)
        tab.evaluate("() => { window.opened = 0; window.before = scrollY; }")
        tab.mouse.wheel(0, turn)
        tab.wait_for_function("(turn) => Math.abs(scrollY - before - turn) < 2", arg=turn)
        met += tab.evaluate(frames, [x, y])
        assert tab.evaluate("opened") == 0
        tab.mouse.wheel(0, -turn)
        tab.wait_for_function("() => Math.abs(scrollY - before) < 2")
    assert met == len(turns) > 3
    assert tab.locator(".lit").count() == 0
    point(tab, tab.locator("article [data-s]:visible").first)


@browser
@pytest.mark.parametrize("width", [1280, 1920])
def test_a_place_that_is_loaded_has_its_own_panel(visit, width):  # noqa: F811
    """The browser scrolls to the anchor, too, and after the page's script."""
    frames = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    for n in (1, 4, 21, 23, 25, 54):
        tab = visit(f"#eq-{n}", width)
        tab.evaluate(frames)
        shown = tab.locator(".panel.here").evaluate_all("(all) => all.map((one) => one.id)")
        assert shown == [f"panel-{n}"]
        tab.mouse.wheel(0, 3000)  # and it does not hold on to it
        tab.wait_for_function("(n) => !document.querySelector(`#panel-${n}.here`)", arg=n)


@browser
def test_a_focused_symbol_brings_its_line_into_sight(visit):  # noqa: F811
    n = number_of("ppo")
    tab = visit(f"#eq-{n}", 1280)
    panel, y = tab.locator(f"#panel-{n}"), tab.evaluate("scrollY")
    seen = """(panel) => { const box = panel.getBoundingClientRect();
        const line = panel.querySelector("pre .lit").closest(".l").getBoundingClientRect();
        return line.top >= panel.firstElementChild.getBoundingClientRect().bottom - 1
            && line.bottom <= box.bottom + 1; }"""
    moved = 0
    for one in tab.locator(f"#eq-{n} [data-symbol][tabindex='0']").all():
        panel.evaluate("(one) => { one.scrollTop = 0; }")
        one.focus()
        if panel.locator("pre .lit").count():
            assert panel.evaluate(seen)
            moved += panel.evaluate("(one) => one.scrollTop") > 0
    assert moved > 2 and tab.evaluate("scrollY") == y


@browser
def test_accents_stand_apart_and_paper_has_no_empty_panels(visit):  # noqa: F811
    tab = visit(f"#eq-{number_of('ppo')}", 1280)
    tab.emulate_media(media="print")
    assert tab.locator(".panel:visible").count() == 0
    gaps = tab.locator(".equation mover[accent]>mo").evaluate_all(
        "(all) => all.map((one) => [getComputedStyle(one).paddingBottom, getComputedStyle(one)"
        ".fontSize].map(parseFloat))"
    )
    assert len(gaps) > 50 and all(gap > 0.09 * size for gap, size in gaps)


@browser
def test_a_phone_says_what_opens_and_what_pans(visit):  # noqa: F811
    n = number_of("gae")
    tab = visit(f"#eq-{n}", 390, touch=True)
    sign = "(one) => getComputedStyle(one, '::before').content"
    summary = tab.locator(f"#panel-{n} summary")
    assert "▸" in summary.evaluate(sign)
    summary.tap()
    assert "▾" in summary.evaluate(sign)
    hint = "getComputedStyle(document.getElementById('large'), '::after').content"
    assert "drag" in tab.evaluate(hint)
    tab.set_viewport_size({"width": 1280, "height": 800})
    assert tab.evaluate(hint) == tab.evaluate("'none'")
