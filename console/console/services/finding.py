"""What somebody typed into “Find”, and which calls of the API answer it. None of them reads through a whole table."""

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

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=320)]
TIMES = (("", "The last day"), ("7d", "The last 7 days"), ("30d", "The last 30 days"), ("any", "At any time"))
DAYS = {"": 1, "7d": 7, "30d": 30}
PAGE = 50


class Kind(Enum):
    NOTHING = "nothing"
    ADDRESS = "address"
    ID = "id"
    NAME = "name"  # a request id, or the caller's own id of a user


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
    since: Literal["", "7d", "30d", "any"] = ""
    before: UUID | None = None
    held_by: UUID | None = None

    def created_after(self, now: datetime | None = None) -> datetime | None:
        if self.since == "any" or ((self.q or self.held_by) and not self.since):
            return None
        return (now or datetime.now(UTC)) - timedelta(days=DAYS[self.since])


@dataclass(frozen=True, slots=True)
class Found:
    """A page of notifications; or the one that is meant (`notification_id`). `user` is the person to whom they went.

    `problem` says why nothing was looked for.
    """

    rows: Sequence[Notification] = ()
    next_cursor: str | None = None
    user: User | None = None
    notification_id: str | None = None
    problem: str = ""


async def find(api: AsyncNotifications, wanted: Wanted, *, may_see_users: bool) -> Found:
    """At most three calls, each by an index. An address is looked up only for those who may see users."""
    match kind_of(wanted.q):
        case Kind.NOTHING:
            return await _page(api, wanted)
        case Kind.ID:
            return await _by_id(api, wanted, str(as_id(wanted.q)), may_see_users=may_see_users)
        case Kind.ADDRESS if not may_see_users:
            return Found(problem="To find somebody by e-mail address you need the right to see users.")
        case Kind.ADDRESS:
            people = (await api.users.list(email=wanted.q, page_size=1).page()).items
            return await _of_user(api, wanted, people[0]) if people else Found(problem=NOBODY)
        case Kind.NAME:
            return await _by_name(api, wanted, may_see_users=may_see_users)


NOBODY = (
    "No user has this e-mail address. Somebody who was notified by address alone is found by the request id, "
    "or by template and time."
)


async def _by_id(api: AsyncNotifications, wanted: Wanted, given: str, *, may_see_users: bool) -> Found:
    if wanted.before is None:
        with suppress(NotFound):
            return Found(notification_id=(await api.get(given)).notification_id)
    if may_see_users:
        with suppress(NotFound, PermissionDenied):
            return await _of_user(api, wanted, await api.users.get(given))
    found = await _page(api, wanted, user_id=given)  # the id that stands for an address of `to`
    return found if found.rows or wanted.before else await _page(api, wanted, request_id=wanted.q)


async def _by_name(api: AsyncNotifications, wanted: Wanted, *, may_see_users: bool) -> Found:
    found = await _page(api, wanted, request_id=wanted.q[:200])
    if not found.rows and may_see_users:
        with suppress(NotFound, PermissionDenied, InvalidRequest):
            return await _of_user(api, wanted, await api.contacts.get(wanted.q))
    return found


async def _of_user(api: AsyncNotifications, wanted: Wanted, user: User) -> Found:
    return replace(await _page(api, wanted, user_id=user.id), user=user)


async def _page(
    api: AsyncNotifications, wanted: Wanted, *, user_id: str | None = None, request_id: str | None = None
) -> Found:
    page = await api.list(
        user_id=user_id,
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
