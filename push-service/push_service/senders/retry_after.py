"""The header Retry-After (RFC 9110, 10.2.3)."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

MAX_SECONDS = 3600.0  # an error of the provider must not delay a notification for ever


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, or None if the response has no such header. A date is compared with the response's own date, not
    with our clock.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_SECONDS)
    then, now = _date(text), _date(headers.get("date", ""))
    if then is None or now is None:
        return None
    return min(max(0.0, (then - now).total_seconds()), MAX_SECONDS)


def _date(text: str) -> datetime | None:
    """Only a date with a zone: one without cannot be compared. A year of twenty digits overflows."""
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else None
