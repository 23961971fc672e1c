"""The gateway's composition root."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

from fastapi import FastAPI
from prometheus_client import Gauge
from redis.asyncio import Redis

from api_gateway.dependencies import GatewayServices
from api_gateway.repositories.audit import TRAIL
from api_gateway.routers import audit, internal, notifications, operations, proxy, submitting
from api_gateway.schemas.requests import BatchRequest, NotificationRequest
from api_gateway.services import housekeeping
from api_gateway.services.accepting import Acceptor
from api_gateway.services.auditing import AuditReader
from api_gateway.services.caller_limits import CallerLimits
from api_gateway.services.commands import Commands
from api_gateway.services.directory import Directory
from api_gateway.services.erasing import Eraser
from api_gateway.services.exporting import Exporter
from api_gateway.services.forwarding import Forwarder
from api_gateway.services.housekeeping import Housekeeping
from api_gateway.services.known import fetched_or_known
from api_gateway.services.lost import LostMessageDetector
from api_gateway.services.metrics import GatewayMetrics, ReadingMetrics
from api_gateway.services.outbox import Outbox
from api_gateway.services.queued_marks import QueuedMarks
from api_gateway.services.reading import Reader
from api_gateway.services.recipient_limit import RecipientLimit
from api_gateway.services.reconciling import Reconciler
from api_gateway.services.relay import Relay
from api_gateway.services.reports import Reports
from api_gateway.services.stalled import StalledDeliveryDetector
from api_gateway.services.store import Store
from api_gateway.services.system_mails import SystemMails
from api_gateway.services.watching import Watch
from api_gateway.settings import GatewaySettings
from chassis.app import ServiceDescription, create_service_app
from chassis.audit import RefusedAttempts, sweeping
from chassis.breaker import CircuitBreaker, breaker_metrics
from chassis.broker import Broker, RabbitBroker
from chassis.broker.watermarks import ConsumedWatermarks
from chassis.cache import connect_redis
from chassis.data_keys import data_keys
from chassis.database import Database
from chassis.fair_semaphore import FairSemaphore
from chassis.health import Dependency
from chassis.http_client import ServiceClient
from chassis.metrics import new_registry
from chassis.periodic import repeat
from chassis.ratelimit import RateLimiter
from chassis.security import ServiceCallers, ServiceTokens
from chassis.tracing import OFF, Tracing, traced
from contracts.callers import build_authenticator
from contracts.lookups import API_GATEWAY, EMAIL_SERVICE, PUSH_SERVICE, TEMPLATE_SERVICE, USER_SERVICE
from contracts.recipients import Channel
from contracts.topology import TOPOLOGY

PROOFS, PROOFS_WAITING = 2, 5  # proofs of reconciliation at a time, each with a connection; more of one caller may wait
FORWARDED = Path(__file__).parent / "forwarded.json"  # written by `make schemas`

DESCRIPTION = ServiceDescription(
    name=API_GATEWAY,
    title="Notification API gateway",
    summary="Accepts notifications durably and tells their story.",
    tags=(
        {"name": "notifications", "description": "Send, follow, cancel, retry"},
        {"name": "dead letters", "description": "What failed for good, and how to try it again"},
        {"name": "status", "description": "Callbacks of providers and workers"},
        {"name": "operations", "description": "The proof that nothing was lost, and who did what"},
    ),
    bodies=(NotificationRequest, BatchRequest),
    forwarded=FORWARDED,
)


class Gateway:
    """The parts of one gateway process, put together. `redis` and `broker` are given by tests and the embedded stack."""

    def __init__(
        self, settings: GatewaySettings, *, redis: Redis | None, broker: Broker | None, tracing: Tracing
    ) -> None:
        self.settings = settings
        self.registry = new_registry()
        self.metrics = GatewayMetrics(self.registry)
        self.redis = redis or connect_redis(settings.redis_url)
        self._owns_redis = redis is None
        self.broker = traced(
            broker or RabbitBroker(settings.rabbitmq_url, TOPOLOGY, name=API_GATEWAY, queue_type=settings.queue_type),
            TOPOLOGY,
            tracing,
        )
        self.database = Database(settings.database_url, pool_size=settings.database_pool_size)
        self.keys = data_keys(settings.data_encryption_keys, self.registry)
        tokens = ServiceTokens(settings.service_key)
        states = breaker_metrics(self.registry)
        self.users = ServiceClient(
            settings.user_service_url, USER_SERVICE, tokens, _breaker(USER_SERVICE, states), tracing
        )
        self.templates = ServiceClient(
            settings.template_service_url, TEMPLATE_SERVICE, tokens, _breaker(TEMPLATE_SERVICE, states), tracing
        )
        self.workers: dict[Channel, ServiceClient] = {  # not traced: a loop asks them, every minute
            "email": ServiceClient(settings.email_service_url, EMAIL_SERVICE, tokens, _breaker(EMAIL_SERVICE, states)),
            "push": ServiceClient(settings.push_service_url, PUSH_SERVICE, tokens, _breaker(PUSH_SERVICE, states)),
        }
        to_users = Forwarder(settings.user_service_url, _breaker("proxy:user-service", states))
        to_templates = Forwarder(settings.template_service_url, _breaker("proxy:template-service", states))
        owners = {USER_SERVICE: to_users, TEMPLATE_SERVICE: to_templates}
        self.forwarders = {prefix: owners[owner] for owner, owned in proxy.OWNED.items() for prefix in owned}
        self.directory = Directory(self.users, self.templates, self.redis)
        self.store = Store(
            self.database, self.keys, process=f"gateway-{uuid4().hex[:12]}", lease_seconds=settings.lease_seconds
        )
        marks = QueuedMarks(self.store, self.metrics, moment_seconds=settings.queued_mark_seconds)
        self.outbox = Outbox(self.broker, self.store, marks)
        watermarks = ConsumedWatermarks()
        self.reports = Reports(self.broker, self.store, self.metrics, watermarks, marks)
        self.relay = Relay(
            self.directory, self.store, self.outbox, self.metrics, retry_seconds=settings.deferred_retry_seconds
        )
        self.lost = LostMessageDetector(
            self.broker, self.database, self.metrics, watermarks, grace_seconds=settings.lost_grace_seconds
        )
        self.stalled = StalledDeliveryDetector(
            self.database, self.reports, self.metrics, self.workers, silence_seconds=settings.report_silence_seconds
        )
        self.reader = Reader(self.database, self.keys)
        self.housekeeping = Housekeeping(self.database, retention_days=settings.retention_days)
        self.reconciler = Reconciler(self.database, self.workers)
        self.eraser = Eraser(self.database, self.broker, self.metrics, self.workers)
        self.watch = Watch(
            self.reconciler,
            self.database,
            ReadingMetrics(self.registry),
            window_seconds=settings.lease_seconds + settings.deferred_retry_seconds,
        )

    def install(self, app: FastAPI) -> None:
        """Gives the routers what they need."""
        app.state.services = GatewayServices(
            acceptor=Acceptor(self.directory, self.store, self.outbox, recipients=self._recipient_limit()),
            system_mails=SystemMails(self.directory, self.store, self.outbox),
            reader=self.reader,
            reconciler=self.reconciler,
            commands=Commands(
                self.database,
                self.keys,
                directory=self.directory,
                reader=self.reader,
                reports=self.reports,
                metrics=self.metrics,
            ),
            audit=AuditReader(self.database, {USER_SERVICE: self.users, TEMPLATE_SERVICE: self.templates}),
            eraser=self.eraser,
            exporter=Exporter(self.database, self.keys),
            limits=CallerLimits(
                self.redis, everybody=self.settings.rate_limit_per_minute, processes=self.settings.processes
            ),
            strangers=RateLimiter(
                self.redis,
                limit=self.settings.stranger_limit_per_minute,
                period_seconds=60,
                name="address",
                processes=self.settings.processes,
            ),
            metrics=self.metrics,
            proofs=FairSemaphore(PROOFS, waiting=PROOFS_WAITING),
            users_may_send=self.settings.users_may_send,
        )
        app.state.on_forbidden = RefusedAttempts(self.database, TRAIL).forbidden
        app.state.forwarders = self.forwarders
        app.state.service_callers = ServiceCallers(self.settings.service_public_keys, API_GATEWAY)
        app.state.authenticator = build_authenticator(
            self.users,
            self.redis,
            self.settings.service_key,
            shared_secret=self.settings.shared_secret,
            keep=lambda key, ask: fetched_or_known(self.database, key, ask),
        )

    def _recipient_limit(self) -> RecipientLimit | None:
        limit = self.settings.recipient_limit_per_hour
        return RecipientLimit(self.redis, limit=limit, processes=self.settings.processes) if limit else None

    def dependencies(self) -> list[Dependency]:
        return [
            Dependency("database", self.database.ping_writable, essential=True),
            Dependency("data_keys", self.keys.check),
            Dependency("redis", self.redis.ping),
            Dependency("rabbitmq", self.broker.ping),
            Dependency(USER_SERVICE, self.users.ping),
            Dependency(TEMPLATE_SERVICE, self.templates.ping),
        ]

    @contextlib.asynccontextmanager
    async def running(self, _app: FastAPI) -> AsyncIterator[None]:
        await self.broker.start()
        await self.reports.start()
        every, readings = self.settings.relay_interval_seconds, self.settings.reconcile_interval_seconds
        loops = [
            asyncio.create_task(repeat("relay", self.relay.run_once, every_seconds=every)),
            asyncio.create_task(repeat("lost", self.lost.run_once, every_seconds=2 * every)),
            asyncio.create_task(repeat("stalled", self.stalled.run_once, every_seconds=self.stalled.every_seconds)),
            asyncio.create_task(repeat("fold", self.housekeeping.fold, every_seconds=housekeeping.EVERY_SECONDS)),
            asyncio.create_task(
                repeat("retention", self.housekeeping.remove_old, every_seconds=housekeeping.EVERY_SECONDS)
            ),
            asyncio.create_task(
                repeat(
                    "unused_keys",
                    self.housekeeping.forget_unused_keys,
                    every_seconds=housekeeping.IDENTITIES_EVERY_SECONDS,
                )
            ),
            asyncio.create_task(repeat("proof", self.watch.prove, every_seconds=readings)),
            asyncio.create_task(repeat("ledgers", self.watch.compare_ledgers, every_seconds=readings)),
            asyncio.create_task(repeat("oldest", self.watch.find_oldest, every_seconds=readings)),
        ]
        try:
            async with sweeping(self.database, TRAIL, retention_days=self.settings.audit_retention_days):
                yield
        finally:
            await self._stop(loops)

    async def _stop(self, loops: list["asyncio.Task[None]"]) -> None:
        """In this order: take no new work, finish what was begun, then let go of the servers."""
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await self.eraser.close()
        await self.reports.close()
        await self.outbox.close()
        await self.store.close()
        await self.broker.close()
        for client in (self.users, self.templates, *self.workers.values()):
            await client.close()
        for forwarder in set(self.forwarders.values()):
            await forwarder.close()
        if self._owns_redis:
            await self.redis.aclose()
        await self.database.close()


def create_app(
    settings: GatewaySettings, *, redis: Redis | None = None, broker: Broker | None = None, tracing: Tracing = OFF
) -> FastAPI:
    """The gateway as an ASGI app. Nothing connects before its lifespan starts."""
    gateway = Gateway(settings, redis=redis, broker=broker, tracing=tracing)
    app = create_service_app(
        DESCRIPTION,
        settings,
        registry=gateway.registry,
        dependencies=gateway.dependencies(),
        lifespan=gateway.running,
        tracing=tracing,
        cors_origins=settings.cors_origins,
    )
    gateway.install(app)
    for each in (submitting, notifications, operations, audit, internal, proxy):
        app.include_router(each.router)
    app.fast_routes.add(submitting.router)
    return app


def _breaker(name: str, states: Gauge) -> CircuitBreaker:
    states.labels(name).set(0)
    return CircuitBreaker(name, on_change=lambda state: states.labels(name).set(state))
