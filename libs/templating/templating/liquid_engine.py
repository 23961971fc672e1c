"""Liquid, reduced to what a message needs: no files, no includes, no clock, no way around escaping, bounded work."""

from functools import cache
from typing import ClassVar, TextIO

from liquid import Environment, Expression, RenderContext, Token, TokenStream
from liquid.ast import Node
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.for_tag import ForNode, ForTag
from liquid.exceptions import LiquidError, LiquidSyntaxError, ResourceLimitError
from liquid.token import TOKEN_CONTENT, TOKEN_ILLEGAL, TOKEN_OUTPUT

from templating.errors import TemplateError
from templating.limits import MAX_ITERATIONS, MAX_NESTING
from templating.markup import TAGS
from templating.metered import MeteredTemplate
from templating.values import Writer, html_text, plain_text

# Left out on purpose: safe and escapejs (ways around escaping), base64 and url_decode (hide what a value is), uniq (its
# time grows with the square of the list).
FILTERS = frozenset(
    {"abs", "at_least", "at_most", "ceil", "divided_by", "floor", "minus", "modulo", "plus", "round", "times"}
    | {"append", "capitalize", "downcase", "escape", "escape_once", "lstrip", "newline_to_br", "prepend", "remove"}
    | {"remove_first", "remove_last", "replace", "replace_first", "replace_last", "rstrip", "slice", "split", "squish"}
    | {"strip", "strip_html", "strip_newlines", "truncate", "truncatewords", "upcase", "url_encode"}
    | {"compact", "concat", "first", "join", "last", "map", "reverse", "size", "sort", "sort_natural", "sum", "where"}
    | {"date", "default"}
)


class WrittenOutput(OutputNode):
    """An output whose writer depends on where in the document it stands."""

    __slots__ = ("write",)

    def __init__(self, token: Token, expression: Expression) -> None:
        super().__init__(token, expression)
        self.write: Writer = plain_text

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(self.write(self.expression.evaluate(context)))


class OutputTag(Output):
    """Makes `{{ }}` a WrittenOutput."""

    node_class = WrittenOutput

    def parse(self, stream: TokenStream) -> OutputNode:
        node = super().parse(stream)
        if self.env.autoescape and isinstance(node, WrittenOutput):
            node.write = html_text
        return node


class BoundedRange(RangeLiteral):
    """A range that cannot be long: `reversed` copies it and `offset` walks it before Liquid's own limit applies."""

    def evaluate(self, context: RenderContext) -> range:
        numbers = super().evaluate(context)
        if numbers.stop - numbers.start > MAX_ITERATIONS:
            raise ResourceLimitError(f"a range is longer than {MAX_ITERATIONS}", token=self.token)
        return numbers


class BoundedForTag(ForTag):
    """A loop over a BoundedRange, where it is over a range."""

    def parse(self, stream: TokenStream) -> Node:
        node = super().parse(stream)
        if isinstance(node, ForNode) and isinstance(node.expression.iterable, RangeLiteral):
            numbers = node.expression.iterable
            node.expression.iterable = BoundedRange(numbers.token, numbers.start, numbers.stop)
        return node


class MessageEnvironment(Environment):
    """The tags and filters that templates may use, and Liquid's own limits."""

    block_nesting_limit: ClassVar[int] = MAX_NESTING
    context_depth_limit: ClassVar[int] = MAX_NESTING + 5
    loop_iteration_limit: ClassVar[int | None] = MAX_ITERATIONS
    template_class = MeteredTemplate

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.add_tag(OutputTag)
        self.add_tag(BoundedForTag)
        allowed = TAGS | {TOKEN_CONTENT, TOKEN_OUTPUT, TOKEN_ILLEGAL}
        self.tags = {name: tag for name, tag in self.tags.items() if name in allowed}
        self.filters = {name: function for name, function in self.filters.items() if name in FILTERS}


@cache
def environment(*, escape_html: bool) -> MessageEnvironment:
    """The one environment for HTML parts, or the one for plain parts."""
    return MessageEnvironment(autoescape=escape_html)


def parse(source: str, *, escape_html: bool) -> MeteredTemplate:
    """Parse a source that `find_markups` has accepted. Raises `template_syntax` or `template_limit`."""
    try:
        template = environment(escape_html=escape_html).from_string(source)
    except LiquidError as error:
        raise as_template_error(error, "template_syntax") from error
    assert isinstance(template, MeteredTemplate)  # noqa: S101 - what template_class promises
    return template


def as_template_error(error: LiquidError, code: str) -> TemplateError:
    """Liquid's error in our words: its message only, without the source lines that it quotes."""
    if isinstance(error, ResourceLimitError) or isinstance(error.__cause__, RecursionError):
        return TemplateError("template_limit", str(error.message))
    if code == "template_syntax" or type(error) is LiquidSyntaxError:  # not its subclasses: those are about values
        return TemplateError("template_syntax", str(error.message))
    # While rendering, Liquid's messages quote values, which belong in no log: name the place and the kind only.
    place = error.token.value if error.token is not None else "an expression"
    return TemplateError(code, f"'{place}' failed: {type(error).__name__}")
