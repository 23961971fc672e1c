"""`/api/v1/erasures`: receipts of deleted users."""

from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from chassis.http.envelope import Envelope, answer
from chassis.http.openapi.document import refusals
from chassis.security import Caller, require
from user_service.dependencies import Services
from user_service.errors import ErasureNotFound
from user_service.schemas.erasures import ErasureView

router = APIRouter(prefix="/api/v1/erasures", tags=["users"])


@router.get(
    "/{erasure_id}",
    response_model=Envelope[ErasureView],
    summary="Get the receipt of an erasure",
    responses=refusals(ErasureNotFound),
    dependencies=[Depends(require("users:read"))],
)
async def get_erasure(erasure_id: UUID, caller: Caller, services: Services) -> Response:
    """Deleting a user returns the id. For administrators, and for keys with `users:read` of the application that owned the
    contact.
    """
    return answer(ErasureView.from_stored(await services.erasures.find(erasure_id, caller)))
