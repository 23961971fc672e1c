"""Failed notifications by reason and template, and trying a group of them again."""

from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from console.dependencies import CheckedForm, Section, Visitor, go_to, text_of
from console.errors import NotAGroup
from console.services.advice import TOLD_APART, advice_of_kind
from console.services.failures import fitting, grouped, newest
from console.services.mail_codes import Kind
from notifications import Channel

router = APIRouter()
Reading = Annotated[Visitor, Depends(Section("failed"))]
CHANNELS = (("", "All"), ("email", "E-mail"), ("push", "Push"))
FEW, MANY = 10, 1_000  # MANY is the most that the API tries again in one call


class GroupOf(BaseModel):
    """A group: all with a reason on a channel, those of a kind of refusal or of a template among them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    reason: str = Field(pattern=r"^[a-z0-9_]{1,100}$")
    channel: Channel
    template: str = Field(default="", max_length=100, pattern=r"^[A-Za-z0-9_.\-]*$")
    kind: Kind | Literal[""] = ""


@router.get("/failed")
async def listed(visitor: Reading, channel: Literal["", "email", "push"] = "") -> Response:
    found = await newest(visitor.api, channel or None)
    return visitor.page(
        "failed",
        "failed",
        title="Failed",
        groups=grouped(found.rows),
        seen=len(found.rows),
        complete=found.complete,
        channel=channel,
        channels=CHANNELS,
        may_act=visitor.person.may("act"),
    )


@router.get("/failed/replay")
async def ask(visitor: Reading, group: Annotated[GroupOf, Query()]) -> Response:
    found = await newest(visitor.api, group.channel)
    return visitor.page(
        "replay",
        "failed",
        title="Try again?",
        number=len(fitting(found.rows, group.reason, group.template, group.kind)),
        complete=found.complete,
        few=FEW,
        advice=advice_of_kind(group.reason, group.kind),
        reason=group.reason,
        channel=group.channel,
        template=group.template,
        kind=group.kind,
    )


@router.post("/failed/replay")
async def replay(visitor: Reading, form: CheckedForm) -> Response:
    group, limit = _group(form), FEW if text_of(form, "how_many") == "few" else MANY
    if group.template or group.reason in TOLD_APART:
        rows = (await newest(visitor.api, group.channel)).rows
        ids = fitting(rows, group.reason, group.template, group.kind)[-limit:]
        replayed = (await visitor.api.replay(notification_ids=ids)).replayed  # also of none: it checks the right to
    else:
        answer = await visitor.api.replay(notification_type=group.channel, error=group.reason, limit=limit)
        replayed = answer.replayed
    return go_to(f"/failed?{urlencode({'replayed': replayed})}")


def _group(form: CheckedForm) -> GroupOf:
    try:
        return GroupOf.model_validate({name: text_of(form, name) for name in GroupOf.model_fields})
    except ValidationError:
        raise NotAGroup from None
