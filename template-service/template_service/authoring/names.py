"""The names that a Liquid source uses and makes, and how to give them other names.

A snippet has names of its own. As its source is put into another one, they are renamed.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from liquid.ast import Node
from liquid.builtin.expressions import tokenize
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.decrement_tag import DecrementNode
from liquid.builtin.tags.for_tag import ForNode
from liquid.builtin.tags.increment_tag import IncrementNode
from liquid.builtin.tags.tablerow_tag import TablerowNode
from liquid.exceptions import LiquidSyntaxError
from liquid.token import (
    TOKEN_COLON,
    TOKEN_DOT,
    TOKEN_EXPRESSION,
    TOKEN_IDENTINDEX,
    TOKEN_IDENTSTRING,
    TOKEN_PIPE,
    TOKEN_RBRACKET,
    TOKEN_STRING,
    TOKEN_WORD,
    Token,
)

from templating.liquid_engine import parse
from templating.liquid_marks import LiquidMark, find_liquid
from templating.metered import all_nodes
from templating.requirements import needs_of
from templating.source import TemplateError

_NAME = re.compile(r"\w[\w-]*\??")
_TAG = re.compile(r"\s*(#|\w*)")
_NO_EXPRESSION = frozenset({"#", "comment", "doc", "raw"})
_IN_PATHS = frozenset({TOKEN_WORD, TOKEN_IDENTSTRING, TOKEN_IDENTINDEX, TOKEN_RBRACKET})
"""A bracket after one of these continues a path."""


@dataclass(frozen=True, slots=True)
class Names:
    """`made` are assigned, captured or counted; `always` are those of them that are certain to be. `loops` exist in loops
    only.
    """

    made: frozenset[str]
    always: frozenset[str]
    loops: frozenset[str]


def names_of(source: str) -> Names:
    """The names that the source makes. Raises TemplateError."""
    template = parse(source, escape_html=False)
    made: set[str] = set()
    loops: set[str] = set()
    for node in all_nodes(template):
        made |= _made(node)
        match node:
            case ForNode():
                loops |= {str(node.expression.identifier), "forloop"}
            case TablerowNode():
                loops |= {str(node.expression.identifier), "tablerowloop"}
    return Names(
        made=frozenset(made),
        always=frozenset(name for node in template.nodes for name in _made(node)),
        loops=frozenset(loops),
    )


def variables_of(source: str) -> frozenset[str]:
    """The caller's variables that the source uses, without what follows a dot. Raises TemplateError."""
    needs = needs_of(parse(source, escape_html=False).nodes)
    return frozenset(path[0] for path in needs.used | needs.optional)


def _made(node: Node) -> set[str]:
    match node:
        case AssignNode() | CaptureNode() | IncrementNode() | DecrementNode():
            return {str(node.name)}
    return set()


def renamed(source: str, to: Mapping[str, str]) -> str:
    """The source with other names. Raises TemplateError for a name that looks like a keyword."""
    for name in to:
        if not _NAME.fullmatch(name) or next(_tokens(name)).kind != TOKEN_WORD:
            raise TemplateError("template_syntax", f"'{name}' cannot be a name in a snippet")
    pieces: list[str] = []
    position = 0
    for mark in find_liquid(source):
        for offset, tag, expression in _expressions(mark):
            for start, length, name in _places(expression, tag, to):
                begin = mark.start + offset + start
                pieces += (source[position:begin], to[name])
                position = begin + length
    return "".join((*pieces, source[position:]))


def _expressions(mark: LiquidMark) -> Iterator[tuple[int, str, str]]:
    """The place of each expression in the mark, its tag, and its text."""
    inside = mark.text[2:-2]
    if not mark.is_tag:
        yield 2, "", inside
        return
    lines = inside.split("\n") if mark.tag == "liquid" else [inside]
    offset = 2
    for number, line in enumerate(lines):
        name = _TAG.match(line, 0 if number or mark.tag != "liquid" else line.find("liquid") + len("liquid"))
        if name and name.group(1) not in _NO_EXPRESSION:
            yield offset + name.end(), name.group(1), line[name.end() :]
        offset += len(line) + 1


def _tokens(expression: str) -> Iterator[Token]:
    return tokenize(expression, Token(TOKEN_EXPRESSION, expression, 0, expression))


def _places(expression: str, tag: str, names: Mapping[str, str]) -> Iterator[tuple[int, int, str]]:
    """Where these names are, with the length of the text there."""
    try:
        tokens = list(_tokens(expression))
    except LiquidSyntaxError:  # a comment among the lines of a `liquid` tag: anything else was refused before
        return
    for index, token in enumerate(tokens):
        if token.value not in names:
            continue
        before = tokens[index - 1].kind if index else ""
        after = tokens[index + 1].kind if index + 1 < len(tokens) else ""
        if token.kind == TOKEN_WORD:
            keyword = after == TOKEN_COLON and not (tag == "cycle" and index == 0)
            if before not in {TOKEN_DOT, TOKEN_PIPE} and not keyword:
                yield token.start_index, len(token.value), token.value
        elif token.kind == TOKEN_STRING and tag == "capture":
            yield token.start_index, len(token.value) + 2, token.value
        elif token.kind == TOKEN_IDENTSTRING and before not in _IN_PATHS:
            problem = f"write {token.value} instead of ['{token.value}'] in a snippet"
            raise TemplateError("template_syntax", problem)
