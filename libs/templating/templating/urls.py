"""Which URLs may stand in a message. A link may lead anywhere on the web, but never run code in the reader's client."""

import re
from enum import Enum
from urllib.parse import urlsplit

OUTPUT_MARK = "\ufffc"
"""Stands for an output's unknown value in the literal beginning of a URL."""

MAX_BEGINNING = 500
"""How many characters of a URL are looked at; one whose scheme is not decided by then is not a URL."""

_SAFE_SCHEMES = frozenset({"http", "https", "mailto", "tel", "sms", "cid"})
# Only what is known to be safe passes: browsers read java<tab>script: as javascript:, and others may read yet more so.
_UNSEEN = re.compile(r"[\x00-\x20\x7f-\xa0\xad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
_SCHEME_END = re.compile(r"[:/?#]")


class UrlStart(Enum):
    """What the literal beginning of a URL says about the value that follows it."""

    OPEN = "a value here may still decide the scheme"
    CLOSED = "the scheme is known and safe, or there is none"
    UNSAFE = "the scheme is a dangerous one, or made up from values"


def classify(beginning: str) -> UrlStart:
    """Judge the raw (HTML-encoded) beginning of a URL attribute, outputs replaced by `OUTPUT_MARK`."""
    end = _SCHEME_END.search(beginning)
    before = beginning[: end.start()] if end else beginning
    if "&" in before:  # is a character reference, or becomes one with what follows: maybe to ":"
        return UrlStart.UNSAFE
    if end is None:
        return UrlStart.OPEN if len(beginning) < MAX_BEGINNING else UrlStart.UNSAFE
    if end.group() == ":" and before.strip().lower() not in _SAFE_SCHEMES:
        return UrlStart.UNSAFE
    return UrlStart.CLOSED


def guard_url(value: str) -> str:
    """The value, or `#` when it names a scheme other than the safe ones. A value without a scheme is left alone."""
    if value.startswith(("https://", "http://")):
        return value
    end = _SCHEME_END.search(value)
    if end is not None and end.group() == ":" and value[: end.start()].strip().lower() not in _SAFE_SCHEMES:
        return "#"
    return value


def web_url(value: str) -> str:
    """The value when it is a whole http or https URL, else "". For push links and images, which must be absolute."""
    url = value.strip()
    if _UNSEEN.search(url) or "\\" in url:
        return ""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return ""
    return url if parts.scheme in {"http", "https"} and host else ""
