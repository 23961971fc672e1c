"""Every error of a service, rendered in the envelope by one place."""

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from chassis.envelope import refusal
from chassis.errors import InvalidJson, ServiceError, Unprocessable
from chassis.fields import plain_message
from chassis.methods import not_allowed
from chassis.metrics import method_of, route_of

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
CLIENT_CLOSED = 499  # nginx's word for it; it is counted as a 4xx


def install_error_handlers(app: FastAPI) -> None:
    """Every error of `app` leaves in the envelope; what nobody foresaw is logged and answered 500 without a trace."""
    app.add_exception_handler(ServiceError, _of_service)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(ClientDisconnect, _of_disconnect)
    app.add_exception_handler(Exception, _unforeseen)


async def refused(request: Request, error: Exception) -> Response:
    """The answer to an error, foreseen or not."""
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
        log.warning("http.refused", **_asked(request), status=error.status, code=error.code)
    return refusal(error)


def _asked(request: Request) -> dict[str, str]:
    """The route's pattern, never the path: an application's own id of a person may be an address."""
    return {"method": method_of(request.method), "route": route_of(request.scope)}


async def _of_disconnect(request: Request, _error: Exception) -> Response:
    """The client closed its connection before it had sent the whole body: no defect of ours, and nobody reads this."""
    log.info("http.client_disconnected", **_asked(request))
    return Response(status_code=CLIENT_CLOSED)


async def _of_framework(request: Request, error: Exception) -> Response:
    if isinstance(error.__cause__, ClientDisconnect):  # FastAPI's own 400, where it reads the body
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
    """An unknown query parameter is answered with those that the route knows."""
    if problem["type"] != "extra_forbidden" or problem["loc"][0] != "query":
        return problem
    models = [parameter.field_info.annotation for parameter in request.scope["route"].dependant.query_params]
    known = ", ".join(name for model in models for name in model.model_fields)
    return {**problem, "msg": f"There is no such parameter here; known are {known}"}


async def _unforeseen(request: Request, error: Exception) -> Response:
    log.error("http.unforeseen_error", **_asked(request), exc_info=error)
    return refusal(ServiceError())


def validation_refusal(problems: Sequence[Any]) -> ServiceError:
    """pydantic's problems as the 422 that every service gives: all fields at once, never the values that were sent."""
    if any(problem["type"] == "json_invalid" for problem in problems):
        return InvalidJson()
    errors = [{"field": _path(problem["loc"]), "message": plain_message(problem["msg"])} for problem in problems]
    fields = ", ".join(sorted({error["field"] for error in errors}))
    return Unprocessable(f"Some fields are not valid: {fields}", data={"errors": errors})


def _path(location: Sequence[str | int]) -> str:
    inner = location[1:] if location and location[0] in {"body", "query", "path", "header"} else location
    return ".".join(str(step) for step in inner) or str(location[0] if location else "body")


def _from_http(error: HTTPException) -> ServiceError:
    if isinstance(error.__cause__, RecursionError):  # FastAPI's own 400 for JSON nested thousands deep
        return Unprocessable("The body is nested too deeply")
    message = ServiceError.message if error.status_code >= 500 else str(error.detail)
    rendered = ServiceError(message, code=CODES.get(error.status_code, "http_error"), headers=error.headers)
    rendered.status = error.status_code
    return rendered
