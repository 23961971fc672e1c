"""JSON through orjson: some five times faster than the standard library on our answers and rows."""

from uuid import UUID

import orjson
from pydantic import BaseModel


def to_json(value: object) -> bytes:
    """Dataclasses, models, UUIDs and times included. Raises TypeError for what has no form in JSON."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z, default=_plain)


def to_json_text(value: object) -> str:
    """For a statement's parameter."""
    return to_json(value).decode()


def _plain(value: object) -> object:
    match value:
        case BaseModel():
            return value.model_dump(mode="json")
        case UUID():  # asyncpg gives a subclass of its own, and orjson takes the exact class only
            return str(value)
        case frozenset() | set():
            return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
