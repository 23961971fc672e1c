"""Puts a source into its layout: `{% layout 'base' %}`, whose `{% block name %}`s it fills.

As in python-liquid and LiquidJS: a block that is not filled keeps its content, `{{ block.super }}` is the layout's own, and a
layout may have a layout. The text outside of blocks fills the block `content`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from template_service.authoring.liquid_places import LIQUID_BLOCKS
from template_service.authoring.snippet_tags import SNIPPET_TAGS, read_block, read_layout, syntax_error
from template_service.authoring.whitespace import without_dashes
from templating.liquid_marks import LiquidMark, find_liquid, without_comments
from templating.source import MAX_NESTING, MAX_SOURCE_BYTES, TemplateError

MAX_LAYOUTS = 5
CONTENT = "content"
_ENDS = frozenset(f"end{name}" for name in LIQUID_BLOCKS)
_SUPER = re.compile(r"\{\{-?\s*block\.super\s*-?\}\}")


class _Super(Enum):
    SUPER = "block.super"


@dataclass(frozen=True, slots=True)
class Block:
    name: str
    pieces: "tuple[Piece, ...]"
    required: bool = False


Piece = str | Block | _Super


@dataclass(slots=True)
class Document:
    """A source, in pieces. `blocks` are all of its blocks, wherever they are."""

    layout: str = ""
    pieces: tuple[Piece, ...] = ()
    blocks: dict[str, Block] = field(default_factory=dict)

    @property
    def filled(self) -> set[str]:
        """The top-level blocks, which fill blocks of the layout."""
        return {piece.name for piece in self.pieces if isinstance(piece, Block)}

    @property
    def outside(self) -> str:
        """The text outside of blocks; "" if it is only comments."""
        text = "".join(piece for piece in self.pieces if isinstance(piece, str)).strip()
        return "" if _is_comment(text) else text


def _is_comment(text: str) -> bool:
    """Whether it is only comments and blanks."""
    said = without_comments(text)
    for mark in find_liquid(text, SNIPPET_TAGS):
        if mark.tag in {"comment", "endcomment", "#"}:
            said = said.replace(mark.text, "")
    return not said.strip()


def include_cycle(names: Sequence[str], name: str) -> str:
    """The names from `name`, which is among `names`, back to it."""
    return " → ".join((*names[names.index(name) :], name))


def in_layout(source: str, load: Callable[[str], str]) -> str:
    """The source in its layout, without layout and block tags. `load` returns a layout's source. Raises TemplateError."""
    documents = [read(without_dashes(source))]
    names: list[str] = []
    while name := documents[-1].layout:
        if name in names:
            raise TemplateError(
                "template_syntax", f"the layout '{name}' is its own layout: {include_cycle(names, name)}"
            )
        if len(names) == MAX_LAYOUTS:
            raise TemplateError("template_limit", f"more than {MAX_LAYOUTS} layouts in one another")
        names.append(name)
        documents.append(read(without_dashes(load(name))))
    for index, name in enumerate(names):
        _fill_content(documents[index])
        offered = {block for layout in documents[index + 1 :] for block in layout.blocks}
        if unknown := documents[index].filled - offered:
            has = ", ".join(sorted(offered)) or "none"
            raise TemplateError("template_syntax", f"the layout '{name}' has no block '{min(unknown)}'; it has: {has}")
    return "".join(_Writer(documents).write(documents[-1].pieces, ()))


def _fill_content(document: Document) -> None:
    if not document.outside:
        return
    if CONTENT in document.blocks:
        raise TemplateError("template_syntax", "text stands outside of the blocks, beside a block 'content'")
    document.blocks[CONTENT] = content = Block(CONTENT, (document.outside,))
    document.pieces = (*(piece for piece in document.pieces if not isinstance(piece, str)), content)


@dataclass(slots=True)
class _Writer:
    documents: Sequence[Document]
    """The template first, its outermost layout last."""
    size: int = 0
    open_blocks: set[str] = field(default_factory=set)

    def write(self, pieces: Sequence[Piece], above: Sequence[Block]) -> Iterator[str]:
        """`above` are the blocks that `block.super` means, the closest first."""
        for piece in pieces:
            self.size += 1 + (len(piece) if isinstance(piece, str) else 0)
            if self.size > MAX_SOURCE_BYTES:
                raise TemplateError("template_limit", f"larger than {MAX_SOURCE_BYTES} bytes in its layout")
            match piece:
                case str():
                    yield piece
                case Block():
                    yield from self._block(piece.name)
                case _Super.SUPER if above:
                    yield from self.write(above[0].pieces, above[1:])

    def _block(self, name: str) -> Iterator[str]:
        if name in self.open_blocks:
            raise TemplateError("template_syntax", f"the block '{name}' contains itself")
        if len(self.open_blocks) == MAX_NESTING:
            raise TemplateError("template_limit", f"more than {MAX_NESTING} blocks in one another")
        block, *above = (document.blocks[name] for document in self.documents if name in document.blocks)
        if block.required:
            raise TemplateError("template_syntax", f"the block '{name}' of the layout must be filled")
        self.open_blocks.add(name)
        yield from self.write(block.pieces, above)
        self.open_blocks.remove(name)


@dataclass(slots=True)
class _Open:
    """A block whose end was not found yet. `depth` counts the Liquid blocks that it is in."""

    mark: LiquidMark | None
    depth: int
    pieces: list[Piece] = field(default_factory=list)


def read(source: str) -> Document:
    """Raises `template_syntax`, with the line."""
    document = Document()
    stack = [_Open(None, 0)]
    position = depth = 0
    for mark in find_liquid(source, SNIPPET_TAGS):
        innermost = stack[-1]
        if not _is_ours(mark, inside=len(stack) > 1):
            depth += mark.tag in LIQUID_BLOCKS
            depth -= mark.tag in _ENDS
            continue
        innermost.pieces.append(source[position : mark.start])
        position = mark.end
        match mark.tag:
            case "layout":
                _begin(document, mark, source)
                innermost.pieces.clear()
            case "block":
                if document.layout and depth:
                    raise syntax_error("a block that fills a layout cannot be inside another tag", mark, source)
                stack.append(_Open(mark, depth))
            case "endblock":
                _close(stack, mark, depth, document, source)
            case _:
                innermost.pieces.append(_Super.SUPER)
    if (unclosed := stack[-1].mark) is not None:
        raise syntax_error("a 'block' tag has no 'endblock'", unclosed, source)
    document.pieces = (*stack[0].pieces, source[position:])
    return document


def _begin(document: Document, mark: LiquidMark, source: str) -> None:
    if document.layout or not _is_comment(source[: mark.start]):
        raise syntax_error("{% layout %} comes first, and once", mark, source)
    document.layout = read_layout(mark, source)


def _is_ours(mark: LiquidMark, *, inside: bool) -> bool:
    return mark.tag in SNIPPET_TAGS - {"render"} or (inside and _SUPER.fullmatch(mark.text) is not None)


def _close(stack: list[_Open], mark: LiquidMark, depth: int, document: Document, source: str) -> None:
    ended = stack.pop()
    if ended.mark is None:
        raise syntax_error("an 'endblock' without a 'block'", mark, source)
    if ended.depth != depth:
        raise syntax_error("a block and another tag overlap", mark, source)
    name, required = read_block(ended.mark, mark, source)
    if name in document.blocks:
        raise syntax_error(f"there are two blocks '{name}'", ended.mark, source)
    document.blocks[name] = block = Block(name, tuple(ended.pieces), required)
    stack[-1].pieces.append(block)
