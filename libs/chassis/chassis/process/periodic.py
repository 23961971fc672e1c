"""Background work that repeats: it survives errors and ends when the service stops."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

import structlog

from chassis.errors import Unavailable

log = structlog.get_logger()


class PeriodicTask(NamedTuple):
    """`run_once` returns the number of items that it found to process."""

    name: str
    run_once: Callable[[], Awaitable[int]]
    every_seconds: float


@asynccontextmanager
async def running(tasks: Iterable[PeriodicTask]) -> AsyncIterator[None]:
    """Repeats the tasks while the block runs. Cancels them at its end, and waits for them."""
    started = [asyncio.create_task(repeat(task)) for task in tasks]
    try:
        yield
    finally:
        for one in started:
            one.cancel()
        await asyncio.gather(*started, return_exceptions=True)


async def repeat(task: PeriodicTask) -> None:
    """Calls `run_once` for ever: again immediately if it found work, otherwise after a pause.

    An unavailable database or broker ends one run only. A defect also ends one run only, and is logged with its traceback:
    if a task died silently, accepted notifications would stay pending for ever.
    """
    while True:
        try:
            busy = await task.run_once()
        except Unavailable:
            busy = 0
        except Exception:
            log.exception("loop.turn_failed", loop=task.name)
            busy = 0
        await asyncio.sleep(0 if busy else task.every_seconds)
