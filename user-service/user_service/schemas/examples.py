"""How a model shows examples of itself in the API's documentation."""

from typing import Any

from pydantic import ConfigDict


def shown(*examples: Any) -> ConfigDict:
    """A model's configuration with these examples, as JSON values."""
    return ConfigDict(json_schema_extra={"examples": list(examples)})
