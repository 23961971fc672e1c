"""The ledger, read and written in groups."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.autocommit import StatementExecutor
from chassis.data_keys import DataKeys, ValueUnreadable
from chassis.serialization import to_json_text
from contracts.erasing import LedgerErasure
from contracts.lookups import LedgerTotals
from delivery.ledger import statements
from delivery.ledger.personal import PersonalColumns


@dataclass(slots=True)  # not frozen: filling one in takes three times as long then, for every delivery
class Claim:
    """A wish to deliver to one recipient. `recipient` is the ledger's key for it, the same in every copy of the message.

    `contact` is whom it goes to now, as JSON, when that is not what the message says. `added`: a device that the user had
    not when the notification was accepted; it is not a delivery of a notification that others have begun without it.
    `fingerprint` names the address in the suppression list.
    """

    notification_id: UUID
    recipient: str
    replay: int
    priority: int
    message: str
    expires_at: datetime | None
    contact: str | None = None
    added: bool = False
    fingerprint: str | None = None
    trace_context: str | None = None


@dataclass(slots=True)  # not frozen: filling one in takes three times as long then, for every delivery
class Claimed:
    """It is ours to deliver, now; `attempts` were spent and `deferrals` made before.

    Of the attempts, `faults` were our side's fault or in doubt; the others were refused for now, first at `refused_since`.
    `doubtful`: it was with the provider before, and nobody knows whether it was taken. Then it goes to whom it went at that
    time: `contact`, or whom the message names when that is None; `unreadable`: that is encrypted with a key that is missing.
    `suppressed`: the address that was asked for is on the suppression list.
    """

    attempts: int
    deferrals: int
    expired: bool
    doubtful: bool = False
    contact: str | None = None
    faults: int = 0
    refused_since: datetime | None = None
    suppressed: bool = False
    claimed_at: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)
    read_at: float = field(default_factory=time.monotonic, compare=False)
    unreadable: bool = False

    def now(self) -> datetime:
        """The time by the database's clock, as it told it when it was claimed: a worker's own may be off."""
        return self.claimed_at + timedelta(seconds=time.monotonic() - self.read_at)


@dataclass(frozen=True, slots=True)
class AlreadyFinished:
    """It has ended before, in `state`: nothing is to be sent, but the gateway may not know yet."""

    state: str
    attempts: int
    code: str | None
    detail: str | None
    provider_message_id: str | None
    replay: int
    ended_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class NotOwned:
    """Another worker has it, or it waits for its next attempt in the ledger: not ours now."""


@dataclass(frozen=True, slots=True)
class NotADelivery:
    """An added device of a notification that was begun without it: nothing is sent to it."""


ClaimResult = Claimed | AlreadyFinished | NotOwned | NotADelivery
Key = tuple[UUID, str]
GAPS = 2  # heartbeats come more often than this part of the silence after which a worker counts as dead
ENDS = frozenset({"sent", "failed", "suppressed", "expired", "unknown"})


@dataclass(slots=True)  # not frozen: filling one in takes three times as long then, for every delivery
class Recorded:
    """The result of an attempt, as it goes into the ledger. `delay` (seconds) counts only in state `retry`.

    A `sent` of the same `replay` is taken from a worker too that has lost the delivery: the provider has it.
    `faults` counts as in `Claimed`; `refused`: it was refused for now.
    `reported_before`: the gateway has heard of an earlier deferral of this delivery (it is not stored).
    """

    notification_id: UUID
    recipient: str
    state: str = "failed"
    replay: int = 0
    attempts: int = 0
    faults: int = 0
    refused: bool = False
    deferred: int = 0
    doubt: int = 0
    code: str | None = None
    detail: str | None = None
    provider_message_id: str | None = None
    delay: float = 0.0
    reported_before: bool = False


@dataclass(frozen=True, slots=True)
class ToRequeue:
    """A message that goes through the queue once more, taken up for it at `taken_at` by the database's clock.

    `doubts`: to how many recipients a dead worker may have sent it.
    """

    notification_id: UUID
    priority: int
    message: str
    taken_at: datetime
    trace_context: str | None = None
    doubts: int = 0


@dataclass(frozen=True, slots=True)
class Owned:
    """A delivery that this worker has claimed, as it stood at `updated_at`."""

    notification_id: UUID
    recipient: str
    updated_at: datetime


class LedgerRepository:
    """The statements over one channel's tables. `owner` names this worker process.

    `suppression_list`: a table of the same database, whose `fingerprint`s must not be sent to. `keys`: what is personal in a
    row is encrypted with them.
    """

    def __init__(
        self, channel: str, owner: str, *, suppression_list: str | None = None, keys: DataKeys = DataKeys()
    ) -> None:
        self.owner = owner
        self._personal = PersonalColumns(channel, keys)
        self._seals = keys.seals
        self._claim = statements.for_channel(statements.CLAIM, channel, suppression_list)
        self._claim_with_added = statements.for_channel(statements.CLAIM_WITH_ADDED, channel, suppression_list)
        self._look = statements.for_channel(statements.LOOK, channel)
        self._look_all = statements.for_channel(statements.LOOK_ALL, channel)
        self._has = statements.for_channel(statements.HAS, channel)
        self._record = statements.for_channel(statements.RECORD, channel)
        self._take_due = statements.for_channel(statements.TAKE_DUE, channel)
        self._handed_over = statements.for_channel(statements.HANDED_OVER, channel)
        self._take_orphans = statements.for_channel(statements.TAKE_ORPHANS, channel)
        self._lost = statements.for_channel(statements.LOST, channel)
        self._ours = statements.for_channel(statements.OURS, channel)
        self._let_go = statements.for_channel(statements.LET_GO, channel)
        self._totals = statements.for_channel(statements.TOTALS, channel)
        self._sent = statements.for_channel(statements.SENT, channel)
        self._remove = statements.for_channel(statements.REMOVE, channel)
        self._erase = statements.for_channel(statements.ERASE, channel, suppression_list)
        self._beat = statements.for_channel(statements.BEAT, channel)
        self._leave = statements.for_channel(statements.LEAVE, channel)

    async def claim(self, connection: StatementExecutor, claims: Sequence[Claim]) -> list[ClaimResult]:
        """Claims what can be claimed and says how the rest stands, in order. No key may come twice.

        All claims on a notification go in one call: its devices are those that the call which begins it names.
        """
        statement = self._claim_with_added if any(claim.added for claim in claims) else self._claim
        given = [self._personal.write_claim(_fields(claim)) for claim in claims] if self._seals else claims
        rows = await connection.execute(statement, {"rows": to_json_text(given), "owner": self.owner})
        # By place: names cost 3 µs a row. The columns after the key are the fields of Claimed, in their order.
        claimed = {(row[0], row[1]): Claimed(*row[2:]) for row in rows}
        for key, one in claimed.items():
            if one.contact is not None:
                self._read_contact(key, one)
        standings: dict[Key, ClaimResult] = {**claimed}
        others = [claim for claim in claims if (claim.notification_id, claim.recipient) not in standings]
        if others:
            standings |= await self._look_at(connection, others)
        return [
            standings.get((claim.notification_id, claim.recipient), NotADelivery() if claim.added else NotOwned())
            for claim in claims
        ]

    def _read_contact(self, key: Key, claimed: Claimed) -> None:
        """In place. It is ours by now, so whom it went to must not stop the others of the group."""
        try:
            claimed.contact = self._personal.read_contact(*key, claimed.contact or "")
        except ValueUnreadable:
            claimed.contact, claimed.unreadable = None, True

    async def _look_at(self, connection: StatementExecutor, claims: Sequence[Claim]) -> dict[Key, ClaimResult]:
        keys = [(claim.notification_id, claim.recipient) for claim in claims]
        rows = await connection.execute(self._look, {"keys": _keys(keys)})
        return {(row.notification_id, row.recipient): self._standing(row) for row in rows}

    async def standings(
        self, connection: StatementExecutor, notification_ids: Sequence[UUID]
    ) -> dict[UUID, dict[str, AlreadyFinished | NotOwned]]:
        """The deliveries of these notifications' last rounds, by recipient, and whatever was sent before."""
        rows = list(await connection.execute(self._look_all, {"ids": list(notification_ids)}))
        last: dict[UUID, int] = {}
        for row in rows:
            last[row.notification_id] = max(row.replay, last.get(row.notification_id, 0))
        found: dict[UUID, dict[str, AlreadyFinished | NotOwned]] = {}
        for row in rows:
            if row.replay == last[row.notification_id] or row.state == "sent":
                found.setdefault(row.notification_id, {})[row.recipient] = self._standing(row)
        return found

    async def has(self, connection: AsyncConnection, notification_id: UUID, replay: int) -> bool:
        """Whether a worker has begun this round of a notification, or a later one."""
        found = await connection.execute(self._has, {"notification_id": notification_id, "replay": replay})
        return found.first() is not None

    async def record(self, connection: StatementExecutor, results: Sequence[Recorded]) -> set[Key]:
        """Those that were still ours to record, or that the provider has all the same."""
        ordered = sorted(results, key=lambda one: _order((one.notification_id, one.recipient)))
        given = [self._personal.write_result(_fields(one)) for one in ordered] if self._seals else ordered
        rows = await connection.execute(self._record, {"rows": to_json_text(given), "owner": self.owner})
        return {(row.notification_id, row.recipient) for row in rows}

    async def take_due(self, connection: AsyncConnection, *, lease_seconds: float, largest: int) -> list[ToRequeue]:
        """Retries that are due: each message once. What cannot be read is due again when the lease runs out."""
        rows = await connection.execute(self._take_due, {"lease": lease_seconds, "largest": largest})
        return self._to_requeue(rows)

    async def take_orphans(
        self, connection: AsyncConnection, *, lease_seconds: float, silence_seconds: float, largest: int
    ) -> list[ToRequeue]:
        """What dead workers left: each message once. None while this worker has not been heard of long enough to judge."""
        parameters = {
            "lease": lease_seconds,
            "silence": silence_seconds,
            "gap": silence_seconds / GAPS,
            "owner": self.owner,
            "largest": largest,
        }
        rows = (await connection.execute(self._take_orphans, parameters)).all()
        doubts = Counter(row.notification_id for row in rows if row.doubtful)
        return [replace(item, doubts=doubts[item.notification_id]) for item in self._to_requeue(rows)]

    async def ours(self, connection: AsyncConnection, *, silence_seconds: float) -> list[Owned]:
        """What this worker has owned for longer than `silence_seconds` and not ended."""
        rows = await connection.execute(self._ours, {"owner": self.owner, "silence": silence_seconds})
        return [Owned(row.notification_id, row.recipient, row.updated_at) for row in rows]

    async def let_go(self, connection: AsyncConnection, owned: Sequence[Owned]) -> int:
        """Makes due again what this worker owns and does not have in hand. Returns how many."""
        ordered = sorted(owned, key=lambda one: _order((one.notification_id, one.recipient)))
        result = await connection.execute(self._let_go, {"rows": to_json_text(ordered), "owner": self.owner})
        return result.rowcount

    async def handed_over(self, connection: StatementExecutor, ids: Sequence[UUID]) -> None:
        """The broker confirmed these: they are in its queue until a worker takes them, or it loses them."""
        await connection.execute(self._handed_over, {"ids": sorted(ids, key=lambda one: one.bytes)})

    async def redrive_lost(
        self,
        connection: AsyncConnection,
        passed: Mapping[int, datetime | None],
        *,
        grace_seconds: float,
        largest: int,
    ) -> int:
        """Makes due again what was handed over so long before the queue's watermark of its priority. Returns how many.

        `passed`: priority → when the newest message that was consumed had been handed over; None: the queue stood empty.
        """
        levels = [{"priority": priority, "passed_at": at} for priority, at in passed.items()]
        parameters = {"levels": to_json_text(levels), "grace": grace_seconds, "largest": largest}
        return (await connection.execute(self._lost, parameters)).rowcount

    async def totals(self, connection: AsyncConnection, first: UUID, last: UUID) -> LedgerTotals:
        """Of the ids from `first` up to `last`. Two statements: run it in a snapshot."""
        bounds = {"first": first, "last": last}
        by_state = {row.state: row.deliveries for row in await connection.execute(self._totals, bounds)}
        sent = (await connection.execute(self._sent, bounds)).one()
        return LedgerTotals(sent=sent.notifications, fingerprint=sent.fingerprint, deliveries=by_state)

    async def remove(
        self, connection: AsyncConnection, *, after: UUID, before: UUID, ended_before: datetime, largest: int
    ) -> tuple[int, UUID | None]:
        """Looks at `largest` deliveries with ids between `after` and `before`, and deletes those that ended long enough ago.

        Returns how many, and the last id that it looked at: None when it came to the end.
        """
        parameters = {"after": after, "bound": before, "ended_before": ended_before, "largest": largest}
        row = (await connection.execute(self._remove, parameters)).one()
        return row.removed, None if row.reached is None else UUID(row.reached)

    async def erase(self, connection: AsyncConnection, notification_ids: Sequence[UUID]) -> LedgerErasure:
        """Forgets what providers said of the recipients of these notifications, and ends what waits as soon as can be."""
        rows = (await connection.execute(self._erase, {"ids": list(notification_ids)})).all()
        return LedgerErasure(deliveries=len(rows), open=sum(row.open for row in rows))

    async def beat(self, connection: StatementExecutor, *, silence_seconds: float) -> None:
        """This worker is alive."""
        await connection.execute(self._beat, {"owner": self.owner, "gap": silence_seconds / GAPS})

    async def leave(self, connection: AsyncConnection) -> None:
        """This worker stops: what it may have left is taken over at once."""
        await connection.execute(self._leave, {"owner": self.owner})

    def _standing(self, row: Any) -> AlreadyFinished | NotOwned:
        if row.state not in ENDS:
            return NotOwned()
        detail = self._personal.read_detail(row)
        return AlreadyFinished(
            row.state, row.attempts, row.code, detail, row.provider_message_id, row.replay, ended_at=row.updated_at
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


def _fields(row: Claim | Recorded) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__slots__}


def _order(key: Key) -> tuple[bytes, str]:
    """In which every statement locks rows: two workers with overlapping groups must not deadlock."""
    return key[0].bytes, key[1]


def _keys(keys: Sequence[Key]) -> str:
    return to_json_text([{"notification_id": key, "recipient": recipient} for key, recipient in keys])
