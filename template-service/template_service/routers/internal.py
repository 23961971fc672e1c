"""What the gateway and the workers ask; service tokens only."""

from fastapi import APIRouter, Depends
from starlette.responses import Response

from chassis.envelope import answer
from chassis.errors import field_error
from chassis.security import calling_service
from contracts.languages import Language
from template_service.dependencies import Reader, TemplateCode
from template_service.schemas.fields import VersionNumber
from template_service.services.infos import info_of

router = APIRouter(prefix="/internal/templates", include_in_schema=False, dependencies=[Depends(calling_service)])


@router.get("/{code}")
async def find(
    code: TemplateCode, reader: Reader, language: Language | None = None, version: VersionNumber | None = None
) -> Response:
    """`contracts.lookups.TemplateInfo`. With a version: exactly that one, archived or not; it never changes."""
    if version is None:
        return answer(info_of(code, (await reader.get(code, language=language)).version))
    if language is None:
        raise field_error("language", "A version is numbered within its language: name both")
    return answer(await reader.exact(code, language, version))


@router.get("/{code}/active")
async def active(code: TemplateCode, reader: Reader) -> Response:
    """`contracts.lookups.ActiveTemplate`."""
    return answer(await reader.active(code))
