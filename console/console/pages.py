"""Renders pages. Everything that comes from the API is escaped."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from chassis.observability.correlation import correlation_id
from console.headers import HEADERS
from console.services import holds, mail_codes, recipients, words
from console.services.standing import NO_HOLDS
from console.sessions import Session

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True)
class Entry:
    """A section of the console. `name` is also the right that a person needs to see it. Sections for `administration` are
    in a second row, which is shown while one of them is open.
    """

    name: str
    title: str
    administration: bool = False

    @property
    def path(self) -> str:
        return "/" if self.name == "overview" else f"/{self.name}"


SECTIONS = (
    Entry("overview", "Overview"),
    Entry("notifications", "Notifications"),
    Entry("users", "Users"),
    Entry("failed", "Failed"),
    Entry("templates", "Templates"),
    Entry("holds", "Holds"),
    Entry("suppressions", "Suppressions", administration=True),
    Entry("applications", "Applications", administration=True),
    Entry("audit", "Audit", administration=True),
    Entry("system", "System", administration=True),
)
NOTICES = {
    "unsuppressed": "The address is off the suppression list. The next notification to it is sent.",
    "application-created": "The application is made. It needs a key before it can send.",
    "application-changed": "The application is changed. All services follow within seconds.",
    "application-disabled": "The application is disabled. Its keys are refused.",
    "application-enabled": "The application is enabled. Its keys work again.",
    "application-deleted": "The application and its keys are deleted.",
    "key-revoked": "The key is revoked. It is refused everywhere within seconds.",
    "device-removed": "The device is removed.",
    "user-changed": "The user is changed. It takes effect everywhere within seconds.",
    "user-disabled": "The account is disabled. Notifications still arrive.",
    "user-enabled": "The account is enabled.",
    "cancelled": "It is cancelled.",
    "retried": "It is tried again. This page updates itself.",
    "held": "It is held. What is accepted from now on waits too.",
    "released": "It is released. What waited is sent now, highest priority first.",
    "hold-cancelled": "The hold is cancelled, and what waited because of it.",
    "draft": "It is saved as a draft. Nothing that is sent changes until it is activated.",
    "unchanged": "Nothing differs from the active version, so there is no new one.",
    "activated": "It is activated. New notifications are sent with this version.",
    "created": "It is created, and active.",
    "logged-out": "You are logged out.",
    "ended": "Your session has ended. Log in again; you return to the page where you were.",
}
COUNTED = {
    "replayed": ("One will be tried again.", "{} will be tried again."),
    "suppressed": ("One address was added to the list.", "{} addresses were added to the list."),
}


def _versioned() -> Mapping[str, str]:
    """Path of each file with its fingerprint: browsers keep it for a year, and load a changed one at once."""
    return {
        file.name: f"/static/{file.name}?v={hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"
        for file in STATIC.iterdir()
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for filter_ in (
        words.tone,
        words.channel,
        words.provider,
        words.words,
        words.iso,
        words.utc,
        words.size,
        words.plain,
        words.number,
        holds.target,
        holds.who,
        recipients.whom,
        words.span,
        mail_codes.explained,
    ):
        environment.filters[filter_.__name__] = filter_
    versioned = _versioned()
    environment.globals["asset"] = versioned.__getitem__
    return environment


class Pages:
    def __init__(self) -> None:
        self._environment = _environment()

    def render(
        self, request: Request, name: str, *, session: Session, status: int = 200, **values: Any
    ) -> HTMLResponse:
        person = session.person
        allowed = [entry for entry in SECTIONS if person and person.may(entry.name)]
        shown = {
            "person": person,
            "navigation": [one for one in allowed if not one.administration],
            "administration": [one for one in allowed if one.administration],
            "csrf": session.csrf,
            "section": None,
            "title": "Console",
            "notice": notice_of(request),
            "standing": NO_HOLDS,
            "correlation": correlation_id(),
            **values,
        }
        html = self._environment.get_template(f"{name}.html").render(shown)
        return HTMLResponse(html, status_code=status, headers=HEADERS)


def notice_of(request: Request) -> str:
    """What was done before this page, by a fixed list: an address cannot put words of its own onto a page."""
    for name, (one, many) in COUNTED.items():
        number = request.query_params.get(name, "")
        if number.isdecimal() and len(number) < 7:
            return one if int(number) == 1 else many.format(f"{int(number):,}")
    return NOTICES.get(request.query_params.get("done", ""), "")
