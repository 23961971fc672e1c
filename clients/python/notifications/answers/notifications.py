"""Notifications, and what became of them."""

from datetime import datetime
from typing import Any

from pydantic import Field

from notifications.answers.base import AnswerModel
from notifications.errors import FieldProblem

FINAL_STATUSES = frozenset({"delivered", "failed", "suppressed", "cancelled", "expired", "unknown"})
# `sent`: the provider has it. Not every provider reports deliveries, so most notifications stay there.
SENT_OR_FINAL = FINAL_STATUSES | {"sent"}


class Accepted(AnswerModel):
    """The notification is durable. `request_id` is the one it was sent with; `replayed`: it had been accepted before."""

    notification_id: str
    status: str
    created_at: datetime
    request_id: str = ""
    replayed: bool = False


class Problems(AnswerModel):
    errors: list[FieldProblem]


class BatchItem(AnswerModel):
    """One notification of a batch, by its place in it: `data` is an `Accepted`, or the fields that are not valid."""

    index: int
    success: bool
    status_code: int
    message: str
    error: str | None
    data: Accepted | Problems | None
    request_id: str = ""

    @property
    def notification_id(self) -> str | None:
        """None if it was not accepted."""
        return self.data.notification_id if isinstance(self.data, Accepted) else None


class BatchResult(AnswerModel):
    """`replayed` were accepted before. `results` are in the order of the notifications."""

    accepted: int
    replayed: int
    rejected: int
    results: list[BatchItem]


class AttachmentInfo(AnswerModel):
    filename: str
    content_type: str
    size: int
    content_id: str | None


class Recipient(AnswerModel):
    """Whom a notification is for, as far as the reader may know. `is_user`: False if the request named an address or devices.

    `email` is masked, `devices` a number, `topic` a topic or a condition of FCM. `fingerprint` is the address's name on the
    suppression list.
    """

    is_user: bool
    name: str | None
    email: str | None
    fingerprint: str | None
    devices: int | None
    topic: str | None


class Notification(AnswerModel):
    """`status` is pending, queued, sent, delivered, failed, suppressed, cancelled, expired or unknown; `error` says why."""

    notification_id: str
    request_id: str
    correlation_id: str
    user_id: str
    notification_type: str
    template_code: str
    template_version: int | None
    language: str | None
    status: str
    error: str | None
    error_detail: str | None
    held_by: str | None = None
    recipient: Recipient | None = None
    priority: int
    delivery_guarantee: str
    attempts: int
    replays: int
    provider: str | None
    provider_message_id: str | None
    attachments: list[AttachmentInfo]
    metadata: dict[str, Any]
    test: bool
    created_at: datetime
    updated_at: datetime
    send_at: datetime | None
    expires_at: datetime | None
    queued_at: datetime | None
    sent_at: datetime | None
    ended_at: datetime | None


class TimelineEntry(AnswerModel):
    status: str
    at: datetime
    attempts: int | None
    code: str | None
    detail: str | None
    provider: str | None
    provider_timestamp: datetime | None
    device: str | None = None


class DeviceOutcome(AnswerModel):
    """What became of a push on one device, by its fingerprint."""

    device: str
    status: str
    code: str | None
    provider: str | None
    at: datetime


class NotificationDetail(Notification):
    timeline: list[TimelineEntry]
    devices: list[DeviceOutcome] = Field(default_factory=list)


class Replay(AnswerModel):
    """How many dead letters are tried again."""

    replayed: int
