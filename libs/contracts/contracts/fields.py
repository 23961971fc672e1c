"""Fields that several services share: names, and language tags (BCP 47)."""

import re
import unicodedata
from collections.abc import Collection
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

MAX_NAME = 200
# Control characters (including line ends and NUL), line and paragraph separators, unpaired surrogates. Names may contain
# no-break spaces (French has one before "!"), joiners (Persian, Hindi, emoji) and direction marks.
_REFUSED = frozenset({"Cc", "Zl", "Zp", "Cs"})


def one_line(text: str) -> str:
    """Returns the text. Raises ValueError for characters that end a mail header's line, or cannot be stored or shown."""
    if any(unicodedata.category(character) in _REFUSED for character in text):
        raise ValueError("must be one line without control characters")
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME),
    AfterValidator(one_line),
]


LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8}){0,7}")
MAX_TAG = 35  # RFC 5646, 4.4.1: the minimum that an implementation must support


def canonical_language(tag: str) -> str:
    """The tag in its conventional form (RFC 5646, 2.1.1): `pt_br` → `pt-BR`, ` ZH-hant` → `zh-Hant`.

    Raises ValueError if it is not a language tag.
    """
    tag = tag.strip(" ")
    if len(tag) > MAX_TAG or LANGUAGE_TAG.fullmatch(tag) is None:
        raise ValueError("not a language tag such as en or pt-BR")
    first, *others = tag.lower().replace("_", "-").split("-")
    return "-".join([first, *map(_subtag, others)])


def choose_language(available: Collection[str], requested: str | None, default: str) -> str:
    """The closest of `available` to `requested`: `pt-BR`, then `pt`, then `default` (RFC 4647, 3.4), ignoring case."""
    by_lower = {language.lower(): language for language in available}
    wanted = (requested or "").lower().replace("_", "-").split("-")
    while wanted:
        if found := by_lower.get("-".join(wanted)):
            return found
        wanted.pop()
        if wanted and len(wanted[-1]) == 1:  # a singleton such as `x` only introduces the subtag that was just removed
            wanted.pop()
    return default


def _subtag(subtag: str) -> str:
    match len(subtag):
        case 2:
            return subtag.upper()  # a region
        case 4 if subtag.isalpha():
            return subtag.title()  # a script
        case _:
            return subtag


Language = Annotated[
    str,
    Field(examples=["en", "pt-BR"], description="BCP 47; `pt_BR` is taken for `pt-BR`"),
    AfterValidator(canonical_language),
]
"""A language tag, in its conventional form."""
