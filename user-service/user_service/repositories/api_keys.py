"""API keys, by id and by hash."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.security import Sender
from chassis.security.api_keys import TEST_KEY
from user_service.models import ApiKey, Application, User, table_of
from user_service.repositories.applications import sender_of

KEYS = table_of(ApiKey)
USERS = table_of(User)
APPLICATIONS = table_of(Application)
USE_NOTED_EVERY = timedelta(minutes=1)  # recording every use would make a busy key's row a bottleneck


@dataclass(frozen=True, slots=True)
class StoredApiKey:
    """A key of the previous release may have no application yet. It then is an application by itself, with its own id."""

    id: UUID
    user_id: UUID
    application_id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None

    @property
    def is_test(self) -> bool:
        return self.prefix.startswith(TEST_KEY)


@dataclass(frozen=True, slots=True)
class KeyInUse:
    """A valid key, and the rights of its application."""

    key: StoredApiKey
    rate_limit_per_minute: int | None
    channels: list[str] | None
    sender: Sender | None


@dataclass(frozen=True, slots=True)
class NewApiKey:
    id: UUID
    user_id: UUID
    application_id: UUID
    name: str
    prefix: str
    key_hash: str
    scopes: tuple[str, ...]
    expires_at: datetime


_APPLICATION_ID = func.coalesce(KEYS.c.application_id, KEYS.c.id).label("application_id")
_COLUMNS = [_APPLICATION_ID if field.name == "application_id" else KEYS.c[field.name] for field in fields(StoredApiKey)]
_OF_APPLICATION = [
    APPLICATIONS.c[name]
    for name in ("rate_limit_per_minute", "channels", "sender_name", "sender_email", "sender_reply_to")
]


def _of(application_id: UUID) -> ColumnElement[bool]:
    return or_(KEYS.c.application_id == application_id, KEYS.c.application_id.is_(None) & (KEYS.c.id == application_id))


async def add(connection: AsyncConnection, key: NewApiKey) -> StoredApiKey:
    values = {field.name: getattr(key, field.name) for field in fields(key)} | {"scopes": list(key.scopes)}
    return StoredApiKey(*(await connection.execute(KEYS.insert().values(values).returning(*_COLUMNS))).one())


async def page(
    connection: AsyncConnection, *, application_id: UUID | None, limit: int, offset: int
) -> Sequence[StoredApiKey]:
    """Newest first (ids are ordered by time); of one application or of all."""
    query = select(*_COLUMNS).order_by(KEYS.c.id.desc()).limit(limit).offset(offset)
    if application_id is not None:
        query = query.where(_of(application_id))
    return [StoredApiKey(*row) for row in await connection.execute(query)]


async def count(connection: AsyncConnection, *, application_id: UUID | None) -> int:
    query = select(func.count()).select_from(KEYS)
    if application_id is not None:
        query = query.where(_of(application_id))
    return (await connection.execute(query)).scalar_one()


async def find(connection: AsyncConnection, key_id: UUID) -> StoredApiKey | None:
    row = (await connection.execute(select(*_COLUMNS).where(KEYS.c.id == key_id))).first()
    return StoredApiKey(*row) if row else None


async def use(connection: AsyncConnection, key_hash: str) -> KeyInUse | None:
    """The key with that hash, unless it has expired or its maker or application is disabled. Records the time of use."""
    good = (KEYS.c.key_hash == key_hash) & or_(KEYS.c.expires_at.is_(None), KEYS.c.expires_at > func.now())
    enabled = USERS.c.disabled_at.is_(None) & APPLICATIONS.c.disabled_at.is_(None)
    joined = KEYS.join(USERS, USERS.c.id == KEYS.c.user_id).outerjoin(
        APPLICATIONS, APPLICATIONS.c.id == KEYS.c.application_id
    )
    query = select(*_COLUMNS, *_OF_APPLICATION).select_from(joined)
    row = (await connection.execute(query.where(good, enabled))).first()
    if row is None:
        return None
    long_ago = or_(KEYS.c.last_used_at.is_(None), KEYS.c.last_used_at < func.now() - USE_NOTED_EVERY)
    await connection.execute(KEYS.update().where(KEYS.c.id == row.id, long_ago).values(last_used_at=func.now()))
    rate_limit, channels, *sender = row[len(_COLUMNS) :]
    return KeyInUse(StoredApiKey(*row[: len(_COLUMNS)]), rate_limit, channels, sender_of(*sender))


async def end_at(connection: AsyncConnection, key_id: UUID, moment: datetime) -> str | None:
    """Makes the key expire at that time, unless it expires earlier. Returns its hash, or None if there is no such key."""
    earlier = func.least(func.coalesce(KEYS.c.expires_at, moment), moment)
    statement = KEYS.update().where(KEYS.c.id == key_id).values(expires_at=earlier).returning(KEYS.c.key_hash)
    key_hash: str | None = (await connection.execute(statement)).scalar()
    return key_hash


async def remove(connection: AsyncConnection, key_id: UUID) -> str | None:
    """The hash of the removed key, or None if there is no such key."""
    statement = KEYS.delete().where(KEYS.c.id == key_id).returning(KEYS.c.key_hash)
    return (await connection.execute(statement)).scalar()


async def hashes_of_user(connection: AsyncConnection, user_id: UUID) -> Sequence[str]:
    return (await connection.execute(select(KEYS.c.key_hash).where(KEYS.c.user_id == user_id))).scalars().all()


async def hashes_of_application(connection: AsyncConnection, application_id: UUID) -> Sequence[str]:
    return (await connection.execute(select(KEYS.c.key_hash).where(_of(application_id)))).scalars().all()
