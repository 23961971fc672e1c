"""Whitespace control (`{%-`, `-}}`), carried out when a version is saved.

When sources are joined, a dash at the edge of one must not trim whitespace in the next.
"""

from template_service.authoring.snippet_tags import SNIPPET_TAGS
from templating.markup import Markup, find_markups

_VERBATIM = frozenset({"raw", "doc", "comment"})
"""Nothing in these is stripped, whatever their dashes say."""


def without_dashes(source: str) -> str:
    """The source that renders to the same without whitespace control. Raises TemplateError."""
    pieces: list[str] = []
    position = 0
    before: Markup | None = None
    for markup in find_markups(source, SNIPPET_TAGS):
        pieces += (_stripped(source[position : markup.start], before, markup), _plain(markup.text))
        position, before = markup.end, markup
    return "".join((*pieces, _stripped(source[position:], before, None)))


def _stripped(text: str, before: Markup | None, after: Markup | None) -> str:
    if before is not None and before.tag in _VERBATIM:
        return text
    if before is not None and before.text[-3] == "-":
        text = text.lstrip()
    if after is not None and after.text[2] == "-":
        text = text.rstrip()
    return text


def _plain(markup: str) -> str:
    """With a blank in place of each dash."""
    if len(markup) < len("{{- -}}"):
        return markup
    start = f"{markup[:2]} " if markup[2] == "-" else markup[:3]
    end = f" {markup[-2:]}" if markup[-3] == "-" else markup[-3:]
    return f"{start}{markup[3:-3]}{end}"
