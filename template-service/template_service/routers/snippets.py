"""Snippets: layouts, and pieces that templates have in common."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from chassis.audit import Acting
from chassis.errors import TooManyRequests
from chassis.http.envelope import Envelope, Meta, Page, answer
from chassis.http.openapi.document import refusals
from chassis.http.paging import PageQuery
from template_service.dependencies import (
    Author,
    SnippetName,
    Snippets,
    WriterOfSnippets,
    check_author,
    may_read,
    may_write,
    renders,
)
from template_service.errors import InvalidSnippet, SnippetExists, SnippetNotFound, VersionNotFound
from template_service.schemas.snippets import (
    ArchivedSnippet,
    CreateSnippet,
    ReplaceSnippet,
    SnippetAnswer,
    SnippetsQuery,
    SnippetSummary,
    SnippetUseAnswer,
    SnippetVersionQuery,
)

router = APIRouter(prefix="/api/v1/snippets", tags=["snippets"])


@router.post(
    "",
    operation_id="create_snippet",
    status_code=201,
    summary="Create a snippet",
    response_model=Envelope[SnippetAnswer],
    responses=refusals(SnippetExists, InvalidSnippet, TooManyRequests),
    dependencies=[may_write, renders],
)
async def create(body: CreateSnippet, author: Author, actor: Acting, writer: WriterOfSnippets) -> Response:
    """An archived one comes back, and its version numbers continue."""
    check_author(author, body.name)
    saved = await writer.create(body.name, body.description, body.content, actor)
    return answer(SnippetAnswer.from_record(saved), "Snippet created", status=201)


@router.get("", summary="List snippets", response_model=Page[SnippetSummary], dependencies=[may_read])
async def list_snippets(query: Annotated[SnippetsQuery, Query()], snippets: Snippets) -> Response:
    """In the order of their names, without archived ones."""
    found = await snippets.page(query.search, limit=query.limit, offset=query.offset)
    meta = Meta.for_page(found.total, limit=query.limit, page=query.page)
    return answer([SnippetSummary.from_record(snippet) for snippet in found.items], meta=meta)


@router.get(
    "/{snippet}",
    operation_id="get_snippet",
    summary="Read a snippet",
    response_model=Envelope[SnippetAnswer],
    responses=refusals(SnippetNotFound, VersionNotFound),
    dependencies=[may_read],
)
async def read(snippet: SnippetName, query: Annotated[SnippetVersionQuery, Query()], snippets: Snippets) -> Response:
    """In its latest version, unless another is given."""
    return answer(SnippetAnswer.from_record(await snippets.get(snippet, query.version)))


@router.put(
    "/{snippet}",
    operation_id="replace_snippet",
    summary="Replace a snippet's content",
    response_model=Envelope[SnippetAnswer],
    responses=refusals(SnippetNotFound, InvalidSnippet, TooManyRequests),
    dependencies=[may_write, renders],
)
async def replace(snippet: SnippetName, body: ReplaceSnippet, actor: Acting, writer: WriterOfSnippets) -> Response:
    """Makes a new version, unless the content is unchanged. Templates that were saved before do not change: see
    `GET /snippets/{snippet}/templates`.
    """
    saved = await writer.change(snippet, body.description, body.content, actor)
    return answer(SnippetAnswer.from_record(saved), "Snippet updated")


@router.delete(
    "/{snippet}",
    operation_id="archive_snippet",
    summary="Archive a snippet",
    response_model=Envelope[ArchivedSnippet],
    responses=refusals(SnippetNotFound),
    dependencies=[may_write],
)
async def archive(snippet: SnippetName, actor: Acting, writer: WriterOfSnippets) -> Response:
    """Templates that have it in them are sent as before, but cannot be saved with it any more."""
    await writer.archive(snippet, actor)
    return answer(ArchivedSnippet(name=snippet), "Snippet archived")


@router.get(
    "/{snippet}/versions",
    operation_id="list_snippet_versions",
    summary="List a snippet's versions",
    response_model=Page[SnippetSummary],
    responses=refusals(SnippetNotFound),
    dependencies=[may_read],
)
async def list_versions(snippet: SnippetName, query: Annotated[PageQuery, Query()], snippets: Snippets) -> Response:
    """Newest first."""
    found = await snippets.history(snippet, limit=query.limit, offset=query.offset)
    meta = Meta.for_page(found.total, limit=query.limit, page=query.page)
    return answer([SnippetSummary.from_record(version) for version in found.items], meta=meta)


@router.get(
    "/{snippet}/templates",
    operation_id="list_snippet_templates",
    summary="List the templates that have a snippet in them",
    response_model=Page[SnippetUseAnswer],
    responses=refusals(SnippetNotFound),
    dependencies=[may_read],
)
async def list_templates(snippet: SnippetName, query: Annotated[PageQuery, Query()], snippets: Snippets) -> Response:
    """By their active versions, those with an older version of the snippet first."""
    found = await snippets.uses(snippet, limit=query.limit, offset=query.offset)
    meta = Meta.for_page(found.total, limit=query.limit, page=query.page)
    return answer([SnippetUseAnswer.from_use(use) for use in found.items], meta=meta)
