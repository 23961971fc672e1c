"""Compares and converts values as the Liquid reference does.

True equals only true (in Python also 1). Numbers compare with numbers, and texts with texts. Nil is neither greater nor
smaller than anything.
"""

from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Any

from liquid.exceptions import LiquidTypeError
from liquid.token import Token
from markupsafe import escape

from templating import css, script
from templating.markup_text import MarkupText, kept_apart, plain
from templating.source import MAX_VALUE_CHARS, TemplateError
from templating.stringify import printed, text_of
from templating.urls import guard_url


class Incomparable(LiquidTypeError):
    """The two values have no order."""


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
    """Whether the text contains the text of `right`, the list an equal item, or the hash the key."""
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
    """Nil, false, and texts of whitespace; lists and hashes without items."""
    if isinstance(value, str):
        return not value or value.isspace()
    return not truthy(value) or is_empty(value)


def is_empty(value: object) -> bool:
    """Texts, lists and hashes without content. Nil is not empty."""
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


Writer = Callable[[object], str]


def plain_text(value: object) -> str:
    """The value as Liquid prints it, not escaped. NUL is dropped: no mail or push transport carries it."""
    if type(value) is not str:  # most values are plain text: this and `html_text` are the renderer's hot path
        value = plain(_printed(value))
    return value.replace("\0", "")


def html_text(value: object) -> str:
    """The value in an element's content, escaped (markupsafe: & < > " ' become references), except for the template's own
    markup in it.
    """
    if type(value) is not str:
        value = _printed(value)
        if isinstance(value, MarkupText):
            return value.as_html()
    return escape(value.replace("\0", "") if "\0" in value else value)


def attribute_text(value: object) -> str:
    """The value in a quoted attribute, in `<title>` or in a comment: completely escaped."""
    if type(value) is not str:
        value = _printed(value)
        if isinstance(value, MarkupText):
            return value.as_attribute()
    return html_text(value)


def captured_text(value: object) -> str:
    """The value in a `capture` of an HTML part. It is escaped later, when the capture is printed."""
    return kept_apart(_printed(value))


def url_text(value: object) -> str:
    """The escaped value at the beginning of a URL attribute. A scheme that could run code becomes `#`."""
    return escape(plain_url(value))


def url_writer(app_schemes: Collection[str]) -> Writer:
    """Like `url_text`, but allows these schemes of apps."""
    return lambda value: escape(guard_url(_read(value), app_schemes))


def plain_url(value: object) -> str:
    """Like `url_text`, but not escaped."""
    return guard_url(_read(value))


def css_text(value: object) -> str:
    """The value in a style attribute: a word, number, colour, font or picture. Empty if it is anything else."""
    return escape(css.safe_value(_read(value)))


def css_color_or_number(value: object) -> str:
    """The value in `<style>`: a colour or number. Empty if it is anything else."""
    return css.color_or_number(_read(value))


def css_url(value: object) -> str:
    """The value at the beginning of the address in `url(...)`. A scheme that could run code becomes `#`."""
    return escape(css.address(plain_url(value)))


def css_url_rest(value: object) -> str:
    """The value later in the address in `url(...)`."""
    return escape(css.address(_read(value)))


def css_string(value: object) -> str:
    """The value in a quoted string of a style attribute. Empty if it could end the string."""
    return escape(css.string(_read(value)))


def script_json(value: object) -> str:
    """The output of the `json` filter, in a script."""
    return script.safe_json(plain(_printed(value)))


def nothing(value: object) -> str:
    """For a value in a comment of a style attribute."""
    del value
    return ""


def _printed(value: object) -> str:
    if isinstance(value, str):
        return value
    check_weight(value)
    try:
        return printed(value)
    except RecursionError:
        raise TemplateError("template_limit", "a value is nested too deeply to print") from None


def _read(value: object) -> str:
    text = _printed(value)
    return (text.as_read() if isinstance(text, MarkupText) else text).replace("\0", "")


def weigh(value: object, limit: int = MAX_VALUE_CHARS) -> int:
    """The approximate number of characters of the printed value. Counting stops above the limit."""
    total = 0
    pending = [value]
    while pending and total <= limit:
        item = pending.pop()
        total += 1
        match item:
            case str():
                total += len(item)
            case int():
                total += item.bit_length() // 3
            case Decimal():
                total += abs(item.adjusted())
            case list() | tuple():
                pending.extend(item[: limit + 1])
            case dict():
                pending.extend(item.keys())
                pending.extend(item.values())
            case range():
                total += max(item.stop - item.start, 0)
    return total


def check_weight(value: object, limit: int = MAX_VALUE_CHARS) -> int:
    """Checks the value's weight. Raises `template_limit` above the limit."""
    weight = weigh(value, limit)
    if weight > limit:
        raise TemplateError("template_limit", "a value is too large to print or to filter")
    return weight
