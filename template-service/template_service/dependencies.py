"""What routers need, typed."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Path, Request

from chassis.errors import Forbidden, TooManyRequests
from chassis.process.fair_semaphore import FairSemaphore
from chassis.redis.rate_limit import RateLimiter
from chassis.security import Identity, require
from chassis.security.dependencies import Caller
from contracts.system_mails import SYSTEM_TEMPLATES
from template_service.errors import TemplateNotFound
from template_service.schemas.fields import CODE, VersionNumber
from template_service.services.reading import TemplateReader
from template_service.services.writing import TemplateWriter

Author = Annotated[Identity, Depends(require("templates:write"))]


async def _reader(request: Request) -> TemplateReader:
    reader: TemplateReader = request.app.state.reader
    return reader


async def _writer(request: Request) -> TemplateWriter:
    writer: TemplateWriter = request.app.state.writer
    return writer


async def _code(code: Annotated[str, Path(examples=["welcome_email"])]) -> str:
    """What cannot be a code names no template, and is not asked of the database."""
    if CODE.fullmatch(code) is None:
        raise TemplateNotFound
    return code


def check_author(identity: Identity, code: str) -> None:
    """Raises Forbidden for who is no administrator and would write a mail of the system's own."""
    if code.startswith(SYSTEM_TEMPLATES) and not identity.is_admin:
        raise Forbidden("Only administrators write the mails of the system itself")


async def _may_write(request: Request, author: Author) -> None:
    check_author(author, request.path_params.get("code", ""))


async def _render_budget(request: Request, identity: Caller) -> AsyncIterator[None]:
    """Of the caller's budget, and in the caller's turn. Raises TooManyRequests."""
    limiter: RateLimiter = request.app.state.render_limit
    decision = await limiter.check(identity.caller)
    if not decision.allowed:
        raise TooManyRequests("Too many templates saved or previewed; slow down", headers=decision.headers())
    turns: FairSemaphore = request.app.state.render_turns
    async with turns.hold(identity.caller):
        yield


Reader = Annotated[TemplateReader, Depends(_reader)]
Writer = Annotated[TemplateWriter, Depends(_writer)]
TemplateCode = Annotated[str, Depends(_code)]
VersionNumberInPath = Annotated[VersionNumber, Path()]

may_read = Depends(require("templates:read"))
may_write = Depends(_may_write)
# For what compiles or renders: a template at its limits takes a quarter of a second of a core.
renders = Depends(_render_budget, scope="function")
