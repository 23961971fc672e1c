"""Names that python-liquid's expressions take for words of the language, where Liquid's reference takes them for names.

`{{ order.limit }}`, `{{ offset }}` and `{{ nil.name }}` are lookups; only a loop knows `limit:` and `offset:`. So before
an expression is parsed such a name gets a letter more, which makes it an ordinary name, and loses it afterwards.
"""

import re
from collections.abc import Iterable, Iterator

from liquid import Expression
from liquid.ast import Node
from liquid.builtin.expressions import Identifier, Path
from liquid.token import TOKEN_EXPRESSION, TOKEN_TAG, Token

_MARK = "\ua7f7"  # a letter of Roman inscriptions
_LOOP_WORDS = "limit|offset|reversed|cols|continue|with|for|as|required|in"
_WORDS = rf"{_LOOP_WORDS}|contains|and|or|not|if|else|nil|null|true|false|empty|blank"
_STRINGS = r"""'[^']*'|"[^"]*\""""
_END = r"(?![\w?-])"
# In every expression: what follows a dot is a name, so is what a dot or bracket follows, and so is what an argument is
# set to (`limit: limit`), but for `continue`.
_NAMES = re.compile(
    rf"{_STRINGS}|(?<!\.)\.\s*(?:{_WORDS}){_END}"
    r"|(?<![\w.-])(?:nil|null|true|false|empty|blank)(?=\.(?!\.)|\[)"
    rf"|(?<=:)\s*(?:limit|offset|reversed|cols){_END}"
)
# In an expression that is no loop's: the words that only loops know.
_NO_LOOP_WORDS = re.compile(rf"{_STRINGS}|(?<![\w.-])(?:{_LOOP_WORDS}){_END}")
_LOOPS = frozenset({"for", "tablerow", "liquid"})


def as_names(tokens: Iterable[Token]) -> Iterator[Token]:
    """The tokens of a template, such names in their expressions marked."""
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
    """Take the marks from the names in this expression, but not in its children."""
    if isinstance(expression, Path):
        expression.path = [
            segment.removesuffix(_MARK) if isinstance(segment, str) else segment for segment in expression.path
        ]


def restore_node(node: Node) -> None:
    """Take the mark from the name that this tag assigns, captures or counts."""
    name = getattr(node, "name", None)
    if isinstance(name, Identifier) and name.endswith(_MARK):
        node.name = Identifier(name.removesuffix(_MARK), token=name.token)  # type: ignore[attr-defined]


def _marked(found: re.Match[str]) -> str:
    text = found.group()
    return text if text[0] in "'\"" else text + _MARK
