"""What keeps the tables small: running totals are folded, and what is older than it has to be kept is removed."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from api_gateway.repositories import identities, retention, totals
from chassis.database import Database
from contracts.lookups import first_id_of

log = structlog.get_logger()

EVERY_SECONDS = 2.0
IDENTITIES_EVERY_SECONDS = 3_600.0
FIRST_ID = UUID(int=0)
MAX_GROUP = 5_000  # a turn: more than twice what a gateway accepts in one, and 0.1 s of locks that nobody waits for


class Housekeeping:
    """`retention_days` None: everything is kept."""

    def __init__(self, database: Database, *, retention_days: int | None) -> None:
        self._database = database
        self._kept = None if retention_days is None else timedelta(days=retention_days)
        self._after = FIRST_ID

    async def fold(self) -> int:
        async with self._database.begin() as connection:
            await totals.fold(connection)
        return 0

    async def remove_old(self) -> int:
        """One stretch of old ids, from where the last turn stopped. Never busy: between two turns others have theirs."""
        if self._kept is None:
            return 0
        ended_before = datetime.now(UTC) - self._kept
        async with self._database.begin() as connection:
            removed, reached = await retention.remove(
                connection,
                after=self._after,
                before=first_id_of(ended_before),
                ended_before=ended_before,
                largest=MAX_GROUP,
            )
        self._after = reached or FIRST_ID
        if removed:
            log.info("retention.removed", notifications=removed)
        return 0

    async def forget_unused_keys(self) -> int:
        """What is known of keys that were not asked about for so long: one that is used is confirmed again and again."""
        if self._kept is None:
            return 0
        async with self._database.begin() as connection:
            forgotten = await identities.forget_unconfirmed(connection, datetime.now(UTC) - self._kept)
        if forgotten:
            log.info("retention.removed", known_keys=forgotten)
        return 0
