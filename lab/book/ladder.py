"""The ladder in the page: its stairs, one at a time, and on each what the stair below lacks."""

import difflib

from lab.book.panels import coloured, table
from lab.kit import PROJECT, minus
from lab.proof.numbering import cited
from lab.study import ladder as study

# Links to a stair's file; one_page.py is a file of the lesson too, and stands in the page as one.
PLACES = {
    path.relative_to(PROJECT).as_posix(): f"stair-{n}" for n, path in enumerate(study.STAIRS[:8], 1)
} | {"docs/questions.md": "questions", "docs/ladder.md": "ladder"}
LANGUAGE = 10  # a world of its own
SHOWS, _ = study.COLUMNS[-1]  # what no two stairs need have in common
INTRO = """Nine scripts, from a bandit to PPO. Each is the one below plus one idea: those lines are
lit. They need numpy and Gymnasium alone: `python ladder/1_bandit.py`. What each idea buys, and what
it does not, is in [the text](./docs/ladder.md). The tenth is a language model, by
[Chapter I](./docs/language.md#i-a-transformer-by-hand)."""


def new_lines(below, above):
    """Which lines of `above` are not in `below`, both lists: a set of indices."""
    blocks = difflib.SequenceMatcher(None, below, above, autojunk=False).get_matching_blocks()
    return set(range(len(above))) - {j for _, b, size in blocks for j in range(b, b + size)}


def chapter(setter):
    """The page's section, by a Setter that has set the README's equations."""
    titles = [f"{n} {study.name(n)}" for n in range(1, LANGUAGE + 1)]
    places = "".join(
        f'<a href="#stair-{n}" title="{title}">{n}</a>' for n, title in enumerate(titles, 1)
    )
    entries = study.entries(study.kept())
    stairs = "".join(stair(n, title, entries, setter) for n, title in enumerate(titles, 1))
    return (
        '<section class="chapter ladder" id="chapter-ladder" data-title="The ladder"><article>'
        f'<h3 id="ladder">The ladder</h3>{setter.markdown.render(INTRO)}'
        '<p class="steps ui"><button data-way="previous" aria-label="previous">←</button>'
        f'{places}<button data-way="next" aria-label="next">→</button></p>'
        f'<div class="stairs">{stairs}</div></article></section>'
    )


def stair(n, title, entries, setter):
    path = study.file(n)
    text = path.read_text(encoding="utf-8")
    below = study.file(n - 1).read_text(encoding="utf-8").splitlines() if n > 1 else []
    new = new_lines(below, text.splitlines())
    lit = new if 1 < n < LANGUAGE else ()  # all of the first stair is new, and of the last
    numbers = cited("\n".join(text.splitlines()[i] for i in sorted(new)))
    if n == LANGUAGE:  # not all that it has of networks
        numbers = cited(study.claims(n)["New"])
    words = minus("\n\n".join(f"**{head}:** {words}" for head, words in study.claims(n).items()))
    equations = "".join(
        f'<div class="carried">{setter.equations[k]}'
        f'<a class="number" href="#eq-{k}">({k})</a></div>'
        for k in sorted(numbers)
    )
    rows = study.kept_language() if n == LANGUAGE else []
    for head, cell in study.COLUMNS if n < LANGUAGE else ():
        own, before = cell(entries[n]), cell(entries[n - 1]) if n > 1 else ""
        if before and head != SHOWS:
            own += f" (below: {before})"
        rows += [(head, minus(own))] if own else []
    name = path.relative_to(PROJECT).as_posix()
    return (
        f'<div class="stair{" here" if n == 1 else ""}" id="stair-{n}"><div class="said"><div>'
        f'<h4>{title}</h4><p class="where"><a href="../{name}"><code>{name}</code></a></p>'
        f"{setter.markdown.render(words)}</div>"
        f"<div>{table('20 held-out seeds', rows)}{equations}</div></div>"
        f'<pre class="file">{coloured(text, 1, lit)}</pre></div>'
    )
