"""JSON objects that keep the caller's text, and writing values as JSON text."""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from math import isfinite
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from chassis.fields import unkeepable

# JSON values as the caller wrote them: the order of the keys and every digit of the numbers are kept.
#
# orjson is fast, but it converts numbers that it cannot hold to doubles, and JSON text can express more than any parser
# keeps. So an object is passed on and stored as the received text. It is parsed exactly when a value is needed. If it
# cannot be parsed exactly, it is refused, and the error names the path of the value.

MAX_DEPTH = 32
MAX_DIGITS = 308  # of a whole number; a double has as many places, and orjson refuses longer numbers
MAX_PROBLEMS = 20


class Unkept(NamedTuple):
    """Takes the place of a value that cannot be kept exactly, and holds the reason."""

    reason: str


class NotKept(ValueError):
    """`problems` names the path of every value that cannot be kept exactly."""

    def __init__(self, problems: list[dict[str, str]]) -> None:
        super().__init__("some values cannot be kept exactly")
        self.problems = problems


class JsonObject(Mapping[str, Any]):
    """A JSON object: its text and its Python values. The values are parsed when the first one is read."""

    __slots__ = ("_text", "_values")

    def __init__(self, text: str | None = None, values: dict[str, Any] | None = None) -> None:
        """One of the two arguments is enough."""
        self._text = text
        self._values = values

    @classmethod
    def empty(cls) -> "JsonObject":
        return cls("{}", {})

    @classmethod
    def read(cls, field: str, text: bytes, values: dict[str, Any], *, max_bytes: int) -> "JsonObject":
        """The object received as `text`. `values` is what orjson parsed from it.

        If orjson, or the standard library with its spaces and escapes, writes the same bytes, nothing was lost. Most programs
        send such text, so the check costs one write and no second parse. Raises NotKept; its paths begin with `field`.
        """
        if text.count(b"{") + text.count(b"[") > MAX_DEPTH:
            _refuse(problems_in(field, values, deepest_only=True))
        compact = orjson.dumps(values)
        if (compact != text and _SPACED.encode(values).encode() != text) or b"\\u0000" in text:
            values = read_exactly(text.decode())
            _refuse(problems_in(field, values))
        if len(text) > max_bytes:  # perhaps because of spaces and escapes: the text is kept without them then
            text = written(values).encode()
            if len(text) > max_bytes:
                _refuse([problem(field, f"may have at most {max_bytes} bytes as JSON")])
        return cls(text.decode(), values)

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = written(self.values_as_dict)
        return self._text

    @property
    def values_as_dict(self) -> dict[str, Any]:
        if self._values is None:
            self._values = json.loads(self.text)
        return self._values

    def __getitem__(self, key: str) -> Any:
        return self.values_as_dict[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_as_dict)

    def __len__(self) -> int:
        return len(self.values_as_dict)

    def __repr__(self) -> str:
        return "JsonObject(...)"  # its values must not appear in logs

    @classmethod
    def _validated(cls, value: object) -> "JsonObject":
        match value:
            case JsonObject():
                return value
            case dict():
                return cls(values=value)
            case None | []:  # PHP writes [] for an empty object, and many clients write null for none
                return cls.empty()
        raise ValueError("must be a JSON object")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validated,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value.values_as_dict),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": True}


def written(value: object) -> str:
    """`value` as JSON. Unlike orjson, it accepts whole numbers of any size."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_exactly(text: str) -> Any:
    """The value of valid JSON that is not deeply nested. A value that Python cannot hold exactly becomes an `Unkept`."""
    return _EXACT.decode(text)


def problems_in(field: str, value: object, *, deepest_only: bool = False) -> list[dict[str, str]]:
    """Every part of `value` that cannot be kept, with its path below `field`, up to MAX_PROBLEMS."""
    found: list[dict[str, str]] = []
    waiting: list[tuple[str, object, int]] = [(field, value, 1)]
    while waiting and len(found) < MAX_PROBLEMS:
        path, part, depth = waiting.pop()
        if isinstance(part, dict | list) and depth > MAX_DEPTH:
            return [problem(field, f"may be nested at most {MAX_DEPTH} deep")]
        if not deepest_only and (reason := _unkept(part)):
            found.append(problem(path, reason))
        waiting += [(f"{path}.{key}", one, depth + 1) for key, one in reversed(_inside(part))]
    return found


def problem(path: str, message: str) -> dict[str, str]:
    """One problem as answers list it. The path may contain a caller's key with half a surrogate pair, which is replaced."""
    return {"field": path.encode(errors="replace").decode(), "message": message}


def _inside(part: object) -> Sequence[tuple[object, object]]:
    match part:
        case dict():
            return list(part.items())
        case list():
            return list(enumerate(part))
        case _:
            return ()


def _unkept(part: object) -> str | None:
    match part:
        case Unkept(reason):
            return reason
        case str():
            return unkeepable(part)
        case dict():
            return next((f"has a key that {reason}" for reason in map(unkeepable, part) if reason), None)
        case float() if not isfinite(part):
            return "must be a number that JSON knows"
        case int() if abs(part) >= 10**MAX_DIGITS:
            return f"may have at most {MAX_DIGITS} digits"
        case _:
            return None


def _refuse(problems: list[dict[str, str]]) -> None:
    if problems:
        raise NotKept(problems)


def _integer(text: str) -> int | Unkept:
    digits = len(text.removeprefix("-"))
    return int(text) if digits <= MAX_DIGITS else Unkept(f"may have at most {MAX_DIGITS} digits; send it as text")


def _number(text: str) -> float | Unkept:
    number = float(text)
    if not isfinite(number):
        return Unkept("is larger than a number can be; send it as text")
    if repr(number) == text:
        return number
    try:
        exact = Decimal(text) == Decimal(repr(number))
    except ArithmeticError:  # an exponent out of range
        exact = False
    return number if exact else Unkept("has more digits than a number can keep; send it as text")


def _constant(_text: str) -> Unkept:
    return Unkept("must be a number that JSON knows")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                found[key] = Unkept("is there twice")
            seen.add(key)
    return found


_EXACT = json.JSONDecoder(parse_int=_integer, parse_float=_number, parse_constant=_constant, object_pairs_hook=_object)
_SPACED = json.JSONEncoder()  # as `json.dumps` writes


def to_json(value: object) -> bytes:
    """Accepts dataclasses, models, UUIDs and times too. Raises TypeError for a type without a JSON form."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z, default=_plain)


def to_json_text(value: object) -> str:
    """JSON text for a statement's parameter."""
    return to_json(value).decode()


def _plain(value: object) -> object:
    match value:
        case JsonObject():
            return orjson.Fragment(value.text)
        case BaseModel():
            kept = _kept_as_text(type(value))
            return {**value.model_dump(mode="json", exclude=kept), **{name: getattr(value, name) for name in kept}}
        case UUID():  # asyncpg returns a subclass, and orjson accepts only the exact class
            return str(value)
        case frozenset() | set():
            return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


_KEPT = (JsonObject, JsonObject | None)


@cache
def _kept_as_text(kind: type[BaseModel]) -> set[str]:
    """Fields answered as the received text. Their values may be too large for orjson."""
    return {name for name, field in kind.model_fields.items() if field.annotation in _KEPT}
