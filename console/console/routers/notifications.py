"""Notifications: find them, see what became of one, cancel it, try it again."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from console.dependencies import CheckedForm, Section, ThingId, Visitor, go_to
from console.services.commands import lookup
from console.services.finding import TIMES, Found, Kind, Wanted, find, kind_of
from console.services.timeline import steps_of
from console.services.verdict import verdict_on
from console.services.words import CHANNELS
from notifications import ApiError, Hold, NotificationDetail, Status, User

router = APIRouter()
Reading = Annotated[Visitor, Depends(Section("notifications"))]
UNDER_WAY = frozenset({"pending", "queued"})
RETRYABLE = frozenset({"failed", "unknown"})
FOLLOWED = 300  # times that a page asks again: ten minutes, then it rests


@dataclass(frozen=True, slots=True)
class Empty:
    title: str
    text: str
    link: str = ""
    link_text: str = ""


@router.get("/notifications")
async def search(request: Request, visitor: Reading) -> Response:
    wanted = Wanted.from_query(request.query_params)
    found = await find(visitor.api, wanted, may_see_users=visitor.person.may("users"))
    if found.notification_id:
        return go_to(f"/notifications/{found.notification_id}")
    return visitor.page(
        "notifications",
        "notifications",
        title="Notifications",
        wanted=wanted,
        statuses=get_args(Status),
        channels=list(CHANNELS),
        times=TIMES,
        found_user=found.user,
        rows=found.rows,
        hold=await hold_of(visitor, str(wanted.held_by) if wanted.held_by else None),
        older=_link(wanted, before=found.next_cursor) if found.next_cursor else "",
        newest=_link(wanted, before=None) if wanted.before else "",
        empty=_empty(wanted, found),
    )


@router.get("/notifications/{thing_id}")
async def one(visitor: Reading, thing_id: ThingId) -> Response:
    n = await visitor.api.get(thing_id)
    hold, recipient = await asyncio.gather(hold_of(visitor, n.held_by), _recipient(visitor, n.user_id))
    may = visitor.person.may("act")
    return visitor.page(
        "notification",
        "notifications",
        title=f"{n.template_code}, {n.status}",
        recipient=recipient,
        **_live(n, hold),
        may_cancel=may and n.status == "pending",
        may_retry=may and n.status in RETRYABLE,
        curl=lookup(visitor.console.shown_url, n.notification_id, by_key=visitor.person.role == "key"),
    )


@router.get("/notifications/{thing_id}/live")
async def live(visitor: Reading, thing_id: ThingId, round: Annotated[int, Query(ge=0, le=FOLLOWED)] = 0) -> Response:  # noqa: A002
    """The part of the page that follows the notification. When it has ended, the whole page loads anew, with its buttons."""
    n = await visitor.api.get(thing_id)
    if n.status not in UNDER_WAY:
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    return visitor.page("live", "notifications", **_live(n, await hold_of(visitor, n.held_by), round + 1))


@router.post("/notifications/{thing_id}/cancel")
async def cancel(visitor: Reading, thing_id: ThingId, _form: CheckedForm) -> Response:
    await visitor.api.cancel(thing_id)
    return go_to(f"/notifications/{thing_id}?done=cancelled")


@router.post("/notifications/{thing_id}/retry")
async def retry(visitor: Reading, thing_id: ThingId, _form: CheckedForm) -> Response:
    await visitor.api.retry(thing_id)
    return go_to(f"/notifications/{thing_id}?done=retried")


def _link(wanted: Wanted, **changes: str | None) -> str:
    return f"/notifications?{urlencode(wanted.query(**changes))}"


def _live(n: NotificationDetail, hold: Hold | None, round_: int = 0) -> dict[str, object]:
    follows = n.status in UNDER_WAY and round_ < FOLLOWED
    said = verdict_on(n, hold.reason if hold else "")
    return {"n": n, "hold": hold, "said": said, "steps": steps_of(n), "live": follows, "round": round_}


async def hold_of(visitor: Visitor, hold_id: str | None) -> Hold | None:
    """None also if the visitor may not see the hold."""
    if hold_id is None or not visitor.person.may("holds"):
        return None
    with suppress(ApiError):
        return await visitor.api.holds.get(hold_id)
    return None


async def _recipient(visitor: Visitor, user_id: str) -> User | None:
    """None also if the visitor may not see users, and if the id stands for an address that is no user's."""
    if visitor.person.may("users"):
        with suppress(ApiError):
            return await visitor.api.users.get(user_id)
    return None


NO_SUCH_NAME = "No notification has this request id, or a user with this id. An e-mail address has to be complete."


def _empty(wanted: Wanted, found: Found) -> Empty:
    if found.problem:
        return Empty("Nothing found", found.problem, "/notifications", "Clear the search")
    if wanted.held_by and not (wanted.status or wanted.channel or wanted.template):
        return Empty("Nothing waits", "The hold holds nothing now.", "/holds", "See the holds")
    if wanted.q or wanted.status or wanted.channel or wanted.template:
        if wanted.created_after() is None:
            text = NO_SUCH_NAME if kind_of(wanted.q) is Kind.NAME else "No notification fits all of this."
            return Empty("Nothing found", text, "/notifications", "Clear the search")
        text = "No notification of this time fits. Older ones may."
        return Empty("Nothing found", text, _link(wanted, since="any", before=None), "Look at any time")
    if wanted.since == "any":
        return Empty("No notifications yet", "As soon as an application sends one, it is here.")
    text = "Nothing was accepted in this time."
    return Empty("Quiet so far", text, _link(wanted, since="any", before=None), "Look at any time")
