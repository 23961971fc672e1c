"""Text from outside, as far as a database and JSON can keep it."""

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def cleaned(text: str, *, limit: int = 1_000) -> str:
    """`text` without NUL and lone surrogates, which PostgreSQL refuses, and at most `limit` characters of it."""
    if len(text) <= limit and text.isascii() and "\x00" not in text:  # nearly always
        return text
    return _UNSTORABLE.sub("", text)[:limit]
