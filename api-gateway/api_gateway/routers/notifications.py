"""Reading, cancelling and retrying notifications."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from api_gateway.dependencies import Limited, Services, allow, allow_reading
from api_gateway.errors import NotCancellable, NotificationNotFound, NotRetryable
from api_gateway.repositories.reading import ListFilter
from api_gateway.schemas.answers import NotificationDetail, NotificationView
from api_gateway.schemas.filters import ListQuery
from api_gateway.schemas.requests import RetryRequest
from api_gateway.services.reading import visibility_of
from api_gateway.services.resolving import CANNOT_BE_SENT
from chassis.audit import Acting
from chassis.errors import DependencyUnavailable, TooManyRequests
from chassis.http.envelope import Envelope, Page, answer, pluralize
from chassis.http.openapi.document import refusals

router = APIRouter(prefix="/api/v1/notifications", tags=["notifications"], responses=refusals(TooManyRequests))


@router.get(
    "",
    summary="List notifications, newest first",
    response_model=Page[NotificationView],
    responses=refusals(DependencyUnavailable),
)
async def list_notifications(query: Annotated[ListQuery, Query()], identity: Limited, services: Services) -> Response:
    """An application sees what it sent, a user sees what was sent to them. Pages by `page` and `limit`, or by `cursor` (the
    last id of the previous page), which stays fast at any depth. With `to` the user service may be needed."""
    allow_reading(identity)
    visibility = visibility_of(identity)
    wanted = ListFilter(
        caller=visibility.caller,
        user_id=visibility.user_id or query.user_id,
        recipients=await services.recipients.ids_of(query.to, identity) if query.to else None,
        status=query.status,
        notification_type=query.notification_type,
        template_code=query.template_code,
        request_id=query.request_id,
        held_by=query.held_by,
        created_after=query.created_after,
        created_before=query.created_before,
        cursor=query.cursor,
    )
    if visibility.user_id and query.user_id not in {None, visibility.user_id}:
        wanted = ListFilter(user_id=UUID(int=0))  # another user's list is empty, like an unknown user's
    rows, meta = await services.reader.page(wanted, identity, limit=query.limit, page=query.page)
    return answer(rows, pluralize(len(rows), "notification"), meta=meta)


@router.get(
    "/{notification_id}",
    summary="One notification in detail",
    response_model=Envelope[NotificationDetail],
    responses=refusals(NotificationNotFound),
)
@router.get(
    "/{notification_id}/status",
    operation_id="get_notification_status",
    summary="One notification in detail",
    response_model=Envelope[NotificationDetail],
    responses=refusals(NotificationNotFound),
)
async def get_notification(notification_id: UUID, identity: Limited, services: Services) -> Response:
    """Status, times, attempts, last error and the timeline."""
    allow_reading(identity)
    return answer(await services.reader.detail(notification_id, identity))


@router.delete(
    "/{notification_id}",
    summary="Cancel",
    response_model=Envelope[NotificationDetail],
    responses=refusals(NotificationNotFound, NotCancellable),
)
async def cancel_notification(notification_id: UUID, identity: Limited, actor: Acting, services: Services) -> Response:
    """Cancels a notification that was not handed over to a worker. Afterwards the answer is 409 `not_cancellable`."""
    if identity.kind != "user":
        allow(identity, "notifications:write")
    return answer(await services.commands.cancel(notification_id, identity, actor), "Notification cancelled")


@router.post(
    "/{notification_id}/retry",
    status_code=202,
    summary="Try a failed notification again",
    response_model=Envelope[NotificationDetail],
    responses=refusals(NotificationNotFound, NotRetryable, *CANNOT_BE_SENT),
)
async def retry_notification(
    notification_id: UUID, identity: Limited, actor: Acting, services: Services, wanted: RetryRequest | None = None
) -> Response:
    """Retries a dead letter, or a notification whose outcome is unknown, with a new budget of attempts. Any other
    notification gets 409 `not_retryable`.

    Recipient and template are looked up again: the template's active version, or the named one. If sending would fail again,
    the request is refused as when sending: 404 `template_version_not_found`, 422 `missing_variables`.
    """
    allow(identity, "notifications:write")
    version = wanted.template_version if wanted else None
    detail = await services.commands.retry(notification_id, identity, actor, template_version=version)
    return answer(detail, "Notification will be tried again", status=202)
