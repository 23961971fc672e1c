"""Routes that are answered without FastAPI's own steps, where those would cost more than the answer.

For an endpoint that takes the request and gives the response, matching, scopes, exit stacks and solving add nothing and
took a third of the time of accepting a notification. The FastAPI route stays where it is, for the documentation and for
whatever the straight one does not match exactly.
"""

from collections.abc import Mapping

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.error_handlers import refused
from chassis.errors import ServiceError


class StraightRoutes:
    """ASGI middleware, the innermost: what matches a (method, path) of `routes` goes no further."""

    def __init__(self, app: ASGIApp, routes: Mapping[tuple[str, str], APIRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route  # for metrics and spans, as FastAPI leaves it
        request = Request(scope, receive, send)
        try:
            response = await route.endpoint(request)
        except (ServiceError, HTTPException) as error:
            response = await refused(request, error)
        await response(scope, receive, send)


def answer_straight(app: FastAPI, router: APIRouter) -> None:
    """The routes of `router`, all of whose endpoints take the request and nothing else. Before the app has started."""
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    table = {(method, route.path): route for route in routes for method in route.methods or ()}
    app.user_middleware.append(Middleware(StraightRoutes, routes=table))
