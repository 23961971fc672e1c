"""A worker's composition: the engine, its loops and the small HTTP app around it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from chassis.app import ServiceDescription, create_service_app
from chassis.breaker import BreakerPolicy, BreakerState, CircuitBreaker, breaker_metrics
from chassis.broker import Broker, Consumer, RabbitBroker
from chassis.broker.watermarks import ConsumedWatermarks
from chassis.cache import connect_redis
from chassis.data_keys import DataKeys, data_keys
from chassis.database import Database
from chassis.errors import Unavailable
from chassis.health import Dependency
from chassis.http_client import ServiceClient
from chassis.periodic import repeat
from chassis.security import ServiceCallers, ServiceTokens
from chassis.tracing import OFF, Tracing, traced
from contracts.lookups import TEMPLATE_SERVICE, USER_SERVICE
from contracts.recipients import Channel
from contracts.topology import TOPOLOGY, queues_of, worker_topology
from delivery import retention, totals
from delivery.admission import Admission
from delivery.attempts import Attempts
from delivery.backoff import RetryPolicy
from delivery.channel import DeliveryChannel
from delivery.engine import Engine
from delivery.ledger import Ledger, LedgerRepository
from delivery.metrics import DeliveryMetrics
from delivery.recipient_resolver import RecipientResolver
from delivery.reporting import Reporter
from delivery.retention import Retention
from delivery.settings import WorkerSettings
from delivery.sweeping import Sweep
from delivery.template_store import TemplateStore


@dataclass(frozen=True, slots=True)
class WorkerConnections:
    """What a worker's channel may use, made before it."""

    settings: WorkerSettings
    registry: CollectorRegistry
    database: Database
    keys: DataKeys
    redis: Redis
    broker: Broker
    users: ServiceClient
    templates: ServiceClient
    owns_redis: bool
    tracing: Tracing

    async def close(self) -> None:
        await self.broker.close()
        await self.users.close()
        await self.templates.close()
        if self.owns_redis:
            await self.redis.aclose()
        await self.database.close()


def make_connections(  # noqa: PLR0913 - what the composition root was given
    settings: WorkerSettings,
    registry: CollectorRegistry,
    *,
    channel: Channel,
    database_url: str,
    redis: Redis | None,
    broker: Broker | None,
    tracing: Tracing = OFF,
) -> WorkerConnections:
    tokens = ServiceTokens(settings.service_key)
    broker = broker or RabbitBroker(settings.rabbitmq_url, worker_topology(channel), name=settings.service)
    return WorkerConnections(
        settings=settings,
        registry=registry,
        database=Database(database_url),
        keys=data_keys(settings.data_encryption_keys, registry),
        redis=redis or connect_redis(settings.redis_url),
        broker=traced(broker, TOPOLOGY, tracing),
        users=ServiceClient(settings.user_service_url, USER_SERVICE, tokens, breaker(USER_SERVICE, registry), tracing),
        templates=ServiceClient(
            settings.template_service_url, TEMPLATE_SERVICE, tokens, breaker(TEMPLATE_SERVICE, registry), tracing
        ),
        owns_redis=redis is None,
        tracing=tracing,
    )


def breaker(name: str, registry: CollectorRegistry, policy: BreakerPolicy = BreakerPolicy()) -> CircuitBreaker:
    """A breaker whose state is a metric from the start."""
    gauge = breaker_metrics(registry).labels(name)
    gauge.set(BreakerState.CLOSED)
    return CircuitBreaker(name, policy=policy, on_change=gauge.set)


def provider_breaker(name: str, connections: WorkerConnections) -> CircuitBreaker:
    """The breaker of a channel's provider: every worker leaves it alone for BREAKER_OPEN_SECONDS."""
    return breaker(name, connections.registry, BreakerPolicy(open_seconds=connections.settings.breaker_open_seconds))


class Worker:
    """One worker process of a channel."""

    def __init__(
        self, channel: DeliveryChannel[Any, Any], connections: WorkerConnections, *, provider: CircuitBreaker
    ) -> None:
        settings = connections.settings
        self.channel = channel.name
        self._parts = connections
        self._provider = provider
        self._queues = queues_of(channel.name)
        self._metrics = DeliveryMetrics(connections.registry, channel.name)
        owner = f"{channel.name}-{uuid4().hex[:12]}"
        self.ledger = Ledger(
            connections.database,
            LedgerRepository(channel.name, owner, suppression_list=channel.suppression_list, keys=connections.keys),
        )
        self._retention = Retention(self.ledger, retention_days=settings.retention_days)
        self._reporter = Reporter(connections.broker)
        watermarks = ConsumedWatermarks()
        self._engine = Engine(
            channel,
            ledger=self.ledger,
            recipients=RecipientResolver(connections.users, connections.redis),
            attempts=Attempts(
                channel,
                templates=TemplateStore(connections.templates),
                admission=Admission(
                    provider,
                    concurrency=settings.worker_concurrency,
                    beside_urgent=settings.worker_beside_urgent,
                ),
                tracing=connections.tracing,
                metrics=self._metrics,
                lease_seconds=settings.silence_seconds / 2,
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
        )
        self._sweep = Sweep(
            channel.name,
            self.ledger,
            connections.broker,
            self._metrics,
            silence_seconds=settings.silence_seconds,
            lost_grace_seconds=settings.lost_grace_seconds,
            in_hand=self._engine.has_in_hand,
            watermarks=watermarks,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        settings = self._parts.settings
        await self._parts.broker.start()
        prefetch = settings.worker_prefetch_count
        consumers = [
            await self._parts.broker.consume(queue, self._engine.handle, prefetch=prefetch) for queue in self._queues
        ]
        loops = [
            asyncio.create_task(repeat("heartbeat", self._sweep.beat, every_seconds=settings.heartbeat_seconds)),
            asyncio.create_task(repeat("sweep", self._sweep.run_once, every_seconds=settings.sweep_interval_seconds)),
            asyncio.create_task(repeat("let_go", self._sweep.let_go, every_seconds=settings.heartbeat_seconds)),
            asyncio.create_task(repeat("lost", self._sweep.find_lost, every_seconds=2.0)),
            asyncio.create_task(repeat("retention", self._retention.run_once, every_seconds=retention.EVERY_SECONDS)),
            asyncio.create_task(repeat("gate", lambda: self._gate(consumers), every_seconds=0.2)),
        ]
        try:
            yield
        finally:
            await self._stop(consumers, loops)

    async def _gate(self, consumers: Sequence[Consumer]) -> int:
        """While the provider is down nothing more is taken from the queues, where priorities still count."""
        await self._provider.wait_open()
        for consumer in consumers:
            await consumer.pause()
        await self._provider.wait_ready()
        for consumer in consumers:
            await consumer.resume()
        return 0

    async def _stop(self, consumers: Sequence[Consumer], loops: list["asyncio.Task[None]"]) -> None:
        """In this order: take nothing new, let the sends in flight end and be recorded, then leave."""
        drain = self._parts.settings.drain_seconds
        await asyncio.gather(*(consumer.close(drain) for consumer in consumers))
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await self._reporter.close()
        with contextlib.suppress(Unavailable):  # then the heartbeat just runs out
            await self.ledger.close()


def create_worker_app(
    description: ServiceDescription,
    connections: WorkerConnections,
    worker: Worker,
    *,
    close_channel: Callable[[], Awaitable[None]],
    extra_dependencies: Sequence[Dependency] = (),
) -> FastAPI:
    """The worker's HTTP side: health (the channel's `extra_dependencies` too), metrics and what other services ask.

    Its lifespan runs the worker.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            async with worker.running():
                yield
        finally:
            await close_channel()
            await connections.close()

    dependencies = [
        Dependency("database", connections.database.ping_writable, essential=True),
        Dependency("rabbitmq", connections.broker.ping, essential=True),
        Dependency("data_keys", connections.keys.check),
        Dependency("redis", connections.redis.ping),
        Dependency(USER_SERVICE, connections.users.ping),
        Dependency(TEMPLATE_SERVICE, connections.templates.ping),
        *extra_dependencies,
    ]
    app = create_service_app(
        description,
        connections.settings,
        registry=connections.registry,
        dependencies=dependencies,
        lifespan=lifespan,
        tracing=connections.tracing,
    )
    app.state.service_callers = ServiceCallers(connections.settings.service_public_keys, description.name)
    app.state.ledger, app.state.channel = worker.ledger, worker.channel
    app.include_router(totals.router)
    return app
