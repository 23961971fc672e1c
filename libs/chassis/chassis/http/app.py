"""The app factory: the HTTP setup that all services share."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.http import health
from chassis.http.docs import install_docs
from chassis.http.envelope import JsonResponse
from chassis.http.error_handlers import SpecificFirst, install_error_handlers
from chassis.http.fast_routes import FastRouter, FastRoutes
from chassis.http.health import Dependency, HealthBoard
from chassis.http.middleware import RequestMiddleware
from chassis.http.openapi.document import complete
from chassis.http.openapi.merging import add
from chassis.observability import metrics
from chassis.observability.correlation import CORRELATION_HEADER, REQUEST_HEADER
from chassis.observability.metrics import RequestTimes
from chassis.observability.tracing import OFF, Tracing
from chassis.observability.tracing.requests import TracedRequests
from chassis.settings import ServiceSettings

NO_LARGER_BODIES: Mapping[str, int] = {}
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class ServiceDescription:
    """The parts of a service's OpenAPI document that its routes do not contain.

    `bodies` are the models of bodies that routes read by hand. `forwarded` is a JSON file for the requests that this service
    forwards to other services: for each service name, that part of the service's own document.
    """

    name: str
    title: str
    summary: str
    version: str = "0.1.0"
    tags: Sequence[dict[str, str]] = field(default_factory=tuple)
    bodies: Sequence[type[BaseModel]] = ()
    forwarded: Path | None = None


class ServiceApp(FastAPI):
    """A FastAPI app inside its ASGI middleware. Requests for the routes of a FastRouter do not reach the framework."""

    def __init__(self, middleware: Callable[[ASGIApp], ASGIApp], about: ServiceDescription, **options: Any) -> None:
        super().__init__(**options)
        self._specific_first = SpecificFirst(super().__call__, self)
        self._fast_routes = FastRoutes(self._specific_first)
        self._app = middleware(self._fast_routes)
        self._about = about
        self._completed: dict[str, Any] | None = None

    def include_router(self, router: APIRouter, *args: Any, **options: Any) -> None:
        super().include_router(router, *args, **options)
        routes = [route for route in router.routes if isinstance(route, APIRoute)]
        self._specific_first.add(routes)
        if isinstance(router, FastRouter):
            self._fast_routes.add(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self._app(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """FastAPI caches the document that it builds. It is completed once."""
        document = super().openapi()
        if document is not self._completed:
            complete(document, self._about.bodies)
            for name, part in self._forwarded().items():
                add(document, part, name)
            self._completed = document
        return document

    def _forwarded(self) -> dict[str, Any]:
        """The forwarded parts. Each key becomes the prefix of components that differ from ours."""
        file = self._about.forwarded
        parts: dict[str, Any] = json.loads(file.read_text()) if file is not None else {}
        return {service.title().replace("-", ""): part for service, part in parts.items()}


def create_service_app(  # noqa: PLR0913 - a service consists of these parts
    description: ServiceDescription,
    settings: ServiceSettings,
    *,
    registry: CollectorRegistry,
    dependencies: list[Dependency],
    lifespan: Lifespan,
    tracing: Tracing = OFF,
    cors_origins: Sequence[str] = (),
    larger_bodies: Mapping[str, int] = NO_LARGER_BODIES,
) -> ServiceApp:
    """A FastAPI app with health, metrics, docs, correlation ids, a body limit and the envelope for every error.

    `larger_bodies`: path → bytes of a body with a Content-Length, where more than MAX_BODY_BYTES are allowed; the path's
    endpoint bounds the memory. Browsers let scripts from `cors_origins` read its answers. The service adds its routers.
    Nothing connects before the lifespan starts.
    """
    times = RequestTimes(registry)

    def middleware(app: ASGIApp) -> ASGIApp:
        inner = app if tracing.tracer is None else TracedRequests(app, tracing.tracer)
        whole = RequestMiddleware(inner, times=times, limit=settings.max_body_bytes, larger=larger_bodies)
        return CORSMiddleware(whole, allow_origins=cors_origins, **CORS) if cors_origins else whole

    app = ServiceApp(
        middleware,
        description,
        title=description.title,
        summary=description.summary,
        description=ABOUT,
        version=description.version,
        license_info=LICENSE,
        servers=servers(settings.port),
        openapi_tags=[dict(tag) for tag in (*description.tags, HEALTH_TAG)],
        generate_unique_id_function=operation_id,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        default_response_class=JsonResponse,
        lifespan=lifespan,
        telemetry=NO_TELEMETRY,
    )
    app.state.metrics = registry
    app.state.health = HealthBoard(description.name, dependencies, description.version)
    app.include_router(health.router)
    app.add_route("/metrics", metrics.exposition(settings.metrics_token), include_in_schema=False)
    if settings.docs_enabled:
        install_docs(app)
    install_error_handlers(app)
    return app


# FastAPI's own telemetry is off; chassis/observability/tracing/requests.py gives the reason.
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}

# No cookies: the caller's credentials are in a header. A browser repeats its preflight request after ten minutes.
CORS: dict[str, Any] = {
    "allow_methods": ("GET", "POST", "PUT", "PATCH", "DELETE"),
    "allow_headers": ("Authorization", "Content-Type", "Idempotency-Key", "X-API-Key", CORRELATION_HEADER, REQUEST_HEADER),
    "expose_headers": (
        "Idempotent-Replayed", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After",
        CORRELATION_HEADER, REQUEST_HEADER,
    ),
    "max_age": 600,
}  # fmt: skip
HEALTH_TAG = {"name": "health", "description": "Liveness, readiness and every dependency's state"}
LICENSE = {"name": "MIT", "identifier": "MIT"}
ABOUT = """Every JSON answer is `{"success", "message", "data", "error", "meta"}`. `error` is a stable code for programs, \
`message` is for people; a 422 lists every field that is not valid in `data.errors`; `meta` says where a page stands in \
its list.

Paths work with and without a trailing slash. `HEAD` works where `GET` does, and `OPTIONS` names a path's methods in \
`Allow`. `X-Correlation-ID` and `X-Request-ID` are taken, made where they are missing, and returned."""


def operation_id(route: APIRoute) -> str:
    """The endpoint's name. Generated clients use it as the operation's name."""
    return route.name


def servers(port: int) -> list[dict[str, Any]]:
    """The first server is the host that served the document: that is correct wherever the service runs."""
    return [
        {"url": "/", "description": "The host that serves this document"},
        {
            "url": "http://{host}:{port}",
            "description": "Another one; as it stands, `make up` or docker-compose on this machine",
            "variables": {"host": {"default": "localhost"}, "port": {"default": str(port)}},
        },
    ]
