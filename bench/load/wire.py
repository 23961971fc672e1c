"""One kept HTTP/1.1 connection, minimal for a load generator: a response is its status and its body."""

import asyncio
import re
from collections.abc import Callable
from typing import cast

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)


class Wire(asyncio.Protocol):
    """`send` one request, then wait for `on_answer(wire, status, body)`. A broken connection gives the status 0."""

    def __init__(self, on_answer: Callable[["Wire", int, bytes], None]) -> None:
        self._on_answer = on_answer
        self._received = bytearray()
        self._waiting = False
        self.due = 0.0  # when the pending request was due
        self.alive = False

    def send(self, request: bytes, due: float) -> None:
        self.due, self._waiting = due, True
        self._transport.write(request)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.WriteTransport", transport)  # uvloop's transport is none by inheritance
        self._transport = stream
        self.alive = True

    def data_received(self, data: bytes) -> None:
        self._received += data
        found = take_answer(self._received)
        if found is not None:
            self._waiting = False
            self._on_answer(self, *found)

    def connection_lost(self, exc: Exception | None) -> None:
        self.alive = False
        if self._waiting:
            self._on_answer(self, 0, repr(exc).encode())


def take_answer(received: bytearray) -> tuple[int, bytes] | None:
    """Removes the received response and returns (status, body). None while it is incomplete."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    found = _LENGTH.search(received, 0, end + 2)
    whole = end + 4 + (int(found[1]) if found else 0)
    if len(received) < whole:
        return None
    status, body = int(received[9:12]), bytes(received[end + 4 : whole])
    del received[:whole]
    return status, body
