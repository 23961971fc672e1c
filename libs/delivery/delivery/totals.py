"""What a worker tells of its ledger: totals, for the proof that nothing was lost, and the ends of single notifications,
whose report may have been. And how it forgets who is gone. The gateway's tokens only. All workers of a channel share one
ledger: each answers for all.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from chassis.envelope import answer
from chassis.security import calling_service
from contracts.erasing import LedgerErasureOrder
from contracts.lookups import API_GATEWAY, LedgerFindings, LedgerQuestion
from contracts.messages import StatusEvent
from contracts.recipients import Channel
from delivery.ledger import AlreadyFinished, Ledger, NotOwned
from delivery.verdict import verdict_of

router = APIRouter(
    prefix="/internal/ledger", include_in_schema=False, dependencies=[Depends(calling_service(API_GATEWAY))]
)


@router.get("")
async def totals(first: UUID, last: UUID, request: Request) -> Response:
    """`contracts.lookups.LedgerTotals`."""
    ledger: Ledger = request.app.state.ledger
    return answer(await ledger.totals(first, last))


@router.post("/find")
async def find(question: LedgerQuestion, request: Request) -> Response:
    """`contracts.lookups.LedgerFindings`."""
    ledger: Ledger = request.app.state.ledger
    found = await ledger.standings(question.ids)
    ends = {one: _end(one, request.app.state.channel, list(rows.values())) for one, rows in found.items()}
    return answer(
        LedgerFindings(
            ended=tuple(event for event in ends.values() if event is not None),
            open=tuple(one for one, event in ends.items() if event is None),
        )
    )


@router.post("/erase")
async def erase(order: LedgerErasureOrder, request: Request) -> Response:
    """`contracts.erasing.LedgerErasure`."""
    ledger: Ledger = request.app.state.ledger
    return answer(await ledger.erase(order.ids))


def _end(notification_id: UUID, channel: Channel, rows: Collection[AlreadyFinished | NotOwned]) -> StatusEvent | None:
    """What was reported, or should have been, when the last of its deliveries ended."""
    verdict = verdict_of(rows)
    if verdict is None or verdict.status == "retrying":
        return None
    closed = [row for row in rows if isinstance(row, AlreadyFinished)]
    return StatusEvent(
        notification_id=notification_id,
        notification_type=channel,
        status=verdict.status,
        code=verdict.code,
        detail=verdict.detail,
        provider_message_id=verdict.provider_message_id,
        attempts=verdict.attempts,
        replay=max(row.replay for row in closed),
        at=max((row.ended_at for row in closed if row.ended_at is not None), default=datetime.now(UTC)),
    )
