"""Scans a source in linear time before Liquid reads it.

Liquid's lexer consists of backtracking expressions. An unclosed output or tag, or a long run of whitespace in one, takes
quadratic time. This scan has a constant cost per character, and refuses such sources.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NoReturn

from templating.source import (
    MAX_MARK_BLANKS,
    MAX_MARK_CHARS,
    MAX_MARK_CHARS_IN_ALL,
    MAX_MARKS,
    MAX_SOURCE_BYTES,
    TemplateError,
)

_BLOCKS = {"if", "unless", "case", "for", "tablerow", "capture", "ifchanged", "comment", "doc", "raw"}
_CONTENT_BLOCKS = frozenset({"comment", "doc", "raw"})
"""Blocks whose content is not Liquid."""
_SIMPLE_TAGS = {"assign", "break", "continue", "cycle", "decrement", "echo", "increment", "liquid", "#"}
TAGS = frozenset((_BLOCKS | _SIMPLE_TAGS) - {"raw"})  # the lexer searches for `raw`
_TAG_WORDS = _BLOCKS | {f"end{name}" for name in _BLOCKS} | _SIMPLE_TAGS | {"elsif", "else", "when"}
_START = re.compile(r"\{([{%])")
_TAG_NAME = re.compile(r"\{%-?\s*(#|\w*)")
_BLANKS = re.compile(rf"\s{{{MAX_MARK_BLANKS}}}")
_CONTENT_ENDS = {name: re.compile(rf"\{{%-?\s*end{name}\s*-?%\}}") for name in ("doc", "raw")}
_NO_LINE_END = re.compile(r"[^\r\n]")


@dataclass(frozen=True, slots=True)
class LiquidMark:
    """One `{{ output }}` or `{% tag %}`: its text with the delimiters, and its position."""

    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def is_tag(self) -> bool:
        return self.text.startswith("{%")

    @property
    def tag(self) -> str:
        """The tag's name; "" for an output."""
        name = _TAG_NAME.match(self.text)
        return name.group(1) if name else ""


def find_liquid(source: str, more_tags: Collection[str] = ()) -> tuple[LiquidMark, ...]:
    """All outputs and tags of the source, in order. Raises `template_syntax` or `template_limit`.

    `more_tags` are accepted besides those that can be rendered: they are replaced before a version is saved.
    """
    _check_size(source)
    found: list[LiquidMark] = []
    chars = lines = 0
    for mark in _scan(source):
        _check(mark, more_tags)
        found.append(mark)
        chars += len(mark.text)
        lines += mark.text.count("\n") if mark.tag == "liquid" else 0
        if len(found) + lines > MAX_MARKS or chars > MAX_MARK_CHARS_IN_ALL:
            limit = f"{MAX_MARKS} outputs and tags, or {MAX_MARK_CHARS_IN_ALL} characters in them"
            raise TemplateError("template_limit", f"more than {limit}")
    return tuple(found)


def _check_size(source: str) -> None:
    try:
        size = len(source.encode())
    except UnicodeEncodeError:
        raise TemplateError("template_syntax", "the source is not valid Unicode") from None
    if size > MAX_SOURCE_BYTES:
        raise TemplateError("template_limit", f"larger than {MAX_SOURCE_BYTES} bytes")


def without_comments(source: str) -> str:
    """The source with comments replaced by spaces, so that their content is not read and all positions stay the same."""
    if "comment" not in source:
        return source
    pieces: list[str] = []
    position = 0
    for opening in _scan(source):
        if opening.tag == "comment":
            end = _content_end(source, opening)
            pieces += (source[position : opening.end], _NO_LINE_END.sub(" ", source[opening.end : end]))
            position = end
    return "".join((*pieces, source[position:]))


def _scan(source: str) -> Iterator[LiquidMark]:
    position = 0
    while start := _START.search(source, position):
        begin = start.start()
        closing = "}}" if start.group(1) == "{" else "%}"
        end = source.find(closing, start.end())
        if end < 0:
            raise TemplateError("template_syntax", f"an opening {start.group()} has no closing {closing}")
        mark = LiquidMark(begin, source[begin : end + 2])
        yield mark
        position = _content_end(source, mark) if mark.tag in _CONTENT_BLOCKS else mark.end


def _content_end(source: str, opening: LiquidMark) -> int:
    """The end of the content of a comment, doc or raw block. Comments may contain comments and raw blocks."""
    if opening.tag == "comment":
        return _comment_end(source, opening.end)
    found = _CONTENT_ENDS[opening.tag].search(source, opening.end)
    return found.start() if found else _unclosed(opening.tag)


def _comment_end(source: str, position: int) -> int:
    depth = 1
    while depth:
        start = source.find("{%", position)
        end = source.find("%}", start + 2)
        if start < 0 or end < 0:
            _unclosed("comment")
        position = end + 2
        match LiquidMark(start, source[start:position]).tag:
            case "comment":
                depth += 1
            case "endcomment":
                depth -= 1
            case "raw":
                ending = _CONTENT_ENDS["raw"].search(source, position)
                position = ending.end() if ending else _unclosed("raw")
    return start


def _unclosed(name: str) -> NoReturn:
    raise TemplateError("template_syntax", f"a '{name}' tag has no 'end{name}'")


def _check(mark: LiquidMark, more_tags: Collection[str]) -> None:
    name = mark.tag
    for line in mark.text.split("\n") if name == "liquid" else (mark.text,):
        if len(line) > MAX_MARK_CHARS:
            raise TemplateError("template_limit", f"an output or tag is longer than {MAX_MARK_CHARS} characters")
    if _BLANKS.search(mark.text):
        raise TemplateError("template_limit", f"an output or tag holds more than {MAX_MARK_BLANKS} blanks in a row")
    if mark.is_tag and name not in _TAG_WORDS and name not in more_tags:
        raise TemplateError("template_syntax", f"the tag '{name}' is not available")
