"""The topology as RabbitMQ sees it."""

from dataclasses import replace

import aio_pika
import pytest

from chassis.broker import BrokerUnavailable, QueueSpec, Topology
from chassis.broker.rabbit.topology import queue_arguments


@pytest.fixture
def work(topology):
    return topology.queues[0].name


async def test_a_queue_with_other_arguments_is_named_in_the_log_and_in_the_health_check(
    rabbit, server, work, events, eventually
):
    await server.declare_queue(work, durable=True)
    async with rabbit(connect=False) as broker:

        async def conflict_logged():
            return any(event["event"] == "broker.topology_conflict" and event.get("queue") == work for event in events)

        await eventually(conflict_logged)
        assert not broker.connected

        async def explained():
            with pytest.raises(BrokerUnavailable) as refused:
                await broker.ping()
            return work in str(refused.value)

        await eventually(explained)


async def test_an_exchange_of_another_type_is_named_in_the_log(rabbit, server, topology, events, eventually):
    await server.declare_exchange(topology.exchange, "fanout", durable=True)
    async with rabbit(connect=False):

        async def conflict_logged():
            return any(event.get("exchange") == topology.exchange for event in events)

        await eventually(conflict_logged)


async def test_quorum_queues_carry_messages_too(rabbit, inbox, work, topology, message):
    async with rabbit(queue_type="quorum") as broker:
        box, dead = inbox("reject"), inbox("ack")
        await broker.consume(work, box, prefetch=10)
        await broker.consume(topology.queues[1].name, dead, prefetch=10)
        assert await broker.publish_many([message(b"a", priority=7)]) == [None]
        assert (await box.next()).body == b"a"
        assert (await dead.next()).body == b"a"


async def test_messages_are_persistent_json_in_durable_queues(rabbit, server, work, message):
    async with rabbit() as broker:
        await broker.publish_many([message()])
    got = await (await server.get_queue(work)).get(no_ack=True)
    assert got.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert got.content_type == "application/json"


def test_a_quorum_queue_is_not_given_the_argument_that_it_refuses():
    spec = QueueSpec("q", "key", max_priority=10, dead_letter_routing_key="failed")
    dead = {"x-dead-letter-exchange": "e", "x-dead-letter-routing-key": "failed"}
    assert queue_arguments(spec, "e", "classic") == {"x-max-priority": 10, **dead}
    assert queue_arguments(spec, "e", "quorum") == {"x-queue-type": "quorum", **dead}
    assert queue_arguments(replace(spec, max_priority=None, dead_letter_routing_key=None), "e", "classic") == {}


def test_a_topology_knows_its_queues_only():
    topology = Topology("e", (QueueSpec("q", "key"),))
    assert topology.queue("q").routing_key == "key"
    with pytest.raises(ValueError, match="'other'"):
        topology.queue("other")
