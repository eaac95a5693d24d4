"""An equation as the text has it, for a terminal: its formula in plain letters, and its place."""

import re
import unicodedata
from functools import cache

from lab.proof import text
from lab.proof.numbering import number_of


@cache
def in_the_text(equation):
    """An equation as the text has it -> (its formula, its page, chapter and heading): two texts."""
    number = number_of(equation)
    for path in text.PAGES:
        before, found, after = text.page(path).partition(f'<a id="eq-{number}"></a>\n')
        if found:
            formula = re.search(r"```math\n(.*?)\n```", after, re.DOTALL)[1]
            level = 3 if path == "README.md" else 1
            chapter = re.findall(rf"(?m)^#{{{level}}} (.*)", before)[-1]
            headings = re.findall(rf"(?m)^#{{{level},{level + 1}}} (.*)", before)
            place = dict.fromkeys([path, chapter, headings[-1]])
            return plain(formula), " > ".join(place)
    raise AssertionError(f"Eq. {number} is on no page")


# Blanks whose equation's formula is not all they ask for, or more: what is shown of which ones.
SHOWN = {
    "advantages.normalize": [("normalize", "   ⟹")],
    "advantages.group_advantages": [("group-deviation", ";   R"), ("leave-one-out", ",   𝔼")],
    "distributions.categorical_entropy_backward": [("entropy", ",   -c")],
    "distributions.gaussian_log_prob_backward": [("gaussian-score", ""), ("gaussian-gradient", "")],
    "distributions.gaussian_entropy": [("gaussian-entropy", ",   (∂")],
    "ppo.clipped_surrogate": [("clipped-objective", ""), ("clip", "")],
    "vpg.update": [],
    "ppo.update": [],
    "gradient_check.largest_error": [],
}
ENTROPY = "ℋ=- Σ_k π_k log π_k"  # in the text, in a sentence
PLACES = {
    "vpg.update": "README.md > E. The value function",
    "gradient_check.largest_error": "docs/objectives.md > G. Your own objective",
}


def card(path, key):
    """What is shown of a blank: the formulas that are its own, and their place: two texts."""
    formula, place = in_the_text(key)
    if path == "distributions.categorical_entropy":
        formula = ENTROPY
    elif path in SHOWN:
        parts = [in_the_text(k)[0].partition(end or "\0")[0] for k, end in SHOWN[path]]
        formula = "\n".join(parts)
    return formula, PLACES.get(path, place)


SIGNS = {
    **{"sum": " Σ", "prod": "Π", "nabla": "∇", "partial": "∂", "sqrt": "√", "odot": "⊙"},
    **{"mid": " | ", "sim": "~", "lt": " < ", "ge": " ≥ ", "ne": " ≠ ", "in": " ∈ ", "to": " → "},
    **{"land": " ∧ ", "times": "×", "leftarrow": " ← ", "Longrightarrow": " ⟹ ", "quad": "\3"},
    **{"lVert": "‖", "rVert": "‖", "Vert": " ‖ ", "ell": "ℓ", "lambda": "λ", "qquad": "\3"},
    **{name: "" for name in ("big", "Big", "bigg", "Bigg", "nolimits", "begin", "end")},
    **{name: f" {name} " for name in ("log", "min", "max", "tanh", "Pr")},
}
ACCENTS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303"}
ONE = r"\s*({[^{}]*}|[^{}\s\\])"  # an argument of a command
SUM = r"( Σ(?:_\w|_\([^)]*\))(?:\^\w|\^\([^)]*\))?)"
KEPT_WHOLE = r"\\(frac|tfrac|underset|text|mathrm|hat|bar|tilde)(?![A-Za-z])"


def plain(formula):
    """A formula's TeX as a text for people: Σ_(i=1)^N ρ_i Â_i."""

    def sign(found):
        name = found[1]
        kind = "CAPITAL" if name[0].isupper() else "SMALL"
        if name in SIGNS or re.match(KEPT_WHOLE, found[0]):
            return SIGNS.get(name, found[0])
        return unicodedata.lookup(f"GREEK {kind} LETTER {name}")

    def bracketed(inner, atom=r"[\d.]+|[^\W\d][\w\u0300-\u036f]*"):
        inner = inner.strip("{}")
        return inner if re.fullmatch(atom, inner) else f"({inner})"

    formula = re.sub(r"\\qquad\s*\\text{\(\d+\)}|{aligned}|\\[,;!]|&", "", formula)
    formula = formula.replace(r"\{", "\1").replace(r"\}", "\2").replace("^\\top", "ᵀ")
    formula = re.sub(r"\\(?:\\| )", "  ", formula)
    formula, before = re.sub(r"\\([A-Za-z]+)", sign, formula), None
    while formula != before:
        before = formula
        formula = re.sub(
            rf"\\t?frac{ONE}{ONE}", lambda f: "/".join(map(bracketed, f.groups())) + " ", formula
        )
        formula = re.sub(rf"\\underset{ONE}{ONE}", r"\2", formula)
        formula = re.sub(r"\\(?:text|mathrm){([^{}]*)}", r"\1", formula)
        formula = re.sub(
            rf"\\(hat|bar|tilde){ONE}", lambda f: f[2].strip("{}") + ACCENTS[f[1]], formula
        )
        formula = re.sub(
            r"([_^√]){([^{}]*)}",
            lambda f: f[1] + bracketed(f[2], r"[\d.]+|[A-Za-z]+|\w" if f[1] == "^" else r"\w+"),
            formula,
        )
        formula = re.sub(r"(?<![a-z_^√\\}]){([^{}]*)}(?!{)", r"\1", formula)
    formula = re.sub(SUM, r"\1 ", formula)
    lines = re.sub(r" (?=[_^,;)\]])|[{}]", "", re.sub(" +", " ", formula)).splitlines()
    lines = [re.sub(" *\3 *", "   ", line.strip(" \3")) for line in lines if line.strip(" \3")]
    text = "\n".join(lines).replace("\1", "{").replace("\2", "}")
    return unicodedata.normalize("NFC", text)
