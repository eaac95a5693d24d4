"""Every formula of the README and docs/*.md, laid out as GitHub lays it out.

GitHub turns TeX into MathML with MathJax 3 and leaves the layout to the browser, so the same
is done here: MathJax from requirements/browser.txt, and a real Chromium. A labelled row, which
is what `\\tag` makes, is no part of what browsers lay out: its glyphs fall into a column.
"""

import importlib.util
import os
import re
from pathlib import Path

import pytest
from test_readme import FENCE, INLINE, PAGES, without_fences

# What GitHub's pages give a text: the widest column, and the size of its letters, in pixels.
COLUMN, LETTER = 846, 16

# Rows, errors and alphabets that browsers' MathML does not know. (Write 𝔼, not \\mathbb E.)
LOST = "mlabeledtr, merror, [mathvariant]:not([mathvariant=normal]):not([mathvariant=italic])"
MEASURE = """([formulas, LOST, column, letter]) => formulas.map(([tex, display]) => {
    const markup = MathJax.tex2mml(tex, { display });
    const frame = document.createElement('div');
    frame.style.cssText = `width: ${column}px; font: ${letter}px sans-serif`;
    frame.innerHTML = display ? markup : `<p>${markup}</p>`;
    document.body.append(frame);
    const math = frame.querySelector('math'), box = math.getBoundingClientRect();
    const glyphs = [...math.querySelectorAll('mi, mn, mo, mtext')]
        .map((token) => token.getBoundingClientRect()).filter((token) => token.width > 0);
    const last = glyphs.length ? Math.max(...glyphs.map((token) => token.right)) : 0;
    const result = {
        unknown: [...new Set([...math.querySelectorAll(LOST)].map((node) =>
            node.getAttribute('mathvariant') ?? node.localName))],
        tokens: glyphs.length,
        height: box.height / letter,
        width: (last - Math.min(...glyphs.map((token) => token.left))) / letter,
    };
    frame.remove();
    return result;
})"""


def formulas(text):
    """The formulas of a markdown text: list of (TeX, whether it is displayed)."""
    shown = [(body, True) for kind, body in FENCE.findall(text) if kind == "math"]
    return shown + [(body, False) for body in INLINE.findall(without_fences(text))]


def wrong(measured):
    """What is wrong with a formula's layout, in a few words, or None."""
    if measured["unknown"]:
        return f"not laid out: {', '.join(measured['unknown'])}"
    if not measured["tokens"]:
        return "empty"
    if measured["height"] > 3 and measured["width"] < measured["height"]:
        return f"stacked: {measured['width']:.1f} wide, {measured['height']:.1f} high"
    if measured["width"] > COLUMN / LETTER:
        return f"wider than the text: {measured['width']:.1f} letters"
    return None


@pytest.fixture(scope="module")
def faults(chromium):
    """faults([(TeX, displayed)]) -> {TeX: what is wrong with it}, in MathJax and Chromium."""
    package = importlib.util.find_spec("mathjax")
    if package is None:
        reason = "MathJax is not installed (pip install -r requirements/browser.txt)"
        (pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip)(reason)
    page = chromium.new_page()
    page.add_script_tag(
        content="MathJax = {startup: {typeset: false}, "
        "tex: {packages: {'[-]': ['noundefined', 'autoload', 'require']}}}"
    )
    page.add_script_tag(path=Path(package.origin).parent / "static/mathjax/es5/tex-mml-chtml.js")
    page.evaluate("() => MathJax.startup.promise")

    def measure(some):
        results = page.evaluate(
            MEASURE, [[list(formula) for formula in some], LOST, COLUMN, LETTER]
        )
        pairs = zip(some, results, strict=True)
        return {tex: fault for (tex, _), measured in pairs if (fault := wrong(measured))}

    yield measure
    page.close()


@pytest.mark.parametrize("text", PAGES.values(), ids=PAGES)
def test_source_keeps_to_what_github_lays_out(text):
    for tex, displayed in formulas(text):
        forbidden = r"\\(tag|label|operatorname|mbox|phantom|hphantom|vphantom|newcommand|def)\b"
        assert not re.search(forbidden, tex), tex
        assert not re.search(r"\\begin\{(equation|align|gather|multline)\*?\}", tex), tex
        assert "<" not in tex, f"write \\lt: {tex}"
        assert "](" not in tex, f"a link, for whoever moves links; write ]\\,( : {tex}"
        assert displayed or not re.search(r"\\text\{\(\d+\)\}", tex), tex
    for line in without_fences(text).splitlines():
        assert not re.search(r"\w\$`|`\$\w", line), f"GitHub would show the dollars: {line}"


@pytest.mark.browser
@pytest.mark.parametrize("text", PAGES.values(), ids=PAGES)
def test_every_formula_is_laid_out(faults, text):
    assert faults(formulas(text)) == {}


@pytest.mark.browser
@pytest.mark.parametrize(
    ("tex", "fault"),
    [
        (r"\begin{aligned}a&=b+c\\d&=e\end{aligned} \tag{11}", "mlabeledtr"),
        (r"x=\frac{a}{b} \tag{1}", "mlabeledtr"),
        (r"\frac{a}{", "merror"),
        (r"\unheardof{a}", "merror"),
        (r"\mathbb E[\mathcal H]", "double-struck"),
        (r"\begin{aligned}a\\b\\c\\d\end{aligned}", "stacked"),
        ("a+" * 60 + "b", "wider"),
    ],
)
def test_faulty_formulas_are_noticed(faults, tex, fault):
    assert fault in faults([(tex, True)])[tex]
    assert faults([(r"x=\frac{a}{b} \qquad\text{(1)}", True)]) == {}
