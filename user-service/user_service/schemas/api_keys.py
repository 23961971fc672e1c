"""API keys."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from chassis.fields import ONLY_NUMBERS, Instant, TrueOrFalse
from contracts.callers import Scope
from contracts.fields import Name
from user_service.repositories.api_keys import StoredApiKey
from user_service.schemas.fields import shown

KEY = {
    "id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5f",
    "name": "order service",
    "prefix": "nk_live_4fGh81KqX2bn",
    "scopes": ["notifications:write", "users:read"],
    "application_id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c60",
    "test": False,
    "owner_id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5d",
    "created_at": "2026-01-01T12:00:00Z",
    "expires_at": "2027-01-01T00:00:00Z",
    "last_used_at": None,
}


class ApiKeyRequest(BaseModel):
    """The API key to create. It cannot have a scope that its maker lacks. A key without scopes can only be identified."""

    model_config = shown({"name": "order service", "scopes": ["notifications:write", "users:read"]})

    name: Name
    application_id: UUID | None = Field(
        default=None, description="Null: the key gets a new application with the key's name"
    )
    scopes: Annotated[list[Scope], Field(max_length=20)] = Field(default_factory=list)
    test: TrueOrFalse = Field(
        default=False,
        description="Whether this is a test key: its notifications are processed, but not sent to a provider",
    )
    expires_at: Instant | None = Field(default=None, description="At most one year from now. Null: one year from now")


class Rotation(BaseModel):
    model_config = shown({"overlap_seconds": 86_400})

    overlap_seconds: Annotated[int, Field(ge=0, le=2_592_000), ONLY_NUMBERS] = Field(
        default=86_400, description="Seconds for which the old key stays valid, so that it can be replaced everywhere"
    )


class ApiKeyView(BaseModel):
    """`prefix` is the beginning of the key. `last_used_at` is accurate to about a minute."""

    model_config = shown(KEY)

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    application_id: UUID
    test: bool
    owner_id: UUID
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None

    @classmethod
    def from_stored(cls, stored: StoredApiKey) -> "ApiKeyView":
        return cls(
            id=stored.id,
            name=stored.name,
            prefix=stored.prefix,
            scopes=stored.scopes,
            application_id=stored.application_id,
            test=stored.is_test,
            owner_id=stored.user_id,
            created_at=stored.created_at,
            expires_at=stored.expires_at,
            last_used_at=stored.last_used_at,
        )


class NewApiKeyView(ApiKeyView):
    """`key` is shown only once."""

    model_config = shown({**KEY, "key": "nk_live_4fGh81KqX2bn_..."})

    key: str
