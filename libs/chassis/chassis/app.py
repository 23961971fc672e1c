"""The app factory: what every service's HTTP side has in common."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from prometheus_client import CollectorRegistry

from chassis import health, metrics
from chassis.correlation import CorrelationMiddleware
from chassis.docs import install_docs
from chassis.envelope import Envelope, JsonResponse, Problems
from chassis.error_handlers import install_error_handlers
from chassis.health import Dependency, HealthBoard
from chassis.metrics import HttpMetrics
from chassis.middleware import BodyLimit, TrailingSlash
from chassis.settings import ServiceSettings
from chassis.tracing import OFF, Tracing
from chassis.tracing.requests import TracedRequests

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class ServiceDescription:
    """What a service's OpenAPI page says on top."""

    name: str
    title: str
    summary: str
    version: str = "0.1.0"
    tags: Sequence[dict[str, str]] = field(default_factory=tuple)


def create_service_app(
    description: ServiceDescription,
    settings: ServiceSettings,
    *,
    registry: CollectorRegistry,
    dependencies: list[Dependency],
    lifespan: Lifespan,
    tracing: Tracing = OFF,
) -> FastAPI:
    """A FastAPI app with health, metrics, docs, correlation ids, body limit and the envelope for every error.

    The service adds its routers. Nothing connects before the lifespan starts.
    """
    app = FastAPI(
        title=description.title,
        summary=description.summary,
        version=description.version,
        openapi_tags=[dict(tag) for tag in description.tags] or None,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if settings.docs_enabled else None,
        redirect_slashes=False,
        default_response_class=JsonResponse,
        lifespan=lifespan,
        responses=COMMON_RESPONSES,
        telemetry=NO_TELEMETRY,
    )
    app.state.metrics = registry
    app.state.health = HealthBoard(description.name, dependencies)
    app.include_router(health.router)
    app.add_route("/metrics", metrics.expose, include_in_schema=False)
    if settings.docs_enabled:
        install_docs(app)
    install_error_handlers(app)
    # The last added runs first.
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    app.add_middleware(HttpMetrics, registry=registry)
    if tracing.tracer is not None:
        app.add_middleware(TracedRequests, tracer=tracing.tracer)
    app.add_middleware(CorrelationMiddleware)
    app.add_middleware(TrailingSlash)
    return app


# FastAPI's own: chassis/tracing/requests.py says why not.
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}

COMMON_RESPONSES: dict[int | str, dict[str, object]] = {
    422: {"model": Envelope[Problems], "description": "Fields that are not valid, all of them listed"},
}
