"""Reading, cancelling and retrying notifications."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from api_gateway.dependencies import Limited, Services, allow, allow_reading
from api_gateway.errors import NotCancellable, NotificationNotFound, NotRetryable
from api_gateway.repositories.reading import ListFilter
from api_gateway.schemas.answers import NotificationStory, NotificationView
from api_gateway.schemas.filters import ListQuery
from api_gateway.schemas.requests import RetryRequest
from api_gateway.services.reading import visibility_of
from api_gateway.services.resolving import CANNOT_BE_SENT
from chassis.audit import Acting
from chassis.envelope import Envelope, Page, answer, counted
from chassis.errors import TooManyRequests
from chassis.openapi.refusals import refusals

router = APIRouter(prefix="/api/v1/notifications", tags=["notifications"], responses=refusals(TooManyRequests))


@router.get("", summary="List notifications, newest first", response_model=Page[NotificationView])
async def list_notifications(query: Annotated[ListQuery, Query()], identity: Limited, services: Services) -> Response:
    """An application sees what it sent, a person what goes to them. Pages by `page` and `limit`, or by `cursor` (the last id
    seen), which stays fast however far."""
    allow_reading(identity)
    visibility = visibility_of(identity)
    wanted = ListFilter(
        caller=visibility.caller,
        user_id=visibility.user_id or query.user_id,
        status=query.status,
        notification_type=query.notification_type,
        template_code=query.template_code,
        request_id=query.request_id,
        created_after=query.created_after,
        created_before=query.created_before,
        cursor=query.cursor,
    )
    if visibility.user_id and query.user_id not in {None, visibility.user_id}:
        wanted = ListFilter(user_id=UUID(int=0))  # another's list is empty, as an unknown user's
    rows, meta = await services.reader.page(wanted, identity, limit=query.limit, page=query.page)
    return answer(rows, counted(len(rows), "notification"), meta=meta)


@router.get(
    "/{notification_id}",
    summary="One notification's story",
    response_model=Envelope[NotificationStory],
    responses=refusals(NotificationNotFound),
)
@router.get(
    "/{notification_id}/status",
    operation_id="get_notification_status",
    summary="One notification's story",
    response_model=Envelope[NotificationStory],
    responses=refusals(NotificationNotFound),
)
async def get_notification(notification_id: UUID, identity: Limited, services: Services) -> Response:
    """Status, times, attempts, last error and the timeline."""
    allow_reading(identity)
    return answer(await services.reader.story(notification_id, identity))


@router.delete(
    "/{notification_id}",
    summary="Cancel",
    response_model=Envelope[NotificationStory],
    responses=refusals(NotificationNotFound, NotCancellable),
)
async def cancel_notification(notification_id: UUID, identity: Limited, actor: Acting, services: Services) -> Response:
    """Cancels what was not handed over to a worker; 409 `not_cancellable` afterwards."""
    if identity.kind != "user":
        allow(identity, "notifications:write")
    return answer(await services.commands.cancel(notification_id, identity, actor), "Notification cancelled")


@router.post(
    "/{notification_id}/retry",
    status_code=202,
    summary="Try a failed notification again",
    response_model=Envelope[NotificationStory],
    responses=refusals(NotificationNotFound, NotRetryable, *CANNOT_BE_SENT),
)
async def retry_notification(
    notification_id: UUID, identity: Limited, actor: Acting, services: Services, wanted: RetryRequest | None = None
) -> Response:
    """Re-drives a dead letter, or one whose end is unknown, with a fresh budget of attempts; else 409 `not_retryable`.

    It is looked up again: with the template's active version, or the one named. What would fail again is refused, as when
    sending: 404 `template_version_not_found`, 422 `missing_variables`.
    """
    allow(identity, "notifications:write")
    version = wanted.template_version if wanted else None
    story = await services.commands.retry(notification_id, identity, actor, template_version=version)
    return answer(story, "Notification will be tried again", status=202)
