"""Routes that are answered without FastAPI's own steps, where those would cost more than the answer.

For an endpoint that takes the request and gives the response, the framework's layers, matching, scopes, exit stacks and
solving add nothing and took a third of the time of accepting a notification. The FastAPI route stays where it is, for the
documentation and for whatever the straight one does not match exactly.
"""

from collections.abc import Awaitable
from typing import TypeVar

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.error_handlers import refused, validation_refusal
from chassis.errors import ServiceError

Model = TypeVar("Model", bound=BaseModel)


class StraightRoutes:
    """ASGI, around the framework: what matches a (method, path) that was added goes no further."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._routes: dict[tuple[str, str], APIRoute] = {}

    def add(self, router: APIRouter) -> None:
        """The routes of `router`, all of whose endpoints take the request and nothing else."""
        routes = [route for route in router.routes if isinstance(route, APIRoute)]
        self._routes.update({(method, route.path): route for route in routes for method in route.methods or ()})

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        return (
            self._app(scope, receive, send) if route is None else _answered(route, Request(scope, receive, send), send)
        )


async def _answered(route: APIRoute, request: Request, send: Send) -> None:
    request.scope["route"] = route  # for metrics and spans, as FastAPI leaves it
    try:
        response = await route.endpoint(request)
    except (ServiceError, HTTPException, ClientDisconnect) as error:
        response = await refused(request, error)
    except Exception as error:
        # Answered and raised, as the framework does it: spans and the server's log name the defect.
        await (await refused(request, error))(request.scope, request.receive, send)
        raise
    await response(request.scope, request.receive, send)


async def body_of(request: Request) -> bytes:
    """What `request.body()` gives, at a third of its cost, once. Raises ClientDisconnect."""
    parts: list[bytes] = []
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def model_of(request: Request, kind: type[Model]) -> Model:
    """The body as a model. Raises the 422 or 400 that FastAPI's own way gives, and ClientDisconnect."""
    raw = await body_of(request)
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        raise validation_refusal(error.errors(include_url=False, include_context=False, include_input=False)) from None
