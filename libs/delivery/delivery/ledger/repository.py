"""The statements of the ledger, which read and write rows in groups."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.json_values import to_json_text
from chassis.postgres.autocommit import StatementExecutor
from chassis.postgres.retention import RetentionResult, RetentionStep
from chassis.security.data_keys import DataKeys, ValueUnreadable
from contracts.ledger import LedgerErasure, LedgerTotals
from contracts.messages import first_id_of
from delivery.ledger import statements
from delivery.ledger.personal import PersonalColumns
from delivery.ledger.records import (
    AddedTooLate,
    AlreadyFinished,
    Claim,
    Claimed,
    ClaimResult,
    DeliveryRecord,
    NotOwned,
    Owned,
    ToRequeue,
)

Key = tuple[UUID, str]
INTERVALS_PER_SILENCE = 2  # heartbeats further apart than `silence_seconds` divided by this are interrupted
FINAL_STATES = frozenset({"sent", "failed", "suppressed", "expired", "unknown"})


class LedgerRepository:
    """The statements over one channel's tables. `owner` names this worker process.

    `suppression_list`: a table of the same database that lists the `fingerprint`s to suppress. `data_keys` encrypt the
    personal values of a row.
    """

    def __init__(
        self, channel: str, owner: str, *, suppression_list: str | None = None, data_keys: DataKeys = DataKeys()
    ) -> None:
        self.owner = owner
        self._personal = PersonalColumns(channel, data_keys)
        self._seals = data_keys.seals
        self._claim = statements.for_channel(statements.CLAIM, channel, suppression_list)
        self._claim_with_added_later = statements.for_channel(
            statements.CLAIM_WITH_ADDED_LATER, channel, suppression_list
        )
        self._find = statements.for_channel(statements.FIND, channel)
        self._find_all = statements.for_channel(statements.FIND_ALL, channel)
        self._has = statements.for_channel(statements.HAS, channel)
        self._record = statements.for_channel(statements.RECORD, channel)
        self._take_due = statements.for_channel(statements.TAKE_DUE, channel)
        self._make_due = statements.for_channel(statements.MAKE_DUE, channel)
        self._mark_handed_over = statements.for_channel(statements.MARK_HANDED_OVER, channel)
        self._take_orphans = statements.for_channel(statements.TAKE_ORPHANS, channel)
        self._lost = statements.for_channel(statements.LOST, channel)
        self._owned = statements.for_channel(statements.OWNED, channel)
        self._requeue_abandoned = statements.for_channel(statements.REQUEUE_ABANDONED, channel)
        self._totals = statements.for_channel(statements.TOTALS, channel)
        self._sent = statements.for_channel(statements.SENT, channel)
        self._remove = statements.for_channel(statements.REMOVE, channel)
        self._erase = statements.for_channel(statements.ERASE, channel, suppression_list)
        self._beat = statements.for_channel(statements.BEAT, channel)
        self._leave = statements.for_channel(statements.LEAVE, channel)

    async def claim(self, connection: StatementExecutor, claims: Sequence[Claim]) -> list[ClaimResult]:
        """Claims every delivery that can be claimed. Returns a result for each claim, in order. No key may occur twice.

        Pass all claims on a notification in one call: the first claim of a round fixes its devices.
        """
        statement = self._claim_with_added_later if any(claim.added_later for claim in claims) else self._claim
        given = [self._personal.write_claim(_fields(claim)) for claim in claims] if self._seals else claims
        rows = await connection.execute(statement, {"rows": to_json_text(given), "owner": self.owner})
        # By index: names cost 3 µs a row. The columns after the key are the fields of Claimed, in their order.
        claimed = {(row[0], row[1]): Claimed(*row[2:]) for row in rows}
        for key, one in claimed.items():
            if one.contact is not None:
                self._read_contact(key, one)
        states: dict[Key, ClaimResult] = {**claimed}
        others = [claim for claim in claims if (claim.notification_id, claim.recipient) not in states]
        if others:
            states |= await self._find_states(connection, others)
        return [
            states.get((claim.notification_id, claim.recipient), AddedTooLate() if claim.added_later else NotOwned())
            for claim in claims
        ]

    def _read_contact(self, key: Key, claimed: Claimed) -> None:
        """Decrypts the contact. The delivery is claimed already, so a contact that cannot be decrypted must not
        fail the group."""
        try:
            claimed.contact = self._personal.read_contact(*key, claimed.contact or "")
        except ValueUnreadable:
            claimed.contact, claimed.undecryptable = None, True

    async def _find_states(self, connection: StatementExecutor, claims: Sequence[Claim]) -> dict[Key, ClaimResult]:
        wanted = [(claim.notification_id, claim.recipient) for claim in claims]
        rows = await connection.execute(self._find, {"keys": _as_json(wanted)})
        return {(row.notification_id, row.recipient): self._state_of(row) for row in rows}

    async def states(
        self, connection: StatementExecutor, notification_ids: Sequence[UUID]
    ) -> dict[UUID, dict[str, AlreadyFinished | NotOwned]]:
        """The deliveries of these notifications' last rounds, by recipient, and the sent deliveries of earlier rounds."""
        rows = list(await connection.execute(self._find_all, {"ids": list(notification_ids)}))
        last: dict[UUID, int] = {}
        for row in rows:
            last[row.notification_id] = max(row.replay, last.get(row.notification_id, 0))
        found: dict[UUID, dict[str, AlreadyFinished | NotOwned]] = {}
        for row in rows:
            if row.replay == last[row.notification_id] or row.state == "sent":
                found.setdefault(row.notification_id, {})[row.recipient] = self._state_of(row)
        return found

    async def has(self, connection: AsyncConnection, notification_id: UUID, replay: int) -> bool:
        """Whether a worker has begun this round of a notification, or a later one."""
        found = await connection.execute(self._has, {"notification_id": notification_id, "replay": replay})
        return found.first() is not None

    async def record(self, connection: StatementExecutor, results: Sequence[DeliveryRecord]) -> set[Key]:
        """Records results. Returns the keys of the recorded ones: this worker still owned them, or they were sent."""
        ordered = sorted(results, key=lambda one: _order((one.notification_id, one.recipient)))
        given = [self._personal.write_result(_fields(one)) for one in ordered] if self._seals else ordered
        rows = await connection.execute(self._record, {"rows": to_json_text(given), "owner": self.owner})
        return {(row.notification_id, row.recipient) for row in rows}

    async def take_due(self, connection: AsyncConnection, *, lease_seconds: float, limit: int) -> list[ToRequeue]:
        """Retries that are due: each message once. A message that cannot be decrypted is due again when the
        lease runs out."""
        rows = await connection.execute(self._take_due, {"lease": lease_seconds, "limit": limit})
        return self._to_requeue(rows)

    async def take_orphans(
        self, connection: AsyncConnection, *, lease_seconds: float, silence_seconds: float, limit: int
    ) -> list[ToRequeue]:
        """The deliveries of dead workers: each message once.

        The list is empty until this worker has had heartbeats without interruption for `silence_seconds`.
        """
        parameters = {
            "lease": lease_seconds,
            "silence": silence_seconds,
            "max_interval": silence_seconds / INTERVALS_PER_SILENCE,
            "owner": self.owner,
            "limit": limit,
        }
        rows = (await connection.execute(self._take_orphans, parameters)).all()
        ambiguous = Counter(row.notification_id for row in rows if row.was_sending)
        return [replace(item, ambiguous=ambiguous[item.notification_id]) for item in self._to_requeue(rows)]

    async def owned(self, connection: AsyncConnection, *, silence_seconds: float) -> list[Owned]:
        """The deliveries that this worker has owned for longer than `silence_seconds` and has not ended."""
        rows = await connection.execute(self._owned, {"owner": self.owner, "silence": silence_seconds})
        return [Owned(row.notification_id, row.recipient, row.updated_at) for row in rows]

    async def requeue_abandoned(self, connection: AsyncConnection, abandoned: Sequence[Owned]) -> int:
        """Makes deliveries due again that this worker owns but does not work on. Returns how many."""
        ordered = sorted(abandoned, key=lambda one: _order((one.notification_id, one.recipient)))
        result = await connection.execute(self._requeue_abandoned, {"rows": to_json_text(ordered), "owner": self.owner})
        return result.rowcount

    async def make_due(self, connection: AsyncConnection, code: str) -> int:
        """Makes the retries that wait because of `code` due now, highest priority first. Returns how many."""
        return (await connection.execute(self._make_due, {"code": code})).rowcount

    async def mark_handed_over(self, connection: StatementExecutor, ids: Sequence[UUID]) -> None:
        """Marks messages that the broker confirmed: they are in its queue until a worker takes them, or they are lost."""
        await connection.execute(self._mark_handed_over, {"ids": sorted(ids, key=lambda one: one.bytes)})

    async def redrive_lost(
        self,
        connection: AsyncConnection,
        watermarks: Mapping[int, datetime | None],
        *,
        grace_seconds: float,
        limit: int,
    ) -> int:
        """Makes messages due again that were handed over `grace_seconds` before their queue's watermark. Returns how many.

        `watermarks`: priority → when the newest consumed message had been taken from the ledger; None: the queue was empty.
        """
        marks = [{"priority": priority, "consumed_until": at} for priority, at in watermarks.items()]
        parameters = {"watermarks": to_json_text(marks), "grace": grace_seconds, "limit": limit}
        return (await connection.execute(self._lost, parameters)).rowcount

    async def totals(self, connection: AsyncConnection, first: UUID, last: UUID) -> LedgerTotals:
        """The totals of the ids from `first` up to `last`. It runs two statements, so call it in a snapshot."""
        bounds = {"first": first, "last": last}
        by_state = {row.state: row.deliveries for row in await connection.execute(self._totals, bounds)}
        sent = (await connection.execute(self._sent, bounds)).one()
        return LedgerTotals(sent=sent.notifications, fingerprint=sent.fingerprint, deliveries=by_state)

    async def remove(self, connection: AsyncConnection, step: RetentionStep) -> RetentionResult:
        """Looks at some old deliveries, and deletes each one that ended long enough ago."""
        parameters = {"after": step.after, "bound": first_id_of(step.ended_before), "ended_before": step.ended_before}
        row = (await connection.execute(self._remove, {**parameters, "limit": step.limit})).one()
        return RetentionResult(row.removed, None if row.reached is None else UUID(row.reached))

    async def erase(self, connection: AsyncConnection, notification_ids: Sequence[UUID]) -> LedgerErasure:
        """Deletes the providers' texts about these notifications, and makes waiting deliveries due so that they end soon."""
        rows = (await connection.execute(self._erase, {"ids": list(notification_ids)})).all()
        return LedgerErasure(deliveries=len(rows), open=sum(row.open for row in rows))

    async def beat(self, connection: StatementExecutor, *, silence_seconds: float) -> None:
        """Writes this worker's heartbeat."""
        await connection.execute(
            self._beat, {"owner": self.owner, "max_interval": silence_seconds / INTERVALS_PER_SILENCE}
        )

    async def leave(self, connection: AsyncConnection) -> None:
        """Removes the stopping worker. Deliveries that it left are taken over `silence_seconds` after their claim."""
        await connection.execute(self._leave, {"owner": self.owner})

    def _state_of(self, row: Any) -> AlreadyFinished | NotOwned:
        if row.state not in FINAL_STATES:
            return NotOwned()
        detail = self._personal.read_detail(row)
        return AlreadyFinished(
            row.state,
            row.attempts,
            row.code,
            detail,
            row.provider_message_id,
            row.replay,
            row.provider,
            ended_at=row.updated_at,
        )

    def _to_requeue(self, rows: Iterable[Any]) -> list[ToRequeue]:
        found: dict[UUID, ToRequeue] = {}
        for row in rows:
            message = None if row.notification_id in found else self._personal.read_message(row)
            if message is not None:
                found[row.notification_id] = ToRequeue(
                    row.notification_id, row.priority, message, row.updated_at, row.trace_context
                )
        return list(found.values())


def _fields(row: Claim | DeliveryRecord) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__slots__}


def _order(key: Key) -> tuple[bytes, str]:
    """The order in which every statement locks rows: two workers with overlapping groups must not deadlock."""
    return key[0].bytes, key[1]


def _as_json(keys: Sequence[Key]) -> str:
    return to_json_text([{"notification_id": key, "recipient": recipient} for key, recipient in keys])
