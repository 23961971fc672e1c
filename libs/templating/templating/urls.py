"""Decides which URLs a message may contain. A link may point anywhere on the web, but must not run code in the reader's
client.

The template's literal text is trusted: `myapp://orders/{{ id }}` is kept, unless the scheme is dangerous. Values come from
the caller: only schemes that are known to be safe are allowed, and those in the template's `link_schemes`.
"""

import re
from collections.abc import Collection
from enum import Enum
from urllib.parse import urlsplit

OUTPUT_MARK = "\ufffc"
"""Stands for an output's unknown value in the literal beginning of a URL."""

MAX_BEGINNING = 500
"""How many characters of a URL are looked at; one whose scheme is not decided by then is not a URL."""

_ADDRESS_SCHEMES = frozenset({"mailto", "tel", "sms"})
_SAFE_SCHEMES = _ADDRESS_SCHEMES | {"http", "https", "cid"}
# They run code, read local files, or open a program of the operating system that has run code before.
_DANGEROUS_SCHEMES = frozenset(
    {"javascript", "vbscript", "livescript", "mocha", "jscript", "data", "blob", "file", "filesystem", "about", "jar"}
    | {"view-source", "mhtml", "mk", "res", "ms-its", "ms-msdt", "search-ms", "search", "shell", "smb", "ldap"}
    | {"chrome", "resource", "chrome-extension", "moz-extension", "wyciwyg"}
)
# Only known schemes are allowed: browsers read java<tab>script: as javascript:, and other clients may be more tolerant.
_UNSEEN = re.compile(r"[\x00-\x20\x7f-\xa0\xad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
_SCHEME_END = re.compile(r"[:/?#]")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,31}")


class UrlStart(Enum):
    """What the literal beginning of a URL means for the value that follows it."""

    OPEN = "a value here may still decide the scheme"
    CLOSED = "the scheme is known and not dangerous, or there is none"
    UNSAFE = "the scheme is a dangerous one, or made up from values"


def classify(beginning: str) -> UrlStart:
    """Classifies the raw (HTML-encoded) beginning of a URL attribute, in which `OUTPUT_MARK` stands for each output."""
    end = _SCHEME_END.search(beginning)
    before = beginning[: end.start()] if end else beginning
    if "&" in before:  # is a character reference, or becomes one with the text after it: perhaps ":"
        return UrlStart.UNSAFE
    if end is None:
        return UrlStart.OPEN if len(beginning) < MAX_BEGINNING else UrlStart.UNSAFE
    if end.group() == ":" and (
        _SCHEME.fullmatch(scheme := before.strip().lower()) is None or scheme in _DANGEROUS_SCHEMES
    ):
        return UrlStart.UNSAFE
    return UrlStart.CLOSED


def is_dangerous(url: str, *, but_pictures: bool = False) -> bool:
    """Whether a browser would read a dangerous scheme, ignoring the characters that it ignores."""
    before, colon, _ = _UNSEEN.sub("", url[:MAX_BEGINNING]).partition(":")
    scheme = before.lower()
    return bool(colon) and scheme in _DANGEROUS_SCHEMES and not (but_pictures and scheme == "data")


def app_scheme(scheme: str) -> str:
    """The scheme of an app's links, in lower case, from `myapp`, `myapp:` or `myapp://`.

    Raises ValueError for text that is no scheme, for a dangerous scheme, and for the end of one (`java{{ v }}` could
    complete it).
    """
    name = scheme.strip().lower().removesuffix("//").removesuffix(":")
    if _SCHEME.fullmatch(name) is None:
        raise ValueError("must be the scheme of a link, such as myapp")
    if any(dangerous.endswith(name) for dangerous in _DANGEROUS_SCHEMES):
        raise ValueError("must not be a scheme that can run code or read files")
    return name


def scheme_of(url: str) -> str:
    """The scheme in lower case, or "" if there is none."""
    before, colon, _ = url.partition(":")
    scheme = before.strip().lower()
    return scheme if colon and _SCHEME.fullmatch(scheme) else ""


def guard_url(value: str, app_schemes: Collection[str] = ()) -> str:
    """The value, or `#` if its scheme is not a safe one. A value without a scheme stays unchanged."""
    if value.startswith(("https://", "http://")):
        return value
    end = _SCHEME_END.search(value)
    if end is not None and end.group() == ":":
        scheme = value[: end.start()].strip().lower()
        if scheme not in _SAFE_SCHEMES and scheme not in app_schemes:
            return "#"
    return value


def web_url(value: str) -> str:
    """The value if it is an absolute http or https URL, else "". For images, which must be absolute."""
    url = value.strip()
    if _UNSEEN.search(url) or "\\" in url:
        return ""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return ""
    return url if parts.scheme in {"http", "https"} and host else ""


def push_link(value: str, app_schemes: Collection[str] = ()) -> str:
    """The value if it is an absolute web URL, an address for mail or phone, or a link of an app; else ""."""
    url = value.strip()
    scheme = scheme_of(url)
    if scheme not in _ADDRESS_SCHEMES and scheme not in app_schemes:
        return web_url(url)
    return "" if _UNSEEN.search(url) or "\\" in url or url.endswith(":") else url
