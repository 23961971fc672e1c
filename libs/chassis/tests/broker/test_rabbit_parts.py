"""Decisions that need no server."""

import asyncio
import socket

import pytest
from pamqp.commands import Basic
from yarl import URL

from chassis.broker.rabbit.connection import TolerantTransport, Transport
from chassis.broker.rabbit.consumer import SilenceDetector
from chassis.broker.rabbit.publisher import InFlight
from chassis.broker.rabbit.settlement import Settlements
from chassis.broker.rabbit.timeouts import FIRST_BACKOFF, ConnectionGone, reconnect_delay, within
from chassis.failover import SILENT_SECONDS
from testkit.eventually import other_tasks


@pytest.mark.parametrize("failures", [0, 1, 5, 50, 5000])
def test_reconnect_delays_grow_to_a_ceiling_and_are_never_nothing(failures):
    ceiling = min(10.0, FIRST_BACKOFF * 2**failures) if failures < 16 else 10.0
    assert all(ceiling / 2 <= reconnect_delay(failures, 10.0) <= ceiling for _ in range(50))


def test_reconnect_delays_differ():
    assert len({reconnect_delay(5, 10.0) for _ in range(10)}) > 1


def test_a_consumer_that_receives_nothing_from_a_full_queue_is_silent():
    detector = SilenceDetector(10)
    assert not detector.silent(received=3, waiting=True, now=0)
    assert not detector.silent(received=3, waiting=True, now=1)
    assert not detector.silent(received=3, waiting=True, now=10.9)
    assert detector.silent(received=3, waiting=True, now=11)


def test_a_delivery_in_between_ends_the_suspicion():
    detector = SilenceDetector(10)
    detector.silent(received=0, waiting=True, now=0)
    assert not detector.silent(received=1, waiting=True, now=30)
    assert not detector.silent(received=1, waiting=True, now=35)


def test_an_empty_queue_or_a_full_hand_is_no_silence():
    detector = SilenceDetector(10)
    detector.silent(received=0, waiting=True, now=0)
    assert not detector.silent(received=0, waiting=False, now=30)
    assert not detector.silent(received=0, waiting=True, now=31)


async def test_an_id_in_flight_waits_until_it_is_released():
    in_flight = InFlight()
    deadline = asyncio.get_running_loop().time() + 5
    assert await in_flight.reserve({0: "a", 1: "b", 2: "a"}, deadline) == [0, 1]
    assert await in_flight.reserve({0: "c", 1: "a"}, deadline) == [0]
    waiting = asyncio.create_task(in_flight.reserve({7: "a"}, deadline))
    await other_tasks()
    assert not waiting.done()
    in_flight.discard(["a"])
    assert await waiting == [7]


async def test_an_id_that_stays_in_flight_is_not_waited_for_for_ever():
    in_flight = InFlight()
    now = asyncio.get_running_loop().time()
    await in_flight.reserve({0: "a"}, now)
    assert await in_flight.reserve({0: "a"}, now + 0.01) == []


async def test_a_cancellation_by_the_library_becomes_an_error():
    """The client library rejects what waits on a dead connection with ``CancelledError``."""
    answer = asyncio.get_running_loop().create_future()
    answer.set_exception(asyncio.CancelledError())
    with pytest.raises(ConnectionGone):
        async with within(5):
            await answer


async def test_our_own_cancellation_stays_one():
    async def wait():
        async with within(5):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await other_tasks()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("swallowed_by", ["an answer", "another error"])
async def test_our_own_cancellation_is_not_lost_though_the_client_swallows_it(swallowed_by):
    async def wait():
        async with within(5):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if swallowed_by == "another error":
                    raise ConnectionError from None

    task = asyncio.create_task(wait())
    await other_tasks()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_patience_ends():
    with pytest.raises(TimeoutError):
        async with within(0.01):
            await asyncio.Event().wait()


class ChannelAtWork:
    """The part of a channel that settling needs. Its write queue is full until the test takes from it."""

    def __init__(self, *, is_closed: bool = False) -> None:
        self.is_closed = is_closed
        self.number = 1
        self.write_queue: asyncio.Queue[object] = asyncio.Queue(1)
        self.write_queue.put_nowait("something else")
        self.create_task = asyncio.create_task


async def test_answers_that_come_together_are_written_together_and_flushed_before_a_channel_closes():
    channel = ChannelAtWork()
    settlements = Settlements(channel)
    settlements.settle(Basic.Ack(delivery_tag=1))
    settlements.settle(Basic.Reject(delivery_tag=2, requeue=False))
    flushing = asyncio.create_task(settlements.flush())
    await other_tasks()
    assert not flushing.done()
    assert channel.write_queue.get_nowait() == "something else"
    await flushing
    assert channel.write_queue.get_nowait().payload.count(b"\xce") == 2


async def test_answers_for_a_lost_channel_are_dropped():
    channel = ChannelAtWork(is_closed=True)
    settlements = Settlements(channel)
    settlements.settle(Basic.Ack(delivery_tag=1))
    await settlements.flush()
    assert channel.write_queue.qsize() == 1


@pytest.mark.parametrize("transport", [Transport, TolerantTransport])
async def test_a_node_that_is_cut_off_is_noticed(transport):
    async def ignore(_, writer):
        writer.close()

    server = await asyncio.start_server(ignore, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    _, writer = await transport().create(URL(f"amqp://{host}:{port}"))
    waits = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert waits == SILENT_SECONDS * 1_000
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
