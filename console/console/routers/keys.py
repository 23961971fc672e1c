"""API keys: all of them, a new one (which is shown once), replacing and revoking one."""

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.datastructures import FormData
from starlette.responses import Response

from console.dependencies import CheckedForm, KeyId, Section, ThingId, Visitor, go_to, keep, text_of
from console.errors import KeyNotFound
from console.services.access import LIVES, MEANINGS, OVERLAPS, SCOPES, chosen, state_of
from console.services.confirming import Question
from console.services.searching import neighbours
from console.sessions import FreshKey
from notifications import ApiKey, FieldProblem, InvalidRequest, NewApiKey

router = APIRouter()
Reading = Annotated[Visitor, Depends(Section("applications"))]
PAGE = 50
SHOWN_SECONDS = 300.0


@router.get("/applications/keys")
async def listed(visitor: Reading, page: Annotated[int, Query(ge=1, le=10_000)] = 1) -> Response:
    found = await visitor.api.api_keys.list(page_size=PAGE, page=page).page()
    owners = {one.id: one.name async for one in visitor.api.applications.list()} if found.items else {}
    return visitor.page(
        "keys",
        "applications",
        title="API keys",
        keys=found.items,
        owners=owners,
        meta=found.meta,
        state_of=state_of,
        **neighbours("/applications/keys", page, more=found.meta.has_next),
    )


@router.get("/applications/{thing_id}/keys/new")
async def ask(visitor: Reading, thing_id: ThingId) -> Response:
    return await _form(visitor, thing_id)


@router.post("/applications/{thing_id}/keys/new")
async def create(visitor: Reading, thing_id: ThingId, form: CheckedForm) -> Response:
    days = chosen(LIVES, text_of(form, "days"))
    try:
        made = await visitor.api.api_keys.create(
            name=text_of(form, "name"),
            application_id=thing_id,
            scopes=[one for one in SCOPES if one in form.getlist("scopes")],
            test=text_of(form, "kind") == "test",
            # Without a time it is the longest that the API allows, by its own clock.
            expires_at=None if days == chosen(LIVES, "") else datetime.now(UTC) + timedelta(days=days),
        )
    except InvalidRequest as refused:
        return await _form(visitor, thing_id, form, problem=refused.message, problems=refused.problems)
    return _show(visitor, made)


@router.get("/applications/{thing_id}/keys/{key_id}")
async def one(visitor: Reading, thing_id: ThingId, key_id: KeyId) -> Response:
    """Shows a new key, this once."""
    key = await _key(visitor, thing_id, key_id)
    fresh = visitor.session.fresh_key
    shown = fresh.key if fresh and fresh.id == key_id and fresh.until > time.time() else ""
    if fresh:
        keep(visitor.request, visitor.session.model_copy(update={"fresh_key": None}))
    return visitor.page(
        "key",
        "applications",
        title=f"Key {key.name}",
        key=key,
        shown=shown,
        state=state_of(key),
        meanings=MEANINGS,
        owner=await visitor.api.applications.get(thing_id),
        gateway=visitor.console.shown_url,
    )


@router.get("/applications/{thing_id}/keys/{key_id}/replace")
async def ask_to_replace(visitor: Reading, thing_id: ThingId, key_id: KeyId) -> Response:
    key = await _key(visitor, thing_id, key_id)
    back = f"/applications/{thing_id}"
    question = Question(
        title=f"Replace the key {key.name}?",
        points=(
            "A new key with the same application, name and scopes is made, and shown once.",
            "The old key goes on working for the time that you choose, so that it can be replaced everywhere.",
        ),
        action=f"{back}/keys/{key_id}/replace",
        button="Make the new key",
        back=back,
        back_title="The application",
        choices=OVERLAPS,
        choices_label="How long the old key goes on working",
        harmless=True,
    )
    return visitor.ask(question, "applications")


@router.post("/applications/{thing_id}/keys/{key_id}/replace")
async def replace(visitor: Reading, thing_id: ThingId, key_id: KeyId, form: CheckedForm) -> Response:
    await _key(visitor, thing_id, key_id)
    overlap = chosen(OVERLAPS, text_of(form, "choice"))
    return _show(visitor, await visitor.api.api_keys.rotate(key_id, overlap_seconds=overlap))


@router.get("/applications/{thing_id}/keys/{key_id}/revoke")
async def ask_to_revoke(visitor: Reading, thing_id: ThingId, key_id: KeyId) -> Response:
    key = await _key(visitor, thing_id, key_id)
    back = f"/applications/{thing_id}"
    question = Question(
        title=f"Revoke the key {key.name}?",
        points=(
            "Every program that uses it is refused within seconds.",
            "This cannot be undone. To change a key without an interruption, replace it.",
        ),
        action=f"{back}/keys/{key_id}/revoke",
        button="Revoke it",
        back=back,
        back_title="The application",
    )
    return visitor.ask(question, "applications")


@router.post("/applications/{thing_id}/keys/{key_id}/revoke")
async def revoke(visitor: Reading, thing_id: ThingId, key_id: KeyId, _form: CheckedForm) -> Response:
    await visitor.api.api_keys.revoke(key_id)
    return go_to(f"/applications/{thing_id}?done=key-revoked")


def _show(visitor: Visitor, made: NewApiKey) -> Response:
    """The key goes to its page in the cookie, which only the console can read: reloading that page makes no second key."""
    fresh = FreshKey(id=made.id, key=made.key, until=time.time() + SHOWN_SECONDS)
    keep(visitor.request, visitor.session.model_copy(update={"fresh_key": fresh}))
    return go_to(f"/applications/{made.application_id}/keys/{made.id}")


async def _key(visitor: Visitor, application_id: str, key_id: str) -> ApiKey:
    """Raises KeyNotFound."""
    async for key in visitor.api.api_keys.list(application_id=application_id):
        if key.id == key_id:
            return key
    raise KeyNotFound


async def _form(
    visitor: Visitor,
    application_id: str,
    form: FormData | None = None,
    *,
    problem: str = "",
    problems: list[FieldProblem] | None = None,
) -> Response:
    given = form or FormData([("scopes", "notifications:write"), ("scopes", "notifications:read")])
    return visitor.page(
        "key_form",
        "applications",
        title="New API key",
        status=422 if problem else 200,
        owner=await visitor.api.applications.get(application_id),
        key_name=text_of(given, "name"),
        scopes=given.getlist("scopes"),
        kind=text_of(given, "kind"),
        days=text_of(given, "days"),
        meanings=MEANINGS,
        lives=LIVES,
        problem=problem,
        problems=problems or [],
    )
