"""The queue's messages, version 1. JSON Schemas of them are committed in `libs/contracts/schemas`."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, ValidationError

from chassis.fields import cleaned
from chassis.security import Sender
from contracts.emails import EmailOptions
from contracts.overrides import Overrides
from contracts.recipients import Channel, Contract, EmailRecipient, PushRecipient

MESSAGE_VERSION: Literal[1] = 1

# What a worker does if it cannot find out whether the provider accepted a message: send it again with the same Message-ID,
# or end the notification as `unknown`.
DeliveryGuarantee = Literal["at_least_once", "at_most_once"]


class TemplateRef(Contract):
    """A message refers to its template: versions never change, so a worker fetches and compiles each one once."""

    code: str
    version: int
    language: str

    def __str__(self) -> str:
        return f"{self.code}:{self.language}:{self.version}"

    @classmethod
    def named(cls, text: str) -> "TemplateRef":
        """The inverse of `str`."""
        code, language, version = text.rsplit(":", 2)
        return cls(code=code, language=language, version=int(version))


class NotificationMessage(Contract):
    """Gateway → worker: one notification to deliver.

    `replay`: how many times a person has retried it after it failed; each replay has a new budget of attempts. `queued_at`
    is when the gateway published it, by the clock of the gateway's database; gateways of the previous release omit it.
    `test`: it was sent with a test key, and its outcome is simulated. `fixed_recipient`: it goes only to this recipient,
    whatever the user has now. `sender`: the application's sender of its e-mails at the time of acceptance. `email`: copies,
    a Reply-To and attachments, if the caller asked for any. `overrides`: what the caller changed in the message; workers of
    the previous release ignore it. `caller`: who sent it (`Identity.caller`), for holds; gateways of the previous release
    omit it.
    """

    version: Literal[1] = 1
    notification_id: UUID
    request_id: str
    correlation_id: str
    notification_type: Channel
    user_id: UUID
    template: TemplateRef
    variables: dict[str, Any]
    recipient: EmailRecipient | PushRecipient
    priority: int = Field(ge=1, le=10)
    metadata: dict[str, Any] = Field(default_factory=dict)
    created_at: AwareDatetime
    queued_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    delivery_guarantee: DeliveryGuarantee = "at_least_once"
    replay: int = 0
    test: bool = False
    fixed_recipient: bool = False
    sender: Sender | None = None
    email: EmailOptions | None = None
    overrides: Overrides | None = None
    caller: str | None = None


# Text from outside. Characters that a database cannot store are removed wherever an event is created or read.
ForeignText = Annotated[str, AfterValidator(cleaned)]
EventStatus = Literal["retrying", "held", "sent", "delivered", "failed", "suppressed", "expired", "unknown"]


MAX_DEVICE_RESULTS = 20  # in a report: a user has no more devices


class DeviceResult(Contract):
    """The end of a push notification on one of several devices.

    `device` is the device's fingerprint, `status` a final status, `provider` the provider that was called. `code` is as in
    `StatusEvent`; `invalid_token`: the device no longer exists, and was removed from its user. `at`: when it ended, by the
    clock of the ledger's database.
    """

    device: ForeignText
    status: ForeignText
    provider: ForeignText | None = None
    code: ForeignText | None = None
    at: AwareDatetime


class StatusEvent(Contract):
    """Worker → gateway: a new status of a notification. `retrying` reports a failed attempt that will be repeated; `held`
    gives a message back that nothing was attempted for, because of the hold `hold_id`.

    `code` is the machine-readable reason (`bounced`, `exhausted`, `invalid_token`, ...), `detail` the provider's text
    without addresses or tokens, `attempts` the number of attempts so far in this `replay`. `provider` is the provider that
    was called last. `at` is when the worker learned of it, `provider_timestamp` the provider's own time of it. `queued_at`
    is copied from the message. `sent_at`: when the provider accepted it; only in later events (delivered, bounced), which
    may arrive before `sent`. `devices`: the devices that have ended, if a push notification goes to several; a device that
    ends after the notification is in a later event with the same status.
    """

    version: Literal[1] = 1
    notification_id: UUID
    notification_type: Channel
    correlation_id: ForeignText = ""
    status: EventStatus
    code: ForeignText | None = None
    detail: ForeignText | None = None
    provider_message_id: ForeignText | None = None
    provider: ForeignText | None = None
    attempts: int = 0
    replay: int = 0
    queued_at: AwareDatetime | None = None
    sent_at: AwareDatetime | None = None
    at: datetime
    provider_timestamp: datetime | None = None
    devices: tuple[DeviceResult, ...] | None = None
    hold_id: UUID | None = None


class StatusEvents(Contract):
    """Worker → gateway: one message with events of different notifications, in their order.

    A message for each event would cost both sides 0.5 ms of CPU per notification.
    """

    version: Literal[1] = 1
    events: tuple[StatusEvent, ...]


class _Unread(Contract):
    events: tuple[Any, ...]


def read_events(body: bytes) -> tuple[list[StatusEvent], int]:
    """The events of a message, and the number of unreadable ones: one bad event affects no other.

    Raises ValidationError if it is not such a message.
    """
    try:
        return list(StatusEvents.model_validate_json(body).events), 0
    except ValidationError:
        parts = _Unread.model_validate_json(body).events
    events = [event for part in parts if (event := _event(part)) is not None]
    return events, len(parts) - len(events)


def _event(part: object) -> StatusEvent | None:
    try:
        return StatusEvent.model_validate(part)
    except ValidationError:
        return None


def first_id_of(instant: datetime) -> UUID:
    """The smallest possible id of a notification accepted at `instant`: ids are UUIDs of version 7 (RFC 9562, 5.7)."""
    return UUID(int=int(instant.timestamp() * 1000) << 80)
