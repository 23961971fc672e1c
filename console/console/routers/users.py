"""Users: find one, see the devices, the preferences and what was sent."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from console.dependencies import Section, ThingId, Visitor, go_to
from console.services.finding import Kind, as_id, kind_of
from console.services.suppressing import NOT_ASKED, ListCheck, check_list
from notifications import InvalidRequest, NotFound, PermissionDenied, User

router = APIRouter()
Reading = Annotated[Visitor, Depends(Section("users"))]
SHOWN = 10  # of the user's notifications; the list has all
BECAUSE = {
    "unregistered": "the provider said that it is gone",
    "replaced": "the app registered it anew",
    "moved": "another user registered it",
    "by_user": "the user removed it",
    "by_application": "an application removed it",
    "by_admin": "an administrator removed it",
}


@router.get("/users")
async def search(visitor: Reading, q: Annotated[str, Query(max_length=320)] = "") -> Response:
    people = await _people(visitor, q.strip())
    if len(people) == 1:
        return go_to(f"/users/{people[0].id}")
    is_address = kind_of(q.strip()) is Kind.ADDRESS
    return visitor.page("users", "users", title="Users", q=q.strip(), people=people, is_address=is_address)


@router.get("/users/{thing_id}")
async def one(visitor: Reading, thing_id: ThingId) -> Response:
    """The id of somebody who was notified by address alone is no user's: then the notifications are all there is."""
    api = visitor.api
    try:
        user = await api.users.get(thing_id)
    except NotFound:
        if not visitor.person.may("notifications"):
            raise
        return go_to(f"/notifications?q={thing_id}")
    devices, gone, sent, list_check = await asyncio.gather(
        api.users.devices(thing_id),
        api.users.removed_devices(thing_id),
        _sent(visitor, thing_id),
        _list_check(visitor, user),
    )
    return visitor.page(
        "user",
        "users",
        title=user.name,
        user=user,
        devices=devices,
        gone=gone,
        rows=sent,
        list_check=list_check,
        because=BECAUSE,
    )


async def _sent(visitor: Visitor, user_id: str) -> object:
    if not visitor.person.may("notifications"):
        return []
    return (await visitor.api.list(user_id=user_id, page_size=SHOWN).page()).items


async def _list_check(visitor: Visitor, user: User) -> ListCheck:
    """Not known for those who may not see the suppression list."""
    return await check_list(visitor.api, user.email) if visitor.person.may("suppressions") else NOT_ASKED


async def _people(visitor: Visitor, q: str) -> list[User]:
    """Who has exactly this address or id. Several applications may have a contact with the same address. A caller's own ids
    are an application's: a person finds nobody by one.
    """
    try:
        match kind_of(q):
            case Kind.NOTHING:
                return []
            case Kind.ADDRESS:
                return (await visitor.api.users.list(email=q, page_size=100).page()).items
            case Kind.ID:
                return [await visitor.api.users.get(str(as_id(q)))]
            case Kind.NAME:
                return [await visitor.api.contacts.get(q)]
    except (NotFound, InvalidRequest):
        return []
    except PermissionDenied:
        if kind_of(q) is not Kind.NAME:
            raise
        return []
