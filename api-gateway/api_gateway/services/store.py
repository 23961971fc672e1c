"""The gateway's writes, gathered into group commits."""

from collections.abc import Sequence
from itertools import islice
from uuid import UUID

from api_gateway.repositories import accepting, outbox, progress
from api_gateway.repositories.accepting import NewNotification, Receipt
from api_gateway.repositories.progress import Moved
from chassis.database import Database
from chassis.groupcommit import GroupCommit, rounds
from contracts.messages import StatusEvent

MOST_REPORTS = 20  # messages of workers in one commit, of up to a hundred events each


class Store:
    """What the hot path writes. `process` names this process in leases and totals."""

    def __init__(self, database: Database, *, process: str, lease_seconds: float) -> None:
        self.database = database
        self.process = process
        self.lease_seconds = lease_seconds
        self._accepts: GroupCommit[NewNotification, Receipt] = GroupCommit(self._write_accepts)
        self._events: GroupCommit[Sequence[StatusEvent], list[Moved | None]] = GroupCommit(
            self._write_events, largest=MOST_REPORTS
        )

    async def accept(self, row: NewNotification) -> Receipt:
        return await self._accepts.submit(row)

    async def apply(self, events: Sequence[StatusEvent]) -> list[Moved | None]:
        """What each event moved; None: it changed nothing."""
        return await self._events.submit(events)

    async def first_answer(self, caller: str, request_id: str) -> Receipt | None:
        async with self.database.each() as connection:
            return (await accepting.find_keys(connection, [(caller, request_id)])).get((caller, request_id))

    async def mark_queued(self, ids: Sequence[UUID]) -> list[str]:
        async with self.database.each() as connection:
            return await outbox.mark_queued(connection, ids)

    async def release(self, ids: Sequence[UUID], *, delay_seconds: float) -> None:
        async with self.database.each() as connection:
            await outbox.release(connection, ids, owner=self.process, delay_seconds=delay_seconds)

    async def close(self) -> None:
        await self._accepts.close()
        await self._events.close()

    async def _write_accepts(self, rows: Sequence[NewNotification]) -> list[Receipt]:
        async with self.database.each() as connection:
            return await accepting.accept(connection, rows, writer=self.process, lease_seconds=self.lease_seconds)

    async def _write_events(self, groups: Sequence[Sequence[StatusEvent]]) -> list[list[Moved | None]]:
        """In rounds: an UPDATE changes a row once, so two events of one notification go one after the other."""
        events = [event for group in groups for event in group]
        moves: list[Moved | None] = [None] * len(events)
        async with self.database.each() as connection:
            for places in rounds(events, key=lambda event: event.notification_id):
                moved = await progress.apply_events(connection, [events[place] for place in places])
                by_id = {move.id: move for move in moved}
                for place in places:
                    moves[place] = by_id.get(events[place].notification_id)
        rest = iter(moves)
        return [list(islice(rest, len(group))) for group in groups]
