"""Waits for a condition that another task, process or server brings about. Only this module sleeps in tests."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")
WITHIN_SECONDS = 30.0


async def eventually(
    condition: Callable[[], Value | Awaitable[Value]],
    within: float = WITHIN_SECONDS,
    *,
    until: Callable[[Value], object] = bool,
    every: float = 0.02,
) -> Value:
    """The first value of `condition` for which `until` is true. `condition` may return an awaitable.

    Raises TimeoutError after `within` seconds.
    """
    async with asyncio.timeout(within):
        while True:
            found = condition()
            value: Value = await found if inspect.isawaitable(found) else found
            if until(value):
                return value
            await asyncio.sleep(every)


def wait_until(ready: Callable[[], bool], seconds: float, what: str, *, every: float = 0.1) -> float:
    """The same without an event loop. Returns the seconds that it took. Raises TimeoutError with `what`."""
    began = time.monotonic()
    while not ready():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"{what} was not ready within {seconds:.0f} s")
        time.sleep(every)
    return time.monotonic() - began
