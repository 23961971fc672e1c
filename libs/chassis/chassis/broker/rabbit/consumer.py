"""Consuming one queue: subscription, reconnection, and detection of a consumer that the broker has lost."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog
from aio_pika import Connection
from aio_pika.exceptions import ChannelInvalidStateError
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp.commands import Basic

from chassis.broker.interface import BrokerUnavailable, Handling
from chassis.broker.rabbit.confirms import open_channel
from chassis.broker.rabbit.connection import ManagedConnection
from chassis.broker.rabbit.settlement import RabbitMessage, Settlements
from chassis.broker.rabbit.timeouts import Timing, within


class SilenceDetector:
    """A consumer is silent if it could take a message that is ready, but receives none for ``silence_seconds``."""

    def __init__(self, silence_seconds: float) -> None:
        self._silence_seconds = silence_seconds
        self._received = 0
        self._idle_since: float | None = None

    def silent(self, *, received: int, waiting: bool, now: float) -> bool:
        """``received``: the number so far. ``waiting``: the consumer could take a ready message. ``now``: in seconds."""
        if received != self._received or not waiting:
            self._received = received
            self._idle_since = None
            return False
        if self._idle_since is None:
            self._idle_since = now
        return now - self._idle_since >= self._silence_seconds


class Subscription:
    """Calls ``receive`` for each message; it must not block. Calls ``cancelled`` when the broker ends the consumer."""

    def __init__(
        self,
        channel: Channel,
        receive: Callable[[RabbitMessage], None],
        cancelled: Callable[[], None],
    ) -> None:
        self._channel = channel
        self._receive = receive
        self._cancelled = cancelled
        self._tag: str | None = None
        self.settlements = Settlements(channel)
        channel.on_consumer_cancel_callbacks.add(self._on_cancel)

    @classmethod
    async def open(
        cls,
        connection: Connection,
        prefetch: int,
        receive: Callable[[RabbitMessage], None],
        cancelled: Callable[[], None],
    ) -> "Subscription":
        channel = await open_channel(connection, confirms=False)
        await channel.basic_qos(prefetch_count=prefetch)
        return cls(channel, receive, cancelled)

    @property
    def lost(self) -> bool:
        return self._channel.is_closed

    @property
    def consuming(self) -> bool:
        """The client only forgets the tag of a consumer that the broker cancelled; there is no other signal."""
        return not self.lost and self._tag in self._channel.consumers

    async def consume(self, queue: str) -> None:
        answer = await self._channel.basic_consume(queue, self._on_message)
        self._tag = answer.consumer_tag

    async def cancel(self) -> None:
        """Stops deliveries. Messages already delivered can still be settled."""
        if self.consuming and self._tag is not None:
            await self._channel.basic_cancel(self._tag)
        self._tag = None

    async def close(self, seconds: float) -> None:
        """Returns unsettled messages to the broker. Never raises: a lost channel has returned them already."""
        with suppress(Exception):
            async with within(seconds):
                await self.settlements.flush()
                await self._channel.close(ChannelInvalidStateError("closed"))

    async def _on_message(self, message: DeliveredMessage) -> None:
        self._receive(self.settlements.begin(message))

    def _on_cancel(self, _: Basic.Cancel) -> None:
        self._cancelled()


log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What a consumer calls on the broker object that it belongs to."""

    on_cancelled: Callable[[], None]
    on_closed: Callable[["RabbitConsumer"], None]


class RabbitConsumer:
    def __init__(
        self,
        connection: ManagedConnection,
        queue: str,
        handling: Handling,
        *,
        prefetch: int,
        timing: Timing,
        callbacks: Callbacks,
    ) -> None:
        self._connection = connection
        self._queue = queue
        self._handling = handling
        self._prefetch = prefetch
        self._timing = timing
        self._callbacks = callbacks
        self._subscription: Subscription | None = None
        self._silence = SilenceDetector(2 * timing.watchdog)
        self._paused = False
        self._closed = False
        self._changing = asyncio.Lock()

    @property
    def queue(self) -> str:
        return self._queue

    async def check(self, ready: int) -> None:
        """Called by the watchdog. ``ready`` is the number of messages that wait in the queue."""
        subscription = self._subscription
        if subscription is not None and self._is_silent(subscription, ready):
            log.warning("consumer.silent", queue=self._queue, ready=ready)
            async with self._changing:
                await self._give_up()
        await self.update_subscription()

    async def update_subscription(self) -> None:
        """Subscribes or cancels, as wanted. After a failure, the next check of the watchdog tries again."""
        async with self._changing:
            try:
                async with within(self._timing.rpc):
                    await self._step()
            except BrokerUnavailable:
                return  # the connection logs this already, and wakes the watchdog when it is up
            except Exception as error:  # noqa: BLE001 - the client's errors on a dying connection have no common base
                log.warning("consumer.subscribe_failed", queue=self._queue, reason=repr(error))
                await self._give_up()

    async def pause(self) -> None:
        self._paused = True
        await self.update_subscription()

    async def resume(self) -> None:
        self._paused = False
        await self.update_subscription()

    async def close(self, grace: float = 10.0) -> None:
        self._closed = True
        await self.update_subscription()
        await self._handling.drain(grace)
        async with self._changing:
            await self._give_up()
        self._callbacks.on_closed(self)

    async def _step(self) -> None:
        wanted = not self._paused and not self._closed
        if not wanted:
            if self._subscription is not None:
                await self._subscription.cancel()
            return
        if self._subscription is None or self._subscription.lost:
            connection = self._connection.connection()
            self._subscription = await Subscription.open(
                connection, self._prefetch, self._handling.submit, self._on_cancelled
            )
        if not self._subscription.consuming:
            # Use the same channel if it is still open, so that messages already delivered can still be settled.
            await self._subscription.consume(self._queue)
            log.info("consumer.subscribed", queue=self._queue, prefetch=self._prefetch)

    async def _give_up(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.close(self._timing.rpc)

    def _is_silent(self, subscription: Subscription, ready: int) -> bool:
        settlements = subscription.settlements
        return self._silence.silent(
            received=settlements.received,
            waiting=subscription.consuming and ready > 0 and settlements.in_hand < self._prefetch,
            now=asyncio.get_running_loop().time(),
        )

    def _on_cancelled(self) -> None:
        log.warning("consumer.cancelled", queue=self._queue)
        self._callbacks.on_cancelled()
