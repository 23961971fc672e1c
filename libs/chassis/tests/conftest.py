"""Clocks that do not move by themselves, and Redis in three states of health."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import fakeredis
import pytest
from redis.asyncio import Redis

from chassis.redis import client as redis_client
from chassis.redis.client import connect_redis
from testkit.clock import Clock
from testkit.quiet import close_when_quiet


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def name() -> str:
    """A prefix of its own, so that a server can be shared."""
    return f"test-{uuid.uuid4().hex}"


def _server_url() -> str:
    url = os.environ.get("TEST_REDIS_URL")
    if url:
        return url
    if os.environ.get("CI") == "true":
        pytest.fail("CI must set TEST_REDIS_URL")
    pytest.skip("TEST_REDIS_URL is not set")


@pytest.fixture(params=["fakeredis", "server"])
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    client = fakeredis.FakeAsyncRedis() if request.param == "fakeredis" else connect_redis(_server_url())
    yield client
    await close_when_quiet(client)


@pytest.fixture
async def server_redis() -> AsyncIterator[Redis]:
    """A real server only: for tests of the client, not of the commands."""
    client = connect_redis(_server_url())
    yield client
    await close_when_quiet(client)


@pytest.fixture
async def patient_redis(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Redis]:
    """As `server_redis`, on a machine so busy that opening fifty connections may take longer than a call may."""
    monkeypatch.setattr(redis_client, "CALL_SECONDS", 30.0)
    client = connect_redis(_server_url())
    yield client
    await close_when_quiet(client)


@pytest.fixture
async def dead_redis(unused_tcp_port: int) -> AsyncIterator[Redis]:
    """A port without a listener."""
    client = connect_redis(f"redis://127.0.0.1:{unused_tcp_port}")
    yield client
    await close_when_quiet(client)


@dataclass
class SilentServer:
    """Accepts connections and never answers; counts them."""

    port: int = 0
    connections: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        await reader.read()
        writer.close()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()


@pytest.fixture
async def silent_server() -> AsyncIterator[SilentServer]:
    silent = SilentServer()
    server = await asyncio.start_server(silent.serve, "127.0.0.1", 0)
    silent.port = server.sockets[0].getsockname()[1]
    yield silent
    silent.hang_up()
    server.close()
    await server.wait_closed()


@pytest.fixture
async def slow_redis(silent_server: SilentServer) -> AsyncIterator[Redis]:
    client = connect_redis(f"redis://127.0.0.1:{silent_server.port}")
    yield client
    await close_when_quiet(client)
