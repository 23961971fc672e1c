"""Request and response models of applications."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from chassis.fields import ONLY_NUMBERS, TrueOrFalse
from chassis.security import Sender
from contracts.fields import Name
from contracts.recipients import Channel
from contracts.senders import SenderEmail
from user_service.repositories.applications import StoredApplication
from user_service.schemas.fields import shown

RateLimit = Annotated[int, Field(gt=0, le=1_000_000), ONLY_NUMBERS]
Channels = Annotated[list[Channel], Field(min_length=1, max_length=10)]
SENDER: JsonDict = {"from_name": "Orders", "from_email": "orders@example.com", "reply_to": "help@example.com"}
APPLICATION = {
    "id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c60",
    "name": "order service",
    "owner_id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5d",
    "rate_limit_per_minute": 6_000,
    "channels": ["email"],
    "sender": SENDER,
    "disabled": False,
    "created_at": "2026-01-01T12:00:00Z",
    "updated_at": "2026-01-01T12:00:00Z",
}


class ApplicationSender(BaseModel):
    """The sender of the application's e-mails. The deployment's value replaces a field that is null.

    Without `reply_to` answers go to the sender. MAIL FROM, where bounces go, is always the deployment's.
    """

    model_config = shown(SENDER)

    from_name: Name | None = None
    from_email: SenderEmail | None = Field(
        default=None, description="Must be in one of the deployment's SENDER_DOMAINS"
    )
    reply_to: SenderEmail | None = None


class NewApplication(BaseModel):
    """Null means the gateway's own rate limit, every channel, and the deployment's sender."""

    model_config = shown(
        {"name": "order service", "rate_limit_per_minute": 6_000, "channels": ["email"], "sender": SENDER}
    )

    name: Name
    rate_limit_per_minute: RateLimit | None = None
    channels: Channels | None = None
    sender: ApplicationSender | None = None


class ApplicationChange(BaseModel):
    """Omitted fields stay unchanged. Null removes a limit or the sender. A given sender replaces the whole earlier one."""

    model_config = shown(
        {"rate_limit_per_minute": 12_000, "channels": None}, {"sender": {"from_name": "Orders"}}, {"disabled": True}
    )

    name: Name | None = None
    rate_limit_per_minute: RateLimit | None = None
    channels: Channels | None = None
    sender: ApplicationSender | None = None
    disabled: TrueOrFalse | None = None


class ApplicationView(BaseModel):
    """The application's keys are at `/api-keys?application_id=`. `disabled`: its keys are refused."""

    model_config = shown(APPLICATION)

    id: UUID
    name: str
    owner_id: UUID | None
    rate_limit_per_minute: int | None
    channels: list[Channel] | None
    sender: Sender | None
    disabled: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_stored(cls, stored: StoredApplication) -> "ApplicationView":
        return cls(
            id=stored.id,
            name=stored.name,
            owner_id=stored.owner_id,
            rate_limit_per_minute=stored.rate_limit_per_minute,
            channels=stored.channels,
            sender=stored.sender,
            disabled=stored.disabled_at is not None,
            created_at=stored.created_at,
            updated_at=stored.updated_at,
        )
