"""The in-process broker only: several services of one process share one object."""

from chassis.broker import BrokerUnavailable


async def test_one_services_close_does_not_close_the_others(memory, inbox, topology, message):
    async with memory() as broker:
        await broker.start()
        box = inbox("ack")
        await broker.consume(topology.queues[0].name, box, prefetch=1)
        await broker.close()
        assert broker.connected
        assert await broker.publish_many([message(b"still here")]) == [None]
        assert (await box.next()).body == b"still here"


async def test_a_closed_broker_takes_nothing_and_keeps_what_it_has(memory, inbox, topology, message):
    work = topology.queues[0].name
    async with memory() as broker:
        await broker.consume(work, inbox(), prefetch=1)
        await broker.publish_many([message(b"in hand"), message(b"ready")])
        await broker.close()
        assert not broker.connected
        assert not await broker.wait_connected(0.01)
        outcomes = await broker.publish_many([message(), message()])
        assert [type(outcome) for outcome in outcomes] == [BrokerUnavailable] * 2
        await broker.start()
        box = inbox("ack")
        await broker.consume(work, box, prefetch=1)
        assert await box.bodies(2) == [b"in hand", b"ready"]


async def test_a_close_too_many_does_not_count(memory):
    async with memory() as broker:
        await broker.close()
        await broker.close()
        await broker.start()
        await broker.start()
        await broker.close()
        assert broker.connected
