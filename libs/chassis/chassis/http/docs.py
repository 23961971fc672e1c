"""The API documentation pages, `/docs` and `/api/docs`, and their OpenAPI document.

The assets are served from here, so the pages work without internet.
"""

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from chassis.http.envelope import JsonResponse

router = APIRouter(include_in_schema=False)
# The page's only script is inline. Framing is forbidden: "Try it out" holds the reader's token.
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


class _Assets(StaticFiles):
    """Assets of 1.5 MB. Browsers cache them, and revalidate them at each use."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = "no-cache"
        return response


def install_docs(app: FastAPI) -> None:
    app.mount("/docs/assets", _Assets(packages=[("fastapi_swagger", "resources")]))
    app.include_router(router)


@router.get("/openapi.json")
async def document(request: Request) -> Response:
    """The OpenAPI document. FastAPI's own JSON takes 16 ms for the gateway's document, 100 times as long."""
    return JsonResponse(request.app.openapi())


@router.get("/docs")
@router.get("/api/docs")
async def documentation(request: Request) -> Response:
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=f"{request.app.title}: API",
        swagger_js_url="/docs/assets/swagger-ui-bundle.js",
        swagger_css_url="/docs/assets/swagger-ui.css",
        swagger_favicon_url="data:,",
    )
    page.headers.update(PAGE_HEADERS)
    return page


@router.get("/")
async def home() -> Response:
    return RedirectResponse("/docs")
