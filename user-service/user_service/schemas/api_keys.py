"""API keys."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from chassis.fields import Instant
from contracts.access import Scope
from contracts.names import Name
from user_service.repositories.api_keys import StoredApiKey
from user_service.schemas.examples import shown

KEY = {
    "id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5f",
    "name": "order service",
    "prefix": "nk_4fGh81Kq",
    "scopes": ["notifications:write", "users:read"],
    "owner_id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5d",
    "created_at": "2026-01-01T12:00:00Z",
    "expires_at": "2027-01-01T00:00:00Z",
    "last_used_at": None,
}


class ApiKeyRequest(BaseModel):
    """A key to make. It never gets a scope that its maker lacks."""

    model_config = shown(
        {
            "name": "order service",
            "scopes": ["notifications:write", "users:read"],
            "expires_at": "2027-01-01T00:00:00Z",
        }
    )

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=20)]
    expires_at: Instant | None = Field(default=None, description="In the future; null: good until it is deleted")


class ApiKeyView(BaseModel):
    """`prefix` is how the key begins. `last_used_at` is true to about a minute."""

    model_config = shown(KEY)

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    owner_id: UUID
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None

    @classmethod
    def of(cls, stored: StoredApiKey) -> "ApiKeyView":
        return cls(
            id=stored.id,
            name=stored.name,
            prefix=stored.prefix,
            scopes=stored.scopes,
            owner_id=stored.user_id,
            created_at=stored.created_at,
            expires_at=stored.expires_at,
            last_used_at=stored.last_used_at,
        )


class NewApiKeyView(ApiKeyView):
    """`key` is shown this once."""

    model_config = shown({**KEY, "key": "nk_4fGh81Kq..."})

    key: str
