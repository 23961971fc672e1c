"""Previews: they use the renderer that deliveries use, and send nothing."""

from fastapi import APIRouter
from starlette.responses import Response

from chassis.errors import TooManyRequests
from chassis.http.envelope import Envelope, answer
from chassis.http.openapi.document import refusals
from template_service.dependencies import Reader, Snippets, TemplateCode, may_read, renders
from template_service.drafts import Draft, revised
from template_service.errors import InvalidTemplate, TemplateNotFound, VariablesMissing, VersionNotFound
from template_service.schemas.answers import PreviewAnswer
from template_service.schemas.requests import RenderTemplate, RenderUnsaved
from template_service.services.previewing import preview, preview_saved

router = APIRouter(prefix="/api/v1/templates", tags=["previews"], dependencies=[may_read, renders])
CANNOT_BE_SHOWN = (InvalidTemplate, VariablesMissing, TooManyRequests)


@router.post(
    "/render",
    operation_id="render_unsaved_template",
    summary="Preview parts that are not saved",
    response_model=Envelope[PreviewAnswer],
    responses=refusals(*CANNOT_BE_SHOWN),
)
async def render_unsaved(body: RenderUnsaved, snippets: Snippets) -> Response:
    """422 `invalid_template` reports what saving would report too. 422 `missing_variables` lists all missing variables."""
    draft = revised(Draft(), body.change, body.name)
    return answer(
        PreviewAnswer.from_preview(await preview(draft, await snippets.library(draft), body.variables, body.channel))
    )


@router.post(
    "/{code}/render",
    operation_id="render_template",
    summary="Preview a template",
    response_model=Envelope[PreviewAnswer],
    responses=refusals(TemplateNotFound, VersionNotFound, *CANNOT_BE_SHOWN),
)
async def render(code: TemplateCode, body: RenderTemplate, reader: Reader) -> Response:
    """422 `missing_variables` lists every variable that is missing, as `variables.<name>`."""
    view = await reader.get(code, language=body.language, version=body.version)
    return answer(PreviewAnswer.from_preview(await preview_saved(view.version, body.variables, body.channel)))
