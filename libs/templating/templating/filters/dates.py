"""The `date` filter. Times without a zone are UTC, and so are epoch times.

Read are ISO 8601, year-first dates, dates whose month is a word, RFC 2822, and seconds since 1970 as a number or as its
digits. `05.03.2026` and `05/03/2026` are not: whose March or May that is, nobody can say. What is not read comes back
as it is.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal

from dateutil import parser

from templating.filters.strftime import strftime
from templating.markup_text import like, plain
from templating.stringify import text_of

_SECONDS = re.compile(r"\d+|\d{9,}\.\d+", re.ASCII)  # 05.03 is no second of 1970
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
    rf"|(?:{_WEEKDAY} )?{_MONTH} \d{{1,2}} {_TIME} (?:(?:{_ZONE}) )?\d{{4}}",  # as C's asctime and `date` write it
    re.ASCII,
)
_ZONES = {"EST": -18000, "EDT": -14400, "CST": -21600, "CDT": -18000, "MST": -25200, "MDT": -21600, "PST": -28800} | {
    "PDT": -25200
}


def date(value: object, form: object) -> object:
    """The date in the form (strftime's, with the reference's additions); the value itself when it is no date.

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
    # What a text leaves out: the day and the month of a year are its first, the year and day of a time are today's.
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    missing = today if re.match(_TIME, text) else today.replace(month=1, day=1)
    when: datetime = parser.parse(text.upper(), default=missing, tzinfos=_ZONES, yearfirst=True)
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)
