"""`/api/v1/api-keys`: keys for programs, made by administrators."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from chassis.envelope import Envelope, Meta, Page, answer
from chassis.openapi.refusals import refusals
from chassis.security import Admin
from user_service.dependencies import Parts
from user_service.errors import ApiKeyNotFound
from user_service.schemas.api_keys import ApiKeyRequest, ApiKeyView, NewApiKeyView
from user_service.schemas.lists import PageQuery

router = APIRouter(prefix="/api/v1/api-keys", tags=["api keys"])


@router.post(
    "",
    operation_id="create_api_key",
    status_code=201,
    response_model=Envelope[NewApiKeyView],
    summary="Make an API key",
)
async def make_api_key(given: ApiKeyRequest, admin: Admin, parts: Parts) -> Response:
    """`data.key` is shown this once; send it as `X-API-Key` or as a bearer token."""
    stored, key = await parts.api_keys.make(admin, given)
    view = NewApiKeyView(**ApiKeyView.of(stored).model_dump(), key=key)
    return answer(view, "API key made; it is not shown again", status=201, headers={"Cache-Control": "no-store"})


@router.get("", response_model=Page[ApiKeyView], summary="List API keys")
async def list_api_keys(_admin: Admin, query: Annotated[PageQuery, Query()], parts: Parts) -> Response:
    """Newest first."""
    keys, total = await parts.api_keys.page(limit=query.limit, offset=query.offset)
    return answer([ApiKeyView.of(key) for key in keys], meta=Meta.of(total, limit=query.limit, page=query.page))


@router.delete(
    "/{key_id}", response_model=Envelope[None], summary="Revoke an API key", responses=refusals(ApiKeyNotFound)
)
async def revoke_api_key(key_id: UUID, _admin: Admin, parts: Parts) -> Response:
    """It opens nothing from now on; in other services, within seconds."""
    await parts.api_keys.revoke(key_id)
    return answer(message="API key revoked")
