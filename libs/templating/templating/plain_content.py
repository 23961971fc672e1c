"""Content that holds no markup is plain text: it is sent as it is, and as HTML that keeps its paragraphs.

Markup is a tag of an element that HTML knows, a comment, a doctype, or a character reference, and what makes such a
thing (`newline_to_br`, `escape`, `tablerow`, a tag in a filter's argument). `a < b`, `<3`, `<ada@example.com>` and
`Dear <name>` are none.
"""

import re
from collections.abc import Sequence
from html.entities import html5

from markupsafe import escape

from templating.liquid_marks import LiquidMark
from templating.urls import OUTPUT_MARK

_ELEMENT_NAMES = """
a abbr address article aside b base bdi bdo big blockquote body br button caption center cite code col colgroup dd del
details dfn dialog dir div dl dt em fieldset figcaption figure font footer form h1 h2 h3 h4 h5 h6 head header hr html
i iframe img input ins kbd label legend li link main map mark menu meta nav nobr noscript object ol option p pre
picture q s samp script section select small source span strike strong style sub summary sup svg table tbody td
template textarea tfoot th thead time title tr tt u ul var video wbr
"""
_ELEMENTS = frozenset(_ELEMENT_NAMES.split())
# Also an unfinished tag with an attribute, or with an output as its name: Liquid may complete it.
_TAG = re.compile(
    rf"</?([a-z][a-z0-9]*)(?:(?:\s[^<>]*)?/?>|\s+[a-z-]+\s*=)|<!(?:--|doctype\b|\[)|</?[a-z0-9]*{OUTPUT_MARK}",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|([a-zA-Z][a-zA-Z0-9]*));")
_MAKES_MARKUP = re.compile(r"\|\s*(?:newline_to_br|escape)|tablerow|[\"'][^\"']*<[a-zA-Z/!]")
_PARAGRAPHS = re.compile(r"\n[^\S\n]*\n\s*")
_URL = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]}]")


def is_html(source: str, marks: Sequence[LiquidMark]) -> bool:
    """Whether the source of `content` is HTML. `marks` are its outputs and tags."""
    if any(_MAKES_MARKUP.search(mark.text) for mark in marks):
        return True
    position = 0
    pieces: list[str] = []
    for mark in marks:
        pieces.append(source[position : mark.start])
        position = mark.end
    literal = OUTPUT_MARK.join([*pieces, source[position:]])
    return any(_is_tag(tag) for tag in _TAG.finditer(literal)) or any(
        not (name := reference.group(1)) or f"{name};" in html5 for reference in _REFERENCE.finditer(literal)
    )


def text_as_html(text: str) -> str:
    """Paragraphs become `<p>`, line ends `<br>`, web addresses links. Everything else is escaped."""
    paragraphs = _PARAGRAPHS.split(text.replace("\r\n", "\n").replace("\r", "\n").strip())
    return "\n".join(f"<p>{_line_ends(paragraph)}</p>" for paragraph in paragraphs)


def _is_tag(found: re.Match[str]) -> bool:
    name = found.group(1)
    return name is None or name.lower() in _ELEMENTS


def _line_ends(paragraph: str) -> str:
    pieces: list[str] = []
    position = 0
    for url in _URL.finditer(paragraph):
        address = escape(url.group())
        pieces += (escape(paragraph[position : url.start()]), f'<a href="{address}">{address}</a>')
        position = url.end()
    pieces.append(escape(paragraph[position:]))
    return "".join(pieces).replace("\n", "<br>\n")
