"""Liquid's tags, if they print something or if python-liquid differs from the Liquid reference (docs/adr/0014).

A node that prints a value has a writer, which depends on its context in the document (`html_context.py`).
"""

from io import StringIO
from typing import TextIO

from liquid import Expression, RenderContext, Token, TokenStream
from liquid.builtin.expressions import Path, parse_identifier, parse_name
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.capture_tag import ENDCAPTUREBLOCK, CaptureNode, CaptureTag
from liquid.builtin.tags.cycle_tag import CycleNode, CycleTag
from liquid.builtin.tags.echo_tag import EchoTag
from liquid.builtin.tags.ifchanged_tag import IfChangedNode, IfChangedTag
from liquid.builtin.tags.tablerow_tag import TableRow, TablerowNode, TablerowTag
from liquid.exceptions import BreakLoop, ContinueLoop, LiquidInterrupt
from liquid.parser import get_parser
from liquid.token import TOKEN_STRING, TOKEN_TAG

from templating.filters.numbers import number
from templating.markup_text import MarkupText
from templating.semantics import RowLoop
from templating.values import Writer, plain_text, truthy


class WrittenOutput(OutputNode):
    """An output whose writer depends on its context in the document."""

    __slots__ = ("write",)

    def __init__(self, token: Token, expression: Expression) -> None:
        super().__init__(token, expression)
        self.write: Writer = plain_text

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(self.write(self.expression.evaluate(context)))


class OutputTag(Output):
    """Makes `{{ }}` a WrittenOutput."""

    node_class = WrittenOutput


class WrittenEchoTag(EchoTag):
    """Makes `{% echo %}` a WrittenOutput."""

    node_class = WrittenOutput  # type: ignore[assignment]


class WrittenCycle(CycleNode):
    """A cycle whose values are printed like outputs.

    Cycles with the same group name, or without one with the same literals, take turns together. A cycle of variables
    without a name is independent.
    """

    __slots__ = ("write",)

    def __init__(self, token: Token, group: Expression | None, args: list[Expression]) -> None:
        super().__init__(token, group, args)
        self.write: Writer = plain_text

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        turns: dict[object, int] = context.tag_namespace["cycles"]
        key = self._key(context)
        turn = turns.get(key, 0)
        turns[key] = 0 if turn + 1 >= len(self.args) else turn + 1
        value = self.args[turn].evaluate(context) if turn < len(self.args) else None
        return buffer.write(self.write(value))

    def _key(self, context: RenderContext) -> object:
        if self.group is not None:
            return ("group", repr(self.group.evaluate(context)))
        if any(isinstance(arg, Path) for arg in self.args):
            return id(self)
        return tuple(map(str, self.args))


class WrittenCycleTag(CycleTag):
    """Makes `{% cycle %}` a WrittenCycle."""

    node_class = WrittenCycle


class Capture(CaptureNode):
    """Keeps the captured text if a `break` or `continue` ends the capture early."""

    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        captured = context.get_buffer(buffer)
        try:
            self.block.render(context, captured)
        except LiquidInterrupt:
            self._assign(context, captured)
            raise
        self._assign(context, captured)
        return 0


class MarkupCapture(Capture):
    """A capture in an HTML part: the template's own markup in it stays markup."""

    __slots__ = ()

    def _assign(self, context: RenderContext, buf: StringIO) -> None:
        context.assign(self.name, MarkupText(buf.getvalue()))


class KeptCaptureTag(CaptureTag):
    """Makes `{% capture x %}` and `{% capture 'x' %}` a Capture."""

    node_class = Capture

    def parse(self, stream: TokenStream) -> CaptureNode:
        token = stream.eat(TOKEN_TAG)
        tokens = stream.into_inner(tag=token)
        name = (parse_name if tokens.current.kind == TOKEN_STRING else parse_identifier)(self.env, tokens)
        tokens.expect_eos()
        block = get_parser(self.env).parse_block(stream, ENDCAPTUREBLOCK)
        stream.expect(TOKEN_TAG, value=self.end)
        return self.node_class(token, name, block)


class IfChanged(IfChangedNode):
    """Prints the rendered text if a `break` or `continue` ends it early."""

    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        rendered = context.get_buffer(buffer)
        try:
            self.block.render(context, rendered)
        except LiquidInterrupt:
            self._print(rendered.getvalue(), context, buffer)
            raise
        return self._print(rendered.getvalue(), context, buffer)

    def _print(self, text: str, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(text) if context.ifchanged(text) else 0


class PrintingIfChangedTag(IfChangedTag):
    """Makes `{% ifchanged %}` an IfChanged."""

    node_class = IfChanged


class TableRowNode(TablerowNode):
    """Rows and cells as the reference prints them, also for a list without items."""

    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        if not truthy(self.expression.iterable.evaluate(context)):
            return 0
        items, length = self.expression.evaluate(context)
        columns = length if self.expression.cols is None else int(number(self.expression.cols.evaluate(context)))
        loop = TableRow(self.expression.identifier, items, length, columns)
        namespace: dict[str, object] = {"tablerowloop": loop}
        buffer.write('<tr class="row1">\n')
        with context.loop(namespace, loop):
            for item in loop:
                namespace[self.expression.identifier] = item
                if self._cell(context, buffer, loop):
                    break
        return buffer.write("</tr>\n")

    def _cell(self, context: RenderContext, buffer: TextIO, loop: TableRow) -> bool:
        """Whether the loop was left."""
        left = False
        buffer.write(f'<td class="col{loop.col}">')
        try:
            self.block.render(context, buffer)
        except BreakLoop:
            left = True
        except ContinueLoop:
            pass
        buffer.write("</td>")
        if loop.col_last and not loop.last and not left:
            buffer.write(f'</tr>\n<tr class="row{loop.row + 1}">')
        return left


class TableRowTag(TablerowTag):
    """Makes `{% tablerow %}` a TableRowNode."""

    node_class = TableRowNode

    def parse(self, stream: TokenStream) -> TablerowNode:
        node = super().parse(stream)
        node.expression.__class__ = RowLoop
        return node


OUR_TAGS = (OutputTag, WrittenEchoTag, WrittenCycleTag, KeptCaptureTag, PrintingIfChangedTag, TableRowTag)
