"""One confirming channel: after any doubt it must not be used again."""

import asyncio

import aio_pika
import pytest

from chassis.broker import PublishFailed
from chassis.broker.rabbit.confirms import ConfirmingChannel
from chassis.broker.rabbit.topology import declare


@pytest.fixture
async def channel(server, proxy, topology):
    await declare(server, topology, "classic")
    connection = await aio_pika.connect(proxy.url)
    yield await ConfirmingChannel.open(connection, topology.exchange)
    await proxy.cut()
    await connection.close()


def soon(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_a_channel_is_used_again_after_everything_was_answered(channel, message):
    for _ in range(3):
        first, second = await channel.publish([message(), message(routing_key="nobody")], soon(5))
        assert first is None
        assert isinstance(second, PublishFailed)
        assert channel.usable


async def test_a_channel_remembers_nothing_of_what_was_answered(channel, message):
    await channel.publish([message(), message(routing_key="nobody"), message(message_id="")], soon(5))
    await channel.publish([message()], soon(5))  # the broker's answers come in order: those before are all in
    assert not channel._channel.message_id_delivery_tag
    assert not channel._channel.confirmations


async def test_a_channel_is_done_with_after_a_confirm_that_did_not_come_in_time(channel, proxy, message):
    proxy.silence()
    outcomes = await channel.publish([message(), message()], soon(0.2))
    assert [type(outcome) for outcome in outcomes] == [PublishFailed] * 2
    assert not channel.usable


async def test_a_channel_is_done_with_after_its_caller_was_cancelled(channel, proxy, message):
    proxy.silence()
    publishing = asyncio.create_task(channel.publish([message()], soon(30)))
    await proxy.holds()
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    assert not channel.usable


async def test_a_lost_connection_fails_what_is_unconfirmed_at_once(channel, proxy, message):
    proxy.silence()
    publishing = asyncio.create_task(channel.publish([message(), message()], soon(30)))
    await proxy.holds()
    await proxy.cut()
    async with asyncio.timeout(5):
        outcomes = await publishing
    assert [type(outcome) for outcome in outcomes] == [PublishFailed] * 2
    assert not channel.usable


async def test_one_that_cannot_be_encoded_fails_alone_and_leaves_the_channel_good(channel, message):
    long = "x" * 300
    bad = [
        message(message_id=long),
        message(correlation_id=long),
        message(priority=300),
        message(headers={"lone surrogate": "\ud800"}),
    ]
    outcomes = await channel.publish([message(), *bad, message()], soon(5))
    assert (outcomes[0], outcomes[-1]) == (None, None)
    assert all("cannot be encoded" in str(outcome) for outcome in outcomes[1:-1])
    assert channel.usable


async def test_a_channel_is_done_with_after_the_broker_refused_a_message(channel, server, topology, message):
    full = {"x-max-length": 1, "x-overflow": "reject-publish"}
    queue = await server.declare_queue("full", exclusive=True, arguments=full)
    await queue.bind(topology.exchange, "full")
    outcomes = await channel.publish([message(routing_key="full") for _ in range(3)], soon(5))
    assert "refused by the broker" in str(outcomes[-1])
    assert not channel.usable
