"""One queue as several: everything arrives once, and callers see the one queue."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import aio_pika
import pytest

from chassis.broker import Broker, MemoryBroker, Publication, QueueSpec, RabbitBroker, Topology
from chassis.broker.sharded import shard_of, sharded, with_shards

SHARDS = 3


@dataclass(frozen=True)
class Split:
    """`broker` shows the queue `work`; `inner` shows its parts."""

    broker: Broker
    inner: Broker
    work: str


@pytest.fixture(params=["memory", "rabbit"])
async def split(request: pytest.FixtureRequest, topology: Topology) -> AsyncIterator[Split]:
    parts = with_shards(topology, {topology.queues[0].name}, SHARDS)
    async with _running(request, parts) as inner:
        work = topology.queues[0]
        yield Split(sharded(inner, {work.routing_key: work.name}, SHARDS), inner, work.name)


@asynccontextmanager
async def _running(request: pytest.FixtureRequest, topology: Topology) -> AsyncIterator[Broker]:
    if request.param == "memory":
        broker: Broker = MemoryBroker(topology, handler_pause=0.05)
    else:
        broker = RabbitBroker(request.getfixturevalue("rabbit_url"), topology, name="test")
    await broker.start()
    assert await broker.wait_connected(15)
    yield broker
    await broker.close()
    if request.param == "rabbit":
        connection = await aio_pika.connect(request.getfixturevalue("rabbit_url"))
        channel = await connection.channel()
        for queue in topology.queues:
            await channel.queue_delete(queue.name)
        await channel.exchange_delete(topology.exchange)
        await connection.close()


def test_the_first_shard_is_the_queue_itself() -> None:
    """So that a system with one shard, and what it has queued, goes on."""
    plain = Topology("x", (QueueSpec("work", "key"), QueueSpec("other", "o")), bound=(QueueSpec("work", "key"),))
    found = with_shards(plain, {"work"}, 3)
    assert [(spec.name, spec.routing_key) for spec in found.queues] == [
        ("work", "key"), ("work.1", "key.1"), ("work.2", "key.2"), ("other", "o"),
    ]  # fmt: skip
    assert [spec.name for spec in found.bound] == ["work", "work.1", "work.2"]
    assert with_shards(plain, {"work"}, 1) == plain


def test_messages_are_spread_evenly_and_a_copy_goes_where_the_first_one_went() -> None:
    ids = [str(uuid4()) for _ in range(3_000)]
    counts = [sum(shard_of(one, SHARDS) == shard for one in ids) for shard in range(SHARDS)]
    assert min(counts) > 800
    assert [shard_of(one, SHARDS) for one in ids] == [shard_of(one, SHARDS) for one in ids]


def test_with_one_shard_there_is_nothing_between() -> None:
    broker = MemoryBroker(Topology("x", (QueueSpec("work", "key"),)))
    assert sharded(broker, {"key": "work"}, 1) is broker


async def test_every_message_arrives_once_through_one_of_the_parts(
    split: Split, inbox: Callable, message: Callable[..., Publication]
) -> None:
    sent = [message() for _ in range(60)]
    assert await split.broker.publish_many(sent) == [None] * 60
    depth = await split.broker.depth(split.work)
    assert (depth.ready, depth.consumers) == (60, 0)
    parts = [(await split.inner.depth(f"{split.work}{suffix}")).ready for suffix in ("", ".1", ".2")]
    assert (sum(parts), min(parts) > 0) == (60, True)
    box = inbox("ack")
    consumer = await split.broker.consume(split.work, box, prefetch=10)
    await box.bodies(60)
    assert sorted(one.message_id for one in box.deliveries) == sorted(one.message_id for one in sent)
    await consumer.close()


async def test_a_consumer_pauses_and_goes_on_at_every_part(
    split: Split, inbox: Callable, message: Callable[..., Publication], eventually: Callable
) -> None:
    box = inbox("ack")
    consumer = await split.broker.consume(split.work, box, prefetch=1)

    async def ready(number: int) -> bool:
        return (await split.broker.depth(split.work)).ready == number

    await consumer.pause()
    await split.broker.publish_many([message() for _ in range(20)])
    await eventually(lambda: ready(20))
    await consumer.resume()
    await box.bodies(20)
    await consumer.close()
    await split.broker.publish_many([message() for _ in range(20)])
    await eventually(lambda: ready(20))


async def test_a_part_that_nobody_consumes_is_not_hidden_by_the_others(
    split: Split, inbox: Callable, eventually: Callable
) -> None:
    await split.inner.consume(split.work, inbox("ack"), prefetch=1)
    await split.inner.consume(f"{split.work}.1", inbox("ack"), prefetch=1)

    async def one_consumes() -> bool:
        return (await split.inner.depth(f"{split.work}.1")).consumers == 1

    await eventually(one_consumes)
    assert (await split.broker.depth(split.work)).consumers == 0


async def test_what_is_not_split_passes(split: Split, topology: Topology, inbox: Callable, message: Callable) -> None:
    assert await split.broker.publish_many([message(routing_key="failed")]) == [None]
    box = inbox("ack")
    await split.broker.consume(topology.queues[1].name, box, prefetch=1)
    await box.next()
