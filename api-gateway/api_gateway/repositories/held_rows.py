"""Held notifications: rows that wait in the outbox because of a hold.

A held row is `pending`, `held_by` its hold, and no process may have published it: `leased_by` is NULL. `due_at` is its
`expires_at`, so a relay ends it in time. `held_at` stays after the release: marks and reports about
copies that were published before it are ignored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_gateway.repositories.outbox import LeasedRound
from api_gateway.repositories.progress import AppliedEvent
from chassis.json_values import to_json_text
from chassis.postgres.autocommit import StatementExecutor, records
from contracts.messages import StatusEvent
from contracts.recipients import Channel

HELD = "held_by IS NOT NULL AND status = 'pending'"
_STEP = "jsonb_build_object('status', CAST('{}' AS text), 'at', now())"

# Rows that this process would publish now. As in END_LEASES of the outbox: only while its lease runs.
HOLD = text(f"""
UPDATE notifications n SET held_by = r.hold, held_at = now(), due_at = n.expires_at, leased_by = NULL, updated_at = now(),
    history = n.history || {_STEP.format("held")}
FROM {records("rows", "id uuid, replay int, at timestamptz, hold uuid", key="id")} AS r
WHERE n.id = r.id AND n.replay = r.replay AND n.status = 'pending' AND n.leased_by = :owner
  AND n.due_at = r.at + make_interval(secs => :lease)
RETURNING n.id
""")  # noqa: S608 - constants of ours

# Messages that workers gave back. A copy that was published before the row was held last changes nothing: the row is held, or
# was released and published again.
HAND_BACK = text(f"""
WITH g AS (
    SELECT r.* FROM {records("rows", "id uuid, replay int, hold uuid, queued_at timestamptz", key="id")} AS r
    JOIN notifications n USING (id) ORDER BY id FOR UPDATE OF n
)
UPDATE notifications n SET status = 'pending', code = NULL, detail = NULL, sealed_detail = NULL, held_by = g.hold,
    held_at = now(), due_at = n.expires_at, leased_by = NULL, queued_at = NULL, claimed_at = NULL, updated_at = now(),
    history = n.history || {_STEP.format("held")}
FROM g WHERE n.id = g.id AND n.replay = g.replay AND n.status IN ('pending', 'queued')
  AND (n.held_at IS NULL OR g.queued_at IS NULL OR g.queued_at >= n.held_at)
RETURNING n.id, n.notification_type, n.priority, g.queued_at, false AS newly_queued, 'held' AS status, true AS same,
    extract(epoch FROM now() - n.created_at) AS seconds
""")  # noqa: S608 - constants of ours

# Goes from hold to hold by the index: as many steps as there are holds with held rows, however many rows they hold.
ENDED = text("""
WITH RECURSIVE hold AS (
    (SELECT held_by FROM notifications WHERE held_by IS NOT NULL AND status = 'pending' ORDER BY held_by LIMIT 1)
    UNION ALL
    SELECT (SELECT n.held_by FROM notifications n WHERE n.held_by > hold.held_by AND n.status = 'pending'
            ORDER BY n.held_by LIMIT 1)
    FROM hold WHERE hold.held_by IS NOT NULL
)
SELECT hold.held_by AS id, coalesce(h.outcome = 'cancelled', false) AS cancelled, coalesce(h.renewed, false) AS renewed,
    h.template_version
FROM hold LEFT JOIN holds h ON h.id = hold.held_by
WHERE hold.held_by IS NOT NULL AND (h.id IS NULL OR h.ended_at IS NOT NULL)
""")

_PIECE = """
WITH piece AS (
    SELECT id FROM notifications WHERE held_by = :hold AND status = 'pending'
    ORDER BY priority DESC, id LIMIT :limit FOR UPDATE SKIP LOCKED
)"""
RELEASE = text(f"""{_PIECE}
UPDATE notifications n SET held_by = NULL, due_at = now(), updated_at = now(),
    recipient = CASE WHEN CAST(:renewed AS boolean) THEN NULL ELSE n.recipient END,
    template_version = CASE WHEN CAST(:renewed AS boolean) THEN CAST(:version AS int) ELSE n.template_version END,
    history = n.history || {_STEP.format("released")}
FROM piece WHERE n.id = piece.id
""")  # noqa: S608 - constants of ours
CANCEL = text(f"""{_PIECE}
UPDATE notifications n SET status = 'cancelled', code = 'hold_cancelled', due_at = NULL, ended_at = now(), updated_at = now()
FROM piece WHERE n.id = piece.id
RETURNING n.notification_type
""")  # noqa: S608 - constants of ours

COUNT = text(f"""
SELECT held_by, notification_type, count(*) AS number FROM notifications
WHERE {HELD} AND (CAST(:holds AS uuid[]) IS NULL OR held_by = ANY(CAST(:holds AS uuid[])))
GROUP BY held_by, notification_type
""")  # noqa: S608 - constants of ours

# One look at the index for each priority, however many rows a hold has. The ids are in the order of acceptance.
OLDEST = text("""
SELECT hold, min(n.created_at) AS at
FROM unnest(CAST(:holds AS uuid[])) AS hold CROSS JOIN generate_series(1, 10) AS of_priority
CROSS JOIN LATERAL (
    SELECT created_at FROM notifications
    WHERE held_by = hold AND status = 'pending' AND priority = of_priority ORDER BY id LIMIT 1
) n
GROUP BY hold
""")


class ToHold(NamedTuple):
    """A row that this process has leased and not published, and the hold that stands for it."""

    leased: LeasedRound
    hold: UUID


@dataclass(frozen=True, slots=True)
class EndedHold:
    """A hold that has ended and still has held rows. `renewed`: recipient and template are looked up again, with
    `template_version` or the active version."""

    id: UUID
    cancelled: bool
    renewed: bool
    template_version: int | None


async def hold(connection: StatementExecutor, rows: Sequence[ToHold], *, owner: str, lease_seconds: float) -> int:
    """Holds rows that were certainly not published in this lease. Returns how many."""
    given = [
        {"id": leased.round.id, "replay": leased.round.replay, "at": leased.leased_at, "hold": by}
        for leased, by in sorted(rows, key=lambda one: one.leased.round.id.bytes)
    ]
    parameters = {"rows": to_json_text(given), "owner": owner, "lease": lease_seconds}
    return len(list(await connection.execute(HOLD, parameters)))


async def hand_back(connection: StatementExecutor, events: Sequence[StatusEvent]) -> list[AppliedEvent]:
    """Holds the rows of messages that workers gave back. Late and repeated events change nothing."""
    given = [
        {"id": event.notification_id, "replay": event.replay, "hold": event.hold_id, "queued_at": event.queued_at}
        for event in events
        if event.hold_id is not None
    ]
    found = await connection.execute(HAND_BACK, {"rows": to_json_text(given)})
    return [AppliedEvent.from_row(row) for row in found]


async def ended(connection: StatementExecutor) -> list[EndedHold]:
    """The holds that have ended while rows are held by them."""
    return [
        EndedHold(row.id, cancelled=row.cancelled, renewed=row.renewed, template_version=row.template_version)
        for row in await connection.execute(ENDED, {})
    ]


async def release(connection: AsyncConnection, by: EndedHold, *, limit: int) -> int:
    """Makes some rows due, highest priority first. Returns how many."""
    parameters = {"hold": by.id, "renewed": by.renewed, "version": by.template_version, "limit": limit}
    return (await connection.execute(RELEASE, parameters)).rowcount


async def cancel(connection: AsyncConnection, by: EndedHold, *, limit: int) -> list[str]:
    """Cancels some rows. Returns their channels."""
    rows = await connection.execute(CANCEL, {"hold": by.id, "limit": limit})
    return [row.notification_type for row in rows]


async def counts(connection: AsyncConnection, holds: Sequence[UUID] | None = None) -> dict[UUID, dict[Channel, int]]:
    """hold → channel → how many rows are held; of these holds, or of all."""
    found: dict[UUID, dict[Channel, int]] = {}
    for row in await connection.execute(COUNT, {"holds": None if holds is None else list(holds)}):
        found.setdefault(row.held_by, {})[row.notification_type] = row.number
    return found


async def oldest(connection: StatementExecutor, holds: Sequence[UUID]) -> dict[UUID, datetime]:
    """hold → when the oldest of its held rows was accepted."""
    return {row.hold: row.at for row in await connection.execute(OLDEST, {"holds": list(holds)})}
