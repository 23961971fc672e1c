"""What goes through the queue once more is due again soon unless the broker has it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from chassis.broker import Publication, PublishFailed, QueueDepth
from chassis.broker.watermarks import ConsumedWatermarks
from delivery.ledger import DeliveryRecord
from delivery.metrics import DeliveryMetrics
from delivery.sweeping import PUBLISH_LEASE_SECONDS, REQUEUED_HEADER, Sweep, instant_of
from testkit.eventually import eventually


class Broker:
    """Confirms every message except those that it is configured to lose."""

    connected = True

    def __init__(self) -> None:
        self.loses: set[str] = set()
        self.keys: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.ready = 0

    async def depth(self, queue: str) -> QueueDepth:
        return QueueDepth(ready=self.ready, unacked=None, consumers=1)

    async def publish_many(self, publications: Sequence[Publication]) -> list[PublishFailed | None]:
        self.keys += [one.routing_key for one in publications]
        self.headers += [one.headers for one in publications]
        return [
            PublishFailed("not confirmed in time") if one.message_id in self.loses else None for one in publications
        ]


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def is_delivering() -> set[UUID]:
    return set()


@pytest.fixture
def watermarks() -> ConsumedWatermarks:
    return ConsumedWatermarks()


@pytest.fixture
def sweep(ledger_of, broker, is_delivering, watermarks) -> Sweep:
    metrics = DeliveryMetrics(CollectorRegistry(), "email", ["provider"])
    return Sweep(
        "email", ledger_of("w1"), broker, metrics, silence_seconds=15, lost_grace_seconds=0.2,
        is_delivering=is_delivering.__contains__, watermarks=watermarks,
    )  # fmt: skip


@pytest.fixture
async def due(ledger_of, claim_on) -> list[UUID]:
    """Two deliveries whose next attempt is due."""
    ledger, claims = ledger_of("w1"), [claim_on(), claim_on()]
    for claim in claims:
        await ledger.take(claim)
        await ledger.record(DeliveryRecord(claim.notification_id, claim.recipient, state="retry", attempts=1, delay=0))
    return [claim.notification_id for claim in claims]


async def _waits(database) -> dict[UUID, float | None]:
    query = text(
        "SELECT notification_id, extract(epoch FROM next_attempt_at - now())::float8 AS seconds FROM email_deliveries"
    )
    async with database.begin() as connection:
        return {row.notification_id: row.seconds for row in await connection.execute(query)}


async def test_an_unconfirmed_message_is_published_again_soon(database, sweep, broker, due) -> None:
    confirmed, lost = due
    broker.loses = {str(lost)}
    assert await sweep.run_once() == 2
    waits = await _waits(database)
    assert waits[lost] == pytest.approx(PUBLISH_LEASE_SECONDS, abs=5)
    assert waits[confirmed] is None, "it waits for a worker, not for a time"
    assert await sweep.run_once() == 0, "neither is due yet"


async def _until_redriven(sweep: Sweep, broker: Broker, number: int) -> None:
    async def redriven() -> bool:
        await sweep.find_lost()
        await sweep.run_once()
        return len(broker.keys) >= number

    await eventually(redriven)


async def test_a_message_in_the_queue_is_not_published_again_and_a_lost_one_is(database, sweep, broker, due) -> None:
    broker.ready = 2
    await sweep.run_once()
    async with database.begin() as connection:
        await connection.execute(text("UPDATE email_deliveries SET updated_at = now() - interval '1 day'"))
    for _ in range(3):
        await sweep.find_lost()
        assert await sweep.run_once() == 0, "consuming is paused, or there is a backlog"
    broker.ready = 0
    await _until_redriven(sweep, broker, 4)


async def test_a_message_that_a_later_one_of_its_priority_overtook_is_published_again(
    sweep, broker, watermarks, due
) -> None:
    broker.ready = 2  # others
    await sweep.run_once()
    taken_at = instant_of(broker.headers[0][REQUEUED_HEADER])
    watermarks.note_consumed("email", 6, taken_at + timedelta(days=1), uuid4())
    await sweep.find_lost()
    assert await sweep.run_once() == 0
    watermarks.note_consumed("email", 5, taken_at + timedelta(days=1), uuid4())
    await _until_redriven(sweep, broker, 4)


@pytest.mark.parametrize("header", [None, "1", 7, "2026-01-01", "2026-01-01T00:00:00"])
def test_a_header_without_an_instant_says_nothing(header: object) -> None:
    assert instant_of(header) is None


async def test_an_owned_delivery_that_is_not_in_hand_is_due_at_once(
    database, sweep, broker, ledger_of, claim_on, is_delivering
) -> None:
    lost, held = claim_on(), claim_on()
    for claim in (lost, held):
        await ledger_of("w1").take(claim)
    is_delivering.add(held.notification_id)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE email_deliveries SET updated_at = now() - interval '16 s'"))
    await sweep.requeue_abandoned()
    assert await sweep.run_once() == 1
    assert (await ledger_of("w1").states([held.notification_id])).keys() == {held.notification_id}
    assert len(await ledger_of("w1").owned(silence_seconds=0)) == 1


async def test_a_delivery_that_is_claimed_meanwhile_is_not_delayed(
    database, sweep, ledger_of, claim_on, broker, due
) -> None:
    taken = due[0]

    async def consumed_at_once(publications: Sequence[Publication]) -> list[None]:
        await ledger_of("w2").take(claim_on(taken))
        return [None] * len(publications)

    broker.publish_many = consumed_at_once
    await sweep.run_once()
    async with database.begin() as connection:
        states = await connection.execute(
            text("SELECT state, next_attempt_at FROM email_deliveries WHERE notification_id = :id"), {"id": taken}
        )
        assert states.one() == ("sending", None)


@pytest.mark.parametrize(("priority", "key"), [(7, "email"), (8, "email.urgent")])
async def test_a_retry_goes_back_to_the_queue_of_its_priority(
    sweep, broker, ledger_of, claim_on, priority, key
) -> None:
    ledger, claim = ledger_of("w1"), claim_on(priority=priority)
    await ledger.take(claim)
    await ledger.record(DeliveryRecord(claim.notification_id, claim.recipient, state="retry", attempts=1, delay=0))
    await sweep.run_once()
    assert broker.keys == [key]
