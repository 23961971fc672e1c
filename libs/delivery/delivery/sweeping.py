"""What nobody has in hand: due retries and what dead workers left go back through the queue, in order of priority."""

import time
from collections.abc import Callable

import structlog

from chassis.broker import Broker, Publication
from chassis.errors import Unavailable
from chassis.tracing import headers_of
from contracts.recipients import Channel
from contracts.topology import routing_key_of
from delivery.counting import DeliveryMetrics
from delivery.ledger import Ledger, ToRequeue

log = structlog.get_logger()

LARGEST_GROUP = 500
REQUEUED_HEADER = "requeued"  # the message comes from the ledger: it may have recipients that are gone
# In which a message must have been handed to the broker, or it is published again: this worker died over it, or the broker
# was away.
PUBLISH_LEASE_SECONDS = 15.0
QUEUE_LEASE_SECONDS = 300.0  # in which one that the broker confirmed must have been consumed, or it is published again


class Sweep:
    """Every worker runs one. `silence_seconds` without a heartbeat make a worker dead."""

    def __init__(
        self,
        channel: Channel,
        ledger: Ledger,
        broker: Broker,
        metrics: DeliveryMetrics,
        *,
        silence_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channel = channel
        self._ledger = ledger
        self._broker = broker
        self._metrics = metrics
        self._silence_seconds = silence_seconds
        self._clock = clock
        self._beating_since: float | None = None

    async def beat(self) -> int:
        try:
            await self._ledger.beat()
        except Unavailable:
            self._beating_since = None
            raise
        if self._beating_since is None:
            self._beating_since = self._clock()
        return 0

    async def run_once(self) -> int:
        """How many messages it put back into the queue."""
        if not self._broker.connected:
            return 0
        taken = await self._ledger.take_due(
            lease_seconds=PUBLISH_LEASE_SECONDS,
            silence_seconds=self._silence_seconds if self._may_judge() else None,
            largest=LARGEST_GROUP,
        )
        self._metrics.doubted(sum(item.doubts for item in taken))
        if taken:
            outcomes = await self._broker.publish_many([self._publication(item) for item in taken])
            confirmed = [item.notification_id for item, outcome in zip(taken, outcomes, strict=True) if outcome is None]
            if confirmed:
                await self._ledger.handed_over(confirmed, lease_seconds=QUEUE_LEASE_SECONDS)
            log.info("ledger.requeued", messages=len(taken), failed=sum(one is not None for one in outcomes))
        return len(taken)

    def _may_judge(self) -> bool:
        """While the database was away nobody's heart could be heard: the living must have had time to beat again."""
        return self._beating_since is not None and self._clock() - self._beating_since > self._silence_seconds

    def _publication(self, item: ToRequeue) -> Publication:
        return Publication(
            routing_key=routing_key_of(self._channel, item.priority),
            body=item.message.encode(),
            message_id=str(item.notification_id),
            priority=item.priority,
            headers={REQUEUED_HEADER: "1", **headers_of(item.trace_context)},
        )
