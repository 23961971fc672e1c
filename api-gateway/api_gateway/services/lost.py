"""Finds messages that the broker lost, and makes them due again.

Lost: a queue was deleted, a node lost, or the in-process broker restarted.

A published row without a worker's report cannot be in its queue any more in two cases: the queue has been empty for longer
than a grace period, or workers have consumed messages of its priority that were published a grace period later. A backlog
alone, however long, never counts as lost. Publishing again is safe: workers recognise deliveries that they know.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from api_gateway.repositories import lost
from api_gateway.services.metrics import GatewayMetrics
from chassis.broker import Broker
from chassis.broker.watermarks import ConsumedWatermarks, EmptyQueues
from chassis.postgres.database import Database
from contracts.recipients import CHANNELS
from contracts.topology import FAILED_QUEUE, PRIORITIES, STATUS_QUEUE, queue_of, queues_of

log = structlog.get_logger()

MAX_GROUP = 1_000


class LostMessageDetector:
    """`run_once` checks every queue, updates the `queue_size` and `queue_consumers` metrics and redrives lost messages."""

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
        """Returns how many notifications it made due again."""
        redriven = 0
        for channel in CHANNELS:
            depths = {queue: await self._metrics.queues.measure(self._broker, queue) for queue in queues_of(channel)}
            empty = [queue for queue, depth in depths.items() if self._empty.check(queue, depth)]
            gone = dict.fromkeys(each for each in PRIORITIES if queue_of(channel, each) in empty)
            redriven += await self._redrive(channel, {**self._watermarks.by_priority(channel), **gone})
        for queue in (FAILED_QUEUE, STATUS_QUEUE):
            await self._metrics.queues.measure(self._broker, queue)
        return redriven

    async def _redrive(self, channel: str, watermarks: Mapping[int, datetime | None]) -> int:
        if not watermarks:
            return 0
        async with self._database.begin() as connection:
            number = await lost.redrive_lost(
                connection, channel, watermarks, grace_seconds=self._grace_seconds, limit=MAX_GROUP
            )
        if number:
            log.warning("outbox.redriven", channel=channel, notifications=number, lost_by="broker")
            self._metrics.count_redriven(number)
        return number
