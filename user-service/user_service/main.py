"""The composition root."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from fastapi import FastAPI
from redis.asyncio import Redis

from chassis.audit import AuditTrail, RefusedAttempts, audit_routes, retention_task
from chassis.errors import Unavailable
from chassis.http.app import ServiceDescription
from chassis.http.client import ServiceClient
from chassis.observability.tracing import OFF, Tracing
from chassis.postgres.database import Database
from chassis.process.periodic import PeriodicTask
from chassis.security import RevokedTokens, ServiceCallers, TokenVerifier
from chassis.server.runtime import Runtime
from contracts.callers import ACCESS_AUDIENCE, ACCESS_ISSUER
from contracts.services import API_GATEWAY, PUSH_SERVICE, USER_SERVICE
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
    unsubscribing,
    users,
)
from user_service.services.account_mails import AccountMails, MailedTokens, TokenMint
from user_service.services.addresses import Addresses
from user_service.services.api_keys import ApiKeys
from user_service.services.applications import Applications
from user_service.services.authentication import CheckedAuthenticator
from user_service.services.external_users import ExternalUsers
from user_service.services.login import Logins
from user_service.services.password_resets import PasswordResets
from user_service.services.passwords import Passwords
from user_service.services.personal_data import Erasures, Exports
from user_service.services.push_tokens import PushTokens
from user_service.services.sessions import AccessTokens, Sessions
from user_service.services.sign_ups import Greeting, SignUps
from user_service.services.signing_keys import SharedKey, SigningKeys, StoredKeys
from user_service.services.throttle import LoginThrottle, MailThrottle, ThrottledPasswords
from user_service.services.token_validation import TokenValidation
from user_service.services.totp import SecondFactors
from user_service.services.user_changes import UserChanger
from user_service.services.users import UserLookups, Users
from user_service.settings import UserSettings

log = structlog.get_logger()
DESCRIPTION = ServiceDescription(
    name=USER_SERVICE,
    title="User service",
    summary="Users, preferences, push tokens, login and API keys.",
    tags=(
        {"name": "users", "description": "The people who are notified"},
        {"name": "preferences", "description": "The channels that a user wants"},
        {"name": "push tokens", "description": "The devices of a user"},
        {"name": "sessions", "description": "The logins of a user"},
        {"name": "auth", "description": "Tokens for users"},
        {"name": "applications", "description": "The programs that send notifications"},
        {"name": "api keys", "description": "Keys of applications"},
    ),
)
TASK_SECONDS = 1.0
FORGET_SECONDS = 3_600.0
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
    unsubscribing,
    internal,
)


@dataclass(frozen=True, slots=True)
class Infrastructure:
    """The parts that the services share."""

    settings: UserSettings
    runtime: Runtime
    passwords: Passwords
    audit: AuditTrail
    refused: RefusedAttempts
    mint: TokenMint
    gateway: ServiceClient
    push_workers: ServiceClient | None
    revoked: RevokedTokens


def create_app(settings: UserSettings, *, redis: Redis | None = None, tracing: Tracing = OFF) -> FastAPI:
    """Builds the service. The caller closes a Redis client that it passes in."""
    runtime = Runtime(
        Database(settings.database_url, pool_size=settings.database_pool_size),
        redis=redis,
        redis_url=settings.redis_url,
        service_key=settings.service_key,
        tracing=tracing,
    )
    base = _infrastructure(settings, runtime)
    services = _services(base)
    mails = AccountMails(runtime.database, base.gateway, base.mint, runtime.registry, page=settings.account_url)
    runtime.close_with(partial(asyncio.to_thread, base.passwords.close))
    runtime.start_with(partial(_prepare_key, services.signing_keys))
    runtime.repeat(
        PeriodicTask("mails", mails.run_once, TASK_SECONDS),
        PeriodicTask("erasures", services.erasures.run_once, TASK_SECONDS),
        PeriodicTask("removed_devices", services.push_tokens.forget_removed, FORGET_SECONDS),
        retention_task(runtime.database, base.audit, retention_days=settings.audit_retention_days),
    )
    runtime.depend_on("database", runtime.database.ping, essential=True)
    runtime.depend_on("redis", runtime.redis.ping)
    if base.push_workers is not None:
        runtime.depend_on(PUSH_SERVICE, base.push_workers.ping)
    app = runtime.create_app(DESCRIPTION, settings)
    app.state.services = services
    app.state.authenticator = CheckedAuthenticator(services.verifier, services.api_keys, base.revoked, services.users)
    app.state.service_callers = ServiceCallers(settings.service_public_keys, USER_SERVICE)
    app.state.on_forbidden = base.refused.forbidden
    app.include_router(audit_routes(runtime.database, base.audit, asked_by=API_GATEWAY))
    for module in ROUTERS:
        app.include_router(module.router)
    app.include_router(push_tokens.key_router)
    app.include_router(internal.fast_router)
    return app


def _infrastructure(settings: UserSettings, runtime: Runtime) -> Infrastructure:
    secret = settings.secret_key.get_secret_value()
    audit = audit_trail(secret)
    return Infrastructure(
        settings=settings,
        runtime=runtime,
        passwords=Passwords(runtime.registry, workers=settings.password_workers, waiting=settings.password_queue),
        audit=audit,
        refused=RefusedAttempts(runtime.database, audit),
        mint=TokenMint(derived_key(secret, "user-service mailed tokens")),
        gateway=runtime.client(API_GATEWAY, settings.api_gateway_url),
        push_workers=runtime.client(PUSH_SERVICE, settings.push_service_url) if settings.validate_push_tokens else None,
        revoked=RevokedTokens(runtime.redis),
    )


def _services(base: Infrastructure) -> UserServices:
    settings, database, redis, audit = base.settings, base.runtime.database, base.runtime.redis, base.audit
    signing_keys = _signing_keys(settings, database)
    access = AccessTokens(signing_keys, seconds=settings.access_token_expire_minutes * 60)
    sessions = Sessions(
        database,
        access,
        base.revoked,
        audit,
        lifetime=timedelta(days=settings.refresh_token_expire_days),
        max_lifetime=timedelta(days=settings.session_max_days),
        admins_need_totp=settings.admins_need_totp,
    )
    throttle = LoginThrottle(redis, settings)
    passwords = ThrottledPasswords(database, base.passwords, throttle)
    sealed = cipher(settings.secret_key.get_secret_value(), "user-service second factors")
    factors = SecondFactors(database, sealed, passwords, throttle, sessions, audit)
    mails = MailThrottle(redis, settings)
    tokens = MailedTokens(database, base.mint)
    lookups = UserLookups(database, redis)
    addresses = Addresses(database, tokens, mails, passwords, sessions, lookups, audit)
    validation = None if base.push_workers is None else TokenValidation(base.push_workers)
    devices = PushTokens(database, lookups, audit, services=settings.push_services, validation=validation)
    api_keys_service = ApiKeys(database, redis, audit)
    return UserServices(
        settings=settings,
        users=Users(database, lookups, sessions, api_keys_service, audit, admins_need_totp=settings.admins_need_totp),
        sign_ups=SignUps(
            database, base.passwords, devices, audit, Greeting(tokens, mails) if settings.verify_emails else None
        ),
        changer=UserChanger(database, passwords, sessions, devices, lookups, addresses, audit),
        push_tokens=devices,
        lookups=lookups,
        logins=Logins(database, passwords, factors, sessions, audit, base.refused, base.runtime.registry),
        erasures=Erasures(database, base.gateway, audit, base.runtime.registry),
        exports=Exports(database, base.gateway, audit),
        second_factors=factors,
        password_resets=PasswordResets(database, tokens, mails, passwords, sessions, lookups, audit),
        addresses=addresses,
        sessions=sessions,
        external_users=ExternalUsers(database, lookups, devices, audit),
        applications=Applications(database, api_keys_service, audit, sender_domains=settings.sender_domains),
        api_keys=api_keys_service,
        signing_keys=signing_keys,
        verifier=TokenVerifier([signing_keys.source], issuer=ACCESS_ISSUER, audience=ACCESS_AUDIENCE),
    )


def _signing_keys(settings: UserSettings, database: Database) -> SigningKeys:
    if settings.shared_secret is not None:
        return SharedKey(settings.shared_secret)
    return StoredKeys(database, settings.secret_key.get_secret_value())


async def _prepare_key(signing_keys: SigningKeys) -> None:
    """Loads the key at the start, so that the first login does not wait for it. Without a database it is loaded later."""
    try:
        await signing_keys.current()
    except Unavailable:
        log.warning("signing_key.not_ready")
