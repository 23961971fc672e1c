"""The notifications table as an outbox: due rows and published rows. Rows that the broker may have lost: `lost.py`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_gateway.repositories.personal import (
    EMAIL_OPTIONS,
    GIVEN_METADATA,
    GIVEN_VARIABLES,
    METADATA,
    OVERRIDES,
    RECIPIENT,
    SENDER,
    VARIABLES,
    read_document,
    read_given_recipient,
    read_object,
    write_detail,
    write_document,
)
from chassis.json_values import JsonObject, to_json_text
from chassis.postgres.autocommit import StatementExecutor, records
from chassis.security.data_keys import DataKeys, ValueUnreadable
from contracts.messages import DeliveryGuarantee
from contracts.recipients import Channel, EmailRecipient, PushRecipient
from contracts.status import Status

COLUMNS = f"""n.id, n.caller, n.request_id, n.correlation_id, n.trace_context, n.notification_type, n.user_id,
    n.template_code, n.template_version, n.language, {GIVEN_VARIABLES}, {GIVEN_METADATA}, n.priority, n.recipient,
    n.given_recipient, n.sender, n.email_options, n.overrides, n.created_at, n.expires_at, n.delivery_guarantee, n.replay"""
# A statement that writes the outcome of a round changes that round only: a person may have begun a new one meanwhile.
ROUNDS = """(SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:replays AS int[]), CAST(:times AS timestamptz[]))
    AS r(id, replay, at) WHERE num_nonnulls(id) = 1)"""  # see chassis.postgres.autocommit


class Round(NamedTuple):
    """A notification in one of its rounds: `replay`: how many times a person retried it."""

    id: UUID
    replay: int = 0


class QueuedMark(NamedTuple):
    """The broker confirmed that round; it was published at `queued_at`, by the database's clock."""

    round: Round
    queued_at: datetime


class LeasedRound(NamedTuple):
    """A process may publish that round since `leased_at`, by the database's clock."""

    round: Round
    leased_at: datetime


class Lease(NamedTuple):
    """A process may publish a row since `at`, by the database's clock. It read that time at `read_at` (`time.monotonic`)."""

    at: datetime
    read_at: float

    @classmethod
    def since(cls, at: datetime) -> "Lease":
        """A lease whose `at` was read just now."""
        return cls(at, time.monotonic())

    def now(self) -> datetime:
        """The current time by the database's clock. It is never ahead of that clock, whatever this host's clock says."""
        return self.at + timedelta(seconds=time.monotonic() - self.read_at)


@dataclass(frozen=True, slots=True)
class DueRow:
    """A notification that a relay has taken: it belongs to this process until the lease runs out.

    `maybe_published`: it may have been published before, and a worker may have it. `undecryptable`: it is
    encrypted with a missing key, and its values are not loaded.
    """

    id: UUID
    caller: str
    request_id: str
    correlation_id: str
    trace_context: str | None
    notification_type: Channel
    user_id: UUID
    template_code: str
    template_version: int | None
    language: str | None
    variables: JsonObject
    metadata: JsonObject
    priority: int
    recipient: dict[str, Any] | None
    given_recipient: EmailRecipient | PushRecipient | None
    sender: dict[str, Any] | None
    email_options: dict[str, Any] | None
    overrides: dict[str, Any] | None
    created_at: datetime
    expires_at: datetime | None
    delivery_guarantee: DeliveryGuarantee
    replay: int
    expired: bool
    maybe_published: bool
    leased_at: datetime
    undecryptable: bool = False
    read_at: float = field(default_factory=time.monotonic, compare=False)

    @property
    def lease(self) -> Lease:
        return Lease(self.leased_at, self.read_at)

    @property
    def round(self) -> Round:
        return Round(self.id, self.replay)

    @property
    def leased(self) -> LeasedRound:
        return LeasedRound(self.round, self.leased_at)


@dataclass(frozen=True, slots=True)
class ResolvedRow:
    """The recipient and template that were found for a round."""

    round: Round
    recipient: dict[str, Any] | None
    template_version: int | None
    language: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A round that will not be published."""

    round: Round
    status: Status
    code: str
    detail: str | None = None


# Goes through the priorities from 10 down and stops at the limit. Each step reads the start of one index range, so neither
# a large backlog nor many future rows are sorted or scanned.
TAKE_DUE = text(f"""
WITH due AS (
    SELECT picked.id, picked.maybe_published FROM generate_series(10, 1, -1) AS level(priority)
    CROSS JOIN LATERAL (
        SELECT id, status = 'queued' OR leased_by IS NOT NULL AS maybe_published FROM notifications
        WHERE priority = level.priority AND due_at <= now() AND status IN ('pending', 'queued')
        ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ) AS picked
    LIMIT :limit
)
UPDATE notifications AS n SET due_at = now() + make_interval(secs => :lease), leased_by = :owner, updated_at = now()
FROM due WHERE n.id = due.id
RETURNING {COLUMNS}, coalesce(n.expires_at <= now(), false) AS expired, due.maybe_published, now() AS leased_at
""")  # noqa: S608 - the columns are ours

# Marks are written a moment late (ADR 20). Usually the report came first and there is nothing to write; these rows are
# neither locked nor changed. A row with a later status and no `queued_at` was changed by a callback, or by a worker or
# gateway of the previous release; its `queued_at` is filled in. A row that was held after the publishing is left alone:
# a worker gave that message back.
MARK_QUEUED = text(f"""
WITH published AS (
    SELECT id, given.at, n.queued_at IS NULL AS first FROM {ROUNDS} AS given JOIN notifications n USING (id, replay)
    WHERE (n.due_at IS NOT NULL OR n.queued_at IS NULL) AND (n.held_at IS NULL OR given.at >= n.held_at)
    ORDER BY id FOR UPDATE OF n
)
UPDATE notifications n SET
    status = CASE WHEN n.status = 'pending' THEN 'queued' ELSE n.status END,
    queued_at = greatest(n.created_at, least(published.at, now(), n.claimed_at, n.sent_at, n.ended_at)),
    due_at = NULL, updated_at = now()
FROM published WHERE n.id = published.id
RETURNING n.notification_type, published.first
""")  # noqa: S608 - as above

# An expired lease proves nothing: a relay, perhaps of this process, may have taken and published the row since.
END_LEASES = text(f"""
UPDATE notifications n SET due_at = now() + make_interval(secs => :delay), leased_by = NULL
FROM {ROUNDS} AS given WHERE n.id = given.id AND n.replay = given.replay AND n.status = 'pending' AND n.leased_by = :owner
  AND n.due_at = given.at + make_interval(secs => :lease)
""")  # noqa: S608 - as above

SET_RESOLVED = text(f"""
UPDATE notifications n SET recipient = r.recipient, template_version = r.template_version, language = r.language
FROM {records("rows", "id uuid, replay int, recipient jsonb, template_version int, language text", key="id")} AS r
WHERE n.id = r.id AND n.replay = r.replay
""")  # noqa: S608 - as above

FINISH = text(f"""
UPDATE notifications n SET status = r.status, code = r.code, detail = r.detail, sealed_detail = r.sealed_detail,
    due_at = NULL, ended_at = now(), updated_at = now()
FROM {records("rows", "id uuid, replay int, status text, code text, detail text, sealed_detail text", key="id")} AS r
WHERE n.id = r.id AND n.replay = r.replay AND n.status IN ('pending', 'queued')
RETURNING n.notification_type, n.status
""")  # noqa: S608 - as above


async def take_due(
    connection: AsyncConnection, *, owner: str, lease_seconds: float, limit: int, data_keys: DataKeys
) -> list[DueRow]:
    """Takes up to `limit` due rows, highest priority first, and leases them to `owner`."""
    rows = await connection.execute(TAKE_DUE, {"owner": owner, "lease": lease_seconds, "limit": limit})
    taken = [_due_row(row, data_keys) for row in rows]
    return sorted(taken, key=lambda row: (-row.priority, row.created_at))


def _due_row(row: Row[Any], data_keys: DataKeys) -> DueRow:
    fields = dict(row._mapping)  # noqa: SLF001 - `_mapping` is public in SQLAlchemy
    return DueRow(**{**fields, **_values(row, data_keys)})


def _values(row: Row[Any], data_keys: DataKeys) -> dict[str, Any]:
    try:
        return {
            "variables": read_object(data_keys, VARIABLES, row.id, row.variables),
            "metadata": read_object(data_keys, METADATA, row.id, row.metadata),
            "recipient": read_document(data_keys, RECIPIENT, row.id, row.recipient),
            "given_recipient": read_given_recipient(data_keys, row.id, row.given_recipient),
            "sender": read_document(data_keys, SENDER, row.id, row.sender),
            "email_options": read_document(data_keys, EMAIL_OPTIONS, row.id, row.email_options),
            "overrides": read_document(data_keys, OVERRIDES, row.id, row.overrides),
        }
    except ValueUnreadable:
        nothing = JsonObject.empty()
        unread = dict.fromkeys(("recipient", "given_recipient", "sender", "email_options", "overrides"))
        return {**unread, "variables": nothing, "metadata": nothing, "undecryptable": True}


async def mark_queued(connection: StatementExecutor, marks: Sequence[QueuedMark]) -> list[str]:
    """Marks these rounds as done for the gateway. Returns the channel of each round that was not yet known to be queued."""
    return [row.notification_type for row in await connection.execute(MARK_QUEUED, _parameters(marks)) if row.first]


async def end_leases(
    connection: StatementExecutor,
    leased: Sequence[LeasedRound],
    *,
    owner: str,
    lease_seconds: float,
    delay_seconds: float,
) -> None:
    """Ends the leases of rows that were certainly not published in them: any relay may take them after `delay_seconds`."""
    parameters = {**_parameters(leased), "owner": owner, "lease": lease_seconds, "delay": delay_seconds}
    await connection.execute(END_LEASES, parameters)


def _parameters(rounds: Sequence[QueuedMark] | Sequence[LeasedRound]) -> dict[str, Any]:
    """The parameters of the statements: each round with its time."""
    ordered = sorted(rounds, key=_lock_order)
    return {
        "ids": [one.id for one, _ in ordered],
        "replays": [one.replay for one, _ in ordered],
        "times": [at for _, at in ordered],
    }


async def set_resolved(connection: AsyncConnection, rows: Sequence[ResolvedRow], *, data_keys: DataKeys) -> None:
    """Writes recipients and template versions that were found later."""
    given = [
        {
            **_key(row),
            "recipient": write_document(data_keys, RECIPIENT, row.round.id, row.recipient),
            "template_version": row.template_version,
            "language": row.language,
        }
        for row in sorted(rows, key=_lock_order)
    ]
    await connection.execute(SET_RESOLVED, {"rows": to_json_text(given)})


async def finish(connection: AsyncConnection, rows: Sequence[Ended], *, data_keys: DataKeys) -> list[Row[Any]]:
    """Ends notifications that will not be published. Returns the channel and status of each one that it ended."""
    given = [
        {**_key(row), "status": row.status, "code": row.code, **write_detail(data_keys, row.round.id, row.detail)}
        for row in sorted(rows, key=_lock_order)
    ]
    return list(await connection.execute(FINISH, {"rows": to_json_text(given)}))


def _key(row: ResolvedRow | Ended) -> dict[str, object]:
    return {"id": row.round.id, "replay": row.round.replay}


def _lock_order(row: QueuedMark | LeasedRound | ResolvedRow | Ended) -> bytes:
    """Rows are locked in one order everywhere."""
    return row.round.id.bytes
