"""How a variable's value becomes text: one set of writers for the fast path and for Liquid, so that they agree."""

import re
from collections.abc import Callable

from liquid.stringify import to_liquid_string
from markupsafe import Markup, escape

from templating.errors import TemplateError
from templating.limits import MAX_VALUE_CHARS
from templating.urls import guard_url

Writer = Callable[[object], str]

_SAFE_CSS = re.compile(r"[\w#%.,+\- ]*", re.ASCII)


def plain_text(value: object) -> str:
    """The value as Liquid prints it, not escaped. NUL is dropped: no mail or push transport carries it."""
    if isinstance(value, Markup):
        return str(value.unescape())
    if not isinstance(value, str):
        check_weight(value)
        value = to_liquid_string(value, autoescape=False)
    return value.replace("\0", "")


def html_text(value: object) -> str:
    """The value escaped for HTML text and quoted attributes (markupsafe: & < > " ' become references)."""
    if not isinstance(value, str):
        check_weight(value)
        value = to_liquid_string(value, autoescape=True)
    if "\0" in value:
        value = value.replace("\0", "")
    return escape(value)


def url_text(value: object) -> str:
    """The value escaped, where it begins a URL attribute: a scheme that could run code becomes `#`."""
    return escape(guard_url(plain_text(value)))


def css_text(value: object) -> str:
    """The value inside a style attribute: a word, colour or number, or nothing at all."""
    text = plain_text(value)
    return text if _SAFE_CSS.fullmatch(text) else ""


def weigh(value: object, limit: int = MAX_VALUE_CHARS) -> int:
    """About how many characters printing the value takes; counting stops once it is over the limit."""
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
            case list() | tuple():
                pending.extend(item[: limit + 1])
            case dict():
                pending.extend(item.keys())
                pending.extend(item.values())
            case range():
                total += max(item.stop - item.start, 0)
    return total


def check_weight(value: object, limit: int = MAX_VALUE_CHARS) -> int:
    """The value's weight. Raises `template_limit` when it is over the limit."""
    weight = weigh(value, limit)
    if weight > limit:
        raise TemplateError("template_limit", "a value is too large to print or to filter")
    return weight
