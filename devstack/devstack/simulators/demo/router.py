"""The page's files, and the values of the stack that the page needs."""

from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, RedirectResponse
from pydantic import BaseModel

_STATIC = Path(__file__).parent / "static"
_FILES = {"": "index.html", "demo.js": "demo.js", "demo.css": "demo.css", "worker.js": "worker.js"}


@dataclass(frozen=True)
class Login:
    """The login of a user who may read users and send to them."""

    email: str
    password: str


class Configuration(BaseModel):
    """`push_service` is the beginning of the endpoints of the simulated push service."""

    gateway: str
    push_service: str
    email: str
    password: str


def demo_router(gateway_url: str, push_service: str, login: Login | None) -> APIRouter:
    """With a `login` the form is filled in."""
    router = APIRouter(prefix="/demo", include_in_schema=False)
    configuration = Configuration(
        gateway=gateway_url,
        push_service=push_service,
        email=login.email if login else "",
        password=login.password if login else "",
    )
    headers = {
        # Everything comes from this server. The page calls nothing but it and the gateway.
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'self'; script-src 'self'; worker-src 'self'; img-src data:; "
            f"connect-src 'self' {gateway_url}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }

    @router.get("", response_class=RedirectResponse)
    async def page_without_slash() -> str:
        """A service worker is responsible for the folder that it lies in."""
        return "/demo/"

    @router.get("/configuration.json")
    async def read_configuration() -> Configuration:
        return configuration

    @router.get("/{name}", response_class=FileResponse)
    async def file(name: str) -> FileResponse:
        if name not in _FILES:
            raise HTTPException(404, "No such file")
        return FileResponse(_STATIC / _FILES[name], headers=headers)

    @router.get("/", response_class=FileResponse)
    async def page() -> FileResponse:
        return await file("")

    return router
