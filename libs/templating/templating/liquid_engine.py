"""The Liquid reference, reduced to what a message needs: no files, no includes, no way around escaping, and bounded work."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import ClassVar

from liquid import Environment, Expression
from liquid.builtin.expressions import StringLiteral
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.exceptions import FilterArgumentError, LiquidError, LiquidSyntaxError, ResourceLimitError
from liquid.lex import _tokenize_template, compile_liquid_rules
from liquid.token import TOKEN_CONTENT, TOKEN_DOC, TOKEN_ILLEGAL, TOKEN_OUTPUT, Token

from templating.filters import FILTERS
from templating.liquid_marks import TAGS, without_comments
from templating.markup_text import literal_text
from templating.metered import MeteredTemplate, all_nodes
from templating.requirements import as_names, restore_expression, restore_node
from templating.semantics import EXPRESSIONS
from templating.source import MAX_ITERATIONS, MAX_NESTING, TemplateError
from templating.tags import OUR_TAGS, MarkupCapture, WrittenCycle, WrittenOutput
from templating.values import Incomparable, html_text

__all__ = ["MessageEnvironment", "WrittenOutput", "as_template_error", "environment", "parse"]

# python-liquid's own rules, with two corrections: a trailing line end is a token of its own, which a `-%}` removes; and the
# dash of the closing tag, not of the opening `raw`, removes whitespace after `endraw`.
_RULES = re.compile(
    compile_liquid_rules()
    .pattern.replace("|$)", r"|\Z)")
    .replace("(?P<rsr>", "(?P<rsr_opening>")
    .replace("(?P<rsr_e>", "(?P<rsr>"),
    re.DOTALL,
)
_LINE_END = re.compile(r"\r\n?|\n")
_PSEUDO_TAGS = frozenset({TOKEN_CONTENT, TOKEN_OUTPUT, TOKEN_ILLEGAL, TOKEN_DOC})


class MessageEnvironment(Environment):
    """The tags and filters that templates may use, and Liquid's own limits."""

    block_nesting_limit: ClassVar[int] = MAX_NESTING
    context_depth_limit: ClassVar[int] = MAX_NESTING + 5
    loop_iteration_limit: ClassVar[int | None] = MAX_ITERATIONS
    template_class = MeteredTemplate

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        for tag in OUR_TAGS:
            self.add_tag(tag)
        self.tags = {name: tag for name, tag in self.tags.items() if name in TAGS | _PSEUDO_TAGS}
        self.filters = dict(FILTERS)

    def tokenizer(self) -> Callable[[str], Iterator[Token]]:
        return lambda source: as_names(_tokenize_template(source, _RULES))

    def error(self, exc: type[LiquidError] | LiquidError, msg: str | None = None, token: Token | None = None) -> None:
        """Like python-liquid's, but an error at the end of an expression gets the position of that expression."""
        if isinstance(exc, LiquidError) and exc.token is not None and exc.token.start_index < 0:
            exc.token = token
        super().error(exc, msg, token)


@cache
def environment() -> MessageEnvironment:
    """The only environment. It does not escape: every node that prints a value has a writer."""
    return MessageEnvironment()


def parse(source: str, *, escape_html: bool) -> MeteredTemplate:
    """Parses a source that `find_liquid` has accepted. Raises `template_syntax` or `template_limit`."""
    try:
        template = environment().from_string(without_comments(source))
    except LiquidError as error:
        raise as_template_error(error, "template_syntax") from error
    assert isinstance(template, MeteredTemplate)  # noqa: S101 - what template_class promises
    for node in all_nodes(template):
        restore_node(node)
        for expression in node.expressions():
            _give_meaning(expression, escape_html=escape_html)
        if not escape_html:
            continue
        if isinstance(node, (WrittenOutput, WrittenCycle)):
            node.write = html_text
        elif isinstance(node, CaptureNode):
            node.__class__ = MarkupCapture
    return template


def _give_meaning(expression: Expression, *, escape_html: bool) -> None:
    restore_expression(expression)
    meant = EXPRESSIONS.get(type(expression))
    if meant is not None:
        expression.__class__ = meant
    elif escape_html and isinstance(expression, StringLiteral):
        expression.value = literal_text(expression.value)
    for child in expression.children():
        _give_meaning(child, escape_html=escape_html)


def as_template_error(error: LiquidError, code: str) -> TemplateError:
    """Converts Liquid's error: keeps its message and line, without the quoted source."""
    if isinstance(error, ResourceLimitError) or isinstance(error.__cause__, RecursionError):
        return TemplateError("template_limit", str(error.message))
    if code == "template_syntax" or type(error) is LiquidSyntaxError:  # but not its subclasses, which are about values
        return TemplateError("template_syntax", f"{line_of(error.token)}{error.message}")
    # While rendering, Liquid's messages quote values, which must not be logged: only the position and the kind are
    # reported. Our own messages quote none.
    place = error.token.value if error.token is not None else "an expression"
    reason = error.message if isinstance(error, (FilterArgumentError, Incomparable)) else type(error).__name__
    return TemplateError(code, f"{line_of(error.token)}'{place}' failed: {reason}")


def line_of(token: Token | None) -> str:
    """`line 3: ` as the beginning of a message; empty if the line is unknown."""
    if token is None or token.start_index < 0:
        return ""
    line_ends = _LINE_END.findall(token.source, 0, token.start_index)
    return f"line {len(line_ends) + 1}: "
