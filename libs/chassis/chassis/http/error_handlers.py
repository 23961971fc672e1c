"""Gives every error the same form of answer; handles OPTIONS, HEAD and 405 on every path."""

import re
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, NamedTuple

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match, compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.errors import InvalidJson, MethodNotAllowed, ServiceError, Unprocessable
from chassis.fields import plain_message
from chassis.http.envelope import refusal
from chassis.observability.metrics import method_of, route_of

# The methods of a path: for `OPTIONS`, for the `Allow` header of a 405, and for paths declared without parameters.
#
# As in OpenAPI, a literal path has precedence over a path with parameters, for every method: `GET /notifications/batch`
# never means a notification called "batch". A path with parameters has precedence over one that takes the rest of a path.


def allow_of(app: FastAPI, path: str) -> str:
    """The value of `Allow` for a path that has a route."""
    routes = [route for route in iter_route_contexts(app.router.routes) if route.methods and _has(route, path)]
    first = min(map(_rank, routes), default=0)
    methods = {method for route in routes if _rank(route) == first for method in route.methods or ()}
    return ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))


def not_allowed(app: FastAPI, method: str, path: str) -> Response:
    """The answer to a method that the path does not have. For OPTIONS it is a success."""
    allowed = allow_of(app, path)
    return (
        Response(status_code=204, headers={"Allow": allowed})
        if method == "OPTIONS"
        else refusal(MethodNotAllowed(allowed))
    )


def _has(route: RouteContext, path: str) -> bool:
    found: Match = route.matches({"type": "http", "method": "OPTIONS", "path": path, "headers": []})[0]
    return found is not Match.NONE


def _rank(route: RouteContext | APIRoute) -> int:
    """0: a literal path; 1: with parameters; 2: with the rest of a path."""
    path = route.path or ""
    return ("{" in path) + (":path}" in path)


class _Path(NamedTuple):
    """`route`: one of the path's routes, for metrics and spans."""

    route: APIRoute
    methods: set[str]


class SpecificFirst:
    """ASGI middleware around the framework: a request never gets to a route of a higher rank than the best for its path.

    `add` takes the routes before the first request; their paths are complete. FastAPI's own list of routes would
    build every route a second time, for 0.1 s and more.
    """

    def __init__(self, app: ASGIApp, service: FastAPI) -> None:
        self._app = app
        self._service = service
        self._routes: list[APIRoute] = []
        self._literal: dict[str, _Path] = {}
        self._with_parameters: list[tuple[re.Pattern[str], _Path]] = []

    def add(self, routes: Iterable[APIRoute]) -> None:
        self._routes += routes

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            path = self._of(scope["path"])
            if path is not None and scope["method"] not in path.methods:
                scope["route"] = path.route  # as FastAPI does
                return not_allowed(self._service, scope["method"], scope["path"])(scope, receive, send)
        return self._app(scope, receive, send)

    def _of(self, path: str) -> _Path | None:
        """The path that has precedence over others. Reads the routes at the first request: all routes exist by then."""
        if not self._literal:
            self._read()
        found = self._literal.get(path)
        return found or next((one for pattern, one in self._with_parameters if pattern.match(path)), None)

    def _read(self) -> None:
        """Of paths with parameters only those that a route for the rest of a path would get, too."""
        ranks: tuple[dict[str, _Path], ...] = ({}, {}, {})
        for route in self._routes:
            if route.methods:
                ranks[_rank(route)].setdefault(route.path, _Path(route, set())).methods.update(route.methods)
        self._literal = ranks[0]
        rests = [compile_path(path)[0] for path in ranks[2]]
        self._with_parameters = [
            (compile_path(path)[0], one) for path, one in ranks[1].items() if any(rest.match(path) for rest in rests)
        ]


log = structlog.get_logger()

CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    413: "payload_too_large",
    415: "unsupported_media_type",
    422: "validation_error",
    429: "rate_limited",
    503: "unavailable",
}
CLIENT_CLOSED = 499  # nginx's code for it; it counts as a 4xx


def install_error_handlers(app: FastAPI) -> None:
    """Every error of `app` is answered in the envelope. An unexpected error is logged and answered 500 without details."""
    app.add_exception_handler(ServiceError, _of_service)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(ClientDisconnect, _of_disconnect)
    app.add_exception_handler(Exception, _unforeseen)


async def refused(request: Request, error: Exception) -> Response:
    """The answer to an error, expected or not."""
    match error:
        case ServiceError():
            return await _of_service(request, error)
        case HTTPException():
            return await _of_framework(request, error)
        case ClientDisconnect():
            return await _of_disconnect(request, error)
        case _:
            return await _unforeseen(request, error)


async def _of_service(request: Request, error: Exception) -> Response:
    if not isinstance(error, ServiceError):
        return await _unforeseen(request, error)
    if error.status in {401, 403}:
        log.warning("http.refused", **_request_fields(request), status=error.status, code=error.code)
    return refusal(error)


def _request_fields(request: Request) -> dict[str, str]:
    """The method and the route's pattern, never the path: an application's own id of a person may be an address."""
    return {"method": method_of(request.method), "route": route_of(request.scope)}


async def _of_disconnect(request: Request, _error: Exception) -> Response:
    """The client closed its connection before it had sent the whole body. It is no defect, and the answer is not read."""
    log.info("http.client_disconnected", **_request_fields(request))
    return Response(status_code=CLIENT_CLOSED)


async def _of_framework(request: Request, error: Exception) -> Response:
    if isinstance(error.__cause__, ClientDisconnect):  # FastAPI raises its own 400 when it reads the body
        return await _of_disconnect(request, error)
    if not isinstance(error, HTTPException):
        return await _unforeseen(request, error)
    if error.status_code == 405:
        return not_allowed(request.app, request.method, request.scope["path"])
    return refusal(_from_http(error))


async def _of_validation(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        return await _unforeseen(request, error)
    return refusal(validation_refusal([_with_known(problem, request) for problem in error.errors()]))


def _with_known(problem: Any, request: Request) -> Any:
    """Adds the route's known query parameters to the error about an unknown one."""
    if problem["type"] != "extra_forbidden" or problem["loc"][0] != "query":
        return problem
    models = [parameter.field_info.annotation for parameter in request.scope["route"].dependant.query_params]
    known = ", ".join(name for model in models for name in model.model_fields)
    return {**problem, "msg": f"There is no such parameter here; known are {known}"}


async def _unforeseen(request: Request, error: Exception) -> Response:
    log.error("http.unforeseen_error", **_request_fields(request), exc_info=error)
    return refusal(ServiceError())


def validation_refusal(problems: Sequence[Any]) -> ServiceError:
    """pydantic's problems as the 422 of every service: all fields at once, without the values that were sent."""
    if any(problem["type"] == "json_invalid" for problem in problems):
        return InvalidJson()
    errors = [{"field": _path(problem["loc"]), "message": plain_message(problem["msg"])} for problem in problems]
    fields = ", ".join(sorted({error["field"] for error in errors}))
    return Unprocessable(f"Some fields are not valid: {fields}", data={"errors": errors})


def _path(location: Sequence[str | int]) -> str:
    inner = location[1:] if location and location[0] in {"body", "query", "path", "header"} else location
    return ".".join(str(step) for step in inner) or str(location[0] if location else "body")


def _from_http(error: HTTPException) -> ServiceError:
    if isinstance(error.__cause__, RecursionError):  # FastAPI raises its own 400 for JSON nested thousands deep
        return Unprocessable("The body is nested too deeply")
    message = ServiceError.message if error.status_code >= 500 else str(error.detail)
    rendered = ServiceError(message, code=CODES.get(error.status_code, "http_error"), headers=error.headers)
    rendered.status = error.status_code
    return rendered
