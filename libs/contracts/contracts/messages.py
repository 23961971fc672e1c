"""The queue's messages, version 1. JSON Schemas of them are committed in `libs/contracts/schemas`."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, ValidationError

from chassis.fields import cleaned
from chassis.security import Sender
from contracts.recipients import Channel, Contract, EmailRecipient, PushRecipient

MESSAGE_VERSION: Literal[1] = 1

# What a worker does when nobody can know whether the provider took a message: send it again with the same Message-ID, or
# end the notification as `unknown`.
DeliveryGuarantee = Literal["at_least_once", "at_most_once"]


class TemplateRef(Contract):
    """A template is named, not carried: a version never changes, so a worker fetches and compiles it once."""

    code: str
    version: int
    language: str

    def __str__(self) -> str:
        return f"{self.code}:{self.language}:{self.version}"

    @classmethod
    def named(cls, text: str) -> "TemplateRef":
        """The one whose text that is."""
        code, language, version = text.rsplit(":", 2)
        return cls(code=code, language=language, version=int(version))


class NotificationMessage(Contract):
    """Gateway → worker: one notification to deliver.

    `replay` counts how often a person re-drove it after it had failed; each replay has a fresh budget of attempts.
    `queued_at` is when the gateway gave it to the broker, by the clock of the gateway's database; a gateway of the release
    before does not say it. `test`: it was sent with a test key, and its outcome is simulated.
    `fixed_recipient`: it goes to this recipient and no other, whatever the user has now. `sender`: an e-mail goes in the name
    that its application had when it was accepted.
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


# Somebody else's words: what no database keeps is left out, wherever an event is made or read.
ForeignText = Annotated[str, AfterValidator(cleaned)]
EventStatus = Literal["retrying", "sent", "delivered", "failed", "suppressed", "expired", "unknown"]


class StatusEvent(Contract):
    """Worker → gateway: what became of a notification. `retrying` reports an attempt that failed and will be repeated.

    `code` is the machine-readable reason (`bounced`, `exhausted`, `invalid_token`, ...), `detail` the provider's words
    without addresses or tokens, `attempts` how many were spent so far in this `replay`. `at` is when the reporter learned of
    it, `provider_timestamp` what the provider itself says of when it happened. `queued_at` is what the message said.
    """

    version: Literal[1] = 1
    notification_id: UUID
    notification_type: Channel
    correlation_id: ForeignText = ""
    status: EventStatus
    code: ForeignText | None = None
    detail: ForeignText | None = None
    provider_message_id: ForeignText | None = None
    attempts: int = 0
    replay: int = 0
    queued_at: AwareDatetime | None = None
    at: datetime
    provider_timestamp: datetime | None = None


class StatusEvents(Contract):
    """Worker → gateway: the message that carries events, of different notifications and in their order.

    In groups, because a message of its own for each cost the two sides 0.5 ms of CPU a notification.
    """

    version: Literal[1] = 1
    events: tuple[StatusEvent, ...]


class _Unread(Contract):
    events: tuple[Any, ...]


def read_events(body: bytes) -> tuple[list[StatusEvent], int]:
    """The events of a message, and how many of them could not be read: one bad event harms no neighbour.

    Raises ValidationError for what is no such message at all.
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
    """The smallest id that a notification accepted at `instant` can have: ids are UUIDs of version 7 (RFC 9562, 5.7)."""
    return UUID(int=int(instant.timestamp() * 1000) << 80)
