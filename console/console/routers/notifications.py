"""Notifications: find them, see what became of one, cancel it, try it again."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from console.dependencies import CheckedForm, Section, ThingId, Visitor, go_to
from console.services.changes import Thing, names_of, thing_of
from console.services.commands import lookup
from console.services.confirming import Question
from console.services.finding import TIMES, Found, Kind, Wanted, find, kind_of
from console.services.recipients import whom
from console.services.suppressing import NOT_ASKED, ListCheck, check_list
from console.services.timeline import steps_of
from console.services.verdict import Known, Retry, retry_of, verdict_on
from console.services.words import CHANNELS
from notifications import ApiError, Hold, NotificationDetail, Status, User
from notifications.resources.operations import fingerprint

router = APIRouter()
Reading = Annotated[Visitor, Depends(Section("notifications"))]
UNDER_WAY = frozenset({"pending", "queued"})
NOT_SENT = frozenset({"failed", "suppressed"})
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
        found=found,
        rows=found.rows,
        hold=await hold_of(visitor, str(wanted.held_by) if wanted.held_by else None),
        older=_link(wanted, before=found.next_cursor) if found.next_cursor else "",
        newest=_link(wanted, before=None) if wanted.before else "",
        empty=_empty(wanted, found, visitor),
    )


@router.get("/notifications/{thing_id}")
async def one(visitor: Reading, thing_id: ThingId) -> Response:
    n, known = await _known(visitor, thing_id)
    may = visitor.person.may("act")
    ended_again = n.status not in UNDER_WAY and visitor.request.query_params.get("done") == "retried"
    notice = {"notice": ""} if ended_again else {}  # then the answer says how
    return visitor.page(
        "notification",
        "notifications",
        title=f"{n.template_code}, {n.status}",
        user=known.user,
        moved=known.moved,
        **_live(n, known),
        may_cancel=may and n.status == "pending",
        retry=retry_of(n, known).value if may else Retry.NOT.value,
        again_by=await _tried_again_by(visitor, n),
        curl=lookup(visitor.console.shown_url, n.notification_id, by_key=visitor.person.role == "key"),
        **notice,
    )


async def _known(visitor: Visitor, notification_id: str) -> tuple[NotificationDetail, Known]:
    """The notification, and what its page knows beside it."""
    n = await visitor.api.get(notification_id)
    hold, user = await asyncio.gather(hold_of(visitor, n.held_by), _user(visitor, n))
    written_to = n.recipient.fingerprint if n.recipient else None
    now = fingerprint(user.email) if user and user.email and written_to else written_to
    list_check = await _list_check(visitor, n, now)
    return n, Known(hold, user, list_check, moved=now != written_to, sections=visitor.person.sections)


@router.get("/notifications/{thing_id}/live")
async def live(visitor: Reading, thing_id: ThingId, poll: Annotated[int, Query(ge=0, le=FOLLOWED)] = 0) -> Response:
    """The part of the page that follows the notification. When it has ended, the whole page loads anew, with its buttons."""
    n = await visitor.api.get(thing_id)
    if n.status not in UNDER_WAY:
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    known = Known(await hold_of(visitor, n.held_by), sections=visitor.person.sections)
    return visitor.page("live", "notifications", **_live(n, known, poll + 1))


@router.get("/notifications/{thing_id}/cancel")
async def ask_cancel(visitor: Reading, thing_id: ThingId) -> Response:
    n, here = await visitor.api.get(thing_id), f"/notifications/{thing_id}"
    question = Question(
        title="Cancel it?",
        points=["It is never sent, and cannot be brought back.", "Others that are held or scheduled stay as they are."],
        action=f"{here}/cancel",
        button="Cancel it",
        back=here,
        back_title=n.template_code,
    )
    return visitor.ask(question, "notifications")


@router.post("/notifications/{thing_id}/cancel")
async def cancel(visitor: Reading, thing_id: ThingId, _form: CheckedForm) -> Response:
    await visitor.api.cancel(thing_id)
    return go_to(f"/notifications/{thing_id}?done=cancelled")


@router.get("/notifications/{thing_id}/retry")
async def ask_retry(visitor: Reading, thing_id: ThingId) -> Response:
    n, known = await _known(visitor, thing_id)
    said, here = verdict_on(n, known), f"/notifications/{thing_id}"
    question = Question(
        title="Try again all the same?",
        points=[said.headline, *([said.todo] if said.todo else []), AGAIN[n.status == "unknown"]],
        action=f"{here}/retry",
        button="Try again",
        back=here,
        back_title=n.template_code,
    )
    return visitor.ask(question, "notifications")


AGAIN = {
    True: "If it has arrived, the recipient gets it twice.",
    False: "Nothing has changed as far as this page knows, so another try may end in the same way.",
}


@router.post("/notifications/{thing_id}/retry")
async def retry(visitor: Reading, thing_id: ThingId, _form: CheckedForm) -> Response:
    await visitor.api.retry(thing_id)
    return go_to(f"/notifications/{thing_id}?done=retried")


def _link(wanted: Wanted, **changes: str | None) -> str:
    return f"/notifications?{urlencode(wanted.query(**changes))}"


def _live(n: NotificationDetail, known: Known, poll: int = 0) -> dict[str, object]:
    follows = n.status in UNDER_WAY and poll < FOLLOWED
    return {"n": n, "said": verdict_on(n, known), "steps": steps_of(n), "live": follows, "poll": poll}


async def hold_of(visitor: Visitor, hold_id: str | None) -> Hold | None:
    """None also if the visitor may not see the hold."""
    if hold_id is None or not visitor.person.may("holds"):
        return None
    with suppress(ApiError):
        return await visitor.api.holds.get(hold_id)
    return None


async def _user(visitor: Visitor, n: NotificationDetail) -> User | None:
    """None also if the visitor may not see users, and if the request named an address or devices."""
    if visitor.person.may("users") and whom(n).is_user:
        with suppress(ApiError):
            return await visitor.api.users.get(n.user_id)
    return None


async def _tried_again_by(visitor: Visitor, n: NotificationDetail) -> Sequence[Thing]:
    """Who had this one tried again, the last ones first; not who had a group of failures tried again. For those who may
    read the audit events."""
    if not n.replays or not visitor.person.may("audit"):
        return []
    with suppress(ApiError):
        asked = visitor.api.audit(
            action="notification.retried", target=f"notification:{n.notification_id}", page_size=3
        )
        events = (await asked.page()).items
        names = await names_of(visitor.api, events)
        return list(dict.fromkeys(thing_of(event.actor, names) for event in events))
    return []


async def _list_check(visitor: Visitor, n: NotificationDetail, address: str | None) -> ListCheck:
    """Whether the address (a fingerprint) is on the suppression list now, where that may explain what happened."""
    if address is None or n.status not in NOT_SENT or not visitor.person.may("suppressions"):
        return NOT_ASKED
    return await check_list(visitor.api, address)


def _empty(wanted: Wanted, found: Found, visitor: Visitor) -> Empty:
    if found.problem:
        return Empty("Nothing found", found.problem, "/notifications", "Clear the search")
    if wanted.held_by and not wanted.is_filtered:
        return Empty("Nothing waits", "The hold holds nothing now.", "/holds", "See the holds")
    if wanted.q or wanted.is_filtered:
        return _empty_search(wanted, found, visitor)
    if wanted.since == "any":
        return Empty("No notifications yet", "As soon as an application sends one, it is here.")
    return _look_longer(wanted, "Quiet so far", "Nothing was accepted in this time.")


NO_SUCH_NAME = (
    "No notification has this request id, or went to such a user or device. An e-mail address has to be complete."
)


def _empty_search(wanted: Wanted, found: Found, visitor: Visitor) -> Empty:
    if wanted.created_after() is not None:
        return _look_longer(wanted, "Nothing found", "No notification of this time fits. Older ones may.")
    title, text = "Nothing found", "No notification fits all of this."
    match kind_of(wanted.q):
        case Kind.ADDRESS if not wanted.is_filtered:
            title, text = "Nothing found for this address", _nothing_sent(found, visitor)
        case Kind.NAME:
            text = NO_SUCH_NAME
    return Empty(title, text, "/notifications", "Clear the search")


def _nothing_sent(found: Found, visitor: Visitor) -> str:
    if found.users:
        return "A user has it, and no notification that you may see went to it."
    if visitor.person.role == "key" and not visitor.person.may("users"):
        return "Your application named it in no request. What went to users is found by it with the scope users:read."
    return (
        "No user has it now, and no request named it. What went to a user who had it before is found by the address that the "
        "user has now. An address has to be complete."
    )


def _look_longer(wanted: Wanted, title: str, text: str) -> Empty:
    return Empty(title, text, _link(wanted, since="any", before=None), "Look at any time")
