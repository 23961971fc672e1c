"""The audit trails of all services, for administrators."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from api_gateway.dependencies import Services, limited
from api_gateway.schemas.audit import AuditPage, AuditQuery
from chassis.errors import TooManyRequests
from chassis.http.envelope import answer, pluralize
from chassis.http.openapi.document import refusals
from chassis.security import Admin

router = APIRouter(prefix="/api/v1/audit", tags=["operations"])


@router.get(
    "",
    summary="List audit events, newest first",
    response_model=AuditPage,
    responses=refusals(TooManyRequests),
    dependencies=[Depends(limited)],
)
async def list_audit_events(query: Annotated[AuditQuery, Query()], _admin: Admin, services: Services) -> Response:
    """For administrators. Pages by `cursor` (the last id of the previous page). If a service is down, its events are missing
    and `meta.unavailable` names the service."""
    events, meta = await services.audit.page(query)
    return answer(events, pluralize(len(events), "event"), meta=meta)
