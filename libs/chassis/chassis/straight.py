"""Routes that are answered without FastAPI's own steps, where those would cost more than the answer.

For an endpoint that takes the request and gives the response, matching, scopes and solving add nothing and took a quarter
of the time of accepting a notification. The FastAPI route stays where it is, for the documentation and for whatever the
straight one does not match exactly.
"""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Response]]


class StraightRoute(BaseRoute):
    """One method and one path without parameters."""

    def __init__(self, path: str, method: str, endpoint: Endpoint) -> None:
        self.path = path
        self._method = method
        self._endpoint = endpoint

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and scope["path"] == self.path and scope["method"] == self._method:
            return Match.FULL, {"endpoint": self._endpoint, "route": self}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


def answer_straight(app: FastAPI, router: APIRouter) -> None:
    """Puts straight routes before the FastAPI routes of `router`: all of its endpoints take the request, and nothing else."""
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    app.router.routes[:0] = [
        StraightRoute(route.path, method, route.endpoint) for route in routes for method in sorted(route.methods or ())
    ]
