"""Templates: create, read, change, archive."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from chassis.audit import Acting
from chassis.errors import TooManyRequests
from chassis.http.envelope import Envelope, Meta, Page, answer
from chassis.http.openapi.document import refusals
from contracts.senders import SenderDomainNotAllowed
from template_service.dependencies import (
    Author,
    Reader,
    TemplateCode,
    Writer,
    check_author,
    may_read,
    may_write,
    renders,
)
from template_service.errors import (
    InvalidTemplate,
    LanguageNotFound,
    TemplateChanged,
    TemplateExists,
    TemplateNotFound,
    VersionNotFound,
)
from template_service.schemas.answers import ArchivedAnswer, TemplateAnswer, TemplateSummary
from template_service.schemas.fields import LanguageQuery, TemplatesQuery, VersionQuery
from template_service.schemas.requests import CreateTemplate, PatchTemplate, ReplaceTemplate

router = APIRouter(prefix="/api/v1/templates", tags=["templates"])
REFUSED = (TemplateNotFound, LanguageNotFound, InvalidTemplate, SenderDomainNotAllowed, TooManyRequests)
CHANGE_REFUSALS = refusals(*REFUSED, TemplateChanged)


@router.post(
    "",
    operation_id="create_template",
    status_code=201,
    summary="Create a template, or add a language to one",
    response_model=Envelope[TemplateAnswer],
    responses=refusals(TemplateExists, InvalidTemplate, SenderDomainNotAllowed, TooManyRequests),
    dependencies=[may_write, renders],
)
async def create(body: CreateTemplate, author: Author, actor: Acting, writer: Writer) -> Response:
    """If the code exists, this adds a language to it; its name and description stay.

    An archived code is restored with this language only. Its version numbers continue.
    """
    check_author(author, body.code)
    view = await writer.create(body.new_template(), actor)
    return answer(TemplateAnswer.of_view(view), "Template created", status=201)


@router.get("", summary="List templates", response_model=Page[TemplateSummary], dependencies=[may_read])
async def list_templates(query: Annotated[TemplatesQuery, Query()], reader: Reader) -> Response:
    """Templates in the order of their codes, without archived ones."""
    found = await reader.page(query.filter, limit=query.limit, offset=query.offset)
    meta = Meta.for_page(found.total, limit=query.limit, page=query.page)
    return answer([TemplateSummary.from_record(template) for template in found.items], meta=meta)


@router.get(
    "/{code}",
    operation_id="get_template",
    summary="Read a template",
    response_model=Envelope[TemplateAnswer],
    responses=refusals(TemplateNotFound, VersionNotFound),
    dependencies=[may_read],
)
async def read(code: TemplateCode, query: Annotated[VersionQuery, Query()], reader: Reader) -> Response:
    """The closest language is used: `pt-BR`, then `pt`, then the template's default. Without `version`: the active one."""
    return answer(TemplateAnswer.of_view(await reader.get(code, language=query.language, version=query.version)))


@router.put(
    "/{code}",
    operation_id="replace_template",
    summary="Replace a template's content",
    response_model=Envelope[TemplateAnswer],
    responses=CHANGE_REFUSALS,
    dependencies=[may_write, renders],
)
async def replace(
    code: TemplateCode, body: ReplaceTemplate, query: Annotated[LanguageQuery, Query()], actor: Acting, writer: Writer
) -> Response:
    """Makes a new version of one language and activates it, unless the content is unchanged. With `activate` false it is a
    draft.
    """
    view = await writer.change(code, body.change(query.language), actor)
    return answer(TemplateAnswer.of_view(view), "Template updated")


@router.patch(
    "/{code}",
    operation_id="update_template",
    summary="Change parts of a template",
    response_model=Envelope[TemplateAnswer],
    responses=CHANGE_REFUSALS,
    dependencies=[may_write, renders],
)
async def patch(
    code: TemplateCode, body: PatchTemplate, query: Annotated[LanguageQuery, Query()], actor: Acting, writer: Writer
) -> Response:
    """Changed parts make a new version and activate it. Name, description and default language are not versioned."""
    view = await writer.change(code, body.change(query.language), actor)
    return answer(TemplateAnswer.of_view(view), "Template updated")


@router.post(
    "/{code}/refresh",
    operation_id="refresh_template",
    summary="Take over the latest snippets",
    response_model=Envelope[TemplateAnswer],
    responses=refusals(*REFUSED),
    dependencies=[may_write, renders],
)
async def refresh(
    code: TemplateCode, query: Annotated[LanguageQuery, Query()], actor: Acting, writer: Writer
) -> Response:
    """Makes a new version of one language from the same parts and the latest snippets, and activates it, unless the active
    version has them already. `GET /snippets/{snippet}/templates` lists what is outdated.
    """
    view = await writer.refresh(code, query.language, actor)
    return answer(TemplateAnswer.of_view(view), "Template refreshed")


@router.delete(
    "/{code}",
    operation_id="archive_template",
    summary="Archive a template",
    response_model=Envelope[ArchivedAnswer],
    responses=refusals(TemplateNotFound),
    dependencies=[may_write],
)
async def archive(code: TemplateCode, actor: Acting, writer: Writer) -> Response:
    """Readers and new notifications no longer find the template. Notifications under way still get their version."""
    await writer.archive(code, actor)
    return answer(ArchivedAnswer(code=code), "Template archived")
