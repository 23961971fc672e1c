"""A version of a template: compare it with another, try it with what was sent lately, activate it, send it to oneself."""

import asyncio
from typing import Annotated
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import APIRouter, Query
from starlette.responses import Response

from console.dependencies import CheckedForm, Visitor, go_to, text_of
from console.routers.reading_templates import Language, Reading, Version, active_version, open_version
from console.services.diffs import differences
from console.services.drafts import MAX_VALUES, NOTHING_WRONG, NotValues, Refusal, read_values
from console.services.rendering import Values, last_values, refusal_or_raise
from console.services.trials import subject_changed, verdict_on
from console.services.words import CHANNELS
from notifications import ApiError, Template, User

router = APIRouter()
LAST = (10, 20, 50, 100)


@router.get("/templates/{code}/compare")
async def compare(
    visitor: Reading, code: str, language: Language = "", version: Version = None, other: Version = None
) -> Response:
    """`version` with `other`, or with the active version."""
    new = await open_version(visitor, code, language, version)
    old = await (open_version(visitor, code, new.language, other) if other else active_version(visitor, new))
    if old.version > new.version:
        old, new = new, old
    parts = await asyncio.to_thread(differences, old, new)
    return visitor.page(
        "compare",
        "templates",
        title=f"{old.version} and {new.version}",
        t=new,
        old=old,
        new=new,
        parts=parts,
        of=_of(new),
    )


@router.get("/templates/{code}/trial")
async def trial(
    visitor: Reading,
    code: str,
    language: Language = "",
    version: Version = None,
    last: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    template = await open_version(visitor, code, language, version)
    found = await visitor.api.templates.trial(code, template.version, language=template.language, last=last)
    return visitor.page(
        "trial",
        "templates",
        title="Trial",
        t=template,
        trial=found,
        said=verdict_on(found),
        subject_changed=subject_changed,
        last=last,
        choices=sorted({*LAST, last}),
        of=_of(template),
        may_write=visitor.person.may("act"),
    )


@router.get("/templates/{code}/activate")
async def ask(visitor: Reading, code: str, language: Language = "", version: Version = None) -> Response:
    template = await open_version(visitor, code, language, version)
    active = await active_version(visitor, template)
    parts = await asyncio.to_thread(differences, active, template)
    return visitor.page(
        "activate", "templates", title="Activate?", t=template, active=active, parts=parts, of=_of(template)
    )


@router.post("/templates/{code}/activate")
async def activate(
    visitor: Reading, code: str, _form: CheckedForm, language: Language = "", version: Version = None
) -> Response:
    template = await open_version(visitor, code, language, version)
    await visitor.api.templates.activate(code, template.version, language=template.language)
    return go_to(f"/templates/{code}?{_of(template)}&done=activated")


@router.get("/templates/{code}/test")
async def ask_test(visitor: Reading, code: str, language: Language = "", version: Version = None) -> Response:
    template = await open_version(visitor, code, language, version)
    given, me = await last_values(visitor.api, template), await _me(visitor)
    return _test_page(visitor, me, template, given.text, values=given)


@router.post("/templates/{code}/test")
async def send_test(
    visitor: Reading, code: str, form: CheckedForm, language: Language = "", version: Version = None
) -> Response:
    """To the address, or the devices, of the person who is logged in, and to nobody else."""
    template, typed = await open_version(visitor, code, language, version), _typed(form)
    me = await _me(visitor)
    if me is None:
        return _test_page(
            visitor, me, template, typed, refusal=Refusal(general="An API key has no address to send to.")
        )
    push = text_of(form, "channel") == "push"
    to = {"user_id": me.id} if push else {"to": {"email": me.email, "name": me.name}}
    try:
        sent = await visitor.api.send(
            notification_type="push" if push else "email",
            template_code=code,
            template_version=template.version,
            language=template.language,
            variables=read_values(typed),
            request_id=text_of(form, "request_id", longest=100) or uuid4().hex,
            metadata={"test_send": True},
            **to,
        )
    except NotValues as wrong:
        return _test_page(visitor, me, template, typed, refusal=Refusal({"values": str(wrong)}))
    except ApiError as refused:
        return _test_page(visitor, me, template, typed, refusal=refusal_or_raise(refused))
    return go_to(f"/notifications/{sent.notification_id}")


def _test_page(
    visitor: Visitor,
    me: User | None,
    template: Template,
    typed: str,
    *,
    refusal: Refusal = NOTHING_WRONG,
    values: Values | None = None,
) -> Response:
    return visitor.page(
        "test_send",
        "templates",
        title="Send a test",
        status=200 if refusal is NOTHING_WRONG else 422,
        t=template,
        me=me,
        typed=typed,
        channels=[(name, CHANNELS[name]) for name in template.channels if name in CHANNELS],
        problems=refusal.fields,
        refused=refusal,
        values=values,
        request_id=f"test-{uuid4().hex}",
        of=_of(template),
    )


async def _me(visitor: Visitor) -> User | None:
    """None for an API key."""
    return None if visitor.person.role == "key" else await visitor.api.me()


def _typed(form: CheckedForm) -> str:
    value = form.get("values", "")
    return value[:MAX_VALUES] if isinstance(value, str) else ""


def _of(template: Template) -> str:
    return urlencode({"language": template.language, "version": template.version})
