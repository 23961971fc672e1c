"""The ledger's SQL, for one channel's tables. All clocks are the database's."""

from sqlalchemy import TextClause, text

from chassis.postgres.autocommit import ids, records

CLAIMED = """notification_id uuid, recipient text, replay int, priority int, message text, contact text,
    added boolean, fingerprint text, expires_at timestamptz, trace_context text"""
_CLAIM = """
    INSERT INTO {{deliveries}} AS d (
        notification_id, recipient, replay, state, owner, priority, message, contact, trace_context)
    SELECT notification_id, recipient, replay, 'sending', :owner, priority, message, contact, trace_context
    FROM given WHERE {which} ORDER BY notification_id, recipient
    ON CONFLICT (notification_id, recipient) DO UPDATE SET
        state = 'sending', owner = excluded.owner, message = excluded.message, next_attempt_at = NULL,
        trace_context = excluded.trace_context,
        contact = CASE WHEN d.in_doubt AND excluded.replay = d.replay THEN d.contact ELSE excluded.contact END,
        in_doubt = (d.in_doubt OR coalesce(d.code = 'ambiguous', false)) AND excluded.replay = d.replay,
        attempts = CASE WHEN excluded.replay > d.replay THEN 0 ELSE d.attempts END,
        deferrals = CASE WHEN excluded.replay > d.replay THEN 0 ELSE d.deferrals END,
        faults = CASE WHEN excluded.replay > d.replay THEN 0 ELSE d.faults END,
        refused_since = CASE WHEN excluded.replay > d.replay THEN NULL ELSE d.refused_since END,
        code = CASE WHEN excluded.replay > d.replay THEN NULL ELSE d.code END,
        replay = excluded.replay, updated_at = now()
    WHERE d.state = 'requeued' AND excluded.replay >= d.replay
       OR d.state = 'sending' AND d.owner = excluded.owner  -- we claimed it, and the answer was lost
       OR excluded.replay > d.replay AND d.state NOT IN ('claimed', 'sending')
    RETURNING d.notification_id, d.recipient, d.attempts, d.deferrals, d.in_doubt, d.contact, d.faults, d.refused_since
"""
_GIVEN = f"given AS (SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r({CLAIMED}))"  # noqa: S608 - constants of ours
_ANSWER = """
SELECT c.notification_id, c.recipient, c.attempts, c.deferrals, coalesce(g.expires_at <= now(), false) AS expired, c.in_doubt,
       c.contact, c.faults, c.refused_since, {{suppressed}} AS suppressed, now() AS claimed_at
FROM {claimed} c JOIN given g USING (notification_id, recipient)
"""

# A new row, a replay of what has ended, or one on its way through the queue again: claimed, which is to say that its provider
# is called next. Everything else is left alone and only looked at. Keys go in sorted, so that two workers with overlapping
# groups cannot deadlock.
CLAIM = f"""
WITH {_GIVEN}, claimed AS ({_CLAIM.format(which="true")})
{_ANSWER.format(claimed="claimed")}
"""

_BELONGS = """added AND (
        notification_id IN (SELECT notification_id FROM begun)
        OR EXISTS (SELECT 1 FROM {deliveries} x
                   WHERE x.notification_id = given.notification_id AND x.recipient = given.recipient))"""

# The same where devices were added since the notification was accepted: they belong to it only when this very statement
# begins the round, or when the ledger has them already.
CLAIM_WITH_ADDED = f"""
WITH {_GIVEN}, named AS ({_CLAIM.format(which="NOT added")}
), begun AS (
    SELECT DISTINCT g.notification_id FROM named JOIN given g USING (notification_id, recipient)
    WHERE NOT EXISTS (
        SELECT 1 FROM {{deliveries}} x WHERE x.notification_id = g.notification_id AND x.replay >= g.replay)
), more AS ({_CLAIM.format(which=_BELONGS)}
), claimed AS (TABLE named UNION ALL TABLE more)
{_ANSWER.format(claimed="claimed")}
"""  # noqa: S608 - constants of ours

DELIVERY = "notification_id uuid, recipient text"

LOOK = f"""
SELECT d.notification_id, d.recipient, d.state, d.attempts, d.code, d.detail, d.sealed_detail, d.provider_message_id,
    d.replay, d.updated_at
FROM {{deliveries}} d JOIN {records("keys", DELIVERY, key="notification_id")} AS r USING (notification_id, recipient)
"""  # noqa: S608 - constants of ours

LOOK_ALL = f"""
SELECT d.notification_id, d.recipient, d.state, d.attempts, d.code, d.detail, d.sealed_detail, d.provider_message_id,
    d.replay, d.updated_at
FROM {{deliveries}} d JOIN {ids("ids")} AS r ON d.notification_id = r.id
"""  # noqa: S608 - constants of ours

HAS = "SELECT 1 FROM {deliveries} WHERE notification_id = :notification_id AND replay >= :replay LIMIT 1"

RESULT = f"""{DELIVERY}, replay int, state text, attempts int, faults int, refused bool, deferred int, doubt int, code text,
    detail text, sealed_detail text, provider_message_id text, delay float8"""
# Whoever has lost a delivery to another worker and hears from the provider that it was taken says so all the same, unless
# it is being sent once more at this moment: then it is not sent again for nothing.
RECORD = f"""
UPDATE {{deliveries}} d SET
    state = r.state, attempts = r.attempts, faults = r.faults, deferrals = d.deferrals + r.deferred,
    refused_since = CASE WHEN r.refused THEN coalesce(d.refused_since, now()) ELSE d.refused_since END,
    ambiguous = d.ambiguous + r.doubt, in_doubt = d.in_doubt OR r.doubt > 0, code = r.code, detail = r.detail,
    sealed_detail = r.sealed_detail, provider_message_id = coalesce(r.provider_message_id, d.provider_message_id),
    next_attempt_at = CASE WHEN r.state = 'retry' THEN now() + make_interval(secs => r.delay) END,
    message = CASE WHEN r.state = 'retry' THEN d.message END,
    contact = CASE WHEN r.state = 'retry' THEN d.contact END, updated_at = now()
FROM {records("rows", RESULT, key="notification_id")} AS r
WHERE d.notification_id = r.notification_id AND d.recipient = r.recipient
  AND (d.owner = :owner AND (d.state IN ('claimed', 'sending')
                             OR d.state = r.state AND d.attempts = r.attempts)  -- the answer was lost
       OR r.state = 'sent' AND d.replay = r.replay AND d.state IN ('claimed', 'retry', 'requeued', 'unknown'))
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
RETURNING d.notification_id, d.recipient, d.priority, d.message, d.trace_context, d.updated_at
"""

# The broker has these: they stand in its queue, however long that is. LOST finds what does not.
HANDED_OVER = f"""
UPDATE {{deliveries}} d SET next_attempt_at = NULL, updated_at = now()
FROM {ids("ids")} AS r WHERE d.notification_id = r.id AND d.state = 'requeued'
"""  # noqa: S608 - constants of ours

# Handed over, and the queue has moved past them: due again. `passed_at` NULL: the queue stood empty.
LOST = """
WITH lost AS (
    SELECT d.notification_id, d.recipient
    FROM json_to_recordset(CAST(:levels AS json)) AS level(priority int, passed_at timestamptz)
    JOIN {deliveries} d ON d.priority = level.priority
    WHERE d.state = 'requeued' AND d.next_attempt_at IS NULL
      AND d.updated_at < least(level.passed_at, now()) - make_interval(secs => :grace)
    LIMIT :largest FOR UPDATE OF d SKIP LOCKED
)
UPDATE {deliveries} d SET next_attempt_at = now()
FROM lost WHERE d.notification_id = lost.notification_id AND d.recipient = lost.recipient
"""

# A worker that has not been heard of for the lease is dead. What it was sending may have been sent: that is counted.
# Only a worker judges that has itself been heard of without a gap for as long: after a database that stood still, or a
# table that was locked, every heartbeat is old. A time in the future is of a clock that jumped: it counts for nothing.
# By the clock, not by now(): this statement may have waited for what it reads.
TAKE_ORPHANS = """
WITH orphans AS (
    SELECT notification_id, recipient, o.state = 'sending' AS doubtful FROM {deliveries} o
    WHERE o.state IN ('claimed', 'sending')
      AND o.updated_at NOT BETWEEN clock_timestamp() - make_interval(secs => :silence) AND clock_timestamp()
      AND NOT EXISTS (
        SELECT 1 FROM {workers} w WHERE w.id = o.owner
          AND w.heartbeat_at BETWEEN clock_timestamp() - make_interval(secs => :silence) AND clock_timestamp())
      AND EXISTS (
        SELECT 1 FROM {workers} me WHERE me.id = :owner
          AND me.heartbeat_at BETWEEN clock_timestamp() - make_interval(secs => :gap) AND clock_timestamp()
          AND me.steady_since <= clock_timestamp() - make_interval(secs => :silence))
    LIMIT :largest FOR UPDATE SKIP LOCKED
)
UPDATE {deliveries} d SET
    ambiguous = d.ambiguous + CASE WHEN doubtful THEN 1 ELSE 0 END, in_doubt = d.in_doubt OR doubtful,
    code = CASE WHEN doubtful THEN 'ambiguous' ELSE d.code END,
    state = 'requeued', owner = NULL, next_attempt_at = now() + make_interval(secs => :lease), updated_at = now()
FROM orphans WHERE d.notification_id = orphans.notification_id AND d.recipient = orphans.recipient
RETURNING d.notification_id, d.recipient, d.priority, d.message, d.trace_context, d.updated_at, doubtful
"""

# What is ours for longer than the lease: the caller knows which of these it has in hand.
OWNED = """
SELECT notification_id, recipient, updated_at FROM {deliveries}
WHERE owner = :owner AND state IN ('claimed', 'sending')
  AND updated_at NOT BETWEEN clock_timestamp() - make_interval(secs => :silence) AND clock_timestamp()
"""

# Those of them that we do not have in hand: their claim's answer was lost, so nothing was sent. Not what was claimed again
# meanwhile.
RELEASE = f"""
UPDATE {{deliveries}} d SET
    state = 'requeued', owner = NULL, next_attempt_at = now(), updated_at = now()
FROM {records("rows", f"{DELIVERY}, updated_at timestamptz", key="notification_id")} AS r
WHERE d.notification_id = r.notification_id AND d.recipient = r.recipient
  AND d.owner = :owner AND d.state IN ('claimed', 'sending') AND d.updated_at = r.updated_at
"""  # noqa: S608 - constants of ours

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

# By the primary key, whose ids are time-ordered, a stretch at a time from `:after` on: what was accepted long ago and ended
# lately (it was scheduled, or retried for long) is passed over, not looked at in every turn.
REMOVE = """
WITH stretch AS (
    SELECT notification_id, recipient, state, updated_at FROM {deliveries}
    WHERE notification_id > :after AND notification_id < :bound
    ORDER BY notification_id, recipient LIMIT :largest
), old AS (
    SELECT d.notification_id, d.recipient FROM {deliveries} d JOIN stretch USING (notification_id, recipient)
    WHERE d.state IN ('sent', 'failed', 'suppressed', 'expired', 'unknown') AND d.updated_at < :ended_before
    ORDER BY notification_id, recipient FOR UPDATE OF d SKIP LOCKED
), gone AS (
    DELETE FROM {deliveries} d USING old WHERE d.notification_id = old.notification_id AND d.recipient = old.recipient
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone) AS removed,
       (SELECT CASE WHEN count(*) = :largest THEN max(notification_id::text) END FROM stretch) AS reached
"""

# Of people who are gone: what a provider said of them, whatever the state. What waits to be tried again is due now: a worker
# takes it up and finds nobody, so that it ends as everything does; its message goes with its end. An address that must not be
# sent to stays so: a delivery's key is the first half of its fingerprint.
ERASE = f"""
WITH theirs AS (
    SELECT d.notification_id, d.recipient FROM {{deliveries}} d JOIN {ids("ids")} AS r ON d.notification_id = r.id
    ORDER BY d.notification_id, d.recipient FOR UPDATE OF d
){{unmasked}}
UPDATE {{deliveries}} d SET detail = NULL, sealed_detail = NULL,
    next_attempt_at = CASE WHEN d.state = 'retry' THEN now() ELSE d.next_attempt_at END
FROM theirs t WHERE d.notification_id = t.notification_id AND d.recipient = t.recipient
RETURNING d.recipient, d.state IN ('claimed', 'sending', 'retry', 'requeued') AS open
"""  # noqa: S608 - constants of ours

BEAT = """
INSERT INTO {workers} AS w (id, heartbeat_at, steady_since) VALUES (:owner, clock_timestamp(), clock_timestamp())
ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp(),
    steady_since = CASE
        WHEN w.heartbeat_at BETWEEN clock_timestamp() - make_interval(secs => :gap) AND clock_timestamp()
        THEN w.steady_since ELSE clock_timestamp() END
"""

LEAVE = "DELETE FROM {workers} WHERE id = :owner OR heartbeat_at < now() - interval '1 day'"


# Never as EXISTS: that may be planned as a hash of the whole list.
_ON_LIST = "coalesce((SELECT true FROM {suppression_list} s WHERE s.fingerprint = g.fingerprint LIMIT 1), false)"


_UNMASKED = """, unmasked AS (
    UPDATE {suppression_list} s SET masked = 'erased' FROM (SELECT DISTINCT recipient FROM theirs) t
    WHERE s.fingerprint >= t.recipient AND s.fingerprint < t.recipient || 'g'
)"""


def for_channel(statement: str, channel: str, suppression_list: str | None = None) -> TextClause:
    """The statement over the tables of `channel` (constants of ours, never input)."""
    suppressed, unmasked = (
        ("false", "")
        if suppression_list is None
        else (part.format(suppression_list=suppression_list) for part in (_ON_LIST, _UNMASKED))
    )
    return text(
        statement.format(
            deliveries=f"{channel}_deliveries",
            workers=f"{channel}_workers",
            suppressed=suppressed,
            unmasked=unmasked,
        )
    )
