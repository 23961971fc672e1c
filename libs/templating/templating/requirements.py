"""Which variables a template cannot do without, and which of them a caller has not given.

A requirement is a dotted path (`order.id`), so that what is missing is named as the template names it. Not required:
what has `default` as its first filter, what is only tested, what is printed under its own test
(`{% if name %}{{ name }}{% endif %}`), loop variables, and assigned or captured names. Of a path with an index, or with
a list's `first`, `last` or `size`, what comes before that is required.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from liquid import Expression
from liquid.ast import BlockNode, Node
from liquid.builtin.expressions import BooleanExpression, FilteredExpression, Path
from liquid.builtin.expressions.logical import LogicalAndExpression
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.case_tag import CaseNode
from liquid.builtin.tags.for_tag import ForNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode

COMPUTED = frozenset({"size", "first", "last"})
"""What Liquid answers for lists and strings, without there being a key of that name."""

VariablePath = tuple[str, ...]


def lookup(variables: Mapping[str, object], path: VariablePath) -> object:
    """The value at the path, or None."""
    value: Any = variables
    try:
        for key in path:
            value = value[key]
    except (KeyError, TypeError, IndexError):
        return None
    return value


def missing(variables: Mapping[str, object], required: Iterable[VariablePath]) -> tuple[str, ...]:
    """The dotted names of the required variables that are absent or null, sorted."""
    absent = [path for path in required if lookup(variables, path) is None]
    return tuple(sorted(".".join(path) for path in absent)) if absent else ()


def required_paths(nodes: Iterable[Node]) -> frozenset[VariablePath]:
    """The paths that these nodes need."""
    finder = _Finder()
    finder.visit_all(nodes, frozenset())
    return frozenset(finder.required)


class _Finder:
    """One walk, in the order of the source. `known` holds the paths that need not be required at that point."""

    def __init__(self) -> None:
        self.required: set[VariablePath] = set()
        self._assigned: set[VariablePath] = set()

    def visit_all(self, nodes: Iterable[Node], known: frozenset[VariablePath]) -> None:
        for node in nodes:
            self._visit(node, known)

    def _visit(self, node: Node, known: frozenset[VariablePath]) -> None:
        match node:
            case OutputNode():
                self._use(node.expression, known)
            case AssignNode():
                self._use(node.expression, known)
                self._assigned.add((str(node.name),))
            case CaptureNode():
                self._visit_block(node.block, known)
                self._assigned.add((str(node.name),))
            case ForNode():
                self._use(node.expression, known)
                self._visit_block(node.block, known | {(str(node.expression.identifier),), ("forloop",)})
                self._visit_block(node.default, known)
            case IfNode() | UnlessNode():
                self._visit_branches(node, known)
            case CaseNode():
                for block in node.blocks:
                    self._visit_block(block if isinstance(block, BlockNode) else block.block, known)

    def _visit_branches(self, node: IfNode | UnlessNode, known: frozenset[VariablePath]) -> None:
        proven = known | _proven(node.condition)
        is_if = isinstance(node, IfNode)
        self._visit_block(node.consequence, proven if is_if else known)
        for alternative in node.alternatives:
            self._visit_block(alternative.block, known | _proven(alternative.expression))
        self._visit_block(node.default, known if is_if else proven)

    def _visit_block(self, block: BlockNode | None, known: frozenset[VariablePath]) -> None:
        if block is not None:
            self.visit_all(block.nodes, known)

    def _use(self, expression: Expression, known: frozenset[VariablePath]) -> None:
        match expression:
            case FilteredExpression(filters=[first, *_]) if first.name == "default":
                children = expression.children()[1:]
            case Path():
                self._require(_plain_beginning(expression), known)
                children = expression.children()
            case _:
                children = list(expression.children())
        for child in children:
            self._use(child, known)

    def _require(self, path: VariablePath, known: frozenset[VariablePath]) -> None:
        beginnings = {path[:length] for length in range(1, len(path) + 1)}
        if path and not beginnings & (known | self._assigned):
            self.required.add(path)


def _plain_beginning(path: Path) -> VariablePath:
    keys: list[str] = []
    for segment in path.path:
        if not isinstance(segment, str) or "." in segment or (keys and segment in COMPUTED):
            break
        keys.append(segment)
    return tuple(keys)


def _proven(condition: Expression) -> frozenset[VariablePath]:
    """The paths that certainly have a value where this condition holds."""
    match condition:
        case BooleanExpression():
            return _proven(condition.expression)
        case LogicalAndExpression():
            return _proven(condition.left) | _proven(condition.right)
        case Path():
            return frozenset({_plain_beginning(condition)} - {()})
        case _:
            return frozenset()
