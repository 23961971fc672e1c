"""Messages that the client library cannot read must not stop the queue."""

import pytest
from aiormq.abc import ChannelFrame
from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from chassis.broker.rabbit.connection import decodable


def with_bad_correlation_id(channel_number: int) -> bytes:
    header = ContentHeader(body_size=6, properties=commands.Basic.Properties(correlation_id="MARK", message_id="id"))
    return frame.marshal(header, channel_number).replace(b"MARK", b"\xff\xfe\xfd\xfc")


async def publish_raw(server, exchange: str, header: bytes, body: bytes) -> None:
    channel = await server.get_underlay_channel()
    publish = frame.marshal(commands.Basic.Publish(exchange=exchange, routing_key="work"), channel.number)
    payload = publish + header + frame.marshal(ContentBody(body), channel.number)
    await channel.write_queue.put(ChannelFrame(payload=payload, should_close=False))


async def test_a_message_with_undecodable_properties_is_handled_and_its_neighbours_too(
    rabbit, server, inbox, topology, message, eventually
):
    work, failed = (queue.name for queue in topology.queues)
    async with rabbit() as broker:
        number = (await server.get_underlay_channel()).number
        await broker.publish_many([message(b"before")])
        await publish_raw(server, topology.exchange, with_bad_correlation_id(number), b"poison")

        async def both_are_there():
            return (await broker.depth(work)).ready == 2

        await eventually(both_are_there)
        await broker.publish_many([message(b"after")])
        handled = []

        async def handle(incoming):
            handled.append(incoming.body)
            await (incoming.reject() if incoming.body == b"poison" else incoming.ack())

        dead = inbox("reject")
        await broker.consume(failed, dead, prefetch=10)
        consumer = await broker.consume(work, handle, prefetch=10)
        assert (await dead.next()).body == b"poison"

        async def everything_is_handled():
            return {b"before", b"poison", b"after"} <= set(handled)

        await eventually(everything_is_handled)
        await consumer.close()
        assert (await broker.depth(work)).ready == 0


def test_a_readable_header_is_left_as_it_is():
    header = ContentHeader(body_size=5, properties=commands.Basic.Properties(message_id="id", priority=3))
    payload = frame.marshal(header, 1)[7:]
    assert decodable(payload) is payload


@pytest.mark.parametrize("size", [0, 6, 2**40])
def test_an_unreadable_header_keeps_its_length_and_its_body_size(size):
    header = ContentHeader(body_size=size, properties=commands.Basic.Properties(correlation_id="MARK"))
    payload = frame.marshal(header, 1)[7:].replace(b"MARK", b"\xff\xfe\xfd\xfc")
    repaired = decodable(payload)
    assert len(repaired) == len(payload)
    read = ContentHeader()
    read.unmarshal(repaired[:-1])
    assert (read.body_size, read.properties.correlation_id) == (size, None)
