"""The composition root: the only place that creates the database, Redis and user service clients."""

from functools import partial

from fastapi import FastAPI
from redis.asyncio import Redis

from chassis.audit import RefusedAttempts, audit_routes, retention_task
from chassis.http.app import ServiceDescription
from chassis.observability.tracing import OFF, Tracing
from chassis.postgres.database import Database
from chassis.process.fair_semaphore import FairSemaphore
from chassis.process.periodic import PeriodicTask
from chassis.redis.cache import Invalidator
from chassis.redis.rate_limit import RateLimiter
from chassis.security import ServiceCallers
from chassis.server.runtime import Runtime
from contracts.callers import build_authenticator
from contracts.services import API_GATEWAY, TEMPLATE_SERVICE, USER_SERVICE
from contracts.templates import TEMPLATE_CACHE
from template_service.repositories.audit import TRAIL
from template_service.routers import internal, previews, snippets, templates, versions
from template_service.services.compiling import complete_versions
from template_service.services.push_texts import PushTexts
from template_service.services.reading import TemplateReader
from template_service.services.snippets import SnippetReader, SnippetWriter
from template_service.services.system_templates import ensure_system_templates
from template_service.services.writing import TemplateWriter
from template_service.settings import TemplateSettings

COMPLETE_SECONDS = 300.0
RENDERS_WAITING = 10  # per caller; a minute of waiting if each template is at all limits (6 s)
SYSTEM_TEMPLATES_SECONDS = 30.0

DESCRIPTION = ServiceDescription(
    name=TEMPLATE_SERVICE,
    title="Template service",
    summary="Templates, their languages and immutable versions, snippets, previews.",
    tags=(
        {"name": "templates", "description": "Create, read, change and archive templates"},
        {"name": "versions", "description": "The history of a template's language, and rolling back"},
        {"name": "snippets", "description": "Layouts and other pieces that templates have in common"},
        {"name": "previews", "description": "Render templates without sending anything"},
    ),
)


def create_app(settings: TemplateSettings, *, redis: Redis | None = None, tracing: Tracing = OFF) -> FastAPI:
    """Nothing connects before the lifespan starts. A `redis` that the caller passes stays open when the service stops."""
    database = Database(settings.database_url)
    runtime = Runtime(
        database, redis=redis, redis_url=settings.redis_url, service_key=settings.service_key, tracing=tracing
    )
    users = runtime.client(USER_SERVICE, settings.user_service_url)
    reader = TemplateReader(database)
    forget = Invalidator(TEMPLATE_CACHE, runtime.redis).forget
    writer = TemplateWriter(database, forget, sender_domains=settings.sender_domains)
    runtime.repeat(
        PeriodicTask("complete_versions", partial(complete_versions, database), COMPLETE_SECONDS),
        PeriodicTask("system_templates", partial(ensure_system_templates, reader, writer), SYSTEM_TEMPLATES_SECONDS),
        retention_task(database, TRAIL, retention_days=settings.audit_retention_days),
    )
    runtime.depend_on("database", database.ping, essential=True)
    runtime.depend_on("redis", runtime.redis.ping)
    runtime.depend_on(USER_SERVICE, users.ping)
    app = runtime.create_app(DESCRIPTION, settings)
    app.state.reader = reader
    app.state.writer = writer
    app.state.snippets = SnippetReader(database)
    app.state.snippet_writer = SnippetWriter(database)
    app.state.render_limit = RateLimiter(
        runtime.redis,
        limit=settings.render_limit_per_minute,
        period_seconds=60,
        name="render",
        processes=settings.processes,
    )
    app.state.render_turns = FairSemaphore(settings.render_concurrency, waiting=RENDERS_WAITING)
    app.state.push_texts = PushTexts(reader, app.state.render_turns)
    app.state.authenticator = build_authenticator(
        users, runtime.redis, settings.service_key, shared_secret=settings.shared_secret
    )
    app.state.service_callers = ServiceCallers(settings.service_public_keys, TEMPLATE_SERVICE)
    app.state.on_forbidden = RefusedAttempts(database, TRAIL).forbidden
    app.include_router(audit_routes(database, TRAIL, asked_by=API_GATEWAY))
    for module in (previews, templates, versions, snippets, internal):
        app.include_router(module.router)
    return app
