"""A language's versions: their history, and which one is active."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from chassis.audit import Acting
from chassis.http.envelope import Envelope, Meta, Page, answer
from chassis.http.openapi.document import refusals
from template_service.dependencies import (
    Reader,
    TemplateCode,
    VersionNumberInPath,
    Writer,
    may_read,
    may_write,
)
from template_service.errors import TemplateNotFound, VersionNotFound
from template_service.schemas.answers import TemplateAnswer, VersionAnswer
from template_service.schemas.fields import LanguageQuery, VersionsQuery

router = APIRouter(prefix="/api/v1/templates/{code}/versions", tags=["versions"])


@router.get(
    "",
    operation_id="list_template_versions",
    summary="List a language's versions",
    response_model=Page[VersionAnswer],
    responses=refusals(TemplateNotFound),
    dependencies=[may_read],
)
async def list_versions(code: TemplateCode, query: Annotated[VersionsQuery, Query()], reader: Reader) -> Response:
    """Newest first."""
    template, found = await reader.history(code, query.language, limit=query.limit, offset=query.offset)
    meta = Meta.for_page(found.total, limit=query.limit, page=query.page)
    return answer([VersionAnswer.from_summary(template, summary) for summary in found.items], meta=meta)


@router.post(
    "/{version}/activate",
    operation_id="activate_template_version",
    summary="Roll back or forward to a version",
    response_model=Envelope[TemplateAnswer],
    responses=refusals(TemplateNotFound, VersionNotFound),
    dependencies=[may_write],
)
async def activate(
    code: TemplateCode,
    version: VersionNumberInPath,
    query: Annotated[LanguageQuery, Query()],
    actor: Acting,
    writer: Writer,
) -> Response:
    """New notifications use this version from now on. Without `language`: the template's default language."""
    view = await writer.activate(code, query.language, version, actor)
    return answer(TemplateAnswer.of_view(view), f"Version {version} is active")
