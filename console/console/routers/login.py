"""Logging in with a password (and a second factor) or with an API key, and logging out."""

import asyncio
import re
import time
from contextlib import suppress
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from console.dependencies import (
    CheckedForm,
    Console,
    console_of,
    fresh_session,
    go_to,
    keep,
    safe_path,
    session_of,
    text_of,
)
from console.gateway import tokens_of
from console.pages import SECTIONS
from console.sessions import PendingLogin, Person, Session
from notifications import ApiError, AsyncNotifications, AuthenticationFailed, NotificationsError, PermissionDenied

router = APIRouter()
ACT = "act"  # to cancel, to try again
ADMINISTRATION = frozenset(entry.name for entry in SECTIONS if entry.administration)
EVERYTHING = frozenset({*(entry.name for entry in SECTIONS), ACT})
CODE_SECONDS = 300.0
KEY = re.compile(r"[!-~]{1,200}")  # what can be in a header
REFUSED = "The address or the password is wrong."
KEY_REFUSED = "This API key is unknown, revoked or expired."


@router.get("/login")
async def login_page(request: Request, next: str = "") -> Response:  # noqa: A002 - the parameter's name
    session = session_of(request)
    if session.person is not None:
        return go_to(safe_path(next))
    return _page(request, back=safe_path(next))


@router.post("/login")
async def log_in(request: Request, form: CheckedForm) -> Response:
    pending = PendingLogin(
        email=text_of(form, "email"), password=str(form.get("password", ""))[:200], until=time.time() + CODE_SECONDS
    )
    return await _log_in(request, pending, code=None, back=safe_path(text_of(form, "next")))


@router.get("/login/code")
async def code_page(request: Request, next: str = "") -> Response:  # noqa: A002 - the parameter's name
    if _pending_login(request) is None:
        return go_to("/login")
    return _page(request, back=safe_path(next), asks_code=True)


@router.post("/login/code")
async def log_in_with_code(request: Request, form: CheckedForm) -> Response:
    pending, back = _pending_login(request), safe_path(text_of(form, "next"))
    if pending is None:
        return _page(request, back=back, problem="This took too long. Log in again.", status=401)
    return await _log_in(request, pending, code=text_of(form, "code", longest=40), back=back)


@router.post("/login/key")
async def log_in_with_key(request: Request, form: CheckedForm) -> Response:
    """Looks what the key may see. What it may do is seen when it is done: nothing is changed to find out."""
    key, back = text_of(form, "key", longest=200), safe_path(text_of(form, "next"))
    session = Session(api_key=key)
    try:
        known = KEY.fullmatch(key) and await _sections(console_of(request).gateway.api(session))
    except AuthenticationFailed:
        known = None
    if known is None:
        return _page(request, back=back, problem=KEY_REFUSED, with_key=True, status=401)
    if not known:
        problem = "This key may see nothing here: it needs the scope notifications:read, users:read or templates:read."
        return _page(request, back=back, problem=problem, with_key=True, status=403)
    keep(request, session.model_copy(update={"person": Person(name="API key", role="key", sections=known | {ACT})}))
    return go_to(back)


@router.post("/logout")
async def log_out(request: Request, _form: CheckedForm) -> Response:
    """Ends the session at the gateway too. The cookie goes in any case: without the gateway it ends there with its tokens."""
    session = session_of(request)
    with suppress(NotificationsError):
        if session.tokens:
            fresh = await fresh_session(request)
            await console_of(request).gateway.api(fresh).logout()
    keep(request, Session())
    return go_to("/login?done=logged-out")


async def _log_in(request: Request, pending: PendingLogin, *, code: str | None, back: str) -> Response:
    console = console_of(request)
    try:
        made = await console.gateway.api().login(pending.email, pending.password, totp=code)
    except ApiError as refused:
        return _refused(request, pending, refused, code=code, back=back)
    admin = made.user.role == "admin" and not made.totp_needed
    sections = EVERYTHING if admin else frozenset({"notifications"})
    person = Person(id=made.user.id, name=made.user.name, role="admin" if admin else "user", sections=sections)
    keep(request, Session(person=person, tokens=tokens_of(made)))
    return go_to(back)


def _refused(request: Request, pending: PendingLogin, refused: ApiError, *, code: str | None, back: str) -> Response:
    if refused.code == "totp_required" and code is None:
        keep(request, Session(pending_login=pending))
        return go_to(f"/login/code?{urlencode({'next': back})}" if back != "/" else "/login/code")
    if refused.status in {401, 422}:
        problem = "This code is wrong, or was used before." if code is not None else REFUSED
        return _page(request, back=back, problem=problem, email=pending.email, asks_code=code is not None, status=401)
    if refused.status == 429:
        problem = "Too many attempts. Wait a few minutes, then try again."
        return _page(request, back=back, problem=problem, email=pending.email, asks_code=code is not None, status=429)
    raise refused


def _pending_login(request: Request) -> PendingLogin | None:
    pending = session_of(request).pending_login
    return pending if pending is not None and pending.until > time.time() else None


def _page(  # noqa: PLR0913 - what the form shows
    request: Request,
    *,
    back: str,
    problem: str = "",
    email: str = "",
    with_key: bool = False,
    asks_code: bool = False,
    status: int = 200,
) -> Response:
    console: Console = console_of(request)
    session = session_of(request)
    keep(request, session)
    return console.pages.render(
        request,
        "login",
        session=session,
        status=status,
        title="Log in",
        next=back,
        problem=problem,
        email=email,
        with_key=with_key,
        asks_code=asks_code,
    )


async def _sections(api: AsyncNotifications) -> frozenset[str]:
    """Raises AuthenticationFailed for a key that is not valid."""
    looks = {
        "notifications": api.list(page_size=1).page(),
        "users": api.users.list(page_size=1).page(),
        "templates": api.templates.list(page_size=1).page(),
        "applications": api.applications.list(page_size=1).page(),  # as all of the administration: for the scope admin
    }
    results = await asyncio.gather(*looks.values(), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, PermissionDenied):
            raise result
    seen = {name for name, result in zip(looks, results, strict=True) if not isinstance(result, BaseException)}
    more = {"overview", "failed", "holds"} if "notifications" in seen else set()
    return frozenset(seen | more | (ADMINISTRATION if "applications" in seen else set()))
