"""What clients get."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.config import JsonDict

from chassis.http.envelope import MAY_BE_ABSENT, Problems, Refusal
from chassis.json_values import JsonObject
from contracts.messages import DeliveryGuarantee
from contracts.recipients import Channel
from contracts.status import Status

ID = "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5d"


ACCEPTED: JsonDict = {"notification_id": ID, "status": "pending", "created_at": "2026-01-01T12:00:00Z"}
COUNTS: JsonDict = {"accepted": 1, "replayed": 0, "rejected": 1}
ACCEPTED_ITEM: JsonDict = {
    "index": 0,
    "success": True,
    "status_code": 202,
    "message": "Notification queued successfully",
    "error": None,
    "data": ACCEPTED,
}
REJECTED_ITEM: JsonDict = {
    "index": 1,
    "success": False,
    "status_code": 404,
    "message": "There is no user by that id",
    "error": "user_not_found",
    "data": None,
}
RECIPIENT: JsonDict = {
    "is_user": True,
    "name": "Ada Lovelace",
    "email": "a***@example.com",
    "fingerprint": None,
    "devices": None,
    "topic": None,
}
NOTIFICATION: JsonDict = {
    "test": False,
    "notification_id": ID,
    "request_id": "req_unique_123",
    "correlation_id": "8f14e45f-ceea-467f-a9d1-5b6a3c1d2e0f",
    "notification_type": "email",
    "user_id": "123e4567-e89b-12d3-a456-426614174000",
    "recipient": RECIPIENT,
    "template_code": "welcome_email",
    "template_version": 2,
    "language": "en",
    "priority": 5,
    "metadata": {"campaign": "welcome"},
    "attachments": [],
    "status": "sent",
    "held_by": None,
    "error": None,
    "error_detail": None,
    "provider": "smtp",
    "provider_message_id": "4XyZ12abcDeF",
    "attempts": 1,
    "replays": 0,
    "created_at": "2026-01-01T12:00:00Z",
    "send_at": None,
    "expires_at": None,
    "delivery_guarantee": "at_least_once",
    "queued_at": "2026-01-01T12:00:00.020Z",
    "sent_at": "2026-01-01T12:00:00.240Z",
    "ended_at": "2026-01-01T12:00:00.240Z",
    "updated_at": "2026-01-01T12:00:00.250Z",
}
TIMELINE: list[JsonValue] = [
    {"status": "accepted", "at": "2026-01-01T12:00:00Z", "code": None, "detail": None, "attempts": None},
    {"status": "queued", "at": "2026-01-01T12:00:00.020Z", "code": None, "detail": None, "attempts": None},
    {
        "status": "sent",
        "at": "2026-01-01T12:00:00.240Z",
        "code": None,
        "detail": None,
        "attempts": None,
        "provider": "smtp",
    },
]


class Accepted(BaseModel):
    """The answer to an accepted notification."""

    model_config = ConfigDict(json_schema_extra={"examples": [ACCEPTED]})

    notification_id: UUID
    status: Status
    created_at: datetime


class StatusReported(BaseModel):
    """The answer to a callback: the current status, which a late or repeated callback does not change."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"notification_id": ID, "status": "delivered"}]})

    notification_id: UUID
    status: Status


class BatchItem(BaseModel):
    """The result of one item of a batch: `data` if it was accepted, otherwise `error` and `message`."""

    index: int
    success: bool
    status_code: int
    message: str
    error: str | None
    data: Accepted | Problems | None


class BatchAnswer(BaseModel):
    """`results` are in the order of the batch's items."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**COUNTS, "results": [ACCEPTED_ITEM, REJECTED_ITEM]}]})

    accepted: int
    replayed: int
    rejected: int
    results: list[BatchItem]


class BatchRefusal(Refusal):
    """No notification of the batch was accepted."""

    data: BatchAnswer  # type: ignore[assignment]
    error: Literal["batch_rejected"]


class TimelineEntry(BaseModel):
    """One step of the timeline."""

    status: str
    at: datetime
    code: str | None = None
    detail: str | None = None
    attempts: int | None = None
    provider: str | None = Field(default=None, description="Name of the provider that was called")
    provider_timestamp: datetime | None = Field(
        default=None, description="Time of the event by the provider's own clock, if a callback gave one"
    )
    device: str | None = Field(
        default=None,
        exclude_if=lambda device: device is None,
        description="Fingerprint of the device that this step is about; absent if it is about the whole notification",
        json_schema_extra={MAY_BE_ABSENT: True},
    )


class DeviceOutcome(BaseModel):
    """The end of a push notification on one of several devices. `device` is the `fingerprint` in the user's list of devices.

    `code` is as in `error`. `invalid_token`: the device no longer exists, and was removed from the user.
    """

    device: str
    status: str
    code: str | None = None
    provider: str | None = None
    at: datetime


class AttachmentView(BaseModel):
    """An attachment, without its content."""

    filename: str
    content_type: str
    size: int = Field(description="In bytes, decoded")
    content_id: str | None


class RecipientView(BaseModel):
    """Whom a notification is for. What describes the person is null until it is known, after it was erased, and for a key
    without `users:read`, unless the request itself gave the recipient in `to`.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [RECIPIENT]})

    is_user: bool = Field(description="False: `to` of the request named an address or devices")
    name: str | None = None
    email: str | None = Field(default=None, description="Of an e-mail: the address, masked")
    fingerprint: str | None = Field(
        default=None, description="Of an e-mail, for administrators: the address as the suppression list names it"
    )
    devices: int | None = Field(default=None, description="Of a push notification: to how many devices it goes")
    topic: str | None = Field(default=None, description="Of a push notification to a topic or a condition of FCM")


class NotificationView(BaseModel):
    """A notification as its caller sees it."""

    model_config = ConfigDict(json_schema_extra={"examples": [NOTIFICATION]})

    notification_id: UUID
    request_id: str
    correlation_id: str
    notification_type: Channel
    user_id: UUID = Field(description="The user; for a recipient that `to` named, an id derived from it")
    recipient: RecipientView
    template_code: str
    template_version: int | None = Field(description="Version that is sent; null until it has been looked up")
    language: str | None
    priority: int
    metadata: JsonObject
    attachments: list[AttachmentView] = Field(description="Of an e-mail; the content is not shown")
    test: bool = Field(description="Sent with a test key: no provider receives it, and its outcome is simulated")
    status: Status
    held_by: UUID | None = Field(description="The hold because of which a pending notification waits")
    error: str | None = Field(description="Stable code of the reason, for failed, suppressed, expired and unknown")
    error_detail: str | None
    provider: str | None = Field(description="Name of the provider that was called last; null until one was called")
    provider_message_id: str | None = Field(description="The id that the provider gave the message, for its own logs")
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


class NotificationDetail(NotificationView):
    """A notification with its timeline, oldest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**NOTIFICATION, "timeline": TIMELINE}]})

    timeline: list[TimelineEntry]
    devices: list[DeviceOutcome] = Field(
        default=[],
        exclude_if=lambda devices: not devices,
        description="The devices on which a push notification has ended; absent unless it goes to several",
        json_schema_extra={MAY_BE_ABSENT: True},
    )


class LedgerCheck(BaseModel):
    """The gateway's records compared with the ledger of the channel's workers, for notifications accepted since `since`."""

    since: datetime
    sent_by_gateway: int = Field(description="Notifications that the gateway records as sent")
    sent_by_ledger: int = Field(description="Notifications that the ledger records as sent")
    unreported: int = Field(description="Notifications sent by the ledger's record, and not yet by the gateway's")
    unfounded: int = Field(description="Notifications sent by the gateway's record only; must be 0")
    deliveries: dict[str, int] = Field(description="The ledger's rows by state; one push can have several devices")


class ChannelTotals(BaseModel):
    """`accepted` is counted when accepting, `by_status` counts the current rows, `unaccounted` is their difference."""

    accepted: int
    by_status: dict[Status, int]
    unaccounted: int
    held: int = Field(description="Of the pending ones, those that wait because of a hold")
    ledger: LedgerCheck | None = Field(default=None, description="Null while no worker of the channel answers")


class Reconciliation(BaseModel):
    """The sums over all channels, and the figures of each channel."""

    accepted: int
    unaccounted: int
    channels: dict[Channel, ChannelTotals]


class ReplayAnswer(BaseModel):
    """How many notifications will be tried again."""

    replayed: int
