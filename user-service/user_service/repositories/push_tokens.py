"""The devices of users."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from user_service.models import PushToken, table_of

TOKENS = table_of(PushToken)
_COLUMNS = (TOKENS.c.id, TOKENS.c.provider, TOKENS.c.token, TOKENS.c.p256dh, TOKENS.c.auth, TOKENS.c.created_at)

Provider = Literal["fcm", "web_push"]


@dataclass(frozen=True, slots=True)
class StoredPushToken:
    id: UUID
    provider: Provider
    token: str
    p256dh: str | None
    auth: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Device:
    """A push token as given: with keys it is a Web Push subscription, and `token` its endpoint."""

    provider: Provider
    token: str
    p256dh: str | None = None
    auth: str | None = None


async def of_user(connection: AsyncConnection, user_id: UUID) -> Sequence[StoredPushToken]:
    """Oldest first."""
    query = select(*_COLUMNS).where(TOKENS.c.user_id == user_id).order_by(TOKENS.c.created_at, TOKENS.c.id)
    return [StoredPushToken(*row) for row in await connection.execute(query)]


async def count(connection: AsyncConnection, user_id: UUID) -> int:
    return (await connection.execute(select(func.count()).where(TOKENS.c.user_id == user_id))).scalar_one()


async def find(connection: AsyncConnection, user_id: UUID, token: str) -> StoredPushToken | None:
    query = select(*_COLUMNS).where(TOKENS.c.user_id == user_id, TOKENS.c.token == token)
    row = (await connection.execute(query)).first()
    return StoredPushToken(*row) if row else None


async def put(connection: AsyncConnection, user_id: UUID, token_id: UUID, device: Device) -> StoredPushToken:
    """Adds the device, or renews the keys of the one that is there by that token."""
    values = {"provider": device.provider, "p256dh": device.p256dh, "auth": device.auth}
    statement = (
        insert(TOKENS)
        .values(id=token_id, user_id=user_id, token=device.token, **values)
        .on_conflict_do_update(index_elements=["user_id", "token"], set_=values)
        .returning(*_COLUMNS)
    )
    return StoredPushToken(*(await connection.execute(statement)).one())


async def remove_token(connection: AsyncConnection, user_id: UUID, token: str) -> bool:
    return await _remove(connection, (TOKENS.c.user_id == user_id) & (TOKENS.c.token == token)) > 0


async def remove_by_id(connection: AsyncConnection, user_id: UUID, token_id: UUID) -> bool:
    return await _remove(connection, (TOKENS.c.user_id == user_id) & (TOKENS.c.id == token_id)) > 0


async def remove_fcm(connection: AsyncConnection, user_id: UUID, *, but: str | None) -> None:
    """Removes the user's FCM tokens, except `but`."""
    others = (TOKENS.c.user_id == user_id) & (TOKENS.c.provider == "fcm") & TOKENS.c.token.is_distinct_from(but)
    await _remove(connection, others)


async def _remove(connection: AsyncConnection, which: ColumnElement[bool]) -> int:
    return (await connection.execute(TOKENS.delete().where(which))).rowcount
