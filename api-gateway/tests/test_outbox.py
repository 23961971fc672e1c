"""The outbox: what was accepted is published, whatever was away in between."""

import asyncio
from datetime import UTC, datetime, timedelta

from chassis.broker import MemoryBroker
from contracts.topology import TOPOLOGY


class BrokerThatMayBeAway(MemoryBroker):
    """The in-process broker with a switch."""

    def __init__(self) -> None:
        super().__init__(TOPOLOGY)
        self.away = False

    @property
    def connected(self) -> bool:
        return not self.away and super().connected


async def test_accepted_while_the_broker_is_away_it_is_published_when_it_is_back(start) -> None:
    broker = BrokerThatMayBeAway()
    gateway = await start(broker=broker)
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    broker.away = True
    answers = [await gateway.send(user_id=str(user.id), priority=1 + place % 10) for place in range(20)]
    assert {answered.status_code for answered in answers} == {202}
    broker.away = False
    assert (await broker.depth("email.queue")).ready == 0
    for answered in answers:
        await gateway.until(answered.json()["data"]["notification_id"], "queued")
    assert (await broker.depth("email.queue")).ready == 20


async def test_what_a_dead_process_accepted_is_published_by_another_when_its_lease_ends(start) -> None:
    dead = await start(broker=(mute := BrokerThatMayBeAway()), lease_seconds=0.5, relay_interval_seconds=1_000)
    user = dead.peers.add_user()
    dead.peers.add_template()
    dead.app.state.desk.acceptor._outbox.offer = lambda *_: None  # it dies between its commit and its publishing
    accepted = (await dead.send(user_id=str(user.id))).json()["data"]
    living = await start()
    await living.until(accepted["notification_id"], "queued")
    assert (await living.broker.depth("email.queue")).ready == 1
    assert (await mute.depth("email.queue")).ready == 0


async def test_send_at_is_kept_and_expires_at_ends_what_is_too_late(start) -> None:
    broker = BrokerThatMayBeAway()
    gateway = await start(broker=broker)
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    soon = datetime.now(UTC) + timedelta(seconds=1)
    later = (await gateway.send(user_id=str(user.id), send_at=soon.isoformat())).json()["data"]
    assert (await gateway.story(later["notification_id"]))["status"] == "pending"
    story = await gateway.until(later["notification_id"], "queued")
    assert datetime.fromisoformat(story["queued_at"]) >= soon
    broker.away = True
    late = await gateway.send(user_id=str(user.id), expires_at=(datetime.now(UTC) + timedelta(seconds=0.5)).isoformat())
    await asyncio.sleep(0.6)
    broker.away = False
    assert (await gateway.until(late.json()["data"]["notification_id"], "expired"))["error"] == "expired"


async def test_a_scheduled_one_is_looked_up_again_when_its_time_comes(start) -> None:
    gateway = await start()
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    at = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    scheduled = (await gateway.send(user_id=str(user.id), send_at=at)).json()["data"]
    gateway.peers.users[user.id] = user.model_copy(
        update={"preferences": user.preferences.model_copy(update={"email": False})}
    )
    await gateway.app.state.desk.acceptor._directory._user_cache.forget(str(user.id))
    assert (await gateway.until(scheduled["notification_id"], "suppressed"))["error"] == "opted_out"


async def test_what_an_emptied_broker_lost_is_published_again(start) -> None:
    gateway = await start(lost_grace_seconds=0.3)
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    accepted = (await gateway.send(user_id=str(user.id))).json()["data"]
    await gateway.until(accepted["notification_id"], "queued")
    await asyncio.sleep(1)  # a message that stands in the queue is not published again, however long
    assert (await gateway.broker.depth("email.queue")).ready == 1
    taken = asyncio.Event()

    async def lose(delivery) -> None:
        await delivery.ack()
        taken.set()

    consumer = await gateway.broker.consume("email.queue", lose, prefetch=1)
    await asyncio.wait_for(taken.wait(), 5)
    await consumer.close()
    async with asyncio.timeout(5):
        while (await gateway.broker.depth("email.queue")).ready != 1:
            await asyncio.sleep(0.05)
