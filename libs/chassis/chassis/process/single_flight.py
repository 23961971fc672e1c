"""Single-flight: callers that want the same thing at the same time share one attempt to get it."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class SingleFlight(Generic[Key, Value]):
    """For one event loop. Cancelling one caller does not cancel the shared attempt."""

    def __init__(self) -> None:
        self._flights: dict[Key, asyncio.Task[Value]] = {}

    def start(self, key: Key, make: Callable[[], Coroutine[Any, Any, Value]]) -> "asyncio.Task[Value]":
        """The running attempt for `key`, or a new one. Shield it when you await it."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(make())
            flight.add_done_callback(lambda done: self._end(key, done))
        return flight

    def under_way(self, key: Key) -> "asyncio.Task[Value] | None":
        return self._flights.get(key)

    async def run(self, key: Key, make: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """The result of the attempt. An error of the attempt is raised to every caller."""
        return await asyncio.shield(self.start(key, make))

    async def close(self) -> None:
        """Cancels all running attempts."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        if flights:
            await asyncio.wait(flights)

    def _end(self, key: Key, flight: "asyncio.Task[Value]") -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # marks the error as retrieved, even if every caller was cancelled
