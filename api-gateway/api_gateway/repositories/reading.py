"""Notifications as lists, one by one, and counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ColumnElement, Row, Text, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from api_gateway.models import Notification
from contracts.lookups import first_id_of

TABLE = Notification.__table__
HIDDEN = {"variables", "given_variables", "metadata", "given_metadata", "recipient", "due_at", "leased_by"}
# As it came; of a gateway of the release before, as its jsonb has it (ADR 16).
METADATA = cast(func.coalesce(TABLE.c.given_metadata, cast(TABLE.c.metadata, JSON)), Text).label("metadata")
SHOWN = [METADATA, *(column for column in TABLE.c if column.name not in HIDDEN)]
# A page's total is counted up to here; beyond, counting would read the whole table for a number nobody pages to.
COUNTED_AT_MOST = 10_000
LAG = timedelta(hours=1)  # between a process's clock, which the id has, and the database's: more than any that works


@dataclass(frozen=True, slots=True)
class Visibility:
    """Whose notifications somebody sees: what goes to `user_id`, or what `caller` sent; everybody's when both are None."""

    user_id: UUID | None = None
    caller: str | None = None


@dataclass(frozen=True, slots=True)
class ListFilter:
    """What a list shows; None means any. `cursor` is the last id of the page before."""

    caller: str | None = None
    user_id: UUID | None = None
    status: str | None = None
    notification_type: str | None = None
    template_code: str | None = None
    request_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    cursor: UUID | None = None


async def find(connection: AsyncConnection, notification_id: UUID, *, seen_by: Visibility) -> Row[Any] | None:
    """One notification, if `seen_by` sees it."""
    query = select(*SHOWN).where(TABLE.c.id == notification_id, *_seen(seen_by))
    return (await connection.execute(query)).first()


def _seen(visibility: Visibility) -> list[ColumnElement[bool]]:
    equal = {TABLE.c.user_id: visibility.user_id, TABLE.c.caller: visibility.caller}
    return [column == value for column, value in equal.items() if value is not None]


async def page(connection: AsyncConnection, wanted: ListFilter, *, limit: int, offset: int) -> Sequence[Row[Any]]:
    """Newest first (ids are time-ordered)."""
    query = select(*SHOWN).where(*_conditions(wanted)).order_by(TABLE.c.id.desc()).limit(limit).offset(offset)
    if wanted.cursor is not None:
        query = query.where(TABLE.c.id < wanted.cursor)
    return (await connection.execute(query)).all()


async def count(connection: AsyncConnection, wanted: ListFilter) -> int:
    """How many the filter lets through, the cursor apart, counted up to `COUNTED_AT_MOST`."""
    # In the order of an index: without one the planner may begin at the start of the table and read it to its end.
    some = select(TABLE.c.id).where(*_conditions(wanted)).order_by(TABLE.c.id.desc()).limit(COUNTED_AT_MOST).subquery()
    return (await connection.execute(select(func.count()).select_from(some))).scalar_one()


async def count_before(connection: AsyncConnection, wanted: ListFilter) -> int:
    """How many of them stand before the page that begins after the cursor, counted up to `COUNTED_AT_MOST`."""
    before = [*_conditions(wanted), TABLE.c.id >= wanted.cursor]
    some = select(TABLE.c.id).where(*before).order_by(TABLE.c.id).limit(COUNTED_AT_MOST).subquery()
    return (await connection.execute(select(func.count()).select_from(some))).scalar_one()


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
    # Ids are made a moment before rows: by them the primary key finds the place, and the row's own time decides.
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


async def ids_named(connection: AsyncConnection, name: str, as_id: UUID | None, *, seen_by: Visibility) -> list[UUID]:
    """The notification with the id `as_id`, if there is one; else those made with the request_id `name`, two at most: each
    caller may have made one. Only of those that `seen_by` sees."""
    seen = _seen(seen_by)
    if as_id is not None and (found := await connection.scalar(select(TABLE.c.id).where(TABLE.c.id == as_id, *seen))):
        return [found]
    query = select(TABLE.c.id).where(TABLE.c.request_id == name, *seen).limit(2)
    return list((await connection.execute(query)).scalars())
