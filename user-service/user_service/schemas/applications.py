"""Applications: what sends."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from chassis.fields import ONLY_NUMBERS, TrueOrFalse
from contracts.names import Name
from contracts.recipients import Channel
from user_service.repositories.applications import StoredApplication
from user_service.schemas.examples import shown

RateLimit = Annotated[int, Field(gt=0, le=1_000_000), ONLY_NUMBERS]
Channels = Annotated[list[Channel], Field(min_length=1, max_length=10)]
APPLICATION = {
    "id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c60",
    "name": "order service",
    "owner_id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5d",
    "rate_limit_per_minute": 6_000,
    "channels": ["email"],
    "disabled": False,
    "created_at": "2026-01-01T12:00:00Z",
    "updated_at": "2026-01-01T12:00:00Z",
}


class NewApplication(BaseModel):
    """Null: the gateway's own limit; every channel."""

    model_config = shown({"name": "order service", "rate_limit_per_minute": 6_000, "channels": ["email"]})

    name: Name
    rate_limit_per_minute: RateLimit | None = None
    channels: Channels | None = None


class ApplicationChange(BaseModel):
    """What is left out stays as it is. Null takes a bound away."""

    model_config = shown({"rate_limit_per_minute": 12_000, "channels": None}, {"disabled": True})

    name: Name | None = None
    rate_limit_per_minute: RateLimit | None = None
    channels: Channels | None = None
    disabled: TrueOrFalse | None = None


class ApplicationView(BaseModel):
    """Its keys are at `/api-keys?application_id=`. `disabled`: its keys open nothing."""

    model_config = shown(APPLICATION)

    id: UUID
    name: str
    owner_id: UUID | None
    rate_limit_per_minute: int | None
    channels: list[Channel] | None
    disabled: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, stored: StoredApplication) -> "ApplicationView":
        return cls(
            id=stored.id,
            name=stored.name,
            owner_id=stored.owner_id,
            rate_limit_per_minute=stored.rate_limit_per_minute,
            channels=stored.channels,
            disabled=stored.disabled_at is not None,
            created_at=stored.created_at,
            updated_at=stored.updated_at,
        )
