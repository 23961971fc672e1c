"""What other services send on the internal routes (what they get is in `libs/contracts`)."""

from typing import Annotated

from pydantic import BaseModel, Field


class ApiKeyHash(BaseModel):
    """SHA-256 of the key, in hex."""

    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
