"""Counts the work of a Liquid render, and stops it at a limit.

python-liquid limits loop iterations and output, but not work. Sequential loops, a `when` that repeats a value, `replace`
and `join` in a row, or a sort inside a loop can multiply the work far below those limits.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from io import StringIO
from typing import Any, TextIO

from liquid import BoundTemplate, RenderContext, Token
from liquid.ast import Node
from liquid.builtin.tags.for_tag import ForLoop
from liquid.builtin.tags.tablerow_tag import TableRow
from liquid.exceptions import ResourceLimitError
from liquid.output import LimitedStringIO
from liquid.utils import ReadOnlyChainMap

from templating.filters import FILTERS, lists
from templating.markup_text import MarkupText, plain
from templating.source import MAX_FILTER_CHARS, MAX_OUTPUT_BYTES, MAX_STEPS, MAX_VALUE_CHARS
from templating.stringify import text_of
from templating.values import check_weight


class MeteredContext(RenderContext):
    """A render context with a budget of `MAX_STEPS`. One step is about the cost of rendering one node (2 microseconds)."""

    __slots__ = ("_steps",)

    def __init__(self, template: BoundTemplate, **options: Any) -> None:
        self._steps = 0
        super().__init__(template, **options)
        # Without python-liquid's own `now` and `today`: all names belong to the caller. Counters take precedence, as in the
        # reference.
        self.scope = ReadOnlyChainMap(self.locals, self.counters, self.globals)

    def spend(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise ResourceLimitError("the template does too much work", token=None)

    @property
    def disabled_tags(self) -> list[str]:
        """Every node calls this before it renders, so nodes are counted here. No tag is disabled."""
        self.spend(1)
        return []

    @disabled_tags.setter
    def disabled_tags(self, tags: list[str]) -> None:
        pass

    def get(self, path: list[object], *, token: Token | None, default: object = None) -> object:  # noqa: ARG002
        """The value at the path, or nil. A large value costs more: conditions search and compare it."""
        root, *segments = path
        value = self.scope.get(root) if isinstance(root, str) else None
        for segment in segments:
            value = self.get_item(value, segment)
        match value:
            case str():
                self.spend(len(value) >> 9)
            case list():
                self.spend(len(value) >> 4)
        return value

    def get_item(self, obj: object, key: object) -> object:
        """The object's value under the key. For objects without such keys: size, first and last."""
        if isinstance(key, str):
            key = plain(key)
        match obj:
            case dict() if isinstance(key, (str, int, float)) and key in obj:
                return obj[key]
            case list() | tuple() if isinstance(key, int) and not isinstance(key, bool):
                return obj[key] if -len(obj) <= key < len(obj) else None
            case ForLoop() | TableRow():
                return obj.get(str(key))
            case None | bool() | float() | Decimal():
                return None
        compute = _COMPUTED.get(key) if isinstance(key, str) else None
        return compute(obj) if compute is not None else None

    def parentloop(self) -> object:
        return next((loop for loop in reversed(self.loops) if isinstance(loop, ForLoop)), None)

    def assign(self, key: str, val: Any) -> None:
        self.spend(check_weight(val) >> 8)
        self.locals[key] = val

    def get_buffer(self, buf: TextIO | None = None) -> StringIO:
        """The buffer of a capture. Unlike Liquid's, it does not change line ends."""
        return _buffer(MAX_OUTPUT_BYTES - (buf.size if isinstance(buf, LimitedStringIO) else 0))

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        """The filter with limits on its input and its cost. Its output is limited where it is used next."""
        function = FILTERS[name]
        limit = MAX_FILTER_CHARS.get(name, MAX_VALUE_CHARS)
        forecast = _FORECASTS.get(name)

        def bounded(left: object, *args: object, **options: object) -> object:
            weight = check_weight([left, args, list(options.values())], limit)
            if forecast is not None and forecast(left, *args) > MAX_VALUE_CHARS:
                raise ResourceLimitError(f"'{name}' would make a value that is too large", token=token)
            self.spend(_PRICES.get(name, 1) * (1 + (weight >> (2 if isinstance(left, MarkupText) else 4))))
            return function(left, *args, **options)

        return bounded


class MeteredTemplate(BoundTemplate):
    """A template whose only names are the caller's variables."""

    context_class = MeteredContext

    def make_partial_namespace(self, partial: bool, render_args: Mapping[str, object]) -> Mapping[str, object]:
        del partial  # it would be visible to templates as a variable of that name
        return render_args

    def render_text(self, variables: Mapping[str, object]) -> str:
        """Like `render`, but without changes to line ends. Raises LiquidError, TemplateError, or the error of a filter."""
        buffer = _buffer(MAX_OUTPUT_BYTES)
        self.render_with_context(MeteredContext(self, globals=variables), buffer)
        return buffer.getvalue()


def _buffer(limit: int) -> StringIO:
    return LimitedStringIO(limit=limit, newline="")


def all_nodes(template: BoundTemplate) -> Iterator[Node]:
    """Every node of the template, in no particular order."""
    context = MeteredContext(template)  # children() would ask for it, but only includes use it, and there are none
    pending = list(template.nodes)
    while pending:
        node = pending.pop()
        yield node
        pending.extend(node.children(context))


def _replaced_length(left: object, old: object = "", new: object = "") -> int:
    text = plain(text_of(left))
    return len(text) + text.count(plain(text_of(old))) * len(text_of(new))


def _joined_length(left: object, separator: object = " ") -> int:
    items = sum(1 for _ in lists.items_of(left))
    return check_weight(left) + items * len(text_of(separator))


# Filters whose result can be as large as the product of their inputs, not only the sum.
_FORECASTS: dict[str, Callable[..., int]] = {"replace": _replaced_length, "join": _joined_length}
_PRICES = {"date": 8}  # in steps, for filters whose cost is higher than their number of characters
_COMPUTED: dict[str, Callable[[object], object]] = {"size": lists.size, "first": lists.first, "last": lists.last}
