"""Filters for numbers. Whole numbers stay exact; others are calculated as decimals and returned as floats.

A text counts as the number that it is or begins with (`"12 pcs"` is 12), anything else as 0.
"""

import re
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

from liquid.exceptions import FilterArgumentError

from templating.markup_text import plain

Number = int | Decimal

_DECIMAL = re.compile(r"-?\d+\.\d+", re.ASCII)
_WHOLE = re.compile(r"\s*([+-]?\d+(?:_\d+)*)", re.ASCII)
_MAX_DIGITS = 4_000  # Python reads and writes such numbers without an error; no amount is that long
_EXACT = Context(prec=60, rounding=ROUND_HALF_UP, Emax=10_000, Emin=-10_000)
_MAX_PLACES = 100
_ROUNDING = Context(prec=500, rounding=ROUND_HALF_UP)  # a float has up to 309 digits before the point


def number(value: object) -> Number:
    """The value as a number."""
    match value:
        case bool():
            return 0
        case int() | Decimal():
            return value
        case float():
            return Decimal(repr(value))
        case str():
            return _read(plain(value))
        case _:
            return 0


def integer(value: object) -> int:
    """The value as the whole number it must be. Raises FilterArgumentError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = plain(value).strip() if isinstance(value, str) else ""
    if re.fullmatch(r"[+-]?\d{1,4000}", text, re.ASCII):
        return int(text)
    raise FilterArgumentError("expected a whole number", token=None)


def absolute(value: object) -> int | float:
    result = number(value)
    return _given(-result if result < 0 else result)


def ceil(value: object) -> int:
    return _whole(number(value), "ROUND_CEILING")


def floor(value: object) -> int:
    return _whole(number(value), "ROUND_FLOOR")


def round_half_away(value: object, digits: object = 0) -> int | float:
    """Half is rounded away from zero: 2.5 is 3, -2.5 is -3."""
    left, places = number(value), int(number(digits))
    if not -_MAX_PLACES <= places <= _MAX_PLACES:
        raise FilterArgumentError("cannot round to that many digits", token=None)
    if isinstance(left, int) and places >= 0:
        return left
    rounded = _rounded(Decimal(left), places)
    return int(rounded) if places <= 0 else float(rounded)


def plus(value: object, other: object) -> int | float:
    with localcontext(_EXACT):
        return _given(number(value) + number(other))


def minus(value: object, other: object) -> int | float:
    with localcontext(_EXACT):
        return _given(number(value) - number(other))


def times(value: object, other: object) -> int | float:
    with localcontext(_EXACT):
        return _given(number(value) * number(other))


def divided_by(value: object, other: object) -> int | float:
    """For whole numbers the remainder is dropped (towards minus infinity)."""
    left, right = number(value), number(other)
    _check_divisor(right)
    if isinstance(left, int) and isinstance(right, int):
        return left // right
    with localcontext(_EXACT):
        return _given(Decimal(left) / Decimal(right))


def modulo(value: object, other: object) -> int | float:
    """The remainder, with the sign of the divisor."""
    left, right = number(value), number(other)
    _check_divisor(right)
    if isinstance(left, int) and isinstance(right, int):
        return left % right
    with localcontext(_EXACT):
        rest = Decimal(left) % Decimal(right)
        return _given(rest + right if rest and (rest < 0) != (right < 0) else rest)


def at_least(value: object, other: object) -> int | float:
    return _given(max(number(value), number(other)))


def at_most(value: object, other: object) -> int | float:
    return _given(min(number(value), number(other)))


def total(values: list[object]) -> int | float:
    """The sum of the values as numbers."""
    with localcontext(_EXACT):
        return _given(sum((number(value) for value in values), start=0))


def _read(text: str) -> Number:
    stripped = text.strip()
    if len(stripped) > _MAX_DIGITS:
        raise FilterArgumentError("a number has too many digits", token=None)
    if _DECIMAL.fullmatch(stripped):
        return Decimal(stripped)
    whole = _WHOLE.match(text)
    return int(whole.group(1)) if whole else 0


def _given(result: Number) -> int | float:
    return float(result) if isinstance(result, Decimal) else result


def _rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), context=_ROUNDING)


def _whole(value: Number, rounding: str) -> int:
    return value if isinstance(value, int) else int(value.to_integral_value(rounding=rounding))


def _check_divisor(right: Number) -> None:
    if not right:
        raise FilterArgumentError("divided by 0", token=None)
