"""What a login is checked against."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from user_service.models import User, table_of

USERS = table_of(User)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A contact has no password."""

    user_id: UUID
    password_hash: str | None
    last_login_at: datetime | None


_COLUMNS = (USERS.c.id, USERS.c.password_hash, USERS.c.last_login_at)


async def by_email(connection: AsyncConnection, email_key: str) -> Credentials | None:
    row = (await connection.execute(select(*_COLUMNS).where(USERS.c.email_key == email_key))).first()
    return Credentials(*row) if row else None


async def by_id(connection: AsyncConnection, user_id: UUID) -> Credentials | None:
    row = (await connection.execute(select(*_COLUMNS).where(USERS.c.id == user_id))).first()
    return Credentials(*row) if row else None


async def note_login(connection: AsyncConnection, verified: Credentials, *, password_hash: str) -> bool:
    """False when the user is disabled, or the verified password no longer there: it changed while we were checking it."""
    unchanged = (USERS.c.id == verified.user_id) & (USERS.c.password_hash == verified.password_hash)
    good = unchanged & USERS.c.disabled_at.is_(None)
    statement = USERS.update().where(good).values(last_login_at=func.now(), password_hash=password_hash)
    return (await connection.execute(statement)).rowcount == 1
