"""Background work that repeats: it survives what goes wrong and ends when the service stops."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from chassis.errors import Unavailable

log = structlog.get_logger()


async def repeat(name: str, work: Callable[[], Awaitable[int]], *, every_seconds: float) -> None:
    """Calls `work` for ever: again at once while it finds something to do, else after a pause.

    A database or broker that is away ends one turn; so does any defect, which is logged with its trace: a loop that died
    quietly would leave accepted notifications pending for ever.
    """
    while True:
        try:
            busy = await work()
        except Unavailable:
            busy = 0
        except Exception:
            log.exception("loop.turn_failed", loop=name)
            busy = 0
        await asyncio.sleep(0 if busy else every_seconds)
