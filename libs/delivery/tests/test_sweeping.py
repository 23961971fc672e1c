"""What goes through the queue once more is due again soon unless the broker has it."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from chassis.broker import Publication, PublishFailed
from delivery.counting import DeliveryMetrics
from delivery.ledger import Recorded
from delivery.sweeping import PUBLISH_LEASE_SECONDS, QUEUE_LEASE_SECONDS, Sweep


class Broker:
    """Confirms every message but those it was told to lose."""

    connected = True

    def __init__(self) -> None:
        self.loses: set[str] = set()
        self.keys: list[str] = []

    async def publish_many(self, publications: Sequence[Publication]) -> list[PublishFailed | None]:
        self.keys += [one.routing_key for one in publications]
        return [
            PublishFailed("not confirmed in time") if one.message_id in self.loses else None for one in publications
        ]


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def sweep(ledger_of, broker) -> Sweep:
    metrics = DeliveryMetrics(CollectorRegistry(), "email")
    return Sweep("email", ledger_of("w1"), broker, metrics, silence_seconds=15)


@pytest.fixture
async def due(ledger_of, claim_on) -> list[UUID]:
    """Two deliveries whose next attempt is due."""
    ledger, claims = ledger_of("w1"), [claim_on(), claim_on()]
    for claim in claims:
        await ledger.claim(claim)
        await ledger.record(Recorded(claim.notification_id, claim.recipient, "retry", attempts=1, delay=0))
    return [claim.notification_id for claim in claims]


async def _waits(database) -> dict[UUID, float]:
    query = text("SELECT notification_id, extract(epoch FROM next_attempt_at - now()) AS seconds FROM email_deliveries")
    async with database.begin() as connection:
        return {row.notification_id: float(row.seconds) for row in await connection.execute(query)}


async def test_what_the_broker_did_not_confirm_is_published_again_soon(database, sweep, broker, due) -> None:
    confirmed, lost = due
    broker.loses = {str(lost)}
    assert await sweep.run_once() == 2
    waits = await _waits(database)
    assert waits[lost] == pytest.approx(PUBLISH_LEASE_SECONDS, abs=5)
    assert waits[confirmed] == pytest.approx(QUEUE_LEASE_SECONDS, abs=5)
    assert await sweep.run_once() == 0, "neither is due yet"


async def test_what_was_taken_up_meanwhile_is_not_put_off(database, sweep, ledger_of, claim_on, broker, due) -> None:
    taken = due[0]

    async def consumed_at_once(publications: Sequence[Publication]) -> list[None]:
        await ledger_of("w2").claim(claim_on(taken))
        return [None] * len(publications)

    broker.publish_many = consumed_at_once
    await sweep.run_once()
    async with database.begin() as connection:
        states = await connection.execute(
            text("SELECT state, next_attempt_at FROM email_deliveries WHERE notification_id = :id"), {"id": taken}
        )
        assert states.one() == ("claimed", None)


@pytest.mark.parametrize(("priority", "key"), [(7, "email"), (8, "email.urgent")])
async def test_a_retry_goes_back_to_the_queue_of_its_priority(
    sweep, broker, ledger_of, claim_on, priority, key
) -> None:
    ledger, claim = ledger_of("w1"), claim_on(priority=priority)
    await ledger.claim(claim)
    await ledger.record(Recorded(claim.notification_id, claim.recipient, "retry", attempts=1, delay=0))
    await sweep.run_once()
    assert broker.keys == [key]
