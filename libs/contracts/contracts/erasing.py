"""Requests of the user service to the gateway: erasing and exporting a person's data."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from contracts.recipients import Channel, Contract
from contracts.status import Status

MAX_EXPORT_PAGE = 500


class ErasureRequest(Contract):
    """Body of the gateway's `POST /internal/erasures`: this user was deleted. Repeated until the erasure is finished."""

    user_id: UUID


class ErasureProgress(Contract):
    """The response. `finished`: one pass has examined all data, starting `seconds` ago. Otherwise the pass continues, and the
    next response reports on it.

    `open`: how many notifications have not ended. A worker or a queue still holds their content: ask again. The counts cover
    all data of the user, whenever it was erased. `failed_messages` counts the messages that this erasure removed from
    failed.queue.
    """

    finished: bool
    seconds: float = 0.0
    open: int = 0
    notifications: int = 0
    deliveries: int = 0
    failed_messages: int = 0


class ExportQuestion(Contract):
    """Body of the gateway's `POST /internal/exports`: one page of the user's notifications, oldest first.

    `application_id`: only notifications of that application, test and live. `after` is the last id of the previous page.
    """

    user_id: UUID
    application_id: UUID | None = None
    after: UUID | None = None
    limit: int = Field(default=MAX_EXPORT_PAGE, ge=1, le=MAX_EXPORT_PAGE)


class ExportedNotification(Contract):
    """The gateway's data about a notification, as far as it concerns its recipient. The sender's own references are left
    out.

    `variables`, `recipient` and `overrides` are texts of JSON objects. `variables` is None for the system's own mails, which
    grant access to accounts. `recipient` is None if it was never looked up.
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
    overrides: str | None = None
    created_at: datetime
    queued_at: datetime | None
    sent_at: datetime | None
    ended_at: datetime | None


class ExportFindings(Contract):
    """The response. `more`: there is another page."""

    notifications: tuple[ExportedNotification, ...]
    more: bool
