"""Suppressed addresses: find one, see why, put some on the list, take one off, the list as a file."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.datastructures import UploadFile
from starlette.responses import Response

from console.dependencies import CheckedForm, CheckedUpload, Section, Visitor, go_to, text_of
from console.downloads import Download
from console.errors import NotASuppression
from console.services.finding import as_id
from console.services.searching import neighbours
from console.services.suppressing import (
    MAX_TYPED,
    MEANINGS,
    REASONS,
    Owner,
    addresses_of,
    as_fingerprint,
    meaning_for,
    named,
    origin_of,
    owner_as,
    owner_in,
)
from notifications import (
    FieldProblem,
    InvalidRequest,
    NotFound,
    NotificationDetail,
    Suppression,
    SuppressionReason,
)
from notifications.resources.operations import fingerprint

router = APIRouter()
Reading = Annotated[Visitor, Depends(Section("suppressions"))]
PAGE = 50
IMPORT = "/suppressions/import"
MAX_IMPORT_BYTES = 4 * 1_048_576  # what the gateway takes by default
FORM_BYTES = 65_536  # what a form has around its file


@router.get("/suppressions")
async def listed(
    visitor: Reading,
    q: Annotated[str, Query(max_length=320)] = "",
    reason: SuppressionReason | Literal[""] = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    q = q.strip()
    if q and (found := await _find(visitor, q)):
        return go_to(f"/suppressions/{found.fingerprint}")
    rows, meta = [], None
    if not q:
        got = await visitor.api.suppressions.list(reason=reason or None, page_size=PAGE, page=page).page()
        rows, meta = got.items, got.meta
    return visitor.page(
        "suppressions",
        "suppressions",
        title="Suppressions",
        q=q,
        complete="@" in q or as_fingerprint(q) is not None,
        reason=reason,
        reasons=REASONS,
        meanings=MEANINGS,
        origin_of=origin_of,
        rows=rows,
        meta=meta,
        page=page,
        **neighbours("/suppressions", page, more=bool(meta and meta.has_next), reason=reason),
        export="/suppressions/export" + (f"?reason={reason}" if reason else ""),
    )


@router.get("/suppressions/export")
async def export(visitor: Reading, reason: SuppressionReason | Literal[""] = "") -> Response:
    query = {"reason": reason} if reason else {}
    file = await visitor.console.gateway.download(visitor.session, "suppressions/export", query)
    return Download(file, "suppressions.csv")


@router.get("/suppressions/add")
async def ask_for_addresses(visitor: Reading, email: Annotated[str, Query(max_length=320)] = "") -> Response:
    return _form(visitor, emails=email)


@router.post("/suppressions/add")
async def add(visitor: Reading, form: CheckedForm) -> Response:
    text, reason = text_of(form, "emails", longest=400_000), _reason(text_of(form, "reason"))
    addresses = addresses_of(text)
    if not 0 < len(addresses) <= MAX_TYPED:
        few = "Type at least one address." if not addresses else f"These are {len(addresses):,} addresses: use a file."
        return _form(visitor, emails=text, reason=reason, problem=few)
    try:
        added = await visitor.api.suppressions.add(addresses, reason=reason)
    except InvalidRequest as refused:
        problems = named(refused.problems, addresses)
        return _form(visitor, emails=text, reason=reason, problem=refused.message, problems=problems)
    return go_to(f"/suppressions?suppressed={added.added}")


@router.post(IMPORT)
async def add_file(visitor: Reading, form: CheckedUpload) -> Response:
    file, reason = form.get("file"), _reason(text_of(form, "reason"))
    content = await file.read(MAX_IMPORT_BYTES + 1) if isinstance(file, UploadFile) else b""
    if not content.strip():
        return _form(visitor, reason=reason, file_problem="Choose a file that has addresses in it.")
    if len(content) > MAX_IMPORT_BYTES:
        return _form(visitor, reason=reason, file_problem="The file is larger than 4 MiB: split it.")
    try:
        added = await visitor.api.suppressions.import_file(content, json_lines=_is_json(content), reason=reason)
    except InvalidRequest as refused:
        return _form(visitor, reason=reason, file_problem=refused.message, problems=refused.problems)
    return go_to(f"/suppressions?suppressed={added.added}")


@router.get("/suppressions/{name}")
async def one(visitor: Reading, name: str, of: str = "") -> Response:
    """`of`: the notification or the user whose page led here. The list itself knows no names."""
    found = await visitor.api.suppressions.get(_fingerprint(name))
    owner = await _owner(visitor, found, of)
    earlier = await _notification(visitor, found.notification_id) if found.notification_id else None
    return visitor.page(
        "suppression",
        "suppressions",
        title=found.masked,
        one=found,
        meaning=meaning_for(found, earlier),
        origin=origin_of(found.origin),
        owner=owner,
        earlier=earlier,
    )


@router.post("/suppressions/{name}/remove")
async def remove(visitor: Reading, name: str, form: CheckedForm) -> Response:
    found = await visitor.api.suppressions.get(_fingerprint(name))
    owner = await _owner(visitor, found, text_of(form, "of"))
    await visitor.api.suppressions.remove(found.fingerprint)
    return go_to(f"{owner.page if owner else '/suppressions'}?done=unsuppressed")


async def _owner(visitor: Visitor, entry: Suppression, given: str) -> Owner | None:
    """The recipient of the notification, or the user, if this is their address."""
    if (some_id := as_id(given)) is None:
        return None
    if n := await _notification(visitor, some_id):
        written_to = n.recipient.fingerprint if n.recipient else None
        return owner_in(n) if written_to == entry.fingerprint else None
    with suppress(NotFound):
        user = await visitor.api.users.get(some_id)
        return owner_as(user) if fingerprint(user.email) == entry.fingerprint else None
    return None


async def _notification(visitor: Visitor, some_id: str) -> NotificationDetail | None:
    with suppress(NotFound):
        return await visitor.api.get(some_id)
    return None


async def _find(visitor: Visitor, q: str) -> Suppression | None:
    name = q if "@" in q else as_fingerprint(q)
    try:
        return await visitor.api.suppressions.get(name) if name else None
    except NotFound:
        return None


def _form(
    visitor: Visitor,
    *,
    emails: str = "",
    reason: SuppressionReason = "manual",
    problem: str = "",
    file_problem: str = "",
    problems: Sequence[FieldProblem] = (),
) -> Response:
    return visitor.page(
        "suppress",
        "suppressions",
        title="Suppress addresses",
        status=422 if problem or file_problem else 200,
        emails=emails,
        reason=reason,
        reasons=REASONS,
        meanings=MEANINGS,
        problem=problem,
        file_problem=file_problem,
        problems=problems,
        action=IMPORT,
    )


def _reason(text: str) -> SuppressionReason:
    return next((one for one in REASONS if one == text), "manual")


def _fingerprint(name: str) -> str:
    if (found := as_fingerprint(name)) is None:
        raise NotASuppression
    return found


def _is_json(content: bytes) -> bool:
    return content.lstrip()[:1] == b"{"
