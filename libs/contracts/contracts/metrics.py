"""The metrics that the project promises by name, the same in the gateway and in the workers."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


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
        self.queue_size = Gauge("queue_size", "Messages ready in a queue", ["queue"], registry=registry)
