"""Rendering without Liquid, for the templates that need none of it: literals and `{{ a.b }}`.

The source is split once, when it is compiled; a render looks the values up, writes them and joins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path

from templating.errors import TemplateError
from templating.limits import MAX_OUTPUT_BYTES
from templating.liquid_engine import WrittenOutput
from templating.requirements import COMPUTED, VariablePath, lookup
from templating.values import Writer


@dataclass(frozen=True, slots=True)
class Hole:
    """Where a value goes: after `index` literals and holes, looked up at `path`."""

    index: int
    path: VariablePath
    write: Writer


@dataclass(frozen=True, slots=True)
class FastPart:
    """Equal to what Liquid renders for the same nodes; a test keeps it so."""

    pieces: tuple[str, ...]  # the literals, with "" where a hole is
    holes: tuple[Hole, ...]

    @classmethod
    def of(cls, nodes: Sequence[Node]) -> Self | None:
        """The fast form of these nodes, or None when they need Liquid."""
        pieces: list[str] = []
        holes: list[Hole] = []
        for index, node in enumerate(nodes):
            match node:
                case ContentNode():
                    pieces.append(node.text)
                case WrittenOutput(expression=FilteredExpression(left=Path() as path, filters=None | [])):
                    keys = _plain_keys(path)
                    if keys is None:
                        return None
                    pieces.append("")
                    holes.append(Hole(index, keys, node.write))
                case _:
                    return None
        return cls(tuple(pieces), tuple(holes))

    def render(self, variables: Mapping[str, object]) -> str:
        """Raises `template_limit` when the result is too large."""
        out = list(self.pieces)
        size = 0
        for hole in self.holes:
            text = hole.write(lookup(variables, hole.path))
            size += len(text)
            if size > MAX_OUTPUT_BYTES:
                raise TemplateError("template_limit", "the rendered text is too large")
            out[hole.index] = text
        return check_size("".join(out))


def check_size(text: str) -> str:
    """The text, when it is valid Unicode and not larger than Liquid itself would be allowed to write."""
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise TemplateError("template_render", "a value is not valid Unicode") from None
    if size > MAX_OUTPUT_BYTES:
        raise TemplateError("template_limit", "the rendered text is too large")
    return text


def _plain_keys(path: Path) -> VariablePath | None:
    keys = tuple(segment for segment in path.path if isinstance(segment, str))
    plain = len(keys) == len(path.path) and not COMPUTED.intersection(keys[1:])
    return keys if plain else None
