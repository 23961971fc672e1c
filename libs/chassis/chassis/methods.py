"""Which methods a path has: for `OPTIONS`, for 405's `Allow`, and for paths that are declared without parameters.

As OpenAPI has it, a path that is declared literally comes before one with parameters, whatever the method: `GET
/notifications/batch` is no notification called "batch".
"""

from collections.abc import Awaitable

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.envelope import refusal
from chassis.errors import MethodNotAllowed


def allow_of(app: FastAPI, path: str) -> str:
    """What `Allow` says of a path that some route has."""
    routes = [route for route in iter_route_contexts(app.router.routes) if route.methods]
    literal = [route for route in routes if route.path == path]
    methods = {method for route in literal or routes if _has(route, path) for method in route.methods or ()}
    return ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))


def not_allowed(app: FastAPI, method: str, path: str) -> Response:
    """The answer to a method that the path does not have: for OPTIONS, which it has."""
    allowed = allow_of(app, path)
    return (
        Response(status_code=204, headers={"Allow": allowed})
        if method == "OPTIONS"
        else refusal(MethodNotAllowed(allowed))
    )


def _has(route: RouteContext, path: str) -> bool:
    found: Match = route.matches({"type": "http", "method": "OPTIONS", "path": path, "headers": []})[0]
    return found is not Match.NONE


class LiteralFirst:
    """ASGI, around the framework: of a path that is declared literally, no route with parameters is asked."""

    def __init__(self, app: ASGIApp, service: FastAPI) -> None:
        self._app = app
        self._service = service
        self._routes: dict[str, tuple[RouteContext, set[str]]] | None = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            route, methods = self._of(scope["path"])
            if route is not None and scope["method"] not in methods:
                scope["route"] = route  # for metrics and spans, as FastAPI leaves it
                return not_allowed(self._service, scope["method"], scope["path"])(scope, receive, send)
        return self._app(scope, receive, send)

    def _of(self, path: str) -> tuple[RouteContext | None, set[str]]:
        """Read from the routes at the first request: they are all there by then."""
        if self._routes is None:
            self._routes = {}
            for route in iter_route_contexts(self._service.router.routes):
                if route.path and route.methods and "{" not in route.path:
                    self._routes.setdefault(route.path, (route, set()))[1].update(route.methods)
        return self._routes.get(path, (None, set()))
