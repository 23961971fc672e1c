"""The kinds of values that requests carry, each with its bounds."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from chassis.fields import Text
from chassis.json_values import problems_in, written
from contracts.languages import canonical_language

CODE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
LARGEST_PART = 256 * 1024  # characters; the renderer allows as many bytes
LARGEST_VARIABLES_BYTES = 64 * 1024


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line without control characters")
    return text


def _bounded_variables(variables: dict[str, Any]) -> dict[str, Any]:
    """As the gateway takes them, so that a preview shows what would be sent."""
    if problems := problems_in("variables", variables):
        raise ValueError("; ".join(f"{one['field']} {one['message']}" for one in problems))
    if len(written(variables).encode()) > LARGEST_VARIABLES_BYTES:
        raise ValueError(f"must have at most {LARGEST_VARIABLES_BYTES} bytes as JSON")
    return variables


Code = Annotated[str, Field(pattern=f"^{CODE.pattern}$", examples=["welcome_email"])]
Name = Annotated[Text, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
Description = Annotated[Text, Field(max_length=2000)]
Part = Annotated[Text, Field(max_length=LARGEST_PART)]
Language = Annotated[
    str, Field(max_length=35, examples=["en", "pt-BR"], description="BCP 47"), AfterValidator(canonical_language)
]
Variables = Annotated[
    dict[str, Any],
    BeforeValidator(lambda given: {} if given is None or given == [] else given),
    AfterValidator(_bounded_variables),
]
