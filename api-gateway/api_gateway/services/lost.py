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
from api_gateway.services.counting import GatewayMetrics
from api_gateway.services.overtaking import Overtaking
from chassis.broker import Broker, BrokerUnavailable
from chassis.database import Database
from contracts.recipients import CHANNELS
from contracts.topology import FAILED_QUEUE, HIGHEST_PRIORITY, STATUS_QUEUE, queue_of, queues_of

log = structlog.get_logger()

LARGEST_GROUP = 1_000
PRIORITIES = range(1, HIGHEST_PRIORITY + 1)


class LostWatch:
    """`run_once` looks at every queue, keeps the `queue_size` and `queue_consumers` metrics and re-drives what was lost."""

    def __init__(
        self,
        broker: Broker,
        database: Database,
        metrics: GatewayMetrics,
        overtaking: Overtaking,
        *,
        grace_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._broker = broker
        self._overtaking = overtaking
        self._database = database
        self._metrics = metrics
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._empty_since: dict[str, float] = {}

    async def run_once(self) -> int:
        """How many notifications it made due again."""
        redriven = 0
        for channel in CHANNELS:
            empty = [queue for queue in queues_of(channel) if await self._stood_empty(queue)]
            gone = dict.fromkeys(each for each in PRIORITIES if queue_of(channel, each) in empty)
            redriven += await self._redrive(channel, {**self._overtaking.of(channel), **gone})
        for queue in (FAILED_QUEUE, STATUS_QUEUE):
            await self._is_empty(queue)
        return redriven

    async def _stood_empty(self, queue: str) -> bool:
        """Empty at every look for the whole grace. A broker that does not answer says nothing, so the wait begins anew."""
        if not await self._is_empty(queue):
            self._empty_since.pop(queue, None)
            return False
        since = self._empty_since.setdefault(queue, self._clock())
        return self._clock() - since > self._grace_seconds

    async def _is_empty(self, queue: str) -> bool:
        try:
            depth = await self._broker.depth(queue)
        except BrokerUnavailable:
            self._metrics.queues.lost_sight_of(queue)
            return False
        self._metrics.queues.saw(queue, depth)
        return depth.ready == 0 and not depth.unacked

    async def _redrive(self, channel: str, passed: Mapping[int, datetime | None]) -> int:
        if not passed:
            return 0
        async with self._database.begin() as connection:
            number = await outbox.redrive_lost(
                connection, channel, passed, grace_seconds=self._grace_seconds, largest=LARGEST_GROUP
            )
        if number:
            log.warning("outbox.redriven", channel=channel, notifications=number)
            self._metrics.redriven(number)
        return number
