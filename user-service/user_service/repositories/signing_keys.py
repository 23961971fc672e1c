"""Signing keys as they are kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from user_service.models import SigningKeyRow, table_of

KEYS = table_of(SigningKeyRow)
LOCK = 7_405_134  # arbitrary, and other than the migrations'


@dataclass(frozen=True, slots=True)
class StoredSigningKey:
    kid: str
    public_jwk: dict[str, str]
    private_encrypted: str


async def lock(connection: AsyncConnection) -> None:
    """Until the transaction ends nobody else makes a key: replicas that start together agree on one."""
    await connection.execute(select(func.pg_advisory_xact_lock(LOCK)))


async def newest_first(connection: AsyncConnection) -> Sequence[StoredSigningKey]:
    query = select(KEYS.c.kid, KEYS.c.public_jwk, KEYS.c.private_encrypted)
    return [StoredSigningKey(*row) for row in await connection.execute(query.order_by(KEYS.c.created_at.desc()))]


async def add(connection: AsyncConnection, key: StoredSigningKey) -> None:
    await connection.execute(
        KEYS.insert().values(kid=key.kid, public_jwk=key.public_jwk, private_encrypted=key.private_encrypted)
    )
