"""What a worker counts: attempts by their end, ambiguous ones wherever they arise, and the provider's time."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from chassis.broker import MemoryBroker, QueueDepth
from chassis.broker.watermarks import ConsumedWatermarks
from contracts.messages import NotificationMessage, TemplateRef
from contracts.metrics import QueueGauges
from contracts.recipients import EmailRecipient
from contracts.topology import TOPOLOGY
from delivery.ledger import DeliveryRecord
from delivery.metrics import ANSWERS, DeliveryMetrics
from delivery.outcomes import AccountRefused, Ambiguous, Expired, Permanent, Postponed, ProviderDown, RetryLater, Sent
from delivery.sweeping import Sweep
from testkit.eventually import eventually


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> DeliveryMetrics:
    return DeliveryMetrics(registry, "email", ["provider"])


def _message() -> NotificationMessage:
    return NotificationMessage(
        notification_id=uuid4(), request_id="r", correlation_id="c", notification_type="email", user_id=uuid4(),
        template=TemplateRef(code="t", version=1, language="en"), variables={}, priority=5,
        recipient=EmailRecipient(name="Ada", email="ada@example.com"), created_at=datetime.now(UTC),
    )  # fmt: skip


def _attempts(registry: CollectorRegistry, status: str) -> float | None:
    return registry.get_sample_value("notifications_total", {"type": "email", "status": status})


def _answers(registry, answer) -> float:
    return registry.get_sample_value(
        "provider_answers_total", {"type": "email", "provider": "provider", "answer": answer}
    )


def test_every_series_is_there_before_anything_happened(registry, metrics) -> None:
    for status in ("sent", "retry", "failed", "suppressed", "expired", "unknown"):
        assert _attempts(registry, status) == 0
    for name in ("delivery_ambiguous_total", "notification_processing_seconds_count"):
        assert registry.get_sample_value(name, {"type": "email"}) == 0
    for name in ("provider_account_refused_total", "provider_request_seconds_count"):
        assert registry.get_sample_value(name, {"type": "email", "provider": "provider"}) == 0
    assert {_answers(registry, answer) for answer in ANSWERS} == {0}


@pytest.mark.parametrize(
    ("outcome", "answer"),
    [
        (Sent("1"), "taken"),
        (Permanent("bounced"), "refused"),
        (RetryLater("greylisted"), "deferred"),
        (Ambiguous("no_answer"), "in_doubt"),
        (ProviderDown("unreachable"), "down"),
        (AccountRefused("quota_exceeded"), "down"),
        (Expired(), "other"),
    ],
)
def test_a_provider_s_answer_is_counted_by_its_kind(registry, metrics, outcome, answer) -> None:
    metrics.observe_answer("provider", outcome, 0.2)
    metrics.observe_answer("provider", outcome)
    assert {kind: _answers(registry, kind) for kind in ANSWERS} == {kind: 2 * (kind == answer) for kind in ANSWERS}
    labels = {"type": "email", "provider": "provider"}
    assert registry.get_sample_value("provider_request_seconds_count", labels) == 1
    refused = registry.get_sample_value("provider_account_refused_total", labels)
    assert refused == 2 * isinstance(outcome, AccountRefused)


def test_an_attempt_is_counted_by_its_end_and_as_ambiguous_beside_it(registry, metrics) -> None:
    message = _message()
    row = DeliveryRecord(message.notification_id, "r1", state="retry")
    metrics.count_attempt(message, row, RetryLater("greylisted"))
    metrics.count_attempt(message, row, Postponed("domain_throttled"))  # no provider failed
    metrics.count_attempt(
        message, DeliveryRecord(message.notification_id, "r1", state="retry", ambiguous=1), Ambiguous("no_reply")
    )
    metrics.count_attempt(message, DeliveryRecord(message.notification_id, "r1", state="sent"), Sent("p"))
    assert (_attempts(registry, "retry"), _attempts(registry, "sent")) == (2, 1)
    assert registry.get_sample_value("delivery_ambiguous_total", {"type": "email"}) == 1
    assert registry.get_sample_value("notification_processing_seconds_count", {"type": "email"}) == 1


async def test_a_dead_workers_delivery_is_ambiguous_only_if_it_was_sending(
    registry, metrics, claim_on, ledger_of, database
) -> None:
    dead, living = ledger_of("dead"), ledger_of("living")
    notification_id = uuid4()
    sending = [claim_on(notification_id, recipient=f"device-{number}") for number in range(2)]
    for claim in (*sending, claim_on(), claim_on(notification_id, recipient="device-2")):
        await dead.take(claim)
    async with database.begin() as connection:
        # As a worker of the previous release leaves what it has not begun to send.
        await connection.execute(
            text("UPDATE email_deliveries SET state = 'claimed' WHERE recipient <> ALL(:sending)"),
            {"sending": [claim.recipient for claim in sending]},
        )
    broker = MemoryBroker(TOPOLOGY)
    await broker.start()
    sweep = Sweep(
        "email", living, broker, metrics, silence_seconds=1, lost_grace_seconds=60,
        is_delivering=lambda _: False, watermarks=ConsumedWatermarks(),
    )  # fmt: skip

    async def taken() -> int:
        await sweep.beat()
        return await sweep.run_once()

    # A worker judges once its own heart has beaten for as long as others are silent.
    assert await eventually(taken, 20, every=0.05) == 2, "one message a notification"
    assert registry.get_sample_value("delivery_ambiguous_total", {"type": "email"}) == 2
    assert await sweep.run_once() == 0
    assert registry.get_sample_value("delivery_ambiguous_total", {"type": "email"}) == 2
    await broker.close()


def test_a_queue_out_of_sight_is_not_shown_with_what_was_seen_last(registry) -> None:
    gauges = QueueGauges(registry)
    gauges.set_unknown("email.queue")  # never seen: nothing to take away
    gauges.set_depth("email.queue", QueueDepth(ready=7, unacked=None, consumers=2))
    shown = [registry.get_sample_value(name, {"queue": "email.queue"}) for name in ("queue_size", "queue_consumers")]
    assert shown == [7, 2]
    gauges.set_unknown("email.queue")
    shown = [registry.get_sample_value(name, {"queue": "email.queue"}) for name in ("queue_size", "queue_consumers")]
    assert shown == [None, None]
