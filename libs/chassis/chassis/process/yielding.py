"""Work on many items in small pieces: other requests run between two pieces, and urgent work goes first."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_A_TIME = 20  # at 10 to 70 microseconds each, about a millisecond
MAX_PAUSE_SECONDS = 0.02  # between two pieces, so that a stream of urgent work does not stop other work
MAX_URGENT_SECONDS = 0.1  # urgent work that takes longer is waiting for something outside this process


class _Urgent:
    """The urgent work that runs in this process: the start of each piece, and who waits for all of it to end."""

    def __init__(self) -> None:
        self.began: dict[object, float] = {}
        self.waiting: set[asyncio.Future[None]] = set()

    @property
    def under_way(self) -> bool:
        """Looks only at the piece that began last. The dictionary keeps the order of insertion."""
        return bool(self.began) and next(reversed(self.began.values())) > time.monotonic() - MAX_URGENT_SECONDS

    def end(self, piece: object) -> None:
        del self.began[piece]
        if self.began:
            return
        for one in self.waiting:
            if not one.done():
                one.set_result(None)
        self.waiting.clear()


in_progress = _Urgent()


@contextlib.contextmanager
def urgent_work(number: int, *, urgent: bool) -> Iterator[None]:
    """While this block runs, work on many items pauses. Applies only if the block is `urgent` and its `number` is small."""
    if not urgent or number > AT_A_TIME:
        yield
        return
    piece = object()
    in_progress.began[piece] = time.monotonic()
    try:
        yield
    finally:
        in_progress.end(piece)


async def give_way() -> None:
    """Lets other tasks run. If urgent work is under way, pauses until it ends, for at most `MAX_PAUSE_SECONDS`."""
    if not in_progress.under_way:
        await asyncio.sleep(0)
        return
    ended = asyncio.get_running_loop().create_future()
    in_progress.waiting.add(ended)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MAX_PAUSE_SECONDS):
                await ended
    finally:
        in_progress.waiting.discard(ended)


async def map_yielding(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`[work(item) for item in items]`. Lets other tasks run before each piece if there are more than `AT_A_TIME` items."""
    if len(items) <= AT_A_TIME:
        return [work(item) for item in items]
    results: list[Result] = []
    for start in range(0, len(items), AT_A_TIME):
        await give_way()
        results += map(work, items[start : start + AT_A_TIME])
    return results
