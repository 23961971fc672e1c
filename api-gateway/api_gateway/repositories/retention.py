"""Removing what is old. Ids are time-ordered: the oldest rows are the first of the primary key, nothing is searched."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# A few thousand rows a statement, found by the primary key and locked for its milliseconds. Keys go with their notifications,
# by their own primary key; what is gone is taken off the accepted total too, or it would look lost.
REMOVE = text("""
WITH old AS (
    SELECT id, caller, request_id FROM notifications
    WHERE id < :bound AND status NOT IN ('pending', 'queued')
    ORDER BY id LIMIT :largest FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM notifications n USING old WHERE n.id = old.id RETURNING n.notification_type
), keys AS (
    DELETE FROM idempotency_keys k USING old WHERE k.caller = old.caller AND k.key = old.request_id
), counted AS (
    INSERT INTO accepted_totals (channel, writer, accepted)
    SELECT notification_type, 'removed', -count(*) FROM gone GROUP BY notification_type ORDER BY notification_type
    ON CONFLICT (channel, writer) DO UPDATE SET accepted = accepted_totals.accepted + excluded.accepted
)
SELECT count(*) FROM gone
""")


async def remove(connection: AsyncConnection, *, before: UUID, largest: int) -> int:
    """Deletes up to `largest` notifications that have ended and whose id is smaller, with their keys. Returns how many."""
    return int((await connection.execute(REMOVE, {"bound": before, "largest": largest})).scalar_one())
