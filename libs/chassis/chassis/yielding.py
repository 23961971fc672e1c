"""Work on many items in small pieces: between two, other requests get a turn, and urgent work goes first."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_A_TIME = 20  # at 10 to 70 microseconds each, a millisecond or so
MAX_PAUSE_SECONDS = 0.02  # between two pieces, so that a stream of urgent work does not stop the rest
MAX_URGENT_SECONDS = 0.1  # what takes longer waits for something other than this process


class _Urgent:
    """The urgent work of this process that is under way: when each piece began, and who waits for the end of all."""

    def __init__(self) -> None:
        self.began: dict[object, float] = {}
        self.waiting: set[asyncio.Future[None]] = set()

    @property
    def under_way(self) -> bool:
        """The last to begin decides: a dictionary keeps that order."""
        return bool(self.began) and next(reversed(self.began.values())) > time.monotonic() - MAX_URGENT_SECONDS

    def end(self, piece: object) -> None:
        del self.began[piece]
        if self.began:
            return
        for one in self.waiting:
            if not one.done():
                one.set_result(None)
        self.waiting.clear()


_urgent = _Urgent()


@contextlib.contextmanager
def urgent_work(number: int, *, urgent: bool) -> Iterator[None]:
    """While this block runs, work on many items pauses: if it is `urgent`, and about few items itself (`number`)."""
    if not urgent or number > AT_A_TIME:
        yield
        return
    piece = object()
    _urgent.began[piece] = time.monotonic()
    try:
        yield
    finally:
        _urgent.end(piece)


async def give_way() -> None:
    """A turn for others; while urgent work is under way a pause until it ends, of at most `MAX_PAUSE_SECONDS`."""
    if not _urgent.under_way:
        await asyncio.sleep(0)
        return
    ended = asyncio.get_running_loop().create_future()
    _urgent.waiting.add(ended)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MAX_PAUSE_SECONDS):
                await ended
    finally:
        _urgent.waiting.discard(ended)


async def map_yielding(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`[work(item) for item in items]`; of more than `AT_A_TIME` items, others go before each piece of so many."""
    if len(items) <= AT_A_TIME:
        return [work(item) for item in items]
    results: list[Result] = []
    for start in range(0, len(items), AT_A_TIME):
        await give_way()
        results += map(work, items[start : start + AT_A_TIME])
    return results
