"""Runs a consumer's handler over its deliveries; the same for every broker, so that a handler sees no difference."""

import asyncio
from contextlib import suppress
from typing import Protocol

import structlog

from chassis.broker.base import Delivery, Handler

log = structlog.get_logger()

CANCEL_SECONDS = 5.0  # how long a cancelled handler may take to clean up; after that it is left behind


class HeldDelivery(Delivery, Protocol):
    @property
    def lost(self) -> bool:
        """The broker has taken the message back: handling it now would only do the work twice."""


class Handling:
    """One task per delivery, at most ``limit`` of them working at once, across reconnects.

    The tasks are our own, not the client library's, which would cancel them in mid-work when a channel is lost.
    """

    def __init__(self, queue: str, handler: Handler, *, limit: int, pause: float) -> None:
        self._queue = queue
        self._handler = handler
        self._pause = pause
        self._slots = asyncio.Semaphore(limit)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    def submit(self, delivery: HeldDelivery) -> None:
        task = asyncio.create_task(self._handle(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, grace: float) -> None:
        """Let nothing new begin, wait ``grace`` seconds for what runs, then cancel it."""
        self._closing.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=grace)
        if late:
            log.warning("consumer.grace_over", queue=self._queue, unfinished=len(late))
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=CANCEL_SECONDS)

    async def _handle(self, delivery: HeldDelivery) -> None:
        async with self._slots:
            if self._closing.is_set() or delivery.lost:
                return  # nothing is lost: the broker gives the message to somebody again
            try:
                await self._handler(delivery)
            except Exception:
                # Broad, because any defect of a handler would otherwise strand its message, unsettled, until a restart.
                log.exception("consumer.handler_failed", queue=self._queue, message_id=delivery.message_id)
                await self._rest()
                await delivery.requeue()

    async def _rest(self) -> None:
        """The pause before a failed message goes back; a closing consumer does not wait for it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pause):
                await self._closing.wait()
