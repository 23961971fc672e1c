"""A server that accepts connections and never responds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UnresponsiveServer:
    """`url` is its address. When `close_all` is set, it closes all connections."""

    url: str
    close_all: asyncio.Event


@asynccontextmanager
async def unresponsive_server() -> AsyncIterator[UnresponsiveServer]:
    close_all = asyncio.Event()

    async def keep_silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await close_all.wait()
        writer.close()

    server = await asyncio.start_server(keep_silent, "127.0.0.1", 0)
    try:
        yield UnresponsiveServer(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", close_all)
    finally:
        close_all.set()
        server.close()
        await server.wait_closed()
