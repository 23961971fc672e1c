"""Notifications as their callers see them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from api_gateway.errors import AmbiguousRequestId, NotificationNotFound
from api_gateway.repositories import housekeeping, personal, reading
from api_gateway.repositories.reading import MAX_COUNTED, ListFilter, StoredNotification, Visibility
from api_gateway.schemas.answers import (
    AttachmentView,
    DeviceOutcome,
    NotificationDetail,
    NotificationView,
    RecipientView,
    TimelineEntry,
)
from chassis.http.envelope import Meta
from chassis.json_values import JsonObject
from chassis.postgres.database import Database
from chassis.security import Identity, is_test_caller
from chassis.security.data_keys import DataKeys
from contracts.addresses import fingerprint, masked
from contracts.recipients import EmailRecipient, PushRecipient, PushToken
from contracts.status import Status


def visibility_of(identity: Identity) -> Visibility:
    """A user sees what was sent to them, an application what it sent, an administrator everything."""
    if identity.is_admin:
        return Visibility()
    return Visibility(user_id=UUID(identity.user_id)) if identity.kind == "user" else Visibility(caller=identity.caller)


def is_recipient(identity: Identity) -> bool:
    return visibility_of(identity).user_id is not None


class Reader:
    def __init__(self, database: Database, data_keys: DataKeys) -> None:
        self._database = database
        self._data_keys = data_keys

    async def detail(self, notification_id: UUID, identity: Identity) -> NotificationDetail:
        """Raises NotificationNotFound, ValueUnreadable."""
        row = await self._row(notification_id, identity)
        devices = device_outcomes(row)
        return NotificationDetail(
            **_fields(row, identity, self._data_keys), timeline=timeline(row, devices, self._data_keys), devices=devices
        )

    async def was_sent_by(self, notification_id: UUID, identity: Identity) -> bool:
        """Raises NotificationNotFound."""
        row = await self._row(notification_id, identity)
        return bool(row.caller == identity.caller)

    async def _row(self, notification_id: UUID, identity: Identity) -> StoredNotification:
        async with self._database.begin() as connection:
            row = await reading.find(connection, notification_id, seen_by=visibility_of(identity))
        if row is None:
            raise NotificationNotFound
        return row

    async def page(
        self, wanted: ListFilter, identity: Identity, *, limit: int, page: int
    ) -> tuple[Sequence[NotificationView], Meta]:
        """`meta.total` and the figures derived from it stop at 10,000; whether there is a next page is always exact."""
        offset = 0 if wanted.cursor else (page - 1) * limit
        async with self._database.begin() as connection:
            rows = await reading.page(connection, wanted, limit=limit + 1, offset=offset)
            total = await total_of(connection, wanted)
            before = await reading.count_before(connection, wanted) if wanted.cursor else offset
        meta = page_meta([row.id for row in rows], total=total, before=before, limit=limit)
        return [NotificationView(**_fields(row, identity, self._data_keys)) for row in rows[:limit]], meta

    async def id_of(self, name: str, identity: Identity) -> UUID:
        """The id that `name` means: itself, or the id of the one visible notification with this request_id.

        A request_id may look like an id. Raises NotificationNotFound, AmbiguousRequestId.
        """
        async with self._database.begin() as connection:
            ids = await reading.ids_named(connection, name, _as_id(name), seen_by=visibility_of(identity))
        match ids:
            case [only]:
                return only
            case []:
                raise NotificationNotFound
            case _:
                raise AmbiguousRequestId


async def total_of(connection: AsyncConnection, wanted: ListFilter) -> int:
    """How many match, up to `MAX_COUNTED`: by the running totals where they know it, because counting ten thousand rows
    takes longer than reading a page.
    """
    if not wanted.by_status_alone:
        return await reading.count(connection, wanted)
    totals = await housekeeping.totals(connection)
    found = sum(
        number
        for (channel, status), number in totals.items()
        if (wanted.notification_type is None or channel == wanted.notification_type)
        and (wanted.status is None or status == wanted.status)
    )
    return min(found, MAX_COUNTED)


def page_meta(ids: Sequence[UUID], *, total: int, before: int, limit: int) -> Meta:
    """The position of a page: `ids` are its ids, plus one if there is a next page. `before` rows come before it."""
    shown, rest = ids[:limit], ids[limit:]
    number = -(-before // limit) + 1
    meta = Meta.for_page(total, limit=limit, page=number)
    if shown:  # the shown rows exist even if counting stopped before them; a cursor may be anywhere
        meta.total = max(total, before + len(ids))
        meta.total_pages = number - (before + len(shown) - meta.total) // limit
    meta.has_next, meta.next_cursor = bool(rest), str(shown[-1]) if rest else None
    return meta


def _as_id(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None


# The order of steps with the same time; final statuses come last.
_STEPS = ("accepted", "replayed", "queued", "held", "released", "retrying", "sent")
_AT_ONCE = {status: index for index, status in enumerate(_STEPS)}


def device_outcomes(row: StoredNotification) -> list[DeviceOutcome]:
    """Their times are those of the ledger's clock, limited to the span of the row's own times."""
    found = [DeviceOutcome.model_validate(device) for device in row.devices or ()]
    return [one.model_copy(update={"at": max(row.created_at, min(one.at, row.updated_at))}) for one in found]


def timeline(row: StoredNotification, devices: Sequence[DeviceOutcome], data_keys: DataKeys) -> list[TimelineEntry]:
    """The timeline, oldest first: the row's own times, its devices, and the steps of its history (retries, ends, earlier
    rounds).
    """
    steps = [TimelineEntry(status="accepted", at=row.created_at)]
    if row.queued_at:
        steps.append(TimelineEntry(status=Status.QUEUED, at=row.queued_at))
    if row.sent_at:
        steps.append(TimelineEntry(status=Status.SENT, at=row.sent_at, provider=row.provider))
    history = [TimelineEntry.model_validate(entry) for entry in personal.read_history(data_keys, row.id, row.history)]
    if row.ended_at and not (history and history[-1].status == row.status):
        steps.append(TimelineEntry(status=row.status, at=row.ended_at, code=row.code, detail=_detail(row, data_keys)))
    steps += history
    steps += [TimelineEntry(**device.model_dump()) for device in devices]
    return sorted(steps, key=lambda step: (step.at, _AT_ONCE.get(step.status, len(_AT_ONCE))))


def _detail(row: StoredNotification, data_keys: DataKeys) -> str | None:
    return personal.read_detail(data_keys, row.id, row.detail, row.sealed_detail)


def _attachments(row: StoredNotification, data_keys: DataKeys) -> list[AttachmentView]:
    found = personal.read_document(data_keys, personal.EMAIL_OPTIONS, row.id, row.email_options)
    return [] if found is None else [AttachmentView(**one) for one in found["attachments"]]


def _recipient(row: StoredNotification, identity: Identity, data_keys: DataKeys) -> RecipientView:
    is_user = row.given_recipient is None
    if is_user and not (identity.allows("users:read") or is_recipient(identity)):
        return RecipientView(is_user=True)
    match personal.read_recipient(data_keys, row.id, given=row.given_recipient, found=row.recipient):
        case EmailRecipient(name=name, email=email):
            name_on_the_list = fingerprint(email) if identity.is_admin else None
            return RecipientView(is_user=is_user, name=name or None, email=masked(email), fingerprint=name_on_the_list)
        case PushRecipient(name=name, push_tokens=[PushToken(kind="token"), *_] as devices):
            return RecipientView(is_user=is_user, name=name or None, devices=len(devices))
        case PushRecipient(push_tokens=[topic, *_]):
            return RecipientView(is_user=is_user, topic=topic.token)
        case _:
            return RecipientView(is_user=is_user)


def _fields(row: StoredNotification, identity: Identity, data_keys: DataKeys) -> dict[str, Any]:
    """`metadata` is visible to the sender, not to the recipient."""
    hidden = is_recipient(identity) and row.caller != identity.caller
    return {
        "notification_id": row.id,
        "test": is_test_caller(row.caller),
        "metadata": JsonObject.empty()
        if hidden
        else personal.read_object(data_keys, personal.METADATA, row.id, row.metadata),
        "error": row.code,
        "error_detail": _detail(row, data_keys),
        "replays": row.replay,
        "held_by": row.held_by if row.status == Status.PENDING else None,
        "attachments": _attachments(row, data_keys),
        "recipient": _recipient(row, identity, data_keys),
        **{name: getattr(row, name) for name in _SAME},
    }


_SAME = (
    "request_id", "correlation_id", "notification_type", "user_id", "template_code", "template_version", "language",
    "priority", "status", "provider", "provider_message_id", "attempts",
    "created_at", "send_at", "expires_at", "delivery_guarantee", "queued_at", "sent_at", "ended_at", "updated_at",
)  # fmt: skip
