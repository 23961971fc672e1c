"""Background work that repeats: it survives errors and ends when the service stops."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import structlog

from chassis.errors import Unavailable

log = structlog.get_logger()

AGAIN_SECONDS = 2.0


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
        await end_tasks(started)


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels the tasks and waits until they have ended; their errors are dropped.

    A task that has not ended after AGAIN_SECONDS is cancelled again: a library may swallow a cancellation that arrives just
    as its call completes. The task would then continue for ever, and the service would never stop.
    """
    pending = left = set(tasks)
    while pending:
        for one in pending:
            one.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_SECONDS)
    await asyncio.gather(*left, return_exceptions=True)


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
            log.exception("periodic_task.failed", task=task.name)
            busy = 0
        await asyncio.sleep(0 if busy else task.every_seconds)
