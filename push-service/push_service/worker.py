"""The push service's composition root."""

from collections.abc import Iterable, Mapping
from functools import partial

import structlog
from fastapi import FastAPI
from redis.asyncio import Redis

from chassis.broker import Broker
from chassis.http.app import ServiceDescription
from chassis.http.public_addresses import PublicResolver
from chassis.observability.tracing import OFF, Tracing
from chassis.postgres.database import Database
from chassis.process.breaker import BreakerPolicy, BreakerState, CircuitBreaker, CircuitOpen
from contracts.services import PUSH_SERVICE
from delivery.app import create_worker_app
from delivery.providers import Provider, Providers
from delivery.runtime import WorkerRuntime
from delivery.worker import Worker
from push_service.channel import PushChannel
from push_service.routers import push_tokens
from push_service.senders.apns.http2 import Http2Client
from push_service.senders.apns.sender import ApnsSender
from push_service.senders.apns.token import ProviderToken
from push_service.senders.fcm.google_auth import ServiceAccount, google_access_token
from push_service.senders.fcm.sender import FcmSender
from push_service.senders.fcm.validation import DRY_RUN_CONNECTIONS, DRY_RUN_SECONDS, TokenValidator
from push_service.senders.http_client import HttpClient, system_authorities
from push_service.senders.sender import PROVIDER_NAMES, ProviderName, Sender, Unconfigured
from push_service.senders.webpush.sender import WebPushSender
from push_service.senders.webpush.vapid import Vapid
from push_service.settings import PushSettings

log = structlog.get_logger()

DESCRIPTION = ServiceDescription(
    name=PUSH_SERVICE,
    title="Push service",
    summary="Delivers push over FCM, Web Push and APNs. Its work comes over RabbitMQ; over HTTP it says how it is.",
)
FCM: ProviderName = "fcm"
WEB_PUSH: ProviderName = "web_push"
APNS: ProviderName = "apns"
APNS_SANDBOX: ProviderName = "apns_sandbox"


def create_app(
    settings: PushSettings, *, redis: Redis | None = None, broker: Broker | None = None, tracing: Tracing = OFF
) -> FastAPI:
    """The worker as an ASGI app. Its lifespan runs the worker. Tests and the embedded stack pass `redis` and `broker`."""
    database = Database(settings.database_url)
    runtime = WorkerRuntime(settings, database, channel="push", redis=redis, broker=broker, tracing=tracing)
    paces = {FCM: runtime.pace(_fcm_project(settings), settings.fcm_per_second)}
    providers = {name: Provider(runtime.provider_breaker(name), pace=paces.get(name)) for name in PROVIDER_NAMES}
    senders = create_senders(settings)
    for name, sender in senders.items():
        expected = name == FCM and not settings.production  # in production another provider is enough
        if expected or not isinstance(sender, Unconfigured):
            runtime.depend_on(name, partial(_check, sender, providers[name].breaker))
    channel = PushChannel(senders, runtime.users, apns_environment=settings.apns.default)
    worker = Worker(channel, runtime, providers=Providers(list(providers.values())))
    validator = create_token_validator(settings)
    runtime.close_with(validator.close)
    app = create_worker_app(DESCRIPTION, runtime, worker, close_channel=lambda: _close(senders.values()))
    app.state.token_validator = validator
    app.include_router(push_tokens.router)
    return app


def _fcm_project(settings: PushSettings) -> str:
    """The name of the pace: Google counts by project."""
    return "fcm" if settings.service_account is None else f"fcm:{settings.service_account.project_id}"


def create_senders(settings: PushSettings) -> Mapping[ProviderName, Sender]:
    """One for each provider that a device may have."""
    return {
        FCM: create_fcm_sender(settings),
        WEB_PUSH: create_web_push_sender(settings),
        **create_apns_senders(settings),
    }


def create_fcm_sender(settings: PushSettings) -> Sender:
    """FCM for the configured service account. Without an account, a sender that makes notifications wait."""
    if settings.fcm_api_key is not None:
        log.warning(
            "fcm.legacy_key_ignored",
            hint="FCM stopped taking FCM_API_KEY in 2024: set FCM_SERVICE_ACCOUNT_FILE to a service account's key",
        )
    account = settings.service_account
    if account is None:
        log.warning("fcm.not_configured", hint="set FCM_SERVICE_ACCOUNT_FILE; until then notifications by FCM wait")
        return Unconfigured("FCM_SERVICE_ACCOUNT_FILE")
    http = HttpClient(timeout_seconds=settings.fcm_timeout_seconds, connections=settings.worker_concurrency)
    return _fcm_sender(settings, account, http)


def create_token_validator(settings: PushSettings) -> TokenValidator:
    """For the configured service account. Without an account, one that has no answers."""
    # Not a monitored breaker: alerts assume that an open breaker of a worker holds notifications back.
    breaker = CircuitBreaker("fcm_validation", policy=BreakerPolicy(open_seconds=settings.breaker_open_seconds))
    account = settings.service_account
    if account is None:
        return TokenValidator(None, breaker)
    http = HttpClient(timeout_seconds=DRY_RUN_SECONDS, connections=DRY_RUN_CONNECTIONS)
    return TokenValidator(_fcm_sender(settings, account, http), breaker)


def _fcm_sender(settings: PushSettings, account: ServiceAccount, http: HttpClient) -> FcmSender:
    send_url = f"{settings.fcm_base_url}/v1/projects/{account.project_id}/messages:send"
    return FcmSender(http, google_access_token(account, http), send_url=send_url)


def create_web_push_sender(settings: PushSettings) -> Sender:
    """Browsers' push services, for the configured VAPID key. Without a key, a sender that makes notifications wait."""
    if settings.vapid_key is None or settings.vapid_subject is None:
        log.info("web_push.not_configured", hint="set VAPID_PRIVATE_KEY; until then notifications for browsers wait")
        return Unconfigured("VAPID_PRIVATE_KEY")
    http = HttpClient(
        timeout_seconds=settings.web_push_timeout_seconds,
        connections=settings.worker_concurrency,
        resolver=PublicResolver,
    )
    return WebPushSender(http, Vapid(settings.vapid_key, settings.vapid_subject), settings.push_services)


def create_apns_senders(settings: PushSettings) -> Mapping[ProviderName, Sender]:
    """APNs' environments for the configured key. Without a key, senders that make notifications wait.

    Both have the same provider token: Apple limits how often a team makes a new one.
    """
    urls: Mapping[ProviderName, str] = {APNS: settings.apns.production, APNS_SANDBOX: settings.apns.sandbox}
    if settings.apns_key is None:
        log.info("apns.not_configured", hint="set APNS_PRIVATE_KEY; until then notifications for Apple's devices wait")
        return dict.fromkeys(urls, Unconfigured("APNS_PRIVATE_KEY"))
    authorities, token = system_authorities("h2"), ProviderToken(settings.apns_key)
    return {
        name: ApnsSender(
            Http2Client(url, authorities, timeout_seconds=settings.apns_timeout_seconds),
            token,
            topic=settings.apns_topic,
        )
        for name, url in urls.items()
    }


async def _close(senders: Iterable[Sender]) -> None:
    for sender in senders:
        await sender.close()


async def _check(sender: Sender, provider: CircuitBreaker) -> None:
    """Raises if nothing can be sent: there is no account, or the provider's breaker is open."""
    await sender.check()
    if provider.state is BreakerState.OPEN:
        raise CircuitOpen(provider.retry_after)
