"""`/internal`: routes for other services. They need a token of a service that may use the route, and are in no public
document.
"""

from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from chassis.audit import Actor
from chassis.http.envelope import answer
from chassis.http.fast_routes import FastRouter, model_of
from chassis.security import calling_service
from contracts.services import API_GATEWAY, API_KEY_READERS, EMAIL_SERVICE, PUSH_SERVICE
from contracts.users import AddressFindings, AddressQuestion, DeadPushToken, UserQuestion
from user_service.dependencies import Services, services_of
from user_service.errors import PushTokenNotFound
from user_service.schemas.internal import ApiKeyHash

router = APIRouter(prefix="/internal", include_in_schema=False)
# The most frequent requests bypass FastAPI's own steps (ADR 9), so they check the service's token themselves.
fast_router = FastRouter(prefix="/internal", include_in_schema=False)

by_readers = calling_service(API_GATEWAY, EMAIL_SERVICE, PUSH_SERVICE)


@fast_router.post("/users/find")
async def find_contacts(request: Request) -> Response:
    """Returns `contracts.users.UserFindings`."""
    await by_readers(request)
    question = await model_of(request, UserQuestion)
    found = await services_of(request).lookups.find_many(question.ids)
    return answer({"users": orjson.Fragment(found)})


@router.post("/users/find-by-address", dependencies=[Depends(calling_service(API_GATEWAY))])
async def find_by_address(question: AddressQuestion, services: Services) -> Response:
    """Returns `contracts.users.AddressFindings`. A body, because access logs contain paths and queries."""
    return answer(AddressFindings(ids=tuple(await services.lookups.ids_at(question))))


@router.get("/users/{user_id}", dependencies=[Depends(by_readers)])
async def contact(user_id: UUID, services: Services) -> Response:
    """Returns `contracts.users.UserContact`. Gateways and workers of the previous release use it: without it they would
    take a 404 for a deleted user. The next release removes it.
    """
    return answer(await services.lookups.find(user_id))


@router.post("/api-keys/find", dependencies=[Depends(calling_service(*API_KEY_READERS))])
async def find_api_key(given: ApiKeyHash, services: Services) -> Response:
    """Returns `contracts.callers.ApiKeyInfo`."""
    return answer(await services.api_keys.info(given.hash))


@router.post("/users/{user_id}/push-tokens/remove", dependencies=[Depends(calling_service(PUSH_SERVICE))])
async def remove_dead_token(user_id: UUID, given: DeadPushToken, services: Services) -> Response:
    """From a push worker whose provider reported the token as dead. Repeating it changes nothing."""
    try:
        await services.push_tokens.remove_dead(user_id, given, Actor(f"service:{PUSH_SERVICE}"))
    except PushTokenNotFound:
        return answer({"removed": False}, "It was removed before, or registered again since")
    return answer({"removed": True}, "Push token removed")
