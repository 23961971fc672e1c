"""The e-mail worker's composition root."""

from fastapi import FastAPI
from redis.asyncio import Redis

from chassis.broker import Broker
from chassis.http.app import ServiceDescription
from chassis.observability.tracing import OFF, Tracing
from chassis.postgres.database import Database
from contracts.addresses import parse_sender
from contracts.services import API_GATEWAY, EMAIL_SERVICE
from delivery.app import create_worker_app
from delivery.providers import Provider, Providers
from delivery.runtime import WorkerRuntime
from delivery.throttle import DomainThrottle
from delivery.worker import Worker
from email_service.attachments import AttachmentStore, ByteLimit
from email_service.bounces.recording import BounceRecorder
from email_service.bounces.setup import receive_bounces
from email_service.channel import EmailChannel
from email_service.dkim.signing import DkimSigner
from email_service.mails import MailWriter
from email_service.mime import MessageBuilder
from email_service.provider_headers import MailService
from email_service.routers import bounces, suppression_export, suppressions, webhooks
from email_service.sender_domains import check_sender_domains
from email_service.senders.smtp.connector import SmtpConnector, SmtpProbe
from email_service.senders.smtp.pool import SmtpPool
from email_service.senders.smtp.sender import SmtpSender
from email_service.settings import EmailSettings
from email_service.suppression import SuppressionList
from email_service.webhooks.setup import receive_webhooks

DESCRIPTION = ServiceDescription(
    name=EMAIL_SERVICE,
    title="E-mail worker",
    summary="Delivers e-mail over SMTP.",
    tags=({"name": "webhooks", "description": "What e-mail providers report"},),
)


def create_app(
    settings: EmailSettings, *, redis: Redis | None = None, broker: Broker | None = None, tracing: Tracing = OFF
) -> FastAPI:
    """The worker as an ASGI app. Its lifespan runs the worker; nothing connects earlier."""
    database = Database(settings.database_url)
    runtime = WorkerRuntime(settings, database, channel="email", redis=redis, broker=broker, tracing=tracing)
    senders: dict[str, SmtpSender] = {}
    providers: list[Provider] = []
    for name, given in settings.providers.items():
        breaker = runtime.provider_breaker(name)
        connector = SmtpConnector(given, settings)
        runtime.depend_on(name, SmtpProbe(connector, breaker).check)
        runtime.close_with(connector.close)
        senders[name] = _sender(settings, connector, given.mail_service)
        providers.append(
            Provider(
                breaker,
                order=given.order,
                weight=given.weight,
                pace=runtime.pace(name, given.per_second),
                connections=given.connections,
            )
        )
    suppressed = SuppressionList(database, runtime.data_keys)
    sender = parse_sender(settings.from_email)
    signer = DkimSigner(settings.signing_keys, default_domain=sender.domain)
    writer = MailWriter(
        MessageBuilder(
            sender, settings.from_name, unsubscribe_url=settings.unsubscribe_url, id_headers=settings.id_headers
        ),
        signer,
        settings.return_path,
    )
    attachments = AttachmentStore(
        runtime.client(API_GATEWAY, settings.api_gateway_url), budget=ByteLimit(settings.attachment_memory_bytes)
    )
    channel = EmailChannel(
        writer=writer, senders=senders, suppressed=suppressed, attachments=attachments, database=database
    )
    worker = Worker(channel, runtime, providers=Providers(providers), throttle=_throttle(settings, runtime))
    app = create_worker_app(DESCRIPTION, runtime, worker, close_channel=channel.close)
    app.state.suppressions = suppressed
    recorder = BounceRecorder(runtime.data_keys, runtime.registry)
    app.state.bounces = receive_bounces(settings, runtime, recorder)
    app.state.webhooks = receive_webhooks(settings, runtime, recorder)
    check_sender_domains(settings, runtime)
    for each in (suppressions, suppression_export, bounces, webhooks):
        app.include_router(each.router)
    return app


def _sender(settings: EmailSettings, connector: SmtpConnector, service: MailService) -> SmtpSender:
    pool = SmtpPool(connector.connect, size=settings.worker_concurrency, idle_seconds=settings.smtp_idle_seconds)
    return SmtpSender(pool, service)


def _throttle(settings: EmailSettings, runtime: WorkerRuntime) -> DomainThrottle | None:
    if not settings.email_domain_throttle:
        return None
    return DomainThrottle(
        runtime.registry,
        concurrency=settings.worker_concurrency,
        max_waiting=settings.worker_prefetch_count // 2,  # the other half is for other domains
        first_pause=settings.down_retry_seconds,
        max_in_flight=settings.email_domain_connections,
    )
