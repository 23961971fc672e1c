"""The in-process broker of the embedded stack and of tests: queues, consumers, publisher."""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from chassis.broker.interface import (
    BrokerUnavailable,
    Handler,
    Handling,
    Publication,
    PublishFailed,
    QueueDepth,
    QueueSpec,
    Topology,
    Unroutable,
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A message in a queue. ``place`` orders by priority (higher first), then arrival. A requeued message keeps its place."""

    place: tuple[int, int]
    publication: Publication
    headers: Mapping[str, object]
    redelivered: bool = False


class Taker(Protocol):
    """The part of a consumer that its queue uses."""

    @property
    def free(self) -> bool: ...
    @property
    def in_hand(self) -> int: ...
    def take(self, stored: Stored) -> None: ...


DeadLetter = Callable[[Publication, Mapping[str, object]], None]


class MemoryQueue:
    def __init__(self, spec: QueueSpec, exchange: str, dead_letter: DeadLetter) -> None:
        self.spec = spec
        self._exchange = exchange
        self._dead_letter = dead_letter
        self._ready: list[tuple[tuple[int, int], Stored]] = []
        self._arrivals = itertools.count()
        self._takers: deque[Taker] = deque()

    def put(self, publication: Publication, headers: Mapping[str, object]) -> None:
        priority = min(publication.priority, self.spec.max_priority or 0)
        self._add(Stored((-priority, next(self._arrivals)), publication, headers))

    def put_back(self, stored: Stored) -> None:
        self._add(replace(stored, redelivered=True))

    def _add(self, stored: Stored) -> None:
        heapq.heappush(self._ready, (stored.place, stored))

    def pump(self) -> None:
        """Gives ready messages to the free consumers in turn, until no message or no free consumer is left."""
        while self._ready and (taker := self._next_free()):
            taker.take(heapq.heappop(self._ready)[1])

    def _next_free(self) -> Taker | None:
        for _ in range(len(self._takers)):
            self._takers.rotate(-1)
            if self._takers[-1].free:
                return self._takers[-1]
        return None

    def dead_letter(self, stored: Stored) -> None:
        """Dead-letters a rejected message, with RabbitMQ's headers. Drops it if the queue has no dead-letter key."""
        key = self.spec.dead_letter_routing_key
        if key is None:
            return
        first_death = {
            "x-first-death-exchange": self._exchange,
            "x-first-death-queue": self.spec.name,
            "x-first-death-reason": "rejected",
        }
        self._dead_letter(replace(stored.publication, routing_key=key), {**first_death, **stored.headers})

    def attach(self, taker: Taker) -> None:
        self._takers.append(taker)
        self.pump()

    def detach(self, taker: Taker) -> None:
        if taker in self._takers:
            self._takers.remove(taker)

    def depth(self) -> QueueDepth:
        unacked = sum(taker.in_hand for taker in self._takers)
        return QueueDepth(ready=len(self._ready), unacked=unacked, consumers=len(self._takers))


class MemoryMessage:
    """An ``IncomingMessage``. ``settle`` removes it from its consumer and returns whether the consumer still held it."""

    __slots__ = ("_queue", "_settle", "stored", "taken_back")

    def __init__(self, stored: Stored, queue: MemoryQueue, settle: Callable[["MemoryMessage"], bool]) -> None:
        self.stored = stored
        self.taken_back = False
        self._queue = queue
        self._settle = settle

    @property
    def body(self) -> bytes:
        return self.stored.publication.body

    @property
    def message_id(self) -> str:
        return self.stored.publication.message_id

    @property
    def correlation_id(self) -> str:
        return self.stored.publication.correlation_id

    @property
    def priority(self) -> int:
        return self.stored.publication.priority

    @property
    def headers(self) -> Mapping[str, object]:
        return self.stored.headers

    @property
    def redelivered(self) -> bool:
        return self.stored.redelivered

    @property
    def routing_key(self) -> str:
        return self.stored.publication.routing_key

    async def ack(self) -> None:
        if self._settle(self):
            self._queue.pump()

    async def reject(self) -> None:
        if self._settle(self):
            self._queue.dead_letter(self.stored)
            self._queue.pump()

    async def requeue(self) -> None:
        if self._settle(self):
            self._queue.put_back(self.stored)
            self._queue.pump()


class MemoryConsumer:
    def __init__(
        self, queue: MemoryQueue, handling: Handling, *, prefetch: int, on_closed: Callable[["MemoryConsumer"], None]
    ) -> None:
        self._queue = queue
        self._handling = handling
        self._prefetch = prefetch
        self._on_closed = on_closed
        self._unacked: set[MemoryMessage] = set()
        self._paused = False
        self._closed = False

    @property
    def free(self) -> bool:
        return not self._paused and not self._closed and len(self._unacked) < self._prefetch

    @property
    def in_hand(self) -> int:
        return len(self._unacked)

    def take(self, stored: Stored) -> None:
        incoming = MemoryMessage(stored, self._queue, self._settle)
        self._unacked.add(incoming)
        self._handling.submit(incoming)

    def _settle(self, incoming: MemoryMessage) -> bool:
        """Whether the consumer still held the message. It does not if the message was already settled or returned."""
        if incoming not in self._unacked:
            return False
        self._unacked.remove(incoming)
        return True

    async def pause(self) -> None:
        self._paused = True

    async def resume(self) -> None:
        self._paused = False
        self._queue.pump()

    async def close(self, grace: float = 10.0) -> None:
        self._closed = True
        await self._handling.drain(grace)
        self._queue.detach(self)
        for incoming in self._unacked:
            incoming.taken_back = True
            self._queue.put_back(incoming.stored)
        self._unacked.clear()
        self._queue.pump()
        self._on_closed(self)


class MemoryBroker:
    """A ``Broker`` shared by several services of one process. It is open while at least one of them has started it.

    Every ``start`` needs its own ``close``. Messages stay in the queues while it is closed, like in a durable queue. If a
    handler raises, its message waits ``handler_pause`` seconds before it goes back.
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
