"""The ledger with its writes gathered into group commits."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Database
from chassis.groupcommit import GroupCommit, rounds
from contracts.lookups import LedgerTotals
from contracts.topology import URGENT
from delivery.ledger.repository import Claim, Closed, LedgerRepository, Recorded, Standing, ToRequeue

Key = tuple[UUID, str]

# Between two group commits; the urgent do not wait for them.
BEFORE_SECONDS = 0.02  # on the way to the provider
AFTER_SECONDS = 0.05


class Ledger:
    """What the engine asks of the ledger. Raises DatabaseUnavailable; nothing may be sent then."""

    def __init__(self, database: Database, repository: LedgerRepository) -> None:
        self._database = database
        self._repository = repository
        self._claims: GroupCommit[Claim, Standing] = GroupCommit(self._claim_all, pause_seconds=BEFORE_SECONDS)
        self._sendings: GroupCommit[Key, bool] = GroupCommit(self._mark_all, pause_seconds=BEFORE_SECONDS)
        self._results: GroupCommit[Recorded, bool] = GroupCommit(self._record_all, pause_seconds=AFTER_SECONDS)

    async def claim(self, claim: Claim) -> Standing:
        return await self._claims.submit(claim, express=claim.priority >= URGENT)

    async def mark_sending(self, key: Key, *, priority: int = 0) -> bool:
        """Committed before the provider is called. False: it is not ours any more, do not send."""
        return await self._sendings.submit(key, express=priority >= URGENT)

    async def record(self, result: Recorded) -> bool:
        """Committed before the message is acknowledged. False: it was not ours any more."""
        return await self._results.submit(result)

    async def take_due(self, *, lease_seconds: float, silence_seconds: float | None, largest: int) -> list[ToRequeue]:
        async with self._database.begin() as connection:
            return await self._repository.take_due(
                connection, lease_seconds=lease_seconds, silence_seconds=silence_seconds, largest=largest
            )

    async def handed_over(self, ids: Sequence[UUID], *, lease_seconds: float) -> None:
        """The broker confirmed these: they are not looked at again for so long."""
        async with self._database.each() as connection:
            await self._repository.handed_over(connection, ids, lease_seconds=lease_seconds)

    async def closed(self, notification_id: UUID) -> list[Closed]:
        """The ends that a notification has come to before, whoever the recipients were."""
        async with self._database.begin() as connection:
            return await self._repository.closed(connection, notification_id)

    async def has(self, notification_id: UUID, replay: int) -> bool:
        """Whether a worker has begun this round of a notification, or a later one."""
        async with self._database.begin() as connection:
            return await self._repository.has(connection, notification_id, replay)

    async def drop_others(self, notification_id: UUID, kept: Sequence[str]) -> None:
        """Ends what waits for recipients other than `kept`: the user took those addresses away."""
        async with self._database.begin() as connection:
            await self._repository.drop_others(connection, notification_id, kept)

    async def totals(self, first: UUID, last: UUID) -> LedgerTotals:
        """What was sent, and how everything stands, of the ids from `first` up to `last`."""
        async with self._database.snapshot() as connection:
            return await self._repository.totals(connection, first, last)

    async def remove(self, *, before: UUID, largest: int) -> int:
        """Deletes up to `largest` deliveries that have ended, of ids smaller than `before`. Returns how many."""
        async with self._database.begin() as connection:
            return await self._repository.remove(connection, before=before, largest=largest)

    async def beat(self) -> None:
        async with self._database.each() as connection:
            await self._repository.beat(connection)

    async def close(self) -> None:
        """Writes what waits, and takes this worker off the list of the living."""
        for group in (self._claims, self._sendings, self._results):
            await group.close()
        async with self._database.begin() as connection:
            await self._repository.leave(connection)

    async def _claim_all(self, claims: Sequence[Claim]) -> list[Standing]:
        """In rounds: the same message may be in hand twice, and a statement may touch a row once."""
        standings: dict[int, Standing] = {}
        async with self._database.each() as connection:
            for places in rounds(claims, key=lambda claim: (claim.notification_id, claim.recipient)):
                found = await self._repository.claim(connection, [claims[place] for place in places])
                standings.update(zip(places, found, strict=True))
        return [standings[place] for place in range(len(claims))]

    async def _mark_all(self, keys: Sequence[Key]) -> list[bool]:
        """In rounds: of two copies of a message in hand, only the first may send."""
        marked: dict[int, bool] = {}
        async with self._database.each() as connection:
            for places in rounds(keys, key=lambda key: key):
                ours = await self._repository.mark_sending(connection, [keys[place] for place in places])
                marked.update((place, keys[place] in ours) for place in places)
        return [marked[place] for place in range(len(keys))]

    async def _record_all(self, results: Sequence[Recorded]) -> list[bool]:
        async with self._database.each() as connection:
            ours = await self._repository.record(connection, results)
        return [(result.notification_id, result.recipient) in ours for result in results]
