"""The route by which a service is asked for its events; service tokens only."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from chassis.audit.events import AuditQuestion
from chassis.audit.trail import AuditTrail
from chassis.database import Database
from chassis.envelope import answer
from chassis.security import calling_service

AUDIT_PATH = "/internal/audit"


def audit_routes(database: Database, trail: AuditTrail, *, asked_by: str) -> APIRouter:
    """`asked_by` is the one service that may ask."""
    router = APIRouter(include_in_schema=False, dependencies=[Depends(calling_service(asked_by))])

    @router.get(AUDIT_PATH)
    async def find(question: Annotated[AuditQuestion, Query()]) -> Response:
        """`AuditFindings`."""
        async with database.begin() as connection:
            return answer(await trail.find(connection, question))

    return router
