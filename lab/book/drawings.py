"""The README's figures in the page: one drawing whose colours follow the look, light or dark."""

import base64
import re

TAG, IMAGE = re.compile(r"<[^>]*>"), re.compile(r"<image [^>]*?/>")
COLOUR, HASH = re.compile(r"#[0-9a-fA-F]{6}\b"), re.compile(r"\b[a-z][0-9a-f]{10}\b")
UNSEEN = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", re.DOTALL
)


def drawing(light, dark, alt, prefix, colours):
    """A picture's two files -> HTML.

    prefix   makes the drawing's names its own in the page
    colours  {(light, dark): name of a CSS variable}, to be filled
    Raises ValueError if one drawing is not the other in other colours.
    """
    if light.suffix != ".svg":
        data = base64.b64encode(light.read_bytes()).decode()
        return f'<img alt="{alt}" src="data:image/{light.suffix[1:]};base64,{data}">'
    drawings = [small(path.read_text(encoding="utf-8"), prefix) for path in (light, dark)]
    images = zip(*map(IMAGE.findall, drawings), strict=True)
    drawings = [IMAGE.sub("<image/>", svg) for svg in drawings]
    used = (COLOUR.findall("".join(TAG.findall(svg)).lower()) for svg in drawings)
    pairs = zip(*used, strict=True)
    if in_tags(COLOUR, "#", drawings[0]) != in_tags(COLOUR, "#", drawings[1]):
        raise ValueError(f"{dark.name} is more than {light.name} in other colours: draw both anew")
    names = iter([colours.setdefault(pair, f"k{len(colours)}") for pair in pairs])
    svg = in_tags(COLOUR, lambda _: f"var(--{next(names)})", drawings[0])
    svg = re.sub("<image/>", lambda _: either(*next(images)), svg)
    return svg.replace("<svg", f'<svg aria-label="{alt}"', 1)


def either(light, dark):
    """An image for each look, where they differ."""
    looks = {"light": light, "dark": dark} if light != dark else {"": light}
    return "".join(tag.replace("<image", f'<image class="{k}"', 1) for k, tag in looks.items())


def in_tags(pattern, new, svg):
    """re.sub in the tags alone: what stands between them is words and numbers for readers."""
    return TAG.sub(lambda tag: re.sub(pattern, new, tag[0]), svg)


def small(svg, prefix):
    """An SVG drawing without what nobody sees; `prefix` begins its names."""
    svg = in_tags(r"(\d+\.\d\d)\d+", r"\1", UNSEEN.sub("", svg))
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"\s+", " ", re.sub(r">\s*\n\s*<", "><", svg)).strip()
    svg = in_tags(r'style="[^"]*"', lambda m: re.sub("([:;]) ", r"\1", m[0]), svg)
    names = {}
    svg = in_tags(HASH, lambda m: names.setdefault(m[0], f"n{len(names)}"), svg)
    svg = in_tags(r'(\bid="|url\(#|href="#)', rf"\1{prefix}", svg)
    used = set(re.findall(r'(?:url\(|href=")#([\w.-]+)', "".join(TAG.findall(svg))))
    return in_tags(r' id="([^"]+)"', lambda m: m[0] if m[1] in used else "", svg)
