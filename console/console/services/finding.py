"""What somebody typed into “Find”, and which calls of the API answer it. None of them reads through a whole table."""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import StringConstraints

from console.services.searching import SearchForm
from notifications import (
    AsyncNotifications,
    InvalidRequest,
    NotFound,
    Notification,
    PermissionDenied,
    Status,
    User,
)

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_048)]  # what the longest device token has
TIMES = (("", "The last day"), ("7d", "The last 7 days"), ("30d", "The last 30 days"), ("any", "At any time"))
DAYS = {"": 1, "7d": 7, "30d": 30}
PAGE = 50
SHORTEST_TOKEN = 32  # characters; what is shorter is not asked for as a device


class Kind(Enum):
    NOTHING = "nothing"
    ADDRESS = "address"
    ID = "id"
    NAME = "name"  # a request id, the caller's own id of a user, or a device's token


def kind_of(text: str) -> Kind:
    if not text:
        return Kind.NOTHING
    if as_id(text):
        return Kind.ID
    return Kind.ADDRESS if re.fullmatch(r"[^@\s]+@[^@\s]+", text) else Kind.NAME


def as_id(text: str) -> str | None:
    """The id in its one usual form."""
    try:
        return str(UUID(text))
    except ValueError:
        return None


class Wanted(SearchForm):
    """The search form. A template or a status alone is looked for in a span of time, because there may be millions."""

    q: Text = ""
    status: Status | Literal[""] = ""
    channel: Literal["email", "push", ""] = ""
    template: Text = ""
    since: Literal["", "1d", "7d", "30d", "any"] = ""
    before: UUID | None = None
    held_by: UUID | None = None

    @property
    def is_filtered(self) -> bool:
        return bool(self.status or self.channel or self.template)

    @property
    def span(self) -> str:
        """Of `TIMES`. A person, an id or a hold is looked for at any time, unless the form says otherwise."""
        return self.since.replace("1d", "") if self.since else ("any" if self.q or self.held_by else "")

    def created_after(self, now: datetime | None = None) -> datetime | None:
        return None if self.span == "any" else (now or datetime.now(UTC)) - timedelta(days=DAYS[self.span])


@dataclass(frozen=True, slots=True)
class Found:
    """A page of notifications; or the one that is meant (`notification_id`).

    `one_recipient`: all went to one person, who may be several of `users`: contacts of several applications. `problem` says
    why nothing was looked for.
    """

    rows: Sequence[Notification] = ()
    next_cursor: str | None = None
    users: Sequence[User] = ()
    one_recipient: bool = False
    notification_id: str | None = None
    problem: str = ""


async def find(api: AsyncNotifications, wanted: Wanted, *, may_see_users: bool) -> Found:
    """At most four calls, each by an index."""
    match kind_of(wanted.q):
        case Kind.NOTHING:
            return await _page(api, wanted)
        case Kind.ID:
            return await _by_id(api, wanted, str(as_id(wanted.q)), may_see_users=may_see_users)
        case Kind.ADDRESS:
            return await _by_address(api, wanted, may_see_users=may_see_users)
        case Kind.NAME:
            return await _by_name(api, wanted, may_see_users=may_see_users)


async def _by_address(api: AsyncNotifications, wanted: Wanted, *, may_see_users: bool) -> Found:
    """Whoever has it: users, and recipients that requests named by their address alone."""
    try:
        found, users = await asyncio.gather(
            _page(api, wanted, to=wanted.q), _users_at(api, wanted.q) if may_see_users else _nobody()
        )
    except InvalidRequest:
        return Found(problem=NO_ADDRESS)
    return replace(found, users=users, one_recipient=True)


NO_ADDRESS = "This is no e-mail address that mail can be sent to."
SHOWN_USERS = 10


async def _users_at(api: AsyncNotifications, address: str) -> Sequence[User]:
    return (await api.users.list(email=address, page_size=SHOWN_USERS).page()).items


async def _nobody() -> Sequence[User]:
    return ()


async def _by_id(api: AsyncNotifications, wanted: Wanted, given: str, *, may_see_users: bool) -> Found:
    if wanted.before is None:
        with suppress(NotFound):
            return Found(notification_id=(await api.get(given)).notification_id)
    if may_see_users:
        with suppress(NotFound, PermissionDenied):
            return await _of_user(api, wanted, await api.users.get(given))
    found = await _page(api, wanted, user_id=given)  # the id that stands for an address of `to`
    if found.rows or wanted.before:
        return replace(found, one_recipient=True)
    return await _of_request(api, wanted)


async def _by_name(api: AsyncNotifications, wanted: Wanted, *, may_see_users: bool) -> Found:
    found = await _of_request(api, wanted)
    if found.rows or found.notification_id:
        return found
    if may_see_users:
        with suppress(NotFound, PermissionDenied, InvalidRequest):
            return await _of_user(api, wanted, await api.contacts.get(wanted.q))
    if len(wanted.q) >= SHORTEST_TOKEN:
        with suppress(InvalidRequest):
            return replace(await _page(api, wanted, to=wanted.q), one_recipient=True)
    return found


async def _of_request(api: AsyncNotifications, wanted: Wanted) -> Found:
    """Several applications may have used the same request id."""
    found = await _page(api, wanted, request_id=wanted.q[:200])
    if wanted.before is None and len(found.rows) == 1:
        return Found(notification_id=found.rows[0].notification_id)
    return found


async def _of_user(api: AsyncNotifications, wanted: Wanted, user: User) -> Found:
    return replace(await _page(api, wanted, user_id=user.id), users=[user], one_recipient=True)


async def _page(
    api: AsyncNotifications,
    wanted: Wanted,
    *,
    user_id: str | None = None,
    to: str | None = None,
    request_id: str | None = None,
) -> Found:
    page = await api.list(
        user_id=user_id,
        to=to,
        request_id=request_id,
        status=wanted.status or None,
        notification_type=wanted.channel or None,
        template_code=wanted.template or None,
        created_after=wanted.created_after(),
        held_by=str(wanted.held_by) if wanted.held_by else None,
        cursor=str(wanted.before) if wanted.before else None,
        page_size=PAGE,
    ).page()
    return Found(page.items, page.meta.next_cursor)
