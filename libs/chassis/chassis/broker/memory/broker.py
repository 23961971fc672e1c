"""The broker in one process. Nothing outlives the process: the outbox publishes again what it held."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from chassis.broker.base import BrokerUnavailable, Handler, Publication, PublishFailed, QueueDepth, Topology, Unroutable
from chassis.broker.handling import Handling
from chassis.broker.memory.consumer import MemoryConsumer
from chassis.broker.memory.queue import MemoryQueue


class MemoryBroker:
    """A ``Broker`` that several services of one process share: it is open while any of them has it started.

    Every ``start`` needs its own ``close``. Messages stay while it is closed, as they do in a durable queue.
    ``handler_pause`` is how long a message whose handler raised waits, in seconds, before it goes back.
    """

    def __init__(self, topology: Topology, *, handler_pause: float = 1.0) -> None:
        self._topology = topology
        self._handler_pause = handler_pause
        self._queues = {spec.name: MemoryQueue(spec, topology.exchange, self._route_again) for spec in topology.queues}
        self._consumers: set[MemoryConsumer] = set()
        self._users = 0
        self._open = asyncio.Event()

    async def start(self) -> None:
        self._users += 1
        self._open.set()

    async def close(self) -> None:
        self._users = max(0, self._users - 1)
        if self._users:
            return
        self._open.clear()
        for consumer in tuple(self._consumers):
            await consumer.close(grace=0)

    @property
    def connected(self) -> bool:
        return self._open.is_set()

    async def wait_connected(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._open.wait()
        return self.connected

    async def publish_many(self, publications: Sequence[Publication]) -> list[PublishFailed | None]:
        if not self.connected:
            return [BrokerUnavailable("the in-process broker is closed") for _ in publications]
        outcomes = [self._publish(publication) for publication in publications]
        self._pump()
        return outcomes

    def _publish(self, publication: Publication) -> PublishFailed | None:
        if not publication.message_id:
            return PublishFailed("a publication needs a message_id")
        if self._route(publication, dict(publication.headers)):
            return None
        return Unroutable(f"no queue of {self._topology.exchange} is bound for {publication.routing_key!r}")

    def _route(self, publication: Publication, headers: Mapping[str, object]) -> bool:
        bound = [queue for queue in self._queues.values() if queue.spec.routing_key == publication.routing_key]
        for queue in bound:
            queue.put(publication, headers)
        return bool(bound)

    def _route_again(self, publication: Publication, headers: Mapping[str, object]) -> None:
        self._route(publication, headers)
        self._pump()

    def _pump(self) -> None:
        for queue in self._queues.values():
            queue.pump()

    async def consume(self, queue: str, handler: Handler, *, prefetch: int) -> MemoryConsumer:
        source = self._queues[self._topology.queue(queue).name]
        handling = Handling(queue, handler, limit=prefetch, pause=self._handler_pause)
        consumer = MemoryConsumer(source, handling, prefetch=prefetch, on_closed=self._consumers.discard)
        self._consumers.add(consumer)
        source.attach(consumer)
        return consumer

    async def depth(self, queue: str) -> QueueDepth:
        await self.ping()
        if queue not in self._queues:
            raise BrokerUnavailable(f"there is no queue {queue!r}")
        return self._queues[queue].depth()

    async def ping(self) -> None:
        if not self.connected:
            raise BrokerUnavailable("the in-process broker is closed")
