"""Asks after notifications that a worker has begun (it reported `retrying`) and not said a word of since.

Its end may have been reported into a queue that was deleted. A copy makes a worker look into its ledger and tell
the end again; while a retry is still waiting there, it changes nothing.
"""

import structlog

from api_gateway.repositories import outbox
from api_gateway.services.counting import GatewayMetrics
from chassis.database import Database
from contracts.recipients import CHANNELS

log = structlog.get_logger()

LARGEST_GROUP = 1_000


class SilenceWatch:
    def __init__(self, database: Database, metrics: GatewayMetrics, *, silence_seconds: float) -> None:
        self._database = database
        self._metrics = metrics
        self._silence_seconds = silence_seconds

    @property
    def every_seconds(self) -> float:
        """How often it is worth looking."""
        return self._silence_seconds / 6

    async def run_once(self) -> int:
        """How many notifications it asks after."""
        return sum([await self._ask(channel) for channel in CHANNELS])

    async def _ask(self, channel: str) -> int:
        async with self._database.begin() as connection:
            number = await outbox.ask_again(
                connection, channel, silence_seconds=self._silence_seconds, largest=LARGEST_GROUP
            )
        if number:
            log.warning("outbox.asked_again", channel=channel, notifications=number)
            self._metrics.redriven(number)
        return number
