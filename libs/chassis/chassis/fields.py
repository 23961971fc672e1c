"""Field types that several services share, and the check for text that a database can store."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Strict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

# The kinds of fields in the requests of every service: text that can be stored, and times within a sensible range.
#
# Text that PostgreSQL or JSON cannot store is refused in the request, as a 422 that names the field. `plain_message` turns
# pydantic's messages into ours.

# The range of times in requests. Times beyond it have no meaning here, and arithmetic (offsets, a day before) may overflow.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

WRITTEN = "must be a date and a time with its offset from UTC, such as 2026-12-01T09:00:00+01:00"
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?", re.ASCII)
_UNESCAPED_PLUS = re.compile(rf"({_LOCAL.pattern}) (\d\d:?\d\d)", re.ASCII)

_PROSE = (
    (re.compile(r"^(?:Value error|Assertion failed), "), ""),
    (re.compile(r"a valid dictionary( or .*)?$"), "an object"),
    # pydantic's messages about text whose length is checked after our validator, about secrets, lists, tuples and sets.
    (re.compile(r"^Value should have at (least|most) (\d+) items? after validation.*"), r"Length should be at \1 \2"),
    (re.compile(r" after validation, not .*$"), ""),
)


def unkeepable(text: str) -> str | None:
    """The reason why PostgreSQL or a JSON answer cannot hold `text` (NUL, half a surrogate pair), or None."""
    if "\0" in text:
        return "must not contain the NUL character (U+0000)"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "must be valid Unicode, without unpaired surrogates"
    return None


def storable(text: str) -> str:
    """The text itself. Raises ValueError for text that cannot be stored."""
    if problem := unkeepable(text):
        raise ValueError(problem)
    return text


def _with_offset(value: object) -> object:
    """A time without an offset is UTC: the callback's examples have none. A space is a `+` that a query string decoded."""
    if not isinstance(value, str):
        return value
    if _LOCAL.fullmatch(value):
        return f"{value}Z"
    lost = _UNESCAPED_PLUS.fullmatch(value)
    return f"{lost[1]}+{lost[lost.lastindex or 0]}" if lost else value


def _with_time(value: object) -> object:
    """A date means its first moment, in UTC."""
    return f"{value}T00:00:00Z" if isinstance(value, str) and _DATE.fullmatch(value) else _with_offset(value)


def _described_as(expected: str) -> Callable[[object, ValidatorFunctionWrapHandler], datetime]:
    """Reports the expected form, instead of pydantic's detailed parser message.

    A number is refused, also as text: pydantic would guess whether it counts seconds or milliseconds.
    """

    def read(value: object, parse: ValidatorFunctionWrapHandler) -> datetime:
        if not isinstance(value, datetime) and not (isinstance(value, str) and _DATE.match(value)):
            raise ValueError(expected)
        try:
            moment: datetime = parse(value)
        except ValidationError:
            raise ValueError(expected) from None
        return moment

    return read


def _bounded(moment: datetime) -> datetime:
    """The time in UTC. The range is checked first: the last hours of the year 9999 in other zones do not exist in UTC."""
    if not EARLIEST <= moment < LATEST:
        raise ValueError(f"must lie between the years {EARLIEST.year} and {LATEST.year}")
    return moment.astimezone(UTC)


def plain_message(message: str) -> str:
    """pydantic's message without the parts that only concern the author of the model."""
    for prose, instead in _PROSE:
        message = prose.sub(instead, message)
    return message


def _number(value: object) -> object:
    if isinstance(value, str | bool):
        raise ValueError("must be a whole number")  # noqa: TRY004 - pydantic reports ValueError
    return value


Text = Annotated[str, AfterValidator(storable)]
# For JSON bodies. pydantic alone would also accept "5" and true as numbers, and 0 and "no" as false.
# With bounds: Annotated[int, Field(ge=1), ONLY_NUMBERS], in this order, otherwise the bounds are not in the JSON Schema.
ONLY_NUMBERS = BeforeValidator(_number)
TrueOrFalse = Annotated[bool, Strict()]
Instant = Annotated[
    AwareDatetime, WrapValidator(_described_as(WRITTEN)), BeforeValidator(_with_offset), AfterValidator(_bounded)
]
InstantOrDate = Annotated[
    AwareDatetime,
    WrapValidator(_described_as(f"{WRITTEN}, or a date")),
    BeforeValidator(_with_time),
    AfterValidator(_bounded),
]


def listed(value: object) -> object:
    """Turns `a, b` from an environment variable into a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def cleaned(text: str, *, limit: int = 1_000) -> str:
    """`text` without NUL and lone surrogates, which PostgreSQL refuses, cut to `limit` characters."""
    if len(text) <= limit and text.isascii() and "\x00" not in text:  # nearly always
        return text
    return _UNSTORABLE.sub("", text)[:limit]
