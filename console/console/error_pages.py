"""The page that says what went wrong, and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chassis.errors import ServiceError
from chassis.http.error_handlers import refused
from console.dependencies import console_of, keep, session_of
from console.errors import LoginNeeded
from console.sessions import Session
from notifications import ApiError, AuthenticationFailed, ConnectionFailed, FieldProblem, NotificationsError

FOR_PROGRAMS = ("/health", "/api/v1/health", "/metrics")


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error page. `again`: another try may help."""

    status: int
    title: str
    what: str
    todo: str = ""
    code: str = ""
    again: bool = False
    problems: Sequence[FieldProblem] = field(default_factory=tuple)


GATEWAY_DOWN = Trouble(
    503,
    "The gateway does not answer",
    "The console shows what the gateway says, and it cannot be reached now. Workers go on with what was accepted.",
    "Look at the gateway's /health and its log. This page works again as soon as it answers.",
    "gateway_down",
    again=True,
)
UNFORESEEN = Trouble(
    500,
    "Something went wrong here",
    "This is a defect of the console. It was logged.",
    code="internal_error",
    again=True,
)


def trouble_of(error: Exception) -> Trouble:  # noqa: PLR0911 - a table of errors
    match error:
        case ConnectionFailed():
            return GATEWAY_DOWN
        case ApiError():
            return _of_api(error)
        case ServiceError():
            return Trouble(error.status, _title(error.status), error.message, code=error.code)
        case HTTPException(status_code=404):
            return Trouble(
                404, "There is no such page", "The address may be wrong, or the page is gone.", code="not_found"
            )
        case RequestValidationError():
            what = "The address has a value in it that no page of the console makes."
            return Trouble(422, "This address is not valid", what, code="validation_error")
        case HTTPException():
            return Trouble(error.status_code, "This did not work", str(error.detail))
    return UNFORESEEN


def _of_api(error: ApiError) -> Trouble:
    if error.status == 429:
        pause = f" in {error.retry_after:.0f} seconds" if error.retry_after else " in a moment"
        return Trouble(429, "Too many requests", error.message, f"Try again{pause}.", error.code, again=True)
    if error.status >= 500:
        todo = "Accepted notifications are not lost. Try again in a moment; the correlation id finds the reason in the logs."
        title = "A part of the system is not available"
        return Trouble(503, title, error.message, todo, error.code, again=True)
    return Trouble(error.status, _title(error.status), error.message, _todo(error), error.code, problems=error.problems)


def _title(status: int) -> str:
    titles = {403: "You may not do this", 404: "Not found", 409: "Not possible any more", 422: "This cannot be done"}
    return titles.get(status, "This did not work")


def _todo(error: ApiError) -> str:
    if error.status == 403:
        return "Administrators may do everything; an API key may do what its scopes allow. Log in as somebody who may."
    if error.status == 409:
        return "It has moved on meanwhile. Open its page again to see its status."
    return ""


def install_pages_for_errors(app: FastAPI) -> None:
    """Every error of a page is a page. Health and metrics, which programs read, keep their form."""
    for kind in (ServiceError, RequestValidationError, HTTPException, NotificationsError, Exception):
        app.add_exception_handler(kind, _answer)
    app.add_exception_handler(LoginNeeded, _log_in)


async def _answer(request: Request, error: Exception) -> Response:
    if request.scope["path"].startswith(FOR_PROGRAMS):
        return await refused(request, error)
    if isinstance(error, AuthenticationFailed):
        return await _log_in(request, LoginNeeded(ended=True))
    trouble = trouble_of(error)
    if trouble is UNFORESEEN:
        await refused(request, error)  # logs it
    return page_of(request, trouble)


def page_of(request: Request, trouble: Trouble) -> Response:
    """A part of a page that refreshes itself stays as it is, and asks again later."""
    if "hx-request" in request.headers:
        return Response(status_code=trouble.status, headers={"HX-Reswap": "none"})
    again = _path(request) if trouble.again and request.method == "GET" else ""
    return console_of(request).pages.render(
        request,
        "error",
        session=session_of(request),
        status=trouble.status,
        title=trouble.title,
        what=trouble.what,
        todo=trouble.todo,
        code=trouble.code,
        problems=trouble.problems,
        again=again,
    )


async def _log_in(request: Request, error: Exception) -> Response:
    """To the login, and back to this page. A page that only refreshes a part of itself loads anew."""
    back = _path(request) if request.method == "GET" else ""
    ended = isinstance(error, LoginNeeded) and error.ended
    if ended:
        keep(request, Session())
    query = {
        name: value for name, value in (("next", back), ("done", "ended" if ended else "")) if value not in {"", "/"}
    }
    address = f"/login?{urlencode(query)}" if query else "/login"
    if "hx-request" in request.headers:
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    return RedirectResponse(address, status_code=303)


def _path(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
