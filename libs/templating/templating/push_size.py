"""How large the text of a push can become, as far as the template alone tells."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from liquid import Expression
from liquid.ast import BlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import Filter, FilteredExpression, Literal, Nil, Path, StringLiteral
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode

from templating.compiler import CompiledTemplate, push_text_parts
from templating.expressions import FastPart
from templating.liquid_engine import WrittenOutput
from templating.parts import CompiledPart, LiquidPart
from templating.requirements import plain_beginning
from templating.source import MAX_PUSH_TEXT_BYTES

# How much larger a filter can make its value. The filters that are in none of these can make much of little.
_LARGER = dict.fromkeys(("upcase", "downcase", "capitalize"), 3) | dict.fromkeys(
    ("strip", "lstrip", "rstrip", "strip_newlines", "squish"), 1
)
_ADD_ARGUMENTS = frozenset({"append", "prepend", "default", "truncate", "truncatewords"})
_ELLIPSIS_BYTES = 3
_DIRECTIVE_BYTES = 100  # of a `%` in a date's format, at most
_NUMBER_BYTES = 40  # what a literal, `size` and the like print


@dataclass(frozen=True, slots=True)
class PushSize:
    """At most `literal` bytes, plus each variable's size times its number in `values`, all written as JSON."""

    literal: int
    values: Mapping[str, int]


class _Unbounded(Exception):
    pass


def push_size(template: CompiledTemplate) -> PushSize | None:
    """None: only a rendering can tell, because there are loops, assignments, or other filters.

    A text that is made from an e-mail's parts counts as the bytes that it is cut to.
    """
    title, body = push_text_parts(template.parts)
    bound = _Bound()
    try:
        for name in (title, "image", "link", *(("body",) if body == "body" else ())):
            if name in template.parts:
                bound.add_part(template.parts[name])
    except _Unbounded:
        return None
    made_from_email = body != "body" and body in template.parts
    return PushSize(bound.literal + (MAX_PUSH_TEXT_BYTES if made_from_email else 0), dict(bound.values))


def _bytes(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode(errors="replace"))


@dataclass(slots=True)
class _Bound:
    """Branches of a condition count together."""

    literal: int = 0
    values: Counter[str] = field(default_factory=Counter)

    def add_part(self, part: CompiledPart) -> None:
        match part.renderer:
            case FastPart(pieces=pieces, holes=holes):
                self.literal += _bytes("".join(pieces))
                self.values.update(".".join(hole.path) for hole in holes)
            case LiquidPart(template=template):
                self._nodes(template.nodes)
            case _:
                raise _Unbounded

    def _nodes(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            match node:
                case ContentNode():
                    self.literal += _bytes(node.text)
                case WrittenOutput():
                    self._output(node.expression)
                case IfNode() | UnlessNode():
                    for block in (node.consequence, *(one.block for one in node.alternatives), node.default):
                        self._block(block)
                case _:
                    raise _Unbounded

    def _block(self, block: BlockNode | None) -> None:
        if block is not None:
            self._nodes(block.nodes)

    def _output(self, expression: Expression) -> None:
        if not isinstance(expression, FilteredExpression):
            raise _Unbounded
        times = 1
        for applied in reversed(expression.filters or ()):
            times = self._filter(applied, times)
        self._value(expression.left, times)

    def _filter(self, applied: Filter, times: int) -> int:
        """Adds the arguments. Returns how often the value on its left counts. `times`: how often its result does."""
        if applied.name in _LARGER:
            return times * _LARGER[applied.name]
        if applied.name in _ADD_ARGUMENTS:
            self.literal += times * _ELLIPSIS_BYTES
            for argument in applied.args:
                self._value(argument.value, times)
        elif applied.name == "date" and applied.args and isinstance(pattern := applied.args[0].value, StringLiteral):
            self.literal += times * (_bytes(pattern.value) + pattern.value.count("%") * _DIRECTIVE_BYTES)
        else:
            raise _Unbounded
        return times

    def _value(self, expression: Expression, times: int) -> None:
        match expression:
            case StringLiteral():
                self.literal += times * _bytes(expression.value)
            case Literal() | Nil():
                self.literal += times * max(_NUMBER_BYTES, len(str(expression)))
            case Path():
                beginning = plain_beginning(expression)
                if not beginning:
                    raise _Unbounded
                self.literal += 0 if len(beginning) == len(expression.path) else times * _NUMBER_BYTES
                self.values[".".join(beginning)] += times
            case _:
                raise _Unbounded
