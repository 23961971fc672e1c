"""A linear look at a source before Liquid reads it.

Liquid's lexer is a set of backtracking expressions: an unclosed markup, or a long run of blanks inside one, costs it
time that grows with the square of the source. This scan costs a fixed amount a character and refuses what would.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from templating.errors import TemplateError
from templating.limits import (
    MAX_MARKUP_BLANKS,
    MAX_MARKUP_CHARS,
    MAX_MARKUP_CHARS_IN_ALL,
    MAX_MARKUPS,
    MAX_SOURCE_BYTES,
)

TAGS = frozenset({"if", "unless", "case", "for", "break", "continue", "assign", "capture", "comment", "#"})
_TAG_WORDS = TAGS | {"elsif", "else", "when", "endif", "endunless", "endcase", "endfor", "endcapture", "endcomment"}
_START = re.compile(r"\{([{%])")
_TAG_NAME = re.compile(r"\{%-?\s*(#|\w*)")
_BLANKS = re.compile(rf"\s{{{MAX_MARKUP_BLANKS}}}")


@dataclass(frozen=True, slots=True)
class Markup:
    """One `{{ output }}` or `{% tag %}`: its text, delimiters included, and where it starts."""

    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def is_tag(self) -> bool:
        return self.text.startswith("{%")


def find_markups(source: str) -> tuple[Markup, ...]:
    """Every markup of the source, in order. Raises `template_syntax` or `template_limit`."""
    _check_size(source)
    found: list[Markup] = []
    chars = 0
    for markup in _scan(source):
        _check(markup)
        found.append(markup)
        chars += len(markup.text)
        if len(found) > MAX_MARKUPS or chars > MAX_MARKUP_CHARS_IN_ALL:
            limit = f"{MAX_MARKUPS} outputs and tags, or {MAX_MARKUP_CHARS_IN_ALL} characters in them"
            raise TemplateError("template_limit", f"more than {limit}")
    return tuple(found)


def _check_size(source: str) -> None:
    try:
        size = len(source.encode())
    except UnicodeEncodeError:
        raise TemplateError("template_syntax", "the source is not valid Unicode") from None
    if size > MAX_SOURCE_BYTES:
        raise TemplateError("template_limit", f"larger than {MAX_SOURCE_BYTES} bytes")


def _scan(source: str) -> Iterator[Markup]:
    position = 0
    while start := _START.search(source, position):
        begin = start.start()
        closing = "}}" if start.group(1) == "{" else "%}"
        end = source.find(closing, start.end())
        if end < 0:
            raise TemplateError("template_syntax", f"an opening {start.group()} has no closing {closing}")
        position = end + 2
        yield Markup(begin, source[begin:position])


def _check(markup: Markup) -> None:
    if len(markup.text) > MAX_MARKUP_CHARS:
        raise TemplateError("template_limit", f"an output or tag is longer than {MAX_MARKUP_CHARS} characters")
    if _BLANKS.search(markup.text):
        raise TemplateError("template_limit", f"an output or tag holds more than {MAX_MARKUP_BLANKS} blanks in a row")
    if markup.is_tag:
        name = _TAG_NAME.match(markup.text)
        if name is None or name.group(1) not in _TAG_WORDS:
            raise TemplateError("template_syntax", f"the tag '{name.group(1) if name else ''}' is not available")
