"""Applications, the programs that send: the list, one of them with its keys, making, changing and deleting one."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.datastructures import FormData
from starlette.responses import Response

from console.dependencies import CheckedForm, Section, ThingId, Visitor, go_to, same_text, text_of
from console.services.access import CHANNELS, ApplicationFields, state_of
from console.services.confirming import Question
from console.services.searching import neighbours
from notifications import Application, FieldProblem, InvalidRequest

router = APIRouter()
Reading = Annotated[Visitor, Depends(Section("applications"))]
PageNumber = Annotated[int, Query(ge=1, le=10_000)]
PAGE = 50


@router.get("/applications")
async def listed(visitor: Reading, page: PageNumber = 1) -> Response:
    found = await visitor.api.applications.list(page_size=PAGE, page=page).page()
    return visitor.page(
        "applications",
        "applications",
        title="Applications",
        rows=found.items,
        meta=found.meta,
        **neighbours("/applications", page, more=found.meta.has_next),
    )


@router.get("/applications/new")
async def ask(visitor: Reading) -> Response:
    return _form(visitor, ApplicationFields())


@router.post("/applications/new")
async def create(visitor: Reading, form: CheckedForm) -> Response:
    fields = _typed(form)
    if fields.problem:
        return _form(visitor, fields, problem=fields.problem)
    try:
        made = await visitor.api.applications.create(**fields.body())
    except InvalidRequest as refused:
        return _form(visitor, fields, problem=refused.message, problems=refused.problems)
    return go_to(f"/applications/{made.id}?done=application-created")


@router.get("/applications/{thing_id}")
async def one(visitor: Reading, thing_id: ThingId, page: PageNumber = 1) -> Response:
    application = await visitor.api.applications.get(thing_id)
    keys = await visitor.api.api_keys.list(application_id=thing_id, page_size=PAGE, page=page).page()
    return visitor.page(
        "application",
        "applications",
        title=application.name,
        one=application,
        keys=keys.items,
        meta=keys.meta,
        state_of=state_of,
        **neighbours(f"/applications/{thing_id}", page, more=keys.meta.has_next),
    )


@router.get("/applications/{thing_id}/change")
async def ask_for_changes(visitor: Reading, thing_id: ThingId) -> Response:
    application = await visitor.api.applications.get(thing_id)
    return _form(visitor, ApplicationFields.from_application(application), application)


@router.post("/applications/{thing_id}/change")
async def change(visitor: Reading, thing_id: ThingId, form: CheckedForm) -> Response:
    fields = _typed(form)
    try:
        if not fields.problem:
            await visitor.api.applications.update(thing_id, **fields.body())
            return go_to(f"/applications/{thing_id}?done=application-changed")
        problem, problems = fields.problem, []
    except InvalidRequest as refused:
        problem, problems = refused.message, refused.problems
    return _form(visitor, fields, await visitor.api.applications.get(thing_id), problem=problem, problems=problems)


@router.get("/applications/{thing_id}/{what}")
async def ask_whether(visitor: Reading, thing_id: ThingId, what: Literal["disable", "enable", "delete"]) -> Response:
    return _sure(visitor, await visitor.api.applications.get(thing_id), what)


@router.post("/applications/{thing_id}/disable")
async def disable(visitor: Reading, thing_id: ThingId, _form: CheckedForm) -> Response:
    await visitor.api.applications.update(thing_id, disabled=True)
    return go_to(f"/applications/{thing_id}?done=application-disabled")


@router.post("/applications/{thing_id}/enable")
async def enable(visitor: Reading, thing_id: ThingId, _form: CheckedForm) -> Response:
    await visitor.api.applications.update(thing_id, disabled=False)
    return go_to(f"/applications/{thing_id}?done=application-enabled")


@router.post("/applications/{thing_id}/delete")
async def delete(visitor: Reading, thing_id: ThingId, form: CheckedForm) -> Response:
    application = await visitor.api.applications.get(thing_id)
    if not same_text(text_of(form, "typed"), application.name):
        return _sure(visitor, application, "delete", problem="This is not the application's name. Nothing was deleted.")
    await visitor.api.applications.delete(thing_id)
    return go_to("/applications?done=application-deleted")


def _typed(form: FormData) -> ApplicationFields:
    texts = {name: text_of(form, name) for name in ("name", "limit", "from_name", "from_email", "reply_to")}
    return ApplicationFields(channels=[one for one in CHANNELS if one in form.getlist("channels")], **texts)


def _form(
    visitor: Visitor,
    fields: ApplicationFields,
    application: Application | None = None,
    *,
    problem: str = "",
    problems: list[FieldProblem] | None = None,
) -> Response:
    return visitor.page(
        "application_form",
        "applications",
        title=f"Change {application.name}" if application else "New application",
        status=422 if problem else 200,
        fields=fields,
        one=application,
        channels=CHANNELS,
        problem=problem,
        problems=problems or [],
    )


QUESTIONS = {
    "disable": (
        "Disable {}?",
        "Disable it",
        ("Its keys are refused within seconds, so it can send nothing and see nothing.",
         "What was accepted before is still sent. To stop that too, hold or cancel it.",
         "It can be enabled again at any time."),
    ),
    "enable": ("Enable {}?", "Enable it", ("Its keys work again within seconds.",)),
    "delete": (
        "Delete {}?",
        "Delete it for good",
        ("Its keys are deleted: programs that use them are refused.",
         "Its contacts can be notified by no other application.",
         "What it sent stays visible for administrators.",
         "This cannot be undone. To stop it for a while, disable it."),
    ),
}  # fmt: skip


def _sure(visitor: Visitor, application: Application, what: str, *, problem: str = "") -> Response:
    title, button, points = QUESTIONS[what]
    here = f"/applications/{application.id}"
    question = Question(
        title=title.format(application.name),
        points=points,
        action=f"{here}/{what}",
        button=button,
        back=here,
        back_title=application.name,
        typed=application.name if what == "delete" else "",
        typed_label="Type the application's name to confirm",
        harmless=what == "enable",
    )
    return visitor.ask(question, "applications", problem=problem)
