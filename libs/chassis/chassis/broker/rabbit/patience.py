"""A bounded wait for the client library which neither invents a cancellation nor loses one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ConnectionGone(Exception):
    """The connection ended while we waited for its answer."""


@asynccontextmanager
async def until(deadline: float) -> AsyncIterator[None]:
    """``asyncio.timeout_at`` for everything that calls the client. Cancelled means: we were cancelled.

    When a connection dies of missed heartbeats, the client rejects what waits on it with ``CancelledError``; let through,
    that would silently end whichever of our tasks was waiting, the one that reconnects included. It is ``ConnectionGone``.
    And where our cancellation meets an answer that has just come, ``asyncio.wait_for`` of Python 3.11, which the client
    uses, drops the cancellation; whoever cancelled us would wait for ever. It is raised here.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except asyncio.CancelledError as error:
        if task is None or task.cancelling() > before:
            raise
        raise ConnectionGone("the connection was lost") from error
    except Exception as error:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError from error
        raise
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """``until`` so many seconds from now."""
    async with until(asyncio.get_running_loop().time() + seconds):
        yield
