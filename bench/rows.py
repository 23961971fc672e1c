"""Many past notifications at once, by SQL: the gateway's tables after months of use.

Only this module knows their columns. Only existing columns are filled. A new column with a default needs no change; a new
one without it makes the first insert fail.
"""

from collections.abc import Mapping, Sequence
from hashlib import md5
from uuid import UUID

from bench.database import Database

DAYS = 90
CHUNK = 500_000
# Percentage → final status. None is in progress: it would be sent.
ENDS = """CASE WHEN i % 100 < 88 THEN 'sent' WHEN i % 100 < 93 THEN 'delivered' WHEN i % 100 < 97 THEN 'failed'
    WHEN i % 100 < 99 THEN 'suppressed' ELSE 'expired' END"""
HASH = "md5(i::text || 'bench')"
# Version 7: 48 bits of milliseconds, then random ones. Ordered by time, as in production.
ID = """(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
    || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid"""
HISTORY = "jsonb_build_array(jsonb_build_object('status', 'retrying', 'at', at, 'code', 'deferred', 'attempts', 1))"

NOTIFICATION: Mapping[str, str] = {
    "id": ID, "caller": "caller", "request_id": "'order-' || i", "correlation_id": "hash", "notification_type": "channel",
    "user_id": "md5('user' || i % users)::uuid", "template_code": "'template_' || i % 40", "template_version": "1",
    "language": "'en'", "variables": "variables", "metadata": "'{\"campaign\": \"past\"}'::jsonb",
    "priority": "1 + i % 10", "recipient": "recipient", "status": "status",
    "code": "CASE status WHEN 'failed' THEN 'bounced' WHEN 'suppressed' THEN 'opted_out' WHEN 'expired' THEN 'expired' END",
    "attempts": "CASE WHEN i % 20 = 0 THEN 2 ELSE 1 END", "created_at": "at", "delivery_guarantee": "'at_least_once'",
    "queued_at": "at + interval '20 ms'", "claimed_at": "at + interval '40 ms'",
    "sent_at": "CASE WHEN status IN ('sent', 'delivered') THEN at + interval '90 ms' END",
    "ended_at": "CASE WHEN status <> 'sent' THEN at + interval '2 s' END", "updated_at": "at + interval '2 s'",
    "history": f"CASE WHEN i % 20 = 0 THEN {HISTORY} ELSE '[]'::jsonb END",
}  # fmt: skip
KEY: Mapping[str, str] = {
    "caller": "caller", "key": "'order-' || i", "notification_id": ID, "body_hash": "hash || hash", "status": "'pending'",
    "created_at": "at",
}  # fmt: skip
SOURCE = f"""
SELECT i, at, hash, status, channel, 'key:bench' AS caller, $3::bigint AS users,
    jsonb_build_object('name', 'Ada', 'link', 'https://example.com/' || i) AS variables,
    jsonb_build_object('name', 'Ada', 'email', 'ada.' || i % 1000 || '@example.com') AS recipient
FROM (SELECT i, $5::timestamptz - make_interval(secs => (1 - i::float8 / $4) * 86400 * {DAYS} + 60) AS at, {HASH} AS hash,
        {ENDS} AS status, CASE WHEN i % 4 = 0 THEN 'push' ELSE 'email' END AS channel
    FROM generate_series($1::bigint, $2::bigint) AS i OFFSET 0) AS past
"""  # noqa: S608 - the pieces are ours
TOTALS = """INSERT INTO accepted_totals (channel, writer, accepted)
SELECT notification_type, 'bench', count(*) FROM notifications GROUP BY notification_type"""
SECONDARY = """SELECT indexname AS name, replace(indexdef, ' ON ONLY ', ' ON ') AS definition FROM pg_indexes
WHERE schemaname = 'public' AND tablename IN ('notifications', 'idempotency_keys')
  AND indexname NOT IN (SELECT conname FROM pg_constraint)"""


def users_of(number: int) -> int:
    """One user for every two hundred notifications: a user's list does not grow with the table."""
    return max(1, number // 200)


def user(number: int) -> UUID:
    """One of the users of these rows."""
    return UUID(md5(f"user{number}".encode(), usedforsecurity=False).hexdigest())


def first_id_of(when: float) -> UUID:
    """The smallest version 7 id of a moment, in seconds since the epoch."""
    return UUID(f"{int(when * 1000):012x}70008000000000000000")


def fill(database: Database, number: int) -> None:
    """Replaces everything by `number` past notifications with their keys and totals, analysed, with every index."""
    database.rows("SET synchronous_commit = off")
    database.rows("SET maintenance_work_mem = '512MB'")
    database.rows("TRUNCATE notifications, attachments, idempotency_keys, accepted_totals")
    now = database.value("SELECT now()")  # one for all statements, because ids are derived from it
    indexes = database.rows(SECONDARY)
    for index in indexes:  # created again at the end: much faster than row by row
        database.rows(f'DROP INDEX "{index["name"]}"')
    for table, columns in (("notifications", NOTIFICATION), ("idempotency_keys", KEY)):
        statement = insert(table, columns, _columns_of(database, table))
        for first in range(1, number + 1, CHUNK):
            database.rows(statement, first, min(first + CHUNK - 1, number), users_of(number), float(number), now)
    for index in indexes:
        database.rows(index["definition"])
    database.rows("SET synchronous_commit = on")  # an unflushed commit keeps VACUUM from marking pages
    database.rows(TOTALS)
    for table in ("notifications", "idempotency_keys"):
        database.rows(f"VACUUM ANALYZE {table}")
    database.rows("CHECKPOINT")


def insert(table: str, columns: Mapping[str, str], present: Sequence[str]) -> str:
    """Inserts those of `columns` that the table has."""
    names = [name for name in columns if name in present]
    values = ", ".join(columns[name] for name in names)
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM ({SOURCE}) AS past"  # noqa: S608


def _columns_of(database: Database, table: str) -> list[str]:
    wanted = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1"
    return [row["column_name"] for row in database.rows(wanted, table)]
