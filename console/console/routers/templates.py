"""Templates: the list, one of them as it looks, and the history of its versions."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from console.dependencies import Visitor
from console.headers import PREVIEW_POLICY
from console.routers.reading_templates import Language, Reading, Version, open_version
from console.services.previews import example_values, given_values, nested
from console.services.searching import neighbours
from notifications import InvalidRequest, Preview, Template

router = APIRouter()
PAGE = 50
VERSIONS = 20


@router.get("/templates")
async def listed(
    visitor: Reading,
    q: Annotated[str, Query(max_length=100)] = "",
    page: Annotated[int, Query(ge=1, le=1_000)] = 1,
) -> Response:
    found = await visitor.api.templates.list(search=q.strip() or None, page_size=PAGE, page=page).page()
    return visitor.page(
        "templates",
        "templates",
        title="Templates",
        q=q.strip(),
        rows=found.items,
        **neighbours("/templates", page, more=found.meta.has_next, q=q),
        may_write=visitor.person.may("act"),
    )


@router.get("/templates/{code}")
async def one(
    request: Request, visitor: Reading, code: str, language: Language = "", version: Version = None
) -> Response:
    template, values = await _template(request, visitor, code, language, version)
    preview, problem = await _preview(visitor, template, values)
    history = await visitor.api.templates.versions(code, language=template.language, page_size=VERSIONS).page()
    query = {"language": template.language, "version": template.version}
    return visitor.page(
        "template",
        "templates",
        title=template.name,
        t=template,
        values=values,
        preview=preview,
        problem=problem,
        query=urlencode({**query, **{f"v.{name}": value for name, value in values.items()}}),
        versions=history.items,
        of=urlencode(query),
        may_write=visitor.person.may("act"),
    )


@router.get("/templates/{code}/email")
async def email(
    request: Request, visitor: Reading, code: str, language: Language = "", version: Version = None
) -> Response:
    """The mail itself, for the page's frame: sandboxed there and by its own header, so nothing in it runs."""
    template, values = await _template(request, visitor, code, language, version)
    preview, problem = await _preview(visitor, template, values)
    html = preview.email.html if preview and preview.email else ""
    headers = {"Content-Security-Policy": PREVIEW_POLICY}
    return HTMLResponse(html if not problem else "", headers=headers)


async def _template(
    request: Request, visitor: Visitor, code: str, language: str, version: int | None
) -> tuple[Template, Mapping[str, str]]:
    template = await open_version(visitor, code, language, version)
    return template, {**example_values(template.variables), **given_values(request.query_params, template.variables)}


async def _preview(visitor: Visitor, template: Template, values: Mapping[str, str]) -> tuple[Preview | None, str]:
    try:
        preview = await visitor.api.templates.render(
            template.code, variables=nested(values), language=template.language, version=template.version
        )
    except InvalidRequest as refused:
        return None, f"It cannot be shown with these values: {refused.message}"
    return preview, ""
