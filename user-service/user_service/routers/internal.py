"""`/internal`: what other services ask. Only tokens of services that need a route open it; it is in no public document."""

from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from chassis.audit import Actor
from chassis.http.envelope import answer
from chassis.http.fast_routes import FastRouter, model_of
from chassis.security import calling_service
from contracts.services import API_GATEWAY, API_KEY_READERS, EMAIL_SERVICE, PUSH_SERVICE
from contracts.users import DeadPushToken, UserQuestion
from user_service.dependencies import Services, services
from user_service.errors import PushTokenNotFound
from user_service.schemas.internal import ApiKeyHash

router = APIRouter(prefix="/internal", include_in_schema=False)
# What is asked most often goes past FastAPI's own steps (ADR 9): these check the service's token themselves.
fast_router = FastRouter(prefix="/internal", include_in_schema=False)

by_readers = calling_service(API_GATEWAY, EMAIL_SERVICE, PUSH_SERVICE)


@fast_router.post("/users/find")
async def find_contacts(request: Request) -> Response:
    """`contracts.users.UserFindings`."""
    await by_readers(request)
    question = await model_of(request, UserQuestion)
    found = await services(request).contacts.find_many(question.ids)
    return answer({"users": orjson.Fragment(found)})


@router.get("/users/{user_id}", dependencies=[Depends(by_readers)])
async def contact(user_id: UUID, parts: Services) -> Response:
    """`contracts.users.UserContact`. For gateways and workers of the release before `POST /internal/users/find`: they would
    take a 404 for a user that is gone. It goes with the next release.
    """
    return answer(await parts.contacts.find(user_id))


@router.post("/api-keys/find", dependencies=[Depends(calling_service(*API_KEY_READERS))])
async def find_api_key(given: ApiKeyHash, parts: Services) -> Response:
    """`contracts.callers.ApiKeyInfo`."""
    return answer(await parts.api_keys.info(given.hash))


@router.post("/users/{user_id}/push-tokens/remove", dependencies=[Depends(calling_service(PUSH_SERVICE))])
async def remove_dead_token(user_id: UUID, given: DeadPushToken, parts: Services) -> Response:
    """From a push worker whose provider called the token dead. A second worker's same word is as good as the first."""
    try:
        await parts.push_tokens.remove(user_id, given.token, Actor(f"service:{PUSH_SERVICE}"))
    except PushTokenNotFound:
        return answer({"removed": False}, "It was removed before")
    return answer({"removed": True}, "Push token removed")
