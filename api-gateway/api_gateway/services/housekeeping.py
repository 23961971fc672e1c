"""Keeps the tables small: folds running totals and deletes rows after their retention."""

from datetime import UTC, datetime, timedelta

import structlog

from api_gateway.repositories import holds, housekeeping, identities
from chassis.postgres.database import Database
from chassis.postgres.retention import Retention, RetentionResult, RetentionStep

log = structlog.get_logger()

IDENTITIES_EVERY_SECONDS = 3_600.0


class Housekeeping:
    """`retention_days` None: nothing is deleted."""

    def __init__(self, database: Database, *, retention_days: int | None) -> None:
        self._database = database
        self._kept = None if retention_days is None else timedelta(days=retention_days)
        self._retention = Retention(self._remove, days=retention_days, rows="notifications")

    async def fold(self) -> int:
        async with self._database.begin() as connection:
            await housekeeping.fold(connection)
        return 0

    async def remove_old(self) -> int:
        return await self._retention.run_once()

    async def _remove(self, step: RetentionStep) -> RetentionResult:
        async with self._database.begin() as connection:
            return await housekeeping.remove(connection, step)

    async def forget_unused_keys(self) -> int:
        """Deletes stored answers about keys that were not confirmed for a long time. A key in use is confirmed regularly."""
        if self._kept is None:
            return 0
        async with self._database.begin() as connection:
            forgotten = await identities.forget_unconfirmed(connection, datetime.now(UTC) - self._kept)
        if forgotten:
            log.info("retention.removed", known_keys=forgotten)
        return 0

    async def forget_holds(self) -> int:
        async with self._database.begin() as connection:
            await holds.forget(connection)
        return 0
