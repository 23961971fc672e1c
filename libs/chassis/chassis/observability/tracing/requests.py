"""One server span per request.

FastAPI's own telemetry is switched off. It puts paths and query strings into attributes (they contain ids and search words),
and it asks three global providers at every request (8 µs with nothing configured).
"""

from opentelemetry.trace import Span, SpanKind, Tracer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.observability.correlation import correlation_id
from chassis.observability.metrics import method_of, route_of
from chassis.observability.tracing.context import parent_of
from chassis.observability.tracing.spans import failed, span
from chassis.raw_headers import header_of


class TracedRequests:
    """ASGI middleware: a span below the client's `traceparent`. Frequent requests for health and metrics have no span."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_a_probe(scope["path"]):
            await self._app(scope, receive, send)
            return
        method = method_of(scope["method"])
        attributes = {"http.request.method": method, "correlation_id": correlation_id()}
        with span(
            self._tracer, method, SpanKind.SERVER, attributes, parent=parent_of(header_of(scope, b"traceparent"))
        ) as begun:
            try:
                await self._app(scope, receive, _watched(send, begun))
            finally:
                begun.update_name(f"{method} {route_of(scope)}")
                begun.set_attribute("http.route", route_of(scope))


def _watched(send: Send, begun: Span) -> Send:
    async def watched(message: Message) -> None:
        if message["type"] == "http.response.start":
            begun.set_attribute("http.response.status_code", message["status"])
            if message["status"] >= 500:
                failed(begun, str(message["status"]))
        await send(message)

    return watched


def _is_a_probe(path: str) -> bool:
    return path in {"/metrics", "/health", "/api/v1/health"} or path.startswith("/health/")
