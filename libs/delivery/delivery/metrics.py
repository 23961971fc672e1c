"""A worker's metrics."""

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Histogram

from contracts.messages import NotificationMessage
from contracts.metrics import NotificationMetrics
from contracts.recipients import Channel
from delivery.ledger import DeliveryRecord
from delivery.outcomes import AccountRefused, Outcome, Sent

STATES = ("sent", "retry", "failed", "suppressed", "expired", "unknown")
PROVIDER_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class DeliveryMetrics:
    """`notifications_total{type,status}` counts a worker's attempts by the state they ended in.

    A worker has one channel, so every series is created here, at 0. Counting needs no look-up by label, and Prometheus sees
    the first increase (it sees none in a series that appears with a 1).
    """

    def __init__(self, registry: CollectorRegistry, channel: Channel) -> None:
        promised = NotificationMetrics(registry, counted="Delivery attempts by outcome")
        self.queues = promised.queues
        self._attempts = {state: promised.total.labels(channel, state) for state in STATES}
        self._seconds = promised.seconds.labels(channel)
        self._tests = Counter(
            "test_notifications_total",
            "Delivery attempts of test keys, whose outcomes are simulated",
            ["type", "status"],
            registry=registry,
        )
        self._channel = channel
        self._ambiguous = Counter(
            "delivery_ambiguous_total", "Attempts that may or may not have been sent", ["type"], registry=registry
        ).labels(channel)
        self._account = Counter(
            "provider_account_refused_total",
            "Attempts that the provider refused because of our account: login, quota, sender, suspension",
            ["type"],
            registry=registry,
        ).labels(channel)
        self._provider = Histogram(
            "provider_request_seconds",
            "From handing a message to the provider's client until its outcome is known",
            ["type"],
            registry=registry,
            buckets=PROVIDER_SECONDS,
        ).labels(channel)

    def attempted(self, message: NotificationMessage, row: DeliveryRecord, outcome: Outcome) -> None:
        if message.test:
            self._tests.labels(self._channel, row.state).inc()
            return
        self._attempts[row.state].inc()
        self.doubted(row.doubt)
        match outcome:
            case Sent():
                self._seconds.observe((datetime.now(UTC) - message.created_at).total_seconds())
            case AccountRefused():
                self._account.inc()

    def doubted(self, times: int) -> None:
        if times:
            self._ambiguous.inc(times)

    def asked_provider(self, seconds: float) -> None:
        self._provider.observe(seconds)
