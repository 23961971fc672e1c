"""A consumer of a queue in memory, and the deliveries it hands out."""

from collections.abc import Callable, Mapping

from chassis.broker.handling import Handling
from chassis.broker.memory.queue import MemoryQueue, Stored


class MemoryDelivery:
    """A ``Delivery``. ``settle`` takes it out of the consumer's hand and says whether it still was there."""

    __slots__ = ("_queue", "_settle", "lost", "stored")

    def __init__(self, stored: Stored, queue: MemoryQueue, settle: Callable[["MemoryDelivery"], bool]) -> None:
        self.stored = stored
        self.lost = False
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
            self._queue.bury(self.stored)
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
        self._unacked: set[MemoryDelivery] = set()
        self._paused = False
        self._closed = False

    @property
    def free(self) -> bool:
        return not self._paused and not self._closed and len(self._unacked) < self._prefetch

    @property
    def in_hand(self) -> int:
        return len(self._unacked)

    def take(self, stored: Stored) -> None:
        delivery = MemoryDelivery(stored, self._queue, self._settle)
        self._unacked.add(delivery)
        self._handling.submit(delivery)

    def _settle(self, delivery: MemoryDelivery) -> bool:
        """Whether the delivery was still in hand: it is not when it is settled already, or has been given back."""
        if delivery not in self._unacked:
            return False
        self._unacked.remove(delivery)
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
        for delivery in self._unacked:
            delivery.lost = True
            self._queue.put_back(delivery.stored)
        self._unacked.clear()
        self._queue.pump()
        self._on_closed(self)
