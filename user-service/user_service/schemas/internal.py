"""What other services send on the internal routes (what they get is in `contracts.lookups`)."""

from typing import Annotated

from pydantic import BaseModel, Field

from user_service.schemas.fields import PushTokenText


class ApiKeyHash(BaseModel):
    """SHA-256 of the key, in hex."""

    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class DeadPushToken(BaseModel):
    token: PushTokenText
