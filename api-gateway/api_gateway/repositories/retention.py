"""Removing what is old: by when it ended. What was accepted long ago may have been sent today (it was scheduled, or retried
for long), and its key still has to answer repeats.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# A few thousand rows a statement, found by the primary key (ids are time-ordered) from `:after` on, and locked for its
# milliseconds: what is passed over is not looked at in every turn. Keys go with their notifications, by their own primary
# key; what is gone is taken off the accepted total too, or it would look lost.
REMOVE = text("""
WITH stretch AS (
    SELECT id, status, updated_at FROM notifications WHERE id > :after AND id < :bound ORDER BY id LIMIT :largest
), old AS (
    SELECT n.id, n.caller, n.request_id FROM notifications n JOIN stretch USING (id)
    WHERE n.status NOT IN ('pending', 'queued') AND n.updated_at < :ended_before
    ORDER BY id FOR UPDATE OF n SKIP LOCKED
), gone AS (
    DELETE FROM notifications n USING old WHERE n.id = old.id RETURNING n.notification_type
), keys AS (
    DELETE FROM idempotency_keys k USING old WHERE k.caller = old.caller AND k.key = old.request_id
), counted AS (
    INSERT INTO accepted_totals (channel, writer, accepted)
    SELECT notification_type, 'removed', -count(*) FROM gone GROUP BY notification_type ORDER BY notification_type
    ON CONFLICT (channel, writer) DO UPDATE SET accepted = accepted_totals.accepted + excluded.accepted
)
SELECT (SELECT count(*) FROM gone) AS removed,
       (SELECT CASE WHEN count(*) = :largest THEN max(id::text) END FROM stretch) AS reached
""")


async def remove(
    connection: AsyncConnection, *, after: UUID, before: UUID, ended_before: datetime, largest: int
) -> tuple[int, UUID | None]:
    """Looks at `largest` notifications with ids between `after` and `before`, and deletes those that ended long enough ago.

    Returns how many, and the last id that it looked at: None when it came to the end.
    """
    parameters = {"after": after, "bound": before, "ended_before": ended_before, "largest": largest}
    row = (await connection.execute(REMOVE, parameters)).one()
    return row.removed, None if row.reached is None else UUID(row.reached)
