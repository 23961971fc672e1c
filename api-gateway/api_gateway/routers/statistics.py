"""Figures for an overview."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api_gateway.dependencies import Limited, Services, allow
from api_gateway.schemas.statistics import StatisticsQuery, StatisticsView
from chassis.errors import TooManyRequests
from chassis.http.envelope import Envelope, answer
from chassis.http.openapi.document import refusals

router = APIRouter(prefix="/api/v1/statistics", tags=["operations"], responses=refusals(TooManyRequests))


@router.get(
    "",
    operation_id="get_statistics",
    summary="Get figures for an overview",
    response_model=Envelope[StatisticsView],
)
async def get_statistics(query: Annotated[StatisticsQuery, Query()], identity: Limited, services: Services) -> Response:
    """What became of the notifications of the last hour, day or week, by the time of their acceptance, and how long it took.
    An application gets its own. `balance.difference` must be 0: `GET /api/v1/reconcile` proves the same for all time."""
    allow(identity, "notifications:read")
    return answer(await services.statistics.read(query, identity))
