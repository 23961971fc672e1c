"""Moves notifications along the status machine, in groups and never backwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_gateway.repositories import devices
from api_gateway.repositories.personal import (
    GIVEN_VARIABLES,
    VARIABLES,
    read_given_recipient,
    read_object,
    write_detail,
)
from chassis.json_values import JsonObject, to_json_text
from chassis.postgres.autocommit import StatementExecutor, records
from chassis.security.data_keys import DataKeys
from contracts.messages import StatusEvent
from contracts.recipients import Channel, EmailRecipient, PushRecipient
from contracts.status import Status, sources_of
from contracts.system_mails import SYSTEM_CALLER

# "from → to" pairs as one text, for example "queued>sent", so that only contracts defines the status machine.
ALLOWED = [f"{now}>{then}" for then in Status for now in sources_of(then)]

# Rows are locked in the order of their ids first, so that two gateways with overlapping groups do not deadlock.
# An event has the time of its sender's clock. Our own times are those of this database: the event's time is limited to the
# span between the row's creation and now, so that created_at <= queued_at <= sent_at <= ended_at for every sender. The time
# of a provider's clock is kept separately, in the history.
# A complaint follows a delivery: it adds its code, once, and the status stays.
# A report that comes before the queued mark replaces it (ADR 20): it has the time of queueing. A retried delivery is with a
# worker, so it was queued, even if a worker of the previous release does not report the time.
# The column `claimed_at` is the time of a worker's first report: in Python `first_reported_at`.
EVENT = """id uuid, status text, code text, detail text, sealed_detail text, provider_message_id text, provider text,
    attempts int, replay int, queued_at timestamptz, sent_at timestamptz, at timestamptz, provider_timestamp timestamptz,
    devices jsonb"""
APPLY = text(f"""
WITH g AS (
    SELECT given.id, given.status, n.status AS was, given.code, given.provider_message_id, given.provider, given.attempts,
        CASE WHEN n.recipient IS NOT NULL THEN given.detail END AS detail,  -- without a recipient, the person was erased
        CASE WHEN n.recipient IS NOT NULL THEN given.sealed_detail END AS sealed_detail,
        CASE WHEN n.recipient IS NOT NULL THEN given.devices END AS devices,
        given.replay, given.provider_timestamp, greatest(n.created_at, least(given.at, now())) AS at,
        coalesce(n.sent_at, CASE WHEN given.sent_at IS NOT NULL
            THEN greatest(n.created_at, least(given.sent_at, given.at, now())) END) AS sent_at,
        n.queued_at IS NULL AS unmarked,
        CASE WHEN n.queued_at IS NOT NULL THEN n.queued_at
             WHEN given.queued_at IS NOT NULL THEN greatest(n.created_at, given.queued_at)
             WHEN given.status = 'retrying' THEN now() END AS queued_at
    FROM {records("rows", EVENT, key="id")} AS given JOIN notifications n USING (id)
    ORDER BY id FOR UPDATE OF n
)
UPDATE notifications n SET
    status = CASE WHEN g.status = 'retrying' THEN 'queued' ELSE g.status END,
    code = g.code, detail = g.detail, sealed_detail = g.sealed_detail,
    provider_message_id = coalesce(g.provider_message_id, n.provider_message_id),
    provider = coalesce(g.provider, n.provider),
    attempts = greatest(n.attempts, g.attempts),
    queued_at = CASE WHEN g.queued_at IS NOT NULL THEN least(g.queued_at, g.at, n.claimed_at, g.sent_at) END,
    claimed_at = coalesce(n.claimed_at, g.sent_at, g.at),
    sent_at = CASE WHEN g.status = 'sent' THEN g.at ELSE g.sent_at END,
    ended_at = CASE WHEN g.status IN ('retrying', g.was) THEN n.ended_at
                    WHEN g.status <> 'sent' THEN greatest(g.at, g.sent_at) END,
    due_at = NULL, updated_at = now(), devices = coalesce(g.devices, n.devices),
    history = CASE WHEN g.status = 'sent' THEN n.history ELSE n.history || (jsonb_build_object(
        'status', g.status, 'at', greatest(g.at, g.sent_at), 'code', g.code, 'detail', g.detail, 'attempts', g.attempts)
        || CASE WHEN g.sealed_detail IS NULL THEN CAST('{{}}' AS jsonb)
                ELSE jsonb_build_object('sealed_detail', g.sealed_detail) END
        || CASE WHEN g.provider IS NULL THEN CAST('{{}}' AS jsonb)
                ELSE jsonb_build_object('provider', g.provider) END
        || CASE WHEN g.provider_timestamp IS NULL THEN CAST('{{}}' AS jsonb)
                ELSE jsonb_build_object('provider_timestamp', g.provider_timestamp) END) END
FROM g
WHERE n.id = g.id AND g.replay >= n.replay
  AND (g.status = 'retrying' AND n.status IN ('pending', 'queued')
       OR n.status || '>' || g.status = ANY(CAST(:allowed AS text[]))
       OR g.status = 'delivered' AND n.status = 'delivered' AND g.code = 'complained' AND n.code IS DISTINCT FROM g.code)
RETURNING n.id, n.notification_type, n.priority, n.queued_at, g.unmarked AND n.queued_at IS NOT NULL AS newly_queued,
    g.status, g.was = g.status AS same, extract(epoch FROM g.at - n.created_at) AS seconds
""")  # noqa: S608 - the columns are ours


@dataclass(frozen=True, slots=True)
class AppliedEvent:
    """A change that an event made to a notification. `seconds`: from acceptance to the event.

    `queued_at` None: not known yet. `newly_queued`: this event was the first to report it. `same`: the status is the one that
    it had.
    """

    id: UUID
    notification_type: str
    priority: int
    queued_at: datetime | None
    newly_queued: bool
    status: str
    same: bool
    seconds: float

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        """`row` has a column for each field."""
        return cls(
            row.id,
            row.notification_type,
            row.priority,
            row.queued_at,
            row.newly_queued,
            row.status,
            row.same,
            float(row.seconds),
        )


async def apply_events(
    connection: StatementExecutor, events: Sequence[StatusEvent], *, data_keys: DataKeys
) -> list[AppliedEvent]:
    """Applies at most one event per notification; late, repeated and unknown events change nothing, except that a late one
    may know more devices.
    """
    rows = [
        {
            "id": event.notification_id,
            "status": event.status,
            "code": event.code,
            **write_detail(data_keys, event.notification_id, event.detail),
            "provider_message_id": event.provider_message_id,
            "provider": event.provider,
            "attempts": event.attempts,
            "replay": event.replay,
            "queued_at": event.queued_at,
            "sent_at": event.sent_at,
            "at": event.at,
            "provider_timestamp": event.provider_timestamp,
            **devices.devices_of(event),
        }
        for event in events
    ]
    applied = list(await connection.execute(APPLY, {"rows": to_json_text(rows), "allowed": ALLOWED}))
    if len(applied) < len(events):
        done = {row.id for row in applied}
        await devices.complete(connection, [event for event in events if event.notification_id not in done])
    return [AppliedEvent.from_row(row) for row in applied]


WITH_GATEWAY_ONLY = "status = 'pending' AND leased_by IS NULL"  # it was certainly not published

CANCEL = text(f"""
UPDATE notifications SET status = 'cancelled', due_at = NULL, ended_at = now(), updated_at = now()
WHERE id = :id AND {WITH_GATEWAY_ONLY}
RETURNING notification_type
""")  # noqa: S608 - of constants

# Unknown notifications may have arrived, so they are replayed only by id. The system's own mails are never replayed: they
# have the one recipient that they were given, and users request new ones.
RETRYABLE = f"""caller NOT LIKE '{SYSTEM_CALLER}%'
    AND (status = 'failed' OR status = 'unknown' AND CAST(:ids AS uuid[]) IS NOT NULL)
    AND (CAST(:ids AS uuid[]) IS NULL OR id = ANY(CAST(:ids AS uuid[])))
    AND (CAST(:channel AS text) IS NULL OR notification_type = :channel)
    AND (CAST(:code AS text) IS NULL OR code = :code)
    AND (CAST(:caller AS text) IS NULL OR caller = :caller)
    ORDER BY id LIMIT :limit"""

# The times of the round from the row's own columns, to be kept in its history: the next round overwrites the columns.
TIMES = """(SELECT
            coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('status', status, 'at', at, 'provider', by))), '[]')
        FROM (VALUES ('queued', n.queued_at, NULL), ('sent', n.sent_at, n.provider)) AS step(status, at, by)
        WHERE at IS NOT NULL)"""
END = """jsonb_build_object('status', n.status, 'at', n.ended_at, 'code', n.code, 'detail', n.detail)
        || CASE WHEN n.sealed_detail IS NULL THEN '{}' ELSE jsonb_build_object('sealed_detail', n.sealed_detail) END"""

# Waits for a row that a late queued mark has locked: if it skipped the row, a named one would be reported as not retryable.
# The row is resolved again, as when it was accepted: a notification that failed because of its template uses the version that
# is active now, or the named one.
RETRY = text(f"""
WITH chosen AS (SELECT id FROM notifications WHERE {RETRYABLE} FOR UPDATE)
UPDATE notifications n SET status = 'pending', code = NULL, detail = NULL, sealed_detail = NULL, attempts = 0,
    replay = n.replay + 1, recipient = NULL, template_version = CAST(:version AS int),
    due_at = now(), leased_by = NULL, held_by = NULL, queued_at = NULL, claimed_at = NULL, sent_at = NULL, ended_at = NULL,
    updated_at = now(), devices = NULL,
    history = n.history || {TIMES} || CASE WHEN n.history -> -1 ->> 'status' IS DISTINCT FROM n.status THEN {END}
        ELSE '[]' END || coalesce(n.devices, '[]') || jsonb_build_object('status', 'replayed', 'at', now())
FROM chosen WHERE n.id = chosen.id
RETURNING n.id
""")  # noqa: S608 - the conditions are ours

CANDIDATES = text(f"""
SELECT n.id, n.caller, n.notification_type, n.user_id, n.template_code, CAST(:version AS int) AS template_version,
    n.language, {GIVEN_VARIABLES}, n.given_recipient
FROM notifications n WHERE {RETRYABLE}
""")  # noqa: S608 - as above


@dataclass(frozen=True, slots=True)
class RetryFilter:
    """Selects failed notifications to retry: the named ones, or all that match the other filters, oldest first.

    `caller` None: of every caller. `template_version` None: the version that is active when they are sent.
    """

    ids: Sequence[UUID] | None = None
    caller: str | None = None
    channel: str | None = None
    code: str | None = None
    template_version: int | None = None
    limit: int = 1_000


@dataclass(frozen=True, slots=True)
class RetryCandidate:
    """The values that have to be resolved for one of them."""

    id: UUID
    caller: str
    notification_type: Channel
    user_id: UUID
    template_code: str
    template_version: int | None
    language: str | None
    variables: JsonObject
    given_recipient: EmailRecipient | PushRecipient | None


async def cancel(connection: AsyncConnection, notification_id: UUID) -> str | None:
    """Cancels a notification that was certainly not handed over. Returns its channel, or None if nothing was cancelled."""
    row = (await connection.execute(CANCEL, {"id": notification_id})).first()
    return row.notification_type if row else None


async def is_with_gateway_only(connection: AsyncConnection, notification_id: UUID) -> bool:
    """Whether only the gateway can have the notification."""
    query = text(f"SELECT {WITH_GATEWAY_ONLY} FROM notifications WHERE id = :id")  # noqa: S608 - of constants
    return bool(await connection.scalar(query, {"id": notification_id}))


async def retry_ended(connection: AsyncConnection, wanted: RetryFilter) -> list[UUID]:
    """Gives failed (and named unknown) notifications a new budget of attempts and makes them due. Returns their ids."""
    return [row.id for row in await connection.execute(RETRY, _retry_parameters(wanted))]


async def candidates(connection: AsyncConnection, wanted: RetryFilter, *, data_keys: DataKeys) -> list[RetryCandidate]:
    """The notifications that `retry_ended` would retry. Raises ValueUnreadable."""
    return [_candidate(row, data_keys) for row in await connection.execute(CANDIDATES, _retry_parameters(wanted))]


HELD_CANDIDATES = text(f"""
SELECT n.id, n.caller, n.notification_type, n.user_id, n.template_code, CAST(:version AS int) AS template_version,
    n.language, {GIVEN_VARIABLES}, n.given_recipient
FROM notifications n WHERE n.held_by = :hold AND n.status = 'pending' ORDER BY n.priority DESC, n.id LIMIT :limit
""")  # noqa: S608 - the columns are ours


async def held_candidates(
    connection: AsyncConnection, hold_id: UUID, *, template_version: int | None, limit: int, data_keys: DataKeys
) -> list[RetryCandidate]:
    """Some notifications of a hold, highest priority first, as they would be resolved after its release. Raises
    ValueUnreadable."""
    parameters = {"hold": hold_id, "version": template_version, "limit": limit}
    return [_candidate(row, data_keys) for row in await connection.execute(HELD_CANDIDATES, parameters)]


def _candidate(row: Row[Any], data_keys: DataKeys) -> RetryCandidate:
    return RetryCandidate(
        **{
            **row._mapping,  # noqa: SLF001 - a public name
            "variables": read_object(data_keys, VARIABLES, row.id, row.variables),
            "given_recipient": read_given_recipient(data_keys, row.id, row.given_recipient),
        }
    )


def _retry_parameters(wanted: RetryFilter) -> dict[str, object]:
    return {
        "ids": None if wanted.ids is None else list(wanted.ids),
        "caller": wanted.caller,
        "channel": wanted.channel,
        "code": wanted.code,
        "version": wanted.template_version,
        "limit": wanted.limit,
    }
