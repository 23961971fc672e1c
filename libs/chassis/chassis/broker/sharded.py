"""One queue as several, its shards, for more messages than one node's core can carry.

Callers see one queue. A message's id decides to which shard it goes, so a copy that is published again goes there too. Within
a shard messages keep their order; between shards there is none.
"""

import asyncio
import zlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace

from chassis.broker.interface import (
    Broker,
    Consumer,
    Handler,
    Publication,
    PublishFailed,
    QueueDepth,
    QueueSpec,
    Topology,
)


def shard_of(message_id: str, shards: int) -> int:
    """From 0 to `shards` - 1."""
    return zlib.crc32(message_id.encode()) % shards


def with_shards(topology: Topology, queues: Container[str], shards: int) -> Topology:
    """The topology with `shards` queues for each of `queues`. The first one keeps the queue's name and routing key."""

    def split(specs: Iterable[QueueSpec]) -> tuple[QueueSpec, ...]:
        return tuple(
            replace(spec, name=_named(spec.name, shard), routing_key=_named(spec.routing_key, shard))
            for spec in specs
            for shard in range(shards if spec.name in queues else 1)
        )

    return replace(topology, queues=split(topology.queues), bound=split(topology.bound))


def sharded(broker: Broker, queues: Mapping[str, str], shards: int) -> Broker:
    """`queues`: the names of the queues that are split, by routing key. Returns `broker` itself if nothing is split."""
    return ShardedBroker(broker, queues, shards) if shards > 1 else broker


class ShardedBroker:
    """Passes every call to `inner`, whose topology is one `with_shards`."""

    def __init__(self, inner: Broker, queues: Mapping[str, str], shards: int) -> None:
        self._inner = inner
        self._keys = frozenset(queues)
        self._queues = frozenset(queues.values())
        self._shards = shards

    async def publish_many(self, publications: Sequence[Publication]) -> list[PublishFailed | None]:
        return await self._inner.publish_many([self._routed(publication) for publication in publications])

    async def consume(self, queue: str, handler: Handler, *, prefetch: int) -> Consumer:
        """The shards have the prefetch together, and at least one message each."""
        names = self._names(queue)
        each = -(-prefetch // len(names))
        return _Consumers([await self._inner.consume(name, handler, prefetch=each) for name in names])

    async def depth(self, queue: str) -> QueueDepth:
        """The shards' messages together. `consumers` is the number at the shard that has the fewest."""
        depths = [await self._inner.depth(name) for name in self._names(queue)]
        unacked = [depth.unacked for depth in depths if depth.unacked is not None]
        return QueueDepth(
            ready=sum(depth.ready for depth in depths),
            unacked=sum(unacked) if unacked else None,
            consumers=min(depth.consumers for depth in depths),
        )

    async def start(self) -> None:
        await self._inner.start()

    async def close(self) -> None:
        await self._inner.close()

    @property
    def connected(self) -> bool:
        return self._inner.connected

    async def wait_connected(self, seconds: float) -> bool:
        return await self._inner.wait_connected(seconds)

    async def ping(self) -> None:
        await self._inner.ping()

    def _routed(self, publication: Publication) -> Publication:
        if publication.routing_key not in self._keys:
            return publication
        shard = shard_of(publication.message_id, self._shards)
        return replace(publication, routing_key=_named(publication.routing_key, shard))

    def _names(self, queue: str) -> list[str]:
        return [_named(queue, shard) for shard in range(self._shards if queue in self._queues else 1)]


class _Consumers:
    """The subscriptions to all shards as one."""

    def __init__(self, consumers: Sequence[Consumer]) -> None:
        self._consumers = consumers

    async def pause(self) -> None:
        await asyncio.gather(*(consumer.pause() for consumer in self._consumers))

    async def resume(self) -> None:
        await asyncio.gather(*(consumer.resume() for consumer in self._consumers))

    async def close(self, grace: float = 10.0) -> None:
        await asyncio.gather(*(consumer.close(grace) for consumer in self._consumers))


def _named(name: str, shard: int) -> str:
    return f"{name}.{shard}" if shard else name
