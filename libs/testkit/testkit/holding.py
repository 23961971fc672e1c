"""A server that accepts connections and never responds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holding:
    """`url` is its address. When `release` is set, it closes all connections."""

    url: str
    release: asyncio.Event


@asynccontextmanager
async def holding_server() -> AsyncIterator[Holding]:
    release = asyncio.Event()

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield Holding(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", release)
    finally:
        release.set()
        server.close()
        await server.wait_closed()
