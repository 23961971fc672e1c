"""Removing what is old from the ledger."""

from datetime import UTC, datetime, timedelta

import structlog

from contracts.lookups import first_id_of
from delivery.ledger import Ledger

log = structlog.get_logger()

EVERY_SECONDS = 2.0
LARGEST_GROUP = 5_000
LONGER = timedelta(
    days=1
)  # than the gateway keeps its rows: while it could publish one again, the ledger has to know it


class Retention:
    """`retention_days` None: everything is kept."""

    def __init__(self, ledger: Ledger, *, retention_days: int | None) -> None:
        self._ledger = ledger
        self._kept = None if retention_days is None else timedelta(days=retention_days) + LONGER

    async def run_once(self) -> int:
        """Never busy: between two turns others have theirs."""
        if self._kept is None:
            return 0
        removed = await self._ledger.remove(before=first_id_of(datetime.now(UTC) - self._kept), largest=LARGEST_GROUP)
        if removed:
            log.info("retention.removed", deliveries=removed)
        return 0
