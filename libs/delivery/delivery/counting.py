"""A worker's metrics."""

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from contracts.messages import NotificationMessage
from delivery.ledger import Recorded
from delivery.outcomes import Outcome, Sent

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


class DeliveryMetrics:
    """`notifications_total{type,status}` counts a worker's attempts by the state they ended in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._attempts = Counter(
            "notifications_total", "Delivery attempts by what became of them", ["type", "status"], registry=registry
        )
        self._seconds = Histogram(
            "notification_processing_seconds",
            "From acceptance to the provider's answer",
            ["type"],
            registry=registry,
            buckets=SECONDS,
        )
        self.queue_size = Gauge("queue_size", "Messages ready in a queue", ["queue"], registry=registry)

    def attempted(self, message: NotificationMessage, row: Recorded, outcome: Outcome) -> None:
        self._attempts.labels(message.notification_type, row.state).inc()
        if isinstance(outcome, Sent):
            waited = (datetime.now(UTC) - message.created_at).total_seconds()
            self._seconds.labels(message.notification_type).observe(waited)
