"""What clients get."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from chassis.json_values import JsonObject
from contracts.messages import DeliveryGuarantee
from contracts.recipients import Channel
from contracts.status import Status

ID = "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5d"


class Accepted(BaseModel):
    """The answer to an accepted notification."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"notification_id": ID, "status": "pending", "created_at": "2026-01-01T12:00:00Z"}]
        }
    )

    notification_id: UUID
    status: Status
    created_at: datetime


class BatchItem(BaseModel):
    """What became of one item of a batch: `data` when it was accepted, `error` and `message` when it was not."""

    index: int
    success: bool
    status_code: int
    message: str
    error: str | None = None
    data: Any = None


class BatchAnswer(BaseModel):
    accepted: int
    replayed: int
    rejected: int
    results: list[BatchItem]


class TimelineEntry(BaseModel):
    """One step of the story."""

    status: str
    at: datetime
    code: str | None = None
    detail: str | None = None
    attempts: int | None = None
    provider_timestamp: datetime | None = Field(
        default=None, description="When it happened by the provider's own clock, where a callback said so"
    )


class NotificationView(BaseModel):
    """A notification as its caller sees it."""

    notification_id: UUID
    request_id: str
    correlation_id: str
    notification_type: Channel
    user_id: UUID
    template_code: str
    template_version: int | None = Field(description="What it is sent with; null until it is looked up")
    language: str | None
    priority: int
    metadata: JsonObject
    status: Status
    error: str | None = Field(description="Stable code of the reason, for failed, suppressed, expired and unknown")
    error_detail: str | None
    attempts: int
    replays: int
    created_at: datetime
    send_at: datetime | None
    expires_at: datetime | None
    delivery_guarantee: DeliveryGuarantee
    queued_at: datetime | None
    sent_at: datetime | None
    ended_at: datetime | None
    updated_at: datetime


class NotificationStory(NotificationView):
    """A notification with its timeline, oldest first."""

    timeline: list[TimelineEntry]


class LedgerCheck(BaseModel):
    """The gateway's word against the ledger of the channel's workers, of what was accepted since `since`."""

    since: datetime
    sent_by_gateway: int = Field(description="Notifications that the gateway calls sent")
    sent_by_ledger: int = Field(description="Notifications that the ledger has as sent")
    unreported: int = Field(description="Sent, and the gateway has not heard of it yet")
    unfounded: int = Field(description="Sent by the gateway's word alone; must be 0")
    deliveries: dict[str, int] = Field(description="The ledger's rows by state; a push goes to several devices")


class ChannelTotals(BaseModel):
    """`accepted` was counted when accepting; `by_status` counts rows now; `unaccounted` is their difference."""

    accepted: int
    by_status: dict[Status, int]
    unaccounted: int
    ledger: LedgerCheck | None = Field(default=None, description="Null while no worker of the channel answers")


class Reconciliation(BaseModel):
    accepted: int
    unaccounted: int
    channels: dict[Channel, ChannelTotals]


class ReplayAnswer(BaseModel):
    replayed: int
