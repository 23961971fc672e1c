"""JSON values as their caller wrote them: the order of the keys and every digit of the numbers.

orjson is fast and makes doubles of what it cannot hold; JSON text can say more than any reader keeps. So an object
travels and is stored as the text that came, is read exactly when somebody needs a value, and is refused, by the path of
the value, when it could not be read exactly.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any, NamedTuple

import orjson
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from chassis.fields import unkeepable

MAX_DEPTH = 32
MAX_DIGITS = 308  # of a whole number: as many as a double has places, beyond which orjson refuses it
MAX_PROBLEMS = 20


class Unkept(NamedTuple):
    """Stands for a value that cannot be kept exactly, and says why."""

    reason: str


class NotKept(ValueError):
    """`problems` names every value that cannot be kept exactly, by its path."""

    def __init__(self, problems: list[dict[str, str]]) -> None:
        super().__init__("some values cannot be kept exactly")
        self.problems = problems


class JsonObject(Mapping[str, Any]):
    """A JSON object: its text, and its values as Python has them, read when the first is asked for."""

    __slots__ = ("_text", "_values")

    def __init__(self, text: str | None = None, values: dict[str, Any] | None = None) -> None:
        """Of the two, one is enough."""
        self._text = text
        self._values = values

    @classmethod
    def empty(cls) -> "JsonObject":
        return cls("{}", {})

    @classmethod
    def read(cls, field: str, text: bytes, values: dict[str, Any], *, max_bytes: int) -> "JsonObject":
        """The object that came as `text`; `values` is what orjson made of it.

        When orjson, or the standard library with its blanks and escapes, would write the same bytes, nothing was lost: what
        most programs send costs a write and no second reading. Raises NotKept; paths begin with `field`.
        """
        if text.count(b"{") + text.count(b"[") > MAX_DEPTH:
            _refuse(problems_in(field, values, deepest_only=True))
        compact = orjson.dumps(values)
        if (compact != text and _SPACED.encode(values).encode() != text) or b"\\u0000" in text:
            values = read_exactly(text.decode())
            _refuse(problems_in(field, values))
        if len(text) > max_bytes:  # blanks and escapes may make it longer than what it says: then it is kept without
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
        return "JsonObject(...)"  # its values belong in no log

    @classmethod
    def _validated(cls, value: object) -> "JsonObject":
        match value:
            case JsonObject():
                return value
            case dict():
                return cls(values=value)
            case None | []:  # what PHP writes for an empty object, and what many write for none
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
    """As JSON, with numbers of any size, which orjson refuses."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_exactly(text: str) -> Any:
    """The value of valid JSON, not nested deeply; what Python cannot hold exactly is an `Unkept`."""
    return _EXACT.decode(text)


def problems_in(field: str, value: object, *, deepest_only: bool = False) -> list[dict[str, str]]:
    """Every part of `value` that cannot be kept, by its path below `field`, up to MAX_PROBLEMS."""
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
    """As an answer lists it. The path may hold what a caller sent as a key: half a surrogate pair cannot be answered."""
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
    except ArithmeticError:  # an exponent beyond all bounds
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
