"""The whole suppression list as a file. It is written while it is read: a long list needs no more memory than a short one."""

import csv
from collections.abc import AsyncIterator, Iterable
from io import StringIO
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from api_gateway.dependencies import Services, limited
from api_gateway.schemas.suppressions import ENTRY, ExportQuery
from chassis.audit import Acting
from chassis.errors import DependencyUnavailable, TooManyRequests
from chassis.http.openapi.document import refusals
from chassis.security import Admin
from contracts.suppressions import SuppressionEntry

log = structlog.get_logger()
router = APIRouter(
    prefix="/api/v1",
    tags=["suppressions"],
    responses=refusals(TooManyRequests, DependencyUnavailable),
    dependencies=[Depends(limited)],
)
COLUMNS = ("fingerprint", "masked", "reason", "origin", "created_at")
EXAMPLE = "\r\n".join((",".join(COLUMNS), ",".join(str(ENTRY[name]) for name in COLUMNS), ""))


class CsvFile(StreamingResponse):
    """A file that breaks off has no end: the connection is closed without one, and HTTP clients report an error."""

    media_type = "text/csv"

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        except DependencyUnavailable:
            log.warning("suppressions.export_broken_off")


@router.get(
    "/suppressions/export",
    summary="Export the suppressed addresses",
    response_class=CsvFile,
    responses={
        200: {
            "description": "A file (RFC 4180)",
            "content": {"text/csv": {"schema": {"type": "string"}, "examples": {"one": {"value": EXAMPLE}}}},
        }
    },
)
async def export_suppressions(
    query: Annotated[ExportQuery, Query()], _admin: Admin, actor: Acting, services: Services
) -> Response:
    """For administrators: the whole list as CSV, by fingerprint. Addresses are masked; the SHA-256 of an address in lower
    case is its fingerprint. The import takes this file. If the connection ends before the file does, a part is missing."""
    pages = await services.suppressions.export(query.reason, actor)
    return CsvFile(_written(pages), headers={"Content-Disposition": 'attachment; filename="suppressions.csv"'})


async def _written(pages: AsyncIterator[tuple[SuppressionEntry, ...]]) -> AsyncIterator[str]:
    yield _csv([COLUMNS])
    async for page in pages:
        yield _csv((one.fingerprint, one.masked, one.reason, one.origin, one.created_at.isoformat()) for one in page)


def _csv(rows: Iterable[tuple[str, ...]]) -> str:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
