"""`/api/v1/users/{id}/push-tokens` and `/push-token`: a user's devices. `/api/v1/push/vapid-key`: to subscribe a browser."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from chassis.audit import Acting
from chassis.errors import field_error
from chassis.http.envelope import Envelope, answer
from chassis.http.openapi.document import refusals
from user_service.dependencies import ReadableUser, Services, WritableUser
from user_service.errors import NoWebPush, PushTokenNotFound, TooManyPushTokens, UserNotFound
from user_service.schemas.fields import PushTokenQuery
from user_service.schemas.push_tokens import (
    PushTokenAddition,
    PushTokenRemoval,
    PushTokenReplacement,
    PushTokenView,
    RemovedDeviceView,
    VapidKey,
)

router = APIRouter(prefix="/api/v1/users/{user_id}", tags=["push tokens"])
key_router = APIRouter(prefix="/api/v1/push", tags=["push tokens"])
REFUSALS = refusals(UserNotFound)
REMOVAL_REFUSALS = refusals(UserNotFound, PushTokenNotFound)
WRITE_REFUSALS = refusals(UserNotFound, TooManyPushTokens)


@router.get(
    "/push-tokens", response_model=Envelope[list[PushTokenView]], summary="List push tokens", responses=REFUSALS
)
async def list_push_tokens(user: ReadableUser, services: Services) -> Response:
    """Oldest first, at most 20."""
    return answer([PushTokenView.from_stored(token) for token in await services.push_tokens.of_user(user.id)])


@router.get(
    "/removed-push-tokens",
    response_model=Envelope[list[RemovedDeviceView]],
    summary="List removed devices",
    responses=REFUSALS,
)
async def list_removed_devices(user: ReadableUser, services: Services) -> Response:
    """The devices that the user had within the last 30 days, and why each one was removed: the last removal first, at most
    50. A device that the user registers again is back in the list of push tokens, under its former id.
    """
    return answer([RemovedDeviceView.from_stored(one) for one in await services.push_tokens.removed_from(user.id)])


@router.post(
    "/push-tokens",
    status_code=201,
    response_model=Envelope[PushTokenView],
    summary="Add a push token",
    responses={200: {"model": Envelope[PushTokenView], "description": "The user had it already"}, **WRITE_REFUSALS},
)
async def add_push_token(user: WritableUser, given: PushTokenAddition, actor: Acting, services: Services) -> Response:
    """Adds one device; a user has at most 20. Answers 200 if the user has the token already. A token of another user is
    moved: a device belongs to one user.
    """
    added = await services.push_tokens.add(user.id, given, actor)
    message = "Push token added" if added.is_new else "The user has this push token already"
    return answer(PushTokenView.from_stored(added.token), message, status=201 if added.is_new else 200)


@router.delete(
    "/push-tokens",
    response_model=Envelope[None],
    summary="Remove a push token",
    responses=REMOVAL_REFUSALS,
)
async def remove_push_token(
    user: WritableUser,
    query: Annotated[PushTokenQuery, Query()],
    actor: Acting,
    services: Services,
    given: PushTokenRemoval | None = None,
) -> Response:
    """Give the token in the body or in the query."""
    wanted = given.token if given else query.token
    if wanted is None:
        raise field_error("token", "Give the token in the body or in the query")
    await services.push_tokens.remove(user.id, wanted, actor)
    return answer(message="Push token removed")


@router.delete(
    "/push-tokens/{token_id}",
    response_model=Envelope[None],
    summary="Remove a push token by its id",
    responses=REMOVAL_REFUSALS,
)
async def remove_push_token_by_id(user: WritableUser, token_id: UUID, actor: Acting, services: Services) -> Response:
    """Notifications are no longer sent to it."""
    await services.push_tokens.remove_by_id(user.id, token_id, actor)
    return answer(message="Push token removed")


@router.put(
    "/push-token",
    response_model=Envelope[list[PushTokenView]],
    summary="Replace the FCM token",
    responses=WRITE_REFUSALS,
)
async def replace_push_token(
    user: WritableUser, given: PushTokenReplacement, actor: Acting, services: Services
) -> Response:
    """The given FCM token replaces all others; null removes them all. Returns the user's devices."""
    await services.push_tokens.replace(user.id, given, actor)
    tokens = await services.push_tokens.of_user(user.id)
    return answer([PushTokenView.from_stored(token) for token in tokens], "Push token replaced")


@key_router.get(
    "/vapid-key",
    operation_id="get_vapid_key",
    response_model=Envelope[VapidKey],
    summary="Get the key for Web Push subscriptions",
    responses=refusals(NoWebPush),
)
async def get_vapid_key(services: Services) -> Response:
    """For everybody: a page passes it to `PushManager.subscribe()`. Then register the subscription as a push token."""
    key = services.settings.vapid_public_key
    if key is None:
        raise NoWebPush
    return answer(VapidKey(public_key=key))
