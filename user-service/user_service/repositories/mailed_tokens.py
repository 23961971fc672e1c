"""Mailed tokens: recording, using, and handing over to the gateway."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from user_service.models import MailedToken, table_of

TOKENS = table_of(MailedToken)
MAX_GROUP = 1_000

Purpose = Literal["password_reset", "verify_email", "confirm_address", "take_back_address", "address_notice"]


@dataclass(frozen=True, slots=True)
class NewToken:
    """`lifetime` counts from now. Without a hash it is a notice: a mail without a token."""

    id: UUID
    purpose: Purpose
    user_id: UUID | None
    address: str
    token_hash: str | None
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class SpentToken:
    id: UUID
    user_id: UUID
    address: str


@dataclass(frozen=True, slots=True)
class DueMail:
    id: UUID
    purpose: Purpose
    user_id: UUID | None
    address: str
    expires_at: datetime


async def add(connection: AsyncConnection, token: NewToken) -> None:
    """Adds the token and its mail, which is due at once."""
    await connection.execute(
        TOKENS.insert().values(
            id=token.id,
            purpose=token.purpose,
            user_id=token.user_id,
            address=token.address,
            token_hash=token.token_hash,
            mail_due_at=func.now(),
            expires_at=func.now() + token.lifetime,
        )
    )


async def owner_of(connection: AsyncConnection, token_hash: str, purpose: Purpose) -> UUID | None:
    """The owner of a valid token, or None."""
    query = select(TOKENS.c.user_id).where(*_good(token_hash, purpose))
    return (await connection.execute(query)).scalar()


async def spend(connection: AsyncConnection, token_hash: str, purpose: Purpose) -> SpentToken | None:
    """Deletes the token, so that it works once: of two simultaneous requests, one gets None."""
    columns = (TOKENS.c.id, TOKENS.c.user_id, TOKENS.c.address)
    statement = TOKENS.delete().where(*_good(token_hash, purpose)).returning(*columns)
    row = (await connection.execute(statement)).first()
    return SpentToken(*row) if row else None


def _good(token_hash: str, purpose: Purpose) -> tuple[ColumnElement[bool], ...]:
    named = (TOKENS.c.token_hash == token_hash) & (TOKENS.c.purpose == purpose)
    return named, TOKENS.c.user_id.is_not(None), TOKENS.c.expires_at > func.now()


async def void(connection: AsyncConnection, user_id: UUID, purposes: Collection[Purpose]) -> None:
    """Invalidates the user's tokens and cancels their mails."""
    await connection.execute(TOKENS.delete().where(TOKENS.c.user_id == user_id, TOKENS.c.purpose.in_(purposes)))


async def void_after(connection: AsyncConnection, token: SpentToken, purpose: Purpose) -> None:
    """Invalidates the tokens of the same user that are newer than this one."""
    younger = (TOKENS.c.user_id == token.user_id) & (TOKENS.c.id > token.id)
    await connection.execute(TOKENS.delete().where(younger, TOKENS.c.purpose == purpose))


async def take_due(connection: AsyncConnection, *, lease: timedelta) -> DueMail | None:
    """The mail that has been due for longest. No other process takes it while `lease` lasts."""
    due = (
        select(TOKENS.c.id)
        .where(TOKENS.c.mail_due_at <= func.now())
        .order_by(TOKENS.c.mail_due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    columns = (TOKENS.c.id, TOKENS.c.purpose, TOKENS.c.user_id, TOKENS.c.address, TOKENS.c.expires_at)
    statement = TOKENS.update().where(TOKENS.c.id == due).values(mail_due_at=func.now() + lease).returning(*columns)
    row = (await connection.execute(statement)).first()
    return DueMail(*row) if row else None


async def assign(connection: AsyncConnection, mail: DueMail, user_id: UUID, address: str) -> None:
    """Gives a token that was requested for an address to this user. The user's earlier tokens of this kind become invalid."""
    earlier = (TOKENS.c.user_id == user_id) & (TOKENS.c.purpose == mail.purpose) & (TOKENS.c.id != mail.id)
    await connection.execute(TOKENS.update().where(TOKENS.c.id == mail.id).values(user_id=user_id, address=address))
    await connection.execute(TOKENS.delete().where(earlier))


async def mail_accepted(connection: AsyncConnection, mail_id: UUID) -> None:
    """Records that the gateway accepted the mail. A token stays until it is used; a notice is deleted."""
    await connection.execute(TOKENS.delete().where(TOKENS.c.id == mail_id, TOKENS.c.token_hash.is_(None)))
    await connection.execute(TOKENS.update().where(TOKENS.c.id == mail_id).values(mail_due_at=None))


async def remove(connection: AsyncConnection, mail_id: UUID) -> None:
    await connection.execute(TOKENS.delete().where(TOKENS.c.id == mail_id))


async def remove_expired(connection: AsyncConnection) -> int:
    """The number of tokens that expired before they were mailed. Leases that are running are excluded."""
    old = select(TOKENS.c.id).where(TOKENS.c.expires_at <= func.now()).limit(MAX_GROUP)
    statement = TOKENS.delete().where(TOKENS.c.id.in_(old.with_for_update(skip_locked=True)))
    rows = await connection.execute(statement.returning(TOKENS.c.mail_due_at))
    return sum(row.mail_due_at is not None for row in rows)
