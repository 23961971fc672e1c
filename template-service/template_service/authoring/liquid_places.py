"""Hides the Liquid of a source from parsers that know HTML, CSS or MJML only."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from templating.html_state import HtmlState, Mode, scan, with_output
from templating.liquid_marks import LiquidMark, find_liquid, without_comments

LIQUID_BLOCKS = frozenset({"if", "unless", "case", "for", "tablerow", "capture", "ifchanged"})
_NOT_LINE_END = re.compile(r"[^\r\n]")


@dataclass(frozen=True, slots=True)
class Place:
    """An output or tag, the HTML around it, and the number of Liquid blocks that it is inside of."""

    mark: LiquidMark
    state: HtmlState
    depth: int


def places(source: str) -> Iterator[Place]:
    """Raises TemplateError for Liquid that cannot be saved."""
    state = HtmlState()
    position = depth = 0
    for mark in find_liquid(source):
        state = scan(state, source[position : mark.start])
        if mark.tag.startswith("end"):
            depth -= mark.tag[3:] in LIQUID_BLOCKS
        yield Place(mark, state, depth)
        depth += mark.tag in LIQUID_BLOCKS
        if not mark.is_tag and state.mode is Mode.VALUE:
            state = with_output(state)
        position = mark.end


def masked(source: str, found: list[Place]) -> str:
    """The source with letters in place of outputs in attributes, and blanks in place of other Liquid. No position changes."""
    source = without_comments(source)
    pieces: list[str] = []
    position = 0
    for place in found:
        mark = place.mark
        in_value = place.state.mode is Mode.VALUE and not mark.is_tag
        pieces += (source[position : mark.start], _NOT_LINE_END.sub("x" if in_value else " ", mark.text))
        position = mark.end
    return "".join((*pieces, source[position:]))


@dataclass(slots=True)
class Placeholders:
    """Words that replace outputs and tags. `prefix` is a word that the source does not contain."""

    prefix: str
    texts: list[str] = field(default_factory=list)

    @classmethod
    def for_source(cls, source: str) -> "Placeholders":
        number = 0
        while f"lq{number}q" in source:
            number += 1
        return cls(f"lq{number}q")

    def for_text(self, text: str) -> str:
        self.texts.append(text)
        return f"{self.prefix}{len(self.texts) - 1}z"

    def hide(self, source: str) -> str:
        """The source with a placeholder for each of its outputs and tags."""
        pieces: list[str] = []
        position = 0
        for mark in find_liquid(source):
            pieces += (source[position : mark.start], self.for_text(mark.text))
            position = mark.end
        return "".join((*pieces, source[position:]))

    def restore(self, text: str) -> str:
        return re.sub(rf"{self.prefix}(\d+)z", lambda found: self.texts[int(found.group(1))], text)
