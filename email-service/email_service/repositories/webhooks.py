"""The events of providers that were read, and the confirmed deliveries that are not yet reported to the gateway."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from email_service.repositories.bounces import DUE_IF_IN_DOUBT, FINAL

REMEMBER = text("""
INSERT INTO email_webhook_events (id, digest) VALUES (:id, :digest) ON CONFLICT DO NOTHING RETURNING 1
""")

DIGEST = text("SELECT digest FROM email_webhook_events WHERE id = :id")

# The condition is that of the index: our own Message-IDs lead to a notification without it.
BY_PROVIDER_ID = text("""
SELECT d.notification_id FROM email_deliveries d
WHERE d.provider_message_id = ANY(CAST(:ids AS text[])) AND d.provider_message_id NOT LIKE '<%' LIMIT 1
""")

CONFIRM = text(f"""
WITH due AS ({DUE_IF_IN_DOUBT})
INSERT INTO email_confirmations (notification_id, recipient, replay)
SELECT d.notification_id, d.recipient, d.replay FROM email_deliveries d WHERE d.notification_id = :notification_id
ON CONFLICT DO NOTHING RETURNING 1
""")  # noqa: S608 - a constant of ours

WAS_REPORTED = text("""
SELECT 1 FROM email_confirmations WHERE notification_id = :notification_id AND replay = :replay
UNION ALL SELECT 1 FROM email_bounces WHERE notification_id = :notification_id AND replay = :replay LIMIT 1
""")

# As with bounces, a confirmation is reported after the end of its delivery.
CONFIRMED = text(f"""
SELECT c.notification_id, c.recipient, c.replay, c.created_at, d.attempts, d.provider, d.provider_message_id,
    CASE WHEN d.state = 'sent' THEN d.updated_at END AS sent_at
FROM email_confirmations c JOIN email_deliveries d USING (notification_id, recipient)
WHERE d.state IN {FINAL}
ORDER BY c.created_at LIMIT :limit FOR UPDATE OF c SKIP LOCKED
""")  # noqa: S608 - a constant of ours

REPORTED = text("""
DELETE FROM email_confirmations c
USING unnest(CAST(:ids AS uuid[]), CAST(:recipients AS text[]), CAST(:replays AS int[])) AS given(id, recipient, replay)
WHERE c.notification_id = given.id AND c.recipient = given.recipient AND c.replay = given.replay
""")

REMOVE = text("""
WITH old AS (
    SELECT ctid FROM email_webhook_events WHERE created_at < now() - make_interval(secs => :remembered_seconds) LIMIT :limit
), gone AS (
    DELETE FROM email_webhook_events WHERE ctid IN (SELECT ctid FROM old) RETURNING 1
), unknown AS (
    DELETE FROM email_confirmations WHERE created_at < now() - make_interval(days => :days) RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM unknown) AS removed
""")


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A delivery that its provider has confirmed. `sent_at`: when the provider accepted the mail, if the ledger knows."""

    notification_id: UUID
    recipient: str
    replay: int
    created_at: datetime
    attempts: int
    provider: str | None
    provider_message_id: str | None
    sent_at: datetime | None


async def remember(connection: AsyncConnection, identity: str, digest: str = "") -> Literal["new", "repeated", "other"]:
    """Remembers an id for good if the transaction commits. `other`: it is known with another digest."""
    parameters = {"id": identity, "digest": digest}
    if (await connection.execute(REMEMBER, parameters)).first() is not None:
        return "new"
    return "repeated" if await connection.scalar(DIGEST, {"id": identity}) == digest else "other"


async def by_provider_id(connection: AsyncConnection, ids: Sequence[str]) -> UUID | None:
    """The notification whose mail has one of these ids at its provider."""
    found: UUID | None = await connection.scalar(BY_PROVIDER_ID, {"ids": list(ids)}) if ids else None
    return found


async def confirm(connection: AsyncConnection, notification_id: UUID) -> bool:
    """Returns whether the ledger has the delivery, and it was not yet confirmed."""
    return (await connection.execute(CONFIRM, {"notification_id": notification_id})).first() is not None


async def was_reported(connection: AsyncConnection, notification_id: UUID, replay: int) -> bool:
    """Whether anything was reported about a delivery that has not ended: delivered, delayed, bounced, a complaint."""
    parameters = {"notification_id": notification_id, "replay": replay}
    return (await connection.execute(WAS_REPORTED, parameters)).first() is not None


async def confirmed(connection: AsyncConnection, *, limit: int) -> list[Confirmed]:
    """Locks confirmed deliveries that have ended."""
    return [Confirmed(*row) for row in await connection.execute(CONFIRMED, {"limit": limit})]


async def reported(connection: AsyncConnection, deliveries: Sequence[Confirmed]) -> None:
    parameters = {
        "ids": [one.notification_id for one in deliveries],
        "recipients": [one.recipient for one in deliveries],
        "replays": [one.replay for one in deliveries],
    }
    await connection.execute(REPORTED, parameters)


async def remove(connection: AsyncConnection, *, remembered_seconds: float, days: int, limit: int) -> int:
    """Deletes remembered events and confirmations that are older than that. Returns how many."""
    parameters = {"remembered_seconds": remembered_seconds, "days": days, "limit": limit}
    return int(await connection.scalar(REMOVE, parameters) or 0)
