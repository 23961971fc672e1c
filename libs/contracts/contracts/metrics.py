"""The metrics that the project promises by name, the same in the gateway and in the workers."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from chassis.broker import Broker, BrokerUnavailable, QueueDepth
from chassis.observability.metrics import Reading

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


class QueueGauges:
    """What was last seen of each queue. What cannot be looked at is not shown: an old figure would pass for a fresh one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._size = Reading("queue_size", "Messages ready in a queue", ["queue"], registry=registry)
        self._consumers = Reading("queue_consumers", "Consumers of a queue", ["queue"], registry=registry)

    async def look(self, broker: Broker, queue: str) -> QueueDepth | None:
        """Asks the broker, and shows what it says. None: it does not answer."""
        try:
            depth = await broker.depth(queue)
        except BrokerUnavailable:
            self.lost_sight_of(queue)
            return None
        self.saw(queue, depth)
        return depth

    def saw(self, queue: str, depth: QueueDepth) -> None:
        self._size.labels(queue).set(depth.ready)
        self._consumers.labels(queue).set(depth.consumers)

    def lost_sight_of(self, queue: str) -> None:
        for gauge in (self._size, self._consumers):
            gauge.remove(queue)


class NotificationMetrics:
    """In a service's registry. `counted` says what one count of `notifications_total` is in that service."""

    def __init__(self, registry: CollectorRegistry, *, counted: str) -> None:
        self.total = Counter("notifications_total", counted, ["type", "status"], registry=registry)
        self.seconds = Histogram(
            "notification_processing_seconds",
            "From acceptance to the provider's answer",
            ["type"],
            registry=registry,
            buckets=SECONDS,
        )
        self.queues = QueueGauges(registry)
