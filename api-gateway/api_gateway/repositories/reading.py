"""Notifications as lists, one by one, and counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Numeric, Row, Text, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from api_gateway.models import AcceptedTotal, Notification
from contracts.status import Status

TABLE = Notification.__table__
SHOWN = [column for column in TABLE.c if column.name not in {"variables", "recipient", "due_at", "leased_by"}]
# A page's total is counted up to here; beyond, counting would read the whole table for a number nobody pages to.
COUNTED_AT_MOST = 10_000


@dataclass(frozen=True, slots=True)
class ListFilter:
    """What a list shows; None means any. `cursor` is the last id of the page before."""

    user_id: UUID | None = None
    status: str | None = None
    notification_type: str | None = None
    template_code: str | None = None
    request_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    cursor: UUID | None = None


async def find(connection: AsyncConnection, notification_id: UUID, *, seen_by: UUID | None) -> Row[Any] | None:
    """One notification; with `seen_by`, only when it goes to that user."""
    query = select(*SHOWN).where(TABLE.c.id == notification_id)
    if seen_by is not None:
        query = query.where(TABLE.c.user_id == seen_by)
    return (await connection.execute(query)).first()


async def page(connection: AsyncConnection, wanted: ListFilter, *, limit: int, offset: int) -> Sequence[Row[Any]]:
    """Newest first (ids are time-ordered)."""
    query = select(*SHOWN).where(*_conditions(wanted)).order_by(TABLE.c.id.desc()).limit(limit).offset(offset)
    if wanted.cursor is not None:
        query = query.where(TABLE.c.id < wanted.cursor)
    return (await connection.execute(query)).all()


async def count(connection: AsyncConnection, wanted: ListFilter) -> int:
    """How many the filter lets through, counted up to `COUNTED_AT_MOST`."""
    some = select(TABLE.c.id).where(*_conditions(wanted)).limit(COUNTED_AT_MOST).subquery()
    return (await connection.execute(select(func.count()).select_from(some))).scalar_one()


def _conditions(wanted: ListFilter) -> list[ColumnElement[bool]]:
    equal = {
        TABLE.c.user_id: wanted.user_id,
        TABLE.c.status: wanted.status,
        TABLE.c.notification_type: wanted.notification_type,
        TABLE.c.template_code: wanted.template_code,
        TABLE.c.request_id: wanted.request_id,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if wanted.created_after is not None:
        conditions.append(TABLE.c.created_at >= wanted.created_after)
    if wanted.created_before is not None:
        conditions.append(TABLE.c.created_at < wanted.created_before)
    return conditions


async def ids_of_request(connection: AsyncConnection, request_id: str) -> list[UUID]:
    """The notifications made with this request_id, two at most: each caller may have made one."""
    query = select(TABLE.c.id).where(TABLE.c.request_id == request_id).limit(2)
    return list((await connection.execute(query)).scalars())


async def sent_between(connection: AsyncConnection, channel: str, first: UUID, last: UUID) -> tuple[int, str]:
    """How many of these ids a worker has called sent, and their fingerprint (see `contracts.lookups.LedgerTotals`)."""
    fingerprint = cast(func.coalesce(func.sum(cast(func.uuid_hash_extended(TABLE.c.id, 0), Numeric)), 0), Text)
    sent = (TABLE.c.sent_at.is_not(None)) | TABLE.c.status.in_([Status.SENT, Status.DELIVERED])
    query = select(func.count(), fingerprint).where(
        TABLE.c.id >= first, TABLE.c.id < last, TABLE.c.notification_type == channel, sent
    )
    number, text = (await connection.execute(query)).one()
    return number, text


async def totals(connection: AsyncConnection) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """(channel → accepted), ((channel, status) → rows), of one moment: run it in a REPEATABLE READ transaction."""
    accepted = await connection.execute(
        select(AcceptedTotal.channel, func.sum(AcceptedTotal.accepted)).group_by(AcceptedTotal.channel)
    )
    rows = await connection.execute(
        select(TABLE.c.notification_type, TABLE.c.status, func.count()).group_by(
            TABLE.c.notification_type, TABLE.c.status
        )
    )
    return {channel: int(number) for channel, number in accepted}, {(c, s): number for c, s, number in rows}
