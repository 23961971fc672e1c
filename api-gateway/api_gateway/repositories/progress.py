"""Moves notifications along the status machine, in groups, and never backwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.jsons import to_json_text
from chassis.rowsets import records
from chassis.statements import Executes
from contracts.messages import StatusEvent
from contracts.status import Status, sources_of

# "from → to" pairs as one text, e.g. "queued>sent", so that the status machine lives in contracts alone.
ALLOWED = [f"{now}>{then}" for then in Status for now in sources_of(then)]

# Rows are locked in order of id first: two gateways with overlapping groups must not deadlock.
EVENT = """id uuid, status text, code text, detail text, provider_message_id text, attempts int, replay int,
    at timestamptz"""
APPLY = text(f"""
WITH g AS (
    SELECT given.* FROM {records("rows", EVENT, key="id")} AS given JOIN notifications n USING (id)
    ORDER BY id FOR UPDATE OF n
)
UPDATE notifications n SET
    status = CASE WHEN g.status = 'retrying' THEN n.status ELSE g.status END,
    code = g.code, detail = g.detail,
    provider_message_id = coalesce(g.provider_message_id, n.provider_message_id),
    attempts = greatest(n.attempts, g.attempts),
    queued_at = CASE WHEN g.status <> 'retrying' AND n.queued_at > g.at THEN g.at ELSE n.queued_at END,
    claimed_at = coalesce(n.claimed_at, now()),
    sent_at = CASE WHEN g.status = 'sent' THEN g.at ELSE n.sent_at END,
    ended_at = CASE WHEN g.status IN ('retrying', 'sent') THEN n.ended_at ELSE g.at END,
    due_at = NULL, updated_at = now(),
    history = CASE WHEN g.status = 'sent' THEN n.history ELSE n.history || jsonb_build_object(
        'status', g.status, 'at', g.at, 'code', g.code, 'detail', g.detail, 'attempts', g.attempts) END
FROM g
WHERE n.id = g.id AND g.replay >= n.replay
  AND (g.status = 'retrying' AND n.status IN ('pending', 'queued')
       OR n.status || '>' || g.status = ANY(CAST(:allowed AS text[])))
RETURNING n.id, n.notification_type, n.priority, n.queued_at, g.status, extract(epoch FROM g.at - n.created_at) AS seconds
""")  # noqa: S608 - the columns are ours


@dataclass(frozen=True, slots=True)
class Moved:
    """A notification that an event moved. `seconds` is the event's time after acceptance."""

    id: UUID
    notification_type: str
    priority: int
    queued_at: datetime | None
    status: str
    seconds: float


async def apply_events(connection: Executes, events: Sequence[StatusEvent]) -> list[Moved]:
    """Applies at most one event a notification; late, repeated and unknown ones change nothing."""
    rows = [
        {
            "id": event.notification_id,
            "status": event.status,
            "code": event.code,
            "detail": event.detail,
            "provider_message_id": event.provider_message_id,
            "attempts": event.attempts,
            "replay": event.replay,
            "at": event.at,
        }
        for event in events
    ]
    moved = await connection.execute(APPLY, {"rows": to_json_text(rows), "allowed": ALLOWED})
    return [
        Moved(row.id, row.notification_type, row.priority, row.queued_at, row.status, float(row.seconds))
        for row in moved
    ]


CANCEL = text("""
UPDATE notifications SET status = 'cancelled', due_at = NULL, ended_at = now(), updated_at = now()
WHERE id = :id AND status = 'pending' AND leased_by IS NULL
RETURNING notification_type
""")

REPLAY = text("""
UPDATE notifications SET status = 'pending', code = NULL, detail = NULL, attempts = 0, replay = replay + 1,
    due_at = now(), leased_by = NULL, queued_at = NULL, claimed_at = NULL, sent_at = NULL, ended_at = NULL,
    updated_at = now(),
    history = history || jsonb_build_object('status', 'replayed', 'at', now())
WHERE id IN (
    SELECT id FROM notifications
    WHERE (status = 'failed' OR status = 'unknown' AND CAST(:ids AS uuid[]) IS NOT NULL)  -- what may have arrived: by name
      AND (CAST(:ids AS uuid[]) IS NULL OR id = ANY(CAST(:ids AS uuid[])))
      AND (CAST(:channel AS text) IS NULL OR notification_type = :channel)
      AND (CAST(:code AS text) IS NULL OR code = :code)
    ORDER BY id LIMIT :largest FOR UPDATE SKIP LOCKED
)
RETURNING id
""")


async def cancel(connection: AsyncConnection, notification_id: UUID) -> str | None:
    """Cancels what was certainly not handed over. Returns its channel, or None when nothing was cancelled."""
    row = (await connection.execute(CANCEL, {"id": notification_id})).first()
    return row.notification_type if row else None


async def replay_failed(
    connection: AsyncConnection,
    *,
    ids: Sequence[UUID] | None,
    channel: str | None = None,
    code: str | None = None,
    largest: int = 1_000,
) -> list[UUID]:
    """Gives failed notifications, and unknown ones that `ids` name, a fresh budget and makes them due. Returns those."""
    rows: Sequence[Row[Any]] = (
        await connection.execute(
            REPLAY, {"ids": None if ids is None else list(ids), "channel": channel, "code": code, "largest": largest}
        )
    ).all()
    return [row.id for row in rows]
