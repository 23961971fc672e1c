"""The composition root: the only place that knows which database, Redis and user service there are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from chassis.app import ServiceDescription, create_service_app
from chassis.audit import RefusedAttempts, audit_routes, sweeping
from chassis.breaker import CircuitBreaker, breaker_metrics
from chassis.cache import Invalidator, connect_redis
from chassis.database import Database
from chassis.fair_semaphore import FairSemaphore
from chassis.health import Dependency
from chassis.http_client import ServiceClient
from chassis.metrics import new_registry
from chassis.periodic import repeat
from chassis.ratelimit import RateLimiter
from chassis.security import ServiceCallers, ServiceTokens
from chassis.tracing import OFF, Tracing
from contracts.callers import build_authenticator
from contracts.lookups import API_GATEWAY, TEMPLATE_CACHE, TEMPLATE_SERVICE, USER_SERVICE
from template_service.repositories.audit import TRAIL
from template_service.routers import internal, previews, templates, versions
from template_service.services.completing import complete_versions
from template_service.services.reading import TemplateReader
from template_service.services.system_templates import ensure_system_templates
from template_service.services.writing import TemplateWriter
from template_service.settings import TemplateSettings

COMPLETE_SECONDS = 300.0
RENDERS_WAITING = 10  # of one caller; three seconds at the most that a template may take
SEED_SECONDS = 30.0

DESCRIPTION = ServiceDescription(
    name=TEMPLATE_SERVICE,
    title="Template service",
    summary="Templates, their languages and immutable versions, previews.",
    tags=(
        {"name": "templates", "description": "Create, read, change and archive templates"},
        {"name": "versions", "description": "The history of a template's language, and rolling back"},
        {"name": "previews", "description": "Templates filled in, nothing sent"},
    ),
)


def create_app(settings: TemplateSettings, *, redis: Redis | None = None, tracing: Tracing = OFF) -> FastAPI:
    """Nothing connects before the lifespan. A `redis` that is given stays open when the service stops."""
    registry = new_registry()
    database = Database(settings.database_url)
    cache_redis = redis if redis is not None else connect_redis(settings.redis_url)
    users = _users(settings, registry, tracing)
    reader = TemplateReader(database)
    writer = TemplateWriter(database, Invalidator(TEMPLATE_CACHE, cache_redis).forget)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        seed = partial(ensure_system_templates, reader, writer)
        loops = [
            asyncio.create_task(
                repeat("complete_versions", partial(complete_versions, database), every_seconds=COMPLETE_SECONDS)
            ),
            asyncio.create_task(repeat("system_templates", seed, every_seconds=SEED_SECONDS)),
        ]
        async with sweeping(database, TRAIL, retention_days=settings.audit_retention_days):
            yield
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await users.close()
        await database.close()
        if redis is None:
            await cache_redis.aclose()

    app = create_service_app(
        DESCRIPTION,
        settings,
        registry=registry,
        dependencies=[
            Dependency("database", database.ping, essential=True),
            Dependency("redis", cache_redis.ping),
            Dependency("user-service", users.ping),
        ],
        lifespan=lifespan,
        tracing=tracing,
    )
    app.state.reader = reader
    app.state.writer = writer
    app.state.render_limit = RateLimiter(
        cache_redis,
        limit=settings.render_limit_per_minute,
        period_seconds=60,
        name="render",
        processes=settings.processes,
    )
    app.state.render_turns = FairSemaphore(settings.render_concurrency, waiting=RENDERS_WAITING)
    app.state.authenticator = build_authenticator(
        users, cache_redis, settings.service_key, shared_secret=settings.shared_secret
    )
    app.state.service_callers = ServiceCallers(settings.service_public_keys, TEMPLATE_SERVICE)
    app.state.on_forbidden = RefusedAttempts(database, TRAIL).forbidden
    app.include_router(audit_routes(database, TRAIL, asked_by=API_GATEWAY))
    for module in (previews, templates, versions, internal):
        app.include_router(module.router)
    return app


def _users(settings: TemplateSettings, registry: CollectorRegistry, tracing: Tracing) -> ServiceClient:
    breaker = CircuitBreaker(USER_SERVICE, on_change=breaker_metrics(registry).labels(USER_SERVICE).set)
    tokens = ServiceTokens(settings.service_key)
    return ServiceClient(settings.user_service_url, USER_SERVICE, tokens, breaker, tracing)
