"""The outbox: every accepted notification is published, whichever dependency was down in between."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from chassis.broker import MemoryBroker, Publication, PublishFailed
from chassis.process import yielding
from contracts.messages import NotificationMessage, StatusEvent, StatusEvents
from contracts.topology import TOPOLOGY, queue_of, queues_of
from testkit.brokers import BrokerThatMayBeAway
from testkit.eventually import eventually, stays, time_passes


async def test_accepted_while_the_broker_is_down_it_is_published_when_it_is_back(start) -> None:
    broker = BrokerThatMayBeAway()
    gateway = await start(broker=broker)
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    broker.down = True
    answers = [await gateway.send(user_id=str(user.id), priority=1 + place % 10) for place in range(20)]
    assert {answered.status_code for answered in answers} == {202}
    broker.down = False
    assert [(await broker.depth(queue)).ready for queue in queues_of("email")] == [0, 0]
    for answered in answers:
        await gateway.until(answered.json()["data"]["notification_id"], "queued")
    assert [(await broker.depth(queue)).ready for queue in queues_of("email")] == [6, 14]


async def test_a_dead_processs_notification_is_published_by_another_when_its_lease_ends(start) -> None:
    dead = await start(broker=(mute := BrokerThatMayBeAway()), lease_seconds=0.5, relay_interval_seconds=1_000)
    user = dead.peers.add_user()
    dead.peers.add_template()
    dead.root.outbox.offer = lambda *_: None  # it dies between its commit and its publishing
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
    assert (await gateway.detail(later["notification_id"]))["status"] == "pending"
    detail = await gateway.until(later["notification_id"], "queued")
    assert datetime.fromisoformat(detail["queued_at"]) >= soon
    broker.down = True
    late = await gateway.send(user_id=str(user.id), expires_at=(datetime.now(UTC) + timedelta(seconds=0.5)).isoformat())
    await time_passes(0.6)
    broker.down = False
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
    await gateway.forget(user)
    assert (await gateway.until(scheduled["notification_id"], "suppressed"))["error"] == "opted_out"


@pytest.mark.parametrize(("priority", "other"), [(5, 10), (10, 5)])
async def test_what_an_emptied_queue_lost_is_published_again(start, priority, other) -> None:
    gateway = await start(lost_grace_seconds=0.3)
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    for one in (priority, other):
        accepted = (await gateway.send(user_id=str(user.id), priority=one)).json()["data"]
        await gateway.until(accepted["notification_id"], "queued")
    emptied, full = queue_of("email", priority), queue_of("email", other)

    async def ready() -> list[int]:
        return [(await gateway.broker.depth(queue)).ready for queue in (emptied, full)]

    # A message that is still in the queue is never published again.
    await stays(ready, 1, holds=lambda found: found == [1, 1])
    taken = asyncio.Event()

    async def lose(delivery) -> None:
        await delivery.ack()
        taken.set()

    consumer = await gateway.broker.consume(emptied, lose, prefetch=1)
    await asyncio.wait_for(taken.wait(), 5)
    await consumer.close()
    await eventually(lambda: gateway.broker.depth(emptied), 5, until=lambda found: found.ready == 1)
    assert (await gateway.broker.depth(full)).ready == 1


class BrokerThatIsSlowWithTheRest(MemoryBroker):
    """Publishes messages of priority 10; all others wait for `open`."""

    def __init__(self) -> None:
        super().__init__(TOPOLOGY)
        self.open = asyncio.Event()

    async def publish_many(self, publications):
        if any(one.priority < 10 for one in publications):
            await self.open.wait()
        return await super().publish_many(publications)


async def test_an_urgent_notification_is_published_while_others_wait(start) -> None:
    broker = BrokerThatIsSlowWithTheRest()
    gateway = await start(broker=broker)
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    slow = [(await gateway.send(user_id=str(user.id), priority=1)).json()["data"] for _ in range(3)]
    urgent = (await gateway.send(user_id=str(user.id), priority=10)).json()["data"]
    await gateway.until(urgent["notification_id"], "queued")
    assert [(await broker.depth(queue)).ready for queue in queues_of("email")] == [1, 0]
    broker.open.set()
    for one in slow:
        await gateway.until(one["notification_id"], "queued")


class BrokerThatIsSlowWithTheUrgent(MemoryBroker):
    def __init__(self) -> None:
        super().__init__(TOPOLOGY)
        self.open, self.asked = asyncio.Event(), asyncio.Event()

    async def publish_many(self, publications):
        self.asked.set()
        if any(one.priority == 10 for one in publications):
            await self.open.wait()
        return await super().publish_many(publications)


async def test_a_batch_pauses_while_something_urgent_is_published(start, monkeypatch) -> None:
    gateway = await start(broker=(broker := BrokerThatIsSlowWithTheUrgent()))
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    monkeypatch.setattr(yielding, "MAX_PAUSE_SECONDS", 30.0)
    monkeypatch.setattr(yielding, "MAX_URGENT_SECONDS", 30.0)
    await gateway.send(user_id=str(user.id), priority=10)
    await broker.asked.wait()
    batch = asyncio.create_task(gateway.send_batch(user_id=str(user.id)))
    try:
        await stays(lambda: not batch.done(), 0.3)
    finally:
        broker.open.set()
    assert (await batch).status_code == 202


async def test_a_defect_while_publishing_stops_nothing_after_it(start) -> None:
    broker = MemoryBroker(TOPOLOGY)
    gateway = await start(broker=broker, lease_seconds=0.5)
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    asked = asyncio.Event()

    async def defective(_publications):
        asked.set()
        raise ZeroDivisionError

    works, broker.publish_many = broker.publish_many, defective
    struck = (await gateway.send(user_id=str(user.id))).json()["data"]
    await asyncio.wait_for(asked.wait(), 5)
    broker.publish_many = works
    next_one = (await gateway.send(user_id=str(user.id))).json()["data"]
    for one in (next_one, struck):
        await gateway.until(one["notification_id"], "queued")


class Sieve:
    """Consumes email.queue as a worker does, reports each as sent, and loses the messages that the test names."""

    def __init__(self, gateway, lost: set[str], *, until: str | None = None) -> None:
        self._gateway, self._lost, self._until = gateway, lost, until
        self.reached = asyncio.Event()
        self.seen: list[str] = []

    async def take(self, delivery) -> None:
        self.seen.append(delivery.message_id)
        if delivery.message_id not in self._lost or self.seen.count(delivery.message_id) > 1:
            event = StatusEvent(
                notification_id=UUID(delivery.message_id),
                notification_type="email",
                status="sent",
                queued_at=NotificationMessage.model_validate_json(delivery.body).queued_at,
                at=datetime.now(UTC),
            )
            body = StatusEvents(events=(event,)).model_dump_json().encode()
            await self._gateway.broker.publish_many([Publication("status", body, message_id=str(uuid4()))])
        await delivery.ack()
        if delivery.message_id == self._until:
            self.reached.set()


@pytest.mark.parametrize("marked", [True, False])
async def test_a_message_overtaken_by_later_ones_of_its_priority_is_lost_and_published_again(
    start, marked: bool
) -> None:
    """Also if their reports came before their queued-marks, which are then never written."""
    gateway = await start(lost_grace_seconds=0.3, queued_mark_seconds=0.05 if marked else 1)
    user = gateway.peers.add_user()
    gateway.peers.add_template()

    async def accepted(**changes) -> str:
        name = (await gateway.send(user_id=str(user.id), **changes)).json()["data"]["notification_id"]
        await gateway.until(name, "queued")
        return name

    lost = await accepted()
    published_at = (await gateway.detail(lost))["queued_at"]
    await time_passes(0.5)  # longer than the grace: what is published now overtakes it
    behind = [await accepted(priority=1) for _ in range(3)]
    later = (await gateway.send(user_id=str(user.id))).json()["data"]["notification_id"]
    if marked:
        await gateway.until(later, "queued")
    sieve = Sieve(gateway, {lost}, until=later)
    consumer = await gateway.broker.consume("email.queue", sieve.take, prefetch=1)
    await sieve.reached.wait()
    await consumer.pause()  # before the search finds it: a message that it publishes again must not be consumed yet
    await gateway.until(later, "sent")
    await accepted(priority=1)  # the queue is not empty from here on, so only the watermark proves the loss
    await eventually(lambda: gateway.detail(lost), 10, until=lambda found: found["queued_at"] != published_at)
    assert (await gateway.broker.depth("email.queue")).ready >= 2
    await consumer.resume()
    await gateway.until(lost, "sent")
    assert sieve.seen.count(lost) == 2
    assert [sieve.seen.count(name) for name in (later, *behind)] == [1, 1, 1, 1]
    await consumer.close()


def _event(name: str, status: str, **fields: object) -> StatusEvent:
    return StatusEvent(
        **{"notification_id": UUID(name), "notification_type": "email", "status": status, "attempts": 1}
        | {"at": datetime.now(UTC)}
        | fields
    )


async def _queued(gateway) -> str:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    name = (await gateway.send(user_id=str(user.id))).json()["data"]["notification_id"]
    await gateway.until(name, "queued")
    return str(name)


async def test_a_worker_that_began_and_whose_ledger_has_forgotten_is_asked_again(start) -> None:
    gateway = await start(report_silence_seconds=0.6, lost_grace_seconds=60)
    name = await _queued(gateway)
    sieve = Sieve(gateway, {name})
    consumer = await gateway.broker.consume("email.queue", sieve.take, prefetch=1)
    body = StatusEvents(events=(_event(name, "retrying"),)).model_dump_json().encode()
    await gateway.broker.publish_many([Publication("status", body, message_id="r")])
    await gateway.until(name, "sent")
    assert sieve.seen == [name, name]
    await consumer.close()


async def test_a_report_that_was_lost_is_had_from_the_ledger_in_seconds(start) -> None:
    gateway = await start(report_silence_seconds=0.6, lost_grace_seconds=60)
    name = await _queued(gateway)
    sent_at = datetime.now(UTC) + timedelta(seconds=0.1)
    gateway.peers.ended.append(_event(name, "sent", at=sent_at))
    detail = await gateway.until(name, "sent")
    assert datetime.fromisoformat(detail["sent_at"]) == sent_at, "when it was sent, not when it was found"
    assert (await gateway.broker.depth("email.queue")).ready == 1, "the first copy; it was not published again"


@pytest.mark.parametrize("answer", ["unknown", "still under way", "no answer"])
async def test_an_event_that_cannot_end_a_notification_changes_nothing(start, answer: str) -> None:
    gateway = await start(report_silence_seconds=0.3, lost_grace_seconds=60)
    name = await _queued(gateway)
    if answer == "still under way":
        gateway.peers.open.add(UUID(name))
        body = StatusEvents(events=(_event(name, "retrying"),)).model_dump_json().encode()
        await gateway.broker.publish_many([Publication("status", body, message_id="r")])
    gateway.peers.down = answer == "no answer"
    await eventually(lambda: gateway.peers.asked.count("email ledger find") >= 3, 10)
    assert (await gateway.detail(name))["status"] == "queued"
    assert (await gateway.broker.depth("email.queue")).ready == 1


async def test_pages_of_the_silent_go_through_all_of_them(start, monkeypatch) -> None:
    monkeypatch.setattr("api_gateway.services.stalled.MAX_LEDGER_QUESTION", 2)
    gateway = await start(report_silence_seconds=0.3, lost_grace_seconds=60)
    names = [await _queued(gateway) for _ in range(5)]
    # The ledger knows nothing of the whole page before these.
    gateway.peers.ended += [_event(name, "sent") for name in names[-2:]]
    for name in names[-2:]:
        await gateway.until(name, "sent")


async def test_the_ledger_decides_about_an_expired_row_that_a_worker_may_have(start) -> None:
    gateway = await start(lost_grace_seconds=60, report_silence_seconds=60)
    name = await _queued(gateway)
    await gateway.change("UPDATE notifications SET expires_at = now() - interval '1 s', due_at = now()")
    await eventually(lambda: gateway.broker.depth("email.queue"), 10, until=lambda found: found.ready >= 2)
    assert (await gateway.detail(name))["status"] == "queued"


class SlowBroker(MemoryBroker):
    """Publishes nothing until the test allows it."""

    def __init__(self) -> None:
        super().__init__(TOPOLOGY)
        self.takes = asyncio.Event()

    async def publish_many(self, publications: Sequence[Publication]) -> list[PublishFailed | None]:
        await self.takes.wait()
        return await super().publish_many(publications)


async def test_an_urgent_notification_is_published_at_once_beside_any_backlog(start, monkeypatch) -> None:
    """It has a limit of its own: beside another caller's broadcast a relay would publish it later."""
    monkeypatch.setattr("api_gateway.services.outbox.MAX_WAITING", 3)
    gateway = await start(broker=(broker := SlowBroker()))
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    for _ in range(10):
        await gateway.send(user_id=str(user.id))
    urgent = (await gateway.send(user_id=str(user.id), priority=10)).json()["data"]["notification_id"]
    broker.takes.set()
    await gateway.until(urgent, "queued", seconds=10)
    assert (await broker.depth("email.urgent.queue")).ready == 1


async def test_the_group_that_waits_for_a_slow_broker_is_bounded_and_the_relay_publishes_the_rest(
    start, monkeypatch
) -> None:
    """At once, because it has no lease that must end first."""
    monkeypatch.setattr("api_gateway.services.outbox.MAX_WAITING", 3)
    gateway = await start(broker=(broker := SlowBroker()), lease_seconds=60)
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    answers = [await gateway.send(user_id=str(user.id)) for _ in range(10)]
    assert not gateway.root.outbox.has_capacity(1)
    broker.takes.set()
    for answered in answers:
        await gateway.until(answered.json()["data"]["notification_id"], "queued")
    assert (await broker.depth("email.queue")).ready == 10
