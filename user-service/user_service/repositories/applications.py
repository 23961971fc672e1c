"""Applications: finding, listing and writing them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.security import Sender
from user_service.models import Application, table_of

APPLICATIONS = table_of(Application)


@dataclass(frozen=True, slots=True)
class StoredApplication:
    id: UUID
    name: str
    owner_id: UUID | None
    rate_limit_per_minute: int | None
    channels: list[str] | None
    sender_name: str | None
    sender_email: str | None
    sender_reply_to: str | None
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def sender(self) -> Sender | None:
        return sender_of(self.sender_name, self.sender_email, self.sender_reply_to)


class ApplicationChanges(TypedDict, total=False):
    """The columns to change. Absent columns stay unchanged."""

    name: str
    rate_limit_per_minute: int | None
    channels: list[str] | None
    sender_name: str | None
    sender_email: str | None
    sender_reply_to: str | None
    disabled_at: datetime | None


def sender_of(name: str | None, email: str | None, reply_to: str | None) -> Sender | None:
    """None if the application uses the deployment's sender."""
    return None if name is email is reply_to is None else Sender(name, email, reply_to)


_COLUMNS = [APPLICATIONS.c[field.name] for field in fields(StoredApplication)]


async def add(
    connection: AsyncConnection, application_id: UUID, owner_id: UUID, values: ApplicationChanges
) -> StoredApplication:
    statement = APPLICATIONS.insert().values(id=application_id, owner_id=owner_id, **values).returning(*_COLUMNS)
    return StoredApplication(*(await connection.execute(statement)).one())


async def find(connection: AsyncConnection, application_id: UUID) -> StoredApplication | None:
    row = (await connection.execute(select(*_COLUMNS).where(APPLICATIONS.c.id == application_id))).first()
    return StoredApplication(*row) if row else None


async def lock(connection: AsyncConnection, application_id: UUID) -> StoredApplication | None:
    """Like `find`. Locks the application until the transaction ends."""
    query = select(*_COLUMNS).where(APPLICATIONS.c.id == application_id).with_for_update()
    row = (await connection.execute(query)).first()
    return StoredApplication(*row) if row else None


async def page(connection: AsyncConnection, *, limit: int, offset: int) -> Sequence[StoredApplication]:
    """Newest first (ids are ordered by time)."""
    query = select(*_COLUMNS).order_by(APPLICATIONS.c.id.desc()).limit(limit).offset(offset)
    return [StoredApplication(*row) for row in await connection.execute(query)]


async def owned_by(connection: AsyncConnection, user_id: UUID) -> Sequence[StoredApplication]:
    """Oldest first."""
    query = select(*_COLUMNS).where(APPLICATIONS.c.owner_id == user_id).order_by(APPLICATIONS.c.id)
    return [StoredApplication(*row) for row in await connection.execute(query)]


async def count(connection: AsyncConnection) -> int:
    return (await connection.execute(select(func.count()).select_from(APPLICATIONS))).scalar_one()


async def change(
    connection: AsyncConnection, application_id: UUID, changes: ApplicationChanges
) -> StoredApplication | None:
    """The changed application, or None if it does not exist."""
    statement = APPLICATIONS.update().where(APPLICATIONS.c.id == application_id)
    row = (await connection.execute(statement.values(**changes, updated_at=func.now()).returning(*_COLUMNS))).first()
    return StoredApplication(*row) if row else None


async def remove(connection: AsyncConnection, application_id: UUID) -> bool:
    """Removes also its keys."""
    return (await connection.execute(APPLICATIONS.delete().where(APPLICATIONS.c.id == application_id))).rowcount == 1
