"""Removing what is old from the ledger."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from contracts.lookups import first_id_of
from delivery.ledger import Ledger

log = structlog.get_logger()

EVERY_SECONDS = 2.0
MAX_GROUP = 5_000
LONGER = timedelta(
    days=1
)  # than the gateway keeps its rows: while it could publish one again, the ledger has to know it


FIRST_ID = UUID(int=0)


class Retention:
    """`retention_days` None: everything is kept.

    A delivery is old by the time of its end: what was accepted long ago may have been sent today.
    """

    def __init__(self, ledger: Ledger, *, retention_days: int | None) -> None:
        self._ledger = ledger
        self._kept = None if retention_days is None else timedelta(days=retention_days) + LONGER
        self._after = FIRST_ID

    async def run_once(self) -> int:
        """One stretch of old ids, from where the last turn stopped. Never busy: between two turns others have theirs."""
        if self._kept is None:
            return 0
        ended_before = datetime.now(UTC) - self._kept
        removed, reached = await self._ledger.remove(
            after=self._after, before=first_id_of(ended_before), ended_before=ended_before, largest=MAX_GROUP
        )
        self._after = reached or FIRST_ID
        if removed:
            log.info("retention.removed", deliveries=removed)
        return 0
