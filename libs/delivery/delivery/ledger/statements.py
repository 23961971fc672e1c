"""The ledger's SQL, for one channel's tables. All clocks are the database's.

Only workers of the previous release write the state `claimed`.
"""

from sqlalchemy import TextClause, text

from chassis.postgres.autocommit import ids, records

CLAIM_COLUMNS = """notification_id uuid, recipient text, replay int, priority int, message text, contact text,
    added_later boolean, fingerprint text, expires_at timestamptz, trace_context text,
    provider text"""
_CLAIM = """
    INSERT INTO {{deliveries}} AS d (
        notification_id, recipient, replay, state, owner, priority, message, contact, trace_context, provider)
    SELECT notification_id, recipient, replay, 'sending', :owner, priority, message, contact, trace_context, provider
    FROM given WHERE {which} ORDER BY notification_id, recipient
    ON CONFLICT (notification_id, recipient) DO UPDATE SET
        state = 'sending', owner = excluded.owner, message = excluded.message, next_attempt_at = NULL,
        trace_context = excluded.trace_context,
        contact = CASE WHEN d.in_doubt AND excluded.replay = d.replay THEN d.contact ELSE excluded.contact END,
        provider = CASE WHEN d.in_doubt AND excluded.replay = d.replay THEN coalesce(d.provider, excluded.provider)
                        ELSE excluded.provider END,
        in_doubt = (d.in_doubt OR coalesce(d.code = 'ambiguous', false)) AND excluded.replay = d.replay,
        attempts = CASE WHEN excluded.replay > d.replay THEN 0 ELSE d.attempts END,
        deferrals = CASE WHEN excluded.replay > d.replay THEN 0 ELSE d.deferrals END,
        faults = CASE WHEN excluded.replay > d.replay THEN 0 ELSE d.faults END,
        refused_since = CASE WHEN excluded.replay > d.replay THEN NULL ELSE d.refused_since END,
        code = CASE WHEN excluded.replay > d.replay THEN NULL ELSE d.code END,
        replay = excluded.replay, updated_at = now()
    WHERE d.state = 'requeued' AND excluded.replay >= d.replay
       OR d.state = 'sending' AND d.owner = excluded.owner  -- this worker claimed it, and the answer was lost
       OR excluded.replay > d.replay AND d.state NOT IN ('claimed', 'sending')
    RETURNING d.notification_id, d.recipient, d.attempts, d.deferrals, d.in_doubt, d.contact, d.faults, d.refused_since,
        d.provider
"""
_GIVEN = f"given AS (SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r({CLAIM_COLUMNS}))"  # noqa: S608 - constants of ours
_ANSWER = """
SELECT c.notification_id, c.recipient, c.attempts, c.deferrals, coalesce(g.expires_at <= now(), false) AS expired, c.in_doubt,
       c.contact, c.faults, c.refused_since, {{suppressed}} AS suppressed, c.provider, now() AS claimed_at
FROM {claimed} c JOIN given g USING (notification_id, recipient)
"""

# It claims new rows, replays of finished rows, and rows on their way through the queue again; their provider is called next.
# All other rows are not changed, only read. Keys are sorted, so that two workers with overlapping groups cannot deadlock.
CLAIM = f"""
WITH {_GIVEN}, claimed AS ({_CLAIM.format(which="true")})
{_ANSWER.format(claimed="claimed")}
"""

_BELONGS = """added_later AND (
        notification_id IN (SELECT notification_id FROM begun)
        OR EXISTS (SELECT 1 FROM {deliveries} x
                   WHERE x.notification_id = given.notification_id AND x.recipient = given.recipient))"""

# The same for claims with devices that were added since the notification was accepted. Such a device is claimed
# only if the round has no claim yet, or if the ledger has a row of the device.
CLAIM_WITH_ADDED_LATER = f"""
WITH {_GIVEN}, named AS ({_CLAIM.format(which="NOT added_later")}
), begun AS (
    SELECT DISTINCT g.notification_id FROM named JOIN given g USING (notification_id, recipient)
    WHERE NOT EXISTS (
        SELECT 1 FROM {{deliveries}} x WHERE x.notification_id = g.notification_id AND x.replay >= g.replay)
), more AS ({_CLAIM.format(which=_BELONGS)}
), claimed AS (TABLE named UNION ALL TABLE more)
{_ANSWER.format(claimed="claimed")}
"""  # noqa: S608 - constants of ours

DELIVERY = "notification_id uuid, recipient text"

FIND = f"""
SELECT d.notification_id, d.recipient, d.state, d.attempts, d.code, d.detail, d.sealed_detail, d.provider_message_id,
    d.provider, d.replay, d.updated_at
FROM {{deliveries}} d JOIN {records("keys", DELIVERY, key="notification_id")} AS r USING (notification_id, recipient)
"""  # noqa: S608 - constants of ours

FIND_ALL = f"""
SELECT d.notification_id, d.recipient, d.state, d.attempts, d.code, d.detail, d.sealed_detail, d.provider_message_id,
    d.provider, d.replay, d.updated_at
FROM {{deliveries}} d JOIN {ids("ids")} AS r ON d.notification_id = r.id
"""  # noqa: S608 - constants of ours

HAS = "SELECT 1 FROM {deliveries} WHERE notification_id = :notification_id AND replay >= :replay LIMIT 1"

RESULT = f"""{DELIVERY}, replay int, state text, attempts int, faults int, refused_for_now bool,
    without_attempt int, ambiguous int, code text, detail text, sealed_detail text, provider_message_id text, delay float8"""
# A worker that has lost a delivery to another worker still records `sent` when the provider accepted it, so that it is not
# sent again for nothing. The exception: the delivery is being sent again at this moment.
RECORD = f"""
UPDATE {{deliveries}} d SET
    state = r.state, attempts = r.attempts, faults = r.faults, deferrals = d.deferrals + r.without_attempt,
    refused_since = CASE WHEN r.refused_for_now THEN coalesce(d.refused_since, now()) ELSE d.refused_since END,
    ambiguous = d.ambiguous + r.ambiguous, in_doubt = d.in_doubt OR r.ambiguous > 0, code = r.code, detail = r.detail,
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

# One copy of a message goes back to the queue, no matter how many of its recipients are due.
TAKE_DUE = """
WITH due AS (
    SELECT notification_id, recipient FROM {deliveries}
    WHERE state IN ('retry', 'requeued') AND next_attempt_at <= now()
    ORDER BY next_attempt_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE {deliveries} d SET state = 'requeued', next_attempt_at = now() + make_interval(secs => :lease), updated_at = now()
FROM due WHERE d.notification_id = due.notification_id AND d.recipient = due.recipient
RETURNING d.notification_id, d.recipient, d.priority, d.message, d.trace_context, d.updated_at
"""

# TAKE_DUE goes by the time: the highest priority gets the earliest.
MAKE_DUE = """
WITH waiting AS (
    SELECT notification_id, recipient FROM {deliveries}
    WHERE state = 'retry' AND code = :code AND next_attempt_at > now() FOR UPDATE SKIP LOCKED
)
UPDATE {deliveries} d SET next_attempt_at = now() - make_interval(secs => d.priority)
FROM waiting WHERE d.notification_id = waiting.notification_id AND d.recipient = waiting.recipient
"""

# The broker has these messages in its queue, for any length of time. LOST finds messages that are not there.
MARK_HANDED_OVER = f"""
UPDATE {{deliveries}} d SET next_attempt_at = NULL, updated_at = now()
FROM {ids("ids")} AS r WHERE d.notification_id = r.id AND d.state = 'requeued'
"""  # noqa: S608 - constants of ours

# Messages that were handed over, and that the queue must have delivered since, are due again. `consumed_until` NULL: the
# queue was empty.
LOST = """
WITH lost AS (
    SELECT d.notification_id, d.recipient
    FROM json_to_recordset(CAST(:watermarks AS json)) AS mark(priority int, consumed_until timestamptz)
    JOIN {deliveries} d ON d.priority = mark.priority
    WHERE d.state = 'requeued' AND d.next_attempt_at IS NULL
      AND d.updated_at < least(mark.consumed_until, now()) - make_interval(secs => :grace)
    LIMIT :limit FOR UPDATE OF d SKIP LOCKED
)
UPDATE {deliveries} d SET next_attempt_at = now()
FROM lost WHERE d.notification_id = lost.notification_id AND d.recipient = lost.recipient
"""

# A worker without a heartbeat for `:silence` counts as dead. Its deliveries in state `sending` may have been sent: they are
# counted as ambiguous and spend an attempt, so that a message that kills every worker ends after MAX_RETRIES. After the
# database stood still, or a table was locked, all heartbeats look old. So a worker may judge others only after `:silence`
# seconds of regular heartbeats of its own. A time in the future comes from a clock that jumped, and is ignored. The
# statement uses clock_timestamp(), not now(): it may have waited for a lock.
TAKE_ORPHANS = """
WITH orphans AS (
    SELECT notification_id, recipient, o.state = 'sending' AS was_sending FROM {deliveries} o
    WHERE o.state IN ('claimed', 'sending')
      AND o.updated_at NOT BETWEEN clock_timestamp() - make_interval(secs => :silence) AND clock_timestamp()
      AND NOT EXISTS (
        SELECT 1 FROM {workers} w WHERE w.id = o.owner
          AND w.heartbeat_at BETWEEN clock_timestamp() - make_interval(secs => :silence) AND clock_timestamp())
      AND EXISTS (
        SELECT 1 FROM {workers} me WHERE me.id = :owner
          AND me.heartbeat_at BETWEEN clock_timestamp() - make_interval(secs => :max_interval) AND clock_timestamp()
          AND me.steady_since <= clock_timestamp() - make_interval(secs => :silence))
    LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE {deliveries} d SET
    ambiguous = d.ambiguous + CAST(was_sending AS int), attempts = d.attempts + CAST(was_sending AS int),
    faults = d.faults + CAST(was_sending AS int), in_doubt = d.in_doubt OR was_sending,
    code = CASE WHEN was_sending THEN 'ambiguous' ELSE d.code END,
    state = 'requeued', owner = NULL, next_attempt_at = now() + make_interval(secs => :lease), updated_at = now()
FROM orphans WHERE d.notification_id = orphans.notification_id AND d.recipient = orphans.recipient
RETURNING d.notification_id, d.recipient, d.priority, d.message, d.trace_context, d.updated_at, was_sending
"""

# Deliveries that this worker has owned for longer than `:silence`. The caller knows which of them it is working on.
OWNED = """
SELECT notification_id, recipient, updated_at FROM {deliveries}
WHERE owner = :owner AND state IN ('claimed', 'sending')
  AND updated_at NOT BETWEEN clock_timestamp() - make_interval(secs => :silence) AND clock_timestamp()
"""

# Requeues owned deliveries that this worker does not work on: the answer to their claim was lost, so nothing was sent.
# Deliveries that were claimed again in the meantime are left alone.
REQUEUE_ABANDONED = f"""
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

# It follows the primary key, whose ids are time-ordered, one page at a time from `:after` on. A delivery that was accepted
# long ago and ended lately (it was scheduled, or retried for long) is skipped, and not read again in every step.
REMOVE = """
WITH page AS (
    SELECT notification_id, recipient, state, updated_at FROM {deliveries}
    WHERE notification_id > :after AND notification_id < :bound
    ORDER BY notification_id, recipient LIMIT :limit
), old AS (
    SELECT d.notification_id, d.recipient FROM {deliveries} d JOIN page USING (notification_id, recipient)
    WHERE d.state IN ('sent', 'failed', 'suppressed', 'expired', 'unknown') AND d.updated_at < :ended_before
    ORDER BY notification_id, recipient FOR UPDATE OF d SKIP LOCKED
), gone AS (
    DELETE FROM {deliveries} d USING old WHERE d.notification_id = old.notification_id AND d.recipient = old.recipient
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone) AS removed,
       (SELECT CASE WHEN count(*) = :limit THEN max(notification_id::text) END FROM page) AS reached
"""

# For deleted users it deletes the providers' texts, in every state. Waiting retries become due now: a worker takes such a
# delivery, finds no user, and ends it the usual way, which also deletes its message. A suppressed address stays on the
# suppression list, but its masked form is erased; it is found by the delivery's key, the first half of its fingerprint.
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
        WHEN w.heartbeat_at BETWEEN clock_timestamp() - make_interval(secs => :max_interval) AND clock_timestamp()
        THEN w.steady_since ELSE clock_timestamp() END
"""

LEAVE = "DELETE FROM {workers} WHERE id = :owner OR heartbeat_at < now() - interval '1 day'"


# Do not use EXISTS here: PostgreSQL may plan it as a hash of the whole list.
_ON_LIST = "coalesce((SELECT true FROM {suppression_list} s WHERE s.fingerprint = g.fingerprint LIMIT 1), false)"


_UNMASKED = """, unmasked AS (
    UPDATE {suppression_list} s SET masked = 'erased', notification_id = NULL FROM (SELECT DISTINCT recipient FROM theirs) t
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
