"""Typed dependencies of the routers: who visits, and a form that this visitor's page has sent."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hmac import compare_digest
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Path
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chassis.http.middleware import put_headers
from console.errors import LoginNeeded, NotAnId, NotForYou, StaleForm
from console.gateway import Gateway
from console.pages import Pages
from console.services.confirming import Question
from console.services.finding import as_id
from console.services.standing import NO_HOLDS, StandingHolds, StandingHoldsCache
from console.sessions import Person, Session, SessionCookie
from notifications import AsyncNotifications

SAME_SITE = frozenset({"same-origin", "none"})  # `none`: typed into the address bar


@dataclass(frozen=True, slots=True)
class Console:
    """What routers get from the composition root. `shown_url` is the gateway's address in commands for people."""

    pages: Pages
    cookie: SessionCookie
    gateway: Gateway
    shown_url: str
    standing: StandingHoldsCache


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is logged in, and the API with their rights."""

    request: Request
    console: Console
    session: Session
    person: Person
    api: AsyncNotifications
    standing: StandingHolds = NO_HOLDS

    def page(self, name: str, section: str, **values: Any) -> Response:
        shown = {"standing": self.standing, **values}
        return self.console.pages.render(self.request, name, session=self.session, section=section, **shown)

    def forget_standing(self) -> None:
        self.console.standing.forget(_sees_as(self.session))

    def ask(self, question: Question, section: str, *, problem: str = "") -> Response:
        """The page that asks before it is done. `problem`: why it was not done yet."""
        status = 422 if problem else 200
        return self.page("confirm", section, title=question.title, status=status, question=question, problem=problem)


def console_of(request: Request) -> Console:
    console: Console = request.app.state.console
    return console


def session_of(request: Request) -> Session:
    """The request's session, read once."""
    if not hasattr(request.state, "session"):
        request.state.session = console_of(request).cookie.read(request)
    session: Session = request.state.session
    return session


def keep(request: Request, session: Session) -> None:
    """The answer to this request sets the cookie."""
    request.state.session = session
    carrier = Response()
    console_of(request).cookie.write(carrier, session)
    put_headers(request.scope, {"Set-Cookie": carrier.headers["set-cookie"]})


async def fresh_session(request: Request) -> Session:
    """The request's session, whose tokens are renewed if they are about to expire. Raises AuthenticationFailed."""
    session = session_of(request)
    opened = request.headers.get("sec-fetch-dest", "document") == "document"
    if session.tokens and time.time() >= (session.tokens.renew_at if opened else session.tokens.expires_at):
        session = session.model_copy(update={"tokens": await console_of(request).gateway.renew(session.tokens)})
        keep(request, session)
    return session


async def _visitor(request: Request) -> Visitor:
    """Raises LoginNeeded."""
    console, session = console_of(request), await fresh_session(request)
    if session.person is None:
        raise LoginNeeded
    api, standing = console.gateway.api(session), NO_HOLDS
    if request.method == "GET" and _opens_a_page(request) and session.person.may("holds"):
        standing = await console.standing.for_visitor(_sees_as(session), api)
    return Visitor(request, console, session, session.person, api, standing)


def _opens_a_page(request: Request) -> bool:
    return "hx-request" not in request.headers and request.headers.get("sec-fetch-dest", "document") == "document"


def _sees_as(session: Session) -> str:
    """Administrators see the same holds; the keys of an application see those on it."""
    return session.api_key or "admin"


async def checked_form(request: Request) -> FormData:
    """The form, if a page of this session sent it. Raises StaleForm."""
    form = await request.form(max_files=0, max_fields=50)
    _check(request, form)
    return form


async def checked_upload(request: Request) -> AsyncIterator[FormData]:
    """The same for a form with a file, which is closed with the request."""
    async with request.form(max_files=1, max_fields=50) as form:
        _check(request, form)
        yield form


def _check(request: Request, form: FormData) -> None:
    given, csrf = form.get("csrf"), session_of(request).csrf
    foreign = request.headers.get("sec-fetch-site", "none") not in SAME_SITE
    if foreign or not isinstance(given, str) or not compare_digest(given.encode(), csrf.encode()):
        raise StaleForm


async def _id(thing_id: Annotated[str, Path()]) -> str:
    """Raises NotAnId without a call of the API."""
    if (found := as_id(thing_id)) is None:
        raise NotAnId
    return found


async def _key_id(key_id: Annotated[str, Path()]) -> str:
    return await _id(key_id)


async def _device_id(device_id: Annotated[str, Path()]) -> str:
    return await _id(device_id)


class Section:
    """Only for those whose navigation shows the section: an address alone opens nothing."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def __call__(self, visitor: Annotated[Visitor, Depends(_visitor)]) -> Visitor:
        if not visitor.person.may(self._name):
            raise NotForYou
        return visitor


class Administrator(Section):
    """As a section, for administrators only: for what no key is offered."""

    async def __call__(self, visitor: Annotated[Visitor, Depends(_visitor)]) -> Visitor:
        if visitor.person.role != "admin":
            raise NotForYou
        return await super().__call__(visitor)


def text_of(form: FormData, name: str, *, longest: int = 400) -> str:
    value = form.get(name, "")
    return value.strip()[:longest] if isinstance(value, str) else ""


def same_text(typed: str, wanted: str) -> bool:
    """Whether somebody confirmed with the right words. Capitals and blanks around them do not matter."""
    return typed.strip().casefold() == wanted.strip().casefold()


def safe_path(address: str) -> str:
    """A page of this console, or the start: never another host's page."""
    parts = urlsplit(address)
    ours = address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return address if ours and address.isprintable() and len(address) < 1_000 else "/"


def go_to(address: str) -> Response:
    """After a form: the browser gets the page anew, and reloading it does nothing twice."""
    return RedirectResponse(address, status_code=303)


CheckedForm = Annotated[FormData, Depends(checked_form)]
CheckedUpload = Annotated[FormData, Depends(checked_upload)]
AnyVisitor = Annotated[Visitor, Depends(_visitor)]
ThingId = Annotated[str, Depends(_id)]
KeyId = Annotated[str, Depends(_key_id)]
DeviceId = Annotated[str, Depends(_device_id)]
