"""The metrics that the project promises by name. The gateway and the workers share them."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from chassis.broker import Broker, BrokerUnavailable, QueueDepth
from chassis.observability.metrics import Reading

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


class QueueGauges:
    """The last known state of each queue. An unavailable queue has no value: an old value would look current."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._size = Reading("queue_size", "Messages ready in a queue", ["queue"], registry=registry)
        self._consumers = Reading("queue_consumers", "Consumers of a queue", ["queue"], registry=registry)

    async def measure(self, broker: Broker, queue: str) -> QueueDepth | None:
        """Asks the broker and sets the gauges. None: the broker does not answer."""
        try:
            depth = await broker.depth(queue)
        except BrokerUnavailable:
            self.set_unknown(queue)
            return None
        self.set_depth(queue, depth)
        return depth

    def set_depth(self, queue: str, depth: QueueDepth) -> None:
        self._size.labels(queue).set(depth.ready)
        self._consumers.labels(queue).set(depth.consumers)

    def set_unknown(self, queue: str) -> None:
        for gauge in (self._size, self._consumers):
            gauge.remove(queue)


class NotificationMetrics:
    """The metrics in a service's registry. `description`: what `notifications_total` counts in that service."""

    def __init__(self, registry: CollectorRegistry, *, description: str) -> None:
        self.total = Counter("notifications_total", description, ["type", "status"], registry=registry)
        self.seconds = Histogram(
            "notification_processing_seconds",
            "From acceptance to the provider's answer",
            ["type"],
            registry=registry,
            buckets=SECONDS,
        )
        self.queues = QueueGauges(registry)
