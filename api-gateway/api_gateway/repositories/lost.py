"""Published rows that the broker may have lost, and rows whose worker has reported nothing for long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.json_values import to_json_text
from chassis.postgres.autocommit import ids

# One priority at a time, in the order in which a queue delivers its messages. For each priority the start of an index range
# is read, so waiting rows of other priorities are not read. `claimed_at` is the time of a worker's first report.
REDRIVE_LOST = text("""
WITH lost AS (
    SELECT picked.id
    FROM json_to_recordset(CAST(:levels AS json)) AS level(priority smallint, consumed_until timestamptz)
    CROSS JOIN LATERAL (
        SELECT id FROM notifications
        WHERE status = 'queued' AND notification_type = :channel AND priority = level.priority
          AND queued_at < least(level.consumed_until, now()) - make_interval(secs => :grace)
          AND claimed_at IS NULL AND due_at IS NULL
        ORDER BY queued_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ) AS picked
    LIMIT :limit
)
UPDATE notifications n SET due_at = now() FROM lost WHERE n.id = lost.id
""")

# Rows that were handed over and have no report since: one page, starting after the last row of the previous page.
STALLED = text("""
SELECT id, priority, queued_at, claimed_at IS NOT NULL AS begun FROM notifications
WHERE status = 'queued' AND notification_type = :channel AND due_at IS NULL
  AND queued_at < now() - make_interval(secs => :silence) AND updated_at < now() - make_interval(secs => :silence)
  AND (priority, queued_at, id) > (:priority, CAST(:queued_at AS timestamptz), CAST(:id AS uuid))
ORDER BY priority, queued_at, id LIMIT :limit
""")

MAKE_DUE = text(f"""
WITH asked AS (
    SELECT n.id FROM {ids("ids")} AS given JOIN notifications n USING (id)
    WHERE n.status = 'queued' AND n.due_at IS NULL ORDER BY id FOR UPDATE OF n SKIP LOCKED
)
UPDATE notifications n SET due_at = now() FROM asked WHERE n.id = asked.id
""")  # noqa: S608 - of constants


@dataclass(frozen=True, slots=True)
class StalledRow:
    """A notification that was handed over a while ago. `begun`: a worker has reported an attempt since then."""

    id: UUID
    priority: int
    queued_at: datetime
    begun: bool


async def redrive_lost(
    connection: AsyncConnection,
    channel: str,
    watermarks: Mapping[int, datetime | None],
    *,
    grace_seconds: float,
    limit: int,
) -> int:
    """Makes published rows due again that no worker has reported on although the queue has moved past them. Returns how
    many.

    `watermarks`: priority → publication time of the newest consumed message of that priority; None: every message of that
    priority was consumed.
    """
    levels = [{"priority": priority, "consumed_until": at} for priority, at in watermarks.items()]
    parameters = {"channel": channel, "levels": to_json_text(levels), "grace": grace_seconds, "limit": limit}
    return (await connection.execute(REDRIVE_LOST, parameters)).rowcount


async def find_stalled(
    connection: AsyncConnection, channel: str, *, after: StalledRow | None, silence_seconds: float, limit: int
) -> list[StalledRow]:
    """Rows that were handed over and have had no report for that long: by priority, oldest first, from `after` on."""
    parameters = {
        "channel": channel,
        "silence": silence_seconds,
        "priority": 0 if after is None else after.priority,
        "queued_at": datetime.fromtimestamp(0, UTC) if after is None else after.queued_at,
        "id": UUID(int=0) if after is None else after.id,
        "limit": limit,
    }
    rows = await connection.execute(STALLED, parameters)
    return [StalledRow(**row._mapping) for row in rows]  # noqa: SLF001 - `_mapping` is public in SQLAlchemy


async def make_due(connection: AsyncConnection, notification_ids: Sequence[UUID]) -> int:
    """Makes the queued ones of these due again. Returns how many."""
    return (await connection.execute(MAKE_DUE, {"ids": list(notification_ids)})).rowcount
