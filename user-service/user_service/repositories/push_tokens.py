"""Users' devices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from contracts.recipients import ApnsEnvironment, PushProvider, device_fingerprint
from user_service.models import PushToken, table_of
from user_service.repositories import removed_devices
from user_service.repositories.removed_devices import FormerDevice, RemovalReason

TOKENS = table_of(PushToken)
_LAST_SEEN = func.coalesce(TOKENS.c.last_seen_at, TOKENS.c.created_at)
_COLUMNS = [
    TOKENS.c.id,
    TOKENS.c.provider,
    TOKENS.c.token,
    TOKENS.c.p256dh,
    TOKENS.c.auth,
    TOKENS.c.environment,
    TOKENS.c.created_at,
    _LAST_SEEN.label("last_seen_at"),
]


@dataclass(frozen=True, slots=True)
class StoredPushToken:
    id: UUID
    provider: PushProvider
    token: str
    p256dh: str | None
    auth: str | None
    environment: ApnsEnvironment | None
    created_at: datetime
    last_seen_at: datetime

    @property
    def fingerprint(self) -> str:
        return device_fingerprint(self.provider, self.token)


@dataclass(frozen=True, slots=True)
class Device:
    """A push token from a request. With keys it is a Web Push subscription, and `token` is its endpoint. `environment`: of an
    Apple device, if the request names it.
    """

    provider: PushProvider
    token: str
    p256dh: str | None = None
    auth: str | None = None
    environment: ApnsEnvironment | None = None


async def of_user(connection: AsyncConnection, user_id: UUID) -> Sequence[StoredPushToken]:
    """Oldest first."""
    query = select(*_COLUMNS).where(TOKENS.c.user_id == user_id).order_by(TOKENS.c.created_at, TOKENS.c.id)
    return [StoredPushToken(*row) for row in await connection.execute(query)]


async def is_registered(connection: AsyncConnection, token: str) -> bool:
    """Whether anybody has a device with that token."""
    return (await connection.execute(select(exists().where(TOKENS.c.token == token)))).scalar_one()


async def count(connection: AsyncConnection, user_id: UUID) -> int:
    return (await connection.execute(select(func.count()).where(TOKENS.c.user_id == user_id))).scalar_one()


class DeviceAddedMeanwhile(Exception):
    """Another request has just added the device. Release the locks of `lock_devices` and call it again."""


async def lock_devices(connection: AsyncConnection, user_id: UUID, token: str | None = None) -> UUID | None:
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
    """Adds a device that no user had when its token was locked. A device that the user had before gets its id back.

    Raises DeviceAddedMeanwhile.
    """
    device_id = await _earlier_id(connection, user_id, device) or uuid7()
    statement = (
        insert(TOKENS)
        .values(id=device_id, user_id=user_id, token=device.token, **_details(device))
        .on_conflict_do_nothing()
        .returning(*_COLUMNS)
    )
    row = (await connection.execute(statement)).first()
    if row is None:
        raise DeviceAddedMeanwhile
    return StoredPushToken(*row)


async def renew(connection: AsyncConnection, device: Device) -> StoredPushToken:
    """Stores the current keys and environment of a locked device."""
    return await _update(connection, device.token, _details(device))


async def move(connection: AsyncConnection, user_id: UUID, device: Device, *, owner: UUID) -> StoredPushToken:
    """Makes a locked device of `owner` this user's newest one, under another id."""
    before = await connection.execute(select(*_COLUMNS).where(TOKENS.c.token == device.token))
    await removed_devices.add(connection, owner, [_former(StoredPushToken(*before.one()))], "moved")
    device_id = await _earlier_id(connection, user_id, device) or uuid7()
    values = {"id": device_id, "user_id": user_id, "created_at": func.now()}
    return await _update(connection, device.token, _details(device) | values)


async def _earlier_id(connection: AsyncConnection, user_id: UUID, device: Device) -> UUID | None:
    return await removed_devices.take_back(connection, user_id, device_fingerprint(device.provider, device.token))


async def _update(connection: AsyncConnection, token: str, values: dict[str, Any]) -> StoredPushToken:
    seen = {"last_seen_at": func.now(), **values}
    statement = TOKENS.update().where(TOKENS.c.token == token).values(**seen).returning(*_COLUMNS)
    return StoredPushToken(*(await connection.execute(statement)).one())


def _details(device: Device) -> dict[str, Any]:
    return {
        "provider": device.provider,
        "p256dh": device.p256dh,
        "auth": device.auth,
        "environment": device.environment,
    }


async def remove_token(
    connection: AsyncConnection, user_id: UUID, token: str, because: RemovalReason
) -> StoredPushToken | None:
    """The removed device, or None if the user has no such device."""
    return await _remove_one(connection, user_id, TOKENS.c.token == token, because)


async def remove_dead(
    connection: AsyncConnection, user_id: UUID, token: str, *, age: timedelta | None
) -> StoredPushToken | None:
    """Like `remove_token`, unless the device was registered within `age`: then what was reported is out of date."""
    which = TOKENS.c.token == token
    if age is not None:
        which &= func.now() - age > _LAST_SEEN
    return await _remove_one(connection, user_id, which, "unregistered")


async def remove_by_id(
    connection: AsyncConnection, user_id: UUID, token_id: UUID, because: RemovalReason
) -> StoredPushToken | None:
    """Like `remove_token`."""
    return await _remove_one(connection, user_id, TOKENS.c.id == token_id, because)


async def _remove_one(
    connection: AsyncConnection, user_id: UUID, which: ColumnElement[bool], because: RemovalReason
) -> StoredPushToken | None:
    removed = await _remove(connection, user_id, which, because)
    return removed[0] if removed else None


async def remove_fcm(connection: AsyncConnection, user_id: UUID, *, but: str | None, because: RemovalReason) -> None:
    """Removes the user's FCM tokens, except `but`."""
    others = (TOKENS.c.provider == "fcm") & TOKENS.c.token.is_distinct_from(but)
    await _remove(connection, user_id, others, because)


async def remove_all(connection: AsyncConnection, user_id: UUID, because: RemovalReason) -> None:
    await _remove(connection, user_id, true(), because)


async def _remove(
    connection: AsyncConnection, user_id: UUID, which: ColumnElement[bool], because: RemovalReason
) -> Sequence[StoredPushToken]:
    statement = TOKENS.delete().where(TOKENS.c.user_id == user_id, which).returning(*_COLUMNS)
    removed = [StoredPushToken(*row) for row in await connection.execute(statement)]
    await removed_devices.add(connection, user_id, [_former(device) for device in removed], because)
    return removed


def _former(device: StoredPushToken) -> FormerDevice:
    return FormerDevice(device.id, device.provider, device.fingerprint, device.created_at, device.last_seen_at)
