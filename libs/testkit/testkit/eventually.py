"""Waits for effects of another task, process or server. Only this module sleeps in tests.

`tests/test_waiting.py` holds the tests to that.
"""

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
            value = await _value_of(condition)
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


async def stays(
    condition: Callable[[], Value | Awaitable[Value]],
    seconds: float,
    *,
    holds: Callable[[Value], object] = bool,
    every: float = 0.02,
) -> None:
    """Checks that `holds` is true for every value of `condition`, for so many seconds. `condition` may return an awaitable.

    Raises AssertionError with the first value for which it is false.
    """
    began = time.monotonic()
    while True:
        after = time.monotonic() - began
        value = await _value_of(condition)
        _require(holds(value), value, after)
        if after >= seconds:
            return
        await asyncio.sleep(every)


def remains(
    condition: Callable[[], Value],
    seconds: float,
    *,
    holds: Callable[[Value], object] = bool,
    every: float = 0.1,
) -> None:
    """`stays` without an event loop."""
    began = time.monotonic()
    while True:
        after = time.monotonic() - began
        value = condition()
        _require(holds(value), value, after)
        if after >= seconds:
            return
        time.sleep(every)


async def other_tasks(turns: int = 1) -> None:
    """Lets the other tasks of the loop run for that many turns."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def time_passes(seconds: float) -> None:
    """For effects that take real time and have no condition to wait for: something ages, a server answers late."""
    await asyncio.sleep(seconds)


def pause(seconds: float) -> None:
    """`time_passes` without an event loop. Where there is one, it is blocked meanwhile."""
    time.sleep(seconds)


async def _value_of(condition: Callable[[], Value | Awaitable[Value]]) -> Value:
    found = condition()
    value: Value = await found if inspect.isawaitable(found) else found
    return value


def _require(holds: object, value: object, after: float) -> None:
    if not holds:
        raise AssertionError(f"it did not stay so: {value!r} after {after:.2f} s")
