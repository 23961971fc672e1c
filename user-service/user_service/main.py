"""The composition root."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from chassis.app import ServiceDescription, create_service_app
from chassis.audit import AuditTrail, RefusedAttempts, audit_routes, sweeping
from chassis.breaker import CircuitBreaker, breaker_metrics
from chassis.cache import connect_redis
from chassis.database import Database
from chassis.errors import Unavailable
from chassis.health import Dependency
from chassis.http_client import ServiceClient
from chassis.metrics import new_registry
from chassis.periodic import repeat
from chassis.security import RevokedTokens, ServiceCallers, ServiceTokens, TokenVerifier
from chassis.tracing import OFF, Tracing
from contracts.access import ACCESS_AUDIENCE, ACCESS_ISSUER
from contracts.lookups import API_GATEWAY, USER_SERVICE
from user_service.dependencies import UserServices
from user_service.derived_keys import cipher, derived_key
from user_service.repositories.audit import audit_trail
from user_service.routers import (
    account,
    api_keys,
    applications,
    auth,
    erasures,
    external_users,
    internal,
    jwks,
    preferences,
    push_tokens,
    sessions,
    totp,
    users,
)
from user_service.services.access_tokens import AccessTokens
from user_service.services.account_mails import AccountMails
from user_service.services.addresses import Addresses
from user_service.services.api_keys import ApiKeys
from user_service.services.applications import Applications
from user_service.services.authentication import CheckedAuthenticator
from user_service.services.contacts import Contacts
from user_service.services.erasures import Erasures
from user_service.services.exports import Exports
from user_service.services.external_users import ExternalUsers
from user_service.services.logins import Logins
from user_service.services.mailed_tokens import MailedTokens, TokenMint
from user_service.services.password_gate import PasswordGate
from user_service.services.password_resets import PasswordResets
from user_service.services.passwords import Passwords
from user_service.services.push_tokens import PushTokens
from user_service.services.sessions import Sessions
from user_service.services.sign_ups import Greeting, SignUps
from user_service.services.signing_keys import SharedKey, SigningKeys, StoredKeys
from user_service.services.throttle import LoginThrottle, MailThrottle
from user_service.services.totp import SecondFactors
from user_service.services.user_changes import UserChanger
from user_service.services.users import Users
from user_service.settings import UserSettings

log = structlog.get_logger()
DESCRIPTION = ServiceDescription(
    name=USER_SERVICE,
    title="User service",
    summary="Users, preferences, push tokens, login and API keys.",
    tags=(
        {"name": "users", "description": "Who is notified"},
        {"name": "preferences", "description": "Which channels they want"},
        {"name": "push tokens", "description": "Their devices"},
        {"name": "sessions", "description": "Where they are logged in"},
        {"name": "auth", "description": "Tokens for users"},
        {"name": "applications", "description": "What sends"},
        {"name": "api keys", "description": "Keys of applications"},
    ),
)
LOOP_SECONDS = 1.0
ROUTERS = (
    external_users,
    users,
    erasures,
    preferences,
    push_tokens,
    sessions,
    auth,
    account,
    totp,
    applications,
    api_keys,
    jwks,
    internal,
)


@dataclass(frozen=True, slots=True)
class Connections:
    """What the services stand on, and what has to be closed."""

    settings: UserSettings
    registry: CollectorRegistry
    database: Database
    redis: Redis
    passwords: Passwords
    audit: AuditTrail
    refused: RefusedAttempts
    mint: TokenMint


def create_app(settings: UserSettings, *, redis: Redis | None = None, tracing: Tracing = OFF) -> FastAPI:
    """The service. A Redis that is passed in is not closed."""
    base = _connections(settings, redis or connect_redis(settings.redis_url))
    revoked = RevokedTokens(base.redis)
    gateway = _gateway(base, tracing)
    services = _services(base, revoked, gateway)
    mails = AccountMails(base.database, gateway, base.mint, base.registry, page=settings.account_url)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(base.database.close)
            if redis is None:
                stack.push_async_callback(base.redis.aclose)
            stack.callback(base.passwords.close)
            stack.push_async_callback(gateway.close)
            for name, run_once in (("mails", mails.run_once), ("erasures", services.erasures.run_once)):
                loop = asyncio.create_task(repeat(name, run_once, every_seconds=LOOP_SECONDS))
                stack.push_async_callback(_stop, loop)
            await _prepare_key(services.signing_keys)
            days = settings.audit_retention_days
            await stack.enter_async_context(sweeping(base.database, base.audit, retention_days=days))
            yield

    app = create_service_app(
        DESCRIPTION,
        settings,
        registry=base.registry,
        dependencies=[
            Dependency("database", base.database.ping, essential=True),
            Dependency("redis", base.redis.ping),
        ],
        lifespan=lifespan,
        tracing=tracing,
    )
    app.state.services = services
    app.state.authenticator = CheckedAuthenticator(services.verifier, services.api_keys, revoked, services.users)
    app.state.service_callers = ServiceCallers(settings.service_public_keys, USER_SERVICE)
    app.state.on_forbidden = base.refused.forbidden
    app.include_router(audit_routes(base.database, base.audit, asked_by=API_GATEWAY))
    for module in ROUTERS:
        app.include_router(module.router)
    app.include_router(internal.fast_routes)
    app.fast_routes.add(internal.fast_routes)
    return app


def _connections(settings: UserSettings, redis: Redis) -> Connections:
    registry = new_registry()
    database = Database(settings.database_url, pool_size=settings.database_pool_size)
    audit = audit_trail(settings.secret_key.get_secret_value())
    return Connections(
        settings=settings,
        registry=registry,
        database=database,
        redis=redis,
        passwords=Passwords(registry, workers=settings.password_workers, waiting=settings.password_queue),
        audit=audit,
        refused=RefusedAttempts(database, audit),
        mint=TokenMint(derived_key(settings.secret_key.get_secret_value(), "user-service mailed tokens")),
    )


def _gateway(base: Connections, tracing: Tracing) -> ServiceClient:
    breaker = CircuitBreaker(API_GATEWAY, on_change=breaker_metrics(base.registry).labels(API_GATEWAY).set)
    tokens = ServiceTokens(base.settings.service_key)
    return ServiceClient(base.settings.api_gateway_url, API_GATEWAY, tokens, breaker, tracing)


async def _stop(loop: "asyncio.Task[None]") -> None:
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


def _services(base: Connections, revoked: RevokedTokens, gateway: ServiceClient) -> UserServices:
    settings, database, redis, audit = base.settings, base.database, base.redis, base.audit
    keys = _signing_keys(settings, database)
    access = AccessTokens(keys, seconds=settings.access_token_expire_minutes * 60)
    sessions = Sessions(
        database,
        access,
        revoked,
        audit,
        lifetime=timedelta(days=settings.refresh_token_expire_days),
        longest=timedelta(days=settings.session_max_days),
        admins_need_totp=settings.admins_need_totp,
    )
    throttle = LoginThrottle(redis, settings)
    gate = PasswordGate(database, base.passwords, throttle)
    sealed = cipher(settings.secret_key.get_secret_value(), "user-service second factors")
    factors = SecondFactors(database, sealed, gate, throttle, sessions, audit)
    mails = MailThrottle(redis, settings)
    tokens = MailedTokens(database, base.mint)
    contacts = Contacts(database, redis)
    addresses = Addresses(database, tokens, mails, gate, sessions, contacts, audit)
    devices = PushTokens(database, contacts, audit, web_push_hosts=settings.web_push_hosts)
    api_keys_service = ApiKeys(database, redis, audit)
    return UserServices(
        settings=settings,
        users=Users(database, contacts, sessions, api_keys_service, audit, admins_need_totp=settings.admins_need_totp),
        sign_ups=SignUps(
            database, base.passwords, devices, audit, Greeting(tokens, mails) if settings.verify_emails else None
        ),
        changer=UserChanger(database, gate, sessions, devices, contacts, addresses, audit),
        push_tokens=devices,
        contacts=contacts,
        logins=Logins(database, gate, factors, sessions, audit, base.refused, base.registry),
        erasures=Erasures(database, gateway, audit, base.registry),
        exports=Exports(database, gateway, audit),
        second_factors=factors,
        password_resets=PasswordResets(database, tokens, mails, gate, sessions, contacts, audit),
        addresses=addresses,
        sessions=sessions,
        external_users=ExternalUsers(database, contacts, devices, audit),
        applications=Applications(database, api_keys_service, audit, sender_domains=settings.sender_domains),
        api_keys=api_keys_service,
        signing_keys=keys,
        verifier=TokenVerifier([keys.source], issuer=ACCESS_ISSUER, audience=ACCESS_AUDIENCE),
    )


def _signing_keys(settings: UserSettings, database: Database) -> SigningKeys:
    if settings.shared_secret is not None:
        return SharedKey(settings.shared_secret)
    return StoredKeys(database, settings.secret_key.get_secret_value())


async def _prepare_key(keys: SigningKeys) -> None:
    """Now, so that the first login does not wait; without a database, when it is back."""
    try:
        await keys.current()
    except Unavailable:
        log.warning("signing_key.not_ready")
