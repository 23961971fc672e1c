"""The items of a batch, each as its own text: what is wrong with one harms no other."""

import json
import re
from collections.abc import Iterator

import msgspec

from chassis.errors import BadRequest, Unprocessable

NOT_JSON = "The body is not valid JSON"
TOO_DEEP = "The body is nested too deeply"


class _Items(msgspec.Struct):
    notifications: list[msgspec.Raw]


_items = msgspec.json.Decoder(_Items)
_bare_items = msgspec.json.Decoder(list[msgspec.Raw])
_lenient = json.JSONDecoder()
_BLANKS = re.compile(r"[ \t\n\r]*")


def split_batch(raw: bytes) -> list[bytes]:
    """The items of `{"notifications": [...]}` or of a bare list; none of anything else.

    Raises BadRequest `invalid_json`, or Unprocessable for nesting that is too deep for anybody.
    """
    try:
        items = _bare_items.decode(raw) if raw.lstrip()[:1] == b"[" else _items.decode(raw).notifications
    except msgspec.ValidationError:
        return []
    except RecursionError:
        raise Unprocessable(TOO_DEEP) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _split_leniently(raw)
    return [bytes(item) for item in items]


def _split_leniently(raw: bytes) -> list[bytes]:
    """Where one item holds what many writers write and JSON has not (NaN, half a surrogate pair), the others are whole."""
    try:
        text = raw.decode()
        whole = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequest(NOT_JSON, code="invalid_json") from None
    at = 0
    if isinstance(whole, dict):
        at = {key: begin for key, begin, _ in _values(text, 0)}.get("notifications", 0)
        whole = whole.get("notifications")
    return [text[begin:end].encode() for _, begin, end in _values(text, at)] if isinstance(whole, list) else []


def _values(text: str, at: int) -> Iterator[tuple[object, int, int]]:
    """Of each value in the object or array at `at`, in valid JSON: its key, where it begins and where it ends."""
    at = _after_blanks(text, at)
    keyed, key = text[at] == "{", None
    while text[at := _after_blanks(text, at + 1)] not in "}]":
        if keyed:
            key, colon = _lenient.raw_decode(text, at)
            at = _after_blanks(text, _after_blanks(text, colon) + 1)
        _, end = _lenient.raw_decode(text, at)
        yield key, at, end
        at = _after_blanks(text, end)
        if text[at] != ",":
            return


def _after_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at
