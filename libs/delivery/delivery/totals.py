"""What a worker tells of its ledger, for the proof that nothing was lost. Service tokens only."""

from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from chassis.envelope import answer
from chassis.security import calling_service
from delivery.ledger import Ledger

router = APIRouter(prefix="/internal/ledger", include_in_schema=False, dependencies=[Depends(calling_service)])


@router.get("")
async def totals(first: UUID, last: UUID, request: Request) -> Response:
    """`contracts.lookups.LedgerTotals`. All workers of a channel share one ledger: each answers for all."""
    ledger: Ledger = request.app.state.ledger
    return answer(await ledger.totals(first, last))
