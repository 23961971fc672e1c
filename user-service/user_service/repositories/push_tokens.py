"""Users' devices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from contracts.recipients import PushProvider
from user_service.models import PushToken, table_of

TOKENS = table_of(PushToken)
_COLUMNS = (TOKENS.c.id, TOKENS.c.provider, TOKENS.c.token, TOKENS.c.p256dh, TOKENS.c.auth, TOKENS.c.created_at)


@dataclass(frozen=True, slots=True)
class StoredPushToken:
    id: UUID
    provider: PushProvider
    token: str
    p256dh: str | None
    auth: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Device:
    """A push token from a request. With keys it is a Web Push subscription, and `token` is its endpoint."""

    provider: PushProvider
    token: str
    p256dh: str | None = None
    auth: str | None = None


async def of_user(connection: AsyncConnection, user_id: UUID) -> Sequence[StoredPushToken]:
    """Oldest first."""
    query = select(*_COLUMNS).where(TOKENS.c.user_id == user_id).order_by(TOKENS.c.created_at, TOKENS.c.id)
    return [StoredPushToken(*row) for row in await connection.execute(query)]


async def count(connection: AsyncConnection, user_id: UUID) -> int:
    return (await connection.execute(select(func.count()).where(TOKENS.c.user_id == user_id))).scalar_one()


class Overtaken(Exception):
    """Another request has just added the device. Release what `hold` has locked, and hold again."""


async def hold(connection: AsyncConnection, user_id: UUID, token: str | None = None) -> UUID | None:
    """Locks the user's devices and the device with that token until the transaction ends. Returns the token's owner.

    The locks are taken in the order of the tokens, before any change: otherwise two people who swap phones could deadlock.
    """
    wanted = TOKENS.c.user_id == user_id
    if token is not None:
        wanted |= TOKENS.c.token == token
    query = select(TOKENS.c.token, TOKENS.c.user_id).where(wanted).order_by(TOKENS.c.token).with_for_update()
    owners = {row.token: row.user_id for row in await connection.execute(query)}
    return owners.get(token)


async def add(connection: AsyncConnection, user_id: UUID, device: Device) -> StoredPushToken:
    """Adds a device that nobody had when it was held. Raises Overtaken."""
    statement = (
        insert(TOKENS)
        .values(id=uuid7(), user_id=user_id, token=device.token, **_keys(device))
        .on_conflict_do_nothing()
        .returning(*_COLUMNS)
    )
    row = (await connection.execute(statement)).first()
    if row is None:
        raise Overtaken
    return StoredPushToken(*row)


async def renew(connection: AsyncConnection, device: Device) -> StoredPushToken:
    """Stores the current keys of a held device."""
    return await _update(connection, device.token, _keys(device))


async def move(connection: AsyncConnection, user_id: UUID, device: Device) -> StoredPushToken:
    """Makes a held device of another user this user's newest one, under a new id."""
    values = {"id": uuid7(), "user_id": user_id, "created_at": func.now()}
    return await _update(connection, device.token, _keys(device) | values)


async def _update(connection: AsyncConnection, token: str, values: dict[str, Any]) -> StoredPushToken:
    statement = TOKENS.update().where(TOKENS.c.token == token).values(**values).returning(*_COLUMNS)
    return StoredPushToken(*(await connection.execute(statement)).one())


def _keys(device: Device) -> dict[str, Any]:
    return {"provider": device.provider, "p256dh": device.p256dh, "auth": device.auth}


async def remove_token(connection: AsyncConnection, user_id: UUID, token: str) -> str | None:
    """The removed token, or None if the user has no such device."""
    return await _remove_one(connection, (TOKENS.c.user_id == user_id) & (TOKENS.c.token == token))


async def remove_by_id(connection: AsyncConnection, user_id: UUID, token_id: UUID) -> str | None:
    """Like `remove_token`."""
    return await _remove_one(connection, (TOKENS.c.user_id == user_id) & (TOKENS.c.id == token_id))


async def _remove_one(connection: AsyncConnection, which: ColumnElement[bool]) -> str | None:
    return (await connection.execute(TOKENS.delete().where(which).returning(TOKENS.c.token))).scalar()


async def remove_fcm(connection: AsyncConnection, user_id: UUID, *, but: str | None) -> None:
    """Removes the user's FCM tokens, except `but`."""
    others = (TOKENS.c.user_id == user_id) & (TOKENS.c.provider == "fcm") & TOKENS.c.token.is_distinct_from(but)
    await _remove(connection, others)


async def remove_all(connection: AsyncConnection, user_id: UUID) -> int:
    return await _remove(connection, TOKENS.c.user_id == user_id)


async def _remove(connection: AsyncConnection, which: ColumnElement[bool]) -> int:
    return (await connection.execute(TOKENS.delete().where(which))).rowcount
