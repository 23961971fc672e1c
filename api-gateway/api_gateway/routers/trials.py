"""Trials of a template's versions. The other routes of templates are forwarded to the template service."""

import re
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from api_gateway.dependencies import Limited, Services, allow
from api_gateway.errors import TemplateNotFound, TemplateVersionNotFound
from api_gateway.schemas.trials import TrialRequest, TrialView
from chassis.errors import TooManyRequests
from chassis.http.envelope import Envelope, answer, pluralize
from chassis.http.openapi.document import refusals

CODE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
router = APIRouter(prefix="/api/v1/templates", tags=["previews"], responses=refusals(TooManyRequests))


@router.post(
    "/{code}/trials",
    operation_id="try_template_version",
    summary="Try a version with what was sent lately",
    response_model=Envelope[TrialView],
    responses=refusals(TemplateNotFound, TemplateVersionNotFound),
)
async def try_version(
    code: Annotated[str, Path(examples=["welcome_email"])],
    wanted: TrialRequest,
    identity: Limited,
    services: Services,
) -> Response:
    """Renders the active version and another one, such as a draft, with the variables of the last notifications in that
    language: errors, missing variables, subjects with their lengths, changed links. Nothing is sent and nothing is stored.

    An application's key tries with what the application sent, and needs `templates:read` and `notifications:read`. Of the
    system's own mails no values are shown.
    """
    allow(identity, "templates:read")
    allow(identity, "notifications:read")
    if CODE.fullmatch(code) is None:
        raise TemplateNotFound
    async with services.trial_turns.turn(identity.caller):
        trial = await services.trials.run(code, wanted, identity)
    tried = pluralize(len(trial.notifications), "notification")
    # As fields, so that each notification's variables are answered as the text that came.
    return answer(dict(trial), f"{tried} tried, {trial.failing} would fail")
