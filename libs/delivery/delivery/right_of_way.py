"""How the others give way to urgent notifications that are worked on beside them."""

import math
import time
from collections.abc import Callable

from contracts.topology import URGENT
from delivery.turns import Turns

SECONDS = 2.0  # after the last urgent one the others go on as before


class RightOfWay:
    """Around a claim. While urgent ones come, the others begin only where fewer than `beside_urgent` are at it.

    Every step of an urgent one waits for its turn of the process, and of a processor: the less is worked on beside it, the
    sooner it is sent. What waits for the provider is not bounded: it costs nobody anything. What is urgent never waits.
    """

    def __init__(self, *, beside_urgent: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._beside_urgent = beside_urgent
        self._clock = clock
        self._turns = Turns(math.inf)
        self._until = -math.inf

    def of(self, priority: int) -> "Passage":
        """`async with right_of_way.of(priority):`"""
        return Passage(self, priority)

    async def enter(self, priority: int) -> None:
        if priority >= URGENT:
            self._until = self._clock() + SECONDS
            self._turns.take_at_once()
            return
        self._look()
        await self._turns.take(priority)

    def leave(self) -> None:
        self._look()
        self._turns.give_back()

    def _look(self) -> None:
        self._turns.places = self._beside_urgent if self._clock() < self._until else math.inf


class Passage:
    """One claim's way through."""

    __slots__ = ("_priority", "_way")

    def __init__(self, way: RightOfWay, priority: int) -> None:
        self._way = way
        self._priority = priority

    async def __aenter__(self) -> None:
        await self._way.enter(self._priority)

    async def __aexit__(self, *_: object) -> None:
        self._way.leave()
