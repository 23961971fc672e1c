"""Reads the tags that name snippets, one by one: `{% render %}`, `{% layout %}`, `{% block %}`. python-liquid parses them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from liquid import Environment
from liquid.ast import Node
from liquid.builtin.expressions import StringLiteral
from liquid.builtin.tags.render_tag import RenderNode
from liquid.exceptions import LiquidError
from liquid.extra.tags.extends_tag import BlockNode, BlockTag, ExtendsNode, ExtendsTag

from templating.liquid_marks import LiquidMark, find_liquid
from templating.source import TemplateError

SNIPPET_TAGS = frozenset({"render", "layout", "block", "endblock"})


class LayoutTag(ExtendsTag):
    """python-liquid calls it `extends`. Shopify and LiquidJS call it `layout`."""

    name = "layout"


@cache
def _environment() -> Environment:
    """Parses single tags and renders nothing. It has no loader that reads files."""
    environment = Environment()
    environment.add_tag(LayoutTag)
    environment.add_tag(BlockTag)
    return environment


@dataclass(frozen=True, slots=True)
class Render:
    """`{% render 'row' for order.items as item, last: total %}`: `values` are sources, such as `total`.

    `bound` is the name of the item, or of the `with` value; "" if there is none.
    """

    snippet: str
    values: tuple[tuple[str, str], ...]
    bound: str = ""
    of: str = ""
    each: bool = False

    @property
    def names(self) -> frozenset[str]:
        """The names that the snippet gets, besides the caller's variables."""
        return frozenset({name for name, _ in self.values} | ({self.bound} if self.bound else set()))


def uses_snippets(source: str) -> bool:
    """Raises TemplateError."""
    return any(mark.tag in SNIPPET_TAGS for mark in find_liquid(source, SNIPPET_TAGS))


def snippets_named(source: str) -> frozenset[str]:
    """The snippets that the source names itself. Raises TemplateError."""
    return frozenset(_named(source))


def _named(source: str) -> Iterator[str]:
    for mark in find_liquid(source, SNIPPET_TAGS):
        match mark.tag:
            case "render":
                yield read_render(mark, source).snippet
            case "layout":
                yield read_layout(mark, source)


def read_render(mark: LiquidMark, source: str) -> Render:
    """Raises `template_syntax`, with the line."""
    node = _parsed(mark.text, mark, source)
    if not isinstance(node, RenderNode) or not isinstance(node.name, StringLiteral):
        raise syntax_error("write the snippet's name in quotes: {% render 'name' %}", mark, source)
    text, end = mark.text, len(mark.text) - (3 if mark.text.endswith("-%}") else 2)
    starts = [argument.token.start_index for argument in node.args]
    values = tuple(
        (argument.name, _value(text[start + len(argument.name) : stop]))
        for argument, start, stop in zip(node.args, starts, [*starts, end][1:], strict=True)
    )
    if node.var is None:
        return Render(node.name.value, values)
    stop = starts[0] if starts else end
    alias = node.alias
    if alias is not None:
        stop = alias.token.start_index
    of = text[node.var.token.start_index : stop].strip(" \t\r\n,")
    if alias is not None:
        of = of.removesuffix("as").rstrip()
    bound = str(alias) if alias is not None else node.name.value.split(".")[0]
    return Render(node.name.value, values, bound, of, each=node.loop)


def read_layout(mark: LiquidMark, source: str) -> str:
    """The layout's name. Raises `template_syntax`, with the line."""
    node = _parsed(mark.text, mark, source)
    return str(node.name) if isinstance(node, ExtendsNode) else ""


def read_block(opening: LiquidMark, closing: LiquidMark, source: str) -> tuple[str, bool]:
    """The block's name, and whether it is `required`. Raises `template_syntax`, with the line."""
    node = _parsed(opening.text + closing.text, opening, source)
    return (str(node.name), node.required) if isinstance(node, BlockNode) else ("", False)


def syntax_error(problem: str, mark: LiquidMark, source: str) -> TemplateError:
    line = source.count("\n", 0, mark.start) + 1
    return TemplateError("template_syntax", f"line {line}: {problem}")


def _parsed(text: str, mark: LiquidMark, source: str) -> Node:
    try:
        return _environment().from_string(text).nodes[0]
    except LiquidError as error:
        raise syntax_error(str(error.message), mark, source) from error


def _value(text: str) -> str:
    """From `: order.id, `."""
    return text.strip().removeprefix(":").strip(" \t\r\n,")
