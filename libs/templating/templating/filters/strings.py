"""Filters for text. A value that is not text counts as the text that it prints."""

import re
from collections.abc import Iterator

from templating.filters.numbers import integer
from templating.markup_text import MarkupText, concat, cut, like, plain
from templating.stringify import text_of

_BLANKS = "\t\n\v\f\r \0"  # the whitespace that the reference strips: not the no-break space of "10 000 €"
_BLANK_RUN = re.compile(r"[\t\n\v\f\r ]+")
_LINE_END = re.compile(r"\r?\n")
_CONTENT_ENDS = {"<script": "</script>", "<!--": "-->", "<style": "</style>"}
_CONTENT_START = re.compile("|".join(_CONTENT_ENDS))
_TAG = re.compile(r"<[^>]*>")
_LINE_BREAK = MarkupText("<br />\n")
_MANY = 1 << 63  # longer than any text


def append(value: object, suffix: object) -> str:
    return concat((text_of(value), text_of(suffix)))


def prepend(value: object, prefix: object) -> str:
    return concat((text_of(prefix), text_of(value)))


def upcase(value: object) -> str:
    text = text_of(value)
    return like(text, text.upper())


def downcase(value: object) -> str:
    text = text_of(value)
    return like(text, text.lower())


def capitalize(value: object) -> str:
    text = text_of(value)
    return like(text, text.capitalize())


def strip(value: object) -> str:
    text = text_of(value)
    return like(text, text.strip(_BLANKS))


def lstrip(value: object) -> str:
    text = text_of(value)
    return like(text, text.lstrip(_BLANKS))


def rstrip(value: object) -> str:
    text = text_of(value)
    return like(text, text.rstrip(_BLANKS))


def squish(value: object) -> str | None:
    text = text_of(value)
    return None if value is None else like(text, _BLANK_RUN.sub(" ", text.strip(_BLANKS)))


def strip_newlines(value: object) -> str:
    text = text_of(value)
    return like(text, _LINE_END.sub("", text))


def newline_to_br(value: object) -> str:
    """Every line end becomes a line break; the lines stay text."""
    text = text_of(value)
    return concat([like(text, line) for line in _LINE_END.split(text)], _LINE_BREAK)


def strip_html(value: object) -> str:
    """Removes tags, comments, scripts and styles, from the template's markup and from values."""
    text = text_of(value)
    inside: str = text
    characters = plain(text)
    for find in (_content, _tags):
        spans = list(find(characters))
        inside, characters = _without(spans, inside), _without(spans, characters)
    return like(text, inside)


def remove(value: object, sought: object) -> str:
    return concat(cut(text_of(value), text_of(sought)))


def remove_first(value: object, sought: object) -> str:
    return concat(cut(text_of(value), text_of(sought), 1))


def remove_last(value: object, sought: object) -> str:
    return replace_last(value, sought, "")


def replace(value: object, sought: object, replacement: object = "") -> str:
    return concat(cut(text_of(value), text_of(sought)), text_of(replacement))


def replace_first(value: object, sought: object, replacement: object = "") -> str:
    return concat(cut(text_of(value), text_of(sought), 1), text_of(replacement))


def replace_last(value: object, sought: object, replacement: object) -> str:
    text, characters = text_of(value), plain(text_of(sought))
    start = plain(text).rfind(characters)
    if start < 0:
        return text
    before, after = like(text, text[:start]), like(text, text[start + len(characters) :])
    return concat((before, text_of(replacement), after))


def truncate(value: object, length: object = 50, ending: object = "...") -> str | None:
    """At most `length` characters, including the ending."""
    if value is None:
        return None
    text, limit, end = text_of(value), integer(length), text_of(ending)
    if len(text) <= limit:
        return text
    return concat((like(text, text[: max(limit - len(end), 0)]), end))


def truncatewords(value: object, words: object = 15, ending: object = "...") -> str | None:
    """At most `words` words, at least one."""
    if value is None:
        return None
    text, limit = text_of(value), max(integer(words), 1)
    found = _words(text)
    if len(found) + int(text[-1:] in _BLANKS) <= limit:  # in the reference, whitespace at the end begins one more word
        return text
    return concat((concat(found[:limit], " "), text_of(ending)))


def split(value: object, separator: object) -> list[str]:
    """The pieces between the separators, without empty ones at the end. A space separates at any run of whitespace."""
    text, between = text_of(value), plain(text_of(separator))
    if between == " ":
        return _words(text)
    pieces = cut(text, between) if between else [like(text, character) for character in text]
    while pieces and not pieces[-1]:
        pieces.pop()
    return pieces


def slice_(value: object, start: object, length: object = 1) -> str | list[object]:
    """A part of a text or list: `length` characters or items from `start`, which counts from the end if negative."""
    begin, count = integer(start), 1 if length is None else integer(length)
    if not -_MANY <= begin < _MANY:
        begin = -_MANY if begin < 0 else _MANY
    if isinstance(value, (list, tuple)):
        return list(value)[_bounds(len(value), begin, count)]
    text = text_of(value)
    return like(text, text[_bounds(len(text), begin, count)])


def _bounds(size: int, begin: int, count: int) -> slice:
    begin += size if begin < 0 else 0
    return slice(begin, begin + count) if 0 <= begin <= size and count > 0 else slice(0, 0)


def _words(text: str) -> list[str]:
    return [like(text, word) for word in _BLANK_RUN.split(text.strip(_BLANKS)) if word]


def _content(text: str) -> Iterator[tuple[int, int]]:
    """The positions of comments, scripts and styles with their content."""
    position = 0
    endless: set[str] = set()
    for start in _CONTENT_START.finditer(text):
        if start.start() < position or start.group() in endless:
            continue
        end = _CONTENT_ENDS[start.group()]
        found = text.find(end, start.end())
        if found < 0:
            endless.add(start.group())
            continue
        position = found + len(end)
        yield start.start(), position


def _tags(text: str) -> Iterator[tuple[int, int]]:
    end = text.rfind(">") + 1  # no < beyond it is a tag: looking for its end would take quadratic time
    return (found.span() for found in _TAG.finditer(text, 0, end))


def _without(spans: list[tuple[int, int]], text: str) -> str:
    ends = [0, *(end for _, end in spans)]
    starts = [*(start for start, _ in spans), len(text)]
    return "".join(text[end:start] for end, start in zip(ends, starts, strict=True))
