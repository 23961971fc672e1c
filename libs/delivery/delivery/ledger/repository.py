"""The ledger, read and written in groups."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.jsons import to_json_text
from chassis.statements import Executes
from contracts.lookups import LedgerTotals
from delivery.ledger import statements


@dataclass(frozen=True, slots=True)
class Claim:
    """A wish to deliver to one recipient. `recipient` is the ledger's key for an address, not the address itself."""

    notification_id: UUID
    recipient: str
    replay: int
    priority: int
    message: str
    expires_at: datetime | None
    trace_context: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """It is ours to deliver; `attempts` were spent and `deferrals` made before.

    `doubtful`: the worker that had it last died while it was sending, and nobody knows how far it came.
    """

    attempts: int
    deferrals: int
    expired: bool
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Closed:
    """It has ended before, in `state`: nothing is to be sent, but the gateway may not know yet."""

    state: str
    attempts: int
    code: str | None
    detail: str | None
    provider_message_id: str | None
    replay: int


@dataclass(frozen=True, slots=True)
class InOtherHands:
    """Another worker has it, or it waits for its next attempt in the ledger: not ours now."""


Standing = Claimed | Closed | InOtherHands
ENDS = frozenset({"sent", "failed", "suppressed", "expired", "unknown"})


@dataclass(frozen=True, slots=True)
class Recorded:
    """The result of an attempt, as it goes into the ledger. `delay` (seconds) counts only in state `retry`.

    `told_before`: the gateway has heard of an earlier deferral of this delivery (it is not stored).
    """

    notification_id: UUID
    recipient: str
    state: str = "failed"
    attempts: int = 0
    deferred: int = 0
    doubt: int = 0
    code: str | None = None
    detail: str | None = None
    provider_message_id: str | None = None
    delay: float = 0.0
    told_before: bool = False


@dataclass(frozen=True, slots=True)
class ToRequeue:
    """A message that goes through the queue once more. `doubts`: to how many recipients a dead worker may have sent it."""

    notification_id: UUID
    priority: int
    message: str
    trace_context: str | None = None
    doubts: int = 0


class LedgerRepository:
    """The statements over one channel's tables. `owner` names this worker process."""

    def __init__(self, channel: str, owner: str) -> None:
        self.owner = owner
        self._claim = statements.for_channel(statements.CLAIM, channel)
        self._look = statements.for_channel(statements.LOOK, channel)
        self._look_all = statements.for_channel(statements.LOOK_ALL, channel)
        self._has = statements.for_channel(statements.HAS, channel)
        self._mark_sending = statements.for_channel(statements.MARK_SENDING, channel)
        self._record = statements.for_channel(statements.RECORD, channel)
        self._take_due = statements.for_channel(statements.TAKE_DUE, channel)
        self._handed_over = statements.for_channel(statements.HANDED_OVER, channel)
        self._take_orphans = statements.for_channel(statements.TAKE_ORPHANS, channel)
        self._drop_others = statements.for_channel(statements.DROP_OTHERS, channel)
        self._totals = statements.for_channel(statements.TOTALS, channel)
        self._sent = statements.for_channel(statements.SENT, channel)
        self._remove = statements.for_channel(statements.REMOVE, channel)
        self._beat = statements.for_channel(statements.BEAT, channel)
        self._leave = statements.for_channel(statements.LEAVE, channel)

    async def claim(self, connection: Executes, claims: Sequence[Claim]) -> list[Standing]:
        """Claims what can be claimed and says how the rest stands, in order. No key may come twice."""
        rows = await connection.execute(self._claim, {"rows": _json(claims), "owner": self.owner})
        standings: dict[tuple[UUID, str], Standing] = {
            (row.notification_id, row.recipient): Claimed(row.attempts, row.deferrals, row.expired, row.doubtful)
            for row in rows
        }
        others = [claim for claim in claims if (claim.notification_id, claim.recipient) not in standings]
        if others:
            standings |= await self._look_at(connection, others)
        return [standings.get((claim.notification_id, claim.recipient), InOtherHands()) for claim in claims]

    async def _look_at(self, connection: Executes, claims: Sequence[Claim]) -> dict[tuple[UUID, str], Standing]:
        keys = [(claim.notification_id, claim.recipient) for claim in claims]
        rows = await connection.execute(self._look, {"keys": _keys(keys)})
        return {(row.notification_id, row.recipient): _closed(row) for row in rows if row.state in ENDS}

    async def closed(self, connection: AsyncConnection, notification_id: UUID) -> list[Closed]:
        """Every end in the ledger for a notification."""
        rows = await connection.execute(self._look_all, {"notification_id": notification_id})
        return [_closed(row) for row in rows if row.state in ENDS]

    async def has(self, connection: AsyncConnection, notification_id: UUID, replay: int) -> bool:
        """Whether a worker has begun this round of a notification, or a later one."""
        found = await connection.execute(self._has, {"notification_id": notification_id, "replay": replay})
        return found.first() is not None

    async def mark_sending(self, connection: Executes, keys: Sequence[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
        """Those that are still ours, and may be sent once this is committed."""
        rows = await connection.execute(self._mark_sending, {"keys": _keys(keys), "owner": self.owner})
        return {(row.notification_id, row.recipient) for row in rows}

    async def record(self, connection: Executes, results: Sequence[Recorded]) -> set[tuple[UUID, str]]:
        """Those that were still ours to record."""
        rows = await connection.execute(self._record, {"rows": _json(results), "owner": self.owner})
        return {(row.notification_id, row.recipient) for row in rows}

    async def take_due(
        self, connection: AsyncConnection, *, lease_seconds: float, silence_seconds: float | None, largest: int
    ) -> list[ToRequeue]:
        """Due retries, and what dead workers left (not looked for when `silence_seconds` is None): each message once."""
        due = await connection.execute(self._take_due, {"lease": lease_seconds, "largest": largest})
        taken = {
            row.notification_id: ToRequeue(row.notification_id, row.priority, row.message, row.trace_context)
            for row in due
        }
        if silence_seconds is None:
            return list(taken.values())
        orphans = (
            await connection.execute(
                self._take_orphans, {"lease": lease_seconds, "silence": silence_seconds, "largest": largest}
            )
        ).all()
        doubts = Counter(row.notification_id for row in orphans if row.doubtful)
        taken |= {
            row.notification_id: ToRequeue(
                row.notification_id, row.priority, row.message, row.trace_context, doubts[row.notification_id]
            )
            for row in orphans
        }
        return list(taken.values())

    async def handed_over(self, connection: Executes, ids: Sequence[UUID], *, lease_seconds: float) -> None:
        """The broker confirmed these: they are not looked at again for so long."""
        await connection.execute(self._handed_over, {"ids": list(ids), "lease": lease_seconds})

    async def drop_others(self, connection: AsyncConnection, notification_id: UUID, kept: Sequence[str]) -> None:
        """Ends what waits for recipients other than `kept`."""
        await connection.execute(self._drop_others, {"notification_id": notification_id, "kept": list(kept)})

    async def totals(self, connection: AsyncConnection, first: UUID, last: UUID) -> LedgerTotals:
        """Of the ids from `first` up to `last`. Two statements: run it in a snapshot."""
        bounds = {"first": first, "last": last}
        by_state = {row.state: row.deliveries for row in await connection.execute(self._totals, bounds)}
        sent = (await connection.execute(self._sent, bounds)).one()
        return LedgerTotals(sent=sent.notifications, fingerprint=sent.fingerprint, deliveries=by_state)

    async def remove(self, connection: AsyncConnection, *, before: UUID, largest: int) -> int:
        """Deletes up to `largest` deliveries that have ended, of smaller ids. Returns how many."""
        return (await connection.execute(self._remove, {"bound": before, "largest": largest})).rowcount

    async def beat(self, connection: Executes) -> None:
        """This worker is alive."""
        await connection.execute(self._beat, {"owner": self.owner})

    async def leave(self, connection: AsyncConnection) -> None:
        """This worker stops: what it may have left is taken over at once."""
        await connection.execute(self._leave, {"owner": self.owner})


def _closed(row: Any) -> Closed:
    return Closed(row.state, row.attempts, row.code, row.detail, row.provider_message_id, row.replay)


def _json(rows: Sequence[Claim] | Sequence[Recorded]) -> str:
    return to_json_text(list(rows))


def _keys(keys: Sequence[tuple[UUID, str]]) -> str:
    return to_json_text([{"notification_id": key, "recipient": recipient} for key, recipient in keys])
