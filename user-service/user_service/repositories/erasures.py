"""Erasures: adding, continuing and completing them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from user_service.models import Erasure, table_of

ERASURES = table_of(Erasure)


@dataclass(frozen=True, slots=True)
class StoredErasure:
    """`erased` has the number of each kind. It grows until `completed_at`."""

    id: UUID
    user_id: UUID
    application_id: UUID | None
    erased: dict[str, int]
    requested_at: datetime
    completed_at: datetime | None


_COLUMNS = [ERASURES.c[field.name] for field in fields(StoredErasure)]


async def add(
    connection: AsyncConnection, erasure_id: UUID, user_id: UUID, application_id: UUID | None, erased: Mapping[str, int]
) -> StoredErasure:
    """It is due at once."""
    values = {"id": erasure_id, "user_id": user_id, "application_id": application_id, "erased": dict(erased)}
    return StoredErasure(*(await connection.execute(ERASURES.insert().values(values).returning(*_COLUMNS))).one())


async def find(connection: AsyncConnection, erasure_id: UUID) -> StoredErasure | None:
    row = (await connection.execute(select(*_COLUMNS).where(ERASURES.c.id == erasure_id))).first()
    return StoredErasure(*row) if row else None


async def take_due(connection: AsyncConnection, *, lease: timedelta) -> tuple[StoredErasure, timedelta] | None:
    """The erasure that has been due for longest, and its age. No other process takes it while `lease` lasts."""
    due = (
        select(ERASURES.c.id)
        .where(ERASURES.c.due_at <= func.now())
        .order_by(ERASURES.c.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    statement = ERASURES.update().where(ERASURES.c.id == due).values(due_at=func.now() + lease)
    row = (await connection.execute(statement.returning(*_COLUMNS, func.now() - ERASURES.c.requested_at))).first()
    return (StoredErasure(*row[:-1]), row[-1]) if row else None


async def oldest_age(connection: AsyncConnection) -> timedelta:
    """The age of the oldest incomplete erasure."""
    age = func.extract("epoch", func.now() - func.min(ERASURES.c.requested_at))
    seconds = (await connection.execute(select(age).where(ERASURES.c.due_at.is_not(None)))).scalar()
    return timedelta(seconds=float(seconds or 0))


async def record_progress(
    connection: AsyncConnection, erasure_id: UUID, erased: Mapping[str, int], *, pause: timedelta | None
) -> None:
    """Records what was erased so far. It is due again after `pause`; None completes it."""
    values = {
        "erased": dict(erased),
        "due_at": None if pause is None else func.now() + pause,
        "completed_at": func.now() if pause is None else None,
    }
    await connection.execute(ERASURES.update().where(ERASURES.c.id == erasure_id).values(values))
