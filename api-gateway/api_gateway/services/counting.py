"""The gateway's metrics, under the names that the project promises."""

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter

from contracts.metrics import NotificationMetrics


class GatewayMetrics:
    """`notifications_total{type,status}` counts every status a notification reaches, once each."""

    def __init__(self, registry: CollectorRegistry) -> None:
        promised = NotificationMetrics(registry, counted="Notifications that reached a status")
        self._reached, self._seconds, self.queue_size = promised.total, promised.seconds, promised.queue_size
        self._replays = Counter(
            "idempotent_replays_total", "Requests answered with their first answer", registry=registry
        )
        self._redriven = Counter(
            "outbox_redriven_total", "Notifications published again because the broker lost them", registry=registry
        )

    def moved(self, channel: str, status: str, times: int = 1) -> None:
        self._reached.labels(channel, status).inc(times)

    def moved_all(self, pairs: Iterable[tuple[str, str]]) -> None:
        for (channel, status), times in Tally(pairs).items():
            self.moved(channel, status, times)

    def took(self, channel: str, seconds: float) -> None:
        self._seconds.labels(channel).observe(seconds)

    def replayed(self) -> None:
        self._replays.inc()

    def redriven(self, times: int) -> None:
        self._redriven.inc(times)
