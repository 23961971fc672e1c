"""Keeps the figures that alerts look at: what is unaccounted for, and how long the oldest notifications have waited."""

from api_gateway.repositories import waiting
from api_gateway.services.counting import ReadingMetrics
from api_gateway.services.reading import Reader
from chassis.database import Database


class Watch:
    """Two readings, each a loop of its own: when counting everything takes too long, the ages are still known.

    A reading that fails takes its figures away before it raises. `window_seconds`: see `repositories.waiting.oldest`.
    """

    def __init__(self, reader: Reader, database: Database, metrics: ReadingMetrics, *, window_seconds: float) -> None:
        self._reader = reader
        self._database = database
        self._metrics = metrics
        self._window_seconds = window_seconds

    async def prove(self) -> int:
        try:
            proof = await self._reader.reconcile()
        except Exception:
            self._metrics.unaccounted_unknown()
            raise
        self._metrics.unaccounted({channel: one.unaccounted for channel, one in proof.channels.items()})
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
