"""How long the oldest notifications have waited, from the indexes that the relay and the search for lost ones use."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.recipients import CHANNELS
from contracts.status import Status

# Pending: the relay's index gives the rows that are due, or will be within the window (a lease or a pause between two
# look-ups moves `due_at` on, the age it must not). Rows whose `send_at` lies beyond the window are never touched, so a
# million scheduled ones cost nothing; the first 1,000 of each priority are enough to find the oldest, or one about as old.
# A replayed row waits since its replay, which is the last line of its history.
OLDEST_PENDING = text("""
SELECT channel.name AS channel, max(extract(epoch FROM now() - greatest(
        due.created_at, due.send_at, CAST(due.history -> -1 ->> 'at' AS timestamptz)))) AS seconds
FROM unnest(CAST(:channels AS text[])) AS channel(name)
CROSS JOIN generate_series(1, 10) AS level(priority)
CROSS JOIN LATERAL (
    SELECT created_at, send_at, history FROM notifications
    WHERE priority = level.priority AND due_at <= now() + make_interval(secs => :window) AND status = 'pending'
      AND notification_type = channel.name AND (send_at IS NULL OR send_at <= now())
    ORDER BY due_at LIMIT 1000
) AS due
GROUP BY channel.name
""")

# Queued: those that no worker has begun. One that was begun waits in the worker's ledger, for hours while its provider says
# "not now" (RETRY_WINDOW_SECONDS); after a day it counts again, whatever holds it.
OLDEST_QUEUED = text("""
SELECT channel.name AS channel, extract(epoch FROM now() - (
    SELECT min(first.queued_at) FROM generate_series(1, 10) AS level(priority)
    CROSS JOIN LATERAL (
        SELECT queued_at FROM notifications
        WHERE status = 'queued' AND notification_type = channel.name AND priority = level.priority
          AND (claimed_at IS NULL OR claimed_at < now() - interval '1 day')
        ORDER BY queued_at LIMIT 1
    ) AS first)) AS seconds
FROM unnest(CAST(:channels AS text[])) AS channel(name)
""")


async def oldest(connection: AsyncConnection, *, window_seconds: float) -> dict[tuple[str, str], float]:
    """(channel, status) → seconds, for `pending` (what could be published now) and `queued`; 0 where none waits.

    `window_seconds`: the longest that a row which could be published may be put off.
    """
    channels = {"channels": list(CHANNELS)}
    pending = await connection.execute(OLDEST_PENDING, {**channels, "window": window_seconds})
    queued = await connection.execute(OLDEST_QUEUED, channels)
    found = {(row.channel, Status.PENDING): row.seconds for row in pending}
    found |= {(row.channel, Status.QUEUED): row.seconds for row in queued}
    wanted = [(channel, status) for channel in CHANNELS for status in (Status.PENDING, Status.QUEUED)]
    return {key: max(0.0, float(found.get(key) or 0)) for key in wanted}
