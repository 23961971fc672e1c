"""The gateway's own copy of the user service's answers about keys."""

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from api_gateway.models import KnownIdentity


async def remember(connection: AsyncConnection, key: str, value: str) -> None:
    new = insert(KnownIdentity).values(key=key, value=value)
    await connection.execute(
        new.on_conflict_do_update(index_elements=["key"], set_={"value": value, "confirmed_at": func.now()})
    )


async def recall(connection: AsyncConnection, key: str) -> str | None:
    found = await connection.execute(select(KnownIdentity.value).where(KnownIdentity.key == key))
    return found.scalar_one_or_none()


async def forget(connection: AsyncConnection, key: str) -> None:
    await connection.execute(delete(KnownIdentity).where(KnownIdentity.key == key))


async def forget_unconfirmed(connection: AsyncConnection, since: datetime) -> int:
    """Deletes answers that were not confirmed since then; returns how many. Reads every row: one for each key in use."""
    return (await connection.execute(delete(KnownIdentity).where(KnownIdentity.confirmed_at < since))).rowcount
