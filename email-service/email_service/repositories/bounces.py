"""Bounces and complaints, and the count of consecutive soft bounces of an address."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

FINAL = "('sent', 'failed', 'suppressed', 'expired', 'unknown')"

# The ledger's key is derived from the address in the message; the mail may have gone to a newer address.
IS_DELIVERY = text("""
SELECT 1 FROM email_deliveries d
WHERE d.notification_id = :notification_id AND left(d.recipient, length(:recipient)) = :recipient LIMIT 1
""")

IS_OF_ANOTHER = text("""
SELECT 1 FROM email_deliveries d
WHERE d.notification_id = :notification_id AND left(d.recipient, length(:recipient)) <> :recipient LIMIT 1
""")

# A report proves that the provider has the mail. What is ambiguous and waits for its next attempt is not sent again: it is
# due now, and ends as sent.
DUE_IF_IN_DOUBT = """
    UPDATE email_deliveries SET next_attempt_at = now()
    WHERE notification_id = :notification_id AND state = 'retry' AND in_doubt
"""

ADD = text(f"""
WITH due AS ({DUE_IF_IN_DOUBT}), known AS (
    SELECT d.notification_id, d.recipient, d.replay FROM email_deliveries d WHERE d.notification_id = :notification_id
), added AS (
    INSERT INTO email_bounces (notification_id, recipient, replay, kind, status)
    SELECT notification_id, recipient, replay, :kind, :status FROM known
    ON CONFLICT DO NOTHING RETURNING 1
)
SELECT EXISTS (SELECT 1 FROM known) AS is_known, EXISTS (SELECT 1 FROM added) AS is_new
""")  # noqa: S608 - a constant of ours

# Only a delivery that has not ended can need it. There is nothing to report about it.
ADD_DELAY = text(f"""
WITH due AS ({DUE_IF_IN_DOUBT})
INSERT INTO email_bounces (notification_id, recipient, replay, kind, status, reported_at)
SELECT d.notification_id, d.recipient, d.replay, 'delayed', :status, now()
FROM email_deliveries d WHERE d.notification_id = :notification_id AND d.state NOT IN {FINAL}
ON CONFLICT DO NOTHING
""")  # noqa: S608 - constants of ours

COUNT_SOFT = text("""
INSERT INTO email_soft_bounces AS s (fingerprint, bounces, last_at) VALUES (:fingerprint, 1, now())
ON CONFLICT (fingerprint) DO UPDATE SET
    bounces = CASE WHEN s.last_at < now() - make_interval(days => :days) THEN 1 ELSE s.bounces + 1 END, last_at = now()
RETURNING bounces
""")

FORGET_SOFT = text("DELETE FROM email_soft_bounces WHERE fingerprint = :fingerprint")

# A bounce can arrive before the result of its delivery is recorded. It is reported after that result, so that it counts.
UNREPORTED = text(f"""
SELECT b.notification_id, b.recipient, b.replay, b.kind, b.status, b.created_at,
    CASE WHEN d.state = 'sent' THEN d.updated_at END AS sent_at
FROM email_bounces b JOIN email_deliveries d USING (notification_id, recipient)
WHERE b.reported_at IS NULL AND d.state IN {FINAL}
ORDER BY b.created_at LIMIT :limit FOR UPDATE OF b SKIP LOCKED
""")  # noqa: S608 - a constant of ours

REPORTED = text("""
UPDATE email_bounces b SET reported_at = now()
FROM unnest(CAST(:ids AS uuid[]), CAST(:recipients AS text[]), CAST(:replays AS int[]), CAST(:kinds AS text[]))
    AS given(id, recipient, replay, kind)
WHERE b.notification_id = given.id AND b.recipient = given.recipient AND b.replay = given.replay AND b.kind = given.kind
""")

REMOVE = text("""
WITH old AS (
    SELECT ctid FROM email_bounces WHERE created_at < now() - make_interval(days => :days) LIMIT :limit
), gone AS (
    DELETE FROM email_bounces WHERE ctid IN (SELECT ctid FROM old) RETURNING 1
), forgotten AS (
    DELETE FROM email_soft_bounces WHERE last_at < now() - make_interval(days => :soft_days) RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM forgotten) AS removed
""")


@dataclass(frozen=True, slots=True)
class Bounce:
    """`kind`: `failed` or `complained`."""

    notification_id: UUID
    kind: str
    status: str


@dataclass(frozen=True, slots=True)
class Written:
    """`is_known`: the ledger has the delivery. `is_new`: it had not bounced before."""

    is_known: bool
    is_new: bool


@dataclass(frozen=True, slots=True)
class Unreported:
    """`sent_at`: when the provider accepted the mail, if the ledger knows."""

    notification_id: UUID
    recipient: str
    replay: int
    kind: str
    status: str
    created_at: datetime
    sent_at: datetime | None


async def is_delivery(connection: AsyncConnection, notification_id: UUID, recipient_digits: str) -> bool:
    """Whether the notification names an address whose fingerprint begins with `recipient_digits`."""
    parameters = {"notification_id": notification_id, "recipient": recipient_digits}
    return (await connection.execute(IS_DELIVERY, parameters)).first() is not None


async def is_of_another(connection: AsyncConnection, notification_id: UUID, recipient_digits: str) -> bool:
    """Whether the ledger knows the notification, with an address whose fingerprint does not begin with `recipient_digits`."""
    parameters = {"notification_id": notification_id, "recipient": recipient_digits}
    return (await connection.execute(IS_OF_ANOTHER, parameters)).first() is not None


async def add(connection: AsyncConnection, bounce: Bounce) -> Written:
    """Records it for the delivery's current round, once. A delivery that the ledger has deleted is not recorded."""
    parameters = {
        "notification_id": bounce.notification_id,
        "kind": bounce.kind,
        "status": bounce.status,
    }
    row = (await connection.execute(ADD, parameters)).one()
    return Written(row.is_known, row.is_new)


async def add_delay(connection: AsyncConnection, notification_id: UUID, status: str) -> None:
    """Records that the provider has the mail and goes on trying."""
    await connection.execute(ADD_DELAY, {"notification_id": notification_id, "status": status})


async def count_soft(connection: AsyncConnection, fingerprint: str, *, days: int) -> int:
    """Counts a bounce of an address that may pass. Returns how many there were in a row, none later than `days` after the
    one before."""
    return int(await connection.scalar(COUNT_SOFT, {"fingerprint": fingerprint, "days": days}) or 0)


async def forget_soft(connection: AsyncConnection, fingerprint: str) -> None:
    await connection.execute(FORGET_SOFT, {"fingerprint": fingerprint})


async def unreported(connection: AsyncConnection, *, limit: int) -> list[Unreported]:
    """Locks bounces that are not yet reported, whose deliveries have ended."""
    return [Unreported(*row) for row in await connection.execute(UNREPORTED, {"limit": limit})]


async def reported(connection: AsyncConnection, bounces: Sequence[Unreported]) -> None:
    parameters = {
        "ids": [one.notification_id for one in bounces],
        "recipients": [one.recipient for one in bounces],
        "replays": [one.replay for one in bounces],
        "kinds": [one.kind for one in bounces],
    }
    await connection.execute(REPORTED, parameters)


async def remove(connection: AsyncConnection, *, days: int, soft_days: int, limit: int) -> int:
    """Deletes bounces older than `days`, and counts of soft bounces older than `soft_days`. Returns how many."""
    parameters = {"days": days, "soft_days": soft_days, "limit": limit}
    return int(await connection.scalar(REMOVE, parameters) or 0)
