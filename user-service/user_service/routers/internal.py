"""`/internal`: what other services ask. Only service tokens open it; it is not in the public documentation."""

from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from chassis.envelope import answer
from chassis.security import calling_service
from user_service.dependencies import Parts
from user_service.errors import PushTokenNotFound
from user_service.schemas.internal import ApiKeyHash, DeadPushToken

router = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[Depends(calling_service)])


@router.get("/users/{user_id}")
async def contact(user_id: UUID, parts: Parts) -> Response:
    """`contracts.lookups.UserContact`."""
    return answer(await parts.contacts.find(user_id))


@router.post("/api-keys/find")
async def find_api_key(given: ApiKeyHash, parts: Parts) -> Response:
    """`contracts.lookups.ApiKeyInfo`."""
    return answer(await parts.api_keys.info(given.hash))


@router.post("/users/{user_id}/push-tokens/remove")
async def remove_dead_token(user_id: UUID, given: DeadPushToken, parts: Parts) -> Response:
    """From a push worker whose provider called the token dead. A second worker's same word is as good as the first."""
    try:
        await parts.push_tokens.remove(user_id, given.token)
    except PushTokenNotFound:
        return answer({"removed": False}, "It was removed before")
    return answer({"removed": True}, "Push token removed")
