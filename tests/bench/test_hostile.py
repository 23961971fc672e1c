"""What the hostile load holds open, and that it comes again when it is refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from bench.load import hostile
from bench.load.hostile import Hostile
from testkit.eventually import eventually


class Server:
    """Takes all that is said, and answers nothing."""

    def __init__(self) -> None:
        self.open: set[asyncio.Transport] = set()
        self.heard = 0


class Listener(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.open.add(self._transport)

    def data_received(self, data: bytes) -> None:
        self._server.heard += len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.open.discard(self._transport)


@pytest.fixture(autouse=True)
def _little(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("IDLE", 5),
        ("HALF_BODIES", 4),
        ("HEADER_BYTES", 10 * hostile.PIECE),
        ("PAUSE_SECONDS", 0.0),
        ("RAMP_SECONDS", 0.0),
    ):
        monkeypatch.setattr(hostile, name, value)


@asynccontextmanager
async def under_attack() -> AsyncIterator[tuple[Server, Hostile]]:
    server = Server()
    listening = await asyncio.get_running_loop().create_server(lambda: Listener(server), "127.0.0.1", 0)
    attack = Hostile(listening.sockets[0].getsockname()[1], seconds=0.1)
    attack.start()
    try:
        async with asyncio.timeout(20):
            await attack.under_way.wait()
            yield server, attack
    finally:
        await attack.stop()
        listening.close()
        for transport in server.open:
            transport.abort()


async def test_connections_stay_and_headers_come_to_their_end() -> None:
    async with under_attack() as (server, attack):
        await eventually(lambda: attack.sent.header_bytes >= 10 * hostile.PIECE and len(server.open) == 9)
        assert server.heard >= attack.sent.header_bytes == 10 * hostile.PIECE
        assert (attack.sent.connections, attack.sent.refused) == (10, 0)


async def test_what_is_closed_is_opened_again() -> None:
    async with under_attack() as (server, attack):
        for transport in list(server.open):
            transport.abort()
        await eventually(lambda: attack.sent.connections >= 19 and len(server.open) >= 9)
        assert attack.sent.refused >= 9
