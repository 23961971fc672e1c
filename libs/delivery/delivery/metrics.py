"""A worker's metrics."""

from collections.abc import Collection
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Histogram

from contracts.messages import NotificationMessage
from contracts.metrics import NotificationMetrics
from contracts.recipients import Channel
from delivery.ledger import DeliveryRecord
from delivery.outcomes import AccountRefused, Ambiguous, Outcome, Permanent, Postponed, ProviderDown, RetryLater, Sent

STATES = ("sent", "retry", "failed", "suppressed", "expired", "unknown")
PROVIDER_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
# `refused`: for good; `deferred`: refused for now.
ANSWERS = ("taken", "refused", "deferred", "in_doubt", "down", "other")


def answer_of(outcome: Outcome) -> str:
    """The label of a provider's answer: accepted, refused for good or for now, or no answer."""
    match outcome:
        case Sent():
            return "taken"
        case Permanent():
            return "refused"
        case RetryLater():
            return "deferred"
        case Ambiguous():
            return "in_doubt"
        case ProviderDown():
            return "down"
        case _:
            return "other"


class _ProviderSeries:
    def __init__(self, answers: Counter, account: Counter, seconds: Histogram, labels: tuple[str, str]) -> None:
        self.answers = {answer: answers.labels(*labels, answer) for answer in ANSWERS}
        self.account = account.labels(*labels)
        self.seconds = seconds.labels(*labels)


class DeliveryMetrics:
    """`notifications_total{type,status}` counts a worker's attempts by the state in which they ended.

    A worker has one channel and knows its providers, so every series is created here, at 0, except those of test keys. So
    counting needs no look-up by label, and Prometheus sees the first increase (it sees no increase in a series that begins
    with 1).
    """

    def __init__(self, registry: CollectorRegistry, channel: Channel, providers: Collection[str]) -> None:
        promised = NotificationMetrics(registry, description="Delivery attempts by outcome")
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
        answers = Counter(
            "provider_answers_total",
            "What each provider made of our messages; refused: for good, deferred: refused for now",
            ["type", "provider", "answer"],
            registry=registry,
        )
        account = Counter(
            "provider_account_refused_total",
            "Attempts that the provider refused because of our account: login, quota, sender, suspension",
            ["type", "provider"],
            registry=registry,
        )
        seconds = Histogram(
            "provider_request_seconds",
            "From handing a message to the provider's client until its outcome is known",
            ["type", "provider"],
            registry=registry,
            buckets=PROVIDER_SECONDS,
        )
        self._providers = {name: _ProviderSeries(answers, account, seconds, (channel, name)) for name in providers}

    def count_attempt(self, message: NotificationMessage, row: DeliveryRecord, outcome: Outcome) -> None:
        if message.test:
            self._tests.labels(self._channel, row.state).inc()
            return
        # ProviderDown is counted, although no attempt is spent: the share of `retry` shows that a provider fails. A postponed
        # delivery waits for its domain or a hold: no provider failed.
        if isinstance(outcome, Postponed) and row.state == "retry":
            return
        self._attempts[row.state].inc()
        self.count_ambiguous(row.ambiguous)
        if isinstance(outcome, Sent):
            self._seconds.observe((datetime.now(UTC) - message.created_at).total_seconds())

    def count_ambiguous(self, times: int) -> None:
        if times:
            self._ambiguous.inc(times)

    def observe_answer(self, provider: str, outcome: Outcome, seconds: float | None = None) -> None:
        """`seconds`: the duration of the call. None: there was no call, because the provider was unreachable."""
        series = self._providers[provider]
        series.answers[answer_of(outcome)].inc()
        if isinstance(outcome, AccountRefused):
            series.account.inc()
        if seconds is not None:
            series.seconds.observe(seconds)
