"""Holds: notifications that wait until a person releases or cancels them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from api_gateway.dependencies import Limited, Services, allow
from api_gateway.errors import (
    HoldEnded,
    HoldNotFound,
    HoldOfProvider,
    HoldWithoutTemplate,
    TemplateVersionNotFound,
    TooManyHolds,
)
from api_gateway.repositories.holds import Renewal
from api_gateway.schemas.holds import HoldQuery, HoldRequest, HoldView, ReleaseQuery
from chassis.audit import Acting
from chassis.errors import TooManyRequests
from chassis.http.envelope import Envelope, Page, answer, pluralize
from chassis.http.openapi.document import refusals

router = APIRouter(prefix="/api/v1/holds", tags=["holds"], responses=refusals(TooManyRequests))


@router.post(
    "",
    operation_id="add_hold",
    status_code=201,
    summary="Hold notifications",
    response_model=Envelope[HoldView],
    responses={
        200: {"model": Envelope[HoldView], "description": "A hold of the same stands already"},
        **refusals(TooManyHolds),
    },
)
async def add_hold(wanted: HoldRequest, identity: Limited, actor: Acting, services: Services) -> Response:
    """From now on notifications that match wait as `pending`, with `held_by`; within a second also those that wait in the
    queues. What was with a provider is not called back. Accepting goes on, and `expires_at` counts. While a `provider` is
    held, workers do not call it: other providers take over, or what it would send waits."""
    allow(identity, "notifications:write")
    hold, new = await services.holds.place(wanted, identity, actor)
    return answer(hold, "Held" if new else "Held already", status=201 if new else 200)


@router.get("", operation_id="list_holds", summary="List holds, newest first", response_model=Page[HoldView])
async def list_holds(query: Annotated[HoldQuery, Query()], identity: Limited, services: Services) -> Response:
    """With the number of notifications that each holds. `GET /api/v1/notifications?held_by=` lists these."""
    allow(identity, "notifications:read")
    rows, meta = await services.holds.page(identity, standing=query.standing, limit=query.limit, page=query.page)
    return answer(rows, pluralize(len(rows), "hold"), meta=meta)


@router.get(
    "/{hold_id}",
    operation_id="get_hold",
    summary="Get a hold",
    response_model=Envelope[HoldView],
    responses=refusals(HoldNotFound),
)
async def get_hold(hold_id: UUID, identity: Limited, services: Services) -> Response:
    """With the number of notifications that it holds now: after its end that falls to 0."""
    allow(identity, "notifications:read")
    return answer(await services.holds.find(hold_id, identity), "Hold found")


@router.delete(
    "/{hold_id}",
    operation_id="remove_hold",
    summary="Release what is held",
    response_model=Envelope[HoldView],
    responses=refusals(HoldNotFound, HoldEnded, HoldWithoutTemplate, TemplateVersionNotFound),
)
async def remove_hold(
    hold_id: UUID, query: Annotated[ReleaseQuery, Query()], identity: Limited, actor: Acting, services: Services
) -> Response:
    """Sends what was held: highest priority first, in pieces. With another version, recipients and templates
    are looked up again first."""
    allow(identity, "notifications:write")
    renewal = None
    if query.active_version or query.template_version is not None:
        renewal = Renewal(query.template_version)
    hold = await services.holds.end(hold_id, "released", identity, actor, renewal=renewal)
    return answer(hold, "Released")


@router.post(
    "/{hold_id}/cancel",
    operation_id="cancel_hold",
    summary="Cancel what is held",
    response_model=Envelope[HoldView],
    responses=refusals(HoldNotFound, HoldEnded, HoldOfProvider),
)
async def cancel_hold(hold_id: UUID, identity: Limited, actor: Acting, services: Services) -> Response:
    """Ends the hold and cancels what it holds, in pieces. Scheduled notifications whose time has not come are not held and
    stay."""
    allow(identity, "notifications:write")
    return answer(await services.holds.end(hold_id, "cancelled", identity, actor), "Cancelled")
