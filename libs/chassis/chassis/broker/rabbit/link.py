"""One AMQP connection that is kept up for ever.

Plain aio-pika connections under our own loop, not ``connect_robust``: a robust connection restores channels and
consumers behind our back, while here a failed publish must discard its channel, the topology must be declared again by
our one code path, a caller must learn at once that there is no connection, and a subscription must not start by itself.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog
from aio_pika import Connection
from yarl import URL

from chassis.broker.base import BrokerUnavailable
from chassis.broker.rabbit.patience import within
from chassis.broker.rabbit.timing import Timing, reconnect_delay
from chassis.broker.rabbit.tolerant import TolerantTransport, was_undecodable

log = structlog.get_logger()

HEARTBEAT_SECONDS = 10  # a half-open connection is noticed after three of them; the client's default takes minutes
CLOSE_SECONDS = 5.0


class ManagedConnection:
    """``prepare`` runs on every new connection, which is up when it has returned; ``on_up`` is told then."""

    def __init__(
        self,
        url: str,
        name: str,
        prepare: Callable[[Connection], Awaitable[None]],
        *,
        timing: Timing,
        on_up: Callable[[], None],
    ) -> None:
        address = URL(url)
        self._url = address if "heartbeat" in address.query else address.update_query(heartbeat=HEARTBEAT_SECONDS)
        self._log = log.bind(connection=name, url=str(address.with_query(None).with_password("***")))
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
            task.cancel()
            await asyncio.wait([task])
        self._reason = "closed"

    @property
    def up(self) -> bool:
        return self._up.is_set()

    async def wait_up(self) -> None:
        await self._up.wait()

    def connection(self) -> Connection:
        """The connection in use. Raises ``BrokerUnavailable``, saying why, while there is none."""
        if self._connection is None:
            raise BrokerUnavailable(self._reason)
        return self._connection

    async def publishable(self) -> Connection:
        """The connection, if the broker has not told it to stop publishing. Raises ``BrokerUnavailable``.

        Anything written while blocked would wait in the socket, and each retry would put another copy behind it.
        """
        connection = self.connection()
        if connection.transport is None:
            raise BrokerUnavailable(self._reason)
        try:
            async with asyncio.timeout(0):
                await connection.transport.ready()  # does not wait at all unless the connection is blocked
        except TimeoutError as error:
            raise BrokerUnavailable("the broker blocks publishers: a memory or disk alarm") from error
        return connection

    def drop(self, connection: Connection) -> None:
        """Give up a connection that does not answer any more, unless it has been replaced already."""
        if connection is self._connection:
            self._reason = "the connection does not answer"
            self._lost.set()

    async def _keep_up(self) -> None:
        failures = 0
        while True:
            try:
                async with self._connected() as lost:
                    failures = 0
                    await lost.wait()
                self._log.warning("broker.disconnected", reason=self._reason)
            except Exception as error:  # noqa: BLE001 - with this loop the service would be gone from the broker
                failures += 1
                self._reason = f"{type(error).__name__}: {error}"
                self._log.warning("broker.connect_failed", reason=self._reason, failures=failures)
            await asyncio.sleep(reconnect_delay(failures, self._timing.longest_backoff))

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncio.Event]:
        lost = self._lost = asyncio.Event()
        connection = Connection(self._url, client_properties={"connection_name": self._name})
        if self._tolerant:
            connection.kwargs["transport_factory"] = TolerantTransport()
        connection.close_callbacks.add(lambda _, error: self._on_close(lost, error))
        try:
            async with within(self._timing.connect):
                await connection.connect()
                await self._prepare(connection)
            self._connection = connection
            self._up.set()
            self._log.info("broker.connected")
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


async def _close(connection: Connection) -> None:
    """A dead connection can neither say goodbye nor may it hold up the next one."""
    with suppress(Exception):
        async with within(CLOSE_SECONDS):
            await connection.close()
