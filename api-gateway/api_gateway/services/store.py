"""The gateway's writes, gathered into group commits."""

from collections.abc import Awaitable, Iterable, Sequence
from itertools import islice
from typing import TypeVar

from api_gateway.repositories import accepting, attachments, held_rows, outbox, progress
from api_gateway.repositories.accepting import NewNotification, Receipt
from api_gateway.repositories.attachments import NewAttachment
from api_gateway.repositories.held_rows import ToHold
from api_gateway.repositories.outbox import LeasedRound, QueuedMark
from api_gateway.repositories.progress import AppliedEvent
from chassis.postgres.autocommit import StatementExecutor
from chassis.postgres.database import Database
from chassis.process.batcher import Batcher, groups_without_repeats
from chassis.security.data_keys import DataKeys
from contracts.messages import StatusEvent

# Pauses between two group commits: for accepts, for the writes that follow, and for marks, which wait on purpose.
ACCEPT_SECONDS = 0.003
FOLLOW_SECONDS = 0.05
MARK_SECONDS = 0.25

Result = TypeVar("Result")


class Store:
    """The writes of the hot path. `process` names this process in leases and totals."""

    def __init__(self, database: Database, data_keys: DataKeys, *, process: str, lease_seconds: float) -> None:
        self.database = database
        self.data_keys = data_keys
        self.process = process
        self.lease_seconds = lease_seconds
        self._accepts: Batcher[Sequence[NewNotification], list[Receipt]] = Batcher(
            self._write_accepts, size=len, pause_seconds=ACCEPT_SECONDS
        )
        self._queued: Batcher[Sequence[QueuedMark], list[str]] = Batcher(
            self._write_queued, size=len, pause_seconds=MARK_SECONDS
        )
        self._events: Batcher[Sequence[StatusEvent], list[AppliedEvent | None]] = Batcher(
            self._write_events, size=len, pause_seconds=FOLLOW_SECONDS
        )

    def accept(self, rows: Sequence[NewNotification], *, urgent: bool = False) -> Awaitable[list[Receipt]]:
        """`urgent`: in a group of its own."""
        return self._accepts.submit(rows, urgent=urgent)

    async def accept_with(self, row: NewNotification, contents: Sequence[NewAttachment]) -> Receipt:
        """Writes a notification with its attachments. The row comes last: it locks the totals that every accept needs."""
        async with self.database.begin() as connection:
            used = row.caller, row.request_id
            if known := await accepting.find_idempotency_keys(connection, [used], data_keys=self.data_keys):
                return known[used]
            await attachments.add(connection, contents, data_keys=self.data_keys)
            [receipt] = await accepting.accept(
                connection, [row], writer=self.process, lease_seconds=self.lease_seconds, data_keys=self.data_keys
            )
            if not receipt.is_new:  # the same request came a moment earlier
                await attachments.remove(connection, row.id)
        return receipt

    def apply(self, events: Sequence[StatusEvent]) -> Awaitable[list[AppliedEvent | None]]:
        """What each event changed; None: the event changed nothing."""
        return self._events.submit(events)

    async def first_answers(self, caller: str, request_ids: Sequence[str]) -> dict[str, Receipt]:
        """request_id → the first answer, for the request_ids that the caller has used."""
        async with self.database.autocommit() as connection:
            used = [(caller, request_id) for request_id in request_ids]
            found = await accepting.find_idempotency_keys(connection, used, data_keys=self.data_keys)
        return {request_id: receipt for (_, request_id), receipt in found.items()}

    def mark_queued(self, marks: Sequence[QueuedMark]) -> Awaitable[list[str]]:
        """The channels of the rows that were not yet known to be queued."""
        return self._queued.submit(marks)

    async def end_leases(self, leased: Sequence[LeasedRound], *, delay_seconds: float) -> None:
        async with self.database.autocommit() as connection:
            await outbox.end_leases(
                connection,
                leased,
                owner=self.process,
                lease_seconds=self.lease_seconds,
                delay_seconds=delay_seconds,
            )

    async def hold(self, rows: Sequence[ToHold]) -> int:
        """Holds rows that were certainly not published in their lease. Returns how many."""
        async with self.database.autocommit() as connection:
            return await held_rows.hold(connection, rows, owner=self.process, lease_seconds=self.lease_seconds)

    async def close(self) -> None:
        await self._accepts.close()
        await self._queued.close()
        await self._events.close()

    async def _write_accepts(self, groups: Sequence[Sequence[NewNotification]]) -> list[list[Receipt]]:
        rows = [row for group in groups for row in group]
        async with self.database.autocommit() as connection:
            receipts = await accepting.accept(
                connection, rows, writer=self.process, lease_seconds=self.lease_seconds, data_keys=self.data_keys
            )
        return _split(receipts, groups)

    async def _write_queued(self, groups: Sequence[Sequence[QueuedMark]]) -> list[list[str]]:
        async with self.database.autocommit() as connection:
            channels = await outbox.mark_queued(connection, [one for group in groups for one in group])
        return _split(channels, groups)

    async def _write_events(self, groups: Sequence[Sequence[StatusEvent]]) -> list[list[AppliedEvent | None]]:
        """In parts: an UPDATE changes a row once, so two events of one notification are applied one after the other."""
        events = [event for group in groups for event in group]
        results: list[AppliedEvent | None] = [None] * len(events)
        async with self.database.autocommit() as connection:
            for indexes in groups_without_repeats(events, key=lambda event: event.notification_id):
                applied = await self._apply(connection, [events[index] for index in indexes])
                by_id = {one.id: one for one in applied}
                for index in indexes:
                    results[index] = by_id.get(events[index].notification_id)
        return _split(results, groups)

    async def _apply(self, connection: StatementExecutor, events: Sequence[StatusEvent]) -> list[AppliedEvent]:
        """At most one event of a notification."""
        back = [event for event in events if event.status == "held"]
        if not back:
            return await progress.apply_events(connection, events, data_keys=self.data_keys)
        reports = [event for event in events if event.status != "held"]
        applied = await progress.apply_events(connection, reports, data_keys=self.data_keys) if reports else []
        return [*applied, *await held_rows.hand_back(connection, back)]


def _split(results: Iterable[Result], groups: Sequence[Sequence[object]]) -> list[list[Result]]:
    """Splits the results: as many for each group as the group has items."""
    rest = iter(results)
    return [list(islice(rest, len(group))) for group in groups]
