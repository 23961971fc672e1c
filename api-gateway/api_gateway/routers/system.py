"""The state of all services, for administrators."""

from fastapi import APIRouter, Depends
from starlette.responses import Response

from api_gateway.dependencies import Services, limited
from api_gateway.schemas.system import SystemView
from chassis.errors import TooManyRequests
from chassis.http.envelope import Envelope, answer
from chassis.http.openapi.document import refusals
from chassis.security import Admin

router = APIRouter(prefix="/api/v1/system", tags=["operations"])


@router.get(
    "",
    summary="State of every service",
    response_model=Envelope[SystemView],
    responses=refusals(TooManyRequests),
    dependencies=[Depends(limited)],
)
async def get_system(_admin: Admin, services: Services) -> Response:
    """For administrators: health, version and dependencies of each service, asked now. 200 also if a service is down."""
    return answer(await services.system.read())
