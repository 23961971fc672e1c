"""RabbitMQ stops, or loses a queue or connection, and everything recovers by itself."""

import asyncio
from contextlib import suppress

import aio_pika
import pytest
from aiormq.abc import ChannelFrame
from pamqp import commands

from chassis.broker import BrokerUnavailable, PublishFailed, RabbitBroker, Timing, Unroutable
from testkit.eventually import other_tasks
from testkit.unresponsive import unresponsive_server

QUICK = Timing(rpc=1.0, publish=1.0, watchdog=0.2, handler_pause=0.05, longest_backoff=0.2)


@pytest.fixture
def work(topology):
    return topology.queues[0].name


async def answers(broker):
    try:
        await broker.ping()
    except BrokerUnavailable:
        return False
    return True


async def test_a_service_starts_while_the_broker_is_down_and_works_when_it_comes(rabbit, proxy, inbox, work, message):
    await proxy.cut()
    timing = Timing(watchdog=3600, longest_backoff=0.2)
    async with rabbit(url=proxy.url, connect=False, timing=timing) as broker:
        box = inbox("ack")
        await broker.consume(work, box, prefetch=10)
        assert not await broker.wait_connected(0.05)
        await proxy.open()
        assert await broker.wait_connected(15)
        assert await broker.publish_many([message(b"at last")]) == [None]
        assert (await box.next()).body == b"at last"


async def test_publishing_while_disconnected_fails_at_once_for_each(rabbit, proxy, message):
    await proxy.cut()
    async with rabbit(url=proxy.url, connect=False) as broker:
        async with asyncio.timeout(0.5):
            outcomes = await broker.publish_many([message() for _ in range(3)])
        assert [type(outcome) for outcome in outcomes] == [BrokerUnavailable] * 3
        with pytest.raises(BrokerUnavailable):
            await broker.ping()
        with pytest.raises(BrokerUnavailable):
            await broker.depth("any")


async def test_publishing_before_start_is_unavailable(rabbit_url, topology, message):
    outcomes = await RabbitBroker(rabbit_url, topology, name="test").publish_many([message()])
    assert isinstance(outcomes[0], BrokerUnavailable)


async def test_a_consumer_comes_back_after_its_connection_was_cut(rabbit, proxy, inbox, work, message, eventually):
    async with rabbit(url=proxy.url) as broker:
        box = inbox("ack")
        await broker.consume(work, box, prefetch=10)
        await broker.publish_many([message(b"before")])
        assert (await box.next()).body == b"before"
        await proxy.cut()
        await proxy.open()
        await eventually.confirmed(broker, message(b"after"))
        while (await box.next()).body != b"after":
            pass  # "before" may come again: its acknowledgement may have been cut off


@pytest.mark.parametrize("down", ["refuses", "silent"])
async def test_of_several_nodes_one_that_works_is_found(rabbit, rabbit_url, message, unused_tcp_port, down):
    """Whichever the process begins with: the first of them is chosen at random."""
    async with unresponsive_server() as silent:
        other = f"127.0.0.1:{unused_tcp_port}" if down == "refuses" else silent.url.removeprefix("http://")
        login, at, rest = rabbit_url.rpartition("@")
        timing = Timing(connect=2.0, longest_backoff=0.2)
        async with rabbit(url=f"{login}{at}{other},{rest}", timing=timing) as broker:
            assert await broker.publish_many([message()]) == [None]


async def test_a_lost_connection_goes_on_to_the_next_node(rabbit, rabbit_url, proxy, message, eventually):
    """The proxy stays cut: the messages take the other way."""
    _, at, rest = proxy.url.rpartition("@")
    login, _, server = rabbit_url.rpartition("@")
    async with rabbit(url=f"{login}{at}{rest.rstrip('/')},{server}") as broker:
        assert await broker.publish_many([message()]) == [None]
        await proxy.cut()
        await eventually.confirmed(broker, message())


async def test_a_handler_in_mid_work_outlives_its_connection_and_the_message_comes_again(
    rabbit, proxy, inbox, work, message
):
    started, release, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()
    box = inbox("ack")

    async def handle(incoming):
        if incoming.redelivered:
            await box(incoming)
        else:
            started.set()
            await release.wait()
            await incoming.ack()  # over a channel that is gone: must not raise
            finished.set()

    async with rabbit(url=proxy.url) as broker:
        await broker.consume(work, handle, prefetch=10)
        await broker.publish_many([message(b"long")])
        await started.wait()
        await proxy.cut()
        await proxy.open()
        again = await box.next()
        release.set()
        assert (again.body, again.redelivered) == (b"long", True)
        async with asyncio.timeout(15):
            await finished.wait()


async def test_no_more_handlers_run_than_the_prefetch_allows_though_connections_come_and_go(
    rabbit, proxy, work, message, eventually
):
    release, started, finished = asyncio.Event(), [], asyncio.Event()

    async def handle(incoming):
        started.append(incoming)
        await release.wait()
        await incoming.ack()
        if incoming.body == b"last":
            finished.set()

    async def in_hand_again():
        if not await answers(broker):
            return False
        depth = await broker.depth(work)
        return (depth.ready, depth.consumers) == (0, 1)

    async with rabbit(url=proxy.url) as broker:
        await broker.consume(work, handle, prefetch=1)
        await broker.publish_many([message()])
        await eventually(in_hand_again)
        for _ in range(2):
            await proxy.cut()
            await proxy.open()
            await eventually(in_hand_again)
        assert len(started) == 1
        release.set()
        await eventually.confirmed(broker, message(b"last"))
        async with asyncio.timeout(15):
            await finished.wait()
        assert len(started) == 3, "what a lost connection had delivered must not be handled as well"


async def test_a_paused_consumer_stays_paused_through_a_reconnect(rabbit, proxy, inbox, work, message, eventually):
    async with rabbit(url=proxy.url) as broker:
        box = inbox("ack")
        consumer = await broker.consume(work, box, prefetch=10)
        await consumer.pause()
        await proxy.cut()
        await proxy.open()
        await eventually.confirmed(broker, message(b"waiting"))
        await eventually(lambda: answers(broker))
        assert (await broker.depth(work)).consumers == 0
        assert box.deliveries == []
        await consumer.resume()
        assert (await box.next()).body == b"waiting"


async def test_a_publish_that_gets_no_confirm_fails_in_time_and_the_next_one_works(
    rabbit, proxy, message, work, eventually
):
    async with rabbit(url=proxy.url, timing=QUICK) as broker:
        assert await broker.publish_many([message()]) == [None]
        proxy.silence()
        async with asyncio.timeout(3):
            outcomes = await broker.publish_many([message(), message()])
        assert all(isinstance(outcome, PublishFailed) for outcome in outcomes)
        await proxy.cut()
        await proxy.open()
        await eventually.confirmed(broker, message())


async def test_a_publishing_connection_that_does_not_answer_is_replaced(rabbit, proxy, message, events, eventually):
    timing = Timing(rpc=3600, publish=0.5, watchdog=3600, longest_backoff=0.2)
    async with rabbit(url=proxy.url, timing=timing) as broker:
        proxy.silence()

        async def noticed():
            await broker.publish_many([message()])
            return not broker.connected

        await eventually(noticed)
        await proxy.cut()
        await proxy.open()
        await eventually.confirmed(broker, message())
    assert "broker.disconnected" in {event["event"] for event in events}


@pytest.mark.parametrize(
    ("heartbeat", "timing"),
    [
        pytest.param("", Timing(rpc=0.5, publish=3600, watchdog=0.1, longest_backoff=0.2), id="watchdog"),
        pytest.param("?heartbeat=1", Timing(rpc=60, publish=60, watchdog=0.1, longest_backoff=0.2), id="heartbeat"),
    ],
)
async def test_a_consuming_connection_that_does_not_answer_is_replaced(
    rabbit, proxy, inbox, work, message, *, eventually, heartbeat, timing
):
    """Detected by our own check, or by the connection's heartbeat."""
    async with rabbit(url=f"{proxy.url}{heartbeat}", timing=timing) as broker:
        box = inbox("ack")
        await broker.consume(work, box, prefetch=10)
        proxy.silence()

        async def noticed():
            return not broker.connected

        await eventually(noticed)
        await proxy.cut()
        await proxy.open()
        await eventually.confirmed(broker, message(b"after"))
        assert (await box.next()).body == b"after"


async def test_a_cancelled_publish_leaves_nothing_behind_that_disturbs_the_next(rabbit, proxy, message, work):
    async with rabbit(url=proxy.url, timing=QUICK) as broker:
        assert await broker.publish_many([message()]) == [None]
        publishing = asyncio.create_task(broker.publish_many([message(message_id="x"), message(routing_key="nobody")]))
        await other_tasks()
        publishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publishing
        outcomes = await broker.publish_many([message(message_id="x"), message()])
        assert outcomes == [None, None]
        assert broker.connected


async def test_a_consumer_comes_back_after_its_queue_was_deleted(rabbit, server, inbox, work, message, eventually):
    async with rabbit() as broker:
        box = inbox("ack")
        await broker.consume(work, box, prefetch=10)
        await server.queue_delete(work)
        await eventually.confirmed(broker, message(b"into the new queue", message_id="new"))
        assert (await box.next()).body == b"into the new queue"


async def test_a_consumer_that_the_broker_cancelled_comes_back_at_once(rabbit, server, inbox, work, events, eventually):
    async with rabbit(timing=Timing(watchdog=3600)) as broker:

        async def consuming():
            with suppress(BrokerUnavailable):  # there is no such queue, yet
                return (await broker.depth(work)).consumers == 1
            return False

        await broker.consume(work, inbox(), prefetch=10)
        await server.queue_delete(work)
        await eventually(consuming)
    assert any(event["event"] == "consumer.cancelled" and event["queue"] == work for event in events)


async def test_a_consumer_that_the_broker_forgot_without_a_word_is_replaced(rabbit, inbox, work, message, events):
    async with rabbit() as broker:
        box = inbox("ack")
        consumer = await broker.consume(work, box, prefetch=10)
        channel, tag = consumer._subscription._channel, consumer._subscription._tag
        cancel = commands.Basic.Cancel(consumer_tag=tag, nowait=True)  # behind the client's back
        await channel.write_queue.put(ChannelFrame.marshall(channel.number, [cancel]))
        await broker.publish_many([message(b"unseen at first")])
        assert (await box.next()).body == b"unseen at first"
    assert "consumer.silent" in {event["event"] for event in events}


async def test_a_lost_binding_is_reported_and_restored(rabbit, server, topology, message, events, eventually):
    async with rabbit(timing=Timing(watchdog=3600)) as broker:
        queue = await server.get_queue(topology.queues[0].name)

        async def returned():
            await queue.unbind(topology.exchange, "work")
            return isinstance((await broker.publish_many([message()]))[0], Unroutable)

        for _ in range(3):  # once is not enough: the watchdog also checks when the connections come up
            await eventually(returned)
            await eventually.confirmed(broker, message())
    assert "broker.returned" in {event["event"] for event in events}


async def test_a_lost_binding_is_restored_without_anybody_publishing(rabbit, server, topology, eventually):
    """Dead letters that no queue is bound for would be dropped by the server without any sign."""
    failed = topology.queues[1].name
    async with rabbit() as broker:
        await (await server.get_queue(failed)).unbind(topology.exchange, "failed")
        exchange = await server.get_exchange(topology.exchange)

        async def restored():
            await exchange.publish(aio_pika.Message(b"{}"), "failed")
            return (await broker.depth(failed)).ready > 0

        await eventually(restored)


async def test_the_log_never_shows_the_password(rabbit, rabbit_url, proxy, events):
    await proxy.cut()
    async with rabbit(url=proxy.url, connect=False) as broker:
        await broker.wait_connected(0.3)
        await proxy.open()
        assert await broker.wait_connected(15)
    assert {"broker.connect_failed", "broker.connected"} <= {event["event"] for event in events}
    assert ":guest@" not in repr(events)
    assert ":***@" in repr(events)
