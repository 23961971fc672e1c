"""The audit trail: who did what, when, and each changed value before and after."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from console.dependencies import Section, Visitor
from console.services.changes import PAGE, SERVICES, ChangeSearch, actor_of, differences_of, names_of, thing_of
from notifications import AuditEvent, InvalidRequest, Page

router = APIRouter()
Reading = Annotated[Visitor, Depends(Section("audit"))]


@router.get("/audit")
async def listed(request: Request, visitor: Reading) -> Response:
    wanted = ChangeSearch.from_query(request.query_params)
    actor = await actor_of(visitor.api, wanted.who) if wanted.who else ""
    found, problem = None, ""
    if actor is None:
        problem = "No user has this e-mail address."
    else:
        try:
            found = await _page(visitor, wanted, actor)
        except InvalidRequest as refused:
            problem = "; ".join(one.message for one in refused.problems) or refused.message
    events = found.items if found else []
    cursor = found.meta.next_cursor if found else None
    return visitor.page(
        "audit",
        "audit",
        title="Audit",
        wanted=wanted,
        services=SERVICES,
        events=events,
        names=await names_of(visitor.api, events),
        thing_of=thing_of,
        differences_of=differences_of,
        unavailable=found.meta.unavailable if found else [],
        problem=problem,
        older=_link(wanted, before=cursor) if cursor else "",
        newest=_link(wanted, before=None) if wanted.before else "",
    )


async def _page(visitor: Visitor, wanted: ChangeSearch, actor: str) -> Page[AuditEvent]:
    return await visitor.api.audit(
        actor=actor or None,
        action=wanted.action or None,
        target=wanted.target or None,
        service=wanted.service or None,
        since=str(wanted.since) or None,
        until=wanted.end,
        page_size=PAGE,
        cursor=wanted.before or None,
    ).page()


def _link(wanted: ChangeSearch, **changes: str | None) -> str:
    return f"/audit?{urlencode(wanted.query(**changes))}"
