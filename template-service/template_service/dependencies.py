"""Typed dependencies of the routers."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Path, Request

from chassis.errors import Forbidden, TooManyRequests
from chassis.process.fair_semaphore import FairSemaphore
from chassis.redis.rate_limit import RateLimiter
from chassis.security import Identity, require
from chassis.security.dependencies import Caller
from contracts.system_mails import SYSTEM_TEMPLATES
from template_service.errors import SnippetNotFound, TemplateNotFound
from template_service.schemas.fields import CODE, VersionNumber
from template_service.services.reading import TemplateReader
from template_service.services.snippets import SnippetReader, SnippetWriter
from template_service.services.writing import TemplateWriter

Author = Annotated[Identity, Depends(require("templates:write"))]


async def _reader(request: Request) -> TemplateReader:
    reader: TemplateReader = request.app.state.reader
    return reader


async def _writer(request: Request) -> TemplateWriter:
    writer: TemplateWriter = request.app.state.writer
    return writer


async def _snippets(request: Request) -> SnippetReader:
    reader: SnippetReader = request.app.state.snippets
    return reader


async def _snippet_writer(request: Request) -> SnippetWriter:
    writer: SnippetWriter = request.app.state.snippet_writer
    return writer


async def _snippet(snippet: Annotated[str, Path(description="The snippet's name", examples=["footer"])]) -> str:
    """Raises SnippetNotFound for a string that cannot be a name, without a query to the database."""
    if CODE.fullmatch(snippet) is None:
        raise SnippetNotFound
    return snippet


async def _code(code: Annotated[str, Path(examples=["welcome_email"])]) -> str:
    """Raises TemplateNotFound for a string that cannot be a code, without a query to the database."""
    if CODE.fullmatch(code) is None:
        raise TemplateNotFound
    return code


def check_author(identity: Identity, code: str) -> None:
    """Raises Forbidden when a caller who is not an administrator wants to write a template of the system's own mails."""
    if code.startswith(SYSTEM_TEMPLATES) and not identity.is_admin:
        raise Forbidden("Only administrators write the mails of the system itself")


async def _may_write(request: Request, author: Author) -> None:
    check_author(author, request.path_params.get("code", "") or request.path_params.get("snippet", ""))


async def _render_budget(request: Request, identity: Caller) -> AsyncIterator[None]:
    """Takes one render from the caller's rate limit and waits for the caller's turn. Raises TooManyRequests."""
    limiter: RateLimiter = request.app.state.render_limit
    decision = await limiter.check(identity.caller)
    if not decision.allowed:
        raise TooManyRequests("Too many templates saved or previewed; slow down", headers=decision.headers())
    turns: FairSemaphore = request.app.state.render_turns
    async with turns.turn(identity.caller):
        yield


Reader = Annotated[TemplateReader, Depends(_reader)]
Writer = Annotated[TemplateWriter, Depends(_writer)]
Snippets = Annotated[SnippetReader, Depends(_snippets)]
WriterOfSnippets = Annotated[SnippetWriter, Depends(_snippet_writer)]
SnippetName = Annotated[str, Depends(_snippet)]
TemplateCode = Annotated[str, Depends(_code)]
VersionNumberInPath = Annotated[VersionNumber, Path()]

may_read = Depends(require("templates:read"))
may_write = Depends(_may_write)
# For routes that compile or render: a template at all limits takes 6 s to compile (`compile_template`).
renders = Depends(_render_budget, scope="function")
