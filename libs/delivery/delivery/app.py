"""The HTTP side of a worker: health, metrics, and the gateway's requests about its ledger."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.responses import Response

from chassis.http.app import ServiceDescription
from chassis.http.envelope import answer
from chassis.security import ServiceCallers, calling_service
from contracts.ledger import LedgerErasureRequest, LedgerFindings, LedgerQuestion
from contracts.messages import StatusEvent
from contracts.recipients import Channel
from contracts.services import API_GATEWAY
from delivery.decisions import report_of
from delivery.devices import device_results
from delivery.ledger import AlreadyFinished, Ledger, NotOwned
from delivery.runtime import WorkerRuntime
from delivery.worker import Worker

# The worker's ledger routes: totals, which prove that nothing was lost; the final status of notifications whose report may
# have been lost; and the erasure of deleted users. Only the gateway's tokens may call them. All workers of a channel share
# one ledger, so each worker can answer for all of them.

router = APIRouter(
    prefix="/internal/ledger", include_in_schema=False, dependencies=[Depends(calling_service(API_GATEWAY))]
)


@router.get("")
async def totals(first: UUID, last: UUID, request: Request) -> Response:
    """`contracts.ledger.LedgerTotals`."""
    ledger: Ledger = request.app.state.ledger
    return answer(await ledger.totals(first, last))


@router.post("/find")
async def find(question: LedgerQuestion, request: Request) -> Response:
    """`contracts.ledger.LedgerFindings`."""
    ledger: Ledger = request.app.state.ledger
    found = await ledger.states(question.ids)
    ends = {one: _end(one, request.app.state.channel, rows) for one, rows in found.items()}
    return answer(
        LedgerFindings(
            ended=tuple(event for event in ends.values() if event is not None),
            open=tuple(one for one, event in ends.items() if event is None),
        )
    )


@router.post("/erase")
async def erase(erasure: LedgerErasureRequest, request: Request) -> Response:
    """`contracts.ledger.LedgerErasure`."""
    ledger: Ledger = request.app.state.ledger
    return answer(await ledger.erase(erasure.ids))


def _end(
    notification_id: UUID, channel: Channel, states: Mapping[str, AlreadyFinished | NotOwned]
) -> StatusEvent | None:
    """The event that was reported, or should have been, when the last of its deliveries ended."""
    rows = states.values()
    report = report_of(rows, device_results(states))
    if report is None or report.status == "retrying":
        return None
    closed = [row for row in rows if isinstance(row, AlreadyFinished)]
    return StatusEvent(
        notification_id=notification_id,
        notification_type=channel,
        status=report.status,
        code=report.code,
        detail=report.detail,
        provider_message_id=report.provider_message_id,
        provider=report.provider,
        attempts=report.attempts,
        replay=max(row.replay for row in closed),
        at=max((row.ended_at for row in closed if row.ended_at is not None), default=datetime.now(UTC)),
        devices=report.devices,
    )


def create_worker_app(
    description: ServiceDescription,
    runtime: WorkerRuntime,
    worker: Worker,
    *,
    close_channel: Callable[[], Awaitable[None]],
) -> FastAPI:
    """The worker's HTTP side. The app's lifespan runs the worker."""
    runtime.close_with(close_channel)
    runtime.run_inside(worker.running)
    app = runtime.create_app(description, runtime.settings)
    app.state.service_callers = ServiceCallers(runtime.settings.service_public_keys, description.name)
    app.state.ledger, app.state.channel = worker.ledger, worker.channel
    app.include_router(router)
    return app
