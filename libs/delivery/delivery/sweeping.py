"""A worker's periodic tasks: heartbeats, retries, the search for lost messages, and retention."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import structlog

from chassis.broker import Broker, Publication
from chassis.broker.watermarks import ConsumedWatermarks, EmptyQueues
from chassis.observability.tracing import headers_of
from chassis.postgres.retention import Retention
from contracts.recipients import Channel
from contracts.topology import PRIORITIES, queue_of, queues_of, routing_key_of
from delivery.ledger import Ledger, ToRequeue
from delivery.metrics import DeliveryMetrics

log = structlog.get_logger()

MAX_GROUP = 500
# The header of a message that a sweep published: when the message was taken from the ledger (ISO 8601).
REQUEUED_HEADER = "requeued"
# A message that the broker has not confirmed within this time is published again: this worker died, or the broker was down.
PUBLISH_LEASE_SECONDS = 15.0


class Sweep:
    """Every worker runs one. A worker without a heartbeat for `silence_seconds` counts as dead.

    `is_delivering` returns whether this worker is working on a notification. `watermarks` and empty queues prove which
    messages are no longer in the queues.
    """

    def __init__(  # noqa: PLR0913 - the composition root hands every part in
        self,
        channel: Channel,
        ledger: Ledger,
        broker: Broker,
        metrics: DeliveryMetrics,
        *,
        silence_seconds: float,
        lost_grace_seconds: float,
        is_delivering: Callable[[UUID], bool],
        watermarks: ConsumedWatermarks,
    ) -> None:
        self._channel = channel
        self._ledger = ledger
        self._broker = broker
        self._metrics = metrics
        self._silence_seconds = silence_seconds
        self._lost_grace_seconds = lost_grace_seconds
        self._delivering = is_delivering
        self._watermarks = watermarks
        self._empty = EmptyQueues(grace_seconds=lost_grace_seconds)

    async def beat(self) -> int:
        await self._ledger.beat(silence_seconds=self._silence_seconds)
        return 0

    async def run_once(self) -> int:
        """Puts due messages back into the queue. Returns how many."""
        if not self._broker.connected:
            return 0
        taken = await self._ledger.take_due(
            lease_seconds=PUBLISH_LEASE_SECONDS, silence_seconds=self._silence_seconds, limit=MAX_GROUP
        )
        self._metrics.count_ambiguous(sum(item.ambiguous for item in taken))
        if taken:
            outcomes = await self._broker.publish_many([self._publication(item) for item in taken])
            confirmed = [item.notification_id for item, outcome in zip(taken, outcomes, strict=True) if outcome is None]
            if confirmed:
                await self._ledger.mark_handed_over(confirmed)
            log.info("ledger.requeued", messages=len(taken), failed=sum(one is not None for one in outcomes))
        return len(taken)

    async def requeue_abandoned(self) -> int:
        """Requeues deliveries that this worker owns but does not work on: the answer to their claim was lost."""
        owned = await self._ledger.owned(silence_seconds=self._silence_seconds)
        abandoned = [one for one in owned if not self._delivering(one.notification_id)]
        if abandoned:
            log.warning("ledger.abandoned_requeued", deliveries=await self._ledger.requeue_abandoned(abandoned))
        return 0

    async def find_lost(self) -> int:
        """Reads the queues' sizes, for the metrics and to find messages that were handed over and are no longer there."""
        empty = [
            queue
            for queue in queues_of(self._channel)
            if self._empty.check(queue, await self._metrics.queues.measure(self._broker, queue))
        ]
        drained = dict.fromkeys(each for each in PRIORITIES if queue_of(self._channel, each) in empty)
        watermarks = {**self._watermarks.by_priority(self._channel), **drained}
        if watermarks:
            number = await self._ledger.redrive_lost(
                watermarks, grace_seconds=self._lost_grace_seconds, limit=MAX_GROUP
            )
            if number:
                log.warning("ledger.redriven", deliveries=number)
        return 0

    def _publication(self, item: ToRequeue) -> Publication:
        return Publication(
            routing_key=routing_key_of(self._channel, item.priority),
            body=item.message.encode(),
            message_id=str(item.notification_id),
            priority=item.priority,
            headers={REQUEUED_HEADER: item.taken_at.isoformat(), **headers_of(item.trace_context)},
        )


def instant_of(header: object) -> datetime | None:
    """The time in a REQUEUED_HEADER; None if it has none."""
    try:
        found = datetime.fromisoformat(header) if isinstance(header, str) else None
    except ValueError:  # an older release wrote "1"
        return None
    return found if found is None or found.tzinfo is not None else None


# The ledger keeps its rows longer than the gateway: as long as the gateway can publish a notification again, the ledger
# has to know it.
EXTRA_DAYS = 1


def ledger_retention(ledger: Ledger, *, retention_days: int | None) -> Retention:
    """`retention_days` is how long the gateway keeps its rows."""
    days = None if retention_days is None else retention_days + EXTRA_DAYS
    return Retention(ledger.remove, days=days, rows="deliveries")
