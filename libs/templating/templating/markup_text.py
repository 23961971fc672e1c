"""Text of an HTML part in which the template's own markup is kept apart from what came from values.

`{{ name | append: '<br>' }}` prints a line break after an escaped name. So a filter that joins the two must remember
which characters are whose. They are one string, as long as the text it stands for, in which `< > & " '` of a value are
replaced by noncharacters: whatever a filter cuts, repeats or changes, a value's `<` never becomes the template's.

Markup is always whole: it begins and ends outside of tags. So two pieces, and a value between them, can be joined
without a value landing inside a tag. A literal that is not whole (`'<a href="'`), and what a filter cuts in the middle
of a tag, is text: a plain `str`, which is escaped where it is printed.
"""

import re
from collections.abc import Iterable
from html import unescape

from templating.html_state import HtmlState, scan
from templating.source import TemplateError

_SPECIAL = "<>&\"'"
_STAND_INS = "\ufdd0\ufdd1\ufdd2\ufdd3\ufdd4"
_REFERENCES = ("&lt;", "&gt;", "&amp;", "&#34;", "&#39;")
_DROPPED = dict.fromkeys(range(0xFDD0, 0xFDF0))  # noncharacters: never in a text that is meant to be read
_KEEP_APART = str.maketrans(_DROPPED | {ord(c): s for c, s in zip(_SPECIAL, _STAND_INS, strict=True)})
_AS_TEXT = str.maketrans(dict(zip(_STAND_INS, _SPECIAL, strict=True)))
_AS_HTML = str.maketrans(dict(zip(_STAND_INS, _REFERENCES, strict=True)) | {"\0": None})
_AS_ATTRIBUTE = str.maketrans(
    dict(zip(_STAND_INS, _REFERENCES, strict=True)) | {"<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": None}
)
_IS_SPECIAL = re.compile(f"[{_SPECIAL}\ufdd0-\ufdef]")
_BARE_AMPERSAND = re.compile(r"&(?!#\d+;|#[xX][0-9a-fA-F]+;|[a-zA-Z][a-zA-Z0-9]*;)")


class MarkupText(str):
    """Text some of which may be markup, whole. As a `str` it is the internal form: print it with one of the methods."""

    __slots__ = ()

    @property
    def text(self) -> str:
        """What Liquid's reference would hold: the characters, whoever wrote them."""
        return self.translate(_AS_TEXT)

    def as_html(self) -> str:
        """For an element's content: the template's markup as it is, the rest escaped."""
        return self.translate(_AS_HTML)

    def as_attribute(self) -> str:
        """For a quoted attribute, which holds no markup: only the template's character references stay."""
        return _BARE_AMPERSAND.sub("&amp;", self.translate(_AS_ATTRIBUTE).replace("\0", ""))

    def as_read(self) -> str:
        """As a reader of the HTML sees it: the template's character references are what they stand for."""
        return unescape(self).translate(_AS_TEXT)


def plain(text: str) -> str:
    """The characters of the text, whoever wrote them."""
    return text.text if isinstance(text, MarkupText) else text


def kept_apart(text: str) -> str:
    """The text in MarkupText's internal form; of the same length, but for noncharacters."""
    return text if isinstance(text, MarkupText) or _IS_SPECIAL.search(text) is None else text.translate(_KEEP_APART)


def literal_text(literal: str) -> str:
    """A literal of an HTML template, which is markup when it is whole."""
    return _text_or_markup(literal.translate(_DROPPED)) if _IS_SPECIAL.search(literal) else literal


def concat(pieces: Iterable[str], separator: str = "") -> str:
    """The pieces joined; MarkupText when one of them, or the separator between two of them, is."""
    pieces = list(pieces)
    if isinstance(separator, MarkupText) or any(isinstance(piece, MarkupText) for piece in pieces):
        return MarkupText(kept_apart(separator).join(map(kept_apart, pieces)))
    return separator.join(pieces)


def cut(text: str, separator: str, limit: int = -1) -> list[str]:
    """The pieces of the text between occurrences of the separator, at most `limit` of which count.

    An empty separator is found before, between and after all characters. Whoever wrote them, `<` is found as `<`.
    """
    sought, characters = plain(separator), plain(text)
    if not sought:
        pieces = ["", *text, ""] if limit < 0 else ["", text]
        return [like(text, piece) for piece in pieces]
    pieces, start = [], 0
    while limit and (found := characters.find(sought, start)) >= 0:
        pieces.append(like(text, text[start:found]))
        start = found + len(sought)
        limit -= 1
    return [*pieces, like(text, text[start:])]


def like(text: str, piece: str) -> str:
    """The piece, made of the text by cutting or changing it, as the same kind of text; markup that is not whole any
    more becomes text."""
    return _text_or_markup(piece) if isinstance(text, MarkupText) else piece


def _text_or_markup(piece: str) -> str:
    if "<" in piece and not _is_whole(piece):
        return piece.translate(_AS_TEXT)
    return MarkupText(piece)


def _is_whole(piece: str) -> bool:
    try:
        return scan(HtmlState(), piece) == HtmlState()
    except TemplateError:
        return False
