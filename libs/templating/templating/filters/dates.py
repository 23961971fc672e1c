"""Formats dates with Ruby's strftime directives, as the reference's `date` filter does.

Python's own strftime does not support `%-d`, `%e`, `%P` and `%s` on every platform, nor flags (`%^b`, `%_H`), widths
(`%3N`) or `%::z`, and its names depend on the machine's locale.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from dateutil import parser

from templating.markup_text import like, plain
from templating.stringify import text_of

_DAYS = tuple("Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split())  # noqa: SIM905
_MONTHS = tuple("January February March April May June July August September October November December".split())  # noqa: SIM905
_DIRECTIVE = re.compile(r"%([-0^#_]*)(\d{0,3})(:{0,3}z|[a-zA-Z%+])")
_MAX_WIDTH = 100


@dataclass(frozen=True, slots=True)
class _Field:
    """The value of a directive, and its default width and padding."""

    read: Callable[[datetime], object]
    width: int = 0
    pad: str = " "


def strftime(when: datetime, pattern: str) -> str:
    """The formatted date. Unknown directives stay as they are."""
    return _DIRECTIVE.sub(lambda found: _written(when, found), pattern)


def _written(when: datetime, found: re.Match[str]) -> str:
    flags, width, name = found.groups()
    if name.endswith("z"):
        text, field = _offset(when, name.count(":")), _Field(str)
    elif name in _COMPOSED:
        text, field = strftime(when, _COMPOSED[name]), _Field(str)
    elif name in "NL":
        return f"{when.microsecond:06d}000"[: min(int(width or (9 if name == "N" else 3)), 9)]
    elif name in _FIELDS:
        field = _FIELDS[name]
        text = str(field.read(when))
    else:
        return found.group()
    return _padded(_cased(text, flags, name), flags, min(int(width or field.width), _MAX_WIDTH), field.pad)


def _cased(text: str, flags: str, name: str) -> str:
    if "#" in flags:
        return text.lower() if name == "p" else text.upper()
    return text.upper() if "^" in flags else text


def _padded(text: str, flags: str, width: int, pad: str) -> str:
    if "-" in flags:
        return text
    pad = "0" if "0" in flags else " " if "_" in flags else pad
    sign, digits = (text[0], text[1:]) if pad == "0" and text[:1] in {"-", "+"} else ("", text)
    return sign + digits.rjust(width - len(sign), pad)


def _offset(when: datetime, colons: int) -> str:
    seconds = int((when.utcoffset() or timedelta()).total_seconds())
    hours, rest = divmod(abs(seconds), 3600)
    parts = (f"{hours:02d}", f"{rest // 60:02d}", f"{rest % 60:02d}")
    sign = "-" if seconds < 0 else "+"
    return sign + (":".join(parts[: colons + 1]) if colons else "".join(parts[:2]))


def _weekday(when: datetime) -> int:
    return when.isoweekday() % 7


def _week(when: datetime, first_day: int) -> int:
    return (when.timetuple().tm_yday + 6 - (_weekday(when) - first_day) % 7) // 7


_FIELDS = {
    "Y": _Field(lambda when: when.year, 4, "0"),
    "C": _Field(lambda when: when.year // 100, 2, "0"),
    "y": _Field(lambda when: when.year % 100, 2, "0"),
    "m": _Field(lambda when: when.month, 2, "0"),
    "B": _Field(lambda when: _MONTHS[when.month - 1]),
    "b": _Field(lambda when: _MONTHS[when.month - 1][:3]),
    "h": _Field(lambda when: _MONTHS[when.month - 1][:3]),
    "d": _Field(lambda when: when.day, 2, "0"),
    "e": _Field(lambda when: when.day, 2),
    "j": _Field(lambda when: when.timetuple().tm_yday, 3, "0"),
    "H": _Field(lambda when: when.hour, 2, "0"),
    "k": _Field(lambda when: when.hour, 2),
    "I": _Field(lambda when: (when.hour - 1) % 12 + 1, 2, "0"),
    "l": _Field(lambda when: (when.hour - 1) % 12 + 1, 2),
    "M": _Field(lambda when: when.minute, 2, "0"),
    "S": _Field(lambda when: when.second, 2, "0"),
    "p": _Field(lambda when: "AM" if when.hour < 12 else "PM"),
    "P": _Field(lambda when: "am" if when.hour < 12 else "pm"),
    "Z": _Field(lambda when: when.tzname() or ""),
    "A": _Field(lambda when: _DAYS[_weekday(when)]),
    "a": _Field(lambda when: _DAYS[_weekday(when)][:3]),
    "u": _Field(lambda when: when.isoweekday()),
    "w": _Field(_weekday),
    "G": _Field(lambda when: when.isocalendar().year, 4, "0"),
    "g": _Field(lambda when: when.isocalendar().year % 100, 2, "0"),
    "V": _Field(lambda when: when.isocalendar().week, 2, "0"),
    "U": _Field(lambda when: _week(when, 0), 2, "0"),
    "W": _Field(lambda when: _week(when, 1), 2, "0"),
    "s": _Field(lambda when: int(when.timestamp() // 1)),
    "n": _Field(lambda _when: "\n"),
    "t": _Field(lambda _when: "\t"),
    "%": _Field(lambda _when: "%"),
}
_COMPOSED = {
    "c": "%a %b %e %H:%M:%S %Y",
    "D": "%m/%d/%y",
    "F": "%Y-%m-%d",
    "v": "%e-%^b-%Y",
    "x": "%m/%d/%y",
    "X": "%H:%M:%S",
    "r": "%I:%M:%S %p",
    "R": "%H:%M",
    "T": "%H:%M:%S",
    "+": "%a %b %e %H:%M:%S %Z %Y",
}


# The `date` filter. Times without a zone are UTC, and so are epoch times.
#
# It parses ISO 8601, year-first dates, dates with the month as a word, RFC 2822, and seconds since 1970 as a number or its
# digits. It does not parse `05.03.2026` and `05/03/2026`, which are ambiguous. A value that it cannot parse is returned
# unchanged.

_SECONDS = re.compile(r"\d+|\d{9,}\.\d+", re.ASCII)  # 05.03 is not a time in seconds
_WEEKDAY = r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?: ?[ap]\.?m\.?)?"
_ZONE = r"z|utc|gmt|[ecmp][sd]t|(?:utc|gmt)?[+-]\d{2}:?(?:\d{2})?"
_DAY = (
    r"\d{4}-?\d{2}-?\d{2}|\d{4}-\d{1,2}-\d{1,2}|\d{4}-\d{2}|\d{4}/\d{1,2}/\d{1,2}|\d{4}\.\d{1,2}\.\d{1,2}|"
    rf"(?:{_WEEKDAY},? )?(?:\d{{1,2}}(?:st|nd|rd|th)?[ -])?{_MONTH}\.?"
    r"(?:[ -]\d{1,2}(?:st|nd|rd|th)?)?(?:,? ?-?\d{4})?"
)
_READABLE = re.compile(
    rf"(?:{_DAY})(?:(?:t|,? )(?:at )?{_TIME}(?: ?(?:{_ZONE}))?)?|{_TIME}(?: ?(?:{_ZONE}))?"
    rf"|(?:{_WEEKDAY} )?{_MONTH} \d{{1,2}} {_TIME} (?:(?:{_ZONE}) )?\d{{4}}",  # the form of C's asctime and of `date`
    re.ASCII,
)
_ZONES = {"EST": -18000, "EDT": -14400, "CST": -21600, "CDT": -18000, "MST": -25200, "MDT": -21600, "PST": -28800} | {
    "PDT": -25200
}


def date(value: object, form: object) -> object:
    """The formatted date (strftime's directives, with the reference's additions). The value itself if it is not a date.

    `'now'` and `'today'` are the time of the render.
    """
    pattern = text_of(form)
    when = _read(value) if pattern else None
    return value if when is None else like(pattern, strftime(when, pattern))


def _read(value: object) -> datetime | None:
    try:
        match value:
            case bool():
                return None
            case int() | float() | Decimal():
                return datetime.fromtimestamp(float(value), UTC)
            case str():
                return _from_text(" ".join(plain(value).lower().split()))
            case _:
                return None
    except (ValueError, OverflowError, OSError):
        return None


def _from_text(text: str) -> datetime | None:
    if text in {"now", "today"}:
        return datetime.now(UTC)
    if _SECONDS.fullmatch(text):
        return datetime.fromtimestamp(float(text), UTC)
    if not _READABLE.fullmatch(text):
        return None
    # Defaults for missing parts: the first month and day of a year; today's date for a time.
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    missing = today if re.match(_TIME, text) else today.replace(month=1, day=1)
    when: datetime = parser.parse(text.upper(), default=missing, tzinfos=_ZONES, yearfirst=True)
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)
