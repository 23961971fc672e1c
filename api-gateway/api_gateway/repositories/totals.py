"""How many notifications there are, and what has become of them."""

from uuid import UUID

from sqlalchemy import Numeric, Text, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_gateway.models import AcceptedTotal, Notification
from contracts.status import Status

TABLE = Notification.__table__
Counts = dict[tuple[str, str], int]

# 10 million rows take seconds to count, these lines do not: a few for each status, and those since the last fold.
COUNTED = text("""
SELECT channel, status, sum(number)::bigint AS number FROM (
    SELECT channel, status, total AS number FROM status_totals
    UNION ALL SELECT channel, status, change FROM status_changes) lines
GROUP BY channel, status
""")

# One process folds at a time; whoever comes second has nothing to do.
FOLD = text("""
WITH taken AS (
    DELETE FROM status_changes WHERE (SELECT pg_try_advisory_xact_lock(hashtext('status_changes')))
    RETURNING channel, status, change
)
INSERT INTO status_totals (channel, status, total)
SELECT channel, status, sum(change) FROM taken GROUP BY channel, status ORDER BY channel, status
ON CONFLICT (channel, status) DO UPDATE SET total = status_totals.total + excluded.total
""")


async def accepted(connection: AsyncConnection) -> dict[str, int]:
    """channel → how many were accepted and are still kept."""
    query = select(AcceptedTotal.channel, func.sum(AcceptedTotal.accepted)).group_by(AcceptedTotal.channel)
    return {channel: int(number) for channel, number in await connection.execute(query)}


async def counted(connection: AsyncConnection) -> Counts:
    """(channel, status) → rows, as they were counted while they changed."""
    return {(row.channel, row.status): row.number for row in await connection.execute(COUNTED)}


async def recounted(connection: AsyncConnection) -> Counts:
    """The same, by reading every row."""
    columns = TABLE.c.notification_type, TABLE.c.status
    rows = await connection.execute(select(*columns, func.count()).group_by(*columns))
    return {(channel, status): number for channel, status, number in rows}


async def fold(connection: AsyncConnection) -> None:
    """Adds the lines since the last time to the totals."""
    await connection.execute(FOLD)


async def sent_between(connection: AsyncConnection, channel: str, first: UUID, last: UUID) -> tuple[int, str]:
    """How many of these ids a worker has called sent, and their fingerprint (see `contracts.lookups.LedgerTotals`)."""
    fingerprint = cast(func.coalesce(func.sum(cast(func.uuid_hash_extended(TABLE.c.id, 0), Numeric)), 0), Text)
    sent = (TABLE.c.sent_at.is_not(None)) | TABLE.c.status.in_([Status.SENT, Status.DELIVERED])
    query = select(func.count(), fingerprint).where(
        TABLE.c.id >= first, TABLE.c.id < last, TABLE.c.notification_type == channel, sent
    )
    number, digits = (await connection.execute(query)).one()
    return number, digits
