"""The ledger with its writes gathered into group commits."""

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from uuid import UUID

from chassis.postgres.database import Database
from chassis.postgres.retention import RetentionResult, RetentionStep
from chassis.process.batcher import Batcher, groups_without_repeats
from contracts.ledger import LedgerErasure, LedgerTotals
from contracts.topology import URGENT
from delivery.ledger.records import AlreadyFinished, Claim, ClaimResult, DeliveryRecord, NotOwned, Owned, ToRequeue
from delivery.ledger.repository import LedgerRepository

# Pauses between two group commits; urgent claims do not wait for them.
BEFORE_SECONDS = 0.01  # on the way to the provider
AFTER_SECONDS = 0.025


class Ledger:
    """The ledger as the engine uses it. Raises DatabaseUnavailable; then nothing may be sent."""

    def __init__(self, database: Database, repository: LedgerRepository) -> None:
        self._database = database
        self._repository = repository
        self._claims: Batcher[Sequence[Claim], list[ClaimResult]] = Batcher(
            self._claim_all, size=len, pause_seconds=BEFORE_SECONDS
        )
        self._results: Batcher[DeliveryRecord, bool] = Batcher(self._record_all, pause_seconds=AFTER_SECONDS)

    def claim(self, claims: Sequence[Claim]) -> Awaitable[list[ClaimResult]]:
        """Takes all claims of one notification together, so that one commit decides them.

        After the commit the provider may be called.
        """
        return self._claims.submit(claims, urgent=claims[0].priority >= URGENT)

    async def record(self, result: DeliveryRecord) -> bool:
        """Returns after the commit, before the message is acknowledged. False: this worker no longer owned the delivery."""
        return await self._results.submit(result)

    async def take_due(self, *, lease_seconds: float, silence_seconds: float, limit: int) -> list[ToRequeue]:
        """Due retries, and deliveries of workers without a heartbeat for `silence_seconds`: each message once."""
        async with self._database.begin() as connection:
            due = await self._repository.take_due(connection, lease_seconds=lease_seconds, limit=limit)
            orphans = await self._repository.take_orphans(
                connection, lease_seconds=lease_seconds, silence_seconds=silence_seconds, limit=limit
            )
        return list({item.notification_id: item for item in (*due, *orphans)}.values())

    async def owned(self, *, silence_seconds: float) -> list[Owned]:
        """The deliveries that this worker has owned for longer than `silence_seconds` and has not ended."""
        async with self._database.begin() as connection:
            return await self._repository.owned(connection, silence_seconds=silence_seconds)

    async def requeue_abandoned(self, abandoned: Sequence[Owned]) -> int:
        """Makes deliveries due again that this worker owns but does not work on. Returns how many."""
        async with self._database.begin() as connection:
            return await self._repository.requeue_abandoned(connection, abandoned)

    async def make_due(self, code: str) -> int:
        """Makes the retries that wait because of `code` due now, highest priority first. Returns how many."""
        async with self._database.begin() as connection:
            return await self._repository.make_due(connection, code)

    async def mark_handed_over(self, ids: Sequence[UUID]) -> None:
        """Marks messages that the broker confirmed: they are in its queue until a worker takes them, or they are lost."""
        async with self._database.autocommit() as connection:
            await self._repository.mark_handed_over(connection, ids)

    async def redrive_lost(self, watermarks: Mapping[int, datetime | None], *, grace_seconds: float, limit: int) -> int:
        """Makes messages due again that the queue has lost (see the repository). Returns how many."""
        async with self._database.begin() as connection:
            return await self._repository.redrive_lost(connection, watermarks, grace_seconds=grace_seconds, limit=limit)

    async def states(self, notification_ids: Sequence[UUID]) -> dict[UUID, dict[str, AlreadyFinished | NotOwned]]:
        """Every delivery of these notifications, by recipient."""
        async with self._database.autocommit() as connection:
            return await self._repository.states(connection, notification_ids)

    async def has(self, notification_id: UUID, replay: int) -> bool:
        """Whether a worker has begun this round of a notification, or a later one."""
        async with self._database.begin() as connection:
            return await self._repository.has(connection, notification_id, replay)

    async def totals(self, first: UUID, last: UUID) -> LedgerTotals:
        """The notifications that were sent, and the deliveries by state, of the ids from `first` up to `last`."""
        async with self._database.snapshot() as connection:
            return await self._repository.totals(connection, first, last)

    async def remove(self, step: RetentionStep) -> RetentionResult:
        """Deletes deliveries that ended long enough ago (see the repository)."""
        async with self._database.begin() as connection:
            return await self._repository.remove(connection, step)

    async def erase(self, notification_ids: Sequence[UUID]) -> LedgerErasure:
        """Erases the personal data of deleted recipients (see the repository)."""
        async with self._database.begin() as connection:
            return await self._repository.erase(connection, notification_ids)

    async def beat(self, *, silence_seconds: float) -> None:
        """Writes this worker's heartbeat. It counts as dead after `silence_seconds` without one."""
        async with self._database.autocommit() as connection:
            await self._repository.beat(connection, silence_seconds=silence_seconds)

    async def close(self) -> None:
        """Writes all waiting claims and results, then removes this worker's heartbeat."""
        for group in (self._claims, self._results):
            await group.close()
        async with self._database.begin() as connection:
            await self._repository.leave(connection)

    async def _claim_all(self, groups: Sequence[Sequence[Claim]]) -> list[list[ClaimResult]]:
        """Claims in parts: a batch may contain the same message twice, but a statement may touch a row only once."""
        states: dict[int, list[ClaimResult]] = {}
        async with self._database.autocommit() as connection:
            for indexes in groups_without_repeats(groups, key=lambda claims: claims[0].notification_id):
                claims = [claim for index in indexes for claim in groups[index]]
                found = iter(await self._repository.claim(connection, claims))
                states |= {index: list(islice(found, len(groups[index]))) for index in indexes}
        return [states[index] for index in range(len(groups))]

    async def _record_all(self, results: Sequence[DeliveryRecord]) -> list[bool]:
        async with self._database.autocommit() as connection:
            owned = await self._repository.record(connection, results)
        return [(result.notification_id, result.recipient) in owned for result in results]
