"""The kinds of field that requests of every service are made of: text that can be kept, and times within sense.

What PostgreSQL and JSON cannot keep is refused where it comes in, as a 422 that names the field. `plain_message` is how
a problem of pydantic's is told.
"""

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

# What a caller may state. Beyond, nothing here has a meaning, and arithmetic (other offsets, a day before) may overflow.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

WRITTEN = "must be a date and a time with its offset from UTC, such as 2026-12-01T09:00:00+01:00"
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?", re.ASCII)
_UNESCAPED_PLUS = re.compile(rf"({_LOCAL.pattern}) (\d\d:?\d\d)", re.ASCII)

_PROSE = (
    (re.compile(r"^(?:Value error|Assertion failed), "), ""),
    (re.compile(r"a valid dictionary( or .*)?$"), "an object"),
    # What it says of text whose length is checked after a validator of ours, and of secrets; of lists, tuples and sets.
    (re.compile(r"^Value should have at (least|most) (\d+) items? after validation.*"), r"Length should be at \1 \2"),
    (re.compile(r" after validation, not .*$"), ""),
)


def unkeepable(text: str) -> str | None:
    """Why neither PostgreSQL nor a JSON answer can hold `text`, or None: NUL, half a surrogate pair."""
    if "\0" in text:
        return "must not contain the NUL character (U+0000)"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "must be valid Unicode, without unpaired surrogates"
    return None


def storable(text: str) -> str:
    """The text itself. Raises ValueError for what cannot be kept."""
    if problem := unkeepable(text):
        raise ValueError(problem)
    return text


def _with_offset(value: object) -> object:
    """A time without an offset is UTC: the brief's own examples have none. A blank is the `+` that a query lost."""
    if not isinstance(value, str):
        return value
    if _LOCAL.fullmatch(value):
        return f"{value}Z"
    lost = _UNESCAPED_PLUS.fullmatch(value)
    return f"{lost[1]}+{lost[lost.lastindex or 0]}" if lost else value


def _with_time(value: object) -> object:
    """A date is its first moment, in UTC."""
    return f"{value}T00:00:00Z" if isinstance(value, str) and _DATE.fullmatch(value) else _with_offset(value)


def _told_as(expected: str) -> Callable[[object, ValidatorFunctionWrapHandler], datetime]:
    """Says what is expected, in place of pydantic's words on what is missing where.

    A number, also one written as text, is refused: pydantic guesses whether it counts seconds or milliseconds.
    """

    def told(value: object, parse: ValidatorFunctionWrapHandler) -> datetime:
        if not isinstance(value, datetime) and not (isinstance(value, str) and _DATE.match(value)):
            raise ValueError(expected)
        try:
            moment: datetime = parse(value)
        except ValidationError:
            raise ValueError(expected) from None
        return moment

    return told


def _bounded(moment: datetime) -> datetime:
    """In UTC. Compared first: the last hours of the year 9999 elsewhere have no name in UTC."""
    if not EARLIEST <= moment < LATEST:
        raise ValueError(f"must lie between the years {EARLIEST.year} and {LATEST.year}")
    return moment.astimezone(UTC)


def plain_message(message: str) -> str:
    """pydantic's message without what only speaks to whoever wrote the model."""
    for prose, instead in _PROSE:
        message = prose.sub(instead, message)
    return message


def _number(value: object) -> object:
    if isinstance(value, str | bool):
        raise ValueError("must be a whole number")  # noqa: TRY004 - what pydantic reports
    return value


Text = Annotated[str, AfterValidator(storable)]
# Of JSON bodies, where pydantic alone would also take "5" and true for a number, and 0 and "no" for false.
# With bounds: Annotated[int, Field(ge=1), ONLY_NUMBERS], in this order, else the bounds are not in the JSON Schema.
ONLY_NUMBERS = BeforeValidator(_number)
TrueOrFalse = Annotated[bool, Strict()]
Instant = Annotated[
    AwareDatetime, WrapValidator(_told_as(WRITTEN)), BeforeValidator(_with_offset), AfterValidator(_bounded)
]
InstantOrDate = Annotated[
    AwareDatetime,
    WrapValidator(_told_as(f"{WRITTEN}, or a date")),
    BeforeValidator(_with_time),
    AfterValidator(_bounded),
]


def listed(value: object) -> object:
    """`a, b` as an environment variable has it, as a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
