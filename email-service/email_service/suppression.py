"""Addresses that mail must not be sent to any more: what the channel asks before a send, and tells after a hard bounce."""

import time
from collections.abc import Callable, Sequence

from chassis.database import Database
from chassis.groupcommit import GroupCommit
from chassis.ttl_memory import TtlMemory
from email_service.repositories import suppressions as repository
from email_service.repositories.suppressions import DeadAddress, Suppression

REMEMBERED_SECONDS = 5.0  # another worker's finding, or a pardon, is honoured after so long at most
MOST_REMEMBERED = 50_000


class SuppressionList:
    """Raises DatabaseUnavailable. Answers are remembered for a few seconds; other questions share one indexed read."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._remembered: TtlMemory[str, bool] = TtlMemory(MOST_REMEMBERED, REMEMBERED_SECONDS, clock)
        self._reads: GroupCommit[str, bool] = GroupCommit(self._read_all)
        self._writes: GroupCommit[DeadAddress, None] = GroupCommit(self._write_all)

    async def holds(self, fingerprint: str) -> bool:
        known = self._remembered.get(fingerprint, None)
        return known if known is not None else await self._reads.submit(fingerprint)

    async def add(self, dead: DeadAddress) -> None:
        """On return it is committed. Adding again changes nothing."""
        await self._writes.submit(dead)

    async def get(self, fingerprint: str) -> Suppression | None:
        async with self._database.begin() as connection:
            return await repository.get(connection, fingerprint)

    async def remove(self, fingerprint: str) -> bool:
        """Whether it was on the list."""
        async with self._database.begin() as connection:
            removed = await repository.remove(connection, fingerprint)
        self._remembered.drop(fingerprint)
        return removed

    async def close(self) -> None:
        await self._reads.close()
        await self._writes.close()

    async def _read_all(self, fingerprints: Sequence[str]) -> list[bool]:
        async with self._database.begin() as connection:
            listed = await repository.listed(connection, fingerprints)
        answers = [fingerprint in listed for fingerprint in fingerprints]
        for fingerprint, answer in zip(fingerprints, answers, strict=True):
            self._remembered.put(fingerprint, answer)
        return answers

    async def _write_all(self, dead: Sequence[DeadAddress]) -> list[None]:
        async with self._database.begin() as connection:
            await repository.add(connection, dead)
        for one in dead:
            self._remembered.put(one.fingerprint, True)
        return [None] * len(dead)
