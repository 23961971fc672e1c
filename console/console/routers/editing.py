"""The editor of templates: a new version as a draft, a further language, a new template, and what would be sent."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, Response

from console.dependencies import CheckedForm, Visitor, go_to, text_of
from console.headers import PREVIEW_POLICY
from console.routers.reading_templates import Language, Reading, Version, active_version, open_version
from console.services.drafts import (
    NOTHING_WRONG,
    Draft,
    Refusal,
    changes,
    draft_of,
    draft_of_form,
    new_template,
    pretty,
    with_examples,
)
from console.services.rendering import Values, example, last_values, refusal_or_raise, render
from notifications import ApiError, Template

router = APIRouter()
FIRST = Draft(
    {"subject": "", "content": "<h1>Hello {{ name }}</h1>\n<p></p>\n"},
    values=pretty(with_examples({}, ["name"])),
    about={"code": "", "name": "", "description": "", "language": "en"},
)
ValuesFrom = Annotated[str, Query(pattern="^(last|examples)$")]


@router.get("/templates/{code}/edit")
async def edit(
    visitor: Reading, code: str, language: Language = "", version: Version = None, values: ValuesFrom = "last"
) -> Response:
    template = await open_version(visitor, code, language, version)
    given = await last_values(visitor.api, template) if values == "last" else example(template)
    return await _page(visitor, draft_of(template, given.text), template, values=given)


@router.post("/templates/{code}/edit")
async def save(
    visitor: Reading, code: str, form: CheckedForm, language: Language = "", version: Version = None
) -> Response:
    """A new version as a draft, made of the version that was opened. What was typed stays on the page if it is refused, as it
    is if somebody else has saved a version since: then the form's author decides once more.
    """
    base, draft = await _base(visitor, form) or await open_version(visitor, code, language, version), _draft(form)
    active, seen = await active_version(visitor, base), _number(form, "latest_version")
    try:
        saved = await visitor.api.templates.update(
            code, language=base.language, activate=False, latest_version=seen, **changes(draft, base, active)
        )
    except ApiError as refused:
        if refused.code == "template_changed":
            now = await open_version(visitor, code, base.language, base.version)
            return await _page(visitor, draft, now, refusal=Refusal(newer=now.latest_version))
        return await _page(visitor, draft, base, refusal=refusal_or_raise(refused), seen=seen)
    done = "unchanged" if saved.version == saved.active_version else "draft"
    return go_to(_address(saved, done))


@router.get("/templates/{code}/languages")
async def further_language(visitor: Reading, code: str) -> Response:
    template = await open_version(visitor, code, "", None)
    given = await last_values(visitor.api, template)
    draft = draft_of(template, given.text)
    about = {"language": ""}
    return await _page(visitor, Draft(draft.parts, draft.channels, draft.values, about), template, values=given)


@router.post("/templates/{code}/languages")
async def add_language(visitor: Reading, code: str, form: CheckedForm) -> Response:
    template, draft = await open_version(visitor, code, "", None), _draft(form)
    return await _create(visitor, draft, template)


@router.get("/new-template")
async def new(visitor: Reading) -> Response:
    return await _page(visitor, FIRST, None)


@router.post("/new-template")
async def add(visitor: Reading, form: CheckedForm) -> Response:
    return await _create(visitor, _draft(form), None)


@router.post("/template-preview")
async def preview(visitor: Reading, form: CheckedForm) -> Response:
    """The part of the editor that follows what is typed."""
    draft = _draft(form)
    rendered = await render(visitor.api, draft, await _base(visitor, form))
    return visitor.page("editor_preview", "templates", rendered=rendered, draft=draft, live=True)


@router.post("/template-frame")
async def frame(visitor: Reading, form: CheckedForm) -> Response:
    """The mail, for the editor's frame: sandboxed there and by its own header, so nothing in it runs. `mail` is what the
    preview has just rendered; without it the draft is rendered.
    """
    html = form.get("mail")
    if not isinstance(html, str):
        html = (await render(visitor.api, _draft(form), await _base(visitor, form))).mail
    return HTMLResponse(html, headers={"Content-Security-Policy": PREVIEW_POLICY})


async def _create(visitor: Visitor, draft: Draft, like: Template | None) -> Response:
    try:
        made = await visitor.api.templates.create(**new_template(draft, like))
    except ApiError as refused:
        return await _page(visitor, draft, like, refusal=refusal_or_raise(refused))
    return go_to(_address(made, "created"))


async def _page(
    visitor: Visitor,
    draft: Draft,
    base: Template | None,
    *,
    refusal: Refusal = NOTHING_WRONG,
    values: Values | None = None,
    seen: int | None = None,
) -> Response:
    """`draft.about` tells what is made: a version has none, a language only its name, a template everything. `seen`: the
    newest version that the form's author knows, if it is not the one that there is now.
    """
    rendered = await render(visitor.api, draft, base)
    what = "version" if not draft.about else "language" if base else "template"
    titles = {"version": f"Edit {base.name if base else ''}", "language": "Add a language", "template": "New template"}
    return visitor.page(
        "editor",
        "templates",
        title=titles[what],
        status=200 if refusal is NOTHING_WRONG else 409 if refusal.newer else 422,
        what=what,
        draft=draft,
        base=base,
        seen=seen or (base.latest_version if base else None),
        of=urlencode({"language": base.language, "version": base.version}) if base else "",
        rendered=rendered,
        problems={**rendered.refusal.fields, **refusal.fields},
        refused=refusal,
        values=values,
    )


async def _base(visitor: Visitor, form: FormData) -> Template | None:
    """The version that the form is about: some of its settings are not in the form."""
    code, version = text_of(form, "base_code"), _number(form, "base_version")
    if not code or version is None:
        return None
    return await open_version(visitor, code, text_of(form, "base_language"), version)


def _number(form: FormData, name: str) -> int | None:
    text = text_of(form, name)
    return int(text[:9]) if text.isascii() and text.isdecimal() else None


def _draft(form: FormData) -> Draft:
    channels = [one for one in form.getlist("channels") if isinstance(one, str)]
    return draft_of_form(form, channels)


def _address(saved: Template, done: str) -> str:
    query = {"language": saved.language, "version": saved.version, "done": done}
    return f"/templates/{saved.code}?{urlencode(query)}"
