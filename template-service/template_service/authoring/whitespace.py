"""Whitespace control (`{%-`, `-}}`), carried out when a version is saved.

When sources are joined, a dash at the edge of one must not trim whitespace in the next.
"""

from template_service.authoring.snippet_tags import SNIPPET_TAGS
from templating.liquid_marks import LiquidMark, find_liquid

_VERBATIM = frozenset({"raw", "doc", "comment"})
"""Nothing in these is stripped, whatever their dashes say."""


def without_dashes(source: str) -> str:
    """The source that renders to the same without whitespace control. Raises TemplateError."""
    pieces: list[str] = []
    position = 0
    before: LiquidMark | None = None
    for mark in find_liquid(source, SNIPPET_TAGS):
        pieces += (_stripped(source[position : mark.start], before, mark), _plain(mark.text))
        position, before = mark.end, mark
    return "".join((*pieces, _stripped(source[position:], before, None)))


def _stripped(text: str, before: LiquidMark | None, after: LiquidMark | None) -> str:
    if before is not None and before.tag in _VERBATIM:
        return text
    if before is not None and before.text[-3] == "-":
        text = text.lstrip()
    if after is not None and after.text[2] == "-":
        text = text.rstrip()
    return text


def _plain(mark: str) -> str:
    """With a blank in place of each dash."""
    if len(mark) < len("{{- -}}"):
        return mark
    start = f"{mark[:2]} " if mark[2] == "-" else mark[:3]
    end = f" {mark[-2:]}" if mark[-3] == "-" else mark[-3:]
    return f"{start}{mark[3:-3]}{end}"
