"""Credentials that a login is checked against: password and second factor."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, any_, case, exists, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.security import Role
from user_service.models import Totp, User, table_of

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
    """Returns False if the user is disabled, or if the password has changed since it was verified."""
    unchanged = (USERS.c.id == verified.user_id) & (USERS.c.password_hash == verified.password_hash)
    good = unchanged & USERS.c.disabled_at.is_(None)
    statement = USERS.update().where(good).values(last_login_at=func.now(), password_hash=password_hash)
    return (await connection.execute(statement)).rowcount == 1


TOTP = table_of(Totp)


@dataclass(frozen=True, slots=True)
class StoredTotp:
    user_id: UUID
    secret_encrypted: str
    confirmed_at: datetime | None
    last_login_at: datetime | None


async def find(connection: AsyncConnection, user_id: UUID) -> StoredTotp | None:
    columns = (TOTP.c.user_id, TOTP.c.secret_encrypted, TOTP.c.confirmed_at, USERS.c.last_login_at)
    query = select(*columns).join(USERS, USERS.c.id == TOTP.c.user_id).where(TOTP.c.user_id == user_id)
    row = (await connection.execute(query)).first()
    return StoredTotp(*row) if row else None


async def begin(connection: AsyncConnection, user_id: UUID, secret_encrypted: str) -> bool:
    """Replaces a secret that was not confirmed. Returns False if there is a confirmed one."""
    fresh = {"secret_encrypted": secret_encrypted, "created_at": func.now(), "last_step": None}
    statement = (
        insert(TOTP)
        .values(user_id=user_id, secret_encrypted=secret_encrypted)
        .on_conflict_do_update(index_elements=["user_id"], set_=fresh, where=TOTP.c.confirmed_at.is_(None))
    )
    return (await connection.execute(statement)).rowcount == 1


async def confirm(connection: AsyncConnection, seen: StoredTotp, step: int, recovery_hashes: Sequence[str]) -> bool:
    """Returns False if a secret is confirmed already, or if another one was begun since."""
    same = (TOTP.c.user_id == seen.user_id) & (TOTP.c.secret_encrypted == seen.secret_encrypted)
    values = {"confirmed_at": func.now(), "last_step": step, "recovery_hashes": list(recovery_hashes)}
    statement = TOTP.update().where(same, TOTP.c.confirmed_at.is_(None)).values(**values)
    return (await connection.execute(statement)).rowcount == 1


async def use_step(connection: AsyncConnection, user_id: UUID, step: int) -> bool:
    """Returns False if this code or a later one was used before: of two simultaneous logins with one code, one succeeds."""
    unused = or_(TOTP.c.last_step.is_(None), TOTP.c.last_step < step)
    statement = TOTP.update().where(TOTP.c.user_id == user_id, unused).values(last_step=step)
    return (await connection.execute(statement)).rowcount == 1


async def use_recovery_code(connection: AsyncConnection, user_id: UUID, code_hash: str) -> bool:
    there = (TOTP.c.user_id == user_id) & (literal(code_hash) == any_(TOTP.c.recovery_hashes))
    rest = func.array_remove(TOTP.c.recovery_hashes, code_hash)
    return (await connection.execute(TOTP.update().where(there).values(recovery_hashes=rest))).rowcount == 1


async def remove(connection: AsyncConnection, user_id: UUID) -> bool:
    return (await connection.execute(TOTP.delete().where(TOTP.c.user_id == user_id))).rowcount == 1


def acting_role(*, admins_need_totp: bool) -> ColumnElement[Role]:
    """The SQL for the role that a row of `users` may act with: where a second factor is needed, an administrator without
    one has only a user's.
    """
    if not admins_need_totp:
        return USERS.c.role
    has_one = exists().where(TOTP.c.user_id == USERS.c.id, TOTP.c.confirmed_at.is_not(None))
    return case((has_one, USERS.c.role), else_="user")
