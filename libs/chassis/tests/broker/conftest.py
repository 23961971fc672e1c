"""What the broker tests share: both brokers, a RabbitMQ that is required in CI, and a TCP proxy that can be cut."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import aio_pika
import pytest
import structlog
from yarl import URL

from chassis.broker import Broker, IncomingMessage, MemoryBroker, Publication, QueueSpec, RabbitBroker, Timing, Topology
from testkit.eventually import eventually

QUICK = Timing(rpc=3.0, publish=3.0, watchdog=0.2, handler_pause=0.05, longest_backoff=0.2)
WAIT_SECONDS = 15.0


@pytest.fixture
def rabbit_url() -> str:
    url = os.environ.get("TEST_RABBITMQ_URL")
    if url:
        return url
    reason = "TEST_RABBITMQ_URL is not set: no RabbitMQ to test against"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def topology() -> Topology:
    """Names of this test alone: a work queue with priorities, and the queue of its dead letters."""
    unique = f"test.{uuid.uuid4().hex}"
    return Topology(
        unique,
        (
            QueueSpec(f"{unique}.work", "work", max_priority=10, dead_letter_routing_key="failed"),
            QueueSpec(f"{unique}.failed", "failed"),
        ),
    )


@pytest.fixture
async def server(rabbit_url: str, topology: Topology) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """A channel of our own to the server, to do to it what the broker must withstand. Deletes the topology afterwards."""
    connection = await aio_pika.connect(rabbit_url)
    yield await connection.channel()
    channel = await connection.channel()
    for queue in topology.queues:
        await channel.queue_delete(queue.name)
    await channel.exchange_delete(topology.exchange)
    await connection.close()


@pytest.fixture
def rabbit(server: object, rabbit_url: str, topology: Topology) -> Callable[..., "asynccontextmanager[RabbitBroker]"]:
    """``async with rabbit() as broker``: a started broker; ``url=`` to reach it through a proxy."""

    @asynccontextmanager
    async def running(url: str = rabbit_url, connect: bool = True, timing: Timing = QUICK, **options: object):
        broker = RabbitBroker(url, topology, name="test", timing=timing, **options)
        await broker.start()
        try:
            assert not connect or await broker.wait_connected(WAIT_SECONDS)
            yield broker
        finally:
            await broker.close()

    return running


@pytest.fixture
def memory(topology: Topology) -> Callable[[], "asynccontextmanager[MemoryBroker]"]:
    @asynccontextmanager
    async def running():
        broker = MemoryBroker(topology, handler_pause=QUICK.handler_pause)
        await broker.start()
        yield broker
        await broker.close()

    return running


@pytest.fixture(params=["memory", "rabbit"])
def running(request: pytest.FixtureRequest) -> Callable[[], "asynccontextmanager[Broker]"]:
    return request.getfixturevalue(request.param)


@pytest.fixture
async def broker(running: Callable[[], "asynccontextmanager[Broker]"]) -> AsyncIterator[Broker]:
    async with running() as broker:
        yield broker


class Inbox:
    """A handler that keeps what it gets, and settles it only as the test says: ``Inbox("ack")``."""

    def __init__(self, verb: str | None = None) -> None:
        self.verb = verb
        self.deliveries: list[IncomingMessage] = []
        self._unread: asyncio.Queue[IncomingMessage] = asyncio.Queue()

    async def __call__(self, incoming: IncomingMessage) -> None:
        self.deliveries.append(incoming)
        self._unread.put_nowait(incoming)
        if self.verb:
            await getattr(incoming, self.verb)()

    async def next(self) -> IncomingMessage:
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._unread.get()

    async def bodies(self, count: int) -> list[bytes]:
        return [(await self.next()).body for _ in range(count)]


@pytest.fixture
def inbox() -> type[Inbox]:
    return Inbox


class Eventually:
    """``await eventually(condition)`` waits until an async condition holds, and fails when it does not in good time."""

    async def __call__(self, condition: Callable[[], Awaitable[bool]]) -> None:
        await eventually(condition, WAIT_SECONDS)

    async def confirmed(self, broker: Broker, publication: Publication) -> None:
        """What the outbox does: publish again until it is confirmed."""

        async def published() -> bool:
            return await broker.publish_many([publication]) == [None]

        await self(published)


@pytest.fixture(name="eventually")
def eventually_() -> Eventually:
    return Eventually()


@pytest.fixture
def message() -> Callable[..., Publication]:
    """A publication to the work queue with an id of its own."""

    def make(body: bytes = b"{}", routing_key: str = "work", **properties: object) -> Publication:
        return Publication(routing_key, body, str(properties.pop("message_id", uuid.uuid4())), **properties)

    return make


@pytest.fixture
def events() -> Iterator[list[dict[str, object]]]:
    """The log events of this test."""
    with structlog.testing.capture_logs() as captured:
        yield captured


class Proxy:
    """A TCP proxy in front of the server that can be cut, opened again, or go silent with its connections open."""

    def __init__(self, url: str) -> None:
        self._target = URL(url)
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._holding = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return str(self._target.with_host("127.0.0.1").with_port(self.port))

    async def open(self) -> None:
        self._flowing.set()
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Refuse new connections and break the ones there are."""
        if self._listener is not None:
            self._listener.close()
        connections = tuple(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def silence(self) -> None:
        self._flowing.clear()
        self._holding.clear()

    async def holds(self) -> None:
        """Returns when something has been written that the silence keeps back."""
        async with asyncio.timeout(WAIT_SECONDS):
            await self._holding.wait()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            onward_reader, onward = await asyncio.open_connection(self._target.host, self._target.port or 5672)
            writers.append(onward)
            async with asyncio.TaskGroup() as both_ways:
                both_ways.create_task(self._copy(reader, onward))
                both_ways.create_task(self._copy(onward_reader, writer))
        finally:
            for each in writers:
                each.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                self._holding.set()
                await self._flowing.wait()
                writer.write(data)
        writer.close()


@pytest.fixture
async def proxy(rabbit_url: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(rabbit_url)
    await proxy.open()
    yield proxy
    await proxy.cut()
