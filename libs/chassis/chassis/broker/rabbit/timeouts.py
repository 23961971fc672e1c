"""How long each step of a RabbitMQ connection may take."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


class ConnectionGone(Exception):
    """The connection ended while we waited for an answer."""


@asynccontextmanager
async def until(deadline: float) -> AsyncIterator[None]:
    """``asyncio.timeout_at`` for every call of the client library. With it, ``CancelledError`` always means our cancellation.

    When a connection dies of missed heartbeats, the client fails pending calls with ``CancelledError``. That would silently
    end our waiting task, even the task that reconnects. It becomes ``ConnectionGone`` here.
    The client uses ``asyncio.wait_for``. In Python 3.11 it drops a cancellation that meets an answer which has just arrived;
    the canceller would then wait for ever. The cancellation is raised again here.
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
    """``until`` the time in ``seconds`` seconds."""
    async with until(asyncio.get_running_loop().time() + seconds):
        yield


FIRST_BACKOFF = 0.2


@dataclass(frozen=True, slots=True)
class Timing:
    connect: float = 10.0
    rpc: float = 5.0
    publish: float = 10.0
    """The maximum duration of ``publish_many``. A lease on the published rows has to last longer."""
    watchdog: float = 5.0
    """The interval of the checks of topology and subscriptions. A silent consumer is replaced after two intervals."""
    handler_pause: float = 1.0
    longest_backoff: float = 10.0


def reconnect_delay(failures: int, max_delay: float) -> float:
    """Seconds before the next connection attempt: doubles with consecutive failures; half of it is random.

    Only half is random: after a broker's restart the services reconnect spread out, and none reconnects in rapid succession.
    """
    ceiling = min(max_delay, FIRST_BACKOFF * 2 ** min(failures, 16))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads load, guards nothing
