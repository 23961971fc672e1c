"""The two ways to carry out calls: blocking, and in an event loop. What they do is in `calls`; they only send and wait."""

import asyncio
import time
from typing import Any, TypeVar, cast

import httpx2

from notifications.calls import Call, Flow, Pause
from notifications.connection import Connection

T = TypeVar("T")


class SyncTransport:
    """Sends calls and waits, blocking the thread. It closes the HTTP client that it made, not one that it was given."""

    def __init__(self, connection: Connection, http: httpx2.Client | None) -> None:
        self.connection = connection
        self._http, self._owned = http or httpx2.Client(), http is None

    def run(self, flow: Flow[T]) -> T:
        """The result of the flow. Raises what it raises."""
        steps = iter(flow)
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = next(steps)
                    continue
                try:
                    response = self._http.request(step.method, step.url, **_options(step))
                except httpx2.RequestError as lost:
                    step = steps.throw(lost)
                else:
                    step = steps.send(response)
        except StopIteration as done:
            return cast("T", done.value)

    def close(self) -> None:
        if self._owned:
            self._http.close()


class AsyncTransport:
    """The same in an event loop."""

    def __init__(self, connection: Connection, http: httpx2.AsyncClient | None) -> None:
        self.connection = connection
        self._http, self._owned = http or httpx2.AsyncClient(), http is None

    async def run(self, flow: Flow[T]) -> T:
        """The result of the flow. Raises what it raises."""
        steps = iter(flow)
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = next(steps)
                    continue
                try:
                    response = await self._http.request(step.method, step.url, **_options(step))
                except httpx2.RequestError as lost:
                    step = steps.throw(lost)
                else:
                    step = steps.send(response)
        except StopIteration as done:
            return cast("T", done.value)

    async def close(self) -> None:
        if self._owned:
            await self._http.aclose()


def _options(call: Call[Any]) -> dict[str, Any]:
    return {
        "params": call.params,
        "content": call.content,
        "headers": call.all_headers,
        "timeout": call.connection.timeout,
        "follow_redirects": False,  # a redirected POST would become a GET
    }
