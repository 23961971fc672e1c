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
from console.services import holds, words
from console.services.standing import NOTHING
from console.sessions import Session

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True)
class Entry:
    """A section of the console. `name` is also the right that a person needs to see it."""

    name: str
    title: str

    @property
    def path(self) -> str:
        return f"/{self.name}"


SECTIONS = (
    Entry("notifications", "Notifications"),
    Entry("users", "Users"),
    Entry("failed", "Failed"),
    Entry("templates", "Templates"),
    Entry("holds", "Holds"),
)
NOTICES = {
    "cancelled": "It is cancelled.",
    "retried": "It is tried again. This page follows it.",
    "held": "It is held. What is accepted from now on waits too.",
    "released": "It is released. What waited is sent now, highest priority first.",
    "hold-cancelled": "The hold is cancelled, and what waited because of it.",
    "logged-out": "You are logged out.",
    "ended": "Your session has ended. Log in again; you return to the page where you were.",
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
        shown = {
            "person": person,
            "navigation": [entry for entry in SECTIONS if person and person.may(entry.name)],
            "csrf": session.csrf,
            "section": None,
            "title": "Console",
            "notice": notice_of(request),
            "standing": NOTHING,
            "correlation": correlation_id(),
            **values,
        }
        html = self._environment.get_template(f"{name}.html").render(shown)
        return HTMLResponse(html, status_code=status, headers=HEADERS)


def notice_of(request: Request) -> str:
    """What was done before this page, by a fixed list: an address cannot put words of its own onto a page."""
    replayed = request.query_params.get("replayed", "")
    if replayed.isdecimal() and len(replayed) < 6:
        return f"{int(replayed)} will be tried again." if int(replayed) != 1 else "One will be tried again."
    return NOTICES.get(request.query_params.get("done", ""), "")
