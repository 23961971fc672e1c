"""Dead letters, the providers' callbacks, and the proof that no notification was lost."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api_gateway.dependencies import Limited, Services, allow
from api_gateway.errors import AmbiguousRequestId, NotificationNotFound, NotSentYet, TemplateVersionNotFound
from api_gateway.repositories.progress import RetryFilter
from api_gateway.repositories.reading import ListFilter
from api_gateway.schemas.answers import NotificationView, Reconciliation, ReplayAnswer, StatusReported
from api_gateway.schemas.filters import FailedQuery, ReconcileQuery, ReplayRequest
from api_gateway.schemas.requests import StatusReport
from api_gateway.services.reading import visibility_of
from chassis.audit import Acting
from chassis.errors import TooManyRequests
from chassis.http.envelope import Envelope, Page, answer, pluralize
from chassis.http.openapi.document import refusals
from contracts.recipients import CHANNELS, Channel
from contracts.status import Status

router = APIRouter(prefix="/api/v1", responses=refusals(TooManyRequests))


def _report_status_of(channel: Channel) -> None:
    """Each channel has a path of its own: `/{channel}/status` would also match any other path with that ending."""

    async def report_status(report: StatusReport, identity: Limited, services: Services) -> Response:
        """The callback of a provider or worker, for notifications of the key's application. A report only moves a
        notification forward: late or repeated reports change nothing."""
        allow(identity, "status:write")
        return answer(await services.commands.take_callback(channel, report, identity), "Status received")

    router.add_api_route(
        f"/{channel}/status",
        report_status,
        methods=["POST"],
        operation_id=f"report_{channel}_status",
        tags=["status"],
        summary=f"Report the status of a notification by {channel}",
        response_model=Envelope[StatusReported],
        responses=refusals(NotificationNotFound, AmbiguousRequestId, NotSentYet),
    )


for each in CHANNELS:
    _report_status_of(each)


@router.get(
    "/failed",
    operation_id="list_failed_notifications",
    tags=["dead letters"],
    summary="List dead letters",
    response_model=Page[NotificationView],
)
async def list_failed(query: Annotated[FailedQuery, Query()], identity: Limited, services: Services) -> Response:
    """Newest first, each with its reason (`error`), the provider's last answer and the number of attempts."""
    allow(identity, "notifications:read")
    wanted = ListFilter(
        caller=visibility_of(identity).caller,
        status=Status.FAILED,
        notification_type=query.notification_type,
        cursor=query.cursor,
    )
    rows, meta = await services.reader.page(wanted, identity, limit=query.limit, page=query.page)
    return answer(rows, pluralize(len(rows), "dead letter"), meta=meta)


@router.post(
    "/failed/replay",
    operation_id="replay_failed_notifications",
    tags=["dead letters"],
    status_code=202,
    summary="Try dead letters again",
    response_model=Envelope[ReplayAnswer],
    responses=refusals(TemplateVersionNotFound),
)
async def replay_failed(wanted: ReplayRequest, identity: Limited, actor: Acting, services: Services) -> Response:
    """Retries many, each with a new budget of attempts and the template version that is active then, or the named one."""
    allow(identity, "notifications:write")
    done = await services.commands.retry_many(
        RetryFilter(
            ids=wanted.notification_ids,
            caller=visibility_of(identity).caller,
            channel=wanted.notification_type,
            code=wanted.error,
            template_version=wanted.template_version,
            limit=wanted.limit,
        ),
        actor,
    )
    return answer({"replayed": done}, f"{pluralize(done, 'notification')} will be tried again", status=202)


@router.get(
    "/reconcile",
    operation_id="reconcile_notifications",
    tags=["operations"],
    summary="Prove that every accepted notification is accounted for",
    response_model=Envelope[Reconciliation],
)
async def reconcile(query: Annotated[ReconcileQuery, Query()], identity: Limited, services: Services) -> Response:
    """`accepted` is counted while accepting, `by_status` as notifications change status; `unaccounted` must be 0.

    `ledger` holds the figures of the channel's workers; `unfounded` must be 0.
    """
    allow(identity, "admin" if query.recount else "notifications:read")
    async with services.proofs.turn(identity.caller):
        return answer(await services.reconciler.reconcile(hours=query.hours, recount=query.recount))
