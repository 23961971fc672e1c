"""Stored signing keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from user_service.models import SigningKeyRow, table_of

KEYS = table_of(SigningKeyRow)
LOCK = 7_405_134  # arbitrary, but different from the migrations' lock
OLD = timedelta(hours=25)  # an access token lives for at most one day
KNOWN_AFTER = timedelta(minutes=11)  # services fetch the key set every ten minutes; others may cache it for five
MAX_KEYS = 32


@dataclass(frozen=True, slots=True)
class StoredSigningKey:
    """`known`: every reader that verifies tokens has had the time to fetch it."""

    kid: str
    public_jwk: dict[str, str]
    private_encrypted: str
    known: bool = False


async def lock(connection: AsyncConnection) -> None:
    """Until the transaction ends no other process makes a key, so that replicas that start together use the same one."""
    await connection.execute(select(func.pg_advisory_xact_lock(LOCK)))


async def newest_first(connection: AsyncConnection) -> Sequence[StoredSigningKey]:
    """The keys of valid tokens: the newest, and each that was the newest within the last `OLD`."""
    replaced_at = func.lag(KEYS.c.created_at).over(order_by=KEYS.c.created_at.desc()).label("replaced_at")
    known = (KEYS.c.created_at < func.now() - KNOWN_AFTER).label("known")
    keys = select(*KEYS.c, known, replaced_at).subquery()
    query = (
        select(keys.c.kid, keys.c.public_jwk, keys.c.private_encrypted, keys.c.known)
        .where(or_(keys.c.replaced_at.is_(None), keys.c.replaced_at > func.now() - OLD))
        .order_by(keys.c.created_at.desc())
        .limit(MAX_KEYS)
    )
    return [StoredSigningKey(*row) for row in await connection.execute(query)]


async def add(connection: AsyncConnection, key: StoredSigningKey) -> None:
    await connection.execute(
        KEYS.insert().values(kid=key.kid, public_jwk=key.public_jwk, private_encrypted=key.private_encrypted)
    )
