"""Mails that came back, passed on by the gateway. Only its tokens may call this."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from chassis.http.envelope import answer
from chassis.security import calling_service
from contracts.services import API_GATEWAY
from email_service.bounces.processing import BounceProcessor

router = APIRouter(
    prefix="/internal/bounces", include_in_schema=False, dependencies=[Depends(calling_service(API_GATEWAY))]
)


@router.post("")
async def report_bounce(request: Request) -> Response:
    """`contracts.suppressions.BounceResult`. The body is a whole mail, whatever its Content-Type says."""
    processor: BounceProcessor = request.app.state.bounces
    return answer({"result": await processor.process(await request.body(), trusted=True)})
