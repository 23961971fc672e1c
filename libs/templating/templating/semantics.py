"""The meaning of expressions where python-liquid differs from the Liquid reference (docs/adr/0014).

python-liquid parses and creates its own classes, which cannot be configured. After parsing, expressions with another
meaning are replaced by our classes, as listed in `EXPRESSIONS`.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from liquid import Expression, RenderContext, Token
from liquid.builtin.expressions import LoopExpression, StringLiteral
from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import Blank, Empty, RangeLiteral
from liquid.builtin.tags.case_tag import _AnyExpression
from liquid.exceptions import ResourceLimitError

from templating.filters.numbers import integer, number
from templating.source import MAX_ITERATIONS
from templating.values import contains, equal, is_blank, is_empty, less


def _same(left: Expression, right: Expression, context: RenderContext) -> bool:
    """`blank` and `empty` are not values here, but tests of the other side."""
    if isinstance(left, (Blank, Empty)):
        left, right = right, left
    if isinstance(left, (Blank, Empty)):
        return False
    value = left.evaluate(context)
    match right:
        case Blank():
            return is_blank(value)
        case Empty():
            return is_empty(value)
        case _:
            return equal(value, right.evaluate(context))


def _less(left: Expression, right: Expression, context: RenderContext, token: Token, *, or_equal: bool) -> bool:
    if isinstance(left, (Blank, Empty)) or isinstance(right, (Blank, Empty)):
        return False
    return less(left.evaluate(context), right.evaluate(context), token, or_equal=or_equal)


class Eq(EqExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> bool:
        return _same(self.left, self.right, context)


class Ne(NeExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> bool:
        return not _same(self.left, self.right, context)


class Lt(LtExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> bool:
        return _less(self.left, self.right, context, self.token, or_equal=False)


class Gt(GtExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> bool:
        return _less(self.right, self.left, context, self.token, or_equal=False)


class Le(LeExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> bool:
        return _less(self.left, self.right, context, self.token, or_equal=True)


class Ge(GeExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> bool:
        return _less(self.right, self.left, context, self.token, or_equal=True)


class Contains(ContainsExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> bool:
        return contains(self.left.evaluate(context), self.right.evaluate(context))


class AnyOf(_AnyExpression):
    """The values that a `when` compares."""

    __slots__ = ()

    def evaluate(self, context: RenderContext) -> list[bool]:
        return [_same(self.left, right, context) for right in self.expressions]


class BlankText(Blank):
    """`blank` in the place of a value: an empty text."""

    __slots__ = ()

    def evaluate(self, _: RenderContext) -> str:  # type: ignore[override]
        return ""


class EmptyText(Empty):
    """`empty` in the place of a value: an empty text."""

    __slots__ = ()

    def evaluate(self, _: RenderContext) -> str:  # type: ignore[override]
        return ""


class BoundedRange(RangeLiteral):
    """A range of limited length: `reversed` copies it and `offset` walks it before Liquid's own limit applies."""

    __slots__ = ()

    def evaluate(self, context: RenderContext) -> range:
        start, stop = (int(number(side.evaluate(context))) for side in (self.start, self.stop))
        if stop - start >= MAX_ITERATIONS:
            raise ResourceLimitError(f"a range is longer than {MAX_ITERATIONS}", token=self.token)
        return range(start, stop + 1)


class Loop(LoopExpression):
    """The items of a `for` or `tablerow`: `limit` items from `offset`."""

    __slots__ = ()

    def evaluate(self, context: RenderContext) -> tuple[Iterator[object], int]:
        collection = self.iterable.evaluate(context)
        items, length = _items(collection)
        start = self._start(context)
        count = None if self.limit is None else self._count(self.limit.evaluate(context))
        stop = length if count is None else start + count
        if isinstance(collection, str):  # is one item, whatever part of it is requested
            start, stop = 0, length
        first = min(max(start, 0), length)
        last = max(min(stop, length), first)
        context.stopindex(self._key(), start + last - first)
        chosen = islice(items, first, last)
        return (reversed(list(chosen)) if self.reversed else chosen), last - first

    def _start(self, context: RenderContext) -> int:
        if self.offset is None:
            return 0
        if isinstance(self.offset, StringLiteral) and self.offset.value == "continue":
            return context.stopindex(self._key())
        return self._count(self.offset.evaluate(context)) or 0

    def _count(self, value: object) -> int | None:
        return None if value is None else integer(value)

    def _key(self) -> str:
        return f"{self.identifier}-{self.iterable}"


class RowLoop(Loop):
    """The items of a `tablerow`, for which a value that is no number is 0."""

    __slots__ = ()

    def _count(self, value: object) -> int | None:
        return int(number(value))


def _items(collection: object) -> tuple[Iterable[object], int]:
    match collection:
        case dict():
            return map(list, collection.items()), len(collection)
        case list() | tuple() | range():
            return collection, len(collection)
        case str() if collection:
            return (collection,), 1
        case _:
            return (), 0


EXPRESSIONS: Final[dict[type[Expression], type[Expression]]] = {
    EqExpression: Eq,
    NeExpression: Ne,
    LtExpression: Lt,
    GtExpression: Gt,
    LeExpression: Le,
    GeExpression: Ge,
    ContainsExpression: Contains,
    _AnyExpression: AnyOf,
    Blank: BlankText,
    Empty: EmptyText,
    RangeLiteral: BoundedRange,
    LoopExpression: Loop,
}
