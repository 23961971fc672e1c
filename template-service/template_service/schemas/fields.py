"""The kinds of values that requests carry, each with its bounds."""

import re
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field

from contracts.languages import canonical_language

CODE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
LARGEST_PART = 256 * 1024  # characters; the renderer allows as many bytes
LARGEST_VARIABLES_BYTES = 64 * 1024


def _storable(text: str) -> str:
    """PostgreSQL takes neither NUL nor half a surrogate pair, which JSON can spell."""
    if "\0" in text:
        raise ValueError("must not contain the character U+0000")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    return text


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line without control characters")
    return text


def _bounded_variables(variables: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(orjson.dumps(variables))
    except TypeError:  # half a surrogate pair, a number over 64 bits, or nesting over 254 levels
        raise ValueError("must be JSON with valid Unicode, 64-bit integers and moderate nesting") from None
    if size > LARGEST_VARIABLES_BYTES:
        raise ValueError(f"must have at most {LARGEST_VARIABLES_BYTES} bytes as JSON")
    return variables


Text = Annotated[str, AfterValidator(_storable)]
Code = Annotated[str, Field(pattern=f"^{CODE.pattern}$", examples=["welcome_email"])]
Name = Annotated[Text, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
Description = Annotated[Text, Field(max_length=2000)]
Part = Annotated[Text, Field(max_length=LARGEST_PART)]
Language = Annotated[
    str, Field(max_length=35, examples=["en", "pt-BR"], description="BCP 47"), AfterValidator(canonical_language)
]
Variables = Annotated[dict[str, Any], AfterValidator(_bounded_variables)]
