"""API keys, by id and by hash."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from user_service.models import ApiKey, User, table_of

KEYS = table_of(ApiKey)
USERS = table_of(User)
_COLUMNS = [
    KEYS.c[name] for name in ("id", "user_id", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at")
]
USE_NOTED_EVERY = timedelta(minutes=1)  # a write for every request would make a busy key's row a bottleneck


@dataclass(frozen=True, slots=True)
class StoredApiKey:
    id: UUID
    user_id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewApiKey:
    id: UUID
    user_id: UUID
    name: str
    prefix: str
    key_hash: str
    scopes: tuple[str, ...]
    expires_at: datetime | None


async def add(connection: AsyncConnection, key: NewApiKey) -> StoredApiKey:
    statement = KEYS.insert().values(
        id=key.id,
        user_id=key.user_id,
        name=key.name,
        prefix=key.prefix,
        key_hash=key.key_hash,
        scopes=list(key.scopes),
        expires_at=key.expires_at,
    )
    return StoredApiKey(*(await connection.execute(statement.returning(*_COLUMNS))).one())


async def page(connection: AsyncConnection, *, limit: int, offset: int) -> Sequence[StoredApiKey]:
    """Newest first (ids are time-ordered)."""
    query = select(*_COLUMNS).order_by(KEYS.c.id.desc()).limit(limit).offset(offset)
    return [StoredApiKey(*row) for row in await connection.execute(query)]


async def count(connection: AsyncConnection) -> int:
    return (await connection.execute(select(func.count()).select_from(KEYS))).scalar_one()


async def use(connection: AsyncConnection, key_hash: str) -> StoredApiKey | None:
    """The key by that hash, unless it has expired or its owner is disabled; notes that it was used."""
    good = (KEYS.c.key_hash == key_hash) & or_(KEYS.c.expires_at.is_(None), KEYS.c.expires_at > func.now())
    owned = (USERS.c.id == KEYS.c.user_id) & USERS.c.disabled_at.is_(None)
    row = (await connection.execute(select(*_COLUMNS).where(good, owned))).first()
    if row is None:
        return None
    long_ago = or_(KEYS.c.last_used_at.is_(None), KEYS.c.last_used_at < func.now() - USE_NOTED_EVERY)
    await connection.execute(KEYS.update().where(KEYS.c.id == row.id, long_ago).values(last_used_at=func.now()))
    return StoredApiKey(*row)


async def remove(connection: AsyncConnection, key_id: UUID) -> str | None:
    """The removed key's hash; None when there is no such key."""
    statement = KEYS.delete().where(KEYS.c.id == key_id).returning(KEYS.c.key_hash)
    return (await connection.execute(statement)).scalar()


async def hashes_of_user(connection: AsyncConnection, user_id: UUID) -> Sequence[str]:
    return (await connection.execute(select(KEYS.c.key_hash).where(KEYS.c.user_id == user_id))).scalars().all()
