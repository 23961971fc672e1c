"""A consumer that outlives connections: it compares what is wanted with what is, and subscribes where they differ."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from chassis.broker.base import BrokerUnavailable
from chassis.broker.handling import Handling
from chassis.broker.rabbit.link import ManagedConnection
from chassis.broker.rabbit.patience import within
from chassis.broker.rabbit.stall import StallDetector
from chassis.broker.rabbit.subscription import Subscription
from chassis.broker.rabbit.timing import Timing

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What a consumer tells the broker object that it belongs to."""

    on_cancelled: Callable[[], None]
    on_closed: Callable[["RabbitConsumer"], None]


class RabbitConsumer:
    def __init__(
        self,
        link: ManagedConnection,
        queue: str,
        handling: Handling,
        *,
        prefetch: int,
        timing: Timing,
        duties: Callbacks,
    ) -> None:
        self._link = link
        self._queue = queue
        self._handling = handling
        self._prefetch = prefetch
        self._timing = timing
        self._duties = duties
        self._subscription: Subscription | None = None
        self._stall = StallDetector(2 * timing.watchdog)
        self._paused = False
        self._closed = False
        self._changing = asyncio.Lock()

    @property
    def queue(self) -> str:
        return self._queue

    async def look(self, ready: int) -> None:
        """The watchdog's visit; ``ready`` messages wait in the queue."""
        subscription = self._subscription
        if subscription is not None and self._is_stalled(subscription, ready):
            log.warning("consumer.stalled", queue=self._queue, ready=ready)
            async with self._changing:
                await self._give_up()
        await self.reconcile()

    async def reconcile(self) -> None:
        """Subscribe, or cancel, as wanted. A failure is left to the watchdog's next visit."""
        async with self._changing:
            try:
                async with within(self._timing.rpc):
                    await self._step()
            except BrokerUnavailable:
                return  # the link says so in the log already, and wakes the watchdog when it is up
            except Exception as error:  # noqa: BLE001 - the client's errors on a dying connection have no common base
                log.warning("consumer.subscribe_failed", queue=self._queue, reason=repr(error))
                await self._give_up()

    async def pause(self) -> None:
        self._paused = True
        await self.reconcile()

    async def resume(self) -> None:
        self._paused = False
        await self.reconcile()

    async def close(self, grace: float = 10.0) -> None:
        self._closed = True
        await self.reconcile()
        await self._handling.drain(grace)
        async with self._changing:
            await self._give_up()
        self._duties.on_closed(self)

    async def _step(self) -> None:
        wanted = not self._paused and not self._closed
        if not wanted:
            if self._subscription is not None:
                await self._subscription.cancel()
            return
        if self._subscription is None or self._subscription.lost:
            connection = self._link.connection()
            self._subscription = await Subscription.open(
                connection, self._prefetch, self._handling.submit, self._on_cancelled
            )
        if not self._subscription.consuming:
            # On the same channel where it still stands, so that what is in hand can still be settled.
            await self._subscription.consume(self._queue)
            log.info("consumer.subscribed", queue=self._queue, prefetch=self._prefetch)

    async def _give_up(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.close(self._timing.rpc)

    def _is_stalled(self, subscription: Subscription, ready: int) -> bool:
        settlements = subscription.settlements
        return self._stall.stalled(
            received=settlements.received,
            waiting=subscription.consuming and ready > 0 and settlements.in_hand < self._prefetch,
            now=asyncio.get_running_loop().time(),
        )

    def _on_cancelled(self) -> None:
        log.warning("consumer.cancelled", queue=self._queue)
        self._duties.on_cancelled()
