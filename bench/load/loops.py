"""Closed loop: each connection sends after its response. Open loop: requests are sent on time, with or without
responses.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

from bench.load.wire import Wire

FIRST_CONNECTIONS = 8
Answer = tuple[float, float, int, bytes]  # due, answered, status, body


class Posting:
    """Sends each of `requests` once. A request whose connection broke gets the status 0, and is not sent again."""

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        self._port = port
        self._requests = requests
        self._next = 0
        self._idle: list[Wire] = []  # the last used is used first: a server closes connections that are idle for long
        self._overdue: deque[tuple[bytes, float]] = deque()
        self._go_on: Callable[[Wire], None] = self._send_next
        self._opening: set[asyncio.Task[None]] = set()
        self._done = asyncio.Event()
        self.answers: list[Answer] = []
        self.started = 0.0

    async def closed(self, connections: int) -> None:
        wires = [await self._open() for _ in range(min(connections, len(self._requests)))]
        self.started = time.monotonic()
        for wire in wires:
            self._send_next(wire)
        await self._done.wait()

    async def at_rate(self, rate: float) -> None:
        """Times count from when a request was due, so a slow generator or server is visible."""
        self._go_on = self._send_overdue
        self._idle = [await self._open() for _ in range(FIRST_CONNECTIONS)]
        self.started = time.monotonic()
        for number, request in enumerate(self._requests):
            due = self.started + number / rate
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            self._overdue.append((request, due))
            wire = self._rested()
            if wire is None:
                self._open_another()
            else:
                self._send_overdue(wire)
        await self._done.wait()

    def _rested(self) -> Wire | None:
        while self._idle:
            wire = self._idle.pop()
            if wire.alive:
                return wire
        return None

    def _send_next(self, wire: Wire) -> None:
        if self._next < len(self._requests):
            request = self._requests[self._next]
            self._next += 1
            wire.send(request, time.monotonic())

    def _send_overdue(self, wire: Wire) -> None:
        if self._overdue:
            wire.send(*self._overdue.popleft())
        else:
            self._idle.append(wire)

    def _open_another(self) -> None:
        async def open_and_go_on() -> None:
            self._go_on(await self._open())

        task = asyncio.create_task(open_and_go_on())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self) -> Wire:
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(lambda: Wire(self._answered), "127.0.0.1", self._port)
        return wire

    def _answered(self, wire: Wire, status: int, body: bytes) -> None:
        self.answers.append((wire.due, time.monotonic(), status, body))
        if len(self.answers) == len(self._requests):
            self._done.set()
        elif wire.alive:
            self._go_on(wire)
        else:
            self._open_another()
