"""The suppression list for the gateway's export, page by page. Only the gateway's tokens may call it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from chassis.http.envelope import answer
from chassis.security import calling_service
from contracts.services import API_GATEWAY
from contracts.suppressions import SuppressionExportQuestion
from email_service.suppression import SuppressionList

# Not below /internal/suppressions: a worker of an earlier release takes what follows there for a fingerprint.
router = APIRouter(
    prefix="/internal/suppression-export", include_in_schema=False, dependencies=[Depends(calling_service(API_GATEWAY))]
)


@router.get("")
async def export_suppressions(question: Annotated[SuppressionExportQuestion, Query()], request: Request) -> Response:
    """`contracts.suppressions.SuppressionExportPage`."""
    suppressed: SuppressionList = request.app.state.suppressions
    return answer({"entries": await suppressed.after(question.after, question.reason, limit=question.limit)})
