"""Text of an HTML part in which the template's own markup is distinguished from values.

`{{ name | append: '<br>' }}` prints a line break after an escaped name, so a filter that joins the two must remember where
each character came from. Both are kept in one string of the same length as the text. In it, noncharacters replace the `< >
& " '` of values. Whatever a filter cuts, repeats or changes, a value's `<` never becomes markup.

Markup is always complete: it begins and ends outside of tags. So two pieces and a value between them can be joined without
the value landing inside a tag. An incomplete literal (`'<a href="'`), and markup that a filter cuts inside a tag, becomes
text: a plain `str`, which is escaped where it is printed.
"""

import re
from collections.abc import Iterable
from html import unescape

from templating.html_state import HtmlState, scan
from templating.source import TemplateError

_SPECIAL = "<>&\"'"
_STAND_INS = "\ufdd0\ufdd1\ufdd2\ufdd3\ufdd4"
_REFERENCES = ("&lt;", "&gt;", "&amp;", "&#34;", "&#39;")
_DROPPED = dict.fromkeys(range(0xFDD0, 0xFDF0))  # noncharacters: no readable text contains them
_KEEP_APART = str.maketrans(_DROPPED | {ord(c): s for c, s in zip(_SPECIAL, _STAND_INS, strict=True)})
_AS_TEXT = str.maketrans(dict(zip(_STAND_INS, _SPECIAL, strict=True)))
_AS_HTML = str.maketrans(dict(zip(_STAND_INS, _REFERENCES, strict=True)) | {"\0": None})
_AS_ATTRIBUTE = str.maketrans(
    dict(zip(_STAND_INS, _REFERENCES, strict=True)) | {"<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": None}
)
_IS_SPECIAL = re.compile(f"[{_SPECIAL}\ufdd0-\ufdef]")
_BARE_AMPERSAND = re.compile(r"&(?!#\d+;|#[xX][0-9a-fA-F]+;|[a-zA-Z][a-zA-Z0-9]*;)")


class MarkupText(str):
    """Text that may contain complete markup. As a `str` it is the internal form: print it with one of the methods."""

    __slots__ = ()

    @property
    def text(self) -> str:
        """The text as in the Liquid reference, without the distinction."""
        return self.translate(_AS_TEXT)

    def as_html(self) -> str:
        """For an element's content: the template's markup unchanged, the rest escaped."""
        return self.translate(_AS_HTML)

    def as_attribute(self) -> str:
        """For a quoted attribute, which has no markup: only the template's character references stay."""
        return _BARE_AMPERSAND.sub("&amp;", self.translate(_AS_ATTRIBUTE).replace("\0", ""))

    def as_read(self) -> str:
        """As a reader of the HTML sees it: the template's character references are replaced by their characters."""
        return unescape(self).translate(_AS_TEXT)


def plain(text: str) -> str:
    """The characters of the text, from the template and from values."""
    return text.text if isinstance(text, MarkupText) else text


def kept_apart(text: str) -> str:
    """The text in MarkupText's internal form. It has the same length; some characters are replaced by noncharacters."""
    return text if isinstance(text, MarkupText) or _IS_SPECIAL.search(text) is None else text.translate(_KEEP_APART)


def literal_text(literal: str) -> str:
    """A literal of an HTML template. It is markup if it is complete."""
    return _text_or_markup(literal.translate(_DROPPED)) if _IS_SPECIAL.search(literal) else literal


def concat(pieces: Iterable[str], separator: str = "") -> str:
    """The joined pieces. MarkupText if a piece is, or the separator between two pieces."""
    pieces = list(pieces)
    if isinstance(separator, MarkupText) or any(isinstance(piece, MarkupText) for piece in pieces):
        return MarkupText(kept_apart(separator).join(map(kept_apart, pieces)))
    return separator.join(pieces)


def cut(text: str, separator: str, limit: int = -1) -> list[str]:
    """The pieces of the text between the separators, at most `limit`.

    An empty separator matches before, between and after all characters. `<` matches in markup and in values.
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
    """The piece of the text, after cutting or changing it, as the same kind of text. Markup that is no longer complete
    becomes text.
    """
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
