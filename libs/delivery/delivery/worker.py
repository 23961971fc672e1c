"""One worker process of a channel: the engine and its periodic tasks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import structlog

from chassis.broker import Consumer
from chassis.broker.watermarks import ConsumedWatermarks
from chassis.errors import Unavailable
from chassis.postgres import retention
from chassis.process.periodic import PeriodicTask, running
from contracts.topology import URGENT_PRIORITIES, queues_of
from delivery import worker_holds
from delivery.admission import Admission
from delivery.attempts import Attempts
from delivery.channel import DeliveryChannel
from delivery.decisions import RetryPolicy
from delivery.engine import Engine
from delivery.ledger import Ledger, LedgerRepository
from delivery.metrics import DeliveryMetrics
from delivery.providers import PROVIDER_HELD, Providers
from delivery.recipients import RecipientResolver
from delivery.reporting import Reporter
from delivery.runtime import WorkerRuntime
from delivery.sweeping import Sweep, ledger_retention
from delivery.template_store import TemplateStore
from delivery.throttle import DomainThrottle

log = structlog.get_logger()

LOST_SECONDS, PAUSE_CONSUMING_SECONDS = 2.0, 0.2
# How many times deliveries are made due after a release: some may be recorded while the first pass runs.
MAKE_DUE_TIMES = 2


class Worker:
    """One worker process of a channel."""

    def __init__(
        self,
        channel: DeliveryChannel[Any, Any],
        runtime: WorkerRuntime,
        *,
        providers: Providers,
        throttle: DomainThrottle | None = None,
    ) -> None:
        settings = runtime.settings
        self.channel = channel.name
        self._runtime = runtime
        self._providers = providers
        self._make_due_times = MAKE_DUE_TIMES
        self._queues = queues_of(channel.name)
        self._metrics = DeliveryMetrics(runtime.registry, channel.name, providers.names)
        owner = f"{channel.name}-{uuid4().hex[:12]}"
        self.ledger = Ledger(
            runtime.database,
            LedgerRepository(
                channel.name, owner, suppression_list=channel.suppression_list, data_keys=runtime.data_keys
            ),
        )
        self._retention = ledger_retention(self.ledger, retention_days=settings.retention_days)
        self._reporter = Reporter(runtime.broker)
        watermarks = ConsumedWatermarks(settings.queue_shards, whole=URGENT_PRIORITIES)
        self._engine = Engine(
            channel,
            ledger=self.ledger,
            recipients=RecipientResolver(runtime.users, runtime.redis),
            attempts=Attempts(
                channel,
                templates=TemplateStore(runtime.templates),
                admission=Admission(
                    providers,
                    concurrency=settings.worker_concurrency,
                    beside_urgent=settings.worker_beside_urgent,
                ),
                tracing=runtime.tracing,
                metrics=self._metrics,
                lease_seconds=settings.silence_seconds / 2,
                holds=runtime.holds,
                throttle=throttle,
            ),
            reporter=self._reporter,
            policy=RetryPolicy(
                max_retries=settings.max_retries,
                window_seconds=settings.retry_window_seconds,
                base_seconds=settings.retry_base_seconds,
                longest_seconds=settings.retry_longest_seconds,
                down_seconds=settings.down_retry_seconds,
            ),
            metrics=self._metrics,
            watermarks=watermarks,
            holds=runtime.holds,
        )
        self._sweep = Sweep(
            channel.name,
            self.ledger,
            runtime.broker,
            self._metrics,
            silence_seconds=settings.silence_seconds,
            lost_grace_seconds=settings.lost_grace_seconds,
            is_delivering=self._engine.is_delivering,
            watermarks=watermarks,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """On exit it takes no new messages, waits until the sends in flight are recorded, then leaves the ledger."""
        settings = self._runtime.settings
        await self._runtime.holds.refresh()  # before the first message is taken
        self._providers.hold(self._runtime.holds.providers)
        await self._runtime.broker.start()
        prefetch = settings.worker_prefetch_count
        consumers = [
            await self._runtime.broker.consume(queue, self._engine.handle, prefetch=prefetch) for queue in self._queues
        ]
        tasks = (
            PeriodicTask("heartbeat", self._sweep.beat, settings.heartbeat_seconds),
            PeriodicTask("sweep", self._sweep.run_once, settings.sweep_interval_seconds),
            PeriodicTask("requeue_abandoned", self._sweep.requeue_abandoned, settings.heartbeat_seconds),
            PeriodicTask("lost", self._sweep.find_lost, LOST_SECONDS),
            PeriodicTask("retention", self._retention.run_once, retention.EVERY_SECONDS),
            PeriodicTask("holds", self._follow_holds, worker_holds.PAUSE_SECONDS),
            PeriodicTask("pause_consuming", lambda: self._pause_consuming(consumers), PAUSE_CONSUMING_SECONDS),
        )
        try:
            async with running(tasks):
                try:
                    yield
                finally:
                    await asyncio.gather(*(consumer.close(settings.drain_seconds) for consumer in consumers))
        finally:
            await self._leave()

    async def _pause_consuming(self, consumers: Sequence[Consumer]) -> int:
        """Takes no messages while all providers in use are down or held: they stay in the queues, which keep their order."""
        await self._providers.wait_until_none_works()
        for consumer in consumers:
            await consumer.pause()
        await self._providers.wait_working()
        for consumer in consumers:
            await consumer.resume()
        return 0

    async def _follow_holds(self) -> int:
        """After a release, and after the start, makes the deliveries due that wait for a held provider."""
        await self._runtime.holds.refresh()
        if self._providers.hold(self._runtime.holds.providers):
            self._make_due_times = MAKE_DUE_TIMES
        if self._make_due_times:
            number = await self.ledger.make_due(PROVIDER_HELD)
            self._make_due_times -= 1
            if number:
                log.info("ledger.made_due", deliveries=number)
        return 0

    async def _leave(self) -> None:
        await self._reporter.close()
        with contextlib.suppress(Unavailable):  # the heartbeat expires by itself then
            await self.ledger.close()
