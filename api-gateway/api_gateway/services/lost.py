"""Finds what the broker lost (a queue deleted, a node lost, the in-process broker restarted) and makes it due again.

A row that was published and that no worker reported on cannot be in its queue any more when that queue has stood empty for
longer than a grace, or when workers have consumed messages of its priority that were published a grace later. A backlog
alone, however long, never causes it. Publishing again is safe: workers recognise what they know.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from api_gateway.repositories import outbox
from api_gateway.services.metrics import GatewayMetrics
from chassis.broker import Broker
from chassis.broker.watermarks import ConsumedWatermarks, EmptyQueues
from chassis.database import Database
from contracts.recipients import CHANNELS
from contracts.topology import FAILED_QUEUE, PRIORITIES, STATUS_QUEUE, queue_of, queues_of

log = structlog.get_logger()

MAX_GROUP = 1_000


class LostMessageDetector:
    """`run_once` looks at every queue, keeps the `queue_size` and `queue_consumers` metrics and re-drives what was lost."""

    def __init__(
        self,
        broker: Broker,
        database: Database,
        metrics: GatewayMetrics,
        watermarks: ConsumedWatermarks,
        *,
        grace_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._broker = broker
        self._watermarks = watermarks
        self._database = database
        self._metrics = metrics
        self._grace_seconds = grace_seconds
        self._empty = EmptyQueues(grace_seconds=grace_seconds, clock=clock)

    async def run_once(self) -> int:
        """How many notifications it made due again."""
        redriven = 0
        for channel in CHANNELS:
            depths = {queue: await self._metrics.queues.look(self._broker, queue) for queue in queues_of(channel)}
            empty = [queue for queue, depth in depths.items() if self._empty.look(queue, depth)]
            gone = dict.fromkeys(each for each in PRIORITIES if queue_of(channel, each) in empty)
            redriven += await self._redrive(channel, {**self._watermarks.of(channel), **gone})
        for queue in (FAILED_QUEUE, STATUS_QUEUE):
            await self._metrics.queues.look(self._broker, queue)
        return redriven

    async def _redrive(self, channel: str, passed: Mapping[int, datetime | None]) -> int:
        if not passed:
            return 0
        async with self._database.begin() as connection:
            number = await outbox.redrive_lost(
                connection, channel, passed, grace_seconds=self._grace_seconds, largest=MAX_GROUP
            )
        if number:
            log.warning("outbox.redriven", channel=channel, notifications=number)
            self._metrics.redriven(number)
        return number
