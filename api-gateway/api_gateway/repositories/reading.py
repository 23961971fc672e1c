"""Reads notifications: lists, single rows and counts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ColumnElement, Select, Text, Uuid, case, cast, func, literal, select, text, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from api_gateway.models import Notification
from contracts.messages import DeliveryGuarantee, first_id_of
from contracts.recipients import Channel
from contracts.status import Status

TABLE = Notification.__table__
HIDDEN = {
    "variables",
    "given_variables",
    "metadata",
    "given_metadata",
    "recipient",
    "overrides",
    "due_at",
    "leased_by",
    "held_at",
    "claimed_at",
}
# The original text; rows of a gateway of the previous release have it in jsonb only (ADR 16).
METADATA = cast(func.coalesce(TABLE.c.given_metadata, cast(TABLE.c.metadata, JSON)), Text).label("metadata")
# `to` of the request says as much as the recipient that it was resolved to.
RECIPIENT = case((TABLE.c.given_recipient.is_(None), TABLE.c.recipient)).label("recipient")
SHOWN = [METADATA, RECIPIENT, *(column for column in TABLE.c if column.name not in HIDDEN)]
# A list's total is counted up to this number; counting further would read the whole table.
MAX_COUNTED = 10_000
LAG = timedelta(hours=1)  # upper bound of the difference between a process's clock (in the id) and the database's clock


@dataclass(frozen=True, slots=True)
class StoredNotification:
    """A row, without what only its worker needs. Personal values are as they are stored (`repositories.personal`)."""

    id: UUID
    metadata: str
    caller: str
    request_id: str
    correlation_id: str
    trace_context: str | None
    notification_type: Channel
    user_id: UUID
    template_code: str
    template_version: int | None
    language: str | None
    priority: int
    recipient: dict[str, Any] | str | None
    given_recipient: dict[str, Any] | str | None
    sender: dict[str, Any] | str | None
    email_options: dict[str, Any] | str | None
    status: Status
    code: str | None
    detail: str | None
    sealed_detail: str | None
    provider_message_id: str | None
    provider: str | None
    attempts: int
    replay: int
    created_at: datetime
    send_at: datetime | None
    expires_at: datetime | None
    delivery_guarantee: DeliveryGuarantee
    queued_at: datetime | None
    sent_at: datetime | None
    ended_at: datetime | None
    updated_at: datetime
    history: list[dict[str, Any]]
    devices: list[dict[str, Any]] | None
    held_by: UUID | None


@dataclass(frozen=True, slots=True)
class Visibility:
    """Which notifications are visible: those to `user_id`, or those that `caller` sent; if both are None, all."""

    user_id: UUID | None = None
    caller: str | None = None


@dataclass(frozen=True, slots=True)
class ListFilter:
    """The filters of a list; None means any. `cursor` is the last id of the previous page.

    `recipients`: any of these `user_id`s.
    """

    caller: str | None = None
    user_id: UUID | None = None
    recipients: tuple[UUID, ...] | None = None
    status: str | None = None
    notification_type: str | None = None
    template_code: str | None = None
    request_id: str | None = None
    held_by: UUID | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    cursor: UUID | None = None

    @property
    def by_status_alone(self) -> bool:
        """Nothing but the status and the channel, or neither, says which rows match."""
        return replace(self, status=None, notification_type=None, cursor=None) == ListFilter()


async def find(connection: AsyncConnection, notification_id: UUID, *, seen_by: Visibility) -> StoredNotification | None:
    """One notification, if `seen_by` may see it."""
    query = select(*SHOWN).where(TABLE.c.id == notification_id, *_seen(seen_by))
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else StoredNotification(**row)


def _seen(visibility: Visibility) -> list[ColumnElement[bool]]:
    equal = {TABLE.c.user_id: visibility.user_id, TABLE.c.caller: visibility.caller}
    return [column == value for column, value in equal.items() if value is not None]


async def page(
    connection: AsyncConnection, wanted: ListFilter, *, limit: int, offset: int
) -> Sequence[StoredNotification]:
    """Newest first (ids are time-ordered)."""
    conditions = [*_conditions(wanted), *([] if wanted.cursor is None else [TABLE.c.id < wanted.cursor])]
    query = select(*SHOWN).order_by(TABLE.c.id.desc()).limit(limit)
    if wanted.recipients is None:
        query = query.where(*conditions).offset(offset)
    else:
        query = query.where(TABLE.c.id.in_(_ids_of(wanted.recipients, conditions, limit + offset).offset(offset)))
    return [StoredNotification(**row) for row in (await connection.execute(query)).mappings()]


def _ids_of(recipients: Sequence[UUID], conditions: Sequence[ColumnElement[bool]], limit: int) -> Select[UUID]:
    """The newest ids of all these recipients together. Each one's newest are read by the index on (user_id, id): of a list
    of ids PostgreSQL would read and sort every row, or all newer rows of others.
    """
    wanted = (
        func.unnest(literal([*recipients], ARRAY(Uuid))).table_valued("user_id", name="recipients").render_derived()
    )
    newest = select(TABLE.c.id).where(TABLE.c.user_id == wanted.c.user_id, *conditions)
    of_one = newest.order_by(TABLE.c.id.desc()).limit(limit).lateral("of_one")
    return select(of_one.c.id).select_from(wanted.join(of_one, true())).order_by(of_one.c.id.desc()).limit(limit)


async def count(connection: AsyncConnection, wanted: ListFilter) -> int:
    """How many match the filter (without the cursor), counted up to `MAX_COUNTED`."""
    # Ordered as an index: otherwise the planner may start at the beginning of the table and read all of it.
    some = _ids_matching(wanted, _conditions(wanted), TABLE.c.id.desc()).subquery()
    return (await connection.execute(select(func.count()).select_from(some))).scalar_one()


async def count_before(connection: AsyncConnection, wanted: ListFilter) -> int:
    """How many of them come before the page after the cursor, counted up to `MAX_COUNTED`."""
    before = [*_conditions(wanted), TABLE.c.id >= wanted.cursor]
    some = _ids_matching(wanted, before, TABLE.c.id.asc()).subquery()
    return (await connection.execute(select(func.count()).select_from(some))).scalar_one()


def _ids_matching(
    wanted: ListFilter, conditions: Sequence[ColumnElement[bool]], order: ColumnElement[UUID]
) -> Select[UUID]:
    """Up to `MAX_COUNTED`."""
    if wanted.recipients is not None:
        return _ids_of(wanted.recipients, conditions, MAX_COUNTED)
    return select(TABLE.c.id).where(*conditions).order_by(order).limit(MAX_COUNTED)


def _conditions(wanted: ListFilter) -> list[ColumnElement[bool]]:
    equal = {
        TABLE.c.caller: wanted.caller,
        TABLE.c.user_id: wanted.user_id,
        TABLE.c.status: wanted.status,
        TABLE.c.notification_type: wanted.notification_type,
        TABLE.c.template_code: wanted.template_code,
        TABLE.c.request_id: wanted.request_id,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if wanted.held_by is not None:
        conditions += [TABLE.c.held_by == wanted.held_by, TABLE.c.status == Status.PENDING]
    # An id is created shortly before its row: ids find the range by the primary key, and the row's own time decides.
    if wanted.created_after is not None:
        conditions += [
            TABLE.c.created_at >= wanted.created_after,
            TABLE.c.id >= first_id_of(wanted.created_after - LAG),
        ]
    if wanted.created_before is not None:
        conditions += [
            TABLE.c.created_at < wanted.created_before,
            TABLE.c.id < first_id_of(wanted.created_before + LAG),
        ]
    return conditions


# Finds the next caller by the index on (caller, id) each time: DISTINCT would read the index of every row.
CALLERS = text("""
WITH RECURSIVE found AS (
    (SELECT caller FROM notifications ORDER BY caller LIMIT 1)
    UNION ALL
    SELECT (SELECT n.caller FROM notifications n WHERE n.caller > found.caller ORDER BY n.caller LIMIT 1)
    FROM found WHERE found.caller IS NOT NULL
)
SELECT caller FROM found WHERE caller IS NOT NULL LIMIT :limit
""")


async def callers(connection: AsyncConnection, *, limit: int) -> Sequence[str]:
    """Who has sent notifications that are still stored: `key:…`, `service:…`, `test:…`, then `user:…`."""
    return (await connection.execute(CALLERS, {"limit": limit})).scalars().all()


async def ids_named(connection: AsyncConnection, name: str, as_id: UUID | None, *, seen_by: Visibility) -> list[UUID]:
    """The visible notification with the id `as_id`, if there is one; otherwise up to two visible notifications with the
    request_id `name`, which several callers may have used."""
    seen = _seen(seen_by)
    if as_id is not None and (found := await connection.scalar(select(TABLE.c.id).where(TABLE.c.id == as_id, *seen))):
        return [found]
    query = select(TABLE.c.id).where(TABLE.c.request_id == name, *seen).limit(2)
    return list((await connection.execute(query)).scalars())
