"""The text: its pages, README.md and the chapters in docs/, and all of them as they are read."""

import posixpath
import re

from lab.kit import PROJECT

# In the order in which their equations are numbered.
PAGES = ("README.md", *(f"docs/{n}.md" for n in ("exact", "objectives", "language", "exercises")))
# A heading of the README, and the pages that are read before it.
BEFORE = {
    "### B. Advantages": ("docs/exact.md",),
    "### Glossary": ("docs/objectives.md", "docs/language.md"),
    "### Sources": ("docs/exercises.md",),
}
LINK = re.compile(r"(\]\(|(?:src|srcset)=\")([^)\s\"]+)")
FENCE_OR_HEADING = re.compile(r"(^```.*?^```$)|^#", re.MULTILINE | re.DOTALL)


def page(path):
    """One of PAGES as it stands: a str."""
    return (PROJECT / path).read_text(encoding="utf-8")


def slug(heading):
    """The anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def linked(path):
    """A page as it stands, but for its links: as `woven` has them."""
    titles = {path: re.search("^# (.*)", page(path))[1] for path in PAGES}

    def link(match):
        target, _, place = match[2].partition("#")
        if ":" in target:
            return match[0]
        folder = posixpath.dirname(path)
        target = posixpath.normpath(posixpath.join(folder, target)) if target else path
        if target in titles:
            target, place = "", place or slug(titles[target])
        return match[1] + target + (f"#{place}" if place else "")

    return LINK.sub(link, page(path))


def as_chapters(path):
    """A page of docs/ with links from the project's root, its `#` a chapter's `###`."""
    return FENCE_OR_HEADING.sub(lambda found: found[1] or "###", linked(path))


def woven():
    """The text in the order in which it is read: README.md, and in it the pages of docs/.

    A page's `#` is a chapter's `###` here. Links are from the project's root, and within the text
    to a heading or an equation alone.
    """
    text = linked("README.md")
    for heading, paths in BEFORE.items():
        text = text.replace(
            f"\n{heading}\n", "\n".join(["", *map(as_chapters, paths), heading, ""])
        )
    return text
