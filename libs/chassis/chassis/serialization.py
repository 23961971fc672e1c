"""JSON through orjson: some five times faster than the standard library on our answers and rows."""

from functools import cache
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
            kept = _kept_as_text(type(value))
            return {**value.model_dump(mode="json", exclude=kept), **{name: getattr(value, name) for name in kept}}
        case UUID():  # asyncpg gives a subclass of its own, and orjson takes the exact class only
            return str(value)
        case frozenset() | set():
            return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


@cache
def _kept_as_text(kind: type[BaseModel]) -> set[str]:
    """The fields that are answered as the text that came; as values they may be too large for orjson."""
    return {name for name, field in kind.model_fields.items() if field.annotation is JsonObject}
