"""Routes for the gateway and the workers. Only their tokens are accepted."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from chassis.errors import field_error
from chassis.http.envelope import answer
from chassis.security import calling_service
from contracts.fields import LANGUAGE_TAG, Language
from contracts.messages import TemplateRef
from contracts.push_texts import PushTextQuestion
from contracts.services import API_GATEWAY, EMAIL_SERVICE, PUSH_SERVICE
from contracts.templates import TemplateQuestion
from contracts.trials import TrialQuestion
from template_service.dependencies import Reader, TemplateCode
from template_service.errors import VersionNotFound
from template_service.schemas.fields import CODE, MAX_VERSION, VersionNumber
from template_service.services.trials import run_trial
from template_service.services.views import info_of

router = APIRouter(
    prefix="/internal/templates",
    include_in_schema=False,
    dependencies=[Depends(calling_service(API_GATEWAY, EMAIL_SERVICE, PUSH_SERVICE))],
)


@router.post("/find")
async def find(question: TemplateQuestion, reader: Reader) -> Response:
    """Returns `contracts.templates.TemplateFindings`. Names that are invalid are unknown; the database is not asked."""
    return answer(
        await reader.findings(
            TemplateQuestion(
                active=tuple(code for code in question.active if CODE.fullmatch(code)),
                outlines=tuple(filter(_may_be, question.outlines)),
                whole=tuple(filter(_may_be, question.whole)),
            )
        )
    )


@router.post("/trials", dependencies=[Depends(calling_service(API_GATEWAY))])
async def trials(question: TrialQuestion, request: Request, reader: Reader) -> Response:
    """Returns `contracts.trials.TrialFindings`. Raises VersionNotFound."""
    if not (_may_be(question.before) and _may_be(question.after)):
        raise VersionNotFound
    return answer(await run_trial(question, reader, request.app.state.render_turns))


@router.post("/push-texts", dependencies=[Depends(calling_service(API_GATEWAY))])
async def push_texts(question: PushTextQuestion, request: Request) -> Response:
    """Returns `contracts.push_texts.PushTextFindings`."""
    return answer(await request.app.state.push_texts.render(question))


def _may_be(ref: TemplateRef) -> bool:
    named = CODE.fullmatch(ref.code) and LANGUAGE_TAG.fullmatch(ref.language)
    return named is not None and 1 <= ref.version <= MAX_VERSION


# The next two routes serve gateways and workers of the previous release: without them they would take a 404 for an archived
# template. The next release removes these routes.
@router.get("/{code}")
async def find_one(
    code: TemplateCode, reader: Reader, language: Language | None = None, version: VersionNumber | None = None
) -> Response:
    """Returns `contracts.templates.TemplateInfo`. With a version: exactly that one, even if archived. It never changes."""
    if version is None:
        return answer(info_of(code, (await reader.get(code, language=language)).version))
    if language is None:
        raise field_error("language", "Versions are numbered within their language; give both")
    return answer(await reader.exact(TemplateRef(code=code, language=language, version=version)))


@router.get("/{code}/active")
async def active(code: TemplateCode, reader: Reader) -> Response:
    """Returns `contracts.templates.ActiveTemplate`."""
    return answer(await reader.active(code))
