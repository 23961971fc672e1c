"""What expressions may not say, although Liquid's grammar allows it. Found on save, not when a message is sent."""

from collections.abc import Iterator

from liquid import Expression
from liquid.builtin.expressions import FilteredExpression, LoopExpression, Path
from liquid.builtin.expressions.primitive import RangeLiteral

from templating.errors import TemplateError
from templating.liquid_engine import FILTERS, BoundedRange
from templating.metered import MeteredTemplate, all_nodes


def check_expressions(template: MeteredTemplate) -> None:
    """Raises `template_syntax` for unknown filters, ranges outside `for`, and Python's own names (`x.__class__`)."""
    for node in all_nodes(template):
        for expression in node.expressions():
            _check(expression)


def _check(expression: Expression) -> None:
    match expression:
        case FilteredExpression():
            for applied in expression.filters or ():
                if applied.name not in FILTERS:
                    raise TemplateError("template_syntax", f"the filter '{applied.name}' is not available")
        case Path():
            if any(isinstance(segment, str) and segment.startswith("__") for segment in expression.path):
                raise TemplateError("template_syntax", "names that begin with two underscores are not available")
        case RangeLiteral():
            raise TemplateError("template_syntax", "a range can only be what a 'for' loops over")
    for child in _children(expression):
        _check(child)


def _children(expression: Expression) -> Iterator[Expression]:
    for child in expression.children():
        if isinstance(expression, LoopExpression) and isinstance(child, BoundedRange):
            yield from child.children()
        else:
            yield child
