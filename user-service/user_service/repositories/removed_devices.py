"""Devices that users no longer have. They are kept without their tokens, for a month."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.recipients import PushProvider
from user_service.models import RemovedDevice, User, table_of

REMOVED = table_of(RemovedDevice)
USERS = table_of(User)

MAX_REMOVED = 50  # of a user: an app that registers a new token at every start must not fill the table
KEPT = timedelta(days=30)

# unregistered: the provider reported that it no longer exists. replaced: by another FCM token of the user. moved: another
# user has registered it. The others: on request of the user, an application or an administrator.
RemovalReason = Literal["unregistered", "replaced", "moved", "by_user", "by_application", "by_admin"]


@dataclass(frozen=True, slots=True)
class FormerDevice:
    """A device, as it is remembered after its removal."""

    id: UUID
    provider: PushProvider
    fingerprint: str
    created_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class StoredRemoval(FormerDevice):
    removed_at: datetime
    removed_because: RemovalReason


_COLUMNS = [REMOVED.c[field.name] for field in fields(StoredRemoval)]


async def add(
    connection: AsyncConnection, user_id: UUID, devices: Sequence[FormerDevice], because: RemovalReason
) -> None:
    """Remembers devices that the transaction removes. Of the older ones, those beyond the limit are deleted."""
    if not devices:
        return
    rows = [
        {"user_id": user_id, "removed_because": because}
        | {field.name: getattr(device, field.name) for field in fields(FormerDevice)}
        for device in devices
    ]
    await connection.execute(REMOVED.insert(), rows)
    newest_first = (REMOVED.c.removed_at.desc(), REMOVED.c.id.desc())
    mine = select(REMOVED.c.id).where(REMOVED.c.user_id == user_id).order_by(*newest_first)
    surplus = mine.offset(MAX_REMOVED).with_for_update(skip_locked=True)
    await connection.execute(REMOVED.delete().where(REMOVED.c.id.in_(surplus)))


async def take_back(connection: AsyncConnection, user_id: UUID, fingerprint: str) -> UUID | None:
    """Forgets the removal of a device that the user registers again. Returns its id, or None if there was no removal."""
    which = (REMOVED.c.user_id == user_id) & (REMOVED.c.fingerprint == fingerprint)
    return (await connection.execute(REMOVED.delete().where(which).returning(REMOVED.c.id))).scalars().first()


async def of_user(connection: AsyncConnection, user_id: UUID) -> Sequence[StoredRemoval]:
    """The last removal first."""
    query = select(*_COLUMNS).where(REMOVED.c.user_id == user_id, REMOVED.c.removed_at > func.now() - KEPT)
    rows = await connection.execute(query.order_by(REMOVED.c.removed_at.desc(), REMOVED.c.id.desc()))
    return [StoredRemoval(*row) for row in rows]


async def remove_old(connection: AsyncConnection) -> int:
    """Deletes old removals, and those of users who no longer exist: the previous release deletes users without them."""
    is_old = REMOVED.c.removed_at <= func.now() - KEPT
    is_of_deleted_user = ~select(USERS.c.id).where(USERS.c.id == REMOVED.c.user_id).exists()
    old = select(REMOVED.c.id).where(or_(is_old, is_of_deleted_user)).with_for_update(skip_locked=True)
    return (await connection.execute(REMOVED.delete().where(REMOVED.c.id.in_(old)))).rowcount
