"""uvicorn's protocol with one socket write per answer. uvicorn itself writes the head and the body separately.

A write costs more CPU than most of the work for a small answer, here and in the client.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_BYTES = 65_536  # larger data is written at once: gathering gains nothing, and the writer must notice a slow reader


class GatheringTransport:
    """Joins the writes of one event loop turn into one write. Everything else is passed to the transport."""

    def __init__(self, transport: asyncio.Transport, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._transport = transport
        self._call_soon = call_soon
        self._gathered: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._gathered:
            self._call_soon(self.flush)
        self._gathered.append(data)
        self._size += len(data)
        if self._size > MAX_BYTES:
            self.flush()

    def writelines(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def flush(self) -> None:
        if self._gathered:
            gathered = b"".join(self._gathered)
            self._gathered.clear()
            self._size = 0
            self._transport.write(gathered)

    def close(self) -> None:
        self.flush()
        self._transport.close()


class SingleWriteProtocol(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        gathering = GatheringTransport(cast("asyncio.Transport", transport), self.loop.call_soon)
        super().connection_made(cast("asyncio.Transport", gathering))
