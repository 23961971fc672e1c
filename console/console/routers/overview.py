"""The overview: what became of everything in the last hour, day or week."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import JSONResponse, Response

from console.dependencies import AnyVisitor, Section, Visitor, go_to
from console.errors import NotForYou
from console.pages import SECTIONS
from console.services.overview import PERIODS, STEPS, TABS, Period, columns_of, overview_of

router = APIRouter()
Reading = Annotated[Visitor, Depends(Section("overview"))]


@router.get("/")
async def overview(visitor: AnyVisitor, period: Period = "hour") -> Response:
    """Who has no overview starts at their first section."""
    if not visitor.person.may("overview"):
        return go_to(_first_section(visitor))
    found = await visitor.api.statistics(period=period)
    return visitor.page(
        "overview",
        "overview",
        title="Overview",
        period=period,
        tabs=TABS,
        past=PERIODS[period],
        step=STEPS[period],
        counted_since=found.counted_since,
        seen=overview_of(found),
    )


@router.get("/overview/figures")
async def figures(visitor: Reading, period: Period = "hour") -> Response:
    """For overview.js: what the page shows, anew, and what its charts draw."""
    found = await visitor.api.statistics(period=period)
    return JSONResponse({"page": overview_of(found).model_dump(mode="json"), "charts": columns_of(found)})


def _first_section(visitor: Visitor) -> str:
    for entry in SECTIONS:
        if visitor.person.may(entry.name):
            return entry.path
    raise NotForYou
