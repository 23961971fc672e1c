"""The gateway's metrics, under the names that the project documents.

Series with known labels are created here with the value 0: Prometheus sees no increase in a series that starts at 1.
"""

import math
from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis.observability.metrics import Reading
from contracts.metrics import NotificationMetrics
from contracts.recipients import CHANNELS, Channel
from contracts.status import Status


class GatewayMetrics:
    """`notifications_total{type,status}` counts each status that a notification reaches, once per notification."""

    def __init__(self, registry: CollectorRegistry) -> None:
        promised = NotificationMetrics(registry, description="Notifications that reached a status")
        self._seconds, self.queues = promised.seconds, promised.queues
        self._transitions: dict[tuple[str, str], Counter] = {
            (channel, status): promised.total.labels(channel, status) for channel, status in product(CHANNELS, Status)
        }
        self._tests = Counter(
            "test_notifications_accepted_total", "Notifications of test keys", ["type"], registry=registry
        )
        for channel in CHANNELS:
            self._tests.labels(channel)
        self._repeats = Counter(
            "idempotent_replays_total", "Requests answered with their first answer", registry=registry
        )
        self._redriven = Counter(
            "outbox_redriven_total",
            "Notifications published again because the broker or a ledger lost them",
            registry=registry,
        )

    def count_transition(self, channel: str, status: str, times: int = 1) -> None:
        self._transitions[channel, status].inc(times)

    def count_test_notifications(self, channels: Iterable[str]) -> None:
        for channel, times in Tally(channels).items():
            self._tests.labels(channel).inc(times)

    def count_transitions(self, pairs: Iterable[tuple[str, str]]) -> None:
        for (channel, status), times in Tally(pairs).items():
            self.count_transition(channel, status, times)

    def observe_seconds(self, channel: str, seconds: float) -> None:
        self._seconds.labels(channel).observe(seconds)

    def count_repeats(self, times: int) -> None:
        self._repeats.inc(times)

    def count_redriven(self, times: int) -> None:
        self._redriven.inc(times)


class ReadingMetrics:
    """Figures that a gateway reads from the database at intervals. `reading` is `unaccounted`, `ledgers`, `held`
    or `oldest`.

    If a reading fails, its figures are removed, so that no figure is older than its timestamp.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._unaccounted = Reading(
            "notifications_unaccounted", "Accepted notifications without a row", ["type"], registry=registry
        )
        self._oldest = Reading(
            "notifications_oldest_seconds",
            "Seconds that the oldest notification has waited although it could proceed; 0 if none waits",
            ["type", "status"],
            registry=registry,
        )
        self._succeeded = Gauge(
            "reading_last_success_timestamp_seconds",
            "Time of the last reading from the database; 0 before the first one",
            ["reading"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._unfounded = Reading(
            "notifications_unfounded",
            "Notifications of the last 24 hours that are sent by the gateway's record and not by any ledger's",
            ["type"],
            registry=registry,
        )
        self._held = Reading(
            "notifications_held", "Notifications that wait because of a hold", ["type"], registry=registry
        )
        self._holds_oldest = Gauge(
            "holds_oldest_seconds",
            "Seconds that the oldest hold has stood; 0 if none stands",
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        for reading in ("unaccounted", "ledgers", "oldest", "held"):
            self._succeeded.labels(reading).set(0)

    def unaccounted(self, by_channel: Mapping[str, int]) -> None:
        for channel, number in by_channel.items():
            self._unaccounted.labels(channel).set(number)
        self._succeeded.labels("unaccounted").set_to_current_time()

    def oldest(self, seconds: Mapping[tuple[str, str], float]) -> None:
        for (channel, status), waited in seconds.items():
            self._oldest.labels(channel, status).set(waited)
        self._succeeded.labels("oldest").set_to_current_time()

    def unfounded(self, by_channel: Mapping[str, int]) -> None:
        """A channel that is not in the mapping gets no figure."""
        self._unfounded.clear()
        for channel, number in by_channel.items():
            self._unfounded.labels(channel).set(number)
        self._succeeded.labels("ledgers").set_to_current_time()

    def held(self, by_channel: Mapping[Channel, int], oldest_seconds: float) -> None:
        for channel, number in by_channel.items():
            self._held.labels(channel).set(number)
        self._holds_oldest.set(oldest_seconds)
        self._succeeded.labels("held").set_to_current_time()

    def held_unknown(self) -> None:
        self._held.clear()
        self._holds_oldest.set(math.nan)

    def unfounded_unknown(self) -> None:
        self._unfounded.clear()

    def unaccounted_unknown(self) -> None:
        self._unaccounted.clear()

    def oldest_unknown(self) -> None:
        self._oldest.clear()
