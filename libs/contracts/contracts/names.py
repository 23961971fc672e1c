"""Names of people, templates and keys: one line of any script."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

MAX_NAME = 200
# Controls (line ends and NUL among them), line and paragraph separators, halves of surrogate pairs. No-break spaces
# (French puts one before "!"), joiners (Persian, Hindi, emoji) and marks of direction are parts of names.
_REFUSED = frozenset({"Cc", "Zl", "Zp", "Cs"})


def one_line(text: str) -> str:
    """The text. Raises ValueError for what could end a mail header's line, or cannot be stored or shown."""
    if any(unicodedata.category(character) in _REFUSED for character in text):
        raise ValueError("must be one line without control characters")
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME),
    AfterValidator(one_line),
]
