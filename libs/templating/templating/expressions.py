"""Checks expressions, and has the fast path for plain look-ups."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Self

from liquid import Expression
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import Filter, FilteredExpression, KeywordArgument, Literal, Nil, Path
from liquid.exceptions import FilterArgumentError

from templating.filters import FILTERS
from templating.liquid_engine import WrittenOutput, line_of
from templating.metered import MeteredContext, MeteredTemplate, all_nodes
from templating.requirements import COMPUTED, VariablePath, lookup
from templating.source import MAX_OUTPUT_BYTES, TemplateError
from templating.values import Writer

_PYTHON_NAME = re.compile(r"__\w+__")


def check_expressions(template: MeteredTemplate) -> None:
    """Raises `template_syntax` for filter calls that can never work, and for Python's own names (`x.__class__`)."""
    check = _Check(MeteredContext(template))
    for node in all_nodes(template):
        for expression in node.expressions():
            check.expression(expression)


class _Check:
    def __init__(self, context: MeteredContext) -> None:
        self._context = context  # the context in which literals are evaluated

    def expression(self, expression: Expression) -> None:
        match expression:
            case FilteredExpression():
                for applied in expression.filters or ():
                    self._filter(applied)
            case Path():
                if any(isinstance(segment, str) and _PYTHON_NAME.fullmatch(segment) for segment in expression.path):
                    raise TemplateError("template_syntax", "names like '__this__' are not available")
        for child in expression.children():
            self.expression(child)

    def _filter(self, applied: Filter) -> None:
        trouble = self._trouble(applied)
        if trouble is not None:
            raise TemplateError("template_syntax", f"{line_of(applied.token)}the filter '{applied.name}' {trouble}")

    def _trouble(self, applied: Filter) -> str | None:
        function = FILTERS.get(applied.name)
        if function is None:
            return "is not available"
        _, *parameters = signature(function).parameters.values()
        named = {parameter.name for parameter in parameters if parameter.kind is Parameter.KEYWORD_ONLY}
        for argument in applied.args:
            if isinstance(argument, KeywordArgument) and argument.name not in named:
                return f"takes no argument named '{argument.name}'"
        least, most = _arity(parameters)
        given = sum(not isinstance(argument, KeywordArgument) for argument in applied.args)
        if not least <= given <= most:
            return f"takes {_counted(least, most)}, and is given {given}"
        return self._never(applied)

    def _never(self, applied: Filter) -> str | None:
        """The filter's error for these arguments, if they are constant and every value on its left gives that error."""
        if not applied.args or not all(isinstance(argument.value, (Literal, Nil)) for argument in applied.args):
            return None
        complaint = None
        for left in _EXAMPLES:
            try:
                applied.evaluate(left, self._context)
            except FilterArgumentError as error:
                complaint = str(error.message)
            else:
                return None
        return f"cannot take these arguments: {complaint}"


# One value of each kind that a caller can send, except null: a filter that refuses them all refuses every value.
_EXAMPLES: tuple[object, ...] = ("text", "2026-03-05", 1, 1.5, True, [], ["a"], [{"a": 1}], {"a": 1})


def _arity(parameters: list[Parameter]) -> tuple[int, int]:
    positional = [parameter for parameter in parameters if parameter.kind is not Parameter.KEYWORD_ONLY]
    return sum(parameter.default is Parameter.empty for parameter in positional), len(positional)


def _counted(least: int, most: int) -> str:
    number = str(most) if least == most else f"{least} to {most}"
    return "no arguments" if not most else f"{number} argument{'s' if most > 1 else ''}"


# Renders without Liquid the templates that consist of literals and `{{ a.b }}`.
#
# The source is split once, when it is compiled. A render looks the values up and joins the pieces.


@dataclass(frozen=True, slots=True)
class Hole:
    """The position of a value: after `index` literals and holes, looked up at `path`."""

    index: int
    path: VariablePath
    write: Writer


@dataclass(frozen=True, slots=True)
class FastPart:
    """Renders exactly what Liquid renders for the same nodes. A test compares the two."""

    pieces: tuple[str, ...]  # the literals, with "" for every hole
    holes: tuple[Hole, ...]

    @classmethod
    def from_nodes(cls, nodes: Sequence[Node]) -> Self | None:
        """The fast form of these nodes, or None if they need Liquid."""
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
        """Raises `template_limit` if the result is too large."""
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
    """The text, if it is valid Unicode and not larger than Liquid itself may write."""
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
