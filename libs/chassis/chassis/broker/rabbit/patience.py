"""A bounded wait for the client library that lets only our own cancellation through."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ConnectionGone(Exception):
    """The connection ended while we waited for its answer."""


@asynccontextmanager
async def until(deadline: float) -> AsyncIterator[None]:
    """``asyncio.timeout_at``, which raises ``ConnectionGone`` where nobody cancelled us.

    When a connection dies of missed heartbeats the client rejects everything that waits on it with ``CancelledError``.
    Let through, that would silently end whichever of our tasks was waiting, the one that reconnects included.
    """
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionGone("the connection was lost") from error


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """``until`` so many seconds from now."""
    async with until(asyncio.get_running_loop().time() + seconds):
        yield
