"""The text part of an e-mail whose template has only HTML.

Converting a rendered mail costs 0.2 to 2.2 ms (measured: see `html_to_text`), ten to a hundred times what rendering it
costs. So the HTML source is converted instead, once, with its outputs and tags kept in place: what comes out is the
source of a text template. Filling that costs what any other part costs (5 to 50 microseconds).

Where that is not possible, the rendered HTML is converted every time.
"""

import re
from collections.abc import Mapping

from templating.errors import TemplateError
from templating.html_text import html_to_text
from templating.parts import CompiledPart, compile_plain
from templating.values import AS_PLAIN_TEXT, Writer

_FIRST_MARK = 0xE000
_MARKS = re.compile("[\ue000-\uf8ff]")  # private use characters: one for each markup
# What means something else in text than in HTML.
_ONLY_HTML = re.compile(r"[<&]|\bescape|newline_to_br|strip_html")


def derive_text(html: CompiledPart) -> CompiledPart | None:
    """A text part equal, but for blanks, to converting each rendered HTML; None when the source does not allow one."""
    if _MARKS.search(html.source) or any(_ONLY_HTML.search(markup.text) for markup in html.markups):
        return None
    converted = html_to_text(_with_marks(html))
    marks = [ord(mark) - _FIRST_MARK for mark in _MARKS.findall(converted)]
    if not _keeps_tags(html, marks) or "{{" in converted or "{%" in converted:
        return None
    source, writers = _with_markups(html, converted)
    try:
        return compile_plain(source, writers)
    except TemplateError:
        return None


def _with_marks(html: CompiledPart) -> str:
    pieces: list[str] = []
    position = 0
    for index, markup in enumerate(html.markups):
        pieces += (html.source[position : markup.start], chr(_FIRST_MARK + index))
        position = markup.end
    return "".join(pieces) + html.source[position:]


def _keeps_tags(html: CompiledPart, marks: list[int]) -> bool:
    """Whether every tag is still there, once, with outputs in the same order around it. Outputs may be gone: those in
    attributes are not part of the text."""
    tags = {index for index, markup in enumerate(html.markups) if markup.is_tag}
    if not tags:
        return True
    return [mark for mark in marks if mark in tags] == sorted(tags) and marks == sorted(marks)


def _with_markups(html: CompiledPart, converted: str) -> tuple[str, Mapping[int, Writer]]:
    source = ""
    writers: dict[int, Writer] = {}
    position = 0
    for mark in _MARKS.finditer(converted):
        markup = html.markups[ord(mark.group()) - _FIRST_MARK]
        source += converted[position : mark.start()]
        if markup.start in html.writers:
            writers[len(source)] = AS_PLAIN_TEXT[html.writers[markup.start]]
        # Whitespace control would now take line ends away, which in the HTML meant nothing.
        source += markup.text.replace("{%-", "{%").replace("-%}", "%}")
        position = mark.end()
    return source + converted[position:], writers
