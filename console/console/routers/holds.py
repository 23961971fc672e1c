"""Holds: what is held, holding more, and releasing or cancelling it."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.datastructures import FormData
from starlette.responses import Response

from console.dependencies import CheckedForm, Section, ThingId, Visitor, go_to, text_of
from console.services.holds import listed, names_of
from console.services.previews import is_code
from console.services.searching import neighbours
from console.services.words import CHANNELS, PROVIDERS
from notifications import ApiError, Application, Hold, InvalidRequest, NotFound

router = APIRouter()
Reading = Annotated[Visitor, Depends(Section("holds"))]
FOLLOWED = 600  # times that a page asks again
FIELDS = ("template", "application", "channel", "provider", "reason")


@router.get("/holds")
async def all_holds(visitor: Reading, page: Annotated[int, Query(ge=1, le=1_000)] = 1) -> Response:
    found = await listed(visitor.api, page)
    names = await names_of(visitor.api, (*found.current, *found.ended))
    pages = neighbours("/holds", page, more=found.more)
    return _page(visitor, "holds", "Holds", found=found, names=names, may_act=visitor.person.may("act"), **pages)


@router.get("/holds/new")
async def form(visitor: Reading, template: str = "") -> Response:
    return await _form(visitor, {"template": template[:100]})


@router.post("/holds")
async def place(visitor: Reading, form: CheckedForm) -> Response:
    given = {name: text_of(form, name, longest=500) for name in FIELDS}
    if problem := await _problem(visitor, given, form):
        return await _form(visitor, given, problem, status=422)
    try:
        await visitor.api.holds.add(
            given["reason"],
            template_code=given["template"] or None,
            application_id=given["application"] or None,
            notification_type=given["channel"] or None,  # type: ignore[arg-type]  # the API checks it
            provider=given["provider"] or None,
        )
    except InvalidRequest as refused:
        said = " ".join(one.message for one in refused.problems) or refused.message
        return await _form(visitor, given, said, status=422)
    return _done(visitor, "held")


@router.get("/holds/{thing_id}/live")
async def live(
    visitor: Reading,
    thing_id: ThingId,
    was: str = "",
    poll: Annotated[int, Query(ge=0, le=FOLLOWED)] = 0,
    of: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """How many it holds now. After a change of its status the whole page loads anew, with other buttons."""
    hold = await visitor.api.holds.get(thing_id)
    if hold.status != was:
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    return visitor.page("hold_state", "holds", hold=hold, poll=poll + 1, of=max(of, hold.held), follow=True)


@router.get("/holds/{thing_id}/release")
async def ask_release(visitor: Reading, thing_id: ThingId) -> Response:
    return await _ask(visitor, "release", thing_id)


@router.post("/holds/{thing_id}/release")
async def release(visitor: Reading, thing_id: ThingId, form: CheckedForm) -> Response:
    version, number = text_of(form, "version"), text_of(form, "number")
    if not version and (await visitor.api.holds.get(thing_id)).template_code:
        return await _ask(visitor, "release", thing_id, problem="Choose the version of the template.", status=422)
    other = int(number) if version == "other" and number.isascii() and number.isdecimal() else None
    if version == "other" and not other:
        return await _ask(visitor, "release", thing_id, problem="Write the number of the version.", status=422)
    try:
        await visitor.api.holds.release(
            thing_id, template_version=other, active_version=True if version == "active" else None
        )
    except (InvalidRequest, NotFound) as refused:
        if refused.code == "hold_not_found":
            raise
        return await _ask(visitor, "release", thing_id, problem=refused.message, status=refused.status)
    return _done(visitor, "released")


@router.get("/holds/{thing_id}/cancel")
async def ask_cancel(visitor: Reading, thing_id: ThingId) -> Response:
    return await _ask(visitor, "cancel", thing_id)


@router.post("/holds/{thing_id}/cancel")
async def cancel(visitor: Reading, thing_id: ThingId, _form: CheckedForm) -> Response:
    await visitor.api.holds.cancel(thing_id)
    return _done(visitor, "hold-cancelled")


async def _problem(visitor: Visitor, given: Mapping[str, str], form: FormData) -> str:
    """What is wrong with the form."""
    if not any(given[name] for name in FIELDS[:-1]):
        return "Say what to hold: a template, an application, a channel or a provider."
    if not given["reason"]:
        return "Say why: others see it, and decide by it."
    template = given["template"]
    if template and not is_code(template):
        return "No template can have this code."
    if template and text_of(form, "unknown") != template and await _is_missing(visitor, template):
        return f"There is no template {template} now. Press Hold again if it was archived and is still to be held."
    return ""


async def _is_missing(visitor: Visitor, template: str) -> bool:
    """Mostly it is a typing error, and nothing would be held. While the template service is down, nobody knows: a hold needs
    the gateway alone.
    """
    if visitor.person.may("templates"):
        try:
            await visitor.api.templates.get(template)
        except NotFound:
            return True
        except ApiError:
            return False
    return False


async def _form(visitor: Visitor, given: Mapping[str, str], problem: str = "", *, status: int = 200) -> Response:
    values = {name: given.get(name, "") for name in FIELDS}
    return _page(
        visitor,
        "hold_new",
        "Hold notifications",
        status=status,
        values=values,
        problem=problem,
        applications=await _applications(visitor),
        templates=await _templates(visitor),
        channels=list(CHANNELS),
        providers=list(PROVIDERS),
    )


async def _applications(visitor: Visitor) -> list[Application]:
    """For administrators: everybody else holds their own."""
    with suppress(ApiError):
        return (await visitor.api.applications.list().page()).items
    return []


async def _templates(visitor: Visitor) -> list[str]:
    """To complete what is typed."""
    if visitor.person.may("templates"):
        with suppress(ApiError):
            return [one.code for one in (await visitor.api.templates.list(page_size=100).page()).items]
    return []


async def _ask(visitor: Visitor, what: str, hold_id: str, *, problem: str = "", status: int = 200) -> Response:
    hold = await visitor.api.holds.get(hold_id)
    names, active = await asyncio.gather(names_of(visitor.api, [hold]), _active_version(visitor, hold))
    return _page(
        visitor, f"hold_{what}", "Release?" if what == "release" else "Cancel?", status=status,
        hold=hold, names=names, active=active, problem=problem,
    )  # fmt: skip


async def _active_version(visitor: Visitor, hold: Hold) -> int | None:
    if hold.template_code and visitor.person.may("templates"):
        with suppress(ApiError):
            return (await visitor.api.templates.get(hold.template_code)).active_version
    return None


def _page(visitor: Visitor, name: str, title: str, **values: Any) -> Response:
    return visitor.page(name, "holds", title=title, poll=0, of=0, **values)


def _done(visitor: Visitor, what: str) -> Response:
    visitor.forget_standing()
    return go_to(f"/holds?done={what}")
