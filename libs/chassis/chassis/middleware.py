"""Bare ASGI middleware, one class one job."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.envelope import refusal
from chassis.errors import PayloadTooLarge
from chassis.raw_headers import header_of


class TrailingSlash:
    """Every path works with and without its trailing slash: routes are declared without, requests come as they like."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path: str = scope["path"]
            if len(path) > 1 and path.endswith("/") and not path.endswith("//"):
                scope = {**scope, "path": path[:-1]}
        await self._app(scope, receive, send)


class BodyLimit:
    """413 as soon as a body is known to be too large, with or without a Content-Length."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._message = f"The request body is larger than {limit} bytes"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _declared_length(scope) > self._limit:
            await refusal(PayloadTooLarge(self._message))(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                # HTTPException, as FastAPI turns every other error of a body that it reads into a 400.
                raise HTTPException(413, self._message)
            return message

        await self._app(scope, counted, send)


def _declared_length(scope: Scope) -> int:
    length = header_of(scope, b"content-length") or ""
    return int(length) if length.isdecimal() and length.isascii() else 0
