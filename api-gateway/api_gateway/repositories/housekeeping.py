"""Totals, ages and retention: counts rows by status, finds the oldest waiting rows, deletes old rows."""

from uuid import UUID

from sqlalchemy import Numeric, Text, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_gateway.models import AcceptedTotal, Notification
from chassis.postgres.retention import RetentionResult, RetentionStep
from contracts.messages import first_id_of
from contracts.recipients import CHANNELS
from contracts.status import Status

TABLE = Notification.__table__
Counts = dict[tuple[str, str], int]

# Counting 10 million rows takes seconds. These lines are few: some for each status, and the changes since the last fold.
TOTALS = text("""
SELECT channel, status, sum(number)::bigint AS number FROM (
    SELECT channel, status, total AS number FROM status_totals
    UNION ALL SELECT channel, status, change FROM status_changes) lines
GROUP BY channel, status
""")

# One process folds at a time; a second one finds nothing to do.
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


async def totals(connection: AsyncConnection) -> Counts:
    """(channel, status) → number of rows, from the running totals."""
    return {(row.channel, row.status): row.number for row in await connection.execute(TOTALS)}


async def recount(connection: AsyncConnection) -> Counts:
    """The same figures, by reading every row."""
    columns = TABLE.c.notification_type, TABLE.c.status
    rows = await connection.execute(select(*columns, func.count()).group_by(*columns))
    return {(channel, status): number for channel, status, number in rows}


async def fold(connection: AsyncConnection) -> None:
    """Adds the changes since the last fold to the totals."""
    await connection.execute(FOLD)


async def sent_between(connection: AsyncConnection, channel: str, first: UUID, last: UUID) -> tuple[int, str]:
    """How many of these ids a worker has reported as sent, and their fingerprint (see `contracts.ledger.LedgerTotals`)."""
    fingerprint = cast(func.coalesce(func.sum(cast(func.uuid_hash_extended(TABLE.c.id, 0), Numeric)), 0), Text)
    sent = (TABLE.c.sent_at.is_not(None)) | TABLE.c.status.in_([Status.SENT, Status.DELIVERED])
    query = select(func.count(), fingerprint).where(
        TABLE.c.id >= first, TABLE.c.id < last, TABLE.c.notification_type == channel, sent
    )
    number, digits = (await connection.execute(query)).one()
    return number, digits


# Deletes old rows by the time at which they ended. A notification accepted long ago may have been sent today (it was
# scheduled, or retried for long), and its key must still answer repeats.
#
# A statement takes a few thousand rows, found by the primary key (ids are time-ordered) from `:after` on, and locks them for
# milliseconds: rows that are skipped are not read again in every turn. Keys are deleted with their notifications, by their
# own primary key. Deleted rows are subtracted from the accepted total, or they would look lost.
REMOVE = text("""
WITH page AS (
    SELECT id, status, updated_at FROM notifications WHERE id > :after AND id < :bound ORDER BY id LIMIT :limit
), old AS (
    SELECT n.id, n.caller, n.request_id FROM notifications n JOIN page USING (id)
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
       (SELECT CASE WHEN count(*) = :limit THEN max(id::text) END FROM page) AS reached
""")


async def remove(connection: AsyncConnection, step: RetentionStep) -> RetentionResult:
    """Reads a range of old notifications, and deletes those that ended long enough ago."""
    parameters = {"after": step.after, "bound": first_id_of(step.ended_before), "ended_before": step.ended_before}
    row = (await connection.execute(REMOVE, {**parameters, "limit": step.limit})).one()
    return RetentionResult(row.removed, None if row.reached is None else UUID(row.reached))


# Pending: the relay's index finds the rows that are due now or within the window (a lease or a pause between two look-ups may
# postpone `due_at`, but must not change the age). Rows with a `send_at` beyond the window are never read, so a million
# scheduled rows cost nothing. The first 1,000 of each priority are enough to find the oldest row, or one about as old.
# A held row waits on purpose, and is due when it expires. A replayed or released row waits since then, which is
# the last entry of its history.
OLDEST_PENDING = text("""
SELECT channel.name AS channel, max(extract(epoch FROM now() - greatest(
        due.created_at, due.send_at, CAST(due.history -> -1 ->> 'at' AS timestamptz)))) AS seconds
FROM unnest(CAST(:channels AS text[])) AS channel(name)
CROSS JOIN generate_series(1, 10) AS level(priority)
CROSS JOIN LATERAL (
    SELECT created_at, send_at, history FROM notifications
    WHERE priority = level.priority AND due_at <= now() + make_interval(secs => :window) AND status = 'pending'
      AND notification_type = channel.name AND (send_at IS NULL OR send_at <= now()) AND held_by IS NULL
    ORDER BY due_at LIMIT 1000
) AS due
GROUP BY channel.name
""")

# Queued: rows that no worker has begun. A begun row waits in the worker's ledger, for hours while its provider answers
# "not now" (RETRY_WINDOW_SECONDS); after a day it counts again, whatever the reason for its wait.
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
    """(channel, status) → seconds, for `pending` (rows that could be published now) and `queued`; 0 if none waits.

    `window_seconds`: the longest time by which a publishable row may be put off.
    """
    channels = {"channels": list(CHANNELS)}
    pending = await connection.execute(OLDEST_PENDING, {**channels, "window": window_seconds})
    queued = await connection.execute(OLDEST_QUEUED, channels)
    found = {(row.channel, Status.PENDING): row.seconds for row in pending}
    found |= {(row.channel, Status.QUEUED): row.seconds for row in queued}
    wanted = [(channel, status) for channel in CHANNELS for status in (Status.PENDING, Status.QUEUED)]
    return {key: max(0.0, float(found.get(key) or 0)) for key in wanted}
