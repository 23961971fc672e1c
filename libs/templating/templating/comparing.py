"""How Liquid compares values: as its reference does, which is neither Python's way nor python-liquid's.

True equals only true (in Python also 1). Numbers compare with numbers and texts with texts; nil is never greater or
smaller than anything.
"""

from decimal import Decimal
from typing import Any

from liquid.exceptions import LiquidTypeError
from liquid.token import Token

from templating.markup_text import plain
from templating.stringify import text_of


class Incomparable(LiquidTypeError):
    """Which of the two is smaller, nobody can say."""


def truthy(value: object) -> bool:
    """Everything but false and nil."""
    return value is not None and value is not False


def equal(left: object, right: object) -> bool:
    match left, right:
        case (str(), str()):
            return plain(left) == plain(right)
        case (bool(), _) | (_, bool()):
            return left is right
        case (list() | tuple(), list() | tuple()):
            return len(left) == len(right) and all(map(equal, left, right))
        case (dict(), dict()):
            return left.keys() == right.keys() and all(equal(item, right[key]) for key, item in left.items())
        case _:
            return left == right


def less(left: object, right: object, token: Token, *, or_equal: bool = False) -> bool:
    """Whether left < right, or <=. Raises Incomparable when a number is compared with a text."""
    if not _comparable(left, right, token):
        return False
    return bool(_ordered(left) <= _ordered(right) if or_equal else _ordered(left) < _ordered(right))


def contains(left: object, right: object) -> bool:
    """Whether the text holds the text that `right` prints as, the list an item that equals it, the hash the key."""
    if not truthy(right):
        return False
    match left:
        case str():
            return plain(text_of(right)) in plain(left)
        case dict():
            return isinstance(right, str) and plain(right) in left
        case list() | tuple() | range():
            return any(equal(item, right) for item in left)
        case _:
            return False


def is_blank(value: object) -> bool:
    """Nil, false, and texts of blanks only; lists and hashes without items."""
    if isinstance(value, str):
        return not value or value.isspace()
    return not truthy(value) or is_empty(value)


def is_empty(value: object) -> bool:
    """Texts, lists and hashes without anything in them. Nil is not empty."""
    return isinstance(value, (str, list, tuple, dict)) and not value


def _comparable(left: object, right: object, token: Token) -> bool:
    kinds = (_kind(left), _kind(right))
    if set(kinds) == {"number", "text"}:
        raise Incomparable("a number cannot be compared with a text", token=token)
    return kinds[0] is not None and kinds[0] == kinds[1]


def _kind(value: object) -> str | None:
    match value:
        case bool():
            return None
        case int() | float() | Decimal():
            return "number"
        case str():
            return "text"
        case _:
            return None


def _ordered(value: object) -> Any:
    return plain(value) if isinstance(value, str) else value
