"""Names that python-liquid's expressions take for words of the language, where Liquid's reference takes them for names.

`{{ order.limit }}`, `{{ offset }}` and `{{ nil.name }}` are lookups; only a loop knows `limit:` and `offset:`. So before
an expression is parsed, such a name is written as a lookup with a key: `order["limit"]`.
"""

import re
from collections.abc import Iterable, Iterator

from liquid.token import TOKEN_EXPRESSION, TOKEN_TAG, Token

_LOOP_WORDS = "limit|offset|reversed|cols|continue|with|for|as|required|in"
_WORDS = rf"{_LOOP_WORDS}|contains|and|or|not|if|else|nil|null|true|false|empty|blank"
_STRINGS = r"""'[^']*'|"[^"]*\""""
# In every expression: what follows a dot is a name, and so is what a dot or bracket follows.
# In loops too, what an argument is set to is a name (`limit: limit`), but for `continue`.
_NAMES = re.compile(
    rf"({_STRINGS})|(?<!\.)\.\s*({_WORDS})(?![\w?-])"
    r"|(?<![\w.-])(nil|null|true|false|empty|blank)(?=\.(?!\.)|\[)"
    r"|(?<=:)\s*(limit|offset|reversed|cols)(?![\w?-])"
)
# In an expression that is no loop's: the words that only loops know.
_NO_LOOP_WORDS = re.compile(rf"({_STRINGS})|(?<![\w.-])({_LOOP_WORDS})(?![\w?-])")
_LOOPS = frozenset({"for", "tablerow", "liquid"})


def as_names(tokens: Iterable[Token]) -> Iterator[Token]:
    """The tokens of a template, names in their expressions written so that python-liquid takes them for names."""
    tag = ""
    for token in tokens:
        if token.kind == TOKEN_EXPRESSION:
            expression = _NAMES.sub(_key, token.value)
            if tag not in _LOOPS:
                expression = _NO_LOOP_WORDS.sub(_key, expression)
            yield token._replace(value=expression)
        else:
            tag = token.value if token.kind == TOKEN_TAG else ""
            yield token


def _key(found: re.Match[str]) -> str:
    string, *names = found.groups()
    return string or next(f'["{name}"]' for name in names if name)
