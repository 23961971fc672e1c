"""What keeps the tables small: running totals are folded, and what is older than it has to be kept is removed."""

from datetime import UTC, datetime, timedelta

import structlog

from api_gateway.repositories import retention, totals
from chassis.database import Database
from contracts.lookups import first_id_of

log = structlog.get_logger()

EVERY_SECONDS = 2.0
LARGEST_GROUP = 5_000  # a turn: more than twice what a gateway accepts in one, and 0.1 s of locks that nobody waits for


class Housekeeping:
    """`retention_days` None: everything is kept."""

    def __init__(self, database: Database, *, retention_days: int | None) -> None:
        self._database = database
        self._kept = None if retention_days is None else timedelta(days=retention_days)

    async def fold(self) -> int:
        async with self._database.begin() as connection:
            await totals.fold(connection)
        return 0

    async def remove_old(self) -> int:
        """Never busy: between two turns others have theirs."""
        if self._kept is None:
            return 0
        before = first_id_of(datetime.now(UTC) - self._kept)
        async with self._database.begin() as connection:
            removed = await retention.remove(connection, before=before, largest=LARGEST_GROUP)
        if removed:
            log.info("retention.removed", notifications=removed)
        return 0
