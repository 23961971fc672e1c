"""Hides the Liquid of a source from parsers that know HTML, CSS or MJML only."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from templating.html_state import HtmlState, Mode, scan, with_output
from templating.markup import Markup, find_markups, without_comments

LIQUID_BLOCKS = frozenset({"if", "unless", "case", "for", "tablerow", "capture", "ifchanged"})
_NOT_LINE_END = re.compile(r"[^\r\n]")


@dataclass(frozen=True, slots=True)
class Place:
    """A markup, the HTML around it, and the number of Liquid blocks that it is inside of."""

    markup: Markup
    state: HtmlState
    depth: int


def places(source: str) -> Iterator[Place]:
    """Raises TemplateError for Liquid that cannot be saved."""
    state = HtmlState()
    position = depth = 0
    for markup in find_markups(source):
        state = scan(state, source[position : markup.start])
        if markup.tag.startswith("end"):
            depth -= markup.tag[3:] in LIQUID_BLOCKS
        yield Place(markup, state, depth)
        depth += markup.tag in LIQUID_BLOCKS
        if not markup.is_tag and state.mode is Mode.VALUE:
            state = with_output(state)
        position = markup.end


def masked(source: str, found: list[Place]) -> str:
    """The source with letters in place of outputs in attributes, and blanks in place of other Liquid. No position changes."""
    source = without_comments(source)
    pieces: list[str] = []
    position = 0
    for place in found:
        markup = place.markup
        in_value = place.state.mode is Mode.VALUE and not markup.is_tag
        pieces += (source[position : markup.start], _NOT_LINE_END.sub("x" if in_value else " ", markup.text))
        position = markup.end
    return "".join((*pieces, source[position:]))


@dataclass(slots=True)
class Placeholders:
    """Words that replace markups. `prefix` is a word that the source does not contain."""

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
        """The source with a placeholder for each of its markups."""
        pieces: list[str] = []
        position = 0
        for markup in find_markups(source):
            pieces += (source[position : markup.start], self.for_text(markup.text))
            position = markup.end
        return "".join((*pieces, source[position:]))

    def restore(self, text: str) -> str:
        return re.sub(rf"{self.prefix}(\d+)z", lambda found: self.texts[int(found.group(1))], text)
