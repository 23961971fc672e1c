"""The gateway's composition root."""

from pathlib import Path
from uuid import uuid4

from fastapi import FastAPI
from redis.asyncio import Redis

from api_gateway.dependencies import GatewayServices
from api_gateway.repositories.audit import TRAIL
from api_gateway.routers import (
    audit,
    holds,
    internal,
    notifications,
    operations,
    proxy,
    statistics,
    submitting,
    suppression_export,
    suppressions,
    system,
    trials,
    webhooks,
)
from api_gateway.routers.proxy import Forwarder
from api_gateway.schemas.requests import BatchRequest, NotificationRequest
from api_gateway.services import housekeeping, known_holds
from api_gateway.services.accepting import Acceptor
from api_gateway.services.attachments import Attachments
from api_gateway.services.auditing import AuditReader
from api_gateway.services.commands import Commands
from api_gateway.services.directory import Directory, fetched_or_known
from api_gateway.services.fetching import AttachmentFetcher, FetchingAcceptor
from api_gateway.services.hold_releaser import HoldReleaser
from api_gateway.services.holds import HoldService
from api_gateway.services.housekeeping import Housekeeping
from api_gateway.services.known_holds import KnownHolds
from api_gateway.services.limits import CallerLimits, RecipientLimit
from api_gateway.services.lost import LostMessageDetector
from api_gateway.services.metrics import GatewayMetrics, ReadingMetrics
from api_gateway.services.outbox import Outbox, QueuedMarks
from api_gateway.services.personal_data import Eraser, Exporter
from api_gateway.services.push_sizes import PushSizes
from api_gateway.services.reading import Reader
from api_gateway.services.recipients import RecipientFinder
from api_gateway.services.reconciling import FigureWatcher, Reconciler
from api_gateway.services.relay import Relay
from api_gateway.services.reports import Reports
from api_gateway.services.request_resolver import RequestResolver
from api_gateway.services.stalled import StalledDeliveryDetector
from api_gateway.services.statistics import FOLD_EVERY_SECONDS, Statistics
from api_gateway.services.store import Store
from api_gateway.services.suppressions import Suppressions
from api_gateway.services.system import SystemReader
from api_gateway.services.system_mails import SystemMails
from api_gateway.services.trials import Trials
from api_gateway.settings import GatewaySettings
from chassis.audit import RefusedAttempts, retention_task
from chassis.broker import Broker, RabbitBroker
from chassis.broker.sharded import sharded
from chassis.broker.tracing import traced
from chassis.broker.watermarks import ConsumedWatermarks
from chassis.http.app import ServiceDescription
from chassis.http.client import ServiceClient
from chassis.http.fetching import UrlFetcher
from chassis.http.name_lookups import ThreadPoolResolver
from chassis.observability.tracing import OFF, Tracing
from chassis.postgres import retention
from chassis.postgres.database import Database
from chassis.process.fair_semaphore import FairSemaphore
from chassis.process.periodic import PeriodicTask
from chassis.redis.rate_limit import RateLimiter
from chassis.security import ServiceCallers
from chassis.security.data_keys import data_keys
from chassis.server.runtime import Runtime
from contracts.callers import build_authenticator
from contracts.recipients import Channel
from contracts.services import API_GATEWAY, EMAIL_SERVICE, PUSH_SERVICE, TEMPLATE_SERVICE, USER_SERVICE
from contracts.topology import SPLIT, URGENT_PRIORITIES, gateway_topology

PROOFS, PROOFS_WAITING = 2, 5  # reconciliations at once, each with a connection; further ones of one caller may wait
TRIALS, TRIALS_WAITING = 2, 2  # at once, each with up to 100 notifications' variables in memory; of one caller may wait
LARGE_BODIES_WAITING = 20  # of one caller; nothing of them is read yet
FORWARDED = Path(__file__).parent / "forwarded.json"  # written by `make schemas`

DESCRIPTION = ServiceDescription(
    name=API_GATEWAY,
    title="Notification API gateway",
    summary="Accepts notifications durably and tracks them to their final status.",
    tags=(
        {"name": "notifications", "description": "Send, follow, cancel, retry"},
        {"name": "dead letters", "description": "What failed for good, and how to try it again"},
        {"name": "holds", "description": "Notifications that wait until somebody releases or cancels them"},
        {"name": "status", "description": "Callbacks of providers and workers"},
        {"name": "suppressions", "description": "Addresses that get no mail, and mails that came back"},
        {"name": "operations", "description": "The proof that nothing was lost, and who did what"},
    ),
    bodies=(NotificationRequest, BatchRequest),
    forwarded=FORWARDED,
)


class Gateway:
    """The composition root of one gateway process. Tests and the embedded stack pass their own `redis` and `broker`."""

    def __init__(
        self, settings: GatewaySettings, *, redis: Redis | None, broker: Broker | None, tracing: Tracing
    ) -> None:
        self.settings = settings
        self.database = Database(settings.database_url, pool_size=settings.database_pool_size)
        self.runtime = runtime = Runtime(
            self.database,
            redis=redis,
            redis_url=settings.redis_url,
            service_key=settings.service_key,
            tracing=tracing,
        )
        self.metrics = GatewayMetrics(runtime.registry)
        self.data_keys = data_keys(settings.data_encryption_keys, runtime.registry)
        self.users = runtime.client(USER_SERVICE, settings.user_service_url)
        self.templates = runtime.client(TEMPLATE_SERVICE, settings.template_service_url)
        self.workers: dict[Channel, ServiceClient] = {
            "email": runtime.client(EMAIL_SERVICE, settings.email_service_url, traced=False),
            "push": runtime.client(PUSH_SERVICE, settings.push_service_url, traced=False),
        }
        self.forwarders = self._forwarders()
        shards = settings.queue_shards
        topology = gateway_topology(shards)
        own = broker or RabbitBroker(settings.rabbitmq_url, topology, name=API_GATEWAY, queue_type=settings.queue_type)
        self.broker = sharded(traced(own, topology, tracing), SPLIT, shards)
        self.directory = Directory(self.users, self.templates, runtime.redis)
        self.store = Store(
            self.database, self.data_keys, process=f"gateway-{uuid4().hex[:12]}", lease_seconds=settings.lease_seconds
        )
        self.marks = QueuedMarks(self.store, self.metrics, moment_seconds=settings.queued_mark_seconds)
        self.known_holds = KnownHolds(self.database)
        self.releaser = HoldReleaser(self.database, self.metrics, self.known_holds)
        self.outbox = Outbox(self.broker, self.store, self.marks, self.known_holds)
        watermarks = ConsumedWatermarks(shards, whole=URGENT_PRIORITIES)
        self.reports = Reports(self.broker, self.store, self.metrics, watermarks, self.marks)
        self.relay = Relay(
            self.directory,
            self.store,
            self.outbox,
            self.metrics,
            self.known_holds,
            retry_seconds=settings.deferred_retry_seconds,
        )
        self.lost = LostMessageDetector(
            self.broker, self.database, self.metrics, watermarks, grace_seconds=settings.lost_grace_seconds
        )
        self.stalled = StalledDeliveryDetector(
            self.database, self.reports, self.metrics, self.workers, silence_seconds=settings.report_silence_seconds
        )
        self.reader = Reader(self.database, self.data_keys)
        self.housekeeping = Housekeeping(self.database, retention_days=settings.retention_days)
        self.reconciler = Reconciler(self.database, self.workers)
        self.eraser = Eraser(self.database, self.broker, self.metrics, self.workers)
        window_seconds = settings.lease_seconds + settings.deferred_retry_seconds
        self.watch = FigureWatcher(
            self.reconciler, self.database, ReadingMetrics(runtime.registry), window_seconds=window_seconds
        )
        self.statistics = Statistics(self.database, window_seconds=window_seconds)
        self._run()

    def _forwarders(self) -> dict[str, Forwarder]:
        """The forwarders by the first part of the path."""
        urls = {
            USER_SERVICE: self.settings.user_service_url,
            TEMPLATE_SERVICE: self.settings.template_service_url,
            EMAIL_SERVICE: self.settings.email_service_url,
        }
        to = {service: Forwarder(url, self.runtime.breaker(f"proxy:{service}")) for service, url in urls.items()}
        for forwarder in to.values():
            self.runtime.close_with(forwarder.close)
        return {prefix: to[owner] for owner, owned in proxy.OWNED.items() for prefix in owned}

    def _run(self) -> None:
        """Starts the background work and stops it in order: new work first, then work in progress, then connections."""
        runtime, settings = self.runtime, self.settings
        runtime.start_with(self.known_holds.start)
        runtime.stop_with(self.known_holds.stop_waiting)
        runtime.start_with(self.broker.start)
        runtime.start_with(self.reports.start)
        for part in (self.broker, self.store, self.outbox, self.reports, self.eraser):  # closed in reverse
            runtime.close_with(part.close)
        every, readings = settings.relay_interval_seconds, settings.reconcile_interval_seconds
        keep = self.housekeeping
        runtime.repeat(
            PeriodicTask("relay", self.relay.run_once, every),
            PeriodicTask("holds", self.known_holds.refresh, known_holds.EVERY_SECONDS),
            PeriodicTask("releases", self.releaser.run_once, known_holds.EVERY_SECONDS),
            PeriodicTask("lost", self.lost.run_once, 2 * every),
            PeriodicTask("stalled", self.stalled.run_once, self.stalled.every_seconds),
            PeriodicTask("fold", keep.fold, retention.EVERY_SECONDS),
            PeriodicTask("retention", keep.remove_old, retention.EVERY_SECONDS),
            PeriodicTask("old_holds", keep.forget_holds, housekeeping.IDENTITIES_EVERY_SECONDS),
            PeriodicTask("statistics", self.statistics.fold, FOLD_EVERY_SECONDS),
            PeriodicTask("old_statistics", self.statistics.remove_old, housekeeping.IDENTITIES_EVERY_SECONDS),
            PeriodicTask("held", self.watch.count_held, readings),
            PeriodicTask("unused_keys", keep.forget_unused_keys, housekeeping.IDENTITIES_EVERY_SECONDS),
            PeriodicTask("proof", self.watch.prove, readings),
            PeriodicTask("ledgers", self.watch.compare_ledgers, readings),
            PeriodicTask("oldest", self.watch.find_oldest, readings),
            retention_task(self.database, TRAIL, retention_days=settings.audit_retention_days),
        )
        runtime.depend_on("database", self.database.ping_writable, essential=True)
        runtime.depend_on("data_keys", self.data_keys.check)
        runtime.depend_on("redis", runtime.redis.ping)
        runtime.depend_on("rabbitmq", self.broker.ping)
        runtime.depend_on(USER_SERVICE, self.users.ping)
        runtime.depend_on(TEMPLATE_SERVICE, self.templates.ping)

    def install(self, app: FastAPI) -> None:
        """Sets the objects that the routers need, and this root itself."""
        app.state.gateway = self
        app.state.services = GatewayServices(
            acceptor=FetchingAcceptor(
                Acceptor(
                    RequestResolver(
                        self.directory, self.settings.push_services, PushSizes(self._rendering_templates("push_sizes"))
                    ),
                    self.store,
                    self.outbox,
                    recipient_limit=self._recipient_limit(),
                ),
                self._fetcher(),
            ),
            attachments=Attachments(self.database, self.data_keys),
            system_mails=SystemMails(self.directory, self.store, self.outbox),
            reader=self.reader,
            recipients=RecipientFinder(self.database, self.users),
            reconciler=self.reconciler,
            statistics=self.statistics,
            commands=Commands(
                self.database,
                self.data_keys,
                directory=self.directory,
                reader=self.reader,
                reports=self.reports,
                metrics=self.metrics,
            ),
            holds=HoldService(self.database, self.data_keys, directory=self.directory, known=self.known_holds),
            known_holds=self.known_holds,
            trials=Trials(self.database, self.data_keys, self.directory, self._rendering_templates("trials")),
            audit=AuditReader(self.database, {USER_SERVICE: self.users, TEMPLATE_SERVICE: self.templates}),
            suppressions=Suppressions(self.database, self.workers["email"]),
            system=SystemReader(
                app.state.health,
                {
                    USER_SERVICE: self.users,
                    TEMPLATE_SERVICE: self.templates,
                    EMAIL_SERVICE: self.workers["email"],
                    PUSH_SERVICE: self.workers["push"],
                },
            ),
            eraser=self.eraser,
            exporter=Exporter(self.database, self.data_keys),
            limits=CallerLimits(
                self.runtime.redis, default=self.settings.rate_limit_per_minute, processes=self.settings.processes
            ),
            strangers=RateLimiter(
                self.runtime.redis,
                limit=self.settings.stranger_limit_per_minute,
                period_seconds=60,
                name="address",
                processes=self.settings.processes,
            ),
            webhooks=RateLimiter(
                self.runtime.redis,
                limit=self.settings.webhook_limit_per_minute,
                period_seconds=60,
                name="webhooks",
                processes=self.settings.processes,
            ),
            metrics=self.metrics,
            proofs=FairSemaphore(PROOFS, waiting=PROOFS_WAITING),
            trial_turns=FairSemaphore(TRIALS, waiting=TRIALS_WAITING),
            large_bodies=FairSemaphore(self.settings.large_bodies_at_once, waiting=LARGE_BODIES_WAITING),
            max_body_bytes=self.settings.max_body_bytes,
            users_may_send=self.settings.users_may_send,
        )
        app.state.on_forbidden = RefusedAttempts(self.database, TRAIL).forbidden
        app.state.forwarders = self.forwarders
        app.state.service_callers = ServiceCallers(self.settings.service_public_keys, API_GATEWAY)
        app.state.authenticator = build_authenticator(
            self.users,
            self.runtime.redis,
            self.settings.service_key,
            shared_secret=self.settings.shared_secret,
            keep=lambda key, ask: fetched_or_known(self.database, key, ask),
        )

    def _rendering_templates(self, used_for: str) -> ServiceClient:
        """With a breaker of its own: heavy templates must not stop the look-ups of the accepting."""
        breaker = self.runtime.breaker(f"{used_for}:{TEMPLATE_SERVICE}")
        return self.runtime.client(TEMPLATE_SERVICE, self.settings.template_service_url, breaker=breaker)

    def _fetcher(self) -> AttachmentFetcher:
        """With threads of its own for look-ups, twice as many as fetches: a look-up may outlive its fetch."""
        allowed, at_once = self.settings.attachment_urls, self.settings.attachment_fetches_at_once
        if allowed == "off":
            return AttachmentFetcher(None, at_once=at_once)
        resolver = ThreadPoolResolver(2 * at_once)
        self.runtime.close_with(resolver.close)
        fetcher = UrlFetcher.of_public(resolver) if allowed == "public" else UrlFetcher.of_any(resolver)
        return AttachmentFetcher(fetcher, at_once=at_once)

    def _recipient_limit(self) -> RecipientLimit | None:
        limit = self.settings.recipient_limit_per_hour
        return RecipientLimit(self.runtime.redis, limit=limit, processes=self.settings.processes) if limit else None


def create_app(
    settings: GatewaySettings, *, redis: Redis | None = None, broker: Broker | None = None, tracing: Tracing = OFF
) -> FastAPI:
    """The gateway as an ASGI app. It connects to nothing before its lifespan starts."""
    gateway = Gateway(settings, redis=redis, broker=broker, tracing=tracing)
    app = gateway.runtime.create_app(
        DESCRIPTION,
        settings,
        cors_origins=settings.cors_origins,
        larger_bodies={submitting.router.prefix: settings.max_attachment_body_bytes},
    )
    gateway.install(app)
    for each in (
        submitting, notifications, operations, statistics, holds, audit, suppression_export, suppressions, system, trials,
        internal, webhooks,
        proxy,
    ):  # fmt: skip
        app.include_router(each.router)
    return app
