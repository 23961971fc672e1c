"""A worker's metrics."""

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from contracts.messages import NotificationMessage
from contracts.metrics import NotificationMetrics
from delivery.ledger import Recorded
from delivery.outcomes import Outcome, Sent


class DeliveryMetrics:
    """`notifications_total{type,status}` counts a worker's attempts by the state they ended in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        promised = NotificationMetrics(registry, counted="Delivery attempts by what became of them")
        self._attempts, self._seconds, self.queue_size = promised.total, promised.seconds, promised.queue_size

    def attempted(self, message: NotificationMessage, row: Recorded, outcome: Outcome) -> None:
        self._attempts.labels(message.notification_type, row.state).inc()
        if isinstance(outcome, Sent):
            waited = (datetime.now(UTC) - message.created_at).total_seconds()
            self._seconds.labels(message.notification_type).observe(waited)
