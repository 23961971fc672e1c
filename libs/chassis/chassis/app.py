"""The app factory: what every service's HTTP side has in common."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis import health, metrics
from chassis.docs import install_docs
from chassis.edge import Edge
from chassis.envelope import Envelope, JsonResponse, Problems
from chassis.error_handlers import install_error_handlers
from chassis.health import Dependency, HealthBoard
from chassis.metrics import RequestTimes
from chassis.settings import ServiceSettings
from chassis.straight import StraightRoutes
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


class ServiceApp(FastAPI):
    """A FastAPI app behind an edge; a request that `straight` matches does not reach the framework."""

    def __init__(self, edge: Callable[[ASGIApp], ASGIApp], **options: Any) -> None:
        super().__init__(**options)
        self.straight = StraightRoutes(super().__call__)
        self._edge = edge(self.straight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self._edge(scope, receive, send)


def create_service_app(
    description: ServiceDescription,
    settings: ServiceSettings,
    *,
    registry: CollectorRegistry,
    dependencies: list[Dependency],
    lifespan: Lifespan,
    tracing: Tracing = OFF,
) -> ServiceApp:
    """A FastAPI app with health, metrics, docs, correlation ids, body limit and the envelope for every error.

    The service adds its routers. Nothing connects before the lifespan starts.
    """
    times = RequestTimes(registry)

    def edge(app: ASGIApp) -> Edge:
        inner = app if tracing.tracer is None else TracedRequests(app, tracing.tracer)
        return Edge(inner, times=times, limit=settings.max_body_bytes)

    app = ServiceApp(
        edge,
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
    return app


# FastAPI's own: chassis/tracing/requests.py says why not.
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}

COMMON_RESPONSES: dict[int | str, dict[str, object]] = {
    422: {"model": Envelope[Problems], "description": "Fields that are not valid, all of them listed"},
}
