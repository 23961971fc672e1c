"""JSON through orjson: some five times faster than the standard library on our answers and rows."""

from functools import cache
from typing import Literal
from uuid import UUID

import orjson
from pydantic import BaseModel

from chassis.json_values import JsonObject


def to_json(value: object) -> bytes:
    """Dataclasses, models, UUIDs and times included. Raises TypeError for what has no form in JSON."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z, default=_plain)


def to_json_text(value: object) -> str:
    """For a statement's parameter."""
    return to_json(value).decode()


def _plain(value: object) -> object:
    match value:
        case JsonObject():
            return orjson.Fragment(value.text)
        case BaseModel():
            return value.model_dump(mode=_mode_of(type(value)))
        case UUID():  # asyncpg gives a subclass of its own, and orjson takes the exact class only
            return str(value)
        case frozenset() | set():
            return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


@cache
def _mode_of(kind: type[BaseModel]) -> Literal["json", "python"]:
    """In "python" a JsonObject stays the text that came, and orjson writes the rest; but keys must be plain text then."""
    return "python" if any(field.annotation is JsonObject for field in kind.model_fields.values()) else "json"
