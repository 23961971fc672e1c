"""The state of every service, asked again every few seconds while the page is open."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from console.dependencies import Section, Visitor
from console.services.system import note_on, summary_of
from notifications import ApiError, ConnectionFailed, SystemHealth

router = APIRouter()
Reading = Annotated[Visitor, Depends(Section("system"))]
EVERY_SECONDS = 5
FOLLOWED = 360  # times that a page asks again: half an hour, then it rests


@router.get("/system")
async def shown(visitor: Reading) -> Response:
    return visitor.page(
        "system", "system", title="System", gateway=visitor.console.shown_url, **_live(await visitor.api.system())
    )


@router.get("/system/live")
async def live(visitor: Reading, poll: Annotated[int, Query(ge=0, le=FOLLOWED)] = 0) -> Response:
    """The part that is asked for again. It says so when the gateway does not answer: a page that stood still would lie."""
    try:
        system = await visitor.api.system()
    except ConnectionFailed:
        system = None
    except ApiError as refused:
        if refused.status < 500:
            raise
        system = None
    return visitor.page("system_live", "system", **_live(system, poll + 1))


def _live(system: SystemHealth | None, poll: int = 0) -> dict[str, object]:
    return {
        "system": system,
        "summary": summary_of(system) if system else None,
        "note_on": note_on,
        "poll": poll,
        "follows": poll < FOLLOWED,
        "every": EVERY_SECONDS,
    }
