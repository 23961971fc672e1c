"""One AMQP connection that reconnects by itself and accepts messages whose properties cannot be decoded."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import structlog
from aio_pika import Connection
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from pamqp.constants import FRAME_HEADER
from pamqp.header import ContentHeader
from yarl import URL

from chassis.broker.interface import BrokerUnavailable
from chassis.broker.rabbit.timeouts import Timing, reconnect_delay, within
from chassis.failover import ServerOrder, notice_silence, servers_of
from chassis.process.periodic import end_tasks

# Without this, one malformed message would cut the connection again and again.
#
# The client library ends the connection over a message whose properties it cannot decode, e.g. a correlation id that is
# not UTF-8, or a timestamp out of range. The broker then delivers that message first again, so the whole queue is stuck.
# After such a loss, the next connection therefore reads the properties of such a message as empty. The handler gets the
# message and can reject it. This is done only after such a loss, because checking every message costs a fifth of a
# consumer's CPU. Our own messages are always well-formed; other programs can publish to the exchange too.

log = structlog.get_logger()

FRAME_PREFIX = 7  # type, channel, length
FIXED_PART = 12  # class, weight, body size: the part of a content header before its property flags


def was_undecodable(error: BaseException | None) -> bool:
    """Whether data that could not be decoded ended the connection, and not the network or the broker's close."""
    return error is not None and not isinstance(error, ConnectionError | asyncio.CancelledError)


class TolerantReader:
    """The three methods of a ``StreamReader`` that the client's frame reader uses."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._frame_type = b""

    def at_eof(self) -> bool:
        return self._reader.at_eof()

    async def read(self, n: int = -1) -> bytes:
        return await self._reader.read(n)

    async def readexactly(self, n: int) -> bytes:
        """The client reads a frame's type (1 byte), then the rest of its prefix (6 bytes), then its payload and end mark."""
        data = await self._reader.readexactly(n)
        if n == 1:
            self._frame_type = data
        elif n != FRAME_PREFIX - 1 and self._frame_type[0] == FRAME_HEADER:
            return decodable(data)
        return data


def decodable(payload: bytes) -> bytes:
    """The content header unchanged. If it cannot be decoded: a header of the same length without properties."""
    try:
        ContentHeader().unmarshal(payload[:-1])
    except Exception as error:  # noqa: BLE001 - any error here would end the connection, again and again
        log.warning("broker.properties_undecodable", reason=f"{type(error).__name__}: {error}")
        return payload[:FIXED_PART] + b"\0\0" + payload[FIXED_PART + 2 :]
    return payload


class Transport(TransportFactory):
    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        inner = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        reader, writer = await inner.create(url, **kwargs)
        notice_silence(writer.transport)
        return reader, writer


class TolerantTransport(Transport):
    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await super().create(url, **kwargs)
        return cast("asyncio.StreamReader", TolerantReader(reader)), writer


HEARTBEAT_SECONDS = 10  # a broker that hangs is noticed after three heartbeats; the client's default takes minutes
CLOSE_SECONDS = 5.0


class ManagedConnection:
    """One AMQP connection that is kept up for ever.

    It uses plain aio-pika connections under a loop of its own, not ``connect_robust``. A robust connection restores channels
    and consumers by itself. Here a failed publish must discard its channel, only our own code may declare the topology again,
    a caller must learn immediately that there is no connection, and a subscription must not start by itself.

    ``prepare`` runs on every new connection. Then the connection counts as up, and ``on_up`` is called.

    Of several nodes in ``url`` it begins with any, and goes on to the next one when a connection ends or fails.
    """

    def __init__(
        self,
        url: str,
        name: str,
        prepare: Callable[[Connection], Awaitable[None]],
        *,
        timing: Timing,
        on_up: Callable[[], None],
    ) -> None:
        nodes = [_with_heartbeat(URL(node)) for node in servers_of(url)]
        self._nodes = ServerOrder(random.sample(nodes, len(nodes)))
        self._name = name
        self._prepare = prepare
        self._timing = timing
        self._on_up = on_up
        self._connection: Connection | None = None
        self._reason = "not started"
        self._tolerant = False
        self._up = asyncio.Event()
        self._lost = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._reason = "not connected yet"
            self._task = asyncio.create_task(self._keep_up())

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            await end_tasks([task])
        self._reason = "closed"

    @property
    def up(self) -> bool:
        return self._up.is_set()

    async def wait_up(self) -> None:
        await self._up.wait()

    def connection(self) -> Connection:
        """The current connection. Raises ``BrokerUnavailable`` with the reason if there is none."""
        if self._connection is None:
            raise BrokerUnavailable(self._reason)
        return self._connection

    async def publishable(self) -> Connection:
        """The connection, unless the broker blocks publishing on it. Raises ``BrokerUnavailable``.

        Data written while blocked would wait in the socket, and each retry would add another copy.
        """
        connection = self.connection()
        if connection.transport is None:
            raise BrokerUnavailable(self._reason)
        try:
            async with asyncio.timeout(0):
                await connection.transport.ready()  # waits only if the connection is blocked
        except TimeoutError as error:
            raise BrokerUnavailable("the broker blocks publishers: a memory or disk alarm") from error
        return connection

    def drop(self, connection: Connection) -> None:
        """Closes a connection that does not answer, unless it has been replaced already."""
        if connection is self._connection:
            self._reason = "the connection does not answer"
            self._lost.set()

    async def _keep_up(self) -> None:
        failures = 0
        while True:
            node = self._nodes.next
            bound = log.bind(connection=self._name, url=str(node.with_query(None).with_password("***")))
            try:
                async with self._connected(node) as lost:
                    bound.info("broker.connected")
                    failures = 0
                    await lost.wait()
                bound.warning("broker.disconnected", reason=self._reason)
            except Exception as error:  # noqa: BLE001 - if this loop ended, the service would never reconnect
                failures += 1
                self._reason = f"{type(error).__name__}: {error}"
                bound.warning("broker.connect_failed", reason=self._reason, failures=failures)
            self._nodes.failed(node)
            await asyncio.sleep(reconnect_delay(failures, self._timing.longest_backoff))

    @asynccontextmanager
    async def _connected(self, node: URL) -> AsyncIterator[asyncio.Event]:
        lost = self._lost = asyncio.Event()
        connection = Connection(node, client_properties={"connection_name": self._name})
        connection.kwargs["transport_factory"] = TolerantTransport() if self._tolerant else Transport()
        connection.close_callbacks.add(lambda _, error: self._on_close(lost, error))
        try:
            async with within(self._timing.connect):
                # A node that is cut off must not take all the time.
                async with within(self._timing.connect / len(self._nodes)):
                    await connection.connect()
                await self._prepare(connection)
            self._connection = connection
            self._up.set()
            self._on_up()
            yield lost
        finally:
            self._up.clear()
            self._connection = None
            await _close(connection)

    def _on_close(self, lost: asyncio.Event, error: BaseException | None) -> None:
        if not lost.is_set():
            self._reason = f"{type(error).__name__}: {error}"
            self._tolerant = was_undecodable(error)
            lost.set()


def _with_heartbeat(node: URL) -> URL:
    return node if "heartbeat" in node.query else node.update_query(heartbeat=HEARTBEAT_SECONDS)


async def _close(connection: Connection) -> None:
    """Closes with a time limit: a dead connection cannot close properly, and must not delay the next one."""
    with suppress(Exception):
        async with within(CLOSE_SECONDS):
            await connection.close()
