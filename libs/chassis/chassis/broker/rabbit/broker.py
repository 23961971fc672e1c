"""``Broker`` on RabbitMQ: two connections, one publisher, any number of consumers, and a watchdog that repairs them.

Publishing has its own connection, because the broker blocks a publishing connection during a memory or disk alarm.
Consumers must continue during an alarm, otherwise it would never end.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog
from aio_pika import Connection

from chassis.broker.interface import (
    BrokerUnavailable,
    Handler,
    Handling,
    Publication,
    PublishFailed,
    QueueDepth,
    Topology,
)
from chassis.broker.rabbit.connection import ManagedConnection
from chassis.broker.rabbit.consumer import Callbacks, RabbitConsumer
from chassis.broker.rabbit.publisher import Publisher
from chassis.broker.rabbit.timeouts import Timing
from chassis.broker.rabbit.topology import Admin, QueueType, TopologyConflict, declare
from chassis.process.periodic import end_tasks

log = structlog.get_logger()

REST_SECONDS = 0.5  # between two checks of the watchdog, however often it is woken


class RabbitBroker:
    """``url`` is an AMQP URL, of one node or of several. ``name`` appears in RabbitMQ's list of connections.

    The constructor raises nothing.
    """

    def __init__(
        self,
        url: str,
        topology: Topology,
        *,
        name: str,
        queue_type: QueueType = "classic",
        timing: Timing | None = None,
    ) -> None:
        self._topology = topology
        self._queue_type: QueueType = queue_type
        self._timing = timing or Timing()
        self._wake = asyncio.Event()
        self._publishing = ManagedConnection(
            url, f"{name}.publish", self._prepare, timing=self._timing, on_up=self._wake.set
        )
        self._consuming = ManagedConnection(
            url, f"{name}.consume", self._prepare, timing=self._timing, on_up=self._wake.set
        )
        self._publisher = Publisher(
            self._publishing, topology.exchange, seconds=self._timing.publish, on_unroutable=self._wake.set
        )
        self._admin = Admin(self._consuming, seconds=self._timing.rpc)
        self._consumers: set[RabbitConsumer] = set()
        self._watchdog: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._publishing.start()
        self._consuming.start()
        if self._watchdog is None:
            self._watchdog = asyncio.create_task(self._watch())

    async def close(self) -> None:
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None:
            await end_tasks([watchdog])
        await asyncio.gather(*(consumer.close(grace=0) for consumer in tuple(self._consumers)))
        await asyncio.gather(self._publishing.close(), self._consuming.close())

    @property
    def connected(self) -> bool:
        return self._publishing.up and self._consuming.up

    async def wait_connected(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._publishing.wait_up()
                await self._consuming.wait_up()
        return self.connected

    async def publish_many(self, publications: Sequence[Publication]) -> list[PublishFailed | None]:
        return await self._publisher.publish_many(publications)

    async def consume(self, queue: str, handler: Handler, *, prefetch: int) -> RabbitConsumer:
        name = self._topology.queue(queue).name
        handling = Handling(name, handler, limit=prefetch, pause=self._timing.handler_pause)
        callbacks = Callbacks(on_cancelled=self._wake.set, on_closed=self._consumers.discard)
        consumer = RabbitConsumer(
            self._consuming, name, handling, prefetch=prefetch, timing=self._timing, callbacks=callbacks
        )
        self._consumers.add(consumer)
        await consumer.update_subscription()
        return consumer

    async def depth(self, queue: str) -> QueueDepth:
        async with self._admin.channel() as channel:
            found = (await channel.declare_queue(queue, passive=True)).declaration_result
            return QueueDepth(ready=found.message_count or 0, unacked=None, consumers=found.consumer_count or 0)

    async def ping(self) -> None:
        await self._publishing.publishable()
        async with self._admin.channel() as channel:
            await channel.declare_exchange(self._topology.exchange, passive=True)

    async def _prepare(self, connection: Connection) -> None:
        async with connection.channel(publisher_confirms=False) as channel:
            await declare(channel, self._topology, self._queue_type)

    async def _watch(self) -> None:
        """Every few seconds, and after each event: declares the topology again and checks every consumer."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timing.watchdog):
                    await self._wake.wait()
            self._wake.clear()
            if self._consuming.up:
                await self._check()
                await asyncio.sleep(REST_SECONDS)

    async def _check(self) -> None:
        try:
            async with self._admin.channel() as channel:
                ready = await declare(channel, self._topology, self._queue_type)
        except (BrokerUnavailable, TopologyConflict) as error:
            log.warning("broker.check_failed", reason=str(error))
            ready = {}
        await asyncio.gather(*(consumer.check(ready.get(consumer.queue, 0)) for consumer in tuple(self._consumers)))
