"""`/api/v1/api-keys`: keys for programs. Administrators create them."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from chassis.audit import Acting
from chassis.http.envelope import Envelope, Meta, Page, answer
from chassis.http.openapi.document import refusals
from chassis.security import Admin
from user_service.dependencies import Services
from user_service.errors import ApiKeyNotFound, ApplicationNotFound
from user_service.repositories.api_keys import StoredApiKey
from user_service.schemas.api_keys import ApiKeyRequest, ApiKeyView, NewApiKeyView, Rotation
from user_service.schemas.fields import ApiKeysQuery

router = APIRouter(prefix="/api/v1/api-keys", tags=["api keys"])


@router.post(
    "",
    operation_id="create_api_key",
    status_code=201,
    response_model=Envelope[NewApiKeyView],
    summary="Make an API key",
    responses=refusals(ApplicationNotFound),
)
async def make_api_key(given: ApiKeyRequest, admin: Admin, actor: Acting, services: Services) -> Response:
    """`data.key` is shown only once. Send it as `X-API-Key` or as a bearer token. The key belongs to the given application,
    or to a new one.
    """
    return _shown_once(*await services.api_keys.make(admin, given, actor))


@router.post(
    "/{key_id}/rotate",
    operation_id="rotate_api_key",
    status_code=201,
    response_model=Envelope[NewApiKeyView],
    summary="Replace an API key",
    responses=refusals(ApiKeyNotFound),
)
async def rotate_api_key(
    key_id: UUID, admin: Admin, actor: Acting, services: Services, given: Rotation | None = None
) -> Response:
    """Creates a key with the same application, name and scopes. The old key stays valid for the given time, one day by
    default.
    """
    overlap = timedelta(seconds=(given or Rotation()).overlap_seconds)
    return _shown_once(*await services.api_keys.rotate(admin, key_id, actor, overlap=overlap))


def _shown_once(stored: StoredApiKey, key: str) -> Response:
    view = NewApiKeyView(**ApiKeyView.from_stored(stored).model_dump(), key=key)
    return answer(view, "API key made; it is not shown again", status=201)


@router.get("", response_model=Page[ApiKeyView], summary="List API keys")
async def list_api_keys(_admin: Admin, query: Annotated[ApiKeysQuery, Query()], services: Services) -> Response:
    """Newest first."""
    keys, total = await services.api_keys.page(
        application_id=query.application_id, limit=query.limit, offset=query.offset
    )
    return answer(
        [ApiKeyView.from_stored(key) for key in keys], meta=Meta.for_page(total, limit=query.limit, page=query.page)
    )


@router.delete(
    "/{key_id}", response_model=Envelope[None], summary="Revoke an API key", responses=refusals(ApiKeyNotFound)
)
async def revoke_api_key(key_id: UUID, _admin: Admin, actor: Acting, services: Services) -> Response:
    """The key is refused from now on, by other services within seconds."""
    await services.api_keys.revoke(key_id, actor)
    return answer(message="API key revoked")
