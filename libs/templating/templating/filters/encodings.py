"""Filters that encode and decode: HTML, URL, base64, JSON.

Decoded text is a value's text again, and is escaped where it is printed.
"""

import base64
import binascii
import json
import re
from decimal import Decimal
from math import isfinite
from urllib.parse import quote_plus, unquote_to_bytes

from liquid.exceptions import FilterArgumentError

from templating.markup_text import MarkupText, plain
from templating.stringify import text_of

_REFERENCES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
_SPECIAL = re.compile("[&<>\"']")
_SPECIAL_ONCE = re.compile(r"[<>\"']|&(?!(?:[a-zA-Z]+|#\d+);)")
_JSON_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def escape(value: object) -> str | None:
    return None if value is None else MarkupText(_SPECIAL.sub(_reference, plain(text_of(value))))


def escape_once(value: object) -> str:
    """Like `escape`, but escaped characters stay as they are."""
    return MarkupText(_SPECIAL_ONCE.sub(_reference, plain(text_of(value))))


def url_encode(value: object) -> str | None:
    return None if value is None else quote_plus(plain(text_of(value)))


def url_decode(value: object) -> str | None:
    return None if value is None else _decoded(unquote_to_bytes(plain(text_of(value)).replace("+", " ")))


def base64_encode(value: object) -> str:
    return base64.b64encode(plain(text_of(value)).encode()).decode()


def base64_url_safe_encode(value: object) -> str:
    return base64.urlsafe_b64encode(plain(text_of(value)).encode()).decode()


def base64_decode(value: object) -> str:
    return _decoded(_from_base64(plain(text_of(value))))


def base64_url_safe_decode(value: object) -> str:
    text = plain(text_of(value)).translate({ord("-"): "+", ord("_"): "/"})
    return _decoded(_from_base64(text + "=" * (-len(text) % 4)))


def to_json(value: object) -> str:
    """The value as JSON in which `<`, `>` and `&` are written as `\\u003c`, `\\u003e` and `\\u0026`."""
    return json.dumps(_jsonable(value), ensure_ascii=False, separators=(",", ":")).translate(_JSON_ESCAPES)


def _reference(found: re.Match[str]) -> str:
    return _REFERENCES[found.group()]


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FilterArgumentError("invalid base64", token=None) from None


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise FilterArgumentError("what was encoded is not text", token=None) from None


def _jsonable(value: object) -> object:
    match value:
        case None | bool() | int():
            return value
        case float() | Decimal():
            return float(value) if isfinite(value) else None
        case list() | tuple():
            return [_jsonable(item) for item in value]
        case dict():
            return {plain(text_of(key)): _jsonable(item) for key, item in value.items()}
        case _:
            return plain(text_of(value))
