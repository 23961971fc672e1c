"""A queue in memory: priorities, prefetch, redelivery and dead letters, pushed to consumers without polling."""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from chassis.broker.base import Publication, QueueDepth, QueueSpec


@dataclass(frozen=True, slots=True)
class Stored:
    """A message in a queue. ``place`` sorts: higher priority first, then first come. Requeued, it keeps its place."""

    place: tuple[int, int]
    publication: Publication
    headers: Mapping[str, object]
    redelivered: bool = False


class Taker(Protocol):
    """A consumer, as its queue sees it."""

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
        """Hand ready messages to consumers with room, in turn, until one of the two runs out."""
        while self._ready and (taker := self._next_free()):
            taker.take(heapq.heappop(self._ready)[1])

    def _next_free(self) -> Taker | None:
        for _ in range(len(self._takers)):
            self._takers.rotate(-1)
            if self._takers[-1].free:
                return self._takers[-1]
        return None

    def bury(self, stored: Stored) -> None:
        """Dead-letter a rejected message, with the headers that RabbitMQ gives it; without a key for it, drop it."""
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
