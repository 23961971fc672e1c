"""The addresses that must not get mail any more.

An address is added by the channel, when a mail server refuses it for good; by bounced mails and providers' webhooks, in their
own transaction (`bounces/recording.py`); and by the API. Whether a recipient's address is on the list is part of the claim:
`_ON_LIST` in the statement `CLAIM` (`libs/delivery/delivery/ledger/statements.py`).
"""

from collections.abc import Sequence

from chassis.postgres.database import Database
from chassis.process.batcher import Batcher
from chassis.security.data_keys import DataKeys
from email_service.repositories import suppressions as repository
from email_service.repositories.suppressions import SuppressedAddress, Suppression


class SuppressionList:
    """Raises DatabaseUnavailable."""

    def __init__(self, database: Database, data_keys: DataKeys = DataKeys()) -> None:
        self._database = database
        self._data_keys = data_keys
        self._writes: Batcher[SuppressedAddress, None] = Batcher(self._write_all)

    async def add(self, dead: SuppressedAddress) -> None:
        """Returns after the commit. Adding the same address again changes nothing."""
        await self._writes.submit(dead)

    async def add_all(self, dead: Sequence[SuppressedAddress]) -> int:
        """Returns how many were not on the list."""
        async with self._database.begin() as connection:
            return await repository.add(connection, dead, data_keys=self._data_keys)

    async def listed(self, fingerprints: Sequence[str]) -> frozenset[str]:
        """Those of them that are on the list. It is asked about copies only."""
        if not fingerprints:
            return frozenset()
        async with self._database.begin() as connection:
            return await repository.listed(connection, fingerprints)

    async def page(self, reason: str | None, *, limit: int, offset: int) -> tuple[list[Suppression], int]:
        """Newest first, and how many there are."""
        async with self._database.begin() as connection:
            return await repository.page(connection, reason, limit=limit, offset=offset, data_keys=self._data_keys)

    async def after(self, fingerprint: str, reason: str | None, *, limit: int) -> list[Suppression]:
        """The entries whose fingerprints follow this one, in their order."""
        async with self._database.begin() as connection:
            return await repository.after(connection, fingerprint, reason, limit=limit, data_keys=self._data_keys)

    async def get(self, fingerprint: str) -> Suppression | None:
        async with self._database.begin() as connection:
            return await repository.get(connection, fingerprint, data_keys=self._data_keys)

    async def remove(self, fingerprint: str) -> bool:
        """Returns whether it was on the list."""
        async with self._database.begin() as connection:
            return await repository.remove(connection, fingerprint)

    async def close(self) -> None:
        await self._writes.close()

    async def _write_all(self, dead: Sequence[SuppressedAddress]) -> list[None]:
        async with self._database.begin() as connection:
            await repository.add(connection, dead, data_keys=self._data_keys)
        return [None] * len(dead)
