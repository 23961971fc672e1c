"""Converts values to text as the Liquid reference does, which is what Ruby prints.

A list prints its items one after another. Within a list, and where a filter needs text, lists and hashes print as Ruby
literals (`["a", nil]`, `{"a"=>1}`).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from math import isfinite, isnan
from typing import Any

from templating.markup_text import concat, plain

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\f": "\\f", "\v": "\\v"} | {
    "\b": "\\b",
    "\a": "\\a",
    "\x1b": "\\e",
}
_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f]|#(?=[{$@])')


def printed(value: object) -> str:
    """The value as an output prints it, not escaped. Nil prints nothing; lists have no brackets."""
    if isinstance(value, (list, tuple)):
        return concat(text_of(item) for item in flattened(value))
    return text_of(value)


def text_of(value: object) -> str:
    """The value as the text that filters work on. MarkupText stays MarkupText."""
    return value if isinstance(value, str) else _PRINTERS.get(type(value), str)(value)


def flattened(items: Iterable[object]) -> Iterator[object]:
    """The items, with those of nested lists at every depth."""
    pending = [iter(items)]
    while pending:
        for item in pending[-1]:
            if isinstance(item, (list, tuple)):
                pending.append(iter(item))
                break
            yield item
        else:
            pending.pop()


def _literal(value: object) -> str:
    if isinstance(value, str):
        return f'"{_ESCAPED.sub(_escape, plain(value))}"'
    return "nil" if value is None else text_of(value)


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    return _ESCAPES.get(character) or ("\\#" if character == "#" else f"\\x{ord(character):02X}")


def _float(value: float) -> str:
    if not isfinite(value):
        return "NaN" if isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    text = repr(value)
    return text if "e" not in text or "." in text else text.replace("e", ".0e")


def _list(items: Iterable[object]) -> str:
    return f"[{', '.join(map(_literal, items))}]"


def _hash(items: dict[object, object]) -> str:
    return "{" + ", ".join(f"{_literal(key)}=>{_literal(item)}" for key, item in items.items()) + "}"


_PRINTERS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "",
    bool: lambda value: "true" if value else "false",
    float: _float,
    Decimal: lambda value: format(value, "f"),
    range: lambda value: f"{value.start}..{value.stop - 1}",
    list: _list,
    tuple: _list,
    dict: _hash,
}
