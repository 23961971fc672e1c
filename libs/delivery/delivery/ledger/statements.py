"""The ledger's SQL, for one channel's tables. All clocks are the database's."""

from sqlalchemy import TextClause, text

from chassis.rowsets import ids, records

# A new row, a replay of what has ended, or one on its way through the queue again: claimed. Everything else is left
# alone and only looked at. Keys go in sorted, so that two workers with overlapping groups cannot deadlock.
CLAIM = """
WITH given AS (
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(
        notification_id uuid, recipient text, replay int, priority int, message text, expires_at timestamptz,
        trace_context text)
), claimed AS (
    INSERT INTO {deliveries} AS d (
        notification_id, recipient, replay, state, owner, priority, message, trace_context)
    SELECT notification_id, recipient, replay, 'claimed', :owner, priority, message, trace_context
    FROM given ORDER BY notification_id, recipient
    ON CONFLICT (notification_id, recipient) DO UPDATE SET
        state = 'claimed', owner = excluded.owner, message = excluded.message, next_attempt_at = NULL,
        trace_context = excluded.trace_context,
        attempts = CASE WHEN excluded.replay > d.replay THEN 0 ELSE d.attempts END,
        deferrals = CASE WHEN excluded.replay > d.replay THEN 0 ELSE d.deferrals END,
        code = CASE WHEN excluded.replay > d.replay THEN NULL ELSE d.code END,
        replay = excluded.replay, updated_at = now()
    WHERE d.state = 'requeued' AND excluded.replay >= d.replay
       OR d.state = 'claimed' AND d.owner = excluded.owner  -- we claimed it, and the answer was lost
       OR excluded.replay > d.replay AND d.state NOT IN ('claimed', 'sending')
    RETURNING d.notification_id, d.recipient, d.attempts, d.deferrals, coalesce(d.code = 'ambiguous', false) AS doubtful
)
SELECT c.notification_id, c.recipient, c.attempts, c.deferrals, c.doubtful,
       coalesce(g.expires_at <= now(), false) AS expired
FROM claimed c JOIN given g USING (notification_id, recipient)
"""

DELIVERY = "notification_id uuid, recipient text"

LOOK = f"""
SELECT d.notification_id, d.recipient, d.state, d.attempts, d.code, d.detail, d.provider_message_id, d.replay
FROM {{deliveries}} d JOIN {records("keys", DELIVERY, key="notification_id")} AS r USING (notification_id, recipient)
"""  # noqa: S608 - constants of ours

LOOK_ALL = """
SELECT state, attempts, code, detail, provider_message_id, replay FROM {deliveries}
WHERE notification_id = :notification_id
"""

HAS = "SELECT 1 FROM {deliveries} WHERE notification_id = :notification_id AND replay >= :replay LIMIT 1"

# Only the owner goes on: a row that a sweep has taken away meanwhile is not returned, and is not sent.
MARK_SENDING = f"""
UPDATE {{deliveries}} d SET state = 'sending', updated_at = now()
FROM {records("keys", DELIVERY, key="notification_id")} AS r
WHERE d.notification_id = r.notification_id AND d.recipient = r.recipient
  AND d.state = 'claimed' AND d.owner = :owner
RETURNING d.notification_id, d.recipient
"""  # noqa: S608 - constants of ours

RESULT = f"""{DELIVERY}, state text, attempts int, deferred int, doubt int, code text, detail text,
    provider_message_id text, delay float8"""
RECORD = f"""
UPDATE {{deliveries}} d SET
    state = r.state, attempts = r.attempts, deferrals = d.deferrals + r.deferred,
    ambiguous = d.ambiguous + r.doubt, code = r.code, detail = r.detail,
    provider_message_id = coalesce(r.provider_message_id, d.provider_message_id),
    next_attempt_at = CASE WHEN r.state = 'retry' THEN now() + make_interval(secs => r.delay) END,
    message = CASE WHEN r.state = 'retry' THEN d.message END, updated_at = now()
FROM {records("rows", RESULT, key="notification_id")} AS r
WHERE d.notification_id = r.notification_id AND d.recipient = r.recipient
  AND d.owner = :owner
  AND (d.state IN ('claimed', 'sending') OR d.state = r.state AND d.attempts = r.attempts)  -- or the answer was lost
RETURNING d.notification_id, d.recipient
"""  # noqa: S608 - constants of ours

# One copy of a message goes back to the queue, however many of its recipients are due.
TAKE_DUE = """
WITH due AS (
    SELECT notification_id, recipient FROM {deliveries}
    WHERE state IN ('retry', 'requeued') AND next_attempt_at <= now()
    ORDER BY next_attempt_at LIMIT :largest FOR UPDATE SKIP LOCKED
)
UPDATE {deliveries} d SET state = 'requeued', next_attempt_at = now() + make_interval(secs => :lease), updated_at = now()
FROM due WHERE d.notification_id = due.notification_id AND d.recipient = due.recipient
RETURNING d.notification_id, d.priority, d.message, d.trace_context
"""

# The broker has these: they may stand in its queue for a while.
HANDED_OVER = f"""
UPDATE {{deliveries}} d SET next_attempt_at = now() + make_interval(secs => :lease)
FROM {ids("ids")} AS r WHERE d.notification_id = r.id AND d.state = 'requeued'
"""  # noqa: S608 - constants of ours

# A worker that has not been heard of for the lease is dead. What it was sending may have been sent: that is counted.
TAKE_ORPHANS = """
WITH orphans AS (
    SELECT notification_id, recipient, o.state = 'sending' AS doubtful FROM {deliveries} o
    WHERE o.state IN ('claimed', 'sending') AND o.updated_at < now() - make_interval(secs => :silence)
      AND NOT EXISTS (
        SELECT 1 FROM {workers} w
        WHERE w.id = o.owner AND w.heartbeat_at > now() - make_interval(secs => :silence))
    LIMIT :largest FOR UPDATE SKIP LOCKED
)
UPDATE {deliveries} d SET
    ambiguous = d.ambiguous + CASE WHEN doubtful THEN 1 ELSE 0 END,
    code = CASE WHEN doubtful THEN 'ambiguous' ELSE d.code END,
    state = 'requeued', owner = NULL, next_attempt_at = now() + make_interval(secs => :lease), updated_at = now()
FROM orphans WHERE d.notification_id = orphans.notification_id AND d.recipient = orphans.recipient
RETURNING d.notification_id, d.priority, d.message, d.trace_context, doubtful
"""

# Addresses that a user took away while a retry to them was waiting.
DROP_OTHERS = """
UPDATE {deliveries} SET state = 'suppressed', code = 'recipient_gone', message = NULL, next_attempt_at = NULL,
    updated_at = now()
WHERE notification_id = :notification_id AND recipient <> ALL(CAST(:kept AS text[])) AND state IN ('retry', 'requeued')
"""

TOTALS = """
SELECT state, count(*) AS deliveries FROM {deliveries}
WHERE notification_id >= :first AND notification_id < :last GROUP BY state
"""

SENT = """
SELECT count(*) AS notifications, coalesce(sum(uuid_hash_extended(notification_id, 0)::numeric), 0)::text AS fingerprint
FROM (
    SELECT DISTINCT notification_id FROM {deliveries}
    WHERE notification_id >= :first AND notification_id < :last AND state = 'sent'
) sent
"""

# By the primary key, whose ids are time-ordered: the oldest rows are the first of it.
REMOVE = """
WITH old AS (
    SELECT notification_id, recipient FROM {deliveries}
    WHERE notification_id < :bound AND state IN ('sent', 'failed', 'suppressed', 'expired', 'unknown')
    ORDER BY notification_id LIMIT :largest FOR UPDATE SKIP LOCKED
)
DELETE FROM {deliveries} d USING old WHERE d.notification_id = old.notification_id AND d.recipient = old.recipient
"""

BEAT = """
INSERT INTO {workers} (id, heartbeat_at) VALUES (:owner, now())
ON CONFLICT (id) DO UPDATE SET heartbeat_at = now()
"""

LEAVE = "DELETE FROM {workers} WHERE id = :owner OR heartbeat_at < now() - interval '1 day'"


def for_channel(statement: str, channel: str) -> TextClause:
    """The statement over the tables of `channel` (a constant of ours, never input)."""
    return text(statement.format(deliveries=f"{channel}_deliveries", workers=f"{channel}_workers"))
