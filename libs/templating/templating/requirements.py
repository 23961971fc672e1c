"""Determines a template's required variables, and protects names that python-liquid would read as keywords.

`{{ order.limit }}`, `{{ offset }}` and `{{ nil.name }}` are look-ups; `limit:` and `offset:` are keywords only in loops.
Before an expression is parsed, such a name gets an extra letter, which makes it an ordinary name. The letter is removed
afterwards.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from liquid import Expression
from liquid.ast import BlockNode, Node
from liquid.builtin.expressions import FilteredExpression, Identifier, LoopExpression, Path
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.case_tag import CaseNode
from liquid.builtin.tags.cycle_tag import CycleNode
from liquid.builtin.tags.decrement_tag import DecrementNode
from liquid.builtin.tags.for_tag import ForNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.ifchanged_tag import IfChangedNode
from liquid.builtin.tags.increment_tag import IncrementNode
from liquid.builtin.tags.liquid_tag import LiquidNode
from liquid.builtin.tags.tablerow_tag import TablerowNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.token import TOKEN_EXPRESSION, TOKEN_TAG, Token

_MARK = "\ua7f7"  # a letter from Roman inscriptions
_LOOP_WORDS = "limit|offset|reversed|cols|continue|with|for|as|required|in"
_WORDS = rf"{_LOOP_WORDS}|contains|and|or|not|if|else|nil|null|true|false|empty|blank"
_STRINGS = r"""'[^']*'|"[^"]*\""""
_END = r"(?![\w?-])"
# In every expression: the word after a dot, the word before a dot or bracket, and an argument's value (`limit: limit`) are
# names. The exception is `continue`.
_NAMES = re.compile(
    rf"{_STRINGS}|(?<!\.)\.\s*(?:{_WORDS}){_END}"
    r"|(?<![\w.-])(?:nil|null|true|false|empty|blank)(?=\.(?!\.)|\[)"
    rf"|(?<=:)\s*(?:limit|offset|reversed|cols){_END}"
)
# In expressions outside loops: the keywords that only loops have.
_NO_LOOP_WORDS = re.compile(rf"{_STRINGS}|(?<![\w.-])(?:{_LOOP_WORDS}){_END}")
_LOOPS = frozenset({"for", "tablerow", "liquid"})


def as_names(tokens: Iterable[Token]) -> Iterator[Token]:
    """The tokens of a template. Such names in their expressions are marked."""
    tag = ""
    for token in tokens:
        if token.kind == TOKEN_EXPRESSION:
            expression = _NAMES.sub(_marked, token.value)
            if tag not in _LOOPS:
                expression = _NO_LOOP_WORDS.sub(_marked, expression)
            yield token._replace(value=expression)
        else:
            tag = token.value if token.kind == TOKEN_TAG else ""
            yield token


def restore_expression(expression: Expression) -> None:
    """Removes the marks from the names in this expression, but not in its children."""
    if isinstance(expression, Path):
        expression.path = [
            segment.removesuffix(_MARK) if isinstance(segment, str) else segment for segment in expression.path
        ]


def restore_node(node: Node) -> None:
    """Removes the mark from the name that this tag assigns, captures or counts."""
    name = getattr(node, "name", None)
    if isinstance(name, Identifier) and name.endswith(_MARK):
        node.name = Identifier(name.removesuffix(_MARK), token=name.token)  # type: ignore[attr-defined]


def _marked(found: re.Match[str]) -> str:
    text = found.group()
    return text if text[0] in "'\"" else text + _MARK


# The variables that a template requires, and those of them that a caller has not given.
#
# A requirement is a dotted path (`order.id`), so that a missing variable has the same name as in the template. A variable
# is optional if the template tests it anywhere: in a condition, a `case`, a loop with `else`, or with a `default`. A test
# of a name is a test of everything below it. A test of an assigned or captured name is a test of the variables that it was
# made from. Loop variables and assigned names belong to the template. For a path with an index, or with a list's `first`,
# `last` or `size`, the part before it counts.

COMPUTED = frozenset({"size", "first", "last"})
"""What Liquid answers for lists and strings, without there being a key of that name."""

VariablePath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Needs:
    """The caller's variables that nodes use, and which of them are optional."""

    used: frozenset[VariablePath] = frozenset()
    optional: frozenset[VariablePath] = frozenset()

    def required(self, optional: frozenset[VariablePath]) -> frozenset[VariablePath]:
        """The used paths that are neither optional nor below an optional path."""
        return frozenset(
            path for path in self.used if not any(path[:length] in optional for length in range(1, len(path) + 1))
        )


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


def needs_of(nodes: Iterable[Node]) -> Needs:
    """The variables that these nodes need; they are a complete part."""
    finder = _Finder()
    finder.visit_all(nodes, frozenset())
    return Needs(frozenset(finder.used), frozenset(finder.optional))


@dataclass(slots=True)
class _Finder:
    """Walks the nodes once, in the order of the source. `own` are the names of the loops around a node."""

    used: set[VariablePath] = field(default_factory=set)
    optional: set[VariablePath] = field(default_factory=set)
    made_of: dict[str, set[VariablePath]] = field(default_factory=dict)
    """For each assigned or captured name, the caller's variables that it was made of."""

    def visit_all(self, nodes: Iterable[Node], own: frozenset[str]) -> None:
        for node in nodes:
            self._visit(node, own)

    def _visit(self, node: Node, own: frozenset[str]) -> None:
        match node:
            case OutputNode():
                self._use(node.expression, own)
            case CycleNode():
                for expression in node.expressions():
                    self._use(expression, own)
            case AssignNode():
                self._use(node.expression, own)
                self._make(str(node.name), self._paths(node.expression, own))
            case CaptureNode():
                self._capture(node, own)
            case IncrementNode() | DecrementNode():
                self._make(str(node.name), set())
            case _:
                self._visit_blocks(node, own)

    def _visit_blocks(self, node: Node, own: frozenset[str]) -> None:
        match node:
            case IfNode() | UnlessNode():
                self._visit_if(node, own)
            case CaseNode():
                self._visit_case(node, own)
            case ForNode():
                self._visit_loop(node.expression, node.block, own | {"forloop"}, asked=node.default is not None)
                self._visit_block(node.default, own)
            case TablerowNode():
                self._visit_loop(node.expression, node.block, own | {"tablerowloop"}, asked=False)
            case LiquidNode() | IfChangedNode():
                self._visit_block(node.block, own)

    def _visit_block(self, block: BlockNode | None, own: frozenset[str]) -> None:
        if block is not None:
            self.visit_all(block.nodes, own)

    def _visit_if(self, node: IfNode | UnlessNode, own: frozenset[str]) -> None:
        self._ask(node.condition, own)
        self._visit_block(node.consequence, own)
        for alternative in node.alternatives:
            self._ask(alternative.expression, own)
            self._visit_block(alternative.block, own)
        self._visit_block(node.default, own)

    def _visit_case(self, node: CaseNode, own: frozenset[str]) -> None:
        self._ask(node.expression, own)
        for block in node.blocks:
            if isinstance(block, BlockNode):
                self._visit_block(block, own)
            else:
                self._ask(block.expression, own)
                self._visit_block(block.block, own)

    def _visit_loop(self, loop: LoopExpression, block: BlockNode, own: frozenset[str], *, asked: bool) -> None:
        if asked:
            self._ask(loop.iterable, own)
        self._use(loop, own)
        self._visit_block(block, own | {str(loop.identifier)})

    def _capture(self, node: CaptureNode, own: frozenset[str]) -> None:
        inside = _Finder(made_of=self.made_of)
        inside.visit_all(node.block.nodes, own)
        self.used |= inside.used
        self.optional |= inside.optional
        self._make(str(node.name), inside.used)

    def _make(self, name: str, paths: set[VariablePath]) -> None:
        self.made_of.setdefault(name, set()).update(paths)

    def _use(self, expression: Expression, own: frozenset[str]) -> None:
        """A variable that is printed, assigned or iterated: required, unless it has a `default`."""
        match expression:
            case FilteredExpression(filters=filters) if filters:
                defaults = [index for index, applied in enumerate(filters) if applied.name == "default"]
                before = filters[: defaults[-1]] if defaults else []
                if defaults:
                    for child in (expression.left, *(child for applied in before for child in applied.children())):
                        self._ask(child, own)
            case Path():
                self.used |= self._paths_at(expression, own)
        for child in expression.children():
            self._use(child, own)

    def _ask(self, expression: Expression, own: frozenset[str]) -> None:
        """A variable that the template tests."""
        self.optional |= self._paths(expression, own)

    def _paths(self, expression: Expression, own: frozenset[str]) -> set[VariablePath]:
        """The caller's variables in the expression, including those that its assigned names were made from."""
        found = self._paths_at(expression, own, through=True) if isinstance(expression, Path) else set()
        return found.union(*(self._paths(child, own) for child in expression.children()))

    def _paths_at(self, path: Path, own: frozenset[str], *, through: bool = False) -> set[VariablePath]:
        beginning = plain_beginning(path)
        if not beginning or beginning[0] in own:
            return set()
        if beginning[0] in self.made_of:
            return self.made_of[beginning[0]] if through else set()
        return {beginning}


def plain_beginning(path: Path) -> VariablePath:
    keys: list[str] = []
    for segment in path.path:
        if not isinstance(segment, str) or "." in segment or (keys and segment in COMPUTED):
            break
        keys.append(segment)
    return tuple(keys)
