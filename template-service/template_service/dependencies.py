"""What routers need, typed."""

from typing import Annotated

from fastapi import Depends, Path, Request

from chassis.security import require
from template_service.errors import TemplateNotFound
from template_service.schemas.fields import CODE, VersionNumber
from template_service.services.reading import TemplateReader
from template_service.services.writing import TemplateWriter


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


Reader = Annotated[TemplateReader, Depends(_reader)]
Writer = Annotated[TemplateWriter, Depends(_writer)]
TemplateCode = Annotated[str, Depends(_code)]
VersionNumberInPath = Annotated[VersionNumber, Path()]

may_read = Depends(require("templates:read"))
may_write = Depends(require("templates:write"))
