"""Erasing a person's data, and handing it out: what the user service asks of the gateway."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from contracts.recipients import Channel, Contract
from contracts.status import Status

MAX_EXPORT_PAGE = 500


class ErasureOrder(Contract):
    """Body of the gateway's `POST /internal/erasures`: this user is gone for good. Given again until it is done."""

    user_id: UUID


class ErasureProgress(Contract):
    """The answer. `finished`: everything was looked at, beginning `seconds` ago; else that goes on, and is told next time.

    `open` notifications are with a worker or in a queue, which still has what they say: ask again. The counts are of all that
    there is of the user, whenever it was erased; `failed_messages` of what this order took out of failed.queue.
    """

    finished: bool
    seconds: float = 0.0
    open: int = 0
    notifications: int = 0
    deliveries: int = 0
    failed_messages: int = 0


class ExportQuestion(Contract):
    """Body of the gateway's `POST /internal/exports`: a page of what was sent to the user, oldest first.

    `application_id`: only what that application sent, test or live. `after` is the last id of the page before.
    """

    user_id: UUID
    application_id: UUID | None = None
    after: UUID | None = None
    limit: int = Field(default=MAX_EXPORT_PAGE, ge=1, le=MAX_EXPORT_PAGE)


class ExportedNotification(Contract):
    """What the gateway keeps of a notification that concerns whom it is for. What its sender alone knows it by is not here.

    `variables` and `recipient` are the text of JSON objects. None are the variables of the system's own mails, which open
    accounts, and a recipient that was never looked up.
    """

    notification_id: UUID
    notification_type: Channel
    template_code: str
    language: str | None
    status: Status
    code: str | None
    detail: str | None
    variables: str | None
    recipient: str | None
    created_at: datetime
    queued_at: datetime | None
    sent_at: datetime | None
    ended_at: datetime | None


class ExportFindings(Contract):
    """The answer. `more`: there is another page after the last of these."""

    notifications: tuple[ExportedNotification, ...]
    more: bool
