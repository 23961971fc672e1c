"""Request models of the internal routes. Their responses are in `libs/contracts`."""

from typing import Annotated

from pydantic import BaseModel, Field


class ApiKeyHash(BaseModel):
    """SHA-256 of the key, in hex."""

    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
