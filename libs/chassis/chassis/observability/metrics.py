"""Prometheus metrics of one service. Each service has its own registry, so that several can share a process."""

import hmac
import math
from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from chassis.errors import Unauthorized
from chassis.raw_headers import header_of

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def new_registry() -> CollectorRegistry:
    """A registry with the process's own metrics (CPU, memory, file descriptors)."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class Reading(Gauge):
    """A gauge with labels for an observed value. If there are several processes, the last written value counts.

    `remove` and `clear` mark a value as unknown: an old value would look like a fresh one.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{**options, "multiprocess_mode": "livemostrecent"})

    def remove(self, *labelvalues: Any) -> None:
        if labelvalues in self._metrics:
            self.labels(*labelvalues).set(math.nan)  # for the other processes: see chassis.observability.shared_metrics
        super().remove(*labelvalues)

    def clear(self) -> None:
        for labelvalues in list(self._metrics):
            self.labels(*labelvalues).set(math.nan)
        super().clear()


class RequestTimes:
    """`http_request_duration_seconds` by method, route template and status class."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Time from a request's first byte to its answer's first byte",
            ["method", "route", "status"],
            registry=registry,
            buckets=BUCKETS,
        )
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        self._of((method_of(scope["method"]), route_of(scope), status // 100)).observe(seconds)

    def _of(self, labels: tuple[str, str, int]) -> Histogram:
        """Cached: `labels()` takes a lock and builds a key at each call."""
        child = self._children.get(labels)
        if child is None:
            method, route, status = labels
            child = self._children[labels] = self._seconds.labels(method, route, f"{status}xx")
        return child


def route_of(scope: Scope) -> str:
    """The route's template, never the path: callers must not be able to create labels."""
    route = scope.get("route")
    return getattr(route, "path", "") or "unmatched"


def method_of(method: str) -> str:
    """The method, limited to a known few: callers must not be able to create labels."""
    return method if method in {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"} else "OTHER"


def exposition(token: SecretStr | None) -> Callable[[Request], Awaitable[Response]]:
    """`GET /metrics`. If there is a token, the request must contain it. Raises Unauthorized."""
    expected = None if token is None else f"Bearer {token.get_secret_value()}".encode()

    async def expose(request: Request) -> Response:
        given = header_of(request.scope, b"authorization") or ""
        if expected is not None and not hmac.compare_digest(given.encode(), expected):
            raise Unauthorized("/metrics takes the bearer token METRICS_TOKEN")
        registry: CollectorRegistry = request.app.state.metrics
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return expose
