"""Fair turns for heavy work: a caller with much work delays itself, not other callers."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.errors import TooManyRequests


class FairSemaphore:
    """At most `places` pieces of work run at a time, at most `each` per caller. Waiting callers take turns, one piece each.

    So a piece of work waits for at most `each` pieces of each other caller, however many pieces they have. At most `waiting`
    pieces of one caller may wait; more are refused.
    """

    def __init__(self, places: int, *, waiting: int, each: int = 1) -> None:
        self._free = places
        self._each = each
        self._waiting_each = waiting
        self._inside: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # in the order of their turns

    @asynccontextmanager
    async def turn(self, caller: str) -> AsyncIterator[None]:
        """A place while the context lasts. Raises TooManyRequests."""
        await self._enter(caller)
        try:
            yield
        finally:
            self._leave(caller)

    async def _enter(self, caller: str) -> None:
        if self._free and self._inside[caller] < self._each:
            self._admit(caller)
            return
        waiting = sum(not turn.done() for turn in self._waiting.get(caller, ()))
        if waiting >= self._waiting_each:
            raise TooManyRequests("Too much of this at once; wait for the answers", headers={"Retry-After": "1"})
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it got its place just before the cancellation
                self._leave(caller)
            raise

    def _admit(self, caller: str) -> None:
        self._free -= 1
        self._inside[caller] += 1

    def _leave(self, caller: str) -> None:
        self._free += 1
        self._inside -= Counter([caller])  # which also forgets callers without a piece
        for following in [one for one in self._waiting if self._inside[one] < self._each]:
            turn = self._next_of(following)
            if turn is not None:
                self._admit(following)
                turn.set_result(None)
                return

    def _next_of(self, caller: str) -> asyncio.Future[None] | None:
        """The caller's first piece that still waits. Its remaining pieces go behind all other callers."""
        queue = self._waiting.pop(caller)
        waiting = deque(turn for turn in queue if not turn.done())  # cancelled pieces are still in the queue
        turn = waiting.popleft() if waiting else None
        if waiting:
            self._waiting[caller] = waiting
        return turn
