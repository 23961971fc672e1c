"""The e-mail worker's composition root."""

from fastapi import FastAPI
from redis.asyncio import Redis

from chassis.app import ServiceDescription
from chassis.broker import Broker
from chassis.health import Dependency
from chassis.metrics import new_registry
from chassis.tracing import OFF, Tracing
from contracts.addresses import parse_sender
from contracts.lookups import EMAIL_SERVICE
from delivery.worker import Worker, create_worker_app, make_connections, provider_breaker
from email_service.channel import EmailChannel
from email_service.message import MessageBuilder
from email_service.routers import suppressions
from email_service.senders.smtp import SmtpSender
from email_service.senders.smtp_connector import SmtpConnector
from email_service.senders.smtp_pool import SmtpPool
from email_service.senders.smtp_probe import SmtpProbe
from email_service.settings import EmailSettings
from email_service.suppression import SuppressionList

PROVIDER = "smtp"

DESCRIPTION = ServiceDescription(
    name=EMAIL_SERVICE,
    title="E-mail worker",
    summary="Delivers e-mail over SMTP.",
)


def create_app(
    settings: EmailSettings, *, redis: Redis | None = None, broker: Broker | None = None, tracing: Tracing = OFF
) -> FastAPI:
    """The worker as an ASGI app; its lifespan runs it. Nothing connects before."""
    registry = new_registry()
    connections = make_connections(
        settings,
        registry,
        channel="email",
        database_url=settings.database_url,
        redis=redis,
        broker=broker,
        tracing=tracing,
    )
    provider = provider_breaker(PROVIDER, connections)
    connector = SmtpConnector(settings)
    suppressed = SuppressionList(connections.database, connections.keys)
    channel = _channel(settings, connector, suppressed)
    app = create_worker_app(
        DESCRIPTION,
        connections,
        Worker(channel, connections, provider=provider),
        close_channel=channel.close,
        extra_dependencies=[Dependency(PROVIDER, SmtpProbe(connector, provider).check)],
    )
    app.state.suppressions = suppressed
    app.include_router(suppressions.router)
    return app


def _channel(settings: EmailSettings, connector: SmtpConnector, suppressed: SuppressionList) -> EmailChannel:
    sender = parse_sender(settings.from_email)
    pool = SmtpPool(connector.connect, size=settings.worker_concurrency, idle_seconds=settings.smtp_idle_seconds)
    builder = MessageBuilder(sender, settings.from_name)
    return EmailChannel(sender, builder=builder, smtp=SmtpSender(pool), suppressed=suppressed)
