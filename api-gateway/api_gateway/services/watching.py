"""Keeps the figures that alerts look at: what is unaccounted for, what no ledger knows, how long the oldest have waited."""

from datetime import UTC, datetime, timedelta

from api_gateway.repositories import waiting
from api_gateway.services.metrics import ReadingMetrics
from api_gateway.services.reconciling import Reconciler
from chassis.database import Database
from contracts.recipients import CHANNELS

COMPARED = timedelta(hours=24)  # of the ledgers; by the index, and without an end it would be all there ever was


class Watch:
    """Three readings, each a loop of its own: when counting everything takes too long, the ages are still known.

    A reading that fails takes its figures away before it raises. `window_seconds`: see `repositories.waiting.oldest`.
    """

    def __init__(
        self, reconciler: Reconciler, database: Database, metrics: ReadingMetrics, *, window_seconds: float
    ) -> None:
        self._reconciler = reconciler
        self._database = database
        self._metrics = metrics
        self._window_seconds = window_seconds

    async def prove(self) -> int:
        try:
            channels = await self._reconciler.count()
        except Exception:
            self._metrics.unaccounted_unknown()
            raise
        self._metrics.unaccounted({channel: one.unaccounted for channel, one in channels.items()})
        return 0

    async def compare_ledgers(self) -> int:
        """A channel whose workers do not answer has no figure."""
        since = datetime.now(UTC) - COMPARED
        try:
            checks = {channel: await self._reconciler.check(channel, since) for channel in CHANNELS}
        except Exception:
            self._metrics.unfounded_unknown()
            raise
        self._metrics.unfounded({channel: check.unfounded for channel, check in checks.items() if check is not None})
        return 0

    async def find_oldest(self) -> int:
        try:
            async with self._database.begin() as connection:
                ages = await waiting.oldest(connection, window_seconds=self._window_seconds)
        except Exception:
            self._metrics.oldest_unknown()
            raise
        self._metrics.oldest(ages)
        return 0
